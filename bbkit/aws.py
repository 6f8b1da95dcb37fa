"""The only room that talks to AWS: clients, places, objects in S3, model-invocation jobs.

Endpoint, region, profile and retries are boto3's own configuration
(https://docs.aws.amazon.com/boto3/latest/guide/configuration.html). AWS's camelCase stays at this border.
"""

import contextlib
import functools
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlsplit

import boto3
import botocore.loaders
import botocore.model
import botocore.validate
from botocore import exceptions
from botocore.config import Config

from bbkit.errors import AwsError, BbkitError, CredentialsError, InputError

_AWS_DOMAINS = ("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws")
_SHA256 = "bbkit-sha256"
_HOW = (
    "Configure them as for boto3 (such as `aws configure sso` or AWS_PROFILE), "
    "or use a stand-in: `set -a; . DIR/standin.env`."
)
_OPENING = threading.Lock()


@dataclass(frozen=True)
class Place:
    """Where a client talks to.

    Attributes
    ----------
    endpoint : str
        Endpoint URL of the ``bedrock`` client.
    account : str
        The account's 12 digits.
    region : str
        The region's name.
    """

    endpoint: str
    account: str
    region: str

    @property
    def is_standin(self) -> bool:
        """Whether the endpoint is not one of AWS."""
        host = urlsplit(self.endpoint).hostname or ""
        return not any(host == domain or host.endswith(f".{domain}") for domain in _AWS_DOMAINS)

    def same_as(self, other: "Place") -> bool:
        """Tell whether both mean the same place; a stand-in's port may change, its account is its own.

        Parameters
        ----------
        other : Place
            The place to compare with.

        Returns
        -------
        bool
            Equal in endpoint, account and region; for two stand-ins in account and region.
        """
        if self.is_standin and other.is_standin:
            return (self.account, self.region) == (other.account, other.region)
        return self == other

    def __str__(self) -> str:
        if self.is_standin:
            return f"the stand-in at {urlsplit(self.endpoint).netloc} (account {self.account}, {self.region})"
        return f"AWS account {self.account} in {self.region} ({urlsplit(self.endpoint).netloc})"


class S3Object(NamedTuple):
    """One object of a listing: its URI, its size in bytes, its ETag without quotes."""

    uri: str
    size: int
    etag: str


def client(service: str, region: str | None = None, **options: Any) -> Any:
    """Make a boto3 client, or take the one made before in the same environment.

    Parameters
    ----------
    service : str
        boto3's name of the service, such as ``bedrock``.
    region : str, optional
        Another region than the configured one.
    **options
        For `botocore.config.Config`, such as ``read_timeout`` in seconds.

    Returns
    -------
    botocore.client.BaseClient
        Safe to share between threads.

    Raises
    ------
    bbkit.errors.CredentialsError
        There are no credentials.
    bbkit.errors.AwsError
        There is no region.
    """
    with translated(), _OPENING:
        return _client(service, region, tuple(sorted(options.items())), _environment())


# The keys of both caches are all that boto3 reads its configuration from, so a cached client is always the
# one that would be made now; making one afresh costs 0.1 s, and a poll of a hundred jobs needs a hundred.
@functools.lru_cache(maxsize=64)
def _client(service: str, region: str | None, options: tuple, environment: tuple) -> Any:
    session = _session(environment)
    if session.get_credentials() is None:
        raise exceptions.NoCredentialsError
    return session.client(service, region_name=region, config=Config(**dict(options)))


@functools.lru_cache(maxsize=4)
def _session(environment: tuple) -> Any:
    return boto3.Session()


def _environment() -> tuple:
    paths = (
        os.environ.get("AWS_CONFIG_FILE", "~/.aws/config"),
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    )
    names = sorted(name for name in os.environ if name.startswith(("AWS_", "BOTO_")) or name == "HOME")
    return (os.getpid(), *((name, os.environ[name]) for name in names), *map(_changed_at, paths))


