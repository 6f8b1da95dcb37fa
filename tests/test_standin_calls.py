"""Single calls: what is refused and how, paging, tokens, tags; every answer against botocore's own shapes."""

import base64
import http.client
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.model import Shape
from conftest import ATTEMPTS, Standin
from hypothesis import given, settings, strategies as st
from standin_cases import (
    BUCKET,
    create,
    create_request,
    get,
    input_lines,
    log,
    put,
    record_ids,
    run_job,
    wait_for,
)

from bbkit.standin.models import model_list

Start = Callable[..., Standin]
OLD = "anthropic.claude-sonnet-4-20250514-v1:0"
NOWHERE = f"s3://{BUCKET}/nowhere/in.jsonl"
JOB = "arn:aws:bedrock:us-east-1:{account}:model-invocation-job/{job_id}"


def refusal(standin: Standin, operation: str, **given: Any) -> tuple[str, int, str]:
    """Give the exception class, status and message of a call that must be refused."""
    client = standin.client("bedrock")
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**given)
    error = caught.value
    modelled = getattr(client.exceptions, error.response["Error"]["Code"], None)
    assert modelled is None or isinstance(error, modelled)
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return error.response["Error"]["Code"], status, error.response["Error"]["Message"]


def refused_create(standin: Standin, **more: Any) -> tuple[str, int, str]:
    """Give how a Create is refused."""
    return refusal(standin, "create_model_invocation_job", **create_request(standin, NOWHERE, **more))


def input_at(uri: str, **more: Any) -> dict[str, Any]:
    return {"s3InputDataConfig": {"s3Uri": uri, **more}}


def output_at(uri: str, **more: Any) -> dict[str, Any]:
    return {"s3OutputDataConfig": {"s3Uri": uri, **more}}


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"jobName": "a" * 64}, "jobName"),
        ({"jobName": "under_score"}, "jobName"),
        ({"jobName": "-start"}, "jobName"),
        ({"jobName": "a:b"}, "jobName"),
        ({"jobName": "-" * 24 + "_"}, "jobName"),
        ({"jobName": "a" + "-" * 60 + "_"}, "jobName"),
        ({"roleArn": "arn:aws:iam::12:role/x"}, "roleArn"),
        ({"modelId": "bad model"}, "modelId"),
        ({"clientRequestToken": "a" * 257}, "clientRequestToken"),
        ({"clientRequestToken": "a_b"}, "clientRequestToken"),
        ({"timeoutDurationInHours": 169}, "timeoutDurationInHours"),
        ({"modelInvocationType": "Chat"}, "modelInvocationType"),
        ({"inputDataConfig": input_at("s3://Upper/in.jsonl")}, "s3Uri"),
        ({"inputDataConfig": input_at("s3://bucket/dt=2026-01-01/")}, "s3Uri"),
        ({"inputDataConfig": input_at("s3://bucket/a//b")}, "s3Uri"),
        ({"inputDataConfig": input_at(NOWHERE, s3InputFormat="CSV")}, "s3InputFormat"),
        ({"inputDataConfig": input_at(NOWHERE, s3BucketOwner="12")}, "s3BucketOwner"),
        ({"outputDataConfig": output_at("s3://bucket/out", s3EncryptionKeyId="key")}, "s3EncryptionKeyId"),
        ({"vpcConfig": {"subnetIds": ["s"] * 17, "securityGroupIds": ["g"]}}, "subnetIds"),
        ({"vpcConfig": {"subnetIds": ["s"], "securityGroupIds": ["g"] * 6}}, "securityGroupIds"),
        ({"tags": [{"key": "a" * 129, "value": ""}]}, "tags.1.member.key"),
        ({"tags": [{"key": "a", "value": "é"}]}, "tags.1.member.value"),
        ({"tags": [{"key": "a", "value": "b" * 257}]}, "tags.1.member.value"),
        ({"tags": [{"key": str(n), "value": ""} for n in range(201)]}, "tags"),
    ],
)
def test_what_boto3_does_not_check_is_checked(standin: Standin, given: dict[str, Any], where: str) -> None:
    began = time.monotonic()
    code, status, message = refused_create(standin, **given)
    assert (code, status) == ("ValidationException", 400)
    assert "1 validation error detected" in message and where in message
    assert time.monotonic() - began < 10


