"""The least-privilege IAM policies of a run.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-iam-sr.html (trust and role),
https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-permissions.html (caller),
https://docs.aws.amazon.com/bedrock/latest/userguide/batch-vpc.html (VPC), as of October 2026. Never tried
on a real account: the KMS statements, for which the batch pages give no policy.
"""

from collections.abc import Iterator
from typing import Any

from bbkit.families import split_model_id
from bbkit.jobs.preflight.arns import (
    bucket_arns,
    caller_arns,
    job_arns,
    key_arn,
    media_folders,
    model_arns,
    needs_invoke,
    own_uris,
    partition_of,
    s3_arn,
)
from bbkit.run import Run

SERVICE = "bedrock.amazonaws.com"
_CALLER_ACTIONS = (
    "CreateModelInvocationJob", "GetModelInvocationJob", "ListModelInvocationJobs", "StopModelInvocationJob",
    "ListFoundationModels", "GetFoundationModel", "ListInferenceProfiles", "GetInferenceProfile",
    "ListCustomModels", "GetCustomModel", "TagResource", "UntagResource", "ListTagsForResource",
)  # fmt: skip


def policies_for(run: Run) -> dict[str, dict[str, Any]]:
    """Write the least-privilege policies for exactly this run."""
    return {"trust": _trust(run), "role": _role(run), "caller": _caller(run)}


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", **item} for item in statements if item],
    }


def _trust(run: Run) -> dict[str, Any]:
    return _document(
        {
            "Principal": {"Service": SERVICE},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": run.endpoint.account},
                "ArnEquals": {"aws:SourceArn": job_arns(run)},
            },
        }
    )


def _role(run: Run) -> dict[str, Any]:
    owner = run.job_options.get("bucket_owner") or run.endpoint.account
    owned = {"Condition": {"StringEquals": {"aws:ResourceAccount": owner}}}
    read = [s3_arn(run, f"{uri}*") for uri in (f"{run.s3_prefix}input/", *media_folders(run))]
    written = s3_arn(run, f"{run.s3_prefix}output/*")
    return _document(
        {"Sid": "ListBucket", "Action": "s3:ListBucket", "Resource": bucket_arns(run), **owned},
        {"Sid": "ReadInputs", "Action": "s3:GetObject", "Resource": read, **owned},
        {"Sid": "WriteOutputs", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": written, **owned},
        {"Sid": "InvokeProfile", "Action": "bedrock:InvokeModel", "Resource": model_arns(run)}
        if needs_invoke(run)
        else {},
        _use_key(run),
        *(_vpc_statements(run) if run.job_options.get("vpc_config") else ()),
    )


def _use_key(run: Run) -> dict[str, Any]:
    if not run.job_options.get("kms_key_id"):
        return {}
    actions = ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"]
    return {"Sid": "UseKey", "Action": actions, "Resource": key_arn(run)}


def _vpc_statements(run: Run) -> Iterator[dict[str, Any]]:
    endpoint, vpc = run.endpoint, run.job_options["vpc_config"]
    base = f"arn:{partition_of(endpoint.region)}:ec2:{endpoint.region}:{endpoint.account}"
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
    invoke = {"Sid": "OnDemand", "Action": "bedrock:InvokeModel", "Resource": model_arns(run)}
    custom = split_model_id(run.model_id)[0].startswith("custom")
    return _document(
        *_on_jobs(run), {} if custom else invoke, *_on_roles(run), *_on_objects(run), _use_key(run)
    )


def _on_jobs(run: Run) -> Iterator[dict[str, Any]]:
    # Lists have no resource of their own, but for those of a resource's tags.
    lists = [name for name in _CALLER_ACTIONS if name.startswith("List") and "Tags" not in name]
    on_jobs = [f"bedrock:{name}" for name in _CALLER_ACTIONS if name not in lists]
    yield {"Sid": "BatchJobs", "Action": on_jobs, "Resource": sorted({job_arns(run), *model_arns(run)})}
    quotas = ["servicequotas:ListServiceQuotas", "servicequotas:ListAWSDefaultServiceQuotas"]
    yield {"Sid": "LookUp", "Action": [*(f"bedrock:{name}" for name in lists), *quotas], "Resource": "*"}


def _on_roles(run: Run) -> Iterator[dict[str, Any]]:
    yield {
        "Sid": "PassRole",
        "Action": "iam:PassRole",
        "Resource": run.role_arn,
        "Condition": {"StringEquals": {"iam:PassedToService": SERVICE}},
    }
    yield {
        "Sid": "LookAtRoleAndSelf",
        "Action": ["iam:GetRole", "iam:SimulatePrincipalPolicy"],
        "Resource": list(dict.fromkeys([run.role_arn, *caller_arns()])),
    }


def _on_objects(run: Run) -> Iterator[dict[str, Any]]:
    own = [s3_arn(run, f"{uri}*") for uri in (*own_uris(run), f"{run.s3_prefix}output/")]
    others = media_folders(run) + ([run.output_uri(run.adopted["job_arn"])] if run.adopted else [])
    yield {
        "Sid": "ListBucket",
        "Action": ["s3:ListBucket", "s3:GetEncryptionConfiguration"],
        "Resource": bucket_arns(run),
    }
    yield {
        "Sid": "Objects",
        "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
        "Resource": own,
    }
    if others:
        read = [s3_arn(run, f"{uri}*") for uri in others]
        yield {"Sid": "ReadOthers", "Action": "s3:GetObject", "Resource": read}
