"""How long inputs and answers are, in tokens and in words, and one against the other."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.charts import style
from bbkit.charts.axes import Axis, find_limit, make_axis, mark_level, mark_quantiles, mark_value, rounded
from bbkit.charts.groups import UNKNOWN, Groups, known_rows, name_absent, read_groups
from bbkit.charts.traces import boxes, histogram
from bbkit.core.text import count_noun

_FEW = 30
"""Fewer values than this are shown one by one, not as a distribution."""

BINS = 40
_WORD_BINS = 30
_HEADROOM = 1.32
_BOXES = {"input": "rgba(0,114,178,0.5)", "output": "rgba(86,180,233,0.6)"}
_USAGE = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "max_tokens")
_PAIRED = ("input_tokens", "output_tokens", "max_tokens", "stop_reason")
_ENDS = ["input_tokens", "output_tokens"]
_MOST_DOTS = 1_000
_SYMBOLS = {"length": "diamond", "error": "x", "content_filter": "square", "tool_use": "triangle-up"}
_DOT = {"opacity": 0.75, "line": {"width": 0.75, "color": style.INK}}
_COLOURS = [[0, "#cfe3f1"], [0.5, "#4a9cc9"], [1, "#0b4f8a"]]
COUNTS: dict[str, Any] = {"title": {"text": "records", "font": {"size": 12}}, "tickformat": ",.12~g"}
COUNTS |= {"thickness": 12, "outlinewidth": 0}
_PAIR = "about %{x:,.0f} in, %{y:,.0f} out: %{z:,} records<extra></extra>"
_SLICE = 4_096


def token_usage(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw how many tokens the inputs and the answers have.

    Parameters
    ----------
    outputs, by, title
        As in `outcomes`, whose errors it has, too; `by` draws one box (5th, 25th, 50th, 75th and 95th
        percentile) for each group.

    Returns
    -------
    plotly.graph_objects.Figure
        Two panels with axes of their own; median, 95th percentile and `max_tokens` marked.
    """
    outputs, groups = read_groups(outputs, by, _USAGE)
    known = {name: known_rows(outputs, f"{name}_tokens") for name in ("input", "output")}
    drawn = {
        name: outputs.loc[rows, f"{name}_tokens"].to_numpy(dtype=float)
        for name, rows in known.items()
        if rows.any()
    }
    if not drawn:
        reason = f"No tokens are reported in {count_noun(len(outputs), 'record')}."
        return style.empty_figure(title or "Tokens of each record", reason)
    medians = [f"{np.median(values):,.0f} {name}" for name, values in drawn.items()]
    height = 200 if any(len(values) >= _FEW for values in drawn.values()) else 120
    groups = groups.drop_empty()
    axis, row = style.name_places(groups.describe())
    figure, cells = style.make_subplots(
        [(f"<b>{name}</b>: {int(values.sum()):,} tokens in all", []) for name, values in drawn.items()],
        title=title or f"The median record has {' and '.join(medians)} tokens",
        subtitle=_describe_total(outputs, max(map(len, drawn.values()))),
        height=height if groups.column is None else 12 + row * len(groups.names),
        columns=1,
    )
    for cell, (name, values) in zip(cells, drawn.items(), strict=True):
        if groups.column is None:
            limit = find_limit(outputs["max_tokens"]) if name == "output" else None
            _draw_distribution(figure, cell, name, values, limit)
        else:
            _draw_boxes(figure, cell, name, values, groups.take(known[name]))
            figure.update_yaxes(axis, **cell)
    if groups.column is None and all(len(values) >= _FEW for values in drawn.values()):
        told = [
            {"along": f"{name}_tokens", "bars": [*range(len(bars.y))]}
            for name, bars in zip(drawn, figure.data, strict=True)
        ]
        style.follow(figure, "Tokens of each record", "bins", told)
    return figure


def _describe_total(outputs: pd.DataFrame, known: int) -> str:
    caches = {name: int(outputs[f"cache_{name}_tokens"].sum()) for name in ("read", "write")}
    parts = [f"cache {name} {count:,}" for name, count in caches.items() if count]
    sentence = f"Tokens of each record, n = {count_noun(known, 'record')} with tokens reported"
    return "; ".join([sentence, *parts])


