"""Some records to read side by side with their source."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbkit.core.errors import InputError
from bbkit.core.frames import find_column, require_columns
from bbkit.explorers import views


class Examples:
    """Records chosen to be read, each with its texts side by side."""

    def __init__(self, records: pd.DataFrame, columns: Sequence[str], total: int):
        self.records = records
        self._columns = list(columns)
        self._total = total

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"text/plain": self._sentence(), "text/html": self._html()}

    def _sentence(self) -> str:
        return f"showing {len(self.records):,} of {self._total:,} records"

    def _html(self) -> str:
        articles = []
        for row in self.records.to_dict("records"):
            errored = row["outcome"] == "errored"
            texts = [(name.removeprefix("source."), row[name]) for name in self._columns]
            texts.insert(1, ("error", row["error_message"]) if errored else ("answer", row["text"]))
            articles.append(
                f"<article><p><code>{views.escape(row['record_id'])}</code></p>{views.show_facts(row)}"
                f"{views.show_side_by_side(texts)}</article>"
            )
        return views.wrap(f"<p>{self._sentence()}</p>", *articles)


def show_examples(outputs: pd.DataFrame, *, columns: str | Sequence[str] = (), n: int = 6) -> Examples:
    """Choose records to read beside their source: every kind of ending, then short to long inputs.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`.
    columns : str or sequence of str
        Columns whose texts stand beside the answer; a column of the source goes by its own name.
    n : int
        How many records.

    Returns
    -------
    Examples
        It shows itself in a notebook; ``.records`` are the rows.

    Raises
    ------
    bbkit.core.errors.InputError
        The frame has no such column, or lacks one that `collect_outputs` gives.
    """
    require_columns(outputs, (*views.LINE_COLUMNS,))
    columns = (columns,) if isinstance(columns, str) else columns
    names = [_find(outputs, name) for name in columns]
    return Examples(_choose(outputs, n), names, len(outputs))


def _find(outputs: pd.DataFrame, name: str) -> str:
    if found := find_column(outputs, name):
        return found
    raise InputError(f"No column {name!r} in the outputs. Pass source_columns=[{name!r}] to collect_outputs.")


def _choose(outputs: pd.DataFrame, n: int) -> pd.DataFrame:
    """One record of every kind of ending but the most frequent, then some spread over the input lengths."""
    outcomes, known = pd.factorize(outputs["outcome"])
    reasons, _ = pd.factorize(outputs["stop_reason"])
    kinds = reasons * (len(known) + 1) + outcomes
    _, firsts, counts = np.unique(kinds, return_index=True, return_counts=True)
    rare = np.delete(firsts, counts.argmax()) if len(counts) else firsts
    first = np.sort(rare)[: max(0, n - 1)]
    tokens = outputs["input_tokens"].to_numpy(dtype=float, na_value=np.inf)
    rest = np.argsort(tokens, kind="stable")
    rest = rest[~np.isin(rest, first)]
    spread = np.unique(np.linspace(0, max(0, len(rest) - 1), max(0, n - len(first))).astype(int))
    return outputs.iloc[np.concatenate([first, rest[spread[: len(rest)]]])]
