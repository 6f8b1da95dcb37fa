"""Chat completions of the OpenAI shape: how they are written, read, described and what they refuse."""

from collections.abc import Iterator, Mapping
from typing import Any

from bbkit.core.finding import Finding, make_finding
from bbkit.families.family import Answer, Body, Prompt
from bbkit.families.json_schemas import schema_faults
from bbkit.families.levels import media_faults
from bbkit.families.traits import Model
from bbkit.families.turns import offered_faults
from bbkit.families.values import as_dict, as_int, as_list_of_dicts, as_str, first_dict

_MEDIA = {"image_url": "image", "input_audio": "audio", "audio_url": "audio", "video_url": "video"}
_INSTEAD = ("tool_calls", "refusal", "function_call", "audio", "reasoning_content", "reasoning")
"""What an assistant turn may have instead of content."""


def write(prompt: Prompt) -> Body:
    content: Any = prompt.text
    if prompt.media:
        urls = [f"data:image/{media.format};base64,{media.base64}" for media in prompt.media]
        content = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        content += [{"type": "text", "text": prompt.text}] if prompt.text else []
    messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
    return {"messages": [*messages, {"role": "user", "content": content}]}


def answer(output: Mapping[str, Any]) -> Answer:
    """Read a chat completion; ``prompt_tokens`` includes the cached ones, as the model reports it."""
    choice = first_dict(output.get("choices"))
    message = as_dict(choice.get("message"))
    usage = as_dict(output.get("usage"))
    text, thought = _read_content(message.get("content"))
    refusal = as_str(message.get("refusal"))
    stop = "refusal" if refusal else as_str(choice.get("finish_reason")) or as_str(choice.get("stop_reason"))
    return Answer(
        text or refusal or "" if message else None,
        stop,
        as_int(usage.get("prompt_tokens")),
        as_int(usage.get("completion_tokens")),
        as_int(as_dict(usage.get("prompt_tokens_details")).get("cached_tokens")),
        None,
        as_str(output.get("model")),
        as_str(message.get("reasoning_content")) or as_str(message.get("reasoning")) or thought or None,
        _read_calls(message.get("tool_calls") or [{"function": message.get("function_call")}]),
    )


def _read_content(content: Any) -> tuple[str, str]:
    """The text of a message, and the reasoning that stands in chunks of its own (Magistral)."""
    if type(content) is not list:
        return as_str(content) or "", ""
    parts = [(as_str(part.get("text")) or "", part.get("thinking")) for part in as_list_of_dicts(content)]
    return "".join(text for text, _ in parts), "".join(_read_content(thought)[0] for _, thought in parts)


def _read_calls(tool_calls: Any) -> list[Any] | None:
    calls = []
    for call in as_list_of_dicts(tool_calls):
        if function := as_dict(call.get("function")):
            calls.append(
                {"id": call.get("id"), "name": function.get("name"), "input": function.get("arguments")}
            )
    return calls or None


def chat_faults(body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    """Turns that say nothing, calls and answers that do not meet, refused media; takes any object."""
    if "tool_choice" in body:
        yield from _choice_faults(body)
    for position, tool in enumerate(as_list_of_dicts(body.get("tools"))):
        function = as_dict(tool.get("function"))
        if function.get("strict") is True and isinstance(schema := function.get("parameters"), dict):
            yield from schema_faults(schema, f"tools[{position}].function.parameters", closed=False)
    messages = body.get("messages")
    if type(messages) is not list or not messages:
        return
    for position, message in enumerate(messages):
        if type(message) is dict:
            yield from _content_faults(position, message, model)
    if not any(as_dict(message).get("role") in ("user", "tool") for message in messages):
        yield make_finding("role_order.no_user", "messages")
    yield from _call_faults(messages)


def _content_faults(position: int, message: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    content, role, path = message.get("content"), message.get("role"), f"messages[{position}].content"
    if role == "assistant":
        if content in (None, []) and not any(message.get(name) for name in _INSTEAD):
            yield make_finding("required.answer", path)
    elif content is None:
        found = "null" if "content" in message else "missing"
        yield make_finding("required.content", path, found=found)
    elif content in ("", []) and role != "tool":
        yield make_finding("empty_content.message", path, role=role)
    elif role == "user" and type(content) is str and content.isspace():
        yield make_finding("empty_content.user", path)
    elif type(content) is list:
        parts = (str(part.get("type")) for part in as_list_of_dicts(content))
        yield from media_faults((_MEDIA[part] for part in parts if part in _MEDIA), path, model)


def _call_faults(messages: list[Any]) -> Iterator[Finding]:
    called: set[str] = set()
    waiting: list[str] = []
    at = 0
    for position, message in enumerate(messages):
        turn = as_dict(message)
        role = turn.get("role")
        if role == "tool":
            answered = str(turn.get("tool_call_id"))
            if answered not in called:
                path, one = f"messages[{position}].tool_call_id", turn.get("tool_call_id")
                yield make_finding("tool_pairing.message", path, id=one)
            waiting = [one for one in waiting if one != answered]
        elif role in ("user", "assistant"):
            yield from _unanswered(at, waiting)
            ids = [str(call.get("id")) for call in as_list_of_dicts(turn.get("tool_calls"))]
            waiting, at = (ids if role == "assistant" else []), position
            called.update(waiting)
    yield from _unanswered(at, waiting)


def _unanswered(position: int, ids: list[str]) -> Iterator[Finding]:
    for one in ids[:1]:
        yield make_finding("tool_pairing.call", f"messages[{position}].tool_calls", id=one)


def _choice_faults(body: Mapping[str, Any]) -> Iterator[Finding]:
    choice = body["tool_choice"]
    if choice in (None, "none"):
        return
    if not body.get("tools"):
        yield make_finding("required.tools", "tools")._replace(severity="warning")
        return
    chosen = as_dict(as_dict(choice).get("function")).get("name")
    offered = (as_dict(tool.get("function")).get("name") for tool in as_list_of_dicts(body["tools"]))
    yield from offered_faults(chosen, offered, "tool_choice.function.name")
