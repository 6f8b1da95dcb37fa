"""What the answers cost: split, against on demand, and per record."""

from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import look
from bbkit.charts.groups import Groups, find_column, split_groups
from bbkit.charts.scales import Scale, mark_value
from bbkit.core.errors import InputError
from bbkit.costs import Cost, cost_of
from bbkit.costs.comparisons import told_rows
from bbkit.costs.views import say_usd

PARTS = {"input": look.BLUE, "output": look.SKY, "cache": look.LIGHT}
ON_DEMAND = "the same tokens on demand"
USD = {"tickformat": "$,.10~g", "rangemode": "tozero"}
_PER = 1_000
_COSTED = ("priced", "by manifest")
_BINS = 40


def cost(costed: Cost | pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw what the answers cost, by input, output and cache, beside the same tokens on demand.

    Parameters
    ----------
    costed : bbkit.costs.Cost or pandas.DataFrame
        What `bbkit.cost_of` gave, or the tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        One bar for each value of this column; a Cost must have been asked for it.
    title : str, optional
        In place of the chart's own, which gives the sum.

    Returns
    -------
    plotly.graph_objects.Figure
        US$; where a price is not known the title says "at least" and the subtitle why.

    Raises
    ------
    bbkit.core.errors.InputError
        It is neither a cost nor the tidy frame, or there is no column `by`.
    """
    costed = as_cost(costed, by)
    total = costed.numbers
    if not total["answered"] or total["cost_usd"] is None:
        return look.empty_figure(title or "What the answers cost", costed.sentence)
    column = find_column(costed.rows, by)
    if column is None:
        traces, height = _whole(costed), 232
    else:
        groups = split_groups(costed.rows, column)
        traces = _grouped(costed, groups, column)
        height = 180 + 34 * len({label for trace in traces for label in trace.y})
    least = "At least " if total["at_least"] else ""
    title = title or f"{least}{say_usd(total['cost_usd'])} for {look.count_noun(total['answered'], 'answer')}"
    figure = look.make_figure(
        traces,
        title=title,
        subtitle=_explain(costed),
        x="US$",
        height=height,
        barmode="stack",
        showlegend=True,
        legend=look.ABOVE,
        alt=f"{title}. {costed.sentence}",
    )
    figure.update_xaxes(**USD)
    return figure.update_yaxes(**look.CATEGORIES)


def as_cost(costed: Cost | pd.DataFrame, by: str | None = None) -> Cost:
    """Take a cost as it is, or cost a tidy frame."""
    if isinstance(costed, Cost):
        return costed
    if not isinstance(costed, pd.DataFrame):
        raise InputError(f"Found {type(costed).__name__}. Pass what cost_of or collect_outputs returned.")
    column = find_column(costed, by)
    return cost_of(costed, by=column or ())


def _explain(costed: Cost) -> str:
    """Say what is compared, what is not known, and whether anything was billed."""
    total = costed.numbers
    parts = [f"Cost, n = {look.count_noun(total['answered'], 'answer')}"]
    if total["on_demand_usd"]:
        parts.append(f"on demand {say_usd(total['on_demand_usd'])}")
    if total["at_least"]:
        parts.append(f"the cost of {total['unpriced']:,} is not known: {costed.say_unpriced()}")
    if costed.is_standin:
        parts.append("a stand-in answered, nothing was billed")
    return "; ".join(parts)


def _whole(costed: Cost) -> list[go.Bar]:
    total = costed.numbers
    tiers = {str(tier) for tier in costed.rows.loc[costed.rows["state"].isin(_COSTED), "tier"].unique()}
    sent = "in batch" if tiers <= {"batch"} else "as sent" if len(tiers) > 1 else "on demand"
    amounts = {name: total[f"{name}_usd"] or 0.0 for name in PARTS}
    bars = [_bar(name, [sent], [amount], PARTS[name]) for name, amount in amounts.items() if amount]
    if sent != "on demand" and total["on_demand_usd"]:
        bars.append(_bar("on demand", [ON_DEMAND], [total["on_demand_usd"]], look.GREY, pattern="/"))
    return bars or [_bar("input", [sent], [0.0], look.BLUE)]


def _grouped(costed: Cost, groups: Groups, column: str) -> list[go.Bar | go.Scatter]:
    rows, height = costed.rows, len(groups.names)
    told = told_rows(costed.manifests)
    apart = ["unpriced"] if column in told.columns else ["unpriced", "by manifest"]
    unknown = np.bincount(groups.codes, rows["state"].isin(apart).to_numpy(dtype=float), height)
    labels = [
        groups.label(place) + (f", {unknown[place]:,.0f} not known" if unknown[place] else "")
        for place in range(height)
    ]
    sums = {name: _sum_by(rows[f"{name}_usd"], groups) for name in (*PARTS, "on_demand")}
    if len(told):
        places = _places_of(told, column, groups)
        labels += ["in no group, by the manifest"] * int((places == height).any())
        for name in sums:
            amounts = told.get(f"{name}_usd", pd.Series(0.0, told.index)).to_numpy(float, na_value=0.0)
            sums[name] = (np.append(sums[name], 0.0) + np.bincount(places, amounts, height + 1))[
                : len(labels)
            ]
    bars: list[go.Bar | go.Scatter] = [
        _bar(name, labels, sums[name].tolist(), colour)
        for name, colour in PARTS.items()
        if sums[name].any() or name == "input"
    ]
    if sums["on_demand"].any():
        bars.append(
            go.Scatter(
                name=ON_DEMAND,
                y=labels,
                x=sums["on_demand"].round(8).tolist(),
                mode="markers",
                marker={"symbol": "line-ns-open", "size": 20, "color": look.GREY, "line": {"width": 2}},
                hovertemplate="%{y}<br>%{x:$,.6~g}<extra>%{fullData.name}</extra>",
            )
        )
    return bars


def _places_of(told: pd.DataFrame, column: str, groups: Groups) -> np.ndarray:
    """The group of each job that its manifest costs; one past the last for none."""
    names = {str(name): place for place, name in enumerate(groups.names)}
    if column not in told.columns:
        return np.full(len(told), len(names))
    return np.array([names.get(str(value), len(names) - 1) for value in told[column]], dtype=np.int64)


def _sum_by(amounts: pd.Series, groups: Groups) -> np.ndarray:
    known = amounts.to_numpy(dtype=float, na_value=np.nan)
    return np.bincount(groups.codes, np.nan_to_num(known), len(groups.names))


def _bar(name: str, labels: list[str], amounts: list[float], colour: str, pattern: str = "") -> go.Bar:
    shown = max(amounts, default=0.0)
    return go.Bar(
        name=name,
        y=labels,
        x=[round(amount, 8) for amount in amounts],
        orientation="h",
        marker={
            "color": colour,
            "pattern": {"shape": pattern, "fillmode": "overlay", "fgcolor": "rgba(255,255,255,0.55)"},
            "line": {"width": 0},
        },
        text=[say_usd(amount) if amount >= shown * 0.25 and len(labels) == 1 else "" for amount in amounts],
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        hovertemplate="%{y}<br>%{x:$,.6~g}<extra>%{fullData.name}</extra>",
    )


def cost_per_record(
    costed: Cost | pd.DataFrame, *, by: str | None = None, title: str | None = None
) -> go.Figure:
    """Draw how the cost is spread over the answers, in US$ per 1,000 answers.

    Parameters
    ----------
    costed : bbkit.costs.Cost or pandas.DataFrame
        What `bbkit.cost_of` gave, or the tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        One box (5th, 25th, 50th, 75th and 95th percentile) for each value of this column.
    title : str, optional
        In place of the chart's own, which gives the mean.

    Returns
    -------
    plotly.graph_objects.Figure
        Answers without a known cost are left out and counted in the subtitle.

    Raises
    ------
    bbkit.core.errors.InputError
        It is neither a cost nor the tidy frame, or there is no column `by`.
    """
    costed = as_cost(costed, by)
    rows = np.flatnonzero(costed.rows["cost_usd"].notna().to_numpy())
    if not len(rows):
        return look.empty_figure(title or "Cost per answer", costed.sentence)
    values = _PER * costed.rows["cost_usd"].iloc[rows].to_numpy(dtype=float)
    column = find_column(costed.rows, by)
    title = title or f"1,000 answers cost {say_usd(values.mean())} on average"
    unknown = costed.numbers["unpriced"]
    subtitle = f"Cost per answer, n = {look.count_noun(len(rows), 'answer')}"
    subtitle += f"; the cost of {unknown:,} is not known" if unknown else ""
    subtitle += "; a stand-in answered, nothing was billed" if costed.is_standin else ""
    axis = "US$ per 1,000 answers"
    if column is None:
        return _spread(values, title, subtitle, axis)
    groups = split_groups(costed.rows, column).take(rows)
    kept = [place for place in range(len(groups.names)) if (groups.codes == place).any()]
    quantiles = np.array(
        [np.quantile(values[groups.codes == place], (0.05, 0.25, 0.5, 0.75, 0.95)) for place in kept]
    ).T
    box = go.Box(
        y=[groups.label(place) for place in kept],
        **dict(zip(("lowerfence", "q1", "median", "q3", "upperfence"), quantiles.tolist(), strict=True)),
        orientation="h",
        name=axis,
        fillcolor="rgba(118,118,118,0.35)",
        line={"width": 1.25, "color": "#333"},
        hoverinfo="x+y",
    )
    figure = look.make_figure(
        [box], title=title, subtitle=subtitle, x=f"{axis} (p5 to p95)", height=170 + 34 * len(kept)
    )
    figure.update_xaxes(**USD)
    return figure.update_yaxes(**look.CATEGORIES)


def _spread(values: np.ndarray, title: str, subtitle: str, axis: str) -> look.Chart:
    low, high = float(values.min()), float(values.max())
    room = (high - low) or max(high, 1e-6)
    edges = np.linspace(low, low + room, _BINS + 1)
    counts, _ = np.histogram(values, edges)
    scale = Scale(edges, False, max(0.0, low - 0.04 * room), low + 1.04 * room)
    bar = go.Bar(
        name="answers",
        x=((edges[:-1] + edges[1:]) / 2).tolist(),
        y=counts.tolist(),
        width=np.diff(edges).tolist(),
        marker={"color": look.GREY, "line": {"width": 0}},
        customdata=[f"{say_usd(a)} to {say_usd(b)}" for a, b in pairwise(edges)],
        hovertemplate="%{customdata}: %{y:,} answers<extra></extra>",
    )
    figure = look.make_figure([bar], title=title, subtitle=subtitle)
    figure.update_layout(xaxis={**scale.axis(axis), "tickformat": "$,.10~g"})
    figure.update_yaxes(title={"text": "answers"}, **look.count_axis(counts.max() * 1.18))
    for row, at in enumerate((50, 95)):
        value = float(np.quantile(values, at / 100))
        mark_value(figure, scale, f"p{at}", value, row=row, text=f"p{at} {say_usd(value)}")
    return figure
