"""What the answers cost: split, against on demand, and per record."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import style
from bbkit.charts.axes import Axis
from bbkit.charts.groups import Groups, group_rows, grouping_column, known_rows
from bbkit.charts.traces import boxes, draw_spread, horizontal_bars
from bbkit.core.datasets import fold, gather, is_dataset
from bbkit.core.errors import InputError
from bbkit.core.text import count_noun, format_usd

if TYPE_CHECKING:
    from bbkit.costs import Cost

_PARTS = ("input", "output", "cache")
_ON_DEMAND = "the same tokens on demand"
_PER = 1_000
_BINS = 40


def cost(costed: "Cost | pd.DataFrame", *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw what the answers cost, by input, output and cache, beside the same tokens on demand.

    Parameters
    ----------
    costed : bbkit.costs.Cost, pandas.DataFrame or Accounting
        What `bbkit.cost_of` gave, or the tidy frame of `bbkit.collect_outputs` or its data set.
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
    costed = _as_cost(costed, by)
    total = costed.numbers
    if not total["answered"] or total["cost_usd"] is None:
        return style.empty_figure(title or "What the answers cost", costed.sentence)
    groups = group_rows(costed.sums, by, counts=costed.sums["records"].to_numpy(dtype=np.int64))
    traces, names, ends = _draw_whole(costed) if groups.column is None else _draw_groups(costed, groups)
    least = "At least " if total["at_least"] else ""
    title = title or f"{least}{format_usd(total['cost_usd'])} for {count_noun(total['answered'], 'answer')}"
    return style.make_figure(
        traces,
        title=title,
        subtitle=_explain(costed),
        names=names,
        barmode="stack",
        legend=True,
        alt=f"{title}. {costed.sentence}",
        xaxis=style.usd_axis(ends),
    )


def _as_cost(costed: Any, by: str | None) -> "Cost":
    """Take a cost as it is, or cost a tidy frame."""
    from bbkit.costs import Cost, cost_of

    if isinstance(costed, Cost):
        return costed
    if not isinstance(costed, pd.DataFrame) and not is_dataset(costed):
        raise InputError(f"Found {type(costed).__name__}. Pass what cost_of or collect_outputs returned.")
    return cost_of(costed, by=grouping_column(costed, by) or ())


def _explain(costed: "Cost") -> str:
    """Say what is compared, what is not known, and whether anything was billed."""
    total = costed.numbers
    on_demand, unpriced = total["on_demand_usd"], costed.describe_unpriced()
    parts = [
        f"Cost, n = {count_noun(total['answered'], 'answer')}",
        f"on demand {format_usd(on_demand)}" if on_demand else "",
        f"the cost of {total['unpriced']:,} is not known: {unpriced}" if total["at_least"] else "",
        "a stand-in answered, nothing was billed" if costed.is_standin else "",
    ]
    return "; ".join(filter(None, parts))


def _draw_whole(costed: "Cost") -> tuple[list[Any], list[str], list[float]]:
    total, is_costed = costed.numbers, costed.sums["state"].isin(["priced", "by manifest"])
    tiers = {*costed.sums.loc[is_costed, "tier"].astype(str)}
    sent = "in batch" if tiers <= {"batch"} else "as sent" if len(tiers) > 1 else "on demand"
    amounts = {name: total[f"{name}_usd"] or 0.0 for name in _PARTS}
    bars = [_bar(name, [0], [amount], [sent]) for name, amount in amounts.items() if amount]
    parts = ", ".join(f"{name} {format_usd(amount)}" for name, amount in amounts.items() if amount)
    labels = [f"{sent}: {parts or format_usd(0)}"]
    if sent != "on demand" and total["on_demand_usd"]:
        bars.append(_bar("on demand", [1], [total["on_demand_usd"]], [_ON_DEMAND]))
        labels.append(f"{_ON_DEMAND}: {format_usd(total['on_demand_usd'])}")
    ends = [sum(amounts.values()), total["on_demand_usd"] or 0.0]
    return bars or [_bar("input", [0], [0.0], [sent])], labels, ends


def _draw_groups(costed: "Cost", groups: Groups) -> tuple[list[Any], list[str], list[float]]:
    from bbkit.costs.totals import rows_by_manifest

    manifests, rows = rows_by_manifest(costed.manifests), costed.sums
    apart = ["unpriced"] if groups.column in manifests.columns else ["unpriced", "by manifest"]
    unknown = groups.take(rows["state"].isin(apart).to_numpy()).count()
    labels = [
        label + (f", {count:,.0f} not known" if count else "")
        for label, count in zip(groups.describe(), unknown, strict=True)
    ]
    codes, hovers = np.append(groups.codes, _codes_of(manifests, groups)), groups.hovers
    if len(groups.names) in codes:
        labels.append("in no group, by the manifest")
        hovers.append(labels[-1])
    names = [f"{name}_usd" for name in (*_PARTS, "on_demand")]
    amounts = pd.concat([rows[names], manifests.reindex(columns=names)]).astype("Float64")
    sums = amounts.fillna(0.0).groupby(codes).sum().reindex(range(len(labels)), fill_value=0.0)
    places = list(range(len(labels)))
    traces: list[Any] = [
        _bar(name, places, sums[f"{name}_usd"].tolist(), hovers)
        for name in _PARTS
        if name == "input" or sums[f"{name}_usd"].any()
    ]
    if sums["on_demand_usd"].any():
        marks = go.Scatter(
            name=_ON_DEMAND,
            y=places,
            customdata=hovers,
            x=sums["on_demand_usd"].round(8).tolist(),
            mode="markers",
            marker={"symbol": "line-ns-open", "size": 20, "color": style.GREY, "line": {"width": 2}},
            hovertemplate="%{customdata}<br>%{x:$,.6~g}<extra>%{fullData.name}</extra>",
        )
        traces.append(marks)
    wholes = sums.drop(columns="on_demand_usd").sum(axis=1)
    return traces, labels, [*wholes, *sums["on_demand_usd"]]


def _codes_of(manifests: pd.DataFrame, groups: Groups) -> np.ndarray:
    """The group of each job that its manifest costs; one past the last for none."""
    none = len(groups.names)
    column = groups.column
    if column is None or column not in manifests.columns:
        return np.full(len(manifests), none)
    # What has no group of its own is among the others, the last group.
    codes = {value: code for code, value in enumerate(groups.values)}
    return np.array([codes.get(value, none - 1) for value in manifests[column]], dtype=np.int64)


def _bar(name: str, places: Sequence[Any], amounts: list[float], names: list[str]) -> go.Bar:
    return horizontal_bars(
        name,
        places,
        [round(amount, 8) for amount in amounts],
        style.mark_bars(name),
        customdata=names,
        hovertemplate="%{customdata}<br>%{x:$,.6~g}<extra>%{fullData.name}</extra>",
    )


def cost_per_record(
    costed: "Cost | pd.DataFrame", *, by: str | None = None, title: str | None = None
) -> go.Figure:
    """Draw how the cost is spread over the answers, in US$ per 1,000 answers.

    Parameters
    ----------
    costed, by, title
        As in `cost`, whose errors it has, too; `by` draws one box (5th, 25th, 50th, 75th and 95th
        percentile) for each value.

    Returns
    -------
    plotly.graph_objects.Figure
        Answers without a known cost are left out and counted in the subtitle.
    """
    costed = _as_cost(costed, by)
    column = grouping_column(costed.sums, by)
    names = ["cost_usd", *([column] if column else [])]
    answers = gather(fold(frame[names]) for frame in costed.iter_rows())
    rows = known_rows(answers, "cost_usd")
    if not rows.any():
        return style.empty_figure(title or "Cost per answer", costed.sentence)
    values = _PER * answers.loc[rows, "cost_usd"].to_numpy(dtype=float)
    groups = group_rows(answers, column).take(rows)
    unknown = costed.numbers["unpriced"]
    subtitle = f"Cost per answer, n = {count_noun(len(values), 'answer')}"
    subtitle += f"; the cost of {unknown:,} is not known" if unknown else ""
    subtitle += "; a stand-in answered, nothing was billed" if costed.is_standin else ""
    title = title or f"1,000 answers cost {format_usd(values.mean())} on average"
    texts: dict[str, Any] = {"title": title, "subtitle": subtitle}
    name = "US$ per 1,000 answers"
    if groups.column is None:
        low = float(values.min())
        room = (float(values.max()) - low) or max(low, 1e-6)
        edges = np.linspace(low, low + room, _BINS + 1)
        axis = Axis(edges, False, max(0.0, low - 0.04 * room), low + 1.04 * room)
        spans = [f"{format_usd(first)} to {format_usd(last)}" for first, last in pairwise(edges)]
        across = style.usd_axis((), name, range=[axis.low, axis.high])
        return draw_spread(axis, values, style.GREY, format_usd, spans=spans, xaxis=across, **texts)
    groups = groups.drop_empty()
    drawn = boxes(values, groups, "rgba(118,118,118,0.35)")
    across = style.usd_axis([box.upperfence[0] for box in drawn], f"{name} (p5 to p95)")
    return style.make_figure(drawn, names=groups.describe(), xaxis=across, **texts)
