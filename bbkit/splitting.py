"""Records into input files and jobs, within the quotas: part of the room `records`."""

import hashlib
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from bbkit.errors import QuotaError
from bbkit.quotas import Quotas

Positions = range | NDArray[np.int64]
"""Positions of records in the order they were given; a range where they are contiguous."""

_BLOCK = 1 << 22


@dataclass(frozen=True)
class PlannedFile:
    """One input file.

    Attributes
    ----------
    path : Path
        Where it is.
    job : str
        Label of its job: files with the same label go into one job.
    number : int
        Its number among the files of the attempt, from 1.
    records, bytes : int
        What it holds.
    sha256 : str
        Of its bytes, in hexadecimal.
    """

    path: Path
    job: str
    number: int
    records: int
    bytes: int
    sha256: str


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


def write_split(
    lines: Iterable[bytes], folder: str | Path, quotas: Quotas, *, attempt: int = 1
) -> list[PlannedFile]:
    """Write lines into the input files of as few jobs as possible, streaming.

    A job of one file is ``<attempt>-<number>.jsonl``; a job of several has a folder of its own, named after
    its first file. The bytes written depend on the lines and the quotas alone.

    Parameters
    ----------
    lines : iterable of bytes
        One record each, with its newline, such as `iter_lines` gives.
    folder : str or Path
        An empty or new folder; on an error what was written into it is taken away again.
    quotas : Quotas
        What files and jobs may hold.
    attempt : int
        Number of the attempt, from 1.

    Returns
    -------
    list of PlannedFile
        In the order of their numbers.

    Raises
    ------
    bbkit.errors.QuotaError
        As `plan_split`.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    spool = place / f".{attempt}.spool"
    made: list[Path] = []
    try:
        sizes = _spool(lines, spool)
        plan = plan_split(sizes, quotas)
        named = list(_name_files(plan, place, attempt))
        made += [path for path, _, _ in named]
        _cut_spool(spool, sizes, [(path, positions) for path, _, positions in named])
        with ThreadPoolExecutor(2) as hashers:
            digests = list(hashers.map(_digest, made))
    except BaseException:
        for path in [spool, *made]:
            path.unlink(missing_ok=True)
        for parent in {path.parent for path in made} - {place}:
            if parent.exists():
                parent.rmdir()
        raise
    return [
        PlannedFile(path, job, number, len(positions), path.stat().st_size, digest)
        for number, ((path, job, positions), digest) in enumerate(zip(named, digests, strict=True), 1)
    ]


def _spool(lines: Iterable[bytes], spool: Path) -> NDArray[np.int64]:
    sizes: list[int] = []
    block: list[bytes] = []
    held = 0
    with spool.open("wb", buffering=0) as file:
        for line in lines:
            block.append(line)
            sizes.append(len(line))
            held += len(line)
            if held >= _BLOCK:
                _write(file, b"".join(block))
                block, held = [], 0
        _write(file, b"".join(block))
    return np.array(sizes, dtype=np.int64)


def _write(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _name_files(
    plan: list[tuple[Positions, ...]], place: Path, attempt: int
) -> Iterator[tuple[Path, str, Positions]]:
    number = 1
    for files in plan:
        job = f"{attempt}-{number:04d}"
        for positions in files:
            name = f"{attempt}-{number:04d}.jsonl"
            yield (place / name if len(files) == 1 else place / job / name), job, positions
            number += 1


def _cut_spool(spool: Path, sizes: NDArray[np.int64], files: list[tuple[Path, Positions]]) -> None:
    """Cut the spool into its files; contiguous ones from the end, so that little disk is held twice."""
    ends = np.concatenate([[0], np.cumsum(sizes)])
    for path, _ in files:
        path.parent.mkdir(exist_ok=True)
    if any(not isinstance(positions, range) for _, positions in files):
        with spool.open("rb") as source:
            for path, positions in files:
                _gather(source, ends, positions, path)
        spool.unlink()
        return
    with spool.open("r+b") as source:
        for path, positions in files[:0:-1]:
            source.seek(start := int(ends[positions[0]]))
            with path.open("wb") as target:
                shutil.copyfileobj(source, target, _BLOCK)
            source.truncate(start)
    spool.replace(files[0][0])


def _gather(source: BinaryIO, ends: NDArray[np.int64], positions: Positions, path: Path) -> None:
    with path.open("wb") as target:
        for position in positions:
            source.seek(int(ends[position]))
            target.write(source.read(int(ends[position + 1] - ends[position])))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
