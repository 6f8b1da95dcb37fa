"""JSON, Parquet and Excel. Types do not depend on how rows are cut."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from bbkit.core.errors import SourceError, require_extras
from bbkit.sources.columns import (
    Frames,
    cut_batches,
    dtypes_of_rows,
    frame_of_arrow,
    frames_of_rows,
    name_columns,
)
from bbkit.sources.files import open_bytes, read_encoded, read_text
from bbkit.sources.transcripts import is_transcript, transcript_row


def read_parquet(path: Path, chunk_rows: int | None) -> Frames:
    """Read Parquet; the columns keep their types."""
    try:
        if chunk_rows is None:
            yield frame_of_arrow(pq.read_table(path))
            return
        # Reading ahead and in threads would hold many row groups at once.
        file = pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
        batches = file.iter_batches(chunk_rows, use_threads=False)
        for table in cut_batches(batches, chunk_rows, file.schema_arrow):
            yield frame_of_arrow(table)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path.name} cannot be read as Parquet ({_first_line(error)}).") from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def read_json_lines(path: Path, chunk_rows: int | None) -> Frames:
    """Read JSON Lines: one object a line; blank lines are passed over."""

    def first_pass(encoding: str) -> tuple[str, dict[str, Any], list[Mapping[str, Any]]]:
        buffered = list(_json_rows(path, encoding)) if chunk_rows is None else []
        return encoding, dtypes_of_rows(buffered or _json_rows(path, encoding)), buffered

    encoding, dtypes, buffered = read_encoded(path, first_pass)
    yield from frames_of_rows(buffered or _json_rows(path, encoding), dtypes, chunk_rows)


def _json_rows(path: Path, encoding: str) -> Iterator[Mapping[str, Any]]:
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding=encoding, newline="\n") as text:
        for number, line in enumerate(text, 1):
            if not line.strip():
                continue
            try:
                row = msgspec.json.decode(line)
            except msgspec.MsgspecError as error:
                raise SourceError(f"{path.name}, line {number:,}: not JSON ({error}).") from error
            if not isinstance(row, dict):
                kind = type(row).__name__
                raise SourceError(f"{path.name}, line {number:,} is a {kind}; each line is to be an object.")
            yield row


def read_json(path: Path, chunk_rows: int | None) -> Frames:
    """Read a JSON file: a list of objects, an Amazon Transcribe result, or JSON Lines by another name."""
    try:
        document = read_document(path)
    except SourceError as error:
        if isinstance(error.__cause__, json.JSONDecodeError) and error.__cause__.msg == "Extra data":
            yield from read_json_lines(path, chunk_rows)
            return
        raise
    if is_transcript(document):
        rows = [transcript_row(path.name, document)]
    elif isinstance(document, list) and all(isinstance(item, dict) for item in document):
        rows = document
    elif isinstance(document, dict) and _is_one_line(path):
        rows = [document]
    else:
        raise SourceError(
            f"{path.name} holds a {type(document).__name__}; a .json source is a list of objects or what "
            "Amazon Transcribe wrote."
        )
    yield from frames_of_rows(rows, dtypes_of_rows(rows), chunk_rows)


def _is_one_line(path: Path) -> bool:
    with open_bytes(path) as file:
        return file.read().strip().count(b"\n") == 0


def read_document(path: Path) -> Any:
    """Read a whole JSON document."""
    try:
        text = read_text(path)
        document = json.loads(text)
        if "\\ud" in text or "\\uD" in text:
            _validate_surrogates(path, document)
        return document
    except json.JSONDecodeError as error:
        raise SourceError(f"{path.name}, line {error.lineno:,}: not JSON ({error.msg}).") from error
    except RecursionError as error:
        raise SourceError(f"{path.name} is nested too deeply to be a table.") from error


def _validate_surrogates(path: Path, document: Any) -> None:
    for number, row in enumerate(document if isinstance(document, list) else [document], 1):
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise SourceError(
                f"{path.name}, row {number:,} holds half of a surrogate pair "
                f"({error.object[error.start]!a}), which is not text. Replace it where it was written."
            ) from error


@contextmanager
def _first_sheet(path: Path, **options: Any) -> Iterator[Any]:
    require_extras("Reading Excel workbooks", "excel")
    import openpyxl

    with closing(openpyxl.load_workbook(path, read_only=True, **options)) as book:
        yield book.worksheets[0]


def read_excel(path: Path, chunk_rows: int | None) -> Frames:
    """Read the first sheet of an Excel workbook: a header row, then rows. Text cells stay text."""
    try:
        with _first_sheet(path, data_only=True) as cells:
            sheet = list(cells.iter_rows(values_only=True))
    except (zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        what = f"{path.name} cannot be read as an Excel workbook ({_first_line(error)})."
        raise SourceError(what) from error
    if any(None in row for row in sheet):
        _validate_formulas(path, sheet)
    rows = [row for row in sheet if any(cell is not None for cell in row)]
    if not rows:
        raise SourceError(f"{path.name}: its first sheet is empty; the first row is to name the columns.")
    names = name_columns(path, rows[0])
    records = [dict(zip(names, row, strict=False)) for row in rows[1:]]
    yield from frames_of_rows(records, dtypes_of_rows(records), chunk_rows)


def _validate_formulas(path: Path, sheet: Sequence[Sequence[Any]]) -> None:
    """Refuse a workbook no spreadsheet program has calculated: its formulas would be read as empty cells."""
    formulas = []
    with _first_sheet(path) as formula_sheet:
        for values, cells in zip(sheet, formula_sheet.iter_rows(), strict=False):
            for value, cell in zip(values, cells, strict=False):
                if cell.data_type == "f":
                    if value is not None:
                        return
                    formulas.append(cell.coordinate)
    if formulas:
        raise SourceError(
            f"{path.name} has {len(formulas):,} formulas without a stored result (cell "
            f"{', '.join(formulas[:3])}{', ...' if len(formulas) > 3 else ''}). Open it in a spreadsheet "
            "program and save it."
        )
