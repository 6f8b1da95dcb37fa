"""Lines into input files, streaming and without half-written ones."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from bbkit.catalog.quotas import Quotas
from bbkit.records.splitting import Positions, plan_split

_BLOCK = 1 << 22


@dataclass(frozen=True)
class InputFile:
    """One input file; `media` is the folder in S3 that holds all media it points to."""

    path: Path
    attempt: int
    number: int
    records: int
    bytes: int
    sha256: str
    job: str
    media: str = ""


@dataclass(frozen=True)
class Spool:
    """Lines written one after another into one file, not yet parted into input files."""

    path: Path
    sizes: NDArray[np.int64]


def write_split(
    lines: Iterable[bytes], folder: str | Path, quotas: Quotas, *, attempt: int = 1
) -> list[InputFile]:
    """Write lines into the input files of as few jobs as possible, streaming."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    return split_spool(spool_lines(lines, place / f".{attempt}.spool"), place, quotas, attempt=attempt)


def spool_lines(lines: Iterable[bytes], path: str | Path) -> Spool:
    """Write lines into one file, to be checked as a whole and then parted by `split_spool`."""
    target = Path(path)
    sizes: list[int] = []
    block: list[bytes] = []
    held = 0
    try:
        with target.open("wb", buffering=0) as file:
            for line in lines:
                block.append(line)
                sizes.append(len(line))
                held += len(line)
                if held >= _BLOCK:
                    _write(file, b"".join(block))
                    block, held = [], 0
            _write(file, b"".join(block))
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Spool(target, np.array(sizes, dtype=np.int64))


def split_spool(spool: Spool, folder: str | Path, quotas: Quotas, *, attempt: int = 1) -> list[InputFile]:
    """Part a spool into the input files of as few jobs as possible; the spool is used up."""
    place = Path(folder)
    made: list[Path] = []
    try:
        place.mkdir(parents=True, exist_ok=True)
        named = list(_name_files(plan_split(spool.sizes, quotas), place, attempt))
        made += [path for path, _, _ in named]
        _cut_spool(spool.path, spool.sizes, [(path, positions) for path, _, positions in named])
        with ThreadPoolExecutor(2) as hashers:
            digests = list(hashers.map(_digest, made))
    except BaseException:
        for path in [spool.path, *made]:
            path.unlink(missing_ok=True)
        for parent in {path.parent for path in made} - {place}:
            if parent.exists():
                parent.rmdir()
        raise
    return [
        InputFile(path, attempt, number, len(positions), path.stat().st_size, digest, job)
        for number, ((path, job, positions), digest) in enumerate(zip(named, digests, strict=True), 1)
    ]


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
