"""Rules of turns that several families share: tool calls and their results, media, models of text only."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from bbkit.core.findings import Finding
from bbkit.families.requests import error_at

_TEXT_ONLY = re.compile(
    r"amazon\.nova-micro|meta\.llama3-(8b|70b|1-|3-|2-[13]b)|mistral\.(mistral-large-240|devstral)"
    r"|openai\.gpt-oss|qwen\.qwen3-(?!vl)|deepseek\.|minimax\.minimax-m2|moonshot\.kimi-k2-thinking"
    r"|nvidia\.nemotron-nano-(9b|3-30b)|zai\.glm-4\.7"
)
"""Models whose only input is text: https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html
and the card of each model beside it."""


class ToolTurn(NamedTuple):
    """The tool blocks of one turn: the ids of the uses and of the results in it."""

    role: Any
    position: int
    uses: list[Any]
    results: list[Any]


@lru_cache(maxsize=256)
def is_text_only(model_id: str) -> bool:
    """Whether the model with a bare model id is known to take text only."""
    return _TEXT_ONLY.match(model_id) is not None


def refused_media(model_id: str, position: int, kind: str) -> Finding:
    """The fault of a medium that is sent to a model of text only."""
    return error_at(
        f"messages[{position}].content",
        "media_refused",
        f"The turn holds a block of {kind}, and {model_id} takes text only.",
        "Leave it out, or take a model whose input may be of that kind.",
    )


def misplaced(position: int, block: str, role: str) -> Finding:
    """The fault of a block that only the other role's turns may hold."""
    other = "user" if role == "assistant" else "assistant"
    return error_at(
        f"messages[{position}].content",
        "role_order",
        f"A block of {block} stands in a turn of the {role}.",
        f"Put it into a turn of the {other}: no other may hold it.",
    )


def tool_faults(turns: Sequence[ToolTurn], use: str, result: str) -> list[Finding]:
    """Uses without results, results without uses, and either in the wrong role's turn."""
    faults: list[Finding] = []
    waiting: list[Any] = []
    at = 0
    for role, group in groupby(turns, key=lambda turn: turn.role):
        same = list(group)
        if role == "assistant":
            faults += [misplaced(turn.position, result, role) for turn in same if turn.results]
            waiting, at = [one for turn in same for one in turn.uses], same[-1].position
            continue
        faults += [misplaced(turn.position, use, "user") for turn in same if turn.uses]
        answered = [one for turn in same for one in turn.results]
        faults += _unanswered(at, [one for one in waiting if one not in answered], use, result)
        faults += _uncalled(same[0].position, [one for one in answered if one not in waiting], use, result)
        waiting = []
    return faults + _unanswered(at, waiting, use, result)


def _unanswered(position: int, ids: list[Any], use: str, result: str) -> list[Finding]:
    if not ids:
        return []
    finding = f"{use} {ids[0]!r} has no {result} in the next user turn."
    remedy = f"Answer every {use} in the user turn that follows it."
    return [error_at(f"messages[{position}].content", "tool_pairing", finding, remedy)]


def _uncalled(position: int, ids: list[Any], use: str, result: str) -> list[Finding]:
    if not ids:
        return []
    finding = f"A {result} answers {ids[0]!r}, which the turn before does not use."
    remedy = f"Answer the ids of the {use} blocks of the assistant turn just before."
    return [error_at(f"messages[{position}].content", "tool_pairing", finding, remedy)]


def offered_faults(name: Any, offered: Iterable[Any], path: str) -> list[Finding]:
    """The fault of a tool that is demanded by name and not offered."""
    names = [one for one in offered if type(one) is str]
    if type(name) is not str or name in names:
        return []
    return [
        error_at(
            path,
            "value",
            f"{path} is {name!r}, which is no tool of this body.",
            f"Name one of the tools: {', '.join(names[:3])}."
            if names
            else "Offer the tool, or leave it out.",
        )
    ]


def tools_missing(path: str, blocks: str) -> Finding:
    """The warning that a conversation used tools which the body does not describe."""
    return Finding(
        "warning",
        "required",
        f"The turns hold {blocks} blocks, and {path} is missing.",
        f"Give {path} as it was when the tools were used.",
        path,
    )
