"""An executed notebook as one HTML file that opens anywhere: our own nbconvert exporter and its template."""

import base64
import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from nbconvert.exporters.templateexporter import TemplateExporter
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from traitlets import Unicode

from bbkit.report.displays import Display, render_markdown
from bbkit.report.figures import pack_plotly
from bbkit.report.masking import STATEMENT, Masker
from bbkit.report.parameters import Parameter, parameters_of
from bbkit.report.provenance import Provenance
from bbkit.report.running import MARKER_TAG
from bbkit.report.sanitizing import describe_dropped, slug
from bbkit.report.tiles import make_tiles

_HEADING = re.compile(r"<h([1-6])(?: [^>]*)?>(.*?)</h\1>", re.DOTALL)


@dataclass(frozen=True)
class Story:
    """What a page says beside the notebook's own cells."""

    title: str
    status: str
    unrun: int
    failure: str
    numbers: Mapping[str, Any]
    bundles: Sequence[Mapping[str, Any]]
    failed_on: Sequence[str]
    provenance: Provenance


@dataclass
class Page:
    """What the template shows."""

    title: str = ""
    blocks: list[dict[str, Any]] = field(default_factory=list)
    headings: list[dict[str, Any]] = field(default_factory=list)


class ReportExporter(TemplateExporter):
    """nbconvert exporter of this kit: one file, no network, nothing of the notebook executes."""

    output_mimetype = "text/html"
    file_extension = Unicode(".html")
    template_file = Unicode("report.html.j2")

    def _create_environment(self) -> Environment:
        return Environment(
            loader=PackageLoader("bbkit.report", "template"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def _init_resources(self, resources: Any) -> Any:
        resources = super()._init_resources(resources)
        resources.setdefault("page", None)
        return resources

    def from_notebook_node(self, nb: Any, resources: Any = None, **kw: Any) -> tuple[Any, Any]:
        """Return the page as HTML, and nbconvert's resources with `figures`, `dropped` and `shortened`."""
        masker, story = resources["masker"], resources["story"]
        display = Display(masker)
        page = build_page(nb, display, masker, story.title)
        script = self.environment.get_template("report.js").render()
        resources |= {
            "page": page,
            "figures": display.figures,
            "dropped": display.dropped,
            "shortened": display.shortened,
            "tiles": make_tiles(story.numbers),
            "sentence": masker.text(_sentence(story.bundles)),
            "parameters": _show_parameters(nb, masker),
            "facts": [(f, [masker.text(value) for value in f.values]) for f in story.provenance.facts],
            "masks": _describe_masks(masker),
            "statement": STATEMENT,
            "with_text": not masker.enabled,
            "failure": masker.text(story.failure),
            "dropped_sentence": describe_dropped(display.dropped),
            "plotly": pack_plotly() if any(not f.needs_network for f in display.figures) else "",
            "script": script,
            "style": self.environment.get_template("report.css").render(),
            "policy": _policy(script, display),
        }
        return super().from_notebook_node(nb, resources, **kw)


def build_page(notebook: Any, display: Display, masker: Masker, title: str) -> Page:
    """Turn the cells of a notebook into what the template shows, in their order."""
    page = Page(title=masker.text(title))
    taken: set[str] = set()
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if MARKER_TAG in tags:
            continue
        if cell.cell_type == "markdown" and cell.source.strip():
            content = display.show_markdown(render_markdown(_attach(cell)))
            page.blocks.append(
                {"kind": "markdown", "html": _place_headings(content, page, taken, bool(title))}
            )
        elif cell.cell_type == "code" and cell.source.strip():
            _place_code(cell, page, display, masker)
    return page


def _place_code(cell: Any, page: Page, display: Display, masker: Masker) -> None:
    """Add a code cell; those in a row that show nothing are folded together."""
    code: dict[str, Any] = {
        "count": cell.get("execution_count"),
        "source": highlight_code(masker.text(cell.source)),
    }
    outputs = display.show_outputs(cell)
    before: dict[str, Any] = page.blocks[-1] if page.blocks else {"kind": ""}
    if before["kind"] == "code" and not before["outputs"] and not outputs:
        before["codes"].append(code)
        return
    page.blocks.append({"kind": "code", "codes": [code], "outputs": outputs})


def _attach(cell: Any) -> str:
    """Put the pictures a Markdown cell carries where it names them."""
    source = str(cell.source)
    for name, pictures in cell.get("attachments", {}).items():
        for mime, content in pictures.items():
            source = source.replace(f"attachment:{name}", f"data:{mime};base64,{content}")
    return source


def _place_headings(content: str, page: Page, taken: set[str], has_title: bool) -> str:
    """Give headings their ids; the first one of level 1 becomes the title, later ones go down a level."""

    def place(match: re.Match[str]) -> str:
        level, inner = int(match[1]), match[2].strip()
        text = html.unescape(re.sub(r"<[^>]*>", "", inner)).strip()
        if level == 1 and not any(block["kind"] == "markdown" for block in page.blocks) and not page.headings:
            if not has_title and not page.title:
                page.title = text
            return ""
        level = min(max(level, 2), 4)
        name, number = slug(text), 2
        while name in taken:
            name, number = f"{slug(text)}-{number}", number + 1
        taken.add(name)
        page.headings.append({"id": name, "text": text, "level": level})
        return f'<h{level} id="{html.escape(name)}">{inner}</h{level}>'

    return _HEADING.sub(place, content)


def highlight_code(source: str) -> str:
    """Return Python source as HTML with classes for its tokens."""
    return str(highlight(source, PythonLexer(stripnl=True), HtmlFormatter(nowrap=True)))


def _sentence(bundles: Sequence[Mapping[str, Any]]) -> str:
    accountings = [b for b in bundles if b.get("kind") == "accounting"]
    return str(accountings[-1].get("sentence", "")) if accountings else ""


def _show_parameters(notebook: Any, masker: Masker) -> list[dict[str, Any]]:
    declared = parameters_of(notebook.cells)
    given = notebook.metadata.get("papermill", {}).get("parameters", {})
    listed = {**declared, **{n: Parameter(n, "", None, "") for n in given if n not in declared}}
    return [
        {
            "name": name,
            "value": masker.text(_value(given.get(name, parameter.default))),
            "given": name in given,
            "help": masker.text(parameter.help),
        }
        for name, parameter in listed.items()
    ]


def _value(value: Any) -> str:
    return value if isinstance(value, str) and value else repr(value)


def _describe_masks(masker: Masker) -> str:
    if not masker.enabled:
        return ""
    if not masker.counts:
        return "No pattern was found to mask."
    return f"Masked: {', '.join(f'{count:,} {kind}' for kind, count in masker.counts.most_common())}."


def _policy(script: str, display: Display) -> str:
    """Allow this one script, what it creates, and nothing from anywhere else."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return (
        "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}' 'strict-dynamic'; base-uri 'none'; form-action 'none'"
    )


def write_page(page: str, output: Path) -> None:
    """Write a page whole or not at all."""
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.part")
    partial.write_text(page, encoding="utf-8", newline="\n")
    partial.replace(output)
