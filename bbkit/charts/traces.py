"""Bars, histograms and boxes, the same in all charts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import style
from bbkit.charts.axes import Axis, mark_quantiles, rounded
from bbkit.charts.groups import Groups

_FENCES = {"lowerfence": 0.05, "q1": 0.25, "median": 0.5, "q3": 0.75, "upperfence": 0.95}


def horizontal_bars(
    name: str, places: Sequence[Any], lengths: Sequence[float], marker: str | Mapping[str, Any], **more: Any
) -> go.Bar:
    """Draw one bar at each place of an axis of names, in one colour or as a marker of plotly says."""
    if isinstance(marker, str):
        marker = {"color": marker}
    look = {"width": style.BAR, "textangle": 0, "insidetextanchor": "middle"}
    return go.Bar(
        name=name, y=list(places), x=list(lengths), orientation="h", marker=marker, **{**look, **more}
    )


def histogram(name: str, axis: Axis, counts: np.ndarray, **more: Any) -> go.Bar:
    """Draw the counts of an axis' bins."""
    middles, widths = (axis.edges[:-1] + axis.edges[1:]) / 2, np.diff(axis.edges)
    bins = {"x": rounded(middles), "width": rounded(widths), "customdata": axis.labels}
    return go.Bar(name=name, y=counts.tolist(), **{**bins, **more})


def draw_spread(
    axis: Axis,
    values: np.ndarray,
    colour: str,
    write: Callable[[float], str],
    *,
    spans: Sequence[str] | None = None,
    **layout: Any,
) -> style.Chart:
    """Draw how numbers of answers are spread, with their median and 95th percentile."""
    counts, hover = axis.count(values), "%{customdata}: %{y:,} answers<extra></extra>"
    bars = histogram("answers", axis, counts, marker={"color": colour}, hovertemplate=hover)
    bars.customdata = spans or axis.labels
    tall = style.count_axis(counts.max() * 1.18, "answers")
    figure = style.make_figure([bars], yaxis=tall, **layout)
    mark_quantiles(figure, axis, values, (50, 95), write)
    return figure


def boxes(values: np.ndarray, groups: Groups, colour: str) -> list[go.Box]:
    """Draw a box of each group that has values: the 5th, 25th, 50th, 75th and 95th percentile."""
    names, points = groups.hovers, pd.Series(values).groupby(groups.codes).quantile([*_FENCES.values()])
    return [
        go.Box(
            name=names[code],
            y=[code],
            **{fence: rounded([points[code, at]]) for fence, at in _FENCES.items()},
            orientation="h",
            width=style.BAR,
            fillcolor=colour,
            line={"width": 1.25, "color": style.INK},
            hoverinfo="x+name",
        )
        for code, _ in groups.split()
    ]


def percent_bars(
    groups: Groups,
    parts: pd.Categorical,
    *,
    noun: str,
    follows: str,
    only: Mapping[str, int | None],
    notes: Mapping[str, str] | None = None,
    **layout: Any,
) -> style.Chart:
    """Draw a 100 % bar of each group that has rows; `parts` says of which part each row is.

    `only` says what a part is a place of (None), and which rows are counted, for `style.follow`.
    """
    shape = len(groups.names), len(parts.categories)
    cells = np.bincount(groups.codes * shape[1] + parts.codes, minlength=shape[0] * shape[1]).reshape(shape)
    kept, drawn = np.flatnonzero(groups.count()), np.flatnonzero(cells.any(axis=0)).tolist()
    groups, cells = groups.drop_empty(), cells[kept]
    bars = [
        _share_bars(part := str(parts.categories[place]), cells[:, place], groups, (notes or {}).get(part))
        for place in drawn
    ]
    figure = style.make_figure(
        bars,
        names=groups.describe(),
        barmode="stack",
        legend=True,
        # A label that is wider than its part is left out, not shrunk: the hover and the legend tell it.
        uniformtext={"minsize": 11, "mode": "hide"},
        xaxis=style.style_axis(f"share of the {noun} (%)", range=[0, 100]),
        **layout,
    )
    along: dict[str, Any] = {"along": groups.column, "bars": kept.tolist()}
    told = [
        {**along, "only": {name: place if code is None else code for name, code in only.items()}}
        for place in drawn
    ]
    return style.follow(figure, follows, "shares", told)


def _share_bars(part: str, counts: np.ndarray, groups: Groups, note: str | None) -> go.Bar:
    pairs = list(zip(counts.tolist(), groups.count().tolist(), strict=True))
    shares, labels = (
        [round(100 * n / total, 4) for n, total in pairs],
        [style.percent(*pair) for pair in pairs],
    )
    more = f"<br>{note}" if note else ""
    hover = [f"{n:,} of {total:,} ({label}){more}" for (n, total), label in zip(pairs, labels, strict=True)]
    return horizontal_bars(
        style.escape_text(part),
        range(len(pairs)),
        shares,
        style.mark_bars(part),
        text=[label if share >= 6 else "" for label, share in zip(labels, shares, strict=True)],
        textposition="inside",
        customdata=groups.hovers,
        hovertext=hover,
        hovertemplate="<b>%{fullData.name}</b> %{customdata}<br>%{hovertext}<extra></extra>",
    )
