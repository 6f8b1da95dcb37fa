"""Values of JSON that anyone may have written, each as what it should be or as nothing."""

from collections.abc import Mapping
from contextlib import suppress
from math import isfinite
from typing import Any


def as_int(value: Any) -> int | None:
    """A count, also as ``10.0`` or ``"10"``, else None (a JSON ``true`` is no number, nothing is below 0)."""
    if type(value) is int:
        return value if value >= 0 else None
    if type(value) is str and value.isdecimal() and len(value) < 19:
        return int(value)
    return int(value) if type(value) is float and value >= 0 and value.is_integer() else None


def as_str(value: Any) -> str | None:
    return value if type(value) is str else None


def as_dict(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if type(value) is dict else {}


def first_dict(value: Any) -> Mapping[str, Any]:
    """The first item of a list if it is an object, else an empty one."""
    return value[0] if type(value) is list and value and type(value[0]) is dict else {}


def as_list_of_dicts(value: Any) -> list[dict[str, Any]]:
    """The objects among the items of a list; empty for anything else."""
    return [item for item in value if type(item) is dict] if type(value) is list else []


def is_vector(value: Any) -> bool:
    """Whether a value is a list of numbers, without null or NaN."""
    if type(value) is list and value and set(map(type, value)) <= {int, float}:
        with suppress(OverflowError):
            return isfinite(sum(value))
    return False
