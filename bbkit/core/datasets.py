"""The door by which what takes the tidy frame takes the data set of ``into=``: columns, batch by batch.

A data set is what `bbkit.outputs.accounts.Accounting.dataset` gives (a ``pyarrow.dataset.Dataset`` that
carries its `Collected`); the accounting itself goes through as well. `head_of` says which columns there are
(``require_columns(head_of(outputs), names)``), `read_columns` gives the named ones as one frame,
`iter_frames` all rows in frames that fit into memory, whose dtypes are those of the tidy frame::

    for frame in iter_frames(outputs, ["record_key", "text"]):  # a frame is sliced, a data set is read
        parsed = parse(frame["text"])
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from bbkit.core.errors import InputError
from bbkit.core.frames import TEXT, Collected, require_columns

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
_MOST, _MOST_FRAMES = 2**31 - 1, 8


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
    outputs: Any, where: str = "", names: Sequence[str] | None = None, most: int = sys.maxsize
) -> pd.DataFrame:
    """The first rows of all that pass a condition, as `DataFrame.query` takes it; all columns or some."""
    head = head_of(outputs)
    shown = [*head.columns] if names is None else [*names]
    asked, frames = [name for name in head if str(name) in where], list[pd.DataFrame]()
    for frame in iter_frames(outputs, [*shown, *asked]):
        try:
            passed = frame.query(where) if where else frame
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            NameError,
            SyntaxError,
            TypeError,
            ValueError,
        ) as error:
            known = "Write it as for DataFrame.query, such as \"outcome == 'errored'\"."
            raise InputError(f"{where!r} does not tell which rows to show ({error}). {known}") from error
        frames.append(passed[shown].iloc[:most])
        most -= len(frames[-1])
        if most <= 0:
            break
    return Collected.of(outputs).attach(pd.concat(frames))


def take_rows(outputs: Any, rows: Iterable[int], names: Sequence[str] | None = None) -> pd.DataFrame:
    """Some rows, by position, which is their index."""
    wanted, frames, low = sorted({*rows}), list[pd.DataFrame](), 0
    for frame in iter_frames(outputs, names):
        here = [row for row in wanted if low <= row < low + len(frame)]
        frames.append(frame.iloc[[row - low for row in here]].set_axis(here))
        low += len(frame)
        if not wanted or low > wanted[-1]:
            break
    return pd.concat(frames)


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
    return Collected.of(outputs).attach(gather(map(make, frames) if make else frames))


def gather(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put frames under each other as they come, in little room."""
    parts: list[pd.DataFrame] = []
    for frame in frames:
        parts.append(_fold(frame))
        if len(parts) > _MOST_FRAMES:
            # Many small arrays among those that go would leave the memory full of holes.
            parts = [join_frames(parts)]
    return join_frames(parts)


def _fold(frame: pd.DataFrame) -> pd.DataFrame:
    kinds = {name: "category" for name, kind in frame.dtypes.items() if kind == TEXT and name not in _APART}
    for name in frame.columns[frame.dtypes == "Int64"]:
        if (frame[name].abs() <= _MOST).fillna(True).all():
            kinds[name] = "Int32"
    # A view would keep whatever the batch was made of.
    return frame.astype(kinds).copy()


def join_frames(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put frames of the same columns under each other; categories become those of all."""
    if len(frames) == 1:
        return frames[0]
    columns = {}
    for name in frames[0].columns:
        parts = [frame.pop(name) for frame in frames]
        if any(part.dtype == "category" for part in parts):
            columns[name] = pd.api.types.union_categoricals([part.astype("category") for part in parts])
        else:
            columns[name] = pd.concat(parts, ignore_index=True).array
    return pd.DataFrame(columns)
