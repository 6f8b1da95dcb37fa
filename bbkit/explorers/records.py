"""Look at any record: filter, search, sort, open; the filter and its rows go back to code."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as widgets
import pandas as pd

from bbkit.core.datasets import count_rows, find_rows, head_of, is_dataset
from bbkit.core.frames import require_columns
from bbkit.core.panels import render
from bbkit.explorers import views
from bbkit.explorers.controls import ColumnFilter, is_text, list_filterable, list_sortable
from bbkit.explorers.filters import Condition, Selector, Sort, contains
from bbkit.outputs.lines import find_line
from bbkit.records.building import read_prompt

_PAGE = 50
_ROW = widgets.Layout(flex_flow="row wrap", width="100%", grid_gap="4px 12px", align_items="flex-start")


class RecordExplorer:
    """An explorer over the tidy frame; only the page that is shown goes to the browser.

    Parameters
    ----------
    outputs : pandas.DataFrame or Accounting
        The tidy frame of `bbkit.collect_outputs`, or its data set, of which the first 100,000 rows that pass
        `where` are shown, and the sentence says so. What was sent and the raw answer are read from the files
        when a record is opened, unless `with_columns` brought them.
    where : str
        Which rows to look at, of all, as ``DataFrame.query`` takes it: ``"record_id == 'r77'"``.
    name : str
        What the frame is called in your code, for `query`.

    Raises
    ------
    bbkit.core.errors.InputError
        If it is no frame with the columns that `collect_outputs` gives.

    Notes
    -----
    Arrow keys in the field ``record`` go from record to record, over the ends of a page too. Where no browser
    will answer (``BBKIT_HEADLESS=1``, set by ``bbkit report``) it is a few records as HTML.
    """

    def __init__(self, outputs: pd.DataFrame, *, where: str = "", name: str = "outputs"):
        require_columns(head_of(outputs), views.LINE_COLUMNS)
        total = count_rows(outputs)
        if where or is_dataset(outputs):
            outputs = find_rows(outputs, where, most=views.MOST_ROWS)
        passing = " that pass" if where and len(outputs) == views.MOST_ROWS else ""
        first = "" if where and not passing else "the first "
        self._more = f" ({first}of {total:,}{passing})" if total > len(outputs) else ""
        self._outputs = outputs
        self._name = f"{name}.query({where!r})" if where else name
        self._selector = Selector(outputs)
        self._busy = False
        self._widths = views.fit_widths(outputs)
        self._build()
        self._refilter()

    @property
    def query(self) -> str:
        """The filter and the order as an expression to paste into code; it gives `selection`."""
        tests = [condition.code(self._name) for condition in self._conditions()]
        chosen = f"{self._name}[{' & '.join(tests)}]" if tests else self._name
        return chosen + self._sorting().code

    @property
    def selection(self) -> pd.DataFrame:
        """The rows that pass the filter, in the order shown."""
        return self._outputs.iloc[self._rows]

    def clear(self) -> None:
        """Let every record pass, in the order they were sent."""
        with self._quietly():
            for one in (*self._filters.values(), *self._own):
                one.clear()
            self._search.value, self._sort.value, self._descending.value = "", "as sent", False
        self._refilter()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        if os.environ.get("BBKIT_HEADLESS"):
            return views.show_examples(self._outputs)._repr_mimebundle_()
        shown = f"{len(self._outputs):,} records{self._more}"
        sentence = f"An explorer of {shown}; run the cell to look at them."
        return {**(self.widget._repr_mimebundle_() or {}), "text/plain": sentence}

    def _build(self) -> None:
        outputs = self._outputs
        self._filters = {
            name: ColumnFilter(outputs, name, as_range=name.endswith("tokens")) for name in views.ENDING
        }
        self._own: list[ColumnFilter] = []
        others = [name for name in list_filterable(outputs) if name not in views.ENDING]
        self._column = widgets.Dropdown(
            options=[("another column", ""), *((name, name) for name in others)], description="filter by"
        )
        self._own_box = widgets.Box()
        searched = [str(name) for name in outputs.columns if is_text(outputs[name])]
        start = "text" if "text" in searched else searched[0]
        self._search_in = widgets.Dropdown(options=searched, value=start, description="search in")
        self._search = widgets.Textarea(
            placeholder="text to find", continuous_update=False, rows=1, description="for"
        )
        self._find = widgets.Button(description="Search", icon="search")
        self._orders = list_sortable(outputs)
        self._sort = widgets.Dropdown(options=list(self._orders), value="as sent", description="sort by")
        self._descending = widgets.Checkbox(description="descending", indent=False)
        self._clear = widgets.Button(description="Clear filters", icon="times")
        self._list = widgets.Select(rows=20, layout=widgets.Layout(width="100%"))
        self._list.add_class("bbkit-rows")
        self._count, self._detail, self._query = widgets.HTML(), widgets.HTML(), widgets.HTML()
        # A field of numbers, since JupyterLab keeps the arrow keys of a list for itself.
        self._number = widgets.BoundedIntText(
            value=1, min=1, max=1, description="record", tooltip="arrow keys: next and previous"
        )
        self._previous = widgets.Button(description="Previous", icon="arrow-up")
        self._next = widgets.Button(description="Next", icon="arrow-down")
        self._observe()
        self.widget = self._lay_out()

    def _lay_out(self) -> widgets.Widget:
        self._query.add_class("bbkit-query")
        self._count.add_class("bbkit-explorer-count")
        self._detail.add_class("bbkit-detail")
        head = widgets.HTML(render("head", room="explorers", line=views.head_line(self._widths)))
        buttons = widgets.Box([self._previous, self._next, self._number], layout=_ROW)
        left = widgets.VBox(
            [self._count, head, self._list, buttons],
            layout=widgets.Layout(flex="6 1 38em", min_width="24em", width="auto"),
        )
        right = widgets.VBox(
            [self._detail], layout=widgets.Layout(flex="5 1 26em", min_width="24em", width="auto")
        )
        filters = [*(one.widget for one in self._filters.values()), self._own_box]
        finders = [self._search_in, self._search, self._find, self._column]
        orders = [self._sort, self._descending, self._clear]
        rows = [widgets.Box(line, layout=_ROW) for line in (filters, finders, orders, [left, right])]
        return widgets.VBox([*rows, self._query])

    def _observe(self) -> None:
        for one in self._filters.values():
            one.widget.observe(self._changed, names="value")
        for control in (self._search_in, self._search, self._sort, self._descending):
            control.observe(self._changed, names="value")
        self._column.observe(lambda _: self._choose_column(), names="value")
        self._number.observe(lambda _: self._asked(self._number.value - 1), names="value")
        self._list.observe(lambda _: self._asked(self._list.value), names="value")
        self._previous.on_click(lambda _: self._go(self._at - 1))
        self._next.on_click(lambda _: self._go(self._at + 1))
        self._find.on_click(lambda _: self._refilter())
        self._clear.on_click(lambda _: self.clear())

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Set controls without their setting something else off."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def _changed(self, _: object) -> None:
        if not self._busy:
            self._refilter()

    def _asked(self, at: int | None) -> None:
        if not self._busy and at is not None:
            self._go(at)

    def _choose_column(self) -> None:
        self._own = [ColumnFilter(self._outputs, self._column.value)] if self._column.value else []
        for one in self._own:
            one.widget.observe(self._changed, names="value")
        self._own_box.children = [one.widget for one in self._own]
        self._refilter()

    def _conditions(self) -> list[Condition]:
        filters = (*self._filters.values(), *self._own)
        conditions = [condition for one in filters if (condition := one.condition())]
        if text := self._search.value:
            conditions.append(contains(self._outputs, self._search_in.value, text))
        return conditions

    def _sorting(self) -> Sort:
        return self._orders[self._sort.value]._replace(descending=self._descending.value)

    def _refilter(self) -> None:
        self._rows = self._selector.select(self._conditions(), self._sorting())
        selected, total = len(self._rows), len(self._outputs)
        self._query.value = render("query", room="explorers", query=self.query)
        counted = f"{total:,} records{self._more}"
        self._count.value = render("count", room="explorers", selected=selected, counted=counted)
        self._page = -1
        with self._quietly():
            self._number.value = 1
            self._number.max = max(1, len(self._rows))
        self._go(0)

    def _go(self, at: int) -> None:
        """Open the record at a place of the selection, on the page that holds it."""
        at = min(max(at, 0), max(len(self._rows) - 1, 0))
        self._at = at
        with self._quietly():
            if at // _PAGE != self._page:
                self._page = at // _PAGE
                self._list.options = self._lines()
            self._number.value = at + 1
            self._list.value = at if len(self._rows) else None
        self._open()

    def _lines(self) -> list[tuple[str, int]]:
        start = self._page * _PAGE
        rows = self._rows[start : start + _PAGE]
        shown = self._outputs.iloc[rows][views.line_columns(self._outputs)].to_dict("records")
        lines = [(views.list_line(row, self._widths), at) for at, row in enumerate(shown, start)]
        if start:
            lines.insert(0, ("▲ the page before", start - 1))
        if start + len(rows) < len(self._rows):
            lines.append(("▼ the next page", start + len(rows)))
        return lines

    def _open(self) -> None:
        if not len(self._rows):
            self._detail.value = views.show_record(None)
            return
        row = self._outputs.iloc[[self._rows[self._at]]].to_dict("records")[0]
        line = find_line(self._outputs, row)
        if isinstance(line.model_input, dict):
            row["prompt"] = read_prompt(line.model_input)
        row["model_input"], row["model_output"] = line.model_input, line.model_output
        self._detail.value = views.show_record(row, line.note)
