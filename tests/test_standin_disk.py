"""A disk without space: what only reads goes on, jobs end and say why, and nothing that was kept is lost."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import Standin
from standin_cases import (
    BUCKET,
    create,
    events,
    get,
    input_lines,
    log,
    output_records,
    put,
    record_ids,
    run_job,
    wait_for,
)

from bbkit.standin.logs import tell_refusals

Start = Callable[..., Standin]
PROFILE = {"copyFrom": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"}


def asks_once(standin: Standin, service: str, name: str = "test") -> Any:
    config = Config(user_agent_extra=name, retries={"total_max_attempts": 1})
    return boto3.client(service, endpoint_url=standin.endpoint, config=config)


@contextmanager
def files_of_at_most(standin: Standin, size: int) -> Iterator[None]:
    """Let no file of a stand-in, nor of the engine it starts meanwhile, grow beyond a size."""
    before = resource.prlimit(standin.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(standin.process.pid, resource.RLIMIT_FSIZE, (size, before[1]))
    yield
    resource.prlimit(standin.process.pid, resource.RLIMIT_FSIZE, before)


def test_a_job_whose_output_cannot_be_written_fails_and_the_next_does_not(start_standin: Start) -> None:
    standin = start_standin("--workers", "1")
    uri = put(standin, "full/in.jsonl", input_lines(record_ids(2000)))
    with files_of_at_most(standin, 500_000):
        job = wait_for(standin, create(standin, uri))
    assert job["status"] == "Failed" and "cannot write to its disk (File too large)" in job["message"]
    assert events(standin, job["jobArn"])[-1]["detail"]["failureMessage"] == job["message"]
    standin.stop()
    standin = start_standin(folder=standin.folder)
    assert get(standin, job["jobArn"])["status"] == "Failed"
    assert (
        len(output_records(standin, run_job(standin, input_lines(record_ids(100)), "full/new.jsonl"))) == 100
    )


def test_nothing_can_be_written_and_calls_are_answered_and_told_of_later(start_standin: Start) -> None:
    standin = start_standin()
    job = run_job(standin, input_lines(record_ids(100)), "none/in.jsonl")
    before = len(log(standin))
    bedrock, s3 = asks_once(standin, "bedrock", "unlucky"), standin.client("s3")
    with files_of_at_most(standin, 1):
        with pytest.raises(ClientError, match="cannot write to its disk"):
            bedrock.create_inference_profile(inferenceProfileName="a", modelSource=PROFILE)
        assert get(standin, job["jobArn"])["status"] == "Completed"
        assert standin.client("bedrock").list_model_invocation_jobs()["invocationJobSummaries"]
        assert s3.get_object(Bucket=BUCKET, Key="none/in.jsonl")["Body"].read()
        assert len(log(standin)) == before and "unlucky" not in tell_refusals(standin.folder)
    assert bedrock.list_inference_profiles(typeEquals="APPLICATION")["inferenceProfileSummaries"] == []
    assert "unlucky\n" in tell_refusals(standin.folder) and len(log(standin)) >= before + 4
    assert not list(standin.folder.glob(".profiles.json*"))


@pytest.mark.parametrize("blocks", [0, 100])
def test_a_stand_in_that_cannot_keep_anything_does_not_start(tmp_path: Path, blocks: int) -> None:
    command = f"ulimit -f {blocks}; exec {sys.executable} -m bbkit.standin {tmp_path}"
    told = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.startswith("bbkit standin: The stand-in cannot write to its disk (")
    assert told.stderr.count("\n") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(folder)]
    try:
        made = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if made.returncode:
        pytest.skip(f"a disk cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Reader(threading.Thread):
    """Asks again and again what only reads, and keeps what went wrong."""

    def __init__(self, standin: Standin, arn: str) -> None:
        super().__init__(daemon=True)
        bedrock, s3 = asks_once(standin, "bedrock"), asks_once(standin, "s3")
        self.calls: list[Callable[[], Any]] = [
            lambda: bedrock.get_model_invocation_job(jobIdentifier=arn),
            bedrock.list_model_invocation_jobs,
            lambda: s3.list_objects_v2(Bucket=BUCKET),
            lambda: s3.head_object(Bucket=BUCKET, Key="disk/in.jsonl"),
            lambda: output_records(standin, get(standin, arn)),
        ]
        self.done, self.count, self.slowest = threading.Event(), 0, 0.0
        self.faults: list[str] = []

    def run(self) -> None:
        """Go on until told."""
        while not self.done.wait(0.01):
            for call in self.calls:
                began = time.monotonic()
                try:
                    call()
                except Exception as error:
                    self.faults.append(repr(error))
                self.count += 1
                self.slowest = max(self.slowest, time.monotonic() - began)


def fill(path: Path) -> None:
    """Write until nothing is left of the disk."""
    with path.open("ab", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_disk_of_20_mb(start_standin: Start, small_disk: Path, how: int) -> None:
    standin = start_standin("--speed", "fast", folder=small_disk / "standin")
    kept = run_job(standin, input_lines(record_ids(100)), "disk/in.jsonl")
    reader = Reader(standin, kept["jobArn"])
    reader.start()
    uri = put(standin, "disk/big.jsonl", input_lines(record_ids(3000)))
    arn = create(standin, uri)
    wait_for(standin, arn, ("InProgress",))
    ballast = small_disk / "ballast"
    fill(ballast)
    job = wait_for(standin, arn)
    assert job["status"] == "Failed" and "No space left on device" in job["message"]
    fill(ballast)
    more = [create(standin, uri, jobName=f"more-{number}") for number in range(5)]
    assert {wait_for(standin, one)["status"] for one in more} == {"Failed"}
    bedrock = asks_once(standin, "bedrock", "unlucky")
    with pytest.raises(ClientError, match="cannot write to its disk"):
        bedrock.create_inference_profile(inferenceProfileName="a", modelSource=PROFILE)
    with pytest.raises(ClientError):
        asks_once(standin, "s3", "uploader").put_object(Bucket=BUCKET, Key="more", Body=bytes(3_000_000))
    standin.client("s3").delete_object(Bucket=BUCKET, Key="disk/big.jsonl")
    assert "Contents" not in standin.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="disk/big")
    reader.done.set()
    reader.join()
    assert (reader.faults, reader.slowest < 2) == ([], True) and reader.count > 100
    os.truncate(ballast, ballast.stat().st_size - 15_000_000)
    get(standin, arn)
    told = tell_refusals(standin.folder)
    assert "unlucky\n" in told and "uploader\n" in told and "cannot write to its disk" in told
    standin.stop(how)
    standin = start_standin(folder=standin.folder)
    assert [get(standin, one)["status"] for one in (kept["jobArn"], arn)] == ["Completed", "Failed"]
    assert len(output_records(standin, kept)) == 100
    assert (
        len(output_records(standin, run_job(standin, input_lines(record_ids(100)), "disk/new.jsonl"))) == 100
    )
    assert events(standin, arn)[-1]["detail"]["status"] == "Failed"
    assert all(json.loads(line) for line in (standin.folder / "log.jsonl").read_text().splitlines())
    standin.stop()
