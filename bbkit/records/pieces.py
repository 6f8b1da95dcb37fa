"""What a text comes to in pieces, which tokenizers cut it into more or less."""

import re
from collections import Counter
from functools import cache
from typing import NamedTuple

from bbkit.core.files import read_data

_PIECES = (
    r"<\|[a-z_]+\|>|\[/?INST\]|</?s>"  # a chat template's own tokens
    r"|[^\W\d_]{1,10}|\d{1,3}|[^\w\s]{1,2}|_+|\n+"
)
_PIECE = re.compile(_PIECES)
_SHORT_PIECE = re.compile(_PIECES.replace("10", "6"))
_RUN = re.compile(r"[A-Za-z0-9+/]{32,}={0,2}")
_MARKED = re.compile("[\u00c0-\u024f\u1e00-\u1eff]")
_OTHER = re.compile(
    "[\u0370-\u1cff\u1f00-\u1fff\u2190-\u2bff\u2e80-\u2fff\u3040-\ud7ff\uf900-\ufe0f\ufe70-\ufeff"
    "\uff66-\uff9f\U00010000-\U0010ffff]"
)
_RUN_LENGTH = 32
_SIGNS_OF_A_MARK = 150
"""Signs that one letter with a mark shows not to be English; fewer letters are in names."""


class Pieces(NamedTuple):
    """Pieces of a text, and by how many they may be wrong beyond what they are for English."""

    number: float
    unsure: float


class Signs(NamedTuple):
    """Tokens of one sign, and the relative error of that."""

    tokens: float
    error: float


@cache
def _ranges() -> list[tuple[int, int, Signs]]:
    rows = []
    for script in read_data("tokens")["signs"]["scripts"].values():
        for span in script["ranges"]:
            first, last = (int(end, 16) for end in span.split("-"))
            rows.append((first, last, Signs(script["tokens"], script["error"])))
    return rows


@cache
def _signs_of(character: str) -> Signs:
    place = ord(character)
    found = (signs for first, last, signs in _ranges() if first <= place <= last)
    return next(found, Signs(**read_data("tokens")["signs"]["unknown"]))


def count_pieces(text: str) -> Pieces:
    """Count words, numbers, signs and line breaks, long ones in parts, as tokenizers cut text."""
    signs: Counter[Signs] = Counter()
    if max(map(len, text.split()), default=0) >= _RUN_LENGTH:
        encoded = Signs(**read_data("tokens")["signs"]["encoded"])
        signs[encoded] = sum(map(len, filter(_is_encoded, _RUN.findall(text))))
        text = _RUN.sub(lambda found: " " if _is_encoded(found[0]) else found[0], text)
    unsure, marked = 0.0, 0
    if not text.isascii():
        for sign, times in Counter(_OTHER.findall(text)).items():
            signs[_signs_of(sign)] += times
        text = _OTHER.sub("", text)
        for sign, times in Counter(_MARKED.findall(text)).items():
            signs[_signs_of(sign)] += times
            marked += times
    # Words of other languages than English are seldom one token.
    foreign = marked * _SIGNS_OF_A_MARK > len(text)
    words = len((_SHORT_PIECE if foreign else _PIECE).findall(text))
    if marked:
        unsure = _signs_of("\u00e9").error * (words if foreign else marked)
    number = words + sum(kind.tokens * times for kind, times in signs.items())
    return Pieces(number, unsure + sum(kind.tokens * times * kind.error for kind, times in signs.items()))


def _is_encoded(run: str) -> bool:
    """Whether a long run of letters and digits is no word or path: upper, lower and digits mixed."""
    return not (run.islower() or run.isupper() or run.isdigit()) and any(map(str.isdigit, run))
