"""Axes of numbers: bins, linear or log, ticks, and lines that mark a value."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bbkit.charts import style

_MOST_TICKS = 5
_FAR = 2.5
"""A limit further away than this many times the largest value is named at the edge, not drawn to scale."""


@dataclass(frozen=True)
class Axis:
    """An axis of numbers, from `low` to `high`, and the edges of its bins."""

    edges: np.ndarray
    logarithmic: bool
    low: float
    high: float

    @property
    def labels(self) -> list[str]:
        """The whole numbers of each bin, such as ``120 to 139``."""
        lows = np.ceil(self.edges[:-1])
        highs = np.ceil(self.edges[1:]) - 1 if self.logarithmic else np.ceil(self.edges[1:] - 1)
        pairs = zip(lows, np.maximum(lows, highs), strict=True)
        return [f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}" for low, high in pairs]

    def count(self, values: np.ndarray) -> np.ndarray:
        """Count the values of each bin."""
        return np.histogram(values, self.edges)[0]

    def position(self, value: float) -> float:
        """Where a value lies on plotly's axis, which counts log axes in powers of ten."""
        return float(np.log10(max(value, 1e-9))) if self.logarithmic else float(value)

    def holds(self, value: float) -> bool:
        """Whether a value lies on the axis."""
        return self.low <= value <= self.high

    def layout(self, title: str, **more: Any) -> dict[str, Any]:
        """Give it as an axis of plotly's layout."""
        ends = [self.position(self.low), self.position(self.high)]
        if not self.logarithmic:
            return style.style_axis(title, range=ends, tickformat=",.12~g", **more)
        ticks = self._ticks()
        logged = {"type": "log", "tickangle": 0, "tickvals": ticks}
        logged["ticktext"] = [f"{value:,.12g}" for value in ticks]
        return style.style_axis(title and f"{title}, log scale", range=ends, **logged, **more)

    def _ticks(self) -> list[float]:
        powers = range(int(np.floor(np.log10(self.low))), int(np.ceil(np.log10(self.high))) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            values = [10.0**power * step for power in powers for step in steps]
            ticks = [value for value in values if self.holds(value)]
            if len(ticks) <= _MOST_TICKS:
                break
        return ticks


def make_axis(values: np.ndarray, bins: int, *, limit: float | None = None, zero: bool = False) -> Axis:
    """Choose bins and what an axis shows for whole numbers."""
    low, high = float(values.min()), float(values.max())
    seen = max(high, limit) if limit and limit <= _FAR * high else high
    if low > 0 and high > 10 * float(np.median(values)):
        edges = np.geomspace(low, high * 1.0001, bins + 1)
        return Axis(edges, True, low / 1.15, seen * 1.15)
    step = max(1, int(np.ceil((high - low + 1) / bins)))
    # A bin holds whole numbers from its edge on; half a number to the left keeps its bar around them.
    edges = np.arange(np.floor(low), high + step + 1, step) - 0.5
    edges = edges[: int(np.searchsorted(edges, high, side="right")) + 1]
    pad = 0.03 * max(seen - low, 10.0)
    return Axis(edges, False, 0.0 if zero else max(low - pad, -0.5), max(seen, edges[-1]) + pad)


def rounded(values: Iterable[float], digits: int = 8) -> list[float]:
    """Round to some digits that matter, so that a figure is small wherever its numbers lie."""
    return [float(f"{value:.{digits}g}") for value in values]


def mark_value(
    figure: style.Chart,
    axis: Axis,
    value: float,
    text: str,
    *,
    below: int = 0,
    solid: bool = False,
    **cell: Any,
) -> None:
    """Draw an upright line at a value and name it, `below` so many other names."""
    at: dict[str, Any] = {"y": 1, "yref": "y domain", "yanchor": "top", "yshift": -16 * below}
    if not axis.holds(value):
        at |= {"x": 1, "xref": "x domain", "xanchor": "right"}
        return _draw_note(figure, text and f"{text} →", at, cell)
    _draw_line(
        figure, {"x0": value, "x1": value, "xref": "x", "y0": 0, "y1": 1, "yref": "y domain"}, solid, cell
    )
    low, place, high = map(axis.position, (axis.low, value, axis.high))
    side = {"xanchor": "left", "xshift": 4}
    if place > low + 0.6 * (high - low):
        side = {"xanchor": "right", "xshift": -4}
    return _draw_note(figure, text, {"x": place, "xref": "x", **side, **at}, cell)


def mark_quantiles(
    figure: style.Chart,
    axis: Axis,
    values: np.ndarray,
    percents: Iterable[int],
    write: Callable[[float], str] = "{:,.0f}".format,
    **cell: Any,
) -> None:
    """Draw a line at each of some percentiles, such as ``p50 120``."""
    for below, percent in enumerate(percents):
        value = float(np.quantile(values, percent / 100))
        mark_value(figure, axis, value, f"p{percent} {write(value)}", below=below, **cell)


def mark_level(figure: style.Chart, axis: Axis, value: float, text: str, **cell: Any) -> None:
    """Draw a level line at a value and name it at its right end."""
    at: dict[str, Any] = {"x": 1, "xref": "x domain", "xanchor": "right"}
    if not axis.holds(value):
        at |= {"y": 1, "yref": "y domain", "yanchor": "top"}
        return _draw_note(figure, f"{text} ↑", at, cell)
    _draw_line(
        figure, {"x0": 0, "x1": 1, "xref": "x domain", "y0": value, "y1": value, "yref": "y"}, True, cell
    )
    at |= {"y": axis.position(value), "yref": "y", "yanchor": "bottom"}
    return _draw_note(figure, text, {**at, "bgcolor": "rgba(255,255,255,0.7)"}, cell)


def _draw_line(figure: style.Chart, ends: dict[str, Any], solid: bool, cell: style.Cell) -> None:
    line = {"dash": "solid" if solid else "dot", "width": 1.5, "color": style.GREY}
    figure.add_shape(type="line", line=line, **ends, **cell)


def _draw_note(figure: style.Chart, text: str, at: dict[str, Any], cell: style.Cell) -> None:
    if text:
        figure.add_annotation(text=text, showarrow=False, font={"size": 11}, **at, **cell)


def find_limit(max_tokens: pd.Series) -> float | None:
    """Find the one `max_tokens` of a frame; None when there is none or several."""
    limits = max_tokens.dropna().unique()
    return float(limits[0]) if len(limits) == 1 else None
