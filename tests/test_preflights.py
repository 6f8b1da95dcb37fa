"""Preflight against the stand-in, and against moto as an independent IAM."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

import bbkit as bb
from bbkit import aws
from bbkit.errors import CredentialsError, PlaceError
from bbkit.identities import judge_simulation
from bbkit.preflights import policies_for, preflight
from bbkit.trusts import judge_trust

ACCOUNT = "123456789012"
MODEL = "amazon.nova-lite-v1:0"
PROFILE = "us.anthropic.claude-sonnet-4-20250514-v1:0"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "bedrock.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
                "ArnEquals": {"aws:SourceArn": f"arn:aws:bedrock:us-east-1:{ACCOUNT}:model-invocation-job/*"},
            },
        }
    ],
}
"""As https://docs.aws.amazon.com/bedrock/latest/userguide/batch-iam-sr.html has it."""


@pytest.fixture
def aws_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """moto in the place of AWS: an IAM, STS and S3 of other people's making."""
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_BEDROCK",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_STS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # Of each test alone, so that the recorded answers below belong to its clients only.
    monkeypatch.setenv("AWS_SESSION_TOKEN", str(tmp_path))
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="calls")
        answer_call("iam", "SimulatePrincipalPolicy", deny)
        answer_call("bedrock", "ListModelInvocationJobs", deny)
        answer_call("bedrock", "GetInferenceProfile", deny)
        yield


def answer_call(service: str, operation: str, give: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer an operation that moto has not, in the shape botocore gives its answers."""

    def respond(params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        told = give(params)
        http = AWSResponse("https://amazonaws.com", 403 if "Error" in told else 200, {}, None)
        return http, {"ResponseMetadata": {}, **told}

    events = aws.client(service).meta.events
    events.unregister(f"before-call.{service}.{operation}", unique_id="recorded")
    events.register(f"before-call.{service}.{operation}", respond, unique_id="recorded")


def deny(_: dict[str, Any]) -> dict[str, Any]:
    return {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}


def answer_simulations(decision: str) -> None:
    """Let IAM's simulator give one decision for everything."""

    def simulate(params: dict[str, Any]) -> dict[str, Any]:
        body = params["body"]
        asked = {
            "EvalActionName": body["ActionNames.member.1"],
            "EvalResourceName": body["ResourceArns.member.1"],
        }
        result = {**asked, "EvalDecision": decision, "MissingContextValues": []}
        return {"EvaluationResults": [result], "IsTruncated": False}

    answer_call("iam", "SimulatePrincipalPolicy", simulate)


def make_role(trust: dict[str, Any], name: str = "Batch") -> str:
    iam = boto3.client("iam", region_name="us-east-1")
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]


def make_run(folder: Path, role_arn: str, **options: Any) -> bb.Run:
    values = {"model_id": MODEL, "s3_uri": "s3://calls/runs", "role_arn": role_arn, **options}
    return bb.Run.create(folder, **values)


def severities(found: pd.DataFrame, rule: str) -> set[str]:
    return set(found.loc[found["rule"] == rule, "severity"])


def with_condition(**conditions: Any) -> dict[str, Any]:
    return {"Statement": [{**TRUST["Statement"][0], "Condition": conditions}]}


@pytest.mark.usefixtures("aws_account")
def test_a_role_as_aws_documents_it_is_trusted(tmp_path: Path) -> None:
    found = preflight(make_run(tmp_path / "run", make_role(TRUST)))
    assert severities(found, "trust") == {"info"}
    assert severities(found, "bucket") == {"info"}
    assert found.errors.empty