def _draw_distribution(
    figure: style.Chart, cell: style.Cell, name: str, values: np.ndarray, limit: float | None
) -> None:
    axis = make_axis(values, BINS, limit=limit)
    if len(values) < _FEW:
        trace, upright = _dots(values, style.COLOURS[name])
    else:
        counts = axis.count(values)
        hover = "%{customdata} tokens: %{y:,} records<extra></extra>"
        marker = {"color": style.COLOURS[name]}
        trace = histogram(f"{name} tokens", axis, counts, marker=marker, hovertemplate=hover)
        upright = style.count_axis(counts.max() * _HEADROOM, "records")
    figure.add_trace(trace, **cell)
    figure.update_xaxes(axis.layout(f"{name} tokens"), **cell).update_yaxes(upright, **cell)
    mark_quantiles(figure, axis, values, (50, 95) if len(values) >= _FEW else (50,), **cell)
    if limit is not None:
        mark_value(figure, axis, limit, f"max_tokens {limit:,.0f}", below=2, solid=True, **cell)


def _dots(values: np.ndarray, colour: str) -> tuple[go.Scatter, dict[str, Any]]:
    """Show each value as a dot, those at the same place on top of each other."""
    order = np.sort(values)
    grain = max((order[-1] - order[0]) / 60, 1)
    column = pd.Series(np.floor((order - order[0]) / grain))
    height = column.groupby(column).cumcount() + 1
    trace = go.Scatter(
        x=order.tolist(),
        y=height.tolist(),
        mode="markers",
        marker={"color": colour, "size": 9, "line": {"width": 1, "color": style.INK}},
        hovertemplate="%{x:,} tokens<extra></extra>",
    )
    return trace, style.style_axis(visible=False, range=[0, max(float(height.max()), 4.0) * 2])


def _draw_boxes(figure: style.Chart, cell: style.Cell, name: str, values: np.ndarray, groups: Groups) -> None:
    drawn = boxes(values, groups, _BOXES[name])
    ends = [0, max(box.upperfence[0] for box in drawn) * 1.05 or 1.0]
    figure.add_traces(drawn, rows=cell["row"], cols=cell["col"])
    axis = style.style_axis(f"{name} tokens (p5, p25, p50, p75, p95)", range=ends, tickformat=",.12~g")
    figure.update_xaxes(axis, **cell)


