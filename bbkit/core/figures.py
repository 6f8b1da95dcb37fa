"""What a figure of plotly holds, as plain data: what it says of itself, and its values as a table."""

import base64
import html
import math
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

import numpy as np

from bbkit.core.text import one_line

_MOST_ROWS = 200
_WORDS = {"bar": "bar chart", "scatter": "line or point chart", "heatmap": "heat map", "box": "box plot"}
_DATA_KEYS = (
    "labels", "x", "base", "y", "values", "lowerfence", "q1", "median", "mean", "q3", "upperfence",
)  # fmt: skip


@dataclass(frozen=True)
class DataTable:
    """The values of a figure as rows of cells, each a text and whether it is a number."""

    columns: list[str]
    rows: list[list[tuple[str, bool]]]
    note: str
    shares: list[list[int | None]]
    """Of each cell with a length to draw, its percentage of the longest in its column."""


def plain_text(text: Any) -> str:
    """What is read of a text that may hold elements and entities."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", str(text or ""))).split())


def title_of(holder: Any) -> str:
    """The title of a layout, an axis or a colour bar, which is a text or holds one."""
    title = (holder or {}).get("title") or ""
    return plain_text(title.get("text") if isinstance(title, dict) else title)


def describe(data: list[dict[str, Any]], layout: dict[str, Any]) -> str:
    """A figure in words: its own, or which kind it is, its axes, series and marks."""
    given = layout.get("meta")
    if isinstance(given, dict) and given.get("alt"):
        return plain_text(given["alt"])
    title = title_of(layout) or "untitled"
    kinds = Counter(_WORDS.get(trace["type"], trace["type"]) for trace in data)
    kind = " and ".join(kinds) or "empty chart"
    names = [plain_text(trace["name"]) for trace in data if trace.get("name")]
    parts = [f"{kind.capitalize()}: {title}."]
    axes = [f"{axis}: {name}" for axis in ("x", "y") if (name := title_of(layout.get(f"{axis}axis")))]
    parts += [f"Axes: {', '.join(axes)}."] if axes else []
    parts += [f"Series: {', '.join(names[:8])}{' and more' if len(names) > 8 else ''}."] if names else []
    annotations = [note for note in layout.get("annotations") or [] if isinstance(note, dict)]
    marks = [mark for note in annotations if (mark := plain_text(note.get("text")))]
    parts += [f"Marked: {'; '.join(marks[:6])}."] if marks else []
    return one_line(" ".join(parts), 600)


def values_of(value: Any) -> list[Any]:
    """Return a list of plain values from a list or from plotly's encoded array."""
    if isinstance(value, dict) and "bdata" in value:
        try:
            flat = np.frombuffer(base64.b64decode(value["bdata"]), dtype=np.dtype(f"<{value['dtype']}"))
            shape = [int(part) for part in str(value.get("shape", flat.size)).split(",")]
            return list(flat.reshape(shape).tolist())
        except (KeyError, TypeError, ValueError):
            return []
    return value if isinstance(value, list) else []


