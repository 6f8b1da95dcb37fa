"""JSON Schema (Draft 2020-12): what a document holds, where its references lead, what services refuse of it.

What is refused is dated data, ``catalog/data/structured_output.json``, with a source for each word.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import unquote

import msgspec

from bbkit.core.files import read_data
from bbkit.core.finding import Finding, make_finding
from bbkit.core.text import name_some, one_line
from bbkit.families.traits import Model
from bbkit.families.values import as_dict

Path = tuple[str | int, ...]

TYPES = ("string", "integer", "number", "boolean", "object", "array", "null")
_SHAPES: dict[str, list[str]] = read_data("structured_output")["shapes"]
_ONE, _SEVERAL, _NAMED = _SHAPES["schema"], _SHAPES["schemas"], _SHAPES["named"]
_IN_PLACE = ("not", "if", "then", "else", "allOf", "anyOf", "oneOf", "dependentSchemas")
"""Words whose schemas look at the same value: what comes back to itself through them alone never ends."""


def format_path(path: Any) -> str:
    """A place in JSON as ``items[2].price``, names that are no identifiers as ``["a.b"]``."""
    parts = [
        f".{part}" if isinstance(part, str) and part.isidentifier() else f"[{json.dumps(part)}]"
        for part in path
    ]
    return "".join(parts).removeprefix(".")


def map_schemas(schema: Mapping[str, Any], change: Callable[[Path, Any], Any]) -> dict[str, Any]:
    """A copy whose schemas right below are changed, each known by its place; the rest is no schema."""
    made = dict(schema)
    for word, inner in schema.items():
        if word in _ONE:
            made[word] = change((word,), inner)
        elif word in _SEVERAL and isinstance(inner, list):
            made[word] = [change((word, position), part) for position, part in enumerate(inner)]
        elif word in _NAMED and isinstance(inner, Mapping):
            made[word] = {name: change((word, name), part) for name, part in inner.items()}
    return made


def _inner_schemas(schema: Mapping[str, Any]) -> list[tuple[Path, Any]]:
    found: list[tuple[Path, Any]] = []
    map_schemas(schema, lambda place, inner: found.append((place, inner)))
    return found


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
        waiting += [((*path, *place), inner) for place, inner in _inner_schemas(schema)]
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


def resolve(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema with what its own references lead to written out; what stands beside them goes before."""
    while (to := follow(document, schema.get("$ref"))) is not None:
        own = {word: value for word, value in schema.items() if word != "$ref"}
        schema = {**to, **own} if isinstance(to, Mapping) else own
    return schema


