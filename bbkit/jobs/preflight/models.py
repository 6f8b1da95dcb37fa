"""The model of a run: what the table says, and what AWS alone knows: its life, access to it, and which it is
behind an application profile; the records are checked again for that one.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from bbkit import aws
from bbkit.catalog.models import check_model
from bbkit.checks import RecordCheck, check_lines
from bbkit.core.errors import AwsError, CredentialsError
from bbkit.core.findings import Finding, make_finding
from bbkit.families import bare_model_id, family_name, tells_model
from bbkit.jobs.preflight.needs import DENIED, Arns, not_seen
from bbkit.run import RunSnapshot
from bbkit.run.creation import write_description

_NOT_FOUND = "ResourceNotFoundException"
_QUESTIONS = {"get_foundation_model": "modelIdentifier", "get_foundation_model_availability": "modelId"}


def check_run_model(arns: Arns, as_of: dt.date | None = None) -> Iterator[Finding]:
    """Ask AWS about the model that the jobs end at; compare what it says with the table and the records."""
    run, model, hidden = arns.run, arns.model, not tells_model(arns.run.model_id)
    told: dict[str, Any] = {}
    silent: dict[str, AwsError] = {}
    for operation, name in _QUESTIONS.items() if model else ():
        try:
            told |= aws.call("bedrock", operation, **{name: model})
        except AwsError as error:
            silent[operation.title().replace("_", "")] = error
    life = _read_life(told.get("modelDetails", {}).get("modelLifecycle"))
    behind = model if hidden else ""
    yield from check_model(run.model_id, run.endpoint.region, model=behind, as_of=as_of, told=life)
    if arns.is_profile:
        yield from _check_profile(arns)
    if "authorizationStatus" in told:
        yield _judge_access(told, model, arns.is_profile)
    if denied := [called for called, error in silent.items() if error.code in DENIED]:
        yield make_finding("model.denied", called=" and ".join(denied), model=model)
    lost = [] if arns.is_profile else [name for name, error in silent.items() if error.code == _NOT_FOUND]
    if lost:
        yield make_finding("model.unresolved", model=model, region=run.endpoint.region, called=lost[0])
    for called in silent.keys() - {*denied, *lost}:
        yield not_seen("model", f"What {called} says of {model}", silent[called])
    if behind:
        yield from _check_again(arns)


def _read_life(life: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The traits of what GetFoundationModel says of a model's life."""
    if not life:
        return None
    days = (life.get(name) for name in ("legacyTime", "endOfLifeTime"))
    legacy, end = (day.astimezone(dt.UTC).date() if day else None for day in days)
    return {"lifecycle": str(life.get("status")).lower(), "legacy_from": legacy, "end_of_life": end}


def _check_profile(arns: Arns) -> Iterator[Finding]:
    model_id, routed = arns.run.model_id, arns.routed
    if isinstance(routed, CredentialsError):
        raise routed
    if isinstance(routed, list):
        regions = sorted({arn.split(":")[3] for arn in routed} - {""})
        yield make_finding("model.routes", model_id=model_id, regions=", ".join(regions))
    elif routed.code == _NOT_FOUND:
        yield make_finding("model.no_profile", model_id=model_id, region=arns.run.endpoint.region)
    else:
        yield not_seen("model", f"Inference profile {model_id}", routed)


def _judge_access(told: Mapping[str, Any], model: str, is_profile: bool) -> Finding:
    """Judge what GetFoundationModelAvailability says; a profile may end in another Region."""
    agreement = told.get("agreementAvailability", {})
    said = {**told, "agreementAvailability": agreement.get("status")}
    names = ("authorizationStatus", "entitlementAvailability", "agreementAvailability", "regionAvailability")
    asked = {name: said.get(name) for name in (names[:-1] if is_profile else names)}
    lacking = {name: word for name, word in asked.items() if word not in ("AVAILABLE", "AUTHORIZED", None)}
    if not lacking:
        return make_finding("model_access", model=model)
    words = [f"{name} is {word}" for name, word in lacking.items()] + [agreement.get("errorMessage", "")]
    found = make_finding("model_access.lacking", model=model, words=", ".join(filter(None, words)))
    # Of Amazon's own models it has been seen to say no where they answer.
    soft = model.startswith("amazon.") or set(lacking.values()) == {"PENDING"}
    return found._replace(severity="warning") if soft else found


def _check_again(arns: Arns) -> Iterator[Finding]:
    """Check unsent records with the model they turn out to be for, and note it in the run."""
    run, model, snapshot = arns.run, arns.model, RunSnapshot.read(arns.run)
    attempt = snapshot.last_attempt
    chosen = snapshot.lineage.get(attempt, {})
    if bare_model_id(run.model) != model:
        if run.model:
            yield make_finding("model.another", model_id=run.model_id, model=model, given=run.model)
        with suppress(OSError):
            family = run.family if run.invocation_type == "Converse" else family_name(model) or run.family
            write_description(replace(run, model=model, family=family), run.folder)
    if not attempt or snapshot.is_sent(attempt) or bare_model_id(chosen.get("model", "")) == model:
        return
    given = None if family_name(model) else run.family
    check = RecordCheck(run.model_id, family=given, invocation_type=run.invocation_type, model=model)
    for file in snapshot.files:
        for _ in check_lines(check, file.path) if file.attempt == attempt else ():
            pass
    found = check.finish()
    found = found[found["line"].notna() & ~found["rule"].isin(chosen.get("allow", []))]
    yield make_finding("model.behind", model_id=run.model_id, model=model)
    yield from (Finding(**row) for row in found.to_dict("records"))
