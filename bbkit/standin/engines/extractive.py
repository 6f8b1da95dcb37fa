"""The default engine: it quotes whole sentences of the text it is given, the most central ones (tf-idf).

No word of an answer is invented, and no text of the instruction is quoted as material.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from threading import Event
from typing import Any

import numpy as np

from bbkit.standin.engines import (
    Piece,
    Reply,
    Request,
    Stop,
    Tool,
    ToolCall,
    count_input,
    count_tokens,
    cut_tokens,
    split_reply,
)
from bbkit.standin.engines.structures import NOTHING, Builder, refuse
from bbkit.standin.engines.texts import (
    SUMMARY,
    Unit,
    rank_units,
    select_units,
    split_prompt,
    split_units,
    terms_of,
)

MODEL = "bbkit-extractive-1"
_MOST_WORDS, _LEAST_WORDS, _MOST_SENTENCES = 500, 25, 12
_NUMBERS = ("one", "two", "three", "four", "five")
_ASKED_LENGTH = re.compile(rf"\b(\d{{1,3}}|{'|'.join(_NUMBERS)})[ -](sentence|word|bullet|line|point)")


class ExtractiveEngine:
    """Answers by quoting the text it was given; deterministic, one core, no model weights."""

    def answer(self, request: Request, halt: Event | None = None) -> Reply:
        """Quote the sentences that are central to a text, or nearest to what is asked about it."""
        asked = [turn.text for turn in request.turns if turn.role == "user"]
        unread = [media for turn in request.turns for media in turn.media]
        kinds = ", ".join(sorted({media.kind for media in unread}))
        note = f"{len(unread)} not read: {kinds}; this engine reads text only" if unread else ""
        tool = _choose_tool(request)
        prompt, in_prompt = _split_schema("\n\n".join(asked))
        schema = {"type": "object"} | tool.schema if tool else request.schema or in_prompt
        if schema is None:
            text = compose_answer(prompt, request.system, request.max_tokens)
            text = f"({note}.) {text}".rstrip() if note else text
        else:
            text = compose_json(schema, prompt, request.system, note)
        stop, matched = Stop.TOOL_USE if tool else Stop.END, None
        starts = [(text.find(sequence), sequence) for sequence in request.stop_sequences if sequence in text]
        if starts and not tool:
            at, matched = min(starts)
            text, stop = text[:at], Stop.SEQUENCE
        output_tokens = count_tokens(text)
        if request.max_tokens is not None and output_tokens > request.max_tokens:
            text, output_tokens, _ = cut_tokens(text, request.max_tokens)
            stop, matched = Stop.LENGTH, None
        calls = (ToolCall(f"call_{sha256(text.encode()).hexdigest()[:24]}", tool.name, text),) if tool else ()
        tokens = count_input(request), output_tokens
        return Reply("" if tool else text, *tokens, stop, MODEL, matched, tool_calls=calls)

    def speak(self, request: Request, halt: Event | None = None) -> Iterator[Piece | Reply]:
        return split_reply(self.answer(request, halt))


def _split_schema(prompt: str) -> tuple[str, Any]:
    """A prompt without the JSON Schema of an object that it ends in, and that; None where it has none."""
    text = prompt.rstrip()
    for start in re.finditer(r"^\{", text, re.M) if text.endswith("}") else ():
        with suppress(ValueError, RecursionError):
            schema, end = json.JSONDecoder().raw_decode(text, start.start())
            if end == len(text) and "properties" in schema:
                return text[: start.start()], schema
    return prompt, None


def _choose_tool(request: Request) -> Tool | None:
    """The tool that must be called: by its name, or of several the one that the text is most about."""
    if request.tool_choice != "any":
        return next((tool for tool in request.tools if tool.name == request.tool_choice), None)
    named = {tool.name: tool for tool in request.tools}
    values = [{"const": name, "description": tool.description} for name, tool in named.items()]
    units = [unit for turn in request.turns for unit in split_units(turn.text)]
    return named[Builder({}, units).build({"anyOf": values})[0]] if values else None


def compose_json(schema: Any, prompt: str, system: str, note: str) -> str:
    """The answer to a prompt as a schema asks for it, before `max_tokens` cuts it."""
    units = split_units(split_prompt(prompt)[1] or split_prompt(system)[1] or prompt)
    try:
        value, _ = Builder(schema, units, [note] if note else []).build(schema)
    except RecursionError:
        refuse("that holds itself")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, re.error):
        refuse("that is none")
    return json.dumps(value, ensure_ascii=False)


def compose_answer(prompt: str, system: str = "", max_tokens: int | None = None) -> str:
    """The whole answer to a prompt, before `max_tokens` cuts it."""
    asked, text = split_prompt(prompt)
    if not text:
        system, text = split_prompt(system)
    units, instruction = split_units(text), f"{system}\n{asked}".lower()
    if not units:
        said = prompt.split()
        return f"{NOTHING} It asked: “{' '.join(said[:40])}{' ...' * (len(said) > 40)}”"
    is_summary = not asked or SUMMARY.search(instruction)
    near = np.zeros(len(units)) if is_summary else rank_units(units, terms_of(instruction))
    scores = near if near.any() else rank_units(units)
    order = np.argsort(-scores, kind="stable").tolist()
    words, opening = _budget(units, max_tokens), ""
    if is_summary:  # what a text begins with, and what comes of it
        first, half, most, needed = order[0], len(units) / 2, _MOST_SENTENCES, 2
        order = [first, *[row for row in order if (row < half) != (first < half)][:1], *order]
    else:
        order, most, needed = [row for row in order if 2 * scores[row] >= scores.max()], 4, 1
        found = "Nearest to the request:" if near.any() else "No sentence is near the request:"
        opening = f"This engine only quotes. {found} "
    if length := _ASKED_LENGTH.search(instruction):
        number = int(length[1]) if length[1].isdigit() else _NUMBERS.index(length[1]) + 1
        words, most = (number, most) if length[2] == "word" else (words, max(number, 1))
    return opening + _join(units, select_units(units, order, words, most, needed), "bullet" in instruction)


def _budget(units: list[Unit], max_tokens: int | None) -> int:
    """Words an answer may have: grows with the text, slower than it; smaller where few tokens are allowed."""
    spoken = sum(unit.size for unit in units)
    words = max(min(8 + round(0.9 * float(spoken**0.68)), _MOST_WORDS), _LEAST_WORDS)
    return words if max_tokens is None else min(words, max(round(0.6 * max_tokens), _LEAST_WORDS))


def _join(units: list[Unit], rows: list[int], bullets: bool) -> str:
    """The quoted units as text; a speaker's label is not repeated before the same speaker's next sentence."""
    parts, before = [], ""
    for row in rows:
        text, label = units[row][:2]
        text += " …" * text[-1].isalnum()
        parts.append(f"{label}: {text}" if label and (bullets or label != before) else text)
        before = label
    return "\n".join(f"- {part}" for part in parts) if bullets else " ".join(parts)
