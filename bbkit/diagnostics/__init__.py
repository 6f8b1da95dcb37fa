"""What deserves attention in outputs: sentences with a number, its threshold and the next step.

`diagnose_outputs` takes the tidy frame: here what became of the records (missing, pending, errored) and what
the accounting knows beyond the rows, in `answers` how answers ended, what is in them, how long they are, and
why parsed ones cannot be used. Their words are in ``texts.json``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bbkit.core.datasets import head_of, read_columns, take_rows
from bbkit.core.files import describe_name_fault, read_data
from bbkit.core.finding import manifest_finding
from bbkit.core.findings import Finding, Findings, findings, make_finding
from bbkit.core.frames import OUTPUT_COLUMNS, TEXT, Collected, fold_messages, require_columns
from bbkit.core.text import name_some, one_line
from bbkit.core.vectors import VECTORS
from bbkit.diagnostics.answers import Counted, findings_on, iter_answers, weigh_texts

RETRYABLE = ("408", "409", "424", "425", "429", "500", "502", "503", "504", "529")
"""Error codes of a record that may succeed when it is sent again: timeouts, throttling, faults of the service
(https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html)."""

_UNUSED = {"record_key", "tier", "attempt", "submission", "source_file"}
_ADDED = ("reasoning", "validity", "answer_error")
_NEEDED = {name for name in (*OUTPUT_COLUMNS, *_ADDED) if not name.startswith("cache_")} - _UNUSED

MOST_ERRORS = 5
"""Kinds of errors named; the others are counted."""


_LOOK = "Look at one record in full before sending it again."
_RETRY = "Send them again: retry_records(run), notebook 04-retry."
_ENDED = {
    "Failed": "Mend what AWS names, then submit the job again: submit_jobs(run, again=['Failed']).",
    "Expired": "Submit the job again: submit_jobs(run, again=['Expired']).",
}
_REMEDIES = {
    "400": "The model refuses these bodies: check_records names the fault; mend them, then send again.",
    "403": "The role or account may not use the model: preflight(run) says what is missing; then send again.",
    "404": "The model or version is not there for this account and region: preflight(run) says which are.",
}
_BY_LINE = (
    "unreadable",
    "duplicate",
    "unexpected",
    "several_choices",
    "no_tool_call",
    "negative_count",
    "truncated_input",
    "ambiguous",
)
"""What the accounting counts of lines, in the order in which it is said."""


def diagnose_outputs(outputs: pd.DataFrame) -> Findings:
    """Say what deserves attention in outputs.

    Parameters
    ----------
    outputs : pandas.DataFrame or Accounting
        What `collect_outputs` returned, or its data set, or a selection of rows. What is said of stray lines
        and manifests needs the whole.

    Returns
    -------
    Findings
        One row per finding, in the form of `check_records`: severity, rule, count, a sentence with the number
        and its threshold, and the next step. Empty when nothing deserves attention.

    Raises
    ------
    bbkit.core.errors.InputError
        If columns of the tidy frame are not there.
    """
    head = head_of(outputs)
    require_columns(head, OUTPUT_COLUMNS)
    collected, given = Collected.of(outputs), outputs
    needed = _NEEDED | ({VECTORS, "model_input"} if VECTORS in head else set())
    outputs = read_columns(given, [name for name in head if name in needed], weigh_texts)
    outputs.index = pd.RangeIndex(len(outputs))
    if outputs.empty and not collected.unmatched:
        is_unread = collected.paths and not collected.rows
        text = "no_records.unread" if is_unread else "no_records.outputs"
        return findings([make_finding(text, paths=name_some(collected.paths))._replace(count=0)])
    if sum(collected.rows.values()) != len(outputs):
        collected = Collected(jobs=collected.jobs)
    rows = [
        *_missing(outputs, collected.jobs),
        *_pending(outputs, collected.unsent),
        *_errored(outputs),
        *iter_answers(outputs, given, head),
        *_reported(outputs),
        *_unmatched(collected),
        *_disagreements(collected.manifests),
        *_renamed(collected.paths),
    ]
    if collected.numbers.get("sent", 0) is None:
        rows.append(make_finding("sent_not_known"))
        again = outputs[outputs["named"] & read_columns(given, ["record_id"], _hash_ids)["hash"].duplicated()]
        rows += findings_on("repeated_ids", again, noun="row")
    ids = take_rows(given, [row.line for row in rows if row.line is not None], ["record_id"])["record_id"]
    table = findings(
        row if row.line is None else row._replace(record_id=ids[row.line], line=None) for row in rows
    )
    if table.empty:
        well = "The record succeeded" if len(outputs) == 1 else f"All {len(outputs):,} records succeeded"
        stops = ", and no answer was cut off or filtered" if outputs["stop_reason"].notna().all() else ""
        table.attrs["sentence"] = f"{well}{stops}."
    return table


def _hash_ids(outputs: pd.DataFrame) -> pd.DataFrame:
    ids = outputs["record_id"].fillna("").to_numpy(dtype=object)
    return pd.DataFrame({"hash": pd.util.hash_array(ids, categorize=False)})


def _missing(outputs: pd.DataFrame, jobs: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    """Records of which no line came, by how their job ended and what AWS said of it."""
    missing = outputs[outputs["outcome"] == "missing"]
    arns = missing["job_arn"].astype(TEXT)
    status, message = (
        arns.map({arn: end[name] for arn, end in jobs.items()}).astype(TEXT).fillna("")
        for name in ("status", "message")
    )
    for (ended, _), rows in missing.groupby([status, fold_messages(message)], sort=False):
        why = message[rows.index[0]]
        values = {"ended": f" {ended}" if ended else "", "why": f" ({why})" if why else ""}
        remedy = _ENDED.get(ended, _RETRY)
        yield from findings_on("missing", rows, outputs, "record", remedy=remedy, **values)


def _pending(outputs: pd.DataFrame, unsent: Sequence[Mapping[str, Any]] | None) -> Iterator[Finding]:
    """Records whose job is not there, which no waiting brings (None: not known), and those it brings."""
    alike: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for job in unsent or ():
        alike.setdefault((job["reason"], job["message"]), []).append(job)
    for (reason, message), jobs in alike.items():
        records = sum(job["records"] for job in jobs)
        named = f"job{'s' if len(jobs) != 1 else ''} {name_some(job['job'] for job in jobs)}"
        why = f": {message}" if message else "."
        found = make_finding(reason, records=Counted(records, "record"), jobs=named, message=why)
        yield found._replace(count=records)
    pending = outputs[outputs["outcome"] == "pending"]
    waited = len(pending) - sum(job["records"] for job in unsent or ())
    if waited > 0:
        share = Counted(waited, "record", len(outputs))
        unknown = " or was not submitted" if unsent is None else ""
        for found in findings_on("pending", pending, waited=share, unknown=unknown):
            yield found._replace(count=waited)


def _errored(outputs: pd.DataFrame) -> Iterator[Finding]:
    errored = outputs[outputs["outcome"] == "errored"].astype({"error_code": TEXT, "error_message": TEXT})
    if errored.empty:
        return
    if len(errored) == len(outputs):
        yield from findings_on("all_errored", errored)
    errored = errored.fillna({"error_code": "no code", "error_message": "no message"})
    kinds = errored.groupby(["error_code", fold_messages(errored["error_message"])], sort=False).ngroup()
    counts = np.bincount(kinds)
    most = np.argsort(-counts, kind="stable")[:MOST_ERRORS]
    for kind in most.tolist():
        alike = errored[kinds == kind]
        code, message = alike[["error_code", "error_message"]].iloc[0]
        again = code in RETRYABLE
        values = {
            "code": "without a code" if code == "no code" else f"with {code}",
            "again": ", worth sending again" if again else "",
            "message": one_line(message, 200),
            "remedy": _RETRY if again else _REMEDIES.get(code, _LOOK),
        }
        yield from findings_on("errored", alike, outputs, "record", **values)
    if others := len(errored) - int(counts[most].sum()):
        share, kinds = Counted(others, "record", len(outputs)), len(counts) - len(most)
        yield make_finding("errored.others", share=share, kinds=kinds)._replace(count=others)


def _reported(outputs: pd.DataFrame) -> Iterator[Finding]:
    answers = outputs.loc[
        outputs["outcome"] == "succeeded", ["named", "input_tokens", "model_id", "model", "family"]
    ]
    silent = answers[answers["input_tokens"].isna() & answers["family"].notna()]
    yield from findings_on("no_usage", silent, answers)
    for column, what in (
        ("model_id", "models were asked"),
        ("model", "models name themselves"),
        ("family", "shapes of answers occur"),
    ):
        names = answers[column].dropna().unique()
        if (count := len(names)) > 1:
            values: dict[str, Any] = {
                "count": count,
                "what": what,
                "names": name_some(names),
                "column": column,
            }
            yield make_finding("mixed_models", **values)._replace(count=count)


def _unmatched(collected: Collected) -> Iterator[Finding]:
    for rule in _BY_LINE:
        if count := collected.numbers.get(rule) or collected.remarks.get(rule):
            text, looks = rule, ""
            if rule == "unreadable":
                looks = " and ".join(_looks(collected.unmatched)[:3])
                text = "unreadable.looks" if looks else "unreadable.lines"
            named = " accounting(outputs).lines names each by file and offset." * (rule in collected.numbers)
            found = make_finding(text, lines=Counted(count, "line"), looks=looks, named=named)
            yield found._replace(record_id=collected.examples.get(rule) or None, count=count)


def _looks(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """What lines look like that could not be read."""
    told = [line for line in lines if line["reason"].startswith("unreadable")]
    heads = [f"{line['head'] or ''}\n{line['reason']}" for line in told]
    known = read_data("answers")["looks"].items()
    return [look for look, pattern in known if any(re.match(pattern, head, re.I | re.S) for head in heads)]


def _disagreements(manifests: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    for manifest in manifests:
        if text := manifest["disagreement"]:
            yield manifest_finding(text)
        for kind in ("input_tokens", "output_tokens"):
            counted, held = manifest.get(f"manifest_{kind}"), manifest.get(kind)
            if counted is not None and held is not None and counted != held:
                values = {"folder": manifest["folder"], "counted": counted, "held": held}
                found = make_finding("manifest_tokens", kind=kind.replace("_", " "), **values)
                yield found._replace(count=abs(counted - held))


def _renamed(paths: Mapping[str, str]) -> Iterator[Finding]:
    """Objects whose keys can be no path of a file on every system."""
    for label, path in paths.items():
        if not path.startswith("s3://") and not Path(path).as_posix().endswith(label):
            fault = next(filter(None, map(describe_name_fault, label.split("/"))), "meets that of another")
            yield make_finding("output_name", "", label, fault=fault, name=Path(path).name)
