"""How many tokens records are, before a model has counted them: in, and at most out."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bbkit.core.errors import FamilyError
from bbkit.core.files import read_data
from bbkit.families import family_of, get_family, max_tokens_of, user_text_of
from bbkit.families.values import as_dict, as_list_of_dicts
from bbkit.records.lines import Records, numbered_lines, read_line, read_records

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
        others, text = _OTHER.findall(text), _OTHER.sub("", text)
        letters = _MARKED.findall(text)
        marked = len(letters)
        for character, times in Counter(others + letters).items():
            weighed[_weight_of(character)] += times
    # Words of other languages than English are seldom one token.
    foreign = marked * _CHARACTERS_OF_A_MARK > len(text)
    words = len((_SHORT_CHUNK if foreign else _CHUNK).findall(text))
    unsure = _weight_of("\u00e9").error * (words if foreign else marked) if marked else 0.0
    number = words + sum(weight.tokens * times for weight, times in weighed.items())
    unsure += sum(weight.tokens * times * weight.error for weight, times in weighed.items())
    return Chunks(number, unsure)


def _is_encoded(run: str) -> bool:
    """Whether a long run of letters and digits is no word or path: upper, lower and digits mixed."""
    return not (run.islower() or run.isupper() or run.isdigit()) and any(map(str.isdigit, run))


_ALL_UP_TO = 2_000
_EVERY = 97
_MEDIA = frozenset(["image", "document", "video", "audio", "image_url", "input_audio", "file"])
_CACHE_MARKS = ("cachePoint", "cache_control")
_TOOLS = ("tools", "toolConfig", "response_format", "outputConfig", "output_config", "output_format")


@dataclass(frozen=True)
class TokenEstimate:
    """How many tokens records are, as an estimate."""

    records: int
    input_tokens: int
    low: int
    high: int
    max_output_tokens: int | None
    error: float
    counted: int
    media: int
    note: str
    answers: int = 0
    caches: int = 0


def estimate_tokens(records: Records, model_id: str = "", *, family: str | None = None) -> TokenEstimate:
    """Estimate the input tokens of records from chunks of their texts and a factor of the family."""
    name = _family_name(model_id, family)
    families = read_data("tokens")["families"]
    known = families.get(name) or families[""]
    counts: Counter[str] = Counter()
    allowed: int | None = 0
    first, sampled = _Stratum(), _Stratum()
    for position, (size, body) in enumerate(_bodies(records)):
        limit, answers = _requested(body)
        counts.update(records=1, answers=answers, media=_has_media(body), caches=_marks_cache(body))
        allowed = None if allowed is None or limit is None else allowed + limit
        stratum = first if position < _ALL_UP_TO else sampled
        # A prime step meets every phase of records that repeat, such as four prompts for each call.
        stratum.add(size, _count_body(body) if stratum is first or position % _EVERY == 0 else None)
    chunks, unsure, spread = (first.totals() + sampled.totals()).tolist()
    tokens, foreign = chunks * known["factor"], unsure / chunks if chunks else 0.0
    error = known["error"] + foreign + (spread / chunks if chunks else 0.0)
    counted = len(first.counted) + len(sampled.counted)
    return TokenEstimate(
        records=counts["records"],
        input_tokens=round(tokens),
        low=max(0, round(tokens * (1 - error))),
        high=round(tokens * (1 + error)),
        max_output_tokens=allowed,
        error=error,
        counted=counted,
        media=counts["media"],
        note=_describe(name, known, counts["records"], counted, error, foreign),
        answers=counts["answers"],
        caches=counts["caches"],
    )


def _bodies(records: Records) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Every record's bytes, those of its line in files and of its text in memory, and its body."""
    if isinstance(records, str | Path):
        for name, number, line in numbered_lines(records):
            yield len(line), read_line(line, name, number)[1]
        return
    for _, body in read_records(records):
        yield len(user_text_of(body).encode("utf-8", "surrogatepass")), body


