"""Describes the bodies records may have, checks them, and words what is wrong as the services do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bbkit.standin.errors import RecordError

Path = tuple[str | int, ...]

_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
_SCHEMA_TYPES = {
    "string": "String",
    "integer": "Integer",
    "number": "Number",
    "boolean": "Boolean",
    "array": "JSONArray",
    "object": "JSONObject",
    "null": "Null",
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


@dataclass(frozen=True)
class Field:
    """What one value of a body may be. `fields` closes an object; `tags` picks its fields by its `type`."""

    kind: str  # JSON types, "|" between them
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


def described(fields: Mapping[str, Any], *, one_of: bool = False) -> Field:
    """Describe an object that has these fields and no others.

    A field is a `Field`, the names of its JSON types, or the fields of an object; "name!" is required.
    """
    return Field("object", fields=_read_fields(fields), one_of=one_of)


def tagged(tags: Mapping[str, Mapping[str, Any]]) -> Field:
    """Describe an object whose `type` says which fields it has."""
    return Field(
        "object", tags={tag: _read_fields({"type": "string", **fields}) for tag, fields in tags.items()}
    )


def array(items: "Field | str", **rules: Any) -> Field:
    """Describe an array of such items."""
    return Field("array", items=items if isinstance(items, Field) else Field(items), **rules)


def _read_fields(fields: Mapping[str, Any]) -> dict[str, Field]:
    read = {}
    for name, given in fields.items():
        if isinstance(given, Field):
            field = given
        else:
            field = described(given) if isinstance(given, Mapping) else Field(given)
        read[name.removesuffix("!")] = replace(field, required=True) if name.endswith("!") else field
    return read


POSITIVE = Field("integer", minimum=1)
SHARE = Field("number", minimum=0, maximum=1)


@dataclass(frozen=True)
class Violation:
    """One thing wrong: where (`path`), which rule, and the rule's own value."""

    path: Path
    rule: str
    found: Any = None
    wanted: Any = None


def find_violations(value: Any, field: Field, path: Path = ()) -> list[Violation]:
    """Everything in `value` that `field` does not allow, in the order of the description."""
    kind, kinds = _kind_of(value), field.kind.split("|")
    if kind not in kinds and not (kind == "integer" and "number" in kinds):
        return [Violation(path, "type", value, kinds[0])]
    if field.enum and value not in field.enum:
        return [Violation(path, "enum", value, field.enum)]
    if isinstance(value, dict):
        return _object_violations(value, field, path)
    violations = []
    if isinstance(value, list | str):
        if len(value) < field.min_size:
            violations.append(Violation(path, "min_size", value, field.min_size))
        if field.max_size is not None and len(value) > field.max_size:
            violations.append(Violation(path, "max_size", value, field.max_size))
        if isinstance(value, list) and field.items is not None:
            for number, item in enumerate(value):
                violations += find_violations(item, field.items, (*path, number))
    elif field.minimum is not None and value < field.minimum:
        violations.append(Violation(path, "minimum", value, field.minimum))
    elif field.maximum is not None and value > field.maximum:
        violations.append(Violation(path, "maximum", value, field.maximum))
    return violations


def _kind_of(value: Any) -> str:
    return _KINDS.get(type(value), "null")


def _object_violations(value: dict[str, Any], field: Field, path: Path) -> list[Violation]:
    fields = field.fields
    if field.tags is not None:
        if "type" not in value:
            return [Violation((*path, "type"), "required")]
        fields = field.tags.get(value["type"]) if isinstance(value["type"], str) else None
        if fields is None:
            return [Violation(path, "tag", value["type"], tuple(field.tags))]
    if fields is None:
        return []
    violations = []
    for name, inner in fields.items():
        if name not in value:
            if inner.required:
                violations.append(Violation((*path, name), "required"))
        elif value[name] is not None or inner.required:
            violations += find_violations(value[name], inner, (*path, name))
    violations += [Violation((*path, name), "extra", value[name]) for name in value if name not in fields]
    if field.one_of and not violations and sum(one is not None for one in value.values()) != 1:
        violations.append(Violation(path, "one_of", tuple(value), tuple(fields)))
    return violations


def known(**values: Any) -> dict[str, Any]:
    """Give the values that are known, by these names."""
    return {name: value for name, value in values.items() if value is not None}


def answer_format(schema: Any) -> dict[str, Any]:
    """Ask an engine for an answer of this JSON schema."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def malformed(text: str) -> RecordError:
    """The wording of Bedrock's own body check."""
    return RecordError(f"Malformed input request: {text}, please reformat your input and try again.")


def check_schema(body: Any, field: Field) -> None:
    """Raise the error Bedrock's JSON-schema check answers with, when `body` is not as `field` says."""
    violations = find_violations(body, field)
    if len(violations) > 1:
        raise malformed(f"{len(violations)} schema violations found")
    if violations:
        raise malformed(_schema_words(violations[0]))


def _schema_words(violation: Violation) -> str:
    path, rule, found, wanted = violation.path, violation.rule, violation.found, violation.wanted
    if rule in ("required", "extra"):
        return _SCHEMA_WORDS[rule].format(at=_pointer(path[:-1]), key=path[-1])
    words = _SCHEMA_WORDS[_rule_for(found, rule)]
    if rule == "type":
        wanted, found = _SCHEMA_TYPES[wanted], _SCHEMA_TYPES[_kind_of(found)]
    elif rule.endswith("_size") or rule == "one_of":
        found = len(found)
    return words.format(at=_pointer(path), found=found, wanted=wanted)


def _pointer(path: Path) -> str:
    return "/".join(["#", *map(str, path)])


def _rule_for(found: Any, rule: str) -> str:
    return f"text{rule}" if rule.endswith("_size") and isinstance(found, str) else rule


def check_model(body: Any, field: Field) -> None:
    """Raise the error a pydantic-checked model (Anthropic's) answers with: the first thing wrong."""
    found = find_violations(body, field)
    if found:
        raise RecordError(model_words(found[0]))


def model_words(violation: Violation) -> str:
    """What a pydantic-checked model says of a violation."""
    rule, found, wanted = violation.rule, violation.found, violation.wanted
    if rule == "type":
        wanted = _MODEL_TYPES[wanted]
    elif rule in ("enum", "tag", "one_of"):
        wanted = (" or " if rule == "enum" else ", ").join(map(repr, wanted))
    words = _MODEL_WORDS[_rule_for(found, rule)].format(found=found, wanted=wanted)
    path = ".".join(map(str, violation.path))
    return f"{path}: {words}" if path else words
