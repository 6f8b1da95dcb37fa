"""The rows that the records of a run were made of, kept by record_id in ``source.parquet``."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bbkit.core.errors import InputError
from bbkit.core.files import file_sha256
from bbkit.core.frames import TEXT, is_absent
from bbkit.core.text import whole_characters
from bbkit.records import number_rows
from bbkit.records.templates import Template
from bbkit.sources.columns import frame_of_arrow

_ID = "__record_id__"


def write_source_rows(source: pd.DataFrame | None, path: Path) -> dict[str, Any]:
    """Keep the rows; give their fingerprint."""
    if source is None:
        return {}
    if not isinstance(source, pd.DataFrame):
        raise InputError(f"source is a {type(source).__name__}. Give the DataFrame the records were made of.")
    names = [str(name) for name in source.columns]
    if len(set(names)) < len(names) or _ID in names:
        twice = sorted({name for name in names if names.count(name) > 1} or {_ID})
        raise InputError(f"source has the column {twice[0]!r} twice. Rename one.")
    arrays = [_source_ids(source), *(_column(source.iloc[:, number]) for number in range(len(names)))]
    pq.write_table(pa.table(arrays, names=[_ID, *names]), path, compression="zstd")
    return {"rows": len(source), "columns": names, "sha256": file_sha256(path)}


def _source_ids(source: pd.DataFrame) -> pa.Array:
    index = source.index
    if not (isinstance(index, pd.RangeIndex) and index.name is None):
        values = index.astype(TEXT)
    elif "record_id" in source.columns:
        values = pd.Index(source["record_id"]).astype(TEXT)
    else:
        values = pd.Index(number_rows(len(source)), dtype=TEXT)
    return pa.array(values.to_numpy(dtype=object, na_value=None), pa.large_string(), from_pandas=True)


def _column(column: pd.Series) -> pa.Array:
    try:
        return pa.array(column, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        texts = (
            None if is_absent(cell) else json.dumps(cell, ensure_ascii=False, default=str) for cell in column
        )
        return pa.array([whole_characters(text) for text in texts], pa.large_string())


def read_source_rows(path: Path) -> pd.DataFrame | None:
    """Read the rows that `write_source_rows` kept."""
    if not path.exists():
        return None
    frame = frame_of_arrow(pq.read_table(path))
    return frame.set_index(frame.pop(_ID).astype(TEXT).rename("record_id"))


def filled_columns(prompt: str, path: Path) -> list[str]:
    """Name the columns of the kept rows that a prompt was filled from."""
    with suppress(InputError, FileNotFoundError):
        columns = pq.read_schema(path).names
        return [name for name in Template(prompt).columns if name in columns]
    return []
