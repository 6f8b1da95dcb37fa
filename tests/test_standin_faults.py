"""Faults asked for by a job's tag or by a switch."""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ResponseStreamingError
from conftest import Standin
from standin_bodies import WAYS, Way
from standin_cases import (
    create,
    create_request,
    events,
    get,
    input_lines,
    log,
    manifest,
    output_files,
    output_records,
    put,
    record_ids,
    run_job,
    wait_for,
)

from bbkit.standin.faults import CallFaults

IDS = record_ids(400)
HALF = 200


@pytest.fixture
def uri(standin: Standin) -> str:
    """Input of 400 records."""
    return put(standin, "faults/in.jsonl", input_lines(IDS))


def outcome(standin: Standin, uri: str, fault: str) -> dict[str, Any]:
    """Run a job with a fault to its end."""
    return wait_for(standin, create(standin, uri, fault=fault))


def test_expire(standin: Standin, uri: str) -> None:
    job = outcome(standin, uri, "expire")
    assert job["status"] == "Expired" and job["message"] and output_files(standin, job) == {}
    statuses = [event["detail"]["status"] for event in events(standin, job["jobArn"])]
    assert statuses == ["Submitted", "Validating", "Scheduled", "Expired"]


@pytest.mark.parametrize(
    ("fault", "count"), [("time-out", HALF), ("time-out=0.25", 100), ("time-out=1", 399)]
)
def test_time_out_with_partial_completion(standin: Standin, uri: str, fault: str, count: int) -> None:
    job = outcome(standin, uri, fault)
    ids = [record["recordId"] for record in output_records(standin, job)]
    assert job["status"] == "PartiallyCompleted"
    assert (
        len(ids)
        == len(set(ids))
        == job["processedRecordCount"]
        == manifest(standin, job)["processedRecordCount"]
    )
    assert (len(ids), job["totalRecordCount"]) == (count, 400)


@pytest.mark.parametrize("fault", ["fail-validation", "fail"])
def test_failures(standin: Standin, uri: str, fault: str) -> None:
    job = outcome(standin, uri, fault)
    assert job["status"] == "Failed" and job["message"] and job["endTime"]
    assert output_files(standin, job) == {}
    assert events(standin, job["jobArn"])[-1]["detail"]["failureMessage"] == job["message"]


def shapes(records: list[dict[str, Any]]) -> dict[str, tuple[str, int]]:
    """Give place and code of each record's error."""
    found = {}
    for record in records:
        if "error" in record:
            found[record["recordId"]] = "error", record["error"]["errorCode"]
        elif "errorCode" in record["modelOutput"]:
            content = record["modelOutput"]
            assert set(content) == {"errorCode", "errorMessage", "expired", "retryable"}
            assert content["retryable"] == (content["errorCode"] == 429)
            found[record["recordId"]] = "modelOutput", content["errorCode"]
    return found


def test_record_errors_of_both_shapes_of_which_the_passing_ones_heal(standin: Standin) -> None:
    ids = record_ids(400, "heal")
    uri = put(standin, "faults/heal.jsonl", input_lines(ids))
    first = outcome(standin, uri, "record-errors=0.2")
    errors = shapes(output_records(standin, first))
    assert first["status"] == "Completed"
    assert 40 <= len(errors) == first["errorRecordCount"] <= 130
    assert set(errors.values()) == {
        ("error", 400),
        ("error", 503),
        ("modelOutput", 400),
        ("modelOutput", 429),
    }
    again = shapes(output_records(standin, outcome(standin, uri, "record-errors=0.2")))
    assert again == {i: found for i, found in errors.items() if found[1] == 400}


def test_missing_lines_are_in_no_count_and_heal(standin: Standin) -> None:
    ids = record_ids(400, "miss")
    uri = put(standin, "faults/miss.jsonl", input_lines(ids))
    first = outcome(standin, uri, "missing-lines=0.1")
    found = {record["recordId"] for record in output_records(standin, first)}
    assert first["status"] == "Completed" and 15 <= 400 - len(found) <= 75
    whole = manifest(standin, first)
    assert (whole["totalRecordCount"], whole["processedRecordCount"]) == (400, len(found))
    again = outcome(standin, uri, "missing-lines=0.1")
    assert {record["recordId"] for record in output_records(standin, again)} == set(ids)


OBJECT = {
    "type": "object",
    "properties": {"about": {"enum": ["router", "bill"]}, "why": {"type": "string"}},
    "required": ["about", "why"],
    "additionalProperties": False,
}


