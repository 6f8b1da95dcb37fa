"""Converse: one shape for every model that has messages, described by the service's own model.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from collections.abc import Mapping
from typing import Any

from bbkit.families._base import Answer, Body, Family, Prompt, mapping, refuse_media, take
from bbkit.families._converse_rules import converse_faults, converse_silent
from bbkit.families._messages import read, turns
from bbkit.families.requests import (
    CACHING,
    COMMON_MISTAKES,
    Mistake,
    Request,
    array,
    foreign,
    record,
    renamed,
    required,
    string,
)

SOURCE = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"
_INFERENCE = {"temperature": "temperature", "top_p": "topP", "stop_sequences": "stopSequences"}
_OTHERS = {
    "additional_model_request_fields": "additionalModelRequestFields",
    "additional_model_response_field_paths": "additionalModelResponseFieldPaths",
    "guardrail_config": "guardrailConfig",
    "output_config": "outputConfig",
    "performance_config": "performanceConfig",
    "service_tier": "serviceTier",
    "request_metadata": "requestMetadata",
}


def body(prompt: Prompt, *, max_tokens: int | None = None, **inference: Any) -> Body:
    """Write the body of a Converse request, without modelId; bytes are base64 as batch wants them."""
    refuse_media(prompt, "converse", ("image", "document", "video", "audio"))
    take(inference, _INFERENCE | _OTHERS, "converse")
    config = {"max_tokens": max_tokens, **{name: inference.pop(name, None) for name in _INFERENCE}}
    written = turns(prompt)
    if sent := take(config, {"max_tokens": "maxTokens", **_INFERENCE}, "converse"):
        written["inferenceConfig"] = sent
    return written | take(inference, _OTHERS, "converse")


def answer(output: Mapping[str, Any]) -> Answer:
    """Read a Converse response."""
    return read(output, "cacheReadInputTokens", "cacheWriteInputTokens")


_TOOLS = Mistake(
    "Batch refuses Converse records with toolConfig (error 400): use InvokeModel bodies for tools.",
    "converse_tools",
)
_TOOL_BLOCK = Mistake(
    "Tool blocks need toolConfig, which batch refuses in Converse records: use InvokeModel bodies for tools.",
    "converse_tools",
)
_URL = {"url": Mistake("Send the bytes as base64, or a place in S3.", "url_media")}
_MEDIUM = record({"source": record({}, mistakes=_URL)}, mistakes=foreign("anthropic", "media_type"))
_BLOCK = record(
    {
        "text": string(min_length=1, blank="error"),
        "image": _MEDIUM,
        "document": _MEDIUM,
        "video": _MEDIUM,
        "audio": _MEDIUM,
    },
    mistakes={
        "cachePoint": CACHING,
        "toolUse": _TOOL_BLOCK,
        "toolResult": _TOOL_BLOCK,
        **foreign("anthropic", "type", "source"),
    },
)
_BODY = record(
    {
        "messages": required(array(record({"content": required(array(_BLOCK))}), min_length=1)),
        "system": array(
            record({"text": string(min_length=1, blank="warning")}, mistakes={"cachePoint": CACHING})
        ),
        "inferenceConfig": record(
            {},
            mistakes={
                "topK": Mistake("Put top_k or topK into additionalModelRequestFields."),
                "reasoningConfig": Mistake("Put reasoningConfig into additionalModelRequestFields."),
                **renamed(max_tokens="maxTokens", top_p="topP", stop_sequences="stopSequences"),
            },
        ),
    },
    mistakes={
        **COMMON_MISTAKES,
        "toolConfig": _TOOLS,
        **foreign("anthropic", "anthropic_version"),
        **renamed(
            max_tokens="inferenceConfig.maxTokens",
            max_completion_tokens="inferenceConfig.maxTokens",
            maxTokens="inferenceConfig.maxTokens",
            temperature="inferenceConfig.temperature",
            top_p="inferenceConfig.topP",
            stop_sequences="inferenceConfig.stopSequences",
        ),
        **foreign("nova", "schemaVersion"),
        **foreign("openai_chat", "model"),
    },
)
"""What botocore's shape does not say: non-empty texts and known mistakes. The checks add one to the other."""

FAMILY = Family(
    name="converse",
    title="Converse",
    kind="text",
    body=body,
    answer=answer,
    request=Request(
        body=_BODY,
        rules=converse_faults,
        silent=converse_silent,
        source=SOURCE,
        date="2026-10",
        shape="ConverseRequest",
    ),
    max_tokens_path=("inferenceConfig", "maxTokens"),
    source=SOURCE,
)


def is_converse(output: Mapping[str, Any]) -> bool:
    """Whether an answer with ``output.message`` is of Converse (which always has metrics) and not of Nova."""
    return "metrics" in output or "cacheReadInputTokens" in mapping(output.get("usage"))
