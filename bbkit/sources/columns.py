"""Which type a column has. Text becomes numbers only where nothing is lost."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

TEXT = pd.StringDtype()
_WHOLE = r"^(?:0|-?[1-9][0-9]{0,17})$"
_DECIMAL = r"^-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}$"
_KINDS: dict[type, str] = {str: "text", bool: "truth", float: "decimal"}


class TextColumns:
    """Decides, batch after batch, which columns of text are numbers in all their cells."""

    def __init__(self, names: Iterable[str]):
        self._open: dict[str, set[str]] = {name: {"Int64", "Float64"} for name in names}
        self._filled: set[str] = set()

    def look_at(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Take more cells into account."""
        for name, possible in self._open.items():
            if not possible:
                continue
            cells = pc.drop_null(batch.column(name))
            if len(cells) == 0:
                continue
            self._filled.add(name)
            if "Int64" in possible and not _all_match(cells, _WHOLE):
                possible.discard("Int64")
            if "Float64" in possible and not (_all_match(cells, _DECIMAL) and _are_written_so(cells)):
                possible.discard("Float64")

    def dtypes(self) -> dict[str, Any]:
        """The dtype of every column: ``string``, ``Int64`` or ``Float64``."""
        return {
            name: next(iter(possible)) if len(possible) == 1 and name in self._filled else TEXT
            for name, possible in self._open.items()
        }


def _all_match(cells: Any, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(cells, pattern)).as_py())


def _are_written_so(cells: Any) -> bool:
    return all(repr(float(text)) == text for text in cells.to_pylist())


class ValueColumns:
    """Decides, row after row, the dtype of columns whose cells have types of their own (JSON, Excel)."""

    def __init__(self) -> None:
        self._kinds: dict[str, set[str]] = {}

    def look_at(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take more rows into account."""
        for row in rows:
            for name, value in row.items():
                kinds = self._kinds.setdefault(name, set())
                if value is not None:
                    kinds.add(_kind(value))

    def dtypes(self) -> dict[str, Any]:
        """The dtype of every column, in order of first appearance."""
        return {name: _dtype(kinds) for name, kinds in self._kinds.items()}


def _kind(value: Any) -> str:
    if type(value) is int:
        return "whole" if abs(value) <= 2**53 else "large" if abs(value) < 2**63 else "other"
    return "time" if isinstance(value, dt.datetime) else _KINDS.get(type(value), "other")


def _dtype(kinds: set[str]) -> Any:
    if kinds <= {"text"}:
        return TEXT
    if kinds <= {"whole", "large"}:
        return "Int64"
    if kinds <= {"whole", "decimal"}:
        return "Float64"
    return {"truth": "boolean", "time": "datetime64[us]"}.get("".join(kinds), "object")


def frame_of_rows(rows: list[Mapping[str, Any]], dtypes: Mapping[str, Any]) -> pd.DataFrame:
    """Make a frame of exactly these columns and dtypes."""
    columns = {}
    for name, dtype in dtypes.items():
        values = [row.get(name) for row in rows]
        if dtype == "object":
            cells = pd.Series(index=range(len(values)), dtype="object")
            cells[:] = values
            columns[name] = cells
        else:
            columns[name] = pd.Series(values, dtype=dtype)
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))


def frame_of_text(table: pa.Table, dtypes: Mapping[str, Any]) -> pd.DataFrame:
    """Make a frame of columns of text that became what `TextColumns` says."""
    arrow = {"Int64": pa.int64(), "Float64": pa.float64()}
    for position, name in enumerate(table.column_names):
        if target := arrow.get(str(dtypes[name])):
            table = table.set_column(position, name, pc.cast(table.column(name), target))
    return frame_of_arrow(table)


_PANDAS = {
    **dict.fromkeys([pa.string(), pa.large_string()], TEXT),
    **dict.fromkeys([pa.int8(), pa.int16(), pa.int32(), pa.int64()], pd.Int64Dtype()),
    **dict.fromkeys([pa.uint8(), pa.uint16(), pa.uint32()], pd.Int64Dtype()),
    pa.uint64(): pd.UInt64Dtype(),
    **dict.fromkeys([pa.float16(), pa.float32(), pa.float64()], pd.Float64Dtype()),
    pa.bool_(): pd.BooleanDtype(),
}


def frame_of_arrow(table: pa.Table) -> pd.DataFrame:
    """Make a frame whose columns keep their type, nulls included."""
    for position, item in enumerate(table.schema):
        if pa.types.is_dictionary(item.type):
            table = table.set_column(
                position, item.name, pc.cast(table.column(position), item.type.value_type)
            )
    nameless = [name for name in table.column_names if name.startswith("__index_level_")]
    return table.drop_columns(nameless).to_pandas(types_mapper=_PANDAS.get, ignore_metadata=True)
