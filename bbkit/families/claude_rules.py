"""What Claude models refuse although every single value is right: turns, tools, thinking, sampling.

https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-tool-use.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from bbkit.core.findings import Finding
from bbkit.core.text import name_some
from bbkit.families.budgets import thinks
from bbkit.families.claude_tools import format_faults, tool_faults as offer_faults
from bbkit.families.family import as_dict, as_list_of_dicts
from bbkit.families.traits import Model, model_table
from bbkit.families.turns import ToolNames, misplaced, offered_faults, tool_faults

_USUAL = {
    "effort": dict.fromkeys(("low", "medium", "high", "xhigh", "max"), "Use one of them."),
    "thinking_types": {
        "disabled": "Leave thinking out.",
        "enabled": "Use enabled, with budget_tokens.",
        "adaptive": "Use adaptive, with output_config.effort in place of budget_tokens.",
    },
}
"""The values that Claude models are known to take, and what to write where a model takes that one."""


def claude_faults(body: Mapping[str, Any], model: Model) -> list[Finding]:
    """What a Claude model would refuse in a body beyond its single values; takes any object."""
    faults = _turn_faults(body) + model_faults(body, model)
    if "tools" in body:
        faults += offer_faults(body["tools"], model)
    return faults + _choice_faults(body) if "tool_choice" in body else faults


def _turn_faults(body: Mapping[str, Any]) -> list[Finding]:
    messages = body.get("messages")
    if type(messages) is not list or not messages:
        return []
    faults: list[Finding] = []
    if as_dict(messages[0]).get("role") == "assistant":
        finding, remedy = "The first turn is the assistant's.", "Start messages with a user turn."
        faults.append(Finding("error", "role_order", finding, remedy, "messages[0].role"))
    last = len(messages) - 1
    tools = False
    for position, message in enumerate(messages):
        content = message.get("content") if type(message) is dict else None
        if type(content) is not list:
            continue
        assistant = message.get("role") == "assistant"
        for block in content:
            if type(block) is not dict:
                continue
            if "tool_use_id" in block or "input" in block:
                tools = True
            if assistant and "source" in block and block.get("type") in ("image", "document"):
                faults.append(misplaced(position, block["type"], "assistant"))
        if not content and not (position == last and assistant):
            remedy, path = "Give every turn at least one content block.", f"messages[{position}].content"
            faults.append(Finding("error", "empty_content", "The turn is empty.", remedy, path))
    return faults + tool_faults(body, _TOOLS) if tools else faults


def _tool_ids(blocks: list[dict[str, Any]]) -> tuple[list[Any], list[Any]]:
    uses = [block.get("id") for block in blocks if block.get("type") == "tool_use"]
    results = [block.get("tool_use_id") for block in blocks if block.get("type") == "tool_result"]
    return uses, results


_TOOLS = ToolNames("tool_use", "tool_result", "tool", "tools", _tool_ids)


def _choice_faults(body: Mapping[str, Any]) -> list[Finding]:
    choice = as_dict(body.get("tool_choice"))
    if "tools" not in body:
        finding, remedy = "tool_choice stands without tools.", "Add tools or leave it out."
        return [Finding("error", "required", finding, remedy, "tools")]
    if choice.get("type") != "tool":
        return []
    if "name" not in choice:
        finding = "tool_choice demands a tool and does not name it."
        remedy = "Name the tool, or take type any."
        return [Finding("error", "required", finding, remedy, "tool_choice.name")]
    offered = (tool.get("name") for tool in as_list_of_dicts(body["tools"]))
    return offered_faults(choice["name"], offered, "tool_choice.name")


def model_faults(body: Mapping[str, Any], model: Model) -> list[Finding]:
    """What one Claude model refuses: an answer's beginning, thinking, sampling, effort, forms, beta flags."""
    messages = body.get("messages")
    faults: list[Finding] = []
    if type(messages) is list and len(messages) > 1:
        faults += _ending_faults(messages, body, model)
    if "thinking" in body:
        faults += _thinking_faults(as_dict(body["thinking"]), body, model)
    if "tool_choice" in body:
        faults += _forced_faults(body, model)
    if "output_config" in body:
        config = as_dict(body["output_config"])
        faults += effort_faults(config.get("effort"), "output_config.effort", model)
        faults += format_faults(config.get("format"), "output_config.format", model)
    if "anthropic_beta" in body:
        faults += _flag_faults(body["anthropic_beta"])
    if "temperature" in body or "top_p" in body or "top_k" in body:
        faults += _sampling_faults(body, model)
    return faults


def _ending_faults(messages: list[Any], body: Mapping[str, Any], model: Model) -> list[Finding]:
    last = as_dict(messages[-1])
    if last.get("role") != "assistant":
        return []
    path, content = f"messages[{len(messages) - 1}]", last.get("content")
    text = content if type(content) is str else (as_list_of_dicts(content) or [{}])[-1].get("text")
    if model.traits.prefill is False:
        finding = f"The last turn is the assistant's, and {model.model_id} takes no prefilled answer"
        return [model.fault("prefill", "prefill", finding, "End messages with a user turn.", path)]
    if _thinks(body):
        finding = "The last turn is the assistant's, with thinking on."
        remedy = "End messages with a user turn, or leave thinking out."
        return [Finding("error", "thinking_conflict", finding, remedy, path)]
    if type(text) is str and text and text != text.rstrip():
        finding = "The prefilled answer at the end has trailing whitespace."
        remedy = "Strip the end of the last assistant turn; Claude refuses it otherwise."
        return [Finding("error", "prefill", finding, remedy, path)]
    return []