def spoilt_by(text: Any) -> str:
    """The way in which an answer is spoilt; empty when it is not."""
    if isinstance(text, dict):
        return "" if text["about"] in ("router", "bill") else "enum"
    shown = {"```json\n{": "fence", "Here is": "prose"}
    if found := [kind for start, kind in shown.items() if text.startswith(start)]:
        return found[0]
    if text.endswith(",}"):
        return "comma"
    try:
        return spoilt_by(json.loads(text))
    except ValueError:
        return "cut"


def run_spoilt(standin: Standin, way: Way, most: int) -> dict[str, str]:
    """How each record of a job of a schema was spoilt."""
    bodies = {i: way.ask(OBJECT, f"Read this call.\n\nCustomer: Router {i} broke.", most) for i in IDS}
    lines = (json.dumps({"recordId": i, "modelInput": body}) for i, body in bodies.items())
    place = way.name.replace(" ", "-")
    target = {"s3OutputDataConfig": {"s3Uri": f"s3://bbkit-standin/{place}/"}}
    more = {"fault": "bad-json=0.5", "modelId": way.model_id, "outputDataConfig": target}
    uri = put(standin, f"faults/{place}.jsonl", "\n".join(lines))
    records = output_records(standin, wait_for(standin, create(standin, uri, **more)))
    answers = {one["recordId"]: one["modelOutput"] for one in records}
    spoilt = {i: spoilt_by(way.read(output)) for i, output in answers.items()}
    assert {spoilt[i] == "cut" for i in IDS if way.stop(answers[i]) in ("length", "max_tokens")} <= {True}
    return spoilt


def test_bad_json_comes_in_five_ways_by_record_id_and_heals_for_a_changed_record(standin: Standin) -> None:
    ways = [way for way in WAYS if way.name in ("tool of Nova", "tool of Qwen", "response_format")]
    first = run_spoilt(standin, ways[0], 300)
    counts = Counter(first.values())
    assert counts.keys() == {"", "fence", "prose", "enum", "cut", "comma"}
    assert min(counts.values()) >= 15 and 140 <= counts[""] <= 260
    assert all(run_spoilt(standin, way, 300) == first for way in ways[1:])
    assert set(run_spoilt(standin, ways[0], 301).values()) == {""}


def test_a_new_place_brings_the_bad_day_back_and_kinds_heal_apart(standin: Standin) -> None:
    uri = put(standin, "faults/again.jsonl", input_lines(record_ids(400, "again")))

    def missing(place: str, fault: str = "missing-lines=0.1") -> int:
        target = {"s3OutputDataConfig": {"s3Uri": f"s3://bbkit-standin/{place}/"}}
        job = wait_for(standin, create(standin, uri, fault=fault, outputDataConfig=target))
        return 400 - len(output_records(standin, job))

    outcome(standin, uri, "record-errors=1")
    assert missing("out") > 0 == missing("out")
    assert missing("another") == missing("a-third") > 0


def test_which_records_are_hit_depends_on_their_ids_alone(start_standin: Callable[..., Standin]) -> None:
    hit = []
    for _ in range(2):
        standin = start_standin()
        job = run_job(standin, input_lines(IDS), "same/in.jsonl", fault="record-errors=0.1")
        hit.append(shapes(output_records(standin, job)))
    assert hit[0] == hit[1] and hit[0]


def test_slow_counters_move_late(standin: Standin, uri: str) -> None:
    job = outcome(standin, uri, "slow-counters=600")
    assert job["status"] == "Completed"
    assert (get(standin, job["jobArn"])["processedRecordCount"], job["totalRecordCount"]) == (0, 400)
    assert manifest(standin, job)["processedRecordCount"] == 400


def test_odd_text_is_valid_json_on_one_line(standin: Standin, uri: str) -> None:
    job = outcome(standin, uri, "odd-text missing-usage")
    raw = output_files(standin, job)["in.jsonl.out"]
    assert b"\\ud83d" in raw and "\u2028".encode() in raw
    records = output_records(standin, job)
    assert len(records) == raw.count(b"\n") == 400
    for record in records:
        assert record["modelOutput"]["output"]["message"]["content"][0]["text"].endswith("\u2028\ud83d")
        assert "usage" not in record["modelOutput"]


def test_pass_role_can_be_refused(standin: Standin, uri: str) -> None:
    with pytest.raises(ClientError, match="iam:PassRole") as caught:
        create(standin, uri, fault="refuse-pass-role")
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_throttling_by_tag_counts_per_token(standin: Standin, uri: str) -> None:
    request = create_request(standin, uri, fault="throttle-create=2", clientRequestToken="throttle-tag")
    assert (
        standin.client("bedrock").create_model_invocation_job(**request)["ResponseMetadata"]["RetryAttempts"]
        == 2
    )
    assert len(log(standin, did="create", token="throttle-tag")) == 1


