"""What a report shows of texts: masked, counted, shortened; HTML is written again so, with bounded tables."""

import html
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from bbkit.core.masks import mask_text
from bbkit.report.numbers import map_json

STATEMENT = (
    "Masks find patterns (e-mail addresses, phone and card numbers, account ids, keys). "
    "Masking is not anonymisation: names, addresses and what people tell are still there."
)

_MARGIN = 200
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]{4,}(Z|[+-][0-9:]{5})?)?")
_VOID = {"br", "hr", "img", "col", "wbr"}
_SHORT_WORD, _LONG_CELL, _TALL_CELL, _WIDE_TABLE = 24, 40, 700, 9
_NUMBER = re.compile(r"[-+−]?[$€£]?[0-9][0-9,. ]*( ?%)?|<NA>|NaN|nan|–")
_MASKED_ATTRIBUTES = {"title", "alt", "aria-label", "href"}

Attributes = list[tuple[str, str | None]]


@dataclass(frozen=True)
class Limits:
    """How much of one output is shown: characters per text, rows per table, lines of plain text."""

    characters: int
    rows: int
    lines: int


FULL = Limits(characters=20_000, rows=500, lines=2_000)
"""Bounds for every output, so that one cell cannot make the file too large to open."""

SAMPLE = Limits(characters=240, rows=5, lines=8)
"""Bounds for long texts, and for cells tagged `text`, in a report that is safe to share."""


class Masker:
    """Masks texts of one report and counts what it masked; switched off it returns them as they are."""

    def __init__(self, enabled: bool):
        self.enabled = enabled
        self.counts: Counter[str] = Counter()
        folders = ((str(Path.cwd()), ""), (str(Path.home()), "~/"))
        self._folders = [(f"{folder}/", name) for folder, name in folders if len(folder) > 1]

    @property
    def sentence(self) -> str:
        """What was masked so far."""
        counts = ", ".join(f"{count:,} {kind}" for kind, count in self.counts.most_common())
        return f"Masked: {counts}." if counts else "No pattern was found to mask."

    def text(self, text: str) -> str:
        if not self.enabled or not text:
            return text
        for folder, name in self._folders:
            text = text.replace(folder, name)
        masked, counts = mask_text(text)
        self.counts.update(counts)
        return masked

    def data(self, value: Any) -> Any:
        """Return JSON data with every string masked, except times and encoded arrays."""

        def mask(item: Any) -> Any:
            return self.text(item) if isinstance(item, str) and not _TIME.fullmatch(item) else item

        return map_json(value, mask, skip="bdata") if self.enabled else value


def shorten(text: str, most: int) -> str:
    """Return `text`, or its first `most` characters and how many were left out."""
    if len(text) <= most:
        return text
    return f"{text[:most].rstrip()}… ({len(text) - most:,} more characters)"


def bound_text(text: str, masker: Masker, most: int) -> str:
    """Mask and shorten; what will not be shown is not searched, but for a margin a pattern may reach into."""
    if len(text) <= most + _MARGIN:
        return shorten(masker.text(text), most)
    shown = masker.text(text[: most + _MARGIN])[:most].rstrip()
    return f"{shown}… ({len(text) - most:,} more characters)"


def start_tag(tag: str, attributes: Iterable[tuple[str, str | None]]) -> str:
    """Write the start of an element; an attribute without a value has its name alone."""
    written = (
        f" {name}" if value is None else f' {name}="{html.escape(value)}"' for name, value in attributes
    )
    return f"<{tag}{''.join(written)}>"


def end_tag(tag: str) -> str:
    """Write the end of an element."""
    return f"</{tag}>"


def _frame(kind: str, label: str) -> Attributes:
    """What a part that may scroll needs, so that a keyboard reaches it."""
    return [("class", kind), ("tabindex", "0"), ("role", "group"), ("aria-label", label)]


@dataclass
class _Cell:
    """An open cell of a table: its attributes, and where its start tag goes when its text is known."""

    position: int
    attributes: Attributes
    texts: list[str] = field(default_factory=list)


