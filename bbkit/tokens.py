"""How many tokens texts are, before a model has counted them: part of the room `records`."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from bbkit.errors import FamilyError
from bbkit.families import family_of, get_family, max_tokens_of, user_text_of
from bbkit.lines import Records, file_lines, read_line, read_records, record_files

_PIECE = re.compile(
    r"<\|[a-z_]+\|>|\[/?INST\]|</?s>"  # a chat template's own tokens
    r"|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # scripts whose signs are words
    r"|[^\W\d_]{1,10}|\d{1,3}|[^\w\s]{1,2}|_+|\n+"
)
_ALL_UP_TO = 2_000
_EVERY = 100


@dataclass(frozen=True)
class TokenEstimate:
    """How many tokens records are, as an estimate.

    Attributes
    ----------
    records : int
        How many there are.
    input_tokens, low, high : int
        What their texts come to, and the range its error allows.
    max_output_tokens : int or None
        The sum of what they allow the model to answer; None where a record sets no maximum.
    error : float
        Relative error of a text's count, 0.05 for 5 %.
    counted : int
        Records whose pieces were counted; the others are taken to be alike per character.
    media : int
        How many of them hold an image, document, video or audio, whose tokens are not counted.
    note : str
        How it was made, in one sentence.
    """

    records: int
    input_tokens: int
    low: int
    high: int
    max_output_tokens: int | None
    error: float
    counted: int
    media: int
    note: str


@cache
def _data() -> dict[str, Any]:
    return json.loads(files("bbkit").joinpath("data/tokens.json").read_text("utf-8"))


def count_pieces(text: str) -> int:
    """Count words, numbers, signs and line breaks, long ones in parts: what tokenizers mostly cut text into.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    int
        Pieces; on English calls 3-6 % more or fewer than the tokens of most models.
    """
    return len(_PIECE.findall(text))


def estimate_tokens(records: Records, model_id: str = "", *, family: str | None = None) -> TokenEstimate:
    """Estimate the input tokens of records from pieces of their texts and a factor of the family.

    All of up to 2,000 records are counted, every hundredth of more. What a model's chat template adds (a few
    to some tens of tokens a record) and images, documents and video are not in it.

    Parameters
    ----------
    records : DataFrame, iterable or path
        As for `bbkit.records.iter_lines`.
    model_id : str
        Tells the family.
    family : str, optional
        The family, where the id does not tell it; the factor of an unknown one is 1.

    Returns
    -------
    TokenEstimate
        With its error: about 5 % where the family's tokenizers are public, 15 % where they are not.
    """
    name = _family_name(model_id, family)
    known = _data()["families"].get(name) or _data()["families"][""]
    total, weight = 0, 0
    counted, counted_weight, pieces, media = 0, 0, 0, 0
    allowed: int | None = 0
    for size, body in _weighed(records):
        total += 1
        weight += size
        if body is None:
            continue
        counted += 1
        counted_weight += size
        pieces += count_pieces(user_text_of(dict(body)))
        media += _has_media(body)
        limit = max_tokens_of(dict(body))
        allowed = None if allowed is None or limit is None else allowed + limit
    scale = weight / counted_weight if counted_weight else 0.0
    tokens = pieces * scale * known["factor"]
    return TokenEstimate(
        records=total,
        input_tokens=round(tokens),
        low=round(tokens * (1 - known["error"])),
        high=round(tokens * (1 + known["error"])),
        max_output_tokens=None if allowed is None or not counted else round(allowed * total / counted),
        error=known["error"],
        counted=counted,
        media=media,
        note=_say_how(name, known, total, counted),
    )


def _family_name(model_id: str, family: str | None) -> str:
    """The family whose factor holds: that of the model where the id tells it, also for Converse bodies."""
    if family and family != "converse":
        return get_family(family).name
    try:
        return family_of(model_id).name if model_id else family or ""
    except FamilyError:
        return family or ""


def _say_how(name: str, known: Mapping[str, Any], total: int, counted: int) -> str:
    how = "measured on public tokenizers" if known["measured"] else "its tokenizer is not public"
    part = "" if counted == total else f" on {counted:,} of {total:,} records"
    return (
        f"Estimated from pieces of text{part}, factor {known['factor']:g} for {name or 'an unknown family'} "
        f"({how}): about {known['error']:.0%} off; chat templates and media are not counted."
    )


_MEDIA = frozenset(["image", "document", "video", "audio", "image_url", "input_audio", "file"])


def _has_media(body: Mapping[str, Any]) -> bool:
    """Whether a body of any family carries more than text."""
    if body.get("images") or body.get("inputImage"):
        return True
    asked = body.get("singleEmbeddingParams")
    if isinstance(asked, Mapping):
        return not _MEDIA.isdisjoint(asked)
    turns = body.get("messages")
    for turn in turns if isinstance(turns, list) else ():
        content = turn.get("content") if isinstance(turn, Mapping) else None
        for block in content if isinstance(content, list) else ():
            if isinstance(block, Mapping) and (block.get("type") in _MEDIA or not _MEDIA.isdisjoint(block)):
                return True
    return False


def _is_counted(position: int) -> bool:
    return position < _ALL_UP_TO or position % _EVERY == 0


def _weighed(records: Records) -> Iterator[tuple[int, Mapping[str, Any] | None]]:
    """Every record's size and, of those to be counted, its body."""
    if isinstance(records, str | Path):
        position = 0
        for name in record_files(records):
            for number, line in enumerate(file_lines(name), 1):
                if line.strip():
                    yield len(line), read_line(line, name, number)[1] if _is_counted(position) else None
                    position += 1
        return
    for position, (_, body) in enumerate(read_records(records)):
        yield len(user_text_of(body)), body if _is_counted(position) else None
