"""The one style of all charts: colours by meaning, layout, subplots, labels, empty states."""

import json
import textwrap
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate, takewhile
from typing import Any

import plotly.graph_objects as go
from plotly.io import to_json

from bbkit.core.figures import describe, plain_text, read_table
from bbkit.core.masks import find_masks
from bbkit.core.panels import render
from bbkit.core.text import one_line, show_controls

# Okabe and Ito's palette, told apart in all three colour-vision deficiencies: https://jfly.uni-koeln.de/color/
GREEN, VERMILLION, ORANGE, PURPLE = "#009E73", "#D55E00", "#E69F00", "#CC79A7"
BLUE, SKY, GREY, LIGHT = "#0072B2", "#56B4E9", "#767676", "#BBBBBB"
OLIVE = "#8A7A00"
"""Their yellow, darker: the palette's own is hardly seen on white paper."""

INK = GREY
"""Read on white and on black paper alike: a figure's own paper is transparent."""

OUTCOMES = ["succeeded", "errored", "missing", "pending"]
VALIDITIES = ["valid", "off_schema", "several", "duplicate_key", "malformed", "no_json", "empty", "cut_off"]
VALIDITIES += ["refused"]
STOP_REASONS = ["stop", "tool_use", "length", "content_filter", "error", "cancelled", "other", "not reported"]
_MEANINGS = {
    GREEN: ("succeeded", "stop", "Completed", "valid"),
    VERMILLION: ("errored", "error", "Failed", "malformed"),
    ORANGE: ("length", "PartiallyCompleted", "cut_off"),
    PURPLE: ("content_filter", "Expired", "refused"),
    OLIVE: ("tool_use", "several"),
    BLUE: ("input", "InProgress", "off_schema"),
    SKY: ("output", "other", "no_json"),
    GREY: ("missing", "cancelled", "on demand", "Stopped", "duplicate_key"),
    LIGHT: ("pending", "not reported", "cache", "empty"),
}
COLOURS = {word: colour for colour, words in _MEANINGS.items() for word in words}
GROUPS = [BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, OLIVE]
GROUPS += ["#8073AC", "#A0522D", "#35978F", "#C51B7D", "#7FBC41"]
_HATCHED = {
    "/": ("errored", "length", "on demand", "cut_off", "malformed"),
    "x": ("missing", "error", "duplicate_key", "off_schema"),
    ".": ("content_filter", "pending", "refused", "empty"),
}
_PATTERNS = {word: shape for shape, words in _HATCHED.items() for word in words}

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

# plotly.js 4 offers a button that uploads the figure and its data: https://github.com/plotly/plotly.js/pull/7909
_CONFIG = {"showSendToCloud": False, "displaylogo": False, "responsive": True}