def test_all_faults_are_named_at_once(standin: Standin) -> None:
    _, _, message = refused_create(
        standin, jobName="a_b", timeoutDurationInHours=200, modelInvocationType="x"
    )
    assert "3 validation errors" in message


@given(name=st.text(alphabet="aZ9+.-_: ", min_size=1, max_size=70))
@settings(max_examples=60, deadline=None)
def test_job_names_are_those_of_the_published_pattern(name: str) -> None:
    from bbkit.standin.service_models import service_model
    from bbkit.standin.shapes.bodies import compile_pattern

    shape = service_model("bedrock").shape_for("ModelInvocationJobName")
    published = re.compile(r"[a-zA-Z0-9]{1,63}(-*[a-zA-Z0-9\+\-\.]){0,63}")
    linear = compile_pattern(shape.metadata["pattern"])
    # The published pattern takes exponential time on long runs of dashes before a character it refuses.
    if len(name) <= 63 and "-" * 8 not in name:
        assert bool(linear.fullmatch(name)) == bool(published.fullmatch(name))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("acme.model-v1:0", "identifier is invalid"),
        ("amazon.titan-text-express-v1", "identifier is invalid"),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", "on-demand throughput isn’t supported"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-2-lite-v1:0", "inference profile"),
        ("arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0", "identifier is invalid"),
        ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", "identifier is invalid"),
        ("us.openai.gpt-oss-20b-1:0", "identifier is invalid"),
    ],
)
def test_models_that_cannot_be_called_so_are_refused_in_create(
    standin: Standin, model: str, words: str
) -> None:
    code, status, message = refused_create(standin, modelId=model)
    assert (code, status) == ("ValidationException", 400) and words in message


def test_a_model_that_has_ended_is_refused_until_the_day_is_earlier(
    standin: Standin, start_standin: Start
) -> None:
    for model in ("us.anthropic.claude-3-5-haiku-20241022-v1:0", "us.meta.llama3-2-1b-instruct-v1:0"):
        code, status, message = refused_create(standin, modelId=model)
        assert (code, status) == ("ResourceNotFoundException", 404)
        assert "reached the end of its life" in message and "--as-of" in message
        with pytest.raises(ClientError, match="end of its life"):
            standin.client("bedrock-runtime").invoke_model(modelId=model, body="{}")
    earlier = start_standin("--as-of", "2026-06-18")
    uri = put(earlier, "in.jsonl", input_lines(record_ids(100)))
    assert create(earlier, uri, modelId="us.anthropic.claude-3-5-haiku-20241022-v1:0")


def test_every_way_to_name_a_model(start_standin: Start) -> None:
    standin = start_standin("--profile", "team-a=us.amazon.nova-lite-v1:0")
    head = f"arn:aws:bedrock:us-east-1:{standin.account}"
    for model in (
        "us.amazon.nova-lite-v1:0",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
        f"{head}:inference-profile/us.amazon.nova-lite-v1:0",
        f"{head}:application-inference-profile/team-a",
        f"{head}:custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl",
    ):
        shown = get(standin, create(standin, NOWHERE, modelId=model))["modelId"]
        assert shown.startswith("arn:aws:bedrock:us-east-1:") and shown.endswith(model.rpartition("/")[2])
    code, _, _ = refused_create(standin, modelId=f"{head}:application-inference-profile/team-b")
    assert code == "ValidationException"


