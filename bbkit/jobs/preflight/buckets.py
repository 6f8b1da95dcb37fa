"""The buckets of a run, its own and those of its media: there, here, writable, encrypted with what."""

from collections.abc import Iterator, Mapping, Sequence

from bbkit import aws
from bbkit.aws import split_s3_uri
from bbkit.core.errors import AwsError
from bbkit.core.findings import Finding, make_finding
from bbkit.jobs.preflight.needs import DENIED, Arns, not_seen

_ERRORS = {
    **dict.fromkeys(("404", "NoSuchBucket"), "bucket.missing"),
    **dict.fromkeys(("301", "PermanentRedirect"), "bucket.elsewhere"),
    **dict.fromkeys(DENIED, "bucket.denied"),
}


def check_buckets(arns: Arns) -> Iterator[Finding]:
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
