"""How many output tokens a body may ask for, and how many a model that thinks should be given."""

from collections.abc import Mapping
from typing import Any

from bbkit.core.findings import Finding, make_finding
from bbkit.families.family import MAX_TOKENS_PATHS, as_dict
from bbkit.families.traits import Model

DEFAULT, DEFAULT_THINKING = 1024, 8192
"""Maxima of output tokens that records are built with: of an answer alone, and of thinking and an answer."""


def budget_faults(body: Mapping[str, Any], path: tuple[str, ...], model: Model) -> list[Finding]:
    """A maximum of output tokens that is above the model's own, or that thinking alone may use up."""
    most, room = model.traits.output_maximum, model.traits.thinking_room
    if not path or not (most or room):
        return []
    outer, holder = path[:-1], body
    for part in outer:
        holder = as_dict(holder.get(part))
    for *above, name in MAX_TOKENS_PATHS:
        asked = holder.get(name) if tuple(above) == outer else None
        if type(asked) is not int or asked < 1:
            continue
        where = ".".join((*outer, name))
        if most and asked > most:
            return [make_finding("output_maximum", where, asked=asked, model=model)]
        if room and asked < room and thinks(body, model):
            return [make_finding("thinking_room", where, asked=asked, model=model)]
    return []


def thinks(body: Mapping[str, Any], model: Model) -> bool:
    """Whether a model thinks without a budget of its own: asked to, or by default and not told otherwise."""
    extra = as_dict(body.get("additionalModelRequestFields"))
    asked = body.get("thinking") or extra.get("thinking") or extra.get("reasoning_config")
    kind = as_dict(asked).get("type")
    if kind is not None:
        return bool(kind == "adaptive")
    effort = body.get("reasoning_effort") or extra.get("reasoning_effort")
    told = as_dict(body.get("chat_template_kwargs") or extra.get("chat_template_kwargs"))
    if effort == "none" or False in (told.get("enable_thinking"), told.get("thinking")):
        return False
    return model.traits.thinking in ("by_default", "always")


def default_max_tokens(model: Model, inference: Mapping[str, Any]) -> int:
    """The maximum of output tokens where none is asked for: larger for a model that will think."""
    if not thinks(inference, model):
        return DEFAULT
    return min(DEFAULT_THINKING, model.traits.output_maximum or DEFAULT_THINKING)
