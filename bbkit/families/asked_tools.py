"""The tool that a body asks for, and the arguments of its calls as JSON text, just as they came."""

import json
from contextlib import suppress
from functools import lru_cache
from typing import Any

import msgspec

from bbkit.families.shapes import answer_of
from bbkit.families.values import as_dict, as_list_of_dicts

_NULL = msgspec.Raw(b"null")


class _Asked(msgspec.Struct):
    tool_choice: msgspec.Raw = _NULL
    tools: msgspec.Raw = _NULL
    toolConfig: msgspec.Raw = _NULL


class _Call(msgspec.Struct):
    name: Any = None
    input: msgspec.Raw = _NULL
    arguments: msgspec.Raw = _NULL


class _Part(_Call):
    toolUse: _Call | None = None
    function: _Call | None = None


class _Message(msgspec.Struct):
    content: list[_Part] | str | None = None
    tool_calls: list[_Part] | None = None


class _Held(msgspec.Struct):
    message: _Message | None = None


class _Output(_Message):
    output: _Held | None = None
    choices: list[_Held] | None = None


_decode_asked = msgspec.json.Decoder(_Asked | None).decode
_decode_output = msgspec.json.Decoder(_Output).decode
_decode = msgspec.json.Decoder().decode


def asked_arguments(model_input: bytes, model_output: bytes) -> list[str | None] | None:
    """The arguments of each call of the tool that was asked for; None where it was not called."""
    try:
        asked = _decode_asked(model_input) or _Asked()
    except msgspec.DecodeError:
        return None
    name = _name_asked(*map(bytes, (asked.tool_choice, asked.tools, asked.toolConfig)))
    if name is None:
        return None
    with suppress(msgspec.DecodeError):
        output = _decode_output(model_output)
        first = output.output or next(iter(output.choices or ()), None)
        held = (first and first.message) or output
        parts = [*(held.content if isinstance(held.content, list) else ()), *(held.tool_calls or ())]
        calls = [part.toolUse or part.function or part for part in parts]
        return [_text_of(call) for call in calls if call.name == name] or None
    # Of another shape, or with what JSON has not: NaN.
    calls = answer_of(json.loads(model_output))[1].tool_calls or []
    return [json.dumps(call["input"]) for call in calls if call["name"] == name] or None


@lru_cache(maxsize=256)
def _name_asked(choice: bytes, tools: bytes, config: bytes) -> str | None:
    """The tool that must be called: the one that is named, or the only one where any must be."""
    held = as_dict(_decode(config))
    chosen, offered = held.get("toolChoice") or _decode(choice), held.get("tools") or _decode(tools)
    kinds = as_dict(chosen) if isinstance(chosen, dict) else {str(chosen): {}}
    for named in (kinds.get("tool"), kinds.get("function"), kinds):
        if isinstance(name := as_dict(named).get("name"), str):
            return name
    if kinds.get("type") != "any" and kinds.keys().isdisjoint(("any", "required")):
        return None
    named = [tool.get("toolSpec") or tool.get("function") or tool for tool in as_list_of_dicts(offered)]
    return as_dict(named[0]).get("name") if len(named) == 1 else None


def _text_of(call: _Call) -> str | None:
    raw = bytes(call.arguments if call.input == _NULL else call.input)
    # Only the OpenAI shape has arguments, which are text that holds JSON.
    is_text = raw[:1] == b'"' and raw == bytes(call.arguments)
    return None if raw == b"null" else _decode(raw) if is_text else raw.decode()
