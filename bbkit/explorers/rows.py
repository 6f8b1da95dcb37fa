"""The rows that are explored: of a frame, or of a data set, of which only what is needed is read."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from bbkit.core.datasets import as_rows, count_rows, frame_of, head_of, is_dataset, read_columns, take_rows

_KEPT, _BATCH, _FIRST = 12, 1 << 16, 1000


class Rows:
    """Rows by position, and their columns by name."""

    def __init__(self, outputs: Any):
        self.outputs, self.count = outputs, count_rows(outputs)
        self.is_dataset = is_dataset(outputs)
        self.head = head_of(outputs)
        # Of a data set no more than these, at once: a scanner would read far ahead.
        few = {"batch_size": _FIRST, "batch_readahead": 0, "fragment_readahead": 0} if self.is_dataset else {}
        first = as_rows(outputs).head(_FIRST, **few)
        self.first = frame_of(first) if self.is_dataset else first
        self._columns: dict[str, pd.Series] = {}

    def __getitem__(self, name: str) -> pd.Series:
        if not self.is_dataset:
            return self.outputs[name]
        if name not in self._columns:
            values = read_columns(self.outputs, [name])[name]
            if values.dtype == "category":  # in the order of texts, not of their first appearance
                values = values.cat.reorder_categories(sorted(values.cat.categories))
            self._columns = dict([*self._columns.items()][1 - _KEPT :]) | {name: values}
        return self._columns[name]

    def compute(self, name: str, make: Callable[[Any], Any]) -> pa.ChunkedArray:
        """What an Arrow function makes of a column of texts; the texts of a data set do not stay."""
        source = as_rows(self.outputs)
        if not self.is_dataset:
            source = ds.dataset(pa.table({name: pa.array(self.outputs[name], pa.large_string())}))
        made = {"made": make(ds.field(name))}
        return source.to_table(columns=made, batch_size=_BATCH, batch_readahead=4)["made"]

    def take(self, places: np.ndarray, names: Sequence[Any] | None = None) -> pd.DataFrame:
        """Some rows, in the order of their places."""
        columns = [*(self.head.columns if names is None else names)]
        if not self.is_dataset:
            return self.outputs.iloc[places][columns]
        wanted, order = np.unique(places, return_inverse=True)
        parts, starts = self._parts
        if not parts or not len(wanted):
            return take_rows(self.outputs, wanted, columns).iloc[order]
        held, tables = np.searchsorted(starts, wanted, side="right") - 1, list[pa.Table]()
        for number in np.unique(held):
            whole = parts[number].to_table(schema=as_rows(self.outputs).schema, columns=columns)
            tables.append(whole.take(pa.array(wanted[held == number] - starts[number])))
        return frame_of(pa.concat_tables(tables)).set_axis(wanted).iloc[order]

    @cached_property
    def _parts(self) -> tuple[list[Any], np.ndarray]:
        """The row groups of a data set and the place of the first row of each; none where it is filtered."""
        try:
            files = list(as_rows(self.outputs).get_fragments())
        except ValueError:
            return [], np.array([], int)
        groups = [group for file in files for group in file.split_by_row_group()]
        return groups, np.cumsum([0, *(group.row_groups[0].num_rows for group in groups)])[:-1]
