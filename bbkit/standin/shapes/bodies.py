"""Checks a record's body against a description of it, and words what is wrong as the services do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_JSON_NAMES = {
    str: "String",
    bool: "Boolean",
    int: "Integer",
    float: "Number",
    list: "JSONArray",
    dict: "JSONObject",
}
_SCHEMA_TYPES = {
    "string": "String",
    "integer": "Integer",
    "number": "Number",
    "boolean": "Boolean",
    "array": "JSONArray",
    "object": "JSONObject",
}
_MODEL_TYPES = {
    "string": "a valid string",
    "integer": "a valid integer",
    "number": "a valid number",
    "boolean": "a valid boolean",
    "array": "a valid list",
    "object": "an object",
}
_SCHEMA_WORDS = {
    "required": "{at}: required key [{key}] not found",
    "extra": "{at}: extraneous key [{key}] is not permitted",
    "type": "{at}: expected type: {wanted}, found: {found}",
    "enum": "{at}: {found} is not a valid enum value",
    "tag": "{at}/type: {found} is not a valid enum value",
    "minimum": "{at}: {found} is not greater or equal to {wanted}",
    "maximum": "{at}: {found} is not less or equal to {wanted}",
    "min_size": "{at}: expected minimum item count: {wanted}, found: {found}",
    "max_size": "{at}: expected maximum item count: {wanted}, found: {found}",
    "textmin_size": "{at}: expected minLength: {wanted}, actual: {found}",
    "textmax_size": "{at}: expected maxLength: {wanted}, actual: {found}",
    "one_of": "{at}: {found} subschemas matched instead of one",
}
_MODEL_WORDS = {
    "required": "Field required",
    "extra": "Extra inputs are not permitted",
    "type": "Input should be {wanted}",
    "enum": "Input should be {wanted}",
    "tag": "Input tag {found!r} found using 'type' does not match any of the expected tags: {wanted}",
    "minimum": "Input should be greater than or equal to {wanted}",
    "maximum": "Input should be less than or equal to {wanted}",
    "min_size": "List should have at least {wanted} item(s)",
    "max_size": "List should have at most {wanted} item(s)",
    "textmin_size": "String should have at least {wanted} character(s)",
    "textmax_size": "String should have at most {wanted} character(s)",
    "one_of": "Input should hold exactly one of {wanted}",
}
_CHECKS = {
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
}


class RecordError(Exception):
    """The real model would refuse this record: `code` (HTTP-like) and `message` go to its error line."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Field:
    """What one value of a body may be. `fields` closes an object; `tags` picks its fields by its `type`."""

    kind: str | tuple[str, ...]
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[Any, ...] = ()
    fields: Mapping[str, "Field"] | None = None
    tags: Mapping[str, Mapping[str, "Field"]] | None = None
    items: "Field | None" = None
    min_size: int = 0
    max_size: int | None = None
    one_of: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """The JSON types accepted, as a tuple."""
        return self.kind if isinstance(self.kind, tuple) else (self.kind,)


@dataclass(frozen=True)
class Violation:
    """One thing wrong: where (`path`), which rule, and the rule's own value."""

    path: tuple[str | int, ...]
    rule: str
    found: Any = None
    wanted: Any = None


def find_violations(value: Any, field: Field, path: tuple[str | int, ...] = ()) -> list[Violation]:
    """Everything in `value` that `field` does not allow, in the order of the description."""
    if not any(_CHECKS[kind](value) for kind in field.kinds):
        return [Violation(path, "type", value, field.kinds)]
    if field.enum and value not in field.enum:
        return [Violation(path, "enum", value, field.enum)]
    if isinstance(value, dict):
        return _object_violations(value, field, path)
    found = []
    if isinstance(value, list | str):
        if len(value) < field.min_size:
            found.append(Violation(path, "min_size", value, field.min_size))
        if field.max_size is not None and len(value) > field.max_size:
            found.append(Violation(path, "max_size", value, field.max_size))
        if isinstance(value, list) and field.items is not None:
            for number, item in enumerate(value):
                found += find_violations(item, field.items, (*path, number))
    elif field.minimum is not None and value < field.minimum:
        found.append(Violation(path, "minimum", value, field.minimum))
    elif field.maximum is not None and value > field.maximum:
        found.append(Violation(path, "maximum", value, field.maximum))
    return found


def _object_violations(value: dict[str, Any], field: Field, path: tuple[str | int, ...]) -> list[Violation]:
    fields = field.fields
    if field.tags is not None:
        if "type" not in value:
            return [Violation((*path, "type"), "required")]
        fields = field.tags.get(value["type"]) if isinstance(value["type"], str) else None
        if fields is None:
            return [Violation(path, "tag", value["type"], tuple(field.tags))]
    if fields is None:
        return []
    found = []
    for name, inner in fields.items():
        if name not in value:
            if inner.required:
                found.append(Violation((*path, name), "required"))
        elif value[name] is not None or inner.required:
            found += find_violations(value[name], inner, (*path, name))
    found += [Violation((*path, name), "extra", value[name]) for name in value if name not in fields]
    if field.one_of and not found and sum(name in fields for name in value) != 1:
        found.append(Violation(path, "one_of", tuple(value), tuple(fields)))
    return found


def known(**counts: int | None) -> dict[str, int]:
    """Give the counts that are known, by the names an answer has for them."""
    return {name: count for name, count in counts.items() if count is not None}


def malformed(text: str) -> RecordError:
    """The wording of Bedrock's own body check."""
    return RecordError(400, f"Malformed input request: {text}, please reformat your input and try again.")


def check_schema(body: Any, field: Field) -> None:
    """Raise the error Bedrock's JSON-schema check answers with, when `body` is not as `field` says."""
    found = find_violations(body, field)
    if len(found) > 1:
        raise malformed(f"{len(found)} schema violations found")
    if found:
        raise malformed(_schema_words(found[0]))


def _pointer(path: tuple[str | int, ...]) -> str:
    return "/".join(["#", *map(str, path)])


def _schema_words(violation: Violation) -> str:
    path, found, wanted = violation.path, violation.found, violation.wanted
    if violation.rule in ("required", "extra"):
        return _SCHEMA_WORDS[violation.rule].format(at=_pointer(path[:-1]), key=path[-1])
    kind = "text" if violation.rule.endswith("_size") and isinstance(found, str) else ""
    if violation.rule == "type":
        wanted = _SCHEMA_TYPES[wanted[0]]
        found = _JSON_NAMES.get(type(found), "Null")
    elif violation.rule.endswith("_size") or violation.rule == "one_of":
        found = len(found)
    return _SCHEMA_WORDS[kind + violation.rule].format(at=_pointer(path), found=found, wanted=wanted)


def check_model(body: Any, field: Field) -> None:
    """Raise the error a pydantic-checked model (Anthropic's) answers with: the first thing wrong."""
    found = find_violations(body, field)
    if found:
        raise RecordError(400, _model_words(found[0]))


def _model_words(violation: Violation) -> str:
    found, wanted = violation.found, violation.wanted
    kind = "text" if violation.rule.endswith("_size") and isinstance(found, str) else ""
    if violation.rule == "type":
        wanted = _MODEL_TYPES[wanted[0]]
    elif violation.rule == "enum":
        wanted = " or ".join(map(repr, wanted))
    elif violation.rule in ("tag", "one_of"):
        wanted = ", ".join(map(repr, wanted))
    words = _MODEL_WORDS[kind + violation.rule].format(found=found, wanted=wanted)
    path = ".".join(map(str, violation.path))
    return f"{path}: {words}" if path else words
