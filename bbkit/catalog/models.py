"""What the table of models says of an id: whether batch inference lists it, where, until when.

An id is never rewritten: what does not fit is said, with what would.
"""

import datetime as dt
import difflib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

from msgspec.structs import replace

from bbkit.catalog.prices import STALE_DAYS
from bbkit.core.files import read_data
from bbkit.core.findings import Finding, make_finding
from bbkit.core.text import arn_region, name_some
from bbkit.families import FAMILIES
from bbkit.families.model_ids import bare_model_id, family_name, split_model_id, tells_model
from bbkit.families.traits import Model, find_model, geographies_of, model_table

_LIFECYCLE_PAGE = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-lifecycle.html"


def profile_ids(model_id: str, region: str) -> list[str]:
    """Name the ids under which a model may be reachable from a region through an inference profile."""
    model = find_model(model_id)
    if model is None or region not in model.profile_source_regions:
        return []
    may, known = (*geographies_of(region), "global"), model.traits.geographies
    return [f"{name}.{model.model_id}" for name in may if known is None or name in known]


def check_model(
    model_id: str,
    region: str = "",
    *,
    model: str = "",
    as_of: dt.date | None = None,
    told: Mapping[str, Any] | None = None,
) -> Iterator[Finding]:
    """Check that batch inference lists an id, or the `model` behind it, there, and has not ended it."""
    found = list(_check_id(model_id, region))
    yield from found
    if not tells_model(model_id):
        if model:
            yield from _check_id(model, "")
        elif all(row.severity != "error" for row in found):
            yield make_finding("model_not_told", model_id=model_id)
    kind, geography, bare = split_model_id(model or model_id)
    known, day = find_model(bare), as_of or dt.datetime.now(dt.UTC).date()
    yield from _check_age(known, day)
    if told:
        known = known or Model(model_id=bare)
        sources = {**known.sources, **dict.fromkeys(told, "GetFoundationModel, here and now")}
        known = replace(known, traits=replace(known.traits, **told), sources=sources)
    if known and (model or kind in ("", "foundation-model", "inference-profile")):
        stage = _stage(known, day, day if told else _known_on(known))
        if stage:
            region = region or arn_region(model_id)
            yield _judge_life(known, stage, _use(known, geography, region, day))


def _known_on(model: Model | None) -> dt.date:
    """The day on which the life of a model was as the table has it."""
    refreshed = model_table().refreshed
    own = refreshed and model and model.sources.get("lifecycle", "").endswith(f", {refreshed}")
    return refreshed if refreshed and own else model_table().date


def _check_age(model: Model | None, today: dt.date) -> Iterator[Finding]:
    known = _known_on(model)
    if (age := (today - known).days) > STALE_DAYS:
        yield make_finding("catalog_old", known=known, age=age)


def _stage(model: Model, as_of: dt.date, dated: dt.date) -> str:
    """What has come of a model by a day, as the table of another has it; empty while it is active."""
    end, legacy = model.traits.end_of_life, model.traits.legacy_from
    if end and end <= as_of:
        return "model_ended" if end <= dated else "model_ended.perhaps"
    is_legacy = legacy <= as_of if legacy else model.traits.lifecycle == "legacy" and dated <= as_of
    return "model_legacy" if is_legacy else ""


def _judge_life(model: Model, stage: str, use: str) -> Finding:
    end, legacy = model.traits.end_of_life, model.traits.legacy_from
    days = (f" since {legacy}" if legacy else "") + (f" and ends on {end}" if end else "")
    source = model.sources.get("legacy_from" if legacy else "lifecycle")
    return make_finding(stage, model=model, days=days, source=source, use=use)


def _use(model: Model, geography: str, region: str, as_of: dt.date) -> str:
    """Which id to take instead: of the first successor that is active, as batch inference lists it there."""
    passed, heir, rest = [model.model_id], find_model(model.traits.successor or ""), ""
    while heir and heir.model_id not in passed:
        stage = _stage(heir, as_of, _known_on(heir))
        ids = (one for one in _ids_of(heir, geography, region) if not any(_check_id(one, region)))
        if heir.batch and stage in ("", "model_legacy") and (name := next(ids, "")):
            if not stage:
                return f"Use {name}."
            rest = rest or f" {name} still answers, and is legacy too."
        passed.append(heir.model_id)
        heir = find_model(heir.traits.successor or "")
    return f"Take a model that is active: {_LIFECYCLE_PAGE}.{rest}"


