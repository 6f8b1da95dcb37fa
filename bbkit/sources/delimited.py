"""CSV and TSV."""

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pcsv

from bbkit.core.errors import SourceError
from bbkit.core.text import name_some
from bbkit.sources.columns import TextColumns, frame_of_text
from bbkit.sources.files import BLOCK, cut_batches, find_encoding, open_bytes

_SAMPLE = 1 << 16
_DELIMITERS = ",;\t|"


def read_delimited(
    path: Path, chunk_rows: int | None, delimiter: str | None = None
) -> Iterator[pd.DataFrame]:
    """Read CSV or TSV: a header row, then rows with as many cells."""
    encoding = find_encoding(path)
    delimiter = delimiter or _find_delimiter(path, encoding.name)
    header = _read_header(path, encoding.name, delimiter)
    columns = TextColumns(header.names)
    rows, last = 0, None
    kept = []
    for batch in _batches(path, encoding.name, delimiter, header):
        columns.look_at(batch)
        rows += batch.num_rows
        last = batch.slice(batch.num_rows - 1) if batch.num_rows else last
        if chunk_rows is None:
            kept.append(batch)
    if not encoding.quotes_pair and last is not None:
        _refuse_open_quote(path, encoding.name, last, rows)
    dtypes = columns.dtypes()
    schema = pa.schema([(name, pa.string()) for name in header.names])
    if chunk_rows is None:
        yield frame_of_text(pa.Table.from_batches(kept, schema), dtypes)
        return
    for table in cut_batches(_batches(path, encoding.name, delimiter, header), chunk_rows, schema):
        yield frame_of_text(table, dtypes)


def _find_delimiter(path: Path, encoding: str) -> str:
    with open_bytes(path) as file:
        text = file.read(_SAMPLE).decode(encoding, errors="ignore")
    text = text[: text.rfind("\n") + 1] or text
    best, most = ",", 1
    for candidate in _DELIMITERS:
        try:
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=candidate)
            widths = [len(row) for row in rows if row]
        except csv.Error:
            continue
        even = widths[: max(1, len(widths) - 1)]
        if widths and len(set(even)) == 1 and widths[0] > most:
            best, most = candidate, widths[0]
    return best


class _Header(NamedTuple):
    """The names of the columns, the blank lines before them, and whether anything comes after."""

    names: list[str]
    blank: int
    has_rows: bool


def _read_header(path: Path, encoding: str, delimiter: str) -> _Header:
    blank, header = 0, []
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding=encoding, newline="") as text:
        try:
            for header in csv.reader(text, delimiter=delimiter):
                if header:
                    break
                blank += 1
        except csv.Error as error:
            raise SourceError(f"{path.name}: its header cannot be read ({error}).") from error
        has_rows = bool(text.read(1))
    names = [name or f"unnamed_{position}" for position, name in enumerate(header, 1)]
    if not names:
        raise SourceError(f"{path.name} is empty; its first row is to hold the names of the columns.")
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise SourceError(f"{path.name} has more than one column {name_some(twice)}. Give each its own name.")
    return _Header(names, blank, has_rows)


def _batches(path: Path, encoding: str, delimiter: str, header: _Header) -> Iterator[pa.RecordBatch]:
    if not header.has_rows:
        return
    try:
        with open_bytes(path) as file:
            yield from pcsv.open_csv(
                file,
                pcsv.ReadOptions(
                    use_threads=False,
                    block_size=BLOCK,
                    column_names=header.names,
                    skip_rows=header.blank,
                    skip_rows_after_names=1,
                    encoding="utf-8" if encoding == "utf-8-sig" else encoding,
                ),
                pcsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                pcsv.ConvertOptions(
                    column_types=dict.fromkeys(header.names, pa.string()),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    null_values=[""],
                ),
            )
    except pa.ArrowInvalid as error:
        raise SourceError(f"{path.name}: {_say_csv(str(error))}") from error


def _say_csv(message: str) -> str:
    if found := re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", message):
        row, expected, got = (int(number) for number in found.groups())
        return (
            f"row {row:,} has {got} cells where the header, row 1, has {expected}. Put quotes around a cell "
            "that holds the delimiter or a line break."
        )
    if "straddl" in message:
        return f"a row is larger than {BLOCK // 2**20} MB, or a quote is never closed."
    return message


def _refuse_open_quote(path: Path, encoding: str, last: pa.RecordBatch, rows: int) -> None:
    """Refuse a file that ends inside quotes: its last cell swallowed everything after the open one."""
    cell = last.column(last.num_columns - 1)[0].as_py()
    if not cell:
        return
    codec = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(encoding, encoding)
    tail = ('"' + cell.replace('"', '""')).encode(codec)
    with open_bytes(path) as file:
        end = deque(iter(partial(file.read, BLOCK), b""), maxlen=2)
    if b"".join(end).endswith(tail[-BLOCK:]):
        raise SourceError(f"{path.name}: row {rows + 1:,} opens a quote that is never closed.")
