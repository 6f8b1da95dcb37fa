"""Anthropic Messages bodies and answers: what a body may hold, the rules between its fields, its answer.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
and https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html
"""

import json
import re
import secrets
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import Any

from bbkit.standin.engines import Media, Reply, Request, Stop, Tool, ToolCall, ToolResult, Turn
from bbkit.standin.errors import RecordError, refuse_record
from bbkit.standin.models import traits_of
from bbkit.standin.shapes import bodies
from bbkit.standin.shapes.bodies import known
from bbkit.standin.shapes.contents import STOPS, decode_base64, document_part
from bbkit.standin.shapes.grammar import check_form, check_grammar, refuse_citations

_PROPERTY = re.compile("[a-zA-Z0-9_.-]{1,64}")
_TOOL_NAME = re.compile("[a-zA-Z0-9_-]{1,64}")
_STOPS = STOPS | {Stop.FILTERED: "refusal"}


def read_body(body: Any, model_id: str) -> Request:
    check_body(body, model_id)
    system = body.get("system") or ""
    choice = body.get("tool_choice") or {"type": "auto"}
    options = known(**{name: body.get(name) for name in ("temperature", "top_p", "top_k")})
    return Request(
        turns=tuple(_read_turn(message) for message in body["messages"]),
        system=system if isinstance(system, str) else "\n".join(block["text"] for block in system),
        max_tokens=body["max_tokens"],
        stop_sequences=tuple(body.get("stop_sequences") or ()),
        tools=tuple(_read_tool(tool, n) for n, tool in enumerate(body.get("tools") or ())),
        tool_choice=choice["name"] if choice["type"] == "tool" else choice["type"],
        options=options | read_form(body),
    )


def read_form(body: dict[str, Any]) -> dict[str, Any]:
    """The option that an answer of a schema is asked by, in Converse among the fields of the model's own."""
    form = (body.get("output_config") or {}).get("format") or body.get("output_format")
    return {"response_format": bodies.answer_format(form["schema"])} if form else {}


