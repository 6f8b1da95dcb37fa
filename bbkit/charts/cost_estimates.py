"""What was expected to be paid, what was paid, and why the two differ."""

from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import style
from bbkit.charts.groups import grouping_column
from bbkit.charts.traces import horizontal_bars
from bbkit.core.errors import InputError
from bbkit.core.text import count_noun, format_usd

if TYPE_CHECKING:
    from bbkit.costs import Cost, CostEstimate

_MOST_JOBS = 20
_AMOUNTS = ["cost_low_usd", "cost_usd", "cost_high_usd"]


def cost_estimate(
    costed: "Cost | CostEstimate", *, by: str | None = None, title: str | None = None
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
    from bbkit.costs import Cost, CostEstimate

    if not isinstance(costed, Cost | CostEstimate):
        raise InputError(f"Found {type(costed).__name__}. Pass what cost_of or estimate_cost returned.")
    after = costed if isinstance(costed, Cost) else None
    estimate = costed.estimate if isinstance(costed, Cost) else costed
    if estimate is None:
        return style.empty_figure(
            title or "Estimate and cost", "There is no estimate to compare with. Pass estimate= to cost_of."
        )
    if column := grouping_column(estimate.table, by):
        return _draw_parts(estimate, column, title)
    if estimate.cost_low_usd is None and (after is None or after.cost_usd is None):
        return style.empty_figure(title or "Estimate and cost", estimate.sentence)
    title = title or _describe_both(estimate, after)
    texts: dict[str, Any] = {
        "title": title,
        "subtitle": _explain(estimate, after),
        "alt": f"{title}. {estimate.sentence}" + (f" {after.sentence}" if after else ""),
    }
    (amounts, names), causes = _draw_amounts(estimate, after), _draw_causes(after)
    known = (estimate.cost_high_usd, estimate.numbers["on_demand_usd"], after and after.cost_usd)
    sums = style.usd_axis([amount for amount in known if amount])
    if causes is None:
        return style.make_figure(amounts, names=names, xaxis=sums, **texts)
    plots = [("", amounts), ("<b>why they differ</b>", [causes])]
    axes = [style.name_places(names), style.name_places(causes.meta)]
    height = max(row * len(axis["ticktext"]) for axis, row in axes)
    figure, cells = style.make_subplots(plots, height=height, columns=1, **texts)
    for cell, upright, (axis, _) in zip(
        cells,
        (sums, style.usd_axis(causes.x, "US$ more or less than estimated", zeroline=True)),
        axes,
        strict=True,
    ):
        figure.update_xaxes(upright, **cell).update_yaxes(axis, **cell)
    return figure


def _describe_both(estimate: "CostEstimate", after: "Cost | None") -> str:
    expected = format_usd(estimate.cost_usd)
    if after is None:
        return f"Estimated at {expected}"
    least = "at least " if after.numbers["at_least"] else ""
    return f"Estimated at {expected}, cost {least}{format_usd(after.cost_usd)}"


def _explain(estimate: "CostEstimate", after: "Cost | None") -> str:
    span = f"from {format_usd(estimate.cost_low_usd)} to {format_usd(estimate.cost_high_usd)}"
    is_standin = estimate.is_standin or (after is not None and after.is_standin)
    parts = [
        f"Estimate for {count_noun(estimate.numbers['records'], 'record')} {span}",
        f"{count_noun(after.numbers['answered'], 'answer')} came" if after is not None else "",
        f"not known, because {', and '.join(estimate.unknown)}" if estimate.unknown else "",
        "a stand-in answers, nothing is billed" if is_standin else "",
    ]
    return "; ".join(filter(None, parts))


def _draw_amounts(estimate: "CostEstimate", after: "Cost | None") -> tuple[list[Any], list[str]]:
    total, traces, names = estimate.numbers, list[Any](), list[str]()
    if total["cost_low_usd"] is not None:
        traces += _draw_ranges(["estimate"], *([total[name]] for name in _AMOUNTS))
        names.append(f"estimate: {format_usd(total['cost_usd'])}")
    for name, amount, colour in (
        ("estimate on demand", total["on_demand_usd"], style.LIGHT),
        ("cost", None if after is None else after.cost_usd, style.BLUE),
    ):
        if amount is not None:
            marks = {"customdata": [name], "hovertemplate": "%{customdata}: %{x:$,.6~g}<extra></extra>"}
            traces.append(horizontal_bars(name, [len(names)], [round(amount, 8)], colour, **marks))
            names.append(f"{name}: {format_usd(amount)}")
    return traces, names


def _draw_ranges(names: list[str], lows: list[Any], middles: list[Any], highs: list[Any]) -> list[Any]:
    ends, places = list(zip(lows, highs, strict=True)), list(range(len(names)))
    bars = horizontal_bars(
        "estimate, low to high",
        places,
        [0 if high is None else high - low for low, high in ends],
        "rgba(0,114,178,0.4)",
        base=lows,
        customdata=names,
        hovertext=[f"{format_usd(low)} to {format_usd(high)}" for low, high in ends],
        hovertemplate="%{customdata}: %{hovertext}<extra></extra>",
    )
    dots = go.Scatter(
        name="estimate, expected",
        y=places,
        x=middles,
        mode="markers",
        marker={"size": 11, "color": style.BLUE},
        cliponaxis=False,
        customdata=names,
        hovertemplate="%{customdata}: %{x:$,.6~g} expected<extra></extra>",
    )
    return [bars, dots]


def _draw_causes(after: "Cost | None") -> go.Bar | None:
    """Draw what made the cost another than estimated; the last row of the comparison is their sum."""
    if after is None or after.comparison.empty:
        return None
    causes = after.comparison.iloc[:-1]
    causes = causes[causes["difference_usd"].fillna(0.0) != 0]
    if causes.empty:
        return None
    amounts = causes["difference_usd"].astype(float).tolist()
    signed = [f"{'+' if amount > 0 else '−'}{format_usd(abs(amount))}" for amount in amounts]
    names, reasons = causes["what"].tolist(), causes["reason"].fillna("")
    colours = [style.VERMILLION if amount > 0 else style.GREEN for amount in amounts]
    return horizontal_bars(
        "difference",
        range(len(names)),
        amounts,
        {"color": colours},
        meta=[f"{name}: {amount}" for name, amount in zip(names, signed, strict=True)],
        customdata=names,
        hovertext=[f"{amount}<br>{reason}" for amount, reason in zip(signed, reasons, strict=True)],
        hovertemplate="%{customdata}: %{hovertext}<extra></extra>",
    )


def _draw_parts(estimate: "CostEstimate", by: str, title: str | None) -> style.Chart:
    parts = estimate.table.groupby(by, sort=False, dropna=False)[_AMOUNTS]
    # A sum of what is known is no end of a range.
    sums = parts.agg(lambda column: column.sum(skipna=False)).reset_index()
    known = sums.dropna(subset=["cost_low_usd"]).head(_MOST_JOBS)
    if known.empty:
        return style.empty_figure(title or "Estimate", estimate.sentence)
    names = [str(name) or "records" for name in known[by].astype("string").fillna("records")]
    labels = zip(style.tell_apart(names, 36), known["cost_usd"], strict=True)
    columns = [[None if pd.isna(value) else float(value) for value in known[name]] for name in _AMOUNTS]
    more = f"; the first {_MOST_JOBS} of {len(sums):,}" if len(sums) > _MOST_JOBS else ""
    return style.make_figure(
        _draw_ranges([style.shorten(name, style.MOST_CHARACTERS) for name in names], *columns),
        title=title or _describe_both(estimate, None),
        subtitle=_explain(estimate, None) + more,
        names=[f"{label}: {format_usd(amount)}" for label, amount in labels],
        alt=estimate.sentence,
        xaxis=style.usd_axis(known["cost_high_usd"].astype(float).tolist()),
    )
