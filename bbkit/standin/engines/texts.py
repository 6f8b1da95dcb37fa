"""What a prompt asks and the text it asks that about; the sentences of a text, and their words."""

import re
from collections import Counter
from collections.abc import Collection
from itertools import chain
from typing import NamedTuple

import numpy as np

from bbkit.standin.tables import read_table

STOP_WORDS = frozenset(" ".join(read_table("engines/stop_words")["words"]).split())
"""Function words: they carry no content, so they neither centre nor connect sentences."""

SUMMARY = re.compile(
    "summar|recap|tl;?dr|overview|key point|zusammenfass|fasse|r[ée]sum|riassum|samenvat|streść|кратк|резюм"
    "|لخص|סכם|सारांश|สรุป|要約|摘要|总结|總結|概括|요약",
    re.I,
)
_LABEL = re.compile(r"[\W\d_]*([^\W\d_][^:：\n]{0,30}?)[\])*_ \t]*(?:：|:[*_]*[ \t])\s*(?=\S)")
_FENCED = re.compile(r"(```|\"\"\"|'''|~~~)(?:[a-z]*\n)?(.*?)\1", re.S)
_CLOSED = re.compile(r"</([A-Za-z][\w-]*)>[ \t]*$", re.M)
_BLANK = re.compile(r"\n\s*\n")
_END = re.compile(
    r"(?<![.!?…؟।])(?<!\b[A-Z])(?<!\b[DM][rs])(?<!\bMrs)[.!?…؟।]+[\"”’)»]*(?=\s)|[。！？]+[」』”]?|\n"
)
_WORDS = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+")
_MOST_BLOCKS, _MOST_ASKED, _LONGEST = 20, 40, 60


class Unit(NamedTuple):
    """A sentence, who says it ('' where nobody is named), how many words it has, and its terms."""

    text: str
    label: str
    size: int
    terms: list[str]


def split_prompt(prompt: str) -> tuple[str, str]:
    """What a prompt asks, and about what: a block in tags or fences, what speakers say, or the rest."""
    blocks = [(match.start(), *match.span(2), match.end()) for match in _FENCED.finditer(prompt)]
    for name in list(dict.fromkeys(_CLOSED.findall(prompt)))[:_MOST_BLOCKS]:
        opening = re.search(rf"^[ \t]*<{name}(?: [^<>\n]*)?>", prompt, re.M)
        end = prompt.rindex(f"</{name}>")
        if opening and opening.end() < end:
            blocks.append((opening.start(), opening.end(), end, end + len(name) + 3))
    start, inner, inner_end, end = max(blocks, key=lambda block: block[2] - block[1], default=(0, 0, 0, 0))
    inside = prompt[inner:inner_end].strip()
    if len(inside.split()) >= 5 and ("\n" in inside or 2 * len(inside) > len(prompt)):
        return f"{prompt[:start]}\n{prompt[end:]}".strip(), inside
    lines = prompt.split("\n")
    said = [row for row, label in enumerate(_labels(lines)) if label]
    if said:
        asked, paragraphs = lines[: said[0]], _BLANK.split("\n".join(lines[said[0] :]))
        while not any(map(_LABEL.match, paragraphs[-1].split("\n"))):
            asked.append(paragraphs.pop())
        return "\n".join(asked).strip(), "\n\n".join(paragraphs)
    return _split_parts(re.sub(r"([:：])[ \t]*\n", r"\1\n\n", prompt.strip()))


def _split_parts(prompt: str) -> tuple[str, str]:
    """What stands before the last colon, and what the first and last paragraphs, lines or sentences ask."""
    levels = (_BLANK.split(prompt), prompt.split("\n"), _sentences(re.sub(r":\s", ":\n", prompt, count=1)))
    parts = next((level for level in levels if len(level) > 1), [prompt])
    first, last = 0, len(parts)
    if parts is not levels[2] and not _LABEL.match(parts[0]) and len(parts[0]) < len(prompt) / 2:
        first = int(len(parts[0].split()) <= _MOST_ASKED)
    behind = len(prompt)
    for at, part in enumerate(parts, 1):
        behind -= len(part)
        first = at if part.endswith((":", "：")) and behind > len(prompt) / 2 else first
    while first < last and _asks(parts[first]):
        first += 1
    while first < last and _asks(parts[last - 1]):
        last -= 1
    asked, rest = [*parts[:first], *parts[last:]], parts[first:last]
    few = len(_words(" ".join(rest))) < 8 if asked else len(rest) < 4
    if (parts is levels[2] and few) or len(parts) == 1:
        return prompt, ""
    return "\n".join(asked), "\n".join(rest)


