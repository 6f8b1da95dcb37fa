"""Preflight: account, model, buckets, role and quotas looked at before money is spent.

A run becomes its `Arns`, read once per call; `check_identity`, `check_run_model` and the checks here yield
findings of it, and `policies_for` writes the policies that would let it run. What may not be looked at is
said to be unknown, never fine.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from bbkit import aws
from bbkit.aws import split_s3_uri
from bbkit.catalog.quotas import Quotas
from bbkit.core.errors import AwsError
from bbkit.core.findings import Finding, Findings, findings, make_finding
from bbkit.families import split_model_id
from bbkit.jobs.preflight.identities import check_identity
from bbkit.jobs.preflight.models import check_run_model
from bbkit.jobs.preflight.needs import DENIED, Arns, events_for, not_seen, policies_for
from bbkit.run import Run, as_run
from bbkit.run.journal import TERMINAL
from bbkit.run.values import check_values

__all__ = ["events_for", "policies_for", "preflight"]

_OPEN = ("Submitted", "Validating", "Scheduled", "InProgress", "Stopping")
_ERRORS = {
    **dict.fromkeys(("404", "NoSuchBucket"), "bucket.missing"),
    **dict.fromkeys(("301", "PermanentRedirect"), "bucket.elsewhere"),
    **dict.fromkeys(DENIED, "bucket.denied"),
}


def preflight(run: Run, *, as_of: dt.date | None = None) -> Findings:
    """Look at everything a launch depends on; nothing is submitted.

    An empty object is written where input files will go and deleted again, to know that it can be. AWS is
    asked of the model: its lifecycle, the account's access to it, and which one is behind an application
    inference profile. Unsent records are checked again for that one, and ``run.json`` keeps it as `model`.

    Parameters
    ----------
    run : Run
        The run.
    as_of : datetime.date, optional
        The day for which the lifecycle of the model is looked at; today when left out.

    Returns
    -------
    Findings
        One row per finding: ``error`` would stop or spoil the jobs, ``warning`` may do so, ``unknown`` could
        not be looked at, ``info`` is good to know. Rules: ``place, values, s3_uri, role_arn, kms_key_arn,
        model, model_not_told, model_access, catalog_old, model_ended, model_legacy, model_refused,
        model_not_listed, model_region, model_profile, bucket, role, trust, permissions, caller, key, vpc,
        jobs``, and those of `check_records` of records checked again. On a stand-in, which has no IAM, KMS
        or VPC, ``info`` says so.

    Raises
    ------
    bbkit.core.errors.PlaceError
        The run was made for another endpoint, account or region.
    bbkit.core.errors.CredentialsError
        There are no credentials.
    """
    run = as_run(run)
    run.check_endpoint()
    arns = Arns(run)
    return findings(
        [
            make_finding("place", endpoint=run.endpoint),
            *_check_values(arns),
            *check_run_model(arns, as_of),
            *_check_buckets(arns),
            *check_identity(arns),
            *_check_key(arns),
            *_check_network(arns),
            *_check_jobs(arns),
        ]
    )


def _check_values(arns: Arns) -> Iterator[Finding]:
    for fault in check_values(arns.run):
        how = "" if fault.rule == "s3_uri" else " run.change(...) corrects it."
        yield fault._replace(remedy=fault.remedy + how)


def _check_buckets(arns: Arns) -> Iterator[Finding]:
    """Look at every bucket that the jobs read or write."""
    probes: dict[str, list[str]] = {}
    for uri in arns.own_uris:
        bucket, key = split_s3_uri(uri)
        probes.setdefault(bucket, []).append(f"{key}preflight")
    for bucket, keys in probes.items():
        yield from _check_bucket(arns, bucket, keys)


def _check_bucket(arns: Arns, bucket: str, keys: Sequence[str]) -> Iterator[Finding]:
    run = arns.run
    owner = run.job_options.get("bucket_owner")
    expected = {"ExpectedBucketOwner": owner} if owner else {}
    try:
        answer = aws.call("s3", "head_bucket", Bucket=bucket, **expected)
    except AwsError as error:
        text = _ERRORS.get(error.code, "")
        if text == "bucket.missing" and bucket != split_s3_uri(run.s3_prefix)[0]:
            text = "bucket.media_missing"
        if text:
            yield make_finding(text, bucket=bucket, here=run.endpoint.region)
        else:
            yield not_seen("bucket", f"Bucket {bucket}", error)
        return
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    region = answer.get("BucketRegion") or headers.get("x-amz-bucket-region", "")
    if region and region != run.endpoint.region:
        yield make_finding("bucket.region", bucket=bucket, region=region, here=run.endpoint.region)
    yield from _try_writing(bucket, keys, expected, aws.encryption(run.job_options.get("kms_key_id", "")))
    yield from _check_media(arns, bucket)
    if not run.endpoint.is_standin:
        yield from _check_encryption(bucket, expected)


def _try_writing(
    bucket: str, keys: Sequence[str], expected: Mapping[str, str], encrypted: Mapping[str, str]
) -> Iterator[Finding]:
    written = 0
    for key in keys:
        try:
            aws.call("s3", "put_object", Bucket=bucket, Key=key, Body=b"", **expected, **encrypted)
            aws.call("s3", "delete_object", Bucket=bucket, Key=key, **expected)
            written += 1
        except AwsError as error:
            yield make_finding("bucket.unwritable", bucket=bucket, key=key, error=error)
    if written == len(keys):
        yield make_finding("bucket", bucket=bucket)


def _check_media(arns: Arns, bucket: str) -> Iterator[Finding]:
    for folder in (folder for folder in arns.media if split_s3_uri(folder)[0] == bucket):
        try:
            if next(aws.list_objects(folder), None) is None:
                yield make_finding("bucket.no_media", folder=folder)
        except AwsError as error:
            yield not_seen("bucket", f"What is in {folder}", error)


def _check_encryption(bucket: str, expected: Mapping[str, str]) -> Iterator[Finding]:
    try:
        answer = aws.call("s3", "get_bucket_encryption", Bucket=bucket, **expected)
    except AwsError as error:
        if error.code != "ServerSideEncryptionConfigurationNotFoundError":
            yield not_seen("key", f"The default encryption of bucket {bucket}", error)
        return
    for rule in answer["ServerSideEncryptionConfiguration"].get("Rules", ()):
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        if key := default.get("KMSMasterKeyID"):
            yield make_finding("key.of_bucket", bucket=bucket, key=key)


def _check_key(arns: Arns) -> Iterator[Finding]:
    key = arns.run.job_options.get("kms_key_id", "")
    if not key or arns.run.endpoint.is_standin:
        return
    try:
        about = aws.call("kms", "describe_key", KeyId=key)["KeyMetadata"]
    except AwsError as error:
        missing = error.code in ("NotFoundException", "NotFound")
        yield make_finding("key.missing", key=key) if missing else not_seen("key", f"KMS key {key}", error)
        return
    if not about.get("Enabled", True):
        yield make_finding("key.disabled", key=key, state=about.get("KeyState"))
    yield make_finding("key.policy", key=key)


def _check_network(arns: Arns) -> Iterator[Finding]:
    if arns.run.job_options.get("vpc_config") and not arns.run.endpoint.is_standin:
        yield make_finding("vpc")


def _check_jobs(arns: Arns) -> Iterator[Finding]:
    """Compare the jobs in flight, of whoever in this account and region, with the quota of the model."""
    try:
        bare = split_model_id(arns.run.model_id)[2]
        running = [
            job
            for status in _OPEN
            for job in aws.list_jobs(status=status)
            if split_model_id(job["modelId"])[2] == bare and job["status"] not in TERMINAL
        ]
    except AwsError as error:
        yield not_seen("jobs", "The jobs in flight", error)
        return
    quotas = Quotas.read(arns.model or arns.run.model_id)
    wanted = len({file.job for file in arns.files})
    text = "jobs.too_many" if wanted > quotas.max_jobs - len(running) else "jobs"
    yield make_finding(text, running=len(running), quotas=quotas, wanted=wanted)
