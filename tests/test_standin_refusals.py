"""Calls that are refused: the line of the log that says why and to whom, and what ``--why`` makes of it."""

import http.client
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from conftest import Standin
from hypothesis import given, settings, strategies as st
from standin_cases import BUCKET, create_request, input_lines, log, put, record_ids

from bbkit.standin.logs import MOST_READ, plain, tell_refusals

NOT_FOUND, INVALID = "ResourceNotFoundException", "ValidationException"
Start = Callable[..., Standin]


def client_named(standin: Standin, service: str, name: str) -> Any:
    """A boto3 client that says what it is part of and asks once."""
    config = Config(user_agent_extra=name, retries={"total_max_attempts": 1})
    return boto3.client(service, endpoint_url=standin.endpoint, config=config)


def refused(standin: Standin) -> list[dict[str, Any]]:
    return [line for line in log(standin) if "reason" in line]


def why(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bbkit", "standin", *more, "--why", str(folder)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_a_refusal_of_every_service_is_one_line_with_its_reason_and_client(start_standin: Start) -> None:
    standin = start_standin()
    calls: list[tuple[str, str, dict[str, Any], str, int]] = [
        ("bedrock", "get_model_invocation_job", {"jobIdentifier": "a" * 12}, NOT_FOUND, 404),
        ("bedrock", "list_custom_models", {}, "NotImplemented", 501),
        ("bedrock-runtime", "invoke_model", {"modelId": "no.model", "body": b""}, INVALID, 400),
        ("s3", "get_object", {"Bucket": BUCKET, "Key": "none"}, "NoSuchKey", 404),
        ("s3", "get_object", {"Bucket": "not-there", "Key": "none"}, "NoSuchBucket", 404),
        ("service-quotas", "list_service_quotas", {"ServiceCode": "s3"}, "NoSuchResourceException", 404),
        ("sts", "get_session_token", {}, "NotImplemented", 501),
        ("iam", "get_role", {"RoleName": "nobody"}, "NoSuchEntity", 404),
        ("dynamodb", "list_tables", {}, "NotImplemented", 501),
    ]  # fmt: skip
    for service, call, parameters, code, status in calls:
        client = client_named(standin, service, f"part-of/{service}")
        with pytest.raises(ClientError) as caught:
            getattr(client, call)(**parameters)
        told = refused(standin)[-1]
        operation = client.meta.method_to_api_mapping[call]
        assert (told["code"], told["status"]) == (code, status)
        assert told["reason"] == caught.value.response["Error"]["Message"]
        assert told["asked"] == ("POST /" if service == "dynamodb" else operation)
        assert told["user_agent"].endswith(f"part-of/{service}") and "Botocore" in told["user_agent"]
    assert len(refused(standin)) == len(calls)
    text = (standin.folder / "log.jsonl").read_text()
    assert standin.env["AWS_SECRET_ACCESS_KEY"] not in text and "Signature=" not in text


def test_a_head_that_is_refused_carries_the_reason_in_a_header(start_standin: Start) -> None:
    standin = start_standin("--fault", "fail-call=HeadObject:AccessDenied:1 fail-call=HeadObject:503:1")
    s3 = client_named(standin, "s3", "header")
    for code, status in (("AccessDenied", 403), ("503", 503), ("NoSuchKey", 404)):
        with pytest.raises(ClientError) as caught:
            s3.head_object(Bucket=BUCKET, Key="nöne")
        said = caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-bbkit-reason"]
        told = refused(standin)[-1]
        assert (told["asked"], told["status"]) == ("HeadObject", status) and said.startswith(code)
        assert said == f"{told['code']}: {told['reason']}"


def test_what_the_door_itself_refuses_and_what_breaks_off_is_told_too(start_standin: Start) -> None:
    standin = start_standin(
        "--fault", "fail-answer=GetCallerIdentity:torn fail-call=ListFoundationModels:html"
    )
    place = standin.endpoint.removeprefix("http://")
    headers = [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Upgrade": "websocket"}, {}]
    for header in headers:
        connection = http.client.HTTPConnection(place, timeout=20)
        connection.request("GET", "/a%0Ab?X-Amz-Signature=secret", headers={"User-Agent": "page/1", **header})
        assert connection.getresponse().read()
    assert [line["status"] for line in refused(standin)] == [421, 403, 400, 403]
    assert all(line["user_agent"] == "page/1" and line["path"] == "/a%0Ab" for line in refused(standin))
    assert "secret" not in (standin.folder / "log.jsonl").read_text()
    with pytest.raises(BotoCoreError):
        client_named(standin, "sts", "torn").get_caller_identity()
    told = refused(standin)[-1]
    assert (told["asked"], told["status"], told["code"]) == ("GetCallerIdentity", None, "torn")
    client_named(standin, "bedrock", "page").list_foundation_models()
    told = refused(standin)[-1]
    assert (told["asked"], told["status"], told["code"]) == ("ListFoundationModels", 200, "html")


def test_a_download_and_a_stream_that_break_off_are_told_once(start_standin: Start) -> None:
    faults = "fail-answer=GetObject:torn fail-answer=ConverseStream:throttlingException"
    standin = start_standin("--fault", faults)
    put(standin, "torn/in.jsonl", input_lines(record_ids(100)))
    with pytest.raises(BotoCoreError):
        client_named(standin, "s3", "reader").get_object(Bucket=BUCKET, Key="torn/in.jsonl")["Body"].read()
    asked = {"messages": [{"role": "user", "content": [{"text": "Customer: It broke."}]}]}
    runtime = client_named(standin, "bedrock-runtime", "listener")
    with pytest.raises(ClientError):
        list(runtime.converse_stream(modelId="amazon.nova-lite-v1:0", **asked)["stream"])
    told = [(line["asked"], line["status"], line["code"]) for line in refused(standin)]
    assert told == [("GetObject", None, "torn"), ("ConverseStream", 200, "throttlingException")]


def test_why_names_the_last_refusals_of_each_client(start_standin: Start) -> None:
    standin = start_standin()
    bedrock = client_named(standin, "bedrock", "strands-agents")
    for number in range(7):
        with pytest.raises(ClientError):
            bedrock.create_model_invocation_job(
                **create_request(standin, f"s3://{BUCKET}/in.jsonl", jobName=f"under_score-{number}")
            )
    s3 = client_named(standin, "s3", "langchain-aws")
    for call in (s3.head_object, s3.get_object_acl):
        with pytest.raises(ClientError):
            call(Bucket=BUCKET, Key="none")
    running = why(standin.folder)
    standin.stop()
    stopped = why(standin.folder)
    assert running.returncode == stopped.returncode == 0 and running.stdout == stopped.stdout
    lines = stopped.stdout.splitlines()
    names = [line for line in lines if not line.startswith(" ")]
    assert names == [f"Boto3/{boto3.__version__} {name}" for name in ("langchain-aws", "strands-agents")]
    assert sum("CreateModelInvocationJob" in line for line in lines) == 5
    assert "    400 ValidationException: 1 validation error detected" in stopped.stdout
    assert "HeadObject  /bbkit-standin/none\n    404 " in stopped.stdout
    assert "Z  GET  /bbkit-standin/none\n    501 " in stopped.stdout


def test_why_of_a_folder_without_a_log_and_of_one_without_refusals(tmp_path: Path) -> None:
    told = why(tmp_path / "nowhere")
    assert told.returncode == 2 and "log.jsonl: No such file" in told.stderr and "--why DIR" in told.stderr
    (tmp_path / "log.jsonl").write_text('{"at": "x", "asked": "GetRole", "status": 200}\n')
    assert "No call was refused" in why(tmp_path).stdout


def test_why_reads_the_end_of_a_long_log_whatever_it_holds(tmp_path: Path) -> None:
    line = {
        "at": "t",
        "asked": "Get",
        "path": "/",
        "status": 400,
        "code": "c",
        "reason": "old",
        "user_agent": "a",
    }
    with (tmp_path / "log.jsonl").open("wb") as file:
        file.write(json.dumps(line).encode() + b"\n")
        file.seek(MOST_READ)
        odd = line | {"reason": "new\x1b]0;\x9b2J\u202e", "user_agent": "\x07b"}
        file.write(b"\n[]\n7\n{\n\xff\n" + json.dumps(odd).encode() + b'\n{"user_agent": 3}\n{"at": "to')
    told = tell_refusals(tmp_path)
    assert "old" not in told and r"new\x1b]0;\x9b2J\u202e" in told and told.startswith("\\x07b\n")


@given(st.text())
@settings(max_examples=200)
def test_plain_text_is_one_short_line_of_visible_characters(text: str) -> None:
    shown = plain(text * 40)
    assert shown.isprintable() and len(shown) < 6000
    if text.isprintable() and len(text) <= 500:
        assert plain(text) == text
