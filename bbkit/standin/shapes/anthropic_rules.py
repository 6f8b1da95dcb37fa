"""What Anthropic's models take: the body as data, and the rules between its fields.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
and https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html
"""

import re
from collections.abc import Iterator
from typing import Any

from bbkit.standin.shapes.bodies import Field, RecordError, check_model

_CACHE = {"cache_control": Field("object")}
_TEXT = {
    "type": Field("string"),
    "text": Field("string", required=True),
    "citations": Field("array"),
    **_CACHE,
}
_SOURCE = Field(
    "object",
    required=True,
    tags={
        "base64": {
            "type": Field("string"),
            "media_type": Field("string", required=True),
            "data": Field("string", required=True),
        },
        "text": {
            "type": Field("string"),
            "media_type": Field("string", required=True),
            "data": Field("string", required=True),
        },
        "content": {"type": Field("string"), "content": Field(("array", "string"), required=True)},
    },
)
_BLOCKS = {
    "text": _TEXT,
    "image": {"type": Field("string"), "source": _SOURCE, **_CACHE},
    "document": {
        "type": Field("string"),
        "source": _SOURCE,
        "title": Field("string"),
        "context": Field("string"),
        "citations": Field("object"),
        **_CACHE,
    },
    "tool_use": {
        "type": Field("string"),
        "id": Field("string", required=True),
        "name": Field("string", required=True),
        "input": Field("object", required=True),
        **_CACHE,
    },
    "tool_result": {
        "type": Field("string"),
        "tool_use_id": Field("string", required=True),
        "content": Field(("string", "array")),
        "is_error": Field("boolean"),
        **_CACHE,
    },
    "thinking": {
        "type": Field("string"),
        "thinking": Field("string", required=True),
        "signature": Field("string", required=True),
    },
    "redacted_thinking": {"type": Field("string"), "data": Field("string", required=True)},
}
_BODY = Field(
    "object",
    fields={
        "anthropic_version": Field("string", required=True, enum=("bedrock-2023-05-31",)),
        "max_tokens": Field("integer", required=True, minimum=1),
        "messages": Field(
            "array",
            required=True,
            items=Field(
                "object",
                fields={
                    "role": Field("string", required=True, enum=("user", "assistant")),
                    "content": Field(("string", "array"), required=True, items=Field("object", tags=_BLOCKS)),
                },
            ),
        ),
        "system": Field(("string", "array"), items=Field("object", tags={"text": _TEXT})),
        "temperature": Field("number", minimum=0, maximum=1),
        "top_p": Field("number", minimum=0, maximum=1),
        "top_k": Field("integer", minimum=0),
        "stop_sequences": Field("array", items=Field("string", min_size=1)),
        "tools": Field("array", items=Field("object")),
        "tool_choice": Field(
            "object",
            tags={
                kind: {"type": Field("string"), "disable_parallel_tool_use": Field("boolean"), **extra}
                for kind, extra in (
                    ("auto", {}),
                    ("any", {}),
                    ("none", {}),
                    ("tool", {"name": Field("string", required=True)}),
                )
            },
        ),
        "thinking": Field(
            "object",
            tags={
                "enabled": {
                    "type": Field("string"),
                    "budget_tokens": Field("integer", required=True, minimum=1024),
                },
                "disabled": {"type": Field("string")},
                "adaptive": {"type": Field("string"), "display": Field("string")},
            },
        ),
        "output_config": Field("object", fields={"effort": Field("string"), "format": Field("object")}),
        "anthropic_beta": Field("array", items=Field("string")),
        "metadata": Field("object"),
    },
)
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:-(\d)(?!\d))?")


def check_body(body: Any, model_id: str) -> None:
    """Raise the error the model answers with: the first thing wrong with the body."""
    check_model(body, _BODY)
    if not body["messages"]:
        raise RecordError(400, "messages: at least one message is required")
    _check_messages(body["messages"])
    match = _VERSION.search(model_id)
    version = (int(match[1]), int(match[2] or 0)) if match else (0, 0)
    for message in (*_thinking_faults(body, version), *_model_faults(body, version)):
        raise RecordError(400, message)


def _check_messages(messages: list[dict[str, Any]]) -> None:
    if messages[0]["role"] != "user":
        raise RecordError(400, 'messages: first message must use the "user" role')
    for number, message in enumerate(messages):
        content = message["content"]
        last_prefill = number == len(messages) - 1 and message["role"] == "assistant"
        if not content and not last_prefill:
            raise RecordError(400, f"messages.{number}: all messages must have non-empty content")
        blocks = content if isinstance(content, list) else []
        if any(block["type"] == "text" and not block["text"] for block in blocks):
            raise RecordError(400, "messages: text content blocks must be non-empty")
        used = [block["id"] for block in blocks if block["type"] == "tool_use"]
        after = messages[number + 1]["content"] if number + 1 < len(messages) else []
        given = {b.get("tool_use_id") for b in after if isinstance(b, dict) and b["type"] == "tool_result"}
        lacking = [one for one in used if one not in given]
        if lacking:
            raise RecordError(
                400,
                f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately "
                f"after: {', '.join(lacking)}. Each `tool_use` block must have a corresponding `tool_result` "
                "block in the next message.",
            )


def _thinking_faults(body: dict[str, Any], version: tuple[int, int]) -> Iterator[str]:
    """What thinking excludes, and which models know which kind of it; an unknown version is taken as able."""
    kind = (body.get("thinking") or {}).get("type", "disabled")
    if kind == "disabled":
        return
    known = version > (0, 0)
    if known and version < (3, 7):
        yield "thinking: this model does not support thinking"
    if kind == "adaptive" and known and version < (4, 6):
        yield "adaptive thinking is not supported on this model"
    if kind == "enabled" and version >= (4, 7):
        yield '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".'
    interleaved = any("interleaved-thinking" in beta for beta in body.get("anthropic_beta") or ())
    if kind == "enabled" and body["thinking"]["budget_tokens"] >= body["max_tokens"] and not interleaved:
        yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    if body.get("temperature") not in (None, 1):
        yield "`temperature` may only be set to 1 when thinking is enabled."
    if body.get("top_k") is not None:
        yield "`top_k` must be unset when thinking is enabled."
    if (body.get("top_p") or 1) < 0.95:
        yield "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        yield "Thinking may not be enabled when tool_choice forces tool use."
    if body["messages"][-1]["role"] == "assistant":
        yield "When thinking is enabled, the final message must not be an assistant turn."


def _model_faults(body: dict[str, Any], version: tuple[int, int]) -> Iterator[str]:
    """What single models refuse."""
    sampled = [name for name in ("temperature", "top_p", "top_k") if body.get(name) is not None]
    if version >= (4, 7) and sampled:
        yield f"`{sampled[0]}` is deprecated for this model."
    if version == (4, 5) and {"temperature", "top_p"} <= set(sampled):
        yield "`temperature` and `top_p` cannot both be specified for this model. Use only one of them."
    if version >= (4, 6) and body["messages"][-1]["role"] == "assistant":
        yield (
            "This model does not support assistant message prefill. "
            "The conversation must end with a user message."
        )
    if body.get("tool_choice") and not body.get("tools"):
        yield "tool_choice may only be specified while providing tools"