def _changed_at(path: str) -> int:
    try:
        return Path(path).expanduser().stat().st_mtime_ns
    except (OSError, RuntimeError):
        return 0


def find_place() -> Place:
    """Find out where calls go now, and as whom (STS GetCallerIdentity, which needs no permission).

    Returns
    -------
    Place
        Endpoint, account and region of the present configuration.

    Raises
    ------
    bbkit.errors.CredentialsError
        There are no credentials, or they are refused.
    bbkit.errors.AwsError
        There is no region, or nothing answers within 5 s.
    """
    bedrock = client("bedrock")
    sts = client("sts", connect_timeout=2, read_timeout=3, retries=_once())
    with translated():
        account = sts.get_caller_identity()["Account"]
    return Place(bedrock.meta.endpoint_url, account, bedrock.meta.region_name)


class _Options(dict):
    # Hashable, to be part of a cache key.
    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


def _once() -> _Options:
    return _Options(total_max_attempts=1)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn botocore's errors into ours, with what to do about them, for the length of a ``with``.

    Raises
    ------
    bbkit.errors.CredentialsError
        Credentials are missing, incomplete, expired or refused.
    bbkit.errors.AwsError
        AWS refused the call (its code is ``.code``) or did not answer.
    """
    try:
        yield
    except exceptions.ClientError as error:
        raise _refused(error) from error
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.ProfileNotFound,
        exceptions.SSOError,
        exceptions.TokenRetrievalError,
        exceptions.NoAuthTokenError,
    ) as error:
        missing = isinstance(error, exceptions.NoCredentialsError)
        found = "There are no AWS credentials" if missing else f"AWS credentials cannot be used: {error}"
        raise CredentialsError(f"{found.rstrip('.')}. {_HOW}") from error
    except exceptions.NoRegionError as error:
        raise AwsError("No AWS region is configured. Set AWS_DEFAULT_REGION, such as us-east-1.") from error
    except exceptions.InvalidEndpointConfigurationError as error:
        raise AwsError(f"{error} Unset AWS_BEARER_TOKEN_BEDROCK to talk to a stand-in.") from error
    except exceptions.ParamValidationError as error:
        said = " ".join(str(error).split())
        raise AwsError(f"{said} Correct the parameter.", "ParamValidation") from error
    except (
        exceptions.HTTPClientError,
        exceptions.ConnectionError,
        exceptions.EndpointResolutionError,
    ) as error:
        raise AwsError(
            f"No answer from AWS: {error} Check the network and region; a stand-in may have been stopped.",
            "NoAnswer",
        ) from error


_REMEDIES = {
    "AccessDenied": "Grant the permission; `bbkit doctor RUN --policies` prints what a run needs.",
    "403": "Grant the permission; `bbkit doctor RUN --policies` prints what a run needs.",
    "NoSuchBucket": "Make the bucket in the job's region, or name another with s3_uri=.",
    "NoSuchKey": "Look whether the object was deleted or is in another place.",
    "404": "Look whether the object or bucket was deleted or is in another place.",
    "ResourceNotFound": "Look whether it belongs to another account or region.",
    "ServiceQuotaExceeded": "Wait for jobs to end, or ask for a higher quota.",
    "Throttling": "Try again in a minute, or set AWS_RETRY_MODE and AWS_MAX_ATTEMPTS for more patience.",
    "PermanentRedirect": "The bucket is in another region; use one in the region of the job.",
    "301": "The bucket is in another region; use one in the region of the job.",
    "Validation": "Correct what it names.",
}
_BAD_CREDENTIALS = (
    "ExpiredToken", "InvalidClientTokenId", "UnrecognizedClient", "SignatureDoesNotMatch",
    "InvalidAccessKeyId", "RequestExpired", "AuthFailure", "IncompleteSignature",
    "MissingAuthenticationToken",
)  # fmt: skip


def _refused(error: Any) -> BbkitError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    said = str(error.response.get("Error", {}).get("Message", "")).strip().rstrip(".")
    short = code.removesuffix("Exception")
    if short in _BAD_CREDENTIALS:
        return CredentialsError(f"AWS does not accept the credentials ({code}: {said}). {_HOW}")
    text = f"AWS refused {error.operation_name}: {code}{f', {said}' if said else ''}."
    return AwsError(f"{text} {_REMEDIES.get(short, '')}".rstrip(), code)


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key; the key may be empty.

    Parameters
    ----------
    uri : str
        The URI.

    Returns
    -------
    tuple of str
        Bucket and key.

    Raises
    ------
    bbkit.errors.InputError
        It is not an S3 URI.
    """
    scheme, separator, rest = str(uri).partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not separator or not bucket:
        raise InputError(f"{uri!r} is not an S3 URI. Write it as s3://bucket/prefix.")
    return bucket, key


