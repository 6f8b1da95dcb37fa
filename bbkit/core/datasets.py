"""The door by which what takes the tidy frame takes the data set of ``into=``: columns, batch by batch.

A data set is what `bbkit.outputs.accounts.Accounting.dataset` gives (a ``pyarrow.dataset.Dataset`` that
carries its `Collected`); the accounting itself goes through as well.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from bbkit.core.errors import InputError
from bbkit.core.frames import TEXT, Collected, require_columns

TABLE_COLUMNS = ("is_best", "position", "run_id")
"""What a table in S3 has beside the columns of the tidy frame."""

_KINDS = {
    pa.string(): TEXT,
    pa.large_string(): TEXT,
    pa.int64(): pd.Int64Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}
_LONG = {"text", "text_raw", "reasoning", "tool_calls", "model_input", "model_output", "embedding"}
_APART = {"record_id", "record_key", *_LONG}
"""Texts that are seldom the same twice; others are categories in what `read_columns` makes."""

_ROWS, _LONG_ROWS = 65_536, 16_384
_MOST = 2**31 - 1
_MASKED = (pd.Int32Dtype, pd.Int64Dtype, pd.Float64Dtype, pd.BooleanDtype)


def frame_of(table: pa.Table, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Make a frame of some columns of a table, with the dtypes of the tidy frame."""
    chosen = table if columns is None else table.select(list(columns))
    return chosen.to_pandas(types_mapper=_KINDS.get)


def as_rows(outputs: Any) -> Any:
    """The data set of an accounting; anything else as it is."""
    is_written = hasattr(type(outputs), "dataset") and outputs.parts is not None
    return outputs.dataset if is_written else outputs


def is_dataset(outputs: Any) -> bool:
    """Whether rows are a data set, or the accounting of one."""
    return hasattr(as_rows(outputs), "get_fragments")


def head_of(outputs: Any) -> Any:
    """A frame without rows that has the columns of a data set; anything else as it is."""
    if not is_dataset(outputs):
        return outputs
    return Collected.of(outputs).attach(frame_of(as_rows(outputs).schema.empty_table()))


def iter_frames(outputs: Any, names: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
    """Give rows in frames that fit into memory, at least one; all columns where none are named."""
    head = head_of(outputs)
    require_columns(head, names or ())
    columns = list(dict.fromkeys(head.columns if names is None else names))
    rows, low = _LONG_ROWS if _LONG & {*columns} else _ROWS, 0
    if not is_dataset(outputs):
        for low in range(0, max(len(outputs), 1), rows):
            yield outputs.iloc[low : low + rows][columns]
        return
    for batch in _iter_batches(as_rows(outputs), columns, rows):
        if len(batch):
            frame = frame_of(pa.Table.from_batches([batch]))
            yield frame.set_index(pd.RangeIndex(low, low := low + len(frame)))
    if not low:
        yield head[columns]


def count_rows(outputs: Any) -> int:
    """How many rows there are in all."""
    return as_rows(outputs).count_rows() if is_dataset(outputs) else len(outputs)


def find_rows(
    outputs: Any,
    where: str | Callable[[pd.DataFrame], Any] = "",
    names: Sequence[str] | None = None,
    most: int = sys.maxsize,
) -> pd.DataFrame:
    """The first rows of all that pass a condition, of `DataFrame.query` or a mask; all columns or some."""
    head = head_of(outputs)
    shown = [*head.columns] if names is None else [*names]
    asked = [*head] if callable(where) else [name for name in head if str(name) in where]
    frames = list[pd.DataFrame]()
    for frame in iter_frames(outputs, [*shown, *asked]):
        try:
            passed = frame[where(frame)] if callable(where) else frame.query(where) if where else frame
        except Exception as error:
            known = "Write it as for DataFrame.query, such as \"outcome == 'errored'\"."
            raise InputError(f"{where!r} does not tell which rows to show ({error}). {known}") from error
        frames.append(passed[shown].iloc[:most])
        most -= len(frames[-1])
        if most <= 0:
            break
    return Collected.of(outputs).attach(_concat(frames))


def take_rows(outputs: Any, rows: Iterable[int], names: Sequence[str] | None = None) -> pd.DataFrame:
    """Some rows, by position, which is their index."""
    wanted, frames, low = sorted({*rows}), list[pd.DataFrame](), 0
    for frame in iter_frames(outputs, names):
        here = [row for row in wanted if low <= row < low + len(frame)]
        frames.append(frame.iloc[[row - low for row in here]].set_axis(here))
        low += len(frame)
        if not wanted or low > wanted[-1]:
            break
    return _concat(frames)


def _concat(frames: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1])