def test_a_profile_made_here_leads_to_its_model(start_standin: Start) -> None:
    standin = start_standin()
    client = standin.client("bedrock")
    source = client.get_inference_profile(inferenceProfileIdentifier="us.amazon.nova-lite-v1:0")
    request = {
        "inferenceProfileName": "billing calls", "clientRequestToken": "once",
        "modelSource": {"copyFrom": source["inferenceProfileArn"]},
    }  # fmt: skip
    made = client.create_inference_profile(**request)["inferenceProfileArn"]
    assert client.create_inference_profile(**request)["inferenceProfileArn"] == made
    standin.stop()
    standin = start_standin(folder=standin.folder)
    client = standin.client("bedrock")
    for identifier in (made, made.rpartition("/")[2]):
        told = client.get_inference_profile(inferenceProfileIdentifier=identifier)
        assert (told["type"], told["inferenceProfileName"]) == ("APPLICATION", "billing calls")
        assert told["models"] == source["models"]
        assert "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0" in str(told["models"])
    assert get(standin, create(standin, NOWHERE, modelId=made))["modelId"] == made
    for identifier in ("nobody", "eu.amazon.nova-lite-v1:0", made.replace(standin.account, "111122223333")):
        code, status, _ = refusal(standin, "get_inference_profile", inferenceProfileIdentifier=identifier)
        assert (code, status) == ("ResourceNotFoundException", 404)
    source = {"copyFrom": "arn:aws:bedrock:us-east-1::foundation-model/acme.model-v1:0"}
    code, _, _ = refusal(standin, "create_inference_profile", **request | {"modelSource": source})
    assert code == "ValidationException"


def test_a_model_says_when_it_ends_and_whether_it_may_be_used(standin: Standin) -> None:
    client = standin.client("bedrock")
    told = client.get_foundation_model(modelIdentifier=OLD)["modelDetails"]
    listed = model_list()[OLD]["traits"]["end_of_life"]["value"]
    assert (told["modelLifecycle"]["status"], f"{told['modelLifecycle']['endOfLifeTime']:%F}") == (
        "LEGACY",
        listed,
    )
    assert told["inferenceTypesSupported"] == ["INFERENCE_PROFILE"]
    told = client.get_foundation_model(modelIdentifier="amazon.nova-lite-v1:0")["modelDetails"]
    assert (told["modelLifecycle"]["status"], told["inferenceTypesSupported"]) == ("ACTIVE", ["ON_DEMAND"])
    allowed = client.get_foundation_model_availability(modelId="amazon.nova-lite-v1:0")
    assert allowed["agreementAvailability"] == {"status": "AVAILABLE"}
    code, status, _ = refusal(standin, "get_foundation_model", modelIdentifier="acme.model-v1:0")
    assert (code, status) == ("ResourceNotFoundException", 404)


def test_an_account_without_access_to_models(start_standin: Start) -> None:
    standin = start_standin("--fault", "no-model-access")
    told = standin.client("bedrock").get_foundation_model_availability(modelId="amazon.nova-lite-v1:0")
    assert told["agreementAvailability"] == {"status": "NOT_AVAILABLE"}
    code, status, message = refused_create(standin)
    assert (code, status) == ("AccessDeniedException", 403) and "aws-marketplace:Subscribe" in message


def test_a_role_of_another_account_is_refused(standin: Standin) -> None:
    code, status, message = refused_create(standin, roleArn="arn:aws:iam::111122223333:role/Other")
    assert (code, status) == ("AccessDeniedException", 403) and "Cross-account pass role" in message


def test_the_same_token_gives_the_same_job_and_no_second(standin: Standin) -> None:
    first = create(standin, NOWHERE, clientRequestToken="token-1", jobName="token-job")
    assert create(standin, NOWHERE, clientRequestToken="token-1", jobName="token-job") == first
    assert create(standin, NOWHERE, clientRequestToken="token-1", jobName="token-job-other") == first
    found = standin.client("bedrock").list_model_invocation_jobs(nameContains="token-job")
    assert [job["jobArn"] for job in found["invocationJobSummaries"]] == [first]
    assert len(log(standin, did="create", token="token-1")) == 1


