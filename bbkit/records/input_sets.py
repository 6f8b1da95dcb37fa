"""Input files: which ones a path names, on disk or in S3, and their lines, read in bounded memory."""

import math
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bbkit import aws
from bbkit.core.errors import InputError
from bbkit.lines.layout import LINE_BYTES

_BLOCK = 1 << 22
_LOOKALIKES = (".json", ".ndjson", ".jsonlines", ".jsonl.gz", ".jsonl.bz2", ".jsonl.zst", ".json.gz")


class InputSet(NamedTuple):
    """The input files a job would read, those in folders inside, what only looks like one, and the media."""

    files: list[str]
    nested: list[str]
    others: list[str]
    keys: set[str]
    folder: str


def list_input_set(path: str | Path) -> InputSet:
    """List what a job would read at a path or ``s3://`` URI."""
    text = str(path)
    if text.startswith("s3://"):
        return _list_objects(text)
    local = Path(path)
    if local.is_file():
        return InputSet([text], [], [], set(), "")
    if not local.is_dir():
        remedy = "Give a .jsonl file, a folder of them or an S3 URI."
        if local.with_name("index.json").is_file():  # of a run
            remedy = "`bbkit verify RUN --fetch` takes it from S3; or restore it from a copy."
        raise InputError(f"There is no file or folder {text!r}. {remedy}")
    names = [item.relative_to(local).as_posix() for item in local.rglob("*") if item.is_file()]
    return _sort_out(names, f"{local}/", text)


def _list_objects(uri: str) -> InputSet:
    if not uri.endswith("/"):
        # The object itself comes first of all whose keys begin like it.
        first = next(aws.list_objects(uri), None)
        if first is not None and first.uri == uri:
            return InputSet([uri], [], [], set(), "")
    folder = uri.rstrip("/") + "/"
    names = [item.uri[len(folder) :] for item in aws.list_objects(folder)]
    listed = _sort_out(names, folder, uri)
    keys = {folder + name for name in names}.difference(listed.files, listed.others)
    return listed._replace(keys=keys, folder=folder)


def _sort_out(names: list[str], folder: str, given: str) -> InputSet:
    files = sorted(name for name in names if name.endswith(".jsonl"))
    others = [
        name
        for name in sorted(names)
        if "/" not in name and name.lower().endswith((*_LOOKALIKES, ".jsonl")) and not name.endswith(".jsonl")
    ]
    if not files and not others:
        raise _no_files(given)
    nested = [folder + name for name in files if "/" in name]
    return InputSet([folder + name for name in files], nested, [folder + name for name in others], set(), "")


def _no_files(given: str) -> InputError:
    return InputError(f"{given!r} holds no .jsonl file; Bedrock reads no other.")


def record_files(path: str | Path) -> list[str]:
    """The input files at a path or ``s3://`` URI, sorted by name."""
    files = list_input_set(path).files
    if not files:
        raise _no_files(str(path))
    return files


def iter_blocks(name: str) -> Iterator[bytes]:
    """The bytes of a file or ``s3://`` object, block by block."""
    if name.startswith("s3://"):
        yield from aws.iter_object(name, _BLOCK)
        return
    with Path(name).open("rb", buffering=0) as stream:
        while block := stream.read(_BLOCK):
            yield block


def split_lines(blocks: Iterable[bytes], longest: float = math.inf) -> Iterator[list[Any]]:
    """Split blocks at newlines only, list after list; of a line over `longest` bytes, give their number."""
    begun: list[bytes] = []
    size = 0

    def joined() -> bytes | int:
        return b"".join(begun) if size <= longest else size

    for block in blocks:
        lines: list[Any] = block.split(b"\n")
        size += len(lines[0])
        if size <= longest:
            begun.append(lines[0])
        else:
            begun = []
        if len(lines) > 1:
            lines[0] = joined()
            begun = [lines.pop()]
            size = len(begun[0])
            yield lines
    if size:
        yield [joined()]


def file_lines(name: str) -> Iterator[bytes]:
    """The lines of a file or ``s3://`` object, each with a newline; the last line of a file may lack it."""
    if not name.startswith("s3://"):
        # Python's own files split lines three times as fast. What is cut at the bound is no JSON.
        with Path(name).open("rb", buffering=_BLOCK) as file:
            yield from iter(partial(file.readline, LINE_BYTES), b"")
        return
    for lines in split_lines(iter_blocks(name)):
        for line in lines:
            yield line + b"\n"
