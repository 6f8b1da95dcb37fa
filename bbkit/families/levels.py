"""What the table of models says of samplers, effort and media, wherever a body of any shape has them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bbkit.core.finding import Finding, make_finding
from bbkit.families.family import EXTRA, as_dict
from bbkit.families.traits import Model

_SAMPLERS = {
    "temperature": ("temperature",),
    "top_p": ("top_p", "topP"),
    "top_k": ("top_k", "topK"),
}


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
        for sampler, names in _SAMPLERS.items()
        for name in names
        if holder.get(name) is not None
    }
    if takes == "none":
        return [make_finding("sampling_refused", path, model=model) for path in given.values()]
    both = "temperature" in given and "top_p" in given
    return [make_finding("sampling_conflict", given["top_p"], model=model)] if both else []


def level_faults(effort: Any, path: str, model: Model) -> Iterator[Finding]:
    """The fault of an effort that a model is known not to take."""
    takes = model.traits.effort
    if takes is None or type(effort) is not str or effort in takes:
        return
    remedy = "Use one of them." if takes else "Leave it out."
    said = {"value": effort, "takes": f"{', '.join(takes) or 'none'} ({model.sources['effort']})"}
    yield make_finding(".unlike", path, rule="effort_refused", **said, remedy=remedy, model=model)


def media_faults(kinds: Iterable[str], path: str, model: Model) -> list[Finding]:
    """The first kind of media that a model is known not to take."""
    kind = next((kind for kind in kinds if model.refuses(kind)), "")
    if not kind:
        return []
    takes = ", ".join(model.traits.inputs or ("text",))
    source = model.sources["documents" if kind == "document" else "inputs"]
    return [make_finding("media_refused.turn", path, kind=kind, takes=takes, source=source, model=model)]