def test_a_token_with_other_parameters_is_a_conflict_on_request(start_standin: Start) -> None:
    standin = start_standin("--strict-tokens")
    first = create(standin, NOWHERE, clientRequestToken="token-1")
    assert create(standin, NOWHERE, clientRequestToken="token-1") == first
    code, status, _ = refused_create(standin, clientRequestToken="token-1", jobName="other")
    assert (code, status) == ("ConflictException", 400)


def test_unknown_jobs_are_not_found(standin: Standin) -> None:
    account = standin.account
    for job in ("abcdefghijkl", JOB.format(account=account, job_id="abcdefghijkl")):
        assert refusal(standin, "get_model_invocation_job", jobIdentifier=job)[:2] == (
            "ResourceNotFoundException",
            404,
        )
        assert refusal(standin, "stop_model_invocation_job", jobIdentifier=job)[:2] == (
            "ResourceNotFoundException",
            404,
        )
    real = create(standin, NOWHERE)
    foreign = JOB.format(account="111122223333", job_id=real[-12:])
    assert (
        refusal(standin, "get_model_invocation_job", jobIdentifier=foreign)[0] == "ResourceNotFoundException"
    )
    assert refusal(standin, "get_model_invocation_job", jobIdentifier="not an id")[0] == "ValidationException"


def test_stopping_a_job_that_has_ended_names_its_state(standin: Standin) -> None:
    arn = wait_for(standin, create(standin, NOWHERE))["jobArn"]
    code, status, message = refusal(standin, "stop_model_invocation_job", jobIdentifier=arn)
    assert (code, status) == ("ValidationException", 400) and "State was: Failed" in message


def test_the_quota_of_open_jobs_is_per_model(start_standin: Start) -> None:
    standin = start_standin("--max-jobs", "2", "--speed", "realistic")
    first, _ = create(standin, NOWHERE), create(standin, NOWHERE)
    code, status, message = refused_create(standin)
    assert (code, status) == ("ServiceQuotaExceededException", 400) and "is 2" in message
    create(standin, NOWHERE, modelId="amazon.nova-micro-v1:0")
    token = get(standin, first)["clientRequestToken"]
    assert create(standin, NOWHERE, clientRequestToken=token) == first


def test_few_records_can_be_refused_in_create(start_standin: Start) -> None:
    standin = start_standin("--refuse-few-records")
    uri = put(standin, "few/in.jsonl", input_lines(record_ids(99)))
    code, _, message = refusal(standin, "create_model_invocation_job", **create_request(standin, uri))
    assert code == "ValidationException" and "required minimum of: 100" in message


def test_list_pages_filters_and_sorts(start_standin: Start) -> None:
    standin = start_standin()
    client = standin.client("bedrock")
    arns = [create(standin, NOWHERE, jobName=f"list-{n}-{'even' if n % 2 == 0 else 'odd'}") for n in range(7)]
    for arn in arns:
        wait_for(standin, arn)
    pages = list(
        client.get_paginator("list_model_invocation_jobs").paginate(PaginationConfig={"PageSize": 3})
    )
    assert [len(page["invocationJobSummaries"]) for page in pages] == [3, 3, 1]
    newest_first = [job["jobArn"] for page in pages for job in page["invocationJobSummaries"]]
    assert newest_first == arns[::-1]

    def listed(**given: Any) -> list[str]:
        found = client.list_model_invocation_jobs(**given)["invocationJobSummaries"]
        return [job["jobArn"] for job in found]

    assert listed(sortBy="CreationTime", sortOrder="Ascending") == arns
    assert listed(nameContains="even", sortOrder="Ascending") == arns[::2]
    assert listed(nameContains="list-2-odd") == [] and listed(statusEquals="Completed") == []
    assert len(listed(statusEquals="Failed")) == 7
    third = get(standin, arns[2])["submitTime"]
    assert listed(submitTimeAfter=third, sortOrder="Ascending") == arns[3:]
    assert listed(submitTimeBefore=third, sortOrder="Ascending") == arns[:2]
    assert listed(submitTimeAfter=datetime.now(UTC) + timedelta(hours=1)) == []
    for wrong in (
        {"maxResults": 1001},
        {"statusEquals": "COMPLETED"},
        {"nextToken": "nonsense"},
        {"sortBy": "Name"},
    ):
        assert refusal(standin, "list_model_invocation_jobs", **wrong)[0] == "ValidationException"


