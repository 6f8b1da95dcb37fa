"""Media in a body: where in S3 they lie, and what the first bytes of images say of their format and size."""

import base64
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bbkit.core.files import read_data
from bbkit.core.findings import Finding, make_finding

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"%PDF", "pdf"),
)
_IMAGES = ("png", "jpeg", "gif", "webp")
_MOST_SEGMENTS = 1000


class _Image(NamedTuple):
    path: str
    bytes: int
    pixels: tuple[int, int]


def _iter_objects(body: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object inside a body with its path, without recursion, so that no depth is too deep."""
    waiting: list[tuple[str, Any]] = [("", body)]
    while waiting:
        path, value = waiting.pop()
        if type(value) is dict:
            yield path, value
            prefix = f"{path}." if path else ""
            waiting += [(prefix + name, item) for name, item in value.items() if type(item) in (dict, list)]
        elif type(value) is list:
            waiting += [(f"{path}[{position}]", item) for position, item in enumerate(value)]


def media_uris(body: Any) -> Iterator[str]:
    for _, value in _iter_objects(body):
        location = value.get("s3Location")
        if type(location) is dict and type(location.get("uri")) is str:
            yield location["uri"]


def media_faults(body: Mapping[str, Any], model_id: str) -> list[Finding]:
    """Report images of another format than the body says, too large or too many for a bare model id."""
    faults, images = [], []
    for path, value in _iter_objects(body):
        declared, data = _declared(value)
        actual = _sniff(data) if data else ""
        if actual and declared in (*_IMAGES, "pdf") and actual != declared:
            faults.append(make_finding("media_format", path, declared=declared, actual=actual))
        if actual in _IMAGES or declared in _IMAGES:
            images.append(_Image(path or "inputImage", len(data), _pixels(data, actual.replace("text", ""))))
    limits = read_data("images")["limits"] if images else {}
    own = [limits[start] for start in limits if model_id.startswith(start)]
    return faults + [fault for one in own for fault in _image_faults(images[::-1], one)]


def document_texts(body: Mapping[str, Any]) -> Iterator[str]:
    """The documents in a body that are plain text."""
    for _, value in _iter_objects(body):
        declared, data = _declared(value)
        if declared == "plain":
            yield data
        elif declared in ("txt", "md", "csv"):
            yield _bytes_at(data, 0, len(data)).decode("utf-8", "replace")


def _declared(value: Mapping[str, Any]) -> tuple[str, str]:
    if type(value.get("media_type")) is str and type(value.get("data")) is str:
        return value["media_type"].rpartition("/")[2], value["data"]
    source = value.get("source")
    if type(value.get("format")) is str and type(source) is dict and type(source.get("bytes")) is str:
        return value["format"], source["bytes"]
    url = value.get("url")
    if type(url) is str and url.startswith("data:image/"):
        head, _, data = url.partition(",")
        return head[len("data:image/") :].partition(";")[0], data
    return "", value["inputImage"] if type(value.get("inputImage")) is str else ""


def _sniff(data: str) -> str:
    start = _bytes_at(data, 0, 16)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "webp"
    text = "text" if start and start.isascii() and start.decode().isprintable() else ""
    return next((name for magic, name in _MAGIC if start.startswith(magic)), text)


def _bytes_at(data: str, start: int, count: int) -> bytes:
    """Some of the bytes that a base64 text stands for, without decoding the rest."""
    try:
        decoded = base64.b64decode(data[start // 3 * 4 : (start + count + 2) // 3 * 4])
    except ValueError:
        return b""
    return decoded[start % 3 :][:count]


def _pixels(data: str, kind: str) -> tuple[int, int]:
    """Width and height of an image; zeros where its first bytes do not say."""
    head = _bytes_at(data, 0, 30)
    try:
        if kind == "jpeg":
            return _jpeg_pixels(data)
        if kind == "webp":
            return _webp_pixels(head)
        width, height = struct.unpack(">16xII6x" if kind == "png" else "<6xHH20x", head)
    except struct.error:
        return 0, 0
    return (width, height) if kind else (0, 0)


def _webp_pixels(head: bytes) -> tuple[int, int]:
    # https://developers.google.com/speed/webp/docs/riff_container: extended, lossless, lossy
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<26xHH", head)
    return width & 0x3FFF, height & 0x3FFF


def _jpeg_pixels(data: str) -> tuple[int, int]:
    # Segments are stepped over until one begins a frame; thumbnails and profiles lie within segments.
    at = 2
    for _ in range(_MOST_SEGMENTS):
        mark, kind, length, height, width = struct.unpack(">BBHxHH", _bytes_at(data, at, 9))
        if mark == 0xFF and 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            return width, height
        at += 1 if kind == 0xFF else 2 + length
    return 0, 0


def _image_faults(images: list[_Image], limits: Mapping[str, Any]) -> Iterator[Finding]:
    """Report how many there are and the worst of them, where the limits of the model are exceeded."""
    count, sources = len(images), read_data("images")["sources"]
    wide, heavy = max(images, key=lambda one: max(one.pixels)), max(images, key=lambda one: one.bytes)
    is_many = "many_images" in limits and count > limits["many_images"]["value"]
    for name, number, path in (
        ("images", count, ""),
        ("side_of_many" if is_many else "side", max(wide.pixels), wide.path),
        ("base64_bytes", heavy.bytes, heavy.path),
    ):
        if name in limits and number > (most := limits[name]["value"]):
            about = {"number": number, "most": most, "source": sources[limits[name]["source"]]}
            text = "image_count" if name == "images" else f"image_size.{name}"
            yield make_finding(text, path, count=count, pixels=wide.pixels, limits=limits, **about)
