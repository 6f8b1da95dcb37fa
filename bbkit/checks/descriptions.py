"""What a body is described by: botocore's shape of a Converse request made a description, and a description
made a msgspec type.

What a type accepts has no fault of structure, told in C. It is narrower than its description where that is
cheaper (media, exclusive groups, open objects): what it refuses is walked value by value, so it decides speed
and never a finding.
"""

from collections.abc import Iterable
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import replace

from bbkit import aws
from bbkit.families.requests import Field, read_field

_NUMBERS = {"long": "integer", "float": "number", "double": "number"}


def converse_field(remarks: Field, extra: Field | None = None) -> Field:
    """Describe a Converse body by the service's own model, the family's remarks and what the model takes."""
    laid = _lay_over(_shaped(), remarks)
    own = {"additionalModelRequestFields": extra} if extra else {}
    return replace(laid, members={**laid.members, **own})


@cache
def _shaped() -> Field:
    return _field(aws.converse_input_shape())


def _field(shape: Any) -> Field:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    match shape.type_name:
        case "structure" if not shape.is_document_type:
            members = {
                name: replace(_field(member), required=name in shape.required_members)
                for name, member in shape.members.items()
            }
            return Field(members=members, exactly_one=(tuple(members),) if shape.is_tagged_union else ())
        case "structure":
            return Field("any")
        case "boolean" | "integer" | "long" | "float" | "double" as kind:
            return Field(_NUMBERS.get(kind, kind), low=least, high=most)
        case "list":
            own = Field("array", items=_field(shape.member))
        case "map":
            own = Field(open=True, items=_field(shape.value))
        case "blob":
            return read_field("base64")
        case _:
            own = Field("string", values=tuple(getattr(shape, "enum", ()) or ()))
    return replace(own, min_length=least, max_length=most)


def _lay_over(shaped: Field, remarks: Field) -> Field:
    said = {name: value for name in ("mistakes", "min_length", "blank") if (value := getattr(remarks, name))}
    if remarks.items is not None and shaped.items is not None:
        said["items"] = _lay_over(shaped.items, remarks.items)
    members = {name: one for name, one in shaped.members.items() if name not in remarks.mistakes}
    laid = {name: _lay_over(members[name], remark) for name, remark in remarks.members.items()}
    required = shaped.required or remarks.required
    return replace(shaped, required=required, members=members | laid, **said)


# msgspec 0.22 crashes when the garbage collector takes a union of struct types; these are made once a family,
# so that keeping them costs little.
_MADE: list[type] = []
_NEVER = Literal["\0 a name that is known to be wrong"]
_BODIES: dict[str, Any] = {}


def body_type(name: str, field: Field) -> Any:
    """The type of the bodies of a family and variant of that name, made once; None where there is none."""
    if name not in _BODIES:
        made = _make(field)
        try:
            if made is not None:
                msgspec.convert({}, made)
        except TypeError:
            made = None
        except msgspec.ValidationError:
            pass
        _BODIES[name] = made
    return _BODIES[name]


def _make(field: Field) -> Any:
    made: Any = None
    match field.kind:
        case "any":
            made = Any
        case "string":
            made = _string(field)
        case "integer" | "number" if field.values:
            made = Literal[field.values]
        case "integer":
            made = Annotated[int, _meta(ge=field.low, le=field.high)]
        case "number":
            made = Annotated[float, _meta(ge=field.low, le=field.high)]
        case "boolean":
            made = None if field.values else bool
        case "array":
            made = _holder(list, field)
        case "either":
            made = _union(map(_make, field.choices))
        case "tagged":
            made = _tagged(field)
        case "object":
            made = _object(field)
    return made


def _holder(kind: Any, field: Field) -> Any:
    """A list, or an object of any names, whose items are of one type."""
    items: Any = Any if field.items is None else _make(field.items)
    if items is None:
        return None
    held = list[items] if kind is list else dict[str, items]
    return Annotated[held, _meta(min_length=field.min_length, max_length=field.max_length)]


def _tagged(field: Field) -> Any:
    made = {name: _object(variant, field.tag, name) for name, variant in field.variants.items()}
    usable = [name for name, one in made.items() if one is not None]
    if len(usable) == 1:
        # msgspec takes a lone tagged struct without its tag.
        (name,) = usable
        tag = replace(field.variants[name].members[field.tag], values=(name,))
        variant = field.variants[name]
        return _object(replace(variant, members={**variant.members, field.tag: tag}))
    return _union(made.values())


def _meta(**limits: Any) -> Any:
    return msgspec.Meta(**{name: limit for name, limit in limits.items() if limit is not None})


def _string(field: Field) -> Any:
    if field.prefix or field.base64:
        return None
    if field.values:
        return Literal[field.values]
    if field.mistakes:
        return None
    pattern = r"\S" if field.blank else None
    return Annotated[str, _meta(min_length=field.min_length, max_length=field.max_length, pattern=pattern)]


def _union(made: Iterable[Any]) -> Any:
    usable = [one for one in made if one is not None]
    return reduce(or_, usable) if usable else None


def _object(field: Field, tag: str = "", name: str = "") -> Any:
    if not field.members and field.open and not field.mistakes:
        return _holder(dict, field)
    alone = {member for group in field.exactly_one for member in group[:1]}
    left_out = {member for group in (*field.exactly_one, *field.at_most_one) for member in group[1:]}
    members: list[tuple[str, Any, Any]] = []
    for member, described in field.members.items():
        if member == tag or member in left_out:
            continue
        kind = _make(described)
        must = described.required or member in alone
        if kind is None and must:
            return None
        if kind is not None:
            members.append((member, kind, msgspec.field(default=msgspec.NODEFAULT if must else None)))
    if field.open:
        members += [(mistake, _NEVER, msgspec.field(default=None)) for mistake in field.mistakes]
    members.sort(key=lambda one: one[2].default is None)
    options: dict[str, Any] = {"tag_field": tag, "tag": name} if tag else {}
    made = msgspec.defstruct(
        name or "Body", members, forbid_unknown_fields=not field.open, gc=False, **options
    )
    _MADE.append(made)
    return made