def test_tags_come_and_go(standin: Standin) -> None:
    client = standin.client("bedrock")
    arn = create(standin, NOWHERE, tags=[{"key": "team", "value": "a"}, {"key": "cost", "value": "1"}])

    def tags() -> dict[str, str]:
        return {tag["key"]: tag["value"] for tag in client.list_tags_for_resource(resourceARN=arn)["tags"]}

    assert tags() == {"team": "a", "cost": "1"}
    client.tag_resource(resourceARN=arn, tags=[{"key": "team", "value": "b"}, {"key": "x", "value": ""}])
    client.untag_resource(resourceARN=arn, tagKeys=["cost", "never"])
    assert tags() == {"team": "b", "x": ""}
    many = [{"key": str(n), "value": ""} for n in range(49)]
    assert refusal(standin, "tag_resource", resourceARN=arn, tags=many)[:2] == ("TooManyTagsException", 400)
    client.tag_resource(resourceARN=arn, tags=many[1:])
    client.tag_resource(resourceARN=arn, tags=[{"key": "x", "value": "aws:again"}])
    assert len(tags()) == 50 and tags()["x"] == "aws:again"
    client.untag_resource(resourceARN=arn, tagKeys=[str(n) for n in range(100)])
    assert tags() == {"team": "b", "x": "aws:again"}


def test_what_tags_cannot_be(standin: Standin) -> None:
    arn = create(standin, NOWHERE, tags=[{"key": str(n), "value": ""} for n in range(50)])
    twice = [{"key": "a", "value": "1"}, {"key": "a", "value": "1"}]
    for tags, words in (
        ([{"key": "Aws:x", "value": ""}], "begins with aws:"),
        (twice, "the same key"),
        ([{"key": "a\tb", "value": "é"}], "tags.1.member.value"),
    ):
        for code, status, message in (
            refusal(standin, "tag_resource", resourceARN=arn, tags=tags),
            refused_create(standin, tags=tags),
        ):
            assert (code, status) == ("ValidationException", 400) and words in message
    code, _, message = refused_create(standin, tags=[{"key": str(n), "value": ""} for n in range(51)])
    assert code == "ValidationException" and "50 tags per resource" in message
    code, _, message = refusal(standin, "untag_resource", resourceARN=arn, tagKeys=["AWS:created"])
    assert code == "ValidationException" and "reserved" in message


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        (JOB.format(account="111122223333", job_id="abcdefghijkl"), "ResourceNotFoundException"),
        ("arn:aws:bedrock:us-east-1:111122223333:guardrail/abc", "ResourceNotFoundException"),
        ("a-name-of-twenty-letters", "ResourceNotFoundException"),
        ("arn:aws:s3:::a-bucket-of-some-length", "ValidationException"),
        (JOB.format(account="111122223333", job_id="TOO-LONG-OR-LOUD"), "ValidationException"),
        ("a" * 1012, "ValidationException"),
    ],
)
def test_tags_are_of_resources_by_their_published_pattern(standin: Standin, resource: str, code: str) -> None:
    assert refusal(standin, "list_tags_for_resource", resourceARN=resource)[0] == code
    assert refusal(standin, "untag_resource", resourceARN=resource, tagKeys=["a"])[0] == code


