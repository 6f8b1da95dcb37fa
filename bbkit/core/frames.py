"""The tables that rooms hand to each other: columns, dtypes, and how findings show themselves."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from bbkit.core.errors import InputError
from bbkit.core.panels import render_panel
from bbkit.core.text import format_number, format_usd, lay_out, name_some

BUNDLE = "application/vnd.bbkit.v1+json"
"""The MIME type under which accounting, findings and cost carry their numbers into `report.json`."""

RECORDS = "application/vnd.bbkit.records.v1+json"
"""The MIME type under which the table of records reaches a report."""
MANIFEST = "manifest.json.out"
"""The service's own name for the file that counts what a job did
(https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-results.html)."""

SUFFIX = ".jsonl.out"
"""How the service names a file of output lines; the address is the same."""

_MOST_ROWS = 60

TEXT = pd.StringDtype("pyarrow")  # "string" alone is Python's objects under pandas 2
COUNT, NUMBER, TIME = "Int64", "Float64", "datetime64[us, UTC]"

OUTPUT_COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("record_id", "record_key", "outcome", "text", "stop_reason", "stop_reason_raw"), TEXT),
    **dict.fromkeys(("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"), COUNT),
    **dict.fromkeys(("cache_write_1h_tokens", "max_tokens"), COUNT),
    **dict.fromkeys(("model", "model_id", "family", "tier", "error_code", "error_message"), TEXT),
    **dict.fromkeys(("attempt", "submission"), COUNT),
    **dict.fromkeys(("job_arn", "source_file"), TEXT),
}
"""One row per record sent: the tidy frame of `collect_outputs`."""

CAUSES = {
    "refused": "content_filter",
    "empty": "blank",
    "malformed": "syntax",
    "no_json": "text",
    "duplicate_key": "repeated",
    "off_schema": "",
    "several": "different",
    "cut_off": "length",
}
"""Why an answer of a schema cannot be used, and the short word for it; off_schema has a place instead."""

FIELD = "answer."
"""What the name of the column of a field of an answer begins with."""

JOB_COLUMNS: dict[str, Any] = {
    "job_name": TEXT,
    "status": TEXT,
    **dict.fromkeys(("records", "processed", "succeeded", "errored"), COUNT),
    "job_arn": TEXT,
    "message": TEXT,
    **dict.fromkeys(("submitted_at", "ended_at", "expires_at", "seen_at"), TIME),
    "file": TEXT,
    **dict.fromkeys(("attempt", "submission"), COUNT),
}
"""One row per job of a run, submitted or queued (status NA)."""


def as_texts(table: pd.DataFrame, formats: Mapping[str, Callable[[Any], str]] | None = None) -> pd.DataFrame:
    """The same table as a person reads it: numbers, amounts (``_usd``), or as `formats` by column says."""
    shown = {}
    for name, column in table.items():
        is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        usual: Callable[[Any], str] = format_usd if str(name).endswith("_usd") else format_number
        write = (formats or {}).get(str(name), usual if is_number else _as_text)
        shown[name] = ["" if is_absent(value) else write(value) for value in column]
    return pd.DataFrame(shown)


def _as_text(value: Any) -> str:
    text = str(value)[:19] if isinstance(value, pd.Timestamp) else str(value)
    return f"{text[:12]}…" if re.fullmatch("[0-9a-f]{64}", text) else text


class Table(pd.DataFrame):
    """A DataFrame that shows its first rows whole: no text is cut, columns that hold nothing are left out.

    In a terminal what fits into 100 columns stands side by side, the rest on lines of its own. Without rows
    it is the sentence of ``attrs["empty"]``.
    """

    @property
    def _constructor(self) -> type["Table"]:
        return Table

    def _shown(self) -> tuple[pd.DataFrame, str]:
        shown = as_texts(self.head(_MOST_ROWS).dropna(axis=1, how="all"))
        more = max(len(self) - _MOST_ROWS, 0) + self.attrs.get("unlisted", 0)
        return shown, f"and {more:,} more" if more else ""

    @property
    def _empty(self) -> str:
        return str(self.attrs.get("empty", "No rows."))

    def __repr__(self) -> str:
        shown, more = self._shown()
        return "\n".join([*lay_out(shown.to_dict("list")), *filter(None, [more])]) or self._empty

    def _repr_html_(self) -> str:
        if not len(self):
            return render_panel("table", self._empty)
        shown, more = self._shown()
        return render_panel("table", "", [("", shown)], filter(None, [more]))


def as_frame(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Any], empty: str = "") -> pd.DataFrame:
    """Make a table of exactly these columns, in order and with these dtypes; `empty` is said without rows."""
    listed = list(rows)
    data = {name: pd.array([row.get(name) for row in listed], dtype=dtype) for name, dtype in columns.items()}
    table = Table(data)
    table.attrs |= {"empty": empty} if empty else {}
    return table


def require_columns(
    frame: Any,
    names: Iterable[str],
    remedy: str = "Pass what collect_outputs returned.",
    what: str = "frame",
) -> None:
    """Refuse what is not a frame with these columns, before anything is read from it."""
    if isinstance(frame, str | Path):
        remedy += " Of rows that were written into= a place, pass bb.accounting(place)."
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Found {type(frame).__name__} where a DataFrame belongs. {remedy}")
    if twice := frame.columns[frame.columns.duplicated()].tolist():
        raise InputError(f"The {what} has more than one column {name_some(twice)}. Keep one of each name.")
    if absent := [name for name in names if name not in frame.columns]:
        raise no_column(absent, frame.columns, remedy, what)


def no_column(
    absent: Iterable[object], columns: Iterable[object], remedy: str, what: str = "frame"
) -> InputError:
    """The error for columns that are not there: which, those there are, and what to do."""
    # Those of the source come first: they are what one asks for by name.
    listed = sorted(map(str, columns), key=lambda name: not name.startswith("source."))
    # A line that names more is cut where it is shown, and with it what to do.
    most = sum(ends <= 90 for ends in accumulate(len(name) + 4 for name in listed))
    known = name_some(listed, most=max(1, most)) or "none"
    return InputError(f"The {what} has no column {name_some(absent)}; it has {known}. {remedy}".rstrip())


def find_columns(frame: pd.DataFrame, names: Iterable[str]) -> list[str]:
    """Find columns by their own names or, those of the source, by their names there."""
    columns = {name: name if name in frame.columns else f"source.{name}" for name in names}
    if absent := [name for name, column in columns.items() if column not in frame.columns]:
        remedy = "Bring columns of the source along: source_columns= of collect_outputs, or "
        remedy += "bbkit collect RUN --into rows --with-source."
        raise no_column(absent, frame.columns, remedy)
    for name, column in columns.items():
        if not all(map(pd.api.types.is_hashable, frame[column].dropna()[:1])):
            raise InputError(f"Column {name!r} holds lists or objects, which make no groups. Take another.")
    return list(columns.values())


def is_absent(value: Any) -> bool:
    """Tell whether a cell holds nothing; a list or an array in it is something."""
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


_VARYING = r"[0-9a-fA-F-]{12,}|\d+"


def fold_messages(messages: pd.Series) -> pd.Series:
    """Take messages as the same that differ in ids and numbers only."""
    codes, distinct = pd.factorize(messages)
    folded = pd.Series(distinct, dtype=TEXT).str.slice(0, 400).str.replace(_VARYING, "#", regex=True)
    return pd.Series(folded.reindex(codes).array, index=messages.index)


def bundle(
    kind: str,
    sentence: str,
    numbers: Mapping[str, Any],
    rows: Iterable[Mapping[str, Any]] = (),
    facts: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    return {
        "kind": kind,
        "sentence": sentence,
        "numbers": {name: _plain(value) for name, value in numbers.items()},
        "rows": [{name: _plain(value) for name, value in row.items()} for row in rows],
        "facts": {name: list(values) for name, values in (facts or {}).items()},
    }


def _plain(value: Any) -> Any:
    if is_absent(value):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


_KEY = "bbkit"


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of outputs beside their rows; `numbers` count records, `rows` the frame's by outcome."""

    numbers: dict[str, int | None] = {}
    rows: dict[str, int] = {}
    notes: list[str] = []
    remarks: dict[str, int] = {}
    examples: dict[str, str] = {}
    manifests: list[dict[str, Any]] = []
    jobs: dict[str, dict[str, str]] = {}
    unsent: list[dict[str, Any]] | None = None
    unmatched: list[dict[str, Any]] = []
    paid: list[dict[str, Any]] = []
    paths: dict[str, str] = {}
    sent_paths: list[str] = []
    price_file: str = ""
    is_standin: bool = False
    schema: dict[str, Any] | None = None

    def attach(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Let a frame carry this, as JSON text, which pandas copies, pickles and stores for nothing."""
        frame.attrs[_KEY] = json.dumps(msgspec.to_builtins(self))
        return frame

    @classmethod
    def of(cls, rows: Any) -> "Collected":
        """What a frame carries, or a data set with its schema; where they were not collected, nothing."""
        if isinstance(rows, pd.DataFrame):
            text = rows.attrs.get(_KEY)
        else:
            schema = getattr(getattr(rows, "dataset", rows), "schema", None)
            text = (getattr(schema, "metadata", None) or {}).get(_KEY.encode())
        return msgspec.convert(json.loads(text), cls) if isinstance(text, str | bytes) else cls()

    def describe(self, schema: Any) -> Any:
        """Let the schema of a data set carry this."""
        text = json.dumps(msgspec.to_builtins(self))
        return schema.with_metadata({**(schema.metadata or {}), _KEY: text})
