"""Answers as columns: the verdict on each row and, where it is valid, the fields of the schema."""

from collections.abc import Callable, Collection
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from bbkit.answers.reading import AnswerReader
from bbkit.answers.schemas import list_fields
from bbkit.core.frames import FIELD

VERDICT_COLUMNS = ("validity", "answer_form", "answer_error")

_TEXT = pa.large_string()
_decode_arguments = msgspec.json.Decoder(list[str | None]).decode


def tabulate_answers(reader: AnswerReader, rows: pd.DataFrame, as_text: Collection[str] = ()) -> pa.Table:
    """Read the answers of rows with ``outcome, text, stop_reason`` and perhaps ``arguments`` (JSON text).

    Columns of integers `as_text`, and those with one beyond 64 bits, hold JSON text.
    """
    answered = np.flatnonzero(rows["outcome"].eq("succeeded").fillna(False))
    some = rows.iloc[answered]
    texts, stops = _list(some["text"]), _list(some["stop_reason"])
    called = _list(some["arguments"]) if "arguments" in some else [None] * len(some)
    fields = list_fields(reader.document)
    verdicts: list[str | None] = []
    valid: list[int] = []
    # Flat lists of texts and numbers: containers that stay would set off the collector.
    cells: dict[str, list[Any]] = {name: [] for name in fields}
    plain = [(name, kept) for name, kept in cells.items() if fields[name] != "json"]
    nested = [(name, kept) for name, kept in cells.items() if fields[name] == "json"]
    for at, text, calls, stop in zip(answered.tolist(), texts, called, stops, strict=True):
        validity, form, error, value = reader.read(text, _decode_arguments(calls) if calls else None, stop)
        verdicts += (validity, form, error)
        if value is not None:
            valid.append(at)
            for name, kept in plain:
                kept.append(value.get(name))
            for name, kept in nested:
                inner = value.get(name)
                kept.append(None if inner is None else msgspec.json.encode(inner))
    columns = {
        name: _place(pa.array(verdicts[index::3], _TEXT), answered, len(rows))
        for index, name in enumerate(VERDICT_COLUMNS)
    }
    for name, dtype in fields.items():
        made = _as_text(cells[name]) if FIELD + name in as_text else _MAKERS[dtype](cells[name])
        columns[FIELD + name] = _place(made, np.array(valid, np.int64), len(rows))
    return pa.table(columns)


def join_answers(tables: list[pa.Table]) -> pa.Table:
    """Put tables under each other; a column that is text in one of them is so in all."""
    fields = zip(*(table.schema for table in tables), strict=True)
    schema = pa.schema(max(alike, key=lambda field: field.type == _TEXT) for alike in fields)
    return pa.concat_tables([table.cast(schema) for table in tables])


def _list(column: pd.Series) -> list[str | None]:
    values: list[str | None] = pa.array(column, _TEXT, from_pandas=True).to_pylist()
    return values


def _place(values: pa.Array, rows: np.ndarray, count: int) -> pa.Array:
    """Give each of some rows its value, and the others none."""
    taken = np.full(count, -1)
    taken[rows] = np.arange(len(rows))
    return values.take(pa.array(taken, mask=taken < 0))


def _as_numbers(cells: list[Any]) -> pa.Array:
    try:
        return pa.array(cells, pa.float64())
    except pa.ArrowInvalid:  # whole numbers that Arrow will not round
        return pa.array([cell if cell is None else float(cell) for cell in cells], pa.float64())


def _as_integers(cells: list[Any]) -> pa.Array:
    try:
        return pa.array([int(cell) if type(cell) is float else cell for cell in cells], pa.int64())
    except OverflowError:
        return _as_text(cells)


def _as_text(cells: list[Any]) -> pa.Array:
    return pa.array([cell if cell is None else str(int(cell)) for cell in cells], _TEXT)


_MAKERS: dict[str, Callable[[list[Any]], pa.Array]] = {
    "Int64": _as_integers,
    "Float64": _as_numbers,
    "boolean": lambda cells: pa.array(cells, pa.bool_()),
    **dict.fromkeys(("string", "json"), lambda cells: pa.array(cells, _TEXT)),
}
