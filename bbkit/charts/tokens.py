"""Where the tokens went: distributions of input and output, and one against the other."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import look
from bbkit.charts.groups import Groups, Panels, find_column, split_groups, split_panels
from bbkit.charts.panels import is_edge, make_panels
from bbkit.charts.scales import FEW, Scale, find_limit, make_scale, mark_value

_BINS = 40
_HEADROOM = 1.32
_BOXES = {"input": "rgba(0,114,178,0.5)", "output": "rgba(86,180,233,0.6)"}
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_USAGE = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "max_tokens")


def token_usage(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw how many tokens the inputs and the answers have.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        Column to compare by: one box (5th, 25th, 50th, 75th and 95th percentile) for each group.
    title : str, optional
        In place of the chart's own, which gives the medians.

    Returns
    -------
    plotly.graph_objects.Figure
        Two panels with axes of their own; median, 95th percentile and `max_tokens` marked.

    Raises
    ------
    bbkit.core.errors.InputError
        A column is not there: `by`, or one that `collect_outputs` gives.
    """
    column = find_column(outputs, by, _USAGE)
    drawn = {name: outputs[f"{name}_tokens"].dropna() for name in ("input", "output")}
    drawn = {name: values for name, values in drawn.items() if len(values)}
    if not drawn:
        reason = f"No tokens are reported in {look.count_noun(len(outputs), 'record')}."
        return look.empty_figure(title or "Tokens of each record", reason)
    groups = split_groups(outputs, column) if column else None
    figure = make_panels(
        [f"<b>{name}</b>: {int(values.sum()):,} tokens in all" for name, values in drawn.items()],
        title=title or _say_medians(drawn),
        subtitle=_say_total(outputs, drawn),
        height=_height(drawn, groups),
        columns=2,
        gap=0.09,
    )
    for panel, (name, values) in enumerate(drawn.items(), start=1):
        limit = find_limit(outputs["max_tokens"]) if name == "output" else None
        if groups is None:
            _draw_distribution(figure, panel, name, values.to_numpy(dtype=float), limit)
        else:
            rows = np.flatnonzero(outputs[f"{name}_tokens"].notna().to_numpy())
            _draw_boxes(figure, panel, name, values.to_numpy(dtype=float), groups.take(rows))
    return figure


def _height(drawn: dict[str, pd.Series], groups: Groups | None) -> int:
    if groups is not None:
        return 92 + 34 * len(groups.names)
    return 252 if any(len(values) >= FEW for values in drawn.values()) else 150


def _say_medians(drawn: dict[str, pd.Series]) -> str:
    said = [f"{np.median(values.to_numpy(dtype=float)):,.0f} {name}" for name, values in drawn.items()]
    return f"The median record has {' and '.join(said)} tokens"


def _say_total(outputs: pd.DataFrame, drawn: dict[str, pd.Series]) -> str:
    known = max(len(values) for values in drawn.values())
    said = f"Tokens of each record, n = {look.count_noun(known, 'record')} with tokens reported"
    caches = {name: outputs[f"cache_{name}_tokens"].dropna() for name in ("read", "write")}
    parts = [f"cache {name} {int(values.sum()):,}" for name, values in caches.items() if values.sum()]
    return "; ".join([said, *parts])


def _draw_distribution(
    figure: look.Chart, panel: int, name: str, values: np.ndarray, limit: float | None
) -> None:
    suffix = "" if panel == 1 else str(panel)
    scale = make_scale(values, _BINS, limit=limit)
    if len(values) < FEW:
        trace, axis = _dots(values, look.TOKENS[name])
    else:
        counts, _ = np.histogram(values, scale.edges)
        axis = look.style_axis("records" if panel == 1 else "", **look.count_axis(counts.max() * _HEADROOM))
        trace = go.Bar(
            name=f"{name} tokens",
            x=scale.middles,
            y=counts.tolist(),
            width=scale.widths,
            marker={"color": look.TOKENS[name], "line": {"width": 0}},
            customdata=scale.words,
            hovertemplate="%{customdata} tokens: %{y:,} records<extra></extra>",
        )
    trace.update(xaxis=f"x{suffix}", yaxis=f"y{suffix}")
    figure.add_trace(trace)
    figure.layout[f"xaxis{suffix}"].update(scale.axis(f"{name} tokens"))
    figure.layout[f"yaxis{suffix}"].update(axis)
    for row, at in enumerate((50, 95) if len(values) >= FEW else (50,)):
        mark_value(figure, scale, f"p{at}", float(np.quantile(values, at / 100)), panel=panel, row=row)
    if limit is not None:
        mark_value(figure, scale, "max_tokens", limit, panel=panel, row=2, solid=True)