def test_a_token_leads_on_in_the_list_it_was_given_for_and_no_other(start_standin: Start) -> None:
    standin = start_standin()
    bedrock, quotas = standin.client("bedrock"), standin.client("service-quotas")
    for number in range(3):
        create(standin, NOWHERE, jobName=f"page-{number}")
    jobs = {"nameContains": "page", "maxResults": 2, "submitTimeAfter": datetime(2020, 1, 1, tzinfo=UTC)}
    token = bedrock.list_model_invocation_jobs(**jobs)["nextToken"]
    rest = bedrock.list_model_invocation_jobs(**jobs | {"maxResults": 5}, nextToken=token)
    assert [job["jobName"] for job in rest["invocationJobSummaries"]] == ["page-0"]
    for other in ({"sortOrder": "Ascending"}, {"nameContains": "pag"}, {"statusEquals": "Failed"}):
        code, _, message = refusal(standin, "list_model_invocation_jobs", **jobs | other, nextToken=token)
        assert code == "ValidationException" and "the same filters" in message
    code, _, _ = refusal(standin, "list_inference_profiles", nextToken=token)
    assert code == "ValidationException"
    nested = base64.urlsafe_b64encode(b"[" * 1500).decode()
    assert refusal(standin, "list_model_invocation_jobs", nextToken=nested)[0] == "ValidationException"
    profiles = {"typeEquals": "SYSTEM_DEFINED", "maxResults": 20}
    page = bedrock.list_inference_profiles(**profiles)
    assert len(page["inferenceProfileSummaries"]) == 20
    code, _, _ = refusal(standin, "list_inference_profiles", maxResults=20, nextToken=page["nextToken"])
    assert code == "ValidationException"
    pages = bedrock.get_paginator("list_inference_profiles").paginate(typeEquals="SYSTEM_DEFINED")
    every = pages.build_full_result()["inferenceProfileSummaries"]
    paged = bedrock.get_paginator("list_inference_profiles").paginate(
        typeEquals="SYSTEM_DEFINED", PaginationConfig={"PageSize": 7}
    )
    assert paged.build_full_result()["inferenceProfileSummaries"] == every and len(every) > 20
    token = quotas.list_service_quotas(ServiceCode="bedrock", MaxResults=2)["NextToken"]
    with pytest.raises(quotas.exceptions.InvalidPaginationTokenException):
        quotas.list_aws_default_service_quotas(ServiceCode="bedrock", NextToken=token)


def test_foundation_models_are_listed_by_what_is_asked_for(standin: Standin) -> None:
    client = standin.client("bedrock")

    def listed(**asked: str) -> list[dict[str, Any]]:
        return client.list_foundation_models(**asked)["modelSummaries"]

    texts, embeddings = listed(byOutputModality="TEXT"), listed(byOutputModality="EMBEDDING")
    assert all("embed" in model["modelId"] for model in embeddings) and embeddings
    assert len(texts) + len(embeddings) == len(listed()) and listed(byOutputModality="IMAGE") == []
    assert {model["providerName"] for model in listed(byProvider="amazon")} == {"Amazon"}
    assert refusal(standin, "list_foundation_models", byCustomizationType="FINE_TUNING")[:2] == (
        "NotImplemented",
        501,
    )


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDeniedException", 403),
        ("ConflictException", 400),
        ("InternalServerException", 500),
        ("ResourceNotFoundException", 404),
        ("ServiceQuotaExceededException", 400),
        ("ThrottlingException", 429),
        ("ValidationException", 400),
    ],
)
def test_every_documented_error_arrives_as_its_exception(standin: Standin, code: str, status: int) -> None:
    fault = f"fail-call=CreateModelInvocationJob:{code}:{ATTEMPTS}"
    found = refused_create(standin, fault=fault, clientRequestToken=f"token-{code}")
    assert found[:2] == (code, status)


def test_throttling_ends_after_n_calls(start_standin: Start) -> None:
    standin = start_standin("--fault", f"throttle-create={ATTEMPTS + 1}")
    assert refused_create(standin)[:2] == ("ThrottlingException", 429)
    assert create(standin, NOWHERE).startswith("arn:")


