"""What Claude models refuse although every single value is right: turns, tools, thinking, sampling.

https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-tool-use.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bbkit.core.files import read_data
from bbkit.core.finding import Finding, make_finding
from bbkit.core.text import name_some
from bbkit.families.json_schemas import format_faults, schema_faults
from bbkit.families.levels import asks_to_think, level_faults, media_faults, thinks
from bbkit.families.traits import Model, model_table
from bbkit.families.turns import ToolNames, misplaced, name_faults, offered_faults, tool_faults
from bbkit.families.values import as_dict, as_list_of_dicts

_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_ON_SERVERS = ("web_search", "web_fetch", "code_execution", "mcp_toolset", "advisor")


def claude_faults(body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    """What a Claude model would refuse in a body beyond its single values; takes any object."""
    yield from _turn_faults(body, model)
    yield from model_faults(body, model)
    if "tools" in body:
        yield from _offer_faults(body["tools"], model)
    if as_dict(body.get("output_config")).get("format") or body.get("output_format"):
        yield from conflict_faults(body.get("messages"))
    if "tool_choice" in body:
        yield from _choice_faults(body)


def conflict_faults(messages: Any) -> Iterator[Finding]:
    """What an answer in a form does not go with, in turns of Claude's shape or Converse's."""
    turns = [as_dict(one) for one in messages] if type(messages) is list else []
    for position, turn in enumerate(turns):
        blocks = as_list_of_dicts(turn.get("content"))
        given = [as_dict(as_dict(one.get("document", one)).get("citations")) for one in blocks]
        if any(one.get("enabled") is True for one in given):
            yield make_finding("structured_output.citations", f"messages[{position}].content")
    if turns and turns[-1].get("role") == "assistant":
        yield make_finding("structured_output.prefill", f"messages[{len(turns) - 1}]")


def _turn_faults(body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    messages = body.get("messages")
    if type(messages) is not list or not messages:
        return
    if as_dict(messages[0]).get("role") == "assistant":
        yield make_finding("role_order.first", "messages[0].role")
    last, tools = len(messages) - 1, False
    for position, message in enumerate(messages):
        content = message.get("content") if type(message) is dict else None
        if type(content) is not list:
            continue
        assistant, path = message.get("role") == "assistant", f"messages[{position}].content"
        blocks = as_list_of_dicts(content)
        kinds = [str(block.get("type")) for block in blocks if type(block.get("source")) is dict]
        yield from media_faults(kinds, path, model)
        for block in blocks:
            if "tool_use_id" in block or "input" in block:
                tools = True
            if assistant and "source" in block and block.get("type") in ("image", "document"):
                yield misplaced(position, block["type"], "assistant")
        if not content and not (position == last and assistant):
            yield make_finding("empty_content.turn", path)
    if tools:
        yield from tool_faults(body, _TOOLS)


def _tool_ids(blocks: list[dict[str, Any]]) -> tuple[list[Any], list[Any]]:
    uses = [block.get("id") for block in blocks if block.get("type") == "tool_use"]
    results = [block.get("tool_use_id") for block in blocks if block.get("type") == "tool_result"]
    return uses, results


_TOOLS = ToolNames("tool_use", "tool_result", "tool", "tools", _tool_ids)


def _choice_faults(body: Mapping[str, Any]) -> Iterator[Finding]:
    choice = as_dict(body.get("tool_choice"))
    if not body.get("tools"):
        yield make_finding("required.tools", "tools")
    elif choice.get("type") == "tool" and "name" not in choice:
        yield make_finding("required.tool_name", "tool_choice.name")
    elif choice.get("type") == "tool":
        offered = (tool.get("name") for tool in as_list_of_dicts(body["tools"]))
        yield from offered_faults(choice["name"], offered, "tool_choice.name")


def _offer_faults(tools: Any, model: Model) -> Iterator[Finding]:
    """What is wrong with the tools that a body offers; takes any object."""
    names: set[str] = set()
    for position, tool in enumerate(tools if type(tools) is list else ()):
        if type(tool) is not dict:
            continue
        path, name, kind = f"tools[{position}]", tool.get("name"), tool.get("type", "custom")
        yield from name_faults(name, f"{path}.name")
        if type(name) is str:
            if name in names:
                yield make_finding("value.tool_names", f"{path}.name", name=name)
            names.add(name)
        if type(kind) is str and kind != "custom":
            yield from _kind_faults(kind, f"{path}.type", model)
        if kind == "custom" or (kind == "function" and "input_schema" in tool):
            yield from _input_faults(tool, f"{path}.input_schema")


def _kind_faults(kind: str, path: str, model: Model) -> Iterator[Finding]:
    known = model.traits.tool_types
    if kind == "function":
        yield make_finding("tool_type.function", path)
    elif kind.startswith(_ON_SERVERS):
        yield make_finding("tool_type.on_servers", path, kind=kind)
    elif known is not None and kind not in known:
        yield make_finding("tool_type.model", path, kind=kind, known=name_some(known), model=model)


def _input_faults(tool: Mapping[str, Any], path: str) -> Iterator[Finding]:
    schema = tool.get("input_schema")
    if "input_schema" not in tool:
        yield make_finding("required.input_schema", path)
    if type(schema) is not dict:
        return
    if schema.get("type") != "object":
        yield make_finding("schema_refused.tool_type", path, type=schema.get("type"))
    for key in as_dict(schema.get("properties")):
        if not _PROPERTY.fullmatch(key):
            yield make_finding("schema_refused.property", f"{path}.properties", key=key[:80])
            break
    for word in ("oneOf", "anyOf", "allOf"):
        if word in schema:
            yield make_finding("schema_refused.on_top", path, word=word)
    yield from schema_faults(schema, path, strict=tool.get("strict") is True)


def model_faults(body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    """What one Claude model refuses: an answer's beginning, thinking, sampling, effort, forms, beta flags."""
    messages = body.get("messages")
    if type(messages) is list and len(messages) > 1:
        yield from _ending_faults(messages, body, model)
    if "thinking" in body:
        yield from _thinking_faults(as_dict(body["thinking"]), body, model)
    if "tool_choice" in body:
        yield from _forced_faults(body, model)
    if "output_config" in body:
        config = as_dict(body["output_config"])
        yield from _unlike(config.get("effort"), "effort", "effort_refused", "output_config.effort", model)
        yield from _off_faults(body, config.get("effort"), model)
        yield from format_faults(config.get("format"), "output_config.format", "schema", model)
    if "output_format" in body:
        yield from format_faults(body["output_format"], "output_format", "schema", model)
    if "anthropic_beta" in body:
        yield from _flag_faults(body["anthropic_beta"])
    if "temperature" in body or "top_p" in body or "top_k" in body:
        yield from _sampling_faults(body, model)


