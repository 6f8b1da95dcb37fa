"""Plotly figures of a notebook made ready for a page: bounded, without links, described, with their data."""

import base64
import copy
import gzip
import html
import importlib.util
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import nh3
import numpy as np

from bbkit.report.masking import Masker, is_time, shorten
from bbkit.report.numbers import replace_nan
from bbkit.report.sanitizing import clean_declarations

PLOTLY = "application/vnd.plotly.v1+json"

_MOST_ROWS = 200
_ONLINE = {"choropleth", "scattergeo", "choroplethmap", "densitymap", "scattermap"}
_ONLINE |= {"choroplethmapbox", "densitymapbox", "scattermapbox"}
_VECTOR = {"scattergl": "scatter", "scatterpolargl": "scatterpolar", "heatmapgl": "heatmap"}
_WORDS = {"bar": "bar chart", "scatter": "line or point chart", "heatmap": "heat map", "box": "box plot"}
_DATA_KEYS = (
    "labels", "x", "base", "y", "values", "lowerfence", "q1", "median", "mean", "q3", "upperfence",
)  # fmt: skip
# Where numbers may be ids: what names things and, of the axes, those along which things stand.
_IDENTIFIABLE = {
    "x", "y", "labels", "ids", "parents", "locations", "text", "hovertext", "customdata", "label", "meta",
    "ticktext",
}  # fmt: skip
_ALONG = dict.fromkeys(("bar", "box", "violin", "histogram", "waterfall", "funnel"), "x") | {"heatmap": "xy"}
_TEXTS = {"text", "hovertext", "label", "name"}
_SENTINELS = 100
_NAMED = re.compile(r"([^=<>{}]+)=%\{(\w+(?:\[[0-9]+\])?)")
_PATH = re.compile(r"[MLHVCSQTAZ0-9eE.,\s+-]*")
_ENCODED = ("dtype", "bdata", "shape")
_IDENTIFIER = re.compile(
    r"(?i)(?:(?<![a-z])|_)(?:ids?|accounts?|cards?|iban|customers?|clients?|callers?|members?|msisdn|phone\w*|mobile)"
    r"(?![a-z])"
)


_MARKUP = re.compile(r"(?i)<(?:(/?(?:br|b|strong|i|em|sub|sup|s|u|span|extra)\b)([^<>]*)>)?")
_TEXT_PROPERTIES = {"color", "font-size", "font-weight", "font-style", "text-decoration"}


@dataclass(frozen=True)
class DataTable:
    """The values of a figure as rows of cells, each a text and whether it is a number."""

    columns: list[str]
    rows: list[list[tuple[str, bool]]]
    note: str


@dataclass(frozen=True)
class Figure:
    """One figure as the page needs it."""

    number: int
    spec: str
    title: str
    subtitle: str
    alt: str
    table: DataTable
    height: int
    needs_network: bool
    dropped: Counter[str]


