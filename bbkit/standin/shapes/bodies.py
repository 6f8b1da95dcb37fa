"""Checks the bodies of records against their descriptions, and words what is wrong as the services do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from bbkit.standin.errors import RecordError
from bbkit.standin.tables import read_table

Place = tuple[str | int, ...]

# The published patterns below backtrack exponentially or to a high power in Python's re; these accept the
# same language (job names and tokens under their length limits, which are checked first).
_LINEAR = {
    r"[a-zA-Z0-9]{1,63}(-*[a-zA-Z0-9\+\-\.]){0,63}": r"[a-zA-Z0-9][a-zA-Z0-9+.-]*",
    r"[a-zA-Z0-9]{1,256}(-*[a-zA-Z0-9]){0,256}": r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?",
}

_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


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
    pattern: str = ""
    open: bool = False  # other names than those of `fields` are passed over
    named: str = ""  # as a service names the kind


@cache
def describe(name: str) -> Field:
    """Give the description of that name; bodies.json says how it is written."""
    return _read(read_table("shapes/bodies")["bodies"][name])


def _read(given: Any) -> Field:
    if isinstance(given, str):
        return describe(given) if given in read_table("shapes/bodies")["bodies"] else Field(given)
    if isinstance(given, dict):
        return Field("object", fields=_read_fields(given))
    kind, rules = given[0], dict(given[1])
    if "items" in rules:
        rules["items"] = _read(rules["items"])
    if "fields" in rules:
        rules["fields"] = _read_fields(rules["fields"])
    if "like" in rules:
        shared, without = describe(rules.pop("like")).fields or {}, rules.pop("without")
        kept = {name: field for name, field in shared.items() if name not in without}
        rules["fields"] = kept | rules["fields"]
    if "tags" in rules:
        read = {tag: _read(fields).fields or {} for tag, fields in rules["tags"].items()}
        rules["tags"] = {tag: {"type": Field("string"), **fields} for tag, fields in read.items()}
    return Field(kind, **rules | {"enum": tuple(rules.get("enum", ()))})


def _read_fields(fields: Mapping[str, Any]) -> dict[str, Field]:
    return {
        name.removesuffix("!"): replace(_read(given), required=name.endswith("!"))
        for name, given in fields.items()
    }


@dataclass(frozen=True)
class Violation:
    """One thing wrong: where (`path`), which rule, and the rule's own value."""

    path: Place
    rule: str
    found: Any = None
    wanted: Any = None


def find_violations(value: Any, field: Field, path: Place = ()) -> list[Violation]:
    """Everything in `value` that `field` does not allow, in the order of the description."""
    kind, kinds = _kind_of(value), field.kind.split("|")
    if kind not in kinds and not (kind == "integer" and "number" in kinds):
        known = kinds == ["any"]
        return [] if known else [Violation(path, "type", value, field.named or kinds[0])]
    if field.enum and value not in field.enum:
        return [Violation(path, "enum", value, field.enum)]
    violations = _object_violations(value, field, path) if isinstance(value, dict) else []
    if isinstance(value, list | str | dict):
        if len(value) < field.min_size:
            violations.append(Violation(path, "min_size", value, field.min_size))
        if field.max_size is not None and len(value) > field.max_size:
            violations.append(Violation(path, "max_size", value, field.max_size))
        if isinstance(value, str):
            # A string of the wrong length is not matched: length bounds what a pattern can cost.
            if field.pattern and not violations and not compile_pattern(field.pattern).fullmatch(value):
                violations.append(Violation(path, "pattern", value, field.pattern))
        elif field.items is not None:
            for at, item in value.items() if isinstance(value, dict) else enumerate(value):
                violations += find_violations(item, field.items, (*path, at))
    elif field.minimum is not None and value < field.minimum:
        violations.append(Violation(path, "minimum", value, field.minimum))
    elif field.maximum is not None and value > field.maximum:
        violations.append(Violation(path, "maximum", value, field.maximum))
    return violations


def _kind_of(value: Any) -> str:
    return _KINDS.get(type(value), "null")


def _object_violations(value: dict[str, Any], field: Field, path: Place) -> list[Violation]:
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
        if name not in value or (field.named and value[name] is None):
            if inner.required:
                violations.append(Violation((*path, name), "required"))
        elif value[name] is not None or inner.required:
            violations += find_violations(value[name], inner, (*path, name))
    if not field.open:
        others = [name for name in value if name not in fields]
        violations += [Violation((*path, name), "extra", value[name]) for name in others]
    if field.one_of and (field.named or not violations):
        given = [name for name in value if value[name] is not None and (name in fields or not field.open)]
        if len(given) != 1:
            violations.append(Violation(path, "one_of", tuple(value), tuple(fields)))
    return violations


@cache
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A published pattern, or one that accepts the same and takes linear time."""
    return re.compile(_LINEAR.get(pattern, pattern))


def known(**values: Any) -> dict[str, Any]:
    """Give the values that are known, by these names."""
    return {name: value for name, value in values.items() if value is not None}


def answer_format(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def malformed(text: str) -> RecordError:
    """The wording of Bedrock's own body check."""
    return RecordError(f"Malformed input request: {text}, please reformat your input and try again.")


def check_schema(body: Any, name: str) -> None:
    """Raise the error Bedrock's JSON-schema check answers with, when a body is not as described."""
    violations = find_violations(body, describe(name))
    if len(violations) > 1:
        raise malformed(f"{len(violations)} schema violations found")
    if violations:
        raise malformed(_schema_words(violations[0]))


def _schema_words(violation: Violation) -> str:
    path, rule, found, wanted = violation.path, violation.rule, violation.found, violation.wanted
    key = path[-1] if rule in ("required", "extra") else None
    if rule == "type":
        types = read_table("shapes/bodies")["types"]["schema"]
        wanted, found = types[wanted], types[_kind_of(found)]
    words = _words("schema", violation)
    if rule.endswith("_size") or rule == "one_of":
        found = len(found)
    at = "/".join(["#", *map(str, path if key is None else path[:-1])])
    return words.format(at=at, key=key, found=found, wanted=wanted)


def _words(style: str, violation: Violation) -> str:
    is_text = violation.rule.endswith("_size") and isinstance(violation.found, str)
    words: str = read_table("shapes/bodies")["words"][style]["text" * is_text + violation.rule]
    return words


def model_words(violation: Violation) -> str:
    """What a pydantic-checked model (Anthropic's) says of a violation."""
    rule, wanted = violation.rule, violation.wanted
    if rule == "type":
        wanted = read_table("shapes/bodies")["types"]["model"][wanted]
    elif rule in ("enum", "tag", "one_of"):
        wanted = (" or " if rule == "enum" else ", ").join(map(repr, wanted))
    words = _words("model", violation).format(found=violation.found, wanted=wanted)
    path = ".".join(map(str, violation.path))
    return f"{path}: {words}" if path else words


def place_of(path: Place) -> str:
    """A place as AWS's services name it: ``messages.1.member.content``."""
    return ".".join(f"{at + 1}.member" if isinstance(at, int) else at for at in path) or "body"


def service_words(violation: Violation) -> str:
    """What AWS's services say of a violation."""
    wanted = violation.wanted
    wanted = ", ".join(wanted) if isinstance(wanted, tuple) else wanted
    return _words("service", violation).format(at=place_of(violation.path), wanted=wanted)
