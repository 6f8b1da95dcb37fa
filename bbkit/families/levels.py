"""What the table of models says of tokens, thinking, samplers, effort, stops and media, in any body."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bbkit.core.files import read_data
from bbkit.core.finding import Finding, make_finding
from bbkit.families.family import EXTRA, MAX_TOKENS_PATHS
from bbkit.families.traits import Model
from bbkit.families.values import as_dict, as_int

DEFAULT, DEFAULT_THINKING = 1024, 8192
"""Maxima of output tokens that records are built with: of an answer alone, and of thinking and an answer."""


def budget_faults(body: Mapping[str, Any], path: tuple[str, ...], model: Model) -> Iterator[Finding]:
    """A maximum of output tokens that is above the model's own, or that thinking alone may use up."""
    most, room = model.traits.output_maximum, model.traits.thinking_room
    if not path or not (most or room):
        return
    for *above, name in MAX_TOKENS_PATHS:
        for start in ((), (EXTRA,)) if EXTRA in body else ((),):
            if not start and tuple(above) != path[:-1]:
                continue
            holder = body
            for part in (*start, *above):
                holder = as_dict(holder.get(part))
            asked, where = as_int(holder.get(name)) or 0, ".".join((*start, *above, name))
            if most and asked > most:
                yield make_finding("output_maximum", where, asked=asked, model=model)
            elif room and 1 <= asked < room and thinks(body, model):
                yield make_finding("thinking_room", where, asked=asked, model=model)


def _asked(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a body, or the parameters it is built of, asks of thinking, by any name."""
    extra = as_dict(body.get(EXTRA))
    asked = [body.get("thinking"), body.get("reasoning_config")]
    asked += [extra.get(name) for name in ("thinking", "reasoning_config", "reasoningConfig")]
    asked += [as_dict(one.get("inferenceConfig")).get("reasoningConfig") for one in (body, extra)]
    return next((as_dict(one) for one in asked if one), {})


def asks_to_think(body: Mapping[str, Any]) -> bool:
    """Whether a Claude body asks for thinking."""
    return as_dict(body.get("thinking")).get("type") in ("enabled", "adaptive")


def thinks(body: Mapping[str, Any], model: Model) -> bool:
    """Whether a model thinks without a budget of its own: asked to, or by default and not told otherwise."""
    extra, asked = as_dict(body.get(EXTRA)), _asked(body)
    if kind := asked.get("type"):
        return kind == "adaptive" or (kind == "enabled" and "budget_tokens" not in asked)
    effort = body.get("reasoning_effort") or extra.get("reasoning_effort")
    told = as_dict(body.get("chat_template_kwargs") or extra.get("chat_template_kwargs"))
    takes_none = "none" in (model.traits.effort or ("none",))
    if (effort == "none" and takes_none) or False in (told.get("enable_thinking"), told.get("thinking")):
        return False
    return model.traits.thinking in ("by_default", "always")


def default_max_tokens(model: Model, inference: Mapping[str, Any]) -> int | None:
    """The maximum of output tokens where none is asked for; None where thinking excludes one."""
    asked = _asked(inference)
    if asked.get("type") == "enabled" and asked.get("maxReasoningEffort") == "high":
        return None
    wanted = DEFAULT_THINKING if thinks(inference, model) else DEFAULT
    wanted += as_int(asked.get("budget_tokens")) or 0
    return min(wanted, model.traits.output_maximum or wanted)


def sampler_faults(body: Mapping[str, Any], model: Model) -> list[Finding]:
    """Samplers that a model does not take, or not beside each other."""
    takes = model.traits.samplers
    if takes not in ("one", "none"):
        return []
    extra = as_dict(body.get(EXTRA))
    holders = {
        "": body,
        "inferenceConfig.": as_dict(body.get("inferenceConfig")),
        f"{EXTRA}.": extra,
        f"{EXTRA}.inferenceConfig.": as_dict(extra.get("inferenceConfig")),
    }
    given = {
        sampler: place + name
        for place, holder in holders.items()
        for sampler, names in read_data("families")["samplers"].items()
        for name in names
        if holder.get(name) is not None
    }
    if takes == "none":
        return [make_finding("sampling_refused", path, model=model) for path in given.values()]
    both = "temperature" in given and "top_p" in given
    return [make_finding("sampling_conflict", given["top_p"], model=model)] if both else []


def level_faults(
    value: Any,
    path: str,
    model: Model,
    *,
    trait: str = "effort",
    rule: str = "effort_refused",
    remedies: Mapping[str, str] | None = None,
) -> Iterator[Finding]:
    """The fault of an effort, or of another level, that a model is known not to take."""
    takes = getattr(model.traits, trait)
    if takes is not None and type(value) is str and value not in takes:
        remedy = (remedies or {}).get(takes[-1], "Use one of them.") if takes else "Leave it out."
        said = f"{', '.join(takes) or 'none'} ({model.sources[trait]})"
        yield make_finding(".unlike", path, rule=rule, value=value, takes=said, remedy=remedy, model=model)


def stop_faults(given: Any, path: str, model: Model, invocation_type: str) -> Iterator[Finding]:
    """The fault of stop sequences that a model is reported not to take."""
    if given and model.traits.stop_sequences not in (None, True, invocation_type):
        yield make_finding("stop_refused", path, model=model)


def media_faults(kinds: Iterable[str], path: str, model: Model) -> list[Finding]:
    """The first kind of media that a model is known not to take."""
    kind = next((kind for kind in kinds if model.refuses(kind)), "")
    if not kind:
        return []
    takes = ", ".join(model.traits.inputs or ("text",))
    source = model.sources["documents" if kind == "document" else "inputs"]
    return [make_finding("media_refused.turn", path, kind=kind, takes=takes, source=source, model=model)]
