"""The one style of all charts: colours by meaning, layout, subplots, labels, empty states."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from bbkit.core.text import one_line

# Okabe and Ito's palette, told apart in all three colour-vision deficiencies: https://jfly.uni-koeln.de/color/
GREEN, VERMILLION, ORANGE, PURPLE = "#009E73", "#D55E00", "#E69F00", "#CC79A7"
BLUE, SKY, YELLOW, GREY, LIGHT = "#0072B2", "#56B4E9", "#F0E442", "#767676", "#BBBBBB"

OUTCOMES = ["succeeded", "errored", "missing", "pending"]
VALIDITIES = [
    "valid",
    "off_schema",
    "several",
    "duplicate_key",
    "malformed",
    "no_json",
    "empty",
    "cut_off",
    "refused",
]
STOP_REASONS = ["stop", "tool_use", "length", "content_filter", "error", "cancelled", "other", "not reported"]
_MEANINGS = {
    GREEN: ("succeeded", "stop", "Completed", "valid"),
    VERMILLION: ("errored", "error", "Failed", "malformed"),
    ORANGE: ("length", "PartiallyCompleted", "cut_off"),
    PURPLE: ("content_filter", "Expired", "refused"),
    YELLOW: ("tool_use", "several"),
    BLUE: ("input", "InProgress", "off_schema"),
    SKY: ("output", "other", "no_json"),
    GREY: ("missing", "cancelled", "on demand", "Stopped", "duplicate_key"),
    LIGHT: ("pending", "not reported", "cache", "empty"),
}
COLOURS = {word: colour for colour, words in _MEANINGS.items() for word in words}
GROUPS = [BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, "#8A6D00", "#004B76", "#6B4C9A", "#444444", YELLOW]
_HATCHED = {
    "/": ("errored", "length", "on demand", "cut_off", "malformed"),
    "x": ("missing", "error", "duplicate_key", "off_schema"),
    ".": ("content_filter", "pending", "refused", "empty"),
}
_PATTERNS = {word: shape for shape, words in _HATCHED.items() for word in words}

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

# plotly.js 4 offers a button that uploads the figure and its data: https://github.com/plotly/plotly.js/pull/7909
_CONFIG = {"showSendToCloud": False, "displaylogo": False, "responsive": True}

ABOVE = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom", "traceorder": "normal"}
"""A legend in a line above the plot, at its right end."""

BELOW = {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"}
"""A legend in a line at the foot of the figure, under subplots whose names stand above them."""

CATEGORIES: dict[str, Any] = {"autorange": "reversed", "showgrid": False}
"""What an axis of names adds: the first on top, no grid."""

Cell = dict[str, Any]
"""The row and column of a subplot, as plotly's own methods take them."""


class Chart(go.Figure):
    """A figure that, wherever it is shown or saved, has no button to upload its data."""

    def show(self, *args: Any, **options: Any) -> None:
        """Show it as plotly does, without the upload button."""
        super().show(*args, **_configured(options))

    def to_html(self, *args: Any, **options: Any) -> str:
        """Give it as HTML as plotly does, without the upload button."""
        return str(super().to_html(*args, **_configured(options)))

    def write_html(self, *args: Any, **options: Any) -> None:
        """Save it as HTML as plotly does, without the upload button."""
        super().write_html(*args, **_configured(options))

    def _ipython_display_(self) -> None:
        import plotly.io as pio

        if pio.renderers.render_on_display and pio.renderers.default:
            self.show()
        else:
            print(repr(self))


def _configured(options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "config": {**_CONFIG, **(options.get("config") or {})}}


def make_figure(
    traces: Sequence[Any] = (),
    *,
    title: str,
    subtitle: str = "",
    height: int = 0,
    bars: int = 0,
    alt: str = "",
    legend: Mapping[str, Any] | None = None,
    **layout: Any,
) -> Chart:
    """Put traces into a figure of this style; so many horizontal `bars` give it a height."""
    text = escape_text(title)
    lines = textwrap.wrap(subtitle, 120)
    if lines:
        small = "<br>".join(map(escape_text, lines))
        text += f"<br><span style='font-size:12px;color:{GREY}'>{small}</span>"
    margin = {"l": 12, "r": 24, "t": 76, "b": 84 if legend is BELOW else 52, **layout.pop("margin", {})}
    more = 22 * max(0, len(lines) - 1)
    corner = {"x": 0, "xref": "container", "xanchor": "left", "y": 1, "yanchor": "top"}
    figure = Chart(list(traces))
    figure.update_layout(
        template="none",
        title={"text": text, "pad": {"l": 12, "t": 14}, **corner},
        font={"family": FONT, "size": 13, "color": "#222222"},
        paper_bgcolor="#ffffff",
        plot_bgcolor="#ffffff",
        height=(height or (170 + 34 * bars if bars else 360)) + more,
        margin={**margin, "t": margin["t"] + more},
        xaxis=style_axis(),
        yaxis=style_axis(**CATEGORIES) if bars else style_axis(),
        hoverlabel={"align": "left"},
        separators=".,",
        bargap=0.28,
        showlegend=legend is not None,
        legend=legend,
        meta={"alt": alt or f"{title}. {subtitle}".strip()},
        modebar={"remove": ["lasso2d", "select2d", "autoScale2d"]},
    )
    figure.update_layout(**layout)
    return figure


