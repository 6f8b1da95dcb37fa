"""HTML from outputs and Markdown made safe to put in a page, with a count of what had to go."""

import html
import re
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote

import nh3
import tinycss2

from bbkit.core.files import read_data
from bbkit.core.text import count_noun
from bbkit.report.masking import FULL, TEXT_TAGS, Limits, Masker, write_html

MOST_HTML = 5_000_000
"""Characters of HTML in one output above which it is left out; larger ones take a browser seconds to open."""

_HTML = read_data("html")
_ACTIVE = {tag: kind for kind, tags in _HTML["active"].items() for tag in tags}
_ATTRIBUTES = {tag: set(names) for tag, names in _HTML["attributes"].items()}
_PROPERTIES = set(_HTML["properties"])

# Each pattern stops at the next bracket, so that no text can make it start over and over.
_TAG = re.compile(r"<([A-Za-z][A-Za-z0-9]*)([^<>]*)")
_HANDLER = re.compile(r"(?i)[\s\"'/]on[a-z]+\s*=")
_ADDRESS = re.compile(r"(?i)[\s\"'/](?:href|src|action|data|formaction)\s*=\s*([^\s>]{1,40})")
_NESTING = re.compile(
    r"(?i)<(/?)(?:div|span|section|article|table|ul|ol|dl|blockquote|details|b|i|em|font|a)\b"
)
# What ends a line of text, but is not kept; what is named so elsewhere, as in drawings, is not of these.
_UNKEPT_BLOCK = re.compile(rf"(?i)<(/?)(?:{'|'.join(_HTML['unkept'])}|x-[\w-]+)(?=[\s/>])")
_RUNS = re.compile(r"(<[A-Za-z/!?][^<>]*>)|((?:[^<]++|<(?![A-Za-z/!?]))++)")
_STYLE_START = re.compile(r"(?i)<style\b[^<>]*>")
_STYLE_END = re.compile(r"(?i)</style")
_SCRIPT_LINKS = ("javascript:", "vbscript:", "data:text")
_ROOM_FOR_NOTE = 60
_MOST_SHEETS, _MOST_STYLE, _MOST_DEPTH = 20, 500_000, 1_000


