"""Groups to compare by: which row is in which, in an order and colours that all charts of a frame share."""

import calendar
import re
import unicodedata
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
    values: list[Any]
    """Of each group but the one of all others."""
    names: list[str]
    """In full and no two alike; `codes` are positions among them."""
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

    def describe(self, most: int = 30) -> list[str]:
        """Give each name, cut to about so many letters, with its rows, such as ``bank  (n = 60)``."""
        if self.column is None:
            return [""]
        pairs = zip(style.tell_apart(self.names, most), self.count().tolist(), strict=True)
        return [f"{name}  (n = {count:,})" for name, count in pairs]

    @property
    def legends(self) -> list[str]:
        """Each group as a legend shows it."""
        return [style.escape_text(name) for name in style.tell_apart(self.names, 12)]

    @property
    def hovers(self) -> list[str]:
        """Each group by its name in full, as a hover and the data of a figure show it."""
        return [style.shorten(name, style.MOST_CHARACTERS) for name in self.names]

    def drop_empty(self) -> "Groups":
        """Leave out the groups that have no rows."""
        kept = np.flatnonzero(self.count())
        places = np.cumsum(np.bincount(kept, minlength=len(self.names))) - 1
        names, colours = ([texts[code] for code in kept] for texts in (self.names, self.colours))
        values = [self.values[code] for code in kept if code < len(self.values)]
        return replace(self, codes=places[self.codes], values=values, names=names, colours=colours)

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
    by_size: bool = False,
) -> Groups:
    """Group the rows of a frame by a column, the largest groups by themselves and all others as one.

    Values that have an order keep it, unless `by_size` is asked; any others begin with the largest.
    """
    column = grouping_column(frame, by, needs)
    if column is None:
        return Groups(None, np.zeros(len(frame), dtype=np.int64), [], [""], [style.ORANGE], counts)
    codes, kinds = pd.factorize(frame[column], use_na_sentinel=False)
    sizes = np.argsort(-_count(codes, counts, len(kinds)), kind="stable")
    alone = len(sizes) if len(sizes) <= most else most - 1
    keys = [None] * len(sizes) if by_size else _order_keys(kinds[sizes[:alone]])
    ranks = sorted(range(alone), key=lambda rank: (keys[rank] is None, keys[rank] or ()))
    values = [kinds[sizes[rank]] for rank in ranks]
    colours = [
        style.LIGHT if frames.is_absent(value) else style.GROUPS[rank % len(style.GROUPS)]
        for rank, value in zip(ranks, values, strict=True)
    ]
    places = np.full(len(sizes), alone)
    places[sizes[ranks]] = np.arange(alone)
    names = _name_groups(values, column, len(sizes) - alone)
    return Groups(column, places[codes], values, names, [*colours, style.GREY][: len(names)], counts)


def group_name(value: Any, column: str) -> str:
    """What a group is called; a number alone says nothing, and a phone number is known by its column."""
    text = UNKNOWN if frames.is_absent(value) else str(value).removesuffix(" 00:00:00")
    return f"{column.removeprefix('source.')} {text}" if text.isdigit() else text


def _name_groups(values: Sequence[Any], column: str, others: int) -> list[str]:
    """Name groups; what looks alike, such as ``1`` and ``"1"``, is written as Python does."""
    names = [group_name(value, column) for value in values] + ([f"{others:,} others"] if others else [])
    for write in (repr, ascii):
        looks = [" ".join(unicodedata.normalize("NFKC", name).split()) for name in names]
        looks = ["".join(filter(str.isprintable, look)) for look in looks]
        for place, value in enumerate(values):
            if looks.count(looks[place]) > 1 and not frames.is_absent(value):
                names[place] = write(value.item() if isinstance(value, np.generic) else value)
    return names


_CALENDAR = {
    name.lower(): place
    for names in (calendar.month_name, calendar.month_abbr, calendar.day_name, calendar.day_abbr)
    for place, name in enumerate(names)
    if name
}
_NUMBER = re.compile(r"(?<!\d)-?\d+(?:\.\d+)?")
_YEARS = range(1900, 2200)


def _order_keys(values: Any) -> list[Any]:
    """Give each value what to sort it by, None where it is absent; None for all that have no order."""
    kinds = pd.Series(values)
    absent = [frames.is_absent(value) for value in kinds]
    if isinstance(kinds.dtype, pd.CategoricalDtype) and kinds.cat.ordered:
        keys: list[Any] = [(code,) for code in kinds.cat.codes]
    elif kinds.dtype.kind in "iufmM":
        keys = [(value,) for value in kinds]
    else:
        keys = [_read_order(str(value)) for value in kinds]
    keys = [None if gone else key for key, gone in zip(keys, absent, strict=True)]
    return keys if keys.count(None) == sum(absent) else [None] * len(keys)


def _read_order(text: str) -> tuple[float, ...] | None:
    """Read the number, date, month or weekday of a name that is one, with a year first."""
    words = [_CALENDAR[word] for word in re.findall(r"[a-z]+", text.lower()) if word in _CALENDAR]
    if not words and not re.match(r"\s*[-+]?[QWH]?\d", text):
        return None
    if words and re.sub(r"[\W\d]+", " ", text).strip().count(" "):
        return None
    numbers = [float(number) for number in _NUMBER.findall(re.sub(r"(?<=\d),(?=\d{3})", "", text))]
    years = [number for number in numbers if number in _YEARS]
    return (*years, *words, *(number for number in numbers if number not in _YEARS))
