"""What chat completions share: messages and tools of the OpenAI shape, and how their answers are read."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from bbkit.families._base import mapping, objects, word
from bbkit.families.requests import (
    CACHING,
    Fault,
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


def read_text(message: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Split a message into its answer and its reasoning.

    Parameters
    ----------
    message : mapping
        ``choices[0].message``; ``content`` is a text, a list of parts, or null beside tool calls or refusals.

    Returns
    -------
    tuple of (str or None, str or None)
        The answer without one leading ``<reasoning>...</reasoning>`` (unclosed: all of it is reasoning),
        ``""`` when there is a message but no text; and the reasoning.
    """
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


def chat_faults(body: Mapping[str, Any], model_id: str) -> list[Fault]:
    """Tool messages that answer no call, and conversations with nothing to answer; takes any object."""
    messages = body.get("messages")
    if type(messages) is not list or not messages:
        return []
    faults: list[Fault] = []
    called: set[Any] = set()
    asked = False
    for position, message in enumerate(messages):
        if type(message) is not dict:
            continue
        role = message.get("role")
        if role in ("user", "tool"):
            asked = True
        if role == "assistant" and message.get("tool_calls"):
            called |= {str(call.get("id")) for call in objects(message["tool_calls"])}
        elif role == "tool" and str(message.get("tool_call_id")) not in called:
            faults.append(
                error_at(
                    f"messages[{position}].tool_call_id",
                    "tool_pairing",
                    f"A tool message answers {message.get('tool_call_id')!r}, which no earlier turn calls.",
                    "Answer the id of a tool call of an assistant turn before.",
                )
            )
        content = message.get("content")
        if role in ("user", "system", "developer") and content in ("", []):
            faults.append(
                error_at(
                    f"messages[{position}].content",
                    "empty_content",
                    f"The {role} turn is empty.",
                    "Give the turn some text, or leave it out.",
                )
            )
    if not asked:
        faults.append(
            error_at("messages", "role_order", "No turn is the user's.", "Add a user turn to answer.")
        )
    return faults


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
