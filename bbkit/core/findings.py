"""What checks say, from the rule that makes a finding to the table that shows it."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from bbkit.core.errors import RecordsError
from bbkit.core.finding import Finding, make_finding
from bbkit.core.frames import BUNDLE, COUNT, TEXT, Table, as_frame, bundle, is_absent
from bbkit.core.panels import render
from bbkit.core.text import count_noun, show_controls, wrap

__all__ = ["FINDING_COLUMNS", "SEVERITIES", "Finding", "Findings", "findings", "make_finding"]

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

_NOUNS = {"unknown": "open question", "info": "note"}


class Findings(Table):
    """What a check says: one row per finding, columns `FINDING_COLUMNS`. Empty means nothing to say."""

    @property
    def _constructor(self) -> type["Findings"]:
        return Findings

    @property
    def errors(self) -> "Findings":
        """The rows whose severity is ``error``."""
        wrong: Findings = self[self["severity"] == "error"]
        return wrong

    @property
    def sentence(self) -> str:
        """How many findings of each severity there are, such as ``2 errors, 1 warning``."""
        if self.empty:
            return str(self.attrs.get("sentence", "No findings."))
        counts = self["severity"].value_counts()
        numbers = [(severity, int(counts.get(severity, 0))) for severity in SEVERITIES]
        return ", ".join(count_noun(number, _NOUNS.get(name, name)) for name, number in numbers if number)

    def to_text(self) -> str:
        """The findings as plain text: the sentence, then one line each.

        Returns
        -------
        str
            For a terminal.
        """
        rows = pd.DataFrame(self).to_dict("records")
        lines = [
            f"{row['severity']}: {f'{where}: ' if (where := _where(row)) else ''}{_sentence(row)}"
            for row in rows
        ]
        return "\n".join(map(show_controls, [self.sentence, *lines]))

    def __repr__(self) -> str:
        is_whole = list(self.columns) == list(FINDING_COLUMNS)
        return wrap(self.to_text()) if is_whole else super().__repr__()

    def raise_for_errors(self) -> "Findings":
        """Stop where a finding is an error; otherwise give the findings back to look at.

        Returns
        -------
        Findings
            This table.

        Raises
        ------
        bbkit.core.errors.RecordsError
            With the first three errors in its text, each with its record and line, and all of them as
            ``.findings``.
        """
        wrong = self.errors
        if wrong.empty:
            return self
        first = " ".join(_named(row) + _sentence(row) for row in wrong.head(3).to_dict("records"))
        more = f" ({len(wrong) - 3:,} more errors)" if len(wrong) > 3 else ""
        raise RecordsError(first + more, self)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        if list(self.columns) != list(FINDING_COLUMNS):
            return {"text/plain": super().__repr__(), "text/html": self._repr_html_()}
        rows = pd.DataFrame(self).to_dict("records")
        numbers = {f"findings_{name}": int((self["severity"] == name).sum()) for name in SEVERITIES}
        return {
            "text/plain": self.to_text(),
            "text/html": render(
                "findings",
                sentence=self.sentence,
                items=[(row["severity"], row["finding"], _text(row["remedy"]), _where(row)) for row in rows],
            ),
            BUNDLE: bundle("findings", self.sentence, numbers, rows),
        }


def findings(rows: Iterable[Finding]) -> Findings:
    """Make a table of findings, the most severe first, otherwise in the order given."""
    ordered = sorted(rows, key=lambda row: SEVERITIES.index(row.severity))
    storable = ({name: _storable(value) for name, value in row._asdict().items()} for row in ordered)
    return Findings(as_frame(storable, FINDING_COLUMNS))


def _storable(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _text(value: Any) -> str:
    return "" if is_absent(value) else str(value)


def _sentence(row: Mapping[Any, Any]) -> str:
    return f"{row['finding']} {_text(row['remedy'])}".rstrip()


def _named(row: Mapping[Any, Any]) -> str:
    """The one record, line and file of a finding; alike ones name some in their sentence."""
    file, line, record_id = (_text(row[name]) for name in ("file", "line", "record_id"))
    of_file = f" of {file}" if file else ""
    if not line or row["count"] > 1:
        return f"{file}: " if file else ""
    place = f"line {row['line']:,}{of_file}"
    return f"Record {record_id!r} ({place}): " if record_id else f"L{place[1:]}: "


def _where(row: Mapping[Any, Any]) -> str:
    return " ".join(filter(None, (_text(row[name]) for name in ("file", "line", "record_id"))))