def _ids_of(model: Model, geography: str, region: str) -> list[str]:
    """The ids a model may have, those nearest to where it is called first."""
    known, heads = model.traits.geographies, [""]
    if region:
        heads = [geography, "", *geographies_of(region), "global"]
    elif geography and model.profile_source_regions:
        heads = [geography, "global", *(known or ())]
    exist = [head for head in heads if known is None or head in ("", *known)]
    return [f"{head}.{model.model_id}".lstrip(".") for head in exist]


def _check_id(model_id: str, region: str) -> Iterator[Finding]:
    kind, geography, bare = split_model_id(model_id)
    own, model = arn_region(model_id), find_model(model_id)
    listed = f"AWS's list of {model_table().date:%Y-%m}"
    if kind in ("imported-model", "provisioned-model"):
        yield make_finding("model_refused", model_id=model_id, kind=kind)
    elif own and region and own != region:
        yield make_finding("model_region.arn", model_id=model_id, own=own, region=region)
    elif kind in ("application-inference-profile", "custom-model") or kind.startswith("custom-model-"):
        return
    elif model is None or not model.batch:
        name = family_name(model_id)
        severity = "error" if name and not FAMILIES[name].writable else "warning"
        remedy = _instead(bare, model is not None)
        found = make_finding("model_not_listed", bare=bare, listed=listed, remedy=remedy)
        yield found._replace(severity=severity)
    elif region:
        yield from _check_region(model, model_id, geography, region, listed)


def _check_region(model: Model, model_id: str, geography: str, region: str, listed: str) -> Iterator[Finding]:
    known, said = geographies_of(region), partial(make_finding, model=model, region=region, listed=listed)
    alone, profiled = region in model.single_region, region in model.profile_source_regions
    ids = " or ".join(profile_ids(model.model_id, region))
    if geography and not profiled:
        yield said("model_region.no_profile", use=model.model_id if alone else _where(model))
    elif geography and model.traits.geographies and geography not in model.traits.geographies:
        yield said("model_region.geography", geography=geography, use=ids or model.model_id)
    elif known and geography not in ("", "global", *known):
        names = ", ".join(known)
        yield said("model_region.profile", model_id=model_id, geography=geography, known=names, ids=ids)
    elif geography or alone:
        return
    elif profiled:
        yield said("model_profile", model_id=model_id, ids=ids)
    else:
        yield said("model_region.not_here", use=_where(model))


def _where(model: Model) -> str:
    if model.single_region:
        return f"a region of {name_some(model.single_region)}"
    return f"an inference profile from {name_some(model.profile_source_regions)}"


def _instead(bare: str, known: bool) -> str:
    """What to do about a model that is not listed; names the one whose id is nearly or elsewhere the same."""
    see = f"See {model_table().source}, or take another model."
    ids = {name: model.model_id for model in model_table().models.values() if model.batch
           for name in (*model.names_elsewhere, model.model_id)}  # fmt: skip
    near = [] if known else difflib.get_close_matches(bare, ids, n=1, cutoff=0.8)
    if not near:
        return see
    own = ids[near[0]]
    if near[0] == bare:
        return f"Use {own}: {bare} is what another endpoint, bedrock-mantle, calls it."
    return f"It may be {own} that was meant. {see}"


Key = tuple[str, ...]


@lru_cache(maxsize=8192)
def name_keys(name: str) -> frozenset[Key]:
    """What a marketing name comes down to, however it is written."""
    text = re.sub(r"[\s_-]+v\s?1(?:[.:]0)?\s*\.?$", "", name.strip(), flags=re.IGNORECASE)
    text = re.sub(r"(\d)\.0(?!\d)", r"\1", text)
    parts = (re.findall(r"[a-z]+|\d+", text.lower()), re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", text))
    return frozenset(_key(words) for words in parts)


def _key(words: list[str]) -> Key:
    left_out = read_data("price_list")["left_out"]
    kept = [word.lower() for word in words if word.lower() not in left_out]
    return tuple(sorted("embed" if word in ("embeddings", "embedding") else word for word in kept))


@lru_cache(maxsize=1024)
def model_keys(model_id: str) -> frozenset[Key]:
    bare = bare_model_id(model_id)
    return frozenset(key for name in _names_of(bare) for key in name_keys(name))


def _names_of(bare: str) -> Iterator[str]:
    model = find_model(bare)
    yield from model.names if model else ()
    text = re.sub(r"-20\d{6}", "", bare.partition(".")[2])
    text = re.sub(r"(?:-1)?:\d+$", "", text)
    yield text
    yield re.sub(r"-a\d+b|-25\d\d", "", re.sub(r"-v1$", "", text))
