"""JSON Schema (Draft 2020-12) as a graph: which schemas a document holds, and where its references lead."""

from collections import deque
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import unquote

Path = tuple[str | int, ...]

_ONE = ("items", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contains",
        "propertyNames", "not", "if", "then", "else")  # fmt: skip
_SEVERAL = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
IN_PLACE = ("not", "if", "then", "else", "allOf", "anyOf", "oneOf", "dependentSchemas")
"""Words whose schemas look at the same value: what comes back to itself through them alone never ends."""


def inner_schemas(schema: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """The schemas right below one, each with its place; what else a document holds is no schema."""
    for word, inner in schema.items():
        if word in _ONE:
            yield (word,), inner
        elif word in _SEVERAL and isinstance(inner, list):
            yield from (((word, position), part) for position, part in enumerate(inner))
        elif word in _NAMED and isinstance(inner, Mapping):
            yield from (((word, name), part) for name, part in inner.items())


def walk_schema(
    document: Mapping[str, Any], *, references: bool = True
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every schema of a document that is an object, the outer before the inner, and what references reach."""
    seen, waiting = set(), deque[tuple[Path, Any]]([((), document)])
    while waiting:
        path, schema = waiting.popleft()
        if not isinstance(schema, Mapping) or id(schema) in seen:
            continue
        seen.add(id(schema))
        yield path, schema
        waiting += [((*path, *place), inner) for place, inner in inner_schemas(schema)]
        if references and "$ref" in schema:
            waiting.append(((*path, "$ref"), follow(document, schema["$ref"])))


def follow(document: Mapping[str, Any], place: Any) -> Any:
    """What a reference within a document leads to, a pointer or an anchor; None where that is nothing."""
    if not isinstance(place, str) or not place.startswith("#"):
        return None
    if place[1:2] not in ("", "/"):
        schemas = (schema for _, schema in walk_schema(document, references=False))
        return next((schema for schema in schemas if schema.get("$anchor") == place[1:]), None)
    found: Any = document
    for part in place.split("/")[1:]:
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            found = found[int(name)] if name.isdecimal() and int(name) < len(found) else None
        else:
            found = found.get(name) if isinstance(found, Mapping) else None
    return found


def find_loop(document: Mapping[str, Any], *, in_place: bool = False) -> Path | None:
    """The place of a schema that leads back to itself; `in_place` alone, for the same value without end."""
    places = {id(schema): (path, schema) for path, schema in walk_schema(document)}
    graph = {
        one: [id(inner) for place, inner in inner_schemas(schema) if not in_place or place[0] in IN_PLACE]
        + [id(follow(document, schema.get("$ref")))]
        for one, (_, schema) in places.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return min((places[one][0] for one in error.args[1]), key=len)
    return None
