"""Arguments of the wrong kind, refused in a sentence."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from bbkit.core.errors import InputError


def as_names(value: Any, name: str, accepted: Sequence[str], hint: str = "") -> list[str]:
    """Take names from a list, or from a text that separates them by spaces."""
    names = value.split() if isinstance(value, str) else value
    if not isinstance(names, Iterable) or isinstance(names, bytes):
        raise InputError(f"{name} is {value!r}. It is a list of {', '.join(accepted)}.")
    chosen = list(names)
    for one in chosen:
        if one not in accepted:
            near = difflib.get_close_matches(str(one).lower(), [each.lower() for each in accepted], 1)
            meant = next((f" Did you mean {each!r}?" for each in accepted if each.lower() in near), "")
            raise InputError(f"{name} names {one!r}. It takes {', '.join(accepted)}.{meant}{hint}")
    return chosen


def validate_number(
    value: Any, name: str, *, least: float, most: float | None = None, whole: bool = False, what: str = ""
) -> None:
    """Make sure that a parameter is a number in its range."""
    kinds = (int,) if whole else (int, float)
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if is_number and value >= least and (most is None or value <= most):
        return
    shown = value if is_number else repr(value)
    raise InputError(f"{name} is {shown}. {what}")
