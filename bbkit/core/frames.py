"""The tables that rooms hand to each other: columns, dtypes, and how findings show themselves."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from bbkit.core.errors import InputError, RecordsError, name_some

BUNDLE = "application/vnd.bbkit.v1+json"
"""The MIME type under which accounting, findings and cost carry their numbers into `report.json`."""

MANIFEST = "manifest.json.out"
"""The service's own name for the file that counts what a job did
(https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-results.html)."""

TEXT, COUNT, NUMBER, TIME = "string", "Int64", "Float64", "datetime64[us, UTC]"

OUTPUT_COLUMNS: dict[str, str] = {
    "record_id": TEXT,
    "outcome": TEXT,
    "text": TEXT,
    "stop_reason": TEXT,
    "stop_reason_raw": TEXT,
    "input_tokens": COUNT,
    "output_tokens": COUNT,
    "cache_read_tokens": COUNT,
    "cache_write_tokens": COUNT,
    "max_tokens": COUNT,
    "model": TEXT,
    "model_id": TEXT,
    "family": TEXT,
    "tier": TEXT,
    "error_code": TEXT,
    "error_message": TEXT,
    "attempt": COUNT,
    "submission": COUNT,
    "job_arn": TEXT,
    "source_file": TEXT,
}
"""One row per record sent: the tidy frame of `collect_outputs`."""

JOB_COLUMNS: dict[str, str] = {
    "job_name": TEXT,
    "job_arn": TEXT,
    "file": TEXT,
    "attempt": COUNT,
    "submission": COUNT,
    "status": TEXT,
    "message": TEXT,
    "records": COUNT,
    "processed": COUNT,
    "succeeded": COUNT,
    "errored": COUNT,
    "submitted_at": TIME,
    "ended_at": TIME,
    "expires_at": TIME,
    "seen_at": TIME,
}
"""One row per job of a run, submitted or queued (status NA)."""

FINDING_COLUMNS: dict[str, str] = {
    "severity": TEXT,
    "rule": TEXT,
    "file": TEXT,
    "line": COUNT,
    "record_id": TEXT,
    "count": COUNT,
    "finding": TEXT,
    "remedy": TEXT,
}
"""One row per finding; alike ones are one row with their count."""

SEVERITIES = ("error", "warning", "unknown", "info")


def as_frame(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """Make a frame of exactly these columns, in order and with these dtypes, whatever the rows hold."""
    listed = list(rows)
    data = {
        name: pd.array([_known(row.get(name)) for row in listed], dtype=dtype)
        for name, dtype in columns.items()
    }
    return pd.DataFrame(data)


def require_columns(
    frame: Any, names: Iterable[str], remedy: str = "Pass what collect_outputs returned."
) -> None:
    """Refuse what is not a frame with these columns, before anything is read from it."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Found {type(frame).__name__} where a DataFrame belongs. {remedy}")
    if twice := frame.columns[frame.columns.duplicated()].tolist():
        raise InputError(f"The frame has more than one column {name_some(twice)}. Keep one of each name.")
    if absent := [name for name in names if name not in frame.columns]:
        raise InputError(f"The frame has no column {name_some(absent)}. {remedy}")


def find_column(frame: pd.DataFrame, name: str) -> str | None:
    """Find a column by its own name or, one of the source, by its name there; None where there is none."""
    return next((known for known in (name, f"source.{name}") if known in frame.columns), None)


def is_absent(value: Any) -> bool:
    """Tell whether a cell holds nothing; a list or an array in it is something."""
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _known(value: Any) -> Any:
    return pd.NA if value is None else value


