"""Groups to compare by: which row is in which, in an order and colours that all charts of a frame share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bbkit.charts import style
from bbkit.core import frames
from bbkit.core.datasets import head_of, read_columns
from bbkit.core.errors import InputError

MOST_GROUPS = 12
MOST_LINES = 7
"""More lines, or more subplots, than this cannot be told apart."""

UNKNOWN = "not known"


@dataclass(frozen=True)
class Groups:
    """The group of each row; without a column all rows are one group without a name."""

    column: str | None
    codes: np.ndarray
    names: list[str]
    colours: list[str]
    counts: np.ndarray | None = None
    """Of how many records each row is the sum; None where it is one."""

    def take(self, rows: np.ndarray) -> "Groups":
        """Give the groups of some rows, chosen by a mask or by position."""
        return replace(
            self, codes=self.codes[rows], counts=None if self.counts is None else self.counts[rows]
        )

    def count(self) -> np.ndarray:
        """Count the records of each group."""
        return _count(self.codes, self.counts, len(self.names))

    @property
    def labels(self) -> list[str]:
        """Each group with its number of rows, such as ``bank  (n = 60)``."""
        if self.column is None:
            return [""]
        pairs = zip(self.names, self.count().tolist(), strict=True)
        return [f"{style.shorten(name, 28)}  (n = {count:,})" for name, count in pairs]

    def split(self) -> list[tuple[int, np.ndarray]]:
        """Give each group that has rows with its rows, by position."""
        return [(code, np.flatnonzero(self.codes == code)) for code in np.flatnonzero(self.count()).tolist()]


def known_rows(frame: pd.DataFrame, *columns: str) -> np.ndarray:
    """Tell of each row whether it has a value in all of these columns."""
    return np.asarray(frame[list(columns)].notna().all(axis=1), dtype=bool)


def equal_rows(frame: pd.DataFrame, column: str, value: str) -> np.ndarray:
    """Tell of each row whether it has this value."""
    return np.asarray(frame[column].eq(value).fillna(False), dtype=bool)


def name_absent(values: pd.Series, name: str) -> pd.Series:
    """Give texts as categories, among them one for those that are not known."""
    texts = values.astype("category")
    return texts.cat.set_categories(texts.cat.categories.union([name], sort=False)).fillna(name)


def read_groups(
    outputs: Any,
    by: Any = None,
    needs: Sequence[str] = (),
    most: int = MOST_GROUPS,
    make: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
) -> tuple[pd.DataFrame, Groups]:
    """Read what a chart needs of a frame or a data set, and group its rows."""
    column = grouping_column(outputs, by, needs)
    kept = [column] if column else []
    keep = make and (lambda frame: make(frame).assign(**{name: frame[name] for name in kept}))
    frame = read_columns(outputs, [*needs, *kept], keep)
    return frame, group_rows(frame, column, most=most)


def grouping_column(frame: Any, by: Any, needs: Sequence[str] = ()) -> str | None:
    """Find the column to group by, in rows that have the columns a chart needs."""
    frame = head_of(frame)
    frames.require_columns(frame, needs)
    if by is None or by == "":
        return None
    if not isinstance(by, str):
        raise InputError(f"by is {by!r}; it takes the name of one column.")
    return frames.find_columns(frame, [by])[0]


def _count(codes: np.ndarray, counts: np.ndarray | None, names: int) -> np.ndarray:
    return np.bincount(codes, counts, names).astype(np.int64)


def group_rows(
    frame: pd.DataFrame,
    by: Any = None,
    needs: Sequence[str] = (),
    most: int = MOST_GROUPS,
    counts: np.ndarray | None = None,
) -> Groups:
    """Group the rows of a frame by a column, the largest groups by themselves and all others as one."""
    column = grouping_column(frame, by, needs)
    if column is None:
        return Groups(None, np.zeros(len(frame), dtype=np.int64), [""], [style.ORANGE], counts)
    codes, values = pd.factorize(frame[column], use_na_sentinel=False)
    order = np.argsort(-_count(codes, counts, len(values)), kind="stable")
    alone = len(order) if len(order) <= most else most - 1
    names = [group_name(values[code], column) for code in order[:alone]]
    colours = [
        style.LIGHT if name == UNKNOWN else style.GROUPS[place % len(style.GROUPS)]
        for place, name in enumerate(names)
    ]
    if alone < len(order):
        names.append(f"{len(order) - alone:,} others")
        colours.append(style.GREY)
    return Groups(column, np.minimum(np.argsort(order)[codes], alone), names, colours, counts)


def group_name(value: Any, column: str) -> str:
    """What a group is called; a number alone says nothing, and a phone number is known by its column."""
    text = UNKNOWN if frames.is_absent(value) else str(value)
    return f"{column} {text}" if text.isdigit() else text
