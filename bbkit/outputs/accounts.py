"""The accounting: what was sent, what became of it, every line that is no row, and what manifests count."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.core.datasets import head_of, read_columns
from bbkit.core.errors import InputError
from bbkit.core.frames import (
    BUNDLE,
    CAUSES,
    COUNT,
    NUMBER,
    TEXT,
    Collected,
    as_frame,
    as_texts,
    bundle,
    require_columns,
)
from bbkit.core.panels import render_panel
from bbkit.core.text import agree, count_noun, name_some
from bbkit.families import ERROR_BODY
from bbkit.families.values import as_int
from bbkit.outputs.parts import is_remote, open_parts

OUTCOMES = ("succeeded", "errored", "missing", "pending")
UNMATCHED = {"unreadable": "unreadable line", "duplicate": "duplicate line"}
UNMATCHED |= {"unexpected": "unexpected id", "ambiguous": "ambiguous line"}
NUMBERS = ("sent", *OUTCOMES, "cut_off", *UNMATCHED)
ANSWER_NUMBERS = ("valid", *(f"invalid_{cause}" for cause in CAUSES))
_UNMATCHED_COLUMNS = {"file": TEXT, "offset": COUNT, "reason": TEXT, "head": TEXT}


@dataclass(frozen=True, repr=False)
class Accounting:
    """What was sent and what became of it.

    Attributes
    ----------
    sentence : str
        Such as ``160 sent = 157 succeeded + 2 errored + 1 missing``.
    numbers : dict
        ``sent, succeeded, errored, missing, pending, cut_off, unreadable, duplicate, unexpected,
        ambiguous``; of parsed answers ``valid, invalid, invalid_<cause>, valid_share`` (of the records that
        succeeded), ``usable_share`` (valid of all sent), too; None where it is not known.
    table : pandas.DataFrame
        One row per outcome: ``outcome, records, share``.
    complete : bool
        Whether it is known what was sent, nothing is missing, pending or stray, and no manifest
        disagrees.
    lines : pandas.DataFrame
        One row per line that is no row of the frame: ``file, offset`` (bytes), ``reason, head`` (first 200
        bytes).
    manifests : pandas.DataFrame
        One row per manifest: what it says and what the files hold.
    parts : Path, str or None
        The folder or S3 prefix of Parquet parts, when the rows were written ``into=`` one.
    collected : Collected
        What is known of the outputs beside their rows, such as the price file of their run.
    """

    sentence: str
    numbers: dict[str, Any]
    complete: bool
    lines: pd.DataFrame
    manifests: pd.DataFrame
    parts: str | Path | None = None
    collected: Collected = field(default_factory=Collected)

    @property
    def table(self) -> pd.DataFrame:
        """One row per outcome."""
        counts = [self.numbers[outcome] for outcome in OUTCOMES]
        total = sum(count or 0 for count in counts)
        rows = [
            {"outcome": outcome, "records": count, "share": (count or 0) / total if total else None}
            for outcome, count in zip(OUTCOMES, counts, strict=True)
        ]
        return as_frame(rows, {"outcome": TEXT, "records": COUNT, "share": NUMBER})

    @property
    def dataset(self) -> Any:
        """The rows written ``into=`` a folder, for charts, findings, cost, explorer and export to read."""
        if self.parts is None:
            raise InputError("These rows are in a frame. Pass into= to collect_outputs for Parquet parts.")
        return open_parts(self.parts)

    def __repr__(self) -> str:
        return self.sentence

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        tables, more = [("", as_texts(self.table, {"share": "{:.1%}".format}))], len(self.lines) - 10
        if causes := {name: self.numbers[name] for name in ANSWER_NUMBERS if self.numbers.get(name)}:
            counted = pd.DataFrame({"answers": [*causes], "records": [*causes.values()]})
            tables.append(("", as_texts(counted)))
        if len(self.lines):
            tables.append(("", self.lines.head(10)))
        return {
            "text/plain": f"{self.sentence}\n{self.table.to_string(index=False)}",
            "text/html": render_panel(
                "accounting", self.sentence, tables, [f"and {more:,} more lines"] if more > 0 else []
            ),
            BUNDLE: bundle(
                "accounting",
                self.sentence,
                self.numbers,
                self.table.to_dict("records"),
                {"Manifests": [_describe_manifests(self.manifests)]},
            ),
        }


def _describe_manifests(manifests: pd.DataFrame) -> str:
    if manifests.empty:
        return "none was found"
    apart = [text for text in manifests["disagreement"] if text]
    agreed = f"{len(manifests) - len(apart):,} of {len(manifests):,} agree with the lines"
    return "; ".join([agreed, *apart[:3]])


def accounting(outputs: Any) -> Accounting:
    """Say what was sent and what became of it.

    Parameters
    ----------
    outputs : pandas.DataFrame, Accounting, data set, path or S3 URI
        What `collect_outputs` or `parse_answers` returned (of answers a second sentence says which can be
        used), or the place that was written ``into=``, to go on from there. Of rows that were filtered
        since, only these are counted, the sentence says so, and it is never complete.

    Returns
    -------
    Accounting
        Shows its sentence first; ``.table``, ``.complete``, ``.lines`` (stray lines), ``.numbers``.

    Raises
    ------
    bbkit.core.errors.InputError
        If it has no column ``outcome``, or the place holds no finished write.
    """
    if isinstance(outputs, Accounting):
        return outputs
    if isinstance(outputs, str | Path):
        return account(Collected.of(open_parts(outputs)), outputs if is_remote(outputs) else Path(outputs))
    require_columns(head_of(outputs), ["outcome"])
    collected = Collected.of(outputs)
    wanted = ("outcome", "stop_reason", "validity", "record_key")
    outputs = read_columns(outputs, [name for name in wanted if name in head_of(outputs)])
    counts = Counter({name: count for name, count in outputs["outcome"].value_counts().items() if count})
    total = sum(collected.rows.values())
    whole = len(outputs) == total and counts == Counter(collected.rows) and outputs.index.is_unique
    if collected.numbers and whole:
        return _add_answers(account(collected), outputs)
    numbers: dict[str, int | None] = {name: counts[name] if name in OUTCOMES else 0 for name in NUMBERS}
    numbers["sent"] = None
    if "stop_reason" in outputs.columns:
        numbers["cut_off"] = int((outputs["stop_reason"] == "length").sum())
    selected = f"{len(outputs):,} rows selected{f' of {total:,}' if total > len(outputs) else ''}"
    sentence = f"{_equation(selected, numbers)}; a selection does not tell whether everything came back"
    selection = Accounting(sentence, numbers, False, as_frame([], _UNMATCHED_COLUMNS), pd.DataFrame())
    return _add_answers(selection, outputs)


def _add_answers(account: Accounting, rows: pd.DataFrame) -> Accounting:
    """Say which of the answers can be used, where they were parsed."""
    if "validity" not in rows:
        return account
    counts = Counter({name: int(count) for name, count in rows["validity"].value_counts().items() if count})
    valid, sent = counts.pop("valid", 0), account.numbers["sent"]
    invalid, usable = counts.total(), valid
    if sent is not None and len(rows) > sent and "record_key" in rows:  # several attempts of a record
        usable = rows.loc[rows["validity"].eq("valid").fillna(False), "record_key"].nunique()
    causes = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    named = ", ".join(f"{count:,} {cause}" for cause, count in causes)
    equation = f"{count_noun(valid + invalid, 'answer')} = {valid:,} valid + {invalid:,} invalid"
    numbers = account.numbers | {"valid": valid, "invalid": invalid}
    numbers |= {f"invalid_{cause}": counts[cause] for cause in CAUSES}
    numbers["valid_share"] = valid / (valid + invalid) if valid + invalid else None
    numbers["usable_share"] = usable / sent if sent else None
    sentence = f"{account.sentence}. {equation}{f' ({named})' if named else ''}"
    return replace(account, sentence=sentence, numbers=numbers)


def account(collected: Collected, parts: str | Path | None = None) -> Accounting:
    """Turn what was counted into the accounting."""
    numbers, manifests = collected.numbers, collected.manifests
    sent, read = numbers["sent"], sum(numbers[outcome] or 0 for outcome in OUTCOMES)
    taken = collected.remarks.get("reasoned", 0)
    unmatched = [count_noun(count, noun) for kind, noun in UNMATCHED.items() if (count := numbers[kind])]
    clauses = [
        _equation(f"{read:,} read" if sent is None else f"{sent:,} sent", numbers),
        ", ".join(unmatched),
        f"reasoning taken off {count_noun(taken, 'text')}" if taken else "",
        *collected.notes,
        *(manifest["disagreement"] or manifest["note"] for manifest in manifests),
        "which were sent is not known" if sent is None else "",
    ]
    loose = any(numbers[name] for name in ("missing", "pending", *UNMATCHED))
    return Accounting(
        sentence="; ".join(clause for clause in clauses if clause),
        numbers=dict(numbers),
        complete=sent is not None
        and not loose
        and not any(manifest["disagreement"] for manifest in manifests),
        lines=as_frame(collected.unmatched, _UNMATCHED_COLUMNS),
        manifests=pd.DataFrame(manifests),
        parts=parts,
        collected=collected,
    )


def _equation(total: str, numbers: Mapping[str, int | None]) -> str:
    terms = [f"{count:,} {outcome}" for outcome in OUTCOMES if (count := numbers[outcome])]
    return f"{total} = {' + '.join(terms)}" if terms else total


_MANIFEST_NAMES = {
    "total": "totalRecordCount",
    "processed": "processedRecordCount",
    "succeeded": "successRecordCount",
    "errored": "errorRecordCount",
    "input_tokens": "inputTokenCount",
    "output_tokens": "outputTokenCount",
}


def count_lines(table: pa.Table, counts: Counter[str]) -> None:
    """Count what a manifest counts; `silent` are answers without tokens, `bodies` errors in their place."""
    succeeded = pc.sum(table["succeeded"]).as_py() or 0
    counts.update(succeeded=succeeded, errored=len(table) - succeeded)
    counts["bodies"] += pc.sum(pc.equal(table["remarks"], ERROR_BODY.remarks)).as_py() or 0
    for name in ("input_tokens", "output_tokens"):
        counts[name] += pc.sum(table[name]).as_py() or 0
        counts["silent"] += succeeded > len(table) - table[name].null_count


def compare_manifest(
    folder: str, manifest: dict[str, Any] | None, counts: Counter[str], total: int | None
) -> dict[str, Any]:
    """Lay one manifest beside its files; `total` is how many records it should count, where that is known."""
    row: dict[str, Any] = {"folder": folder, "disagreement": "", "note": ""}
    if manifest is None:
        return row | {"disagreement": f"the manifest in {folder} is not a JSON object"}
    for name, key in _MANIFEST_NAMES.items():
        value = as_int(manifest.get(key))
        row[f"manifest_{name}"] = value if value is None or value < 1 << 63 else None
        row[name] = None if name.endswith("tokens") and counts["silent"] else counts[name]
    row["total"] = total
    pairs = {name: (row[f"manifest_{name}"], row[name]) for name in _MANIFEST_NAMES}
    apart = {name for name, (told, held) in pairs.items() if None not in (told, held) and told != held}
    bodies, as_counted = counts["bodies"], (row["manifest_succeeded"], row["manifest_errored"])
    if bodies and as_counted == (row["succeeded"] + bodies, row["errored"] - bodies):
        errors = count_noun(bodies, "error")
        row["note"] = f"the manifest in {folder} counts as succeeded {errors} in place of an answer"
    differing = [
        f"{row[f'manifest_{name}']:,} {name} (its files hold {row[name]:,})"
        for name in ("succeeded", "errored")
        if name in apart and not row["note"]
    ]
    totals = _describe_totals(row) if apart & {"total", "processed"} else ""
    if counted := " and ".join(differing) or totals:
        row["disagreement"] = f"the manifest in {folder} counts {counted}"
    given = [_MANIFEST_NAMES[name] for name, (told, _) in pairs.items() if told is not None]
    if odd := [key for key in _MANIFEST_NAMES.values() if manifest.get(key) is not None and key not in given]:
        row["disagreement"] = f"the manifest in {folder} holds no number as {name_some(odd)}"
    elif not given:
        row["disagreement"] = f"the manifest in {folder} counts nothing"
    return row


def _describe_totals(row: Mapping[str, Any]) -> str:
    counted = [
        f"{row[f'manifest_{name}']:,} {unit}"
        for name, unit in (("total", "records"), ("processed", "processed"))
        if row[f"manifest_{name}"] is not None
    ]
    held, sent = row["processed"], row["total"]
    more = "" if sent in (None, held) else f", {sent:,}{agree(sent, 'were')} sent"
    return f"{', '.join(counted)}; its files hold {held:,}{more}"
