"""How charts sort rows into their bars and bins, so that a report can draw them anew for some of the rows."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bbkit.charts import style
from bbkit.charts.answers import MOST_KINDS, as_parts, name_kinds
from bbkit.charts.axes import make_axis
from bbkit.charts.cut_offs import PARTS, find_edges
from bbkit.charts.groups import equal_rows, group_rows, known_rows
from bbkit.charts.tokens import BINS
from bbkit.charts.validity import MOST_VALUES, as_texts, make_number_axis
from bbkit.core.datasets import head_of, read_columns
from bbkit.core.frames import FIELD

_PARTS = {
    "outcome": (style.OUTCOMES, "not known"),
    "stop_reason": (style.STOP_REASONS, "not reported"),
    "validity": (style.VALIDITIES, "no answer"),
}


class Facet(NamedTuple):
    """The place of each row among the labels of a category or the bins of numbers, -1 for none."""

    name: str
    column: str
    codes: np.ndarray
    labels: Sequence[str] = ()
    edges: Sequence[float] = ()

    @property
    def width(self) -> int:
        """How many bins it has at most."""
        return max(1, len(self.edges))


def list_categories(outputs: Any, by: str | None, closed: Sequence[str]) -> Iterator[Facet]:
    """Sort rows as charts do by outcome, stop reason, `by`, validity, error and fields of closed values."""
    head = head_of(outputs)
    for name in dict.fromkeys(["outcome", "stop_reason", by, "validity"]):
        if name in _PARTS and name in head:
            parts = as_parts(_read(outputs, name), *_PARTS[name])
            yield Facet(name, name, np.asarray(parts.codes), [*map(str, parts.categories)])
        elif name is not None and name in head:
            yield _group(name, read_columns(outputs, [name]), name)
    if {"error_code", "error_message"} <= {*head}:
        rows = read_columns(outputs, ["outcome", "error_code", "error_message"], name_kinds)
        errored = equal_rows(rows, "outcome", "errored")
        yield _group("error", rows, "kind", errored, most=MOST_KINDS, by_size=True)
    for column in (name for name in closed if name != by):
        rows, field = read_columns(outputs, [column]), column.removeprefix(FIELD)
        texts = rows.assign(**{field: as_texts(rows[column])})
        yield _group(column, texts, field, known_rows(rows, column), most=MOST_VALUES)


def list_bins(outputs: Any, numbers: Sequence[str]) -> Iterator[Facet]:
    """Sort rows as charts do into bins of their tokens, of the numbers in their answers, of their inputs."""
    for column in ("input_tokens", "output_tokens", *numbers):
        values = _read(outputs, column).to_numpy(dtype=float, na_value=np.nan)
        known = values[~np.isnan(values)]
        if len(known):
            axis = make_axis(known, BINS) if column.endswith("_tokens") else make_number_axis(known)
            yield _into_bins(column, column, values, axis.edges)
    answers = read_columns(outputs, ["outcome", "stop_reason", "input_tokens"])
    rows = equal_rows(answers, "outcome", "succeeded") & known_rows(answers, "input_tokens", "stop_reason")
    if rows.any():
        values = answers["input_tokens"].to_numpy(dtype=float, na_value=np.nan)
        yield _into_bins(PARTS, "input_tokens", values, find_edges(values[rows]))


def _read(outputs: Any, column: str) -> pd.Series:
    return read_columns(outputs, [column])[column]


def _group(name: str, rows: pd.DataFrame, column: str, among: Any = slice(None), **how: Any) -> Facet:
    """The groups of some rows; all others have none."""
    groups = group_rows(rows[among], column, **how)
    codes = np.full(len(rows), -1, np.int16)
    codes[among] = groups.codes
    return Facet(name, name, codes, groups.names)


def _into_bins(name: str, column: str, values: np.ndarray, edges: np.ndarray) -> Facet:
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
    within = (values >= edges[0]) & (values <= edges[-1])
    return Facet(name, column, np.where(within, places, -1).astype(np.int16), (), edges.tolist())