def make_subplots(
    plots: Sequence[tuple[str, Sequence[Any]]],
    *,
    height: int,
    columns: int = 3,
    gap: float = 0.07,
    **layout: Any,
) -> tuple[Chart, list[Cell]]:
    """Lay out subplots, a name and its traces each, `height` high, and say where they are."""
    columns = min(columns, len(plots))
    rows = -(-len(plots) // columns)
    total = 92 + rows * (height + 44)
    figure = make_figure(height=total, **layout)
    figure.set_subplots(
        rows,
        columns,
        horizontal_spacing=gap if columns > 1 else 0,
        vertical_spacing=min(0.9 / rows, 62 / (total - 128)) if rows > 1 else 0,
    )
    figure.update_xaxes(style_axis()).update_yaxes(style_axis())
    cells = [{"row": row, "col": column} for row in range(1, rows + 1) for column in range(1, columns + 1)]
    for (name, traces), cell in zip(plots, cells, strict=False):
        at = {"x": 0, "xref": "x domain", "y": 1, "yref": "y domain", "xanchor": "left", "yanchor": "bottom"}
        figure.add_annotation(text=name, yshift=6, showarrow=False, font={"size": 12}, **at, **cell)
        for trace in traces:
            figure.add_trace(trace, **cell)
    for cell in cells[len(plots) :]:
        figure.update_xaxes(visible=False, **cell).update_yaxes(visible=False, **cell)
    return figure, cells[: len(plots)]


def share_axes(figure: Chart, cells: Sequence[Cell], x: dict[str, Any], y: dict[str, Any]) -> None:
    """Give all subplots the same axes, and name them at the left and below only."""
    figure.update_xaxes(x).update_yaxes(y)
    for cell in cells:
        if {**cell, "row": cell["row"] + 1} in cells:
            figure.update_xaxes(title_text="", **cell)
        if cell["col"] > 1:
            figure.update_yaxes(title_text="", showticklabels=False, **cell)


def style_axis(title: str = "", **more: Any) -> dict[str, Any]:
    """Describe an axis of this style."""
    return {
        "gridcolor": "rgba(128,128,128,0.22)",
        "zeroline": False,
        "automargin": True,
        "separatethousands": True,
        "title": {"text": escape_text(title), "standoff": 8, "font": {"size": 12}},
        "tickfont": {"size": 12},
        "ticks": "",
        **more,
    }


def count_axis(most: float, title: str = "") -> dict[str, Any]:
    """Describe an axis of counts that begins at 0 and has ticks at whole numbers only."""
    whole = {"dtick": 1} if most < 8 else {}
    return style_axis(title, range=[0, most], tickformat=",.12~g", **whole)


def usd_axis(title: str = "US$", **more: Any) -> dict[str, Any]:
    """Describe an axis of US dollars."""
    return style_axis(title, tickformat="$,.10~g", rangemode="tozero", **more)


def empty_figure(title: str, reason: str) -> Chart:
    """Make a figure that says why there is nothing to draw."""
    corner = {"x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": "paper", "yanchor": "top"}
    figure = make_figure(title=title, height=112, alt=f"{title}: {reason}", margin={"t": 52, "b": 12})
    figure.add_annotation(text=escape_text(reason), showarrow=False, font={"size": 14}, **corner)
    figure.update_xaxes(visible=False).update_yaxes(visible=False)
    return figure


def escape_text(value: object) -> str:
    """Keep plotly from reading text of others as its HTML-like markup or as maths."""
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # plotly takes a label that begins and ends with $ for LaTeX; a zero-width space keeps it text.
    return text.replace("$", "$\u200b")


def shorten(value: object, most: int = 60) -> str:
    """Cut a label at `most` characters, with an ellipsis where something is left out."""
    return escape_text(one_line(value, most))


def percent(part: float, whole: float) -> str:
    """Write a share for a label: ``6.1 %``, ``<0.1 %``; empty where there is no whole."""
    if not whole:
        return ""
    share = 100 * part / whole
    if part and share < 0.1:
        return "<0.1 %"
    if part != whole and share > 99.9:
        return ">99.9 %"
    if share in (0, 100):
        return f"{share:.0f} %"
    return f"{share:.1f} %"


def mark_bars(words: str | Sequence[str]) -> dict[str, Any]:
    """Give bars, all or each of them, the colour and the pattern of what they mean."""

    def find(table: Mapping[str, str], default: str) -> str | list[str]:
        if isinstance(words, str):
            return table.get(words, default)
        return [table.get(word, default) for word in words]

    pattern = {"shape": find(_PATTERNS, ""), "fillmode": "overlay", "fgcolor": "rgba(255,255,255,0.55)"}
    return {"color": find(COLOURS, LIGHT), "pattern": {**pattern, "size": 6}, "line": {"width": 0}}
