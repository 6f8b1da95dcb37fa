"""Files of lines, in blocks and with bounded memory: what stands on each line, and what is no line at all."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bbkit import aws

HELD_BYTES = 1 << 26
"""The longest line that is held in memory and checked, in bytes."""

_BLOCK = 1 << 22
_MAGIC = (
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"PK\x03\x04", "a zip file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"PAR1", "a Parquet file"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
)
_PRETTY = re.compile(rb"\s*(?:\{|\[\s*\{?)[ \t]*\r?\n")


def open_file(name: str) -> BinaryIO:
    """Open a path or ``s3://`` URI for reading in blocks."""
    return aws.open_object(name) if name.startswith("s3://") else Path(name).open("rb", buffering=0)


class Lines:
    """The lines of one file, split at newlines only."""

    def __init__(self, name: str):
        self.name = name
        self.bytes = 0
        self.bom = False
        self.kind = ""

    def __iter__(self) -> Iterator[list[bytes | int]]:
        """Yield the lines of one block after another; a line too long to hold is its length in bytes."""
        rest: list[bytes] = []
        held = 0
        with open_file(self.name) as file:
            while block := file.read(_BLOCK):
                if not self.bytes:
                    block = self._begin(block)
                    if self.kind:
                        return
                self.bytes += len(block)
                lines: list[bytes | int] = block.split(b"\n")  # type: ignore[assignment]
                first = lines[0]
                held += len(first)  # type: ignore[arg-type]
                if held <= HELD_BYTES:
                    rest.append(first)  # type: ignore[arg-type]
                else:
                    rest = []
                if len(lines) > 1:
                    lines[0] = b"".join(rest) if held <= HELD_BYTES else held
                    last = lines.pop()
                    rest, held = [last], len(last)  # type: ignore[arg-type, list-item]
                    yield lines
        if held:
            yield [b"".join(rest) if held <= HELD_BYTES else held]

    def _begin(self, block: bytes) -> bytes:
        self.kind = next((kind for magic, kind in _MAGIC if block.startswith(magic)), "")
        self.bom = block.startswith(b"\xef\xbb\xbf")
        block = block[3:] if self.bom else block
        if _PRETTY.match(block):
            self.kind = "JSON spread over several lines"
        elif b"}\r{" in block and b"\n" not in block:
            self.kind = "text whose lines end in carriage returns alone"
        return block
