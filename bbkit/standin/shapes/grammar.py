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

_OPEN = "For 'object' type, 'additionalProperties' must be explicitly set to false"
_TYPES = ("string", "integer", "number", "boolean", "object", "array", "null")
_ONE, _SEVERAL = ("items", "contains", "additionalProperties", "unevaluatedItems"), ("anyOf", "allOf")
_NAMED = ("properties", "$defs", "definitions")


@cache
def _words() -> dict[str, Any]:
    table = json.loads(MODELS_PATH.with_name("structured_output.json").read_text(encoding="utf-8"))
    return {word: rule.get("takes", ()) for word, rule in table["words"].items() if rule["refused"]}


def check_form(schema: Any, at: str, traits: dict[str, Any], *, closed: bool = True) -> None:
    """Raise the error that a model answers with to being asked for an answer of this schema."""
    if traits.get("structured_output") is False:
        raise RecordError(f"{at}: this model does not support structured output")
    check_grammar(schema, at, closed=closed)


def check_grammar(schema: Any, at: str, *, closed: bool = True) -> None:
    """Refuse what the grammar does not take; `closed`: objects must say that they are, as Claude demands."""
    if not isinstance(schema, dict):
        raise RecordError(f"{at}: Input should be an object")
    for fault in _faults(schema, schema, (), set(), closed):
        raise RecordError(f"{at}: {fault}")


def _faults(
    schema: Any, root: dict[str, Any], held: tuple[Any, ...], done: set[int], closed: bool
) -> Iterator[str]:
    if not isinstance(schema, dict) or id(schema) in done:
        return
    if id(schema) in held:
        yield "Circular reference detected in schema definitions"
        return
    kinds = schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type", "null")]
    if words := [word for word in schema if word in _words() and schema[word] not in _words()[word]]:
        yield f"For '{kinds[0]}' type, properties {', '.join(words)} are not supported"
    if unknown := [kind for kind in kinds if kind not in _TYPES]:
        yield f"{unknown[0]!r} is not valid under any of the given schemas: JSON schema is invalid"
    is_object = "properties" in schema or "object" in kinds
    if is_object and schema.get("additionalProperties", closed) is not False:
        yield _OPEN
    if any(isinstance(value, dict | list) for value in schema.get("enum") or ()):
        yield "Enum values of objects and arrays are not supported"
    inside = [schema.get(word) for word in _ONE]
    inside += [one for word in _SEVERAL if isinstance(schema.get(word), list) for one in schema[word]]
    inside += [one for word in _NAMED if isinstance(schema.get(word), dict) for one in schema[word].values()]
    if "$ref" in schema:
        inside.append(follow(root, str(schema["$ref"])))
        if inside[-1] is None:
            yield f"Reference {str(schema['$ref'])[:80]!r} leads nowhere in the schema"
    for one in inside:
        yield from _faults(one, root, (*held, id(schema)), done, closed)
    done.add(id(schema))
