"""IAM policies: the least a run needs, and what a given trust policy allows. Part of the room `preflight`.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-iam-sr.html (trust and role),
https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-permissions.html (caller),
https://docs.aws.amazon.com/bedrock/latest/userguide/batch-vpc.html (VPC), as of October 2026. Never tried
on a real account: the KMS statements, for which the batch pages give no policy.
"""

from collections.abc import Iterator
from typing import Any

from bbkit import aws
from bbkit.errors import AwsError, CredentialsError
from bbkit.families import split_model_id
from bbkit.run import Run

SERVICE = "bedrock.amazonaws.com"
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
_CALLER_ACTIONS = (
    "CreateModelInvocationJob", "GetModelInvocationJob", "ListModelInvocationJobs", "StopModelInvocationJob",
    "ListFoundationModels", "GetFoundationModel", "ListInferenceProfiles", "GetInferenceProfile",
    "ListCustomModels", "GetCustomModel", "TagResource", "UntagResource", "ListTagsForResource",
)  # fmt: skip


def policies_for(run: Run) -> dict[str, dict[str, Any]]:
    """Write the least-privilege policies for exactly this run.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    dict
        ``trust``: who may assume the role; ``role``: what it may do; ``caller``: what the person or process
        that submits, waits and collects may do. Each is a policy document.
    """
    return {"trust": _trust(run), "role": _role(run), "caller": _caller(run)}


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", **item} for item in statements if item],
    }


def partition_of(region: str) -> str:
    """Name the partition of a region.

    Parameters
    ----------
    region : str
        Such as ``eu-west-1``.

    Returns
    -------
    str
        ``aws``, ``aws-cn`` or ``aws-us-gov``.
    """
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")


def job_arns(run: Run) -> str:
    """Name every batch job of the run's account and region.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    str
        An ARN that ends in ``*``.
    """
    place = run.place
    return f"arn:{partition_of(place.region)}:bedrock:{place.region}:{place.account}:model-invocation-job/*"


def _trust(run: Run) -> dict[str, Any]:
    return _document(
        {
            "Principal": {"Service": SERVICE},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": run.place.account},
                "ArnEquals": {"aws:SourceArn": job_arns(run)},
            },
        }
    )


def bucket_arns(run: Run) -> tuple[str, str, str]:
    """Name the run's places in S3.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    tuple of str
        ARNs of the bucket, of its inputs and of its outputs.
    """
    partition = partition_of(run.place.region)
    bucket, key = aws.split_s3_uri(run.s3_prefix)
    base = f"arn:{partition}:s3:::{bucket}"
    return base, f"{base}/{key}input/*", f"{base}/{key}output/*"


def _media_arns(run: Run) -> list[str]:
    folders = sorted({file.media for file in run.record_files() if file.media})
    partition = partition_of(run.place.region)
    return [f"arn:{partition}:s3:::{folder.removeprefix('s3://')}*" for folder in folders]


def model_arns(run: Run) -> list[str]:
    """Name everything a job of this run invokes: the profile, and the model in every region it routes to.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    list of str
        ARNs. Where the profile cannot be looked up, its geography stands for its regions.
    """
    kind, geography, bare = split_model_id(run.model_id)
    place, partition = run.place, partition_of(run.place.region)
    here = f"arn:{partition}:bedrock:{place.region}"
    if kind == "application-inference-profile":
        return [run.model_id, *(_routed(run) or [f"arn:{partition}:bedrock:*::foundation-model/*"])]
    if kind.startswith("custom-model") or not geography:
        return [
            run.model_id if run.model_id.startswith("arn:") else f"{here}::foundation-model/{run.model_id}"
        ]
    profile = f"{here}:{place.account}:inference-profile/{geography}.{bare}"
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
    """Tell whether the role must be allowed to invoke the model: for inference profiles it must.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    bool
        False for the id of a foundation model.
    """
    kind, geography, _ = split_model_id(run.model_id)
    return bool(geography) or kind == "application-inference-profile"


