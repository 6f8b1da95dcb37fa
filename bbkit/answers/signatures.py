"""Signatures: values that a schema cannot tell apart have one, so that it is asked once for all of them."""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from bbkit.families.json_schemas import follow

Sign = Callable[[Any], Any]
Path = tuple[str | int, ...]

_OF_NOBODY = {
    *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "format"),
    *("$comment", "$schema", "$id", "$anchor", "$defs", "definitions", "type"),
}
_OF_OBJECTS = {"properties", "required", "additionalProperties", "minProperties", "maxProperties"}
_OF_ARRAYS = {"items", "minItems", "maxItems"}
_TESTS: dict[str, tuple[tuple[type, ...], Callable[[Any, Any], Any]]] = {
    "minLength": ((str,), lambda least, value: len(value) >= least),
    "maxLength": ((str,), lambda most, value: len(value) <= most),
    "pattern": ((str,), lambda pattern, value: re.search(pattern, value) is not None),
    "minimum": ((int, float), operator.le),
    "maximum": ((int, float), operator.ge),
    "exclusiveMinimum": ((int, float), operator.lt),
    "exclusiveMaximum": ((int, float), operator.gt),
}
"""Words that some types are tested by: the types, and the test of the word's value and a value."""

_MOST_ITEMS = 100
_HUGE = 2**1024 - 2**970
"""The first whole number that no double holds, not even rounded."""


class Unsigned(Exception):
    """Of this value the schema itself must be asked."""


def sign_schema(document: Mapping[str, Any]) -> Sign:
    """Make what signs values; of a schema with words that are not known here it signs none."""
    try:
        return _sign(document, document, ())
    except Unsigned:
        return _sign_none


def walk_values(value: Any) -> Iterator[tuple[Path, Any]]:
    """Every value within a JSON value, with its place, in document order, the outer before the inner."""
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        path, inner = waiting.pop()
        yield path, inner
        kind = type(inner)
        items = inner.items() if kind is dict else enumerate(inner) if kind is list else ()
        waiting += [((*path, step), one) for step, one in items][::-1]


def overflows(value: Any) -> bool:
    """Whether a number is none that a double holds."""
    return type(value) in (int, float) and not -_HUGE < value < _HUGE


def _sign_none(value: Any) -> Any:
    raise Unsigned


def _kind(value: Any) -> Any:
    """The type of a value, of a float whether it is whole."""
    kind = type(value)
    if kind is str or kind is bool:
        return kind
    if kind is int or kind is float:
        if not -_HUGE < value < _HUGE:
            raise Unsigned
        return value.is_integer() if kind is float else kind
    if value and any(overflows(inner) for _, inner in walk_values(value)):
        raise Unsigned
    return kind


def _sign(document: Mapping[str, Any], schema: Any, above: tuple[int, ...]) -> Sign:
    if isinstance(schema, bool):
        return _kind
    if id(schema) in above:
        raise Unsigned
    go = partial(_sign, document, above=(*above, id(schema)))
    base, parts = _sign_containers(schema, go), list[Sign]()
    for word, given in schema.items():
        if word in ("enum", "const"):
            parts.append(_pick(given if word == "enum" else [given]))
        elif word in ("allOf", "anyOf", "oneOf"):
            parts += map(go, given)
        elif word == "$ref":
            parts.append(go(follow(document, given)))
        elif word in _TESTS:
            kinds, test = _TESTS[word]
            parts.append(_holds(kinds, partial(test, given)))
        elif word not in _OF_NOBODY and word not in _OF_OBJECTS and word not in _OF_ARRAYS:
            raise Unsigned
    if len(parts) < 2:
        return _beside(base, parts[0]) if parts else base
    return lambda value: (base(value), *[part(value) for part in parts])


def _beside(base: Sign, part: Sign) -> Sign:
    return lambda value: (base(value), part(value))


def _holds(kinds: tuple[type, ...], test: Callable[[Any], bool]) -> Sign:
    return lambda value: type(value) in kinds and test(value)


def _pick(values: list[Any]) -> Sign:
    """The value itself where it equals a known one: beside its type, ``1`` is not ``true``."""
    if any(isinstance(value, dict | list) for value in values):
        raise Unsigned
    known = dict.fromkeys(values)

    def pick(value: Any) -> Any:
        kind = type(value)
        return value if kind is not dict and kind is not list and value in known else ...

    return pick


def _sign_containers(schema: Mapping[str, Any], go: Callable[[Any], Sign]) -> Sign:
    """What tells apart objects, by their names in order, of which unknown ones are alike, and arrays."""
    containers: dict[type, Sign] = {}
    if not schema.keys().isdisjoint(_OF_OBJECTS):
        if schema.get("additionalProperties", True) not in (True, False, {}):
            raise Unsigned
        known: dict[str, Sign] = dict.fromkeys(schema.get("required", ()), _kind)
        known |= {name: go(inner) for name, inner in schema.get("properties", {}).items()}

        def sign_members(value: dict[str, Any]) -> Any:
            signed: list[Any] = []
            for name, inner in value.items():
                sign = known.get(name)
                signed.append(name if sign else None)
                signed.append(sign(inner) if sign else _kind(inner))
            return tuple(signed)

        containers[dict] = sign_members
    if not schema.keys().isdisjoint(_OF_ARRAYS):
        sign = go(schema.get("items", True))

        def sign_items(value: list[Any]) -> Any:
            if len(value) > _MOST_ITEMS:
                raise Unsigned
            return (list, *[sign(inner) for inner in value])

        containers[list] = sign_items
    get = containers.get
    return (lambda value: get(type(value), _kind)(value)) if containers else _kind
