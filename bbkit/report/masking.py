"""What a report shows of texts: masked, counted, shortened; HTML is written again so, with bounded tables."""

import html
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from bbkit.core.files import read_data
from bbkit.core.masks import KINDS, Finder, find_masks, is_telling, put_masks
from bbkit.report.drawings import mask_drawing, read_drawing, write_drawing

TEXT_TAGS = frozenset(read_data("html")["text"])

_MARGIN = 200
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9:.]{2,16}(Z|[+-][0-9:]{5})?)?")
_VOID = {"br", "hr", "img", "col", "wbr"}
_SHORT_WORD, _LONG_CELL, _TALL_CELL, _WIDE_TABLE = 24, 40, 700, 9
_NUMBER = re.compile(r"[-+−]?[$€£]?[0-9][0-9,. ]*( ?%)?|<NA>|NaN|nan|–")
_COUNTED = re.compile(
    r"(?i)(?:(?<![a-z])(?:tokens|count|records|rows|characters|bytes|costs?|usd|seconds|time)|_at)\b"
)
_COUNT = re.compile(r"(?:\s|<br>){1,4}(?:\(n\s=\s[\d,]+\)|[\d,]+\s\([^()]*\))$")
_MARKUP = re.compile(r"(<[^<>]*>)")
_BREAK = re.compile(r"(?i)</?(?:br|extra)\b")

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

    def __init__(self, enabled: bool, patterns: Sequence[tuple[str, Finder]] = ()):
        self.enabled = enabled
        self.counts: Counter[str] = Counter()
        self._own = [find for _, find in patterns]
        self._names = [name for name, _ in patterns]
        self._labels: dict[str, dict[str, int]] = {}
        folders = ((str(Path.cwd()), ""), (str(Path.home()), "~/"))
        self._folders = [(f"{folder}/", name) for folder, name in folders if len(folder) > 1]

    @property
    def sentence(self) -> str:
        """What was masked so far, what is looked for and where, and what is out of reach."""
        counts = ", ".join(f"{count:,} {kind}" for kind, count in self.counts.most_common())
        return (
            f"{f'Masked: {counts}' if counts else 'No pattern was found to mask'}. Looked for: "
            f"{', '.join([*KINDS.values(), *map(repr, self._names)])}; in what cells printed and show, in "
            "code, headings, tables, attributes, figures (not in the numbers they draw), drawings (SVG), "
            "errors, parameters, file names and report.json. Out of reach: names, addresses, numbers that "
            "are spelled out, pictures made of pixels, and what people tell. Masking is not anonymisation."
        )

    def text(self, text: str, about: str = "") -> str:
        return self.parts([text], about)[0]

    def parts(self, texts: Sequence[str], about: str = "") -> list[str]:
        """Mask parts of what reads as one text; `about` is the name it stands under, such as ``phone``."""
        if not self.enabled or not any(texts):
            return [*texts]
        for folder, name in self._folders:
            texts = [text.replace(folder, name) for text in texts]
        if about and is_telling(about):
            return self.parts([f"{about}: ", *texts])[1:]
        if _COUNTED.search(about) and "".join(texts).strip().replace(",", "").isdigit():
            return [*texts]
        masks = find_masks("".join(texts), self._own)
        self.counts.update(name for *_, name in masks)
        return put_masks(texts, masks) if masks else [*texts]

    def knows(self, text: str, about: str) -> bool:
        if not self.enabled or _COUNTED.search(about):
            return False
        return bool(find_masks(f"{about}: {text}" if is_telling(about) else text, self._own))

    def names(self, about: str) -> bool:
        """Whether this name tells what its values are."""
        return self.enabled and is_telling(about) and not _COUNTED.search(about)

    def label(self, text: str, masked: str) -> str:
        """Name something by its masked name so that two things keep two names, whatever counts follow."""
        if masked == text:
            return text
        count = found[0] if (found := _COUNT.search(masked)) else ""
        known = self._labels.setdefault(masked.removesuffix(count), {})
        number = known.setdefault(text.removesuffix(count), len(known) + 1)
        return masked if number == 1 else f"{masked.removesuffix(count)} {number}{count}"

    def word(self, text: str) -> str:
        """Mask an id, a class or a selector, which can hold no brackets."""
        masked = self.text(text)
        return text if masked == text else re.sub(r"\[([^\]]*)\]", lambda m: re.sub(r"\W", "-", m[1]), masked)

    def markup(self, text: str) -> str:
        """Mask a text that may hold elements and entities, as plotly reads them."""
        if not self.enabled or not re.search("[<&]|^data:", text):
            return self.text(text)
        if text.startswith("data:"):
            return self.address(text)
        pieces = [self.text(piece) if n % 2 else piece for n, piece in enumerate(_MARKUP.split(text))]
        read = [
            ("\n" if _BREAK.match(piece) else "") if n % 2 else html.unescape(piece)
            for n, piece in enumerate(pieces)
        ]
        shown = zip(pieces, read, self.parts(read), strict=True)
        return "".join(
            piece if n % 2 or before == after else html.escape(after, quote=False)
            for n, (piece, before, after) in enumerate(shown)
        )

    def address(self, address: str) -> str:
        """Mask what an address says when it is decoded; of a picture, the texts of a drawing."""
        if (drawing := read_drawing(address)) is not None:
            return write_drawing(self.drawing(drawing))
        plain = unquote(unquote(address))
        masked = plain if address.startswith("data:") else self.text(plain)
        return address if masked == plain else masked

    def drawing(self, source: str) -> str:
        return mask_drawing(source, self.parts, self.address) if self.enabled else source

    def data(self, value: Any, about: str = "", numbers: bool = True) -> Any:
        """Return JSON data masked: texts, names of entries and, if `numbers`, numbers that are ids."""
        if isinstance(value, dict):
            names = {name: self.label(str(name), self.text(str(name))) for name in value}
            return {names[name]: self.data(item, str(name), numbers) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(item, about, numbers) for item in value]
        text = "" if value is None or isinstance(value, bool) else str(value)
        is_number = not isinstance(value, str) and (not numbers or _COUNTED.search(about))
        if not text or is_time(text) or is_number:
            return value
        masked = self.text(text, about)
        return value if masked == text else masked

    def result(self, bundle: dict[str, Any]) -> dict[str, Any]:
        """Mask what a result tells machines; its numbers are numbers, whatever they look like."""
        masked: dict[str, Any] = self.data({**bundle, "numbers": {}})
        return masked | {"numbers": self.data(bundle["numbers"], numbers=False)}