@dataclass
class _Table:
    """An open table: its rows, its headings, and which of its columns hold numbers only."""

    position: int
    rows: int = 0
    skipped: int = 0
    column: int = 0
    columns: int = 0
    heads: list[tuple[_Cell, int]] = field(default_factory=list)
    numeric: dict[int, bool] = field(default_factory=dict)


def write_html(source: str, masker: Masker, limits: Limits) -> str:
    writer = _Writer(masker, limits)
    writer.feed(source)
    writer.close()
    return "".join(writer.out)


class _Writer(HTMLParser):
    def __init__(self, masker: Masker, limits: Limits):
        super().__init__()
        self.masker = masker
        self.limits = limits
        self.out: list[str] = []
        self._tables: list[_Table] = []
        self._cells: list[_Cell] = []
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if self._skipping:
            self._skipping += tag == "tr"
            return
        attributes: Attributes = [
            (name, self.masker.text(value or "") if name in _MASKED_ATTRIBUTES else value or "")
            for name, value in attrs
        ]
        if tag == "img" and "alt" not in dict(attrs):
            attributes.append(("alt", "An image without a description"))
        if tag == "table":
            self._tables.append(_Table(len(self.out)))
            self.out.append("")
        if tag == "tr" and self._is_past_limit():
            self._skipping = 1
        elif tag in ("td", "th"):
            self._cells.append(_Cell(len(self.out), attributes))
            self.out.append("")
        else:
            self.out.append(start_tag(tag, attributes))

    def _is_past_limit(self) -> bool:
        if not self._tables:
            return False
        table = self._tables[-1]
        table.rows += 1
        table.column = 0
        past = table.rows > self.limits.rows + 1
        table.skipped += past
        return past

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            self._skipping -= tag == "tr"
            return
        if tag in ("td", "th") and self._cells:
            tag = self._end_cell(tag, self._cells.pop())
        if tag not in _VOID:
            self.out.append(end_tag(tag))
        if tag == "table" and self._tables:
            self._end_table(self._tables.pop())

    def _end_cell(self, tag: str, cell: _Cell) -> str:
        """Tell numbers from text, and write an empty heading as the plain cell that it is."""
        text = "".join(cell.texts).strip()
        table = self._tables[-1] if self._tables else _Table(0)
        table.column += 1
        table.columns = max(table.columns, table.column)
        if tag == "th" and text:
            table.heads.append((cell, table.column))
        tag = tag if text else "td"
        if tag == "td" and _NUMBER.fullmatch(text):
            cell.attributes.append(("data-number", None))
            table.numeric.setdefault(table.column, True)
        elif tag == "td" and text:
            table.numeric[table.column] = False
            if len(text) > _LONG_CELL:
                cell.attributes.append(("data-long", None))
            elif len(text) <= _SHORT_WORD and not re.search(r"[ \n]", text):
                cell.attributes.append(("data-word", None))
        start = start_tag(tag, cell.attributes)
        if tag == "td" and len(text) > _TALL_CELL:
            start += start_tag("div", _frame("page-clip", "Long text"))
            self.out.append(end_tag("div"))
        self.out[cell.position] = start
        return tag

    def _end_table(self, table: _Table) -> None:
        for cell, column in table.heads:
            if table.numeric.get(column) and "colspan" not in dict(cell.attributes):
                self.out[cell.position] = start_tag("th", [*cell.attributes, ("data-number", None)])
        wide: Attributes = [("data-wide", None)] if table.columns > _WIDE_TABLE else []
        self.out[table.position] = start_tag("div", [*_frame("page-table", "Table"), *wide])
        self.out.append(end_tag("div"))
        if table.rows == 1 and table.heads:
            self._add_note("No rows.")
        if table.skipped:
            shown = table.rows - table.skipped - 1
            self._add_note(f"The first {shown:,} of {table.rows - 1:,} rows.")

    def _add_note(self, text: str) -> None:
        self.out += [start_tag("p", [("class", "page-note")]), text, end_tag("p")]

    def handle_data(self, data: str) -> None:
        if self._skipping:
            return
        text = bound_text(data, self.masker, self.limits.characters)
        if self._cells:
            self._cells[-1].texts.append(text)
        self.out.append(html.escape(text, quote=False))
