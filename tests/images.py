"""Images of which only the first bytes are real, as base64, in every format that models take."""

import base64
import struct
import zlib


def _png(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def _gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(24)


def _jpeg(width: int, height: int) -> bytes:
    # A camera's file: a thumbnail with a frame of its own within the first segment, a long profile, padding.
    thumbnail = b"\xff\xd8\xff\xc0\x00\x11\x08" + struct.pack(">HH", 120, 160)
    camera = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    profile = b"\xff\xe2" + struct.pack(">H", 65_001) + bytes(64_999)
    tables = b"\xff\xc4\x00\x05abc"
    return b"\xff\xd8" + camera + profile + tables + b"\xff\xff\xc2\x00\x11\x08" + _end(height, width)


def _end(height: int, width: int) -> bytes:
    return struct.pack(">HH", height, width) + bytes(40)


def _webp(chunk: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def _lossy(width: int, height: int) -> bytes:
    return _webp(b"VP8 " + bytes(7) + b"\x9d\x01\x2a" + struct.pack("<HH", width | 0x4000, height))


def _lossless(width: int, height: int) -> bytes:
    return _webp(
        b"VP8L" + bytes(4) + b"\x2f" + struct.pack("<I", (height - 1) << 14 | (width - 1)) + bytes(9)
    )


def _extended(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return _webp(b"VP8X" + bytes(8) + sides)


MAKERS = {
    "png": _png,
    "gif": _gif,
    "jpeg": _jpeg,
    "webp lossy": _lossy,
    "webp lossless": _lossless,
    "webp extended": _extended,
}


def image(kind: str = "png", width: int = 10, height: int = 10, size: int = 0) -> str:
    """An image of that format and size in pixels; at least `size` bytes before it is base64."""
    return base64.b64encode(MAKERS[kind](width, height).ljust(size, b"\0")).decode()
