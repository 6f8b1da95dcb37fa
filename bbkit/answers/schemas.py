"""The schema of an answer: whatever form a user has it in becomes one JSON Schema document, or an error."""

import dataclasses
import json
import math
import re
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, is_typeddict

import msgspec

from bbkit.core.errors import InputError, require_extras
from bbkit.core.text import one_line, whole_characters
from bbkit.families.json_schemas import TYPES, find_loop, follow, format_path, resolve, walk_schema

_TYPES: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_DTYPES = {"string": "string", "integer": "Int64", "number": "Float64", "boolean": "boolean"}
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_COLUMN = (
    "A column is str, int, float or bool, each also | None, a list of values, or [type] for an array. "
    'A JSON Schema has "type": "object" on top, and is what a notebook takes as text: {"type": "object", '
    '"properties": {"reason": {"type": "string"}}, "required": ["reason"]}.'
)
_FORMS = (
    "A schema is columns, such as {'queue': ['bank', 'telecom'], 'reason': str}, a JSON Schema, its path or "
    "text, or a dataclass, TypedDict, msgspec.Struct or pydantic model."
)


def is_given(schema: Any, structured: str = "auto") -> bool:
    """Tell whether there is a schema: neither None nor empty text, as a notebook's parameter has it."""
    given = schema is not None and not (isinstance(schema, str) and not schema.strip())
    if not given and structured not in ("auto", ""):
        why = f"structured is {structured!r}, and there is no schema that could be asked for so."
        raise InputError(f"{why} Pass schema=, or leave structured at 'auto'.")
    return given


def read_schema(schema: Any) -> dict[str, Any]:
    """Read the schema of an answer, in any of its forms, as a JSON Schema document.

    Parameters
    ----------
    schema : mapping, str, Path or class
        Columns with their types or values; a JSON Schema (a mapping with ``"type": "object"``, or with a key
        that begins with ``$``); the path of a JSON file, or text that begins with ``{``; a dataclass,
        TypedDict, msgspec.Struct, or what has ``model_json_schema()``, as pydantic's models do.

    Returns
    -------
    dict
        A document of Draft 2020-12 (https://json-schema.org/draft/2020-12) whose top is an object, as it was
        written; columns are all required, and no other is allowed.

    Raises
    ------
    bbkit.core.errors.InputError
        What is no schema, with the place in it.
    bbkit.core.errors.ExtraError
        If jsonschema (``bbkit[schemas]``) is not installed.
    """
    document = read_document(schema)
    load_validator(document)
    return document


def read_document(schema: Any) -> dict[str, Any]:
    """The document of a schema in any of its forms; `load_validator` judges it."""
    try:
        given = _parse(schema_bytes(schema)) if isinstance(schema, str | Path) else schema
        if isinstance(given, type) or hasattr(given, "model_json_schema"):
            given = _of_class(given)
        if not isinstance(given, Mapping) or not given:
            raise InputError(f"schema is {_show(given)}. {_FORMS}")
        kinds = given.get("type")
        # A list of types that holds object is no column of such values.
        is_types = isinstance(kinds, list) and "object" in kinds and all(kind in TYPES for kind in kinds)
        is_document = kinds == "object" or is_types or any(str(name).startswith("$") for name in given)
        document: dict[str, Any] = _plain(given if is_document else _of_columns(given), ())
    except RecursionError:
        raise _too_deep() from None
    return document


def schema_bytes(schema: Any) -> bytes:
    """A schema as it is kept: what a file or a user's text holds, byte for byte, else its document."""
    if not isinstance(schema, str | Path):
        return (json.dumps(read_schema(schema), ensure_ascii=False, indent=2) + "\n").encode()
    if isinstance(schema, str) and schema.lstrip("\ufeff \t\r\n").startswith("{"):
        return schema.encode("utf-8", "backslashreplace")
    try:
        return Path(schema).read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        named = f"schema names {str(schema)!r:.200}, which cannot be read ({why})."
        raise InputError(f"{named} {_FORMS}") from None


def list_fields(document: Mapping[str, Any]) -> dict[str, str]:
    """The fields of an answer in their order, each with the dtype of its column; ``json`` is JSON text."""
    fields = {}
    for name, schema in resolve(document, document).get("properties", {}).items():
        kinds = _kinds(document, schema) - {"null"}
        kinds -= {"integer"} if "number" in kinds else set()
        fields[name] = _DTYPES.get(kinds.pop(), "json") if len(kinds) == 1 else "json"
    return fields


