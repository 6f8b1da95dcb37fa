"""What CreateModelInvocationJob will be asked with: every fault of it, as findings.

boto3 does not check the service's patterns.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bbkit.core.errors import InputError, RecordsError, as_mapping
from bbkit.core.findings import Finding, findings, make_finding
from bbkit.families import foundation_model

if TYPE_CHECKING:
    from bbkit.run.run import Run

JOB_OPTIONS = ("tags", "kms_key_id", "vpc_config", "timeout_hours", "bucket_owner")
"""What the jobs of a run are created with beside model, role and place in S3."""

_SOURCE = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html"
_OF_TAGS = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_TagResource.html"
_fault = partial(make_finding, source=_SOURCE)
_TAG = re.compile(r"[a-zA-Z0-9\s._:/=+@-]*", re.ASCII)
_NETWORK = re.compile(r"[-0-9a-zA-Z]{1,32}")
_BUCKET, _KEY_CHARACTER = r"[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]", r"[-!_*'().a-z0-9A-Z]"
_S3_URI = re.compile(rf"s3://{_BUCKET}(?:/{_KEY_CHARACTER}+(?:/{_KEY_CHARACTER}+)*)?/?")
_ARNS = {
    "role_arn": r"arn:aws(?:-[^:]+)?:iam::(?:[0-9]{12})?:role/.+",
    "kms_key_arn": (
        r"arn:aws(?:-[^:]+)?:kms:[a-zA-Z0-9-]*:[0-9]{12}:(?:key/[a-zA-Z0-9-]{36}|alias/[a-zA-Z0-9-_/]+)"
        r"|[a-zA-Z0-9-]{36}|alias/[a-zA-Z0-9-_/]+"
    ),
}
_MOST_TAGS, _MOST_IN_NETWORK = 50, {"subnetIds": 16, "securityGroupIds": 5}


def validated(run: "Run") -> "Run":
    """Give a run with its options as ``run.json`` keeps them, or raise every fault of its values at once."""
    foundation_model(run.model_id, run.model, run.family)
    run = replace(run, job_options={**run.job_options, **dict(_read_texts(run.job_options))})
    try:
        findings(check_values(run)).raise_for_errors()
    except RecordsError as error:
        raise InputError(str(error)) from None
    options = run.job_options
    vpc = {name: list(ids) for name, ids in (options.get("vpc_config") or {}).items()}
    return replace(run, job_options={**options, "tags": dict(options.get("tags") or {}), "vpc_config": vpc})


def _read_texts(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The options that were given as text: pairs of tags, ids of a network told apart by how they begin."""
    if isinstance(tags := options.get("tags"), str):
        yield "tags", as_mapping(tags, "tags")
    if isinstance(network := options.get("vpc_config"), str):
        ids = network.replace(",", " ").split()
        subnets = [one for one in ids if one.startswith("subnet-")]
        groups = [one for one in ids if one not in subnets]
        yield "vpc_config", {"subnetIds": subnets, "securityGroupIds": groups} if ids else {}


def check_values(run: "Run") -> Iterator[Finding]:
    """Find every fault of what a run's jobs will be created with."""
    options = run.job_options
    if not run.s3_uri:
        yield _fault("s3_uri.none")
    elif len(run.s3_prefix) > 1024 or not _S3_URI.fullmatch(run.s3_prefix):
        yield _describe_uri(run.s3_prefix)
    if not run.role_arn:
        yield _fault("role_arn.none")
    yield from _check_arn("role_arn", run.role_arn)
    if run.invocation_type not in ("InvokeModel", "Converse"):
        yield _fault("values.invocation_type", given=run.invocation_type)
    for name, check in (("tags", _check_tags), ("vpc_config", _check_network)):
        value = options.get(name) or {}
        is_mapping = isinstance(value, Mapping)
        yield from check(value) if is_mapping else [_fault("values.mapping", name=name, given=value)]
    hours, owner = options.get("timeout_hours", 24), options.get("bucket_owner")
    if not (isinstance(hours, int) and 24 <= hours <= 168):
        yield _fault("values.timeout_hours", given=hours)
    yield from _check_arn("kms_key_arn", options.get("kms_key_id"))
    if owner and not (isinstance(owner, str) and re.fullmatch(r"[0-9]{12}", owner)):
        yield _fault("values.bucket_owner", given=owner)


def _check_arn(rule: str, arn: Any) -> Iterator[Finding]:
    if arn and not (isinstance(arn, str) and len(arn) <= 2048 and re.fullmatch(_ARNS[rule], arn)):
        yield _fault(rule, arn=arn)


def _check_tags(tags: Mapping[Any, Any]) -> Iterator[Finding]:
    if len(tags) > _MOST_TAGS:
        yield _fault("values.tags", count=len(tags), most=_MOST_TAGS, source=_OF_TAGS)
    for key, value in tags.items():
        for noun, text, least, most in (("key", key, 1, 128), ("value", value, 0, 256)):
            if not (isinstance(text, str) and least <= len(text) <= most and _TAG.fullmatch(text)):
                yield _fault("values.tag", noun=noun, given=text, least=least, most=most)


def _check_network(vpc: Mapping[str, Any]) -> Iterator[Finding]:
    if vpc and set(vpc) != set(_MOST_IN_NETWORK):
        yield _fault("values.vpc_config", named=", ".join(map(str, vpc)))
        return
    for name, ids in vpc.items():
        most = _MOST_IN_NETWORK[name]
        listed = isinstance(ids, Sequence) and not isinstance(ids, str) and 1 <= len(ids) <= most
        if not listed or not all(isinstance(item, str) and _NETWORK.fullmatch(item) for item in ids):
            yield _fault("values.network", name=name, ids=ids, most=most)


def _describe_uri(uri: str) -> Finding:
    """Say why an S3 URI is none to the service's own pattern, which is narrower than S3."""
    if not uri.startswith("s3://"):
        return _fault("s3_uri.scheme", uri=uri)
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    faults = []
    if len(uri) > 1024:
        faults.append(f"it has {len(uri):,} characters, at most 1,024 are taken")
    if not re.fullmatch(_BUCKET, bucket):
        faults.append(f"the bucket {bucket!r} is not 3 to 63 lower-case letters, digits, dots and hyphens")
    if odd := re.sub(f"{_KEY_CHARACTER}|/", "", key):
        faults.append(f"the key holds {', '.join(map(repr, list(dict.fromkeys(odd))[:5]))}")
    if key.startswith("/") or "//" in key:
        faults.append("the key holds an empty part, '//'")
    return _fault("s3_uri", uri=uri, faults="; ".join(faults))
