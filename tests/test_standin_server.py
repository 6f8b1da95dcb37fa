"""The process: who may speak to it, what it keeps, how it starts again."""

import http.client
import json
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from conftest import Standin, launch_standin
from standin_cases import (
    create,
    create_request,
    engine_processes,
    get,
    input_lines,
    log,
    output_records,
    put,
    record_ids,
    run_job,
    wait_for,
)

from bbkit.standin.__main__ import main

Start = Callable[..., Standin]


def client_of(standin: Standin, service: str, key: str | None = None, secret: str | None = None) -> Any:
    session = boto3.Session(
        key or standin.env["AWS_ACCESS_KEY_ID"],
        secret or standin.env["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    return session.client(service, endpoint_url=standin.endpoint)


CALLS = {
    "bedrock": ("list_model_invocation_jobs", {}, "UnrecognizedClientException", "InvalidSignatureException"),
    "bedrock-runtime": (
        "invoke_model",
        {"modelId": "amazon.nova-lite-v1:0", "body": b"{}"},
        "UnrecognizedClientException",
        "InvalidSignatureException",
    ),
    "s3": ("list_buckets", {}, "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    "service-quotas": (
        "list_service_quotas",
        {"ServiceCode": "bedrock"},
        "UnrecognizedClientException",
        "InvalidSignatureException",
    ),
    "sts": ("get_caller_identity", {}, "UnrecognizedClientException", "InvalidSignatureException"),
}


@pytest.mark.parametrize("service", CALLS)
def test_wrong_keys_are_refused_by_every_service(standin_process: Standin, service: str) -> None:
    call, given, unknown, wrong = CALLS[service]
    for key, secret, expected in (("AKIDNOBODY", None, unknown), (None, "wrong", wrong)):
        with pytest.raises(ClientError) as caught:
            getattr(client_of(standin_process, service, key, secret), call)(**given)
        assert caught.value.response["Error"]["Code"] == expected
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_wrongly_signed_upload_leaves_nothing(standin_process: Standin) -> None:
    with pytest.raises(ClientError):
        client_of(standin_process, "s3", secret="wrong").put_object(
            Bucket="bbkit-standin", Key="w/x", Body=b"1" * 9
        )
    assert standin_process.client("s3").list_objects_v2(Bucket="bbkit-standin", Prefix="w/")["KeyCount"] == 0


def plain_request(
    standin: Standin, path: str, method: str = "GET", **headers: str
) -> tuple[int, str, dict[str, str]]:
    """Send a request that is not signed."""
    connection = http.client.HTTPConnection(standin.endpoint.removeprefix("http://"), timeout=20)
    connection.request(
        method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


def test_unsigned_requests_are_refused(standin_process: Standin) -> None:
    for path in ("/", "/model-invocation-jobs", "/bbkit-standin/x", "/bbkit-standin?list-type=2"):
        assert plain_request(standin_process, path)[0] == 403


def test_other_hosts_and_web_pages_are_refused(standin_process: Standin) -> None:
    assert plain_request(standin_process, "/", Host="evil.example:80")[0] == 421
    assert plain_request(standin_process, "/", Upgrade="websocket", Connection="Upgrade")[0] == 400
    for method in ("GET", "OPTIONS"):
        status, _, headers = plain_request(standin_process, "/", method, Origin="http://evil.example")
        assert status == 403
        assert not any(name.lower().startswith("access-control") for name in headers)


def test_a_signature_grows_old(standin_process: Standin) -> None:
    old = {
        "X-Amz-Date": "20200101T000000Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential="
        + standin_process.env["AWS_ACCESS_KEY_ID"]
        + "/20200101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00",
    }
    assert plain_request(standin_process, "/model-invocation-jobs", **old)[0] == 403
    url = standin_process.client("s3").generate_presigned_url(
        "get_object", Params={"Bucket": "bbkit-standin", "Key": "x"}, ExpiresIn=60
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.replace("Expires=", "Expires=9"))
    assert caught.value.code == 403


def test_the_environment_file_works_in_a_shell_and_is_private(standin_process: Standin) -> None:
    path = standin_process.folder / "standin.env"
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    shell = f'set -a; . {path}; {sys.executable} -c "{code}"'
    env = {"PATH": os.environ["PATH"], "AWS_PROFILE": "nobody", "AWS_BEARER_TOKEN_BEDROCK": "token"}
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.strip() == standin_process.account
    for name in ("standin.env", "identity.json"):
        assert stat.S_IMODE((standin_process.folder / name).stat().st_mode) == 0o600


def test_the_role_of_the_standin_is_told_and_no_other(standin_process: Standin) -> None:
    iam = client_of(standin_process, "iam")
    role = iam.get_role(RoleName="BbkitStandinRole")["Role"]
    assert role["Arn"] == standin_process.env["BBKIT_ROLE_ARN"]
    assert "bedrock.amazonaws.com" in str(role["AssumeRolePolicyDocument"]["Statement"])
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName="other")
    with pytest.raises(ClientError, match="NotImplemented"):
        iam.list_roles()


def test_a_folder_that_existed_becomes_its_owners_alone(start_standin: Start, tmp_path: Path) -> None:
    folder = tmp_path / "open"
    (folder / "s3" / "old-bucket").mkdir(parents=True)
    (folder / "s3" / "old-bucket" / "old.txt").write_text("old")
    (tmp_path / "elsewhere").write_text("another's")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    for path in (folder, *folder.rglob("*"), tmp_path / "elsewhere"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    standin = start_standin("--min-records", "1", folder=folder)
    run_job(standin, input_lines(["r1"]), "modes/in.jsonl")
    paths = [path for path in (folder, *folder.rglob("*")) if not path.is_symlink()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()} == {0o600}
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == 0o644


def test_a_folder_that_all_share_is_not_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o1777)
    assert main([str(tmp_path)]) == 2
    assert "all share" in capsys.readouterr().err and stat.S_IMODE(tmp_path.stat().st_mode) == 0o1777


def test_one_folder_one_standin(standin_process: Standin) -> None:
    command = [sys.executable, "-m", "bbkit.standin", str(standin_process.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2 and "already runs" in done.stderr and not done.stdout


@pytest.mark.parametrize(
    "switches",
    [
        ["--fault", "explode"],
        ["--speed", "slow"],
        ["--fault", "fail-call=ListModelInvocationJobs:ConflictException"],
        ["--fault", "fail-call=PutObject:ThrottlingException"],
        ["--fault", "fail-answer=HeadObject:torn"],
        ["--profile", "x"],
        ["--profile", "x=nobody.knows-it"],
        ["--region", "us-east-1; true"],
        ["--as-of", "yesterday"],
        ["--port", "99999"],
        ["--port", "-1"],
        ["--workers", "-1"],
        ["--min-records", "-5"],
        ["--max-file-gb", "nan"],
        ["--base-url", "http://x"],
        ["--model", "m"],
        ["--engine", "openai"],
        ["--engine", "openai", "--base-url", "http://x", "--model", "m", "--api-key-env", "NOT_SET_ANYWHERE"],
    ],
)
def test_bad_switches_exit_2_with_a_sentence(
    tmp_path: Path, switches: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), *switches]) == 2
    told = capsys.readouterr()
    assert len(told.err.splitlines()) == 1 and not told.out


def test_an_identity_that_cannot_be_read_is_said_to_be_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "identity.json").write_text('{"account": "1')
    assert main([str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert len(told.err.splitlines()) == 1 and "identity.json" in told.err


def test_the_wing_stands_apart() -> None:
    code = "import sys, bbkit.standin.server, bbkit.standin.jobs, bbkit.standin.answers; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {name for name in done.stdout.split() if name.startswith("bbkit.")}
    assert {name for name in rooms if not name.startswith("bbkit.standin")} == set()
    assert "boto3" not in done.stdout.split() and "pandas" not in done.stdout.split()


def test_identity_port_objects_and_jobs_survive_a_restart(start_standin: Start) -> None:
    first = start_standin()
    job = run_job(first, input_lines(record_ids(100)), "kept/in.jsonl")
    assert first.stop() == 0
    second = start_standin(folder=first.folder)
    assert second.env == first.env
    assert get(second, job["jobArn"])["status"] == "Completed"
    assert len(output_records(second, job)) == 100


def test_another_port_when_the_old_one_is_taken(start_standin: Start, tmp_path: Path) -> None:
    first = start_standin()
    first.stop()
    shutil.copytree(first.folder, tmp_path / "copy")
    again = start_standin(folder=first.folder)
    copy = start_standin(folder=tmp_path / "copy")
    assert again.endpoint == first.endpoint != copy.endpoint
    assert copy.account == first.account


def test_a_killed_engine_process_is_replaced_and_the_job_goes_on(start_standin: Start) -> None:
    standin = start_standin()
    ids = record_ids(3000)
    arn = create(standin, put(standin, "killed/in.jsonl", input_lines(ids)))
    deadline = time.monotonic() + 30
    while not list(standin.folder.glob("jobs/*/parts/*/*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(engine_processes(standin)[0], signal.SIGKILL)
    job = wait_for(standin, arn)
    found = [record["recordId"] for record in output_records(standin, job)]
    assert job["status"] == "Completed" and sorted(found) == ids
    assert log(standin, did="lose engine process", job=arn[-12:])


def test_a_killed_engine_process_of_calls_on_demand_is_replaced(start_standin: Start) -> None:
    standin = start_standin()
    client = standin.client("bedrock-runtime")
    messages = [{"role": "user", "content": [{"text": "Hello."}]}]
    assert client.converse(modelId="amazon.nova-lite-v1:0", messages=messages)
    [engine] = engine_processes(standin)
    os.kill(engine, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while engine in engine_processes(standin):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.converse(modelId="amazon.nova-lite-v1:0", messages=messages)
    assert engine_processes(standin) != [engine]


def test_a_stop_of_the_standin_is_no_end_of_its_jobs(start_standin: Start) -> None:
    standin = start_standin()
    ids = record_ids(6000)
    arn = create(standin, put(standin, "later/in.jsonl", input_lines(ids)))
    deadline = time.monotonic() + 30
    while not list(standin.folder.glob("jobs/*/parts/*/*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert standin.stop() == 0
    console = (standin.folder / "console.txt").read_text()
    assert "leaked" not in console and "failed" not in console and "Completed" not in console
    again = start_standin(folder=standin.folder)
    job = wait_for(again, arn)
    found = [record["recordId"] for record in output_records(again, job)]
    assert job["status"] == "Completed" and sorted(found) == ids


def test_the_log_and_console_tell_what_happened(start_standin: Start) -> None:
    standin = start_standin()
    run_job(standin, input_lines(record_ids(100)), "tell/in.jsonl", jobName="told")
    standin.stop()
    console = (standin.folder / "console.txt").read_text()
    assert all(
        f"told  {status}" in console for status in ("Submitted", "Validating", "Scheduled", "Completed")
    )
    asked = [
        json.loads(line).get("asked", "") for line in (standin.folder / "log.jsonl").read_text().splitlines()
    ]
    assert {"CreateModelInvocationJob", "GetModelInvocationJob", "PutObject"} <= set(asked)
    assert standin.env["AWS_SECRET_ACCESS_KEY"] not in console + (standin.folder / "log.jsonl").read_text()


def test_quiet_means_a_silent_console(start_standin: Start) -> None:
    standin = start_standin("--quiet")
    run_job(standin, input_lines(record_ids(100)), "quiet/in.jsonl")
    assert standin.client("bedrock-runtime").converse(
        modelId="amazon.nova-lite-v1:0", messages=[{"role": "user", "content": [{"text": "Hello."}]}]
    )
    assert standin.stop() == 0
    assert (standin.folder / "console.txt").read_text() == ""


def test_the_log_names_a_call_alike_however_it_ended(start_standin: Start) -> None:
    standin = start_standin("--fault", "lose-create-answer=1")
    uri = put(standin, "named/in.jsonl", input_lines(record_ids(100)))
    client = standin.client("bedrock")
    client.create_model_invocation_job(**create_request(standin, uri))
    with pytest.raises(client.exceptions.ValidationException):
        client.create_model_invocation_job(**create_request(standin, uri, modelId="nobody.knows-it"))
    calls = log(standin, asked="CreateModelInvocationJob")
    assert [call["status"] for call in calls] == [None, 200, 400]


def test_it_stops_with_the_program_that_holds_its_input(tmp_path: Path) -> None:
    standin = launch_standin(tmp_path, "--stop-on-eof", stdin=subprocess.PIPE)
    assert standin.process.stdin
    standin.process.stdin.write("still here\n")
    standin.process.stdin.flush()
    assert client_of(standin, "sts").get_caller_identity()["Account"]
    standin.process.stdin.close()
    try:
        assert standin.process.wait(20) == 0
    finally:
        standin.stop()


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.long)])
def test_connections_that_never_finish_keep_nobody_waiting(start_standin: Start, count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 200:
        pytest.skip(f"the system allows {hard} open files")
    with ExitStack() as opened:
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))  # as a shell may have it
        standin = start_standin()
        resource.setrlimit(resource.RLIMIT_NOFILE, (count + 200, hard))
        bedrock = client_of(standin, "bedrock")
        host, _, port = standin.endpoint.removeprefix("http://").partition(":")
        heads = (
            b"POST /model-invocation-job HTTP/1.1\r\nHost: x\r\nCont",
            b"GET / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab",
        )
        slowest = 0.0
        for number in range(count):
            connection = opened.enter_context(socket.create_connection((host, int(port)), timeout=20))
            connection.sendall(heads[number % 2])
            if number % 100 == 99:
                began = time.monotonic()
                bedrock.list_model_invocation_jobs()
                slowest = max(slowest, time.monotonic() - began)
        client_of(standin, "s3").list_buckets()
        assert slowest < 2
