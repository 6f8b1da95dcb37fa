"""How amounts are written and cost tables shown."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bbkit.core.frames import BUNDLE, as_texts, bundle
from bbkit.core.panels import render_panel
from bbkit.core.text import format_usd

STANDIN_NOTE = "A stand-in answered: nothing was billed, and the amounts are what AWS would have charged."
STANDIN_ESTIMATE = "A stand-in will answer: nothing is billed, and the amounts are what AWS would charge."


def show_cost(
    sentence: str,
    tables: Sequence[tuple[str, pd.DataFrame]],
    notes: Sequence[str],
    numbers: Mapping[str, Any],
) -> dict[str, Any]:
    """Bring a cost into the forms a notebook and a report read; the first table's rows are the report's."""
    shown = [(heading, _readable(table)) for heading, table in tables]
    plain = [text for heading, table in shown for text in (heading, table.to_string(index=False)) if text]
    rows = tables[0][1].to_dict("records")
    return {
        "text/plain": "\n".join([sentence, *plain, *notes]),
        "text/html": render_panel("cost", sentence, shown, notes),
        BUNDLE: bundle("cost", sentence, numbers, rows, {"Prices and counts": notes} if notes else None),
    }


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    names = {name: str(name).removesuffix("_usd").replace("_", " ") for name in table.columns}
    amounts = {name: table[name].map(format_usd) for name in names if str(name).endswith("_usd")}
    return as_texts(table.assign(**amounts)).rename(columns=names)


def format_comparison(comparison: pd.DataFrame) -> pd.DataFrame:
    """A comparison as a person reads it: its last row is amounts, the others are counts."""
    counts, amounts = comparison.iloc[:-1], comparison.iloc[-1:]
    names = ["estimated", "actual"]
    written = pd.concat([as_texts(counts[names]), amounts[names].map(format_usd)], ignore_index=True)
    return comparison.assign(**written)
