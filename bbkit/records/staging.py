"""Lines into input files by way of one staging file, streaming."""

import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bbkit.catalog.quotas import Quotas
from bbkit.core.files import file_sha256, move
from bbkit.records.splitting import Positions, plan_split

_BLOCK = 1 << 22


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


@dataclass(frozen=True)
class Staged:
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
    named = list(_name_files(plan_split(staged.sizes, quotas), folder, attempt))
    _cut(staged, [(path, positions) for path, _, positions in named])
    with ThreadPoolExecutor(2) as hashers:
        checksums = hashers.map(file_sha256, [path for path, _, _ in named])
    return [
        InputFile(path, attempt, number, len(positions), path.stat().st_size, checksum, job)
        for number, ((path, job, positions), checksum) in enumerate(zip(named, checksums, strict=True), 1)
    ]


def _name_files(
    plan: list[tuple[Positions, ...]], folder: Path, attempt: int
) -> Iterator[tuple[Path, str, Positions]]:
    number = 1
    for files in plan:
        job = f"{attempt}-{number:04d}"
        for positions in files:
            name = f"{attempt}-{number:04d}.jsonl"
            yield (folder / name if len(files) == 1 else folder / job / name), job, positions
            number += 1


def _cut(staged: Staged, files: list[tuple[Path, Positions]]) -> None:
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
