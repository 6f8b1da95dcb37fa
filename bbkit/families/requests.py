"""Requests described as data: which members a body has, which are required, their types and ranges.

`bbkit.checks` reads these descriptions; nothing here looks at a body.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as _replace
from typing import Any, NamedTuple

from bbkit.core.findings import Finding


def error_at(path: str, rule: str, finding: str, remedy: str) -> Finding:
    """A fault that is an error."""
    return Finding("error", rule, finding, remedy, path)


class Mistake(NamedTuple):
    """A name or value that is known to be wrong, and what to do about it."""

    remedy: str
    rule: str = "known_mistake"
    severity: str = "error"


@dataclass(frozen=True)
class Field:
    """One value of a request."""

    kind: str
    required: bool = False
    low: float | None = None
    high: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    values: tuple[Any, ...] = ()
    items: "Field | None" = None
    members: Mapping[str, "Field"] = field(default_factory=dict)
    mistakes: Mapping[str, Mistake] = field(default_factory=dict)
    exactly_one: tuple[tuple[str, ...], ...] = ()
    at_most_one: tuple[tuple[str, ...], ...] = ()
    tag: str = ""
    variants: Mapping[str, "Field"] = field(default_factory=dict)
    choices: tuple["Field", ...] = ()
    open: bool = False
    null_is_absent: bool = False
    prefix: tuple[str, ...] = ()
    prefix_mistake: Mistake | None = None
    blank: str = ""
    base64: bool = False


Rules = Callable[[Mapping[str, Any], str], list[Finding]]
Silent = Callable[[str], frozenset[str]]


def always_silent(model_id: str) -> frozenset[str]:
    """No member makes the rules speak."""
    return frozenset()


def _no_rules(body: Mapping[str, Any], model_id: str) -> list[Finding]:
    return []


@dataclass(frozen=True)
class Request:
    """The request of a family: its description, and rules that single values cannot hold."""

    body: Field
    source: str
    date: str
    rules: Rules = _no_rules
    shape: str = ""
    silent: Silent | None = None


def required(value: Field) -> Field:
    """The same value, required in the object that holds it."""
    return _replace(value, required=True)


def string(
    *,
    min_length: int | None = None,
    max_length: int | None = None,
    values: tuple[str, ...] = (),
    mistakes: Mapping[str, Mistake] | None = None,
    prefix: tuple[str, ...] = (),
    prefix_mistake: Mistake | None = None,
    blank: str = "",
    base64: bool = False,
) -> Field:
    """A text; lengths in characters."""
    return Field(
        "string",
        min_length=min_length,
        max_length=max_length,
        values=values,
        mistakes=mistakes or {},
        prefix=prefix,
        prefix_mistake=prefix_mistake,
        blank=blank,
        base64=base64,
    )


def integer(low: int | None = None, high: int | None = None, *, values: tuple[int, ...] = ()) -> Field:
    """A whole number, ends of the range included."""
    return Field("integer", low=low, high=high, values=values)


def number(low: float | None = None, high: float | None = None) -> Field:
    """A number, ends of the range included."""
    return Field("number", low=low, high=high)


def boolean(*values: bool) -> Field:
    """``true`` or ``false``, or only one of them."""
    return Field("boolean", values=values)


def array(items: Field, *, min_length: int | None = None, max_length: int | None = None) -> Field:
    """A list of values that are all of one description."""
    return Field("array", items=items, min_length=min_length, max_length=max_length)


def record(
    members: Mapping[str, Field],
    *,
    mistakes: Mapping[str, Mistake] | None = None,
    exactly_one: tuple[tuple[str, ...], ...] = (),
    at_most_one: tuple[tuple[str, ...], ...] = (),
    open: bool = False,
    null_is_absent: bool = False,
) -> Field:
    """An object with named members; other names are unknown, unless `open`."""
    return Field(
        "object",
        members=members,
        mistakes=mistakes or {},
        exactly_one=exactly_one,
        at_most_one=at_most_one,
        open=open,
        null_is_absent=null_is_absent,
    )


def tagged(
    tag: str, variants: Mapping[str, Field], *, mistakes: Mapping[str, Mistake] | None = None
) -> Field:
    """An object whose member `tag` says which of the variants it is."""
    return Field("tagged", tag=tag, variants=variants, mistakes=mistakes or {})


def either(*choices: Field) -> Field:
    """One of several descriptions of different JSON types."""
    return Field("either", choices=choices)


def anything() -> Field:
    """Any value: left to the model."""
    return Field("any")


def free() -> Field:
    """An object whose names are left to the model, such as a JSON schema."""
    return Field("object", open=True)


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


def foreign(family: str, *names: str) -> dict[str, Mistake]:
    """Names that belong to another family's body, as mistakes."""
    return {name: Mistake(f"{name} is a name of {family} bodies; use this family's own.") for name in names}


def renamed(**names: str) -> dict[str, Mistake]:
    """Names of other families whose meaning this family keeps under another name, as mistakes."""
    return {name: Mistake(f"Use {own}: that is this family's name for it.") for name, own in names.items()}


CACHING = Mistake(
    "Leave it out: prompt caching is not available in batch inference.", "prompt_caching", "warning"
)
"""https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html"""
