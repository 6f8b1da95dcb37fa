"""Preflight: account, model, buckets, role and quotas looked at before money is spent.

What may not be looked at is said to be unknown, never fine.
"""

from collections.abc import Iterator, Mapping

from bbkit import aws
from bbkit.aws import split_s3_uri
from bbkit.errors import AwsError
from bbkit.families import split_model_id
from bbkit.frames import Findings, findings
from bbkit.identities import POLICIES, Finding, found_that, look_at_identity, not_seen
from bbkit.journal import TERMINAL
from bbkit.models import check_model
from bbkit.policies import policies_for
from bbkit.quotas import Quotas
from bbkit.run import Run

__all__ = ["policies_for", "preflight"]

_OPEN = ("Submitted", "Validating", "Scheduled", "InProgress", "Stopping")
_DENIED = ("AccessDenied", "AccessDeniedException", "403", "Forbidden")


def preflight(run: Run) -> Findings:
    """Look at everything a launch depends on; nothing is submitted.

    An empty object is written under the run's prefix and deleted again, to know that it can be.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    Findings
        One row per finding: ``error`` would stop or spoil the jobs, ``unknown`` could not be looked at,
        ``info`` is good to know. Rules: ``place, model, bucket, role, trust, permissions, caller, key, vpc,
        jobs``.

    Raises
    ------
    bbkit.errors.PlaceError
        The run was made for another endpoint, account or region.
    bbkit.errors.CredentialsError
        There are no credentials.
    """
    run.check_place()
    rows = [found_that("info", "place", f"Calls go to {run.place}.")]
    rows += _say_model(run)
    rows += _look_at_bucket(run)
    rows += look_at_identity(run)
    rows += _look_at_key(run)
    if run.job_options.get("vpc_config"):
        rows.append(
            found_that(
                "unknown", "vpc", "Subnets, security groups and the endpoint for S3 were not looked at.",
                "See https://docs.aws.amazon.com/bedrock/latest/userguide/batch-vpc.html.",
            )
        )  # fmt: skip
    rows += _count_jobs(run)
    return findings(rows)


def _say_model(run: Run) -> Iterator[Finding]:
    yield from check_model(run.model_id, run.place.region)
    kind, geography, _ = split_model_id(run.model_id)
    if not (geography or kind == "application-inference-profile"):
        return
    try:
        with aws.translated():
            found = aws.client("bedrock").get_inference_profile(inferenceProfileIdentifier=run.model_id)
    except AwsError as error:
        if error.code == "ResourceNotFoundException":
            yield found_that(
                "error", "model", f"There is no inference profile {run.model_id} in {run.place.region}.",
                "ListInferenceProfiles shows those there are.",
            )  # fmt: skip
        else:
            yield not_seen("model", f"Inference profile {run.model_id}", error)
        return
    regions = sorted({model["modelArn"].split(":")[3] for model in found["models"]} - {""})
    yield found_that("info", "model", f"{run.model_id} routes to {', '.join(regions)}.")


def _look_at_bucket(run: Run) -> Iterator[Finding]:
    bucket, prefix = split_s3_uri(run.s3_prefix)
    owner = run.job_options.get("bucket_owner")
    expected = {"ExpectedBucketOwner": owner} if owner else {}
    try:
        with aws.translated():
            answer = aws.client("s3").head_bucket(Bucket=bucket, **expected)
    except AwsError as error:
        yield _say_bucket_error(bucket, run, error)
        return
    region = answer.get("BucketRegion") or answer["ResponseMetadata"]["HTTPHeaders"].get(
        "x-amz-bucket-region", ""
    )
    if region and region != run.place.region:
        yield found_that(
            "error", "bucket", f"Bucket {bucket} is in {region}, the jobs run in {run.place.region}.",
            f"Use a bucket in {run.place.region}.",
        )  # fmt: skip
    key = f"{prefix}preflight"
    try:
        with aws.translated():
            aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"", **expected)
            aws.client("s3").delete_object(Bucket=bucket, Key=key, **expected)
        yield found_that("info", "bucket", f"Bucket {bucket} is there and can be written to.")
    except AwsError as error:
        yield found_that("error", "bucket", f"s3://{bucket}/{key} cannot be written and deleted. {error}")
    yield from _look_at_encryption(run, bucket, expected)


def _say_bucket_error(bucket: str, run: Run, error: AwsError) -> Finding:
    if error.code in ("404", "NoSuchBucket"):
        return found_that(
            "error", "bucket", f"There is no bucket {bucket}.",
            f"Make it in {run.place.region}, or name another with s3_uri=.",
        )  # fmt: skip
    if error.code in ("301", "PermanentRedirect"):
        return found_that(
            "error", "bucket", f"Bucket {bucket} is not in {run.place.region}, where the jobs run.",
            f"Use a bucket in {run.place.region}.",
        )  # fmt: skip
    if error.code in _DENIED:
        return found_that(
            "error", "bucket", f"Bucket {bucket} may not be listed by you, or is another's.", POLICIES
        )
    return not_seen("bucket", f"Bucket {bucket}", error)


def _look_at_encryption(run: Run, bucket: str, expected: Mapping[str, str]) -> Iterator[Finding]:
    if run.place.is_standin:
        return
    try:
        with aws.translated():
            answer = aws.client("s3").get_bucket_encryption(Bucket=bucket, **expected)
    except AwsError as error:
        if error.code != "ServerSideEncryptionConfigurationNotFoundError":
            yield not_seen("key", f"The default encryption of bucket {bucket}", error)
        return
    for rule in answer["ServerSideEncryptionConfiguration"].get("Rules", ()):
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        if key := default.get("KMSMasterKeyID"):
            yield found_that(
                "warning", "key", f"Bucket {bucket} encrypts with the KMS key {key} by default.",
                "Let the role kms:Decrypt and kms:GenerateDataKey with it, in the key's policy too.",
            )  # fmt: skip


def _look_at_key(run: Run) -> Iterator[Finding]:
    key = run.job_options.get("kms_key_id", "")
    if not key or run.place.is_standin:
        return
    try:
        with aws.translated():
            about = aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    except AwsError as error:
        if error.code in ("NotFoundException", "NotFound"):
            yield found_that(
                "error", "key", f"There is no KMS key {key} here.", "Set it with run.change(kms_key_id=...)."
            )
        else:
            yield not_seen("key", f"KMS key {key}", error)
        return
    if not about.get("Enabled", True):
        yield found_that(
            "error", "key", f"KMS key {key} is {about.get('KeyState')}.", "Enable it, or use another."
        )
    yield found_that("unknown", "key", f"Whether the policy of key {key} allows the role is not looked at.")


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
    try:
        quotas = Quotas.read(run.model_id)
    except AwsError as error:
        yield not_seen("jobs", "The account's quotas", error)
        quotas = Quotas.defaults(run.model_id)
    wanted = len({file.job for file in run.record_files()})
    room = quotas.max_jobs - len(running)
    text = f"{len(running)} of {quotas.max_jobs} concurrent jobs of this model are in flight ({quotas.note})."
    if wanted > room:
        yield found_that(
            "info", "jobs", f"{text} This run has {wanted}.",
            "What does not fit is queued, and submitted while something waits or watches.",
        )  # fmt: skip
    else:
        yield found_that("info", "jobs", text)
