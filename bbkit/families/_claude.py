"""What Claude models refuse although every single value is right: turns, thinking, sampling.

https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from bbkit.families._base import mapping, objects
from bbkit.families.requests import Fault, error_at

_VERSION = re.compile(
    r"claude-(?:(\d)(?:-(\d))?-)?(haiku|sonnet|opus)(?:-(\d)(?!\d)(?:-(\d)(?!\d))?)?(?![a-z])"
)
_SAMPLING = ("temperature", "top_p", "top_k")


class Traits(NamedTuple):
    """What one Claude model refuses; everything False for a model whose version is not known."""

    one_sampler: bool = False
    no_sampling: bool = False
    no_prefill: bool = False
    no_adaptive: bool = False


@lru_cache(maxsize=256)
def traits_of(model_id: str) -> Traits:
    """Tell what a Claude model refuses from the version in its bare model id.

    Parameters
    ----------
    model_id : str
        Such as ``anthropic.claude-sonnet-4-5-20250929-v1:0``.

    Returns
    -------
    Traits
        All False when the version cannot be told.
    """
    found = _VERSION.search(model_id)
    if not found:
        return Traits()
    name = found[3]
    version = (int(found[1] or found[4] or 0), int(found[2] or found[5] or 0))
    if version == (0, 0):
        return Traits()
    return Traits(
        one_sampler=version == (4, 5) and name in ("sonnet", "haiku"),
        no_sampling=version >= (5, 0) or (name == "opus" and version >= (4, 7)),
        no_prefill=version >= (4, 6),
        no_adaptive=version <= (4, 5),
    )


def claude_silent(model_id: str) -> frozenset[str]:
    """Members without which `claude_faults` has nothing to say of one user turn of text."""
    traits = traits_of(model_id)
    sampling = _SAMPLING if traits.no_sampling else ("top_p",) if traits.one_sampler else ()
    return frozenset({"thinking", "tool_choice", *sampling})


def claude_faults(body: Mapping[str, Any], model_id: str) -> list[Fault]:
    """What a Claude model would refuse in a body beyond its single values; takes any object."""
    faults = _turn_faults(body, model_id)
    if "thinking" in body:
        faults += _thinking_faults(body, model_id)
    if "temperature" in body or "top_p" in body or "top_k" in body:
        faults += _sampling_faults(body, model_id)
    if "tool_choice" in body and "tools" not in body:
        faults.append(
            error_at(
                "tools",
                "required",
                "tool_choice stands without tools.",
                "Add tools or leave it out.",
            )
        )
    return faults


def _turn_faults(body: Mapping[str, Any], model_id: str) -> list[Fault]:
    messages = body.get("messages")
    if type(messages) is not list or not messages:
        return []
    faults: list[Fault] = []
    if mapping(messages[0]).get("role") == "assistant":
        finding = "The first turn is the assistant's."
        faults.append(error_at("messages[0].role", "role_order", finding, "Start messages with a user turn."))
    last = len(messages) - 1
    tools = False
    for position, message in enumerate(messages):
        content = message.get("content") if type(message) is dict else None
        if type(content) is not list:
            continue
        for block in content:
            if type(block) is not dict:
                continue
            if "tool_use_id" in block or "input" in block:
                tools = True
        if not content and not (position == last and message.get("role") == "assistant"):
            remedy = "Give every turn at least one content block."
            faults.append(
                error_at(f"messages[{position}].content", "empty_content", "The turn is empty.", remedy)
            )
    if last:
        faults += _ending_faults(messages, body, model_id)
    return faults + _tool_faults(messages) if tools else faults


def _ending_faults(messages: list[Any], body: Mapping[str, Any], model_id: str) -> list[Fault]:
    if mapping(messages[-1]).get("role") != "assistant":
        return []
    path = f"messages[{len(messages) - 1}]"
    if traits_of(model_id).no_prefill:
        return [
            error_at(
                path,
                "prefill",
                "The last turn is the assistant's, which this model refuses.",
                "End messages with a user turn: Claude 4.6 and later take no prefilled answer.",
            )
        ]
    if mapping(body.get("thinking")).get("type") in ("enabled", "adaptive"):
        return [
            error_at(
                path,
                "thinking_conflict",
                "The last turn is the assistant's, with thinking on.",
                "End messages with a user turn, or leave thinking out.",
            )
        ]
    content = messages[-1].get("content")
    text = content if type(content) is str else (objects(content) or [{}])[-1].get("text")
    if type(text) is str and text and text != text.rstrip():
        return [
            error_at(
                path,
                "prefill",
                "The prefilled answer at the end has trailing whitespace.",
                "Strip the end of the last assistant turn; Claude refuses it otherwise.",
            )
        ]
    return []


def _tool_faults(messages: list[Any]) -> list[Fault]:
    faults: list[Fault] = []
    open_ids: list[Any] = []
    for position, message in enumerate(messages):
        if type(message) is not dict or type(message.get("content")) is not list:
            blocks: list[dict[str, Any]] = []
        else:
            blocks = [block for block in message["content"] if type(block) is dict]
        results = [block.get("tool_use_id") for block in blocks if block.get("type") == "tool_result"]
        if mapping(message).get("role") == "user":
            if missing := [use for use in open_ids if use not in results]:
                faults.append(_unanswered(position - 1, missing))
            if extra := [use for use in results if use not in open_ids]:
                faults.append(
                    error_at(
                        f"messages[{position}].content",
                        "tool_pairing",
                        f"A tool_result answers {extra[0]!r}, which the turn before does not use.",
                        "Answer the tool_use ids of the assistant turn just before.",
                    )
                )
            open_ids = []
        else:
            open_ids += [block.get("id") for block in blocks if block.get("type") == "tool_use"]
    if open_ids:
        faults.append(_unanswered(len(messages) - 1, open_ids))
    return faults


def _unanswered(position: int, ids: list[Any]) -> Fault:
    return error_at(
        f"messages[{position}].content",
        "tool_pairing",
        f"tool_use {ids[0]!r} has no tool_result in the next user turn.",
        "Answer every tool_use in the user turn that follows it.",
    )


def _thinking_faults(body: Mapping[str, Any], model_id: str) -> list[Fault]:
    thinking = mapping(body["thinking"])
    kind = thinking.get("type")
    if kind == "adaptive" and traits_of(model_id).no_adaptive:
        return [
            error_at(
                "thinking.type",
                "thinking_conflict",
                "Adaptive thinking is not for this model.",
                "Use type enabled with budget_tokens; adaptive thinking starts with Claude 4.6.",
            )
        ]
    if kind not in ("enabled", "adaptive"):
        return []
    return _budget_faults(body, thinking, model_id) + _forced_faults(body)


def _budget_faults(body: Mapping[str, Any], thinking: Mapping[str, Any], model_id: str) -> list[Fault]:
    budget, most = thinking.get("budget_tokens"), body.get("max_tokens")
    if thinking.get("type") == "enabled" and "budget_tokens" not in thinking:
        return [
            error_at(
                "thinking.budget_tokens",
                "required",
                "thinking is enabled without budget_tokens.",
                "Give budget_tokens, at least 1,024 and less than max_tokens.",
            )
        ]
    if budget is not None and traits_of(model_id).no_sampling:
        return [
            error_at(
                "thinking.budget_tokens",
                "thinking_conflict",
                "This model refuses budget_tokens.",
                "Use thinking type adaptive, with output_config.effort.",
            )
        ]
    beta = body.get("anthropic_beta")
    interleaved = type(beta) is list and any("interleaved-thinking" in str(name) for name in beta)
    if type(budget) is int and type(most) is int and budget >= most and not interleaved:
        return [
            error_at(
                "thinking.budget_tokens",
                "thinking_budget",
                f"budget_tokens {budget:,} is not less than max_tokens {most:,}.",
                "Raise max_tokens above budget_tokens: thinking counts towards max_tokens.",
            )
        ]
    return []


def _forced_faults(body: Mapping[str, Any]) -> list[Fault]:
    choice = mapping(body.get("tool_choice")).get("type")
    if choice not in ("any", "tool"):
        return []
    return [
        error_at(
            "tool_choice.type",
            "thinking_conflict",
            f"tool_choice {choice!r} with thinking on.",
            "Thinking allows tool_choice auto or none only.",
        )
    ]


def _sampling_faults(body: Mapping[str, Any], model_id: str) -> list[Fault]:
    traits = traits_of(model_id)
    sent = [name for name in _SAMPLING if name in body]
    if traits.no_sampling:
        return [
            error_at(
                name,
                "sampling_refused",
                f"{name} is sent to a model that refuses it.",
                "Leave temperature, top_p and top_k out: Claude Opus 4.7 and later take none.",
            )
            for name in sent
        ]
    faults: list[Fault] = []
    if traits.one_sampler and "temperature" in body and "top_p" in body:
        faults.append(
            error_at(
                "top_p",
                "sampling_conflict",
                "temperature and top_p are both given.",
                "Give one of them: Claude Sonnet 4.5 and Haiku 4.5 refuse both together.",
            )
        )
    if mapping(body.get("thinking")).get("type") in ("enabled", "adaptive"):
        faults += _thinking_sampling(body)
    return faults


def _thinking_sampling(body: Mapping[str, Any]) -> list[Fault]:
    faults: list[Fault] = []
    remedy = "With thinking on, leave temperature and top_k out; top_p may be 0.95 to 1."
    if body.get("temperature", 1) != 1:
        found = f"temperature {body['temperature']} with thinking on."
        faults.append(error_at("temperature", "thinking_conflict", found, remedy))
    top_p = body.get("top_p")
    if isinstance(top_p, int | float) and top_p < 0.95:
        found = f"top_p {top_p} with thinking on."
        faults.append(error_at("top_p", "thinking_conflict", found, remedy))
    if "top_k" in body:
        faults.append(error_at("top_k", "thinking_conflict", "top_k with thinking on.", remedy))
    return faults
