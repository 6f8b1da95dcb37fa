"""Plain answers: one that holds nothing but what is known of its family is read without a walk.

A shape in the dated data has the members that such an answer may have, and no others: a field of `Answer`,
anything (null), nothing (false), what must be there (true; ``=text``: just this), any text (``=``), a count,
a number and no other, or a shape; lists hold one.
"""

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec

from bbkit.core.files import read_data
from bbkit.families.family import Answer
from bbkit.families.reasoning import LEADING, leads_with_reasoning
from bbkit.families.shapes import CALLED, opens_thinking

_READ = Answer._fields[:7]
_COUNT = Annotated[int, msgspec.Meta(ge=0)] | None
_TYPES = dict.fromkeys(_READ, _COUNT) | dict.fromkeys(("stop_reason_raw", "model"), str | None)


@lru_cache(maxsize=256)
def plain_reader(
    family: str, model_id: str | None
) -> Callable[[bytes | msgspec.Raw], tuple[Any, ...] | None]:
    """Make what reads the first fields of `Answer` from JSON text; it gives None where that is not plain."""
    shape = read_data("answers")["plain"].get(family)
    if not shape or (model_id and opens_thinking(model_id)):
        return lambda output: None
    paths: dict[str, str] = {}
    decode = msgspec.json.Decoder(_type_of(shape, "", paths)[0]).decode
    get: Callable[[Any], tuple[Any, ...]] = attrgetter(*(paths.get(name, "absent") for name in _READ))

    def read(output: bytes | msgspec.Raw) -> tuple[Any, ...] | None:
        try:
            answer = get(decode(output))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        text, stop, model = answer[0], answer[1], answer[6]
        if not text or not stop or stop in CALLED or (text[0] in LEADING and leads_with_reasoning(text)):
            return None
        return None if model and not model_id and opens_thinking(model) else answer

    return read


def _type_of(shape: Any, path: str, paths: dict[str, str]) -> tuple[Any, Any]:
    """The type of a shape and its value where it is absent; `paths` learns where fields of `Answer` are."""
    if shape in _READ:
        paths[shape] = path
        return (str, msgspec.NODEFAULT) if shape == "text" else (_TYPES[shape], None)
    if shape in ("count", "="):
        return _COUNT if shape == "count" else str | None, None
    if isinstance(shape, str):
        return Literal[shape[1:]], msgspec.NODEFAULT
    if type(shape) is int:
        return Literal[shape], None
    if not isinstance(shape, dict | list):
        return None if shape is False else Any, msgspec.NODEFAULT if shape else None
    members = {"item": shape[0]} if isinstance(shape, list) else shape
    inner = {name: _type_of(part, f"{path}.{name}".lstrip("."), paths) for name, part in members.items()}
    kind = msgspec.defstruct(
        "Plain",
        [(name, part, msgspec.field(default=default)) for name, (part, default) in inner.items()],
        namespace={"absent": None},
        array_like=isinstance(shape, list),
        forbid_unknown_fields=True,
        frozen=True,
        kw_only=True,
        gc=False,
    )
    return kind, msgspec.NODEFAULT if msgspec.NODEFAULT in [
        default for _, default in inner.values()
    ] else kind()
