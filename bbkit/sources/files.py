"""Bytes and encodings of source files."""

import codecs
import gzip
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import AnyStr, BinaryIO, TypeVar

import pyarrow as pa

from bbkit.core.errors import SourceError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BLOCK, _MOST_UNPACKED, _ITEM_BYTES = 1 << 20, 2 << 30, 200
_Content = TypeVar("_Content")


def open_bytes(path: Path) -> BinaryIO:
    """Open a file, unpacking gzip by its ending."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def iter_whole(path: Path, pieces: Iterator[AnyStr], marks: Sequence[AnyStr]) -> Iterator[AnyStr]:
    """Pieces of a file that is held whole; one that is gzipped and would fill the memory is refused."""
    if path.suffix != ".gz":
        yield from pieces
        return
    size = 0
    for piece in pieces:
        size += len(piece) + _ITEM_BYTES * sum(map(piece.count, marks))
        if size > _MOST_UNPACKED:
            what = f"{path.name} unpacks to more than the {_MOST_UNPACKED >> 30} GiB that are read whole"
            raise SourceError(
                f"{what} ({_ITEM_BYTES} bytes more for each line, '{{' and '['). Write it as CSV or JSON "
                "Lines, which are read in pieces (chunk_rows=), or unpack it if you know who made it."
            )
        yield piece


def read_encoded(path: Path, read: Callable[[str], _Content]) -> _Content:
    """Let `read` take a file in the encoding of its mark or UTF-8 or, with a warning, Windows-1252."""
    with open_bytes(path) as file:
        head = file.read(1024)
    encoding = next((codec for mark, codec in _MARKS if head.startswith(mark)), "utf-8")
    if encoding == "utf-8" and head.count(0) > len(head) // 4:
        raise SourceError(
            f"{path.name} looks like UTF-16 without a byte order mark: {head.count(0):,} of its first "
            f"{len(head):,} bytes are 0. Save the file as UTF-8."
        )
    try:
        return read(encoding)
    except (UnicodeDecodeError, pa.ArrowInvalid) as error:
        where = _find_undecodable(path, encoding)
        if not where:
            raise
        if encoding != "utf-8":
            raise SourceError(f"{where}. Save the file as UTF-8.") from error
    try:
        content = read("cp1252")
    except UnicodeDecodeError as error:
        raise SourceError(f"{where}; it is not Windows-1252 either. Save the file as UTF-8.") from error
    warn(f"{path.name} is not UTF-8 ({where}) and is read as Windows-1252; look at its accents and quotes.")
    return content


def _find_undecodable(path: Path, encoding: str) -> str:
    """The line at which decoding fails, or the last one where it is cut short, and why; else empty."""
    decoder = codecs.getincrementaldecoder(encoding)()
    number = 1
    with open_bytes(path) as file:
        try:
            for line in iter(partial(file.readline, _BLOCK), b""):
                decoder.decode(line)
                number += line.endswith(b"\n")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            return f"{path.name}, line {number:,}: {error.reason}"
    return ""


def warn(text: str) -> None:
    """Warn at the line of the person who reads a source, however many frames lie between."""
    depth, frame = 1, inspect.currentframe()
    while frame and frame.f_globals.get("__name__", "").startswith("bbkit."):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, stacklevel=depth)


def read_text(path: Path) -> str:
    with open_bytes(path) as file:
        content = b"".join(iter_whole(path, iter(partial(file.read, _BLOCK), b""), (b"\n", b"{", b"[")))
    return read_encoded(path, content.decode)
