"""What chat completions share: messages and tools of the OpenAI shape, and how their answers are read."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from bbkit.core.findings import Finding
from bbkit.families._base import mapping, objects, word
from bbkit.families._turns import is_text_only, offered_faults, refused_media
from bbkit.families.requests import (
    CACHING,
    Mistake,
    anything,
    array,
    either,
    error_at,
    foreign,
    free,
    record,
    required,
    string,
    tagged,
)

_OPEN, _CLOSE = "<reasoning>", "</reasoning>"
_MEDIA = ("image_url", "input_audio", "audio_url", "video_url")
_EMPTY = "Give the turn some text, or leave it out."
_INSTEAD = ("tool_calls", "refusal", "function_call", "audio", "reasoning_content", "reasoning")
"""What an assistant turn may have instead of content."""


def read_text(message: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Split a message into its answer and its reasoning."""
    if not message:
        return None, None
    content = message.get("content")
    if type(content) is list:
        content = "".join(word(part.get("text")) or "" for part in objects(content))
    reasoning = word(message.get("reasoning_content")) or word(message.get("reasoning"))
    if type(content) is not str:
        return "", reasoning
    if content.startswith(_OPEN):
        thought, _, content = content[len(_OPEN) :].partition(_CLOSE)
        reasoning = thought if reasoning is None else reasoning
    return content, reasoning


def read_calls(message: Mapping[str, Any]) -> list[Any] | None:
    """The tool calls of a message as ``{"id", "name", "input"}``; arguments that are no JSON stay text."""
    if not message.get("tool_calls"):
        return None
    calls = []
    for call in objects(message["tool_calls"]):
        function = mapping(call.get("function"))
        arguments = function.get("arguments")
        if type(arguments) is str:
            with contextlib.suppress(ValueError, RecursionError):
                arguments = json.loads(arguments)
        calls.append({"id": call.get("id"), "name": function.get("name"), "input": arguments})
    return calls or None


def chat_faults(body: Mapping[str, Any], model_id: str) -> list[Finding]:
    """Turns that say nothing, calls and answers that do not meet, refused media; takes any object."""
    faults = _choice_faults(body) if "tool_choice" in body else []
    messages = body.get("messages")
    if type(messages) is not list or not messages:
        return faults
    for position, message in enumerate(messages):
        if type(message) is dict:
            faults += _content_faults(position, message, model_id)
    if not any(mapping(message).get("role") in ("user", "tool") for message in messages):
        faults.append(
            error_at("messages", "role_order", "No turn is the user's.", "Add a user turn to answer.")
        )
    return faults + _call_faults(messages)


def _content_faults(position: int, message: Mapping[str, Any], model_id: str) -> list[Finding]:
    content, role, path = message.get("content"), message.get("role"), f"messages[{position}].content"
    wrong: Finding | None = None
    if role == "assistant":
        if content in (None, []) and not any(message.get(name) for name in _INSTEAD):
            found = "The assistant turn has neither content nor tool_calls."
            wrong = error_at(path, "required", found, "Give it content, or the tool_calls it made.")
    elif content is None:
        found = f"{path} is {'null' if 'content' in message else 'missing'}."
        wrong = error_at(path, "required", found, "Give the turn its text.")
    elif content in ("", []) and role != "tool":
        wrong = error_at(path, "empty_content", f"The {role} turn is empty.", _EMPTY)
    elif role == "user" and type(content) is str and content.isspace():
        wrong = Finding("warning", "empty_content", "The user turn holds white space only.", _EMPTY, path)
    elif type(content) is list and is_text_only(model_id):
        sent = [kind for kind in _MEDIA if any(part.get("type") == kind for part in objects(content))]
        wrong = refused_media(model_id, position, sent[0]) if sent else None
    return [wrong] if wrong else []


