"""For which inputs the answers were cut off."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import look
from bbkit.charts.groups import find_column, split_panels
from bbkit.charts.panels import is_edge, make_panels
from bbkit.charts.scales import Scale, make_scale

_PART = 20
_PARTS = 10


def cut_off_by_input(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw the share of answers cut off, by how long the input was, with a 95 % Wilson interval.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        Draw a panel for each value of this column, all with the same axes.
    title : str, optional
        In place of the chart's own, which says how many were cut off.

    Returns
    -------
    plotly.graph_objects.Figure
        Up to ten parts of the inputs, alike in number.

    Raises
    ------
    bbkit.core.errors.InputError
        A column is not there: `by`, or one that `collect_outputs` gives.
    """
    column = find_column(outputs, by, ("outcome", "stop_reason", "input_tokens"))
    answered = find_answered(outputs, "input_tokens")
    rows = answered[outputs["stop_reason"].iloc[answered].notna().to_numpy()]
    if not len(rows):
        known = "why it ended" if len(answered) else "its input tokens"
        return look.empty_figure(title or "Cut off, by length of the input", f"No answer reports {known}.")
    known = outputs[["input_tokens", "stop_reason"]].iloc[rows]
    lengths = known["input_tokens"].to_numpy(dtype=float)
    cut = known["stop_reason"].eq("length").fillna(False).to_numpy(dtype=bool)
    panels = split_panels(outputs, column, rows, 9)
    silent = len(answered) - len(rows)
    count = look.count_noun(len(rows), "answer") + (
        f" (and {silent:,} without a stop reason)" if silent else ""
    )
    shares = [_shares(lengths[chosen], cut[chosen]) for _, chosen in panels]
    figure = make_panels(
        [name for name, _ in panels],
        title=title or say_cut_off(int(cut.sum()), len(rows), silent),
        subtitle=f"By input length, n = {count}; bars are 95 % intervals",
        height=270 if len(panels) == 1 else 170,
        gap=0.05,
    )
    top = max(float((table["share"] + table["up"]).max()) for table in shares)
    middles = np.concatenate([table["middle"] for table in shares])
    scale = make_scale(np.round(middles), 40, zero=True)
    for panel, table in enumerate(shares, start=1):
        _draw_shares(figure, panel, len(panels), table, scale, min(100.0, max(1.15 * top, 5.0)))
    return figure


def say_cut_off(cut: int, total: int, silent: int, at: str = "") -> str:
    """Say how many answers were cut off, where so many `silent` ones do not report why they ended."""
    if not cut:
        return f"No answer {'that reports why it ended ' if silent else ''}was cut off"
    if cut == total:
        return f"The answer was cut off{at}" if total == 1 else f"All {total:,} answers were cut off{at}"
    verb = "was" if cut == 1 else "were"
    return f"{cut:,} of {total:,} answers {verb} cut off{at} ({look.percent(cut, total)})"


def find_answered(outputs: pd.DataFrame, column: str) -> np.ndarray:
    """Find the rows that succeeded and report a column, by position."""
    succeeded = outputs["outcome"].eq("succeeded").fillna(False).to_numpy(dtype=bool)
    return np.flatnonzero(succeeded & outputs[column].notna().to_numpy())


def _shares(lengths: np.ndarray, cut: np.ndarray) -> dict[str, np.ndarray]:
    """Cut the inputs into parts alike in number; the share of each with its interval, in percent."""
    parts = min(_PARTS, max(1, len(lengths) // _PART))
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, parts + 1)))
    place = np.clip(np.searchsorted(edges, lengths, side="right") - 1, 0, max(len(edges) - 2, 0))
    count = np.bincount(place)
    kept = np.flatnonzero(count)
    middle = np.array([np.median(lengths[place == number]) for number in kept])
    share = np.bincount(place, weights=cut)[kept] / count[kept]
    low, high = _wilson(share, count[kept].astype(float))
    return {
        "middle": middle,
        "count": count[kept],
        "share": 100 * share,
        "up": 100 * (high - share),
        "down": 100 * (share - low),
    }


def _wilson(share: np.ndarray, count: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    middle = share + z**2 / (2 * count)
    spread = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    scale = 1 + z**2 / count
    return np.minimum((middle - spread) / scale, share), np.maximum((middle + spread) / scale, share)


def _draw_shares(
    figure: look.Chart, panel: int, total: int, table: dict[str, np.ndarray], scale: Scale, top: float
) -> None:
    suffix = "" if panel == 1 else str(panel)
    left, bottom = is_edge(panel, total)
    figure.add_trace(
        go.Scatter(
            name="cut off (%)",
            x=table["middle"].tolist(),
            y=table["share"].round(3).tolist(),
            mode="lines+markers",
            marker={"size": 8, "color": look.ORANGE},
            line={"color": look.ORANGE, "width": 1.5},
            error_y={
                "type": "data",
                "array": table["up"].round(3).tolist(),
                "arrayminus": table["down"].round(3).tolist(),
                "color": look.GREY,
                "thickness": 1.2,
                "width": 4,
            },
            customdata=table["count"].tolist(),
            xaxis=f"x{suffix}",
            yaxis=f"y{suffix}",
            hovertemplate="%{x:,.0f} input tokens: %{y:.1f} % cut off, n = %{customdata:,}<extra></extra>",
        )
    )
    figure.layout[f"xaxis{suffix}"].update(scale.axis("input tokens (median of each part)" if bottom else ""))
    figure.layout[f"yaxis{suffix}"].update(
        look.style_axis("cut off (%)" if left else "", range=[0, top], showticklabels=left)
    )