def list_objects(uri: str) -> Iterator[S3Object]:
    """List every object whose key begins with the URI's, over all pages.

    Parameters
    ----------
    uri : str
        Such as ``s3://bucket/prefix/``.

    Yields
    ------
    S3Object
        In the order of S3, by key.
    """
    bucket, prefix = split_s3_uri(uri)
    pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    with translated():
        for page in pages:
            for item in page.get("Contents", ()):
                yield S3Object(f"s3://{bucket}/{item['Key']}", item["Size"], item["ETag"].strip('"'))


def open_object(uri: str) -> BinaryIO:
    """Open an object for reading in chunks, without downloading it first.

    Parameters
    ----------
    uri : str
        The object.

    Returns
    -------
    file object
        With ``read(size)`` and ``close()``; not seekable.
    """
    bucket, key = split_s3_uri(uri)
    with translated():
        return client("s3").get_object(Bucket=bucket, Key=key)["Body"]


def read_object(uri: str) -> bytes:
    """Read a whole, small object.

    Parameters
    ----------
    uri : str
        The object.

    Returns
    -------
    bytes
        Its content.
    """
    with translated(), open_object(uri) as body:
        return body.read()


def object_exists(uri: str) -> bool:
    """Tell whether an object is there.

    Parameters
    ----------
    uri : str
        The object.

    Returns
    -------
    bool
        False when S3 says it is not; a refusal is an error.
    """
    return _head(uri) is not None


def _head(uri: str) -> dict[str, Any] | None:
    bucket, key = split_s3_uri(uri)
    try:
        with translated():
            return client("s3").head_object(Bucket=bucket, Key=key)
    except AwsError as error:
        if error.code in ("404", "NoSuchKey", "NotFound"):
            return None
        raise


def upload_file(
    path: str | Path,
    uri: str,
    *,
    progress: Callable[[int], None] | None = None,
    kms_key_id: str = "",
    sha256: str = "",
) -> bool:
    """Upload a file, in parts when it is large; what is already complete is left alone.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.
    uri : str
        The object to make. Its sha256 is kept in its metadata, because the ETag of an object uploaded in
        parts or encrypted with KMS is no checksum of its content
        (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html).
    progress : callable, optional
        Called with the number of bytes just sent, possibly from several threads.
    kms_key_id : str
        Encrypt with this KMS key.
    sha256 : str
        The file's checksum, where it is known already.

    Returns
    -------
    bool
        False when the object was there with this size and checksum.

    Raises
    ------
    bbkit.errors.AwsError
        The object is there with other content (code ``ObjectDiffers``), or AWS refused.
    """
    path = Path(path)
    size, checksum = path.stat().st_size, sha256 or file_sha256(path)
    present = _head(uri)
    if present is not None:
        if present["ContentLength"] == size and present.get("Metadata", {}).get(_SHA256) == checksum:
            return False
        raise AwsError(
            f"{uri} already exists with other content ({present['ContentLength']:,} bytes). "
            "Delete it, or use another prefix; nothing is overwritten.",
            "ObjectDiffers",
        )
    bucket, key = split_s3_uri(uri)
    extra: dict[str, Any] = {"Metadata": {_SHA256: checksum}}
    if kms_key_id:
        extra |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id}
    with translated(), _transfer_errors():
        client("s3").upload_file(str(path), bucket, key, ExtraArgs=extra, Callback=progress)
    return True