def _call_faults(messages: list[Any]) -> list[Finding]:
    faults: list[Finding] = []
    called: set[str] = set()
    waiting: list[str] = []
    at = 0
    for position, message in enumerate(messages):
        turn = mapping(message)
        role = turn.get("role")
        if role == "tool":
            answered = str(turn.get("tool_call_id"))
            if answered not in called:
                found = f"A tool message answers {turn.get('tool_call_id')!r}, which no earlier turn calls."
                remedy = "Answer the id of a tool call of an assistant turn before."
                path = f"messages[{position}].tool_call_id"
                faults.append(error_at(path, "tool_pairing", found, remedy))
            waiting = [one for one in waiting if one != answered]
        elif role in ("user", "assistant"):
            faults += _unanswered(at, waiting)
            ids = [str(call.get("id")) for call in objects(turn.get("tool_calls"))]
            waiting, at = (ids if role == "assistant" else []), position
            called.update(waiting)
    return faults + _unanswered(at, waiting)


def _unanswered(position: int, ids: list[str]) -> list[Finding]:
    if not ids:
        return []
    found = f"The call {ids[0]!r} has no message of role tool right after it."
    remedy = "Answer every call of the turn by a message of role tool, before the next turn."
    return [Finding("warning", "tool_pairing", found, remedy, f"messages[{position}].tool_calls")]


def _choice_faults(body: Mapping[str, Any]) -> list[Finding]:
    choice = body["tool_choice"]
    if choice in (None, "none"):
        return []
    if not body.get("tools"):
        found = "tool_choice stands without tools."
        return [Finding("warning", "required", found, "Add tools or leave it out.", "tools")]
    chosen = mapping(mapping(choice).get("function")).get("name")
    offered = (mapping(tool.get("function")).get("name") for tool in objects(body["tools"]))
    return offered_faults(chosen, offered, "tool_choice.function.name")


def chat_silent(model_id: str) -> frozenset[str]:
    """Members without which `chat_faults` has nothing to say of one user turn of text."""
    return frozenset({"tool_choice"})


_PART = tagged(
    "type",
    {
        "text": record(
            {"type": required(string()), "text": required(string(min_length=1))},
            mistakes={"cache_control": CACHING},
        ),
        "image_url": record(
            {
                "type": required(string()),
                "image_url": required(
                    record(
                        {
                            "url": required(
                                string(
                                    base64=True,
                                    prefix=("data:",),
                                    prefix_mistake=Mistake(
                                        "Send the bytes as a data: URI; batch fetches no URLs.", "url_media"
                                    ),
                                )
                            ),
                            "detail": string(values=("auto", "low", "high")),
                        }
                    )
                ),
            }
        ),
        "input_audio": record({"type": required(string()), "input_audio": required(free())}),
        "audio_url": record({"type": required(string()), "audio_url": required(free())}),
        "video_url": record({"type": required(string()), "video_url": required(free())}),
        "refusal": record({"type": required(string()), "refusal": required(string())}),
        "thinking": record({"type": required(string()), "thinking": required(anything())}, open=True),
    },
    mistakes={
        "image": Mistake("Use a part of type image_url with a data: URI; this is Anthropic's block."),
        "tool_result": Mistake("Send a message of role tool; this is Anthropic's block."),
        "tool_use": Mistake("Put tool_calls into the assistant message; this is Anthropic's block."),
    },
)
_CALL = record(
    {
        "id": required(string(min_length=1)),
        "type": string(values=("function",)),
        "index": anything(),
        "function": required(
            record({"name": required(string(min_length=1)), "arguments": required(string())}, open=True)
        ),
    }
)
MESSAGE = record(
    {
        "role": required(string(values=("system", "developer", "user", "assistant", "tool"))),
        "content": either(string(), array(_PART)),
        "name": string(),
        "tool_calls": array(_CALL),
        "tool_call_id": string(),
        "refusal": string(),
        "reasoning_content": string(),
        "reasoning": string(),
        "prefix": anything(),
        "annotations": anything(),
        "audio": anything(),
        "function_call": anything(),
    },
    mistakes={"cache_control": CACHING, **foreign("converse", "toolUse", "toolResult")},
    null_is_absent=True,
)
TOOL = record(
    {
        "type": required(string(values=("function",))),
        "function": required(
            record(
                {
                    "name": required(string(min_length=1)),
                    "description": string(),
                    "parameters": free(),
                    "strict": anything(),
                }
            )
        ),
    },
    mistakes={
        **foreign("converse", "toolSpec"),
        **foreign("anthropic", "input_schema", "name"),
        "cache_control": CACHING,
    },
)
TOOL_CHOICE = either(string(values=("auto", "none", "any", "required")), free())
