"""The records of a report: a table that its reader sorts, searches and filters, of all rows or a sample."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bbkit.answers.schemas import list_closed
from bbkit.core.datasets import count_rows, head_of, take_rows
from bbkit.core.frames import FIELD, RECORDS, Collected, find_columns, is_absent, require_columns
from bbkit.core.panels import render_panel
from bbkit.core.progress import KEPT
from bbkit.core.text import count_noun
from bbkit.explorers.views import ENDING, LINE_COLUMNS, SOURCE, as_text

if TYPE_CHECKING:
    from bbkit.charts.facets import Facet

_MOST_ROWS = 20_000
_LONGEST, _MOST_CHARACTERS = 2_000, 3_000_000
_MOST_CELLS, _MOST_COUNTS = 3_000, 60_000
_SEED = 0
_APART = ("record_id", "record_key", "text", "error_message")
_FIRST = 8


class RecordTable:
    """The records as a table for the reader of a report; in JupyterLab its first rows.

    Parameters
    ----------
    outputs : pandas.DataFrame or Accounting
        The tidy frame of `bbkit.collect_outputs`, perhaps parsed, or its data set.
    by : str, optional
        Column to filter by, too: one of the source goes by its own name.

    Raises
    ------
    bbkit.core.errors.InputError
        The frame has no such column, or lacks one that `collect_outputs` gives.

    Notes
    -----
    `bbkit report` puts it into the page: at most 20,000 records, a seeded sample where there are more, and
    of texts what 3 MB hold. Unless it is asked for texts, a report keeps numbers, the values of `by` and the
    fields of answers that are true or false, numbers, or one of the values the schema lists.
    """

    def __init__(self, outputs: pd.DataFrame, *, by: str | None = None):
        require_columns(head_of(outputs), LINE_COLUMNS)
        self._outputs, self._total = outputs, count_rows(outputs)
        column = find_columns(head_of(outputs), [by])[0] if by else None
        self._by = None if column in _APART else column

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        sentence = f"{count_noun(self._total, 'record')}; a report has them as a table to sort and filter"
        first = take_rows(self._outputs, range(min(self._total, _FIRST)), ["record_id", *ENDING])
        shown = {"text/plain": sentence, "text/html": render_panel("records", sentence, [("", first)])}
        kept = os.environ.get(KEPT)
        return shown if kept is None else shown | {RECORDS: self.bundle("ids" in kept, "text" in kept)}

    def bundle(self, with_ids: bool = False, with_text: bool = False) -> dict[str, Any]:
        """Give what a report is to have as JSON data, its rows in a random order that never differs."""
        from bbkit.charts.facets import list_bins, list_categories

        choice = np.random.default_rng(_SEED).choice
        chosen = choice(self._total, min(self._total, _MOST_ROWS), replace=False)
        numbers, closed, texts = self._sort_columns()
        ids, texts = ["record_id"] * (with_ids or with_text), texts * with_text
        numbers = [name for name in numbers if with_text or not name.startswith(SOURCE)]
        rows = take_rows(self._outputs, chosen, [*ids, *numbers, *texts]).loc[chosen]
        values = {name: [*map(_plain, rows[name].tolist())] for name in (*ids, *numbers, *texts)}
        lengths = np.array([[len(str(cell or "")) for cell in values[name]] for name in texts])
        fitting = int((lengths.sum(axis=0).cumsum() <= _MOST_CHARACTERS).sum()) if texts else len(chosen)
        categories = [facet for facet in list_categories(self._outputs, self._by, closed) if facet.labels]
        bins = list_bins(self._outputs, [name for name in numbers if name.startswith(FIELD)])
        columns: list[dict[str, Any]] = [{"name": "row", "kind": "number", "values": (chosen + 1).tolist()}]
        columns += [{"name": name, "kind": "text", "values": values[name]} for name in ids]
        for facet in categories:
            codes, labels = facet.codes[chosen].tolist(), list(facet.labels)
            columns.append({"name": facet.name, "kind": "category", "labels": labels, "values": codes})
        for kind, names in (("number", numbers), ("text", texts)):
            known = [name for name in names if any(cell is not None for cell in values[name])]
            columns += [{"name": name, "kind": kind, "values": values[name][:fitting]} for name in known]
        return {"total": self._total, "columns": columns, "cube": count_cells(categories, list(bins))}

    def _sort_columns(self) -> tuple[list[str], list[str], list[str]]:
        """The columns of numbers, of closed values among the fields of answers, and of ids and texts."""
        head = head_of(self._outputs)
        schema = Collected.of(self._outputs).schema
        listed = {f"{FIELD}{name}" for name in (list_closed(schema) if schema else ())}
        named = ["input_tokens", "output_tokens", *(name for name in ("attempt",) if name in head)]
        numbers, closed, texts = named, list[str](), list[str]()
        own = [name for name in map(str, head) if name.startswith((FIELD, SOURCE))]
        for name in (name for name in (*own, "text", "error_message") if name != self._by):
            is_truth = pd.api.types.is_bool_dtype(head[name])
            if name in listed or (is_truth and name.startswith(FIELD)):
                closed.append(name)
            elif pd.api.types.is_numeric_dtype(head[name]) and not is_truth:
                numbers.append(name)
            else:
                texts.append(name)
        return numbers, closed, texts


def count_cells(categories: Sequence["Facet"], bins: Sequence["Facet"]) -> dict[str, Any]:
    """Count all rows by the combinations of their categories that occur, in all and by the bins of each.

    A category that would make more than a page should hold is left out: it does not filter all rows then.
    """
    dims, cells, places = list["Facet"](), list[np.ndarray](), np.zeros(len(categories[0].codes), np.int64)
    for facet in categories:
        width = len(facet.labels) + 1
        found, kept = pd.factorize(places * width + facet.codes + 1, sort=True)
        if len(kept) > _MOST_CELLS or sum(len(_count_bins(found, each)) for each in bins) > _MOST_COUNTS:
            continue
        dims.append(facet)
        cells = [*(codes[kept // width] for codes in cells), kept % width - 1]
        places = found
    told = []
    for facet in bins:
        sums = _count_bins(places, facet)
        where = {"cells": (sums.index // facet.width).tolist(), "places": (sums.index % facet.width).tolist()}
        named = {"name": facet.name, "column": facet.column, "edges": facet.edges}
        told.append({**named, **where, "counts": sums.tolist()})
    return {
        "dims": [facet.name for facet in dims],
        "cells": [codes.tolist() for codes in cells],
        "counts": np.bincount(places).tolist(),
        "bins": told,
    }


def _count_bins(places: np.ndarray, facet: "Facet") -> pd.Series:
    known = facet.codes >= 0
    return pd.Series(places[known] * facet.width + facet.codes[known]).value_counts(sort=False).sort_index()


def _plain(cell: Any) -> Any:
    """A number or a bounded text as JavaScript knows it; a larger number is a text."""
    if is_absent(cell):
        return None
    if type(cell) in (int, float) and abs(cell) < 2**53:
        return cell
    return (as_text(cell, indent=None) or "")[:_LONGEST]
