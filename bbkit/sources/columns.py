"""Which type a column has. Text becomes numbers only where nothing is lost."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.core.errors import SourceError
from bbkit.core.frames import TEXT
from bbkit.core.text import name_some

Frames = Iterator[pd.DataFrame]

_WHOLE = r"^(?:0|-?[1-9][0-9]{0,17})$"
_DECIMAL = r"^-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}$"
_KINDS: dict[type, str] = {str: "text", bool: "truth", float: "decimal"}


def name_columns(source: str, header: Sequence[Any], row: int) -> list[str]:
    """The names in a header row, which differ; cells without one are numbered."""
    names = [
        f"unnamed_{position}" if cell in (None, "") else str(cell) for position, cell in enumerate(header, 1)
    ]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise SourceError(f"{source} has more than one column {name_some(twice)}. Give each its own name.")
    # An empty first name of two is the index of pandas.
    is_title = len(names) > 2 or (len(names) == 2 and header[0] not in (None, ""))
    if is_title and sum(cell not in (None, "") for cell in header) == 1:
        raise SourceError(
            f"{source}: row {row:,} names one column of {len(names):,}. Give each a name, or pass "
            f"skip_rows={row:,}, or more, where that is a title above the table."
        )
    return names


def dtypes_of_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Which dtype holds every cell of each column, of rows whose cells have types (JSON, Excel)."""
    kinds: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items():
            known = kinds.setdefault(name, set())
            if value is not None:
                known.add(_kind(value))
    return {name: _dtype(known) for name, known in kinds.items()}


def dtypes_of_texts(batches: Iterable[pa.RecordBatch], names: Iterable[str]) -> dict[str, Any]:
    """The same of cells of text, which are numbers only if all of a column are, and alike."""
    kinds: dict[str, set[str]] = {name: set() for name in names}
    for batch in batches:
        # By position: a batch looks through all its names for one.
        for position, (name, known) in enumerate(kinds.items()):
            cells = pc.drop_null(batch.column(position))
            if len(cells) and known != {"text"}:
                kind = _kind_of_texts(cells)
                kinds[name] = {kind} if known <= {kind} else {"text"}
    return {name: _dtype(known) for name, known in kinds.items()}


def _kind_of_texts(cells: pa.Array) -> str:
    if pc.all(pc.match_substring_regex(cells, _WHOLE)).as_py():
        return "whole"
    if pc.all(pc.match_substring_regex(cells, _DECIMAL)).as_py():
        return "decimal" if all(repr(float(text)) == text for text in cells.to_pylist()) else "text"
    return "text"


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


def _frames_of_rows(
    rows: Iterable[Mapping[str, Any]], dtypes: Mapping[str, Any], chunk_rows: int | None
) -> Frames:
    remaining = iter(rows)
    while chunk := list(islice(remaining, chunk_rows)):
        columns = {
            name: pd.Series([row.get(name) for row in chunk], dtype=dtype) for name, dtype in dtypes.items()
        }
        yield pd.DataFrame(columns, index=pd.RangeIndex(len(chunk)))


def frames_of(read: Callable[[], Iterable[Mapping[str, Any]]], chunk_rows: int | None) -> Frames:
    """Make frames of rows that can be read twice, whose dtypes are those of all of them: read now."""
    buffered = list(read()) if chunk_rows is None else []
    return _frames_of_rows(buffered or read(), dtypes_of_rows(buffered or read()), chunk_rows)


_PANDAS = {
    **dict.fromkeys([pa.string(), pa.large_string()], TEXT),
    **dict.fromkeys([pa.int8(), pa.int16(), pa.int32(), pa.int64()], pd.Int64Dtype()),
    **dict.fromkeys([pa.uint8(), pa.uint16(), pa.uint32()], pd.Int64Dtype()),
    **dict.fromkeys([pa.float16(), pa.float32(), pa.float64()], pd.Float64Dtype()),
    pa.uint64(): pd.UInt64Dtype(),
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


def cut_batches(batches: Iterable[pa.RecordBatch], rows: int | None, schema: pa.Schema) -> Iterator[pa.Table]:
    """Cut rows anew, into tables of so many or into one."""
    table = schema.empty_table()
    for batch in batches:
        table = pa.concat_tables([table, pa.Table.from_batches([batch], schema)])
        while rows and len(table) >= rows:
            yield table.slice(0, rows)
            table = table.slice(rows)
    if len(table):
        yield table
