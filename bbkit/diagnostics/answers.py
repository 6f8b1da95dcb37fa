"""What deserves attention in the answers themselves: how they ended, what is in them, how long they are."""

import math
from collections.abc import Iterator, Sized
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bbkit.answers import list_fields
from bbkit.core.datasets import take_rows
from bbkit.core.files import read_data
from bbkit.core.findings import Finding, make_finding
from bbkit.core.frames import FIELD, TEXT, Collected
from bbkit.core.text import count_noun, name_some, one_line, share_of
from bbkit.core.vectors import VECTORS, weigh_vectors

CUT_OFF_SHARE = 0.01
"""Cut-off answers are a warning from this share of answers on, below it a note."""

SAME_SHARE, SAME_LEAST = 0.05, 5
"""Answers of one wording are a warning from this share and this number on."""

LENGTH_DEVIATIONS, LENGTH_LEAST = 6.0, 30
"""Robust standard deviations of the logarithm of output tokens beyond which a length is unusual, and how many
answers it takes to say so."""

_TOLD = ["stop_reason", "stop_reason_raw", "input_tokens", "output_tokens", "max_tokens", "family"]
_TOLD += ["hash", "length", "blank", "thought", "named"]
_WEIGHED = ["record_id", "text", "reasoning", "model_input", VECTORS]
_VECTORS = ["named", "embedded", "norm", "vector", "asked"]
_EMBEDDINGS = ("titan_embed_text", "titan_embed_image", "nova_embed", "cohere_embed")


class Counted(NamedTuple):
    """How many of how many, which a text says with its verb, as in ``{share:are}``."""

    number: int
    noun: str
    total: int = 0

    def __format__(self, verb: str) -> str:
        if self.total:
            return share_of(self.number, self.total, self.noun, verb)
        return count_noun(self.number, self.noun, verb)


def findings_on(
    text: str, rows: pd.DataFrame, of: Sized = (), noun: str = "answer", severity: str = "", **values: Any
) -> Iterator[Finding]:
    """What a text says of some rows, if there are any, with the position of the first that has an id."""
    if count := len(rows):
        found = make_finding(text, share=Counted(count, noun, len(of)), count=count, **values)
        first = next(iter(rows.index[rows["named"]]), None)
        yield found._replace(severity=severity or found.severity, line=first, count=count)


def weigh_texts(outputs: pd.DataFrame) -> pd.DataFrame:
    """Put in the place of texts and ids, which may be more than memory holds, what is asked of them."""
    texts = outputs["text"].astype(TEXT).fillna("")
    thought = outputs["reasoning"].notna() if "reasoning" in outputs else outputs["text"].notna() & False
    hashes = pd.util.hash_array(texts.to_numpy(dtype=object), categorize=False)
    weighed = {"hash": hashes, "length": texts.str.len().to_numpy(dtype=np.int32)}
    weighed |= {"blank": texts.str.strip().eq("").to_numpy(bool), "thought": thought.to_numpy(bool)}
    weighed["named"] = outputs["record_id"].notna().to_numpy(bool)
    if VECTORS in outputs:
        weighed |= weigh_vectors(outputs)
    if "model_input" in outputs:
        weighed["asked"] = pd.util.hash_array(outputs["model_input"].to_numpy(object), categorize=False)
    return outputs.drop(columns=_WEIGHED, errors="ignore").assign(**weighed)


def _where(frame: pd.DataFrame, rows: pd.Series) -> pd.DataFrame:
    """The rows that are asked for; all are no copy."""
    return frame if rows.all() else frame[rows]


def iter_answers(outputs: pd.DataFrame, given: Any, head: pd.DataFrame) -> Iterator[Finding]:
    """What is to be said of the answers in outputs, whose texts are weighed; `given` has them in full."""
    told = [name for name in (*_TOLD, "validity") if name in outputs]
    answers = _where(outputs[told], outputs["outcome"] == "succeeded")
    yield from _cut_off(answers)
    yield from _unusual_stops(answers)
    texts = _where(answers, ~answers["family"].isin(_EMBEDDINGS))
    yield from findings_on("unknown_shape", texts[texts["family"].isna()], texts)
    known = _where(texts, texts["family"].notna())
    yield from _empty(known)
    yield from _alike(known, given)
    yield from _lengths(known)
    if "embedded" in outputs:
        yield from _embeddings(outputs.reindex(columns=_VECTORS))
    yield from _validity(outputs, head)


def _embeddings(outputs: pd.DataFrame) -> Iterator[Finding]:
    """Vectors that say nothing, or the same of different inputs, where both were collected."""
    vectors = outputs[outputs["embedded"]]
    directed = vectors[vectors["norm"] > 0]
    yield from findings_on("zero_vector", vectors.drop(directed.index), vectors, "embedding")
    inputs = directed[["vector", "asked"]].dropna().drop_duplicates()
    shared = inputs.loc[inputs["vector"].duplicated(), "vector"]
    yield from findings_on("same_vector", directed[directed["vector"].isin(shared)], vectors, "embedding")


