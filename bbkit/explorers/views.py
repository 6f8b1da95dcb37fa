"""HTML for records: every text of a model or a source is escaped here and nowhere else."""

import html
import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from bbkit.core.frames import is_absent

STYLE = """<style>
.bbkit-view{font:14px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
.bbkit-view h4{margin:.8em 0 .2em;font-size:12px;font-weight:600;opacity:.75}
.bbkit-view .bbkit-text{white-space:pre-wrap;unicode-bidi:plaintext;max-height:26em;overflow:auto;margin:0;
 padding:.5em .7em;border:1px solid rgba(128,128,128,.35);border-radius:4px;font:inherit}
.bbkit-view code{user-select:all}
.bbkit-view .bbkit-facts{display:flex;flex-wrap:wrap;gap:.2em .6em;margin:.2em 0}
.bbkit-view .bbkit-facts b{font-weight:600;opacity:.75}
.bbkit-view article{margin:0 0 1.2em;padding:.6em .9em;border:1px solid rgba(128,128,128,.35);
 border-radius:6px}
.bbkit-view table{border-collapse:collapse}
.bbkit-view td,.bbkit-view th{padding:.15em .7em .15em 0;text-align:left;vertical-align:top;
 white-space:pre-wrap}
</style>"""

FACTS = ("outcome", "stop_reason", "input_tokens", "output_tokens", "max_tokens", "attempt", "tier")
NBSP = "\u00a0"
MOST_CHARACTERS = 200_000
"""Longer texts are cut in a view and say so; a browser stalls on a megabyte in one element."""


def escape(value: Any) -> str:
    """Make a text safe to stand in HTML, and leave `$` to be text for MathJax."""
    if is_absent(value):
        return "<i>not known</i>"
    text = str(value)
    if len(text) > MOST_CHARACTERS:
        left = len(text) - MOST_CHARACTERS
        return html.escape(text[:MOST_CHARACTERS]) + f"<i> … {left:,} more characters; see .selection</i>"
    return html.escape(text)


def show_text(heading: str, value: Any) -> str:
    """Lay out one text under its heading."""
    if isinstance(value, dict | list):
        value = json.dumps(value, indent=2, ensure_ascii=False)
    return (
        f"<section><h4>{html.escape(heading)}</h4>"
        f'<div class="bbkit-text" tabindex="0" dir="auto">{escape(value)}</div></section>'
    )


def show_side_by_side(texts: Sequence[tuple[str, Any]]) -> str:
    """Lay out texts beside each other, as a table so that it holds wherever HTML is shown."""
    # JupyterLab aligns cells to the right unless the cell itself says otherwise.
    width = f"width: {100 // max(1, len(texts))}%; text-align: start; vertical-align: top"
    heads = "".join(f'<th scope="col" style="{width}">{html.escape(name)}</th>' for name, _ in texts)
    cells = "".join(
        f'<td style="{width}; white-space: pre-wrap" dir="auto">{escape(text)}</td>' for _, text in texts
    )
    return (
        f'<table style="width: 100%"><thead><tr>{heads}</tr></thead><tbody><tr>{cells}</tr></tbody></table>'
    )


def show_facts(row: Mapping[Hashable, Any], names: Sequence[str] = FACTS) -> str:
    """Lay out small values of a record in a line."""
    parts = [
        f"<span><b>{html.escape(name.replace('_', ' '))}</b> {escape(_number(row[name]))}</span>"
        for name in names
        if name in row and not pd.isna(row[name])
    ]
    return f'<div class="bbkit-facts">{" &#183; ".join(parts)}</div>'


def _number(value: Any) -> Any:
    return f"{value:,}" if isinstance(value, int) else value


def wrap(*parts: str) -> str:
    """Put parts of a view together, out of MathJax's reach."""
    return f'{STYLE}<div class="bbkit-view tex2jax_ignore mathjax_ignore">{"".join(parts)}</div>'


