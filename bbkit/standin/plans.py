"""The working folder of one job: its input as it was validated, and the parts of its output that are done.

The input is kept by hard links, so that an object written anew while the job runs changes nothing. Whatever
is not in this folder is not done; whatever is, is.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from bbkit.standin.answerers import add_known
from bbkit.standin.chunks import Chunk, Part, read_part
from bbkit.standin.inputs import InputFile

MAX_CHUNK = 1 << 20  # bytes; bounds the memory of an engine process


@dataclass(frozen=True)
class PlannedFile:
    """One input file: its name below the input folder, and its records."""

    name: str
    records: int


@dataclass(frozen=True)
class Plan:
    """The files of one job and what is done of them."""

    folder: Path
    files: tuple[PlannedFile, ...]

    @classmethod
    def make(
        cls, folder: Path, found: list[InputFile], check: Callable[[list[InputFile]], list[int]]
    ) -> "Plan":
        """Link the input, check the links, and write down the plan, whole or not at all."""
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "input").mkdir(parents=True)
        links = []
        for number, file in enumerate(found):
            link = folder / "input" / f"{number:05d}"
            os.link(file.path, link)
            links.append(InputFile(file.name, link))
        files = tuple(PlannedFile(file.name, count) for file, count in zip(links, check(links), strict=True))
        temporary = folder / "plan.tmp"
        temporary.write_text(json.dumps([asdict(file) for file in files]))
        temporary.replace(folder / "plan.json")
        return cls(folder, files)

    @classmethod
    def load(cls, folder: Path) -> "Plan | None":
        """Read the plan of a job; None before it was validated."""
        path = folder / "plan.json"
        if not path.exists():
            return None
        return cls(folder, tuple(PlannedFile(**item) for item in json.loads(path.read_text())))

    @property
    def total(self) -> int:
        """Records of the job."""
        return sum(file.records for file in self.files)

    def parts_folder(self, number: int) -> Path:
        """Where the parts of a file are."""
        return self.folder / "parts" / f"{number:05d}"

    def parts(self, number: int) -> list[Part]:
        """Give the finished parts of a file in input order."""
        folder = self.parts_folder(number)
        found = (read_part(path.name) for path in folder.iterdir()) if folder.is_dir() else ()
        kept: list[Part] = []
        for part in sorted(
            (part for part in found if part is not None), key=lambda part: (part.start, part.end)
        ):
            if not kept or part.start >= kept[-1].end:
                kept.append(part)
        return kept

    def counts(self) -> dict[str, int]:
        """Count what is done."""
        parts = [part for number in range(len(self.files)) for part in self.parts(number)]
        success, error = sum(part.success for part in parts), sum(part.error for part in parts)
        return {"total": self.total, "processed": success + error, "success": success, "error": error}

    def tokens(self) -> tuple[int | None, int | None]:
        """Count the tokens of what is done, in and out; None where those of a record are not known."""
        parts = [part for number in range(len(self.files)) for part in self.parts(number)]
        return add_known(p.input_tokens for p in parts), add_known(p.output_tokens for p in parts)

    def hits(self) -> set[str]:
        """Give the records that a passing fault befell."""
        texts = (path.read_text() for path in self.folder.glob("parts/*/*.hits"))
        return {line for text in texts for line in text.split("\n") if line}

    def chunks(self, limit: int | None, records_per_chunk: Callable[[], int]) -> Iterator[Chunk]:
        """Cut the files into stretches of whole lines, leaving out what is done."""
        most = left = limit if limit is not None else self.total
        for number in range(len(self.files)):
            path, folder = self.folder / "input" / f"{number:05d}", self.parts_folder(number)
            folder.mkdir(parents=True, exist_ok=True)
            done = {part.start: part.end for part in self.parts(number)}
            with path.open("rb") as handle:
                start = end = count = 0
                while left > 0:
                    if start == end and end in done:
                        left -= _count_lines(handle, done[end] - end)
                        start = end = done[end]
                        continue
                    line = handle.readline()
                    end, count, left = end + len(line), count + bool(line), left - bool(line)
                    full = end - start >= MAX_CHUNK or count >= records_per_chunk()
                    if count and (not line or full or left <= 0 or end in done):
                        yield Chunk(str(path), start, end, str(folder), most - left)
                        start, count = end, 0
                    if not line:
                        break


def _count_lines(handle: BinaryIO, size: int) -> int:
    data = handle.read(size)
    return data.count(b"\n") + (not data.endswith(b"\n"))
