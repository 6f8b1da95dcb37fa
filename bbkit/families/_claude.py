"""What Claude models refuse although every single value is right: thinking, sampling, an answer's beginning.

https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from bbkit.core.findings import Finding
from bbkit.families._base import mapping, objects
from bbkit.families._claude_turns import choice_faults, turn_faults
from bbkit.families.requests import error_at

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
    no_thinking: bool = False


@lru_cache(maxsize=256)
def traits_of(model_id: str) -> Traits:
    """Tell what a Claude model refuses from the version in its bare model id."""
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
        no_thinking=version < (3, 7),
    )


def claude_silent(model_id: str) -> frozenset[str]:
    """Members without which `claude_faults` has nothing to say of one user turn of text."""
    traits = traits_of(model_id)
    sampling = _SAMPLING if traits.no_sampling else ("top_p",) if traits.one_sampler else ()
    return frozenset({"thinking", "tool_choice", *sampling})


def claude_faults(body: Mapping[str, Any], model_id: str) -> list[Finding]:
    """What a Claude model would refuse in a body beyond its single values; takes any object."""
    faults = turn_faults(body) + model_faults(body, model_id)
    return faults + choice_faults(body) if "tool_choice" in body else faults


def model_faults(body: Mapping[str, Any], model_id: str) -> list[Finding]:
    """What a Claude model of one version refuses: an answer's beginning, thinking, sampling."""
    messages = body.get("messages")
    faults: list[Finding] = []
    if type(messages) is list and len(messages) > 1:
        faults += _ending_faults(messages, body, model_id)
    if "thinking" in body:
        faults += _thinking_faults(body, model_id)
    if "temperature" in body or "top_p" in body or "top_k" in body:
        faults += _sampling_faults(body, model_id)
    return faults


def _ending_faults(messages: list[Any], body: Mapping[str, Any], model_id: str) -> list[Finding]:
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


def _thinking_faults(body: Mapping[str, Any], model_id: str) -> list[Finding]:
    thinking = mapping(body["thinking"])
    kind = thinking.get("type")
    if kind not in ("enabled", "adaptive"):
        return []
    if traits_of(model_id).no_thinking:
        remedy = "Leave thinking out: it starts with Claude 3.7 Sonnet."
        return [error_at("thinking", "thinking_conflict", "This model does not think.", remedy)]
    if kind == "adaptive" and traits_of(model_id).no_adaptive:
        return [
            error_at(
                "thinking.type",
                "thinking_conflict",
                "Adaptive thinking is not for this model.",
                "Use type enabled with budget_tokens; adaptive thinking starts with Claude 4.6.",
            )
        ]
    return _budget_faults(body, thinking, model_id) + _forced_faults(body)


def _budget_faults(body: Mapping[str, Any], thinking: Mapping[str, Any], model_id: str) -> list[Finding]:
    budget, most = thinking.get("budget_tokens"), body.get("max_tokens")
    if traits_of(model_id).no_sampling:
        if thinking.get("type") == "adaptive" and budget is None:
            return []
        path, found = "thinking.type", "thinking is enabled, which this model refuses."
        if budget is not None:
            path, found = "thinking.budget_tokens", "This model refuses budget_tokens."
        remedy = "Use thinking type adaptive, with output_config.effort."
        return [error_at(path, "thinking_conflict", found, remedy)]
    if thinking.get("type") == "enabled" and "budget_tokens" not in thinking:
        return [
            error_at(
                "thinking.budget_tokens",
                "required",
                "thinking is enabled without budget_tokens.",
                "Give budget_tokens, at least 1,024 and less than max_tokens.",
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


def _forced_faults(body: Mapping[str, Any]) -> list[Finding]:
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


def _sampling_faults(body: Mapping[str, Any], model_id: str) -> list[Finding]:
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
    faults: list[Finding] = []
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


def _thinking_sampling(body: Mapping[str, Any]) -> list[Finding]:
    faults: list[Finding] = []
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
