"""Conditions on a frame: each is code to paste and the mask that this code gives."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from bbkit.core.datasets import find_rows
from bbkit.core.frames import TEXT
from bbkit.explorers.rows import Rows

NONE = "\x00none"
"""Stands for an absent value among the values of a choice."""

_KEPT = 12


class Condition(NamedTuple):
    """A condition on rows, and which they are."""

    code: Callable[[str], str]
    mask: Callable[[], Any]


def is_one_of(rows: Rows, column: str, values: Sequence[Any], *, as_text: bool = False) -> Condition:
    """Keep the rows whose value, as it is or as text, is one of some; `NONE` keeps those without a value."""
    known = [value for value in values if value != NONE]
    tests = [f".astype('string').isin({known!r})" if as_text else f".isin({known!r})"] if known else []
    tests += [".isna()"] if len(known) < len(values) else []

    def code(name: str) -> str:
        whole = " | ".join(f"{name}[{column!r}]{test}" for test in tests)
        return f"({whole})" if len(tests) > 1 else whole

    def mask() -> Any:
        column_values = rows[column].astype(TEXT) if as_text else rows[column]
        found = column_values.isin(known)
        return found | column_values.isna() if len(known) < len(values) else found

    return Condition(code, mask)


def is_between(rows: Rows, column: str, low: Any, high: Any) -> Condition:
    """Keep the rows whose value is known and lies between two numbers or times, ends included."""
    code = f"[{column!r}].between({low!r}, {high!r}).fillna(False)"
    return Condition(lambda name: name + code, lambda: rows[column].between(low, high).fillna(False))


def contains(rows: Rows, column: str, text: str) -> Condition:
    """Keep the rows whose text holds another, in upper or lower case, taken letter by letter."""
    code = f"[{column!r}].str.contains({text!r}, case=False, regex=False, na=False)"
    # What pandas itself calls for this code; Arrow does it side by side.
    match = partial(pc.match_substring, pattern=text, ignore_case=True)
    return Condition(lambda name: name + code, lambda: pc.fill_null(rows.compute(column, match), False))


def passes(rows: Rows, where: str) -> Condition:
    """Keep the rows that pass a condition as `DataFrame.query` takes it."""

    def mask() -> np.ndarray:
        outputs = rows.outputs if rows.is_dataset else rows.outputs.reset_index(drop=True)
        return np.isin(np.arange(rows.count), find_rows(outputs, where, ["record_id"]).index)

    return Condition(lambda name: f"{name}.eval({where!r})", mask)


class Selector:
    """Finds the rows that pass some conditions, in an order; what did not change is not made again."""

    def __init__(self, rows: Rows):
        self._rows = rows
        self._masks: dict[str, np.ndarray] = {}
        self._orders: dict[tuple[str, bool], np.ndarray] = {}

    def select(self, conditions: Sequence[Condition], sort: "Sort") -> np.ndarray:
        """Give the positions of the rows that pass, in the order of `sort`."""
        masks = [self._mask(condition) for condition in conditions]
        passed = np.logical_and.reduce(masks) if masks else None
        order = self._order(sort)
        if order is None:
            return np.arange(self._rows.count) if passed is None else np.flatnonzero(passed)
        return order if passed is None else order[passed[order]]

    def _mask(self, condition: Condition) -> np.ndarray:
        code = condition.code("")
        if code not in self._masks:
            while len(self._masks) >= _KEPT:
                del self._masks[next(iter(self._masks))]
            self._masks[code] = np.asarray(condition.mask(), dtype=bool)
        return self._masks[code]

    def _order(self, sort: "Sort") -> np.ndarray | None:
        if not sort.column:
            return np.arange(self._rows.count)[::-1] if sort.descending else None
        key = (sort.column, sort.descending)
        if key not in self._orders:
            if sort.by_length:
                values = pd.Series(self._rows.compute(sort.column, pc.utf8_length).to_numpy())
            else:
                values = pd.Series(self._rows[sort.column].array)
            ordered = values.sort_values(ascending=not sort.descending, kind="stable")
            self._orders = {key: ordered.index.to_numpy()}
        return self._orders[key]


class Sort(NamedTuple):
    """An order of rows."""

    column: str = ""
    descending: bool = False
    by_length: bool = False

    @property
    def code(self) -> str:
        """What to put behind a frame to have its rows in this order."""
        if not self.column:
            return "[::-1]" if self.descending else ""
        more = ", ascending=False" if self.descending else ""
        key = ", key=lambda texts: texts.str.len()" if self.by_length else ""
        return f".sort_values({self.column!r}{more}, kind='stable'{key})"
