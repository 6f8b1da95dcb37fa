"""How many tokens records will take."""

import math

import numpy as np
import pandas as pd

from bbkit.records.tokens import TokenEstimate

Part = tuple[str, int | None, TokenEstimate, int]
"""A job: its label, its attempt, its tokens, and the bytes of its files (0 where there are none yet)."""

_STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}


class Outlook:
    """How many tokens to expect, from the bodies and, where there is one, a probe."""

    def __init__(self, parts: list[Part], max_tokens: int | None, probe: pd.DataFrame | None, text: bool):
        self.max_tokens, self.text = max_tokens, text
        self.scale = 1.0
        self.spread: float | None = None
        self.per_record: tuple[float, float, float] | None = None
        self.notes: list[str] = [parts[0][2].note] if parts else []
        self.hides_media = any(part.media for _, _, part, _ in parts)
        if probe is not None and text:
            self._learn_output(probe)
        if probe is not None:
            self._learn_input(probe, parts)
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

    def _learn_output(self, probe: pd.DataFrame) -> None:
        tokens = _known(probe["output_tokens"])
        if not len(tokens):
            return
        mean = float(tokens.mean())
        wide = math.inf
        if len(tokens) > 1:
            factor = _STUDENT.get(len(tokens), 2.2 if len(tokens) < 30 else 2.0)
            wide = factor * float(tokens.std(ddof=1)) / math.sqrt(len(tokens))
        self.per_record = (max(0.0, mean - wide), mean, mean + wide)
        self.notes.append(
            f"Output tokens are those of {len(tokens):,} answers, {mean:,.0f} a record on average."
        )

    def _learn_input(self, probe: pd.DataFrame, parts: list[Part]) -> None:
        """Scale the estimate so that a probe's bytes come to the tokens the model counted for them."""
        if "input_bytes" not in probe.columns or not sum(size for *_, size in parts):
            return
        measured = probe[["input_tokens", "input_bytes"]].dropna().astype(float)
        tokens, sizes = measured["input_tokens"], measured["input_bytes"]
        estimated = sum(part.input_tokens for _, _, part, _ in parts)
        if not len(tokens) or not estimated or not sizes.sum():
            return
        total = sum(size for *_, size in parts)
        self.scale = float(tokens.sum() / sizes.sum()) * total / estimated
        ratios = tokens / sizes / (tokens.sum() / sizes.sum())
        if len(ratios) > 1:
            self.spread = max(0.02, float(ratios.std(ddof=0)))
        self.hides_media = False
        self.notes[0] = f"Input tokens are scaled from what the model counted in {len(tokens):,} records."

    def output(self, part: TokenEstimate) -> tuple[float | None, float | None, float | None]:
        """Tell the output tokens of a part."""
        if not self.text:
            return 0.0, 0.0, 0.0
        limit = part.max_output_tokens if self.max_tokens is None else self.max_tokens * part.answers
        if self.per_record is None:
            return 0.0, None if limit is None else limit / 2, limit
        low, mean, high = (tokens * part.records for tokens in self.per_record)
        if limit is not None:
            return min(low, limit), min(mean, limit), min(high, limit)
        return low, mean, high if math.isfinite(high) else None


def _known(column: pd.Series) -> np.ndarray:
    return column.dropna().to_numpy(dtype=float)
