"""What deserves attention in outputs: sentences with a number, its threshold and the next step.

`diagnose_outputs` takes the tidy frame: here what became of the records (missing, pending, errored) and what
the accounting knows beyond the rows, in `answers` how answers ended, what is in them and how long they are,
in `validity` why parsed ones cannot be used.
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
from bbkit.core.findings import Finding, Findings, findings
from bbkit.core.frames import OUTPUT_COLUMNS, TEXT, Collected, require_columns
from bbkit.core.text import count_noun, name_some, one_line, share_of
from bbkit.diagnostics.answers import finding_on, iter_answers, weigh_texts
from bbkit.diagnostics.validity import iter_validity

RETRYABLE = ("408", "409", "424", "425", "429", "500", "502", "503", "504", "529")
"""Error codes of a record that may succeed when it is sent again: timeouts, throttling, faults of the service
(https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html)."""

_UNUSED = {"record_key", "tier", "attempt", "submission", "source_file"}
_ADDED = ("reasoning", "validity", "answer_error")
_NEEDED = {name for name in (*OUTPUT_COLUMNS, *_ADDED) if not name.startswith("cache_")} - _UNUSED

MOST_ERRORS = 5
"""Kinds of errors named; the others are counted."""

_VARYING = r"[0-9a-fA-F-]{12,}|\d+"

_RETRY = "Send them again: retry_records(run), notebook 04-retry."
_ENDED = {
    "Failed": "Mend what AWS names, then submit the job again: submit_jobs(run, again=['Failed']).",
    "Expired": "Submit the job again: submit_jobs(run, again=['Expired']).",
}
_SUBMIT = "Submit it with submit_jobs(run)."
_UNSENT = {
    "refused": ("error", "AWS refused to create it", "Mend it, then submit_jobs(run)."),
    "withdrawn": ("warning", "it was taken from the queue before it was submitted", _SUBMIT),
    "unsent": ("warning", "it was not submitted", _SUBMIT),
    "on_demand": (
        "warning",
        "they are too few for a batch job and were not sent",
        "Send them with send_on_demand(run).",
    ),
}
_REMEDIES = {
    "400": "The model refuses these bodies: check_records names the fault; mend them, then send again.",
    "403": "The role or account may not use the model: preflight(run) says what is missing; then send again.",
    "404": "The model or version is not there for this account and region: preflight(run) says which are.",
}
_STRANGE_KEY = "Bedrock writes no such key: find out who else may write below the prefix of the run."
_UNMATCHED = {
    "unreadable": ("error", "are", "unreadable", "The files may be damaged: fetch them again."),
    "duplicate": ("warning", "answer", "a record that has its row", "The tokens of each were billed."),
    "unexpected": (
        "warning",
        "have",
        "an id that nobody sent",
        "Old files may have lain in the input folder.",
    ),
    "several_choices": ("warning", "hold", "several choices, of which the first is read", "Ask for one (n)."),
    "no_tool_call": ("warning", "have", "ended for a tool call that is not there", "Read some before use."),
    "negative_count": ("warning", "hold", "a count of tokens below 0: unknown", "Take it from the bill."),
    "ambiguous": ("error", "do", "not tell which record they answer", "Send records under ids of their own."),
}


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
    outputs = read_columns(given, [name for name in head if name in _NEEDED], weigh_texts)
    outputs = outputs.reset_index(drop=True)
    if outputs.empty and not collected.unmatched:
        remedy = "Name a run whose records were written, or a folder that holds outputs."
        severity, found = "info", "There is no record: 0 rows."
        if collected.paths and not collected.rows:
            severity, found = "error", f"{found[:-1]}, for no line is in {name_some(collected.paths)}."
        return findings([Finding(severity, "no_records", found, remedy, count=0)])
    if sum(collected.rows.values()) != len(outputs):
        collected = Collected(jobs=collected.jobs)
    rows = [
        *_missing(outputs, collected.jobs),
        *_pending(outputs, collected.unsent),
        *_errored(outputs),
        *iter_answers(outputs, given),
        *iter_validity(outputs, head),
        *_reported(outputs),
        *_unmatched(collected),
        *_disagreements(collected.manifests),
        *_renamed(collected.paths),
    ]
    if collected.numbers.get("sent", 0) is None:
        known = "Which records were sent is not known, so none can be missing."
        remedy = "Pass sent= (the input file, or the ids) to collect_outputs."
        rows.append(Finding("info", "sent_not_known", known, remedy))
        again = outputs[outputs["named"] & read_columns(given, ["record_id"], _hash_ids)["hash"].duplicated()]
        if len(again):
            text = f"{count_noun(len(again), 'row', 'have')} an id that came before (accepted: 0)."
            hint = f"If one is a retry of another, read them as a run or one folder at a time. {remedy}"
            rows.append(finding_on(again, "warning", "repeated_ids", text, hint))
    ids = take_rows(given, [row.line for row in rows if row.line is not None], ["record_id"])["record_id"]
    table = findings(
        row if row.line is None else row._replace(record_id=ids[row.line], line=None) for row in rows
    )
    if table.empty:
        well = "the record succeeded" if len(outputs) == 1 else f"all {len(outputs):,} records succeeded"
        stops = ", no answer was cut off or filtered" if outputs["stop_reason"].notna().all() else ""
        table.attrs["sentence"] = f"Nothing to say: {well}{stops}."
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
        yield finding_on(
            rows,
            "error",
            "missing",
            f"{share_of(len(rows), len(outputs), 'record', 'are')} missing (accepted: 0): their job ended"
            f"{f' {ended}' if ended else ''} and no line came{f' ({why})' if why else ''}.",
            _ENDED.get(ended, _RETRY),
        )


def _pending(outputs: pd.DataFrame, unsent: Sequence[Mapping[str, Any]] | None) -> Iterator[Finding]:
    """Records whose job is not there, which no waiting brings (None: not known), and those it brings."""
    alike: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for job in unsent or ():
        alike.setdefault((job["reason"], job["message"]), []).append(job)
    for (reason, message), jobs in alike.items():
        count = sum(job["records"] for job in jobs)
        named = f"job{'s' if len(jobs) != 1 else ''} {name_some(job['job'] for job in jobs)}"
        severity, why, remedy = _UNSENT[reason]
        why += f": {message}" if message else "."
        text = f"{count_noun(count, 'record')} of {named} are pending; {why}"
        yield Finding(severity, reason, text, remedy, count=count)
    pending = outputs[outputs["outcome"] == "pending"]
    waited = len(pending) - sum(job["records"] for job in unsent or ())
    if waited > 0:
        yield finding_on(
            pending,
            "info",
            "pending",
            f"{share_of(waited, len(outputs), 'record', 'are')} pending: their job has not ended"
            f"{' or was not submitted' if unsent is None else ''}.",
            "Wait with wait_for_jobs(run), then collect again; what is said here is of the others.",
        )._replace(count=waited)


def fold_messages(messages: pd.Series) -> pd.Series:
    """Take messages as the same that differ in ids and numbers only."""
    codes, distinct = pd.factorize(messages)
    folded = pd.Series(distinct, dtype=TEXT).str.slice(0, 400).str.replace(_VARYING, "#", regex=True)
    return pd.Series(folded.reindex(codes).array, index=messages.index)


def _errored(outputs: pd.DataFrame) -> Iterator[Finding]:
    errored = outputs[outputs["outcome"] == "errored"].astype({"error_code": TEXT, "error_message": TEXT})
    if errored.empty:
        return
    if len(errored) == len(outputs):
        yield finding_on(
            errored,
            "error",
            "all_errored",
            f"Every record errored ({len(errored):,}); a job ends Completed all the same.",
            "Look at one record in full before sending any again.",
        )
    errored = errored.fillna({"error_code": "no code", "error_message": "no message"})
    kinds = errored.groupby(["error_code", fold_messages(errored["error_message"])], sort=False).ngroup()
    counts = np.bincount(kinds)
    most = np.argsort(-counts, kind="stable")[:MOST_ERRORS]
    for kind in most.tolist():
        alike = errored[kinds == kind]
        code, message = alike[["error_code", "error_message"]].iloc[0]
        again = code in RETRYABLE
        yield finding_on(
            alike,
            "error",
            "errored",
            f"{share_of(len(alike), len(outputs), 'record')} errored "
            f"{'without a code' if code == 'no code' else f'with {code}'} (accepted: 0"
            f"{', worth sending again' if again else ''}): {one_line(message, 200)!r}.",
            _RETRY if again else _REMEDIES.get(code, "Look at one record in full before sending it again."),
        )
    if others := len(errored) - int(counts[most].sum()):
        yield Finding(
            "error",
            "errored",
            f"{share_of(others, len(outputs), 'record')} errored in {len(counts) - len(most):,} other ways.",
            "See outputs.query(\"outcome == 'errored'\") and charts.errors(outputs).",
            count=others,
        )


def _reported(outputs: pd.DataFrame) -> Iterator[Finding]:
    answers = outputs[outputs["outcome"] == "succeeded"]
    silent = answers[answers["input_tokens"].isna() & answers["family"].notna()]
    if len(silent):
        yield finding_on(
            silent,
            "info",
            "no_usage",
            f"{share_of(len(silent), len(answers), 'answer')} came without a count of input tokens "
            "(threshold: 1).",
            "Take the cost of these from the manifest or the bill.",
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


def _unmatched(collected: Collected) -> Iterator[Finding]:
    for rule, (severity, verb, what, remedy) in _UNMATCHED.items():
        hint = remedy
        if count := collected.numbers.get(rule) or collected.remarks.get(rule):
            text = f"{count_noun(count, 'line', verb)} {what} (accepted: 0)"
            if rule == "unreadable" and (looks := _looks(collected.unmatched)):
                text += f"; some look like {' and '.join(looks[:3])}"
                hint = "Fetch and name outputs of Bedrock: each line has recordId, modelInput, modelOutput."
            named = " accounting(outputs).lines names each by file and offset." * (rule in collected.numbers)
            example = collected.examples.get(rule) or None
            yield Finding(severity, rule, f"{text}.", hint + named, record_id=example, count=count)


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
                yield Finding(
                    "info",
                    "manifest_tokens",
                    f"The manifest in {manifest['folder']} counts {counted:,} {kind.replace('_', ' ')}, "
                    f"the lines of its files {held:,}.",
                    "Tokens read from a cache are not always counted alike; the bill decides.",
                    count=abs(counted - held),
                )


def _renamed(paths: Mapping[str, str]) -> Iterator[Finding]:
    """Objects whose keys can be no path of a file on every system."""
    for label, path in paths.items():
        if not path.startswith("s3://") and not Path(path).as_posix().endswith(label):
            fault = next(filter(None, map(describe_name_fault, label.split("/"))), "meets that of another")
            found = f"The key of {label!r} can be no file's (a part {fault}): kept as {Path(path).name!r}."
            yield Finding("warning", "output_name", found, _STRANGE_KEY, file=label)
