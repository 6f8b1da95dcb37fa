"""Records as a person reads them: in full, some side by side with their source, each as a line of a list.

Texts of models and sources are escaped by the templates and nowhere else.
"""

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbkit.core.datasets import count_rows, find_rows, head_of, read_columns, take_rows
from bbkit.core.frames import FIELD, Table, find_columns, is_absent, require_columns
from bbkit.core.panels import render
from bbkit.core.text import count_noun, one_line, show_controls
from bbkit.explorers.rows import Rows
from bbkit.outputs.lines import find_line
from bbkit.records.building import read_prompt

SOURCE = "source."

ENDING = ("outcome", "stop_reason", "input_tokens", "output_tokens")
"""How a record ended."""

LINE_COLUMNS = ("record_id", *ENDING, "text", "error_message")
"""What a line in a list of records is made of."""

_FACTS = (*ENDING, "validity", "answer_error", "max_tokens", "attempt", "tier")
_ORIGIN = ("stop_reason_raw", "model", "model_id", "job_arn", "source_file")
_ANSWERS = ("validity", "arguments")
_TEXTS = {"reasoning": "reasoning", "tool_calls": "tool calls", "prompt": "prompt as sent"}
_RAW = {"model_input": "model input, raw", "model_output": "model output, raw"}

Row = Mapping[Hashable, Any]


class Examples:
    """Records chosen to be read, each with its texts side by side."""

    def __init__(self, records: pd.DataFrame, columns: Sequence[str], total: int):
        self.records = records
        self._columns = columns
        self._sentence = f"showing {len(records):,} of {total:,} records"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        rows = self.records.to_dict("records")
        records = [
            {"record_id": as_text(row["record_id"]), "facts": _list_facts(row), "texts": self._texts(row)}
            for row in rows
        ]
        shown = render("examples", room="explorers", sentence=self._sentence, records=records)
        return {"text/plain": self._sentence, "text/html": shown}

    def _texts(self, row: Row) -> list[tuple[str, str | None]]:
        is_error = row["outcome"] == "errored"
        answer = ("error", as_text(row["error_message"])) if is_error else ("answer", _answer_of(row))
        names = self._columns or [name for name in ("prompt",) if not is_absent(row.get(name))]
        texts = [(name.removeprefix("source."), as_text(row[name])) for name in names]
        return [*texts[:1], answer, *texts[1:]]


def show_examples(outputs: pd.DataFrame, *, columns: str | Sequence[str] = (), n: int = 6) -> Examples:
    """Choose records to read beside their source: every kind of ending, then short to long inputs.

    Parameters
    ----------
    outputs : pandas.DataFrame or Accounting
        The tidy frame of `bbkit.collect_outputs`, or its data set.
    columns : str or sequence of str
        Columns whose texts stand beside the answer; a column of the source goes by its own name. Where
        none is named, the prompt as it was sent.
    n : int
        How many records.

    Returns
    -------
    Examples
        It shows itself in a notebook; ``.records`` are the rows.

    Raises
    ------
    bbkit.core.errors.InputError
        The frame has no such column, or lacks one that `collect_outputs` gives.
    """
    require_columns(head_of(outputs), LINE_COLUMNS)
    names = find_columns(head_of(outputs), [columns] if isinstance(columns, str) else columns)
    rows = _choose(read_columns(outputs, ["outcome", "stop_reason", "input_tokens"]), n)
    records = take_rows(outputs, rows).loc[rows]
    if not names:
        records["prompt"] = [_find_prompt(outputs, row) for row in records.to_dict("records")]
    return Examples(records, names, count_rows(outputs))


def _find_prompt(outputs: Any, row: Row) -> str | None:
    body = find_line(outputs, row).model_input
    return read_prompt(body) if isinstance(body, dict) else None


def find_records(
    outputs: Any, where: str | Callable[[pd.DataFrame], Any], *, columns: Sequence[str] = (), n: int = 20
) -> pd.DataFrame:
    """Find the first records that pass a condition.

    Parameters
    ----------
    outputs : pandas.DataFrame or Accounting
        The tidy frame of `bbkit.collect_outputs`, or its data set, which is read until `n` are found.
    where : str or callable
        As ``DataFrame.query`` takes it: ``"outcome != 'succeeded'"``; or what makes a mask of a frame, and
        is given all columns.
    columns : sequence of str
        Which to show; all where none is named.
    n : int
        How many records.

    Returns
    -------
    pandas.DataFrame
        Rows of `outputs`, in their order.

    Raises
    ------
    bbkit.core.errors.InputError
        There is no such column, or the condition cannot be read.
    """
    require_columns(head_of(outputs), columns)
    found = Table(find_rows(outputs, where, [*columns] or None, n))
    found.attrs["empty"] = f"None of {count_noun(count_rows(outputs), 'record')} passes: {where}"
    return found


