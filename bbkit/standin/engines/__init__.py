"""Engines: what answers the records of a job, whatever the model's family.

A shape reads a body into a `Request`, an engine answers it with a `Reply`, and the shape writes that down.
The extractive engine quotes what it was given; the openai engine asks another server. Tokens are counted by
a small tokenizer of our own: real counts of its pieces, close to (not equal to) those of the vendors.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event
from typing import Any, NamedTuple, Protocol

# Pieces join up to exactly the text they came from.
_PIECES = re.compile(
    r" ?[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # scripts written without spaces: one character a piece
    r"| ?[^\W\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{1,7}"
    r"| ?\d{1,3}"
    r"| ?(?:[^\w\s]|_){1,3}"
    r"|\s+"
    r"|."
)


class Stop(StrEnum):
    END = "stop"
    LENGTH = "length"
    SEQUENCE = "stop_sequence"
    TOOL_USE = "tool_use"
    FILTERED = "content_filter"


@dataclass(frozen=True)
class Media:
    """A part of a turn that is not text: an image, a document in a binary format, video or audio."""

    kind: str
    format: str
    data: bytes | None = None
    name: str = ""


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool; its arguments as they came, decoded or as the text they were written in."""

    id: str
    name: str
    arguments: Any

    @property
    def input(self) -> Any:
        """The arguments decoded, as most families give them; text that is no JSON object stays text."""
        if not isinstance(self.arguments, str):
            return self.arguments
        try:
            value = json.loads(self.arguments or "{}", parse_constant=int)
        except (ValueError, RecursionError):
            return self.arguments
        return value if isinstance(value, dict) else self.arguments

    def to_openai(self) -> dict[str, Any]:
        """Write the call in the OpenAI shape: its arguments are a JSON string."""
        arguments = self.arguments
        written = arguments if isinstance(arguments, str | None) else json.dumps(arguments)
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": written}}


@dataclass(frozen=True)
class ToolResult:
    """What a tool gave back for the call of that id."""

    id: str
    text: str


@dataclass(frozen=True)
class Tool:
    """A tool the model may call; `schema` is the JSON schema of its arguments."""

    name: str
    description: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """One turn of the conversation. `role` is 'user' or 'assistant'."""

    role: str
    text: str
    media: tuple[Media, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()


@dataclass(frozen=True)
class Request:
    """A record's body, read: what any engine needs to answer it."""

    turns: tuple[Turn, ...]
    system: str = ""
    max_tokens: int | None = None
    stop_sequences: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> Any:
        """The JSON schema that the text of the answer is asked to fit; None where it may be any text."""
        form = self.options.get("response_format") or {}
        anything = {"properties": {"answer": {"type": "string"}}, "required": ["answer"]}
        is_free = form.get("type") == "json_object"
        return anything if is_free else (form.get("json_schema") or {}).get("schema")


@dataclass(frozen=True)
class Reply:
    """An engine's answer; token counts are None when unknown."""

    text: str
    input_tokens: int | None
    output_tokens: int | None
    stop: str
    model: str
    stop_sequence: str | None = None
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    cache_read_tokens: int | None = None

    @property
    def fresh_tokens(self) -> int | None:
        """Input tokens that came from no cache: what most families report as input."""
        if self.input_tokens is None:
            return None
        return self.input_tokens - (self.cache_read_tokens or 0)

    @property
    def total_tokens(self) -> int | None:
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


class Piece(NamedTuple):
    """Some of an answer while it is made: of its text, its reasoning, or the arguments of a call."""

    kind: str  # text, reasoning or call
    text: str
    model: str
    call_id: str = ""
    name: str = ""


class Interrupted(Exception):
    """An engine was halted before it had answered."""


class Engine(Protocol):
    def answer(self, request: Request, halt: Event | None = None) -> Reply:
        """Answer one request; `EngineError` when it cannot, `Interrupted` when `halt` ends its waits."""
        ...


class SpeakingEngine(Engine, Protocol):
    def speak(self, request: Request, halt: Event | None = None) -> Iterator[Piece | Reply]:
        """Answer piece by piece; last comes the whole."""
        ...


def count_tokens(text: str) -> int:
    return len(_PIECES.findall(text))


def cut_tokens(text: str, limit: int) -> tuple[str, int, bool]:
    """The longest start of `text` of at most `limit` pieces, its pieces, and whether that cut it."""
    pieces = _PIECES.findall(text)
    if len(pieces) <= limit:
        return text, len(pieces), False
    return "".join(pieces[:limit]), limit, True


def count_input(request: Request) -> int:
    """The tokens of all text that a request has an engine read."""
    read = [request.system, *(turn.text for turn in request.turns)]
    read += [result.text for turn in request.turns for result in turn.tool_results]
    read += [json.dumps(one) for one in (request.schema, *(tool.schema for tool in request.tools)) if one]
    return sum(map(count_tokens, read))


def split_reply(reply: Reply) -> Iterator[Piece | Reply]:
    """Speak an answer that is there already, token by token."""
    for kind, text in (("reasoning", reply.reasoning), ("text", reply.text)):
        yield from (Piece(kind, piece, reply.model) for piece in _PIECES.findall(text))
    for call in reply.tool_calls:
        arguments = call.to_openai()["function"]["arguments"]
        for piece in _PIECES.findall(arguments or "") or [""]:
            yield Piece("call", piece, reply.model, call.id, call.name)
    yield reply
