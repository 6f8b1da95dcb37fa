"""What deserves attention in outputs: sentences with a number, its threshold and the next step."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bbkit.errors import InputError, name_some
from bbkit.frames import OUTPUT_COLUMNS, Findings, findings

CUT_OFF_SHARE = 0.01
"""Cut-off answers are a warning from this share of answers on, below it a note."""

SAME_SHARE, SAME_LEAST = 0.05, 5
"""Answers of one wording are a warning from this share and this number on."""

LENGTH_DEVIATIONS, LENGTH_LEAST = 6.0, 30
"""Robust standard deviations of the logarithm of output tokens beyond which a length is unusual, and how many
answers it takes to say so."""

RETRYABLE = ("408", "409", "424", "425", "429", "500", "502", "503", "504", "529")
"""Error codes of a record that may succeed when it is sent again: timeouts, throttling, faults of the service
(https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html)."""

MOST_ERRORS = 5
"""Kinds of errors named; the others are counted."""

_RETRY = "Send them again: retry_records(run), notebook 04-retry."
_REMEDIES = {
    "400": "The model refuses these bodies: check_records names the fault; mend them, then send again.",
    "403": "The role or account may not use the model: preflight(run) says what is missing; then send again.",
    "404": "The model or version is not there for this account and region: preflight(run) says which are.",
}
_EMBEDDINGS = ("titan_embed_text", "titan_embed_image", "nova_embed", "cohere_embed")

Row = Mapping[str, Any]


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
    InputError
        If columns of the tidy frame are not there.
    """
    if absent := [name for name in OUTPUT_COLUMNS if name not in outputs.columns]:
        raise InputError(f"The frame has no column {name_some(absent)}. Pass what collect_outputs returned.")
    if outputs.empty:
        nothing = {
            "severity": "info",
            "rule": "no_records",
            "count": 0,
            "finding": "There is no record: 0 rows.",
            "remedy": "Name a run whose records were written, or a folder that holds outputs.",
        }
        return findings([nothing])
    rows = [
        *_absent(outputs),
        *_errored(outputs),
        *_stopped(outputs),
        *_contents(outputs),
        *_reported(outputs),
    ]
    state = outputs.attrs.get("bbkit") or {}
    if sum(state.get("rows", {}).values()) == len(outputs):
        rows += _collected(state)
    return findings(rows)


def _row(severity: str, rule: str, count: int, finding: str, remedy: str, record_id: Any = None) -> Row:
    return {
        "severity": severity,
        "rule": rule,
        "count": count,
        "finding": finding,
        "remedy": remedy,
        "record_id": record_id,
    }


_SINGULAR = {"are": "is", "were": "was", "have": "has", "hold": "holds", "answer": "answers"}


def _of(count: int, total: int, noun: str, verb: str = "") -> str:
    """``12 of 160 records (7.5 %) are``."""
    share = count / total
    percent = f"{100 * share:.1f}" if share >= 0.001 else f"{100 * share:.2g}"
    return f"{count:,} of {total:,} {noun if total != 1 else noun.removesuffix('s')} ({percent} %)" + _verb(
        count, verb
    )


def _verb(count: int, verb: str) -> str:
    return f" {_SINGULAR[verb] if count == 1 else verb}" if verb else ""


def _first(frame: pd.DataFrame) -> Any:
    known = frame["record_id"].dropna()
    return known.iloc[0] if len(known) else None


def _absent(outputs: pd.DataFrame) -> Iterator[Row]:
    missing = outputs[outputs["outcome"] == "missing"]
    if len(missing):
        yield _row(
            "error", "missing", len(missing),
            f"{_of(len(missing), len(outputs), 'records', 'are')} missing (accepted: 0): their job ended "
            "and no line came.",
            _RETRY, _first(missing),
        )  # fmt: skip
    pending = outputs[outputs["outcome"] == "pending"]
    if len(pending):
        yield _row(
            "info", "pending", len(pending),
            f"{_of(len(pending), len(outputs), 'records', 'are')} pending: their job has not ended "
            "or was not submitted.",
            "Wait with wait_for_jobs(run), then collect again; what is said here is of the others.",
            _first(pending),
        )  # fmt: skip


