"""Axes of numbers: bins, linear or log, ticks, and lines that mark a value."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from bbkit.charts import look

FEW = 30
"""With fewer values than this a chart shows each of them, not a distribution."""

_MOST_TICKS = 5
_FAR = 2.5
"""A limit further away than this many times the largest value is named at the edge, not drawn to scale."""


@dataclass(frozen=True)
class Scale:
    """An axis of numbers."""

    edges: np.ndarray
    logarithmic: bool
    low: float
    high: float

    @property
    def middles(self) -> list[float]:
        """The middle of each bin."""
        return ((self.edges[:-1] + self.edges[1:]) / 2).round(3).tolist()

    @property
    def widths(self) -> list[float]:
        """The width of each bin."""
        return np.diff(self.edges).round(3).tolist()

    @property
    def words(self) -> list[str]:
        """Each bin in words, such as ``120 to 139``."""
        if self.logarithmic:
            lows, highs = np.ceil(self.edges[:-1]), np.ceil(self.edges[1:]) - 1
        else:
            lows, highs = np.ceil(self.edges[:-1]), np.ceil(self.edges[1:] - 1)
        pairs = zip(lows, np.maximum(lows, highs), strict=True)
        return [f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}" for low, high in pairs]

    def place(self, value: float) -> float:
        """Where a value lies on plotly's axis, which counts log axes in powers of ten."""
        return float(np.log10(max(value, 1e-9))) if self.logarithmic else float(value)

    def share(self, value: float) -> float:
        """How far along the axis a value lies, from 0 to 1."""
        low, high = self.place(self.low), self.place(self.high)
        return (self.place(value) - low) / (high - low) if high > low else 0.5

    def axis(self, title: str, **more: Any) -> dict[str, Any]:
        """Give it as an axis of plotly's layout."""
        if not self.logarithmic:
            linear: dict[str, Any] = {"range": [self.low, self.high], "tickformat": ",.12~g"}
            return look.style_axis(title, **linear, **more)
        ticks = self._ticks()
        logged = {
            "tickangle": 0,
            "type": "log",
            "range": [self.place(self.low), self.place(self.high)],
            "tickvals": ticks,
            "ticktext": [f"{value:,.12g}" for value in ticks],
        }
        return look.style_axis(f"{title}, log scale", **logged, **more)

    def _ticks(self) -> list[float]:
        powers = range(int(np.floor(np.log10(self.low))), int(np.ceil(np.log10(self.high))) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            values = [10.0**power * step for power in powers for step in steps]
            ticks = [value for value in values if self.low <= value <= self.high]
            if len(ticks) <= _MOST_TICKS:
                break
        return ticks


def make_scale(values: np.ndarray, bins: int, *, limit: float | None = None, zero: bool = False) -> Scale:
    """Choose bins and what an axis shows for whole numbers."""
    low, high = float(values.min()), float(values.max())
    seen = max(high, limit) if limit and limit <= _FAR * high else high
    if low > 0 and high > 10 * float(np.median(values)):
        edges = np.geomspace(low, high * 1.0001, bins + 1)
        return Scale(edges, True, low / 1.15, seen * 1.15)
    step = max(1, int(np.ceil((high - low + 1) / bins)))
    # A bin holds whole numbers from its edge on; half a number to the left keeps its bar around them.
    edges = np.arange(np.floor(low), high + step + 1, step) - 0.5
    edges = edges[: int(np.searchsorted(edges, high, side="right")) + 1]
    pad = 0.03 * max(seen - low, 10.0)
    return Scale(edges, False, 0.0 if zero else max(low - pad, -0.5), max(seen, edges[-1]) + pad)


def mark_value(figure: go.Figure, scale: Scale, label: str, value: float, **how: Any) -> None:
    """Draw a line across a panel and name it, within the panel and off the neighbours' names."""
    panel = how.get("panel", 1)
    suffix = "" if panel == 1 else str(panel)
    upright = how.get("axis", "x") == "x"
    inside = scale.low <= value <= scale.high
    text = how.get("text", f"{label} {value:,.0f}")
    along, across = (f"x{suffix}", f"y{suffix} domain") if upright else (f"y{suffix}", f"x{suffix} domain")
    if inside:
        line = {"dash": "solid" if how.get("solid") else "dot", "width": 1.5, "color": look.GREY}
        ends = {"x0": value, "x1": value, "y0": 0, "y1": 1} if upright else {"y0": value, "y1": value}
        refs = {"xref": along, "yref": across} if upright else {"yref": along, "xref": across}
        figure.add_shape({"type": "line", "x0": 0, "x1": 1, **ends, **refs, "line": line})
    note: dict[str, Any] = {"text": text, "showarrow": False, "font": {"size": 11}}
    if upright:
        note |= _upright_note(scale, value, inside, along, across) | {
            "y": how.get("top", 1.0),
            "yshift": -16 * how.get("row", 0),
        }
        note["text"] = text if inside or not text else f"{text} →"
    else:
        note |= {"x": 1, "xref": across, "xanchor": "right", "yanchor": "bottom" if inside else "top"}
        note |= {"y": scale.place(value), "yref": along} if inside else {"y": 1, "yref": f"y{suffix} domain"}
        note["text"] = text if inside else f"{text} ↑"
    if note["text"]:
        figure.add_annotation(note)


def _upright_note(scale: Scale, value: float, inside: bool, along: str, across: str) -> dict[str, Any]:
    note: dict[str, Any] = {"yref": across, "yanchor": "top"}
    if not inside:
        return note | {"x": 1, "xref": f"{along} domain", "xanchor": "right"}
    right = scale.share(value) > 0.6
    place = {"x": scale.place(value), "xref": along, "xshift": -4 if right else 4}
    return note | place | {"xanchor": "right" if right else "left"}


def find_limit(max_tokens: Any) -> float | None:
    """Find the one `max_tokens` of a frame; None when there is none or several."""
    limits = max_tokens.dropna().unique()
    return float(limits[0]) if len(limits) == 1 else None
