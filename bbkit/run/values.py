"""What CreateModelInvocationJob will be asked with: every fault of it, as findings.

boto3 does not check the service's patterns:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bbkit.core.errors import InputError, as_mapping
from bbkit.core.findings import Finding
from bbkit.families import foundation_model

if TYPE_CHECKING:
    from bbkit.run.run import Run

JOB_OPTIONS = ("tags", "kms_key_id", "vpc_config", "timeout_hours", "bucket_owner")
"""What the jobs of a run are created with beside model, role and place in S3."""

_SOURCE = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html"
_TAG = re.compile(r"[a-zA-Z0-9\s._:/=+@-]*", re.ASCII)
_NETWORK = re.compile(r"[-0-9a-zA-Z]{1,32}")
_BUCKET, _KEY_CHARACTER = r"[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]", r"[-!_*'().a-z0-9A-Z]"
_S3_URI = re.compile(rf"s3://{_BUCKET}(?:/{_KEY_CHARACTER}+(?:/{_KEY_CHARACTER}+)*)?/?")
_ARNS = {
    "role": (
        r"arn:aws(?:-[^:]+)?:iam::(?:[0-9]{12})?:role/.+",
        "arn:aws:iam::111122223333:role/name",
    ),
    "kms_key": (
        r"arn:aws(?:-[^:]+)?:kms:[a-zA-Z0-9-]*:[0-9]{12}:(?:key/[a-zA-Z0-9-]{36}|alias/[a-zA-Z0-9-_/]+)"
        r"|[a-zA-Z0-9-]{36}|alias/[a-zA-Z0-9-_/]+",
        "arn:aws:kms:us-east-1:111122223333:key/... or alias/name",
    ),
}
_MOST_TAGS, _MOST_IN_NETWORK = 200, {"subnetIds": 16, "securityGroupIds": 5}


def validated(run: "Run") -> "Run":
    """Give a run with its options as ``run.json`` keeps them, or raise every fault of its values at once: up
    to three in full, then their count.
    """
    foundation_model(run.model_id, run.model)
    run = replace(run, job_options={**run.job_options, **dict(_read_texts(run.job_options))})
    texts = [f"{fault.finding} {fault.remedy}" for fault in check_values(run)]
    if texts:
        more = f" ({len(texts) - 3:,} more errors)" if len(texts) > 3 else ""
        raise InputError(" ".join(texts[:3]) + more)
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
    for name, given in (("s3_uri", run.s3_uri), ("role_arn", run.role_arn)):
        if not given:
            yield _fault(f"There is no {name}.", f"Pass {name}=, or set BBKIT_{name.upper()}.", rule=name)
    if run.s3_uri:
        yield from check_s3_uri(run.s3_prefix)
    if run.role_arn:
        yield from check_arn("role", run.role_arn)
    if run.invocation_type not in ("InvokeModel", "Converse"):
        yield _fault(f"invocation_type is {run.invocation_type!r}.", "It is InvokeModel or Converse.")
    options = run.job_options
    for name, check in (("tags", _check_tags), ("vpc_config", _check_network)):
        value = options.get(name) or {}
        if isinstance(value, Mapping):
            yield from check(value)
        else:
            yield _fault(f"{name} is {value!r}.", "It takes a mapping, such as a dict.")
    hours = options.get("timeout_hours", 24)
    if not (isinstance(hours, int) and 24 <= hours <= 168):
        yield _fault(f"timeout_hours is {hours!r}.", "A batch job takes whole hours from 24 to 168.")
    if key := options.get("kms_key_id"):
        for fault in check_arn("kms_key", key if isinstance(key, str) else repr(key)):
            yield fault._replace(finding=f"kms_key_id: {fault.finding}")
    owner = options.get("bucket_owner")
    if owner and not (isinstance(owner, str) and re.fullmatch(r"[0-9]{12}", owner)):
        yield _fault(f"bucket_owner is {owner!r}.", "It is text, an account's 12 digits.")


def _fault(finding: str, remedy: str, rule: str = "values") -> Finding:
    return Finding("error", rule, finding, remedy)


def _check_tags(tags: Mapping[Any, Any]) -> Iterator[Finding]:
    if len(tags) > _MOST_TAGS:
        yield _fault(
            f"tags has {len(tags)} tags; a job takes at most {_MOST_TAGS} ({_SOURCE}).", "Leave some out."
        )
    for key, value in tags.items():
        for noun, text, least, most in (("key", key, 1, 128), ("value", value, 0, 256)):
            if not (isinstance(text, str) and least <= len(text) <= most and _TAG.fullmatch(text)):
                yield _fault(
                    f"tags has the {noun} {text!r}; it takes text of {least} to {most} letters A-Z a-z, "
                    f"digits, spaces and . _ : / = + @ - ({_SOURCE}).",
                    "Rewrite it.",
                )


def _check_network(vpc: Mapping[str, Any]) -> Iterator[Finding]:
    if vpc and set(vpc) != set(_MOST_IN_NETWORK):
        named = ", ".join(map(str, vpc))
        yield _fault(f"vpc_config names {named}.", "It names subnetIds and securityGroupIds.")
        return
    for name, ids in vpc.items():
        most = _MOST_IN_NETWORK[name]
        listed = isinstance(ids, Sequence) and not isinstance(ids, str) and 1 <= len(ids) <= most
        if not listed or not all(isinstance(item, str) and _NETWORK.fullmatch(item) for item in ids):
            yield _fault(
                f"vpc_config has {name} {ids!r}; it takes a list of 1 to {most} ids, each of at most "
                f"32 letters, digits and hyphens ({_SOURCE}).",
                "Correct them.",
            )


def check_s3_uri(uri: str) -> list[Finding]:
    """Check an S3 URI against the service's own pattern, which is narrower than S3."""
    if len(uri) <= 1024 and _S3_URI.fullmatch(uri):
        return []
    if not uri.startswith("s3://"):
        remedy = f"Give a place such as s3://bucket/prefix/. ({_SOURCE})"
        return [_fault(f"{uri!r} does not begin with s3://.", remedy, "s3_uri")]
    bucket, _, key = uri[len("s3://") :].partition("/")
    faults = []
    if len(uri) > 1024:
        faults.append(f"it has {len(uri):,} characters, at most 1,024 are taken")
    if not re.fullmatch(_BUCKET, bucket):
        faults.append(f"the bucket {bucket!r} is not 3 to 63 lower-case letters, digits, dots and hyphens")
    if odd := re.sub(f"{_KEY_CHARACTER}|/", "", key):
        faults.append(f"the key holds {', '.join(map(repr, list(dict.fromkeys(odd))[:5]))}")
    if key.startswith("/") or "//" in key:
        faults.append("the key holds an empty part, '//'")
    remedy = (
        "Use letters, digits and - ! _ * ' ( ) . between single slashes; Bedrock's pattern takes no others. "
        f"({_SOURCE})"
    )
    return [_fault(f"Bedrock refuses {uri!r}: {'; '.join(faults)}.", remedy, "s3_uri")]


def check_arn(kind: str, arn: str) -> list[Finding]:
    """Check an ARN against the service's pattern."""
    pattern, example = _ARNS[kind]
    if len(arn) <= 2048 and re.fullmatch(pattern, arn):
        return []
    finding = f"{arn!r} is not the ARN of a {kind.replace('_', ' ')}."
    return [_fault(finding, f"It looks like {example}. ({_SOURCE})", f"{kind}_arn")]
