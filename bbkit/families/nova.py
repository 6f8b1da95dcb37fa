"""Amazon Nova, its own body for InvokeModel.

https://docs.aws.amazon.com/nova/latest/nova2-userguide/request-response-schema.html and the source below.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from bbkit.core.finding import Finding, make_finding
from bbkit.core.text import name_some
from bbkit.families import messages
from bbkit.families.family import read_family
from bbkit.families.json_schemas import schema_faults
from bbkit.families.levels import level_faults
from bbkit.families.traits import Model
from bbkit.families.turns import ToolNames, name_faults, offered_faults, tool_faults
from bbkit.families.values import as_dict, as_list_of_dicts


def _rules(body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    yield from messages.turn_faults(body, model)
    if type(body.get("messages")) is list:
        yield from tool_faults(body, _TOOLS)
    if "toolConfig" in body:
        yield from _offer_faults(as_dict(body["toolConfig"]), model)
        yield from _choice_faults(as_dict(body["toolConfig"]))
    yield from reasoning_faults({"inferenceConfig": as_dict(body.get("inferenceConfig"))}, model)


def reasoning_faults(places: Mapping[str, Mapping[str, Any]], model: Model) -> Iterator[Finding]:
    """What a Nova model refuses of the reasoning asked for at one of some places, and of what they hold."""
    for place, holder in places.items():
        path, asked = f"{place}.reasoningConfig", as_dict(holder.get("reasoningConfig"))
        if "reasoningConfig" in holder and model.traits.thinking == "none":
            yield make_finding("reasoning_conflict.model", path, model=model)
        effort = asked.get("maxReasoningEffort")
        yield from level_faults(effort, f"{path}.maxReasoningEffort", model)
        if asked.get("type") == "enabled" and effort == "high":
            for where, one in places.items():
                given = [f"{where}.{name}" for name in _NOT_WITH_HIGH if name in one]
                yield from (make_finding("reasoning_conflict.high", path) for path in given)


_NOT_WITH_HIGH = ("maxTokens", "max_new_tokens", "temperature", "topP", "top_p")


def _tool_ids(blocks: list[dict[str, Any]]) -> tuple[list[Any], list[Any]]:
    uses = [as_dict(block["toolUse"]).get("toolUseId") for block in blocks if "toolUse" in block]
    results = [as_dict(block["toolResult"]).get("toolUseId") for block in blocks if "toolResult" in block]
    return uses, results


_TOOLS = ToolNames("toolUse", "toolResult", "toolUse and toolResult", "toolConfig", _tool_ids)


def _offer_faults(config: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    for position, tool in enumerate(as_list_of_dicts(config.get("tools"))):
        path, spec = f"toolConfig.tools[{position}].toolSpec", as_dict(tool.get("toolSpec"))
        name, schema = spec.get("name"), as_dict(as_dict(spec.get("inputSchema")).get("json"))
        yield from name_faults(name, f"{path}.name")
        if type(name) is str and "-" in name:
            yield make_finding("value.tool_hyphen", f"{path}.name", name=name[:80])
        path = f"{path}.inputSchema.json"
        yield from schema_faults(schema, path, closed=False, strict=spec.get("strict") is True)
        if "type" in schema and schema["type"] != "object":
            yield make_finding("schema_refused.nova_type", path, type=schema["type"])
        refused, top = model.traits.tool_schema_refused or (), ("type", "properties", "required")
        for word in refused:
            if word in schema:
                yield make_finding("schema_refused.word_on_top", path, word=word, model=model)
        if more := name_some(sorted(schema.keys() - {*top, *refused})):
            yield make_finding("schema_refused.more_on_top", path, words=more)


def _choice_faults(config: Mapping[str, Any]) -> Iterator[Finding]:
    chosen = as_dict(as_dict(config.get("toolChoice")).get("tool")).get("name")
    offered = (as_dict(tool.get("toolSpec")).get("name") for tool in as_list_of_dicts(config.get("tools")))
    return offered_faults(chosen, offered, "toolConfig.toolChoice.tool.name")


_READ = partial(messages.read, "cacheReadInputTokenCount", "cacheWriteInputTokenCount")
FAMILY = read_family("nova", _READ, messages.write, _rules)
