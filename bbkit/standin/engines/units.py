"""Cuts turns into sentence units, also where speech recognition left no punctuation."""

import re
from typing import NamedTuple

from bbkit.standin.engines import cues
from bbkit.standin.engines.dialogues import strip_stage

_ENDS = re.compile(r"[.!?…]+[\"”’)]*(?=\s)|[。！？]+[」』”]?|[\n\u2028\u2029]+")
_PAUSES = re.compile(r"\s*(?:\.{2,}|…|--+|\[(?:pause|silence)\]|\s{3,})\s*")
_FILLERS = (
    "um+|uh+|er+|ah|oh|hmm+|mhm|well|okay|ok|so|yeah|yes|no(?=[,.!])|sure|hi|hello|hey|and|right|alright"
    "|all right|absolutely|certainly|of course|great|perfect|i see(?=[,.!])|you know(?=,)"
)
_LEADING = re.compile(rf"(?:(?:{_FILLERS})\b[ ,.!-]*)+", re.I)
_WORDS = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_MARKED = re.compile(rf"[^\W_](?:[^\W_]|[{cues.MARKS}])*(?:['’][^\W_]+)*")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+")
_LONGEST = 28


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
                asked = units.pop()
                reply = f"{label}: {sentence}" if label else sentence
                unit = asked._replace(text=f"{asked.text} {reply}", words=asked.words + words)
            units.append(unit)
    return units


def words_of(text: str) -> list[str]:
    """Lower-case words; scripts written without spaces give pairs of characters."""
    lower = text.lower().replace("’", "'")
    if lower.isascii():
        return _WORDS.findall(lower)
    words = []
    for word in _MARKED.findall(lower):
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
    start = 0
    for match in _ENDS.finditer(said):
        part = said[start : match.end()].strip()
        if part.endswith(".") and part[:-1].rpartition(" ")[2].lower() in cues.ABBREVIATIONS:
            continue
        parts.append(part)
        start = match.end()
    parts.append(said[start:].strip())
    sentences = []
    for part in parts:
        text = " ".join(part.split()) if "  " in part or "\t" in part else part
        if text.count(" ") > _LONGEST and text[-1] not in "?!" and "," not in text[:-1]:
            sentences += _unpunctuated(part)
        elif text:
            sentences.append(text)
    return sentences


def _unpunctuated(text: str) -> list[str]:
    """Cut running speech at pauses, then where a new thought seems to open, at worst by length."""
    pieces = []
    for stretch in _PAUSES.split(text):
        words = stretch.split()
        start = 0
        for at in range(1, len(words)):
            length = at - start
            if length >= _opening(words, at) and (len(words) - at >= 3 or length >= _LONGEST):
                pieces.append(" ".join(words[start:at]))
                start = at
        if words[start:]:
            pieces.append(" ".join(words[start:]))
    return pieces


def _opening(words: list[str], at: int) -> int:
    """How many words must have gone by for a cut before the word at `at`."""
    word, before = words[at].lower(), words[at - 1].lower()
    after = words[at + 1].lower() if at + 1 < len(words) else ""
    if word in cues.OPENERS:
        return 5
    if word in cues.JOINERS and after in cues.SUBJECTS:
        return 7
    if (
        word in cues.SUBJECTS
        and before not in cues.LEADS
        and before not in cues.SUBJECTS
        and before not in cues.JOINERS
    ):
        return 12
    return _LONGEST