def list_closed(document: Mapping[str, Any]) -> list[str]:
    """The fields that hold one of the values the schema lists, or nothing, and never another text."""

    def is_closed(schema: Any) -> bool:
        found = resolve(schema, document)
        parts = found.get("anyOf") or found.get("oneOf") or ()
        listed = "enum" in found or "const" in found or found.get("type") == "null"
        return listed or (bool(parts) and all(map(is_closed, parts)))

    fields = resolve(document, document).get("properties", {})
    return [
        name for name, kind in list_fields(document).items() if kind == "string" and is_closed(fields[name])
    ]


def load_validator(document: Mapping[str, Any]) -> Any:
    """Make a validator, which looks for nothing elsewhere, of a document; stop at what is no schema."""
    jsonschema, registry = _import_jsonschema()
    try:
        _validate(document, jsonschema)
    except RecursionError:
        raise _too_deep() from None
    return jsonschema.Draft202012Validator(document, registry=registry)


def _import_jsonschema() -> tuple[Any, Any]:
    """jsonschema, without the grammar of IRIs that it would build for a `format` that is not asserted."""
    require_extras("An answer of a schema", "schemas")
    grammar = "rfc3987_syntax"
    blocked = "jsonschema" not in sys.modules and sys.modules.setdefault(grammar, None) is None  # type: ignore[arg-type]
    try:
        import jsonschema
        from referencing import Registry
    finally:
        if blocked:
            del sys.modules[grammar]
    return jsonschema, Registry()  # an empty one, which fetches nothing


def _parse(text: bytes) -> Any:
    """JSON text as it stands; what repeats a name or holds NaN is none."""

    def refuse(what: object) -> None:
        raise ValueError(f"it holds {what}")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            refuse(f"{next(name for name in names if names.count(name) > 1)!r} twice")
        return found

    try:
        return json.loads(text.decode("utf-8-sig"), object_pairs_hook=unique, parse_constant=refuse)
    except ValueError as error:
        raise InputError(f"The schema is no JSON ({error}). {_FORMS}") from None


def _plain(value: Any, path: tuple[str | int, ...]) -> Any:
    """A copy that holds nothing but what JSON has."""
    if isinstance(value, Mapping):
        if odd := [name for name in value if not isinstance(name, str)]:
            raise _fault(path, f"the name {odd[0]!r:.40} is no text")
        return {_plain(name, path): _plain(inner, (*path, name)) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, (*path, position)) for position, inner in enumerate(value)]
    if isinstance(value, str) and whole_characters(value) != value:
        raise _fault(path, f"{value!r:.60} holds half of a surrogate pair, which is no text")
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise _fault(path, f"{_show(value)} is no value that JSON has")


def _of_class(given: Any) -> Any:
    own, name = getattr(given, "model_json_schema", None), getattr(given, "__name__", type(given).__name__)
    if not (
        own or dataclasses.is_dataclass(given) or is_typeddict(given) or issubclass(given, msgspec.Struct)
    ):
        raise InputError(f"schema is the class {name}. {_FORMS}")
    try:
        return own() if own else msgspec.json.schema(given)
    except (TypeError, ValueError, NameError, RuntimeError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"No schema can be made of the class {name}: {why}. {_FORMS}") from None


def _of_columns(columns: Mapping[Any, Any]) -> dict[str, Any]:
    properties = {name: _of_column(given, name) for name, given in columns.items()}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _of_column(given: Any, name: Any) -> dict[str, Any]:
    origin, inner = get_origin(given), get_args(given)
    if isinstance(given, type) and given in _TYPES:
        return {"type": _TYPES[given]}
    if origin in (Union, types.UnionType) and len(inner) == 2 and type(None) in inner:
        found = _of_column(next(one for one in inner if one is not type(None)), name)
        return found if isinstance(found["type"], list) else found | {"type": [found["type"], "null"]}
    if origin is list:
        return {"type": "array", "items": _of_column(inner[0], name)}
    if isinstance(given, list) and len(given) == 1 and not isinstance(given[0], str | int | float | None):
        return {"type": "array", "items": _of_column(given[0], name)}
    kinds = _value_kinds(given) if isinstance(given, list) else set()
    if not kinds - {"null"} or not kinds <= {*_DTYPES, "null"}:
        raise _fault((name,), f"the column is {_show(given)}", _COLUMN)
    if len(set(map(json.dumps, given))) < len(given):
        raise _fault((name,), f"the values {_show(given)} hold one twice", "Write each value once.")
    kinds -= {"integer"} if "number" in kinds else set()
    ordered = [kind for kind in (*_DTYPES, "null") if kind in kinds]
    return {"type": ordered if len(ordered) > 1 else ordered[0], "enum": list(given)}