def is_time(text: str) -> bool:
    return _TIME.fullmatch(text) is not None


def shorten(text: str, most: int) -> str:
    """Return `text`, or its first `most` characters and how many were left out."""
    if len(text) <= most:
        return text
    return f"{text[:most].rstrip()}… ({len(text) - most:,} more characters)"


def start_tag(tag: str, attributes: Iterable[tuple[str, str | None]]) -> str:
    """Write the start of an element; an attribute without a value has its name alone."""
    written = (
        f" {name}" if value is None else f' {name}="{html.escape(value)}"' for name, value in attributes
    )
    return f"<{tag}{''.join(written)}>"


def end_tag(tag: str) -> str:
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
    is_cut: bool = False
    column: int = 0
    columns: int = 0
    heads: list[tuple[_Cell, int]] = field(default_factory=list)
    numeric: dict[int, bool] = field(default_factory=dict)
    in_head: bool = False
    names: dict[int, str] = field(default_factory=dict)


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
        self._line: list[tuple[int, str]] = []

    def close(self) -> None:
        super().close()
        self._end_line()

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if tag not in TEXT_TAGS:
            self._end_line()
        if self._skipping:
            self._skipping += tag == "tr"
            return
        attributes: Attributes = [(name, self._mask_value(name, value or "")) for name, value in attrs]
        if tag == "br":
            self._line.append((-1, "\n"))
        if tag == "img" and "alt" not in dict(attrs):
            attributes.append(("alt", "An image without a description"))
        if tag == "table":
            self._tables.append(_Table(len(self.out)))
            self.out.append("")
        if tag in ("thead", "tbody") and self._tables:
            self._tables[-1].in_head = tag == "thead"
        if tag == "tr" and self._is_past_limit():
            self._skipping = 1
        elif tag in ("td", "th"):
            self._cells.append(_Cell(len(self.out), attributes))
            self.out.append("")
        else:
            self.out.append(start_tag(tag, attributes))

    def _mask_value(self, name: str, value: str) -> str:
        if name in ("id", "class"):
            return " ".join(map(self.masker.word, value.split()))
        return self.masker.address(value) if name in ("href", "src") else self.masker.text(value)

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
        if tag not in TEXT_TAGS:
            self._end_line()
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
        if text and (table.rows == 1 or table.in_head):
            table.names[table.column] = text
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
            total = "" if table.is_cut else f" of {table.rows - 1:,}"
            self._add_note(f"The first {shown:,}{total} rows.")

    def _add_note(self, text: str) -> None:
        self.out += [start_tag("p", [("class", "page-note")]), text, end_tag("p")]

    def handle_data(self, data: str) -> None:
        if self._skipping:  # pandas leaves rows out too, and says below how many there are
            self._tables[-1].is_cut |= data.strip() in ("...", "…")
        else:
            self._line.append((len(self.out), data))
            self.out.append("")

    def _end_line(self) -> None:
        """Mask what reads as one line of text, whatever elements are within it, and shorten its parts."""
        most, table = self.limits.characters, self._tables[-1] if self._tables and self._cells else _Table(0)
        about = table.names.get(table.column + 1, "")
        # What will not be shown is not searched, but for a margin that a pattern may reach into.
        masked = self.masker.parts([text[: most + _MARGIN] for _, text in self._line], about)
        for (place, text), shown in zip(self._line, masked, strict=True):
            rest = f"… ({len(text) - most:,} more characters)" if len(text) > most + _MARGIN else ""
            bounded = shown[:most].rstrip() + rest if rest else shorten(shown, most)
            if place >= 0:
                self.out[place] = html.escape(bounded, quote=False)
                if self._cells:
                    self._cells[-1].texts.append(bounded)
        self._line = []
