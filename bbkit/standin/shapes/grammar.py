"""What the grammar of structured output refuses of a JSON schema, in the service's words.

The list is bbkit's dated data file (bbkit/catalog/data/structured_output.json).
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from bbkit.standin.engines.structures import follow
from bbkit.standin.errors import RecordError
from bbkit.standin.tables import read_dated

_OPEN = "For 'object' type, 'additionalProperties' must be explicitly set to false"
_TYPES = ("string", "integer", "number", "boolean", "object", "array", "null")
_LOOP: dict[str, Any] = {}
_PLAIN: dict[str, Any] = {"flag": bool, "text": str, "list": list, "schema": (dict, bool)}


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = read_dated("structured_output")
    words = {word: rule.get("takes", ()) for word, rule in table["words"].items() if rule["refused"]}
    shapes = {word: shape for shape, named in table["shapes"].items() for word in named}
    return table | {"words": words, "shape_of": shapes}


def _fits(shape: str, value: Any) -> bool:
    """Whether a word's value is what JSON Schema has there."""
    match shape:
        case "flag" | "text" | "list" | "schema":
            return isinstance(value, _PLAIN[shape])
        case "number" | "positive" | "count":
            least = {"number": value, "positive": 5e-324, "count": 0}[shape]
            return type(value) in (int, float) and value >= least and (shape != "count" or value % 1 == 0)
        case "names":
            texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
            return texts and len({*value}) == len(value)
        case "type":
            named = [value] if isinstance(value, str) else value
            return named != [] and _fits("names", named) and {*named} <= {*_TYPES}
        case "schemas":
            return isinstance(value, list) and value != [] and all(_fits("schema", one) for one in value)
    inner = "schema" if shape == "named" else "names"
    return isinstance(value, dict) and all(_fits(inner, one) for one in value.values())


def check_form(schema: Any, at: str, traits: dict[str, Any], *, closed: bool = True) -> None:
    """Raise the error that a model answers with to being asked for an answer of this schema."""
    if traits.get("structured_output") is False:
        raise RecordError(f"{at}: this model does not support structured output")
    check_grammar(schema, at, closed=closed)


def refuse_citations(messages: list[dict[str, Any]]) -> None:
    """Raise the error that Claude answers with to citations beside an answer in a form."""
    contents = [message["content"] for message in messages if isinstance(message["content"], list)]
    for block in (block for content in contents for block in content):
        if ((block.get("document") or block).get("citations") or {}).get("enabled") is True:
            raise RecordError("output_config.format: Citations cannot be used with structured outputs")


def check_grammar(schema: Any, at: str, *, closed: bool = True, strict: bool = True) -> None:
    """Refuse what the grammar does not take, `closed` as Claude; if not `strict`, only what is no schema."""
    if not isinstance(schema, dict):
        raise RecordError(f"{at}: Input should be an object")
    counts = {"optional parameters": 0, "parameters with union types": 0}
    for one in _walk(schema, schema, (), set()):
        for fault in _faults(one, schema, closed, strict):
            raise RecordError(f"{at}: {fault}")
        for name, inner in (one.get("properties") or {}).items():
            several = isinstance(inner, dict) and ("anyOf" in inner or isinstance(inner.get("type"), list))
            counts["optional parameters"] += name not in one.get("required", ())
            counts["parameters with union types"] += several
    limits = [limit["most"] for limit in _table()["limits"].values()] if closed and strict else []
    for (named, count), most in zip(counts.items(), limits, strict=False):
        if count > most:
            raise RecordError(f"Schemas contains too many {named} ({count} > limit: {most}).")


def _walk(
    schema: Any, root: dict[str, Any], held: tuple[Any, ...], done: set[int]
) -> Iterator[dict[str, Any]]:
    """Every schema inside, the outer first; where one holds itself, `_LOOP`."""
    if not isinstance(schema, dict) or id(schema) in done:
        return
    yield schema if id(schema) not in held else _LOOP
    if id(schema) in held:
        return
    shaped = [(schema[word], _table()["shape_of"].get(word)) for word in schema]
    inside = [value for value, shape in shaped if shape == "schema"]
    inside += [one for value, shape in shaped if shape == "schemas" for one in value]
    inside += [one for value, shape in shaped if shape == "named" for one in value.values()]
    for one in inside + ([follow(root, schema["$ref"])] if "$ref" in schema else []):
        yield from _walk(one, root, (*held, id(schema)), done)
    done.add(id(schema))


def _faults(schema: dict[str, Any], root: dict[str, Any], closed: bool, strict: bool) -> Iterator[str]:
    shapes = _table()["shape_of"]
    if odd := [word for word in schema if word in shapes and not _fits(shapes[word], schema[word])]:
        said = f"{odd[0]}: {schema[odd[0]]!r} is not valid under any of the given schemas"
        yield f"{said}: JSON schema is invalid. It must match JSON Schema draft 2020-12"
    if not strict:
        return
    if schema is _LOOP:
        yield "Circular reference detected in schema definitions"
    kinds = schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type", "null")]
    taken = _table()["words"]
    if words := [word for word in schema if word in taken and schema[word] not in taken[word]]:
        yield f"For '{kinds[0]}' type, properties {', '.join(words)} are not supported"
    if ("properties" in schema or "object" in kinds) and schema.get(
        "additionalProperties", closed
    ) is not False:
        yield _OPEN
    if any(isinstance(value, dict | list) for value in schema.get("enum") or ()):
        yield "Enum values of objects and arrays are not supported"
    if "$ref" in schema and follow(root, schema["$ref"]) is None:
        yield f"Reference {schema['$ref'][:80]!r} leads nowhere in the schema"
