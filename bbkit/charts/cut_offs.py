"""For which inputs the answers were cut off, and what another `max_tokens` would have done."""

from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import style
from bbkit.charts.axes import find_limit, make_axis, mark_value, rounded
from bbkit.charts.groups import MOST_LINES, UNKNOWN, Groups, group_rows
from bbkit.core.text import count_noun
from bbkit.costs import cost_of

_PART = 20
_PARTS = 10
_POINTS = 200


def cut_off_by_input(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw the share of answers cut off, by how long the input was, with a 95 % Wilson interval.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        Draw a panel for each value of this column, all with the same axes.
    title : str, optional
        In place of the chart's own, which says how many were cut off.

    Returns
    -------
    plotly.graph_objects.Figure
        Up to ten parts of the inputs, alike in number.

    Raises
    ------
    bbkit.core.errors.InputError
        A column is not there: `by`, or one that `collect_outputs` gives.
    """
    groups = group_rows(outputs, by, ["outcome", "stop_reason", "input_tokens"], 9)
    answered = find_answered(outputs, "input_tokens")
    rows = answered[outputs["stop_reason"].iloc[answered].notna().to_numpy()]
    if not len(rows):
        absent = "why it ended" if len(answered) else "its input tokens"
        return style.empty_figure(title or "Cut off, by length of the input", f"No answer reports {absent}.")
    lengths = outputs["input_tokens"].iloc[rows].to_numpy(dtype=float)
    cut = outputs["stop_reason"].iloc[rows].eq("length").to_numpy(dtype=bool)
    silent = len(answered) - len(rows)
    count = count_noun(len(rows), "answer") + (f" (and {silent:,} without a stop reason)" if silent else "")
    names, shares = zip(
        *((name, _share_parts(lengths[part], cut[part])) for name, part in groups.take(rows).split()),
        strict=True,
    )
    figure, cells = style.make_subplots(
        names,
        title=title or describe_cut_off(int(cut.sum()), len(rows), silent),
        subtitle=f"By input length, n = {count}; bars are 95 % intervals",
        height=270 if len(names) == 1 else 170,
        gap=0.05,
    )
    top = max(float((table["share"] + table["up"]).max()) for table in shares)
    axis = make_axis(np.round(np.concatenate([table["middle"] for table in shares])), 40, zero=True)
    upright = style.style_axis("cut off (%)", range=[0, min(100.0, max(1.15 * top, 5.0))])
    style.share_axes(figure, cells, axis.layout("input tokens (median of each part)"), upright)
    for cell, table in zip(cells, shares, strict=True):
        figure.add_trace(_share_points(table), **cell)
    return figure


def describe_cut_off(cut: int, total: int, silent: int, at: str = "") -> str:
    """Say how many answers were cut off, where so many `silent` ones do not report why they ended."""
    if not cut:
        return f"No answer {'that reports why it ended ' if silent else ''}was cut off"
    if cut == total:
        return f"The answer was cut off{at}" if total == 1 else f"All {total:,} answers were cut off{at}"
    verb = "was" if cut == 1 else "were"
    return f"{cut:,} of {total:,} answers {verb} cut off{at} ({style.percent(cut, total)})"


def find_succeeded(outputs: pd.DataFrame) -> np.ndarray:
    """Find the rows that succeeded, by position."""
    return np.flatnonzero(outputs["outcome"].eq("succeeded").fillna(False).to_numpy(dtype=bool))


def find_answered(outputs: pd.DataFrame, column: str) -> np.ndarray:
    """Find the rows that succeeded and report a column, by position."""
    rows = find_succeeded(outputs)
    return rows[np.flatnonzero(outputs[column].iloc[rows].notna())]


def _share_parts(lengths: np.ndarray, cut: np.ndarray) -> pd.DataFrame:
    """Cut the inputs into parts alike in number; the share of each with its interval, in percent."""
    parts = min(_PARTS, max(1, len(lengths) // _PART))
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, parts + 1)))
    place = np.clip(np.searchsorted(edges, lengths, side="right") - 1, 0, max(len(edges) - 2, 0))
    table = pd.DataFrame({"length": lengths, "cut": cut}).groupby(place)
    table = table.agg(middle=("length", "median"), count=("cut", "size"), share=("cut", "mean"))
    low, high = _wilson(table["share"], table["count"])
    up, down = 100 * (high - table["share"]), 100 * (table["share"] - low)
    return table.assign(share=100 * table["share"], up=up, down=down)


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
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`. Answers that were cut off would have gone on for an unknown
        number of tokens, so from the first of them on the curves are dashed: at most that share, at least
        that cost.
    by : str, optional
        One curve of the share for each value of this column.
    prices : str or Path
        A price file of one's own (`bbkit.catalog.prices.load_prices`), such as ``run.price_file``.
    title : str, optional
        In place of the chart's own.

    Returns
    -------
    plotly.graph_objects.Figure
        At most 200 points for each curve; the cost, in US$, in a panel of its own, where a price is known.

    Raises
    ------
    bbkit.core.errors.InputError
        A column is not there: `by`, or one that `collect_outputs` gives.
    """
    groups = group_rows(outputs, by, ["outcome", "stop_reason", "output_tokens", "max_tokens"], MOST_LINES)
    rows = find_answered(outputs, "output_tokens")
    if not len(rows):
        return style.empty_figure(
            title or "What another max_tokens would cut off", "No answer reports its output tokens."
        )
    tokens = outputs["output_tokens"].iloc[rows].to_numpy(dtype=float)
    cut = outputs["stop_reason"].iloc[rows].eq("length").fillna(False).to_numpy(dtype=bool)
    limit = find_limit(outputs["max_tokens"])
    axis = make_axis(tokens, 40, limit=limit, zero=True)
    spent, unpriced = _spend(outputs, rows, tokens, cut, prices)
    grouped = groups.column is not None
    figure, cells = style.make_subplots(
        ["answers cut off (%)", *(["cost of these answers (US$)"] if spent else [])],
        title=title or _describe_enough(tokens, cut),
        subtitle=_explain(len(rows), int(cut.sum()), unpriced),
        height=(206 if spent else 260) + 16 * grouped,
        columns=1,
        legend=style.BELOW if grouped else None,
        margin={"b": 84} if grouped else {},
    )
    for cell, curves in zip(cells, (_share_curves(tokens, cut, groups.take(rows)), spent), strict=False):
        for curve in curves:
            figure.add_trace(curve, **cell)
        figure.update_xaxes(axis.layout("max_tokens" if cell == cells[-1] else ""), **cell)
        if limit is not None:
            name = f"max_tokens was {limit:,.0f}" if cell == cells[0] else ""
            mark_value(figure, axis, limit, name, top=0.55, solid=True, **cell)
    figure.update_yaxes(range=[0, 104], **cells[0])
    if spent:
        figure.update_yaxes(style.USD, **cells[1])
    return figure


def _explain(total: int, cut: int, unpriced: str) -> str:
    parts = [f"What another max_tokens would do, n = {count_noun(total, 'answer')}"]
    if cut:
        parts.append(f"{cut:,} cut off would have been longer")
    if unpriced:
        parts.append(unpriced)
    return "; ".join(parts)


def _describe_enough(tokens: np.ndarray, cut: np.ndarray) -> str:
    """Say which `max_tokens` cuts off one answer in twenty, where the answers tell."""
    limit = float(np.quantile(tokens, 0.95, method="inverted_cdf"))
    if cut.any() and limit >= tokens[cut].min():
        share = style.percent(int(cut.sum()), len(cut))
        return f"{share} of the answers need more tokens than they had"
    return f"A max_tokens of {limit:,.0f} is enough for 95 % of the answers"


def _points(tokens: np.ndarray) -> np.ndarray:
    return np.unique(np.round(np.linspace(0, tokens.max() * 1.05 + 1, _POINTS)))


def _share_curves(tokens: np.ndarray, cut: np.ndarray, groups: Groups) -> list[go.Scatter]:
    curves = []
    for code, (label, rows) in zip(groups.present, groups.split(), strict=True):
        ordered, stopped = np.sort(tokens[rows]), np.sort(tokens[rows][cut[rows]])
        points = _points(ordered)
        longer = len(ordered) - np.searchsorted(ordered, points, side="right")
        # How much longer a cut-off answer would have been is not known: it may still be cut off.
        still_cut = np.searchsorted(stopped, points, side="right")
        bound = points >= (stopped[0] if len(stopped) else np.inf)
        share = 100 * (longer + np.where(bound, still_cut, 0)) / len(ordered)
        name = label or "all answers"
        curves += _two_curves(
            points,
            share,
            bound,
            (name, f"{name}, at most"),
            color=groups.colours[code],
            dash="dot" if groups.names[code] == UNKNOWN else "solid",
            hover="%{y:.1f} % cut off",
        )
    return curves


def _spend(
    outputs: pd.DataFrame, rows: np.ndarray, tokens: np.ndarray, cut: np.ndarray, prices: str | Path
) -> tuple[list[go.Scatter], str]:
    """Cost the answers for each `max_tokens`; no curve, and why, where no price is known."""
    cost = cost_of(outputs, prices=prices)
    costed = cost.rows.iloc[rows]
    known = costed["cost_usd"].notna().to_numpy() & (tokens > 0)
    if not known.any():
        reason = cost.describe_unpriced()
        return [], f"its cost is not known: {reason}" if reason else ""
    total, made = (
        costed[name].to_numpy(dtype=float, na_value=0.0)[known] for name in ("cost_usd", "output_usd")
    )
    order = np.argsort(tokens[known], kind="stable")
    ordered, made = tokens[known][order], made[order]
    points = _points(tokens)
    below = np.searchsorted(ordered, points, side="right")
    spent, rates = np.append(0.0, np.cumsum(made)), np.append(0.0, np.cumsum(made / ordered))
    usd = (total.sum() - made.sum()) + spent[below] + points * (rates[-1] - rates[below])
    bound = points >= (tokens[cut].min() if cut.any() else np.inf)
    curves = _two_curves(
        points, usd, bound, ("cost", "cost, at least"), color=style.BLUE, dash="solid", hover="%{y:$,.6~g}"
    )
    for curve in curves:
        curve.showlegend = False
    unpriced = len(known) - int(known.sum())
    return curves, f"the cost of {unpriced:,} is not known" if unpriced else ""


def _two_curves(
    points: np.ndarray,
    values: np.ndarray,
    bound: np.ndarray,
    names: tuple[str, str],
    *,
    color: str,
    dash: str,
    hover: str,
) -> list[go.Scatter]:
    """A curve, and from where it is a bound only, its dashed rest."""
    lines = {"width": 2.5, "dash": dash}, {"width": 2, "dash": "dash"}
    return [
        go.Scatter(
            name=name,
            legendgroup=names[0],
            x=points[rows].tolist(),
            y=rounded(values[rows], 6),
            mode="lines",
            line={"color": color, **line},
            showlegend=name == names[0],
            hovertemplate=f"max_tokens %{{x:,}}: {hover}<extra>%{{fullData.name}}</extra>",
        )
        for name, line, rows in zip(names, lines, (~bound, bound), strict=True)
        if rows.any()
    ]
