"""Reads what stands beside the text of a body: documents as text where they are text, the rest as media."""

import base64
import binascii
from html.parser import HTMLParser
from typing import Any

from bbkit.standin.engines.base import Media

_TEXT_FORMATS = frozenset(("txt", "md", "csv", "html", "plain", "text", "markdown", "json", "xml"))


class _Page(HTMLParser):
    """Gathers the text of a page, without its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        self.parts.append("\n" if tag in ("p", "br", "div", "li", "tr") else " ")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= self._hidden > 0 and tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def decode_base64(value: Any) -> bytes | None:
    """The bytes of a base64 string; None when it is not one."""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if not isinstance(value, str):
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def read_document(data: bytes, form: str) -> str | None:
    """The text of a plain-text document; None when the format is a binary one or the bytes are not UTF-8."""
    if form.lower() not in _TEXT_FORMATS:
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if form.lower() != "html":
        return text
    page = _Page()
    page.feed(text)
    page.close()
    return "".join(page.parts)


def document_part(data: bytes | None, form: str, name: str = "") -> tuple[str, Media | None]:
    """A document as text, or as media where it cannot be read as text."""
    text = read_document(data, form) if data is not None else None
    return (text, None) if text is not None else ("", Media("document", form, data, name))
