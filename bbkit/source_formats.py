"""JSON, Parquet and Excel: part of the room `sources`. Types do not depend on how rows are cut."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bbkit.errors import SourceError, name_some
from bbkit.source_columns import ValueColumns, frame_of_arrow, frame_of_rows
from bbkit.source_files import cut_batches, find_encoding, open_bytes, read_text
from bbkit.transcripts import is_transcript, transcript_text

Frames = Iterator[pd.DataFrame]


def read_parquet(path: Path, chunk_rows: int | None) -> Frames:
    """Read Parquet; the columns keep their types.

    Parameters
    ----------
    path : Path
        The file.
    chunk_rows : int or None
        Rows a frame; None for all in one.

    Yields
    ------
    pandas.DataFrame
        The rows in order.

    Raises
    ------
    bbkit.errors.SourceError
        Not a Parquet file, or a damaged one.
    """
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


def _chunks_of_rows(read: Callable[[], Iterator[Mapping[str, Any]]], chunk_rows: int | None) -> Frames:
    """Frames of rows whose cells have types; a first pass decides the types where there are chunks."""
    columns = ValueColumns()
    if chunk_rows is None:
        whole = list(read())
        columns.look_at(whole)
        yield frame_of_rows(whole, columns.dtypes())
        return
    columns.look_at(read())
    dtypes = columns.dtypes()
    rows = read()
    while held := list(islice(rows, chunk_rows)):
        yield frame_of_rows(held, dtypes)


def read_json_lines(path: Path, chunk_rows: int | None) -> Frames:
    """Read JSON Lines: one object a line; blank lines are passed over.

    Parameters
    ----------
    path : Path
        The file.
    chunk_rows : int or None
        Rows a frame; None for all in one.

    Yields
    ------
    pandas.DataFrame
        One row per object; a key becomes a column; lists and objects stay as they are.

    Raises
    ------
    bbkit.errors.SourceError
        A line that is not JSON or not an object, with its number.
    """
    encoding = find_encoding(path).name
    yield from _chunks_of_rows(lambda: _json_rows(path, encoding), chunk_rows)


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
    """Read a JSON file: a list of objects, an Amazon Transcribe result, or JSON Lines by another name.

    Parameters
    ----------
    path : Path
        The file.
    chunk_rows : int or None
        Rows a frame; None for all in one.

    Yields
    ------
    pandas.DataFrame
        One row per object; for a transcript one row, ``file``, ``job_name``, ``text``.

    Raises
    ------
    bbkit.errors.SourceError
        Not JSON, or neither of these.
    """
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
    yield from _chunks_of_rows(lambda: iter(rows), chunk_rows)


def _is_one_line(path: Path) -> bool:
    with open_bytes(path) as file:
        return file.read().strip().count(b"\n") == 0


def read_document(path: Path) -> Any:
    """Read a whole JSON document.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    any
        The document.

    Raises
    ------
    bbkit.errors.SourceError
        Not JSON, with the line.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise SourceError(f"{path.name}, line {error.lineno:,}: not JSON ({error.msg}).") from error
    except RecursionError as error:
        raise SourceError(f"{path.name} is nested too deeply to be a table.") from error


def transcript_row(name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """One Amazon Transcribe result as a row.

    Parameters
    ----------
    name : str
        Name of its file.
    document : mapping
        What Amazon Transcribe wrote.

    Returns
    -------
    dict
        ``file``, ``job_name``, ``text``.
    """
    return {"file": name, "job_name": document.get("jobName"), "text": transcript_text(document)}


def read_excel(path: Path, chunk_rows: int | None) -> Frames:
    """Read the first sheet of an Excel workbook: a header row, then rows. Text cells stay text.

    Parameters
    ----------
    path : Path
        The file.
    chunk_rows : int or None
        Rows a frame; None for all in one.

    Yields
    ------
    pandas.DataFrame
        The rows in order; rows without any cell are left out.

    Raises
    ------
    bbkit.errors.SourceError
        Not a workbook, no header, repeated names.
    """
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise SourceError(
            f"{path.name} cannot be read as an Excel workbook ({_first_line(error)})."
        ) from error
    try:
        rows = [
            row for row in book.worksheets[0].iter_rows(values_only=True) if any(c is not None for c in row)
        ]
    finally:
        book.close()
    if not rows:
        raise SourceError(f"{path.name}: its first sheet is empty; the first row is to name the columns.")
    names = [f"unnamed_{at}" if name is None else str(name) for at, name in enumerate(rows[0], 1)]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise SourceError(f"{path.name} has more than one column {name_some(twice)}. Give each its own name.")
    yield from _chunks_of_rows(lambda: (dict(zip(names, row, strict=False)) for row in rows[1:]), chunk_rows)