def _cut_off(answers: pd.DataFrame) -> Iterator[Finding]:
    cut = answers[answers["stop_reason"] == "length"]
    if "validity" in cut:  # a whole object that stopped at the maximum lacks nothing
        cut = cut[(cut["validity"] != "valid").fillna(True)]
    if cut.empty:
        return
    limits = cut["max_tokens"].dropna().unique()
    at = f" at max_tokens = {limits[0]:,}" if len(limits) == 1 else ""
    if len(limits) > 1:
        at = f" at max_tokens between {limits.min():,} and {limits.max():,}"
    inputs = cut["input_tokens"].dropna()
    others = answers["input_tokens"].where(answers["stop_reason"] != "length").value_counts()
    what = "its input" if len(cut) == 1 else "their median input"
    compared = f"; {what} is {inputs.median():,.0f} tokens" if len(inputs) else ""
    if len(inputs) and len(others):
        middle = "the median" if len(cut) == 1 else "that"
        compared += f", {middle} of the others {_median(others.index, others):,.0f}"
    level = "warning" if len(cut) / len(answers) >= CUT_OFF_SHARE else "info"
    values: dict[str, Any] = {"at": at, "compared": compared, "threshold": 100 * CUT_OFF_SHARE}
    yield from findings_on("cut_off", cut, answers, severity=level, **values)


def _unusual_stops(answers: pd.DataFrame) -> Iterator[Finding]:
    yield from findings_on("content_filter", answers[answers["stop_reason"] == "content_filter"], answers)
    odd = answers[answers["stop_reason"].isin(["error", "cancelled", "other"])]
    reasons = name_some(odd["stop_reason_raw"].astype(TEXT).value_counts().index)
    yield from findings_on("stop_reason", odd, answers, reasons=reasons)


def _empty(answers: pd.DataFrame) -> Iterator[Finding]:
    blank = answers[
        answers["blank"] & ~answers["stop_reason"].isin(["tool_use", "content_filter"]).fillna(False)
    ]
    if "validity" in answers:  # parsed: what is empty or cut off is said there, tools' arguments included
        blank = blank[blank["thought"]]
    spent = (blank["stop_reason"] == "length").fillna(False)
    ended = blank[~spent]
    yield from findings_on("reasoning_only.closed", ended[ended["thought"]], answers)
    yield from findings_on("reasoning_only.spent", blank[spent], answers)
    yield from findings_on("empty", ended[~ended["thought"]], answers)


def _alike(answers: pd.DataFrame, given: Any) -> Iterator[Finding]:
    schema = Collected.of(given).schema or {}
    fields = list_fields(schema).items()
    if fields and all(
        kind not in ("string", "json") or "enum" in str(schema["properties"][name]) for name, kind in fields
    ):
        return  # a few values are what was asked for
    texts = _where(answers[["named", "hash", "length"]], ~answers["blank"])
    hashes, least = texts["hash"].to_numpy(), math.ceil(max(SAME_LEAST, SAME_SHARE * len(answers)))
    ordered = np.sort(hashes)
    # Whatever is there so often is met at one of these steps.
    often = np.unique(ordered[::least])
    counts = np.searchsorted(ordered, often, "right") - np.searchsorted(ordered, often)
    if counts.max(initial=0) < least:
        return
    first = np.isin(hashes, often[counts == counts.max()]).argmax()
    same = texts[hashes == hashes[first]]
    level = "info" if texts["length"].median() <= 40 else "warning"
    wording = one_line(take_rows(given, same.index[:1], ["text"])["text"].iloc[0], 80)
    values: dict[str, Any] = {"threshold": 100 * SAME_SHARE, "wording": wording}
    yield from findings_on("same_answer", same, answers, severity=level, **values)


def _lengths(answers: pd.DataFrame) -> Iterator[Finding]:
    asked = (answers["stop_reason"] != "length") & (answers["output_tokens"] > 0)
    asked = asked.fillna(False)
    counts = answers["output_tokens"].where(asked).value_counts()
    total, logs = counts.sum(), np.log(counts.index.to_numpy(dtype=float))
    if total < LENGTH_LEAST:
        return
    middle = _median(logs, counts)
    deviation = max(1.4826 * _median(np.abs(logs - middle), counts), 0.05)
    values: dict[str, Any] = {"median": np.exp(middle), "deviations": LENGTH_DEVIATIONS}
    for text, way in (("unusually_long", 1), ("unusually_short", -1)):
        edge = np.exp(middle + way * LENGTH_DEVIATIONS * deviation)
        unusual = answers[asked & (way * answers["output_tokens"] > way * edge).fillna(False)]
        yield from findings_on(text, unusual, range(total), edge=edge, **values)


def _median(numbers: Any, counts: pd.Series) -> float:
    """The median of numbers that are there so many times each."""
    values = np.asarray(numbers, float)
    order = np.argsort(values)
    ends = counts.to_numpy(dtype=np.int64)[order].cumsum()
    middle = np.searchsorted(ends, [(ends[-1] - 1) // 2, ends[-1] // 2], "right")
    return float(values[order][middle].mean())


def _validity(outputs: pd.DataFrame, head: pd.DataFrame) -> Iterator[Finding]:
    """Why parsed answers cannot be used, by frequency; `head` has the columns of their fields."""
    if "validity" not in outputs:
        return
    answers = outputs[outputs["validity"].notna()]
    for cause, count in answers["validity"].value_counts().items():
        if cause == "valid" or not count:
            continue
        said, alike = read_data("answers")["invalid"][cause], answers[answers["validity"] == cause]
        errors = alike["answer_error"].value_counts()
        most = f", most often {one_line(errors.index[0], 80)!r} ({errors.iloc[0]:,})" if len(errors) else ""
        verb, _, what = said["are"].partition(" ")
        values = {"verb": verb, "what": what, "most": most, "cure": said["cure"]}
        yield from findings_on(".invalid", alike, answers, rule=f"invalid_{cause}", **values)
    for name, dtype in list_fields(Collected.of(head).schema or {}).items():
        column = f"{FIELD}{name}"
        if dtype == "Int64" and column in head and head[column].dtype != "Int64":
            yield make_finding("big_integers", column=one_line(column, 60))
