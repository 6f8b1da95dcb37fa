"""Which models batch inference lists, where, and under which id: a dated copy of AWS's page.

https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-supported.html. No API tells it. An id is
never rewritten: what does not fit is said, with what would.
"""

from dataclasses import dataclass
from functools import cache

import pandas as pd

from bbkit.core.files import read_data
from bbkit.core.findings import Finding
from bbkit.core.frames import as_frame
from bbkit.core.text import name_some
from bbkit.families import FAMILIES, bare_model_id, family_name, geographies_of, split_model_id

__all__ = ["Model", "bare_model_id", "check_model", "find_model", "list_models", "profile_ids"]

_COLUMNS = {
    "model_id": "string",
    "provider": "string",
    "family": "string",
    "context_window": "Int64",
    "single_region": "object",
    "profile_source_regions": "object",
}
_PROFILES_PAGE = "https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html"


@dataclass(frozen=True)
class Model:
    """A model that batch inference lists."""

    model_id: str
    provider: str
    family: str
    single_region: tuple[str, ...]
    profile_source_regions: tuple[str, ...]
    context_window: int | None = None
    context_window_source: str | None = None


@cache
def _models() -> dict[str, Model]:
    models = {}
    for row in read_data("models")["models"]:
        regions = {name: tuple(row[name]) for name in ("single_region", "profile_source_regions")}
        models[row["model_id"]] = Model(**{**row, **regions})
    return models


def find_model(model_id: str) -> Model | None:
    """Find a model in the list, by any id or ARN that names it."""
    return _models().get(bare_model_id(model_id))


def list_models() -> pd.DataFrame:
    """List the models of batch inference."""
    frame = as_frame((vars(model) for model in _models().values()), _COLUMNS)
    frame.attrs.update(source=read_data("models")["source"], date=read_data("models")["date"])
    return frame


def profile_ids(model_id: str, region: str) -> list[str]:
    """Name the ids under which a model may be reachable from a region through an inference profile."""
    model = find_model(model_id)
    if model is None or region not in model.profile_source_regions:
        return []
    return [f"{geography}.{model.model_id}" for geography in (*geographies_of(region), "global")]


def check_model(model_id: str, region: str = "") -> list[Finding]:
    """Check that batch inference lists a model, in a region, under this id."""
    kind, geography, bare = split_model_id(model_id)
    if kind in ("imported-model", "provisioned-model"):
        return [
            Finding(
                "error",
                "model_refused",
                f"{model_id} is of the kind {kind}.",
                "Batch inference takes foundation models, inference profiles and custom models.",
            )
        ]
    if elsewhere := _check_arn(model_id, region):
        return elsewhere
    if kind in ("application-inference-profile", "custom-model") or kind.startswith("custom-model-"):
        return []
    model = find_model(model_id)
    listed = f"AWS's list of {read_data('models')['date']}"
    if model is None:
        name = family_name(model_id)
        read_only = name and not FAMILIES[name].writable
        return [
            Finding(
                "error" if read_only else "warning",
                "model_not_listed",
                f"{bare} is not in {listed} of models for batch inference.",
                f"See {read_data('models')['source']}, or take another model.",
            )
        ]
    return _check_region(model, model_id, geography, region, listed) if region else []


def _check_region(model: Model, model_id: str, geography: str, region: str, listed: str) -> list[Finding]:
    alone, profiled = region in model.single_region, region in model.profile_source_regions
    if geography:
        return _check_geography(model, model_id, geography, region, listed)
    if alone:
        return []
    if profiled:
        found = f"{model_id} is listed in {region} through an inference profile only."
        ids = " or ".join(profile_ids(model_id, region))
        return [
            Finding("error", "model_profile", found, f"Use the id of a profile: {ids} ({_PROFILES_PAGE}).")
        ]
    return [
        Finding(
            "warning",
            "model_region",
            f"{listed} does not have {model.model_id} in {region}.",
            f"Use {_where(model)}.",
        )
    ]


def _check_arn(model_id: str, region: str) -> list[Finding]:
    own = model_id.split(":")[3] if model_id.startswith("arn:") and model_id.count(":") > 4 else ""
    if not own or not region or own == region:
        return []
    found = f"{model_id} is an ARN of {own}, and the job is created in {region}."
    return [Finding("warning", "model_region", found, f"Use an ARN of {region}, or set the region {own}.")]


def _check_geography(model: Model, model_id: str, geography: str, region: str, listed: str) -> list[Finding]:
    if region not in model.profile_source_regions:
        found = f"{listed} has no inference profile of {model.model_id} from {region}."
        alone = region in model.single_region
        remedy = f"Use {model.model_id}." if alone else f"Use {_where(model)}."
        return [Finding("warning", "model_region", found, remedy)]
    known = geographies_of(region)
    if not known or geography in (*known, "global"):
        return []
    found = f"{model_id} is a profile of the geography {geography}; {region} has those of {', '.join(known)}."
    ids = " or ".join(profile_ids(model_id, region))
    remedy = f"Use {ids}; the list does not say which exist, ListInferenceProfiles does ({_PROFILES_PAGE})."
    return [Finding("warning", "model_region", found, remedy)]


def _where(model: Model) -> str:
    if model.single_region:
        return f"a region of {name_some(model.single_region)}"
    return f"an inference profile from {name_some(model.profile_source_regions)}"
