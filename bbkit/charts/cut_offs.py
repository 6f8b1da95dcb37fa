"""For which inputs the answers were cut off, and what another `max_tokens` would have done."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import style
from bbkit.charts.axes import find_limit, make_axis, mark_value, rounded
from bbkit.charts.groups import (
    MOST_LINES,
    UNKNOWN,
    Groups,
    equal_rows,
    group_rows,
    grouping_column,
    known_rows,
    read_groups,
)
from bbkit.core.datasets import head_of, iter_frames
from bbkit.core.frames import Collected
from bbkit.core.text import agree, count_noun

_PART = 20
_PARTS = 10
PARTS = "input_tokens, in parts"
"""The facet of the parts that the inputs are cut into."""

_POINTS = 200
_SHARES = {"range": [0, 124], "tickvals": [0, 20, 40, 60, 80, 100]}
_ENDING = ["outcome", "stop_reason", "output_tokens", "max_tokens"]


def cut_off_by_input(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw the share of answers cut off, by how long the input was, with a 95 % Wilson interval.

    Parameters
    ----------
    outputs, by, title
        As in `outcomes`, whose errors it has, too; `by` draws a panel for each value, all with the same axes.

    Returns
    -------
    plotly.graph_objects.Figure
        Up to ten parts of the inputs, alike in number.
    """
    outputs, groups = read_groups(outputs, by, ["outcome", "stop_reason", "input_tokens"], 8)
    answered = equal_rows(outputs, "outcome", "succeeded") & known_rows(outputs, "input_tokens")
    rows = answered & known_rows(outputs, "stop_reason")
    total, silent = int(rows.sum()), int((answered & ~rows).sum())
    if not total:
        absent = "why it ended" if silent else "its input tokens"
        return style.empty_figure(title or "Cut off, by length of the input", f"No answer reports {absent}.")
    answers, groups = outputs.loc[rows, ["input_tokens", "stop_reason"]], groups.take(rows)
    cut = equal_rows(answers, "stop_reason", "length")
    count = count_noun(total, "answer") + (f" (and {silent:,} without a stop reason)" if silent else "")
    said = describe_cut_off(int(cut.sum()), total, silent)
    if not cut.any():
        return style.empty_figure(title or said, f"{said}: n = {count}.")
    tables = [(groups.describe(18)[code], _share_parts(answers.iloc[part])) for code, part in groups.split()]
    figure, cells = style.make_subplots(
        [(name, [_share_points(table)]) for name, table in tables],
        title=title or said,
        subtitle=f"By input length, n = {count}; medians of parts alike in number, bars are 95 % intervals",
        height=270 if len(tables) == 1 else 170,
        gap=0.09,
    )
    shares = pd.concat([table for _, table in tables])
    axis = make_axis(shares["middle"].round().to_numpy(), 40, zero=True)
    top = max(1.15 * float((shares["share"] + shares["up"]).max()), 5.0)
    upright = style.style_axis("cut off (%)", range=[0, min(100.0, top)])
    style.share_axes(figure, cells, axis.layout("input tokens"), upright)
    if groups.column is None:
        reasons = [style.STOP_REASONS.index(reason) for reason in ("length", "not reported")]
        told = {
            "along": PARTS,
            "bars": [*shares.index],
            "only": {"outcome": 0},
            "cut": ["stop_reason", *reasons],
        }
        style.follow(figure, "Cut off, by length of the input", "cut", [told])
    return figure


def describe_cut_off(cut: int, total: int, silent: int, at: str = "") -> str:
    """Say how many answers were cut off, where so many `silent` ones do not report why they ended."""
    if not cut:
        return f"No answer {'that reports why it ended ' if silent else ''}was cut off"
    if cut == total:
        return f"The answer was cut off{at}" if total == 1 else f"All {total:,} answers were cut off{at}"
    return f"{cut:,} of {total:,} answers{agree(cut, 'were')} cut off{at} ({style.percent(cut, total)})"


def _share_parts(answers: pd.DataFrame) -> pd.DataFrame:
    """Cut the inputs into parts alike in number; the share of each with its interval, in percent."""
    lengths = answers["input_tokens"].to_numpy(dtype=float)
    edges = find_edges(lengths)
    place = np.clip(np.searchsorted(edges, lengths, side="right") - 1, 0, max(len(edges) - 2, 0))
    cut = equal_rows(answers, "stop_reason", "length")
    table = pd.DataFrame({"length": lengths, "cut": cut}).groupby(place)
    table = table.agg(middle=("length", "median"), count=("cut", "size"), share=("cut", "mean"))
    low, high = _wilson(table["share"], table["count"])
    up, down = 100 * (high - table["share"]), 100 * (table["share"] - low)
    return table.assign(share=100 * table["share"], up=up, down=down)


