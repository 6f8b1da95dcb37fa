"""Probing, retrying and sending on demand, over the stand-in."""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest
from conftest import Standin

import bbkit as bb
from bbkit import aws
from bbkit.core.errors import AwsError, InputError, RunError
from bbkit.core.files import file_sha256
from bbkit.core.frames import JOB_COLUMNS, OUTPUT_COLUMNS
from bbkit.jobs import clean_run
from bbkit.outputs.lines import find_line
from bbkit.records import iter_record_ids, read_records
from bbkit.retry import RETRY_COLUMNS, RETRYABLE
from bbkit.run import RunSnapshot

MODEL = "amazon.nova-micro-v1:0"
TALK = "Customer: my parcel {0} is late and I am cross about it. Agent: I am sorry, it comes today. "


def read_ids(run: bb.Run, attempt: int = 1) -> list[str | None]:
    return [name for file in run.record_files(attempt) for name in iter_record_ids(file.path)]


def body(number: int, max_tokens: int = 400) -> dict[str, Any]:
    text = TALK.format(number) * (number % 7 + 1)
    return {
        "messages": [{"role": "user", "content": [{"text": f"Summarize: {text}"}]}],
        "inferenceConfig": {"maxTokens": max_tokens},
    }


def make_run(
    folder: Path, *, records: int = 60, max_tokens: int = 400, fault: str = "", **options: Any
) -> bb.Run:
    tags = {"bbkit:fault": fault} if fault else {}
    run = bb.Run.create(folder, model_id=MODEL, tags=tags, **options)
    # Ids of this run alone: the stand-in's passing faults befall an id once.
    name = folder.parent.name
    pairs = [(f"{name}-{number:04d}", body(number, max_tokens)) for number in range(records)]
    bb.write_records(pairs, run, quotas=replace(bb.Quotas.defaults(MODEL), min_records_per_job=10))
    return run


def run_jobs(run: bb.Run) -> pd.DataFrame:
    bb.submit_jobs(run)
    bb.wait_for_jobs(run, timeout=60)
    return bb.collect_outputs(run)