def _errored(outputs: pd.DataFrame) -> Iterator[Row]:
    errored = outputs[outputs["outcome"] == "errored"]
    if errored.empty:
        return
    if len(errored) == len(outputs):
        yield _row(
            "error", "all_errored", len(errored),
            f"Every record errored ({len(errored):,}); a job ends Completed all the same.",
            "Look at one record in full before sending any again.", _first(errored),
        )  # fmt: skip
    kinds = errored["error_message"].fillna("no message").str.replace(r"\d+", "#", regex=True)
    groups = sorted(
        errored.groupby([errored["error_code"].fillna("no code"), kinds]), key=lambda one: -len(one[1])
    )
    for (code, _), group in groups[:MOST_ERRORS]:
        retryable = code in RETRYABLE
        remedy = (
            _RETRY
            if retryable
            else _REMEDIES.get(code, "Look at one record in full before sending it again.")
        )
        text = re.sub(r"\s+", " ", str(group["error_message"].fillna("no message").iloc[0]))
        text = text if len(text) <= 200 else f"{text[:199]}…"
        code_text = "without a code" if code == "no code" else f"with {code}"
        yield _row(
            "error", "errored", len(group),
            f"{_of(len(group), len(outputs), 'records')} errored {code_text} (accepted: 0"
            f"{', worth sending again' if retryable else ''}): {text!r}.",
            remedy, _first(group),
        )  # fmt: skip
    rest = sum(len(group) for _, group in groups[MOST_ERRORS:])
    if rest:
        yield _row(
            "error", "errored", rest,
            f"{_of(rest, len(outputs), 'records')} errored in {len(groups) - MOST_ERRORS:,} other ways.",
            "See outputs.query(\"outcome == 'errored'\") and charts.errors(outputs).",
        )  # fmt: skip


def _stopped(outputs: pd.DataFrame) -> Iterator[Row]:
    answers = outputs[outputs["outcome"] == "succeeded"]
    if answers.empty:
        return
    yield from _cut_off(answers)
    filtered = answers[answers["stop_reason"] == "content_filter"]
    if len(filtered):
        yield _row(
            "warning", "content_filter", len(filtered),
            f"{_of(len(filtered), len(answers), 'answers', 'were')} refused or filtered (threshold: 1).",
            "Read some: outputs.query(\"stop_reason == 'content_filter'\"); change the prompt or drop them.",
            _first(filtered),
        )  # fmt: skip
    odd = answers[answers["stop_reason"].isin(["error", "cancelled", "other"])]
    if len(odd):
        words = odd["stop_reason_raw"].value_counts()
        yield _row(
            "warning", "stop_reason", len(odd),
            f"{_of(len(odd), len(answers), 'answers')} ended in an unusual way (threshold: 1): "
            f"{name_some(words.index)}.",
            "Read some before using them: stop_reason is error, cancelled or other.", _first(odd),
        )  # fmt: skip


def _cut_off(answers: pd.DataFrame) -> Iterator[Row]:
    cut = answers[answers["stop_reason"] == "length"]
    if cut.empty:
        return
    limits = cut["max_tokens"].dropna().unique()
    at = f" at max_tokens = {limits[0]:,}" if len(limits) == 1 else ""
    if len(limits) > 1:
        at = f" at max_tokens between {limits.min():,} and {limits.max():,}"
    inputs, others = (
        cut["input_tokens"].dropna(),
        answers["input_tokens"][answers["stop_reason"] != "length"].dropna(),
    )
    compared = f"; their median input is {inputs.median():,.0f} tokens" if len(inputs) else ""
    if len(inputs) and len(others):
        compared += f", that of the others {others.median():,.0f}"
    share = len(cut) / len(answers)
    yield _row(
        "warning" if share >= CUT_OFF_SHARE else "info", "cut_off", len(cut),
        f"{_of(len(cut), len(answers), 'answers', 'were')} cut off{at} "
        f"(threshold: {100 * CUT_OFF_SHARE:.0f} %){compared}.",
        "Raise max_tokens and send them again: retry_records(run, cut_off=True, max_tokens=...), 04-retry; "
        "charts.max_tokens_what_if(outputs) shows how far.",
        _first(cut),
    )  # fmt: skip


def _contents(outputs: pd.DataFrame) -> Iterator[Row]:
    answers = outputs[(outputs["outcome"] == "succeeded") & ~outputs["family"].isin(_EMBEDDINGS)]
    if answers.empty:
        return
    unread = answers[answers["family"].isna()]
    if len(unread):
        yield _row(
            "warning", "unknown_shape", len(unread),
            f"{_of(len(unread), len(answers), 'answers', 'have')} a shape that no family has (threshold: 1); "
            "their text is not read.",
            "See them whole: collect_outputs(..., with_columns=['model_output']).", _first(unread),
        )  # fmt: skip
    known = answers[answers["family"].notna()]
    yield from _empty(known)
    yield from _alike(known)
    yield from _lengths(known)


def _empty(answers: pd.DataFrame) -> Iterator[Row]:
    blank = answers[
        (answers["text"].fillna("").str.strip() == "")
        & ~answers["stop_reason"].isin(["tool_use", "content_filter"]).fillna(False)
    ]
    spent = (blank["stop_reason"] == "length").fillna(False)
    if "reasoning" in blank.columns:
        spent |= blank["reasoning"].notna()
    reasoned, empty = blank[spent], blank[~spent]
    if len(reasoned):
        yield _row(
            "warning", "reasoning_only", len(reasoned),
            f"{_of(len(reasoned), len(answers), 'answers', 'hold')} no text though tokens were spent "
            "(threshold: 1): reasoning used up the budget.",
            "Raise max_tokens or lower the effort of reasoning, and send them again: notebook 04-retry.",
            _first(reasoned),
        )  # fmt: skip
    if len(empty):
        yield _row(
            "warning", "empty", len(empty),
            f"{_of(len(empty), len(answers), 'answers', 'are')} empty though the model stopped by itself "
            "(threshold: 1).",
            "Look at their inputs; send them again with another prompt.", _first(empty),
        )  # fmt: skip


