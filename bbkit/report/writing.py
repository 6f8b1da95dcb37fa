"""Clean HTML written out again: texts masked and shortened, tables bounded, framed and aligned."""

import html
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from bbkit.report.masking import Limits, Masker, bound_text

_VOID = {"br", "hr", "img", "col", "wbr"}
_SHORT_WORD, _LONG_CELL, _TALL_CELL, _WIDE_TABLE = 24, 40, 700, 9
_CLIP = '<div class="page-clip" tabindex="0" role="group" aria-label="Long text">'
_NUMBER = re.compile(r"[-+−]?[$€£]?[0-9][0-9,. ]*( ?%)?|<NA>|NaN|nan|–")


@dataclass
class _Table:
    """What is known of a table while it is written: its rows and which of its columns hold numbers only."""

    start: int
    rows: int = 0
    skipped: int = 0
    column: int = 0
    columns: int = 0
    heads: list[tuple[int, int]] = field(default_factory=list)
    numeric: dict[int, bool] = field(default_factory=dict)


class HtmlWriter(HTMLParser):
    """Writes clean HTML out again with its texts masked and shortened and its tables bounded and framed."""

    def __init__(self, masker: Masker, limits: Limits):
        super().__init__()
        self.masker = masker
        self.limits = limits
        self.out: list[str] = []
        self.shortened = 0
        self._tables: list[_Table] = []
        self._skipping = 0
        self._cell: tuple[int, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipping:
            self._skipping += tag == "tr"
            return
        if tag == "table":
            self._tables.append(_Table(len(self.out)))
            self.out.append('<div class="page-table" tabindex="0" role="group" aria-label="Table">')
        if tag == "tr" and self._is_past_limit():
            self._skipping = 1
            return
        self.out.append(self._tag(tag, attrs))
        if tag in ("td", "th"):
            self._cell = (len(self.out) - 1, [])

    def _is_past_limit(self) -> bool:
        if not self._tables:
            return False
        table = self._tables[-1]
        table.rows += 1
        table.column = 0
        past = table.rows > self.limits.rows + 1
        table.skipped += past
        return past

    def _tag(self, tag: str, attrs: list[tuple[str, str | None]]) -> str:
        texts = {"title", "alt", "aria-label", "href"}
        written = "".join(
            f' {name}="{html.escape(self.masker.text(value or "") if name in texts else value or "")}"'
            for name, value in attrs
        )
        alt = ' alt="An image without a description"' if tag == "img" and "alt" not in dict(attrs) else ""
        return f"<{tag}{written}{alt}>"

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            self._skipping -= tag == "tr"
            return
        if tag in ("td", "th") and self._cell:
            tag = self._end_cell(tag)
        if tag not in _VOID:
            self.out.append(f"</{tag}>")
        if tag == "table" and self._tables:
            self._end_table(self._tables.pop())

    def _end_cell(self, tag: str) -> str:
        """Tell numbers from text, and write an empty heading as the plain cell that it is."""
        position, texts = self._cell or (0, [])
        self._cell = None
        text = "".join(texts).strip()
        start = self.out[position]
        table = self._tables[-1] if self._tables else _Table(0)
        table.column += 1
        table.columns = max(table.columns, table.column)
        if tag == "th" and not text:
            self.out[position] = start.replace("<th", "<td", 1)
            return "td"
        if tag == "th":
            table.heads.append((position, table.column))
        elif _NUMBER.fullmatch(text):
            self.out[position] = start.replace(">", " data-number>", 1)
            table.numeric.setdefault(table.column, True)
        elif text:
            table.numeric[table.column] = False
            if len(text) <= _SHORT_WORD and " " not in text and "\n" not in text:
                self.out[position] = start.replace(">", " data-word>", 1)
            if len(text) > _LONG_CELL:
                self.out[position] = start.replace(">", " data-long>", 1)
            if len(text) > _TALL_CELL:
                self.out[position] += _CLIP
                self.out.append("</div>")
        return tag

    def _end_table(self, table: _Table) -> None:
        for position, column in table.heads:
            if table.numeric.get(column) and "colspan" not in self.out[position]:
                self.out[position] = self.out[position].replace(">", " data-number>", 1)
        self.out.append("</div>")
        if table.columns > _WIDE_TABLE:
            self.out[table.start] = self.out[table.start].replace(">", " data-wide>", 1)
        if table.rows == 1 and table.heads:
            self.out.append('<p class="page-note">No rows.</p>')
        if table.skipped:
            self.shortened += 1
            shown = table.rows - table.skipped - 1
            self.out.append(f'<p class="page-note">The first {shown:,} of {table.rows - 1:,} rows.</p>')

    def handle_data(self, data: str) -> None:
        if self._skipping:
            return
        text = bound_text(data, self.masker, self.limits.characters)
        self.shortened += text.endswith(" more characters)")
        if self._cell:
            self._cell[1].append(text)
        self.out.append(html.escape(text, quote=False))