def _dots(values: np.ndarray, colour: str) -> tuple[go.Scatter, dict]:
    """Show each value as a dot, those at the same place on top of each other."""
    order = np.sort(values)
    grain = max((order[-1] - order[0]) / 60, 1)
    column = np.floor((order - order[0]) / grain)
    height = np.array([np.sum(column[:place] == column[place]) + 1 for place in range(len(order))])
    trace = go.Scatter(
        x=order.tolist(),
        y=height.tolist(),
        mode="markers",
        marker={"color": colour, "size": 9, "line": {"width": 1, "color": "#ffffff"}},
        hovertemplate="%{x:,} tokens<extra></extra>",
    )
    return trace, look.style_axis(visible=False, range=[0, max(float(height.max()), 4.0) * 2])


def _draw_boxes(figure: look.Chart, panel: int, name: str, values: np.ndarray, groups: Groups) -> None:
    suffix = "" if panel == 1 else str(panel)
    order = np.argsort(groups.codes, kind="stable")
    ends = np.cumsum(groups.count())
    parts = np.split(values[order], ends[:-1])
    kept = [place for place, part in enumerate(parts) if len(part)]
    points = np.array([np.quantile(parts[place], _QUANTILES) for place in kept]).T.round(2)
    figure.add_trace(
        go.Box(
            y=[groups.label(place) for place in kept],
            **dict(zip(("lowerfence", "q1", "median", "q3", "upperfence"), points.tolist(), strict=True)),
            orientation="h",
            name=f"{name} tokens",
            fillcolor=_BOXES[name],
            line={"width": 1.25, "color": "#333"},
            xaxis=f"x{suffix}",
            yaxis=f"y{suffix}",
            hoverinfo="x+y",
        )
    )
    axis = {"range": [0, float(points.max()) * 1.05 or 1.0], "tickformat": ",.12~g"}
    figure.layout[f"xaxis{suffix}"].update(look.style_axis(f"{name} tokens (p5, p25, p50, p75, p95)", **axis))
    figure.layout[f"yaxis{suffix}"].update({**look.CATEGORIES, "showticklabels": panel == 1})


_MOST_DOTS = 1_000
_PAIRED = ("input_tokens", "output_tokens", "max_tokens", "stop_reason")
_CELLS = [[0, "#cfe3f1"], [0.5, "#4a9cc9"], [1, "#08306b"]]


