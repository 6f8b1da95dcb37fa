"""HTML from outputs and Markdown made safe to put in a page, with a count of what had to go."""

import html
import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

import nh3
import tinycss2

from bbkit.report.masking import FULL, Limits, Masker
from bbkit.report.writing import HtmlWriter

MOST_HTML = 5_000_000
"""Characters of HTML in one output above which it is left out; larger ones take a browser seconds to open."""

# fmt: off
_TEXT_TAGS = {
    "a", "abbr", "b", "bdi", "br", "cite", "code", "del", "dfn", "em", "i", "ins", "kbd", "mark", "q",
    "s", "samp", "small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr",
}
_BLOCK_TAGS = {
    "blockquote", "dd", "details", "div", "dl", "dt", "figcaption", "figure", "h1", "h2", "h3", "h4",
    "h5", "h6", "hr", "img", "li", "meter", "ol", "p", "pre", "progress", "summary", "ul",
}
_TABLE_TAGS = {
    "caption", "col", "colgroup", "table", "tbody", "td", "tfoot", "th", "thead", "tr",
}
# fmt: on
_ACTIVE = {
    "script": "script",
    "iframe": "frame",
    "frame": "frame",
    "object": "embedded object",
    "embed": "embedded object",
    "applet": "embedded object",
    "form": "form",
    "button": "control",
    "input": "control",
    "select": "control",
    "textarea": "control",
    "svg": "inline drawing",
    "math": "inline formula",
    "video": "media player",
    "audio": "media player",
    "canvas": "canvas",
    "base": "page setting",
    "meta": "page setting",
    "link": "page setting",
}
_CONTENT_GONE = {
    "script",
    "style",
    "iframe",
    "object",
    "embed",
    "applet",
    "svg",
    "math",
    "noscript",
    "template",
}
_ATTRIBUTES = {
    "*": {"class", "id", "title", "dir", "lang", "style", "aria-label"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "col": {"span"},
    "colgroup": {"span"},
    "ol": {"start"},
    "details": {"open"},
    "progress": {"value", "max"},
    "meter": {"value", "min", "max", "low", "high", "optimum"},
    "time": {"datetime"},
}
_PROPERTIES = {
    "color",
    "background-color",
    "font-weight",
    "font-style",
    "text-align",
    "text-decoration",
    "white-space",
    "width",
    "max-width",
}
_SHEET_PROPERTIES = _PROPERTIES | {"background", "border-bottom", "border-top", "opacity"}


@dataclass
class Cleaned:
    """Safe HTML, what was dropped from it by kind, and how much was shortened."""

    html: str
    dropped: Counter[str] = field(default_factory=Counter)
    shortened: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to see."""
        return not re.sub(r"<(?!img)[^>]*>", "", self.html).strip()


def slug(text: str) -> str:
    """Return the id of a heading with this text."""
    return "s-" + (re.sub(r"[^\w]+", "-", html.unescape(text).lower()).strip("-") or "section")


def clean_html(source: str, masker: Masker, limits: Limits = FULL) -> Cleaned:
    """Keep the tables and text of some HTML, drop everything that could act, mask and shorten its texts.

    Scripts, handlers, frames, forms, `javascript:` links and images from elsewhere go; of style sheets only
    plain declarations under a pandas Styler's own id stay.

    Parameters
    ----------
    source : str
        HTML of an output or of rendered Markdown, from anyone.
    masker : Masker
    limits : Limits

    Returns
    -------
    Cleaned
    """
    dropped = _count_active(source)
    styles = _clean_styles(source)
    safe = nh3.clean(
        source,
        tags=_TEXT_TAGS | _BLOCK_TAGS | _TABLE_TAGS,
        clean_content_tags=_CONTENT_GONE,
        attributes=_ATTRIBUTES,
        attribute_filter=_filter_attribute,
        filter_style_properties=_PROPERTIES,
        url_schemes={"http", "https", "mailto", "data"},
    )
    writer = HtmlWriter(masker, limits)
    writer.feed(safe)
    writer.close()
    sheet = f"<style>{styles}</style>" if styles else ""
    return Cleaned(sheet + "".join(writer.out), dropped, writer.shortened)


def describe_dropped(dropped: Counter[str]) -> str:
    """Say in one sentence what was left out, or nothing."""
    parts = [
        f"{count:,} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(dropped.items()) if count
    ]
    return f"Active content was left out: {', '.join(parts)}." if parts else ""


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    if name == "id":
        return value if re.fullmatch(r"T_\w+|s-[\w-]+", value) else None
    if name == "class":
        return " ".join(token for token in value.split() if not token.startswith("page-")) or None
    if name == "href":
        if value.startswith("#"):
            return f"#{slug(unquote(value[1:]).removeprefix('s-'))}"
        return value if re.match(r"(?i)(https?:|mailto:)", value) else None
    if name == "src":
        return value if re.match(r"(?i)data:image/(png|jpeg|gif|webp|svg\+xml)[;,]", value) else None
    return value


class _Inspector(HTMLParser):
    """Counts what `nh3` will drop; it is only the note, never the guard."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _ACTIVE:
            self.found[_ACTIVE[tag]] += 1
        for name, value in attrs:
            address = re.sub(r"[\x00-\x20]", "", value or "").lower()
            if name.startswith("on"):
                self.found["event handler"] += 1
            elif address.startswith(("javascript:", "vbscript:", "data:text")):
                self.found["script link"] += 1
            elif tag == "img" and name == "src" and not address.startswith("data:image/"):
                self.found["image from elsewhere"] += 1


def _count_active(source: str) -> Counter[str]:
    inspector = _Inspector()
    try:
        inspector.feed(source)
        inspector.close()
    except AssertionError:
        inspector.found["malformed tag"] += 1
    return inspector.found


def _clean_styles(source: str) -> str:
    rules = []
    for block in re.findall(r"(?is)<style\b[^>]*>(.*?)</style", source)[:20]:
        for rule in tinycss2.parse_stylesheet(block, skip_comments=True, skip_whitespace=True):
            if rule.type != "qualified-rule":
                continue
            selectors = [part.strip() for part in tinycss2.serialize(rule.prelude).split(",")]
            if not all(re.fullmatch(r"#T_\w+( [\w.:#-]+)*", part) for part in selectors):
                continue
            if body := _clean_declarations(rule.content):
                rules.append(f"{','.join(selectors)}{{{body}}}")
    return "".join(rules)


def _clean_declarations(content: list[Any]) -> str:
    kept = []
    for item in tinycss2.parse_declaration_list(content, skip_comments=True, skip_whitespace=True):
        if item.type != "declaration" or item.lower_name not in _SHEET_PROPERTIES:
            continue
        value = tinycss2.serialize(item.value).strip()
        if not re.search(r"[<>\\@{};]|url|image-set|expression", value, re.IGNORECASE):
            kept.append(f"{item.lower_name}:{value}")
    return ";".join(kept)