def _family_name(model_id: str, family: str | None) -> str:
    """The family whose factor holds: that of the model where the id tells it, also for Converse bodies."""
    if family and family != "converse":
        return get_family(family).name
    try:
        return family_of(model_id).name if model_id else family or ""
    except FamilyError:
        return family or ""


def _describe(
    name: str, known: Mapping[str, Any], total: int, counted: int, error: float, foreign: float
) -> str:
    how = "measured on public tokenizers" if known["measured"] else "its tokenizer is not public"
    more = f"{error - foreign:.0%} in English, {foreign:.0%} more for other languages and scripts"
    doubt = f" ({more})" if foreign >= 0.005 else ""
    part = "" if counted == total else f" of {counted:,} of {total:,} records"
    return (
        f"Input tokens are estimated from the texts{part} for {name or 'an unknown family'}, {how}: about "
        f"{error:.0%} off{doubt}. What chat templates and tools add, and media, are not counted."
    )


class _Stratum:
    """Records counted at one rate: their bytes, and the chunks of those that were counted."""

    def __init__(self) -> None:
        self.records, self.size = 0, 0
        self.counted: list[tuple[int, float, float]] = []

    def add(self, size: int, chunks: Chunks | None) -> None:
        self.records += 1
        self.size += size
        if chunks is not None:
            self.counted.append((size, *chunks))

    def totals(self) -> NDArray[np.float64]:
        """The chunks of all records, how many of them are doubtful, and two standard errors of the first."""
        sizes, numbers, doubts = np.array(self.counted, dtype=float).reshape(-1, 3).T
        size, number, counted = sizes.sum(), numbers.sum(), len(sizes)
        chunks, uncounted = self.size / 4, self.records - counted
        if counted:
            chunks = number * (self.size / size if size else self.records / counted)
        # A ratio estimate; with too few counted, up to three times as many.
        spread = 2 * chunks if uncounted else 0.0
        if uncounted and counted > 1 and size:
            departures = numbers - number / size * sizes
            variance = departures @ departures / (counted - 1) / counted
            spread = 2 * self.records * math.sqrt(variance * uncounted / self.records)
        return np.array([chunks, doubts.sum() * chunks / number if number else 0.0, spread])


def _count_body(body: Mapping[str, Any]) -> Chunks:
    """Count a body's text, and the tools and schema it defines, which a model reads and bills as input."""
    defined = (json.dumps(body[name], ensure_ascii=False, default=str) for name in _TOOLS if body.get(name))
    text, tools = count_chunks(user_text_of(dict(body))), count_chunks("\n".join(defined))
    return Chunks(text.number + tools.number, text.unsure + tools.unsure)


def _requested(body: Mapping[str, Any]) -> tuple[int | None, int]:
    """How many tokens a body allows at most in all its answers, and how many answers it asks for."""
    limit, answers = max_tokens_of(dict(body)), body.get("n")
    answers = answers if type(answers) is int and answers > 1 else 1
    return (None if limit is None or limit < 0 else limit * answers), answers


def _blocks(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The content blocks of system and turns, those within the result of a tool among them."""
    waiting = [body.get("system"), *(turn.get("content") for turn in as_list_of_dicts(body.get("messages")))]
    while waiting:
        for block in as_list_of_dicts(waiting.pop()):
            yield block
            waiting += [block.get("content"), as_dict(block.get("toolResult")).get("content")]


def _has_media(body: Mapping[str, Any]) -> bool:
    """Whether a body of any family carries more than text."""
    if body.get("images") or body.get("inputImage"):
        return True
    if single := as_dict(body.get("singleEmbeddingParams")):
        return not _MEDIA.isdisjoint(single)
    return any(block.get("type") in _MEDIA or not _MEDIA.isdisjoint(block) for block in _blocks(body))


def _marks_cache(body: Mapping[str, Any]) -> bool:
    """Whether a body asks for its beginning to be written to the cache."""
    config = as_dict(body.get("toolConfig"))
    tools = [*as_list_of_dicts(body.get("tools")), *as_list_of_dicts(config.get("tools"))]
    return any(mark in item for item in (body, *tools, *_blocks(body)) for mark in _CACHE_MARKS)
