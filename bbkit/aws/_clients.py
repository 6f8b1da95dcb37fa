"""Clients and the endpoints they talk to; botocore's errors turned into ours."""

import contextlib
import functools
import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bbkit.core.errors import AwsError, BbkitError, CredentialsError
from bbkit.core.files import read_data
from bbkit.core.logs import LOG

_AWS_DOMAINS = ("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws")
_HOW = (
    "Sign in or configure them as for boto3 (`aws sso login`, `aws configure`, AWS_PROFILE), "
    "or use a stand-in: `set -a; . DIR/standin.env`."
)
_READ = ("AWS_", "BOTO", "HOME", "USERPROFILE", "REQUESTS_CA_BUNDLE")
"""How variables begin that botocore reads, beside those of proxies (urllib.request.getproxies)."""
_OPENING = threading.Lock()


@dataclass(frozen=True)
class Endpoint:
    """Where a client talks to, and as which account."""

    url: str
    account: str
    region: str

    @property
    def is_standin(self) -> bool:
        """Whether the endpoint is not one of AWS."""
        host = urlsplit(self.url).hostname or ""
        return not any(host == domain or host.endswith(f".{domain}") for domain in _AWS_DOMAINS)

    def same_as(self, other: "Endpoint") -> bool:
        """Tell whether both mean the same; a stand-in's port may change, its account is its own."""
        if self.is_standin and other.is_standin:
            return (self.account, self.region) == (other.account, other.region)
        return self == other

    def __str__(self) -> str:
        netloc = urlsplit(self.url).netloc
        if self.is_standin:
            account = f"account {self.account}, " if self.account else ""
            return f"the stand-in at {netloc} ({account}{self.region})"
        return f"AWS {f'account {self.account} ' if self.account else ''}in {self.region} ({netloc})"


Key = tuple[Any, ...]


def client(service: str, region: str | None = None, **options: Any) -> Any:
    """The boto3 client of this environment; `options` are of botocore's Config, ``retries`` as pairs."""
    with translated(), _OPENING:
        return _client(service, region, tuple(sorted(options.items())), _environment())


# The keys of both caches are all that boto3 reads its configuration from, so a cached client is always the
# one that would be made now; making one afresh costs 0.1 s, and a poll of a hundred jobs needs a hundred.
@functools.lru_cache(maxsize=64)
def _client(service: str, region: str | None, options: Key, environment: Key) -> Any:
    from botocore.config import Config
    from botocore.exceptions import NoCredentialsError

    session = _session(environment)
    if session.get_credentials() is None:
        raise NoCredentialsError
    settings = {name: dict(value) if name == "retries" else value for name, value in options}
    made = session.client(service, region_name=region, config=Config(**settings))
    made.meta.events.register("before-parse", _refuse_page)
    made.meta.events.register("after-call", _log_call)
    made.meta.events.register("after-call-error", _log_failure)
    return made


def _refuse_page(response_dict: Mapping[str, Any], **_: Any) -> None:
    headers, status = response_dict["headers"], response_dict["status_code"]
    is_of_aws = any(name.lower().startswith("x-amz") for name in headers)
    # botocore takes a page for an empty answer, or stumbles over it; those of 5xx it knows, and tries again.
    if "html" in headers.get("content-type", "") and not is_of_aws and status < 500:
        found = f"a web page came in its place (HTTP status {status}), as of a proxy or a login"
        raise no_answer(f"{found}. Check the network and the proxy.")


def _log_call(model: Any, parsed: Mapping[str, Any], **_: Any) -> None:
    about, name = parsed.get("ResponseMetadata", {}), f"{model.service_model.service_name} {model.name}"
    ids = [about.get("RequestId"), parsed.get("jobArn")]
    status, retries = about.get("HTTPStatusCode"), about.get("RetryAttempts", 0)
    LOG.debug("%s: %s, %s, retries: %s", name, status, " ".join(filter(None, ids)), retries)


def _log_failure(exception: BaseException, event_name: str, **_: Any) -> None:
    LOG.debug("%s: no answer (%s)", event_name.partition(".")[2], type(exception).__name__)


@functools.lru_cache(maxsize=4)
def _session(environment: Key) -> Any:
    import boto3

    return boto3.Session()


def _environment() -> Key:
    read = os.environ
    paths = (
        read.get("AWS_CONFIG_FILE", "~/.aws/config"),
        read.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
        read.get("AWS_CA_BUNDLE") or read.get("REQUESTS_CA_BUNDLE", ""),
    )
    names = sorted(name for name in read if name.startswith(_READ) or name.endswith(("_proxy", "_PROXY")))
    return (os.getpid(), *((name, read[name]) for name in names), *map(_version_of, paths))


def _version_of(path: str) -> Key:
    try:
        state = Path(path).expanduser().stat()
    except (OSError, RuntimeError):
        return ()
    return state.st_mtime_ns, state.st_size, state.st_ino


def find_endpoint() -> Endpoint:
    """Find out where calls go now, and as whom (STS GetCallerIdentity, which needs no permission)."""
    bedrock = client("bedrock")
    sts = client("sts", connect_timeout=2, read_timeout=3, retries=(("total_max_attempts", 3),))
    with translated():
        account = sts.get_caller_identity()["Account"]
    return Endpoint(bedrock.meta.endpoint_url, account, bedrock.meta.region_name)