def download_file(uri: str, path: str | Path, *, progress: Callable[[int], None] | None = None) -> bool:
    """Download an object beside its final name, then rename; what is already complete is left alone.

    Parameters
    ----------
    uri : str
        The object.
    path : str or pathlib.Path
        The file to make. A small hidden file beside it keeps the object's ETag and the file's sha256, by
        which a complete download is known again.
    progress : callable, optional
        Called with the number of bytes just received, possibly from several threads.

    Returns
    -------
    bool
        False when the file was there, of this size and unchanged, and the object is still the same.

    Raises
    ------
    bbkit.errors.AwsError
        The object is not there, or AWS refused.
    """
    path = Path(path)
    bucket, key = split_s3_uri(uri)
    with translated():
        present = client("s3").head_object(Bucket=bucket, Key=key)
    etag = present["ETag"].strip('"')
    note = path.with_name(f".{path.name}.etag")
    if _is_complete(path, note, present["ContentLength"], etag):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with translated(), _transfer_errors():
            client("s3").download_file(bucket, key, str(partial), Callback=progress)
        write_text(note, json.dumps({"etag": etag, "sha256": file_sha256(partial)}))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return True


def _is_complete(path: Path, note: Path, size: int, etag: str) -> bool:
    try:
        if path.stat().st_size != size:
            return False
        known = json.loads(note.read_text())
        return known["etag"] == etag and known["sha256"] == file_sha256(path)
    except (OSError, ValueError, KeyError):
        return False


@contextlib.contextmanager
def _transfer_errors() -> Iterator[None]:
    # s3transfer wraps the service's error, whose code decides what to do, into one of its own.
    try:
        yield
    except boto3.exceptions.Boto3Error as error:
        cause = error.__context__ or error.__cause__
        if isinstance(cause, exceptions.ClientError | exceptions.BotoCoreError):
            raise cause from error
        raise AwsError(f"{error} Try again.") from error


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: beside its name, to disk, then renamed.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    text : str
        Its content.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def file_sha256(path: str | Path) -> str:
    """Compute the checksum of a file.

    Parameters
    ----------
    path : str or pathlib.Path
        The file.

    Returns
    -------
    str
        sha256 as 64 hexadecimal digits.
    """
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def delete_objects(uris: Iterable[str]) -> int:
    """Delete objects, a thousand a call.

    Parameters
    ----------
    uris : iterable of str
        The objects; all in one bucket or in several.

    Returns
    -------
    int
        How many were deleted.

    Raises
    ------
    bbkit.errors.AwsError
        S3 refused one; those before it are gone.
    """
    keys: dict[str, list[str]] = {}
    for uri in uris:
        bucket, key = split_s3_uri(uri)
        keys.setdefault(bucket, []).append(key)
    deleted = 0
    for bucket, names in keys.items():
        for start in range(0, len(names), 1000):
            some = names[start : start + 1000]
            with translated():
                answer = client("s3").delete_objects(
                    Bucket=bucket, Delete={"Objects": [{"Key": name} for name in some], "Quiet": True}
                )
            if errors := answer.get("Errors"):
                first = errors[0]
                raise AwsError(
                    f"S3 did not delete s3://{bucket}/{first.get('Key')} ({first.get('Code')}: "
                    f"{first.get('Message')}). Grant s3:DeleteObject.",
                    str(first.get("Code", "")),
                )
            deleted += len(some)
    return deleted


def create_job(**request: Any) -> str:
    """Call CreateModelInvocationJob
    (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html).

    Parameters
    ----------
    **request
        As the API names them.

    Returns
    -------
    str
        The job's ARN.
    """
    with translated():
        return client("bedrock").create_model_invocation_job(**request)["jobArn"]


