"""What the grammar of structured output refuses of a JSON schema, in the service's words.

The list is bbkit's dated data file (bbkit/catalog/data/structured_output.json).
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from bbkit.standin.engines.structures import follow
from bbkit.standin.errors import RecordError
from bbkit.standin.models import MODELS_PATH

_NAMED, _LISTED = ("properties", "$defs", "definitions"), ("anyOf", "allOf", "oneOf", "prefixItems")


@cache
def _grammar() -> dict[str, Any]:
    path = MODELS_PATH.with_name("structured_output.json")
    grammar: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["grammar"]
    return grammar


def check_form(schema: Any, at: str, traits: dict[str, Any]) -> None:
    """Raise the error that a model answers with to being asked for an answer of this schema."""
    if traits.get("structured_output") is False:
        raise RecordError(f"{at}: this model does not support structured output")
    check_grammar(schema, at)


def check_grammar(schema: Any, at: str) -> None:
    """Raise the error of the first thing that the grammar does not take."""
    if not isinstance(schema, dict):
        raise RecordError(f"{at}: Input should be an object")
    for fault in _faults(schema, schema, (), set()):
        raise RecordError(f"{at}: {fault}")


def _faults(schema: Any, root: dict[str, Any], held: tuple[str, ...], done: set[str]) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    grammar, kinds, place = _grammar(), schema.get("type"), schema.get("$ref")
    words = [word for word in schema if word in grammar["refused"]]
    words += ["minItems"] * (schema.get("minItems", 0) not in grammar["min_items"])
    if words:
        yield f"For '{kinds}' type, properties {', '.join(words)} are not supported"
    is_object = "properties" in schema or "object" in (kinds if isinstance(kinds, list) else [kinds])
    if is_object and schema.get("additionalProperties") is not False:
        yield "For 'object' type, 'additionalProperties' must be explicitly set to false"
    if place in held:
        yield f"Circular reference detected in schema definitions: {' -> '.join((*held, str(place)))}"
    elif isinstance(place, str) and not place.startswith(tuple(grammar["references"])):
        yield f"Reference {place[:80]!r} is not supported: only definitions of the schema itself are"
    elif isinstance(place, str) and place not in done:
        yield from _faults(follow(root, place), root, (*held, place), done)
        done.add(place)
    inside = [one for word in _NAMED if isinstance(schema.get(word), dict) for one in schema[word].values()]
    inside += [one for word in _LISTED if isinstance(schema.get(word), list) for one in schema[word]]
    for one in [*inside, schema.get("items")]:
        yield from _faults(one, root, held, done)
