"""How long the answers are."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pyarrow as pa

from bbkit.charts import look
from bbkit.charts.groups import UNKNOWN, Groups, find_column, split_groups
from bbkit.charts.scales import make_scale, mark_value

_BINS = 30
_ROWS = 4_096


def output_lengths(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw how long the answers are, in words, by why they ended.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        Colour by this column in place of the stop reason.
    title : str, optional
        In place of the chart's own, which gives the median.

    Returns
    -------
    plotly.graph_objects.Figure
        A stacked histogram of words between white space; an answer without text is 0 words long.

    Raises
    ------
    bbkit.core.errors.InputError
        A column is not there: `by`, or one that `collect_outputs` gives.
    """
    column = find_column(outputs, by, ("text", "stop_reason")) or "stop_reason"
    rows = np.flatnonzero(outputs["text"].notna().to_numpy())
    if not len(rows):
        return look.empty_figure(title or "Length of the answers", "No answer has text.")
    words = _count_words(outputs["text"].iloc[rows]).astype(float)
    scale = make_scale(words, _BINS)
    groups = split_groups(outputs, column).take(rows)
    names = ["not reported" if column == "stop_reason" and n == UNKNOWN else n for n in groups.names]
    counts = [
        np.histogram(words[groups.codes == place], scale.edges)[0] for place in range(len(groups.names))
    ]
    kept = [place for place, found in enumerate(counts) if found.any()]
    traces = [
        go.Bar(
            name=look.shorten(names[place], 28),
            x=scale.middles,
            y=counts[place].tolist(),
            width=scale.widths,
            marker=_marker(column, names[place], groups, place),
            customdata=scale.words,
            hovertemplate="%{customdata} words: %{y:,} answers<extra>%{fullData.name}</extra>",
        )
        for place in kept
    ]
    figure = look.make_figure(
        traces,
        title=title or f"The median answer has {look.count_noun(round(np.median(words)), 'word')}",
        subtitle=f"Length of the answers, n = {look.count_noun(len(rows), 'answer')}",
        barmode="stack",
        showlegend=len(kept) > 1 or column != "stop_reason",
        legend=look.ABOVE,
    )
    figure.update_layout(xaxis=scale.axis("words"))
    top = float(np.sum(counts, axis=0).max())
    figure.update_yaxes(title={"text": "answers"}, **look.count_axis(top * 1.18))
    for row, at in enumerate((50, 95)):
        mark_value(figure, scale, f"p{at}", float(np.quantile(words, at / 100)), row=row)
    return figure


def _marker(column: str, name: str, groups: Groups, place: int) -> dict:
    if column != "stop_reason":
        return {"color": groups.colours[place], "line": {"width": 0}}
    return look.mark_bar(name, look.STOP_REASONS)


def _count_words(texts: pd.Series) -> np.ndarray:
    """Count runs of other than ASCII white space; a pattern takes half a minute for a million answers."""
    array = pa.chunked_array([pa.array(texts, pa.large_string())])
    return np.concatenate([_count_in(part) for part in _parts(array)] or [np.zeros(0, np.int64)])


def _parts(array: pa.ChunkedArray) -> Iterator[pa.Array]:
    for chunk in array.chunks:
        for low in range(0, len(chunk), _ROWS):
            yield chunk.slice(low, _ROWS)


def _count_in(part: pa.Array) -> np.ndarray:
    _, offsets, data = part.buffers()
    ends = np.frombuffer(offsets, np.int64)[part.offset : part.offset + len(part) + 1]
    if data is None or ends[0] == ends[-1]:
        return np.zeros(len(part), np.int64)
    text = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    ends = ends - ends[0]
    filled = text > ord(" ")
    begins = filled.copy()
    begins[1:] &= ~filled[:-1]
    first = ends[:-1][ends[:-1] < len(text)]
    begins[first] = filled[first]
    begun = np.zeros(len(text) + 1, np.int32)
    np.cumsum(begins, dtype=np.int32, out=begun[1:])
    return begun[ends[1:]] - begun[ends[:-1]]
