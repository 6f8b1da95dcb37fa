"""What was expected to be paid, what was paid, and why the two differ."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import look
from bbkit.charts.costs import USD
from bbkit.charts.groups import find_column
from bbkit.charts.panels import make_panels
from bbkit.core.errors import InputError
from bbkit.costs import Cost, CostEstimate
from bbkit.costs.views import say_usd

_MOST_JOBS = 20


def cost_estimate(
    costed: Cost | CostEstimate, *, by: str | None = None, title: str | None = None
) -> go.Figure:
    """Draw the estimate with its range and, once there are answers, the cost beside it and why it differs.

    Parameters
    ----------
    costed : bbkit.costs.Cost or bbkit.costs.CostEstimate
        What `bbkit.cost_of` of a run gave, or `bbkit.estimate_cost`.
    by : str, optional
        ``job`` or ``attempt``: the estimate in parts.
    title : str, optional
        In place of the chart's own.

    Returns
    -------
    plotly.graph_objects.Figure
        US$; a price that is not known gives its reason in place of a bar.

    Raises
    ------
    bbkit.core.errors.InputError
        It is neither a cost nor an estimate, or the estimate has no column `by`.
    """
    if not isinstance(costed, Cost | CostEstimate):
        raise InputError(f"Found {type(costed).__name__}. Pass what cost_of or estimate_cost returned.")
    estimate = costed if isinstance(costed, CostEstimate) else costed.estimate
    after = None if isinstance(costed, CostEstimate) else costed
    if estimate is None:
        return look.empty_figure(
            title or "Estimate and cost", "There is no estimate to compare with. Pass estimate= to cost_of."
        )
    if find_column(estimate.table, by):
        return _draw_parts(estimate, str(by), title)
    if estimate.cost_low_usd is None and (after is None or after.cost_usd is None):
        return look.empty_figure(title or "Estimate and cost", estimate.sentence)
    title = title or _say_both(estimate, after)
    subtitle = _explain(estimate, after)
    alt = f"{title}. {estimate.sentence}" + (f" {after.sentence}" if after else "")
    bars = _bars(estimate, after)
    causes = _causes(after)
    if causes is None:
        figure = look.make_figure(bars, title=title, subtitle=subtitle, x="US$", height=232, alt=alt)
        figure.update_xaxes(**USD)
        return figure.update_yaxes(**look.CATEGORIES)
    figure = make_panels(
        ["", "why they differ"], title=title, subtitle=subtitle, height=150, columns=2, gap=0.2
    )
    causes.update(xaxis="x2", yaxis="y2")
    figure.add_traces([*bars, causes])
    figure.update_layout(meta={"alt": alt})
    figure.update_xaxes(title={"text": "US$"}, **USD)
    figure.layout.xaxis2.update(title={"text": "US$ more or less than estimated"}, zeroline=True)
    return figure.update_yaxes(**look.CATEGORIES)


def _say_both(estimate: CostEstimate, after: Cost | None) -> str:
    expected = say_usd(estimate.cost_usd)
    if after is None:
        return f"Estimated at {expected}"
    least = "at least " if after.numbers["at_least"] else ""
    return f"Estimated at {expected}, cost {least}{say_usd(after.cost_usd)}"


def _explain(estimate: CostEstimate, after: Cost | None) -> str:
    span = f"from {say_usd(estimate.cost_low_usd)} to {say_usd(estimate.cost_high_usd)}"
    parts = [f"Estimate for {look.count_noun(estimate.numbers['records'], 'record')} {span}"]
    if after is not None:
        parts.append(f"{look.count_noun(after.numbers['answered'], 'answer')} came")
    if estimate.unknown:
        parts.append(f"not known, because {', and '.join(estimate.unknown)}")
    if estimate.is_standin or (after is not None and after.is_standin):
        parts.append("a stand-in answers, nothing is billed")
    return "; ".join(parts)


def _bars(estimate: CostEstimate, after: Cost | None) -> list[Any]:
    traces: list[Any] = []
    total = estimate.numbers
    if total["cost_low_usd"] is not None:
        traces += _ranges(
            ["estimate"], [total["cost_low_usd"]], [total["cost_usd"]], [total["cost_high_usd"]]
        )
    if total["on_demand_usd"] is not None:
        traces.append(_solid("estimate on demand", total["on_demand_usd"], look.LIGHT))
    if after is not None and after.cost_usd is not None:
        traces.append(_solid("cost", after.cost_usd, look.BLUE))
    return traces


def _ranges(names: list[str], lows: list[Any], middles: list[Any], highs: list[Any]) -> list[Any]:
    tops = [low if high is None else high for low, high in zip(lows, highs, strict=True)]
    bar = go.Bar(
        name="estimate, low to high",
        y=names,
        base=lows,
        x=[top - low for low, top in zip(lows, tops, strict=True)],
        orientation="h",
        marker={"color": "rgba(0,114,178,0.3)", "line": {"width": 0}},
        customdata=[f"{say_usd(low)} to {say_usd(high)}" for low, high in zip(lows, highs, strict=True)],
        hovertemplate="%{y}: %{customdata}<extra></extra>",
    )
    dots = go.Scatter(
        name="estimate, expected",
        y=names,
        x=middles,
        mode="markers+text",
        text=[say_usd(middle) for middle in middles],
        textposition="middle right",
        marker={"size": 11, "color": look.BLUE},
        cliponaxis=False,
        hovertemplate="%{y}: %{x:$,.6~g} expected<extra></extra>",
    )
    return [bar, dots]


def _solid(name: str, amount: float, colour: str) -> go.Bar:
    return go.Bar(
        name=name,
        y=[name],
        x=[round(amount, 8)],
        orientation="h",
        marker={"color": colour, "line": {"width": 0}},
        text=[say_usd(amount)],
        textposition="auto",
        textangle=0,
        hovertemplate="%{y}: %{x:$,.6~g}<extra></extra>",
    )


def _causes(after: Cost | None) -> go.Bar | None:
    if after is None or after.comparison.empty:
        return None
    causes = after.comparison.iloc[:-1].dropna(subset=["difference_usd"])
    causes = causes[causes["difference_usd"].abs() > 0]
    if causes.empty:
        return None
    amounts = causes["difference_usd"].astype(float).tolist()
    return go.Bar(
        name="difference",
        y=causes["what"].tolist(),
        x=amounts,
        orientation="h",
        marker={
            "color": [look.VERMILLION if amount > 0 else look.GREEN for amount in amounts],
            "line": {"width": 0},
        },
        text=[f"{'+' if amount > 0 else ''}{say_usd(amount)}" for amount in amounts],
        textposition="auto",
        textangle=0,
        customdata=causes["reason"].fillna("").tolist(),
        hovertemplate="%{y}: %{text}<br>%{customdata}<extra></extra>",
    )


def _draw_parts(estimate: CostEstimate, by: str, title: str | None) -> look.Chart:
    amounts = ["cost_low_usd", "cost_usd", "cost_high_usd"]
    parts = estimate.table.groupby(by, sort=False, dropna=False)[amounts]
    sums = parts.agg(
        lambda column: column.sum(skipna=False)
    ).reset_index()  # a sum of what is known is no end
    known: pd.DataFrame = sums.dropna(subset=["cost_low_usd"]).head(_MOST_JOBS)
    if known.empty:
        return look.empty_figure(title or "Estimate", estimate.sentence)
    names = [look.shorten(name) or "records" for name in known[by].astype("string").fillna("records")]
    columns = [[None if pd.isna(value) else float(value) for value in known[name]] for name in amounts]
    more = f"; the first {_MOST_JOBS} of {len(sums):,}" if len(sums) > _MOST_JOBS else ""
    figure = look.make_figure(
        _ranges(names, *columns),
        title=title or _say_both(estimate, None),
        subtitle=_explain(estimate, None) + more,
        x="US$",
        height=170 + 34 * len(names),
        alt=estimate.sentence,
    )
    figure.update_xaxes(**USD)
    return figure.update_yaxes(**look.CATEGORIES)
