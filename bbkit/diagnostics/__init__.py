"""What deserves attention in outputs: sentences with a number, its threshold and the next step."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbkit.core.findings import Finding, Findings, findings
from bbkit.core.frames import OUTPUT_COLUMNS, require_columns
from bbkit.core.text import agree, name_some, share_of
from bbkit.diagnostics.answers import first_id, iter_contents, iter_stops

RETRYABLE = ("408", "409", "424", "425", "429", "500", "502", "503", "504", "529")
"""Error codes of a record that may succeed when it is sent again: timeouts, throttling, faults of the service
(https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html)."""

MOST_ERRORS = 5
"""Kinds of errors named; the others are counted."""

_VARYING = r"[0-9a-fA-F-]{12,}|\d+"

_RETRY = "Send them again: retry_records(run), notebook 04-retry."
_ENDED = {
    "Failed": "Mend what AWS names, then submit the job again: submit_jobs(run, again=['Failed']).",
    "Expired": "Submit the job again: submit_jobs(run, again=['Expired']).",
}
_UNSENT = {
    "refused": ("error", "are pending; AWS refused to create it", "Mend it, then submit_jobs(run)."),
    "withdrawn": (
        "warning",
        "are pending; it was taken from the queue before it was submitted",
        "Submit it with submit_jobs(run).",
    ),
    "unsent": ("warning", "are pending; it was not submitted", "Submit it with submit_jobs(run)."),
    "on_demand": (
        "warning",
        "are pending; they are too few for a batch job and were not sent",
        "Send them with send_on_demand(run).",
    ),
}
_REMEDIES = {
    "400": "The model refuses these bodies: check_records names the fault; mend them, then send again.",
    "403": "The role or account may not use the model: preflight(run) says what is missing; then send again.",
    "404": "The model or version is not there for this account and region: preflight(run) says which are.",
}


def diagnose_outputs(outputs: pd.DataFrame) -> Findings:
    """Say what deserves attention in outputs.

    Parameters
    ----------
    outputs : pandas.DataFrame
        What `collect_outputs` returned, or a selection of its rows. What is said of stray lines and manifests
        needs the whole frame.

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
    require_columns(outputs, OUTPUT_COLUMNS)
    if outputs.empty:
        remedy = "Name a run whose records were written, or a folder that holds outputs."
        return findings([Finding("info", "no_records", "There is no record: 0 rows.", remedy, count=0)])
    state = outputs.attrs.get("bbkit") or {}
    whole = sum(state.get("rows", {}).values()) == len(outputs)
    rows = [
        *_absent(outputs, state if whole else {"jobs": state.get("jobs")}),
        *_errored(outputs),
        *iter_stops(outputs),
        *iter_contents(outputs),
        *_reported(outputs),
    ]
    if whole:
        rows += _collected(state)
    found = findings(rows)
    if found.empty:
        found.attrs["sentence"] = _say_well(outputs)
    return found


def _say_well(outputs: pd.DataFrame) -> str:
    """Say what was looked for, where everything came back well."""
    said = "the record succeeded" if len(outputs) == 1 else f"all {len(outputs):,} records succeeded"
    told = outputs["stop_reason"].notna().all()
    return f"Nothing to say: {said}{', no answer was cut off or filtered' if told else ''}."


def _absent(outputs: pd.DataFrame, state: Mapping[str, Any]) -> Iterator[Finding]:
    missing = outputs[outputs["outcome"] == "missing"]
    if len(missing):
        yield from _missing(missing, state.get("jobs") or {}, len(outputs))
    unsent = list(state.get("unsent") or ())
    yield from _unsent(unsent)
    pending = outputs[outputs["outcome"] == "pending"]
    waited = len(pending) - sum(job["records"] for job in unsent)
    if waited > 0:
        yield Finding(
            "info",
            "pending",
            f"{share_of(waited, len(outputs), 'record', 'are')} pending: their job has not ended"
            f"{'' if 'unsent' in state else ' or was not submitted'}.",
            "Wait with wait_for_jobs(run), then collect again; what is said here is of the others.",
            count=waited,
            record_id=first_id(pending),
        )


def _missing(missing: pd.DataFrame, jobs: Mapping[str, Mapping[str, str]], total: int) -> Iterator[Finding]:
    """Records of which no line came, by how their job ended and what AWS said of it."""
    found: dict[tuple[str, str], list[pd.DataFrame]] = {}
    said: dict[tuple[str, str], str] = {}
    for job_arn, rows in missing.groupby("job_arn", sort=False, dropna=False):
        end = jobs.get(job_arn, {}) if isinstance(job_arn, str) else {}
        key = (end.get("status", ""), re.sub(_VARYING, "#", end.get("message", "")))
        found.setdefault(key, []).append(rows)
        said.setdefault(key, end.get("message", ""))
    for key, parts in found.items():
        rows, status = pd.concat(parts), key[0]
        why = f" ({said[key]})" if said[key] else ""
        yield Finding(
            "error",
            "missing",
            f"{share_of(len(rows), total, 'record', 'are')} missing (accepted: 0): their job ended"
            f"{f' {status}' if status else ''} and no line came{why}.",
            _ENDED.get(status, _RETRY),
            count=len(rows),
            record_id=first_id(rows),
        )


