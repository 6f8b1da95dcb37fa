"""Groups to compare by: which row is in which, in an order and colours that all charts of a frame share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bbkit.charts import look
from bbkit.core import frames
from bbkit.core.errors import InputError

MOST_GROUPS = 12
MOST_LINES = 7
"""More lines, or more panels, than this cannot be told apart."""

UNKNOWN = "not known"
_COLOURS = (
    look.BLUE,
    look.ORANGE,
    look.GREEN,
    look.PURPLE,
    look.SKY,
    look.VERMILLION,
    "#8A6D00",
    "#004B76",
    "#6B4C9A",
    "#444444",
    look.YELLOW,
)


Panels = list[tuple[str, np.ndarray]]
"""A name and the rows drawn, by position among those that a chart shows."""


@dataclass(frozen=True)
class Groups:
    """The groups of a frame."""

    codes: np.ndarray
    names: list[str]
    colours: list[str]

    def take(self, rows: np.ndarray) -> "Groups":
        """Give the groups of some rows, chosen by a mask or by position."""
        return Groups(self.codes[rows], self.names, self.colours)

    def count(self) -> np.ndarray:
        """Count the rows of each group."""
        return np.bincount(self.codes, minlength=len(self.names))

    def label(self, place: int, most: int = 28) -> str:
        """Name a group with its number of rows, such as ``bank  (n = 60)``."""
        return f"{look.shorten(self.names[place], most)}  (n = {int(self.count()[place]):,})"


def find_column(frame: Any, by: Any, needs: Sequence[str] = ()) -> str | None:
    """Find the column to group by, in a frame that has the columns a chart needs."""
    frames.require_columns(frame, needs)
    if by is None or by == "":
        return None
    if not isinstance(by, str):
        raise InputError(f"by is {by!r}; it takes the name of one column.")
    if found := frames.find_column(frame, by):
        return found
    known = ", ".join(str(name).removeprefix("source.") for name in frame.columns)
    raise InputError(
        f"No column {by!r} to group by; there are {known}. "
        "Pass source_columns= to collect_outputs to bring columns of the source along."
    )


def split_groups(frame: pd.DataFrame, column: str, most: int = MOST_GROUPS) -> Groups:
    """Name the group of each row, the largest groups by themselves and the rest as one."""
    codes, values = pd.factorize(frame[column])
    codes = np.where(codes < 0, len(values), codes)
    counts = np.bincount(codes, minlength=len(values))
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    names = [str(values[place]) if place < len(values) else UNKNOWN for place in order[: most + 1]]
    codes = rank[codes]
    if len(order) <= most:
        return Groups(codes, names, [_colour(place, name) for place, name in enumerate(names)])
    kept = most - 1
    colours = [_colour(place, name) for place, name in enumerate(names[:kept])]
    rest = f"{len(order) - kept:,} others"
    return Groups(np.minimum(codes, kept), [*names[:kept], rest], [*colours, look.GREY])


def split_panels(frame: pd.DataFrame, column: str | None, rows: np.ndarray, most: int) -> Panels:
    """Give each group that has some of `rows` a panel; without a column, one panel without a name."""
    if column is None:
        return [("", np.arange(len(rows)))]
    groups = split_groups(frame, column, most).take(rows)
    found = [np.flatnonzero(groups.codes == place) for place in range(len(groups.names))]
    return [(groups.label(place), chosen) for place, chosen in enumerate(found) if len(chosen)]


def _colour(place: int, name: str) -> str:
    return look.LIGHT if name == UNKNOWN else _COLOURS[place % len(_COLOURS)]
