"""Records into jobs and input files, within the quotas: part of the room `records`."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bbkit.errors import QuotaError
from bbkit.quotas import Quotas

Positions = range | NDArray[np.int64]
"""Positions of records in the order they were given; a range where they are contiguous."""


def plan_split(sizes: Sequence[int] | NDArray[np.int64], quotas: Quotas) -> list[tuple[Positions, ...]]:
    """Arrange records into as few jobs as possible.

    One contiguous file a job where that satisfies every quota; else contiguous jobs of several files where
    one is not enough; else records dealt out by size, each job's in their order. The same sizes and quotas
    always give the same plan.

    Parameters
    ----------
    sizes : sequence of int
        Bytes of each record's line, newline included, in order.
    quotas : Quotas
        What files and jobs may hold.

    Returns
    -------
    list of tuple
        One item a job: for each of its files the positions of its records.

    Raises
    ------
    bbkit.errors.QuotaError
        No arrangement satisfies the quotas; names the one that cannot be.
    """
    bytes_of = np.asarray(sizes, dtype=np.int64)
    _refuse_hopeless(bytes_of, quotas)
    ends = np.concatenate([[0], np.cumsum(bytes_of)])
    for most_records, most_bytes in (
        (min(quotas.max_records_per_file, quotas.max_records_per_job),
         min(quotas.max_file_bytes, quotas.max_job_bytes)),
        (quotas.max_records_per_job, quotas.max_job_bytes),
    ):  # fmt: skip
        cuts = _cut(ends, quotas.min_records_per_job, most_records, most_bytes)
        if cuts:
            jobs = [range(start, end) for start, end in pairwise(cuts)]
            return [tuple(_files_of(job, bytes_of, quotas)) for job in jobs]
    return [tuple(_files_of(job, bytes_of, quotas)) for job in _deal(bytes_of, quotas)]


def _refuse_hopeless(sizes: NDArray[np.int64], quotas: Quotas) -> None:
    model = f" for {quotas.model_id}" if quotas.model_id else ""
    source = quotas.note or "quotas as given"
    if len(sizes) < quotas.min_records_per_job:
        raise QuotaError(
            f"{_count(len(sizes), 'record')}{model}; a batch job takes at least "
            f"{quotas.min_records_per_job:,} ({source}). Add records, or send them on demand."
        )
    largest = int(np.argmax(sizes))
    most = min(quotas.max_file_bytes, quotas.max_job_bytes)
    if sizes[largest] > most:
        raise QuotaError(
            f"Record {largest + 1:,} is {int(sizes[largest]):,} bytes{model}; an input file takes at most "
            f"{most:,} bytes ({source}). Shorten it, or leave it out."
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _cut(ends: NDArray[np.int64], least: int, most_records: int, most_bytes: int) -> list[int] | None:
    """Where to cut a sequence into the fewest pieces within the bounds; None where there is no way."""
    count = len(ends) - 1
    fewest = max(-(-count // most_records), -(-int(ends[-1]) // most_bytes), 1)
    cuts = np.array([count * piece // fewest for piece in range(fewest + 1)])
    records, sizes = np.diff(cuts), np.diff(ends[cuts])
    if records.min() >= least and records.max() <= most_records and sizes.max() <= most_bytes:
        return [int(cut) for cut in cuts]
    return _cut_exactly(ends, least, most_records, most_bytes)


def _cut_exactly(ends: NDArray[np.int64], least: int, most_records: int, most_bytes: int) -> list[int] | None:
    """The fewest pieces, exactly: the best of each prefix over a sliding window of last cuts."""
    count = len(ends) - 1
    earliest = np.maximum(
        np.searchsorted(ends, ends - most_bytes, side="left"), np.arange(count + 1) - most_records
    ).tolist()
    never = count + 1
    pieces = [never] * (count + 1)
    pieces[0] = 0
    window: deque[int] = deque()
    for end in range(least, count + 1):
        start = end - least
        if pieces[start] < never:
            while window and pieces[window[-1]] >= pieces[start]:
                window.pop()
            window.append(start)
        while window and window[0] < earliest[end]:
            window.popleft()
        if window:
            pieces[end] = pieces[window[0]] + 1
    if pieces[count] >= never:
        return None
    return _trace(np.array(pieces), earliest, least)


def _trace(pieces: NDArray[np.int64], earliest: list[int], least: int) -> list[int]:
    """Walk back through the best prefixes, cutting as evenly as they allow."""
    cuts = [len(pieces) - 1]
    while (end := cuts[-1]) > 0:
        left = int(pieces[end]) - 1
        start = earliest[end]
        fitting = np.flatnonzero(pieces[start : end - least + 1] == left) + start
        even = end * left // (left + 1)
        cuts.append(int(fitting[np.argmin(np.abs(fitting - even))]))
    return cuts[::-1]


def _deal(sizes: NDArray[np.int64], quotas: Quotas) -> list[NDArray[np.int64]]:
    """Deal records to jobs from the largest down, back and forth, so that jobs differ by one record at most.

    The bytes of two jobs then differ by no more than the largest record.
    """
    count, total = len(sizes), int(sizes.sum())
    fewest = max(-(-count // quotas.max_records_per_job), -(-total // quotas.max_job_bytes), 1)
    most = count // quotas.min_records_per_job
    order = np.argsort(-sizes, kind="stable")
    for jobs in range(fewest, most + 1):
        turn = np.arange(count) % (2 * jobs)
        job_of = np.empty(count, dtype=np.int64)
        job_of[order] = np.where(turn < jobs, turn, 2 * jobs - 1 - turn)
        if np.bincount(job_of, weights=sizes, minlength=jobs).max() <= quotas.max_job_bytes:
            return [np.flatnonzero(job_of == job) for job in range(jobs)]
    raise QuotaError(_say_why(count, total, fewest, most, quotas))


def _say_why(count: int, total: int, fewest: int, most: int, quotas: Quotas) -> str:
    model = f" for {quotas.model_id}" if quotas.model_id else ""
    held = f"{_count(count, 'record')} of {total:,} bytes{model}"
    source = quotas.note or "quotas as given"
    if count > most * quotas.max_records_per_job:
        rule = f"{quotas.min_records_per_job:,} to {quotas.max_records_per_job:,} records"
        remedy = "Add or leave out records"
    else:
        rule = (
            f"at most {quotas.max_job_bytes:,} bytes and at least {quotas.min_records_per_job:,} records, "
            f"which allows {_count(most, 'job')} where the bytes need "
            f"{'more' if fewest <= most else f'{fewest:,}'}"
        )
        remedy = "Shorten the largest records, or send them on demand"
    return f"{held} cannot be arranged into batch jobs: each takes {rule} ({source}). {remedy}."


def _files_of(job: Positions, sizes: NDArray[np.int64], quotas: Quotas) -> Iterator[Positions]:
    """Cut a job's records into the fewest files, in order."""
    own = sizes[job.start : job.stop] if isinstance(job, range) else sizes[job]
    ends = np.concatenate([[0], np.cumsum(own)])
    start = 0
    while start < len(own):
        fits = int(np.searchsorted(ends, ends[start] + quotas.max_file_bytes, side="right")) - 1
        end = min(fits, start + quotas.max_records_per_file)
        yield job[start:end]
        start = end
