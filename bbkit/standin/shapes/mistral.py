"""Mistral's older bodies and answers: text completion (Small 24.02, 7B, Mixtral) and chat (Large).

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-text-completion.html
and https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html
"""

from typing import Any

from bbkit.standin.engines.base import CUT_OFF, TOOL_USE, Reply, Request
from bbkit.standin.shapes.bodies import Field, check_schema
from bbkit.standin.shapes.chat_tokens import read_mistral
from bbkit.standin.shapes.openai_chat import MESSAGE, TOOL, read_messages, read_tools, write_tool_calls

_SAMPLING = {
    "max_tokens": Field("integer", minimum=1, maximum=8192),
    "temperature": Field("number", minimum=0, maximum=1),
    "top_p": Field("number", minimum=0, maximum=1),
}
_TEXT_BODY = Field(
    "object",
    fields={
        "prompt": Field("string", required=True, min_size=1),
        "stop": Field("array", items=Field("string"), max_size=10),
        "top_k": Field("integer", minimum=0, maximum=200),
        **_SAMPLING,
    },
)
_CHAT_BODY = Field(
    "object",
    fields={
        "messages": Field("array", required=True, min_size=1, items=MESSAGE),
        "tools": Field("array", items=TOOL),
        "tool_choice": Field("string", enum=("auto", "any", "none")),
        **_SAMPLING,
    },
)


def read_text_body(body: Any, model_id: str) -> Request:
    """Check and read a text-completion body."""
    check_schema(body, _TEXT_BODY)
    system, turns = read_mistral(body["prompt"])
    return Request(
        turns, system, body.get("max_tokens"), tuple(body.get("stop") or ()), options=_options(body)
    )


def read_chat_body(body: Any, model_id: str) -> Request:
    """Check and read a chat body."""
    check_schema(body, _CHAT_BODY)
    system, turns = read_messages(body["messages"])
    tools, choice = read_tools(body)
    return Request(
        turns, system, body.get("max_tokens"), tools=tools, tool_choice=choice, options=_options(body)
    )


def write_text_answer(reply: Reply, body: dict[str, Any]) -> dict[str, Any]:
    """A text completion; it reports no tokens."""
    return {"outputs": [{"text": reply.text, "stop_reason": "length" if reply.stop == CUT_OFF else "stop"}]}


def write_chat_answer(reply: Reply, body: dict[str, Any]) -> dict[str, Any]:
    """A chat answer; `stop_reason` stands where others have `finish_reason`, and it reports no tokens."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.tool_calls:
        message["tool_calls"] = write_tool_calls(reply)
    stop = {CUT_OFF: "length", TOOL_USE: "tool_calls"}.get(reply.stop, "stop")
    return {"choices": [{"index": 0, "message": message, "stop_reason": stop}]}


def _options(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in ("temperature", "top_p") if body.get(name) is not None}