def input_output(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw output tokens against input tokens.

    Parameters
    ----------
    outputs, by, title
        As in `outcomes`, whose errors it has, too; `by` draws a panel for each value, all with the same axes.

    Returns
    -------
    plotly.graph_objects.Figure
        One dot per record, coloured by stop reason; above 1,000 records, counts in cells.
    """
    outputs, groups = read_groups(outputs, by, _PAIRED, 6)
    rows = known_rows(outputs, "input_tokens", "output_tokens")
    if not rows.any():
        reason = "No record reports both its input and its output tokens."
        return style.empty_figure(title or "Answer against input", reason)
    points, groups = outputs.loc[rows, list(_PAIRED)], groups.take(rows)
    points["stop_reason"] = name_absent(points["stop_reason"], "not reported")
    parts = [(groups.describe(18)[code], points.iloc[part]) for code, part in groups.split()]
    limit, bins = find_limit(outputs["max_tokens"]), 40 if len(parts) == 1 else 24
    inputs, answers = (points[f"{name}_tokens"].to_numpy(dtype=float) for name in ("input", "output"))
    axes = make_axis(inputs, bins), make_axis(answers, bins, limit=limit)
    few, reasons = len(points) <= _MOST_DOTS, points["stop_reason"].unique()
    ratio = "Answer against input"
    if inputs.any():
        ratio = f"{100 * answers.sum() / inputs.sum():,.3g} output tokens for every 100 input tokens"
    edges = [axis.edges for axis in axes]
    figure, cells = style.make_subplots(
        [
            (name, _draw_dots(part, [] if place else reasons) if few else [draw_counts(part[_ENDS], edges)])
            for place, (name, part) in enumerate(parts)
        ],
        title=title or ratio,
        subtitle=f"Answer against input, n = {count_noun(len(points), 'record')}",
        height=300 if len(parts) == 1 else 200,
        gap=0.09,
        legend=few,
    )
    style.share_axes(figure, cells, axes[0].layout("input tokens"), axes[1].layout("output tokens"))
    if not few:
        most = max(float(np.nanmax(trace.z)) for trace in figure.data)
        figure.update_layout(coloraxis={"cmin": 0, "cmax": most, "colorscale": _COLOURS, "colorbar": COUNTS})
    if limit is not None:
        for cell in cells:
            mark_level(figure, axes[1], limit, f"max_tokens {limit:,.0f}", **cell)
    return figure


def _draw_dots(points: pd.DataFrame, in_legend: Collection[str]) -> list[go.Scatter]:
    """Draw the dots of each stop reason, equal ones as a larger one, and what the legend shows of it."""
    traces = []
    for name in style.STOP_REASONS:
        part = points[points["stop_reason"] == name].groupby(_ENDS, as_index=False).size()
        if name not in in_legend and part.empty:
            continue
        sizes = np.minimum(8 * np.sqrt(part["size"].to_numpy(dtype=float)), 40)
        marker = {
            "color": style.COLOURS[name],
            "symbol": _SYMBOLS.get(name, "circle"),
            "size": sizes.round(1).tolist(),
        }
        trace = go.Scatter(
            name=name,
            legendgroup=name,
            showlegend=name in in_legend,
            x=part["input_tokens"].tolist(),
            y=part["output_tokens"].tolist(),
            mode="markers",
            marker={**marker, **_DOT},
            hovertext=[count_noun(count, "record") for count in part["size"]],
            hovertemplate="%{x:,} in, %{y:,} out: %{hovertext}<extra>%{fullData.name}</extra>",
        )
        traces.append(trace)
    return traces


def draw_counts(points: Any, edges: Sequence[np.ndarray], hover: str = _PAIR) -> go.Heatmap:
    """Count points of two numbers in cells."""
    counts = np.histogramdd(np.asarray(points, float), edges)[0].T
    return go.Heatmap(
        x=rounded(edges[0]),
        y=rounded(edges[1]),
        z=np.where(counts > 0, counts, np.nan).tolist(),
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
        hoverongaps=False,
        hovertemplate=hover,
    )


def output_lengths(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw how long the answers are, in words, by why they ended.

    Parameters
    ----------
    outputs, by, title
        As in `outcomes`, whose errors it has, too; `by` colours by a column in place of the stop reason.

    Returns
    -------
    plotly.graph_objects.Figure
        A stacked histogram of words between white space; an answer without text is 0 words long.
    """
    needs = ["text", "stop_reason"]
    outputs, groups = read_groups(outputs, by or "stop_reason", needs, make=_measure_texts)
    rows = known_rows(outputs, "words")
    if not rows.any():
        return style.empty_figure(title or "Length of the answers", "No answer has text.")
    words = outputs.loc[rows, "words"].to_numpy(dtype=np.int64)
    axis, groups = make_axis(words, _WORD_BINS), groups.take(rows)
    parts = groups.split()
    figure = style.make_figure(
        [_word_bars(axis, words[part], groups, code) for code, part in parts],
        title=title or f"The median answer has {count_noun(round(np.median(words)), 'word')}",
        subtitle=f"Length of the answers, n = {count_noun(len(words), 'answer')}",
        barmode="stack",
        legend=len(parts) > 1 or groups.column != "stop_reason",
        xaxis=axis.layout("words"),
        yaxis=style.count_axis(axis.count(words).max() * 1.18, "answers"),
    )
    mark_quantiles(figure, axis, words, (50, 95))
    return figure


def _word_bars(axis: Axis, words: np.ndarray, groups: Groups, code: int) -> go.Bar:
    name, marker = groups.legends[code], {"color": groups.colours[code]}
    if groups.column == "stop_reason":
        name = "not reported" if name == UNKNOWN else name
        marker = style.mark_bars(name)
    look = {"meta": [groups.hovers[code]], "marker": marker}
    hover = "%{customdata} words: %{y:,} answers<extra>%{meta[0]}</extra>"
    return histogram(name, axis, axis.count(words), hovertemplate=hover, **look)


def _measure_texts(outputs: pd.DataFrame) -> pd.DataFrame:
    known = outputs["text"].notna().to_numpy()
    words = np.full(len(outputs), np.nan)
    words[known] = _count_words(outputs.loc[known, "text"])
    return outputs.drop(columns="text").assign(words=words)


def _count_words(texts: pd.Series) -> np.ndarray:
    """Count what stands between ASCII white space, in slices: a copy of all texts would be too large."""
    counts, nothing, space = [], pa.scalar("", pa.large_string()), pa.scalar(" ", pa.large_string())
    for batch in pa.table({"text": pa.array(texts, pa.large_string())}).to_batches(_SLICE):
        # Between two spaces no text is empty, and no word of one goes on in the next.
        _, offsets, data = pc.binary_join_element_wise(nothing, batch["text"], nothing, space).buffers()
        ends = np.frombuffer(offsets, np.int64)[: len(batch) + 1]
        in_word = np.frombuffer(data, np.uint8)[: ends[-1]] > ord(" ")
        counts.append(np.add.reduceat(in_word[1:] > in_word[:-1], ends[:-1], dtype=np.int64))
    return np.concatenate([*counts, np.zeros(0, np.int64)])
