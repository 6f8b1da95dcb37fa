"""Drawings (SVG) with their texts and attributes masked; what draws is left as it is."""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

from bbkit.core.files import read_data

_ADDRESS = re.compile(r"(?i)data:image/svg\+xml([^,]*),")
_WITHIN_A_LINE = {"tspan", "textPath", "a"}


def write_drawing(source: str) -> str:
    """The address of a drawing that is within a page."""
    return f"data:image/svg+xml;base64,{b64encode(source.encode()).decode('ascii')}"


def read_drawing(address: str) -> str | None:
    """The drawing that an address holds; None where it is the address of something else."""
    if (start := _ADDRESS.match(address)) is None:
        return None
    content = unquote_to_bytes(address[start.end() :])
    try:
        content = b64decode(content) if "base64" in start[1].lower() else content
    except ValueError:
        return ""
    return content.decode("utf-8", "replace")


def mask_drawing(
    source: str, mask: Callable[[Sequence[str]], list[str]], mask_address: Callable[[str], str]
) -> str:
    """Write a drawing again, masked and without comments; one that is not XML shows nothing anyway."""
    try:
        root = ElementTree.fromstring(source)
        slots = list(_list_texts(root))
        texts = [re.sub(r"\s+", " ", getattr(holder, name) or "") if name else "\n" for holder, name in slots]
        for (holder, name), masked in zip(slots, mask(texts), strict=True):
            if name:
                setattr(holder, name, masked)
        geometry = read_data("html")["geometry"]
        for element in root.iter():
            for name, value in element.items():
                if name not in geometry:
                    element.set(name, mask_address(value))
        return ElementTree.tostring(root, encoding="unicode")
    except (ElementTree.ParseError, RecursionError, ValueError):
        return ""


def _list_texts(element: ElementTree.Element) -> Iterator[tuple[ElementTree.Element, str]]:
    """Every place of a text in the order of the drawing, and one without a name where a line of it ends."""
    yield element, "text"
    for child in element:
        yield from _list_texts(child)
        yield child, "tail"
    if element.tag.rpartition("}")[2] not in _WITHIN_A_LINE:
        yield element, ""
