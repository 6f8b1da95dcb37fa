"""Anthropic Messages bodies and answers.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
"""

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
from bbkit.standin.shapes.anthropic_rules import check_body
from bbkit.standin.shapes.bodies import RecordError, known
from bbkit.standin.shapes.media import decode_base64, document_part

_STOPS = {
    STOPPED: "end_turn",
    CUT_OFF: "max_tokens",
    STOP_SEQUENCE: "stop_sequence",
    TOOL_USE: "tool_use",
    FILTERED: "refusal",
}


def read_body(body: Any, model_id: str) -> Request:
    """Check the body as the model would, and read it."""
    check_body(body, model_id)
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
        turns=tuple(_read_turn(message) for message in body["messages"]),
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
    cached = {"cache_read_input_tokens": reply.cache_read_tokens} if reply.cache_read_tokens else {}
    if usage := known(input_tokens=reply.fresh_tokens, output_tokens=reply.output_tokens, **cached):
        answer["usage"] = usage
    return answer


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