def find_edges(lengths: np.ndarray) -> np.ndarray:
    """Where one part of the inputs ends and the next begins."""
    parts = min(_PARTS, max(1, len(lengths) // _PART))
    return np.unique(np.quantile(lengths, np.linspace(0, 1, parts + 1)))


def _wilson(share: pd.Series, count: pd.Series, z: float = 1.96) -> tuple[pd.Series, pd.Series]:
    middle = share + z**2 / (2 * count)
    spread = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    scale = 1 + z**2 / count
    return np.minimum((middle - spread) / scale, share), np.maximum((middle + spread) / scale, share)


def _share_points(table: pd.DataFrame) -> go.Scatter:
    ends = {"array": table["up"].round(3).tolist(), "arrayminus": table["down"].round(3).tolist()}
    return go.Scatter(
        name="cut off (%)",
        x=table["middle"].tolist(),
        y=table["share"].round(3).tolist(),
        mode="lines+markers",
        marker={"size": 8, "color": style.ORANGE},
        line={"color": style.ORANGE, "width": 1.5},
        error_y={"type": "data", "color": style.GREY, "thickness": 1.2, "width": 4, **ends},
        customdata=table["count"].tolist(),
        hovertemplate="%{x:,.0f} input tokens: %{y:.1f} % cut off, n = %{customdata:,}<extra></extra>",
    )


def max_tokens_what_if(
    outputs: pd.DataFrame, *, by: str | None = None, prices: str | Path = "", title: str | None = None
) -> go.Figure:
    """Draw the share of answers that another `max_tokens` would have cut off, and what they would have cost.

    Parameters
    ----------
    outputs, by, title
        As in `outcomes`, whose errors it has, too; `by` draws one curve of the share for each value.
    prices : str or Path
        A price file of one's own (`bbkit.catalog.prices.load_prices`), such as ``run.price_file``.

    Returns
    -------
    plotly.graph_objects.Figure
        At most 200 points for each curve; the cost, in US$, in a panel of its own, where a price is known.
        Answers that were cut off would have gone on for an unknown number of tokens, so from the first of
        them on the curves are dashed: at most that share, at least that cost.
    """
    from bbkit.catalog.prices import load_prices
    from bbkit.costs import COSTED
    from bbkit.costs.rows import price_rows
    from bbkit.costs.totals import add_up, describe_unpriced

    column = grouping_column(outputs, by, [*_ENDING, "model_id", "input_tokens"])
    known = load_prices(prices or Collected.of(outputs).price_file)
    keys = list(dict.fromkeys([*_ENDING, *([column] if column else [])]))
    needs = [name for name in head_of(outputs) if name in {*COSTED, *keys}]
    priced = (price_rows(frame, known, keep=keys) for frame in iter_frames(outputs, needs))
    sums = add_up(priced, [*keys, "state", "reason"])
    records = sums["records"].to_numpy(dtype=np.int64)
    groups = group_rows(sums, column, most=MOST_LINES, counts=records)
    rows = equal_rows(sums, "outcome", "succeeded") & known_rows(sums, "output_tokens")
    if not rows.any():
        reason = "No answer reports its output tokens."
        return style.empty_figure(title or "What another max_tokens would cut off", reason)
    each = np.repeat(np.flatnonzero(rows), records[rows])
    tokens = sums["output_tokens"].to_numpy(dtype=float, na_value=0)[each]
    cut = equal_rows(sums, "stop_reason", "length")[each]
    spent, unpriced = _draw_costs(sums[rows], tokens, cut)
    if not spent and (reason := describe_unpriced(sums)):
        unpriced = f"its cost is not known: {reason}"
    grouped = groups.column is not None
    shares = ("answers cut off (%)", _draw_shares(tokens, cut, replace(groups, counts=None).take(each)))
    figure, cells = style.make_subplots(
        [shares, ("cost of these answers (US$)", spent)] if spent else [shares],
        title=title or _describe_enough(tokens, cut),
        subtitle=_explain(len(tokens), int(cut.sum()), unpriced),
        height=206 if spent else 260,
        columns=1,
        legend=grouped,
    )
    limit = find_limit(sums["max_tokens"])
    axis = make_axis(tokens, 40, limit=limit, zero=True)
    style.share_axes(figure, cells, axis.layout("max_tokens"), {})
    for cell, upright, name in zip(
        cells,
        (_SHARES, style.usd_axis([max(curve.y) for curve in spent], "")),
        ("max_tokens was", ""),
        strict=False,
    ):
        figure.update_yaxes(upright, **cell)
        if limit is not None:
            mark_value(figure, axis, limit, name and f"{name} {limit:,.0f}", solid=True, **cell)
    return figure


def _explain(total: int, cut: int, unpriced: str) -> str:
    longer = f"{cut:,} cut off would have been longer" if cut else ""
    what = f"What another max_tokens would do, n = {count_noun(total, 'answer')}"
    return "; ".join(filter(None, [what, longer, unpriced]))


def _describe_enough(tokens: np.ndarray, cut: np.ndarray) -> str:
    """Say which `max_tokens` cuts off one answer in twenty, where the answers tell."""
    limit = float(np.quantile(tokens, 0.95, method="inverted_cdf"))
    if cut.any() and limit >= tokens[cut].min():
        share = style.percent(int(cut.sum()), len(cut))
        return f"{share} of the answers need more tokens than they had"
    return f"A max_tokens of {limit:,.0f} is enough for 95 % of the answers"


def _draw_shares(tokens: np.ndarray, cut: np.ndarray, groups: Groups) -> list[go.Scatter]:
    curves = []
    for code, rows in groups.split():
        ordered, stopped = np.sort(tokens[rows]), np.sort(tokens[rows][cut[rows]])
        points = _spread_points(ordered)
        longer = len(ordered) - np.searchsorted(ordered, points, side="right")
        # How much longer a cut-off answer would have been is not known: it may still be cut off.
        still_cut = np.searchsorted(stopped, points, side="right")
        share = 100 * (longer + still_cut) / len(ordered)
        name = groups.legends[code] or "all answers"
        full = groups.hovers[code] or name
        line = {"color": groups.colours[code], "dash": "dot" if groups.names[code] == UNKNOWN else "solid"}
        names = (name, f"{full}, at most", full)
        curves += _draw_curve(points, share, stopped, names, "%{y:.1f} % cut off", line)
    return curves


def _draw_costs(sums: pd.DataFrame, tokens: np.ndarray, cut: np.ndarray) -> tuple[list[go.Scatter], str]:
    """Cost the answers for each `max_tokens`; no curve where no price is known."""
    priced = sums[sums["cost_usd"].notna() & (sums["output_tokens"] > 0)]
    if priced.empty:
        return [], ""
    columns = ["cost_usd", "output_usd", "output_tokens"]
    total, made, counted = priced[columns].to_numpy(dtype=float, na_value=0.0).T
    points = _spread_points(tokens)
    place = np.searchsorted(points, counted)
    spent, rates = (np.cumsum(np.bincount(place, sums, len(points))) for sums in (made, made / counted))
    usd = (total.sum() - made.sum()) + spent + points * (rates[-1] - rates)
    line = {"color": style.BLUE, "dash": "solid"}
    curves = _draw_curve(
        points, usd, np.sort(tokens[cut]), ("cost", "cost, at least", "cost"), "%{y:$,.6~g}", line
    )
    for curve in curves:
        curve.showlegend = False
    unpriced = len(tokens) - int(priced["records"].sum())
    return curves, f"the cost of {unpriced:,} is not known" if unpriced else ""


def _spread_points(tokens: np.ndarray) -> np.ndarray:
    return np.unique(np.round(np.linspace(0, tokens.max() * 1.05 + 1, _POINTS)))


def _draw_curve(
    points: np.ndarray,
    values: np.ndarray,
    stopped: np.ndarray,
    names: tuple[str, str, str],
    hover: str,
    line: dict[str, Any],
) -> list[go.Scatter]:
    """Draw a curve, dashed from the first answer that was `stopped` on, where it is a bound only."""
    bound = points >= (stopped[0] if len(stopped) else np.inf)
    parts = (
        (names[0], ~bound, {**line, "width": 2.5}),
        (names[1], bound, {**line, "width": 2, "dash": "dash"}),
    )
    return [
        go.Scatter(
            name=name,
            legendgroup=names[0],
            x=points[chosen].tolist(),
            y=rounded(values[chosen], 6),
            mode="lines",
            line=how,
            showlegend=name == names[0],
            meta=[names[2] if name == names[0] else name],
            hovertemplate=f"max_tokens %{{x:,}}: {hover}<extra>%{{meta[0]}}</extra>",
        )
        for name, chosen, how in parts
        if chosen.any()
    ]
