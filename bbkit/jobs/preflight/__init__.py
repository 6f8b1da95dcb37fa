"""Preflight: account, model, buckets, role and quotas looked at before money is spent.

What may not be looked at is said to be unknown, never fine.
"""

from collections.abc import Iterator

from bbkit import aws
from bbkit.catalog.models import check_model
from bbkit.catalog.quotas import Quotas
from bbkit.core.errors import AwsError, InputError
from bbkit.core.findings import Finding, Findings, findings
from bbkit.families import split_model_id
from bbkit.jobs.preflight.buckets import look_at_buckets
from bbkit.jobs.preflight.identities import look_at_identity
from bbkit.jobs.preflight.policies import policies_for
from bbkit.jobs.preflight.wordings import not_seen
from bbkit.run import Run, as_run
from bbkit.run.folders import refuse_values
from bbkit.run.journal import TERMINAL

__all__ = ["policies_for", "preflight"]

_OPEN = ("Submitted", "Validating", "Scheduled", "InProgress", "Stopping")


def preflight(run: Run) -> Findings:
    """Look at everything a launch depends on; nothing is submitted.

    An empty object is written where input files will go and deleted again, to know that it can be.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    Findings
        One row per finding: ``error`` would stop or spoil the jobs, ``warning`` may do so, ``unknown`` could
        not be looked at, ``info`` is good to know. Rules: ``place, values, model, model_refused,
        model_not_listed, model_region, model_profile, bucket, role, trust, permissions, caller, key, vpc,
        jobs``. On a stand-in, which has no IAM, KMS or VPC, ``info`` says so.

    Raises
    ------
    bbkit.core.errors.PlaceError
        The run was made for another endpoint, account or region.
    bbkit.core.errors.CredentialsError
        There are no credentials.
    """
    run = as_run(run)
    run.check_endpoint()
    rows = [Finding("info", "place", f"Calls go to {run.endpoint}.")]
    rows += _check_values(run)
    rows += _say_model(run)
    rows += look_at_buckets(run)
    rows += look_at_identity(run)
    if not run.endpoint.is_standin:
        rows += _look_at_key(run)
        rows += _say_network(run)
    rows += _count_jobs(run)
    return findings(rows)


def _check_values(run: Run) -> Iterator[Finding]:
    try:
        refuse_values(run)
    except InputError as error:
        yield Finding("error", "values", str(error), "run.change(...) corrects it.")


def _say_network(run: Run) -> Iterator[Finding]:
    if run.job_options.get("vpc_config"):
        yield Finding(
            "unknown", "vpc", "Subnets, security groups and the endpoint for S3 were not looked at.",
            "See https://docs.aws.amazon.com/bedrock/latest/userguide/batch-vpc.html.",
        )  # fmt: skip


def _say_model(run: Run) -> Iterator[Finding]:
    yield from check_model(run.model_id, run.endpoint.region)
    kind, geography, _ = split_model_id(run.model_id)
    if not (geography or kind == "application-inference-profile"):
        return
    if run.endpoint.is_standin:
        yield Finding("info", "model", f"A stand-in does not tell where {run.model_id} routes to.")
        return
    try:
        with aws.translated():
            found = aws.client("bedrock").get_inference_profile(inferenceProfileIdentifier=run.model_id)
    except AwsError as error:
        if error.code == "ResourceNotFoundException":
            yield Finding(
                "error", "model", f"There is no inference profile {run.model_id} in {run.endpoint.region}.",
                "ListInferenceProfiles shows those there are.",
            )  # fmt: skip
        else:
            yield not_seen("model", f"Inference profile {run.model_id}", error)
        return
    regions = sorted({model["modelArn"].split(":")[3] for model in found["models"]} - {""})
    yield Finding("info", "model", f"{run.model_id} routes to {', '.join(regions)}.")


def _look_at_key(run: Run) -> Iterator[Finding]:
    key = run.job_options.get("kms_key_id", "")
    if not key:
        return
    try:
        with aws.translated():
            about = aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    except AwsError as error:
        if error.code in ("NotFoundException", "NotFound"):
            yield Finding(
                "error", "key", f"There is no KMS key {key} here.", "Set it with run.change(kms_key_id=...)."
            )
        else:
            yield not_seen("key", f"KMS key {key}", error)
        return
    if not about.get("Enabled", True):
        yield Finding(
            "error", "key", f"KMS key {key} is {about.get('KeyState')}.", "Enable it, or use another."
        )
    yield Finding("unknown", "key", f"Whether the policy of key {key} allows the role is not looked at.")


def _count_jobs(run: Run) -> Iterator[Finding]:
    """Compare the jobs in flight, of whoever in this account and region, with the quota of the model."""
    try:
        bare = split_model_id(run.model_id)[2]
        running = [
            job
            for status in _OPEN
            for job in aws.list_jobs(status=status)
            if split_model_id(job["modelId"])[2] == bare and job["status"] not in TERMINAL
        ]
    except AwsError as error:
        yield not_seen("jobs", "The jobs in flight", error)
        return
    quotas = Quotas.read(run.model_id)
    wanted = len({file.job for file in run.record_files()})
    room = quotas.max_jobs - len(running)
    text = f"{len(running)} of {quotas.max_jobs} concurrent jobs of this model are in flight ({quotas.note})."
    if wanted > room:
        yield Finding(
            "info", "jobs", f"{text} This run has {wanted}.",
            "What does not fit is queued, and submitted while something waits or watches.",
        )  # fmt: skip
    else:
        yield Finding("info", "jobs", text)