def _ending_faults(messages: list[Any], body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    last = as_dict(messages[-1])
    if last.get("role") != "assistant":
        return
    path, content = f"messages[{len(messages) - 1}]", last.get("content")
    text = content if type(content) is str else (as_list_of_dicts(content) or [{}])[-1].get("text")
    if model.traits.prefill is False:
        yield make_finding("prefill.model", path, model=model)
    elif asks_to_think(body):
        yield make_finding("thinking_conflict.prefill", path)
    elif type(text) is str and text != text.rstrip():
        yield make_finding("prefill.space", path)


def _thinking_faults(thinking: Mapping[str, Any], body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    kind = thinking.get("type")
    if wrong := list(_unlike(kind, "thinking_types", "thinking_conflict", "thinking.type", model)):
        yield from wrong
    elif "budget_tokens" in thinking and kind in ("adaptive", "disabled"):
        yield make_finding("thinking_conflict.budget", "thinking.budget_tokens", type=kind)
    elif asks_to_think(body):
        yield from _budget_faults(body, thinking)


def _off_faults(body: Mapping[str, Any], effort: Any, model: Model) -> Iterator[Finding]:
    """The fault of an effort that a model takes with thinking only."""
    takes, levels = model.traits.effort_without_thinking, model.traits.effort or ()
    off = as_dict(body.get("thinking")).get("type") == "disabled"
    if off and takes is not None and effort in levels and effort not in takes:
        said = {"effort": effort, "takes": ", ".join(takes), "model": model}
        yield make_finding("thinking_conflict.effort", "output_config.effort", **said)


def _unlike(value: Any, trait: str, rule: str, path: str, model: Model) -> Iterator[Finding]:
    """A value that a model does not take; where that is not known, one that no other is known to take."""
    usual, known = read_data("families")["claude_levels"][trait], getattr(model.traits, trait)
    if known is None and type(value) is str and value not in usual:
        yield make_finding(".unusual", path, rule=rule, value=value, usual=", ".join(usual))
    if known or value != "disabled":
        yield from level_faults(value, path, model, trait=trait, rule=rule, remedies=usual)


def _forced_faults(body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    choice = as_dict(body["tool_choice"]).get("type")
    refuses = model.traits.forced_tools_with_thinking is False and choice in ("any", "tool")
    if refuses and (asks_to_think(body) or thinks(body, model)):
        yield make_finding("thinking_conflict.tool_choice", "tool_choice.type", choice=choice, model=model)


def _flag_faults(flags: Any) -> Iterator[Finding]:
    table = model_table()
    unknown = [flag for flag in flags if flag not in table.beta_flags] if type(flags) is list else []
    if unknown:
        known = ", ".join(table.beta_flags)
        yield make_finding(
            "beta_flag", "anthropic_beta", unknown=name_some(unknown), known=known, source=table.beta_source
        )


def _budget_faults(body: Mapping[str, Any], thinking: Mapping[str, Any]) -> Iterator[Finding]:
    budget, most = thinking.get("budget_tokens"), body.get("max_tokens")
    beta = body.get("anthropic_beta")
    interleaved = type(beta) is list and any("interleaved-thinking" in str(name) for name in beta)
    if thinking["type"] == "enabled" and "budget_tokens" not in thinking:
        yield make_finding("required.budget", "thinking.budget_tokens")
    elif type(budget) is int and type(most) is int and budget >= most and not interleaved:
        yield make_finding("thinking_budget", "thinking.budget_tokens", budget=budget, most=most)


def _sampling_faults(body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    if model.traits.samplers == "none" or not asks_to_think(body):
        return
    top_p = body.get("top_p")
    for name, is_refused in (
        ("temperature", body.get("temperature", 1) != 1),
        ("top_p", isinstance(top_p, int | float) and top_p < 0.95),
        ("top_k", "top_k" in body),
    ):
        if is_refused:
            given = name if name == "top_k" else f"{name} {body[name]}"
            yield make_finding("thinking_conflict.sampling", name, given=given)
