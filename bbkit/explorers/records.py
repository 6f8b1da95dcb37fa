"""Look at any record: filter, search, sort, open; the filter and its rows go back to code."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import ipywidgets as widgets
import pandas as pd

from bbkit.explorers import views
from bbkit.explorers.examples import show_examples

_PAGE = 50
_COLUMNS = (
    ("record_id", 20),
    ("outcome", 10),
    ("stop_reason", 14),
    ("input_tokens", 9),
    ("output_tokens", 9),
)
_TEXT_WIDTH = 70


class RecordExplorer:
    """An explorer over the tidy frame; only the page that is shown goes to the browser.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`; source columns, and those of `with_columns`, can be
        searched and are shown with a record.
    name : str
        What the frame is called in your code, for `query`.

    Notes
    -----
    Where no browser will answer (``BBKIT_HEADLESS=1``, set by ``bbkit report``) it is a few records as HTML.
    """

    def __init__(self, outputs: pd.DataFrame, *, name: str = "outputs"):
        self._outputs = outputs
        self._name = name
        self._mask = pd.Series(True, index=outputs.index)
        self._rows = outputs.index
        self._build()
        self._refilter()

    @property
    def query(self) -> str:
        """The filter as an expression to paste into code; it gives the rows of `selection`, unsorted."""
        tests = [text for text, _ in self._tests()]
        return f"{self._name}[{' & '.join(tests)}]" if tests else self._name

    @property
    def selection(self) -> pd.DataFrame:
        """The rows that pass the filter, in the order shown."""
        return self._outputs.loc[self._rows]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        if os.environ.get("BBKIT_HEADLESS"):
            examples = show_examples(self._outputs)
            return examples._repr_mimebundle_()
        return self.widget._repr_mimebundle_() or {}

    def _build(self) -> None:
        outputs = self._outputs
        self._outcome = _choices("outcome", outputs["outcome"])
        self._stop = _choices("stop reason", outputs["stop_reason"])
        self._ranges = {name: _range(name, outputs[name]) for name in ("input_tokens", "output_tokens")}
        searched = [name for name in outputs.columns if _is_text(outputs[name])]
        start = "text" if "text" in searched else searched[0]
        self._search_in = widgets.Dropdown(options=searched, value=start, description="search in")
        self._search = widgets.Textarea(
            placeholder="text to find", continuous_update=False, rows=1, description="for"
        )
        self._sort = widgets.Dropdown(
            options=["as sent", *map(str, outputs.columns)], value="as sent", description="sort by"
        )
        self._descending = widgets.Checkbox(description="descending", indent=False)
        self._list = widgets.Select(rows=14, layout=widgets.Layout(width="100%"))
        self._list.add_class("bbkit-rows")
        self._count, self._detail = widgets.HTML(), widgets.HTML()
        self._page = widgets.BoundedIntText(value=1, min=1, max=1, description="page")
        self._previous = widgets.Button(description="Previous", icon="arrow-up")
        self._next = widgets.Button(description="Next", icon="arrow-down")
        self._query = widgets.Text(description="query", disabled=True, layout=widgets.Layout(width="100%"))
        self._observe()
        self.widget = self._lay_out()

    def _lay_out(self) -> widgets.Widget:
        style = (
            "<style>.bbkit-rows select{font:12px/1.5 ui-monospace,monospace;height:auto}"
            ".bbkit-head{font:12px ui-monospace,monospace;white-space:pre;opacity:.75}</style>"
        )
        head = "\u00a0".join(_pad(name, width) for name, width in _COLUMNS) + "\u00a0text"
        row = widgets.Layout(flex_flow="row wrap", width="100%")
        filters = [self._outcome, self._stop, *self._ranges.values()]
        finders = [self._search_in, self._search, self._sort, self._descending]
        return widgets.VBox(
            [
                widgets.Box(filters, layout=row),
                widgets.Box(finders, layout=row),
                self._count,
                widgets.HTML(f"{style}<div class='bbkit-head'>{head}</div>"),
                self._list,
                widgets.Box([self._page, self._previous, self._next], layout=row),
                self._query,
                self._detail,
            ]
        )

    def _observe(self) -> None:
        for control in (self._outcome, self._stop, *self._ranges.values(), self._search_in, self._search):
            control.observe(lambda _: self._refilter(), names="value")
        for control in (self._sort, self._descending):
            control.observe(lambda _: self._resort(), names="value")
        self._page.observe(lambda _: self._turn(), names="value")
        self._list.observe(lambda _: self._open(), names="value")
        self._previous.on_click(lambda _: self._step(-1))
        self._next.on_click(lambda _: self._step(1))

    def _tests(self) -> list[tuple[str, Callable[[], pd.Series]]]:
        """Each condition in force, as code and as what makes its mask; both say the same."""
        frame, tests = self._outputs, []
        for choices, column in ((self._outcome, "outcome"), (self._stop, "stop_reason")):
            if chosen := list(choices.value):
                tests.append((f"[{column!r}].isin({chosen!r})", partial(frame[column].isin, chosen)))
        for column, slider in self._ranges.items():
            low, high = slider.value
            if (low, high) != (slider.min, slider.max):
                code = f"[{column!r}].between({low}, {high}).fillna(False)"
                tests.append((code, partial(_between, frame[column], low, high)))
        if text := self._search.value:
            column = self._search_in.value
            code = f"[{column!r}].str.contains({text!r}, case=False, regex=False, na=False)"
            tests.append((code, partial(_contains, frame[column], text)))
        return [(self._name + code, make) for code, make in tests]

    def _refilter(self) -> None:
        mask = pd.Series(True, index=self._outputs.index)
        for _, make in self._tests():
            mask &= make().astype(bool)
        self._mask = mask
        self._query.value = self.query
        self._resort()

    def _resort(self) -> None:
        rows = self._outputs.index[self._mask.to_numpy()]
        if self._sort.value != "as sent":
            values = self._outputs.loc[rows, self._sort.value]
            rows = values.sort_values(ascending=not self._descending.value, kind="stable").index
        elif self._descending.value:
            rows = rows[::-1]
        self._rows = rows
        total = len(self._outputs)
        self._count.value = f"<b>{len(rows):,}</b> of {total:,} records"
        self._page.max = max(1, -(-len(rows) // _PAGE))
        if self._page.value == 1:
            self._turn()
        else:
            self._page.value = 1

    def _turn(self) -> None:
        start = (self._page.value - 1) * _PAGE
        rows = self._rows[start : start + _PAGE]
        shown = self._outputs.loc[rows]
        options = [(_line(row), place) for place, row in zip(rows, shown.to_dict("records"), strict=True)]
        self._list.options = options
        self._list.value = options[0][1] if options else None
        self._open()

    def _step(self, by: int) -> None:
        if self._list.index is None:
            return
        place = self._list.index + by
        if 0 <= place < len(self._list.options):
            self._list.index = place
        elif 1 <= self._page.value + by <= self._page.max:
            self._page.value += by
            self._list.index = 0 if by > 0 else len(self._list.options) - 1

    def _open(self) -> None:
        if self._list.value is None:
            self._detail.value = views.wrap("<p>No record passes the filter.</p>")
            return
        row = self._outputs.loc[[self._list.value]].to_dict("records")[0]
        self._detail.value = views.show_record(row)


def _between(values: pd.Series, low: int, high: int) -> pd.Series:
    return values.between(low, high).fillna(False)


def _contains(values: pd.Series, text: str) -> pd.Series:
    return values.str.contains(text, case=False, regex=False, na=False)


def _choices(description: str, values: pd.Series) -> widgets.SelectMultiple:
    known = [str(value) for value in values.dropna().unique()]
    return widgets.SelectMultiple(
        options=sorted(known), rows=max(2, min(5, len(known))), description=description
    )


def _range(name: str, values: pd.Series) -> widgets.IntRangeSlider:
    known = values.dropna()
    low, high = (int(known.min()), int(known.max())) if len(known) else (0, 0)
    return widgets.IntRangeSlider(
        value=(low, high),
        min=low,
        max=high,
        description=name.replace("_", " "),
        continuous_update=False,
        style={"description_width": "initial"},
        layout=widgets.Layout(width="340px"),
    )


def _is_text(values: pd.Series) -> bool:
    return pd.api.types.is_string_dtype(values.dtype)


def _pad(value: Any, width: int) -> str:
    text = "" if value is None or pd.isna(value) else f"{value:,}" if isinstance(value, int) else str(value)
    text = text if len(text) <= width else text[: width - 1] + "…"
    text = text.rjust(width) if isinstance(value, int) else text.ljust(width)
    return text.replace(" ", "\u00a0")


def _line(row: dict) -> str:
    text = row["error_message"] if pd.isna(row["text"]) else row["text"]
    snippet = "" if pd.isna(text) else " ".join(str(text)[:200].split())[:_TEXT_WIDTH]
    return "\u00a0".join([*(_pad(row[name], width) for name, width in _COLUMNS), snippet])
