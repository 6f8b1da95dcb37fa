"""What AWS says today of models, profiles, quotas and prices, read into a catalog of the user's own."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bbkit import aws
from bbkit.catalog.price_lists import find_place, read_prices
from bbkit.catalog.quotas import match_quotas
from bbkit.core.errors import AwsError
from bbkit.core.files import write_text
from bbkit.core.text import count_noun
from bbkit.families import family_name, find_model, model_table, split_model_id

_API = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_"
_CALLS = ("ListFoundationModels", "ListInferenceProfiles")


def refresh_catalog(output: str | Path) -> str:
    """Read what AWS says today into a file for BBKIT_CATALOG to name; what it refuses is told."""
    path, region, today = find_place(output), aws.find_region(), dt.datetime.now(dt.UTC).date().isoformat()
    sources = {name: {"url": f"{_API}{name}.html", "date": today} for name in _CALLS}
    read, refused = [], []

    def tried(noun: str, reader: Callable[[], Any]) -> Any:
        try:
            found = reader()
        except AwsError as error:
            refused.append(f"The {noun}s could not be read: {error}")
            return {}
        read.append(count_noun(len(found), noun))
        return found

    rows = tried("model", _read_models)
    models = {"sources": sources, **({"refreshed": today} if rows else {})}
    for model_id, geographies in tried("inference profile", _read_profiles).items():
        if model_id in rows or find_model(model_id):
            traits = rows.setdefault(model_id, {"model_id": model_id, "traits": {}})["traits"]
            traits["geographies"] = {"value": geographies, "source": _CALLS[1]}
    quotas = tried("quota", lambda: _read_quotas(f"Service Quotas of this account in {region}, {today}"))
    prices = tried("price", lambda: read_prices(region)[0]) or []
    if not read:
        raise AwsError(" ".join(refused))
    document = {
        "models": models | {"models": list(rows.values())},
        "quotas": {"models": quotas},
        "price_list": {"date": today, "source": f"AWS Price List, {region}", "prices": prices},
    }
    write_text(path, json.dumps(document, indent=1))
    told = f"{', '.join(read)} of {region} written to {path}, used where BBKIT_CATALOG={path} is set."
    return "\n".join([told, *refused])


def _read_models() -> dict[str, Any]:
    rows = {}
    for told in aws.call("bedrock", "list_foundation_models")["modelSummaries"]:
        model_id, life = told["modelId"], told.get("modelLifecycle") or {}
        if not (family := family_name(model_id)) or "status" not in life:
            continue
        days = {"legacy_from": life.get("legacyTime"), "end_of_life": life.get("endOfLifeTime")}
        values: dict[str, Any] = {name: day and day.date().isoformat() for name, day in days.items()}
        values["lifecycle"] = life["status"].lower()
        if inputs := told.get("inputModalities"):
            values["inputs"] = [name.lower() for name in inputs]
        traits = {name: {"value": value, "source": _CALLS[0]} for name, value in values.items()}
        head = {"model_id": model_id, "provider": told.get("providerName") or family, "family": family}
        rows[model_id] = head | {"traits": traits}
    return rows


def _read_profiles() -> dict[str, list[str]]:
    """The geographies of each model, with those known of it: other regions have others."""
    found: dict[str, set[str]] = defaultdict(set)
    pages = aws.iter_pages("bedrock", "list_inference_profiles", typeEquals="SYSTEM_DEFINED")
    for told in (profile for page in pages for profile in page["inferenceProfileSummaries"]):
        _, geography, model_id = split_model_id(told["inferenceProfileId"])
        model = find_model(model_id)
        found[model_id].update([geography], (model and model.traits.geographies) or ())
    return {model_id: sorted(names) for model_id, names in found.items()}


def _read_quotas(note: str) -> dict[str, Any]:
    listing = list(aws.iter_quotas())
    of = {name: match_quotas(listing, name) for name, model in model_table().models.items() if model.batch}
    return {name: {**values, "note": note} for name, values in of.items() if values}
