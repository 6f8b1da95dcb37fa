"""Records into jobs and input files, within the quotas: staged in one file, arranged, and cut from it."""

import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bbkit.catalog.quotas import Quotas
from bbkit.core.errors import QuotaError
from bbkit.core.files import file_sha256, move
from bbkit.core.text import count_noun

Positions = range | NDArray[np.int64]
"""Positions of records in the order they were given; a range where they are contiguous."""

_BLOCK = 1 << 22
_MOST_DEALS = 500
_PATIENCE = 200_000


@dataclass(frozen=True)
class InputFile:
    """One input file: of which job and attempt, and the S3 folder of the media it points to."""

    path: Path
    attempt: int
    number: int
    records: int
    bytes: int
    sha256: str
    job: str
    media: str = ""


class Staged(NamedTuple):
    """Lines written one after another into one file, with their sizes, not yet split into input files."""

    path: Path
    sizes: NDArray[np.int64]


def stage(lines: Iterable[bytes], path: Path) -> Staged:
    """Write lines, each with its newline, into one file, to be split by `split_staged`."""
    with path.open("wb", buffering=_BLOCK) as file:
        sizes = np.fromiter(map(file.write, lines), dtype=np.int64)
    return Staged(path, sizes)


def split_staged(staged: Staged, folder: Path, quotas: Quotas, *, attempt: int = 1) -> list[InputFile]:
    """Split staged lines, which are used up, into input files; what a failure leaves is the caller's."""
    folder.mkdir(exist_ok=True)
    files: list[tuple[Path, str, Positions]] = []
    for parts in plan_split(staged.sizes, quotas):
        job = f"{attempt}-{len(files) + 1:04d}"
        place = folder if len(parts) == 1 else folder / job
        for positions in parts:
            files.append((place / f"{attempt}-{len(files) + 1:04d}.jsonl", job, positions))
    _cut_up(staged, [(path, positions) for path, _, positions in files])
    with ThreadPoolExecutor(2) as hashers:
        checksums = hashers.map(file_sha256, (path for path, _, _ in files))
    return [
        InputFile(path, attempt, number, len(positions), path.stat().st_size, checksum, job)
        for number, ((path, job, positions), checksum) in enumerate(zip(files, checksums, strict=True), 1)
    ]


def _cut_up(staged: Staged, files: list[tuple[Path, Positions]]) -> None:
    """Cut the staging file up; contiguous files from the end, so that little disk is used twice."""
    ends = np.concatenate([[0], np.cumsum(staged.sizes)])
    for path, _ in files:
        path.parent.mkdir(exist_ok=True)
    if any(not isinstance(positions, range) for _, positions in files):
        with staged.path.open("rb") as source:
            for path, positions in files:
                with path.open("wb") as target:
                    for position in positions:
                        source.seek(int(ends[position]))
                        target.write(source.read(int(staged.sizes[position])))
        staged.path.unlink()
        return
    with staged.path.open("r+b") as source:
        for path, positions in files[:0:-1]:
            source.seek(start := int(ends[positions[0]]))
            with path.open("wb") as target:
                shutil.copyfileobj(source, target, _BLOCK)
            source.truncate(start)
    move(staged.path, files[0][0])


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
    """Deal records to the fewest jobs for which a way is found."""
    count, total = len(sizes), int(sizes.sum())
    fewest = max(-(-count // quotas.max_records_per_job), -(-total // quotas.max_job_bytes), 1)
    most = count // quotas.min_records_per_job
    for jobs in range(fewest, most + 1):
        for job_of in _deals(sizes, jobs, quotas):
            if np.bincount(job_of, weights=sizes, minlength=jobs).max() <= quotas.max_job_bytes:
                return [np.flatnonzero(job_of == job) for job in range(jobs)]
    raise QuotaError(_describe_failure(count, total, fewest, most, quotas))


def _deals(sizes: NDArray[np.int64], jobs: int, quotas: Quotas) -> Iterator[NDArray[np.int64]]:
    """The job of each record, in ways that keep to the numbers of records."""
    count = len(sizes)
    order = np.argsort(-sizes, kind="stable")
    # Back and forth: jobs differ by one record at most, their bytes by no more than the largest.
    turn = np.arange(count) % (2 * jobs)
    job_of = np.empty(count, dtype=np.int64)
    job_of[order] = np.where(turn < jobs, turn, 2 * jobs - 1 - turn)
    yield job_of
    for deal in range(min(_MOST_DEALS, 1 + _PATIENCE // count)):
        # What gets stuck in one order may not in another.
        shaken = sizes * np.random.default_rng(deal).uniform(0.6, 1, count) if deal else sizes
        yield _fill_evenly(sizes, np.argsort(-shaken, kind="stable"), jobs, quotas)


def _fill_evenly(
    sizes: NDArray[np.int64], order: NDArray[np.int64], jobs: int, quotas: Quotas
) -> NDArray[np.int64]:
    """Give each record in turn to the job of the fewest bytes; the last ones to jobs below the minimum."""
    least, most = quotas.min_records_per_job, quotas.max_records_per_job
    counts, missing = [0] * jobs, jobs * least
    loads = [(0, job) for job in range(jobs)]
    job_of = np.empty(len(order), dtype=np.int64)
    for left, position in zip(range(len(order), 0, -1), order.tolist(), strict=True):
        if left == missing and most > least:
            most = least
            loads = [(load, job) for load, job in loads if counts[job] < least]
            heapify(loads)
        load, job = heappop(loads)
        missing -= counts[job] < least
        counts[job] += 1
        if counts[job] < most:
            heappush(loads, (load + int(sizes[position]), job))
        job_of[position] = job
    return job_of


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
