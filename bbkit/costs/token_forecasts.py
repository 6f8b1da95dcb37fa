"""How many tokens records will take."""

import math
from typing import NamedTuple

import pandas as pd

from bbkit.records.tokens import TokenEstimate

_STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
"""Quantiles of Student's t for 95 %, by the number of answers."""


class JobTokens(NamedTuple):
    """The tokens of a job, and the bytes of its files: 0 where there are none yet."""

    job: str
    attempt: int | None
    tokens: TokenEstimate
    bytes: int


class TokenForecast:
    """How many tokens to expect, from the bodies and, where there is one, a probe."""

    def __init__(self, jobs: list[JobTokens], max_tokens: int | None, probe: pd.DataFrame | None, text: bool):
        self.max_tokens, self.text = max_tokens, text
        self.scale = 1.0
        self.spread: float | None = None
        self.per_record: tuple[float, float, float] | None = None
        self.notes: list[str] = [jobs[0].tokens.note] if jobs else []
        self.hides_media = any(job.tokens.media for job in jobs)
        if probe is not None and text:
            self._learn_output(probe["output_tokens"].dropna().astype(float))
        if probe is not None and "input_bytes" in probe.columns:
            self._learn_input(probe[["input_tokens", "input_bytes"]].dropna().astype(float), jobs)
        if self.hides_media:
            self.notes.append(
                "Images, documents, video and audio cost more than this, and how much is not known before; a "
                "probe of the run tells."
            )
        if text and self.per_record is None:
            self.notes.append(
                "Output tokens are not known before: from none to max_tokens, the middle taken as expected; "
                "a probe narrows it."
            )

    def _learn_output(self, tokens: pd.Series) -> None:
        if tokens.empty:
            return
        mean, wide = float(tokens.mean()), math.inf
        if len(tokens) > 1:
            factor = _STUDENT.get(len(tokens), 2.2 if len(tokens) < 30 else 2.0)
            wide = factor * float(tokens.std()) / math.sqrt(len(tokens))
        self.per_record = (max(0.0, mean - wide), mean, mean + wide)
        self.notes.append(
            f"Output tokens are those of {len(tokens):,} answers, {mean:,.0f} a record on average."
        )

    def _learn_input(self, measured: pd.DataFrame, jobs: list[JobTokens]) -> None:
        """Scale the estimate so that a probe's bytes come to the tokens the model counted for them."""
        tokens, sizes = measured["input_tokens"], measured["input_bytes"]
        total, estimated = sum(job.bytes for job in jobs), sum(job.tokens.input_tokens for job in jobs)
        if not total or not estimated or not sizes.sum():
            return
        rate = float(tokens.sum() / sizes.sum())
        self.scale = rate * total / estimated
        if len(measured) > 1:
            self.spread = max(0.02, float((tokens / sizes / rate).std(ddof=0)))
        self.hides_media = False
        self.notes[0] = f"Input tokens are scaled from what the model counted in {len(tokens):,} records."

    def inputs(self, tokens: TokenEstimate) -> tuple[float, float, float]:
        """The low end, the middle and the high end of a job's input tokens."""
        expected = tokens.input_tokens * self.scale
        spread = tokens.error if self.spread is None else self.spread
        return max(0.0, expected * (1 - spread)), expected, expected * (1 + spread)

    def outputs(self, tokens: TokenEstimate) -> tuple[float | None, float | None, float | None]:
        """The same of its output tokens; None where it is not known."""
        if not self.text:
            return 0.0, 0.0, 0.0
        limit = tokens.max_output_tokens if self.max_tokens is None else self.max_tokens * tokens.answers
        if self.per_record is None:
            return 0.0, None if limit is None else limit / 2, limit
        low, mean, high = (each * tokens.records if tokens.records else 0.0 for each in self.per_record)
        if limit is not None:
            return min(low, limit), min(mean, limit), min(high, limit)
        return low, mean, high if math.isfinite(high) else None
