"""OpenAI-shaped chat bodies and answers: gpt-oss, Qwen, DeepSeek V3, Gemma, Kimi, GLM, newer Mistral, ...

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html
"""

import json
import secrets
import time
from typing import Any

from bbkit.standin.engines import Media, Reply, Request, Stop, Tool, ToolCall, ToolResult, Turn
from bbkit.standin.errors import refuse_record
from bbkit.standin.models import traits_of
from bbkit.standin.shapes import bodies
from bbkit.standin.shapes.bodies import known, malformed
from bbkit.standin.shapes.contents import check_choice, decode_base64
from bbkit.standin.shapes.grammar import check_form, check_grammar

_STOPS = {
    Stop.END: "stop",
    Stop.SEQUENCE: "stop",
    Stop.LENGTH: "length",
    Stop.TOOL_USE: "tool_calls",
    Stop.FILTERED: "content_filter",
}
_OPTIONS = (
    *("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty"),
    *("response_format", "reasoning_effort"),
)


def read_body(body: Any, model_id: str) -> Request:
    traits = traits_of(model_id)
    bodies.check_schema(body, "gpt-oss" if "gpt-oss" in model_id else "chat")
    check_effort(body, traits)
    _check_table(body, traits)
    named = body.get("model")
    if named is not None and model_id not in named:
        raise refuse_record("other_model", named=named, model_id=model_id)
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise malformed("#: only one of max_tokens and max_completion_tokens may be given")
    stop = body.get("stop") or ()
    limit = body.get("max_completion_tokens")
    system, turns = read_messages(body["messages"])
    tools, choice = read_tools(body)
    return Request(
        turns=turns,
        system=system,
        max_tokens=body.get("max_tokens") if limit is None else limit,
        stop_sequences=(stop,) if isinstance(stop, str) else tuple(stop),
        tools=tools,
        tool_choice=choice,
        options=known(**{name: body.get(name) for name in _OPTIONS}),
    )


def check_effort(fields: dict[str, Any], traits: dict[str, Any]) -> None:
    effort = fields.get("reasoning_effort")
    if isinstance(effort, str) and effort not in traits.get("effort", [effort]):
        raise malformed(f"#/reasoning_effort: {effort} is not a valid enum value")


def _check_table(body: dict[str, Any], traits: dict[str, Any]) -> None:
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        at = "response_format.json_schema.schema"
        check_form(form["json_schema"].get("schema"), at, traits, closed=False)
    sampled = [name for name in ("temperature", "top_p", "top_k") if body.get(name) is not None]
    refused = traits.get("samplers") == "none" and sampled
    if refused or (traits.get("samplers") == "one" and {"temperature", "top_p"} <= set(sampled)):
        raise malformed(f"#/{sampled[-1]}: this model does not take it")


def write_answer(reply: Reply, body: dict[str, Any], model_id: str) -> dict[str, Any]:
    """The answer as a chat completion; gpt-oss puts its reasoning, when there is some, before the text."""
    text: str | None = reply.text if reply.text or not reply.tool_calls else None
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if reply.reasoning and "gpt-oss" in model_id:
        message["content"] = f"<reasoning>{reply.reasoning}</reasoning>{reply.text}"
    elif reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.tool_calls:
        message["tool_calls"] = [call.to_openai() for call in reply.tool_calls]
    answer: dict[str, Any] = {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": reply.model,
        "choices": [{"index": 0, "message": message, "finish_reason": _STOPS[Stop(reply.stop)]}],
    }
    usage = known(
        prompt_tokens=reply.input_tokens,
        completion_tokens=reply.output_tokens,
        total_tokens=reply.total_tokens,
    )
    if reply.cache_read_tokens is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": reply.cache_read_tokens}
    if usage:
        answer["usage"] = usage
    return answer


def read_messages(messages: list[dict[str, Any]]) -> tuple[str, tuple[Turn, ...]]:
    system = [_flat_text(m.get("content")) for m in messages if m["role"] in ("system", "developer")]
    turns = []
    for number, message in enumerate(messages):
        if message["role"] in ("system", "developer"):
            continue
        if message.get("content") is None and not (message.get("tool_calls") or message.get("refusal")):
            raise malformed(f"#/messages/{number}: required key [content] not found")
        turns.append(_read_turn(message, number))
    if not turns:
        raise malformed("#/messages: at least one message of the user role is required")
    return "\n".join(system), tuple(turns)


def read_tools(body: dict[str, Any]) -> tuple[tuple[Tool, ...], str]:
    functions = [tool["function"] for tool in body.get("tools") or ()]
    for function in functions:
        if function.get("strict"):
            check_grammar(function.get("parameters"), f"tools.{function['name']}.parameters", closed=False)
    tools = tuple(Tool(f["name"], f.get("description") or "", f.get("parameters") or {}) for f in functions)
    choice = body.get("tool_choice") or "auto"
    if isinstance(choice, dict):
        function = choice.get("function")
        choice = str(function.get("name", "auto")) if isinstance(function, dict) else "auto"
    elif choice not in ("auto", "none", "any", "required"):
        raise malformed(f"#/tool_choice: {choice} is not a valid enum value")
    choice = "any" if choice == "required" else choice
    check_choice(choice, tools)
    return tools, choice


def _read_turn(message: dict[str, Any], number: int) -> Turn:
    text = _flat_text(message.get("content"))
    if message["role"] == "tool":
        return Turn("user", "", tool_results=(ToolResult(message.get("tool_call_id", ""), text),))
    calls = []
    for call in message.get("tool_calls") or ():
        try:
            arguments = json.loads(call["function"]["arguments"] or "{}")
        except ValueError:
            raise malformed(f"#/messages/{number}/tool_calls: arguments are not valid JSON") from None
        calls.append(ToolCall(call["id"], call["function"]["name"], arguments))
    return Turn(message["role"], text, _read_media(message.get("content"), number), tuple(calls))


def _flat_text(content: Any) -> str:
    if isinstance(content, list):
        return "\n\n".join(part["text"] for part in content if part["type"] == "text")
    return content or ""


def _read_media(content: Any, number: int) -> tuple[Media, ...]:
    media = []
    for part in content if isinstance(content, list) else ():
        if part["type"] == "image_url":
            head, _, data = str(part["image_url"].get("url", "")).partition(";base64,")
            decoded = decode_base64(data) if head.startswith("data:") else None
            if decoded is None:
                raise malformed(f"#/messages/{number}/content: image_url must be a data: URL in base64")
            media.append(Media("image", head.rpartition("/")[2], decoded))
        elif part["type"] == "input_audio":
            media.append(Media("audio", str(part["input_audio"].get("format", "")), None))
    return tuple(media)
