"""The one look of all charts: colours by meaning, layout, number formats, empty states."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.errors import InputError

# Okabe and Ito's palette, told apart in all three colour-vision deficiencies: https://jfly.uni-koeln.de/color/
GREEN, VERMILLION, ORANGE, PURPLE = "#009E73", "#D55E00", "#E69F00", "#CC79A7"
BLUE, SKY, YELLOW, GREY, LIGHT = "#0072B2", "#56B4E9", "#F0E442", "#767676", "#BBBBBB"

OUTCOMES = {"succeeded": GREEN, "errored": VERMILLION, "missing": GREY, "pending": LIGHT}
STOP_REASONS = {
    "stop": GREEN,
    "tool_use": YELLOW,
    "length": ORANGE,
    "content_filter": PURPLE,
    "error": VERMILLION,
    "cancelled": GREY,
    "other": SKY,
    "not reported": LIGHT,
}
TOKENS = {"input": BLUE, "output": SKY, "cache read": LIGHT, "cache write": GREY}
PATTERNS = {
    "errored": "/",
    "missing": "x",
    "length": "/",
    "error": "x",
    "content_filter": ".",
    "pending": ".",
}
STATUSES = {
    "Completed": GREEN,
    "PartiallyCompleted": ORANGE,
    "Failed": VERMILLION,
    "Expired": PURPLE,
    "Stopped": GREY,
    "InProgress": BLUE,
}

MOST_GROUPS = 12
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def make_figure(
    traces: Sequence[Any],
    *,
    title: str,
    subtitle: str = "",
    x: str = "",
    y: str = "",
    height: int = 360,
    alt: str = "",
    **layout: Any,
) -> go.Figure:
    """Put traces into a figure of the house's look.

    Parameters
    ----------
    traces : sequence of plotly traces
        What to draw.
    title, subtitle : str
        What it shows, and of how many; plain text.
    x, y : str
        Axis titles with their unit.
    height : int
        Pixels.
    alt : str
        A sentence for who cannot see it; kept in ``layout.meta``.
    **layout
        More of plotly's layout.

    Returns
    -------
    plotly.graph_objects.Figure
        With transparent colours left to the page: only marks carry colour.
    """
    text = escape_text(title)
    if subtitle:
        text += f"<br><span style='font-size:12px;color:{GREY}'>{escape_text(subtitle)}</span>"
    axis = {
        "gridcolor": "rgba(128,128,128,0.22)",
        "zeroline": False,
        "automargin": True,
        "separatethousands": True,
        "title": {"standoff": 8},
    }
    figure = go.Figure(list(traces))
    figure.update_layout(
        template="none",
        title={
            "text": text,
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "pad": {"l": 12, "t": 14},
        },
        font={"family": FONT, "size": 13, "color": "#222222"},
        paper_bgcolor="#ffffff",
        plot_bgcolor="#ffffff",
        height=height,
        margin={"l": 12, "r": 24, "t": 76, "b": 56, "autoexpand": True},
        xaxis={**axis, "title": {"text": escape_text(x), "standoff": 8}},
        yaxis={**axis, "title": {"text": escape_text(y), "standoff": 8}},
        hoverlabel={"align": "left"},
        separators=".,",
        bargap=0.28,
        meta={"alt": alt or f"{title}. {subtitle}".strip()},
        modebar={"remove": ["lasso2d", "select2d", "autoScale2d"]},
    )
    return figure.update_layout(**layout)


def empty_figure(title: str, reason: str) -> go.Figure:
    """Make a figure that says why there is nothing to draw.

    Parameters
    ----------
    title : str
        What it would have shown.
    reason : str
        One sentence.

    Returns
    -------
    plotly.graph_objects.Figure
        Without axes, with the reason as its text.
    """
    note = {
        "text": escape_text(reason),
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": 0.6,
        "xanchor": "left",
        "font": {"size": 14, "color": GREY},
    }
    hidden = {"visible": False}
    return make_figure([], title=title, height=160, alt=f"{title}: {reason}").update_layout(
        annotations=[note], xaxis=hidden, yaxis=hidden
    )


def escape_text(value: object) -> str:
    """Keep plotly from reading text of others as its HTML-like markup or as maths.

    Parameters
    ----------
    value : object
        Text of a model, a source or a service.

    Returns
    -------
    str
        The same text to look at, as plotly draws it.
    """
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # plotly takes a label that begins and ends with $ for LaTeX; a zero-width space keeps it text.
    return text.replace("$", "$\u200b")


def shorten(value: object, most: int = 60) -> str:
    """Cut a label at `most` characters, with an ellipsis where something is left out.

    Parameters
    ----------
    value : object
        The label.
    most : int
        Characters to keep.

    Returns
    -------
    str
        The escaped label.
    """
    text = " ".join(str(value).split())
    return escape_text(text if len(text) <= most else text[: most - 1] + "…")


def percent(part: float, whole: float) -> str:
    """Write a share for a label: ``6.1 %``, ``<0.1 %``; empty where there is no whole.

    Parameters
    ----------
    part, whole : float
        Counts.

    Returns
    -------
    str
        One decimal below 99.95 %, so that 100 % means all.
    """
    if not whole:
        return ""
    share = 100 * part / whole
    if part and share < 0.1:
        return "<0.1 %"
    if part != whole and share > 99.9:
        return ">99.9 %"
    return f"{share:.1f} %" if part != whole else "100 %"


def find_column(frame: pd.DataFrame, by: str | None) -> str | None:
    """Find the column to group by: its own name, or that of a source column.

    Parameters
    ----------
    frame : pandas.DataFrame
        The tidy frame.
    by : str, optional
        ``queue`` also finds ``source.queue``; empty or None is no grouping.

    Returns
    -------
    str or None
        The column's name in the frame.

    Raises
    ------
    bbkit.errors.InputError
        The frame has no such column.
    """
    if not by:
        return None
    for name in (by, f"source.{by}"):
        if name in frame.columns:
            return name
    known = ", ".join(str(name).removeprefix("source.") for name in frame.columns)
    raise InputError(
        f"No column {by!r} to group by; there are {known}. "
        "Pass source_columns= to collect_outputs to bring columns of the source along."
    )


def split_groups(frame: pd.DataFrame, column: str) -> tuple[pd.Series, list[Hashable]]:
    """Name the group of each row, the largest groups by themselves and the rest as one.

    Parameters
    ----------
    frame : pandas.DataFrame
        The tidy frame.
    column : str
        The column to group by.

    Returns
    -------
    labels : pandas.Series of str
        The group's name, one per row; an absent value is ``not known``.
    order : list of str
        The names, the largest group first.
    """
    values = frame[column].astype("string").fillna("not known")
    counts = values.value_counts()
    if len(counts) <= MOST_GROUPS:
        return values, list(counts.index)
    kept = list(counts.index[: MOST_GROUPS - 1])
    rest = f"{len(counts) - len(kept):,} others"
    return values.where(values.isin(kept), rest), [*kept, rest]


def share_bars(
    table: pd.DataFrame,
    colours: Mapping[str, str],
    *,
    names: Sequence[Hashable],
    words: pd.DataFrame | None = None,
) -> list[go.Bar]:
    """Draw one 100 % bar per row of a table of counts, one colour per column.

    Parameters
    ----------
    table : pandas.DataFrame
        Counts; rows are groups, columns the parts.
    colours : mapping of str to str
        Column name to colour.
    names : sequence
        Labels of the rows, in the order from top to bottom.
    words : pandas.DataFrame, optional
        More text for the hover, of the same shape.

    Returns
    -------
    list of plotly.graph_objects.Bar
        One trace per column that holds anything.
    """
    totals = table.sum(axis=1).to_numpy(dtype=float)
    bars = []
    for column in table.columns:
        counts = table[column].to_numpy(dtype=float)
        if not counts.sum():
            continue
        shares = np.divide(100 * counts, totals, out=np.zeros_like(counts), where=totals > 0)
        labels = [
            percent(count, total) if share >= 6 else ""
            for count, total, share in zip(counts, totals, shares, strict=True)
        ]
        more = words[column].tolist() if words is not None else [""] * len(table)
        hover = [
            f"{int(count):,} of {int(total):,} ({percent(count, total)}){text}"
            for count, total, text in zip(counts, totals, more, strict=True)
        ]
        bars.append(
            go.Bar(
                name=escape_text(column),
                y=list(names),
                x=shares.round(4).tolist(),
                orientation="h",
                marker={
                    "color": colours.get(str(column), LIGHT),
                    "pattern": {
                        "shape": PATTERNS.get(str(column), ""),
                        "fillmode": "overlay",
                        "fgcolor": "rgba(255,255,255,0.55)",
                        "size": 6,
                    },
                    "line": {"width": 0},
                },
                text=labels,
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                hovertext=hover,
                hovertemplate="<b>%{fullData.name}</b>, %{y}<br>%{hovertext}<extra></extra>",
            )
        )
    return bars
