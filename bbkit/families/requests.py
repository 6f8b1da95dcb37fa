"""Requests described as data: which members a body has, which are required, their types and ranges.

`bbkit.checks` reads these descriptions; nothing here looks at a body.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple


class Mistake(NamedTuple):
    """A name or value that is known to be wrong, and what to do about it."""

    remedy: str
    rule: str = "known_mistake"
    severity: str = "error"


@dataclasses.dataclass(frozen=True)
class Field:
    """One value of a request; `low` to `high`, `min_length` to `max_length` (characters, items) inclusive."""

    kind: str
    low: float | None = None
    high: float | None = None
    required: bool = False
    min_length: int | None = None
    max_length: int | None = None
    values: tuple[Any, ...] = ()
    items: "Field | None" = None
    members: Mapping[str, "Field"] = dataclasses.field(default_factory=dict)
    mistakes: Mapping[str, Mistake] = dataclasses.field(default_factory=dict)
    exactly_one: tuple[tuple[str, ...], ...] = ()
    at_most_one: tuple[tuple[str, ...], ...] = ()
    tag: str = ""
    variants: Mapping[str, "Field"] = dataclasses.field(default_factory=dict)
    choices: tuple["Field", ...] = ()
    open: bool = False
    closed: str = ""
    """The source of evidence that the service refuses every other name of the object."""
    null_is_absent: bool = False
    prefix: tuple[str, ...] = ()
    prefix_mistake: Mistake | None = None
    blank: str = ""
    base64: bool = False


string = partial(Field, "string")
integer = partial(Field, "integer")
number = partial(Field, "number")
boolean = partial(Field, "boolean")
anything = partial(Field, "any")
"""Any value: left to the model."""
free = partial(Field, "object", open=True)
"""An object whose names are left to the model, such as a JSON schema."""


def array(items: Field, **limits: Any) -> Field:
    """A list of values that are all of one description."""
    return Field("array", items=items, **limits)


def record(members: Mapping[str, Field], **more: Any) -> Field:
    """An object with named members; other names are unknown, unless it is `open`."""
    return Field("object", members=members, **more)


def tagged(tag: str, variants: Mapping[str, Field], **more: Any) -> Field:
    """An object whose member `tag` says which of the variants it is."""
    return Field("tagged", tag=tag, variants=variants, **more)


def either(*choices: Field) -> Field:
    """One of several descriptions of different JSON types."""
    return Field("either", choices=choices)


def required(value: Field) -> Field:
    """The same value, required in the object that holds it."""
    return dataclasses.replace(value, required=True)


COMMON_MISTAKES = {
    "modelId": Mistake("Leave modelId out: the job names the model, the body must not."),
    "model_id": Mistake("Leave model_id out: the job names the model, the body must not."),
    "stream": Mistake("Leave stream out: batch inference does not stream."),
    "recordId": Mistake("Put recordId beside modelInput, not inside it."),
    "body": Mistake("Put the members of body directly into modelInput."),
    "contentType": Mistake("Leave contentType out: a record is the body alone."),
    "accept": Mistake("Leave accept out: a record is the body alone."),
}
"""Names that belong to the call or to the line and end up inside `modelInput`; the service answers
``Extra inputs are not permitted``."""

CACHING = Mistake(
    "Leave it out: prompt caching is not available in batch inference.", "prompt_caching", "warning"
)
"""https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html"""

SAGEMAKER = Mistake("Use prompt: inputs and parameters are the shape of SageMaker endpoints.")


def foreign(family: str, *names: str) -> dict[str, Mistake]:
    """Names that belong to another family's body, as mistakes."""
    return {name: Mistake(f"{name} is a name of {family} bodies; use this family's own.") for name in names}


def renamed(**names: str) -> dict[str, Mistake]:
    """Names of other families whose meaning this family keeps under another name, as mistakes."""
    return {name: Mistake(f"Use {own}: that is this family's name for it.") for name, own in names.items()}
