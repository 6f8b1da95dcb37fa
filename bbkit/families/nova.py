"""Amazon Nova, its own body for InvokeModel.

https://docs.aws.amazon.com/nova/latest/nova2-userguide/request-response-schema.html and the source below.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from bbkit.core.finding import Finding, make_finding
from bbkit.families import messages, requests as r
from bbkit.families.claude_tools import name_faults
from bbkit.families.family import Family, as_dict, as_list_of_dicts
from bbkit.families.json_schemas import schema_faults
from bbkit.families.levels import level_faults
from bbkit.families.traits import Model
from bbkit.families.turns import ToolNames, offered_faults, tool_faults

_FORMATS = {
    "image": ("jpeg", "png", "gif", "webp"),
    "video": ("mkv", "mov", "mp4", "webm", "three_gp", "flv", "mpeg", "mpg", "wmv"),
    "audio": ("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv"),
}


def _rules(body: Mapping[str, Any], model: Model) -> list[Finding]:
    faults = messages.turn_faults(body, model)
    if type(body.get("messages")) is list:
        faults += tool_faults(body, _TOOLS)
    if "toolConfig" in body:
        faults += _offer_faults(as_dict(body["toolConfig"]), model)
        faults += _choice_faults(as_dict(body["toolConfig"]))
    config = as_dict(body.get("inferenceConfig"))
    return faults + reasoning_faults({"inferenceConfig": config}, model)


def reasoning_faults(places: Mapping[str, Mapping[str, Any]], model: Model) -> list[Finding]:
    """What a Nova model refuses of the reasoning asked for at one of some places, and of what they hold."""
    faults: list[Finding] = []
    for place, holder in places.items():
        path, asked = f"{place}.reasoningConfig", as_dict(holder.get("reasoningConfig"))
        if "reasoningConfig" in holder and model.traits.thinking == "none":
            faults.append(make_finding("reasoning_conflict.model", path, model=model))
        effort = asked.get("maxReasoningEffort")
        faults += level_faults(effort, f"{path}.maxReasoningEffort", model)
        if asked.get("type") == "enabled" and effort == "high":
            for where, one in places.items():
                given = [f"{where}.{name}" for name in _NOT_WITH_HIGH if name in one]
                faults += [make_finding("reasoning_conflict.high", path) for path in given]
    return faults


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
        if spec.get("strict") is True:
            yield from schema_faults(schema, path, closed=False)
        if "type" in schema and schema["type"] != "object":
            yield make_finding("schema_refused.nova_type", path, type=schema["type"])
        for word in model.traits.tool_schema_refused or ():
            if word in schema:
                yield make_finding("schema_refused.word_on_top", path, word=word, model=model)


def _choice_faults(config: Mapping[str, Any]) -> list[Finding]:
    chosen = as_dict(as_dict(config.get("toolChoice")).get("tool")).get("name")
    offered = (as_dict(tool.get("toolSpec")).get("name") for tool in as_list_of_dicts(config.get("tools")))
    return offered_faults(chosen, offered, "toolConfig.toolChoice.tool.name")


_TEXT = r.string(min_length=1, blank="warning")
_NAME = r.required(r.string(min_length=1))
_ID = r.required(r.string())
_BLOCK = r.record(
    {
        "text": _TEXT,
        **{kind: messages.medium(formats) for kind, formats in _FORMATS.items()},
        "toolUse": r.record(
            {"toolUseId": _ID, "name": r.required(r.string()), "input": r.required(r.free())}
        ),
        "toolResult": r.record(
            {"toolUseId": _ID, "content": r.required(r.array(r.free())), "status": r.string()}
        ),
        "reasoningContent": r.free(),
    },
    mistakes={
        "cachePoint": r.CACHING,
        "document": r.Mistake(
            "Nova takes documents through Converse only: make it a Converse job.", "media_refused"
        ),
        **r.foreign("anthropic", "type", "source"),
    },
    exactly_one=(("text", *_FORMATS, "toolUse", "toolResult", "reasoningContent", "cachePoint", "document"),),
)
_ROLE = r.string(
    values=("user", "assistant"),
    mistakes={"system": r.Mistake("Move it to the top-level member system.", "role_order")},
)
REASONING = r.record(
    {
        "type": r.required(r.string(values=("enabled", "disabled"))),
        "maxReasoningEffort": r.string(values=("low", "medium", "high")),
    }
)
CONFIG = r.record(
    {
        **dict.fromkeys(("maxTokens", "max_new_tokens"), r.integer(1)),
        **dict.fromkeys(("temperature", "topP", "top_p"), r.number(0, 1)),
        **dict.fromkeys(("topK", "top_k"), r.integer(0)),
        "stopSequences": r.array(r.string(min_length=1)),
        "reasoningConfig": REASONING,
    },
    mistakes=r.renamed(max_tokens="maxTokens", stop_sequences="stopSequences"),
    at_most_one=(("maxTokens", "max_new_tokens"), ("topP", "top_p"), ("topK", "top_k")),
)
_TOOL = r.record(
    {
        "toolSpec": r.record(
            {
                "name": _NAME,
                "description": r.string(),
                "inputSchema": r.required(r.record({"json": r.required(r.free())})),
                "strict": r.boolean(),
            }
        ),
        "systemTool": r.free(),
    },
    mistakes={"cachePoint": r.CACHING, **r.foreign("anthropic", "name", "input_schema")},
    exactly_one=(("toolSpec", "systemTool", "cachePoint"),),
)
_TOOL_CHOICE = r.record(
    {"auto": r.free(), "any": r.free(), "tool": r.record({"name": _NAME})},
    exactly_one=(("auto", "any", "tool"),),
)
_BODY = r.record(
    {
        "schemaVersion": r.string(values=("messages-v1",)),
        "system": r.array(r.record({"text": r.required(_TEXT)}, mistakes={"cachePoint": r.CACHING})),
        "messages": r.required(
            r.array(
                r.record({"role": r.required(_ROLE), "content": r.required(r.array(_BLOCK))}), min_length=1
            )
        ),
        "inferenceConfig": CONFIG,
        "toolConfig": r.record(
            {"tools": r.required(r.array(_TOOL, min_length=1)), "toolChoice": _TOOL_CHOICE}
        ),
    },
    mistakes={
        **r.COMMON_MISTAKES,
        "additionalModelRequestFields": r.Mistake(
            "Put topK and reasoningConfig into inferenceConfig directly."
        ),
        "guardrailConfig": r.Mistake("InvokeModel bodies take no guardrail: make it a Converse job."),
        **r.foreign("anthropic", "anthropic_version"),
        **messages.CONFIG_NAMES,
        **r.foreign("openai_chat", "model"),
        **r.foreign("titan_text", "inputText", "textGenerationConfig"),
        "prompt": r.Mistake("Put the text into messages."),
    },
)

FAMILY = Family(
    name="nova",
    title="Amazon Nova",
    source="https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html",
    answer=partial(messages.read, "cacheReadInputTokenCount", "cacheWriteInputTokenCount"),
    max_tokens_path=messages.MAX_TOKENS_PATH,
    write=messages.write,
    inference={
        **messages.INFERENCE,
        "top_k": "inferenceConfig.topK",
        "reasoning_config": "inferenceConfig.reasoningConfig",
        "tool_config": "toolConfig",
    },
    media=_FORMATS,
    media_in_s3=True,
    request=_BODY,
    rules=_rules,
)