def _asks(part: str) -> bool:
    """Whether a paragraph, line or sentence reads like a request rather than like what it is about."""
    is_open = part.rstrip().endswith((":", "：", "?", "？")) or SUMMARY.search(part)
    return not part.strip() or (bool(is_open) and not _LABEL.match(part) and len(part.split()) <= _MOST_ASKED)


def _labels(parts: list[str]) -> list[str]:
    """Who is named before each line or sentence; '' where nobody is who speaks twice."""
    found = [match[1] if (match := _LABEL.match(part)) else "" for part in parts]
    counts = Counter(found)
    return [label if counts[label] > 1 else "" for label in found]


def split_units(text: str) -> list[Unit]:
    """The sentences of a text, in reading order; who speaks does so until somebody else is named."""
    sentences, units, speaker = _sentences(text), [], ""
    for sentence, label in zip(sentences, _labels(sentences), strict=True):
        named = _LABEL.match(sentence)
        speaker = label if named else speaker
        said = sentence[named.end() :] if named and label else sentence
        words = _words(said)
        units.append(Unit(said, speaker, len(words), _terms(words)))
    return [unit for unit in units if unit.size]


def _sentences(text: str) -> list[str]:
    """Sentences as they are; speech that runs on without a stop is cut by its length."""
    parts = []
    for sentence in _END.sub(r"\g<0>\n", text).splitlines():
        words = sentence.split()
        step = _LONGEST // 3 if len(words) > _LONGEST else len(words) or 1
        parts += [" ".join(words[at : at + step]) for at in range(0, len(words), step)]
    return parts


def _words(text: str) -> list[str]:
    """Lower-case words; scripts written without spaces give pairs of characters."""
    found = _WORDS.findall(text.lower().replace("’", "'"))
    if text.isascii():
        return found
    words = []
    for word in found:
        cuts = range(max(len(word) - 1, 1)) if _DENSE.fullmatch(word) else ()
        words += [word[at : at + 2] for at in cuts] or [word]
    return words


def terms_of(text: str) -> list[str]:
    """What texts are compared by: five letters of each word that says something, and no plural."""
    return _terms(_words(text))


def _terms(words: list[str]) -> list[str]:
    terms = (word.removesuffix("s")[:5] for word in words if word not in STOP_WORDS)
    return list(dict.fromkeys(terms)) or words


def rank_units(units: list[Unit], query: Collection[str] = ()) -> np.ndarray:
    """A score for every unit: how near (tf-idf) it is to all of the text, or to the terms of a query."""
    vocabulary: dict[str, int] = {}
    terms = [unit.terms for unit in units]
    term = np.array([vocabulary.setdefault(one, len(vocabulary)) for one in chain.from_iterable(terms)], int)
    sizes = np.array([*map(len, terms)], int)
    row = np.repeat(np.arange(len(units)), sizes)
    frequency = np.bincount(term, minlength=len(vocabulary))
    rarity = np.log1p(len(units) / frequency)
    interest = np.array([one in query for one in vocabulary]) if query else frequency
    weight = rarity[term]
    norms = np.sqrt(np.bincount(row, weight**2, len(units))) + 1e-9
    scores: np.ndarray = np.bincount(row, weight * (interest * rarity)[term], len(units)) / norms
    tells = np.array([0.5 if unit.text.endswith(("?", "？", "؟")) else 1.0 for unit in units])
    scores *= tells * np.minimum(1.0, sizes / 4)  # few words, or a question, tell less
    return scores.round(9)


def select_units(units: list[Unit], order: list[int], words: int, most: int, needed: int = 1) -> list[int]:
    """Rows of the units to quote, in reading order: best first, no near-duplicates, within `words`."""
    chosen: dict[int, set[str]] = {}
    left = words
    for row in order:
        terms, room = {*units[row].terms}, left + words * (len(chosen) < needed)
        told = any(len(terms & other) > 0.6 * min(len(terms), len(other)) for other in chosen.values())
        if not chosen or (not told and units[row].size <= room):
            chosen[row] = terms
            left -= units[row].size
        if len(chosen) >= most or (left < 4 and len(chosen) >= needed):
            break
    return sorted(chosen)