def build_figure(bundle: dict[str, Any], number: int, masker: Masker) -> Figure:
    dropped: Counter[str] = Counter()
    data = [trace for trace in bundle.get("data") or [] if isinstance(trace, dict)]
    layout = copy.deepcopy(bundle.get("layout") or {})
    layout["template"] = _bound_template(layout.get("template"))
    data, layout = _contain([data, layout], dropped)
    if masker.enabled:
        data, layout = _mask([data, layout], masker, _label_identifiers(data, layout, masker))
    for trace in data:
        trace["type"] = _VECTOR.get(trace.get("type", "scatter"), trace.get("type", "scatter"))
    alt = _alt(data, layout)
    table = _table(data, layout)
    title, subtitle, height = _take_title(layout)
    drawn = replace_nan({"data": data, "layout": layout})
    spec = json.dumps(drawn, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    spec = re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", spec)  # it stands in a script
    needs_network = any(trace["type"] in _ONLINE for trace in data)
    return Figure(number, spec, title, subtitle, alt, table, height, needs_network, dropped)


@cache
def pack_plotly() -> str:
    """Return plotly.js as it comes with the installed plotly, as base64 of gzip."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("plotly is not installed, so a report has nothing to draw its figures with")
    script = Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
    return base64.b64encode(gzip.compress(script.read_bytes(), 9, mtime=0)).decode("ascii")


def _label_identifiers(data: list[Any], layout: dict[str, Any], masker: Masker) -> dict[float | str, str]:
    """Give the numbers of a figure that are ids their labels; an axis of ids becomes one of categories."""
    labels: dict[float | str, str] = {}
    legend = {"name": [trace.get("name") for trace in data], "label": _title(layout.get("legend"))}
    for trace in (*data, layout, {"within": legend}):
        for key, named, column in _list_columns(trace):
            axis = layout.get(f"{key}axis{str(trace.get(f'{key}axis', ''))[1:]}") or {}
            about = (_title(axis) if key in ("x", "y") else "") or named
            numbers = {item for item in column if isinstance(item, int | float) and math.isfinite(item)}
            texts = {number: str(int(number)) for number in sorted(numbers)}
            if key in ("x", "y") and not _stands_along(trace, key, axis):
                continue
            if any(number != int(number) for number in numbers):
                continue
            ids = {n: text for n, text in texts.items() if masker.knows(text, about)}
            # 0, -1 and the like stand for what is not known, and a few numbers are mistyped.
            if 2 * len(ids) > sum(abs(number) >= _SENTINELS for number in numbers):
                labels |= {n: masker.label(text, masker.text(text, about)) for n, text in ids.items()}
                if ids and axis:
                    axis.update(type="category", range=None, tick0=None, dtick=None)
            named_texts = {item for item in column if isinstance(item, str) and masker.names(about)}
            labels |= {t: masker.label(t, masker.text(t, about)) for t in sorted(named_texts)}
    return labels


def _stands_along(trace: dict[str, Any], key: str, axis: dict[str, Any]) -> bool:
    """Whether an axis says of what the values are, and not how many."""
    along = _ALONG.get(trace.get("type", "scatter"), "")
    lies = "h" if trace.get("type") == "funnel" and "x" in trace else "v"
    along = "y" if along == "x" and trace.get("orientation", lies) == "h" else along
    return key in along or axis.get("type") == "category" or bool(_IDENTIFIER.search(_title(axis)))


def _list_columns(
    part: dict[str, Any], within: bool = False, heads: Sequence[Any] = ()
) -> Iterator[tuple[str, str, list[Any]]]:
    """The columns of a trace, and of the parts within it, whose numbers may be ids, and their names."""
    names = {path: name for name, path in _NAMED.findall(str(part.get("hovertemplate") or ""))}
    header = part.get("header")
    below = _values(header.get("values")) if isinstance(header, dict) else []
    for key, value in part.items():
        values = _values(value) if key in _IDENTIFIABLE or (within and key in ("values", "name")) else []
        is_table = bool(values) and isinstance(values[0], list)
        rows = [row if isinstance(row, list) else [row] for row in values]
        columns = rows if is_table and key == "values" else zip_longest(*rows)
        for number, column in enumerate(columns):
            head = heads[number] if number < len(heads) else part.get("label") if within else ""
            yield key, names.get(f"{key}[{number}]") or names.get(key) or _plain(head), list(column)
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict) and "bdata" not in inner:
                yield from _list_columns(inner, within=True, heads=below)


def _mask(value: Any, masker: Masker, labels: dict[float | str, str], key: str = "") -> Any:
    """Mask the texts of a figure; those that name something, such as categories, stay apart."""
    if isinstance(value, dict) and (values := _values(value)):
        masked = _mask(values, masker, labels)
        return {name: value[name] for name in _ENCODED if name in value} if masked == values else masked
    if isinstance(value, dict):
        names = {name: masker.label(name, masker.text(name)) for name in value}
        return {names[name]: _mask(item, masker, labels, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_mask(item, masker, labels) for item in value]
    if (isinstance(value, int | float) and key not in _TEXTS) or (isinstance(value, str) and value in labels):
        return labels.get(value, value)
    text = "" if value is None or (key == "path" and _PATH.fullmatch(str(value))) else str(value)
    masked = text if is_time(text) else masker.markup(text)
    if masked == text:
        return value
    return masker.label(text, masked) if key in ("", "name", "legendgroup") else masked


def _contain(value: Any, dropped: Counter[str], key: str = "") -> Any:
    """Leave out what would reach outside: images that are not in the figure, also by a button, and markup."""
    if key in ("args", "args2") and re.search(r"source['\"]", str(value)):
        dropped["outside image"] += 1
        return [{}]
    if isinstance(value, dict):
        return {name: _contain(item, dropped, str(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_contain(item, dropped) for item in value]
    if not isinstance(value, str):
        return value
    if key == "source" and not value.startswith("data:image/"):
        dropped["outside image"] += 1
        return ""
    return _keep_markup(value, dropped) if "<" in value else value


def _keep_markup(text: str, dropped: Counter[str]) -> str:
    """Keep elements of plotly's texts and harmless styles; other brackets are characters, also in parts."""

    def keep(found: re.Match[str]) -> str:
        attributes = found[2] or ""
        wanted = ";".join(re.findall(r"(?i)\bstyle\s*=\s*[\"']([^\"']*)", attributes))
        style = clean_declarations(wanted, _TEXT_PROPERTIES)
        kept = attributes.count("=") == bool(style) and style.count(":") == wanted.count(":")
        dropped["figure attribute"] += not kept
        styled = f' style="{style}"' if style else ""
        return f"<{found[1]}{styled}>" if found[1] else "&lt;"

    text, links = re.subn(r"(?i)</?a\b[^>]*>?", "", text)
    dropped["figure link"] += (links + 1) // 2
    return _MARKUP.sub(keep, text)


def _bound_template(template: Any) -> dict[str, Any]:
    """Drop plotly's own default template (6.5 kB in every figure); the page has one of its own."""
    if not isinstance(template, dict) or not isinstance(template.get("layout"), dict):
        return {}
    is_default = (template["layout"].get("colorway") or [""])[0] == "#636efa"
    return {} if is_default else template


def _take_title(layout: dict[str, Any]) -> tuple[str, str, int]:
    title = layout.pop("title", None)
    title = {"text": title} if isinstance(title, str) else title or {}
    first, *below = re.split(r"(?i)<br\s*/?>", str(title.get("text") or ""), maxsplit=1)
    subtitle = title.get("subtitle") or {}
    below.append(str(subtitle.get("text") or ""))
    margin = layout.setdefault("margin", {})
    room = 50 + 22 * max(0, len(re.findall(r"(?i)<br", below[0])) if below else 0)
    margin["t"] = max(16, int(margin.get("t", 60)) - room) if first else margin.get("t", 24)
    for key in ("width", "autosize"):
        layout.pop(key, None)
    height = layout.get("height")
    height = int(height) if isinstance(height, int | float) and 80 <= height <= 3000 else 400
    layout["height"] = height = max(100, height - room) if first else height
    return _inline(first), _inline(" ".join(filter(None, below))), height


def _inline(text: str) -> str:
    return nh3.clean(text, tags={"b", "i", "em", "strong", "br"}, attributes={}).strip()


def _plain(text: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", str(text or ""))).split())


def _title(holder: Any) -> str:
    """The title of a layout, an axis or a colour bar, which is a text or holds one."""
    title = (holder or {}).get("title") or ""
    return _plain(title.get("text") if isinstance(title, dict) else title)


def _alt(data: list[dict[str, Any]], layout: dict[str, Any]) -> str:
    given = layout.get("meta")
    if isinstance(given, dict) and given.get("alt"):
        return _plain(given["alt"])
    title = _title(layout) or "untitled"
    kinds = Counter(_WORDS.get(trace["type"], trace["type"]) for trace in data)
    kind = " and ".join(kinds) or "empty chart"
    names = [_plain(trace["name"]) for trace in data if trace.get("name")]
    parts = [f"{kind.capitalize()}: {title}."]
    axes = [f"{axis}: {name}" for axis in ("x", "y") if (name := _title(layout.get(f"{axis}axis")))]
    parts += [f"Axes: {', '.join(axes)}."] if axes else []
    parts += [f"Series: {', '.join(names[:8])}{' and more' if len(names) > 8 else ''}."] if names else []
    annotations = [note for note in layout.get("annotations") or [] if isinstance(note, dict)]
    marks = [mark for note in annotations if (mark := _plain(note.get("text")))]
    parts += [f"Marked: {'; '.join(marks[:6])}."] if marks else []
    return shorten(" ".join(parts), 600)


def _values(value: Any) -> list[Any]:
    """Return a list of plain values from a list or from plotly's encoded array."""
    if isinstance(value, dict) and "bdata" in value:
        try:
            flat = np.frombuffer(base64.b64decode(value["bdata"]), dtype=np.dtype(f"<{value['dtype']}"))
            shape = [int(part) for part in str(value.get("shape", flat.size)).split(",")]
            return list(flat.reshape(shape).tolist())
        except (KeyError, TypeError, ValueError):
            return []
    return value if isinstance(value, list) else []


def _table(data: list[dict[str, Any]], layout: dict[str, Any]) -> DataTable:
    names = {"x": _title(layout.get("xaxis")) or "x", "y": _title(layout.get("yaxis")) or "y"}
    grids = [trace for trace in data if _values(trace.get("z"))]
    columns, rows = _grid_rows(grids[0], names) if grids else _series_rows(data, names)
    note = "" if rows else "This figure holds no values."
    if len(rows) > _MOST_ROWS:
        note = f"The first {_MOST_ROWS:,} of {len(rows):,} rows."
    return DataTable(columns, [list(map(_cell, row)) for row in rows[:_MOST_ROWS]], note)


def _cell(value: Any) -> tuple[str, bool]:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "–", True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return shorten(_plain(value), 300), False
    is_whole = float(value).is_integer() and abs(value) < 1e15
    return (f"{int(value):,}" if is_whole else f"{value:,.4g}"), True


def _grid_rows(trace: dict[str, Any], names: dict[str, str]) -> tuple[list[str], list[list[Any]]]:
    x, y, grid = (_values(trace.get(key)) for key in ("x", "y", "z"))
    rows = [
        [x[j] if j < len(x) else j, y[i] if i < len(y) else i, value]
        for i, line in enumerate(grid)
        for j, value in enumerate(line if isinstance(line, list) else [line])
        if value not in (None, 0)
    ]
    return [names["x"], names["y"], _title(trace.get("colorbar")) or "value"], rows


def _series_rows(data: list[dict[str, Any]], names: dict[str, str]) -> tuple[list[str], list[list[Any]]]:
    series = []
    for number, trace in enumerate(data, start=1):
        columns = {key: values for key in _DATA_KEYS if (values := _values(trace.get(key)))}
        if columns:
            series.append((_plain(trace.get("name")) or f"series {number}", trace, columns))
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
