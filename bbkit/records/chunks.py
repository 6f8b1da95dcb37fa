"""What a text comes to in chunks, which tokenizers cut it into more or less."""

import re
from collections import Counter
from functools import cache
from typing import NamedTuple

from bbkit.core.files import read_data

_CHUNKS = (
    r"<\|[a-z_]+\|>|\[/?INST\]|</?s>"  # a chat template's own tokens
    r"|[^\W\d_]{1,10}|\d{1,3}|[^\w\s]{1,2}|_+|\n+"
)
_CHUNK = re.compile(_CHUNKS)
_SHORT_CHUNK = re.compile(_CHUNKS.replace("10", "6"))
_RUN = re.compile(r"[A-Za-z0-9+/]{32,}={0,2}")
_MARKED = re.compile("[\u00c0-\u024f\u1e00-\u1eff]")
_OTHER = re.compile(
    "[\u0370-\u1cff\u1f00-\u1fff\u2190-\u2bff\u2e80-\u2fff\u3040-\ud7ff\uf900-\ufe0f\ufe70-\ufeff"
    "\uff66-\uff9f\U00010000-\U0010ffff]"
)
_RUN_LENGTH = 32
_CHARACTERS_OF_A_MARK = 150
"""Characters that one letter with a mark shows not to be English; fewer letters are in names."""


class Chunks(NamedTuple):
    """Chunks of a text, and by how many they may be wrong beyond what they are for English."""

    number: float
    unsure: float


class Weight(NamedTuple):
    """Tokens of one character, and the relative error of that."""

    tokens: float
    error: float


@cache
def _ranges() -> list[tuple[int, int, Weight]]:
    return [
        (int(first, 16), int(last, 16), Weight(script["tokens"], script["error"]))
        for script in read_data("tokens")["characters"]["scripts"].values()
        for first, last in (span.split("-") for span in script["ranges"])
    ]


@cache
def _weight_of(character: str) -> Weight:
    matching = (weight for first, last, weight in _ranges() if first <= ord(character) <= last)
    return next(matching, Weight(**read_data("tokens")["characters"]["unknown"]))


def count_chunks(text: str) -> Chunks:
    """Count words, numbers, characters and line breaks, long ones in parts, as tokenizers cut text."""
    weighed: Counter[Weight] = Counter()
    if max(map(len, text.split()), default=0) >= _RUN_LENGTH:
        encoded = Weight(**read_data("tokens")["characters"]["encoded"])
        weighed[encoded] = sum(map(len, filter(_is_encoded, _RUN.findall(text))))
        text = _RUN.sub(lambda match: " " if _is_encoded(match[0]) else match[0], text)
    marked = 0
    if not text.isascii():
        for character, times in Counter(_OTHER.findall(text)).items():
            weighed[_weight_of(character)] += times
        text = _OTHER.sub("", text)
        for character, times in Counter(_MARKED.findall(text)).items():
            weighed[_weight_of(character)] += times
            marked += times
    # Words of other languages than English are seldom one token.
    foreign = marked * _CHARACTERS_OF_A_MARK > len(text)
    words = len((_SHORT_CHUNK if foreign else _CHUNK).findall(text))
    unsure = _weight_of("\u00e9").error * (words if foreign else marked) if marked else 0.0
    number = words + sum(weight.tokens * times for weight, times in weighed.items())
    return Chunks(
        number, unsure + sum(weight.tokens * times * weight.error for weight, times in weighed.items())
    )


def _is_encoded(run: str) -> bool:
    """Whether a long run of letters and digits is no word or path: upper, lower and digits mixed."""
    return not (run.islower() or run.isupper() or run.isdigit()) and any(map(str.isdigit, run))