def find_signer() -> tuple[str, Endpoint]:
    """The access key that calls are signed with now, and where they go, its account open; makes no call."""
    bedrock = client("bedrock")
    with translated(), _OPENING:
        credentials = _session(_environment()).get_credentials().get_frozen_credentials()
    return credentials.access_key, Endpoint(bedrock.meta.endpoint_url, "", bedrock.meta.region_name)


def find_region() -> str:
    """Name the configured region, without talking to AWS."""
    from botocore.exceptions import BotoCoreError

    with _OPENING:
        try:
            return _session(_environment()).region_name or ""
        except BotoCoreError:
            return ""


def retry_options() -> dict[str, Any]:
    """Options for `client` that ride out throttling, unless the user has chosen retries already."""
    if os.environ.get("AWS_RETRY_MODE") or os.environ.get("AWS_MAX_ATTEMPTS"):
        return {}
    return {"retries": (("mode", "standard"), ("total_max_attempts", 6))}


def call(service: str, operation: str, **request: Any) -> Any:
    """The answer to one call, whose errors are ours."""
    with translated():
        return getattr(client(service), operation)(**request)


def iter_pages(
    service: str, operation: str, region: str | None = None, **request: Any
) -> Iterator[dict[str, Any]]:
    """Every page of a call that lists."""
    pages = client(service, region).get_paginator(operation).paginate(**request)
    with translated():
        yield from pages


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn botocore's errors into ours, with what to do about them, for the length of a ``with``."""
    from boto3.exceptions import Boto3Error, RetriesExceededError
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    try:
        yield
    except Boto3Error as error:
        # s3transfer wraps the service's error, whose code decides what to do, into one of its own.
        cause = error.__context__ or error.__cause__
        if isinstance(cause, exceptions.ClientError | exceptions.BotoCoreError):
            with translated():
                raise cause from error
        code = NO_ANSWER if isinstance(error, RetriesExceededError) else ""
        found = f"The transfer broke off: {str(error).rstrip('.')}."
        raise AwsError(f"{found} Run it again; what is complete is left alone.", code) from error
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
        renewed = exceptions.CredentialRetrievalError, exceptions.SSOError, exceptions.TokenRetrievalError
        raise CredentialsError(f"{found.rstrip('.')}. {_HOW}", expired=isinstance(error, renewed)) from error
    except exceptions.NoRegionError as error:
        raise AwsError("No AWS region is configured. Set AWS_DEFAULT_REGION, such as us-east-1.") from error
    except exceptions.InvalidEndpointConfigurationError as error:
        raise AwsError(f"{error} Unset AWS_BEARER_TOKEN_BEDROCK to talk to a stand-in.") from error
    except exceptions.ParamValidationError as error:
        report = " ".join(str(error).split())
        raise AwsError(f"{report} Correct the parameter.", "ParamValidation") from error
    except (
        exceptions.HTTPClientError,
        exceptions.ConnectionError,
        exceptions.EndpointResolutionError,
        exceptions.IncompleteReadError,
        ResponseParserError,
    ) as error:
        raise no_answer(f"{error} Check the network and region; a stand-in may have been stopped.") from error


NO_ANSWER = "NoAnswer"
"""The code of what nobody answered, or something that is not AWS."""


def no_answer(found: str) -> AwsError:
    return AwsError(f"No answer from AWS: {found}", NO_ANSWER)


def is_passing(error: Exception | str) -> bool:
    """Tell whether time cures an error, or the code of one."""
    if isinstance(error, str):
        return re.match(read_data("aws_errors")["passing"], error) is not None
    return getattr(error, "expired", False) or is_unanswered(error) or is_passing(getattr(error, "code", ""))


def is_unanswered(error: Exception) -> bool:
    """Tell whether AWS may have done what it did not answer: no answer came, or one of 5xx."""
    return getattr(error, "code", "") == NO_ANSWER or 500 <= read_refusal(error)[0] != 501


def _refused(error: Any) -> BbkitError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(error.response.get("Error", {}).get("Message", "")).strip().rstrip(".")
    short = code.removesuffix("Exception")
    known = read_data("aws_errors")
    if short in known["bad_credentials"]:
        found = f"AWS does not accept the credentials ({code}: {message}). {_HOW}"
        return CredentialsError(found, expired=short in known["expired"])
    if (code, error.operation_name) == ("400", "HeadObject"):
        # An answer to HEAD has no body that could say ExpiredToken, which S3 answers with this status.
        found = f"S3 answered HeadObject with 400 Bad Request, as where credentials have expired. {_HOW}"
        return CredentialsError(found, expired=True)
    if message.startswith("<"):
        message = "with a web page, as of a proxy"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    verb = "refused" if status < 500 else "did not answer"
    text = f"AWS {verb} {error.operation_name}: {code}{f', {message}' if message else ''}."
    remedy = known["remedies"].get(short, "Try again in a minute." if status >= 500 else "")
    if short in ("AccessDenied", "403") and error.operation_name in ("PutObject", "CreateMultipartUpload"):
        remedy += f" {known['write_denied']}"
    if "Cross-account pass role" in message:
        remedy = "Use a role of the account that the jobs run in: run.change(role_arn=...)."
    return AwsError(f"{text} {remedy}".rstrip(), code)


def read_refusal(error: Exception) -> tuple[int, str]:
    """Tell what the service itself said when it refused a call."""
    answer = getattr(error.__cause__, "response", None) or {}
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return int(status), str(answer.get("Error", {}).get("Message", "")) or str(error)