def read_table(data: list[dict[str, Any]], layout: dict[str, Any], most: int = _MOST_ROWS) -> DataTable:
    """The values of a figure; of too many rows `most`, spread evenly."""
    grids = [trace for trace in data if values_of(trace.get("z"))]
    columns, rows = _grid_rows(grids[0], layout) if grids else _series_rows(data, layout)
    note = "" if rows else "This figure holds no values."
    if len(rows) > most:
        note = f"{most:,} of {len(rows):,} rows, spread evenly."
        rows = [rows[place * len(rows) // most] for place in range(most)]
    # Lengths to see: of series side by side each, otherwise the one that is measured.
    return DataTable(columns, [list(map(_cell, row)) for row in rows], note, _find_shares(columns, rows))


def _find_shares(columns: list[str], rows: list[list[Any]]) -> list[list[int | None]]:
    """Compare what was measured: columns side by side, or the last one with the others of its series."""
    sizes = [[abs(value) if _is_number(value) else 0 for value in row] for row in rows]
    numeric = [place for place in range(1, len(columns)) if any(row[place] for row in sizes)]
    has_series = columns[0] == "series"
    drawn = numeric[-1:] * (len(numeric) < 3) if has_series else numeric
    tops: dict[Any, float] = {}
    for row, size in zip(rows, sizes, strict=True):
        for place in drawn:
            key = place, has_series and row[0]
            tops[key] = max(tops.get(key, 0), size[place])
    return [
        [
            round(100 * size / tops[place, has_series and row[0]]) if size and place in drawn else None
            for place, size in enumerate(found)
        ]
        for row, found in zip(rows, sizes, strict=True)
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _cell(value: Any) -> tuple[str, bool]:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "–", True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return one_line(plain_text(value), 300), False
    is_whole = float(value).is_integer() and abs(value) < 1e15
    return (f"{int(value):,}" if is_whole else f"{value:,.4g}"), True


def _grid_rows(trace: dict[str, Any], layout: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    x, y, grid, named = (values_of(trace.get(key)) for key in ("x", "y", "z", "customdata"))
    is_named = all(
        len(pair) == 2 and isinstance(pair[0], str)
        for line in named
        for pair in map(values_of, values_of(line))
    )
    rows = [
        [
            *(named[i][j] if named and is_named else [x[j] if j < len(x) else j, y[i] if i < len(y) else i]),
            value,
        ]
        for i, line in enumerate(grid)
        for j, value in enumerate(line if isinstance(line, list) else [line])
        if value not in (None, 0)
    ]
    scale = trace.get("colorbar") or (layout.get("coloraxis") or {}).get("colorbar")
    return [*_name_axes([trace], layout).values(), title_of(scale) or "value"], rows


def _name_axes(data: list[dict[str, Any]], layout: dict[str, Any]) -> dict[str, str]:
    """The titles of the axes, of several subplots each of them once."""
    names = {}
    for key in "xy":
        axes = [_axis_of(trace, key, layout) for trace in data]
        other = "name" if any(axis.get("ticktext") and not title_of(axis) for axis in axes) else key
        names[key] = " or ".join(dict.fromkeys(filter(None, map(title_of, axes)))) or other
    return names


def _axis_of(trace: dict[str, Any], key: str, layout: dict[str, Any]) -> dict[str, Any]:
    return layout.get(f"{key}axis{str(trace.get(f'{key}axis') or '')[1:]}") or {}


def _name_points(trace: dict[str, Any], columns: dict[str, list[Any]], layout: dict[str, Any]) -> None:
    """Put names in the place of positions: a trace's own, otherwise those its axis shows."""
    is_upright = values_of(_axis_of(trace, "y", layout).get("ticktext"))
    along = "y" if is_upright or trace.get("orientation") == "h" else "x"
    places, own = columns.get(along, []), values_of(trace.get("customdata"))
    if not all(map(_is_number, places)):
        return
    axis = _axis_of(trace, along, layout)
    ticks = zip(values_of(axis.get("tickvals")), values_of(axis.get("ticktext")), strict=False)
    shown = {
        math.ceil(place) if _is_number(place) else place: name for place, name in ticks
    }  # or just above it
    if len(own) == len(places) and all(isinstance(name, str) for name in own):
        columns[along] = own
    elif shown.keys() >= {*places}:
        columns[along] = [shown[place] for place in places]
    with suppress(KeyError, TypeError, ValueError):  # a bar of time is as long as it has milliseconds
        starts = map(datetime.fromisoformat, columns["base"])
        spans = [timedelta(milliseconds=length) for length in columns["x"]]
        columns["x"] = [
            f"{start + span:%Y-%m-%d %H:%M:%S}" for start, span in zip(starts, spans, strict=True)
        ]


def _series_rows(data: list[dict[str, Any]], layout: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    series, names = [], _name_axes(data, layout)
    for number, trace in enumerate(data, start=1):
        columns = {key: values for key in _DATA_KEYS if (values := values_of(trace.get(key)))}
        if columns:
            _name_points(trace, columns, layout)
            full = values_of(trace.get("meta"))
            name = plain_text(full[0] if len(full) == 1 and isinstance(full[0], str) else trace.get("name"))
            series.append((name or f"series {number}", trace, columns))
    keys = [key for key in _DATA_KEYS if any(key in columns for _, _, columns in series)]
    if keys == ["x", "y"] and (pivot := _pivot(series, names)):
        return pivot
    rows = []
    for name, _, columns in series:
        rows += [[name, *values] for values in zip_longest(*(columns.get(key, []) for key in keys))]
    return ["series", *(names.get(key, key) for key in keys)], rows


def _pivot(series: list[Any], names: dict[str, str]) -> tuple[list[str], list[list[Any]]] | None:
    """Put series that share their positions side by side, one column each."""
    key, value = ("y", "x") if series[0][1].get("orientation") == "h" else ("x", "y")
    positions = series[0][2].get(key, [])
    if any(
        columns.get(key) != positions or len(columns.get(value, [])) != len(positions)
        for *_, columns in series
    ):
        return None
    heads = [name for name, *_ in series] if len(series) > 1 else [names[value]]
    listed = zip(positions, *(columns[value] for *_, columns in series), strict=True)
    return [names[key], *heads], [list(row) for row in listed]