def _unsent(jobs: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Records whose job is not there, and which no waiting brings."""
    for (reason, message), some in _by_reason(jobs).items():
        count = sum(job["records"] for job in some)
        records = f"{count:,} record{'s' if count != 1 else ''}"
        named = f"job{'s' if len(some) != 1 else ''} {name_some(job['job'] for job in some)}"
        severity, said, remedy = _UNSENT[reason]
        yield Finding(
            severity,
            reason,
            f"{records} of {named} {said}{f': {message}' if message else '.'}",
            remedy,
            count=count,
        )


def _by_reason(jobs: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for job in jobs:
        found.setdefault((job["reason"], job["message"]), []).append(job)
    return found


def fold_messages(messages: pd.Series) -> pd.Series:
    """Take messages as the same that differ in ids and numbers only."""
    codes, distinct = pd.factorize(messages)
    folded = pd.Series(distinct, dtype="string").str.slice(0, 400).str.replace(_VARYING, "#", regex=True)
    return pd.Series(folded.reindex(codes).array, index=messages.index)


def _errored(outputs: pd.DataFrame) -> Iterator[Finding]:
    errored = outputs[outputs["outcome"] == "errored"]
    if errored.empty:
        return
    if len(errored) == len(outputs):
        yield Finding(
            "error",
            "all_errored",
            f"Every record errored ({len(errored):,}); a job ends Completed all the same.",
            "Look at one record in full before sending any again.",
            count=len(errored),
            record_id=first_id(errored),
        )
    codes, folded = errored["error_code"].fillna("no code"), fold_messages(errored["error_message"])
    kinds = errored.groupby([codes, folded.fillna("no message")], sort=False).ngroup().to_numpy()
    counts = np.bincount(kinds)
    most = np.argsort(-counts, kind="stable")[:MOST_ERRORS]
    for place in most.tolist():
        yield _one_kind(errored[kinds == place], len(outputs))
    if rest := len(errored) - int(counts[most].sum()):
        yield Finding(
            "error",
            "errored",
            f"{share_of(rest, len(outputs), 'record')} errored in {len(counts) - len(most):,} other ways.",
            "See outputs.query(\"outcome == 'errored'\") and charts.errors(outputs).",
            count=rest,
        )


def _one_kind(alike: pd.DataFrame, total: int) -> Finding:
    """Say how many records errored in one way, and what is to be done about it."""
    code = alike["error_code"].fillna("no code").iloc[0]
    retryable = code in RETRYABLE
    remedy = (
        _RETRY if retryable else _REMEDIES.get(code, "Look at one record in full before sending it again.")
    )
    text = re.sub(r"\s+", " ", str(alike["error_message"].fillna("no message").iloc[0]))
    text = text if len(text) <= 200 else f"{text[:199]}…"
    code_text = "without a code" if code == "no code" else f"with {code}"
    return Finding(
        "error",
        "errored",
        f"{share_of(len(alike), total, 'record')} errored {code_text} (accepted: 0"
        f"{', worth sending again' if retryable else ''}): {text!r}.",
        remedy,
        count=len(alike),
        record_id=first_id(alike),
    )


def _reported(outputs: pd.DataFrame) -> Iterator[Finding]:
    answers = outputs[outputs["outcome"] == "succeeded"]
    silent = answers[answers["input_tokens"].isna() & answers["family"].notna()]
    if len(silent):
        yield Finding(
            "info",
            "no_usage",
            f"{share_of(len(silent), len(answers), 'answer')} came without a count of input tokens "
            "(threshold: 1).",
            "Take the cost of these from the manifest or the bill.",
            count=len(silent),
            record_id=first_id(silent),
        )
    for column, what in (
        ("model_id", "models were asked"),
        ("model", "models name themselves"),
        ("family", "shapes of answers occur"),
    ):
        values = answers[column].dropna().unique()
        if len(values) > 1:
            yield Finding(
                "info",
                "mixed_models",
                f"{len(values):,} {what} (threshold: 2): {name_some(values)}.",
                f"Compare like with like: by='{column}' in the charts.",
                count=len(values),
            )


def _collected(state: Mapping[str, Any]) -> Iterator[Finding]:
    """What the accounting knows beyond the rows."""
    numbers = state.get("numbers", {})
    told = {
        "unreadable": ("error", ("are", "unreadable"), "The files may be damaged: fetch them again."),
        "duplicate": ("warning", ("answer", "a record that has its row"), "The tokens of each were billed."),
        "unexpected": (
            "warning",
            ("have", "an id that nobody sent"),
            "Old files may have lain in the input folder.",
        ),
    }
    for rule, (severity, (verb, what), hint) in told.items():
        if count := numbers.get(rule, 0):
            line = "line" if count == 1 else "lines"
            yield Finding(
                severity,
                rule,
                f"{count:,} {line}{agree(count, verb)} {what} (accepted: 0).",
                f"{hint} accounting(outputs).lines names each by file and offset.",
                count=count,
            )
    for manifest in state.get("manifests", ()):
        if manifest.get("disagreement"):
            text = manifest["disagreement"]
            yield Finding(
                "warning",
                "manifest",
                f"{text[:1].upper()}{text[1:]}.",
                "A job that stopped or expired leaves records out. Otherwise fetch the outputs again; "
                "if they stay different, count the lines of the files.",
                count=1,
            )
        for kind in ("input_tokens", "output_tokens"):
            said, held = manifest.get(f"manifest_{kind}"), manifest.get(kind)
            if said is not None and held is not None and said != held:
                yield Finding(
                    "info",
                    "manifest_tokens",
                    f"The manifest in {manifest['folder']} counts {said:,} {kind.replace('_', ' ')}, "
                    f"the lines of its files {held:,}.",
                    "Tokens read from a cache are not always counted alike; the bill decides.",
                    count=abs(said - held),
                )
    if numbers.get("sent", 0) is None:
        yield Finding(
            "info",
            "sent_not_known",
            "Which records were sent is not known, so none can be missing.",
            "Pass sent= (the input file, or the ids) to collect_outputs.",
            count=1,
        )