def input_output(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw output tokens against input tokens.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        Draw a panel for each value of this column, all with the same axes.
    title : str, optional
        In place of the chart's own.

    Returns
    -------
    plotly.graph_objects.Figure
        One dot per record, coloured by stop reason; above 1,000 records, counts in cells.

    Raises
    ------
    bbkit.core.errors.InputError
        A column is not there: `by`, or one that `collect_outputs` gives.
    """
    column = find_column(outputs, by, _PAIRED)
    rows = np.flatnonzero((outputs["input_tokens"].notna() & outputs["output_tokens"].notna()).to_numpy())
    if not len(rows):
        reason = "No record reports both its input and its output tokens."
        return look.empty_figure(title or "Answer against input", reason)
    known = outputs[["input_tokens", "output_tokens", "stop_reason"]].iloc[rows]
    x, y = (known[f"{name}_tokens"].to_numpy(dtype=float) for name in ("input", "output"))
    panels = split_panels(outputs, column, rows, 6)
    limit = find_limit(outputs["max_tokens"])
    bins = 40 if len(panels) == 1 else 24
    scales = make_scale(x, bins), make_scale(y, bins, limit=limit)
    figure = make_panels(
        [name for name, _ in panels],
        title=title or _say_ratio(x, y),
        subtitle=f"Answer against input, n = {look.count_noun(len(rows), 'record')}",
        height=300 if len(panels) == 1 else 200,
        gap=0.05,
    )
    if len(rows) <= _MOST_DOTS:
        figure.update_layout(showlegend=True, legend=look.BELOW, margin={"b": 84})
        _draw_dots(figure, panels, x, y, known["stop_reason"])
    else:
        _draw_cells(figure, panels, x, y, scales)
    for panel in range(1, len(panels) + 1):
        _finish_panel(figure, panel, len(panels), scales, limit)
    return figure


def _say_ratio(x: np.ndarray, y: np.ndarray) -> str:
    if not x.sum():
        return "Answer against input"
    return f"{100 * y.sum() / x.sum():,.3g} output tokens for every 100 input tokens"


def _draw_dots(figure: look.Chart, panels: Panels, x: np.ndarray, y: np.ndarray, stops: pd.Series) -> None:
    reasons = stops.fillna("not reported").to_numpy(dtype=object)
    shown = [name for name in look.STOP_REASONS if (reasons == name).any()]
    shapes = {"length": "diamond", "error": "x", "content_filter": "square", "tool_use": "triangle-up"}
    for panel, (_, rows) in enumerate(panels, start=1):
        suffix = "" if panel == 1 else str(panel)
        for name in shown:
            found = rows[reasons[rows] == name]
            if not len(found) and panel > 1:
                continue
            figure.add_trace(
                go.Scatter(
                    name=name,
                    legendgroup=name,
                    showlegend=panel == 1,
                    x=x[found].tolist(),
                    y=y[found].tolist(),
                    mode="markers",
                    marker={
                        "color": look.STOP_REASONS[name],
                        "symbol": shapes.get(name, "circle"),
                        "size": 8,
                        "opacity": 0.75,
                        "line": {"width": 0.5, "color": "#ffffff"},
                    },
                    xaxis=f"x{suffix}",
                    yaxis=f"y{suffix}",
                    hovertemplate="%{x:,} in, %{y:,} out<extra>%{fullData.name}</extra>",
                )
            )


def _draw_cells(
    figure: look.Chart, panels: Panels, x: np.ndarray, y: np.ndarray, scales: tuple[Scale, Scale]
) -> None:
    edges = [scale.edges for scale in scales]
    cells = [np.histogram2d(x[rows], y[rows], bins=edges)[0].T for _, rows in panels]
    most = max(float(counts.max()) for counts in cells)
    for panel, counts in enumerate(cells, start=1):
        suffix = "" if panel == 1 else str(panel)
        figure.add_trace(
            go.Heatmap(
                x=scales[0].edges.round(3).tolist(),
                y=scales[1].edges.round(3).tolist(),
                z=np.where(counts > 0, counts, np.nan).tolist(),
                zmin=0,
                zmax=most,
                colorscale=_CELLS,
                xgap=1,
                ygap=1,
                hoverongaps=False,
                showscale=panel == 1,
                colorbar={
                    "title": {"text": "records", "font": {"size": 12}},
                    "thickness": 12,
                    "outlinewidth": 0,
                    "tickformat": ",.12~g",
                },
                xaxis=f"x{suffix}",
                yaxis=f"y{suffix}",
                hovertemplate="about %{x:,.0f} in, %{y:,.0f} out: %{z:,} records<extra></extra>",
            )
        )


def _finish_panel(
    figure: look.Chart, panel: int, total: int, scales: tuple[Scale, Scale], limit: float | None
) -> None:
    suffix = "" if panel == 1 else str(panel)
    left, bottom = is_edge(panel, total)
    figure.layout[f"xaxis{suffix}"].update(scales[0].axis("input tokens"))
    figure.layout[f"yaxis{suffix}"].update(scales[1].axis("output tokens", showticklabels=left))
    if not bottom:
        figure.layout[f"xaxis{suffix}"].update(title={"text": ""})
    if not left:
        figure.layout[f"yaxis{suffix}"].update(title={"text": ""})
    if limit is not None:
        mark_value(figure, scales[1], "max_tokens", limit, panel=panel, axis="y", solid=True)
