"""An executed notebook as one HTML file that opens anywhere without a network."""

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import takewhile
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from bbkit.core.panels import render
from bbkit.core.text import format_number, format_usd
from bbkit.report.displays import Display, render_markdown
from bbkit.report.figures import pack_plotly
from bbkit.report.masking import start_tag
from bbkit.report.provenance import ReportContext
from bbkit.report.sanitizing import describe_dropped, slug

_HEADING = re.compile(r"<h([1-6])(?: [^>]*)?>(.*?)</h\1>", re.DOTALL)


@dataclass
class Page:
    """What the template shows of the cells."""

    title: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    headings: list[dict[str, Any]] = field(default_factory=list)


def make_page(context: ReportContext, display: Display) -> tuple[str, str]:
    """Render a report; its title and its HTML."""
    page = build_page(context.executed.node, display, context.title)
    if context.run and page.title and not context.title:
        page.title = f"{display.masker.text(context.run.name)}: {page.title.partition(': ')[2] or page.title}"
    if context.note:
        _place_note(context.note, page, display)
    templates = files("bbkit.report") / "templates"
    scripts = [templates / f"{name}.js" for name in ("records", "follow", "report")]
    script = "".join(path.read_text(encoding="utf-8") for path in scripts).rstrip("\n")
    sentences = [
        bundle.get("sentence", "") for bundle in context.bundles if bundle.get("kind") == "accounting"
    ]
    content = render(
        "report",
        room="report",
        context=context,
        page=page,
        key_figures=key_figures(context.numbers),
        sentence=str(sentences[-1]) if sentences else "",
        masker=display.masker,
        dropped=describe_dropped(display.dropped),
        plotly=pack_plotly() if any(not figure.needs_network for figure in display.figures) else "",
        script=script,
        policy=_policy(script),
    )
    return page.title, content


def build_page(notebook: Any, display: Display, title: str) -> Page:
    """Turn the cells of a notebook into what the template shows, in their order."""
    page = Page(display.masker.text(title))
    for index, cell in enumerate(notebook.cells):
        # Papermill puts cells of its own above the one that failed; some cells speak to who runs them.
        tags = cell.metadata.get("tags", [])
        if {"papermill-error-cell-tag", "notebook"} & {*tags} or not cell.source.strip():
            continue
        if "with-output" in tags and not _has_output(notebook.cells, index):
            continue
        if cell.cell_type == "markdown":
            shown = display.show_markdown(render_markdown(_attach(cell)))
            page.blocks.append({**shown, "html": _place_headings(shown["html"], page)})
        elif cell.cell_type == "code":
            _place_code(cell, page, display)
    return page


def _place_note(note: str, page: Page, display: Display) -> None:
    """Put a text of one's own above all others, and its headings above theirs."""
    shown, before = display.show_markdown(render_markdown(note)), len(page.headings)
    page.blocks.insert(0, shown)
    shown["html"] = _place_headings(shown["html"], page)
    page.headings = page.headings[before:] + page.headings[:before]


def _has_output(cells: list[Any], index: int) -> bool:
    """Whether the code that a text speaks of shows something: below a heading, above any other text."""
    around = cells[index + 1 :] if cells[index].source.startswith("#") else cells[:index][::-1]
    return any(cell.get("outputs") for cell in takewhile(lambda cell: cell.cell_type == "code", around))


def _place_code(cell: Any, page: Page, display: Display) -> None:
    """Add a code cell; those in a row that show nothing are folded together."""
    source = highlight(
        display.masker.text(cell.source), PythonLexer(stripnl=True), HtmlFormatter(nowrap=True)
    )
    code = {"count": cell.get("execution_count"), "source": source}
    outputs = display.show_outputs(cell)
    before: dict[str, Any] = page.blocks[-1] if page.blocks else {"kind": ""}
    if before["kind"] == "code" and not before["outputs"] and not outputs:
        before["codes"].append(code)
    else:
        page.blocks.append({"kind": "code", "codes": [code], "outputs": outputs})


def _attach(cell: Any) -> str:
    """Put the pictures a Markdown cell carries where it names them."""
    source = str(cell.source)
    for name, pictures in cell.get("attachments", {}).items():
        for mime, content in pictures.items():
            source = source.replace(f"attachment:{name}", f"data:{mime};base64,{content}")
    return source


def _place_headings(content: str, page: Page) -> str:
    """Give headings their ids; the first one of level 1 becomes the title, later ones go down a level."""

    def place(match: re.Match[str]) -> str:
        level, inner = int(match[1]), match[2].strip()
        text = html.unescape(re.sub(r"<[^>]*>", "", inner)).strip()
        if level == 1 and not any(block["kind"] == "markdown" for block in page.blocks) and not page.headings:
            page.title = page.title or text
            return ""
        level = min(max(level, 2), 4)
        taken = {heading["id"] for heading in page.headings}
        name, number = slug(text), 2
        while name in taken:
            name, number = f"{slug(text)}-{number}", number + 1
        page.headings.append({"id": name, "text": text, "level": level})
        return f"{start_tag(f'h{level}', [('id', name)])}{inner}</h{level}>"

    return _HEADING.sub(place, content)


def _policy(script: str) -> str:
    """Allow this one script, what it creates, and nothing from anywhere else."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return (
        "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}' 'strict-dynamic'; base-uri 'none'; form-action 'none'"
    )


_KEY_FIGURES = {
    "sent": "sent",
    "succeeded": "succeeded",
    "errored": "errored",
    "missing": "missing",
    "pending": "pending",
    "cut_off": "cut off",
    "invalid": "invalid answers",
    "unreadable": "unreadable lines",
    "duplicate": "duplicate lines",
    "unexpected": "unexpected ids",
    "ambiguous": "ambiguous lines",
    "records": "records",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "cost_usd": "cost in US$",
}
_ALWAYS = {"sent", "records", "succeeded", "input_tokens", "output_tokens"}
_SHARES = {"succeeded", "errored", "missing", "pending", "cut_off"}


def key_figures(numbers: Mapping[str, Any]) -> list[dict[str, str]]:
    """Choose the numbers that head the page: name, label, value, and a share, range or word about it."""
    return [
        {"name": name, "label": label, "value": _format(name, numbers[name]), "note": _note(name, numbers)}
        for name, label in _KEY_FIGURES.items()
        if name in numbers
        and (numbers[name] != 0 or name in _ALWAYS)
        and (name != "records" or "sent" not in numbers)
    ]


def _note(name: str, numbers: Mapping[str, Any]) -> str:
    value, sent = numbers[name], numbers.get("sent")
    if name in _SHARES and value is not None and sent:
        return f"{100 * value / sent:.1f} % of sent" if value < sent else "all of them"
    is_estimate = "cost_high_usd" in numbers and "answered" not in numbers
    if name == "cost_usd" and value is not None:
        if is_estimate:
            low, high = (_format(name, numbers.get(f"cost_{end}_usd")) for end in ("low", "high"))
            return f"estimated, {low} to {high}"
        return "at least; not everything has a price" if numbers.get("at_least") else ""
    return "estimated" if is_estimate and name in ("input_tokens", "output_tokens") else ""


def _format(name: str, value: Any) -> str:
    return format_usd(value) if value is None or name.endswith("_usd") else format_number(value)
