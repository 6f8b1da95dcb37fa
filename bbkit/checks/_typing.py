"""A description turned into a msgspec type: what it accepts has no fault of structure, told in C.

The type is narrower than the description where that is cheaper (media, exclusive groups, open objects):
what it refuses is walked value by value, so it decides speed and never a finding.
"""

import dataclasses
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

import msgspec

from bbkit.families.requests import Field

# msgspec 0.22 crashes when the garbage collector takes a union of struct types; these are made once a family,
# so that keeping them costs little.
_KEPT: list[type] = []
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
    if field.kind == "any":
        return Any
    return _MAKERS[field.kind](field)


def _number(field: Field) -> Any:
    if field.values:
        return Literal[field.values]
    plain: Any = int if field.kind == "integer" else float
    return Annotated[plain, _meta(ge=field.low, le=field.high)]


def _boolean(field: Field) -> Any:
    return None if field.values else bool


def _tagged(field: Field) -> Any:
    made = {name: _struct(variant, field.tag, name) for name, variant in field.variants.items()}
    kept = [name for name, one in made.items() if one is not None]
    if len(kept) == 1:
        # msgspec takes a lone tagged struct without its tag.
        (name,) = kept
        tag = dataclasses.replace(field.variants[name].members[field.tag], values=(name,))
        variant = field.variants[name]
        return _struct(dataclasses.replace(variant, members={**variant.members, field.tag: tag}))
    return _union([made[name] for name in kept])


def _either(field: Field) -> Any:
    return _union([_make(choice) for choice in field.choices])


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


def _array(field: Field) -> Any:
    items: Any = _make(field.items) if field.items is not None else None
    if items is None:
        return None
    return Annotated[list[items], _meta(min_length=field.min_length, max_length=field.max_length)]


def _union(made: list[Any]) -> Any:
    kept = [one for one in made if one is not None]
    return reduce(or_, kept) if kept else None


def _struct(field: Field, tag: str = "", name: str = "") -> Any:
    if not field.members and field.open and not field.mistakes:
        held: Any = Any if field.items is None else _make(field.items)
        if held is None:
            return None
        return Annotated[dict[str, held], _meta(min_length=field.min_length, max_length=field.max_length)]
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
    _KEPT.append(made)
    return made


_MAKERS = {
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
    "array": _array,
    "object": _struct,
    "tagged": _tagged,
    "either": _either,
}
