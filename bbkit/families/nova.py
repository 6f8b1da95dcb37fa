"""Amazon Nova, its own body for InvokeModel.

https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html and
https://docs.aws.amazon.com/nova/latest/nova2-userguide/request-response-schema.html
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bbkit.core.findings import Finding
from bbkit.families._base import (
    Answer,
    Body,
    Family,
    Media,
    Prompt,
    mapping,
    objects,
    own_format,
    refuse_media,
    take,
)
from bbkit.families._messages import read, turn_faults, turns
from bbkit.families._turns import ToolTurn, offered_faults, tool_faults, tools_missing
from bbkit.families.requests import (
    CACHING,
    COMMON_MISTAKES,
    Field,
    Mistake,
    Request,
    array,
    boolean,
    foreign,
    free,
    integer,
    number,
    record,
    renamed,
    required,
    string,
)

SOURCE = "https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html"
_INFERENCE = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "stop_sequences": "stopSequences",
    "reasoning_config": "reasoningConfig",
}
_OTHERS = {"tool_config": "toolConfig"}
_FORMATS = {
    "image": ("jpeg", "png", "gif", "webp"),
    "video": ("mkv", "mov", "mp4", "webm", "three_gp", "flv", "mpeg", "mpg", "wmv"),
    "audio": ("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv"),
}


def body(prompt: Prompt, *, max_tokens: int | None = None, **inference: Any) -> Body:
    """Write a Nova body."""
    refuse_media(prompt, "nova", tuple(_FORMATS))
    prompt = replace(prompt, media=tuple(map(_own_media, prompt.media)))
    take(inference, _INFERENCE | _OTHERS, "nova")
    config = {"max_tokens": max_tokens, **{name: inference.pop(name, None) for name in _INFERENCE}}
    written = turns(prompt)
    if sent := take(config, {"max_tokens": "maxTokens", **_INFERENCE}, "nova"):
        written["inferenceConfig"] = sent
    return written | take(inference, _OTHERS, "nova")


def _own_media(media: Media) -> Media:
    # An .m4a file is sound in an MP4 container.
    called = {"jpg": "jpeg", "3gp": "three_gp", "m4a": "mp4"}
    return replace(media, format=own_format(media, "nova", _FORMATS[media.kind], called))


def answer(output: Mapping[str, Any]) -> Answer:
    """Read a Nova answer; its cache counts end in ``TokenCount``."""
    return read(output, "cacheReadInputTokenCount", "cacheWriteInputTokenCount")


def _rules(body: Mapping[str, Any], model_id: str) -> list[Finding]:
    faults = turn_faults(body, model_id) + _tool_faults(body)
    config = mapping(body.get("inferenceConfig"))
    reasoning = mapping(config.get("reasoningConfig"))
    if reasoning.get("type") == "enabled" and reasoning.get("maxReasoningEffort") == "high":
        for name in ("maxTokens", "temperature", "topP"):
            if name in config:
                faults.append(
                    Finding(
                        "warning",
                        "reasoning_conflict",
                        f"{name} is given with maxReasoningEffort high.",
                        "Leave temperature, topP and maxTokens out, or lower the effort.",
                        f"inferenceConfig.{name}",
                    )
                )
    return faults


def _tool_faults(body: Mapping[str, Any]) -> list[Finding]:
    turns = []
    for position, message in enumerate(body["messages"] if type(body.get("messages")) is list else ()):
        blocks = objects(mapping(message).get("content"))
        uses, results = (
            [mapping(block[name]).get("toolUseId") for block in blocks if name in block]
            for name in ("toolUse", "toolResult")
        )
        turns.append(ToolTurn(mapping(message).get("role"), position, uses, results))
    faults: list[Finding] = []
    if any(turn.uses or turn.results for turn in turns):
        faults += tool_faults(turns, "toolUse", "toolResult")
        faults += [] if "toolConfig" in body else [tools_missing("toolConfig", "toolUse and toolResult")]
    config = mapping(body.get("toolConfig"))
    chosen = mapping(mapping(config.get("toolChoice")).get("tool")).get("name")
    offered = (mapping(tool.get("toolSpec")).get("name") for tool in objects(config.get("tools")))
    return faults + offered_faults(chosen, offered, "toolConfig.toolChoice.tool.name")


def _silent(model_id: str) -> frozenset[str]:
    return frozenset({"inferenceConfig.reasoningConfig", "toolConfig"})


_S3 = record(
    {
        "uri": required(string(min_length=1, prefix=("s3://",))),
        "bucketOwner": string(min_length=12, max_length=12),
    }
)


def _source(*, place: bool) -> Field:
    members = {"bytes": string(min_length=1, base64=True)} | ({"s3Location": _S3} if place else {})
    url = {"url": Mistake("Send the bytes as base64, or a place in S3.", "url_media")}
    return record(members, exactly_one=(tuple(members),), mistakes=url)


def _media(*formats: str, place: bool = True) -> Field:
    return record(
        {
            "format": required(
                string(values=formats, mistakes={"jpg": Mistake("The format is called jpeg.")})
                if "jpeg" in formats
                else string(values=formats)
            ),
            "source": required(_source(place=place)),
        }
    )


_TEXT = string(min_length=1, blank="warning")
_KINDS = ("text", "image", "video", "audio", "toolUse", "toolResult", "reasoningContent")
_BLOCK = record(
    {
        "text": _TEXT,
        **{kind: _media(*formats) for kind, formats in _FORMATS.items()},
        "toolUse": record(
            {"toolUseId": required(string()), "name": required(string()), "input": required(free())}
        ),
        "toolResult": record(
            {"toolUseId": required(string()), "content": required(array(free())), "status": string()}
        ),
        "reasoningContent": free(),
    },
    mistakes={
        "cachePoint": CACHING,
        "document": Mistake(
            "Nova takes documents through Converse only: make it a Converse job.", "media_refused"
        ),
        **foreign("anthropic", "type", "source"),
    },
    exactly_one=((*_KINDS, "cachePoint", "document"),),
)
_MESSAGE = record(
    {
        "role": required(
            string(
                values=("user", "assistant"),
                mistakes={"system": Mistake("Move it to the top-level member system.", "role_order")},
            )
        ),
        "content": required(array(_BLOCK)),
    }
)
_CONFIG = record(
    {
        "maxTokens": integer(1),
        "max_new_tokens": integer(1),
        "temperature": number(0, 1),
        "topP": number(0, 1),
        "top_p": number(0, 1),
        "topK": integer(0),
        "top_k": integer(0),
        "stopSequences": array(string(min_length=1)),
        "reasoningConfig": record(
            {
                "type": required(string(values=("enabled", "disabled"))),
                "maxReasoningEffort": string(values=("low", "medium", "high")),
            }
        ),
    },
    mistakes=renamed(max_tokens="maxTokens", stop_sequences="stopSequences"),
    at_most_one=(("maxTokens", "max_new_tokens"), ("topP", "top_p"), ("topK", "top_k")),
)
_TOOL_CONFIG = record(
    {
        "tools": required(
            array(
                record(
                    {
                        "toolSpec": record(
                            {
                                "name": required(string(min_length=1)),
                                "description": string(),
                                "inputSchema": required(record({"json": required(free())})),
                                "strict": boolean(),
                            }
                        ),
                        "systemTool": free(),
                    },
                    mistakes={"cachePoint": CACHING, **foreign("anthropic", "name", "input_schema")},
                ),
                min_length=1,
            )
        ),
        "toolChoice": record(
            {"auto": free(), "any": free(), "tool": record({"name": required(string(min_length=1))})},
            exactly_one=(("auto", "any", "tool"),),
        ),
    }
)
_BODY = record(
    {
        "schemaVersion": string(values=("messages-v1",)),
        "system": array(record({"text": required(_TEXT)}, mistakes={"cachePoint": CACHING})),
        "messages": required(array(_MESSAGE, min_length=1)),
        "inferenceConfig": _CONFIG,
        "toolConfig": _TOOL_CONFIG,
    },
    mistakes={
        **COMMON_MISTAKES,
        "additionalModelRequestFields": Mistake(
            "Put topK and reasoningConfig into inferenceConfig directly."
        ),
        "guardrailConfig": Mistake("InvokeModel bodies take no guardrail: make it a Converse job."),
        **foreign("anthropic", "anthropic_version"),
        **renamed(
            max_tokens="inferenceConfig.maxTokens",
            max_completion_tokens="inferenceConfig.maxTokens",
            maxTokens="inferenceConfig.maxTokens",
            temperature="inferenceConfig.temperature",
            top_p="inferenceConfig.topP",
            stop_sequences="inferenceConfig.stopSequences",
        ),
        **foreign("openai_chat", "model"),
        **foreign("titan_text", "inputText", "textGenerationConfig"),
        "prompt": Mistake("Put the text into messages."),
    },
)

FAMILY = Family(
    name="nova",
    title="Amazon Nova",
    kind="text",
    body=body,
    answer=answer,
    request=Request(body=_BODY, rules=_rules, silent=_silent, source=SOURCE, date="2026-10"),
    max_tokens_path=("inferenceConfig", "maxTokens"),
    source=SOURCE,
)
