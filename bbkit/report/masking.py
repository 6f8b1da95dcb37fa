"""What a shared report shows of people's words: masks with their counts, and how much of a text or table."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bbkit.core.masks import mask_text
from bbkit.report.numbers import map_json

STATEMENT = (
    "Masks find patterns (e-mail addresses, phone and card numbers, account ids, keys). "
    "Masking is not anonymisation: names, addresses and what people tell are still there."
)

_MARGIN = 200
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]{4,}(Z|[+-][0-9:]{5})?)?")


@dataclass(frozen=True)
class Limits:
    """How much of one output is shown: characters per text, rows per table, lines of plain text."""

    characters: int
    rows: int
    lines: int


FULL = Limits(characters=20_000, rows=500, lines=2_000)
"""Bounds for every output, so that one cell cannot make the file too large to open."""

SAMPLE = Limits(characters=240, rows=5, lines=8)
"""Bounds for long texts, and for cells tagged `text`, in a report that is safe to share."""


class Masker:
    """Masks texts of one report and counts what it masked; switched off it returns them as they are."""

    def __init__(self, enabled: bool):
        self.enabled = enabled
        self.counts: Counter[str] = Counter()
        folders = ((str(Path.cwd()), ""), (str(Path.home()), "~/"))
        self._folders = [(f"{folder}/", name) for folder, name in folders if len(folder) > 1]

    @property
    def sentence(self) -> str:
        """What was masked so far."""
        counts = ", ".join(f"{count:,} {kind}" for kind, count in self.counts.most_common())
        return f"Masked: {counts}." if counts else "No pattern was found to mask."

    def text(self, text: str) -> str:
        if not self.enabled or not text:
            return text
        for folder, name in self._folders:
            text = text.replace(folder, name)
        masked, counts = mask_text(text)
        self.counts.update(counts)
        return masked

    def data(self, value: Any) -> Any:
        """Return JSON data with every string masked, except times and encoded arrays."""

        def mask(item: Any) -> Any:
            return self.text(item) if isinstance(item, str) and not _TIME.fullmatch(item) else item

        return map_json(value, mask, skip="bdata") if self.enabled else value


def shorten(text: str, most: int) -> str:
    """Return `text`, or its first `most` characters and how many were left out."""
    if len(text) <= most:
        return text
    return f"{text[:most].rstrip()}… ({len(text) - most:,} more characters)"


def bound_text(text: str, masker: Masker, most: int) -> str:
    """Mask and shorten; what will not be shown is not searched, but for a margin a pattern may reach into."""
    if len(text) <= most + _MARGIN:
        return shorten(masker.text(text), most)
    shown = masker.text(text[: most + _MARGIN])[:most].rstrip()
    return f"{shown}… ({len(text) - most:,} more characters)"
