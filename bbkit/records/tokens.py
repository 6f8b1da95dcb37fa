"""How many tokens texts are, before a model has counted them."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bbkit.core.errors import FamilyError
from bbkit.core.files import read_data
from bbkit.families import family_of, get_family, user_text_of
from bbkit.records.lines import Records, numbered_lines, read_line, read_records
from bbkit.records.pieces import Pieces, count_pieces
from bbkit.records.token_bodies import Asked, asked_of, tools_text_of

_ALL_UP_TO = 2_000
_EVERY = 97


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
    """Estimate the input tokens of records from pieces of their texts and a factor of the family."""
    name = _family_name(model_id, family)
    known = read_data("tokens")["families"].get(name) or read_data("tokens")["families"][""]
    total, answers, media, caches = 0, 0, 0, 0
    allowed: int | None = 0
    first, rest = _Stratum(), _Stratum()
    for size, asked, body in _weighed(records):
        stratum = first if total < _ALL_UP_TO else rest
        total += 1
        answers += asked.answers
        media += asked.media
        caches += asked.caches
        allowed = None if allowed is None or asked.limit is None else allowed + asked.limit
        stratum.add(size, None if body is None else _count_body(body))
    pieces, spread = first.pieces + rest.pieces, first.spread + rest.spread
    tokens = pieces * known["factor"]
    foreign = (first.unsure + rest.unsure) / pieces if pieces else 0.0
    error = known["error"] + foreign + (spread / pieces if pieces else 0.0)
    counted = first.counted + rest.counted
    return TokenEstimate(
        records=total,
        input_tokens=round(tokens),
        low=max(0, round(tokens * (1 - error))),
        high=round(tokens * (1 + error)),
        max_output_tokens=allowed,
        error=error,
        counted=counted,
        media=media,
        note=_say_how(name, known, total, counted, error, foreign),
        answers=answers,
        caches=caches,
    )


def _count_body(body: Mapping[str, Any]) -> Pieces:
    text, tools = count_pieces(user_text_of(dict(body))), count_pieces(tools_text_of(body))
    return Pieces(text.number + tools.number, text.unsure + tools.unsure)


class _Stratum:
    """Records counted at one rate: their bytes, and the pieces of those that were counted."""

    def __init__(self) -> None:
        self.records, self.size = 0, 0
        self._sizes: list[int] = []
        self._pieces: list[float] = []
        self._unsure = 0.0

    def add(self, size: int, pieces: Pieces | None) -> None:
        self.records += 1
        self.size += size
        if pieces is not None:
            self._sizes.append(size)
            self._pieces.append(pieces.number)
            self._unsure += pieces.unsure

    @property
    def counted(self) -> int:
        return len(self._sizes)

    @property
    def pieces(self) -> float:
        if sampled := sum(self._sizes):
            return sum(self._pieces) * self.size / sampled
        return sum(self._pieces) * self.records / self.counted if self.counted else self.size / 4

    @property
    def unsure(self) -> float:
        """How many of the pieces other languages and scripts make doubtful."""
        return self._unsure * self.pieces / counted if (counted := sum(self._pieces)) else 0.0

    @property
    def spread(self) -> float:
        """Two standard errors of a ratio estimate; with too few counted, up to three times as many."""
        n, left = self.counted, self.records - self.counted
        if not left:
            return 0.0
        if n < 2 or not sum(self._sizes):
            return 2 * self.pieces
        rate = sum(self._pieces) / sum(self._sizes)
        squares = sum((p - rate * s) ** 2 for p, s in zip(self._pieces, self._sizes, strict=True))
        return 2 * self.records * math.sqrt(squares / (n - 1) / n * left / self.records)


def _family_name(model_id: str, family: str | None) -> str:
    """The family whose factor holds: that of the model where the id tells it, also for Converse bodies."""
    if family and family != "converse":
        return get_family(family).name
    try:
        return family_of(model_id).name if model_id else family or ""
    except FamilyError:
        return family or ""


def _say_how(
    name: str, known: Mapping[str, Any], total: int, counted: int, error: float, foreign: float
) -> str:
    how = "measured on public tokenizers" if known["measured"] else "its tokenizer is not public"
    doubt = f"; {foreign:.0%} more for other languages and scripts" if foreign >= 0.005 else ""
    part = "" if counted == total else f" on {counted:,} of {total:,} records"
    return (
        f"Estimated from pieces of text{part}, factor {known['factor']:g} for {name or 'an unknown family'} "
        f"({how}, on English{doubt}): about {error:.0%} off; chat templates, words added for tools, and "
        "media are not counted."
    )


def _is_counted(position: int) -> bool:
    # A prime step meets every phase of records that repeat, such as four prompts for each call.
    return position < _ALL_UP_TO or position % _EVERY == 0


def _weighed(records: Records) -> Iterator[tuple[int, Asked, Mapping[str, Any] | None]]:
    """Every record's bytes, what it asks for and, of those to be counted, its body."""
    if isinstance(records, str | Path):
        for position, (name, number, line) in enumerate(numbered_lines(records)):
            body = read_line(line, name, number)[1]
            yield len(line), asked_of(body), body if _is_counted(position) else None
        return
    for position, (_, body) in enumerate(read_records(records)):
        text = user_text_of(body)
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        yield size, asked_of(body), body if _is_counted(position) else None
