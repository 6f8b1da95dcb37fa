"""The accounting: what was sent, what became of it, and every line that is no row."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from bbkit.core.errors import InputError
from bbkit.core.frames import BUNDLE, as_frame, bundle, require_columns

OUTCOMES = ("succeeded", "errored", "missing", "pending")
STRAYS = ("unreadable", "duplicate", "unexpected")
NUMBERS = ("sent", *OUTCOMES, "cut_off", *STRAYS)
STRAY_COLUMNS = {"file": "string", "offset": "Int64", "reason": "string", "head": "string"}
_STRAY_WORDS = {
    "unreadable": ("unreadable line", "unreadable lines"),
    "duplicate": ("duplicate line", "duplicate lines"),
    "unexpected": ("unexpected id", "unexpected ids"),
}
_KEY = "bbkit"


class AccountState(dict[str, Any]):
    """What `collect_outputs` counted, as it travels in ``outputs.attrs["bbkit"]``."""

    lines: pd.DataFrame

    def __init__(self, items: Mapping[str, Any], lines: pd.DataFrame | None = None):
        super().__init__(items)
        self.lines = as_frame([], STRAY_COLUMNS) if lines is None else lines
        self.places: dict[str, str] = {}
        self.sent_places: list[str] = []
        self.price_file, self.is_standin = "", False

    def __copy__(self) -> "AccountState":
        return self

    def __deepcopy__(self, memo: object) -> "AccountState":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return AccountState, (dict(self), self.lines)


@dataclass(frozen=True)
class Accounting:
    """What was sent and what became of it.

    Attributes
    ----------
    sentence : str
        Such as ``160 sent = 157 succeeded + 2 errored + 1 missing``.
    numbers : dict
        ``sent, succeeded, errored, missing, pending, cut_off, unreadable, duplicate, unexpected``; None where
        it is not known.
    table : pandas.DataFrame
        One row per outcome: ``outcome, records, share``.
    complete : bool
        Whether it is known what was sent, nothing is missing, pending or stray, and no manifest counts
        another number of records.
    lines : pandas.DataFrame
        One row per line that is no row of the frame: ``file, offset`` (bytes), ``reason, head`` (first 200
        bytes).
    manifests : pandas.DataFrame
        One row per manifest: what it says and what the files hold.
    parts : Path or None
        The folder of Parquet parts, when the rows were written ``into=`` one.
    """

    sentence: str
    numbers: dict[str, int | None]
    complete: bool
    lines: pd.DataFrame = field(repr=False)
    manifests: pd.DataFrame = field(repr=False)
    parts: Path | None = None

    @property
    def table(self) -> pd.DataFrame:
        """One row per outcome."""
        counts = [self.numbers[outcome] for outcome in OUTCOMES]
        total = sum(count or 0 for count in counts)
        rows = [
            {"outcome": outcome, "records": count, "share": (count or 0) / total if total else None}
            for outcome, count in zip(OUTCOMES, counts, strict=True)
        ]
        return as_frame(rows, {"outcome": "string", "records": "Int64", "share": "Float64"})

    @property
    def dataset(self) -> Any:
        """A lazy handle on the rows written ``into=`` a folder: ``.dataset.to_table(columns=[...])``."""
        if self.parts is None:
            raise InputError("These rows are in a frame. Pass into= to collect_outputs for Parquet parts.")
        import pyarrow.dataset

        return pyarrow.dataset.dataset(self.parts, format="parquet")

    def __str__(self) -> str:
        return self.sentence

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        lines = self.lines.head(10)
        more = len(self.lines) - len(lines)
        tables = [_table_html(self.table)]
        text = f"{self.sentence}\n{self.table.to_string(index=False)}"
        if len(lines):
            tables.append(_table_html(lines) + (f"<p>and {more:,} more lines</p>" if more else ""))
        return {
            "text/plain": text,
            "text/html": (
                '<div class="bbkit-accounting tex2jax_ignore mathjax_ignore">'
                f"<p><b>{html.escape(self.sentence)}</b></p>{''.join(tables)}</div>"
            ),
            BUNDLE: bundle(
                "accounting",
                self.sentence,
                self.numbers,
                self.table.to_dict("records"),
                {"Manifests": [_say_manifests(self.manifests)]},
            ),
        }


def _say_manifests(manifests: pd.DataFrame) -> str:
    if manifests.empty:
        return "none was found"
    apart = [text for text in manifests["disagreement"] if text]
    agree = f"{len(manifests) - len(apart):,} of {len(manifests):,} agree with the lines"
    return f"{agree}; {'; '.join(apart[:3])}" if apart else agree


def _table_html(table: pd.DataFrame) -> str:
    shares = {"share": lambda value: "" if pd.isna(value) else f"{value:.1%}"}
    counts = {"records": lambda value: "" if pd.isna(value) else f"{value:,}"}
    return table.to_html(index=False, border=0, formatters={**shares, **counts}, na_rep="")


def accounting(outputs: pd.DataFrame | Accounting) -> Accounting:
    """Say what was sent and what became of it.

    Parameters
    ----------
    outputs : pandas.DataFrame or Accounting
        What `collect_outputs` returned. Of a frame that was filtered since, only its own rows are counted,
        the sentence says so, and it is never complete.

    Returns
    -------
    Accounting
        Shows its sentence first; ``.table``, ``.complete``, ``.lines`` (stray lines), ``.numbers``.

    Raises
    ------
    bbkit.core.errors.InputError
        If it is no frame with a column ``outcome``.
    """
    if isinstance(outputs, Accounting):
        return outputs
    require_columns(outputs, ["outcome"])
    state = outputs.attrs.get(_KEY)
    if isinstance(state, dict) and _is_whole(outputs, state):
        return account(state)
    return _account_selection(outputs, state if isinstance(state, dict) else {})


def attach_state(frame: pd.DataFrame, state: AccountState) -> pd.DataFrame:
    """Let a frame carry its accounting."""
    frame.attrs[_KEY] = state
    return frame


def make_state(
    numbers: Mapping[str, int | None],
    *,
    rows: Mapping[str, int],
    notes: Sequence[str],
    manifests: Sequence[Mapping[str, Any]],
    lines: pd.DataFrame,
    jobs: Mapping[str, Mapping[str, str]] | None = None,
    unsent: Sequence[Mapping[str, Any]] = (),
) -> AccountState:
    """Bring together what was counted while collecting."""
    items = {
        "numbers": {name: numbers.get(name, 0) for name in NUMBERS},
        "rows": dict(rows),
        "notes": list(notes),
        "manifests": [dict(manifest) for manifest in manifests],
        "jobs": dict(jobs or {}),
        "unsent": list(unsent),
    }
    return AccountState(items, lines)


def account(state: Mapping[str, Any], parts: Path | None = None) -> Accounting:
    """Turn what was counted into the accounting."""
    numbers = state["numbers"]
    manifests = state["manifests"]
    disagreements = [manifest["disagreement"] for manifest in manifests if manifest["disagreement"]]
    known = numbers["sent"] is not None
    counts = {kind: numbers[kind] for kind in STRAYS if numbers[kind]}
    strays = [f"{count:,} {_STRAY_WORDS[kind][count != 1]}" for kind, count in counts.items()]
    clauses = [_equation(numbers), ", ".join(strays), *state["notes"], *disagreements]
    if not known:
        clauses.append("which were sent is not known")
    loose = sum(numbers[name] for name in ("missing", "pending", *STRAYS))
    return Accounting(
        sentence="; ".join(clause for clause in clauses if clause),
        numbers=dict(numbers),
        complete=known and not loose and not any(_miscounts(manifest) for manifest in manifests),
        lines=getattr(state, "lines", as_frame([], STRAY_COLUMNS)),
        manifests=pd.DataFrame(manifests),
        parts=parts,
    )


def counts_otherwise(manifest: Mapping[str, Any], name: str) -> bool:
    """Tell whether a manifest says another number than was found, both being known."""
    said, found = manifest.get(f"manifest_{name}"), manifest.get(name)
    return said is not None and found is not None and said != found


def _miscounts(manifest: Mapping[str, Any]) -> bool:
    return counts_otherwise(manifest, "total") or counts_otherwise(manifest, "processed")


def _equation(numbers: Mapping[str, Any]) -> str:
    terms = [f"{numbers[outcome]:,} {outcome}" for outcome in OUTCOMES if numbers[outcome]]
    if numbers["sent"] is None:
        read = sum(numbers[outcome] for outcome in OUTCOMES)
        return " = ".join([f"{read:,} read", *([" + ".join(terms)] if terms else [])])
    return " = ".join([f"{numbers['sent']:,} sent", *([" + ".join(terms)] if terms else [])])


def _is_whole(outputs: pd.DataFrame, state: Mapping[str, Any]) -> bool:
    """Whether the rows are those that were collected, in any order."""
    if not {"numbers", "rows", "notes", "manifests"} <= set(state):
        return False
    if len(outputs) != sum(state["rows"].values()):
        return False
    counts = outputs["outcome"].value_counts()
    if any(int(counts.get(outcome, 0)) != count for outcome, count in state["rows"].items()):
        return False
    return bool(outputs.index.is_unique)


def _account_selection(outputs: pd.DataFrame, state: Mapping[str, Any]) -> Accounting:
    counts = outputs["outcome"].value_counts()
    numbers: dict[str, int | None] = dict.fromkeys(NUMBERS, 0)
    numbers |= {outcome: int(counts.get(outcome, 0)) for outcome in OUTCOMES}
    numbers["sent"] = None
    if "stop_reason" in outputs.columns:
        numbers["cut_off"] = int((outputs["stop_reason"] == "length").sum())
    of = sum(state["rows"].values()) if "rows" in state else None
    terms = [f"{numbers[outcome]:,} {outcome}" for outcome in OUTCOMES if numbers[outcome]]
    head = f"{len(outputs):,} rows selected" + (f" of {of:,}" if of is not None and of > len(outputs) else "")
    sentence = " = ".join([head, *([" + ".join(terms)] if terms else [])])
    return Accounting(
        sentence=f"{sentence}; a selection does not tell whether everything came back",
        numbers=numbers,
        complete=False,
        lines=as_frame([], STRAY_COLUMNS),
        manifests=pd.DataFrame(),
    )