def _alike(answers: pd.DataFrame) -> Iterator[Row]:
    texts = answers["text"][answers["text"].fillna("").str.strip() != ""]
    counts = texts.value_counts()
    if counts.empty or counts.iloc[0] < SAME_LEAST or counts.iloc[0] < SAME_SHARE * len(answers):
        return
    same = answers[answers["text"] == counts.index[0]]
    short = texts.str.len().median() <= 40
    text = re.sub(r"\s+", " ", str(counts.index[0]))
    text = text if len(text) <= 80 else f"{text[:79]}…"
    yield _row(
        "info" if short else "warning", "same_answer", len(same),
        f"{_of(len(same), len(answers), 'answers', 'are')} word for word the same "
        f"(threshold: {SAME_SHARE * 100:.0f} %): {text!r}.",
        "Expected of labels; of longer texts it may mean that the input did not reach the prompt.",
        _first(same),
    )  # fmt: skip


def _lengths(answers: pd.DataFrame) -> Iterator[Row]:
    whole = answers[(answers["stop_reason"] != "length") & (answers["output_tokens"] > 0)]
    if len(whole) < LENGTH_LEAST:
        return
    logs = np.log(whole["output_tokens"].astype(float).to_numpy())
    middle = float(np.median(logs))
    deviation = max(1.4826 * float(np.median(np.abs(logs - middle))), 0.05)
    for word, sign, side in (("long", ">", "over"), ("short", "<", "under")):
        edge = middle + LENGTH_DEVIATIONS * deviation * (1 if word == "long" else -1)
        found = logs > edge if word == "long" else logs < edge
        if found.any():
            yield _row(
                "info", f"unusually_{word}", int(found.sum()),
                f"{_of(int(found.sum()), len(whole), 'answers', 'are')} unusually {word}: {side} "
                f"{np.exp(edge):,.0f} output tokens where the median is {np.exp(middle):,.0f} "
                f"(threshold: {LENGTH_DEVIATIONS:.0f} robust deviations of the logarithm).",
                f"Read some: outputs.query('output_tokens {sign} {np.exp(edge):.0f}').",
                _first(whole[found]),
            )  # fmt: skip


def _reported(outputs: pd.DataFrame) -> Iterator[Row]:
    answers = outputs[outputs["outcome"] == "succeeded"]
    silent = answers[answers["input_tokens"].isna() & answers["family"].notna()]
    if len(silent):
        yield _row(
            "info", "no_usage", len(silent),
            f"{_of(len(silent), len(answers), 'answers')} came without a count of input tokens "
            "(threshold: 1).",
            "Take the cost of these from the manifest or the bill.", _first(silent),
        )  # fmt: skip
    for column, what in (
        ("model_id", "models were asked"),
        ("model", "models name themselves"),
        ("family", "shapes of answers occur"),
    ):
        values = answers[column].dropna().unique()
        if len(values) > 1:
            yield _row(
                "info", "mixed_models", len(values),
                f"{len(values):,} {what} (threshold: 2): {name_some(values)}.",
                f"Compare like with like: by='{column}' in the charts.",
            )  # fmt: skip


def _collected(state: Mapping[str, Any]) -> Iterator[Row]:
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
            yield _row(
                severity, rule, count, f"{count:,} {line}{_verb(count, verb)} {what} (accepted: 0).",
                f"{hint} accounting(outputs).lines names each by file and offset.",
            )  # fmt: skip
    for manifest in state.get("manifests", ()):
        if manifest.get("disagreement"):
            text = manifest["disagreement"]
            yield _row(
                "warning", "manifest", 1, f"{text[:1].upper()}{text[1:]}.",
                "Fetch the outputs again; if they stay different, count the lines of the files.",
            )  # fmt: skip
        for kind in ("input_tokens", "output_tokens"):
            said, held = manifest.get(f"manifest_{kind}"), manifest.get(kind)
            if said is not None and held is not None and said != held:
                yield _row(
                    "info", "manifest_tokens", abs(said - held),
                    f"The manifest in {manifest['folder']} counts {said:,} {kind.replace('_', ' ')}, "
                    f"the lines of its files {held:,}.",
                    "Tokens read from a cache are not always counted alike; the bill decides.",
                )  # fmt: skip
    if numbers.get("sent", 0) is None:
        yield _row(
            "info", "sent_not_known", 1, "Which records were sent is not known, so none can be missing.",
            "Pass sent= (the input file, or the ids) to collect_outputs.",
        )  # fmt: skip
