"""Requests described as data: which members a body has, which are required, their types and ranges.

`bbkit.checks` reads these descriptions; nothing here looks at a body. They are dated data,
``catalog/data/families.json``, whose note says how they are written.
"""

from collections.abc import Mapping
from functools import cache, reduce
from operator import getitem
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from bbkit.core.files import read_data


class Mistake(NamedTuple):
    """A name or value that is known to be wrong, and what to do about it."""

    remedy: str
    rule: str = "known_mistake"
    severity: str = "error"


class Field(Struct, frozen=True):
    """One value of a request; `low` to `high`, `min_length` to `max_length` (characters, items) inclusive."""

    kind: str = "object"
    low: float | None = None
    high: float | None = None
    required: bool = False
    min_length: int | None = None
    max_length: int | None = None
    values: tuple[Any, ...] = ()
    items: "Field | None" = None
    members: Mapping[str, "Field"] = {}
    mistakes: Mapping[str, Mistake] = {}
    exactly_one: tuple[tuple[str, ...], ...] = ()
    at_most_one: tuple[tuple[str, ...], ...] = ()
    tag: str = ""
    variants: Mapping[str, "Field"] = {}
    choices: tuple["Field", ...] = ()
    open: bool = False
    closed: str = ""
    """The source of evidence that the service refuses every other name of the object."""
    null_is_absent: bool = False
    prefix: tuple[str, ...] = ()
    prefix_mistake: Mistake | None = None
    blank: str = ""
    base64: bool = False


def write_out(said: Any) -> Any:
    """A part of the table of families with what its ``$ref`` lead to in their place."""
    if isinstance(said, list):
        return tuple(map(write_out, said))
    if not isinstance(said, dict):
        return said
    found: Any = {}
    places = said.get("$ref", [])
    for place in [places] if isinstance(places, str) else places:
        led_to = write_out(reduce(getitem, place.split("/"), read_data("families")))
        found = found | led_to if isinstance(led_to, dict) else led_to
    own = {name: write_out(inner) for name, inner in said.items() if name != "$ref"}
    return found | own if own else found


@cache
def read_field(name: str) -> Field:
    """The field of a name in the table of families, or of a JSON kind."""
    said = read_data("families")["fields"].get(name)
    return _field(write_out(said)) if said else Field(name)


def _field(said: Any) -> Field:
    if isinstance(said, str):
        return read_field(said)
    made = dict(said)
    required = made.pop("required", ())
    members = {name: _field(inner) for name, inner in said.get("members", {}).items()}
    made["members"] = {name: replace(member, required=name in required) for name, member in members.items()}
    made["mistakes"] = _mistakes(made.pop("foreign", {}), made.pop("renamed", {}), said.get("mistakes", {}))
    made["choices"] = tuple(map(_field, said.get("choices", ())))
    if "items" in said:
        made["items"] = _field(said["items"])
    if "prefix_mistake" in said:
        made["prefix_mistake"] = Mistake(**said["prefix_mistake"])
    tag = Field("string", required=True)
    variants = {name: _field(inner) for name, inner in said.get("variants", {}).items()}
    made["variants"] = {
        name: replace(variant, members={said["tag"]: tag, **variant.members})
        for name, variant in variants.items()
    }
    return Field(**made)


def _mistakes(
    foreign: Mapping[str, Any], renamed: Mapping[str, str], others: Mapping[str, Any]
) -> dict[str, Mistake]:
    made = {
        name: Mistake(f"{name} is a name of {family} bodies; use this family's own.")
        for family, names in foreign.items()
        for name in names
    }
    made |= {name: Mistake(f"Use {own}: that is this family's name for it.") for name, own in renamed.items()}
    return made | {
        name: Mistake(said) if isinstance(said, str) else Mistake(**said) for name, said in others.items()
    }