def _validate(document: Mapping[str, Any], jsonschema: Any) -> None:
    """Stop at what is no schema of Draft 2020-12, is no object on top, or leads elsewhere or nowhere."""
    for path, schema in walk_schema(document):
        for word, value in schema.items():
            _validate_word(document, word, value, (*path, word))
    try:
        jsonschema.Draft202012Validator.check_schema(document)
    except jsonschema.SchemaError as error:
        if (place := list(error.path))[-1:] == ["type"]:
            known = f"Types are {', '.join(TYPES)}."
            raise _fault(place, f"{error.instance!r:.60} is no type", known) from None
        raise _fault(place, error.message[:300]) from None
    if (loop := find_loop(document, in_place=True)) is not None:
        raise _fault(loop, "the schema leads back to itself without end")
    top = resolve(document, document)
    if top.get("type") != "object":
        why = f"the type is {top.get('type')!r:.40}" if "type" in top else "there is no type"
        raise _fault((), why, 'An answer is an object: write "type": "object".')
    for name in list_fields(document):
        if not name.strip():
            raise _fault(("properties", name), "the field has no name, and so has its column", "Name it.")


def require_satisfiable(document: Mapping[str, Any]) -> None:
    """Stop at what nothing fits: no value to choose from, or a required name that a closed object refuses."""
    for path, schema in walk_schema(document):
        if schema.get("enum") == []:
            remedy = "Write its values, or leave enum out."
            raise _fault((*path, "enum"), "there is no value, so nothing fits", remedy)
        patterns, known = schema.get("patternProperties", ()), schema.get("properties", ())
        for name in schema.get("required", ()) if schema.get("additionalProperties") is False else ():
            if name not in known and not any(re.search(each, name) for each in patterns):
                why = f"{name!r:.60} is required and may not be there, so nothing fits"
                remedy = "Put it under properties, or leave additionalProperties out."
                raise _fault((*path, "required"), why, remedy)


def _validate_word(document: Mapping[str, Any], word: str, value: Any, path: tuple[Any, ...]) -> None:
    """Stop at a word whose value no description of the draft judges."""
    if word == "$schema" and (not isinstance(value, str) or value.rstrip("#") != _DRAFT):
        raise _fault(path, f"the draft is {value!r:.80}", f"Write the schema in the words of {_DRAFT}.")
    if word == "$dynamicRef" or (word == "$ref" and follow(document, value) is None):
        raise _fault(path, f"{value!r:.80} is nowhere in the schema", "Put it under $defs: #/$defs/NAME.")
    if word == "$id" and len(path) > 1:
        raise _fault(path, "an inner schema has an address of its own", "Put it under $defs, without $id.")
    patterns = {"pattern": [value], "patternProperties": list(value) if isinstance(value, Mapping) else []}
    for pattern in patterns.get(word, ()):
        try:
            re.compile(pattern)
        except (re.error, TypeError, OverflowError) as error:
            why = f"{pattern!r:.60} is no pattern ({error})"
            raise _fault(path, why, "Write it as Python's re has it.") from None


def _too_deep() -> InputError:
    return InputError(f"The schema is nested too deep to be read. {_FORMS}")


def _show(value: Any) -> str:
    return one_line(repr(value), 60)


def _fault(path: Any, why: str, remedy: str = f"See {_DRAFT}.") -> InputError:
    return InputError(f"Cannot use the schema: at {format_path(path) or 'its top'}, {why}. {remedy}")


def _kinds(document: Mapping[str, Any], schema: Any) -> set[str]:
    """The JSON types that a schema allows; ``any`` where it does not say."""
    found = resolve(schema, document) if isinstance(schema, Mapping) else {}
    kinds, values = found.get("type"), found.get("enum", [found["const"]] if "const" in found else [])
    if isinstance(kinds, str):
        return {kinds}
    if values:
        return _value_kinds(values)
    if kinds:
        return set(kinds)
    word = next((word for word in ("anyOf", "oneOf", "allOf") if found.get(word)), "")
    several: set[str] = set().union(*(_kinds(document, part) for part in found.get(word, ())))
    return several - ({"any"} if word == "allOf" else set()) or {"any"}


def _value_kinds(values: list[Any]) -> set[str]:
    return {"null" if value is None else _TYPES.get(type(value), "any") for value in values}
