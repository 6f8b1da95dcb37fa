"""What another `max_tokens` would have done: answers cut off, and US$."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import look
from bbkit.charts.cut_offs import find_answered
from bbkit.charts.groups import MOST_LINES, UNKNOWN, Groups, find_column, split_groups
from bbkit.charts.panels import make_panels
from bbkit.charts.scales import Scale, find_limit, make_scale, mark_value
from bbkit.costs import cost_of

_POINTS = 200


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
    column = find_column(outputs, by, ("outcome", "stop_reason", "output_tokens", "max_tokens"))
    rows = find_answered(outputs, "output_tokens")
    if not len(rows):
        return look.empty_figure(
            title or "What another max_tokens would cut off", "No answer reports its output tokens."
        )
    tokens = outputs["output_tokens"].iloc[rows].to_numpy(dtype=float)
    cut = outputs["stop_reason"].iloc[rows].eq("length").fillna(False).to_numpy(dtype=bool)
    groups = Groups(np.zeros(len(rows), dtype=np.int64), [""], [look.ORANGE])
    if column is not None:
        groups = split_groups(outputs, column, MOST_LINES).take(rows)
    limit = find_limit(outputs["max_tokens"])
    scale = make_scale(tokens, 40, limit=limit, zero=True)
    spent, unpriced = _spend(outputs, rows, tokens, cut, prices)
    panels = ["answers cut off (%)", "cost of these answers (US$)"] if spent else ["answers cut off (%)"]
    figure = make_panels(
        panels,
        title=title or _say_enough(tokens, cut),
        subtitle=_explain(len(rows), int(cut.sum()), unpriced),
        height=(206 if spent else 260) + 16 * (column is not None),
        columns=1,
    )
    if column is not None:
        figure.update_layout(showlegend=True, legend=look.BELOW, margin={"b": 84})
    figure.add_traces([*_share_curves(tokens, cut, groups, named=column is not None), *spent])
    figure.layout.yaxis.update(range=[0, 104])
    figure.layout.xaxis.update(scale.axis("" if spent else "max_tokens"))
    if spent:
        figure.layout.xaxis2.update(scale.axis("max_tokens"))
        figure.layout.yaxis2.update(rangemode="tozero", tickformat="$,.10~g")
    _mark_limit(figure, scale, limit, len(panels))
    return figure


def _mark_limit(figure: look.Chart, scale: Scale, limit: float | None, panels: int) -> None:
    for panel in range(1, panels + 1 if limit is not None else 1):
        said = {} if panel == 1 else {"text": ""}
        mark_value(figure, scale, "max_tokens was", limit or 0.0, panel=panel, top=0.55, solid=True, **said)


def _explain(total: int, cut: int, unpriced: str) -> str:
    parts = [f"What another max_tokens would do, n = {look.count_noun(total, 'answer')}"]
    if cut:
        parts.append(f"{cut:,} cut off would have been longer")
    if unpriced:
        parts.append(unpriced)
    return "; ".join(parts)


def _say_enough(tokens: np.ndarray, cut: np.ndarray) -> str:
    """Say which `max_tokens` cuts off one answer in twenty, where the answers tell."""
    limit = float(np.quantile(tokens, 0.95, method="inverted_cdf"))
    if cut.any() and limit >= tokens[cut].min():
        share = look.percent(int(cut.sum()), len(cut))
        return f"{share} of the answers need more tokens than they had"
    return f"A max_tokens of {limit:,.0f} is enough for 95 % of the answers"


def _points(tokens: np.ndarray) -> np.ndarray:
    return np.unique(np.round(np.linspace(0, tokens.max() * 1.05 + 1, _POINTS)))


def _share_curves(
    tokens: np.ndarray, cut: np.ndarray, groups: Groups, *, named: bool
) -> list[dict[str, Any]]:
    curves: list[dict[str, Any]] = []
    for place, colour in enumerate(groups.colours):
        chosen = groups.codes == place
        if not chosen.any():
            continue
        ordered, stopped = np.sort(tokens[chosen]), np.sort(tokens[chosen & cut])
        points = _points(ordered)
        longer = len(ordered) - np.searchsorted(ordered, points, side="right")
        # How much longer a cut-off answer would have been is not known: it may still be cut off.
        still_cut = np.searchsorted(stopped, points, side="right")
        bound = points >= (stopped[0] if len(stopped) else np.inf)
        share = 100 * (longer + np.where(bound, still_cut, 0)) / len(ordered)
        name = groups.label(place) if named else "all answers"
        hover = "max_tokens %{x:,}: %{y:.1f} % cut off<extra>%{fullData.name}</extra>"
        dash = "dot" if groups.names[place] == UNKNOWN else "solid"
        curves += _two_curves(points, share, bound, f"{name}, at most", hover, colour, name=name, dash=dash)
    return curves


def _spend(
    outputs: pd.DataFrame, rows: np.ndarray, tokens: np.ndarray, cut: np.ndarray, prices: str | Path
) -> tuple[list[dict[str, Any]], str]:
    """Cost the answers for each `max_tokens`; no curve, and why, where no price is known."""
    cost = cost_of(outputs, prices=prices)
    costed = cost.rows.iloc[rows]
    known = costed["cost_usd"].notna().to_numpy() & (tokens > 0)
    if not known.any():
        said = cost.say_unpriced()
        return [], f"its cost is not known: {said}" if said else ""
    total, made = (
        costed[name].to_numpy(dtype=float, na_value=0.0)[known] for name in ("cost_usd", "output_usd")
    )
    order = np.argsort(tokens[known], kind="stable")
    ordered, made = tokens[known][order], made[order]
    rate = made / ordered
    points = _points(tokens)
    below = np.searchsorted(ordered, points, side="right")
    spent, rates = np.append(0.0, np.cumsum(made)), np.append(0.0, np.cumsum(rate))
    usd = (total.sum() - made.sum()) + spent[below] + points * (rates[-1] - rates[below])
    bound = points >= (tokens[cut].min() if cut.any() else np.inf)
    hover = "max_tokens %{x:,}: %{y:$,.6~g}<extra>%{fullData.name}</extra>"
    curves = _two_curves(points, usd, bound, "cost, at least", hover, look.BLUE, name="cost")
    for curve in curves:
        curve.update(xaxis="x2", yaxis="y2", showlegend=False)
    left = len(known) - int(known.sum())
    return curves, f"the cost of {left:,} is not known" if left else ""


def _two_curves(
    points: np.ndarray,
    values: np.ndarray,
    bound: np.ndarray,
    bounded: str,
    hover: str,
    colour: str,
    **how: str,
) -> list[dict[str, Any]]:
    """A curve, and from where it is a bound only, its dashed rest."""
    curves = []
    for chosen, name in ((~bound, how["name"]), (bound, bounded)):
        if chosen.any():
            dash = "dash" if name == bounded else how.get("dash", "solid")
            curves.append(
                {
                    "type": "scatter",
                    "name": name,
                    "legendgroup": how["name"],
                    "x": points[chosen].tolist(),
                    "y": [float(f"{value:.6g}") for value in values[chosen]],
                    "mode": "lines",
                    "line": {"color": colour, "width": 2 if name == bounded else 2.5, "dash": dash},
                    "showlegend": name != bounded,
                    "hovertemplate": hover,
                }
            )
    return curves
