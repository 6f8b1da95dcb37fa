"""Look at any record: filter, search, sort, open; the filter and its rows go back to code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import ipywidgets as widgets
import pandas as pd

from bbkit.core.datasets import head_of
from bbkit.core.frames import require_columns
from bbkit.core.panels import render
from bbkit.explorers import views
from bbkit.explorers.controls import ColumnFilter, is_text, list_filterable, list_sortable, make_search
from bbkit.explorers.distributions import Distribution
from bbkit.explorers.filters import Condition, Selector, Sort, contains, passes
from bbkit.explorers.progress import is_headless
from bbkit.explorers.rows import Rows
from bbkit.outputs.lines import find_line
from bbkit.records.building import read_prompt

_PAGE = 50
_ROW = widgets.Layout(flex_flow="row wrap", width="100%", grid_gap="4px 12px", align_items="flex-start")


class RecordExplorer:
    """An explorer over the tidy frame; only the page that is shown goes to the browser.

    Parameters
    ----------
    outputs : pandas.DataFrame or Accounting
        The tidy frame of `bbkit.collect_outputs`, or its data set, of which a column is read when it is
        filtered, searched or sorted by, and else the page that is shown. What was sent and the raw answer
        are read from the files when a record is opened, unless `with_columns` brought them.
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
    Enter searches; a click on the head of a column sorts by it, up, down, as sent; the bars above it are how
    its values lie, those that pass in colour. Arrow keys in the field ``record`` go from record to record,
    over the ends of a page too. Where no browser will answer (``bbkit report``, papermill) it is a few
    records as HTML.
    """

    def __init__(self, outputs: pd.DataFrame, *, where: str = "", name: str = "outputs"):
        require_columns(head_of(outputs), views.LINE_COLUMNS)
        self._outputs, self._name, self._busy = Rows(outputs), name, False
        self._selector = Selector(self._outputs)
        self._standing = [passes(self._outputs, where)] if where else []
        total = len(self._selector.select(self._standing, Sort()))
        more = f" (of {self._outputs.count:,})" if self._outputs.count > total else ""
        self._counted = f"{total:,} records{more}"
        self._widths = views.fit_widths(self._outputs)
        self._build()
        self._refilter()

    @property
    def query(self) -> str:
        """The filter and the order as an expression to paste into code; it gives `selection`.

        Of a data set it is a call of `find_records`, batch by batch.
        """
        is_dataset, conditions = self._outputs.is_dataset, self._conditions()
        tests = " & ".join(one.code("rows" if is_dataset else self._name) for one in conditions)
        if is_dataset:
            where = f"lambda rows: {tests}" if tests else "''"
            chosen = f"explorers.find_records({self._name}, {where}, n={len(self._rows)})"
        else:
            chosen = f"{self._name}[{tests}]" if tests else self._name
        return chosen + self._sorting().code

    @property
    def selection(self) -> pd.DataFrame:
        """The rows that pass the filter, in the order shown."""
        return self._outputs.take(self._rows)

    def clear(self) -> None:
        """Let every record pass, in the order they were sent."""
        with self._quietly():
            for one in self._filters.values():
                one.clear()
            self._search.value, self._sort.value, self._descending.value = "", "as sent", False
        self._refilter()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        if is_headless():
            return views.show_examples(self._outputs.outputs)._repr_mimebundle_()
        sentence = f"An explorer of {self._counted}; run the cell to look at them."
        return {**(self.widget._repr_mimebundle_() or {}), "text/plain": sentence}

    def _build(self) -> None:
        rows = self._outputs
        self._filters: dict[str, ColumnFilter] = {}
        self._filter_box = widgets.Box(layout=_ROW)
        for name in views.ENDING:
            self._add_filter(name, as_range=name.endswith("tokens"))
        others = [(name, name) for name in list_filterable(rows) if name not in views.ENDING]
        self._column = widgets.Dropdown(options=[("a column", ""), *others], description="filter by")
        searched = [str(name) for name in rows.head.columns if is_text(rows.head[name])]
        start = "text" if "text" in searched else searched[0]
        self._search_in = widgets.Dropdown(options=searched, value=start, description="search in")
        self._search = make_search("text to find, then Enter", description="for")
        self._orders = list_sortable(rows)
        self._sort = widgets.Dropdown(options=list(self._orders), value="as sent", description="sort by")
        self._descending = widgets.Checkbox(description="descending", indent=False)
        self._clear = _make_button("Clear filters", "times", self.clear)
        self._list = widgets.Select(rows=20, layout=widgets.Layout(width="100%"))
        self._count, self._detail, self._query = widgets.HTML(), widgets.HTML(), widgets.HTML()
        # A field of numbers, since JupyterLab keeps the arrow keys of a list for itself.
        self._number = _make_number("record", "arrow keys: next and previous")
        self._previous = _make_button("Previous", "arrow-up", lambda: self._go(self._at - 1))
        self._next = _make_button("Next", "arrow-down", lambda: self._go(self._at + 1))
        self._page_number, self._pages = _make_number("page", "of the list"), widgets.Label()
        self._back = _make_button("Page back", "chevron-left", lambda: self._go((self._page - 1) * _PAGE))
        self._on = _make_button("Page on", "chevron-right", lambda: self._go((self._page + 1) * _PAGE))
        self._heads = {
            name: _make_button(
                name,
                "",
                partial(self._sort_by, views.column_of(name)),
                tooltip=f"sort by {views.column_of(name)}",
                layout={"width": f"{width + 1}ch", "padding": "0", "margin": "0", "border": "none"},
            )
            for name, width in self._widths.items()
        }
        self._bars = {name: widgets.HTML() for name in self._widths}
        self._distributions = {name: Distribution.of(rows, name) for name in self._widths}
        for control in (self._search_in, self._search, self._sort, self._descending):
            self._observe(control, lambda _: self._refilter())
        self._observe(self._column, self._add_filter)
        self._observe(self._number, lambda number: self._go(number - 1))
        self._observe(self._list, lambda at: self._go(self._at if at is None else at))
        self._observe(self._page_number, lambda page: self._go((page - 1) * _PAGE))
        self.widget = self._lay_out()

    def _lay_out(self) -> widgets.Widget:
        marked = {"query": self._query, "explorer-count": self._count, "detail": self._detail}
        for name, one in (marked | {"rows": self._list}).items():
            one.add_class(f"bbkit-{name}")
        fixed = widgets.Layout(flex="none")
        columns = [widgets.VBox([self._bars[name], self._heads[name]], layout=fixed) for name in self._widths]
        head = widgets.HBox([widgets.HTML(render("head", room="explorers")), *columns])
        head.add_class("bbkit-head")
        pages = widgets.Box([self._back, self._on, self._page_number, self._pages], layout=_ROW)
        left = widgets.VBox(
            [self._count, pages, head, self._list],
            layout=widgets.Layout(flex="6 1 38em", min_width="24em", width="auto"),
        )
        steps = widgets.Box([self._previous, self._next, self._number], layout=_ROW)
        right = widgets.VBox(
            [steps, self._detail], layout=widgets.Layout(flex="5 1 26em", min_width="24em", width="auto")
        )
        finders = [self._search_in, self._search, self._column]
        orders = [self._sort, self._descending, self._clear]
        lines = (finders, [self._filter_box], orders, [left, right])
        return widgets.VBox([*(widgets.Box(line, layout=_ROW) for line in lines), self._query])

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Set controls without their setting something else off."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def _observe(self, control: widgets.Widget, act: Callable[[Any], object]) -> None:
        control.observe(lambda change: self._busy or act(change.new), names="value")

    def _add_filter(self, column: str, *, as_range: bool = False) -> None:
        if column and column not in self._filters:
            self._filters[column] = one = ColumnFilter(self._outputs, column, as_range=as_range)
            self._observe(one.widget, lambda _: self._refilter())
            self._filter_box.children += (one.widget,)

    def _sort_by(self, column: str) -> None:
        """Sort by a column: up, then down, then as sent."""
        label = column if column in self._orders else f"{column} (length)"
        is_same, is_down = self._sort.value == label, self._descending.value
        with self._quietly():
            self._sort.value = "as sent" if is_same and is_down else label
            self._descending.value = is_same and not is_down
        self._refilter()

    def _conditions(self) -> list[Condition]:
        filters = (one.condition() for one in self._filters.values())
        conditions = [*self._standing, *(condition for condition in filters if condition)]
        if text := self._search.value:
            conditions.append(contains(self._outputs, self._search_in.value, text))
        return conditions

    def _sorting(self) -> Sort:
        return self._orders[self._sort.value]._replace(descending=self._descending.value)

    def _refilter(self) -> None:
        sorting = self._sorting()
        self._rows = self._selector.select(self._conditions(), sorting)
        self._query.value = render("query", room="explorers", query=self.query)
        selected = len(self._rows)
        self._count.value = render("count", room="explorers", selected=selected, counted=self._counted)
        for name, head in self._heads.items():
            mark = "▼" if sorting.descending else "▲"
            head.description = name + mark * (views.column_of(name) == sorting.column)
            if distribution := self._distributions[name]:
                self._bars[name].value = distribution.show(self._rows)
        self._page = -1
        with self._quietly():
            self._number.value = self._page_number.value = 1
            self._number.max, self._page_number.max = max(1, selected), max(1, -(-selected // _PAGE))
        self._pages.value = f"of {self._page_number.max:,}"
        self._go(0)

    def _go(self, at: int) -> None:
        """Open the record at a place of the selection, on the page that holds it."""
        at = min(max(at, 0), max(len(self._rows) - 1, 0))
        self._at = at
        with self._quietly():
            if at // _PAGE != self._page:
                self._page = at // _PAGE
                self._list.options = self._lines()
                self._page_number.value = self._page + 1
            self._number.value = at + 1
            self._list.value = at if len(self._rows) else None
        self._open()

    def _lines(self) -> list[tuple[str, int]]:
        start = self._page * _PAGE
        shown = self._outputs.take(
            self._rows[start : start + _PAGE], views.line_columns(self._outputs.head)
        ).to_dict("records")
        return [(views.list_line(row, self._widths), at) for at, row in enumerate(shown, start)]

    def _open(self) -> None:
        if not len(self._rows):
            self._detail.value = views.show_record(None)
            return
        row = self._outputs.take(self._rows[self._at : self._at + 1]).to_dict("records")[0]
        line = find_line(self._outputs.head, row)
        if isinstance(line.model_input, dict):
            row["prompt"] = read_prompt(line.model_input)
        row["model_input"], row["model_output"] = line.model_input, line.model_output
        self._detail.value = views.show_record(row, line.note)


def _make_button(description: str, icon: str, act: Callable[[], None], **how: Any) -> widgets.Button:
    button = widgets.Button(description=description, icon=icon, **how)
    button.on_click(lambda _: act())
    return button


def _make_number(description: str, tooltip: str) -> widgets.BoundedIntText:
    return widgets.BoundedIntText(
        value=1, min=1, max=1, description=description, tooltip=tooltip, layout={"width": "170px"}
    )
