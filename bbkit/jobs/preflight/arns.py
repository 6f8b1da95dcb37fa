"""ARNs of what a run needs: jobs, model, places in S3, key, whoever calls."""

from bbkit import aws
from bbkit.core.errors import AwsError, CredentialsError
from bbkit.families import split_model_id
from bbkit.run import Run

_AREAS = {
    "us": "us-*",
    "us-gov": "us-gov-*",
    "eu": "eu-*",
    "apac": "ap-*",
    "jp": "ap-northeast-*",
    "au": "ap-southeast-*",
    "ca": "ca-*",
    "global": "*",
}


def partition_of(region: str) -> str:
    """Name the partition of a region."""
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")


def job_arns(run: Run) -> str:
    """Name every batch job of the run's account and region."""
    endpoint = run.endpoint
    base = f"arn:{partition_of(endpoint.region)}:bedrock:{endpoint.region}:{endpoint.account}"
    return f"{base}:model-invocation-job/*"


def media_folders(run: Run) -> list[str]:
    """Name the folders in S3 whose media the run's records point to."""
    return sorted({file.media for file in run.record_files() if file.media})


def own_uris(run: Run) -> list[str]:
    """Name what input files of the run begin with in S3."""
    return [f"{run.s3_prefix}input/", *(f"{folder}{run.label}-" for folder in media_folders(run))]


def bucket_arns(run: Run) -> list[str]:
    """Name the run's bucket and those of its media."""
    uris = [run.s3_prefix, *media_folders(run)]
    return list(dict.fromkeys(s3_arn(run, f"s3://{aws.split_s3_uri(uri)[0]}") for uri in uris))


def s3_arn(run: Run, uri: str) -> str:
    """Name a place in S3 as policies do."""
    return f"arn:{partition_of(run.endpoint.region)}:s3:::{uri.removeprefix('s3://')}"


def model_arns(run: Run) -> list[str]:
    """Name everything a job of this run invokes: the profile, and the model in every region it routes to."""
    kind, geography, bare = split_model_id(run.model_id)
    endpoint, partition = run.endpoint, partition_of(run.endpoint.region)
    here = f"arn:{partition}:bedrock:{endpoint.region}"
    if kind == "application-inference-profile":
        return [run.model_id, *(_routed(run) or [f"arn:{partition}:bedrock:*::foundation-model/*"])]
    if kind.startswith("custom-model") or not geography:
        return [
            run.model_id if run.model_id.startswith("arn:") else f"{here}::foundation-model/{run.model_id}"
        ]
    profile = f"{here}:{endpoint.account}:inference-profile/{geography}.{bare}"
    guessed = [
        f"{here}::foundation-model/{bare}",
        f"arn:{partition}:bedrock:{_AREAS.get(geography, '*')}::foundation-model/{bare}",
    ]
    # A global profile also authorizes against an ARN without a region.
    everywhere = [f"arn:{partition}:bedrock:::foundation-model/{bare}"] if geography == "global" else []
    return [profile, *(_routed(run) or guessed), *everywhere]


def _routed(run: Run) -> list[str]:
    try:
        with aws.translated():
            found = aws.client("bedrock").get_inference_profile(inferenceProfileIdentifier=run.model_id)
        return sorted(model["modelArn"] for model in found["models"])
    except (AwsError, CredentialsError):
        return []


def needs_invoke(run: Run) -> bool:
    """Tell whether the role must be allowed to invoke the model: for inference profiles it must."""
    kind, geography, _ = split_model_id(run.model_id)
    return bool(geography) or kind == "application-inference-profile"


def key_arn(run: Run) -> str:
    """Name the run's KMS key."""
    key = run.job_options.get("kms_key_id", "")
    endpoint = run.endpoint
    base = f"arn:{partition_of(endpoint.region)}:kms:{endpoint.region}:{endpoint.account}:key/"
    if key.startswith("arn:") and ":alias/" not in key:
        return key
    return f"{base}*" if "alias/" in key else f"{base}{key}"


def caller_arns() -> list[str]:
    """Name whoever calls now, as IAM's policies do."""
    try:
        with aws.translated():
            arn = aws.client("sts").get_caller_identity()["Arn"]
    except (AwsError, CredentialsError):
        return []
    partition, account, name = (arn.split(":", 5)[place] for place in (1, 4, 5))
    kind, _, rest = name.partition("/")
    base = f"arn:{partition}:iam::{account}"
    if kind == "user":
        return [f"{base}:{name}"]
    role = rest.split("/")[0]
    return [f"{base}:role/{role}", f"{base}:role/*/{role}"] if kind == "assumed-role" else []