def get_job(job_arn: str) -> dict[str, Any]:
    """Call GetModelInvocationJob
    (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetModelInvocationJob.html).

    Parameters
    ----------
    job_arn : str
        The job's ARN, or its 12 characters.

    Returns
    -------
    dict
        The answer as the API names it, times as aware datetimes.
    """
    with translated():
        return client("bedrock").get_model_invocation_job(jobIdentifier=job_arn)


def list_jobs(
    *, name_contains: str = "", status: str = "", submitted_after: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """List model-invocation jobs of the account and region, newest first, over all pages.

    Parameters
    ----------
    name_contains : str
        Only jobs with this in their name.
    status : str
        Only jobs of this status.
    submitted_after : datetime, optional
        Only jobs submitted later; aware.

    Yields
    ------
    dict
        A summary as the API names it.
    """
    filters: dict[str, Any] = {"nameContains": name_contains, "statusEquals": status}
    if submitted_after is not None:
        filters["submitTimeAfter"] = submitted_after
    chosen = {name: value for name, value in filters.items() if value}
    pages = client("bedrock").get_paginator("list_model_invocation_jobs").paginate(**chosen)
    with translated():
        for page in pages:
            yield from page.get("invocationJobSummaries", ())


def stop_job(job_arn: str) -> None:
    """Call StopModelInvocationJob.

    Parameters
    ----------
    job_arn : str
        The job's ARN.

    Raises
    ------
    bbkit.errors.AwsError
        Such as ``ValidationException`` or ``ConflictException`` for a job that has ended.
    """
    with translated():
        client("bedrock").stop_model_invocation_job(jobIdentifier=job_arn)


def iter_quotas(service_code: str = "bedrock") -> Iterator[dict[str, Any]]:
    """Read the account's quotas: AWS's defaults first, then the applied values, which win.

    Parameters
    ----------
    service_code : str
        Service Quotas' name of the service.

    Yields
    ------
    dict
        ``QuotaName, QuotaCode, Value, Adjustable, ...`` as the API names them.
    """
    quotas = client("service-quotas")
    for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
        with translated():
            for page in quotas.get_paginator(operation).paginate(ServiceCode=service_code):
                yield from page["Quotas"]


def get_products(service_code: str, filters: Iterable[dict[str, str]] = ()) -> Iterator[dict[str, Any]]:
    """Read products of the AWS Price List, whose API is in us-east-1
    (https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html).

    Parameters
    ----------
    service_code : str
        Such as ``AmazonBedrock``.
    filters : iterable of dict
        As the API names them: ``Type``, ``Field``, ``Value``.

    Yields
    ------
    dict
        One product with its terms, parsed.
    """
    pages = client("pricing", "us-east-1").get_paginator("get_products")
    with translated():
        for page in pages.paginate(ServiceCode=service_code, Filters=list(filters)):
            for product in page["PriceList"]:
                yield json.loads(product)


@functools.lru_cache(maxsize=1)
def converse_input_shape() -> Any:
    """Give botocore's description of a Converse request.

    Returns
    -------
    botocore.model.StructureShape
        Its ``members`` name the fields; ``modelId`` is one of them.
    """
    described = botocore.loaders.Loader().load_service_model("bedrock-runtime", "service-2")
    return botocore.model.ServiceModel(described, "bedrock-runtime").operation_model("Converse").input_shape


def validate_shape(value: Any, shape: Any) -> list[str]:
    """Check a value against a shape as boto3 does before it sends: members, types, minimums.

    Parameters
    ----------
    value : object
        Parameters as boto3 takes them.
    shape : botocore.model.Shape
        Such as `converse_input_shape()` or a member of it.

    Returns
    -------
    list of str
        One sentence per fault; empty when there is none.
    """
    report = botocore.validate.ParamValidator().validate(value, shape)
    return report.generate_report().splitlines() if report.has_errors() else []
