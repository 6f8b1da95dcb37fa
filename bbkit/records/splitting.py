"""Records into jobs and input files, within the quotas."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bbkit.catalog.quotas import Quotas
from bbkit.core.errors import QuotaError
from bbkit.core.text import count_noun

Positions = range | NDArray[np.int64]
"""Positions of records in the order they were given; a range where they are contiguous."""

_MOST_TRIES = 20
_DEALS = 4
_PARTNERS = 8
_PATIENCE = 2_000_000


def plan_split(sizes: Sequence[int] | NDArray[np.int64], quotas: Quotas) -> list[tuple[Positions, ...]]:
    """Arrange records into as few jobs as possible."""
    bytes_of = np.asarray(sizes, dtype=np.int64)
    _validate(bytes_of, quotas)
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


def _validate(sizes: NDArray[np.int64], quotas: Quotas) -> None:
    model = f" for {quotas.model_id}" if quotas.model_id else ""
    source = quotas.note or "quotas as given"
    if len(sizes) < quotas.min_records_per_job:
        raise QuotaError(
            f"{count_noun(len(sizes), 'record')}{model}; a batch job takes at least "
            f"{quotas.min_records_per_job:,} ({source}). Add records, or send them on demand."
        )
    largest = int(np.argmax(sizes))
    most = min(quotas.max_file_bytes, quotas.max_job_bytes)
    if sizes[largest] > most:
        raise QuotaError(
            f"Record {largest + 1:,} is {int(sizes[largest]):,} bytes{model}; an input file takes at most "
            f"{most:,} bytes ({source}). Shorten it, or leave it out."
        )


def _cut(ends: NDArray[np.int64], least: int, most_records: int, most_bytes: int) -> list[int] | None:
    """Where to cut a sequence into the fewest parts within the bounds; None where there is no way."""
    count = len(ends) - 1
    fewest = max(-(-count // most_records), -(-int(ends[-1]) // most_bytes), 1)
    cuts = np.array([count * part // fewest for part in range(fewest + 1)])
    records, sizes = np.diff(cuts), np.diff(ends[cuts])
    if records.min() >= least and records.max() <= most_records and sizes.max() <= most_bytes:
        return [int(cut) for cut in cuts]
    return _cut_exactly(ends, least, most_records, most_bytes)


def _cut_exactly(ends: NDArray[np.int64], least: int, most_records: int, most_bytes: int) -> list[int] | None:
    """The fewest parts, exactly: the best of each prefix over a sliding window of last cuts."""
    count = len(ends) - 1
    earliest = np.maximum(
        np.searchsorted(ends, ends - most_bytes, side="left"), np.arange(count + 1) - most_records
    ).tolist()
    never = count + 1
    parts = [never] * (count + 1)
    parts[0] = 0
    window: deque[int] = deque()
    for end in range(least, count + 1):
        start = end - least
        if parts[start] < never:
            while window and parts[window[-1]] >= parts[start]:
                window.pop()
            window.append(start)
        while window and window[0] < earliest[end]:
            window.popleft()
        if window:
            parts[end] = parts[window[0]] + 1
    if parts[count] >= never:
        return None
    return _trace(np.array(parts), earliest, least)


def _trace(parts: NDArray[np.int64], earliest: list[int], least: int) -> list[int]:
    """Walk back through the best prefixes, cutting as evenly as they allow."""
    cuts = [len(parts) - 1]
    while (end := cuts[-1]) > 0:
        before = int(parts[end]) - 1
        start = earliest[end]
        fitting = np.flatnonzero(parts[start : end - least + 1] == before) + start
        even = end * before // (before + 1)
        cuts.append(int(fitting[np.argmin(np.abs(fitting - even))]))
    return cuts[::-1]


def _deal(sizes: NDArray[np.int64], quotas: Quotas) -> list[NDArray[np.int64]]:
    """Deal records to jobs from the largest down, evenly; where that is too coarse, some change places."""
    count, total = len(sizes), int(sizes.sum())
    fewest = max(-(-count // quotas.max_records_per_job), -(-total // quotas.max_job_bytes), 1)
    most = count // quotas.min_records_per_job
    order = np.argsort(-sizes, kind="stable")
    for jobs in range(fewest, most + 1):
        job_of = _deal_evenly(order, jobs)
        if np.bincount(job_of, weights=sizes, minlength=jobs).max() <= quotas.max_job_bytes:
            return [np.flatnonzero(job_of == job) for job in range(jobs)]
    for jobs in np.unique(np.linspace(fewest, most, _MOST_TRIES, dtype=np.int64)) if fewest <= most else ():
        for deal in range(_DEALS):
            # Where exchanging gets stuck from one start, it may not from another.
            shaken = sizes * np.random.default_rng(deal).uniform(0.6, 1, count) if deal else sizes
            job_of = _deal_evenly(np.argsort(-shaken, kind="stable"), int(jobs))
            if _exchange(sizes, job_of, int(jobs), quotas):
                return [np.flatnonzero(job_of == job) for job in range(jobs)]
    raise QuotaError(_describe_failure(count, total, fewest, most, quotas))


def _deal_evenly(order: NDArray[np.int64], jobs: int) -> NDArray[np.int64]:
    """Deal back and forth: jobs differ by one record at most, their bytes by no more than the largest."""
    turn = np.arange(len(order)) % (2 * jobs)
    job_of = np.empty(len(order), dtype=np.int64)
    job_of[order] = np.where(turn < jobs, turn, 2 * jobs - 1 - turn)
    return job_of


def _exchange(sizes: NDArray[np.int64], job_of: NDArray[np.int64], jobs: int, quotas: Quotas) -> bool:
    """Move and swap records out of the fullest job until every one is within its bytes, if that succeeds."""
    for _ in range(min(10 * jobs, 20 + _PATIENCE // len(sizes))):
        loads = np.bincount(job_of, weights=sizes, minlength=jobs).astype(np.int64)
        counts = np.bincount(job_of, minlength=jobs)
        full = int(loads.argmax())
        if loads[full] <= quotas.max_job_bytes:
            return True
        steps = (
            _best_step(sizes, job_of, (full, other), loads, counts, quotas)
            for other in np.argsort(loads, kind="stable")[:_PARTNERS].tolist()
            if other != full
        )
        peak, given, taken, other = min(steps, default=(int(loads[full]), 0, 0, 0))
        if peak >= loads[full]:
            return False
        job_of[given] = other
        if taken >= 0:
            job_of[taken] = full
    return False


def _best_step(
    sizes: NDArray[np.int64],
    job_of: NDArray[np.int64],
    pair: tuple[int, int],
    loads: NDArray[np.int64],
    counts: NDArray[np.int64],
    quotas: Quotas,
) -> tuple[int, int, int, int]:
    """The move or swap that levels two jobs best: bytes of the fuller after it, given, taken (-1: none)."""
    full, other = pair
    own, theirs = np.flatnonzero(job_of == full), np.flatnonzero(job_of == other)
    theirs = theirs[np.argsort(sizes[theirs], kind="stable")]
    values = sizes[theirs]
    if counts[full] > quotas.min_records_per_job and counts[other] < quotas.max_records_per_job:
        theirs, values = np.concatenate([[-1], theirs]), np.concatenate([[0], values])
    near = np.searchsorted(values, sizes[own] - (loads[full] - loads[other]) / 2)
    steps = []
    for places in (np.maximum(near - 1, 0), np.minimum(near, len(values) - 1)):
        moved = sizes[own] - values[places]
        peaks = np.maximum(loads[full] - moved, loads[other] + moved)
        at = int(peaks.argmin())
        steps.append((int(peaks[at]), int(own[at]), int(theirs[places[at]]), other))
    return min(steps)


def _describe_failure(count: int, total: int, fewest: int, most: int, quotas: Quotas) -> str:
    model = f" for {quotas.model_id}" if quotas.model_id else ""
    records = f"{count_noun(count, 'record')} of {total:,} bytes{model}"
    source = quotas.note or "quotas as given"
    if count > most * quotas.max_records_per_job:
        return (
            f"{records} cannot be arranged into batch jobs: each takes {quotas.min_records_per_job:,} to "
            f"{quotas.max_records_per_job:,} records ({source}). Add or leave out records."
        )
    rule = f"at most {quotas.max_job_bytes:,} bytes and at least {quotas.min_records_per_job:,} records"
    remedy = "Shorten the largest records, or send them on demand."
    if fewest > most:
        return (
            f"{records} cannot be arranged into batch jobs: each takes {rule} ({source}), which allows "
            f"{count_noun(most, 'job')} where the bytes need {fewest:,}. {remedy}"
        )
    return f"No arrangement of {records} into batch jobs was found: each takes {rule} ({source}). {remedy}"


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
