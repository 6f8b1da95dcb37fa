"""Preflight against the stand-in, and against moto as an independent IAM."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import given, settings, strategies as st
from moto import mock_aws

import bbkit as bb
from bbkit import aws
from bbkit.cli import main
from bbkit.core.errors import AwsError, CredentialsError, InputError, PlaceError, RecordsError
from bbkit.jobs import clean_run
from bbkit.jobs.preflight import policies_for, preflight
from bbkit.jobs.preflight.identities import judge_simulation, judge_trust

ACCOUNT = "123456789012"
MODEL = "amazon.nova-lite-v1:0"
PROFILE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
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

SIMULATED: list[str] = []
"""Whose policies the simulator below was asked about."""


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
        deny_what_moto_lacks()
        yield


def deny_what_moto_lacks() -> None:
    answer_call("iam", "SimulatePrincipalPolicy", deny)
    answer_call("bedrock", "ListModelInvocationJobs", deny)
    for operation in ("GetInferenceProfile", "GetFoundationModel", "GetFoundationModelAvailability"):
        answer_call("bedrock", operation, deny)


def answer_call(service: str, operation: str, give: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer an operation that moto has not, in the shape botocore gives its answers."""

    def respond(params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        told = give(params)
        http = AWSResponse("https://amazonaws.com", 403 if "Error" in told else 200, {}, None)
        return http, {"ResponseMetadata": {}, **told}

    events = aws.client(service).meta.events
    events.unregister(f"before-call.{service}.{operation}", unique_id=operation)
    events.register(f"before-call.{service}.{operation}", respond, unique_id=operation)


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
        SIMULATED.append(body["PolicySourceArn"])
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
        (
            {
                "Statement": [
                    *TRUST["Statement"],
                    {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:*"},
                ]
            },
            "Deny statement",
        ),
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


@pytest.mark.parametrize(
    ("statements", "verdict"),
    [
        (
            [{"Effect": "Allow", "Principal": {"Service": "bedrock.amazonaws.com"}, "NotAction": "iam:*"}],
            "unknown",
        ),
        ([{"Effect": "Allow", "NotPrincipal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}], "unknown"),
        (
            [*TRUST["Statement"], {"Effect": "Deny", "Principal": "*", "NotAction": "sts:AssumeRole"}],
            "unknown",
        ),
        (
            [*TRUST["Statement"], {"Effect": "Deny", "NotPrincipal": {"AWS": ACCOUNT}, "Action": "*"}],
            "unknown",
        ),
        (
            [*TRUST["Statement"], {"Effect": "Deny", "NotPrincipal": {"AWS": ACCOUNT}, "Action": "s3:*"}],
            "allowed",
        ),
        ([*TRUST["Statement"], {"Effect": "Allow", "Principal": "*", "NotAction": "iam:*"}], "allowed"),
        (
            [
                *TRUST["Statement"],
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "NotAction": "iam:*",
                    "Condition": {"StringEquals": {"aws:SourceAccount": "444455556666"}},
                },
            ],
            "allowed",
        ),
    ],
)
def test_a_statement_that_says_what_it_is_not_about_is_no_ground_for_a_verdict(
    statements: list[dict[str, Any]], verdict: str
) -> None:
    assert judge_trust({"Statement": statements}, account=ACCOUNT, region="us-east-1")[0] == verdict


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
    told = found[found["rule"] == "role"].iloc[0]
    assert "is of account 444455556666" in told["finding"]
    assert f"Use a role of account {ACCOUNT}" in told["remedy"]


@pytest.mark.usefixtures("aws_account")
def test_what_may_not_be_looked_at_is_unknown_never_fine(tmp_path: Path) -> None:
    found = preflight(make_run(tmp_path / "run", make_role(TRUST), kms_key_id="alias/none-such"))
    assert "unknown" in severities(found, "permissions")
    assert "unknown" in severities(found, "caller")
    answer_simulations("allowed")
    found = preflight(bb.Run.open(tmp_path / "run"))
    assert severities(found, "permissions") == {"info"}
    answer_simulations("implicitDeny")
    found = preflight(bb.Run.open(tmp_path / "run"))
    # Which key the alias is of is not known; that not every key is allowed says nothing of that one.
    assert list(found.loc[found["rule"] == "permissions", "severity"]) == ["error"] * 3 + ["unknown"]
    found = found.errors
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
    assert any("::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0" in arn for arn in invoked)


@pytest.mark.usefixtures("aws_account")
def test_an_inference_profile_is_asked_for_once_in_a_call(tmp_path: Path) -> None:
    asked: list[str] = []
    model = "arn:aws:bedrock:us-west-2::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0"

    def answer(params: dict[str, Any]) -> dict[str, Any]:
        asked.append(params["url_path"])
        return {"models": [{"modelArn": model}]}

    answer_call("bedrock", "GetInferenceProfile", answer)
    run = make_run(tmp_path / "run", make_role(TRUST), model_id=PROFILE)
    found = preflight(run)
    assert f"{PROFILE} routes to us-west-2." in found["finding"].tolist()
    assert len(asked) == 1
    caller = policies_for(run)["caller"]["Statement"]
    assert model in next(item for item in caller if item["Sid"] == "OnDemand")["Resource"]
    assert len(asked) == 2


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
            "EvalResourceName": "arn:aws:s3:::calls/runs/x/input/1-0001.jsonl",
            "EvalDecision": decision,
            "MatchedStatements": [],
            "MissingContextValues": missing,
        }
        for action, decision, missing in results
    ]
    assert [row.severity for row in judge_simulation("permissions", "the role", shaped)] == [severity]


@pytest.mark.parametrize(
    ("decisions", "severities"),
    [
        ({"calls": "allowed", "media": "allowed"}, ["info"]),
        ({"calls": "allowed", "media": "implicitDeny"}, ["error"]),
        ({"calls": "explicitDeny", "media": "implicitDeny"}, ["error", "error"]),
        ({"calls": "allowed", "media-*": "implicitDeny"}, ["unknown"]),
        ({"calls": "allowed", "media-*": "explicitDeny"}, ["error"]),
    ],
)
@pytest.mark.parametrize("aggregate", ["allowed", "restrictive"])
def test_each_resource_of_a_simulation_counts(
    decisions: dict[str, str], severities: list[str], aggregate: str
) -> None:
    order = ("allowed", "implicitDeny", "explicitDeny")
    most = max(decisions.values(), key=order.index)
    shaped = {
        "EvalActionName": "s3:ListBucket",
        "EvalDecision": "allowed" if aggregate == "allowed" else most,
        "ResourceSpecificResults": [
            {"EvalResourceName": f"arn:aws:s3:::{bucket}", "EvalResourceDecision": decision}
            for bucket, decision in decisions.items()
        ],
    }
    rows = list(judge_simulation("permissions", "the role", [shaped]))
    assert [row.severity for row in rows] == severities
    denied = [bucket for bucket, decision in decisions.items() if decision != "allowed"]
    assert all(f"arn:aws:s3:::{bucket}" in row.finding for bucket, row in zip(denied, rows, strict=False))


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


def test_the_stand_in_is_said_to_have_no_iam_and_is_no_finding_of_the_doctor(
    standin: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vpc = {"subnetIds": ["subnet-0a"], "securityGroupIds": ["sg-0b"]}
    run = bb.Run.create(
        tmp_path / "run", model_id=PROFILE, kms_key_id="alias/calls", vpc_config=vpc, tags={"team": "calls"}
    )
    found = preflight(run)
    assert set(found["severity"]) == {"info"}
    assert "has no IAM" in found[found["rule"] == "role"]["finding"].iloc[0]
    routed = "us-east-1, us-east-2, us-west-1, us-west-2"
    assert f"{PROFILE} routes to {routed}." in found[found["rule"] == "model"]["finding"].iloc[0]
    assert severities(found, "jobs") == {"info"}
    assert main(["doctor", str(run.folder)]) == 0
    assert "has no IAM" in capsys.readouterr().out
    assert not list(aws.list_objects(run.s3_prefix))


def test_a_role_of_another_account_is_seen_on_a_stand_in_too(standin: Any, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id=MODEL, role_arn="arn:aws:iam::444455556666:role/Theirs")
    told = preflight(run).errors.iloc[0]
    assert told.rule == "role"
    assert f"Use a role of account {standin.account}" in told.remedy
    bb.write_records([(f"c{number}", watch("s3://bbkit-standin/v/a.mp4")) for number in range(100)], run)
    with pytest.raises(AwsError, match="Use a role of the account that the jobs run in"):
        bb.submit_jobs(run)


HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"


def ask_claude(**members: Any) -> list[tuple[str, dict[str, Any]]]:
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, **members}
    return [(f"c{n}", {**body, "messages": [{"role": "user", "content": "Hello"}]}) for n in range(100)]


def test_records_are_checked_again_for_the_model_behind_a_profile(
    standin: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = f"arn:aws:bedrock:us-east-1:{standin.account}:inference-profile/us.{HAIKU}"
    profile = boto3.client("bedrock").create_inference_profile(
        inferenceProfileName="team a", modelSource={"copyFrom": source}
    )["inferenceProfileArn"]
    run = bb.Run.create(tmp_path / "run", model_id=profile, family="anthropic")
    bb.write_records(ask_claude(temperature=0.5, top_p=0.5), run, quotas=bb.Quotas())
    told = preflight(run).errors
    assert told["count"].tolist() == [100]
    assert "temperature" in told["finding"].iloc[0] and HAIKU in told["finding"].iloc[0]
    run = bb.Run.open(run.folder)
    assert run.model == HAIKU and f"{profile} ({HAIKU}, anthropic, InvokeModel)" in repr(run)
    assert main(["preflight", str(run.folder)]) == 1  # and again, now that the run knows its model
    assert f"Behind {profile} is {HAIKU}; the records were checked again for it." in capsys.readouterr().out
    fine = bb.Run.create(tmp_path / "fine", model_id=profile, family="anthropic")
    bb.write_records(ask_claude(temperature=0.5), fine, quotas=bb.Quotas())
    assert set(preflight(fine)["severity"]) == {"info"}
    # What was allowed is not found again, and what was checked for the model is not read again.
    rule = told["rule"].iloc[0]
    known = bb.Run.create(tmp_path / "known", model_id=profile, model=HAIKU)
    with pytest.raises(RecordsError, match="temperature"):
        bb.write_records(ask_claude(temperature=0.5, top_p=0.5), known, quotas=bb.Quotas())
    bb.write_records(ask_claude(temperature=0.5, top_p=0.5), known, allow=[rule], quotas=bb.Quotas())
    assert set(preflight(known)["severity"]) == {"info"}
    other = bb.Run.create(tmp_path / "other", model_id=profile, model=MODEL)
    bb.write_records(
        [(f"c{n}", {"messages": [{"role": "user", "content": [{"text": "x"}]}]}) for n in range(100)],
        other,
        quotas=bb.Quotas(),
    )
    told = preflight(other)
    assert set(told.errors["rule"]) == {"family_mismatch"}
    assert f"Behind {profile} is {HAIKU}, not {MODEL}, as was given." in set(told["finding"])
    renamed = bb.Run.open(other.folder)
    assert (renamed.model, renamed.family) == (HAIKU, "anthropic")
    assert "as was given" not in str(preflight(renamed)["finding"].to_list())
    with pytest.raises(InputError, match="leave out model="):
        bb.Run.create(tmp_path / "no", model_id=MODEL, model=HAIKU)
    with pytest.raises(InputError, match="by its id"):
        known.change(model=profile)


def test_a_model_that_aws_does_not_know_is_an_error(standin: Any, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id="openai.gpt-oss-120b")
    found = preflight(run)
    (told,) = found.errors.loc[found["rule"] == "model", "finding"]
    assert "finds no model openai.gpt-oss-120b in us-east-1" in told
    assert "Use openai.gpt-oss-120b-1:0: " in found.to_text()


def test_a_model_without_access_is_an_error_before_anything_is_sent(
    start_standin: Callable[..., Any], tmp_path: Path
) -> None:
    start_standin("--fault", "no-model-access")
    run = bb.Run.create(tmp_path / "run", model_id=PROFILE)
    (told,) = preflight(run).errors.itertuples()
    assert told.rule == "model_access"
    assert "entitlementAvailability is NOT_AVAILABLE, agreementAvailability is NOT_AVAILABLE" in told.finding
    assert "aws-marketplace:Subscribe" in told.remedy


@pytest.mark.usefixtures("aws_account")
def test_what_aws_says_of_access_is_judged(tmp_path: Path) -> None:
    role = make_role(TRUST)
    good = dict.fromkeys(("entitlementAvailability", "regionAvailability"), "AVAILABLE")
    good |= {"authorizationStatus": "AUTHORIZED"}
    for number, (model_id, agreement, answers, severity) in enumerate(
        [
            (PROFILE, {"status": "NOT_AVAILABLE", "errorMessage": "no offer"}, {}, "error"),
            (PROFILE, {"status": "PENDING"}, {}, "warning"),
            (PROFILE, {"status": "AVAILABLE"}, {"authorizationStatus": "NOT_AUTHORIZED"}, "error"),
            (PROFILE, {"status": "AVAILABLE"}, {"regionAvailability": "NOT_AVAILABLE"}, "info"),
            (
                "qwen.qwen3-32b-v1:0",
                {"status": "AVAILABLE"},
                {"regionAvailability": "NOT_AVAILABLE"},
                "error",
            ),
            (MODEL, {"status": "AVAILABLE"}, {"entitlementAvailability": "NOT_AVAILABLE"}, "warning"),
            (MODEL, {"status": "AVAILABLE"}, {}, "info"),
        ]
    ):
        told = {"modelId": "m", "agreementAvailability": agreement, **good, **answers}
        answer_call("bedrock", "GetFoundationModelAvailability", lambda _, told=told: told)
        found = preflight(make_run(tmp_path / f"run-{number}", role, model_id=model_id))
        assert severities(found, "model_access") == {severity}
        words = found.loc[found["rule"] == "model_access", "finding"].iloc[0]
        assert agreement.get("errorMessage", "") in words


@pytest.mark.usefixtures("aws_account")
def test_the_life_that_aws_tells_goes_before_the_table(tmp_path: Path) -> None:
    ended = "us.anthropic.claude-sonnet-4-20250514-v1:0"
    run = make_run(tmp_path / "run", make_role(TRUST), model_id=ended)
    day = date(2026, 11, 29)
    found = preflight(run, as_of=day)
    assert "model_ended" in set(found["rule"])
    words = "GetFoundationModel and GetFoundationModelAvailability may not be asked"
    assert found.loc[found["finding"].str.startswith(words), "severity"].tolist() == ["info"]
    past, coming = (datetime(*ymd, tzinfo=UTC) for ymd in ((2026, 11, 1), (2027, 1, 1)))
    for life, expected in (
        ({"status": "ACTIVE"}, []),
        ({"status": "LEGACY"}, ["model_legacy"]),
        ({"status": "LEGACY", "endOfLifeTime": past}, ["model_ended"]),
        ({"status": "LEGACY", "endOfLifeTime": coming}, ["model_legacy"]),
    ):
        told = {"modelDetails": {"modelLifecycle": life}}
        answer_call("bedrock", "GetFoundationModel", lambda _, told=told: told)
        found = preflight(run, as_of=day)
        about = found[found["rule"].isin(["model_ended", "model_legacy"])]
        assert about["rule"].tolist() == expected
        assert set(about.loc[about["rule"] == "model_ended", "severity"]) <= {"error"}
        assert all("GetFoundationModel, here and now" in text for text in about["finding"])


def test_values_that_came_in_by_hand_are_an_error(standin: Any, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id=MODEL, tags={"team": "calls"})
    described = run.folder / "run.json"
    text = described.read_text().replace('"calls"', '"calls!"')
    described.write_text(text.replace('"timeout_hours": 24', '"timeout_hours": 5'))
    told = preflight(bb.Run.open(run.folder)).errors
    assert list(told["rule"]) == ["values", "values"]
    assert "calls!" in told["finding"].iloc[0]
    assert "whole hours from 24 to 168. run.change(...) corrects it." in told["remedy"].iloc[1]


def watch(uri: str) -> dict[str, Any]:
    video = {"video": {"format": "mp4", "source": {"s3Location": {"uri": uri}}}}
    return {"messages": [{"role": "user", "content": [video, {"text": "What happens?"}]}]}


def look(data: bytes) -> dict[str, Any]:
    pixel = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\b\2\0\0\0\x90wS\xde"
    picture = {"format": "png", "source": {"bytes": base64.b64encode(pixel + data).decode()}}
    return {"messages": [{"role": "user", "content": [{"image": picture}, {"text": "What is it?"}]}]}


def test_the_bucket_of_the_media_is_looked_at(standin: Any, tmp_path: Path) -> None:
    def look(name: str, uri: str) -> pd.DataFrame:
        run = bb.Run.create(tmp_path / name, model_id=MODEL)
        bb.write_records([(f"c{number}", watch(uri)) for number in range(100)], run)
        return preflight(run)

    told = look("gone", "s3://no-such-media/a/v.mp4").errors.iloc[0]
    assert told.finding == "There is no bucket no-such-media, where media are."
    assert told.remedy.startswith("Correct the s3Location")
    boto3.client("s3").create_bucket(Bucket="media-of-calls")
    told = look("empty", "s3://media-of-calls/a/v.mp4").errors.iloc[0]
    assert told.finding.startswith("s3://media-of-calls/a/ holds nothing")
    boto3.client("s3").put_object(Bucket="media-of-calls", Key="a/v.mp4", Body=b"video")
    assert set(look("there", "s3://media-of-calls/a/v.mp4")["severity"]) == {"info"}
    assert [item.uri for item in aws.list_objects("s3://media-of-calls/")] == ["s3://media-of-calls/a/v.mp4"]


@pytest.mark.usefixtures("aws_account")
def test_the_role_and_the_caller_are_asked_about_the_media(tmp_path: Path) -> None:
    boto3.client("s3", region_name="us-west-2").create_bucket(
        Bucket="media", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    run = make_run(tmp_path / "run", make_role(TRUST))
    bb.write_records([(f"c{number}", watch("s3://media/a/v.mp4")) for number in range(100)], run)
    asked: dict[str, list[str]] = {}

    def simulate(params: dict[str, Any]) -> dict[str, Any]:
        body = params["body"]
        names = [value for name, value in body.items() if name.startswith("ResourceArns.member.")]
        asked[body["ActionNames.member.1"]] = names
        single = [{"EvalResourceName": name, "EvalResourceDecision": "allowed"} for name in names]
        single[-1]["EvalResourceDecision"] = "explicitDeny"
        result = {"EvalActionName": body["ActionNames.member.1"], "EvalDecision": "explicitDeny"}
        return {
            "EvaluationResults": [{**result, "ResourceSpecificResults": single}],
            "IsTruncated": False,
        }

    answer_call("iam", "SimulatePrincipalPolicy", simulate)
    found = preflight(run).errors
    assert asked["s3:ListBucket"] == ["arn:aws:s3:::calls", "arn:aws:s3:::media"]
    assert asked["s3:GetObject"][-1].startswith("arn:aws:s3:::media/a/")
    texts = list(found["finding"])
    assert "The role is denied s3:ListBucket on arn:aws:s3:::media." in texts
    assert any(text.startswith("Bucket media is in us-west-2") for text in texts)


def covers(policy: dict[str, Any], action: str, resource: str) -> bool:
    """Whether a statement of a policy allows an action on a resource, wildcards as IAM has them."""

    def listed(value: Any) -> list[str]:
        return [value] if isinstance(value, str) else value

    return any(
        action in listed(statement["Action"])
        and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
        for statement in policy["Statement"]
    )


def test_the_callers_policy_covers_every_call_to_s3(
    start_standin: Callable[..., Any], tmp_path: Path
) -> None:
    start_standin("--min-records", "5")
    boto3.client("s3").create_bucket(Bucket="media-of-calls")
    boto3.client("s3").put_object(Bucket="media-of-calls", Key="a/v.mp4", Body=b"video")
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    bodies = [(f"c{number}", watch("s3://media-of-calls/a/v.mp4")) for number in range(10)]
    bb.write_records(bodies, run, quotas=bb.Quotas(min_records_per_job=5))
    calls: list[tuple[str, str]] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        keys = [item["Key"] for item in params.get("Delete", {}).get("Objects", ())] or [
            params.get("Key", "")
        ]
        calls.extend((model.name, f"arn:aws:s3:::{params['Bucket']}/{key}".rstrip("/")) for key in keys)

    aws.client("s3").meta.events.register("before-parameter-build.s3", note)
    assert preflight(run).errors.empty
    bb.submit_jobs(run)
    assert list(bb.wait_for_jobs(run, timeout=60)["status"]) == ["Completed"]
    assert bb.accounting(bb.collect_outputs(run)).complete
    clean_run(run, delete=True)
    needed = {
        "HeadBucket": "s3:ListBucket", "ListObjectsV2": "s3:ListBucket", "PutObject": "s3:PutObject",
        "GetObject": "s3:GetObject", "HeadObject": "s3:GetObject", "DeleteObject": "s3:DeleteObject",
        "DeleteObjects": "s3:DeleteObject",
    }  # fmt: skip
    assert {name for name, _ in calls} == set(needed)
    caller, role = policies_for(run)["caller"], policies_for(run)["role"]
    assert not [call for call in calls if not covers(caller, needed[call[0]], call[1])]
    for action, resource in (
        ("s3:ListBucket", ""),
        ("s3:GetObject", "/a/v.mp4"),
        ("s3:GetObject", "/a/x.jsonl"),
    ):
        assert covers(role, action, f"arn:aws:s3:::media-of-calls{resource}")
    assert not covers(caller, "s3:DeleteObject", "arn:aws:s3:::media-of-calls/a/v.mp4")


def test_a_bucket_whose_policy_demands_kms_is_written_with_the_runs_key(
    start_standin: Callable[..., Any], tmp_path: Path
) -> None:
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"
    start_standin("--min-records", "5", "--fault", f"require-kms={key}")
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    sizes = (1000, 1_400_000)  # an upload at once, and one in parts
    bodies = [(f"c{size}-{number}", look(bytes(size))) for size in sizes for number in range(5)]
    bb.write_records(bodies, run, quotas=bb.Quotas(min_records_per_job=5, max_records_per_file=5))
    told = preflight(run).errors.iloc[0]
    assert told["rule"] == "bucket" and "explicit deny in a resource-based policy" in told["finding"]
    assert "x-amz-server-side-encryption: aws:kms" in told["finding"]
    assert "run.change(kms_key_id=...)" in told["finding"]
    with pytest.raises(AwsError, match=r"refused PutObject.*run.change\(kms_key_id=...\)"):
        bb.submit_jobs(run)
    assert not list(aws.list_objects(run.s3_prefix))
    run = run.change(kms_key_id=key)
    assert preflight(run).errors.empty
    bb.submit_jobs(run)
    assert set(bb.wait_for_jobs(run, timeout=60)["status"]) == {"Completed"}
    inputs = list(aws.list_objects(f"{run.s3_prefix}input/"))
    assert sorted("-" in item.etag for item in inputs) == [False, True]
    for item in inputs:
        bucket, name = aws.split_s3_uri(item.uri)
        head = aws.client("s3").head_object(Bucket=bucket, Key=name)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)
    assert bb.accounting(bb.collect_outputs(run)).complete
    assert bb.collect_outputs(run, into=f"{run.s3_prefix}table").complete
    assert any("/write=" in item.uri for item in aws.list_objects(f"{run.s3_prefix}table/"))


@pytest.mark.usefixtures("aws_account")
def test_the_callers_policy_lets_the_caller_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", make_role(TRUST))
    iam, sts = boto3.client("iam", region_name="us-east-1"), boto3.client("sts", region_name="us-east-1")
    mine = iam.create_role(Path="/teams/", RoleName="Analyst", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    session = sts.assume_role(RoleArn=mine, RoleSessionName="me")["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", session["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", session["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", session["SessionToken"])
    SIMULATED.clear()
    deny_what_moto_lacks()
    answer_simulations("allowed")
    assert severities(preflight(run), "caller") == {"info"}
    assert set(SIMULATED) == {run.role_arn, mine}
    caller = policies_for(run)["caller"]
    assert covers(
        caller, "bedrock:GetFoundationModel", f"arn:aws:bedrock:us-east-1::foundation-model/{MODEL}"
    )
    assert covers(caller, "bedrock:GetFoundationModelAvailability", "*")
    for arn in SIMULATED:
        assert covers(caller, "iam:SimulatePrincipalPolicy", arn)
        assert covers(caller, "iam:GetRole", arn)
    assert not covers(caller, "iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/Other")


def test_a_model_that_batch_does_not_offer_here_is_an_error(standin: Any, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "run", model_id="anthropic.claude-haiku-4-5-20251001-v1:0")
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
