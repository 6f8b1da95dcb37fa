"""Cuts turns into sentence units, also where speech recognition left no punctuation."""

import re
from typing import NamedTuple

from bbkit.standin.engines.dialogues import strip_stage

_ENDS = re.compile(r"(?<=[.!?…][\"”’)]) +|(?<=[.!?…]) +|(?<=[。！？])\s*|\s*[\n\u2028\u2029]\s*")
_ABBREVIATED = re.compile(
    r"\b(?:dr|mr|mrs|ms|st|no|vs|e\.g|i\.e|approx|dept|ext|nr|sr|sra|z\.b|[a-z])\.$", re.I
)
_PAUSES = re.compile(r"\s*(?:\.{2,}|…|--+|\[(?:pause|silence)\]|\s{3,})\s*")
_OPENERS = frozenset(
    ["so", "okay", "ok", "well", "alright", "but", "because", "and", "then", "now", "also", "um", "uh", "yeah", "yes", "no", "hi", "hello", "thanks"]
)
_LEADING = re.compile(
    r"(?:(?:um+|uh+|er+|ah|oh|hmm+|mhm|well|okay|ok|so|yeah|yes|no|sure|hi|hello|hey|and|right|alright|all right"
    r"|absolutely|certainly|of course|great|perfect|i see|you know)\b[ ,.!-]*)+",
    re.I,
)
_WORDS = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+")
_LONGEST = 28
_SHORTEST = 7


class Unit(NamedTuple):
    """One sentence, or a question with its short answer. `words` are lower-case, in order."""

    text: str
    label: str
    turn: int
    words: list[str]
    asks: bool


def split_units(turns: list[tuple[str, str]]) -> list[Unit]:
    """The sentence units of a conversation, in reading order."""
    units: list[Unit] = []
    for number, (label, said) in enumerate(turns):
        for sentence in _sentences(strip_stage(said)):
            words = words_of(sentence)
            if not words:
                continue
            unit = Unit(sentence, label, number, words, sentence.endswith(("?", "？")))
            if units and _answers(units[-1], unit):
                unit = units.pop()
                unit = unit._replace(text=f"{unit.text} {sentence}", words=unit.words + words)
            units.append(unit)
    return units


def words_of(text: str) -> list[str]:
    """Lower-case words; scripts written without spaces give pairs of characters."""
    lower = text.lower().replace("’", "'")
    if lower.isascii():
        return _WORDS.findall(lower)
    words = []
    for word in _WORDS.findall(lower):
        dense = _DENSE.fullmatch(word)
        words += [word[i : i + 2] for i in range(max(len(word) - 1, 1))] if dense else [word]
    return words


def trim_leading(text: str) -> str:
    """A sentence without the fillers it opens with, unless nothing else would be left."""
    match = _LEADING.match(text)
    if not match or len(text) - match.end() < 12:
        return text
    rest = text[match.end() :]
    return rest[0].upper() + rest[1:] if text[0].isupper() else rest


def _answers(asked: Unit, unit: Unit) -> bool:
    """A short reply means nothing without its question, so the two are one unit."""
    return asked.asks and unit.turn == asked.turn + 1 and len(unit.words) <= 5 and len(asked.words) <= 18


def _sentences(said: str) -> list[str]:
    parts: list[str] = []
    for part in _ENDS.split(said):
        if parts and _ABBREVIATED.search(parts[-1]):
            parts[-1] = f"{parts[-1]} {part}"
        elif part:
            parts.append(part)
    sentences = []
    for part in parts:
        text = " ".join(part.split()) if "  " in part or "\t" in part else part.strip()
        if text.count(" ") > _LONGEST and text[-1] not in "?!" and "," not in text[:-1]:
            sentences += _unpunctuated(part)
        elif text:
            sentences.append(text)
    return sentences


def _unpunctuated(text: str) -> list[str]:
    """Cut running speech at pauses, then before words that open a new thought, at worst by length."""
    pieces = []
    for stretch in _PAUSES.split(text):
        words = stretch.split()
        start = 0
        for at in range(1, len(words)):
            length = at - start
            opens = words[at].lower() in _OPENERS and length >= _SHORTEST and len(words) - at >= 3
            subject = length >= 2 * _SHORTEST and words[at].lower() in (
                "i",
                "we",
                "you",
                "i'll",
                "i'm",
                "we'll",
            )
            if opens or subject or length >= _LONGEST:
                pieces.append(" ".join(words[start:at]))
                start = at
        if words[start:]:
            pieces.append(" ".join(words[start:]))
    return pieces
