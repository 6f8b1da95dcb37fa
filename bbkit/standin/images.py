"""What models refuse of images: bytes, sides, how many, from bbkit's dated data file (images.json)."""

import re
from functools import cache
from typing import Any, Literal

from bbkit.standin.errors import RecordError, refuse_record
from bbkit.standin.tables import read_dated

# How a format begins: where its sides stand, the bytes of each and their order, what to add.
_HEADS: dict[bytes, tuple[int, int, Literal["big", "little"], int]] = {
    b"\x89PNG": (16, 4, "big", 0),
    b"GIF8": (6, 2, "little", 0),
    b"VP8 ": (26, 2, "little", 0),
    b"VP8X": (24, 3, "little", 1),
}
# The last frame of a JPEG is the image's own; a thumbnail's stands before it.
_JPEG_FRAME = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]\x00[\x0b\x11\x14]\x08")


@cache
def _limits(model_id: str) -> dict[str, int]:
    listed: dict[str, Any] = read_dated("images")["limits"]
    own = [limits for start, limits in listed.items() if model_id.startswith(start)]
    return {name: given["value"] for limits in own for name, given in limits.items()}


def check_images(images: list[bytes], model_id: str) -> None:
    limits = _limits(model_id)
    if not limits:
        return
    if len(images) > limits.get("images", len(images)):
        raise RecordError(f"Too many images: {len(images)} > {limits['images']}")
    crowd = len(images) > limits.get("many_images", len(images))
    side = limits["side_of_many" if crowd else "side"]
    for data in images:
        size = 4 * -(-len(data) // 3)
        if size > limits.get("base64_bytes", size):
            raise RecordError(f"image exceeds 5 MB maximum: {size} bytes > {limits['base64_bytes']} bytes")
        if max(_sides(data)) > side:
            many = " for many-image requests" if crowd else ""
            raise refuse_record("image_side", many=many, side=side)


def _sides(data: bytes) -> tuple[int, int]:
    """The sides of an image in pixels; zeros when it is none."""
    mark = data[12:16] if data.startswith(b"RIFF") else data[:4]
    if mark == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return bits % 0x4000 + 1, (bits >> 14) % 0x4000 + 1
    at, size, order, more = _HEADS.get(mark, (len(data), 0, "big", 0))
    if data.startswith(b"\xff\xd8"):
        at, size = max((frame.end() for frame in _JPEG_FRAME.finditer(data)), default=len(data)), 2
    first, second = data[at : at + size], data[at + size : at + 2 * size]
    most = 0x4000 if mark == b"VP8 " else 1 << 32  # its two upper bits are a scale
    return int.from_bytes(first, order) % most + more, int.from_bytes(second, order) % most + more