def _choose(outputs: pd.DataFrame, n: int) -> np.ndarray:
    """One record of every kind of ending but the most frequent, then some spread over the input lengths."""
    ends = outputs.groupby(["outcome", "stop_reason"], dropna=False, sort=False, observed=True)
    kinds = pd.Series(ends.ngroup().to_numpy())
    firsts = kinds.drop_duplicates()
    rare = firsts.index[firsts != kinds.mode().min()][: max(0, n - 1)]
    tokens = pd.Series(outputs["input_tokens"].to_numpy(dtype=float, na_value=np.inf)).drop(rare)
    others = tokens.sort_values(kind="stable").index
    spread = np.unique(np.linspace(0, max(0, len(others) - 1), max(0, n - len(rare))).astype(int))
    return np.concatenate([rare, others[spread[: len(others)]]])


def show_record(row: Row | None, note: str = "") -> str:
    """Lay out one record in full; None where no record is to be shown."""
    return render("record", room="explorers", record=row and _describe_record(row, note))


def _describe_record(row: Row, note: str) -> dict[str, Any]:
    known = {str(name): value for name, value in row.items() if not is_absent(value)}
    texts = [(heading, _indent(known[name])) for name, heading in _TEXTS.items() if name in known]
    if answer := _answer_of(row):
        texts.insert(0, ("answer", answer))
    if {"error_message", "error_code"} & {*known}:
        texts.insert(0, (f"error {known.get('error_code', '')}".strip(), known.get("error_message")))
    return {
        "record_id": as_text(row["record_id"]),
        "facts": _list_facts(row),
        "texts": texts,
        "source": [
            (str(name).removeprefix(SOURCE), as_text(row[name]))
            for name in row
            if str(name).startswith(SOURCE)
        ],
        "raw": [(heading, _indent(known[name])) for name, heading in _RAW.items() if name in known],
        "note": note,
        "origin": _list_facts(row, _ORIGIN),
    }


def _answer_of(row: Row) -> str | None:
    """What was answered: the fields of a valid answer, else its text, else the arguments of the tool."""
    if row.get("validity") == "valid":
        names = [name for name in row if str(name).startswith(FIELD) and not is_absent(row[name])]
        return "\n".join(f"{str(name).removeprefix('answer.')}: {_indent(row[name])}" for name in names)
    text = row.get("text")
    return _indent(row.get("arguments") if is_absent(text) or text == "" else text)


def _list_facts(row: Row, names: Sequence[str] = _FACTS) -> list[tuple[str, str]]:
    known = [(name.replace("_", " "), row[name]) for name in names if not is_absent(row.get(name))]
    return [(name, f"{value:,}" if isinstance(value, int) else str(value)) for name, value in known]


def as_text(value: Any, indent: int | None = 2) -> str | None:
    """A cell as a text; one that holds others as JSON."""
    if is_absent(value):
        return None
    if not isinstance(value, dict | list | np.ndarray):
        return str(value)
    # Lists of a source that was kept as Parquet come back as arrays.
    return json.dumps(
        value, indent=indent, ensure_ascii=False, default=lambda inner: np.asarray(inner).tolist()
    )


def _indent(value: Any) -> str | None:
    """Indent JSON, also where it comes as text; other text stays as it is."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    return as_text(value)


_NBSP = "\u00a0"
_MOST_ID, _MOST_ENDING, _LEAST, _TEXT = 20, 14, 6, 100
_TOKENS = ("input", "output")


def fit_widths(rows: Rows) -> dict[str, int]:
    """Give each column of `list_line` no more characters than it needs, so that the text has the rest."""
    ids = rows.first["record_id"].dropna().astype(str)
    endings = [*rows["stop_reason"].dropna().unique(), *rows["outcome"].dropna().unique()]
    longest = {name: "" if pd.isna(most := rows[f"{name}_tokens"].max()) else f"{most:,}" for name in _TOKENS}
    return {
        "record_id": min(max(map(len, ["record_id", *ids])), _MOST_ID),
        "ended": min(max([_LEAST, *map(len, map(str, endings))]), _MOST_ENDING),
        **{name: max(_LEAST, len(text)) for name, text in longest.items()},
        "text": _TEXT,
    }


def column_of(name: str) -> str:
    """The column of the frame that a column of the list is sorted by."""
    return {"ended": "stop_reason"}.get(name, f"{name}_tokens" if name in _TOKENS else name)


def line_columns(outputs: pd.DataFrame) -> list[Hashable]:
    """Name the columns of a frame that `list_line` reads."""
    return [name for name in outputs if name in (*LINE_COLUMNS, *_ANSWERS) or str(name).startswith(FIELD)]


def list_line(row: Row, widths: Mapping[str, int]) -> str:
    """Write a record as one line of plain text of a fixed width."""
    text = _answer_of(row) or row["error_message"]
    is_told = str(row["outcome"]) == "succeeded" and not is_absent(row["stop_reason"])
    ended = row["stop_reason"] if is_told else row["outcome"]
    tokens: Row = {name: row[f"{name}_tokens"] for name in _TOKENS}
    cells = {**row, **tokens, "text": text, "ended": ended}
    return _NBSP.join(_pad(cells[name], width) for name, width in widths.items()).rstrip(_NBSP)


def _pad(value: Any, width: int) -> str:
    if isinstance(value, int):
        return f"{value:,}".rjust(width).replace(" ", _NBSP)
    text = "" if is_absent(value) else one_line(show_controls(str(value)[: 4 * width], "\n\t"), width)
    return text.ljust(width).replace(" ", _NBSP)
