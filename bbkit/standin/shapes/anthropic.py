"""Anthropic Messages bodies and answers.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
"""

import re
import secrets
from typing import Any

from bbkit.standin.engines.base import (
    CUT_OFF,
    FILTERED,
    STOP_SEQUENCE,
    STOPPED,
    TOOL_USE,
    Media,
    Reply,
    Request,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from bbkit.standin.shapes.bodies import Field, RecordError, check_model
from bbkit.standin.shapes.media import decode_base64, document_part

_STOPS = {
    STOPPED: "end_turn",
    CUT_OFF: "max_tokens",
    STOP_SEQUENCE: "stop_sequence",
    TOOL_USE: "tool_use",
    FILTERED: "refusal",
}
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


def read_body(body: Any, model_id: str) -> Request:
    """Check the body as the model would, and read it."""
    check_model(body, _BODY)
    messages = body["messages"]
    if not messages:
        raise RecordError(400, "messages: at least one message is required")
    _check_messages(messages)
    _check_rules(body, _version(model_id))
    system = body.get("system") or ""
    choice = body.get("tool_choice") or {"type": "auto"}
    options = {name: body[name] for name in ("temperature", "top_p", "top_k") if body.get(name) is not None}
    form = (body.get("output_config") or {}).get("format")
    if form:
        options["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": form.get("schema", {})},
        }
    return Request(
        turns=tuple(_read_turn(message) for message in messages),
        system=system if isinstance(system, str) else "\n".join(block["text"] for block in system),
        max_tokens=body["max_tokens"],
        stop_sequences=tuple(body.get("stop_sequences") or ()),
        tools=tuple(_read_tool(tool, n) for n, tool in enumerate(body.get("tools") or ())),
        tool_choice=choice["name"] if choice["type"] == "tool" else choice["type"],
        options=options,
    )


def write_answer(reply: Reply, body: dict[str, Any]) -> dict[str, Any]:
    """The answer in the Messages shape."""
    content: list[dict[str, Any]] = []
    if reply.reasoning and (body.get("thinking") or {}).get("type") in ("enabled", "adaptive"):
        content.append({"type": "thinking", "thinking": reply.reasoning, "signature": ""})
    if reply.text:
        content.append({"type": "text", "text": reply.text})
    content += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
        for call in reply.tool_calls
    ]
    answer: dict[str, Any] = {
        "id": f"msg_bdrk_{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": _STOPS[reply.stop],
        "stop_sequence": reply.stop_sequence,
    }
    if reply.input_tokens is not None and reply.output_tokens is not None:
        answer["usage"] = {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens}
    return answer


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
                f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(lacking)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message.",
            )


def _version(model_id: str) -> tuple[int, int]:
    match = _VERSION.search(model_id)
    return (int(match[1]), int(match[2] or 0)) if match else (0, 0)


def _check_rules(body: dict[str, Any], version: tuple[int, int]) -> None:
    """Rules between fields, and of single models (claude-3-7 and later know thinking, and so on)."""
    thinking = (body.get("thinking") or {}).get("type", "disabled")
    sampled = [name for name in ("temperature", "top_p", "top_k") if body.get(name) is not None]
    prefilled = body["messages"][-1]["role"] == "assistant"
    if thinking != "disabled":
        if (0, 0) < version < (3, 7):
            raise RecordError(400, "thinking: this model does not support thinking")
        if thinking == "adaptive" and (0, 0) < version < (4, 6):
            raise RecordError(400, "adaptive thinking is not supported on this model")
        if thinking == "enabled" and version >= (4, 7):
            raise RecordError(
                400, '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".'
            )
        if thinking == "enabled" and body["thinking"]["budget_tokens"] >= body["max_tokens"]:
            raise RecordError(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
        if body.get("temperature") not in (None, 1):
            raise RecordError(400, "`temperature` may only be set to 1 when thinking is enabled.")
        if body.get("top_k") is not None or (body.get("top_p") or 1) < 0.95:
            raise RecordError(
                400, "`top_p` must be at least 0.95 and `top_k` unset when thinking is enabled."
            )
        if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
            raise RecordError(400, "Thinking may not be enabled when tool_choice forces tool use.")
        if prefilled:
            raise RecordError(
                400, "When thinking is enabled, the final message must not be an assistant turn."
            )
    if version >= (4, 7) and sampled:
        raise RecordError(400, f"`{sampled[0]}` is deprecated for this model.")
    if version == (4, 5) and {"temperature", "top_p"} <= set(sampled):
        raise RecordError(
            400, "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        )
    if version >= (4, 6) and prefilled:
        raise RecordError(
            400,
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        )
    if body.get("tool_choice") and not body.get("tools"):
        raise RecordError(400, "tool_choice may only be specified while providing tools")


def _read_turn(message: dict[str, Any]) -> Turn:
    if isinstance(message["content"], str):
        return Turn(message["role"], message["content"])
    texts, media, calls, results = [], [], [], []
    for number, block in enumerate(message["content"]):
        match block["type"]:
            case "text":
                texts.append(block["text"])
            case "image" | "document":
                text, part = _read_source(block, number)
                texts += [text] if text else []
                media += [part] if part else []
            case "tool_use":
                calls.append(ToolCall(block["id"], block["name"], block["input"]))
            case "tool_result":
                results.append(ToolResult(block["tool_use_id"], _flat_text(block.get("content"))))
    return Turn(message["role"], "\n\n".join(texts), tuple(media), tuple(calls), tuple(results))


def _read_source(block: dict[str, Any], number: int) -> tuple[str, Media | None]:
    source = block["source"]
    if source["type"] == "content":
        return _flat_text(source["content"]), None
    if source["type"] == "text":
        return source["data"], None
    form = source["media_type"].rpartition("/")[2]
    data = decode_base64(source["data"])
    if data is None:
        raise RecordError(
            400, f"messages.0.content.{number}.{block['type']}.source.base64: invalid base64 data"
        )
    if block["type"] == "image":
        return "", Media("image", form, data)
    return document_part(data, form, block.get("title") or "")


def _flat_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text", "") for block in content or () if isinstance(block, dict))


def _read_tool(tool: dict[str, Any], number: int) -> Tool:
    for name in ("name", "input_schema"):
        if name not in tool and "type" not in tool:
            raise RecordError(400, f"tools.{number}.custom.{name}: Field required")
    return Tool(tool.get("name", ""), tool.get("description") or "", tool.get("input_schema") or {})
