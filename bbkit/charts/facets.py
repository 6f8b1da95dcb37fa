"""How charts sort rows into their bars and bins, so that a report can draw them anew for some of the rows."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bbkit.charts import style
from bbkit.charts.answers import MOST_KINDS, as_parts, name_kinds
from bbkit.charts.axes import make_axis
from bbkit.charts.cut_offs import PARTS, find_edges
from bbkit.charts.groups import Groups, equal_rows, group_rows, known_rows
from bbkit.charts.tokens import BINS
from bbkit.charts.validity import MOST_VALUES, as_texts, make_number_axis
from bbkit.core.datasets import head_of, read_columns
from bbkit.core.frames import FIELD


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
    yield _as_facet("outcome", as_parts(_read(outputs, "outcome"), style.OUTCOMES, "not known"))
    yield _as_facet(
        "stop_reason", as_parts(_read(outputs, "stop_reason"), style.STOP_REASONS, "not reported")
    )
    if by not in (None, "outcome", "stop_reason"):
        groups = group_rows(read_columns(outputs, [by]), by)
        yield Facet(by, by, groups.codes, groups.names)
    if "validity" in head and by != "validity":
        yield _as_facet("validity", as_parts(_read(outputs, "validity"), style.VALIDITIES, "no answer"))
    if {"error_code", "error_message"} <= {*head}:
        rows = read_columns(outputs, ["outcome", "error_code", "error_message"], name_kinds)
        errored = equal_rows(rows, "outcome", "errored")
        yield _among("error", group_rows(rows[errored], "kind", most=MOST_KINDS, by_size=True), errored)
    for column in (name for name in closed if name != by):
        rows = read_columns(outputs, [column])
        known = known_rows(rows, column)
        name = column.removeprefix(FIELD)
        texts = pd.DataFrame({name: as_texts(rows.loc[known, column]).array})
        yield _among(column, group_rows(texts, name, most=MOST_VALUES), known)


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


def _as_facet(name: str, parts: pd.Categorical) -> Facet:
    return Facet(name, name, np.asarray(parts.codes, np.int16), [*map(str, parts.categories)])


def _among(name: str, groups: Groups, rows: np.ndarray) -> Facet:
    """The groups of some rows; all others have none."""
    codes = np.full(len(rows), -1, np.int16)
    codes[rows] = groups.codes
    return Facet(name, name, codes, groups.names)


def _into_bins(name: str, column: str, values: np.ndarray, edges: np.ndarray) -> Facet:
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
    within = (values >= edges[0]) & (values <= edges[-1])
    return Facet(name, column, np.where(within, places, -1).astype(np.int16), (), edges.tolist())
