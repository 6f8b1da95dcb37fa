"""botocore's shape of a Converse request as a description, with bbkit's own remarks laid over it."""

import dataclasses
from functools import cache
from typing import Any

from bbkit import aws
from bbkit.families.requests import Field

_SIMPLE = {
    "boolean": "boolean",
    "integer": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
}


def converse_field(remarks: Field) -> Field:
    """Describe a Converse body by the service's own model."""
    return _lay_over(_shaped(), remarks)


@cache
def _shaped() -> Field:
    shape = aws.converse_input_shape()
    return Field(
        "object", members={name: _field(one) for name, one in shape.members.items() if name != "modelId"}
    )


def _field(shape: Any) -> Field:
    kind = shape.type_name
    limits = shape.metadata
    if kind == "structure":
        return _record(shape)
    if kind == "list":
        return Field(
            "array", items=_field(shape.member), max_length=limits.get("max"), min_length=limits.get("min")
        )
    if kind == "map":
        held = _field(shape.value)
        return Field(
            "object", open=True, items=held, min_length=limits.get("min"), max_length=limits.get("max")
        )
    if kind == "blob":
        return Field("string", base64=True, min_length=1)
    if kind in _SIMPLE:
        return Field(_SIMPLE[kind], low=limits.get("min"), high=limits.get("max"))
    return Field(
        "string",
        values=tuple(getattr(shape, "enum", ()) or ()),
        min_length=limits.get("min"),
        max_length=limits.get("max"),
    )


def _record(shape: Any) -> Field:
    if shape.is_document_type:
        return Field("any")
    required = shape.required_members
    members = {name: _field(member) for name, member in shape.members.items()}
    members = {
        name: dataclasses.replace(member, required=name in required) for name, member in members.items()
    }
    groups = (tuple(members),) if shape.is_tagged_union else ()
    return Field("object", members=members, exactly_one=groups)


def _lay_over(shaped: Field, remarks: Field) -> Field:
    changes: dict[str, Any] = {"required": shaped.required or remarks.required}
    if remarks.mistakes:
        changes["mistakes"] = remarks.mistakes
        changes["members"] = {
            name: member for name, member in shaped.members.items() if name not in remarks.mistakes
        }
    if remarks.min_length is not None:
        changes["min_length"] = remarks.min_length
    if remarks.blank:
        changes["blank"] = remarks.blank
    if remarks.items is not None and shaped.items is not None:
        changes["items"] = _lay_over(shaped.items, remarks.items)
    if remarks.members:
        members = dict(changes.get("members", shaped.members))
        for name, member in remarks.members.items():
            members[name] = _lay_over(members[name], member)
        changes["members"] = members
    return dataclasses.replace(shaped, **changes)