def thinks(body: dict[str, Any]) -> bool:
    return (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")


def write_answer(reply: Reply, body: dict[str, Any], model_id: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if reply.reasoning and thinks(body):
        content.append({"type": "thinking", "thinking": reply.reasoning, "signature": ""})
    if reply.text:
        content.append({"type": "text", "text": reply.text})
    content += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}
        for call in reply.tool_calls
    ]
    answer: dict[str, Any] = {
        "id": f"msg_bdrk_{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": _STOPS[Stop(reply.stop)],
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
                given = block.get("content")
                results.append(ToolResult(block["tool_use_id"], _flat_text(given)))
                images = [one for one in given or () if one["type"] == "image"] if type(given) is list else []
                media += [part for image in images if (part := _read_source(image, number)[1])]
    return Turn(message["role"], "\n\n".join(texts), tuple(media), tuple(calls), tuple(results))


def _read_source(block: dict[str, Any], number: int) -> tuple[str, Media | None]:
    source = block["source"]
    if source["type"] == "content":
        return _flat_text(source["content"]), None
    if source["type"] == "text":
        return source["data"], None
    form = source["media_type"].rpartition("/")[2]
    data = decode_base64(source["data"])
    if not data:
        raise RecordError(f"messages.0.content.{number}.{block['type']}.source.base64: invalid base64 data")
    if block["type"] == "image":
        return "", Media("image", form, data)
    return document_part(data, form, block.get("title") or "")


def _flat_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    texts = [block.get("text") or "" for block in content or () if isinstance(block, dict)]
    if not all(isinstance(text, str) for text in texts):
        raise RecordError("messages.content.text: Input should be a valid string")
    return "\n".join(texts)


def _read_tool(tool: dict[str, Any], number: int) -> Tool:
    kind, schema = tool.get("type", "custom"), tool.get("input_schema") or {}
    if kind == "function":
        raise RecordError(f"tools.{number}: Input tag 'function' does not match any of the expected tags")
    for name in ("name", "description"):
        if not isinstance(tool.get(name) or "", str):
            raise RecordError(f"tools.{number}.{kind}.{name}: Input should be a valid string")
    for name in ("name", "input_schema"):
        if name not in tool and kind == "custom":
            raise RecordError(f"tools.{number}.custom.{name}: Field required")
    if not _TOOL_NAME.fullmatch(str(tool.get("name"))):
        raise RecordError(f"tools.{number}.{kind}.name: String should match pattern '{_TOOL_NAME.pattern}'")
    if kind == "custom" and (not isinstance(schema, dict) or schema.get("type") != "object"):
        raise RecordError(f"tools.{number}.custom.input_schema.type: Input should be 'object'")
    if kind == "custom" and {"oneOf", "allOf", "anyOf"} & schema.keys():
        raise RecordError(f"tools.{number}.custom.input_schema: no oneOf, allOf, or anyOf at the top level")
    keys = schema.get("properties") if isinstance(schema, dict) else None
    if any(not _PROPERTY.fullmatch(key) for key in (keys if isinstance(keys, dict) else ())):
        raise refuse_record("property_keys", number=number, pattern=_PROPERTY.pattern)
    if kind == "custom":
        check_grammar(schema, f"tools.{number}.custom.input_schema", strict=tool.get("strict") is True)
    return Tool(tool.get("name", ""), tool.get("description") or "", schema)


def check_body(body: Any, model_id: str) -> None:
    """Raise the error the model answers with: the first thing wrong with the body."""
    for violation in bodies.find_violations(body, bodies.describe("anthropic")):
        raise RecordError(bodies.model_words(violation))
    if not body["messages"]:
        raise RecordError("messages: at least one message is required")
    _check_messages(body["messages"])
    _refuse_first(body, traits_of(model_id))


def check_converse(body: Any, inference: dict[str, Any], extra: Any, model_id: str) -> None:
    """Raise the error a Claude model answers with to what came by Converse."""
    sampling = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP"}
    extra = {"thinking" if name == "reasoning_config" else name: value for name, value in extra.items()}
    view = {name: inference[own] for name, own in sampling.items() if own in inference} | extra
    for violation in bodies.find_violations(view, bodies.describe("anthropic")):
        if len(violation.path) > 1 or violation.rule != "required":
            raise RecordError(bodies.model_words(violation))
    stops = view.get("stop_sequences") or inference.get("stopSequences") or ()
    if effort := (body.get("outputConfig") or {}).get("effort"):
        view["output_config"] = {"effort": effort}
    _refuse_first(view | {"messages": body["messages"], "stop_sequences": stops}, traits_of(model_id))


def _refuse_first(body: dict[str, Any], traits: dict[str, Any]) -> None:
    for message in (*_thinking_faults(body, traits), *_model_faults(body, traits)):
        raise RecordError(message)
    forms = {"output_config.format": (body.get("output_config") or {}).get("format")}
    for at, form in (forms | {"output_format": body.get("output_format")}).items():
        if form is not None and not (form.get("type") == "json_schema" and "schema" in form):
            raise RecordError(f"{at}: Input should be of type json_schema and have a schema")
        if form is not None:
            check_form(form["schema"], f"{at}.schema", traits)
            refuse_citations(body["messages"])


def _check_messages(messages: list[dict[str, Any]]) -> None:
    if messages[0]["role"] != "user":
        raise RecordError('messages: first message must use the "user" role')
    for number, message in enumerate(messages):
        content = message["content"]
        last_prefill = number == len(messages) - 1 and message["role"] == "assistant"
        if not (content.strip() if isinstance(content, str) else content) and not last_prefill:
            raise RecordError(f"messages.{number}: all messages must have non-empty content")
        blocks = content if isinstance(content, list) else []
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            raise RecordError("messages: text content blocks must be non-empty")
    turns = [
        [block for one in group if isinstance(one["content"], list) for block in one["content"]]
        for _, group in groupby(messages, key=lambda message: message["role"])
    ]
    for number, (blocks, after) in enumerate(pairwise([[], *turns, []])):
        used = {block["id"] for block in blocks if block["type"] == "tool_use"}
        given = {block["tool_use_id"] for block in after if block["type"] == "tool_result"}
        if used - given:
            raise refuse_record("unanswered_uses", number=number - 1, ids=", ".join(used - given))
        if given - used:
            raise RecordError(f"messages.{number}: unexpected `tool_use_id`: {', '.join(given - used)}.")


def _thinking_faults(body: dict[str, Any], traits: dict[str, Any]) -> Iterator[str]:
    """What thinking excludes, and which kinds of it a model takes; what is not known of it is taken."""
    kind = (body.get("thinking") or {}).get("type", "disabled")
    if kind == "disabled":
        return
    kinds = traits.get("thinking_types")
    if kinds == []:
        yield "thinking: this model does not support thinking"
    if kinds and kind not in kinds:
        yield f'"thinking.type.{kind}" is not supported for this model. Use "thinking.type.{kinds[-1]}".'
    interleaved = any("interleaved-thinking" in beta for beta in body.get("anthropic_beta") or ())
    most = body.get("max_tokens")
    if kind == "enabled" and most and body["thinking"]["budget_tokens"] >= most and not interleaved:
        yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    if body.get("temperature") not in (None, 1):
        yield "`temperature` may only be set to 1 when thinking is enabled."
    if body.get("top_k") is not None:
        yield "`top_k` must be unset when thinking is enabled."
    if (body.get("top_p") or 1) < 0.95:
        yield "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."
    forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
    if forced and traits.get("forced_tools_with_thinking") is False:
        yield "Thinking may not be enabled when tool_choice forces tool use."
    if body["messages"][-1]["role"] == "assistant":
        yield "When thinking is enabled, the final message must not be an assistant turn."


def _model_faults(body: dict[str, Any], traits: dict[str, Any]) -> Iterator[str]:
    sampled = [name for name in ("temperature", "top_p", "top_k") if body.get(name) is not None]
    if traits.get("samplers") == "none" and sampled:
        yield f"`{sampled[0]}` is deprecated for this model."
    if traits.get("samplers") == "one" and {"temperature", "top_p"} <= set(sampled):
        yield "`temperature` and `top_p` cannot both be specified for this model. Use only one of them."
    if traits.get("prefill") is False and body["messages"][-1]["role"] == "assistant":
        yield (
            "This model does not support assistant message prefill. "
            "The conversation must end with a user message."
        )
    if traits.get("caching") is False and '"cache_control":' in json.dumps(body):
        yield "cache_control: Extra inputs are not permitted"
    effort = (body.get("output_config") or {}).get("effort")
    if effort is not None and effort not in traits.get("effort", [effort]):
        yield f"output_config.effort: this model does not support the effort '{effort}'."
    off = (body.get("thinking") or {}).get("type") == "disabled"
    if off and effort is not None and effort not in traits.get("effort_without_thinking", [effort]):
        yield f"output_config.effort '{effort}' is not supported when thinking is disabled on this model."
    if any(not stop.strip() for stop in body.get("stop_sequences") or ()):
        yield "stop_sequences: each stop sequence must contain non-whitespace"
    choice, offered = body.get("tool_choice"), [tool.get("name") for tool in body.get("tools") or ()]
    if len(set(map(str, offered))) < len(offered):
        yield "tools: Tool names must be unique."
    if choice and not offered:
        yield "tool_choice may only be specified while providing tools"
    if choice and choice["type"] == "tool" and choice["name"] not in offered:
        yield f"tool_choice.tool.name: Tool '{choice['name']}' not found in provided tools"
