"""Answers that cannot be read as they stand, in the ways models have: the fault ``bad-json``."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event

from bbkit.standin.engines import Engine, Reply, Request, Stop, count_tokens
from bbkit.standin.faults import draw

_KINDS: dict[str, Callable[[str], str]] = {
    "fenced": lambda text: f"```json\n{text}\n```",
    "in prose": lambda text: f"Here is the answer:\n\n{text}\n\nIs there anything else you need?",
    "cut": lambda text: text[: len(text) // 2],
    "trailing comma": lambda text: f"{text[:-1]},}}",
}


@dataclass
class SpoilingEngine:
    """Asks an engine, and spoils the JSON object that it answers or calls a tool with, by a record's id."""

    engine: Engine
    key: str

    def answer(self, request: Request, halt: Event | None = None) -> Reply:
        """Answer one request; what is no JSON object stays as it is."""
        reply = self.engine.answer(request, halt)
        call = reply.tool_calls[0] if reply.tool_calls else None
        schema = next(
            (tool.schema for tool in request.tools if call and tool.name == call.name), request.schema
        )
        given = call.arguments if call else reply.text
        try:
            value = given if isinstance(given, dict) else json.loads(given)
        except (TypeError, ValueError, RecursionError):
            return reply
        if not isinstance(value, dict):
            return reply
        kind = [*_KINDS, "enum"][int(draw("bad-json kind", self.key) * (len(_KINDS) + 1))]
        text = json.dumps(value, ensure_ascii=False)
        text = _KINDS[kind](text) if kind in _KINDS else _break_enum(text, schema)
        tokens = None if reply.output_tokens is None else count_tokens(text)
        spoilt = replace(reply, output_tokens=tokens, stop=Stop.LENGTH if kind == "cut" else reply.stop)
        if call is None:
            return replace(spoilt, text=text)
        return replace(spoilt, tool_calls=(replace(call, arguments=text), *reply.tool_calls[1:]))


def _break_enum(text: str, schema: object) -> str:
    """The object with a value that its schema does not have; of one without an enum, of another type."""
    value = json.loads(text)
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    enums = [name for name in value if "enum" in properties.get(name, ())]
    name = next(iter([*enums, *value]), "answer")
    value[name] = f"{value[name]} or another" if enums else [value.get(name)]
    return json.dumps(value, ensure_ascii=False)
