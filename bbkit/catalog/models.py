"""Which models batch inference lists, where, and under which id: a dated copy of AWS's page.

https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-supported.html. No API tells it. An id is
never rewritten: what does not fit is said, with what would.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache

import msgspec

from bbkit.core.files import read_data
from bbkit.core.findings import Finding
from bbkit.core.text import arn_region, name_some
from bbkit.families import FAMILIES, bare_model_id, family_name, geographies_of, split_model_id

_PROFILES_PAGE = "https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html"


class Model(msgspec.Struct, frozen=True):
    """A model that batch inference lists."""

    model_id: str
    provider: str
    family: str
    single_region: tuple[str, ...]
    profile_source_regions: tuple[str, ...]
    context_window: int | None
    context_window_source: str | None


@cache
def _models() -> dict[str, Model]:
    listed = msgspec.convert(read_data("models")["models"], list[Model])
    return {model.model_id: model for model in listed}


def find_model(model_id: str) -> Model | None:
    """Find a model in the list, by any id or ARN that names it."""
    return _models().get(bare_model_id(model_id))


def profile_ids(model_id: str, region: str) -> list[str]:
    """Name the ids under which a model may be reachable from a region through an inference profile."""
    model = find_model(model_id)
    if model is None or region not in model.profile_source_regions:
        return []
    return [f"{geography}.{model.model_id}" for geography in (*geographies_of(region), "global")]


def check_model(model_id: str, region: str = "") -> Iterator[Finding]:
    """Check that batch inference lists a model, in a region, under this id."""
    kind, geography, bare = split_model_id(model_id)
    own, model = arn_region(model_id), find_model(model_id)
    listed = f"AWS's list of {read_data('models')['date']}"
    if kind in ("imported-model", "provisioned-model"):
        remedy = "Batch inference takes foundation models, inference profiles and custom models."
        yield Finding("error", "model_refused", f"{model_id} is of the kind {kind}.", remedy)
    elif own and region and own != region:
        finding = f"{model_id} is an ARN of {own}, and the job is created in {region}."
        remedy = f"Use an ARN of {region}, or set the region {own}."
        yield Finding("warning", "model_region", finding, remedy)
    elif kind in ("application-inference-profile", "custom-model") or kind.startswith("custom-model-"):
        return
    elif model is None:
        name = family_name(model_id)
        severity = "error" if name and not FAMILIES[name].writable else "warning"
        finding = f"{bare} is not in {listed} of models for batch inference."
        remedy = f"See {read_data('models')['source']}, or take another model."
        yield Finding(severity, "model_not_listed", finding, remedy)
    elif region:
        yield from _check_region(model, model_id, geography, region, listed)


def _check_region(model: Model, model_id: str, geography: str, region: str, listed: str) -> Iterator[Finding]:
    bare, known = model.model_id, geographies_of(region)
    alone, profiled = region in model.single_region, region in model.profile_source_regions
    ids = " or ".join(profile_ids(bare, region))
    if geography and not profiled:
        finding = f"{listed} has no inference profile of {bare} from {region}."
        yield Finding("warning", "model_region", finding, f"Use {bare if alone else _where(model)}.")
    elif geography and known and geography not in (*known, "global"):
        finding = f"{model_id} is a profile of the geography {geography}; {region} has those of "
        remedy = (
            f"Use {ids}; the list does not say which exist, ListInferenceProfiles does ({_PROFILES_PAGE})."
        )
        yield Finding("warning", "model_region", f"{finding}{', '.join(known)}.", remedy)
    elif geography or alone:
        return
    elif profiled:
        finding = f"{model_id} is listed in {region} through an inference profile only."
        yield Finding(
            "error", "model_profile", finding, f"Use the id of a profile: {ids} ({_PROFILES_PAGE})."
        )
    else:
        finding = f"{listed} does not have {bare} in {region}."
        yield Finding("warning", "model_region", finding, f"Use {_where(model)}.")


def _where(model: Model) -> str:
    if model.single_region:
        return f"a region of {name_some(model.single_region)}"
    return f"an inference profile from {name_some(model.profile_source_regions)}"


_LEFT_OUT = frozenset(
    ["amazon", "anthropic", "deepseek", "google", "meta", "minimax", "moonshot", "moonshotai", "nvidia",
     "openai", "zai", "ai", "instruct", "it", "dense"]
)  # fmt: skip
"""Words of a name that AWS leaves out in one place and not in another."""

Key = tuple[str, ...]


@lru_cache(maxsize=8192)
def name_keys(name: str) -> frozenset[Key]:
    """What a marketing name comes down to, however it is written."""
    text = re.sub(r"[\s_-]+v\s?1(?:[.:]0)?\s*\.?$", "", name.strip(), flags=re.IGNORECASE)
    text = re.sub(r"(\d)\.0(?!\d)", r"\1", text)
    parts = (re.findall(r"[a-z]+|\d+", text.lower()), re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", text))
    return frozenset(_key(words) for words in parts)


def _key(words: list[str]) -> Key:
    kept = [word.lower() for word in words if word.lower() not in _LEFT_OUT]
    return tuple(sorted("embed" if word in ("embeddings", "embedding") else word for word in kept))


@lru_cache(maxsize=1024)
def model_keys(model_id: str) -> frozenset[Key]:
    """The names a model may go by."""
    bare = bare_model_id(model_id)
    return frozenset(key for name in _names_of(bare) for key in name_keys(name))


def _names_of(bare: str) -> Iterator[str]:
    yield from read_data("model_names")["names"].get(bare, [])
    text = re.sub(r"-20\d{6}", "", bare.partition(".")[2])
    text = re.sub(r"(?:-1)?:\d+$", "", text)
    yield text
    yield re.sub(r"-a\d+b|-25\d\d", "", re.sub(r"-v1$", "", text))
