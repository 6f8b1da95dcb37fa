"""Converse: one shape for every model that has messages, described by the service's own model.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from collections.abc import Mapping
from typing import Any

from bbkit.families._base import Answer, Body, Family, Prompt, mapping, objects, refuse_media, take
from bbkit.families._messages import ODD_IN_NAMES, read, turn_faults, turns
from bbkit.families.requests import (
    CACHING,
    COMMON_MISTAKES,
    Fault,
    Mistake,
    Request,
    always_silent,
    array,
    error_at,
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


def _rules(body: Mapping[str, Any], model_id: str) -> list[Fault]:
    faults = turn_faults(body)
    if type(body.get("messages")) is list:
        for position, message in enumerate(body["messages"]):
            if type(message) is dict and type(message.get("content")) is list and len(message["content"]):
                faults += _content_faults(f"messages[{position}]", message)
    return faults


def _content_faults(path: str, message: Mapping[str, Any]) -> list[Fault]:
    faults: list[Fault] = []
    blocks = objects(message["content"])
    has_text = False
    for block in blocks:
        name = mapping(block.get("document")).get("name")
        if type(name) is str and (odd := ODD_IN_NAMES.search(name)):
            finding = f"The document's name {name!r} holds {odd[0]!r}."
            remedy = "Use letters, digits, spaces, hyphens, parentheses and brackets; leave the ending out."
            faults.append(error_at(f"{path}.content", "value", finding, remedy))
        if "text" in block:
            has_text = True
            if block["text"] == "":
                faults.append(
                    error_at(
                        f"{path}.content",
                        "empty_content",
                        "A text block is empty.",
                        "Give the text block some text, or leave it out.",
                    )
                )
    if not has_text and any("document" in block for block in blocks):
        faults.append(
            error_at(
                f"{path}.content",
                "document_alone",
                "A document stands without a text block.",
                "Add a text block beside the document that says what to do with it.",
            )
        )
    if message.get("role") == "assistant" and any("image" in block for block in blocks):
        faults.append(
            error_at(
                f"{path}.content",
                "role_order",
                "An image comes from the assistant.",
                "Images belong to user turns.",
            )
        )
    return faults


_TOOLS = Mistake(
    "Batch refuses Converse records with toolConfig (error 400): use InvokeModel bodies for tools.",
    "converse_tools",
)
_URL = {"url": Mistake("Send the bytes as base64, or a place in S3.", "url_media")}
_MEDIUM = record({"source": record({}, mistakes=_URL)}, mistakes=foreign("anthropic", "media_type"))
_BLOCK = record(
    {"text": string(min_length=1), "image": _MEDIUM, "document": _MEDIUM, "video": _MEDIUM, "audio": _MEDIUM},
    mistakes={"cachePoint": CACHING, **foreign("anthropic", "type", "source")},
)
_BODY = record(
    {
        "messages": required(array(record({"content": required(array(_BLOCK))}), min_length=1)),
        "system": array(record({"text": string(min_length=1)}, mistakes={"cachePoint": CACHING})),
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
        body=_BODY, rules=_rules, silent=always_silent, source=SOURCE, date="2026-10", shape="ConverseRequest"
    ),
    max_tokens_path=("inferenceConfig", "maxTokens"),
    source=SOURCE,
)


def is_converse(output: Mapping[str, Any]) -> bool:
    """Whether an answer with ``output.message`` is of Converse (which always has metrics) and not of Nova."""
    return "metrics" in output or "cacheReadInputTokens" in mapping(output.get("usage"))
