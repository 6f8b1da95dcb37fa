"""The working folder of one job: its input as it was validated, and the parts of its output that are done.

The input is kept by hard links, so that an object written anew while the job runs changes nothing. Whatever
is not in this folder is not done; whatever is, is. Source of the output's form:
https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-results.html.
"""

import hashlib
import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bbkit.standin.errors import ServiceError
from bbkit.standin.inputs import JobRefused, split_uri
from bbkit.standin.logs import Traces
from bbkit.standin.records import Chunk, Part, add_known
from bbkit.standin.s3.rules import check_key
from bbkit.standin.s3.store import PLAIN, Buckets
from bbkit.standin.settings import write_whole

MAX_CHUNK = 1 << 20  # bytes; bounds the memory of an engine process
_BLOCK = 1 << 20
OUTPUT = PLAIN | {"headers": {"ContentType": "application/octet-stream"}}


def check_output(buckets: Buckets, uri: str) -> None:
    bucket, key = split_uri(uri)
    try:
        check_key(key)
    except ServiceError:
        raise JobRefused(f"{uri} is no place in a bucket.") from None
    if not buckets.has(bucket):
        raise JobRefused(
            f"The bucket {bucket} for the output data does not exist or cannot be reached by the role."
        )


@dataclass(frozen=True)
class JobFolder:
    """The input files of one job, by name with the records each has, and what is done of them."""

    path: Path
    files: Mapping[str, int]

    @classmethod
    def make(
        cls,
        path: Path,
        found: Mapping[str, str],
        link: Callable[[str, Path], None],
        check: Callable[[Mapping[str, Path]], Mapping[str, int]],
    ) -> "JobFolder":
        """Link the input, check the links, and write down the plan, whole or not at all."""
        shutil.rmtree(path, ignore_errors=True)
        (path / "input").mkdir(parents=True)
        links = {name: path / "input" / f"{number:05d}" for number, name in enumerate(found)}
        for name, target in links.items():
            link(found[name], target)
        files = check(links)
        plan = [{"name": name, "records": records} for name, records in files.items()]
        write_whole(path / "plan.json", json.dumps(plan).encode())
        return cls(path, files)

    @classmethod
    def load(cls, path: Path) -> "JobFolder | None":
        """Read the plan of a job; None before it was validated."""
        plan = path / "plan.json"
        if not plan.exists():
            return None
        return cls(path, {file["name"]: file["records"] for file in json.loads(plan.read_text())})

    @property
    def total(self) -> int:
        return sum(self.files.values())

    @property
    def begun(self) -> bool:
        return (self.path / "parts").is_dir()

    def parts_of(self, number: int) -> list[Part]:
        """Give the finished parts of a file in input order."""
        folder = self.path / "parts" / f"{number:05d}"
        found = (Part.read(path.name) for path in folder.iterdir()) if folder.is_dir() else ()
        parts: list[Part] = []
        for part in sorted((part for part in found if part), key=lambda part: (part.start, part.end)):
            if not parts or part.start >= parts[-1].end:
                parts.append(part)
        return parts

    def _all_parts(self) -> list[Part]:
        return [part for number in range(len(self.files)) for part in self.parts_of(number)]

    def counts(self) -> dict[str, int]:
        parts = self._all_parts()
        success, error = sum(part.success for part in parts), sum(part.error for part in parts)
        return {"total": self.total, "processed": success + error, "success": success, "error": error}

    def faulted(self) -> set[str]:
        """Give the records that a passing fault befell."""
        texts = (path.read_text() for path in self.path.glob("parts/*/*.hits"))
        return {line for text in texts for line in text.split("\n") if line}

    def chunks(self, limit: int, records_per_chunk: Callable[[], int]) -> Iterator[Chunk]:
        """Cut the files, up to so many records, into stretches of whole lines, leaving out what is done."""
        remaining = limit
        for number in range(len(self.files)):
            path, folder = self.path / "input" / f"{number:05d}", self.path / "parts" / f"{number:05d}"
            folder.mkdir(parents=True, exist_ok=True)
            done = {part.start: part.end for part in self.parts_of(number)}
            with path.open("rb") as handle:
                start = end = count = 0
                while remaining > 0:
                    if start == end and end in done:
                        remaining -= _count_lines(handle, done[end] - end)
                        start = end = done[end]
                        continue
                    line = handle.readline()
                    end, count, remaining = end + len(line), count + bool(line), remaining - bool(line)
                    full = end - start >= MAX_CHUNK or count >= records_per_chunk()
                    if count and (not line or full or remaining <= 0 or end in done):
                        yield Chunk(path, start, end, folder, limit - remaining)
                        start, count = end, 0
                    if not line:
                        break

    def put_output(self, buckets: Buckets, uri: str, ordered: bool, traces: Traces) -> None:
        """Put one object per input file, and then the manifest, below the job's id in the output bucket."""
        bucket, prefix = split_uri(uri)
        job_id = self.path.name
        prefix = f"{prefix.strip('/')}/{job_id}/".removeprefix("/")
        for number, name in enumerate(self.files):
            joined = self.path / f"{number:05d}.out"
            md5 = self._join_parts(number, joined, None if ordered else f"{job_id} {number}")
            _put(buckets, bucket, f"{prefix}{name}.out", joined, md5)
            lines = sum(part.success + part.error for part in self.parts_of(number))
            traces.log(did="put output", job=job_id, key=f"{prefix}{name}.out", records=lines)
        counts, parts = self.counts(), self._all_parts()
        numbers = {f"{name}RecordCount": count for name, count in counts.items()} | {
            "inputTokenCount": add_known(part.input_tokens for part in parts),
            "outputTokenCount": add_known(part.output_tokens for part in parts),
        }
        known = {name: number for name, number in numbers.items() if number is not None}
        data = json.dumps(known).encode()
        manifest = self.path / "manifest.tmp"
        manifest.write_bytes(data)
        key = f"{prefix}manifest.json.out"
        _put(buckets, bucket, key, manifest, hashlib.md5(data, usedforsecurity=False).hexdigest())
        traces.log(did="put manifest", job=job_id, key=key, **known)

    def _join_parts(self, number: int, target: Path, seed: str | None) -> str:
        parts = self.parts_of(number)
        if seed is not None:
            random.Random(seed).shuffle(parts)
        digest = hashlib.md5(usedforsecurity=False)
        with target.open("wb") as out:
            for part in parts:
                with (self.path / "parts" / f"{number:05d}" / part.name).open("rb") as source:
                    while block := source.read(_BLOCK):
                        digest.update(block)
                        out.write(block)
        return digest.hexdigest()


def _put(buckets: Buckets, bucket: str, key: str, source: Path, md5: str) -> None:
    """Move a finished file into a bucket; it appears whole or not at all."""
    try:
        with buckets.stage() as staged:
            staged.size, staged.md5 = source.stat().st_size, md5
            source.replace(staged.path)
            buckets.put(bucket, key, staged, OUTPUT)
    except (OSError, sqlite3.OperationalError, ServiceError) as error:
        said = error.message if isinstance(error, ServiceError) else error
        raise JobRefused(f"The output could not be written to s3://{bucket}/{key}: {said}.") from error


def _count_lines(handle: BinaryIO, size: int) -> int:
    data = handle.read(size)
    return data.count(b"\n") + (not data.endswith(b"\n"))