def _thinks(body: Mapping[str, Any]) -> bool:
    return as_dict(body.get("thinking")).get("type") in ("enabled", "adaptive")


def _thinking_faults(thinking: Mapping[str, Any], body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    kinds, rule = model.traits.thinking_types, "thinking_conflict"
    if wrong := list(_unlike(thinking.get("type"), "thinking_types", "thinking.type", rule, model)):
        yield from wrong
    elif kinds and "enabled" not in kinds and "budget_tokens" in thinking:
        finding, path = f"{model.model_id} takes no budget_tokens", "thinking.budget_tokens"
        remedy = "Leave it out; output_config.effort says how much to think."
        yield model.fault("thinking_types", rule, finding, remedy, path)
    elif _thinks(body):
        yield from _budget_faults(body, thinking)


def effort_faults(effort: Any, path: str, model: Model) -> Iterator[Finding]:
    """The fault of an effort that a Claude model does not take."""
    return _unlike(effort, "effort", path, "effort_refused", model)


def _unlike(value: Any, trait: str, path: str, rule: str, model: Model) -> Iterator[Finding]:
    """A value that a model does not take; where that is not known, one that no other is known to take."""
    usual, known = _USUAL[trait], getattr(model.traits, trait)
    if type(value) is not str or value in (usual if known is None else known or ("disabled",)):
        return
    if known is None:
        finding = f"{path} is {value!r}; Claude models are known to take {', '.join(usual)}."
        yield Finding("warning", rule, finding, "See whether this one takes it.", path)
    else:
        finding = f"{path} is {value!r}; {model.model_id} takes {', '.join(known) or 'none'}"
        remedy = usual.get(known[-1], "Use one of them.") if known else "Leave it out."
        yield model.fault(trait, rule, finding, remedy, path)


def _forced_faults(body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    choice, trait = as_dict(body["tool_choice"]).get("type"), "forced_tools_with_thinking"
    refuses = model.traits.forced_tools_with_thinking is False and choice in ("any", "tool")
    if refuses and (_thinks(body) or thinks(body, model)):
        finding = f"tool_choice {choice!r} with thinking on, which {model.model_id} refuses"
        remedy = "Take tool_choice auto or none, or turn thinking off where the model lets you."
        yield model.fault(trait, "thinking_conflict", finding, remedy, "tool_choice.type")


def _flag_faults(flags: Any) -> Iterator[Finding]:
    table, path = model_table(), "anthropic_beta"
    unknown = [flag for flag in flags if flag not in table.beta_flags] if type(flags) is list else []
    if unknown:
        finding = f"{path} has {name_some(unknown)}, not known to be a flag of Bedrock"
        known = ", ".join(table.beta_flags)
        remedy = f"Leave it out: a flag that Bedrock does not know is a 400. Known are {known}."
        yield Finding("warning", "beta_flag", f"{finding} ({table.beta_source}).", remedy, path)


def _budget_faults(body: Mapping[str, Any], thinking: Mapping[str, Any]) -> list[Finding]:
    rule, path = "thinking_conflict", "thinking.budget_tokens"
    budget, most = thinking.get("budget_tokens"), body.get("max_tokens")
    beta = body.get("anthropic_beta")
    interleaved = type(beta) is list and any("interleaved-thinking" in str(name) for name in beta)
    if thinking["type"] == "enabled" and "budget_tokens" not in thinking:
        rule, finding = "required", "thinking is enabled without budget_tokens."
        remedy = "Give budget_tokens, at least 1,024 and less than max_tokens."
    elif type(budget) is int and type(most) is int and budget >= most and not interleaved:
        rule = "thinking_budget"
        finding = f"budget_tokens {budget:,} is not less than max_tokens {most:,}."
        remedy = "Raise max_tokens above budget_tokens: thinking counts towards max_tokens."
    else:
        return []
    return [Finding("error", rule, finding, remedy, path)]


def _sampling_faults(body: Mapping[str, Any], model: Model) -> list[Finding]:
    takes, trait = model.traits.samplers, "samplers"
    if takes == "none":
        refused = f"is given, and {model.model_id} takes no sampling parameter"
        remedy = "Leave temperature, top_p and top_k out."
        return [
            model.fault(trait, "sampling_refused", f"{name} {refused}", remedy, name)
            for name in ("temperature", "top_p", "top_k")
            if name in body
        ]
    faults: list[Finding] = []
    if takes == "one" and "temperature" in body and "top_p" in body:
        finding = f"temperature and top_p are given; {model.model_id} takes one of them"
        remedy = "Leave top_p out, or temperature."
        faults.append(model.fault(trait, "sampling_conflict", finding, remedy, "top_p"))
    return faults + _thinking_sampling(body) if _thinks(body) else faults


def _thinking_sampling(body: Mapping[str, Any]) -> list[Finding]:
    refused: dict[str, str] = {}
    if body.get("temperature", 1) != 1:
        refused["temperature"] = f"temperature {body['temperature']} with thinking on."
    top_p = body.get("top_p")
    if isinstance(top_p, int | float) and top_p < 0.95:
        refused["top_p"] = f"top_p {top_p} with thinking on."
    if "top_k" in body:
        refused["top_k"] = "top_k with thinking on."
    remedy = "With thinking on, leave temperature and top_k out; top_p may be 0.95 to 1."
    return [Finding("error", "thinking_conflict", finding, remedy, name) for name, finding in refused.items()]
