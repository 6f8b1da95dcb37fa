"""CSV and TSV."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv as pcsv

from bbkit.core.errors import SourceError
from bbkit.sources.columns import Frames, cut_batches, dtypes_of_texts, frame_of_arrow, name_columns
from bbkit.sources.files import open_bytes, read_encoded

_BLOCK = 1 << 24
_SAMPLE = 1 << 16
_DELIMITERS = ",;\t|"
_NUMBERS = {"Int64": pa.int64(), "Float64": pa.float64()}


class _Layout(NamedTuple):
    """How a file is written: where its header stands and whether anything comes after."""

    encoding: str
    delimiter: str
    names: list[str]
    blank_lines: int
    has_rows: bool


def read_delimited(path: Path, chunk_rows: int | None, delimiter: str = "") -> Frames:
    """Read CSV or TSV: a header row, then rows with as many cells."""

    def first_pass(encoding: str) -> tuple[_Layout, dict[str, Any], list[pa.RecordBatch]]:
        layout = _read_layout(path, encoding, delimiter or _find_delimiter(path, encoding))
        buffered = list(_batches(path, layout)) if chunk_rows is None else []
        return layout, dtypes_of_texts(buffered or _batches(path, layout), layout.names), buffered

    try:
        layout, dtypes, buffered = read_encoded(path, first_pass)
    except pa.ArrowInvalid as error:
        raise SourceError(f"{path.name}{_describe_error(str(error))}") from error
    texts = pa.schema([(name, pa.string()) for name in layout.names])
    typed = pa.schema([(name, _NUMBERS.get(str(dtypes[name]), pa.string())) for name in layout.names])
    for table in cut_batches(buffered or _batches(path, layout), chunk_rows, texts):
        yield frame_of_arrow(table.cast(typed))


def _find_delimiter(path: Path, encoding: str) -> str:
    with open_bytes(path) as file:
        text = file.read(_SAMPLE).decode(encoding, errors="ignore")
    sample = io.StringIO(text[: text.rfind("\n") + 1] or text, newline="")

    def count_cells(delimiter: str) -> int:
        """Cells of each row; 1 where rows differ, the last aside, which may be cut short."""
        sample.seek(0)
        try:
            widths = [len(row) for row in csv.reader(sample, delimiter=delimiter) if row]
        except csv.Error:
            return 1
        return widths[0] if len(set(widths[:-1] or widths)) == 1 else 1

    return max(_DELIMITERS, key=count_cells)


def _read_layout(path: Path, encoding: str, delimiter: str) -> _Layout:
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
    if not header:
        raise SourceError(f"{path.name} is empty; its first row is to hold the names of the columns.")
    return _Layout(encoding, delimiter, name_columns(path, header), blank, has_rows)


def _batches(path: Path, layout: _Layout) -> Iterator[pa.RecordBatch]:
    if not layout.has_rows:
        return
    reading = pcsv.ReadOptions(
        use_threads=False,
        block_size=_BLOCK,
        column_names=layout.names,
        skip_rows=layout.blank_lines,
        skip_rows_after_names=1,
        encoding="utf-8" if layout.encoding == "utf-8-sig" else layout.encoding,
    )
    parsing = pcsv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True)
    converting = pcsv.ConvertOptions(
        column_types=dict.fromkeys(layout.names, pa.string()),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    rows, last = 0, None
    with open_bytes(path) as file:
        for batch in pcsv.open_csv(file, reading, parsing, converting):
            rows += batch.num_rows
            last = batch.slice(batch.num_rows - 1) if batch.num_rows else last
            yield batch
    if last is not None and _ends_in_quotes(path, layout.encoding, last):
        raise SourceError(f"{path.name}: row {rows + 1:,} opens a quote that is never closed.")


def _describe_error(message: str) -> str:
    if match := re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", message):
        row, expected, got = (int(number) for number in match.groups())
        finding = f": row {row:,} has {got} cells where the header, row 1, has {expected}."
        return f"{finding} Put quotes around a cell that holds the delimiter or a line break."
    if "straddl" in message:
        finding = f": a row is larger than {_BLOCK // 2**20} MB, or a quote is never closed."
        return f"{finding} Close the quote; put larger texts into JSON Lines or Parquet."
    finding = (
        f" cannot be read as CSV ({message.rstrip('.')}), which is a header row, then rows of as many cells."
    )
    return f"{finding} Save the table so, or as JSON Lines or Parquet."


def _ends_in_quotes(path: Path, encoding: str, last: pa.RecordBatch) -> bool:
    """Whether a file ends inside quotes: then its last cell swallowed everything after the open one."""
    cell = last.column(last.num_columns - 1)[0].as_py()
    if not cell:
        return False
    codec = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(encoding, encoding)
    opened = '"' + cell.replace('"', '""')
    size = len(('"' + opened).encode(codec))
    with open_bytes(path) as file:
        file.seek(max(0, file.seek(0, io.SEEK_END) - size))
        tail = file.read().decode(codec, errors="replace")
    # After an even number of quotes the last one closes what it seems to open.
    return tail.endswith(opened) and not tail.endswith('"' + opened)