def find_loop(document: Mapping[str, Any], *, in_place: bool = False) -> Path | None:
    """The place of a schema that leads back to itself; `in_place` alone, for the same value without end."""
    places = {id(schema): (path, schema) for path, schema in walk_schema(document)}
    graph = {
        one: [id(inner) for place, inner in _inner_schemas(schema) if not in_place or place[0] in _IN_PLACE]
        + [id(follow(document, schema.get("$ref")))]
        for one, (_, schema) in places.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return min((places[one][0] for one in error.args[1]), key=len)
    return None


def is_object(schema: Mapping[str, Any]) -> bool:
    """Whether a schema describes an object, alone or among other types."""
    kinds = schema.get("type")
    return "properties" in schema or "object" in (kinds if isinstance(kinds, list) else [kinds])


def find_rule(word: str, value: Any) -> Mapping[str, Any]:
    """What is known of a word that structured output does not take; empty for one that it takes."""
    rule: Mapping[str, Any] = read_data("structured_output")["words"].get(word, {})
    return {} if "takes" in rule and value in rule["takes"] else rule


def _is_names(value: Any) -> bool:
    texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return texts and len(set(value)) == len(value)


def _is_type(value: Any) -> bool:
    kinds = value if isinstance(value, list) else [value]
    return bool(kinds) and _is_names(kinds) and set(kinds) <= set(TYPES)


def _is_schema(value: Any) -> bool:
    return isinstance(value, dict | bool)


_FITS: dict[str, Callable[[Any], bool]] = {
    "flag": lambda value: isinstance(value, bool),
    "text": lambda value: isinstance(value, str),
    "number": lambda value: type(value) in (int, float),
    "positive": lambda value: type(value) in (int, float) and value > 0,
    "count": lambda value: type(value) in (int, float) and value >= 0 and value % 1 == 0,
    "list": lambda value: isinstance(value, list),
    "names": _is_names,
    "names_of": lambda value: isinstance(value, dict) and all(map(_is_names, value.values())),
    "type": _is_type,
    "schema": _is_schema,
    "schemas": lambda value: isinstance(value, list) and bool(value) and all(map(_is_schema, value)),
    "named": lambda value: isinstance(value, dict) and all(map(_is_schema, value.values())),
}
_FITS_WORD = {word: _FITS[shape] for shape, words in _SHAPES.items() for word in words}


def schema_faults(schema: Any, path: str, *, closed: bool = True, strict: bool = True) -> tuple[Finding, ...]:
    """What structured output refuses of a schema or its text; where `closed`, also what Claude does of open
    objects and of many choices; where not `strict`, only what is no JSON Schema.
    """
    try:
        text = schema if isinstance(schema, str) else msgspec.json.encode(schema).decode()
    except (UnicodeEncodeError, RecursionError):
        return ()  # said of the whole line
    return _text_faults(text, path, closed, strict)


@lru_cache(maxsize=256)
def _text_faults(text: str, path: str, closed: bool, strict: bool) -> tuple[Finding, ...]:
    """The faults of a schema, which in each record are the same."""
    try:
        schema = json.loads(text)
        if isinstance(schema, dict):
            return tuple(_faults(schema, path, closed, strict))
    except (ValueError, RecursionError):
        pass
    return (make_finding("schema_refused.not_json", path),)


def _faults(document: dict[str, Any], path: str, closed: bool, strict: bool) -> Iterator[Finding]:
    places: dict[str, list[tuple[Path, str]]] = {"shape": [], "words": [], "open": [], "values": []}
    rules: list[Mapping[str, Any]] = []
    for place, schema in walk_schema(document):
        odd = [word for word in schema if word in _FITS_WORD and not _FITS_WORD[word](schema[word])]
        places["shape"] += [(place, f"{word} {one_line(json.dumps(schema[word]), 40)} at ") for word in odd]
        if not strict or odd:
            continue
        for word, value in schema.items():
            if (rule := find_rule(word, value)).get("refused"):
                places["words"].append((place, f"{word} at "))
                rules.append(rule)
        if is_object(schema) and schema.get("additionalProperties", closed) is not False:
            places["open"].append((place, ""))
        if any(isinstance(value, dict | list) for value in schema.get("enum", ())):
            places["values"].append((place, ""))
        if "$ref" in schema and follow(document, schema["$ref"]) is None:
            places.setdefault("reference", []).append((place, f"{str(schema['$ref'])[:80]!r} at "))
    if strict and (loop := find_loop(document)) is not None:
        places["recursive"] = [(loop, "")]
    sources = [read_data("structured_output")["sources"][rule["source"]] for rule in rules[:1]]
    fields = as_dict(document.get("properties"))
    shown = f"{path} of {name_some(fields)}" if fields else path
    if closed and strict:
        yield from _limit_faults(document, path, shown)
    for text, found in places.items():
        if found:
            named = [f"{word}{format_path(place) or 'its top'}"[:120] for place, word in found]
            more = f" and {len(named) - 3:,} more" if len(named) > 3 else ""
            said = {
                "where": ", ".join(named[:3]) + more,
                "source": ", ".join(value for one in sources for value in one.values()),
            }
            fault = make_finding(f"schema_refused.{text}", shown, **said)
            first = format_path(("", *found[0][0])).removeprefix('[""]')
            yield fault._replace(path=path + first)


def _limit_faults(document: dict[str, Any], path: str, shown: str) -> Iterator[Finding]:
    known, counts = read_data("structured_output"), {"optional": 0, "unions": 0}
    for _, schema in walk_schema(document):
        fields, required = as_dict(schema.get("properties")), schema.get("required", [])
        counts["optional"] += len(fields.keys() - set(required)) if _is_names(required) else 0
        inner = [as_dict(one) for one in fields.values()]
        counts["unions"] += sum("anyOf" in one or isinstance(one.get("type"), list) for one in inner)
    for kind, count in counts.items():
        limit = known["limits"][kind]
        if count > limit["most"]:
            source = ", ".join(known["sources"][limit["source"]].values())
            fault = make_finding("schema_refused.many", shown, count=count, **limit | {"source": source})
            yield fault._replace(path=path)


def format_faults(
    given: Any, path: str, place: str, model: Model, *, closed: bool = True
) -> Iterator[Finding]:
    """What a model refuses of being asked for an answer in a form: the asking, or the schema within it."""
    takes, form = model.traits.structured_output, as_dict(given)
    if form and takes is not True and (model.known or takes is not None):
        text = "disputed" if takes else "unknown" if takes is None else "refused"
        yield make_finding(f"structured_output.{text}", path, model=model)
    schema: Any = form
    for name in place.split("."):
        schema = as_dict(schema).get(name)
    if isinstance(schema, dict | str):
        yield from schema_faults(schema, f"{path}.{place}", closed=closed)