def show_record(row: Mapping[Hashable, Any], note: str = "") -> str:
    """Lay out one record in full."""
    parts = [f"<h3><code>{escape(row['record_id'])}</code></h3>", show_facts(row)]
    if not is_absent(row.get("error_message")) or not is_absent(row.get("error_code")):
        code = "" if is_absent(row.get("error_code")) else f" {row['error_code']}"
        parts.append(show_text(f"error{code}", row.get("error_message")))
    texts = (("text", "answer"), ("reasoning", "reasoning"), ("tool_calls", "tool calls"))
    parts += [show_text(head, _as_json(row[name])) for name, head in texts if not is_absent(row.get(name))]
    if not is_absent(row.get("prompt")):
        parts.append(show_text("prompt as sent", row["prompt"]))
    source = {str(name): value for name, value in row.items() if str(name).startswith("source.")}
    if source:
        parts.append(_show_source(source))
    for name, heading in (("model_input", "model input, raw"), ("model_output", "model output, raw")):
        if not is_absent(row.get(name)):
            parts.append(
                f"<details><summary>{heading}</summary>{show_text('', _as_json(row[name]))}</details>"
            )
    if note:
        parts.append(f"<p><i>{html.escape(note)}</i></p>")
    parts.append(show_facts(row, ("stop_reason_raw", "model", "model_id", "job_arn", "source_file")))
    return wrap(*parts)


def _as_json(value: Any) -> Any:
    """Indent JSON text; other text stays as it is."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            found = json.loads(value)
        except ValueError:
            return value
        return found if isinstance(found, dict | list) else value
    return value


def _show_source(source: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html.escape(name.removeprefix("source."))}</th>'
        f'<td dir="auto">{escape(value)}</td></tr>'
        for name, value in source.items()
    )
    return f"<details open><summary>source row</summary><table>{rows}</table></details>"


LINE_COLUMNS = (
    "record_id",
    "outcome",
    "stop_reason",
    "input_tokens",
    "output_tokens",
    "text",
    "error_message",
)
"""What a line in a list of records is made of."""

_HEADS: dict[Hashable, str] = {
    "record_id": "record_id",
    "ended": "ended",
    "input_tokens": "input",
    "output_tokens": "output",
    "text": "text",
}
_MOST_ID, _LEAST = 20, 6
# Signs that turn the direction of a line or move its cursor would scramble a list.
_UNSEEN = dict.fromkeys(
    [*range(32), 127, *range(0x200E, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)


def fit_widths(outputs: pd.DataFrame) -> dict[str, int]:
    """Give each column of `list_line` no more characters than it needs, so that the text has the rest."""
    ids = outputs["record_id"].head(1000).astype("string").str.len().max()
    endings = [*outputs["stop_reason"].dropna().unique(), *outputs["outcome"].dropna().unique()]
    widths = {
        "record_id": min(max(0 if pd.isna(ids) else int(ids), len("record_id")), _MOST_ID),
        "ended": min(max([_LEAST, *(len(str(word)) for word in endings)]), 14),
    }
    for name in ("input_tokens", "output_tokens"):
        most = outputs[name].max()
        widths[name] = max(_LEAST, 0 if pd.isna(most) else len(f"{most:,}"))
    return {**widths, "text": 100}


def head_line(widths: Mapping[str, int]) -> str:
    """Name the columns of `list_line`, each at its width."""
    return _join(_HEADS, widths)


def list_line(row: Mapping[Hashable, Any], widths: Mapping[str, int]) -> str:
    """Write a record as one line of plain text of a fixed width."""
    text = row["error_message"] if is_absent(row["text"]) else row["text"]
    told = str(row["outcome"]) == "succeeded" and not is_absent(row["stop_reason"])
    ended = row["stop_reason"] if told else row["outcome"]
    return _join({**row, "text": text, "ended": ended}, widths)


def _join(row: Mapping[Hashable, Any], widths: Mapping[str, int]) -> str:
    cells = [_pad(row[name], width, right=name.endswith("tokens")) for name, width in widths.items()]
    return NBSP.join(cells).rstrip(NBSP)


def _pad(value: Any, width: int, *, right: bool = False) -> str:
    text = "" if is_absent(value) else f"{value:,}" if isinstance(value, int) else str(value)[: 4 * width]
    text = " ".join(text.split()).translate(_UNSEEN)
    text = text if len(text) <= width else text[: width - 1] + "…"
    return (text.rjust(width) if right else text.ljust(width)).replace(" ", NBSP)
