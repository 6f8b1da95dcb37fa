"""CSV and TSV."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from bbkit.core.errors import SourceError
from bbkit.core.formulas import restore_formulas
from bbkit.sources.columns import Frames, cut_batches, dtypes_of_texts, frame_of_arrow, name_columns
from bbkit.sources.files import iter_whole, open_bytes, read_encoded

_BLOCK = 1 << 24
_SAMPLE = 1 << 16
_DELIMITERS = ",;\t|"
_SEP = re.compile(r'"?sep=([!-~\t])"?[;,\t|]*\r?\n', re.IGNORECASE)
_ESCAPE = "\\"
_AFTER = "expected after"
_DAMAGES = {
    _AFTER: "has a cell with text after its closing quote",
    "end of data": "opens a quote that is never closed",
}
"""What Python's errors of strict CSV say of a row."""

_TOO_LONG = (
    f": a row is larger than {_BLOCK // 2**20} MB, or a quote is never closed. "
    "Close the quote; put larger texts into JSON Lines or Parquet."
)
_UNCLEAR = re.compile(r'\\(?![\\"])')
_NUMBERS = {"Int64": pa.int64(), "Float64": pa.float64()}


class _Layout(NamedTuple):
    """How a file is written: where its header stands and whether anything comes after."""

    encoding: str
    delimiter: str
    escape: str
    names: list[str]
    lines_above: int
    has_rows: bool
    is_whole: bool


def read_delimited(path: Path, chunk_rows: int | None, delimiter: str = "", skip_rows: int = 0) -> Frames:
    """Read CSV or TSV: a header row, then rows with as many cells."""

    def read(encoding: str) -> Frames:
        layout = _read_layout(path, encoding, delimiter, skip_rows, is_whole=chunk_rows is None)
        buffered = list(_batches(path, layout)) if chunk_rows is None else []
        dtypes = dtypes_of_texts(buffered or _batches(path, layout), layout.names)
        texts = pa.schema([(name, pa.string()) for name in layout.names])
        typed = pa.schema([(name, _NUMBERS.get(str(dtypes[name]), pa.string())) for name in layout.names])
        tables = cut_batches(buffered or _batches(path, layout), chunk_rows, texts)
        return (
            frame_of_arrow(pa.table([*map(_restore, each.columns)], texts).cast(typed)) for each in tables
        )

    try:
        return read_encoded(path, read)
    except pa.ArrowInvalid as error:
        raise SourceError(f"{path.name}{_describe_error(str(error), skip_rows + 1)}") from error


