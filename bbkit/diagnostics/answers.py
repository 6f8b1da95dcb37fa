"""What deserves attention in the answers themselves: how they ended, what is in them, how long they are."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from bbkit.core.datasets import take_rows
from bbkit.core.findings import Finding
from bbkit.core.frames import TEXT
from bbkit.core.text import name_some, one_line, share_of

CUT_OFF_SHARE = 0.01
"""Cut-off answers are a warning from this share of answers on, below it a note."""

SAME_SHARE, SAME_LEAST = 0.05, 5
"""Answers of one wording are a warning from this share and this number on."""

LENGTH_DEVIATIONS, LENGTH_LEAST = 6.0, 30
"""Robust standard deviations of the logarithm of output tokens beyond which a length is unusual, and how many
answers it takes to say so."""

_TOLD = ["stop_reason", "stop_reason_raw", "input_tokens", "output_tokens", "max_tokens", "family"]
_TOLD += ["hash", "length", "blank", "thought", "named"]
_AS_THEY_CAME = "See them as they came: collect_outputs(..., with_columns='text_raw')."
_EMBEDDINGS = ("titan_embed_text", "titan_embed_image", "nova_embed", "cohere_embed")


def finding_on(rows: pd.DataFrame, severity: str, rule: str, finding: str, remedy: str) -> Finding:
    """What is said of some rows: with their count and, by position, the first that has an id."""
    first = next(iter(rows.index[rows["named"]]), None)
    return Finding(severity, rule, finding, remedy, line=first, count=len(rows))


def weigh_texts(outputs: pd.DataFrame) -> pd.DataFrame:
    """Put in the place of texts and ids, which may be more than memory holds, what is asked of them."""
    texts = outputs["text"].astype(TEXT).fillna("")
    thought = outputs["reasoning"].notna() if "reasoning" in outputs else outputs["text"].notna() & False
    hashes = pd.util.hash_array(texts.to_numpy(dtype=object), categorize=False)
    weighed = {"hash": hashes, "length": texts.str.len().to_numpy(dtype=np.int32)}
    weighed |= {"blank": texts.str.strip().eq("").to_numpy(bool), "thought": thought.to_numpy(bool)}
    weighed["named"] = outputs["record_id"].notna().to_numpy(bool)
    return outputs.drop(columns=["record_id", "text", "reasoning"], errors="ignore").assign(**weighed)


def _where(frame: pd.DataFrame, rows: pd.Series) -> pd.DataFrame:
    """The rows that are asked for; all are no copy."""
    return frame if rows.all() else frame[rows]


def iter_answers(outputs: pd.DataFrame, given: Any) -> Iterator[Finding]:
    """What is to be said of the answers in outputs, whose texts are weighed; `given` has them in full."""
    told = [name for name in (*_TOLD, "validity") if name in outputs]
    answers = _where(outputs[told], outputs["outcome"] == "succeeded")
    yield from _cut_off(answers)
    yield from _unusual_stops(answers)
    texts = _where(answers, ~answers["family"].isin(_EMBEDDINGS))
    unread = texts[texts["family"].isna()]
    if len(unread):
        yield finding_on(
            unread,
            "warning",
            "unknown_shape",
            f"{share_of(len(unread), len(texts), 'answer', 'have')} a shape that no family has "
            "(threshold: 1); their text is not read.",
            "See them whole: collect_outputs(..., with_columns=['model_output']).",
        )
    known = _where(texts, texts["family"].notna())
    yield from _empty(known)
    yield from _alike(known, given)
    yield from _lengths(known)


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
    others = answers.loc[answers["stop_reason"] != "length", "input_tokens"].dropna()
    compared = f"; their median input is {inputs.median():,.0f} tokens" if len(inputs) else ""
    if len(inputs) and len(others):
        compared += f", that of the others {others.median():,.0f}"
    share = len(cut) / len(answers)
    yield finding_on(
        cut,
        "warning" if share >= CUT_OFF_SHARE else "info",
        "cut_off",
        f"{share_of(len(cut), len(answers), 'answer', 'were')} cut off{at} "
        f"(threshold: {100 * CUT_OFF_SHARE:.0f} %){compared}.",
        "Raise max_tokens and send them again: retry_records(run, cut_off=True, max_tokens=...), 04-retry; "
        "charts.max_tokens_what_if(outputs) shows how far.",
    )


def _unusual_stops(answers: pd.DataFrame) -> Iterator[Finding]:
    filtered = answers[answers["stop_reason"] == "content_filter"]
    if len(filtered):
        yield finding_on(
            filtered,
            "warning",
            "content_filter",
            f"{share_of(len(filtered), len(answers), 'answer', 'were')} refused or filtered (threshold: 1).",
            "Read some: outputs.query(\"stop_reason == 'content_filter'\"); change the prompt or drop them.",
        )
    odd = answers[answers["stop_reason"].isin(["error", "cancelled", "other"])]
    if len(odd):
        yield finding_on(
            odd,
            "warning",
            "stop_reason",
            f"{share_of(len(odd), len(answers), 'answer')} ended in an unusual way (threshold: 1): "
            f"{name_some(odd['stop_reason_raw'].astype(TEXT).value_counts().index)}.",
            "Read some before using them: stop_reason is error, cancelled or other.",
        )


def _empty(answers: pd.DataFrame) -> Iterator[Finding]:
    blank = answers[
        answers["blank"] & ~answers["stop_reason"].isin(["tool_use", "content_filter"]).fillna(False)
    ]
    if "validity" in answers:  # parsed: what is empty or cut off is said there, tools' arguments included
        blank = blank[blank["thought"]]
    spent = (blank["stop_reason"] == "length").fillna(False)
    reasoned, ended = blank[spent], blank[~spent]
    closed, empty = ended[ended["thought"]], ended[~ended["thought"]]
    if len(closed):
        yield finding_on(
            closed,
            "warning",
            "reasoning_only",
            f"{share_of(len(closed), len(answers), 'answer', 'hold')} reasoning and no text though the model "
            "stopped by itself (threshold: 1).",
            f"{_AS_THEY_CAME} Where a tag of reasoning leads and never closes, all counts as reasoning.",
        )
    if len(reasoned):
        yield finding_on(
            reasoned,
            "warning",
            "reasoning_only",
            f"{share_of(len(reasoned), len(answers), 'answer', 'hold')} no text though tokens were spent "
            "(threshold: 1): reasoning used up the budget.",
            "Raise max_tokens or lower the effort of reasoning, and send them again: notebook 04-retry.",
        )
    if len(empty):
        yield finding_on(
            empty,
            "warning",
            "empty",
            f"{share_of(len(empty), len(answers), 'answer', 'are')} empty though the model stopped "
            "by itself (threshold: 1).",
            f"{_AS_THEY_CAME} Look at their inputs, too; send them again with another prompt.",
        )


def _alike(answers: pd.DataFrame, given: Any) -> Iterator[Finding]:
    texts = _where(answers[["named", "hash", "length"]], ~answers["blank"])
    hashes = texts["hash"].to_numpy()
    ordered = np.sort(hashes)
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    counts = np.diff(np.append(starts, len(ordered)))
    if (most := counts.max(initial=0)) < SAME_LEAST or most < SAME_SHARE * len(answers):
        return
    first = np.isin(hashes, ordered[starts[counts == most]]).argmax()
    same = texts[hashes == hashes[first]]
    short = texts["length"].median() <= 40
    text = take_rows(given, same.index[:1], ["text"])["text"].iloc[0]
    yield finding_on(
        same,
        "info" if short else "warning",
        "same_answer",
        f"{share_of(len(same), len(answers), 'answer', 'are')} word for word the same "
        f"(threshold: {SAME_SHARE * 100:.0f} %): {one_line(text, 80)!r}.",
        "Expected of labels; of longer texts it may mean that the input did not reach the prompt.",
    )


def _lengths(answers: pd.DataFrame) -> Iterator[Finding]:
    asked = (answers["stop_reason"] != "length") & (answers["output_tokens"] > 0)
    whole = answers.loc[asked.fillna(False), ["named", "output_tokens"]]
    if len(whole) < LENGTH_LEAST:
        return
    logs = np.log(whole["output_tokens"].astype(float).to_numpy())
    middle = float(np.median(logs))
    deviation = max(1.4826 * float(np.median(np.abs(logs - middle))), 0.05)
    for word, sign, side, way in (("long", ">", "over", 1), ("short", "<", "under", -1)):
        edge = middle + way * LENGTH_DEVIATIONS * deviation
        unusual = whole[way * logs > way * edge]
        if len(unusual):
            yield finding_on(
                unusual,
                "info",
                f"unusually_{word}",
                f"{share_of(len(unusual), len(whole), 'answer', 'are')} unusually {word}: {side} "
                f"{np.exp(edge):,.0f} output tokens where the median is {np.exp(middle):,.0f} "
                f"(threshold: {LENGTH_DEVIATIONS:.0f} robust deviations of the logarithm).",
                f"Read some: outputs.query('output_tokens {sign} {np.exp(edge):.0f}').",
            )
