"""Plotly figures of a notebook made ready for a page: bounded, without links, described, with their data."""

import base64
import copy
import gzip
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

from bbkit.core.figures import DataTable, describe, plain_text, read_table, title_of, values_of
from bbkit.report.masking import Masker, is_time
from bbkit.report.numbers import replace_nan
from bbkit.report.sanitizing import clean_declarations

PLOTLY = "application/vnd.plotly.v1+json"

_ONLINE = {"choropleth", "scattergeo", "choroplethmap", "densitymap", "scattermap"}
_ONLINE |= {"choroplethmapbox", "densitymapbox", "scattermapbox"}
_VECTOR = {"scattergl": "scatter", "scatterpolargl": "scatterpolar", "heatmapgl": "heatmap"}
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
    alt = describe(data, layout)
    table = read_table(data, layout)
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
    legend = {"name": [trace.get("name") for trace in data], "label": title_of(layout.get("legend"))}
    for trace in (*data, layout, {"within": legend}):
        for key, named, column in _list_columns(trace):
            axis = layout.get(f"{key}axis{str(trace.get(f'{key}axis', ''))[1:]}") or {}
            about = (title_of(axis) if key in ("x", "y") else "") or named
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
    return key in along or axis.get("type") == "category" or bool(_IDENTIFIER.search(title_of(axis)))


def _list_columns(
    part: dict[str, Any], within: bool = False, heads: Sequence[Any] = ()
) -> Iterator[tuple[str, str, list[Any]]]:
    """The columns of a trace, and of the parts within it, whose numbers may be ids, and their names."""
    names = {path: name for name, path in _NAMED.findall(str(part.get("hovertemplate") or ""))}
    header = part.get("header")
    below = values_of(header.get("values")) if isinstance(header, dict) else []
    for key, value in part.items():
        values = values_of(value) if key in _IDENTIFIABLE or (within and key in ("values", "name")) else []
        is_table = bool(values) and isinstance(values[0], list)
        rows = [row if isinstance(row, list) else [row] for row in values]
        columns = rows if is_table and key == "values" else zip_longest(*rows)
        for number, column in enumerate(columns):
            head = heads[number] if number < len(heads) else part.get("label") if within else ""
            yield key, names.get(f"{key}[{number}]") or names.get(key) or plain_text(head), list(column)
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict) and "bdata" not in inner:
                yield from _list_columns(inner, within=True, heads=below)


def _mask(value: Any, masker: Masker, labels: dict[float | str, str], key: str = "") -> Any:
    """Mask the texts of a figure; those that name something, such as categories, stay apart."""
    if isinstance(value, dict) and (values := values_of(value)):
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