LEGEND: dict[str, Any] = {"traceorder": "normal", "font": {"size": 11}}
LEGEND |= {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"}
"""A legend in lines at the foot of the figure, where neither names nor plotly's buttons are."""

MOST_CHARACTERS = 200
"""A name is cut at this length wherever it is shown in full."""

_ROW, BAR, _LINE = 46, 0.42, 44
"""The height of a bar with its name above it, the part of it that is the bar, and the letters of a line."""

_PLOTLY, _MOST_BYTES = "application/vnd.plotly.v1+json", 15_000

_TITLE = {"pad": {"l": 12, "t": 14}, "x": 0, "xref": "container", "xanchor": "left", "y": 1, "yanchor": "top"}

Cell = dict[str, Any]
"""The row and column of a subplot, as plotly's own methods take them."""


class Chart(go.Figure):
    """A figure that, wherever it is shown or saved, has no button to upload its data."""

    def show(self, *args: Any, **options: Any) -> None:
        """Show it as plotly does, without the upload button, and as a table where no script runs."""
        bundle = {} if args or "renderer" in options else self._repr_mimebundle_(**options)
        if _PLOTLY in bundle:
            from IPython import display

            display.display(bundle, raw=True)  # type: ignore[no-untyped-call]
        else:
            super().show(*args, **_configured(options))

    def to_html(self, *args: Any, **options: Any) -> str:
        """Give it as HTML as plotly does, without the upload button."""
        return str(super().to_html(*args, **_configured(options)))

    def write_html(self, *args: Any, **options: Any) -> None:
        """Save it as HTML as plotly does, without the upload button."""
        super().write_html(*args, **_configured(options))

    def _repr_mimebundle_(self, *args: Any, **options: Any) -> dict[str, Any]:
        """What a notebook keeps: plotly's figure and, for whatever does not draw it, its values as HTML."""
        import plotly.io as pio

        if "plotly_mimetype" not in (pio.renderers.default or ""):
            return dict(super()._repr_mimebundle_(*args, **_configured(options)))
        # Older plotly adds its whole script to a notebook beside that renderer.
        renderer = type(pio.renderers["plotly_mimetype"])(config=_configured(options)["config"])
        bundle = dict(renderer.to_mimebundle(self.to_dict()))
        with suppress(AttributeError, IndexError, KeyError, TypeError, ValueError):  # others may change it
            bundle["text/html"] = _write_values(self.to_plotly_json())
        return bundle

    def _ipython_display_(self) -> None:
        import plotly.io as pio

        if pio.renderers.render_on_display and pio.renderers.default:
            self.show()
        else:
            print(repr(self))


def _write_values(figure: dict[str, Any]) -> str:
    """Write what a figure says and its values as HTML without a script, of at most 15 kB."""
    plain = json.loads(to_json(figure, validate=False))
    data, layout = plain["data"], plain["layout"]
    lines = map(plain_text, layout["title"]["text"].split("<br>"))
    texts = {"title": next(lines), "subtitle": " ".join(lines), "alt": describe(data, layout)}
    for most in (48, 36, 24, 12):
        written = render("figure", room="charts", table=read_table(data, layout, most), **texts)
        if len(written.encode()) <= _MOST_BYTES:
            break
    return written


def _configured(options: dict[str, Any]) -> dict[str, Any]:
    return {**options, "config": {**_CONFIG, **(options.get("config") or {})}}


def make_figure(
    traces: Sequence[Any] = (),
    *,
    title: str,
    subtitle: str = "",
    height: int = 360,
    names: Sequence[str] = (),
    places: Sequence[Any] | None = None,
    alt: str = "",
    legend: bool = False,
    **layout: Any,
) -> Chart:
    """Put traces into a figure of this style; the `names` of horizontal bars give it a height."""
    small, lines = "<span style='font-size:12px'>{}</span>", textwrap.wrap(subtitle, 120)
    head = [*map(escape_text, textwrap.wrap(title, 90)), *(small.format(escape_text(line)) for line in lines)]
    keys = sum(trace.showlegend is not False for trace in traces) if legend else 0
    more = 22 * max(0, len(head) - 2)
    upright, row = name_places(names, places) if names else (style_axis(), 0)
    own: dict[str, Any] = {
        "template": "none",
        "title": {"text": "<br>".join(head), **_TITLE},
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "height": (136 + row * len(names) if names else height) + more + 20 * -(-keys // 2),
        "margin": {"l": 12, "r": 24, "t": 76 + more, "b": 52},
        "xaxis": style_axis(),
        "yaxis": upright,
        "hoverlabel": {"align": "left", "namelength": -1},
        "separators": ".,",
        "bargap": 0.28,
        "showlegend": legend,
        "legend": LEGEND,
        "meta": {"alt": alt or f"{title}. {subtitle}".strip()},
        "modebar": {"remove": ["lasso2d", "select2d", "autoScale2d"], "bgcolor": "rgba(0,0,0,0)"},
    }
    for name, value in layout.items():
        own[name] = own[name] | value if isinstance(own.get(name), dict) else value
    # Made whole at once: plotly takes ten times as long to update a layout.
    return Chart(list(traces), own)


def follow(figure: Chart, name: str, draws: str, traces: Sequence[dict[str, Any] | None]) -> Chart:
    """Note in a figure which facets its traces count, so that a report can count and name it anew.

    `draws` is ``shares``, ``bars``, ``bins`` or ``cut``. Of a trace, `along` is the facet that its bars are
    places of, `bars` which ones, and `only` the places that rows must have in others.
    """
    figure.layout.meta = {
        **figure.layout.meta,
        "follows": {"name": name, "draws": draws, "traces": [*traces]},
    }
    return figure


def make_subplots(
    plots: Sequence[tuple[str, Sequence[Any]]],
    *,
    height: int,
    columns: int = 2,
    gap: float = 0.07,
    **layout: Any,
) -> tuple[Chart, list[Cell]]:
    """Lay out subplots, a name and its traces each, `height` high, and say where they are."""
    columns = min(columns, len(plots))
    rows = -(-len(plots) // columns)
    total = 92 + rows * (height + 44)
    figure = make_figure(height=total, **layout)
    figure.layout.margin.t += 14 * (columns > 1)
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
        lines = name if columns == 1 else escape_text(name).replace("  (n", "<br>(n")
        figure.add_annotation(
            text=lines, align="left", yshift=6, showarrow=False, font={"size": 12}, **at, **cell
        )
        for trace in traces:
            figure.add_trace(trace, **cell)
    for cell in cells[len(plots) :]:
        figure.update_xaxes(visible=False, **cell).update_yaxes(visible=False, **cell)
    return figure, cells[: len(plots)]


def share_axes(figure: Chart, cells: Sequence[Cell], x: dict[str, Any], y: dict[str, Any]) -> None:
    """Give all subplots the same axes, named at the left and below only, with few ticks side by side."""
    if any(cell["col"] > 1 for cell in cells):
        step = -(-len(x.get("tickvals") or [0]) // 3)
        x = {**x, "nticks": 3, **{key: x[key][::step] for key in ("tickvals", "ticktext") if key in x}}
    figure.update_xaxes(x).update_yaxes(y)
    for cell in cells:
        if {**cell, "row": cell["row"] + 1} in cells:
            figure.update_xaxes(title_text="", **cell)
        if cell["col"] > 1:
            figure.update_yaxes(title_text="", showticklabels=False, **cell)


def style_axis(title: str = "", **more: Any) -> dict[str, Any]:
    """Describe an axis of this style, with no more ticks than fit on a phone."""
    return {
        "gridcolor": "rgba(128,128,128,0.22)",
        "nticks": 6,
        "tickangle": 0,
        "ticklabelstandoff": 4,
        "zeroline": False,
        "automargin": True,
        "separatethousands": True,
        "title": {"text": escape_text(title), "standoff": 8, "font": {"size": 12}},
        "tickfont": {"size": 12},
        "ticks": "",
        **more,
    }


def name_places(names: Sequence[str], places: Sequence[Any] | None = None) -> tuple[dict[str, Any], int]:
    """Describe an upright axis of names, each above what it names, the first on top, and a row's height."""
    whole = [name.replace("(n = ", "(n\u00a0=\u00a0") for name in names]
    wrapped = [textwrap.wrap(name, max(_fit(name, _LINE), 8)) or [""] for name in whole]
    lines = max(map(len, wrapped))
    row = _ROW + 20 * (lines - 1)
    # A line more above one that is alone keeps it as near to its bar as the last of several.
    texts = ["<br>".join(["\u00a0"] * (lines - len(parts)) + [*map(escape_text, parts)]) for parts in wrapped]
    above = round(BAR / 2 + 9 * lines / row, 3)
    axis = style_axis(
        tickvals=[place - above for place in range(len(names))],
        ticktext=texts,
        range=[len(names) - 0.5, -0.78],
        showgrid=False,
        ticklabelposition="inside",
        ticklabeloverflow="allow",
        automargin=False,
    )
    return axis | ({"type": "category", "categoryarray": list(places)} if places else {}), row


def count_axis(most: float, title: str = "") -> dict[str, Any]:
    """Describe an axis of counts that begins at 0 and has ticks at whole numbers only."""
    whole = {"dtick": 1} if most < 8 else {}
    return style_axis(title, range=[0, most], tickformat=",.12~g", **whole)


def usd_axis(amounts: Sequence[float], title: str = "US$", **more: Any) -> dict[str, Any]:
    """Describe an axis of US dollars that holds 0 and these amounts."""
    # Beside names within a figure plotly must look for no range: it makes room for them, at times for ever.
    ends = [1.04 * min([0.0, *amounts]), 1.04 * max([0.0, *amounts])]
    return style_axis(
        title, **{"tickformat": "$,.10~g", "range": ends if any(ends) else [0, 1], "nticks": 4, **more}
    )


def empty_figure(title: str, reason: str) -> Chart:
    """Make a figure that says why there is nothing to draw."""
    corner = {"x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": "paper", "yanchor": "top"}
    lines = textwrap.wrap(reason, 54)
    height = 96 + 18 * len(lines)
    figure = make_figure(title=title, height=height, alt=f"{title}: {reason}", margin={"t": 52, "b": 12})
    text = "<br>".join(map(escape_text, lines))
    figure.add_annotation(text=text, align="left", showarrow=False, font={"size": 14}, **corner)
    figure.update_xaxes(visible=False).update_yaxes(visible=False)
    return figure


def escape_text(value: object) -> str:
    """Keep plotly from reading text of others as its HTML-like markup or as maths."""
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Plotly takes what is between two dollars for LaTeX, and %{x} for a value of its own.
    return text.replace("$", "&#36;").replace("%{", "&#37;{")


def shorten(value: object, most: int = 60) -> str:
    """Cut a label at `most` characters, with an ellipsis where something is left out."""
    return escape_text(one_line(value, most))


def tell_apart(names: Sequence[str], most: int = 30) -> list[str]:
    """Cut names to a width of about `most` letters, none like another: what differs stays."""
    lines = [one_line(show_controls(name), MOST_CHARACTERS) for name in names]
    # Half of what a report masks is not known for what it is: it stays whole.
    labels, head = [line if find_masks(line) else _cut(line, most) for line in lines], most // 3
    for label in [label for label, times in Counter(labels).items() if times > 1]:
        same = [place for place, other in enumerate(labels) if other == label != lines[place]]
        ends = [lines[place] for place in same] or [""]
        pairs = zip(min(ends), max(ends), strict=False)
        alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        for place in same:
            start = max(head, alike - head // 2)
            line = lines[place]
            labels[place] = f"{line[: _fit(line, head)]}…{_cut(line[start:], most - head - 1)}"
    seen: Counter[str] = Counter()
    for place, label in enumerate(labels):
        seen[label] += 1
        labels[place] += f" ({seen[label]})" if seen[label] > 1 else ""
    return labels


def _cut(text: str, most: float) -> str:
    return text if _fit(text, most) == len(text) else f"{text[: _fit(text, most - 1)]}…"


def _fit(text: str, most: float) -> int:
    """Count the first letters that take no more room than `most` common ones."""
    return bisect_right([*accumulate(map(_width, text))], most)


def _width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 2.0
    return 1.7 if letter in "MW@%" else 1.4 if letter.isupper() or letter in "mw" else 1.0


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


def mark_bars(word: str) -> dict[str, Any]:
    """Give bars the colour and the pattern of what they mean."""
    pattern = {"shape": _PATTERNS.get(word, ""), "fillmode": "overlay", "fgcolor": "rgba(255,255,255,0.55)"}
    return {"color": COLOURS.get(word, LIGHT), "pattern": {**pattern, "size": 6}}