@pytest.mark.usefixtures("aws_account")
@pytest.mark.parametrize(
    ("trust", "words"),
    [
        (
            with_condition(ArnEquals={"aws:SourceArn": "arn:aws:bedrock:eu-west-1:*:*"}),
            "aws:SourceArn must be",
        ),
        (with_condition(StringEquals={"aws:SourceAccount": "444455556666"}), "aws:SourceAccount must be"),
        (
            {"Statement": [{**TRUST["Statement"][0], "Principal": {"Service": "ec2.amazonaws.com"}}]},
            "no statement",
        ),
        ({"Statement": [{**TRUST["Statement"][0], "Effect": "Deny"}, *TRUST["Statement"]]}, "Deny statement"),
    ],
)
def test_a_role_that_does_not_trust_bedrock_here_is_an_error(
    tmp_path: Path, trust: dict[str, Any], words: str
) -> None:
    found = preflight(make_run(tmp_path / "run", make_role(trust)))
    told = found[found["rule"] == "trust"].iloc[0]
    assert told["severity"] == "error"
    assert words in told["finding"]
    assert "--policies" in told["remedy"]


@pytest.mark.usefixtures("aws_account")
def test_a_condition_that_cannot_be_judged_is_unknown(tmp_path: Path) -> None:
    trust = with_condition(StringEquals={"aws:PrincipalOrgID": "o-1"})
    assert severities(preflight(make_run(tmp_path / "run", make_role(trust))), "trust") == {"unknown"}


