"""Bars, histograms and boxes, the same in all charts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import style
from bbkit.charts.axes import Axis, rounded
from bbkit.charts.groups import Groups

_FENCES = {"lowerfence": 0.05, "q1": 0.25, "median": 0.5, "q3": 0.75, "upperfence": 0.95}


def horizontal_bars(
    name: str, labels: Sequence[str], lengths: Sequence[float], marker: str | Mapping[str, Any], **more: Any
) -> go.Bar:
    """Draw one bar for each label, in one colour or as a marker of plotly says."""
    if isinstance(marker, str):
        marker = {"color": marker, "line": {"width": 0}}
    upright = {"textangle": 0, "insidetextanchor": "middle" if more.get("textposition") == "inside" else None}
    return go.Bar(
        name=name, y=list(labels), x=list(lengths), orientation="h", marker=marker, **{**upright, **more}
    )


def histogram(name: str, axis: Axis, counts: np.ndarray, **more: Any) -> go.Bar:
    """Draw the counts of an axis' bins."""
    middles, widths = (axis.edges[:-1] + axis.edges[1:]) / 2, np.diff(axis.edges)
    bins = {"x": rounded(middles), "width": rounded(widths), "customdata": axis.labels}
    return go.Bar(name=name, y=counts.tolist(), **{**bins, **more})


def boxes(name: str, values: np.ndarray, groups: Groups, colour: str) -> go.Box:
    """Draw a box of each group that has values: the 5th, 25th, 50th, 75th and 95th percentile."""
    labels = groups.labels
    points = pd.Series(values).groupby(groups.codes).quantile(list(_FENCES.values())).unstack()
    return go.Box(
        name=name,
        y=[labels[code] for code in points.index],
        **{fence: rounded(points[at]) for fence, at in _FENCES.items()},
        orientation="h",
        fillcolor=colour,
        line={"width": 1.25, "color": "#333"},
        hoverinfo="x+y",
    )


def percent_bars(
    groups: Groups, parts: pd.Categorical, *, noun: str, notes: Mapping[str, str] | None = None, **layout: Any
) -> style.Chart:
    """Draw a 100 % bar of each group that has rows; `parts` says of which part each row is."""
    shape = len(groups.names), len(parts.categories)
    cells = np.bincount(groups.codes * shape[1] + parts.codes, minlength=shape[0] * shape[1])
    counts = pd.DataFrame(cells.reshape(shape), groups.labels, parts.categories)
    counts = counts.loc[counts.any(axis=1), counts.any()]
    totals = counts.sum(axis=1)
    return style.make_figure(
        [_share_bars(str(part), counts[part], totals, (notes or {}).get(part)) for part in counts],
        bars=len(counts),
        barmode="stack",
        legend=style.ABOVE,
        # A label that is wider than its part is left out, not shrunk: the hover and the legend tell it.
        uniformtext={"minsize": 11, "mode": "hide"},
        xaxis=style.style_axis(f"share of the {noun} (%)", range=[0, 100]),
        yaxis={"showticklabels": groups.column is not None},
        **layout,
    )


def _share_bars(part: str, counts: pd.Series, totals: pd.Series, note: str | None) -> go.Bar:
    shares = (100 * counts / totals).round(4).tolist()
    pairs = list(zip(counts.tolist(), totals.tolist(), strict=True))
    labels = [style.percent(count, total) for count, total in pairs]
    more = f"<br>{note}" if note else ""
    hover = [f"{n:,} of {total:,} ({label}){more}" for (n, total), label in zip(pairs, labels, strict=True)]
    return horizontal_bars(
        style.escape_text(part),
        counts.index.tolist(),
        shares,
        style.mark_bars(part),
        text=[label if share >= 6 else "" for label, share in zip(labels, shares, strict=True)],
        textposition="inside",
        hovertext=hover,
        hovertemplate="<b>%{fullData.name}</b> %{y}<br>%{hovertext}<extra></extra>",
    )