def _role(run: Run) -> dict[str, Any]:
    bucket, inputs, outputs = bucket_arns(run)
    owner = run.job_options.get("bucket_owner") or run.place.account
    owned = {"Condition": {"StringEquals": {"aws:ResourceAccount": owner}}}
    options = run.job_options
    key = options.get("kms_key_id", "")
    return _document(
        {"Sid": "ListBucket", "Action": "s3:ListBucket", "Resource": bucket, **owned},
        {"Sid": "ReadInputs", "Action": "s3:GetObject", "Resource": [inputs, *_media_arns(run)], **owned},
        {"Sid": "WriteOutputs", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": outputs, **owned},
        {"Sid": "InvokeProfile", "Action": "bedrock:InvokeModel", "Resource": model_arns(run)}
        if needs_invoke(run)
        else {},
        {
            "Sid": "UseKey",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"],
            "Resource": key_arn(run),
        }
        if key
        else {},
        *(_vpc_statements(run) if options.get("vpc_config") else ()),
    )


def key_arn(run: Run) -> str:
    """Name the run's KMS key.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    str
        Its ARN; of an alias, every key of the account and region, because a policy cannot name an alias's
        key.
    """
    key = run.job_options.get("kms_key_id", "")
    place = run.place
    base = f"arn:{partition_of(place.region)}:kms:{place.region}:{place.account}:key/"
    if key.startswith("arn:") and ":alias/" not in key:
        return key
    return f"{base}*" if "alias/" in key else f"{base}{key}"


def _vpc_statements(run: Run) -> Iterator[dict[str, Any]]:
    place, vpc = run.place, run.job_options["vpc_config"]
    base = f"arn:{partition_of(place.region)}:ec2:{place.region}:{place.account}"
    network = [f"{base}:subnet/{name}" for name in vpc["subnetIds"]]
    network += [f"{base}:security-group/{name}" for name in vpc["securityGroupIds"]]
    tagged = {"aws:RequestTag/BedrockManaged": ["true"]}
    arn = {"aws:RequestTag/BedrockModelInvocationJobArn": [job_arns(run)]}
    described = ("NetworkInterfaces", "Vpcs", "DhcpOptions", "Subnets", "SecurityGroups")
    yield {
        "Sid": "DescribeNetwork",
        "Action": [f"ec2:Describe{name}" for name in described],
        "Resource": "*",
    }
    yield {
        "Sid": "CreateInterface",
        "Action": "ec2:CreateNetworkInterface",
        "Resource": f"{base}:network-interface/*",
        "Condition": {"StringEquals": tagged, "ArnEquals": arn},
    }
    yield {"Sid": "CreateInterfaceIn", "Action": "ec2:CreateNetworkInterface", "Resource": network}
    yield {
        "Sid": "ManageInterface",
        "Action": [
            "ec2:CreateNetworkInterfacePermission",
            "ec2:DeleteNetworkInterface",
            "ec2:DeleteNetworkInterfacePermission",
        ],
        "Resource": "*",
        "Condition": {"ArnEquals": {"ec2:ResourceTag/BedrockModelInvocationJobArn": [job_arns(run)]}},
    }
    yield {
        "Sid": "TagInterface",
        "Action": "ec2:CreateTags",
        "Resource": f"{base}:network-interface/*",
        "Condition": {"StringEquals": {"ec2:CreateAction": ["CreateNetworkInterface"]}},
    }


def _caller(run: Run) -> dict[str, Any]:
    bucket, inputs, outputs = bucket_arns(run)
    key = run.job_options.get("kms_key_id", "")
    here, kind = job_arns(run), split_model_id(run.model_id)[0]
    # Lists have no resource of their own; they stand below, on everything.
    on_jobs = [
        f"bedrock:{name}"
        for name in _CALLER_ACTIONS
        if name == "ListTagsForResource" or not name.startswith("List")
    ]
    return _document(
        {"Sid": "BatchJobs", "Action": on_jobs, "Resource": sorted({here, *model_arns(run)})},
        {
            "Sid": "LookUp",
            "Action": [
                *(
                    f"bedrock:{name}"
                    for name in _CALLER_ACTIONS
                    if name.startswith("List") and "Tags" not in name
                ),
                "servicequotas:ListServiceQuotas",
                "servicequotas:ListAWSDefaultServiceQuotas",
            ],
            "Resource": "*",
        },
        {
            "Sid": "OnDemand",
            "Action": "bedrock:InvokeModel",
            "Resource": model_arns(run),
        }
        if not kind.startswith("custom")
        else {},
        {
            "Sid": "PassRole",
            "Action": "iam:PassRole",
            "Resource": run.role_arn,
            "Condition": {"StringEquals": {"iam:PassedToService": SERVICE}},
        },
        {
            "Sid": "LookAtRole",
            "Action": ["iam:GetRole", "iam:SimulatePrincipalPolicy"],
            "Resource": run.role_arn,
        },
        {
            "Sid": "ListBucket",
            "Action": ["s3:ListBucket", "s3:GetBucketLocation", "s3:GetEncryptionConfiguration"],
            "Resource": bucket,
        },
        {
            "Sid": "Objects",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            "Resource": [inputs, outputs, *_media_arns(run)],
        },
        {
            "Sid": "UseKey",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"],
            "Resource": key_arn(run),
        }
        if key
        else {},
    )