def test_a_lost_answer_leaves_one_job(standin: Standin) -> None:
    request = create_request(
        standin,
        NOWHERE,
        fault=f"lose-create-answer={ATTEMPTS}",
        clientRequestToken="lost-token",
        jobName="lost",
    )
    client = standin.client("bedrock")
    with pytest.raises(ConnectionClosedError):
        client.create_model_invocation_job(**request)
    arn = client.create_model_invocation_job(**request)["jobArn"]
    found = client.list_model_invocation_jobs(nameContains="lost")["invocationJobSummaries"]
    assert [job["jobArn"] for job in found] == [arn]


def raw_call(
    standin: Standin, method: str, path: str, body: bytes = b"", service: str = "bedrock", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Sign a request by hand and give status, headers and body as they came."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    request = AWSRequest(method=method, url=standin.endpoint + path, data=body, headers=headers)
    SigV4Auth(Credentials(*(standin.env[name] for name in names)), service, "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(standin.endpoint.removeprefix("http://"), timeout=20)
    connection.request(method, path, body, dict(request.headers))
    answer = connection.getresponse()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def test_errors_on_the_wire_have_header_and_body(standin: Standin) -> None:
    status, headers, body = raw_call(standin, "GET", "/model-invocation-job/abcdefghijkl")
    assert status == 404 and headers["x-amzn-errortype"] == "ResourceNotFoundException"
    assert "message" in json.loads(body) and headers["x-amzn-requestid"]


def test_an_arn_is_found_encoded_or_not(standin: Standin) -> None:
    arn = create(standin, NOWHERE)
    encoded = arn.replace(":", "%3A").replace("/", "%2F")
    for path in (arn, encoded, encoded.lower(), arn[-12:]):
        status, _, body = raw_call(standin, "GET", f"/model-invocation-job/{path}")
        assert status == 200 and json.loads(body)["jobArn"] == arn


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "SerializationException"),
        (b"[]", "SerializationException"),
        (b'{"jobName": 7}', "SerializationException"),
        (b"{}", "ValidationException"),
        (b'{"inputDataConfig": {}}', "ValidationException"),
        (b"[" * 100_000, "SerializationException"),
    ],
)
def test_bodies_boto3_would_not_send(standin: Standin, body: bytes, code: str) -> None:
    status, headers, _ = raw_call(standin, "POST", "/model-invocation-job", body)
    assert status == 400 and headers["x-amzn-errortype"] == code


def test_a_time_beyond_all_calendars_is_refused(standin: Standin) -> None:
    path = "/model-invocation-jobs?submitTimeAfter=99999999999999999"
    status, headers, _ = raw_call(standin, "GET", path)
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")


def test_what_is_not_served_is_501(standin: Standin) -> None:
    assert refusal(standin, "list_custom_models")[:2] == ("NotImplemented", 501)
    for service, call in (("iam", "list_roles"), ("dynamodb", "list_tables"), ("cloudwatch", "list_metrics")):
        with pytest.raises(ClientError) as caught:
            getattr(standin.client(service), call)()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert raw_call(standin, "GET", "/no-such-thing")[0] == 501


def unknown_members(value: Any, shape: Shape, path: str = "") -> list[str]:
    """Name what an answer holds that the output shape does not, and what is required and missing."""
    if shape.type_name == "structure":
        members = {m.serialization.get("name", name): m for name, m in shape.members.items()}
        found = [f"{path}.{name} is unknown" for name in value if name not in members]
        found += [f"{path}.{name} is missing" for name in shape.required_members if value.get(name) is None]
        return found + [
            fault
            for name, item in value.items()
            if name in members
            for fault in unknown_members(item, members[name], f"{path}.{name}")
        ]
    if shape.type_name == "list":
        return [fault for item in value for fault in unknown_members(item, shape.member, f"{path}[]")]
    kinds = {
        "string": str,
        "integer": int,
        "long": int,
        "timestamp": str,
        "boolean": bool,
        "double": (int, float),
        "map": dict,
    }
    if shape.type_name == "timestamp" and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value):
        return [f"{path} is no time: {value}"]
    return (
        [] if isinstance(value, kinds.get(shape.type_name, object)) else [f"{path} is no {shape.type_name}"]
    )


