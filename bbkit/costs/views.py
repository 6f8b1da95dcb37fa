"""How amounts are written and cost tables shown."""

import html
import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from bbkit.core.frames import BUNDLE, bundle

STANDIN_NOTE = "A stand-in answered: nothing was billed, and the amounts are what AWS would have charged."
STANDIN_OUTLOOK = "A stand-in will answer: nothing is billed, and the amounts are what AWS would charge."


def format_usd(amount: Any) -> str:
    """Write an amount of US dollars: two digits after the point, more where it is small."""
    if amount is None or pd.isna(amount):
        return "not known"
    size = abs(float(amount))
    if 0 < size < 5e-9:
        return "less than $0.00000001"
    digits = 2
    if 0 < size < 0.995:
        digits = 3 if size >= 0.1 else min(8, 1 - math.floor(math.log10(size)))
    sign = "-" if amount < 0 else ""
    return f"{sign}${size:,.{digits}f}"


def show_cost(
    sentence: str,
    tables: Iterable[tuple[str, pd.DataFrame]],
    notes: Iterable[str],
    numbers: Mapping[str, Any],
) -> dict[str, Any]:
    """Bring a cost into the forms a notebook and a report read."""
    listed, said = list(tables), list(notes)
    plain = [sentence]
    parts = [f"<p><b>{html.escape(sentence)}</b></p>"]
    for heading, table in listed:
        shown = _readable(table)
        plain += [heading] * bool(heading) + [shown.to_string(index=False)]
        parts += [f"<p>{html.escape(heading)}</p>"] * bool(heading)
        parts.append(shown.to_html(index=False, border=0))
    parts += [f"<p><small>{html.escape(note)}</small></p>" for note in said]
    rows = listed[0][1].to_dict("records") if listed else []
    return {
        "text/plain": "\n".join([*plain, *said]),
        "text/html": f'<div class="bbkit-cost tex2jax_ignore mathjax_ignore">{"".join(parts)}</div>',
        BUNDLE: bundle(
            "cost",
            sentence,
            numbers,
            [{str(k): v for k, v in row.items()} for row in rows],
            {"Prices and counts": said} if said else None,
        ),
    }


def show_usd(table: pd.DataFrame, row: str) -> pd.DataFrame:
    """Write one row of a comparison as amounts, where its other rows are counts."""
    is_usd = table["what"] == row
    shown = table.copy()
    for name in ("estimated", "actual"):
        shown[name] = [
            format_usd(value) if usd else "" if pd.isna(value) else _say_number(value)
            for usd, value in zip(is_usd, table[name], strict=True)
        ]
    return shown


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    shown = {}
    for name in table.columns:
        column = table[name]
        if str(name).endswith("_usd"):
            shown[_heading(name)] = [format_usd(value) for value in column]
        elif pd.api.types.is_numeric_dtype(column):
            shown[_heading(name)] = ["" if pd.isna(value) else _say_number(value) for value in column]
        else:
            shown[_heading(name)] = ["" if pd.isna(value) else str(value) for value in column]
    return pd.DataFrame(shown)


def _say_number(value: Any) -> str:
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:,.4g}"


def _heading(name: Any) -> str:
    return str(name).removesuffix("_usd").replace("_", " ")
