"""Which models answer here, and what becomes of the identifiers that name them.

The list is bbkit's dated data file (bbkit/catalog/data/models.json), made from
https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-supported.html.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from bbkit.standin.errors import refuse_call
from bbkit.standin.tables import read_dated

_AREAS = dict.fromkeys(("apac", "jp", "au", "in"), "ap")


@dataclass(frozen=True)
class Model:
    model_id: str
    arn: str
    custom: bool = False


@cache
def model_list() -> dict[str, dict[str, Any]]:
    none: dict[str, Any] = {"single_region": [], "profile_source_regions": [], "traits": {}}
    return {model["model_id"]: none | model for model in read_dated("models")["models"] if model.get("batch")}


@cache
def traits_of(model_id: str) -> dict[str, Any]:
    """What is known of a model by its bare id: the values of the data file by their names."""
    found = [model for model in read_dated("models")["models"] if model["model_id"] == model_id]
    return {name: given["value"] for one in found for name, given in one.get("traits", {}).items()}


def check_living(model_id: str, as_of: str) -> None:
    ended = traits_of(model_id).get("end_of_life")
    if ended and ended <= min(as_of, read_dated("models")["date"]):
        raise refuse_call("model_ended")


def partition_of(region: str) -> str:
    return "aws-us-gov" if region.startswith("us-gov-") else "aws-cn" if region.startswith("cn-") else "aws"


def resolve_model(identifier: str, region: str, account: str, profiles: dict[str, str]) -> Model:
    """Resolve a model id, profile id or ARN as the service would in a region."""
    head, arn = f"arn:{partition_of(region)}:bedrock:{region}:", identifier
    if not arn.startswith("arn:"):
        kind = f"{account}:inference-profile" if split_geography(identifier)[0] else ":foundation-model"
        arn = f"{head}{kind}/{identifier}"
    if not arn.startswith(head):
        raise refuse_call("model_id")
    owner, _, resource = arn[len(head) :].partition(":")
    kind, _, name = resource.partition("/")
    if kind == "foundation-model":
        _check_bare(name, region)
        return Model(name, arn)
    if owner != account:
        raise refuse_call("no_access_to", account=account, arn=arn)
    if kind == "inference-profile":
        geography, bare = split_geography(name)
        _check_profile(geography, bare, region)
        return Model(bare, arn)
    if kind == "application-inference-profile" and name in profiles:
        return Model(split_geography(profiles[name])[1], arn)
    if kind == "custom-model" and (base := _base_model(name)) in model_list():
        return Model(base, arn, custom=True)
    raise refuse_call("model_id")


def split_geography(identifier: str) -> tuple[str, str]:
    """Split ``us.anthropic...`` into geography and bare id; the geography is empty when there is none."""
    geography, _, bare = identifier.partition(".")
    return (geography, bare) if geography in _geographies() and "." in bare else ("", identifier)


@cache
def _geographies() -> set[str]:
    return {
        "global",
        *(name for names in read_dated("models")["geographies"]["value"].values() for name in names),
    }


def reaches(geography: str, region: str, *, unknown: bool = False) -> bool:
    """Whether profiles of a geography can be called from a region; `unknown` is said of a region of none."""
    known = read_dated("models")["geographies"]["value"]
    heads = [name for name in known if f"{region}-".startswith(f"{name}-")]
    here = known[max(heads, key=len)] if heads else [geography] if unknown else []
    return geography in ("global", *here)


def destinations(profile: str, region: str) -> list[str]:
    """The regions an id leads to: at most five, the caller's first; a global profile names no other."""
    geography, bare = split_geography(profile)
    if not geography:
        return [region]
    served = model_list().get(bare, {}).get("profile_source_regions", [])
    area = _AREAS.get(geography, geography)  # Canada calls us. profiles, and no call from the US ends there
    others = [
        name for name in served if name.startswith(area) and reaches(geography, name) and name != region
    ]
    return [region, *([""] if geography == "global" else others[:4])]


def bare_model_id(identifier: str) -> str:
    """The foundation model's id in an id, a profile's id (us., global.), or the ARN of a model or profile."""
    if identifier.startswith("arn:"):
        kind, _, identifier = identifier.split(":", 5)[-1].partition("/")
        if kind == "custom-model":
            identifier = _base_model(identifier)
    return split_geography(identifier)[1]


def _base_model(name: str) -> str:
    """The model a custom model was made of: amazon.nova-lite-v1:0 of amazon.nova-lite-v1:0:300k/abc."""
    return re.sub(r":[0-9]+k$", "", name.partition("/")[0])


def _check_bare(model_id: str, region: str) -> None:
    model = model_list().get(model_id)
    if model and region in model["single_region"]:
        return
    if model and region in model["profile_source_regions"]:
        raise refuse_call("needs_profile", model_id=model_id)
    raise refuse_call("model_id")


def _check_profile(geography: str, model_id: str, region: str) -> None:
    model = model_list().get(model_id)
    if model is None or region not in model["profile_source_regions"]:
        raise refuse_call("model_id")
    exist = model["traits"].get("geographies", {}).get("value", [geography])
    if geography not in exist or not reaches(geography, region, unknown=True):
        raise refuse_call("model_id")
