"""Jobs from Create to their end, by real boto3 against a running stand-in."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import Standin
from standin_cases import (
    BUCKET,
    create,
    create_request,
    events,
    get,
    input_lines,
    log,
    manifest,
    nova_body,
    output_files,
    output_records,
    put,
    record_ids,
    run_job,
    wait_for,
)

Start = Callable[..., Standin]


def test_plain_boto3_runs_a_job_with_nothing_but_the_environment(standin: Standin) -> None:
    import boto3

    boto3.client("s3").put_object(
        Bucket=BUCKET, Key="plain/in.jsonl", Body=input_lines(record_ids(100)).encode()
    )
    request = create_request(standin, f"s3://{BUCKET}/plain/in.jsonl", jobName="plain")
    arn = boto3.client("bedrock").create_model_invocation_job(**request)["jobArn"]
    assert wait_for(standin, arn)["status"] == "Completed"


def test_every_record_is_answered_once_in_another_order(standin: Standin) -> None:
    ids = record_ids(140)
    job = run_job(standin, input_lines(ids), "once/in.jsonl", jobName="once")
    records = output_records(standin, job)
    assert job["status"] == "Completed", job
    assert Counter(record["recordId"] for record in records) == Counter(ids)
    assert [record["recordId"] for record in records] != ids
    assert all(
        record["recordId"] in record["modelInput"]["messages"][0]["content"][0]["text"] for record in records
    )
    assert all(list(record) == ["modelInput", "modelOutput", "recordId"] for record in records)
    whole = manifest(standin, job)
    assert whole["totalRecordCount"] == whole["processedRecordCount"] == whole["successRecordCount"] == 140
    assert whole["errorRecordCount"] == 0
    assert whole["outputTokenCount"] == sum(r["modelOutput"]["usage"]["outputTokens"] for r in records) > 0
    assert whole["inputTokenCount"] == sum(r["modelOutput"]["usage"]["inputTokens"] for r in records) > 0
    assert (job["totalRecordCount"], job["successRecordCount"], job["errorRecordCount"]) == (140, 140, 0)


def test_get_shows_what_was_asked_with_arns_and_times(standin: Standin) -> None:
    uri = put(standin, "shown/in.jsonl", input_lines(record_ids(100)))
    more = {
        "timeoutDurationInHours": 48,
        "vpcConfig": {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
        "clientRequestToken": "shown-token",
        "jobName": "shown",
    }
    arn = create(standin, uri, **more)
    job = wait_for(standin, arn)
    assert re.fullmatch(
        rf"arn:aws:bedrock:us-east-1:{standin.account}:model-invocation-job/[a-z0-9]{{12}}", arn
    )
    assert job["modelId"] == "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"
    assert job["jobExpirationTime"] - job["submitTime"] == timedelta(hours=48)
    assert job["submitTime"] <= job["endTime"] and job["submitTime"].utcoffset() == timedelta(0)
    assert job["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"] == f"s3://{BUCKET}/out/"
    assert job["modelInvocationType"] == "InvokeModel" and job["vpcConfig"] == more["vpcConfig"]
    assert {name: job[name] for name in ("clientRequestToken", "jobName", "timeoutDurationInHours")} == {
        "clientRequestToken": "shown-token",
        "jobName": "shown",
        "timeoutDurationInHours": 48,
    }
    assert get(standin, arn[-12:])["jobArn"] == arn
    assert not {"tags", "startTime"} & set(job)


def test_a_profile_comes_back_as_its_arn(standin: Standin) -> None:
    lines = "".join(
        json.dumps({"modelInput": {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50,
                    "messages": [{"role": "user", "content": f"Customer: {n} is late. Agent: So."}]}}) + "\n"
        for n in range(100)
    )  # fmt: skip
    model = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
    job = run_job(standin, lines, "profile/in.jsonl", modelId=model)
    assert job["modelId"] == f"arn:aws:bedrock:us-east-1:{standin.account}:inference-profile/{model}"
    records = output_records(standin, job)
    assert {record["modelOutput"]["type"] for record in records} == {"message"}
    ids = [record["recordId"] for record in records]
    assert len(set(ids)) == 100 and all(re.fullmatch(r"[A-Za-z0-9]{11}", i) for i in ids)


def test_the_statuses_come_in_order_and_as_events(standin: Standin) -> None:
    job = run_job(standin, input_lines(record_ids(100)), "order/in.jsonl", jobName="order")
    found = events(standin, job["jobArn"])
    assert [event["detail"]["status"] for event in found] == [
        "Submitted", "Validating", "Scheduled", "InProgress", "Completed",
    ]  # fmt: skip
    last = found[-1]
    assert last["source"] == "aws.bedrock" and last["detail-type"] == "Batch Inference Job State Change"
    assert last["detail"]["batchModelId"] == job["modelId"] and last["detail"]["failureMessage"] == ""
    assert re.fullmatch(
        r"[A-Z][a-z]{2} \d{1,2}, \d{4}, \d{1,2}:\d\d:\d\d [AP]M", last["detail"]["creationTime"]
    )


def test_the_log_proves_one_job_and_one_file(standin: Standin) -> None:
    job = run_job(standin, input_lines(record_ids(100)), "proof/in.jsonl", jobName="proof")
    job_id = job["jobArn"][-12:]
    assert len(log(standin, did="create", job=job_id)) == 1
    assert [line["records"] for line in log(standin, did="put output", job=job_id)] == [100]
    assert len(log(standin, did="put manifest", job=job_id)) == 1


def test_a_folder_of_files_gives_one_output_each(standin: Standin) -> None:
    put(standin, "folder/in/a.jsonl", input_lines(record_ids(60, "a")))
    put(standin, "folder/in/b.jsonl", input_lines(record_ids(60, "b")))
    put(standin, "folder/in/notes.txt", "not a record")
    put(standin, "folder/in2/c.jsonl", input_lines(record_ids(60, "c")))
    job = wait_for(standin, create(standin, f"s3://{BUCKET}/folder/in", jobName="folder"))
    files = output_files(standin, job)
    assert set(files) == {"a.jsonl.out", "b.jsonl.out", "manifest.json.out"}
    assert {json.loads(line)["recordId"][0] for line in files["a.jsonl.out"].splitlines()} == {"a"}
    assert job["totalRecordCount"] == 120


def test_duplicates_and_missing_ids_are_answered_one_by_one(standin: Standin) -> None:
    twice = input_lines(["same"] * 60)
    none = "".join(json.dumps({"modelInput": nova_body(f"Customer: {n}.")}) + "\n" for n in range(60))
    job = run_job(standin, twice + none, "twice/in.jsonl")
    ids = Counter(record["recordId"] for record in output_records(standin, job))
    assert ids.pop("same") == 60
    assert len(ids) == 60


def test_a_body_the_model_refuses_is_an_error_line_and_the_job_completes(standin: Standin) -> None:
    bad = [{"messages": []}, {"modelId": "x", **nova_body()}, {"prompt": "hi"}, {}]
    lines = "".join(
        json.dumps({"recordId": f"bad{n}", "modelInput": body}) + "\n" for n, body in enumerate(bad)
    )
    job = run_job(standin, input_lines(record_ids(100)) + lines, "refused/in.jsonl")
    errors = {r["recordId"]: r["error"] for r in output_records(standin, job) if "error" in r}
    assert job["status"] == "Completed"
    assert (job["successRecordCount"], job["errorRecordCount"]) == (100, 4)
    assert set(errors) == {"bad0", "bad1", "bad2", "bad3"}
    assert all(error["errorCode"] == 400 and error["errorMessage"] for error in errors.values())


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (input_lines(record_ids(99)), "less records (99)"),
        (input_lines(record_ids(100)) + "not json\n", "Line 101"),
        (input_lines(record_ids(100)) + '{"recordId":"x"}\n', "Line 101"),
        (input_lines(record_ids(100)) + '{"recordId":7,"modelInput":{}}\n', "Line 101"),
        (input_lines(record_ids(100)) + '{"modelInput":[]}\n', "Line 101"),
        (input_lines(record_ids(100)) + '{"modelInput":{"a":NaN}}\n', "Line 101"),
        (input_lines(record_ids(50)) + "\n" + input_lines(record_ids(50)), "Line 51"),
        (input_lines(record_ids(100)).encode() + b'{"recordId":"\xff","modelInput":{}}\n', "Line 101"),
        ("", "less records (0)"),
    ],
)
def test_input_that_is_not_records_fails_in_validation(
    standin: Standin, lines: str | bytes, words: str
) -> None:
    job = run_job(standin, lines, "invalid/in.jsonl")
    assert job["status"] == "Failed" and words in job["message"]
    assert job["endTime"] >= job["submitTime"]
    assert (job["totalRecordCount"], output_files(standin, job)) == (0, {})


@pytest.mark.parametrize(
    "uri",
    [
        "s3://no-such-bucket/in.jsonl",
        f"s3://{BUCKET}/nothing/",
        f"s3://{BUCKET}/no.jsonl",
        f"s3://{BUCKET}/../../log.jsonl",
        f"s3://{BUCKET}/..",
    ],
)
def test_missing_input_fails_in_validation_not_in_create(standin: Standin, uri: str) -> None:
    assert wait_for(standin, create(standin, uri))["status"] == "Failed"


def test_a_missing_output_bucket_and_a_foreign_owner_fail(standin: Standin) -> None:
    uri = put(standin, "owner/in.jsonl", input_lines(record_ids(100)))
    nowhere = {"s3OutputDataConfig": {"s3Uri": "s3://no-such-bucket/out/"}}
    outside = {"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}/../../out/"}}
    foreign = {"s3InputDataConfig": {"s3Uri": uri, "s3BucketOwner": "111122223333"}}
    for output in (nowhere, outside):
        assert wait_for(standin, create(standin, uri, outputDataConfig=output))["status"] == "Failed"
    assert "111122223333" in wait_for(standin, create(standin, uri, inputDataConfig=foreign))["message"]


def test_lone_surrogates_and_line_separators_pass_through(standin: Standin) -> None:
    odd = (
        '{"recordId":"odd \\ud800","modelInput":'
        + json.dumps(nova_body("Customer: a\u2028b \ud83d."))
        + "}\n"
    )
    raw = (
        '{"recordId":"raw","modelInput":'
        + json.dumps(nova_body("Customer: a\u2028b."), ensure_ascii=False)
        + "}\n"
    )
    job = run_job(standin, input_lines(record_ids(100)) + odd + raw, "odd/in.jsonl")
    records = {record["recordId"]: record for record in output_records(standin, job)}
    assert job["successRecordCount"] == 102
    assert (
        records["odd \ud800"]["modelInput"]["messages"][0]["content"][0]["text"]
        == "Customer: a\u2028b \ud83d."
    )
    assert records["raw"]["modelInput"]["messages"][0]["content"][0]["text"] == "Customer: a\u2028b."


def test_a_converse_job(standin: Standin) -> None:
    lines = input_lines(record_ids(100))
    job = run_job(
        standin, lines, "converse/in.jsonl", modelInvocationType="Converse", modelId="openai.gpt-oss-20b-1:0"
    )
    assert job["modelInvocationType"] == "Converse"
    records = output_records(standin, job)
    assert {record["modelOutput"]["stopReason"] for record in records} == {"end_turn"}
    assert all(
        set(record["modelOutput"]["usage"]) >= {"inputTokens", "outputTokens", "totalTokens"}
        for record in records
    )


def test_the_input_is_what_it_was_when_validated(start_standin: Start) -> None:
    standin = start_standin("--speed", "300")
    uri = put(standin, "keep/in.jsonl", input_lines(record_ids(100, "old")))
    arn = create(standin, uri)
    wait_for(standin, arn, ("Scheduled", "InProgress"))
    put(standin, "keep/in.jsonl", input_lines(record_ids(100, "new")))
    ids = {record["recordId"][:3] for record in output_records(standin, wait_for(standin, arn))}
    assert ids == {"old"}


def test_stop_ends_stopped_with_what_was_processed(start_standin: Start) -> None:
    standin = start_standin("--speed", "300")
    ids = record_ids(4000)
    arn = create(standin, put(standin, "stop/in.jsonl", input_lines(ids)))
    deadline = time.monotonic() + 30
    while get(standin, arn)["processedRecordCount"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (
        standin.client("bedrock").stop_model_invocation_job(jobIdentifier=arn)["ResponseMetadata"][
            "HTTPStatusCode"
        ]
        == 200
    )
    assert get(standin, arn)["status"] in ("Stopping", "Stopped")
    job = wait_for(standin, arn)
    records = output_records(standin, job)
    assert job["status"] == "Stopped"
    assert (
        0
        < len(records)
        == job["processedRecordCount"]
        == manifest(standin, job)["processedRecordCount"]
        <= 4000
    )
    assert len({record["recordId"] for record in records}) == len(records)
    statuses = [event["detail"]["status"] for event in events(standin, arn)]
    assert statuses[-2:] == ["Stopping", "Stopped"]


def test_stop_of_a_small_job_leaves_a_part_of_it(start_standin: Start) -> None:
    standin = start_standin("--speed", "150")
    arn = create(standin, put(standin, "stop/small.jsonl", input_lines(record_ids(1_000))))
    deadline = time.monotonic() + 30
    while (shown := get(standin, arn)["processedRecordCount"]) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    standin.client("bedrock").stop_model_invocation_job(jobIdentifier=arn)
    job = wait_for(standin, arn)
    records = output_records(standin, job)
    assert job["status"] == "Stopped" and shown <= len(records) < 1_000
    assert len(records) == job["processedRecordCount"] == manifest(standin, job)["processedRecordCount"]


def test_one_record_nested_too_deeply_is_one_error(standin: Standin) -> None:
    deep = '{"recordId":"deep","modelInput":{"x":' + "[" * 5000 + "]" * 5000 + "}}\n"
    job = run_job(standin, input_lines(record_ids(100)) + deep, "deep/in.jsonl")
    errors = {r["recordId"]: r["error"]["errorCode"] for r in _shallow(standin, job) if "error" in r}
    assert (job["status"], job["successRecordCount"], errors) == ("Completed", 100, {"deep": 400})


def _shallow(standin: Standin, job: dict[str, Any]) -> list[dict[str, Any]]:
    """Read the output of a job without the bodies that no reader of JSON takes."""
    data = output_files(standin, job)["in.jsonl.out"].decode()
    lines = data.removesuffix("\n").split("\n")
    return [json.loads(line.replace("[" * 5000 + "]" * 5000, "[]")) for line in lines]


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (
            "mistral.mistral-small-2402-v1:0",
            {"prompt": "<s>[INST] Summarize: it broke. [/INST]", "max_tokens": 50},
        ),
        (
            "amazon.nova-2-multimodal-embeddings-v1:0",
            {
                "taskType": "SINGLE_EMBEDDING",
                "singleEmbeddingParams": {
                    "embeddingPurpose": "GENERIC_INDEX",
                    "text": {"truncationMode": "END", "value": "It broke."},
                },
            },
        ),
    ],
)
def test_tokens_are_counted_where_the_model_reports_none(
    standin: Standin, model: str, body: dict[str, Any]
) -> None:
    lines = "".join(json.dumps({"recordId": i, "modelInput": body}) + "\n" for i in record_ids(100))
    job = run_job(standin, lines, "silent/in.jsonl", modelId=model)
    assert not any("usage" in record["modelOutput"] for record in output_records(standin, job))
    answer = standin.client("bedrock-runtime").invoke_model(modelId=model, body=json.dumps(body))
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    one = int(headers["x-amzn-bedrock-input-token-count"])
    assert one > 0 and manifest(standin, job)["inputTokenCount"] == 100 * one


@pytest.mark.parametrize(
    ("status", "speed"), [("Submitted", "10"), ("Validating", "50"), ("Scheduled", "300")]
)
def test_stop_before_it_began_leaves_no_output(start_standin: Start, status: str, speed: str) -> None:
    standin = start_standin("--speed", speed)
    arn = create(standin, put(standin, "early/in.jsonl", input_lines(record_ids(100))))
    wait_for(standin, arn, (status,))
    standin.client("bedrock").stop_model_invocation_job(jobIdentifier=arn)
    job = wait_for(standin, arn)
    assert job["status"] == "Stopped" and output_files(standin, job) == {}


def test_counters_are_zero_until_progress_and_total_comes_then(start_standin: Start) -> None:
    standin = start_standin("--speed", "150")
    arn = create(standin, put(standin, "lag/in.jsonl", input_lines(record_ids(1000))))
    seen: dict[str, list[dict[str, Any]]] = {}
    deadline = time.monotonic() + 60
    while (job := get(standin, arn))["status"] != "Completed":
        assert time.monotonic() < deadline
        seen.setdefault(job["status"], []).append(job)
        time.sleep(0.05)
    before = [one for status in ("Submitted", "Validating", "Scheduled") for one in seen.get(status, ())]
    assert {one["totalRecordCount"] for one in before} == {0}
    progress = seen["InProgress"]
    assert {one["totalRecordCount"] for one in progress} == {1000}
    assert progress[0]["processedRecordCount"] == 0
    assert len({one["processedRecordCount"] for one in progress}) < len(progress)
    assert job["processedRecordCount"] == 1000


def test_lower_quotas_by_switch(start_standin: Start) -> None:
    standin = start_standin(
        "--min-records", "5", "--max-records-per-file", "8", "--max-records-per-job", "12"
    )
    assert run_job(standin, input_lines(record_ids(5)), "quota/five.jsonl")["status"] == "Completed"
    assert "at most 8" in run_job(standin, input_lines(record_ids(9)), "quota/nine.jsonl")["message"]
    for name in "abc":
        put(standin, f"quota/many/{name}.jsonl", input_lines(record_ids(5, name)))
    job = wait_for(standin, create(standin, f"s3://{BUCKET}/quota/many/"))
    assert job["status"] == "Failed" and "15 records" in job["message"]


def test_sizes_are_quotas_too(start_standin: Start) -> None:
    standin = start_standin("--max-file-gb", "0.00002", "--max-job-gb", "0.00003", "--min-records", "1")
    small = input_lines(record_ids(100))[:18_000].rpartition("\n")[0] + "\n"
    assert "at most 2e-05 GB" in run_job(standin, small * 2, "size/large.jsonl")["message"]
    for name in "ab":
        put(standin, f"size/two/{name}.jsonl", small)
    assert "a job has at most" in wait_for(standin, create(standin, f"s3://{BUCKET}/size/two/"))["message"]


def test_ordered_output_on_request(start_standin: Start) -> None:
    standin = start_standin("--ordered")
    ids = record_ids(150)
    job = run_job(standin, input_lines(ids), "ordered/in.jsonl")
    assert [record["recordId"] for record in output_records(standin, job)] == ids
