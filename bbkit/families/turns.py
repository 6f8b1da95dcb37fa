"""Rules of turns that several families share: tool calls and their results, media where none may stand."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from bbkit.core.finding import Finding, make_finding
from bbkit.families.values import as_dict, as_list_of_dicts

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class ToolNames(NamedTuple):
    """What a family calls the blocks of tools, and how the ids of uses and results are read from blocks."""

    use: str
    result: str
    blocks: str
    member: str
    ids: Callable[[list[dict[str, Any]]], tuple[list[Any], list[Any]]]


def misplaced(position: int, block: str, role: str) -> Finding:
    """The fault of a block that only the other role's turns may hold."""
    path, other = f"messages[{position}].content", "user" if role == "assistant" else "assistant"
    return make_finding("role_order.block", path, block=block, role=role, other=other)


def tool_faults(body: Mapping[str, Any], names: ToolNames) -> Iterator[Finding]:
    """Uses without results, results without uses, either in the wrong role's turn, tools not described."""
    turns = []
    for position, message in enumerate(body["messages"]):
        uses, results = names.ids(as_list_of_dicts(as_dict(message).get("content")))
        turns.append((as_dict(message).get("role"), position, uses, results))
    if not any(uses or results for _, _, uses, results in turns):
        return
    waiting: list[Any] = []
    at = 0
    for role, group in groupby(turns, key=lambda turn: turn[0]):
        same = list(group)
        used = [one for _, _, uses, _ in same for one in uses]
        answered = [one for _, _, _, results in same for one in results]
        if role == "assistant":
            yield from (misplaced(place, names.result, role) for _, place, _, results in same if results)
            waiting, at = used, same[-1][1]
            continue
        yield from (misplaced(place, names.use, "user") for _, place, uses, _ in same if uses)
        yield from _unpaired("tool_pairing.unanswered", at, waiting, answered, names)
        yield from _unpaired("tool_pairing.uncalled", same[0][1], answered, waiting, names)
        waiting = []
    yield from _unpaired("tool_pairing.unanswered", at, waiting, [], names)
    if names.member not in body:
        yield make_finding("required.tools_used", names.member, names=names)


def _unpaired(text: str, at: int, ids: list[Any], others: list[Any], names: ToolNames) -> Iterator[Finding]:
    for one in [one for one in ids if one not in others][:1]:
        yield make_finding(text, f"messages[{at}].content", id=one, names=names)


def offered_faults(name: Any, offered: Iterable[Any], path: str) -> Iterator[Finding]:
    """The fault of a tool that is demanded by name and not offered."""
    names = [one for one in offered if type(one) is str]
    if type(name) is str and name not in names:
        text = "value.other_tool" if names else "value.no_tool"
        yield make_finding(text, path, name=name, names=", ".join(names[:3]))


def name_faults(name: Any, path: str) -> Iterator[Finding]:
    """The fault of a tool's name that has what no name may have."""
    if type(name) is str and name and not _NAME.fullmatch(name):
        yield make_finding("value.tool_name", path, name=name[:80])
