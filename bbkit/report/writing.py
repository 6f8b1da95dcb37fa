"""Clean HTML written out again: texts masked and shortened, tables bounded, framed and aligned."""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser

from bbkit.report.masking import Limits, Masker, bound_text

_VOID = {"br", "hr", "img", "col", "wbr"}
_SHORT_WORD, _LONG_CELL, _TALL_CELL, _WIDE_TABLE = 24, 40, 700, 9
_NUMBER = re.compile(r"[-+−]?[$€£]?[0-9][0-9,. ]*( ?%)?|<NA>|NaN|nan|–")
_MASKED_ATTRIBUTES = {"title", "alt", "aria-label", "href"}

Attributes = list[tuple[str, str | None]]


def start_tag(tag: str, attributes: Iterable[tuple[str, str | None]]) -> str:
    """Write the start of an element; an attribute without a value has its name alone."""
    written = (
        f" {name}" if value is None else f' {name}="{html.escape(value)}"' for name, value in attributes
    )
    return f"<{tag}{''.join(written)}>"


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
            self.out.append(f"</{tag}>")
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
            self.out.append("</div>")
        self.out[cell.position] = start
        return tag

    def _end_table(self, table: _Table) -> None:
        for cell, column in table.heads:
            if table.numeric.get(column) and "colspan" not in dict(cell.attributes):
                self.out[cell.position] = start_tag("th", [*cell.attributes, ("data-number", None)])
        wide: Attributes = [("data-wide", None)] if table.columns > _WIDE_TABLE else []
        self.out[table.position] = start_tag("div", [*_frame("page-table", "Table"), *wide])
        self.out.append("</div>")
        if table.rows == 1 and table.heads:
            self._add_note("No rows.")
        if table.skipped:
            shown = table.rows - table.skipped - 1
            self._add_note(f"The first {shown:,} of {table.rows - 1:,} rows.")

    def _add_note(self, text: str) -> None:
        self.out += [start_tag("p", [("class", "page-note")]), text, "</p>"]

    def handle_data(self, data: str) -> None:
        if self._skipping:
            return
        text = bound_text(data, self.masker, self.limits.characters)
        if self._cells:
            self._cells[-1].texts.append(text)
        self.out.append(html.escape(text, quote=False))