def test_answers_hold_exactly_what_the_output_shapes_know(standin: Standin) -> None:
    job = run_job(standin, input_lines(record_ids(100)), "shape/in.jsonl", tags=[{"key": "a", "value": "b"}])
    arn = job["jobArn"].replace(":", "%3A").replace("/", "%2F")
    resource = json.dumps({"resourceARN": job["jobArn"]}).encode()
    calls = {
        "GetModelInvocationJob": ("GET", f"/model-invocation-job/{arn}", b""),
        "ListModelInvocationJobs": ("GET", "/model-invocation-jobs?maxResults=2", b""),
        "ListTagsForResource": ("POST", "/listTagsForResource", resource),
        "GetFoundationModel": ("GET", f"/foundation-models/{OLD}", b""),
        "GetFoundationModelAvailability": ("GET", f"/foundation-model-availability/{OLD}", b""),
        "GetInferenceProfile": ("GET", f"/inference-profiles/us.{OLD}", b""),
        "ListInferenceProfiles": ("GET", "/inference-profiles?maxResults=2", b""),
        "ListFoundationModels": ("GET", "/foundation-models", b""),
    }
    model = standin.client("bedrock").meta.service_model
    for operation, call in calls.items():
        status, _, body = raw_call(standin, *call)
        assert status == 200
        assert unknown_members(json.loads(body), model.operation_model(operation).output_shape) == []


def test_answers_of_the_other_services_hold_what_their_shapes_know(standin: Standin) -> None:
    said = json.dumps({"messages": [{"role": "user", "content": [{"text": "Customer: It broke."}]}]}).encode()
    status, _, body = raw_call(standin, "POST", "/model/amazon.nova-lite-v1%3A0/converse", said)
    shape = standin.client("bedrock-runtime").meta.service_model.operation_model("Converse").output_shape
    assert (status, unknown_members(json.loads(body), shape)) == (200, [])
    for operation in ("ListServiceQuotas", "ListAWSDefaultServiceQuotas"):
        target = {
            "X-Amz-Target": f"ServiceQuotasV20190624.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
        }
        status, _, body = raw_call(
            standin, "POST", "/", b'{"ServiceCode":"bedrock"}', "servicequotas", **target
        )
        shape = standin.client("service-quotas").meta.service_model.operation_model(operation).output_shape
        assert (status, unknown_members(json.loads(body), shape)) == (200, [])


def test_who_am_i(standin: Standin) -> None:
    identity = standin.client("sts").get_caller_identity()
    assert identity["Account"] == standin.account and standin.account in identity["Arn"]


def test_regions_are_apart(standin: Standin) -> None:
    import boto3

    elsewhere = boto3.Session(
        standin.env["AWS_ACCESS_KEY_ID"], standin.env["AWS_SECRET_ACCESS_KEY"], region_name="eu-central-1"
    ).client("bedrock", endpoint_url=standin.endpoint)
    arn = elsewhere.create_model_invocation_job(
        **create_request(standin, NOWHERE, modelId="eu.amazon.nova-lite-v1:0", jobName="elsewhere")
    )["jobArn"]
    assert arn.startswith("arn:aws:bedrock:eu-central-1:")
    assert refusal(standin, "get_model_invocation_job", jobIdentifier=arn)[0] == "ResourceNotFoundException"
    here = standin.client("bedrock").list_model_invocation_jobs(nameContains="elsewhere")
    assert here["invocationJobSummaries"] == []
    assert len(elsewhere.list_model_invocation_jobs()["invocationJobSummaries"]) == 1
