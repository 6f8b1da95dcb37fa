"""Names and places against the patterns of CreateModelInvocationJob, which boto3 does not check.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html
"""

import re

from bbkit.core.findings import Finding

SOURCE = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html"

# The published pattern backtracks exponentially; this is the same language under the limit of 63 characters.
_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]{0,62}")
_S3_URI = re.compile(
    r"s3://[a-z0-9][-.a-z0-9]{1,61}[a-z0-9](?:/[-!_*'().a-z0-9A-Z]+(?:/[-!_*'().a-z0-9A-Z]+)*)?/?"
)
_BUCKET = re.compile(r"[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]")
_KEY_CHARACTER = re.compile(r"[-!_*'().a-z0-9A-Z/]")
_BEDROCK = r"arn:aws(?:-[^:]+)?:bedrock:[a-z0-9-]{1,20}:"
_ARNS = {
    "role": re.compile(r"arn:aws(?:-[^:]+)?:iam::(?:[0-9]{12})?:role/.+"),
    "kms_key": re.compile(
        r"arn:aws(?:-[^:]+)?:kms:[a-zA-Z0-9-]*:[0-9]{12}:(?:key/[a-zA-Z0-9-]{36}|alias/[a-zA-Z0-9-_/]+)"
        r"|[a-zA-Z0-9-]{36}|alias/[a-zA-Z0-9-_/]+"
    ),
    "job": re.compile(_BEDROCK + r"[0-9]{12}:model-invocation-job/[a-z0-9]{12}"),
    "model": re.compile(
        _BEDROCK + r"(?:[0-9]{12}:custom-model/[a-z0-9-]{1,63}\.[a-z0-9-:]{1,63}/[a-z0-9]{12}"
        r"|:foundation-model/[a-z0-9-]{1,63}\.[a-z0-9-]{1,63}(?:\.?[a-z0-9-]{1,63})(?::[a-z0-9-]{1,63}){0,2}"
        r"|[0-9]{12}:(?:inference-profile|application-inference-profile)/[a-zA-Z0-9-:.]+)"
    ),
}
_EXAMPLES = {
    "role": "arn:aws:iam::111122223333:role/name",
    "kms_key": "arn:aws:kms:us-east-1:111122223333:key/... or alias/name",
    "job": "arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/ and 12 letters or digits",
    "model": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0 or an inference profile's",
}


def check_job_name(name: str) -> list[Finding]:
    """Check a job name against the service's pattern."""
    if _JOB_NAME.fullmatch(name):
        return []
    if not name or len(name) > 63:
        found = f"The job name has {len(name)} characters; it takes 1 to 63."
        return _finding("job_name", found, "Shorten it." if name else "Give it a name.")
    odd = sorted({character for character in name if not re.match(r"[A-Za-z0-9+.-]", character)})
    fault = f"holds {', '.join(map(repr, odd))}" if odd else f"begins with {name[0]!r}"
    found = f"The job name {name!r} {fault}; it takes letters, digits, + - and ., a letter or digit first."
    return _finding("job_name", found, "Rename it.")


def check_s3_uri(uri: str) -> list[Finding]:
    """Check an S3 URI against the service's own pattern, which is narrower than S3."""
    if len(uri) <= 1024 and _S3_URI.fullmatch(uri):
        return []
    if not uri.startswith("s3://"):
        remedy = "Give a place such as s3://bucket/prefix/."
        return _finding("s3_uri", f"{uri!r} does not begin with s3://.", remedy)
    bucket, _, key = uri[len("s3://") :].partition("/")
    faults = []
    if len(uri) > 1024:
        faults.append(f"it has {len(uri):,} characters, at most 1,024 are taken")
    if not _BUCKET.fullmatch(bucket):
        faults.append(f"the bucket {bucket!r} is not 3 to 63 lower-case letters, digits, dots and hyphens")
    if odd := list(dict.fromkeys(character for character in key if not _KEY_CHARACTER.match(character))):
        faults.append(f"the key holds {', '.join(map(repr, odd[:5]))}")
    if key.startswith("/") or "//" in key:
        faults.append("the key holds an empty part, '//'")
    remedy = (
        "Use letters, digits and - ! _ * ' ( ) . between single slashes; Bedrock's pattern takes no others."
    )
    return _finding("s3_uri", f"Bedrock refuses {uri!r}: {'; '.join(faults)}.", remedy)


def check_arn(kind: str, arn: str) -> list[Finding]:
    """Check an ARN against the service's pattern."""
    if len(arn) <= 2048 and _ARNS[kind].fullmatch(arn):
        return []
    found = f"{arn!r} is not the ARN of a {kind.replace('_', ' ')}."
    return _finding(f"{kind}_arn", found, f"It looks like {_EXAMPLES[kind]}.")


def _finding(rule: str, finding: str, remedy: str) -> list[Finding]:
    return [Finding("error", rule, finding, f"{remedy} ({SOURCE})")]
