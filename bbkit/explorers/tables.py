"""The records of a report: a table that its reader sorts, searches and filters, of all rows or a sample."""

import os
from typing import Any

import numpy as np
import pandas as pd

from bbkit.answers.schemas import list_closed
from bbkit.core.datasets import count_rows, head_of, take_rows
from bbkit.core.frames import FIELD, RECORDS, Collected, find_columns, is_absent, require_columns
from bbkit.core.panels import render_panel
from bbkit.core.text import count_noun
from bbkit.explorers.views import ENDING, LINE_COLUMNS

_MOST_ROWS, _MOST_TEXTS = 20_000, 4_000
_LONGEST, _MOST_CHARACTERS = 2_000, 3_000_000
_SEED = 0
_SOURCE = "source."
_ENDS = ("text", "error_code", "error_message")
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
        self._by = find_columns(head_of(outputs), [by])[0] if by else None

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        sentence = f"{count_noun(self._total, 'record')}; a report has them as a table to sort and filter"
        first = take_rows(self._outputs, range(min(self._total, _FIRST)), ["record_id", *ENDING])
        shown = {"text/plain": sentence, "text/html": render_panel("records", sentence, [("", first)])}
        return shown | ({RECORDS: self.bundle()} if os.environ.get("BBKIT_HEADLESS") else {})

    def bundle(self) -> dict[str, Any]:
        """Give what a report is to have as JSON data, its rows in a random order that never differs."""
        choice = np.random.default_rng(_SEED).choice
        chosen = choice(self._total, min(self._total, _MOST_ROWS), replace=False)
        kinds = self._kinds()
        plain = [name for name, kind in kinds.items() if kind in ("number", "category")]
        rows = take_rows(self._outputs, chosen, plain).loc[chosen]
        texts = take_rows(self._outputs, chosen[:_MOST_TEXTS], [n for n in kinds if n not in plain])
        texts = _bound(texts.loc[chosen[:_MOST_TEXTS]])
        columns = [{"name": "row", "kind": "number", "values": (chosen + 1).tolist()}]
        for name, kind in kinds.items():
            column = (rows if name in rows else texts)[name]
            if column.notna().any():
                columns.append(self._describe(name, kind, column))
        return {"total": self._total, "columns": columns}

    def _describe(self, name: str, kind: str, column: pd.Series) -> dict[str, Any]:
        private = name.startswith(_SOURCE) and name != self._by
        described = {"name": name, "kind": kind, "private": private}
        if kind != "category":
            return described | {
                "values": [None if is_absent(cell) else _plain(cell) for cell in column.tolist()]
            }
        codes, labels = pd.factorize(column.astype("string"))
        return described | {"labels": labels.tolist(), "values": codes.tolist()}

    def _kinds(self) -> dict[str, str]:
        """The columns of the table and what they are: an id, a category, numbers or texts."""
        head = head_of(self._outputs)
        schema = Collected.of(self._outputs).schema
        closed = {f"{FIELD}{name}" for name in (list_closed(schema) if schema else ())}
        categories = {"outcome", "stop_reason", "validity", self._by} | closed
        kinds = {"record_id": "id"}
        named = ("outcome", "stop_reason", "validity", "input_tokens", "output_tokens", "attempt")
        own = [name for name in map(str, head) if name.startswith((FIELD, _SOURCE))]
        wanted = [self._by, *(name for name in named if name in head), *own, *_ENDS]
        for name in dict.fromkeys(name for name in wanted if name and name not in kinds):
            is_truth = pd.api.types.is_bool_dtype(head[name])
            is_number = pd.api.types.is_numeric_dtype(head[name]) and not is_truth
            is_category = is_truth or (name in categories and name not in _ENDS)
            kinds[name] = "category" if is_category else "number" if is_number else "text"
        return kinds


def _bound(texts: pd.DataFrame) -> pd.DataFrame:
    """The first rows, as far as their texts fit, each of bounded length."""
    cut = texts.apply(lambda column: column.astype("string").str.slice(0, _LONGEST))
    room = cut.apply(lambda column: column.str.len().fillna(0)).sum(axis=1).cumsum() <= _MOST_CHARACTERS
    return cut[room.to_numpy(dtype=bool)]


def _plain(cell: Any) -> Any:
    """A text or a number as JavaScript knows it; a larger one is a text."""
    if isinstance(cell, str):
        return cell
    return cell if abs(cell) < 2**53 else str(cell)
