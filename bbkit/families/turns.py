"""Rules of turns that several families share: tool calls and their results, media where none may stand."""

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from bbkit.core.findings import Finding
from bbkit.families.family import as_dict, as_list_of_dicts
from bbkit.families.traits import Model


class ToolNames(NamedTuple):
    """What a family calls the blocks of tools, and how the ids of uses and results are read from blocks."""

    use: str
    result: str
    blocks: str
    member: str
    ids: Callable[[list[dict[str, Any]]], tuple[list[Any], list[Any]]]


def refused_media(model_id: str, position: int, kind: str) -> Finding:
    """The fault of a medium that is sent to a model of text only."""
    finding = f"The turn holds a block of {kind}, and {model_id} takes text only."
    remedy = "Leave it out, or take a model whose input may be of that kind."
    return Finding("error", "media_refused", finding, remedy, f"messages[{position}].content")


def stop_faults(given: Any, path: str, model: Model, invocation_type: str) -> list[Finding]:
    """The fault of stop sequences that a model is reported not to take."""
    if not given or model.traits.stop_sequences in (None, True, invocation_type):
        return []
    source = model.sources["stop_sequences"]
    finding = f"{path} is given, and {model.model_id} is reported to refuse stop sequences ({source})."
    return [Finding("warning", "stop_refused", finding, "Leave them out; cut the answer afterwards.", path)]


def misplaced(position: int, block: str, role: str) -> Finding:
    """The fault of a block that only the other role's turns may hold."""
    other = "user" if role == "assistant" else "assistant"
    finding = f"A block of {block} stands in a turn of the {role}."
    remedy = f"Put it into a turn of the {other}: no other may hold it."
    return Finding("error", "role_order", finding, remedy, f"messages[{position}].content")


def tool_faults(body: Mapping[str, Any], names: ToolNames) -> list[Finding]:
    """Uses without results, results without uses, either in the wrong role's turn, tools not described."""
    turns = []
    for position, message in enumerate(body["messages"]):
        uses, results = names.ids(as_list_of_dicts(as_dict(message).get("content")))
        turns.append((as_dict(message).get("role"), position, uses, results))
    if not any(uses or results for _, _, uses, results in turns):
        return []
    faults: list[Finding] = []
    waiting: list[Any] = []
    at = 0
    for role, group in groupby(turns, key=lambda turn: turn[0]):
        same = list(group)
        used = [one for _, _, uses, _ in same for one in uses]
        answered = [one for _, _, _, results in same for one in results]
        if role == "assistant":
            faults += [misplaced(place, names.result, role) for _, place, _, results in same if results]
            waiting, at = used, same[-1][1]
            continue
        faults += [misplaced(place, names.use, "user") for _, place, uses, _ in same if uses]
        faults += _unanswered(at, [one for one in waiting if one not in answered], names)
        faults += _uncalled(same[0][1], [one for one in answered if one not in waiting], names)
        waiting = []
    faults += _unanswered(at, waiting, names)
    if names.member not in body:
        finding = f"The turns hold {names.blocks} blocks, and {names.member} is missing."
        remedy = f"Give {names.member} as it was when the tools were used."
        faults.append(Finding("warning", "required", finding, remedy, names.member))
    return faults


def _unanswered(position: int, ids: list[Any], names: ToolNames) -> list[Finding]:
    if not ids:
        return []
    finding = f"{names.use} {ids[0]!r} has no {names.result} in the next user turn."
    remedy = f"Answer every {names.use} in the user turn that follows it."
    return [Finding("error", "tool_pairing", finding, remedy, f"messages[{position}].content")]


def _uncalled(position: int, ids: list[Any], names: ToolNames) -> list[Finding]:
    if not ids:
        return []
    finding = f"A {names.result} answers {ids[0]!r}, which the turn before does not use."
    remedy = f"Answer the ids of the {names.use} blocks of the assistant turn just before."
    return [Finding("error", "tool_pairing", finding, remedy, f"messages[{position}].content")]


def offered_faults(name: Any, offered: Iterable[Any], path: str) -> list[Finding]:
    """The fault of a tool that is demanded by name and not offered."""
    names = [one for one in offered if type(one) is str]
    if type(name) is not str or name in names:
        return []
    finding = f"{path} is {name!r}, which is no tool of this body."
    remedy = (
        f"Name one of the tools: {', '.join(names[:3])}." if names else "Offer the tool, or leave it out."
    )
    return [Finding("error", "value", finding, remedy, path)]