@pytest.mark.usefixtures("aws_account")
def test_what_is_missing_is_named_with_its_remedy(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", f"arn:aws:iam::{ACCOUNT}:role/Nobody", s3_uri="s3://no-such-bucket/runs")
    found = preflight(run)
    texts = dict(zip(found["rule"], found["finding"] + " " + found["remedy"], strict=True))
    assert texts["role"].startswith(f"There is no role Nobody in account {ACCOUNT}.")
    assert texts["bucket"].startswith("There is no bucket no-such-bucket. Make it in us-east-1")


@pytest.mark.usefixtures("aws_account")
def test_a_bucket_of_another_region_and_a_foreign_role_are_errors(tmp_path: Path) -> None:
    boto3.client("s3", region_name="eu-west-1").create_bucket(
        Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    found = preflight(
        make_run(tmp_path / "run", "arn:aws:iam::444455556666:role/Theirs", s3_uri="s3://far-away/runs")
    )
    assert "far-away is in eu-west-1" in found[found["rule"] == "bucket"]["finding"].iloc[0]
    assert "is of account 444455556666" in found[found["rule"] == "role"]["finding"].iloc[0]


@pytest.mark.usefixtures("aws_account")
def test_what_may_not_be_looked_at_is_unknown_never_fine(tmp_path: Path) -> None:
    found = preflight(make_run(tmp_path / "run", make_role(TRUST), kms_key_id="alias/none-such"))
    assert "unknown" in severities(found, "permissions")
    assert "unknown" in severities(found, "caller")
    answer_simulations("allowed")
    found = preflight(bb.Run.open(tmp_path / "run"))
    assert severities(found, "permissions") == {"info"}
    answer_simulations("implicitDeny")
    found = preflight(bb.Run.open(tmp_path / "run")).errors
    assert len(found[found["rule"] == "permissions"]) == 4
    assert "iam:PassRole" in found[found["rule"] == "caller"]["finding"].iloc[0]


@pytest.mark.usefixtures("aws_account")
def test_a_key_is_looked_up(tmp_path: Path) -> None:
    key = boto3.client("kms", region_name="us-east-1").create_key()["KeyMetadata"]["Arn"]
    role = make_role(TRUST)
    assert severities(preflight(make_run(tmp_path / "a", role, kms_key_id=key)), "key") == {"unknown"}
    gone = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"
    assert severities(preflight(make_run(tmp_path / "b", role, kms_key_id=gone)), "key") == {"error"}


@pytest.mark.usefixtures("aws_account")
def test_iam_takes_the_policies_we_write(tmp_path: Path) -> None:
    vpc = {"subnetIds": ["subnet-0a"], "securityGroupIds": ["sg-0b"]}
    run = make_run(
        tmp_path / "run", make_role(TRUST), model_id=PROFILE, kms_key_id="alias/calls", vpc_config=vpc
    )
    iam = boto3.client("iam", region_name="us-east-1")
    policies = policies_for(run)
    iam.create_role(RoleName="Made", AssumeRolePolicyDocument=json.dumps(policies["trust"]))
    for name in ("role", "caller"):
        iam.put_role_policy(RoleName="Made", PolicyName=name, PolicyDocument=json.dumps(policies[name]))
    assert judge_trust(policies["trust"], account=ACCOUNT, region="us-east-1") == ("allowed", "")
    invoked = next(item for item in policies["role"]["Statement"] if item.get("Sid") == "InvokeProfile")[
        "Resource"
    ]
    assert f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/{PROFILE}" in invoked
    assert any("::foundation-model/anthropic.claude-sonnet-4-20250514-v1:0" in arn for arn in invoked)


def test_policies_name_only_this_run(standin: Any, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    role = policies_for(run)["role"]["Statement"]
    objects = [item["Resource"] for item in role if "s3:GetObject" in item["Action"]]
    assert all(
        run.run_id[:8] in text
        for resource in objects
        for text in ([resource] if isinstance(resource, str) else resource)
    )
    assert not any("bedrock:InvokeModel" in item["Action"] for item in role)


@pytest.mark.parametrize(
    ("results", "severity"),
    [
        ([("s3:GetObject", "allowed", [])], "info"),
        ([("s3:GetObject", "implicitDeny", [])], "error"),
        ([("s3:GetObject", "explicitDeny", ["aws:ResourceOrgID"])], "error"),
        ([("s3:GetObject", "implicitDeny", ["aws:ResourceOrgID"])], "unknown"),
    ],
)
def test_answers_of_the_policy_simulator_become_findings(
    results: list[tuple[str, str, list[str]]], severity: str
) -> None:
    shaped = [
        {
            "EvalActionName": action,
            "EvalResourceName": "arn:aws:s3:::calls/runs/x/input/*",
            "EvalDecision": decision,
            "MatchedStatements": [],
            "MissingContextValues": missing,
        }
        for action, decision, missing in results
    ]
    assert [row["severity"] for row in judge_simulation("permissions", "the role", shaped)] == [severity]


@settings(deadline=None, max_examples=50)
@given(
    region=st.sampled_from(["us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1"]),
    account=st.from_regex(r"[0-9]{12}", fullmatch=True),
)
def test_a_trust_for_one_place_is_no_trust_for_another(region: str, account: str) -> None:
    partition = {"us-gov": "aws-us-gov", "cn": "aws-cn"}.get(region.rsplit("-", 2)[0], "aws")
    trust = with_condition(
        StringEquals={"AWS:SourceAccount": [account]},
        ArnLike={"aws:sourceArn": f"arn:{partition}:bedrock:{region}:{account}:model-invocation-job/*"},
    )
    assert judge_trust(trust, account=account, region=region)[0] == "allowed"
    assert judge_trust(trust, account=account, region="ap-south-1")[0] == "denied"
    other = f"{(int(account) + 1) % 10**12:012}"
    assert judge_trust(trust, account=other, region=region)[0] == "denied"


def test_the_stand_in_is_said_to_have_no_iam(standin: Any, tmp_path: Path) -> None:
    found = preflight(bb.Run.create(tmp_path / "run", model_id=MODEL))
    assert found.errors.empty
    assert severities(found, "role") == {"unknown"}
    assert severities(found, "jobs") == {"info"}
    left = boto3.client("s3").list_objects_v2(Bucket="bbkit-standin", Prefix="runs/run-")
    assert not [item for item in left.get("Contents", []) if item["Key"].endswith("preflight")]


def test_a_model_that_batch_does_not_offer_here_is_an_error(standin: Any, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id="anthropic.claude-sonnet-4-20250514-v1:0")
    told = preflight(run)
    assert "error" in set(told.loc[told["rule"].str.startswith("model"), "severity"])


def test_another_place_and_no_credentials_are_one_sentence(
    start_standin: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_standin()
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    start_standin()
    with pytest.raises(PlaceError, match=r"was made for the stand-in.*now in use are for the stand-in"):
        preflight(run)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(CredentialsError, match="There are no AWS credentials"):
        preflight(run)
