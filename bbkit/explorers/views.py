"""HTML for records: every text of a model or a source is escaped here and nowhere else."""

import html
import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

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
    """Make a text safe to stand in HTML, and leave `$` to be text for MathJax.

    Parameters
    ----------
    value : object
        Text of a model or a source, possibly NA.

    Returns
    -------
    str
        The escaped text, ``not known`` for NA.
    """
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return "<i>not known</i>"
    text = str(value)
    if len(text) > MOST_CHARACTERS:
        left = len(text) - MOST_CHARACTERS
        return html.escape(text[:MOST_CHARACTERS]) + f"<i> … {left:,} more characters; see .selection</i>"
    return html.escape(text)


def show_text(heading: str, value: Any) -> str:
    """Lay out one text under its heading.

    Parameters
    ----------
    heading : str
        What it is.
    value : object
        The text; a dict or list is shown as indented JSON.

    Returns
    -------
    str
        HTML.
    """
    if isinstance(value, dict | list):
        value = json.dumps(value, indent=2, ensure_ascii=False)
    return (
        f"<section><h4>{html.escape(heading)}</h4>"
        f'<div class="bbkit-text" tabindex="0" dir="auto">{escape(value)}</div></section>'
    )


def show_side_by_side(texts: Sequence[tuple[str, Any]]) -> str:
    """Lay out texts beside each other, as a table so that it holds wherever HTML is shown.

    Parameters
    ----------
    texts : sequence of (str, object)
        Heading and text.

    Returns
    -------
    str
        HTML.
    """
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
    """Lay out small values of a record in a line.

    Parameters
    ----------
    row : mapping
        A row of the tidy frame.
    names : sequence of str
        Which columns; those absent or NA are left out.

    Returns
    -------
    str
        HTML.
    """
    parts = [
        f"<span><b>{html.escape(name.replace('_', ' '))}</b> {escape(_number(row[name]))}</span>"
        for name in names
        if name in row and not pd.isna(row[name])
    ]
    return f'<div class="bbkit-facts">{" &#183; ".join(parts)}</div>'


def _number(value: Any) -> Any:
    return f"{value:,}" if isinstance(value, int) else value


def wrap(*parts: str) -> str:
    """Put parts of a view together, out of MathJax's reach.

    Parameters
    ----------
    *parts : str
        HTML.

    Returns
    -------
    str
        HTML with its style.
    """
    return f'{STYLE}<div class="bbkit-view tex2jax_ignore mathjax_ignore">{"".join(parts)}</div>'


def show_record(row: Mapping[Hashable, Any], note: str = "") -> str:
    """Lay out one record in full.

    Parameters
    ----------
    row : mapping
        A row of the tidy frame, with whatever `with_columns` and source columns it has; ``prompt`` is what
        was sent as text, ``model_input`` and ``model_output`` its JSON.
    note : str
        Why something is not shown.

    Returns
    -------
    str
        HTML: id, facts, error, prompt, answer, reasoning, tool calls, source row, raw JSON.
    """
    parts = [f"<h3><code>{escape(row['record_id'])}</code></h3>", show_facts(row)]
    if not _absent(row.get("error_message")) or not _absent(row.get("error_code")):
        code = "" if _absent(row.get("error_code")) else f" {row['error_code']}"
        parts.append(show_text(f"error{code}", row.get("error_message")))
    texts = (("text", "answer"), ("reasoning", "reasoning"), ("tool_calls", "tool calls"))
    parts += [show_text(head, _as_json(row[name])) for name, head in texts if not _absent(row.get(name))]
    if not _absent(row.get("prompt")):
        parts.append(show_text("prompt as sent", row["prompt"]))
    source = {str(name): value for name, value in row.items() if str(name).startswith("source.")}
    if source:
        parts.append(_show_source(source))
    for name, heading in (("model_input", "model input, raw"), ("model_output", "model output, raw")):
        if not _absent(row.get(name)):
            parts.append(
                f"<details><summary>{heading}</summary>{show_text('', _as_json(row[name]))}</details>"
            )
    if note:
        parts.append(f"<p><i>{html.escape(note)}</i></p>")
    parts.append(show_facts(row, ("stop_reason_raw", "model", "model_id", "job_arn", "source_file")))
    return wrap(*parts)


def _absent(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


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


LINE_COLUMNS = {
    "record_id": 20,
    "outcome": 9,
    "stop_reason": 12,
    "input_tokens": 7,
    "output_tokens": 7,
    "text": 60,
    "error_message": 60,
}
"""Columns of a line in a list of records, with their width in characters; an error stands for the text."""

_HEADS: dict[Hashable, str] = {
    "record_id": "record_id",
    "outcome": "outcome",
    "stop_reason": "stop reason",
    "input_tokens": "input",
    "output_tokens": "output",
    "text": "text",
}
# Signs that turn the direction of a line or move its cursor would scramble a list.
_UNSEEN = dict.fromkeys(
    [*range(32), 127, *range(0x200E, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)


def head_line(id_width: int) -> str:
    """Name the columns of `list_line`, each at its width."""
    return _join(_HEADS, id_width)


def list_line(row: Mapping[Hashable, Any], id_width: int) -> str:
    """Write a record as one line of plain text of a fixed width, to be shown by a widget that takes no HTML.

    Parameters
    ----------
    row : mapping
        `LINE_COLUMNS` of the tidy frame.
    id_width : int
        Characters for the record id.

    Returns
    -------
    str
        Without signs that cannot be seen; spaces do not collapse.
    """
    text = row["error_message"] if _absent(row["text"]) else row["text"]
    return _join({**row, "text": text}, id_width)


def _join(row: Mapping[Hashable, Any], id_width: int) -> str:
    widths = {**LINE_COLUMNS, "record_id": id_width}
    widths.pop("error_message")
    cells = [_pad(row[name], width, right=name.endswith("tokens")) for name, width in widths.items()]
    return NBSP.join(cells).rstrip(NBSP)


def _pad(value: Any, width: int, *, right: bool = False) -> str:
    text = "" if _absent(value) else f"{value:,}" if isinstance(value, int) else str(value)[: 4 * width]
    text = " ".join(text.split()).translate(_UNSEEN)
    text = text if len(text) <= width else text[: width - 1] + "…"
    return (text.rjust(width) if right else text.ljust(width)).replace(" ", NBSP)
