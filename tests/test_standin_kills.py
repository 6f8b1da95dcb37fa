"""Kill -9 at any moment: jobs go on or end legally, and nothing is torn, lost or doubled."""

import json
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from conftest import Standin, launch_standin
from standin_cases import BUCKET, ENDED, create_request, input_lines, log, output_files, record_ids

# Moments to kill at, told from the folder of the stand-in.
MOMENTS: dict[str, Callable[[Path, str], bool]] = {
    "at once": lambda folder, job: True,
    "input linked": lambda folder, job: (folder / "jobs" / job / "input").is_dir(),
    "plan made": lambda folder, job: (folder / "jobs" / job / "plan.json").exists(),
    "first part": lambda folder, job: any((folder / "jobs" / job).glob("parts/*/*.part")),
    "fifth part": lambda folder, job: len(list((folder / "jobs" / job).glob("parts/*/*.part"))) >= 5,
    "parts joined": lambda folder, job: any((folder / "jobs" / job).glob("*.out")),
    "output put": lambda folder, job: any((folder / "s3" / BUCKET / "out" / job).glob("*.jsonl.out")),
    "manifest put": lambda folder, job: (folder / "s3" / BUCKET / "out" / job / "manifest.json.out").exists(),
}


class Story:
    """Several jobs on one folder whose stand-in is killed again and again."""

    def __init__(self, standin: Standin, dice: random.Random, speed: str = "instant") -> None:
        self.standin, self.speed = standin, speed
        self.dice = dice
        self.sent: dict[str, tuple[dict[str, Any], list[str]]] = {}
        self.phases: Counter[str] = Counter()

    def submit(self, name: str, count: int, **more: Any) -> None:
        """Upload and create, as a patient client would: the very same request until it is answered."""
        ids = record_ids(count, name)
        s3 = self.standin.client("s3")
        s3.put_object(Bucket=BUCKET, Key=f"kill/{name}.jsonl", Body=input_lines(ids).encode())
        uri = f"s3://{BUCKET}/kill/{name}.jsonl"
        request = create_request(self.standin, uri, jobName=name, clientRequestToken=f"kill-{name}", **more)
        self.sent[name] = request, ids
        self.standin.client("bedrock").create_model_invocation_job(**request)

    def jobs(self) -> dict[str, dict[str, Any]]:
        """List the jobs by name."""
        pages = self.standin.client("bedrock").get_paginator("list_model_invocation_jobs").paginate()
        return {job["jobName"]: job for page in pages for job in page["invocationJobSummaries"]}

    def kill_and_start(self, moment: str, name: str) -> None:
        """Wait for a moment of a job, kill, say what was hit, start again on the same folder."""
        job_id = self.jobs()[name]["jobArn"][-12:]
        deadline = time.monotonic() + 20
        ended = self.standin.folder / "s3" / BUCKET / "out" / job_id / "manifest.json.out"
        while not MOMENTS[moment](self.standin.folder, job_id) and not ended.exists():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert self.standin.stop(signal.SIGKILL) == -signal.SIGKILL
        store = sqlite3.connect(self.standin.folder / "jobs.sqlite")
        statuses = Counter(status for (status,) in store.execute("SELECT status FROM jobs"))
        store.close()
        parts = len(list((self.standin.folder / "jobs" / job_id).glob("parts/*/*.part")))
        self.phases[moment] += 1
        print(f"killed at '{moment}' of {name}: {parts} parts done; jobs: {dict(statuses)}")
        self.standin = launch_standin(self.standin.folder, "--speed", self.speed)

    def check(self) -> None:
        """Hold every job to the promises."""
        deadline = time.monotonic() + 120
        while any(job["status"] not in ENDED for job in self.jobs().values()):
            assert time.monotonic() < deadline, self.jobs()
            time.sleep(0.1)
        jobs = self.jobs()
        assert set(jobs) == set(self.sent)
        for name, job in jobs.items():
            self.check_job(job, self.sent[name][1])
            assert len(log(self.standin, did="create", token=f"kill-{name}")) <= 1
        self.check_events(jobs)

    def check_job(self, job: dict[str, Any], ids: list[str]) -> None:
        """A completed job has every record once; any other has none twice; counts agree with the manifest."""
        files = output_files(self.standin, job)
        assert job["status"] in ("Completed", "Stopped"), job
        if "manifest.json.out" not in files:
            assert job["status"] == "Stopped" and not files
            return
        [name] = [name for name in files if name.endswith(".jsonl.out")]
        assert files[name].endswith(b"\n") or not files[name]
        found = [json.loads(line)["recordId"] for line in files[name].splitlines()]
        assert len(found) == len(set(found)) and set(found) <= set(ids)
        numbers = json.loads(files["manifest.json.out"])
        assert numbers["processedRecordCount"] == len(found) == job["processedRecordCount"]
        if job["status"] == "Completed":
            assert sorted(found) == ids

    def check_events(self, jobs: dict[str, dict[str, Any]]) -> None:
        """Events tell a legal way through the statuses; a kill may lose one, but never invents one."""
        lines = (self.standin.folder / "events.jsonl").read_text().splitlines()
        told: dict[str, list[str]] = {}
        for event in map(json.loads, lines):
            told.setdefault(event["detail"]["batchJobName"], []).append(event["detail"]["status"])
        for name in jobs:
            order = ["Submitted", "Validating", "Scheduled", "InProgress", "Stopping", *ENDED]
            places = [order.index(status) for status in told[name]]
            assert places == sorted(places) and len(set(places)) == len(places), told[name]


