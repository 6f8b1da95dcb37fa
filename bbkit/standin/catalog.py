"""What is asked of models and inference profiles, be they defined by the system or made in this stand-in.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetFoundationModel.html and the pages of
GetFoundationModelAvailability, GetInferenceProfile and CreateInferenceProfile. Dates are those of the data
file (bbkit/catalog/data/models.json); one that it does not have is not told.
"""

import hashlib
import json
import secrets
import threading
from typing import Any

from bbkit.standin.errors import ServiceError, refuse_call
from bbkit.standin.faults import Faults
from bbkit.standin.models import destinations, model_list, partition_of, reaches, resolve_model, traits_of
from bbkit.standin.pages import read_token, write_token
from bbkit.standin.settings import Settings, write_whole

_DATES = {"legacyTime": "legacy_from", "endOfLifeTime": "end_of_life"}


class Catalog:
    def __init__(self, settings: Settings, faults: Faults) -> None:
        self.settings = settings
        self.faults = faults
        self.path = settings.folder / "profiles.json"  # name and model of each profile made here
        self.made: dict[str, dict[str, str]] = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.models = settings.application_profiles
        self.models |= {profile_id: profile["model"] for profile_id, profile in self.made.items()}
        self._lock = threading.Lock()

    def get_foundation_model(self, given: dict[str, Any], region: str) -> dict[str, Any]:
        model = _find(given["modelIdentifier"], region)
        return {"modelDetails": _describe(model, region, self.settings.as_of)}

    def list_foundation_models(self, given: dict[str, Any], region: str) -> dict[str, Any]:
        if "byCustomizationType" in given:
            raise refuse_call("no_customization")
        as_of = self.settings.as_of
        told = [_describe(model, region, as_of) for model in model_list().values() if _is_here(model, region)]
        wanted, modality = given.get("byInferenceType"), given.get("byOutputModality")
        return {
            "modelSummaries": [
                model
                for model in told
                if given.get("byProvider", model["providerName"]).lower() == model["providerName"].lower()
                and (wanted is None or wanted in model["inferenceTypesSupported"])
                and (modality is None or modality in model["outputModalities"])
            ]
        }

    def list_inference_profiles(self, given: dict[str, Any], region: str) -> dict[str, Any]:
        """Describe the inference profiles that can be called from the region, a page at a time."""
        asked = {**given, "region": region}
        start = read_token(given["nextToken"], asked) if "nextToken" in given else 0
        if type(start) is not int:
            raise refuse_call("page_token")
        ids = [
            f"{geography}.{model['model_id']}"
            for model in model_list().values()
            if region in model["profile_source_regions"]
            for geography in model["traits"].get("geographies", {}).get("value", ())
            if reaches(geography, region)
        ]
        named = [{"inferenceProfileIdentifier": name} for name in (*ids, *self.models)]
        told = [self.get_inference_profile(one, region) for one in named]
        told = [one for one in told if given.get("typeEquals") in (None, one["type"])]
        end = start + given.get("maxResults", 1000)
        answer: dict[str, Any] = {"inferenceProfileSummaries": told[start:end]}
        return answer | ({"nextToken": write_token(end, asked)} if end < len(told) else {})

    def get_foundation_model_availability(self, given: dict[str, Any], region: str) -> dict[str, Any]:
        """Tell that a model may be used, unless the fault is that it may not."""
        model = _find(given["modelId"], region)
        here = "NOT_AVAILABLE" if "no-model-access" in self.faults.names else "AVAILABLE"
        return {
            "modelId": model["model_id"],
            "agreementAvailability": {"status": here},
            "authorizationStatus": "AUTHORIZED",
            "entitlementAvailability": here,
            "regionAvailability": "AVAILABLE",
        }

    def get_inference_profile(self, given: dict[str, Any], region: str) -> dict[str, Any]:
        head = f"arn:{partition_of(region)}:bedrock:{region}:{self.settings.account}:"
        identifier = given["inferenceProfileIdentifier"]
        if identifier in self.models:
            identifier = f"{head}application-inference-profile/{identifier}"
        absent = refuse_call("no_profile", identifier=identifier)
        try:
            model = resolve_model(identifier, region, self.settings.account, self.models)
        except ServiceError as error:
            raise absent from error
        kind, _, profile_id = model.arn.removeprefix(head).partition("/")
        if not kind.endswith("inference-profile"):
            raise absent
        places = destinations(self.models.get(profile_id, profile_id), region)
        arns = [_model_arn(model.model_id, place, region) for place in places]
        return {
            "inferenceProfileName": self.made.get(profile_id, {}).get("name", profile_id),
            "inferenceProfileArn": model.arn,
            "inferenceProfileId": profile_id,
            "models": [{"modelArn": arn} for arn in arns],
            "status": "ACTIVE",
            "type": "APPLICATION" if kind.startswith("application") else "SYSTEM_DEFINED",
        }

    def create_inference_profile(self, given: dict[str, Any], region: str) -> dict[str, Any]:
        """Make an application inference profile; the same token names the same one."""
        account = self.settings.account
        source = given["modelSource"]["copyFrom"]
        resolve_model(source, region, account, {})
        token = given.get("clientRequestToken") or secrets.token_hex(8)
        profile_id = hashlib.sha256(f"{region} {token}".encode()).hexdigest()[:12]
        with self._lock:
            made = {"name": given["inferenceProfileName"], "model": source.rpartition("/")[2]}
            write_whole(self.path, json.dumps(self.made | {profile_id: made}, indent=1).encode())
            self.made[profile_id], self.models[profile_id] = made, made["model"]
        head = f"arn:{partition_of(region)}:bedrock:{region}:{account}:application-inference-profile"
        return {"inferenceProfileArn": f"{head}/{profile_id}", "status": "ACTIVE"}


def _describe(model: dict[str, Any], region: str, as_of: str) -> dict[str, Any]:
    traits, alone = traits_of(model["model_id"]), region in model["single_region"]
    told = {name: f"{traits[key]}T00:00:00.000Z" for name, key in _DATES.items() if key in traits}
    # A model gets the end of its life when it becomes legacy.
    since = traits.get("legacy_from", "" if told or traits.get("lifecycle") == "legacy" else "9")
    inputs, embeds = traits.get("inputs", ()), "embed" in model["model_id"]
    return {
        "modelArn": _model_arn(model["model_id"], region, region),
        "modelId": model["model_id"],
        "providerName": model["provider"],
        **({"inputModalities": [name.upper() for name in inputs]} if inputs else {}),
        "inferenceTypesSupported": ["ON_DEMAND" if alone else "INFERENCE_PROFILE"],
        "outputModalities": ["EMBEDDING" if embeds else "TEXT"],
        "responseStreamingSupported": not embeds,
        "modelLifecycle": {"status": "LEGACY" if since <= as_of else "ACTIVE", **told},
    }


def _model_arn(model_id: str, place: str, region: str) -> str:
    return f"arn:{partition_of(region)}:bedrock:{place}::foundation-model/{model_id}"


def _is_here(model: dict[str, Any], region: str) -> bool:
    return region in (*model["single_region"], *model["profile_source_regions"])


def _find(identifier: str, region: str) -> dict[str, Any]:
    model = model_list().get(identifier.rpartition("/")[2])
    if model is None or not _is_here(model, region):
        raise refuse_call("no_model")
    return model