def bundle(
    kind: str,
    sentence: str,
    numbers: Mapping[str, Any],
    rows: Iterable[Mapping[str, Any]] = (),
    facts: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Describe a result for `report.json`."""
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


class Findings(pd.DataFrame):
    """What a check says: one row per finding, columns `FINDING_COLUMNS`. Empty means nothing to say."""

    @property
    def _constructor(self) -> type["Findings"]:
        return Findings

    @property
    def errors(self) -> "Findings":
        """The rows whose severity is ``error``."""
        return self[self["severity"] == "error"]

    @property
    def sentence(self) -> str:
        """How many findings of each severity there are, such as ``2 errors, 1 warning``."""
        if self.empty:
            return str(self.attrs.get("sentence", "Nothing to say: no finding."))
        counts = self["severity"].value_counts()
        parts = []
        for severity in SEVERITIES:
            if number := int(counts.get(severity, 0)):
                plural = "s" if number > 1 and severity in ("error", "warning") else ""
                parts.append(f"{number} {severity}{plural}")
        return ", ".join(parts)

    def to_text(self) -> str:
        """The findings as plain text: the sentence, then one line each.

        Returns
        -------
        str
            For a terminal.
        """
        rows = pd.DataFrame(self).to_dict("records")
        lines = [
            f"{row['severity']}: {_where(row)}{row['finding']} {_text(row['remedy'])}".rstrip()
            for row in rows
        ]
        return "\n".join([self.sentence, *lines])

    def raise_for_errors(self) -> "Findings":
        """Stop where a finding is an error; otherwise give the findings back to look at.

        Returns
        -------
        Findings
            This table.

        Raises
        ------
        bbkit.core.errors.RecordsError
            With the first three errors in its text and all of them as ``.findings``.
        """
        wrong = self.errors
        if wrong.empty:
            return self
        said = [
            f"{row['finding']} {_text(row['remedy'])}".rstrip() for row in wrong.head(3).to_dict("records")
        ]
        more = f" ({len(wrong) - 3:,} more errors)" if len(wrong) > 3 else ""
        raise RecordsError(" ".join(said) + more, self)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        if list(self.columns) != list(FINDING_COLUMNS):
            return {"text/plain": pd.DataFrame(self).to_string(), "text/html": pd.DataFrame(self).to_html()}
        rows = pd.DataFrame(self).to_dict("records")
        numbers = {f"findings_{name}": int((self["severity"] == name).sum()) for name in SEVERITIES}
        return {
            "text/plain": self.to_text(),
            "text/html": _findings_html(self.sentence, rows),
            BUNDLE: bundle("findings", self.sentence, numbers, rows),
        }


def found_that(severity: str, rule: str, finding: str, remedy: str = "") -> dict[str, Any]:
    """Make a row for `findings`."""
    return {"severity": severity, "rule": rule, "finding": finding, "remedy": remedy}


def findings(rows: Iterable[Mapping[str, Any]]) -> Findings:
    """Make a table of findings, the most severe first, otherwise in the order given."""
    ordered = sorted(rows, key=lambda row: SEVERITIES.index(row["severity"]))
    told = ({"count": 1, **{name: _storable(value) for name, value in row.items()}} for row in ordered)
    return Findings(as_frame(told, FINDING_COLUMNS))


def _storable(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def _where(row: Mapping[Any, Any]) -> str:
    place = " ".join(_text(row[name]) for name in ("file", "line", "record_id") if _text(row[name]))
    return f"{place}: " if place else ""


def _findings_html(sentence: str, rows: list[Any]) -> str:
    items = []
    for row in rows:
        where = _where(row).removesuffix(": ")
        items.append(
            f'<li class="bbkit-{html.escape(row["severity"])}"><b>{html.escape(row["severity"])}</b> '
            f"{html.escape(_text(row['finding']))} <i>{html.escape(_text(row['remedy']))}</i>"
            + (f" <small>{html.escape(where)}</small>" if where else "")
            + "</li>"
        )
    return (
        '<div class="bbkit-findings tex2jax_ignore mathjax_ignore">'
        f"<p>{html.escape(sentence)}</p><ul>{''.join(items)}</ul></div>"
    )
