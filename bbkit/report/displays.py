"""One output of a cell as HTML: the richest form that is safe, bounded and works without a kernel."""

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import mistune

from bbkit.core.frames import RECORDS
from bbkit.report.drawings import write_drawing
from bbkit.report.figures import PLOTLY, Figure, build_figure
from bbkit.report.masking import FULL, SAMPLE, Limits, Masker, shorten
from bbkit.report.records import pack_records
from bbkit.report.sanitizing import MOST_HTML, clean_html, describe_dropped

WIDGET = "application/vnd.jupyter.widget-view+json"

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MOST_TEXT = 200_000
# What nobody tagged `text` gives itself away by its length.
_LONG_CELL = re.compile(rf"(?i)<td[^<>]*>[^<]{{{SAMPLE.characters + 1},}}")
_PICTURES = ("image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp")


@dataclass
class Display:
    """Turns the outputs of one report into HTML, gathering its figures and what was left out."""

    masker: Masker
    with_ids: bool = False
    figures: list[Figure] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    has_records: bool = False

    def show_outputs(self, cell: Any) -> list[dict[str, Any]]:
        """Return what to show under a cell: a list of ``kind`` (``html`` or ``figure``) and its content."""
        is_sample = self.masker.enabled and "text" in cell.get("metadata", {}).get("tags", [])
        limits = SAMPLE if is_sample else FULL
        shown = [
            part for output in _merge_streams(cell.get("outputs", [])) for part in self._show(output, limits)
        ]
        return shown + _notes("Texts are masked and shortened in this file." if is_sample and shown else "")

    def show_markdown(self, rendered: str) -> dict[str, Any]:
        """Return HTML rendered from a Markdown cell made safe, with a note of what was left out."""
        cleaned = clean_html(rendered, self.masker)
        self.dropped += cleaned.dropped
        notes = _notes(cleaned.note, describe_dropped(cleaned.dropped))
        return {"kind": "markdown", "html": cleaned.html, "styles": cleaned.styles, "notes": notes}

    def clean_text(self, text: str, limits: Limits = FULL) -> str:
        """Return plain text without terminal codes, masked and shortened."""
        lines = self.masker.text(strip_codes(shorten(text, _MOST_TEXT))).split("\n")
        shown = [shorten(line, limits.characters) for line in lines[: limits.lines]]
        if len(lines) > limits.lines:
            shown.append(f"… ({len(lines) - limits.lines:,} more lines)")
        return "\n".join(shown)

    def _show(self, output: Any, limits: Limits) -> list[dict[str, Any]]:
        match output.get("output_type"):
            case "stream":
                return self._show_stream(output, limits)
            case "error":
                return [self._show_error(output, limits)]
            case "display_data" | "execute_result":
                return self._show_data(output.get("data", {}), limits)
        return []

    def _show_stream(self, output: Any, limits: Limits) -> list[dict[str, Any]]:
        text = _joined(output.get("text", ""))
        if self.masker.enabled and any(len(line) > SAMPLE.characters for line in text.split("\n")):
            limits = SAMPLE
        text = self.clean_text(text, limits).strip("\n")
        if not text.strip():
            return []
        label = "Warnings and log" if output.get("name") == "stderr" else ""
        return [{"kind": "text", "text": text, "label": label}]

    def _show_error(self, output: Any, limits: Limits) -> dict[str, Any]:
        name = self.clean_text(str(output.get("ename", "Error")))
        value = self.clean_text(str(output.get("evalue", "")), limits)
        trace = self.clean_text("\n".join(map(str, output.get("traceback", []))), FULL)
        return {"kind": "error", "name": name, "value": shorten(value, 2_000), "traceback": trace}

    def _show_data(self, data: Any, limits: Limits) -> list[dict[str, Any]]:
        if isinstance(data.get(PLOTLY), dict):
            return self._show_figure(data[PLOTLY])
        if RECORDS in data and not self.has_records:
            return self._show_records(data[RECORDS])
        scripts = Counter(script=1) if "application/javascript" in data else Counter()
        self.dropped += scripts
        notes = _notes(describe_dropped(scripts))
        if "text/html" in data:
            shown = self._show_html(_joined(data["text/html"]), limits)
            if any(part["kind"] == "html" for part in shown):
                return shown + notes
            notes += shown
        return self._show_plainer(data, limits) + notes

    def _show_figure(self, bundle: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            figure = build_figure(bundle, len(self.figures) + 1, self.masker)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            kind = type(error).__name__
            return _notes(f"A figure was left out: plotly would not have written it so ({kind}).")
        self.figures.append(figure)
        self.dropped += figure.dropped
        return [{"kind": "figure", "figure": figure}, *_notes(describe_dropped(figure.dropped))]

    def _show_records(self, bundle: Any) -> list[dict[str, Any]]:
        try:
            packed, sentence = pack_records(bundle, self.masker, self.with_ids)
        except (TypeError, ValueError) as error:
            kind = type(error).__name__
            return _notes(f"A table of records was left out: bbkit would not have written it so ({kind}).")
        self.has_records = True
        return [{"kind": "records", "packed": packed, "sentence": sentence}]

    def _show_plainer(self, data: Any, limits: Limits) -> list[dict[str, Any]]:
        for mime in _PICTURES:
            if mime in data:
                return [{"kind": "picture", "src": self._picture(mime, _joined(data[mime]))}]
        if "text/markdown" in data:
            return self._show_html(render_markdown(_joined(data["text/markdown"])), limits)
        if WIDGET in data:
            return _notes("A widget is here in the notebook; it needs a running kernel.")
        text = self.clean_text(_joined(data.get("text/latex") or data.get("text/plain") or ""), limits)
        return [{"kind": "text", "text": text, "label": ""}] if text.strip() else []

    def _picture(self, mime: str, content: str) -> str:
        if mime == "image/svg+xml":
            return write_drawing(self.masker.drawing(content))
        return f"data:{mime};base64,{re.sub(r'[^A-Za-z0-9+/=]', '', content)}"

    def _show_html(self, source: str, limits: Limits) -> list[dict[str, Any]]:
        if len(source) > MOST_HTML:
            return _notes(
                f"An output of {len(source) / 1e6:,.0f} MB was left out; the executed notebook holds it. "
                f"A report takes at most {MOST_HTML / 1e6:,.0f} MB per output."
            )
        if self.masker.enabled and _LONG_CELL.search(source):
            limits = SAMPLE
        cleaned = clean_html(source, self.masker, limits)
        self.dropped += cleaned.dropped
        shown = {"kind": "html", "html": cleaned.html, "styles": cleaned.styles}
        notes = _notes(cleaned.note, describe_dropped(cleaned.dropped))
        return notes if cleaned.is_empty else [shown, *notes]


def strip_codes(text: str) -> str:
    """Return `text` as a terminal would leave it: no colour codes or controls, lines rewritten by ``\\r``."""
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    lines = (line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))
    return _CONTROLS.sub("", "\n".join(lines))


def render_markdown(source: str) -> str:
    """Return Markdown as HTML that is not yet safe; a dollar sign is a dollar sign."""
    return str(mistune.create_markdown(escape=False, plugins=["strikethrough", "table"])(source))


def _joined(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value)


def _notes(*texts: str) -> list[dict[str, Any]]:
    return [{"kind": "note", "text": text} for text in texts if text]


def _merge_streams(outputs: list[Any]) -> list[Any]:
    merged = []
    for (kind, name), group in groupby(outputs, key=lambda o: (o.get("output_type"), o.get("name"))):
        listed = list(group)
        if kind == "stream":
            text = "".join(_joined(output.get("text", "")) for output in listed)
            merged.append({"output_type": "stream", "name": name, "text": text})
        else:
            merged += listed
    return merged