def tell_story(standin: Standin, seed: int, moments: list[str], records: int) -> Story:
    """Submit jobs, stop some, and kill at the given moments in a seeded order."""
    story = Story(standin, random.Random(seed))
    story.dice.shuffle(moments)
    for number, moment in enumerate(moments):
        name = f"job{number}"
        story.submit(name, records)
        if number % 4 == 3:
            arn = story.jobs()[name]["jobArn"]
            with_luck(
                lambda arn=arn: story.standin.client("bedrock").stop_model_invocation_job(jobIdentifier=arn)
            )
        story.kill_and_start("at once" if number % 4 == 3 else moment, name)
    return story


def with_luck(call: Callable[[], Any]) -> None:
    """Make a call that may come too late."""
    try:
        call()
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ValidationException"


def test_three_kills(start_standin: Callable[..., Standin]) -> None:
    story = tell_story(start_standin(), 1, ["first part", "parts joined", "output put"], records=300)
    try:
        story.check()
    finally:
        story.standin.stop()


@pytest.mark.long
def test_twenty_kills(start_standin: Callable[..., Standin]) -> None:
    moments = ([*MOMENTS] * 3)[:20]
    story = tell_story(start_standin(), 11, moments, records=1500)
    try:
        story.check()
    finally:
        story.standin.stop()
    assert sum(story.phases.values()) == 20
    print(dict(story.phases))


@pytest.mark.long
def test_twenty_kills_in_one_job(start_standin: Callable[..., Standin]) -> None:
    story = Story(start_standin("--workers", "1"), random.Random(5), speed="2.5")
    story.submit("long", 12_000)
    job_id = story.jobs()["long"]["jobArn"][-12:]
    done: list[int] = []
    for number in range(20):
        before = parts = set((story.standin.folder / "jobs" / job_id).glob("parts/*/*.part"))
        deadline = time.monotonic() + 30
        while not parts - before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
            parts = set((story.standin.folder / "jobs" / job_id).glob("parts/*/*.part"))
        story.speed = "2.5" if number < 19 else "instant"  # two minutes for what the restarts leave
        story.kill_and_start("at once", "long")
        done.append(len(parts))
    assert done == sorted(set(done))
    try:
        story.check()
        assert story.jobs()["long"]["status"] == "Completed"
    finally:
        story.standin.stop()


@pytest.mark.long
def test_a_kill_during_uploads_leaves_no_torn_object(start_standin: Callable[..., Standin]) -> None:
    import hashlib
    from concurrent.futures import ThreadPoolExecutor

    standin, dice = start_standin(), random.Random(3)
    bodies = {f"up/{n % 5}": [dice.randbytes(3_000_000), dice.randbytes(2_500_000)] for n in range(5)}
    for _ in range(6):

        def upload(key: str, standin: Standin = standin) -> None:
            try:
                for body in bodies[key] * 10:
                    standin.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
            except BotoCoreError:
                pass  # the kill

        standin.client("s3")
        with ThreadPoolExecutor(5) as threads:
            running = [threads.submit(upload, key) for key in bodies]
            time.sleep(dice.uniform(0.2, 0.8))
            standin.stop(signal.SIGKILL)
            for future in running:
                future.result()
        standin = launch_standin(standin.folder, "--speed", "instant")
        s3 = standin.client("s3")
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix="up/").get("Contents", [])
        for item in listed:
            got = s3.get_object(Bucket=BUCKET, Key=item["Key"])
            body = got["Body"].read()
            assert body in bodies[item["Key"]]
            assert got["ETag"] == item["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
            assert item["Size"] == len(body)
    standin.stop()