def _restore(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Take out the apostrophes that `export_records` puts before formulas."""
    if not pc.any(pc.match_substring_regex(cells, r"(?:^|[;\t\r\n])'")).as_py():
        return cells
    return pa.chunked_array([[text and restore_formulas(text) for text in cells.to_pylist()]], pa.string())


def _open_text(path: Path, encoding: str, skip_rows: int, errors: str = "strict") -> io.TextIOWrapper:
    text = io.TextIOWrapper(open_bytes(path), encoding=encoding, errors=errors, newline="")
    for _ in range(skip_rows):
        text.readline()
    return text


def _lines(path: Path, text: io.TextIOWrapper) -> Iterator[str]:
    for line in iter(partial(text.readline, _BLOCK), ""):
        if len(line) == _BLOCK:
            raise SourceError(path.name + _TOO_LONG)
        yield line


def _find_delimiter(path: Path, encoding: str, skip_rows: int) -> tuple[str, int]:
    """The delimiter, and the rows above the table, of which Excel's ``sep=;`` is one."""
    with _open_text(path, encoding, skip_rows, "ignore") as file:
        text = file.read(_SAMPLE)
    if not skip_rows and (said := _SEP.match(text)):
        return said[1], 1
    sample = text[: text.rfind("\n") + 1] or text

    def count_cells(delimiter: str) -> tuple[int, int]:
        """Cells of each row, 1 where they differ, the last aside, which may be cut short; those of most."""
        for escape in ("", _ESCAPE):
            widths: list[int] = []
            try:
                rows = _strict_rows(io.StringIO(sample, newline=""), delimiter, escape)
                widths += (len(row) for row in rows if row)
            except csv.Error as error:
                if _AFTER in str(error):
                    continue
            usual, times = Counter(widths or [1]).most_common(1)[0]
            agreed = widths[0] if len(set(widths[:-1] or widths)) == 1 else 1
            return agreed, usual if 2 * times > len(widths) else 1
        return 1, 1

    return max(_DELIMITERS, key=count_cells), skip_rows


def _strict_rows(
    lines: Iterable[str], delimiter: str, escape: str, *, wary: bool = True
) -> Iterator[list[str]]:
    """Rows; csv.Error where text follows a closing quote, or Spark and MySQL differ about a backslash."""

    def check(line: str) -> str:
        if _UNCLEAR.search(line):
            raise csv.Error(_AFTER)
        return line

    csv.field_size_limit(max(csv.field_size_limit(), _BLOCK))  # Python's own, for all of it, is 128 KiB
    lines = map(check, lines) if escape and wary else lines
    yield from csv.reader(lines, delimiter=delimiter, escapechar=escape or None, strict=True)


def _find_damage(path: Path, layout: _Layout, *, wary: bool = True) -> tuple[str, str]:
    """The first row whose cells are not told apart, and the first with a backslash before a quote."""
    row, doubt = layout.lines_above, ""

    def noted(lines: Iterable[str]) -> Iterator[str]:
        nonlocal doubt
        for line in lines:
            if not doubt and '\\"' in line:
                doubt = f"row {row + 1:,} has a backslash before a quote, which may escape it or end its cell"
            yield line

    with _open_text(path, layout.encoding, row) as text:
        try:
            lines = _lines(path, text)
            lines = noted(iter_whole(path, lines, ("\n", "{", "[")) if layout.is_whole else lines)
            for _ in _strict_rows(lines, layout.delimiter, layout.escape, wary=wary):
                row += 1
        except csv.Error as error:
            damage = next((said for words, said in _DAMAGES.items() if words in str(error)), "")
            if damage or layout.escape:
                return f"row {row + 1:,} {damage}", doubt
    return "", doubt


def _read_layout(path: Path, encoding: str, delimiter: str, skip_rows: int, *, is_whole: bool) -> _Layout:
    found, above = _find_delimiter(path, encoding, skip_rows)
    layout = _Layout(encoding, delimiter or found, "", [], above, False, is_whole)
    damage, doubt = _find_damage(path, layout)
    if damage or doubt:
        escaped = layout._replace(escape=_ESCAPE)
        if (not _find_damage(path, escaped, wary=bool(damage))[0]) != bool(damage):
            raise SourceError(
                f"{path.name}: {damage or doubt}. Write each quote in a cell twice, as RFC 4180 has "
                "it (escape='\"' in Spark; ESCAPED BY '\"' in MySQL, with IFNULL(column, '') for nulls), or "
                "save it as JSON Lines or Parquet."
            )
        layout = escaped if damage else layout
    header: list[str] = []
    with _open_text(path, encoding, above) as text:
        try:
            lines = _lines(path, text)
            for header in csv.reader(lines, delimiter=layout.delimiter, escapechar=layout.escape or None):
                if header:
                    break
                above += 1
        except csv.Error as error:
            raise SourceError(f"{path.name}: its header cannot be read ({error}).") from error
        has_rows = bool(text.read(1))
    if not header:
        above_it = f" below the {skip_rows:,} lines of skip_rows=" if skip_rows else ""
        raise SourceError(
            f"{path.name} is empty{above_it}; its first row is to hold the names of the columns."
        )
    names = name_columns(path.name, [*map(restore_formulas, header)], above + 1)
    return layout._replace(names=names, lines_above=above, has_rows=has_rows)


def _batches(path: Path, layout: _Layout) -> Iterator[pa.RecordBatch]:
    if not layout.has_rows:
        return
    reading = pcsv.ReadOptions(
        use_threads=False,
        block_size=_BLOCK,
        column_names=layout.names,
        skip_rows=layout.lines_above,
        skip_rows_after_names=1,
        encoding="utf-8" if layout.encoding == "utf-8-sig" else layout.encoding,
    )
    parsing = pcsv.ParseOptions(
        delimiter=layout.delimiter, escape_char=layout.escape or False, newlines_in_values=True
    )
    converting = pcsv.ConvertOptions(
        column_types=dict.fromkeys(layout.names, pa.string()),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=["", "\\N"],  # what databases write for NULL
    )
    with open_bytes(path) as file:
        yield from pcsv.open_csv(file, reading, parsing, converting)


def _describe_error(message: str, header: int) -> str:
    if match := re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", message):
        row, expected, got = (int(number) for number in match.groups())
        finding = f": row {row:,} has {got} cells where the header, row {header}, has {expected}."
        return (
            f"{finding} Pass skip_rows= where a title stands above the table, take out what is no row of it, "
            'such as a total below, and put double quotes (", no blank before them) around a cell that holds '
            "the delimiter or a line break."
        )
    if "straddl" in message:
        return _TOO_LONG
    finding = (
        f" cannot be read as CSV ({message.rstrip('.')}), which is a header row, then rows of as many cells."
    )
    return f"{finding} Save the table so, or as JSON Lines or Parquet."
