"""The least-privilege IAM policies of a run.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-iam-sr.html (trust and role),
https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-permissions.html (caller),
https://docs.aws.amazon.com/bedrock/latest/userguide/batch-vpc.html (VPC), as of October 2026. Never tried
on a real account: the KMS statements, for which the batch pages give no policy.
"""

from collections.abc import Iterator
from typing import Any

from bbkit.core.errors import AwsError
from bbkit.core.findings import Finding, make_finding
from bbkit.families import split_model_id
from bbkit.jobs.preflight.arns import Arns, caller_arns
from bbkit.run import Run

SERVICE = "bedrock.amazonaws.com"
DENIED = ("AccessDenied", "AccessDeniedException", "403", "Forbidden")
_CALLER_ACTIONS = (
    "CreateModelInvocationJob", "GetModelInvocationJob", "ListModelInvocationJobs", "StopModelInvocationJob",
    "ListFoundationModels", "GetFoundationModel", "ListInferenceProfiles", "GetInferenceProfile",
    "ListCustomModels", "GetCustomModel", "TagResource", "UntagResource", "ListTagsForResource",
)  # fmt: skip


def policies_for(run: Run) -> dict[str, dict[str, Any]]:
    """Write the least-privilege policies for exactly this run."""
    arns = Arns(run)
    return {"trust": _trust(arns), "role": _role(arns), "caller": _caller(arns)}


def not_seen(rule: str, what: str, error: AwsError) -> Finding:
    """Make the finding that something could not be looked at."""
    text = ".not_seen_denied" if error.code in DENIED else ".not_seen"
    return make_finding(text, rule=rule, what=what, error=error)


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(sid: str, actions: Any, resources: Any, **conditions: dict[str, Any]) -> dict[str, Any]:
    allowed = {"Effect": "Allow", "Sid": sid, "Action": actions, "Resource": resources}
    return allowed | ({"Condition": conditions} if conditions else {})


def _trust(arns: Arns) -> dict[str, Any]:
    account = {"aws:SourceAccount": arns.run.endpoint.account}
    condition = {"StringEquals": account, "ArnEquals": {"aws:SourceArn": arns.jobs}}
    trusted = {"Principal": {"Service": SERVICE}, "Action": "sts:AssumeRole", "Condition": condition}
    return _document({"Effect": "Allow", **trusted})


def _role(arns: Arns) -> dict[str, Any]:
    run = arns.run
    owned = {"aws:ResourceAccount": run.job_options.get("bucket_owner") or run.endpoint.account}
    read = [arns.in_s3(f"{uri}*") for uri in (f"{run.s3_prefix}input/", *arns.media)]
    written = arns.in_s3(f"{run.s3_prefix}output/*")
    statements = [
        _allow("ListBucket", "s3:ListBucket", arns.buckets, StringEquals=owned),
        _allow("ReadInputs", "s3:GetObject", read, StringEquals=owned),
        _allow("WriteOutputs", ["s3:PutObject", "s3:GetObject"], written, StringEquals=owned),
    ]
    if arns.is_profile:
        statements.append(_allow("InvokeProfile", "bedrock:InvokeModel", arns.models))
    return _document(*statements, *_on_key(arns), *_on_network(arns))


def _on_key(arns: Arns) -> Iterator[dict[str, Any]]:
    if arns.run.job_options.get("kms_key_id"):
        yield _allow("UseKey", ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"], arns.key)


def _on_network(arns: Arns) -> Iterator[dict[str, Any]]:
    vpc = arns.run.job_options.get("vpc_config")
    if not vpc:
        return
    described = ("NetworkInterfaces", "Vpcs", "DhcpOptions", "Subnets", "SecurityGroups")
    yield _allow("DescribeNetwork", [f"ec2:Describe{name}" for name in described], "*")
    interfaces = arns.here("ec2", "network-interface/*")
    yield _allow(
        "CreateInterface",
        "ec2:CreateNetworkInterface",
        interfaces,
        StringEquals={"aws:RequestTag/BedrockManaged": ["true"]},
        ArnEquals={"aws:RequestTag/BedrockModelInvocationJobArn": [arns.jobs]},
    )
    network = [arns.here("ec2", f"subnet/{name}") for name in vpc["subnetIds"]]
    network += [arns.here("ec2", f"security-group/{name}") for name in vpc["securityGroupIds"]]
    yield _allow("CreateInterfaceIn", "ec2:CreateNetworkInterface", network)
    managed = (
        "CreateNetworkInterfacePermission",
        "DeleteNetworkInterface",
        "DeleteNetworkInterfacePermission",
    )
    of_jobs = {"ec2:ResourceTag/BedrockModelInvocationJobArn": [arns.jobs]}
    yield _allow("ManageInterface", [f"ec2:{name}" for name in managed], "*", ArnEquals=of_jobs)
    creating = {"ec2:CreateAction": ["CreateNetworkInterface"]}
    yield _allow("TagInterface", "ec2:CreateTags", interfaces, StringEquals=creating)


def _caller(arns: Arns) -> dict[str, Any]:
    custom = split_model_id(arns.run.model_id)[0].startswith("custom")
    invoke = () if custom else (_allow("OnDemand", "bedrock:InvokeModel", arns.models),)
    return _document(*_on_jobs(arns), *invoke, *_on_roles(arns.run), *_on_objects(arns), *_on_key(arns))


def _on_jobs(arns: Arns) -> Iterator[dict[str, Any]]:
    # Lists have no resource of their own, but for those of a resource's tags.
    lists = [name for name in _CALLER_ACTIONS if name.startswith("List") and "Tags" not in name]
    on_jobs = [f"bedrock:{name}" for name in _CALLER_ACTIONS if name not in lists]
    yield _allow("BatchJobs", on_jobs, sorted({arns.jobs, *arns.models}))
    quotas = ["servicequotas:ListServiceQuotas", "servicequotas:ListAWSDefaultServiceQuotas"]
    # It has no resource of its own either.
    access = "bedrock:GetFoundationModelAvailability"
    yield _allow("LookUp", [*(f"bedrock:{name}" for name in lists), access, *quotas], "*")


def _on_roles(run: Run) -> Iterator[dict[str, Any]]:
    passed = {"iam:PassedToService": SERVICE}
    yield _allow("PassRole", "iam:PassRole", run.role_arn, StringEquals=passed)
    looked_at = list(dict.fromkeys([run.role_arn, *caller_arns()]))
    yield _allow("LookAtRoleAndSelf", ["iam:GetRole", "iam:SimulatePrincipalPolicy"], looked_at)


def _on_objects(arns: Arns) -> Iterator[dict[str, Any]]:
    run = arns.run
    own = [arns.in_s3(f"{uri}*") for uri in (*arns.own_uris, f"{run.s3_prefix}output/")]
    others = arns.media + ([run.output_uri(run.adopted["job_arn"])] if run.adopted else [])
    yield _allow("ListBucket", ["s3:ListBucket", "s3:GetEncryptionConfiguration"], arns.buckets)
    on_objects = ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload")
    yield _allow("Objects", [f"s3:{name}" for name in on_objects], own)
    if others:
        yield _allow("ReadOthers", "s3:GetObject", [arns.in_s3(f"{uri}*") for uri in others])
