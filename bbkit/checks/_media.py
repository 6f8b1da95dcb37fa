"""Media inside bodies: what they are against what they say they are, and the places in S3 they point to."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from bbkit.core.findings import Finding

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"%PDF", "pdf"),
)
_IMAGES = ("png", "jpeg", "gif", "webp")


def iter_objects(body: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object inside a body with its path, without recursion, so that no depth is too deep."""
    waiting: list[tuple[str, Any]] = [("", body)]
    while waiting:
        path, value = waiting.pop()
        if type(value) is dict:
            yield path, value
            for name, item in value.items():
                if type(item) is dict or type(item) is list:
                    waiting.append((f"{path}.{name}" if path else name, item))
        elif type(value) is list:
            for position, item in enumerate(value):
                if type(item) is dict or type(item) is list:
                    waiting.append((f"{path}[{position}]", item))


def media_faults(body: Mapping[str, Any]) -> list[Finding]:
    """Report images whose bytes are of another format than the body says."""
    faults = []
    for path, value in iter_objects(body):
        said, data = _declared(value)
        if not data or said not in (*_IMAGES, "pdf"):
            continue
        found = _sniff(data)
        if found and found != said:
            finding = f"{path} says {said}, and its bytes are {found}."
            faults.append(
                Finding("error", "media_format", finding, "Name the format that the bytes have.", path)
            )
    return faults


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
    return "", ""


def _sniff(data: str) -> str:
    try:
        start = base64.b64decode(data[:24])
    except (binascii.Error, ValueError):
        return ""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "webp"
    return next((name for magic, name in _MAGIC if start.startswith(magic)), "")


def iter_places(body: Any) -> Iterator[tuple[str, str]]:
    """Every place in S3 that a body points to, as path and URI."""
    for path, value in iter_objects(body):
        place = value.get("s3Location")
        if type(place) is dict and type(place.get("uri")) is str:
            yield f"{path}.s3Location.uri", place["uri"]
