"""Bytes, encodings and row groups of source files."""

import codecs
import gzip
import inspect
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from bbkit.core.errors import SourceError

BLOCK = 1 << 24
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Encoding(NamedTuple):
    """How a file is encoded, and whether its double quotes pair up."""

    name: str
    quotes_pair: bool


def open_bytes(path: Path) -> BinaryIO:
    """Open a file, unpacking gzip by its ending."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def find_encoding(path: Path) -> Encoding:
    """Tell the encoding of a file from its first bytes and by decoding all of it."""
    with open_bytes(path) as file:
        head = file.read(1024)
    name = next((codec for mark, codec in _MARKS if head.startswith(mark)), "utf-8")
    if name == "utf-8" and head.count(0) > len(head) // 4:
        raise SourceError(
            f"{path.name} looks like UTF-16 without a byte order mark: {head.count(0):,} of its first "
            f"{len(head):,} bytes are 0. Save the file as UTF-8."
        )
    try:
        return Encoding(name, _count_quotes(path, name) % 2 == 0)
    except UnicodeDecodeError as error:
        where = f"{path.name}, line {_line_of(path, name):,}: {error.reason}"
        if name != "utf-8":
            raise SourceError(f"{where}. Save the file as UTF-8.") from error
    try:
        encoding = Encoding("cp1252", _count_quotes(path, "cp1252") % 2 == 0)
    except UnicodeDecodeError as error:
        raise SourceError(f"{where}; it is not Windows-1252 either. Save the file as UTF-8.") from error
    warnings.warn(
        f"{path.name} is not UTF-8 ({where}) and is read as Windows-1252; look at its accents and quotes.",
        stacklevel=_depth(),
    )
    return encoding


def _depth() -> int:
    """How many frames lie between the one that calls this and that of the person who reads a source."""
    depth, frame = 1, inspect.currentframe()
    frame = frame and frame.f_back
    while frame and frame.f_globals.get("__name__", "").startswith("bbkit."):
        depth, frame = depth + 1, frame.f_back
    return depth


def _count_quotes(path: Path, encoding: str) -> int:
    decoder = codecs.getincrementaldecoder(encoding)()
    quotes = 0
    with open_bytes(path) as file:
        while block := file.read(BLOCK):
            quotes += decoder.decode(block).count('"')
        decoder.decode(b"", final=True)
    return quotes


def _line_of(path: Path, encoding: str) -> int:
    """The line at which decoding fails, the last one where it is cut short."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 0
    with open_bytes(path) as file:
        for line, part in enumerate(file, 1):
            try:
                decoder.decode(part)
            except UnicodeDecodeError:
                return line
    return line


def read_text(path: Path) -> str:
    """Read a whole text file, in the encoding it has."""
    encoding = find_encoding(path).name
    with open_bytes(path) as file:
        return file.read().decode(encoding)


def cut_batches(batches: Iterable[pa.RecordBatch], rows: int, schema: pa.Schema) -> Iterator[pa.Table]:
    """Cut rows anew."""
    held: list[pa.RecordBatch] = []
    count = 0
    for whole in batches:
        batch = whole
        while count + batch.num_rows >= rows:
            held.append(batch.slice(0, rows - count))
            yield pa.Table.from_batches(held, schema)
            batch, held, count = batch.slice(rows - count), [], 0
        if batch.num_rows:
            held.append(batch)
            count += batch.num_rows
    if held:
        yield pa.Table.from_batches(held, schema)