def test_a_switch_holds_for_every_job_and_a_tag_adds_to_it(start_standin: Callable[..., Standin]) -> None:
    standin = start_standin("--fault", "missing-usage", "--fault", "time-out=0.5")
    uri = put(standin, "switch/in.jsonl", input_lines(IDS))
    job = outcome(standin, uri, "odd-text")
    records = output_records(standin, job)
    assert job["status"] == "PartiallyCompleted" and len(records) == HALF
    content = records[0]["modelOutput"]
    assert "usage" not in content and content["output"]["message"]["content"][0]["text"].endswith("\ud83d")


def test_calls_of_one_job_fail_by_its_tag(standin: Standin, uri: str) -> None:
    fault = (
        "fail-call=GetModelInvocationJob:AccessDeniedException "
        "fail-call=StopModelInvocationJob:ConflictException"
    )
    arn, other = create(standin, uri, fault=fault), create(standin, uri)
    client = standin.client("bedrock")
    with pytest.raises(client.exceptions.AccessDeniedException):
        client.get_model_invocation_job(jobIdentifier=arn)
    with pytest.raises(client.exceptions.ConflictException):
        client.stop_model_invocation_job(jobIdentifier=arn)
    assert wait_for(standin, arn)["status"] == wait_for(standin, other)["status"] == "Completed"


def test_switched_faults_of_calls_strike_anew_at_every_start(start_standin: Callable[..., Standin]) -> None:
    switches = ("--fault", "throttle-create=1", "--fault", "fail-call=InvokeModel:AccessDeniedException")
    folder = None
    for _ in range(2):
        standin = start_standin(*switches, folder=folder)
        folder = standin.folder
        uri = put(standin, "anew/in.jsonl", input_lines(IDS))
        created = standin.client("bedrock").create_model_invocation_job(**create_request(standin, uri))
        assert created["ResponseMetadata"]["RetryAttempts"] == 1
        runtime = standin.client("bedrock-runtime")
        with pytest.raises(runtime.exceptions.AccessDeniedException):
            runtime.invoke_model(modelId="amazon.nova-lite-v1:0", body="{}")
        wait_for(standin, created["jobArn"])
        standin.stop()


