"""What models refuse of images: bytes, sides, how many, from bbkit's dated data file (images.json)."""

import json
from functools import cache
from pathlib import Path
from typing import Any, Literal

from bbkit.standin.errors import RecordError

# How a format begins: where its sides stand, the bytes of each and their order, what to add.
_HEADS: dict[bytes, tuple[int, int, Literal["big", "little"], int]] = {
    b"\x89PNG": (16, 4, "big", 0),
    b"GIF8": (6, 2, "little", 0),
    b"VP8 ": (26, 2, "little", 0),
    b"VP8X": (24, 3, "little", 1),
}
_PATH = Path(__file__).parents[1] / "catalog" / "data" / "images.json"


@cache
def _limits(model_id: str) -> dict[str, int]:
    listed: dict[str, Any] = json.loads(_PATH.read_text(encoding="utf-8"))["limits"]
    own = [limits for start, limits in listed.items() if model_id.startswith(start)]
    return {name: given["value"] for limits in own for name, given in limits.items()}


def check_images(images: list[bytes], model_id: str) -> None:
    """Refuse images as the model does, in its words."""
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
            raise RecordError(
                f"At least one of the image dimensions exceed max allowed size{many}: {side} pixels"
            )


def _sides(data: bytes) -> tuple[int, int]:
    """The sides of an image in pixels; zeros when it is none."""
    mark = data[12:16] if data.startswith(b"RIFF") else data[:4]
    if mark == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return bits % 0x4000 + 1, (bits >> 14) % 0x4000 + 1
    at, size, order, more = _HEADS.get(mark, (0, 0, "big", 0))
    if data.startswith(b"\xff\xd8"):
        at, size = _jpeg_frame(data) + 5, 2
    first, second = data[at : at + size], data[at + size : at + 2 * size]
    return int.from_bytes(first, order) + more, int.from_bytes(second, order) + more


def _jpeg_frame(data: bytes) -> int:
    """Where the first frame begins: a thumbnail lies within a segment, and segments are passed over."""
    at = 2
    while at + 9 <= len(data):
        kind = data[at + 1]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            return at
        at += 1 if kind == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return len(data)