@dataclass
class Cleaned:
    """Safe HTML, the styles of its tables, what was dropped from it by kind, and a note instead of it."""

    html: str = ""
    styles: str = ""
    dropped: Counter[str] = field(default_factory=Counter)
    note: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to see."""
        return not re.sub(r"<(?!img)[^>]*>", "", self.html).strip()


def slug(text: str) -> str:
    """Return the id of a heading with this text."""
    return "s-" + (re.sub(r"[^\w]+", "-", html.unescape(text).lower()).strip("-") or "section")


def clean_html(source: str, masker: Masker, limits: Limits = FULL) -> Cleaned:
    """Keep the tables and text of some HTML, drop everything that could act, mask and shorten its texts."""
    lines = _UNKEPT_BLOCK.sub(_as_block, source)
    if _depth(lines) > _MOST_DEPTH:
        note = f"An output nested more than {_MOST_DEPTH:,} deep was left out."
        return Cleaned(dropped=Counter({"nested output": 1}), note=note)
    safe = nh3.clean(
        _bound_runs(lines),
        tags={*TEXT_TAGS, *_HTML["block"], *_HTML["table"]},
        clean_content_tags=set(_HTML["content_gone"]),
        attributes=_ATTRIBUTES,
        attribute_filter=partial(_filter_attribute, masker),
        filter_style_properties=_PROPERTIES,
        url_schemes={"http", "https", "mailto", "data"},
    )
    styles = _clean_styles(source, masker)
    return Cleaned(write_html(safe, masker, limits), styles, _count_active(source))


def describe_dropped(dropped: Counter[str]) -> str:
    """Say in one sentence what was left out, or nothing."""
    parts = [count_noun(count, kind) for kind, count in sorted(dropped.items()) if count]
    return f"Active content was left out: {', '.join(parts)}." if parts else ""


def _filter_attribute(masker: Masker, tag: str, name: str, value: str) -> str | None:
    if name == "id":
        return value if re.fullmatch(r"T_\w+|s-[\w-]+", value) else None
    if name == "class":
        return " ".join(token for token in value.split() if not token.startswith("page-")) or None
    if name == "href":
        if value.startswith("#"):
            return f"#{slug(masker.text(unquote(value[1:])).removeprefix('s-'))}"
        return value if re.match(r"(?i)(https?:|mailto:)", value) else None
    if name == "src":
        return value if re.match(r"(?i)data:image/(png|jpeg|gif|webp|svg\+xml)[;,]", value) else None
    return value


def _as_block(tag: re.Match[str]) -> str:
    return "<br" if tag[0].lower() == "<input" else f"<{tag[1]}div"


def _depth(source: str) -> int:
    """Return how deep tags that need an end are nested; the time `nh3` takes grows with its square."""
    depth = deepest = 0
    for tag in _NESTING.finditer(source):
        depth = max(0, depth - 1) if tag[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _bound_runs(source: str) -> str:
    """Shorten very long texts before they are parsed; `nh3` takes the square of the entities in one."""

    def bound(run: re.Match[str]) -> str:
        text = run[2]
        if text is None or len(text) <= 2 * FULL.characters:
            return run[0]
        shown = text[: FULL.characters - _ROOM_FOR_NOTE]
        # Cut between words: half an address or number is not masked.
        shown = shown[: shown.rfind(" ", -300)] if " " in shown[-300:] else shown
        return f"{shown}… ({len(text) - len(shown):,} more characters)"

    return _RUNS.sub(bound, source)


def _count_active(source: str) -> Counter[str]:
    """Count what `nh3` will drop; this is only the note, never the guard."""
    counts: Counter[str] = Counter()
    for tag, attributes in _TAG.findall(source):
        counts[_ACTIVE.get(tag.lower(), "")] += 1
        counts["event handler"] += len(_HANDLER.findall(attributes))
        addresses = [
            re.sub(r"[\x00-\x20\"']", "", address).lower()
            for address in _ADDRESS.findall(html.unescape(attributes))
        ]
        counts["script link"] += sum(address.startswith(_SCRIPT_LINKS) for address in addresses)
        if tag.lower() == "img":
            counts["outside image"] += sum(not address.startswith("data:image/") for address in addresses)
    del counts[""]
    return +counts


def _clean_styles(source: str, masker: Masker) -> str:
    """The rules for tables of pandas' Styler, whose ids begin with ``T_``; no other style stays."""
    rules = []
    for block in _style_blocks(source):
        for rule in tinycss2.parse_stylesheet(block, skip_comments=True, skip_whitespace=True):
            if rule.type != "qualified-rule":
                continue
            selectors = [part.strip() for part in tinycss2.serialize(rule.prelude).split(",")]
            body = clean_declarations(rule.content, _PROPERTIES | {*_HTML["sheet_properties"]})
            if body and all(re.fullmatch(r"#T_\w+( [\w.:#-]+)*", selector) for selector in selectors):
                rules.append(f"{','.join(map(masker.word, selectors))}{{{masker.word(body)}}}")
    return "".join(rules)


def _style_blocks(source: str) -> Iterator[str]:
    for part in _STYLE_START.split(source, maxsplit=_MOST_SHEETS)[1:]:
        block, *closed = _STYLE_END.split(part, maxsplit=1)
        if closed and len(block) < _MOST_STYLE:
            yield block


def clean_declarations(content: str | list[Any], properties: Set[str]) -> str:
    """Keep the declarations of some properties whose values name nothing outside."""
    declarations = []
    for item in tinycss2.parse_declaration_list(content, skip_comments=True, skip_whitespace=True):
        if item.type != "declaration" or item.lower_name not in properties:
            continue
        value = tinycss2.serialize(item.value).strip()
        if not re.search(r"[<>\\@{};\x22\x27]|url|image-set|expression", value, re.IGNORECASE):
            declarations.append(f"{item.lower_name}:{value}")
    return ";".join(declarations)
