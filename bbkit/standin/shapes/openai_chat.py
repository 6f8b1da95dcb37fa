"""OpenAI-shaped chat bodies and answers: gpt-oss, Qwen, DeepSeek V3, Gemma, Kimi, GLM, newer Mistral, ...

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html
"""

import json
import secrets
import time
from dataclasses import replace
from typing import Any

from bbkit.standin.engines import Media, Reply, Request, Stop, Tool, ToolCall, ToolResult, Turn
from bbkit.standin.errors import RecordError
from bbkit.standin.models import traits_of
from bbkit.standin.shapes import bodies
from bbkit.standin.shapes.bodies import POSITIVE, SHARE, Field, array, described, known, malformed, tagged
from bbkit.standin.shapes.contents import check_choice, decode_base64
from bbkit.standin.shapes.grammar import check_form, check_grammar

_STOPS = {
    Stop.END: "stop",
    Stop.SEQUENCE: "stop",
    Stop.LENGTH: "length",
    Stop.TOOL_USE: "tool_calls",
    Stop.FILTERED: "content_filter",
}
_CALL = described(
    {
        "id!": "string",
        "type": "string",
        "index": "integer",
        "function!": {"name!": "string", "arguments!": "string"},
    }
)
_PART = tagged(
    {
        "text": {"text!": "string"},
        "image_url": {"image_url!": "object"},
        "input_audio": {"input_audio!": "object"},
        "refusal": {"refusal!": "string"},
    }
)
MESSAGE = described(
    {
        "role!": Field("string", enum=("system", "developer", "user", "assistant", "tool")),
        "content": Field("string|array", items=_PART),
        "name": "string",
        "tool_calls": array(_CALL),
        "tool_call_id": "string",
        "refusal": "string",
        "reasoning": "string",
        "reasoning_content": "string",
    }
)
TOOL = described(
    {
        "type!": Field("string", enum=("function",)),
        "function!": {
            "name!": "string",
            "description": "string",
            "parameters": "object",
            "strict": "boolean",
        },
    }
)
_PENALTY = Field("number", minimum=-2, maximum=2)
_BODY = described(
    {
        "messages!": array(MESSAGE, min_size=1),
        "model": "string",
        "max_tokens": POSITIVE,
        "max_completion_tokens": POSITIVE,
        "temperature": Field("number", minimum=0, maximum=2),
        "top_p": SHARE,
        "top_k": "integer",
        "min_p": "number",
        "presence_penalty": _PENALTY,
        "frequency_penalty": _PENALTY,
        "repetition_penalty": "number",
        "stop": Field("string|array", items=Field("string")),
        "stream": Field("boolean", enum=(False,)),
        "seed": "integer",
        "n": Field("integer", minimum=1, maximum=1),
        "user": "string",
        "logprobs": "boolean",
        "top_logprobs": "integer",
        "logit_bias": "object",
        "tools": array(TOOL),
        "tool_choice": "string|object",
        "parallel_tool_calls": "boolean",
        "response_format": tagged({"text": {}, "json_object": {}, "json_schema": {"json_schema!": "object"}}),
        "reasoning_effort": Field("string", enum=("none", "minimal", "low", "medium", "high", "xhigh")),
        "chat_template_kwargs": "object",
        "service_tier": "string",
        "metadata": "object",
        "safe_prompt": "boolean",
    }
)
_NOT_GPT_OSS = ("top_k", "min_p", "repetition_penalty", "chat_template_kwargs", "safe_prompt")
_OF_GPT_OSS = ("store", "modalities", "prediction", "audio", "function_call", "functions", "reasoning")
_GPT_OSS = replace(
    _BODY,
    fields={name: one for name, one in (_BODY.fields or {}).items() if name not in _NOT_GPT_OSS}
    | dict.fromkeys(_OF_GPT_OSS, Field("string|number|integer|boolean|array|object")),
)
_OPTIONS = (
    "temperature",
    "top_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "response_format",
    "reasoning_effort",
)


def read_body(body: Any, model_id: str) -> Request:
    """Check the body as the model would, and read it."""
    traits = traits_of(model_id)
    bodies.check_schema(body, _GPT_OSS if "gpt-oss" in model_id else _BODY)
    check_effort(body, traits)
    _check_table(body, traits)
    named = body.get("model")
    if named is not None and model_id not in named:
        raise RecordError(
            f"The model '{named}' in the body does not match the model of the request, '{model_id}'."
        )
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
    """Refuse an effort that the model is known not to take."""
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
    """System text and turns of OpenAI-shaped messages."""
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
    """The tools of a body, and the choice among them."""
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
