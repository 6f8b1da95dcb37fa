"""The default engine: a dialogue-aware extractive summarizer.

It quotes. Sentences are ranked by how central they are to the conversation (tf-idf), by cues for the issue
on the customer's side and for the resolution on the agent's; courtesies, identity checks and near-duplicates
count for little. No word of an answer is invented, and no text of the instruction is quoted as material.
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
    cues,
    cut_tokens,
    split_reply,
)
from bbkit.standin.engines.conversations import (
    Unit,
    assign_roles,
    find_source,
    split_units,
    trim_leading,
    words_of,
)
from bbkit.standin.engines.structures import NOTHING, Builder, refuse

MODEL = "bbkit-extractive-1"
_LIGHT = cues.STOP_WORDS | cues.COURTESY_WORDS | cues.PROCEDURE_WORDS
_MOST_WORDS, _LEAST_WORDS = 500, 25
_COURTESY = re.compile(r"\b(?:" + "|".join(map(re.escape, cues.COURTESY_PHRASES)) + ")")
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "ten": 10}
_COUNT = r"\d{1,3}|" + "|".join(_NUMBERS)
_ASKED_LENGTH = re.compile(
    rf"\b(?:({_COUNT})\s*(?:-|–|to|or)\s*)?({_COUNT})[ -](sentence|word|bullet|line|point)s?\b", re.I
)


class ExtractiveEngine:
    """Answers by quoting the text it was given; deterministic, one core, no model weights."""

    def answer(self, request: Request, halt: Event | None = None) -> Reply:
        """Quote the sentences that summarize the conversation, or that are nearest to what was asked."""
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
    units = split_units([("", turn.text) for turn in request.turns])
    return named[Builder({}, units, lambda *_: []).build({"anyOf": values})[0]] if values else None


def compose_json(schema: Any, prompt: str, system: str, note: str) -> str:
    """The answer to a prompt as a schema asks for it, before `max_tokens` cuts it."""
    turns = find_source(prompt).turns or find_source(system).turns or [("", prompt)]
    units, roles = split_units(turns), assign_roles(turns)

    def quote(query: str, most: int) -> list[str]:
        if not units:
            return []
        summary = any(stem in query.lower() for stem in cues.SUMMARY_STEMS)
        scores = rank_units(units, roles, query="" if summary else query)
        near = np.where(scores >= scores.max() / (4 if summary else 2), scores, -1)
        rows = select_units(units, near, 60, most + 2 * summary, [int(near.argmax())])
        return [trim_leading(units[row].text) for row in rows if near[row] >= 0]

    try:
        value, _ = Builder(schema, units, quote, [note] if note else []).build(schema)
    except RecursionError:
        refuse("that holds itself")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, re.error):
        refuse("that is none")
    return json.dumps(value, ensure_ascii=False)


def compose_answer(prompt: str, system: str = "", max_tokens: int | None = None) -> str:
    """The whole answer to a prompt, before `max_tokens` cuts it."""
    request, turns = find_source(prompt)
    if not turns and system:
        request, turns = prompt, find_source(system).turns
    instruction = f"{system}\n{request}"
    units = split_units(turns)
    lower = instruction.lower()
    wants_summary = any(stem in lower for stem in cues.SUMMARY_STEMS)
    bare = not words_of(request)
    if not units or (bare and not wants_summary and len(units) < 4 and not turns[0][0]):
        words = prompt.split()
        quoted = " ".join(words[:40]) + " ..." * (len(words) > 40)
        return f"{NOTHING} It asked: “{quoted}”"
    if wants_summary or bare:
        return _summarize(units, assign_roles(turns), lower, max_tokens)
    return _quote(units, instruction, max_tokens)


def _quote(units: list[Unit], instruction: str, max_tokens: int | None) -> str:
    """The sentences nearest to a request that is not for a summary, said to be no more than that."""
    scores = rank_units(units, {}, query=instruction)
    best = float(scores.max())
    opening = "This engine only quotes. Nearest to the request: "
    if best <= 0:
        scores = rank_units(units, {})
        opening = "This engine only quotes, and no sentence is near the request: "
    near = [unit for unit, score in zip(units, scores, strict=True) if score >= best / 2]
    near_scores = scores[scores >= best / 2]
    return opening + _join(near, select_units(near, near_scores, _budget(units, max_tokens), 4))


def _summarize(units: list[Unit], roles: dict[str, str], instruction: str, max_tokens: int | None) -> str:
    scores = rank_units(units, roles)
    words, sentences, bullets = _budget(units, max_tokens), 12, "bullet" in instruction
    asked = _ASKED_LENGTH.search(instruction)
    if asked:
        number = int(asked[2]) if asked[2].isdigit() else _NUMBERS[asked[2].lower()]
        if asked[3].lower() == "word":
            words = min(words, max(number, 8))
        else:
            sentences = max(number, 1)
    chosen = select_units(units, scores, words, sentences, _required(units, scores, roles))
    return _join(units, chosen, bullets)


def rank_units(units: list[Unit], roles: dict[str, str], query: str = "") -> np.ndarray:
    """A score for every unit: its centrality (or nearness to `query`), plus cues for issue and resolution."""
    vocabulary: dict[str, int] = {}
    terms, rows = [], []
    content = np.zeros(len(units))
    seen: set[tuple[str, ...]] = set()
    for row, unit in enumerate(units):
        content_words = {word for word in unit.words if word not in _LIGHT}
        sentence = tuple(unit.words[:6])
        if len(unit.words) > 3 and sentence in seen:
            continue  # a formula said again: it must not pull the centre towards itself
        seen.add(sentence)
        content[row] = len(content_words)
        terms += [vocabulary.setdefault(word, len(vocabulary)) for word in content_words]
        rows += [row] * len(content_words)
    if not terms:
        return np.linspace(1.0, 0.5, len(units))
    term, row_of = np.asarray(terms), np.asarray(rows)
    frequency = np.bincount(term, minlength=len(vocabulary))
    rarity = np.log1p(len(units) / frequency)
    if query:
        interest = np.zeros(len(vocabulary))
        interest[[vocabulary[word] for word in words_of(query) if word in vocabulary]] = 1.0
    else:
        interest = frequency.astype(float)
    centre = interest * rarity
    weight = rarity[term]
    norms = np.sqrt(np.bincount(row_of, weight**2, len(units))) + 1e-9
    centrality = np.bincount(row_of, weight * centre[term], len(units)) / norms
    scores: np.ndarray = centrality / (centrality.max() + 1e-9) * np.minimum(1.0, content / 4.0)
    return scores if query else scores + _cue_scores(units, roles)


def _cue_scores(units: list[Unit], roles: dict[str, str]) -> np.ndarray:
    bonus = np.zeros(len(units))
    last = max(len(units) - 1, 1)
    for row, unit in enumerate(units):
        role = roles.get(unit.label, "")
        words = set(unit.words)
        place = row / last
        if not unit.label:
            bonus[row] += 0.15 * (1 - place)  # prose leads with what matters
        issue = min(len(words & cues.ISSUE_WORDS), 3) * {"customer": 1.0, "": 0.6}.get(role, 0.15)
        resolution = min(len(words & cues.RESOLUTION_WORDS), 3) * {"agent": 1.0, "": 0.6}.get(role, 0.15)
        bonus[row] = 0.12 * issue * (1.3 - place) + 0.12 * resolution * (0.5 + 0.5 * place)
        spelled = 2 * sum(map(str.isdigit, unit.words)) > len(unit.words)
        if spelled or words & cues.PROCEDURE_WORDS or (unit.asks and role == "agent"):
            bonus[row] -= 0.25
        bonus[row] -= 0.4 * len(words & cues.COURTESY_WORDS) / len(words)
        if _COURTESY.search(unit.text.lower()):
            bonus[row] -= 0.3
    return bonus


def _required(units: list[Unit], scores: np.ndarray, roles: dict[str, str]) -> list[int]:
    """What happened and what was done: the best units of the customer and then the agent."""
    half = len(units) / 2
    picks = []
    for role, early in (("customer", True), ("agent", False)):
        rows = [r for r, u in enumerate(units) if roles.get(u.label, role) == role and (r < half) == early]
        if rows:
            picks.append(max(rows, key=lambda r: scores[r]))
    return picks


def _budget(units: list[Unit], max_tokens: int | None) -> int:
    """Words an answer may have: grows with the call, slower than it; smaller where few tokens are allowed."""
    spoken = sum(len(unit.words) for unit in units)
    words = max(min(8 + round(0.9 * float(spoken**0.68)), _MOST_WORDS), _LEAST_WORDS)
    return words if max_tokens is None else min(words, max(round(0.6 * max_tokens), _LEAST_WORDS))


def select_units(
    units: list[Unit], scores: np.ndarray, words: int, sentences: int, required: list[int] | None = None
) -> list[int]:
    """Rows of the units to quote, in reading order: best first, no near-duplicates, within `words`."""
    needed = required or []
    order = [*needed, *np.argsort(-scores, kind="stable").tolist()]
    chosen: list[int] = []
    seen: list[set[str]] = []
    remaining = words
    for place, row in enumerate(order):
        unit = units[row]
        room = remaining + words if place < len(needed) else remaining
        content = {word for word in unit.words if word not in _LIGHT}
        if chosen and (row in chosen or len(unit.words) > room or not content):
            continue
        if any(len(content & other) > 0.6 * min(len(content), len(other)) for other in seen):
            continue
        chosen.append(row)
        seen.append(content)
        remaining -= len(unit.words)
        if len(chosen) >= sentences or (remaining < 4 and place >= len(needed) - 1):
            break
    return sorted(chosen)


def _join(units: list[Unit], rows: list[int], bullets: bool = False) -> str:
    """The quoted units as text; a speaker's label is not repeated before the same speaker's next sentence."""
    parts: list[str] = []
    before = ""
    for row in rows:
        text, label = trim_leading(units[row].text), units[row].label
        if text[-1].isalnum():
            text += "。" if "\u3040" <= text[-1] <= "\u9fff" else "."
        shown = f"{label}: {text}" if label and (bullets or label != before) else text
        parts.append(shown)
        before = label
    return "\n".join(f"- {part}" for part in parts) if bullets else " ".join(parts)