def test_errored_and_missing_records_come_back_in_the_next_attempt(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", fault="record-errors=0.4 missing-lines=0.2")
    before = run_jobs(run)
    bad = set(before.loc[before["outcome"] != "succeeded", "record_id"])
    retry = bb.retry_records(run)
    assert {name: str(dtype) for name, dtype in retry.dtypes.items()} == RETRY_COLUMNS
    assert set(read_ids(run, 2)) == bad
    assert set(retry["tier"]) == {"batch"}
    assert (retry["on_demand_usd"] > retry["batch_usd"]).all()
    jobs = bb.send_retry(run, retry, timeout=60)
    assert list(jobs["attempt"]) == [2]
    after = bb.collect_outputs(run)
    assert list(after["record_id"]) == list(before["record_id"])
    # The stand-in refuses malformed records again and lets everything else through the second time.
    still = after[after["outcome"] != "succeeded"]
    assert set(still["error_code"]) <= {"400"}
    assert set(before.loc[before["error_code"] == "400", "record_id"]) <= set(still["record_id"]) <= bad
    every = bb.collect_outputs(run, attempts="all")
    assert set(every["attempt"]) == {1, 2}
    lineage = RunSnapshot.read(run).lineage[2]
    assert (lineage["outcomes"], lineage["records"]) == (["errored", "missing"], len(bad))


def test_only_what_may_succeed_is_retried_when_asked(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", records=120, fault="record-errors=0.5")
    before = run_jobs(run)
    bb.retry_records(run, outcomes=["retryable"])
    expected = before[before["error_code"].isin(RETRYABLE)]
    assert 0 < len(expected) < (before["outcome"] == "errored").sum()
    assert set(read_ids(run, 2)) == set(expected["record_id"])


def test_cut_off_answers_are_sent_with_a_higher_maximum(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", max_tokens=8)
    before = run_jobs(run)
    cut = before[before["stop_reason"] == "length"]
    assert len(cut) > 10
    with pytest.raises(InputError, match=r"max_tokens is 8; record .* was cut off at 8"):
        bb.retry_records(run, outcomes=[], cut_off=True, max_tokens=8)
    retry = bb.retry_records(run, outcomes=[], cut_off=True)
    lines = [json.loads(line) for line in run.record_files(2)[0].path.read_text().splitlines()]
    assert {line["modelInput"]["inferenceConfig"]["maxTokens"] for line in lines} == {16}
    retry = bb.retry_records(run, outcomes=[], cut_off=True, max_tokens=500)
    assert set(retry["attempt"]) == {2}
    bb.send_retry(run, retry, timeout=60)
    after = bb.collect_outputs(run)
    assert not (after["stop_reason"] == "length").any()
    assert set(after.loc[after["record_id"].isin(cut["record_id"]), "max_tokens"]) == {500}


def test_nothing_to_retry_writes_nothing(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls")
    run_jobs(run)
    retry = bb.retry_records(run, cut_off=False)
    assert retry.empty
    assert list(retry.columns) == list(RETRY_COLUMNS)
    sent = bb.send_retry(run, retry)
    assert sent.empty
    assert list(sent.columns) == list(JOB_COLUMNS)
    assert {file.attempt for file in run.record_files()} == {1}


def test_too_few_for_a_batch_job_go_on_demand_only_when_asked(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", fault="missing-lines=0.1")
    before = run_jobs(run)
    lacking = int((before["outcome"] == "missing").sum())
    assert 0 < lacking < 10
    retry = bb.retry_records(run)
    assert set(retry["tier"]) == {"on_demand"}
    unsent = bb.send_retry(run, retry)
    assert unsent["status"].isna().all()
    assert "on_demand=True" in unsent["message"].iloc[0]
    assert len(bb.submit_jobs(run)) == 1
    sent = bb.send_retry(run, retry, on_demand=True)
    assert {name: str(dtype) for name, dtype in sent.dtypes.items()} == JOB_COLUMNS
    assert list(sent[["records", "succeeded", "errored"]].iloc[0]) == [lacking, lacking, 0]
    after = bb.collect_outputs(run)
    assert str(bb.accounting(after)) == "60 sent = 60 succeeded"
    assert dict(after["tier"].value_counts()) == {"batch": 60 - lacking, "on_demand": lacking}
    with pytest.raises(RunError, match="went to a batch job"):
        bb.send_on_demand(run, attempt=1)


def test_fewer_records_than_a_job_takes_can_be_a_run_of_their_own(small: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "few", model_id=MODEL)
    few = [(f"c{number}", body(number)) for number in range(3)]
    bb.write_records(few, run, allow=["min_records_per_job"])
    with pytest.raises(RunError, match="too few for a job"):
        bb.submit_jobs(run)
    bb.send_on_demand(run)
    assert str(bb.accounting(bb.collect_outputs(run))) == "3 sent = 3 succeeded"


def test_one_rule_that_is_allowed_may_be_given_alone(small: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "calls", model_id=MODEL)
    bad = {"messages": [{"role": "robot", "content": [{"text": "hello"}]}]}
    records = [*((f"c{number:02d}", body(number)) for number in range(12)), ("bad", bad)]
    bb.write_records(records, run, allow="value")
    run_jobs(run)
    assert bb.retry_records(run)["records"].to_list() == [1]


@pytest.mark.parametrize("invocation_type", ["InvokeModel", "Converse"])
def test_what_comes_back_on_demand_is_what_a_batch_job_writes(
    small: Standin, tmp_path: Path, invocation_type: str
) -> None:
    batch = make_run(tmp_path / "batch", records=12, invocation_type=invocation_type)
    by_job = run_jobs(batch)
    few = bb.Run.create(tmp_path / "few", model_id=MODEL, invocation_type=invocation_type)
    some = list(read_records(batch.record_files()[0].path))[:9]
    bb.write_records(some, few, allow=["min_records_per_job"])
    bb.send_on_demand(few, concurrency=3)
    by_call = bb.collect_outputs(few)
    same = [
        "record_id",
        "outcome",
        "text",
        "stop_reason",
        "input_tokens",
        "output_tokens",
        "max_tokens",
        "family",
    ]
    pd.testing.assert_frame_equal(by_call[same], by_job[same].head(9))


def test_interrupted_on_demand_goes_on_where_it_stopped(
    start_standin: Callable[..., Standin], tmp_path: Path
) -> None:
    standin = start_standin()
    run = bb.Run.create(tmp_path / "few", model_id=MODEL)
    bb.write_records(
        [(f"c{number:02d}", body(number)) for number in range(20)], run, allow=["min_records_per_job"]
    )

    def interrupt(done: int, total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bb.send_on_demand(run, concurrency=1, progress=interrupt)
    output = run.folder / "outputs" / "on-demand-1" / "1-0001.jsonl.out"
    with output.open("ab") as stream:
        stream.write(b'{"recordId": "c19", "modelOut')
    told: list[int] = []
    bb.send_on_demand(run, progress=lambda done, total: told.append(done))
    assert told == list(range(1, 21))
    assert str(bb.accounting(bb.collect_outputs(run))) == "20 sent = 20 succeeded"
    asked = [
        json.loads(line).get("asked") for line in (standin.folder / "log.jsonl").read_text().splitlines()
    ]
    assert 20 <= asked.count("InvokeModel") <= 22
    manifest = json.loads((output.parent / "manifest.json.out").read_text())
    assert (manifest["totalRecordCount"], manifest["successRecordCount"]) == (20, 20)


def test_a_record_the_model_refuses_is_a_line_and_not_an_error(small: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "few", model_id=MODEL)
    bad = {"messages": [{"role": "robot", "content": [{"text": "hello"}]}]}
    rules = set(bb.check_records([("bad", bad)], MODEL)["rule"])
    bb.write_records([("good", body(1)), ("bad", bad)], run, allow=[*rules, "min_records_per_job"])
    sent = bb.send_on_demand(run)
    assert list(sent[["succeeded", "errored"]].iloc[0]) == [1, 1]
    outputs = bb.collect_outputs(run).set_index("record_id")
    assert outputs.loc["bad", "outcome"] == "errored"
    assert outputs.loc["bad", "error_code"] == "400"


def test_a_service_that_is_gone_stops_at_once_and_keeps_the_answers(
    start_standin: Callable[..., Standin], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standin = start_standin()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    run = bb.Run.create(tmp_path / "few", model_id=MODEL)
    bb.write_records(
        [(f"c{number:02d}", body(number)) for number in range(20)], run, allow=["min_records_per_job"]
    )
    with pytest.raises(AwsError, match="No answer from AWS"):
        bb.send_on_demand(run, concurrency=2, progress=lambda done, total: done == 5 and standin.stop())
    kept = (run.folder / "outputs" / "on-demand-1" / "1-0001.jsonl.out").read_bytes().splitlines()
    assert 5 <= len(kept) <= 7
    start_standin(folder=standin.folder)
    bb.send_on_demand(run)
    assert str(bb.accounting(bb.collect_outputs(run))) == "20 sent = 20 succeeded"


def test_a_probe_tries_short_and_long_records_and_extrapolates(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", records=35, max_tokens=10)
    priced = bb.probe_records(run, n=4, dry_run=True)
    assert priced.sentence.startswith("4 records for")
    assert "on demand" in priced.sentence
    probe = bb.probe_records(run, n=4)
    assert list(probe.columns) == [*OUTPUT_COLUMNS, "input_bytes"]
    assert list(probe["outcome"]) == ["succeeded"] * 4
    assert set(probe["tier"]) == {"on_demand"}
    lengths = [len(line) for line in run.record_files()[0].path.read_bytes().splitlines(keepends=True)]
    assert (probe["input_bytes"].min(), probe["input_bytes"].max()) == (min(lengths), max(lengths))
    assert probe.sentence.startswith("4 of 35 records sent on demand = 4 succeeded, ")
    estimate = bb.estimate_cost(run, probe=probe)
    assert estimate.cost_low_usd <= estimate.cost_usd <= estimate.cost_high_usd
    assert estimate.sentence in probe.sentence
    assert not (run.folder / "outputs").exists()
    with pytest.raises(InputError, match="n is 0"):
        bb.probe_records(run, n=0)


def test_bad_use_is_one_sentence(start_standin: Callable[..., Standin], tmp_path: Path) -> None:
    start_standin("--min-records", "10", "--speed", "realistic")
    run = make_run(tmp_path / "calls", records=10)
    with pytest.raises(InputError, match="outcomes= names 'pending'"):
        bb.retry_records(run, outcomes=["pending"])
    bb.submit_jobs(run)
    with pytest.raises(RunError, match="have not ended"):
        bb.retry_records(run)
    with pytest.raises(InputError, match="n is '5'"):
        bb.probe_records(run, n="5")
    with pytest.raises(InputError, match="concurrency is 0"):
        bb.send_on_demand(run, concurrency=0)
    with pytest.raises(InputError, match="Pass what retry_records returned"):
        bb.send_retry(run, None)
    with pytest.raises(InputError, match="A run is what Run"):
        bb.write_records([], None)
    with pytest.raises(RunError, match="has no records of attempt 5"):
        bb.send_on_demand(run, attempt=5)


def test_an_adopted_run_reads_what_it_sends_itself_and_cleans_only_that(
    small: Standin, tmp_path: Path
) -> None:
    theirs = make_run(tmp_path / "theirs", fault="missing-lines=0.4")
    bb.submit_jobs(theirs)
    arn = bb.wait_for_jobs(theirs, timeout=60)["job_arn"].iloc[0]
    run = bb.Run.adopt(arn, tmp_path / "ours")
    retry = bb.retry_records(run)
    assert set(retry["tier"]) == {"batch"}
    bb.send_retry(run, retry, timeout=60)
    assert str(bb.accounting(bb.collect_outputs(run))) == "60 sent = 60 succeeded"
    left = clean_run(run, delete=True)
    assert len(left) == 3
    assert left["uri"].str.startswith(run.s3_prefix).all()
    assert clean_run(run).empty
    assert len(clean_run(theirs)) == 3
    assert str(bb.accounting(bb.collect_outputs(run))) == "60 sent = 60 succeeded"


def test_a_plan_stays_until_another_takes_its_place(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", max_tokens=8)
    run_jobs(run)
    bb.retry_records(run, outcomes="", cut_off=True)
    planned, cures = run.record_files(2), run.folder / "records" / "2-cures.parquet"
    before = cures.read_bytes()
    for wrong in ({"outcomes": 5}, {"outcomes": ["all"]}, {"max_tokens": "9"}, {"max_tokens": 8}):
        with pytest.raises(InputError):
            bb.retry_records(run, **{"outcomes": [], "cut_off": True, **wrong})
        assert run.record_files(2) == planned
        assert all(file_sha256(file.path) == file.sha256 for file in planned)
        assert cures.read_bytes() == before
    assert bb.retry_records(run).empty
    assert not run.record_files(2)
    assert not planned[0].path.exists()
    assert not cures.exists()


def test_records_without_ids_are_sent_again_under_their_keys(small: Standin, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps({"modelInput": body(number)}) + "\n" for number in range(20)))
    run = bb.Run.create(tmp_path / "calls", model_id=MODEL, tags={"bbkit:fault": "record-errors=0.5"})
    bb.write_records(path, run, quotas=replace(bb.Quotas.defaults(MODEL), min_records_per_job=10))
    run_jobs(run)
    outputs = bb.collect_outputs(run)
    failed = outputs.query("outcome == 'errored'")["record_key"].tolist()
    assert bb.accounting(outputs).sentence.endswith("20 records were sent without a recordId")
    assert 0 < len(failed) < 20
    bb.retry_records(run)
    sent = [json.loads(line) for line in run.record_files(2)[0].path.read_text().splitlines()]
    assert [line["recordId"] for line in sent] == failed
    assert [line["modelInput"] for line in sent] == [body(int(key[1:]) - 1) for key in failed]


def fail_lines(s3: Any, bucket: str, place: str, numbers: list[int]) -> None:
    """Let lines of a job that ended bear errors, as if those records had failed."""
    lines = s3.get_object(Bucket=bucket, Key=f"{place}in.jsonl.out")["Body"].read().splitlines()
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=f"{place}manifest.json.out")["Body"].read())
    parsed = [json.loads(line) for line in lines]
    wanted = [body(number) for number in numbers]
    for line in parsed:
        if line["modelInput"] in wanted:
            usage = line.pop("modelOutput")["usage"]
            line["error"] = {"errorCode": 503, "errorMessage": "slow down"}
            manifest["inputTokenCount"] -= usage["inputTokens"]
            manifest["outputTokenCount"] -= usage["outputTokens"]
            manifest["successRecordCount"] -= 1
            manifest["errorRecordCount"] += 1
    text = "\n".join(map(json.dumps, reversed(parsed)))
    s3.put_object(Bucket=bucket, Key=f"{place}in.jsonl.out", Body=text.encode())
    s3.put_object(Bucket=bucket, Key=f"{place}manifest.json.out", Body=json.dumps(manifest).encode())


def test_records_of_four_ids_are_all_rows_costed_joined_and_sent_again(
    small: Standin, tmp_path: Path
) -> None:
    calls = pd.DataFrame({"queue": [f"queue {number % 7}" for number in range(120)]})
    ids = [str(1700000000 + number // 30) for number in range(120)]
    lines = [{"recordId": name, "modelInput": body(number)} for number, name in enumerate(ids)]
    s3 = boto3.client("s3")
    bucket = bb.Run.create(tmp_path / "place", model_id=MODEL).s3_uri.removeprefix("s3://").split("/")[0]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    s3.put_object(Bucket=bucket, Key="theirs/in.jsonl", Body=text.encode())
    arn = boto3.client("bedrock").create_model_invocation_job(
        jobName="seconds",
        roleArn=os.environ["BBKIT_ROLE_ARN"],
        modelId=MODEL,
        inputDataConfig={"s3InputDataConfig": {"s3Uri": f"s3://{bucket}/theirs/in.jsonl"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": f"s3://{bucket}/theirs/out/"}},
    )["jobArn"]
    bb.wait_for_jobs(bb.Run.adopt(arn, tmp_path / "watched"), timeout=60)
    fail_lines(s3, bucket, f"theirs/out/{arn.rpartition('/')[2]}/", [0, 1, 29, 30, 77, 118, 119])
    with pytest.raises(InputError, match="source has 119 rows, the job 120 records"):
        bb.Run.adopt(arn, tmp_path / "short", source=calls.head(119))
    named = calls.set_index(pd.Index(ids, name="record_id"))
    for number, rows in ((29, named.iloc[1:]), (31, named.iloc[[0, *range(120)]])):
        with pytest.raises(InputError, match=f"{number} rows of the id '1700000000', which 30 records have"):
            bb.Run.adopt(arn, tmp_path / "other", source=rows)
    run = bb.Run.adopt(arn, tmp_path / "ours", source=calls)
    outputs = bb.collect_outputs(run, source_columns="queue", with_columns="model_input")
    told = bb.accounting(outputs)
    failed = outputs[outputs["outcome"] == "errored"]
    assert failed.index.tolist() == [0, 1, 29, 30, 77, 118, 119]
    assert told.complete
    assert told.sentence == "120 sent = 113 succeeded + 7 errored; 120 records shared 4 ids"
    assert outputs["record_id"].tolist() == ids
    assert outputs["record_key"].tolist() == [f"{name}#{at % 30 + 1}" for at, name in enumerate(ids)]
    assert outputs["source.queue"].tolist() == calls["queue"].tolist()
    assert [json.loads(one) for one in outputs["model_input"].dropna()] == [body(n) for n in range(120)]
    manifest = told.manifests.iloc[0]
    cost = bb.cost_of(run, by="queue")
    assert cost.numbers["input_tokens"] == manifest["manifest_input_tokens"] == outputs["input_tokens"].sum()
    assert cost.numbers["output_tokens"] == manifest["manifest_output_tokens"] > 0
    assert cost.table["records"].sum() == 120
    for row in outputs.drop(columns="model_input").to_dict("records")[::7]:
        number = int(row["record_key"][9]) * 30 + int(row["record_key"].partition("#")[2]) - 1
        assert find_line(outputs, row).model_input == body(number)
    planned = bb.retry_records(run)
    sent = [json.loads(line) for line in run.record_files(2)[0].path.read_text().splitlines()]
    numbers = failed.index.tolist()
    assert sent == [
        {"recordId": outputs["record_key"][number], "modelInput": body(number)} for number in numbers
    ]
    assert len(sent) == 7
    bb.send_retry(run, planned, on_demand=True)
    after = bb.collect_outputs(run, source_columns="queue")
    assert bb.accounting(after).sentence.startswith("120 sent = 120 succeeded")
    assert after["record_key"].tolist() == outputs["record_key"].tolist()
    assert after["record_id"].tolist() == ids
    assert after.loc[numbers, "attempt"].eq(2).all()
    assert after["source.queue"].tolist() == calls["queue"].tolist()


def test_one_attempt_is_sent_on_demand_by_one_at_a_time(small: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "few", model_id=MODEL)
    bb.write_records(
        [(f"c{number}", body(number)) for number in range(5)], run, allow=["min_records_per_job"]
    )
    refused: list[str] = []

    def send_too(done: int, total: int) -> None:
        with pytest.raises(RunError, match="is being sent on demand by another") as caught:
            bb.send_on_demand(run)
        refused.append(str(caught.value))

    bb.send_on_demand(run, progress=send_too)
    assert len(refused) == 5
    assert str(bb.accounting(bb.collect_outputs(run))) == "5 sent = 5 succeeded"


def test_blobs_of_converse_bodies_travel_as_base64(small: Standin) -> None:
    picture = (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    content = [{"text": "What is this?"}, {"image": {"format": "png", "source": {"bytes": picture}}}]
    answer = aws.converse("amazon.nova-lite-v1:0", {"messages": [{"role": "user", "content": content}]})
    assert json.loads(json.dumps(answer)) == answer
    assert answer["output"]["message"]["content"]
    assert threading.active_count() < 50
