"""The events of an answer that comes piece by piece, as events.json has them of each family."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from bbkit.standin.engines import Piece, Reply, Stop
from bbkit.standin.shapes.bodies import known
from bbkit.standin.tables import read_table

METRICS = "amazon-bedrock-invocationMetrics"
_ABSENT = object()


def write_events(
    family: str,
    pieces: Iterable[Piece | Reply],
    write: Callable[[Reply], dict[str, Any]],
    input_tokens: int,
    kinds: Iterable[str] = ("text", "reasoning", "call"),
) -> Iterator[dict[str, Any]]:
    """Turn pieces, and the reply they end in, into events; `write` makes the answer that comes whole.

    `input_tokens` is what a start tells, which comes before an engine that waits has told its own count.
    """
    began = time.monotonic()
    events = read_table("shapes/events")[family]
    events = read_table("shapes/events")[events["like"]] | events if "like" in events else events
    coming = iter(pieces)
    first = next(coming)
    first_ms = round(1000 * (time.monotonic() - began))
    values = write(Reply("", input_tokens, 0, Stop.END, first.model))
    frame, opened, index, calls, count = events.get("frame", {}), None, -1, -1, 0

    def fill(templates: Iterable[Any], **more: Any) -> Iterator[dict[str, Any]]:
        return (_fill(frame | one, values | more | {"index": index, "call": calls}) for one in templates)

    def closes(kind: str) -> Any:
        return events[kind].get("close", events.get("close", ()))

    yield from fill(events.get("start", ()))
    for piece in chain([first], coming):
        if isinstance(piece, Reply):
            reply = piece
            continue
        if piece.kind not in kinds or piece.kind not in events:
            continue
        templates = events[piece.kind]
        if opened != (piece.kind, piece.call_id):
            if opened:
                yield from fill(closes(opened[0]))
            opened, index = (piece.kind, piece.call_id), index + 1
            calls += piece.kind == "call"
            yield from fill(templates.get("open", ()), call_id=piece.call_id, name=piece.name)
        count += 1
        yield from fill([templates["piece"]] if piece.text else (), piece=piece.text, count=count)
    if opened:
        yield from fill(closes(opened[0]))
    values = write(reply) | {name: values[name] for name in ("id", "created") if name in values}
    *others, last = fill(events["end"])
    yield from others
    if family != "converse":
        tokens = known(
            inputTokenCount=reply.fresh_tokens,
            outputTokenCount=reply.output_tokens,
            cacheReadInputTokenCount=reply.cache_read_tokens,
        )
        taken = round(1000 * (time.monotonic() - began))
        last[METRICS] = tokens | {"invocationLatency": taken, "firstByteLatency": first_ms}
    yield last


def _fill(template: Any, values: Any) -> Any:
    if isinstance(template, dict):
        filled = {name: _fill(inner, values) for name, inner in template.items()}
        return {name: value for name, value in filled.items() if value is not _ABSENT}
    if isinstance(template, list):
        return [_fill(inner, values) for inner in template]
    if not isinstance(template, str) or not template.startswith("$"):
        return template
    for place in template[1:].split("."):
        if isinstance(values, list):
            values = values[int(place)]
        else:
            values = values.get(place, _ABSENT)
        if values is _ABSENT:
            return _ABSENT
    return values