def once(standin: Standin, service: str) -> Any:
    """A client that asks once."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION")
    config = Config(retries={"total_max_attempts": 1})
    session = boto3.Session(*(standin.env[name] or None for name in names))
    return session.client(service, endpoint_url=standin.endpoint, config=config)


def told(call: Callable[..., Any], **request: Any) -> tuple[int, str]:
    """The status and code of an answer."""
    try:
        answer = call(**request)
    except ClientError as error:
        answer = error.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer.get("Error", {}).get("Code", "")


def test_calls_to_s3_fail_or_lose_their_answers(start_standin: Callable[..., Standin]) -> None:
    faults = (
        "fail-call=PutObject:SlowDown:1 fail-call=PutObject:InternalError:2 fail-answer=PutObject:502:1 "
        "fail-call=HeadObject:503 fail-call=HeadObject:ExpiredToken fail-call=ListObjectsV2:ExpiredToken "
        "fail-answer=GetObject:torn:1 fail-call=GetObject:html"
    )
    standin = start_standin("--fault", faults)
    s3, place = once(standin, "s3"), {"Bucket": "bbkit-standin", "Key": "a"}
    puts = [told(s3.put_object, **place, Body=b"0123456789" * 500) for _ in range(3)]
    assert puts == [(503, "SlowDown"), (500, "InternalError"), (500, "InternalError")]
    # This one is there, though its answer is not.
    assert told(s3.put_object, **place, Body=b"0123456789" * 500) == (502, "502")
    # After a HEAD of 400 boto3 asks for the region of the bucket, and tries again.
    assert [told(s3.head_object, **place) for _ in range(2)] == [(503, "503"), (200, "")]
    assert told(s3.list_objects_v2, Bucket="bbkit-standin") == (400, "ExpiredToken")
    page = s3.get_object(**place)
    assert b"<html>" in page["Body"].read()
    assert "x-amz-request-id" not in page["ResponseMetadata"]["HTTPHeaders"]
    with pytest.raises(ResponseStreamingError):
        s3.get_object(**place)["Body"].read()
    whole = s3.get_object(**place)
    assert len(whole["Body"].read()) == 5000 and whole["ResponseMetadata"]["RequestId"]


def test_calls_to_bedrock_and_sts_fail_or_lose_their_answers(start_standin: Callable[..., Standin]) -> None:
    create_call = "CreateModelInvocationJob"
    faults = (
        f"fail-call={create_call}:503:1 fail-answer={create_call}:502:1 fail-answer={create_call}:html:1 "
        f"fail-answer={create_call}:torn:1 fail-call=all:ExpiredToken:5-6"
    )
    standin = start_standin("--fault", faults)
    bedrock, request = once(standin, "bedrock"), create_request(standin, "s3://bbkit-standin/none/in.jsonl")
    request["clientRequestToken"] = "one-token"
    statuses = [told(bedrock.create_model_invocation_job, **request) for _ in range(3)]
    assert statuses == [(503, "503"), (502, "502"), (200, "")]
    with pytest.raises(ConnectionClosedError):
        bedrock.create_model_invocation_job(**request)
    assert len(bedrock.list_model_invocation_jobs()["invocationJobSummaries"]) == 1
    assert told(bedrock.list_model_invocation_jobs) == (403, "ExpiredTokenException")
    assert told(once(standin, "sts").get_caller_identity) == (403, "ExpiredTokenException")
    assert "jobArn" in bedrock.create_model_invocation_job(**request)
    # Four were carried out, under one token.
    assert (len(log(standin, did="create")), len(log(standin, did="repeat"))) == (1, 3)


def test_a_late_job_is_there_before_it_is_known(standin: Standin, uri: str) -> None:
    request = create_request(standin, uri, jobName="late", fault="late-job=0.7", clientRequestToken="late")
    client = standin.client("bedrock")

    def listed() -> int:
        return len(client.list_model_invocation_jobs(nameContains="late")["invocationJobSummaries"])

    arn = client.create_model_invocation_job(**request)["jobArn"]
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        get(standin, arn)
    assert listed() == 0
    assert client.create_model_invocation_job(**request)["jobArn"] == arn
    while not listed():
        pass
    assert get(standin, arn)["jobName"] == "late"


def test_faults_of_calls_strike_for_seconds_or_a_share_by_seed(
    start_standin: Callable[..., Standin],
) -> None:
    hit = []
    for seed in (1, 1, 2):
        calls = CallFaults((f"fail-call=HeadObject:SlowDown:0.25 seed={seed}",))
        hit.append([calls.find(calls.switched, "HeadObject", carried_out=False) for _ in range(400)])
    assert hit[0] == hit[1] != hit[2]
    assert 60 < hit[0].count("SlowDown") < 140
    s3 = once(start_standin("--fault", "fail-call=ListObjectsV2:503:1s"), "s3")
    began, seen = time.monotonic(), []
    while not seen or seen[-1] == 503:
        seen.append(told(s3.list_objects_v2, Bucket="bbkit-standin")[0])
    assert seen[0] == 503 and seen[-1] == 200 and time.monotonic() - began > 1


@pytest.mark.parametrize(
    "fault",
    [
        "explode",
        "late-job=-1",
        "fail-call=CreateModelInvocationJob:503:soon",
        "fail-call=CreateModelInvocationJob:501",
        "fail-call=CreateModelInvocationJob:torn",
        "fail-answer=CreateModelInvocationJob:ThrottlingException",
        "fail-answer=HeadObject:torn",
        "record-errors=2",
        "record-errors=x",
        "record-errors=nan",
        "time-out=-1",
        "slow-counters=-1",
        "slow-counters=inf",
        "fail-call=X",
        *(f"fail-call=CreateModelInvocationJob:503:{never}" for never in ("0", "5-3", "0s", "7-5s", "0.0")),
        "fail-call=Nonsense:ValidationException",
        "fail-call=CreateModelInvocationJob:Bogus",
        "fail-call=ListModelInvocationJobs:ThrottlingException",
        "fail-call=InvokeModel:ThrottlingException",
    ],
)
def test_a_fault_nobody_knows_is_refused(standin: Standin, uri: str, fault: str) -> None:
    with pytest.raises(ClientError, match=r"(?i)fault") as caught:
        create(standin, uri, fault=fault)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("fault", ["require-kms", "no-model-access"])
def test_faults_of_the_whole_stand_in_are_no_faults_of_a_job(standin: Standin, uri: str, fault: str) -> None:
    with pytest.raises(ClientError, match="is not of one job: ask for it by --fault"):
        create(standin, uri, fault=fault)