def _iter_batches(dataset: Any, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    how = {"columns": columns, "batch_size": rows, "batch_readahead": 1, "use_threads": False}
    try:
        parts = list(dataset.get_fragments())
    except ValueError:  # a filter is on it
        yield from dataset.to_batches(**how, fragment_readahead=1)
        return
    # The scanner of the whole would read ahead many parts.
    for part in parts:
        yield from part.to_batches(schema=dataset.schema, **how)
        pa.default_memory_pool().release_unused()


def read_columns(
    outputs: Any,
    names: Sequence[str],
    make: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Give a frame of the named columns, or of what `make` makes of each batch: long texts must not stay.

    A frame of which nothing is to be made is given as it is. In others texts that recur are categories, and
    counts take no more room than they need.
    """
    if make is None and not is_dataset(outputs):
        require_columns(outputs, names)
        return outputs
    frames = iter_frames(outputs, names)
    folded = map(fold, map(make, frames) if make else frames)
    return Collected.of(outputs).attach(gather(folded, count_rows(outputs)))


def fold(frame: pd.DataFrame) -> pd.DataFrame:
    """The same in little room."""
    kinds = {name: "category" for name, kind in frame.dtypes.items() if kind == TEXT and name not in _APART}
    for name in frame.columns[frame.dtypes == "Int64"]:
        if (frame[name].abs() <= _MOST).fillna(True).all():
            kinds[name] = "Int32"
    return frame.astype(kinds)


def gather(frames: Iterable[pd.DataFrame], rows: int = 0) -> pd.DataFrame:
    """Put frames of the same columns under each other, about so many rows; categories are those of all."""
    first, *others = islice(frames := iter(frames), 2)
    if not others:
        return first
    columns = {name: _Column(rows) for name in first}
    for frame in chain([first], others, frames):
        for name, column in columns.items():
            column.add(frame[name])
    return pd.DataFrame({name: column.whole() for name, column in columns.items()}, copy=False)


class _Column:
    """Values under each other, in one piece: many small ones would leave the memory full of holes."""

    def __init__(self, rows: int):
        self._pieces = defaultdict[str, _Piece](partial(_Piece, rows))
        self._codes: dict[Any, int] = {}
        self._others: list[pd.Series] = []

    def add(self, column: pd.Series) -> None:
        self._last = column
        if column.dtype == "category":
            codes = [self._codes.setdefault(value, len(self._codes)) for value in column.cat.categories]
            kind = np.min_scalar_type(-1 - len(self._codes))
            self._pieces["values"].add(np.array([*codes, -1], kind)[column.cat.codes])
        elif isinstance(column.dtype, _MASKED):
            kind = column.dtype.numpy_dtype
            self._pieces["values"].add(column.to_numpy(kind, na_value=kind.type()))
            self._pieces["mask"].add(column.isna().to_numpy())
        elif isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
            self._pieces["values"].add(column.to_numpy())
        else:
            self._others.append(column)

    def whole(self) -> Any:
        if self._others:
            return pd.concat(self._others, ignore_index=True).array
        pieces = [piece.values() for piece in self._pieces.values()]
        if self._last.dtype == "category":
            kept = self._last.cat
            categories = pd.Index([*self._codes], dtype=kept.categories.dtype)
            return pd.Categorical.from_codes(*pieces, categories, kept.ordered)
        return type(self._last.array)(*pieces) if len(pieces) > 1 else pieces[0]


class _Piece:
    """Numbers in one piece, as wide as the widest."""

    def __init__(self, rows: int):
        self._rows, self._end, self._room = rows, 0, np.empty(0, bool)

    def add(self, values: np.ndarray) -> None:
        kind, end = np.promote_types(self._room.dtype, values.dtype), self._end + len(values)
        if kind != self._room.dtype or end > len(self._room):
            room = np.empty(self._rows if end <= self._rows else 2 * end, kind)
            room[: self._end] = self.values()
            self._room = room
        self._room[self._end : end] = values
        self._end = end

    def values(self) -> np.ndarray:
        return self._room[: self._end]
