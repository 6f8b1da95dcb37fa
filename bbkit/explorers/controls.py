"""The controls of the record explorer, made from the columns of a frame."""

from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd

from bbkit.core.frames import TEXT
from bbkit.core.text import one_line
from bbkit.explorers.filters import NONE, Condition, Sort, contains, is_between, is_one_of
from bbkit.explorers.rows import Rows

_MOST_VALUES = 200
_FEW_NUMBERS = 30
_FEW_TEXTS = 30
_LONG_TEXT = 64


class ColumnFilter:
    """A filter on one column: its values to choose from, a range of many, or a part of a text."""

    def __init__(self, rows: Rows, column: str, *, as_range: bool = False):
        self._rows, self._column = rows, column
        if _seldom_recurs(rows.first[column]):
            self.widget: Any = make_search("text to find", **_describe(column))
            self._whole = self.widget.value
            return
        values = rows[column]
        if as_range or (_is_number(values) and values.nunique() > _FEW_NUMBERS):
            self.widget = _make_range(column, values)
        elif _is_time(values) and values.notna().any():
            self.widget = _make_times(column, values)
        else:
            self.widget = _make_choice(column, values if _is_plain(values) else values.astype(TEXT))
        self._whole = self.widget.value

    def condition(self) -> Condition | None:
        """The condition that is set; None when every row passes."""
        if isinstance(self.widget, widgets.SelectMultiple):
            chosen = list(self.widget.value)
            as_text = not _is_plain(self._rows[self._column])
            return is_one_of(self._rows, self._column, chosen, as_text=as_text) if chosen else None
        if self.widget.value == self._whole:
            return None
        if isinstance(self.widget, widgets.Text):
            return contains(self._rows, self._column, self.widget.value)
        low, high = self.widget.value
        # As text, so that the code needs no more than the frame.
        ends = (str(low), str(high)) if isinstance(low, pd.Timestamp) else (low, high)
        return is_between(self._rows, self._column, *ends)

    def clear(self) -> None:
        """Let every row pass."""
        self.widget.value = self._whole


def make_search(placeholder: str, **described: Any) -> widgets.Text:
    """A line for a text to find, which Enter searches."""
    return widgets.Text(placeholder=placeholder, continuous_update=False, **described)


def _seldom_recurs(first: pd.Series) -> bool:
    known = first.dropna()
    return is_text(first) and len(known) > _FEW_TEXTS and 2 * known.nunique() > len(known)


def _is_number(values: pd.Series) -> bool:
    dtype = values.dtype
    return pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)


def _make_choice(column: str, values: pd.Series) -> widgets.SelectMultiple:
    counts = values.value_counts()
    listed = counts.index[:_MOST_VALUES]
    options = [(_label(value, counts[value]), _plain(value)) for value in listed]
    if absent := int(values.isna().sum()):
        options.append((_label("not known", absent), NONE))
    more = f" (the {_MOST_VALUES} most frequent of {len(counts):,})" if len(counts) > len(listed) else ""
    return widgets.SelectMultiple(
        options=options,
        rows=max(2, min(5, len(options))),
        layout=widgets.Layout(width="auto"),
        **_describe(column, more),
    )


def _describe(column: str, more: str = "") -> dict[str, Any]:
    name = column.removeprefix("source.").replace("_", " ")
    return {"description": name + more, "style": {"description_width": "initial"}}


def _label(value: Any, count: int) -> str:
    return f"{one_line(value, _LONG_TEXT) or '(blank)'}  ({count:,})"


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _make_range(column: str, values: pd.Series) -> Any:
    known = values.dropna()
    is_whole = pd.api.types.is_integer_dtype(values.dtype)
    low, high = map(int if is_whole else float, (known.min(), known.max()) if len(known) else (0, 0))
    make = widgets.IntRangeSlider if is_whole else widgets.FloatRangeSlider
    return make(
        value=(low, high),
        min=low,
        max=high,
        step=1 if is_whole else (high - low) / 200 or 1.0,
        disabled=known.empty,
        continuous_update=False,
        layout=widgets.Layout(width="340px"),
        **_describe(column),
    )


def _make_times(column: str, values: pd.Series) -> widgets.SelectionRangeSlider:
    known = values.dropna()
    steps = pd.DatetimeIndex(known.unique()).sort_values()
    if len(steps) > _MOST_VALUES:
        steps = steps[np.linspace(0, len(steps) - 1, _MOST_VALUES).astype(int)]
    days = bool((steps == steps.normalize()).all())
    return widgets.SelectionRangeSlider(
        options=[(f"{step:%Y-%m-%d}" if days else f"{step:%Y-%m-%d %H:%M:%S}", step) for step in steps],
        index=(0, len(steps) - 1),
        continuous_update=False,
        layout=widgets.Layout(width="640px"),
        **_describe(column),
    )


def list_filterable(rows: Rows) -> list[str]:
    """Name the columns that a `ColumnFilter` takes: all whose cells are single values."""
    return [str(name) for name in rows.head.columns if _is_single(rows.first[name])]


def list_sortable(rows: Rows) -> dict[str, Sort]:
    """Name the orders on offer by their labels."""
    orders = {"as sent": Sort()}
    for name in rows.head.columns:
        first = rows.first[name]
        if is_text(first) and _is_long(first):
            orders[f"{name} (length)"] = Sort(str(name), by_length=True)
        elif first.dtype != object:
            orders[str(name)] = Sort(str(name))
    return orders


def is_text(values: Any) -> bool:
    """Tell whether a column is text."""
    return bool(pd.api.types.is_string_dtype(values.dtype) and values.dtype != object)


def _is_plain(values: pd.Series) -> bool:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return is_text(values.cat.categories)
    return is_text(values) or _is_number(values) or bool(pd.api.types.is_bool_dtype(values.dtype))


def _is_time(values: pd.Series) -> bool:
    return isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M"


def _is_single(values: pd.Series) -> bool:
    """Whether the cells hold single values, no lists or objects: the first tell."""
    return bool(values.dtype != object) or all(map(pd.api.types.is_scalar, values))


def _is_long(values: pd.Series) -> bool:
    known = values.dropna()
    return bool(len(known)) and float(known.str.len().mean()) > _LONG_TEXT
