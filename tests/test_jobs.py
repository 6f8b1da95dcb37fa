"""Submitting, waiting, stopping and cleaning up, over the stand-in; its own log is the witness."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from botocore import exceptions
from conftest import ATTEMPTS, Standin, launch_standin

import bbkit as bb
from bbkit import aws
from bbkit.cli import main
from bbkit.core.errors import AwsError, CredentialsError, InputError, PlaceError, RunError
from bbkit.core.frames import JOB_COLUMNS
from bbkit.jobs import PLAN_COLUMNS, clean_run
from bbkit.jobs.watches import JobWatch
from bbkit.outputs.accounts import Accounting
from bbkit.run import RunSnapshot
from bbkit.run.journal import TERMINAL

MODEL = "amazon.nova-micro-v1:0"
BODY = {
    "messages": [
        {"role": "user", "content": [{"text": "Customer: my parcel is late. Agent: it comes today."}]}
    ]
}


def make_run(folder: Path, *, files: int = 1, records: int = 5, **options: Any) -> bb.Run:
    """A run of `files` files of `records` records; its stand-in must take so few."""
    run = bb.Run.create(folder, model_id=MODEL, **options)
    quotas = replace(bb.Quotas.defaults(MODEL), min_records_per_job=records, max_records_per_job=records)
    bb.write_records([(f"c{number:04d}", BODY) for number in range(files * records)], run, quotas=quotas)
    assert len(run.record_files()) == files
    return run


def read_log(standin: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (standin.folder / "log.jsonl").read_text().splitlines()]


def created(standin: Any, run: bb.Run) -> Counter[str]:
    """How often the stand-in made a job of each name, of one run."""
    names = [entry["name"] for entry in read_log(standin) if entry.get("did") == "create"]
    return Counter(name for name in names if run.run_id[:8] in name)


def most_in_flight(standin: Any) -> int:
    """The most jobs that were between Create and their end at once, by the stand-in's log."""
    open_jobs: set[str] = set()
    most = 0
    for entry in read_log(standin):
        if entry.get("did") == "create":
            open_jobs.add(entry["job"])
        elif entry.get("did") == "move" and entry["status"] in TERMINAL:
            open_jobs.discard(entry["job"])
        most = max(most, len(open_jobs))
    return most


def check_counts(run: bb.Run, records: int) -> Accounting:
    told = bb.accounting(bb.collect_outputs(run))
    numbers = told.numbers
    assert numbers["sent"] == records
    assert sum(numbers[name] for name in ("succeeded", "errored", "missing", "pending")) == records
    return told


@pytest.fixture(scope="module")
def small_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    running = launch_standin(tmp_path_factory.mktemp("small"), "--speed", "instant", "--min-records", "5")
    yield running
    running.stop()


@pytest.fixture
def small(small_process: Standin, monkeypatch: pytest.MonkeyPatch) -> Standin:
    """A stand-in that takes jobs of five records."""
    return small_process.use(monkeypatch)


def test_submitting_again_and_again_makes_one_job(small: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", files=2)
    for _ in range(3):
        jobs = bb.submit_jobs(run)
    assert {name: str(dtype) for name, dtype in jobs.dtypes.items()} == JOB_COLUMNS
    jobs = bb.wait_for_jobs(run)
    assert bb.submit_jobs(run).equals(jobs.assign(seen_at=bb.submit_jobs(run)["seen_at"]))
    assert list(jobs["status"]) == ["Completed", "Completed"]
    assert list(jobs["records"]) == [5, 5]
    assert created(small, run) == {f"calls-{run.run_id[:8]}-1-000{number}-1": 1 for number in (1, 2)}
    assert (jobs["ended_at"] >= jobs["submitted_at"]).all()


def test_what_create_is_asked_with_is_what_the_run_says(small: Any, tmp_path: Path) -> None:
    options = {
        "tags": {"team": "calls"},
        "timeout_hours": 48,
        "kms_key_id": f"arn:aws:kms:us-east-1:{small.account}:key/11111111-2222-3333-4444-555555555555",
        "vpc_config": {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
        "bucket_owner": small.account,
    }
    run = make_run(tmp_path / "calls", **options)
    arn = bb.submit_jobs(run)["job_arn"].iloc[0]
    job = aws.get_job(arn)
    assert job["timeoutDurationInHours"] == 48
    assert job["vpcConfig"] == options["vpc_config"]
    assert job["outputDataConfig"]["s3OutputDataConfig"]["s3EncryptionKeyId"] == options["kms_key_id"]
    assert job["inputDataConfig"]["s3InputDataConfig"]["s3BucketOwner"] == small.account
    tags = aws.client("bedrock").list_tags_for_resource(resourceARN=arn)["tags"]
    assert tags == [{"key": "team", "value": "calls"}]
    intended = next(event for event in run.journal.read() if event["event"] == "intent")["request"]
    assert intended["clientRequestToken"] == job["clientRequestToken"]


def test_the_token_depends_on_every_parameter_and_on_the_records(small: Any, tmp_path: Path) -> None:
    from bbkit.jobs.submissions import make_request
    from bbkit.run.journal import JobState

    run = make_run(tmp_path / "calls")
    files, state = run.record_files(), JobState("1-0001", 1, 1)

    def token(run: bb.Run, state: JobState, files: list[Any]) -> str:
        return make_request(run, state, files)["clientRequestToken"]

    tokens = [
        token(run, state, files),
        token(run, JobState("1-0001", 1, 2), files),
        token(run.change(timeout_hours=25), state, files),
        token(run.change(role_arn=run.role_arn + "2"), state, files),
        token(run.change(tags={"a": "b"}), state, files),
        token(run, state, [replace(files[0], sha256="0" * 64)]),
        token(replace(run, run_id="f" * 32), state, files),
    ]
    assert len(set(tokens)) == len(tokens)
    assert tokens[0] == token(
        bb.Run.open(run.folder).change(timeout_hours=24, role_arn=run.role_arn, tags={}), state, files
    )


def test_an_answer_that_was_lost_makes_no_second_job(small: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", tags={"bbkit:fault": f"lose-create-answer={ATTEMPTS + 1}"})
    with pytest.raises(AwsError, match="No answer from AWS"):
        bb.submit_jobs(run)
    assert RunSnapshot.read(run).table()["job_arn"].isna().all()
    assert list(bb.wait_for_jobs(bb.Run.open(run.folder))["status"]) == ["Completed"]
    assert set(created(small, run).values()) == {1}
    found = [event["found_by"] for event in run.journal.read() if event["event"] == "submitted"]
    assert found == ["list"]


def test_throttling_leaves_the_job_queued_for_whoever_waits(small: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", files=2, tags={"bbkit:fault": f"throttle-create={ATTEMPTS + 1}"})
    jobs = bb.submit_jobs(run)
    assert jobs["status"].isna().any()
    assert "ThrottlingException" in jobs["message"].dropna().iloc[0]
    assert list(bb.wait_for_jobs(run)["status"]) == ["Completed", "Completed"]
    assert set(created(small, run).values()) == {1}


def test_a_refusal_is_told_and_tried_again_only_on_request(small: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", tags={"bbkit:fault": "refuse-pass-role"})
    with pytest.raises(AwsError, match=r"AccessDeniedException.*--policies"):
        bb.submit_jobs(run)
    jobs = bb.wait_for_jobs(run, timeout=10)
    assert jobs["status"].isna().all()
    assert "AccessDenied" in jobs["message"].iloc[0]
    repaired = run.change(tags={})
    assert bb.submit_jobs(repaired)["job_arn"].notna().all()
    assert list(bb.wait_for_jobs(repaired)["status"]) == ["Completed"]


def test_a_foreign_role_is_refused(small: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", role_arn="arn:aws:iam::444455556666:role/Theirs")
    with pytest.raises(AwsError, match="Cross-account pass role is not allowed"):
        bb.submit_jobs(run)


def test_a_failed_job_is_submitted_again_only_when_asked(small: Any, tmp_path: Path) -> None:
    wrong = f"arn:aws:iam::{small.account}:role/MayNotRead"
    run = make_run(tmp_path / "calls", role_arn=wrong, tags={"bbkit:fault": "fail-validation"})
    bb.submit_jobs(run)
    assert list(bb.wait_for_jobs(run)["status"]) == ["Failed"]
    run = run.change(role_arn=os.environ["BBKIT_ROLE_ARN"], tags={})
    assert len(bb.submit_jobs(run)) == 1
    assert len(bb.submit_jobs(run, again=["Expired"])) == 1
    jobs = bb.submit_jobs(run, again=["Failed"])
    assert list(jobs["submission"]) == [1, 2]
    jobs = bb.wait_for_jobs(run)
    assert list(jobs["status"]) == ["Failed", "Completed"]
    assert jobs["job_arn"].nunique() == 2
    assert len(bb.submit_jobs(run, again=["Failed"])) == 2
    assert str(check_counts(run, 5)) == "5 sent = 5 succeeded"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("", "Completed"),
        ("record-errors=0.4", "Completed"),
        ("missing-lines=0.4", "Completed"),
        ("slow-counters=60", "Completed"),
        ("odd-text", "Completed"),
        ("missing-usage", "Completed"),
        ("expire", "Expired"),
        ("time-out=0.5", "PartiallyCompleted"),
        ("fail-validation", "Failed"),
        ("fail", "Failed"),
    ],
)
def test_every_end_is_a_table_whose_counts_add_up(
    small: Any, tmp_path: Path, fault: str, status: str
) -> None:
    run = make_run(tmp_path / "calls", records=20, tags={"bbkit:fault": fault} if fault else {})
    bb.submit_jobs(run)
    jobs = bb.wait_for_jobs(run, timeout=60)
    assert list(jobs["status"]) == [status]
    counts = jobs[["records", "processed", "succeeded", "errored"]].fillna(0).iloc[0]
    assert counts["processed"] == counts["succeeded"] + counts["errored"]
    if status == "Completed" and "missing-lines" not in fault:
        assert counts["processed"] == counts["records"]
    told = check_counts(run, 20)
    assert told.numbers["pending"] == 0
    found = bb.diagnose_outputs(bb.collect_outputs(run))
    if not told.complete or told.numbers["errored"]:
        assert (found["remedy"].str.len() > 0).any()


@pytest.mark.parametrize(("files", "restarts"), [(6, (2,)), pytest.param(12, (3, 6), marks=pytest.mark.long)])
def test_a_quota_of_three_is_never_exceeded(
    start_standin: Callable[..., Any], tmp_path: Path, files: int, restarts: tuple[int, ...]
) -> None:
    standin = start_standin("--min-records", "5", "--max-jobs", "3", "--speed", "fast")
    run = make_run(tmp_path / "calls", files=files)
    jobs = bb.submit_jobs(run)
    assert (jobs["job_arn"].notna().sum(), jobs["status"].isna().sum()) == (3, files - 3)
    for least in restarts:
        with waiting_process(run):
            wait_until(lambda least=least: count_ended(standin) >= least)
    with waiting_process(run) as second:
        jobs = bb.wait_for_jobs(run, every=0.2, timeout=120)
        assert second.wait(60) == 0
    assert list(jobs["status"]) == ["Completed"] * files
    assert most_in_flight(standin) == 3
    assert set(created(standin, run).values()) == {1}
    assert str(check_counts(run, 5 * files)) == f"{5 * files} sent = {5 * files} succeeded"


# A shell that starts the tests in the background has it ignored.
INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


@contextlib.contextmanager
def waiting_process(run: bb.Run) -> Iterator[subprocess.Popen[bytes]]:
    """Wait in a process of its own, which is killed when the block is left."""
    script = f"{INTERRUPTIBLE}import sys, bbkit as bb; bb.wait_for_jobs(bb.Run.open(sys.argv[1]), every=0.2)"
    process = subprocess.Popen([sys.executable, "-c", script, str(run.folder)], stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def count_ended(standin: Any) -> int:
    return sum(entry.get("did") == "move" and entry["status"] in TERMINAL for entry in read_log(standin))


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Poll with a deadline."""
    ticker = threading.Event()
    for _ in range(int(seconds / 0.1)):
        if holds():
            return
        ticker.wait(0.1)
    raise AssertionError("it did not come to pass in time")


def test_waiting_says_what_changed_and_runs_what_was_asked(
    small: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)
    seen: list[pd.DataFrame] = []
    bb.wait_for_jobs(run, on_end=seen.append)
    said = capsys.readouterr()
    assert said.out == ""
    assert "1 of 1 job ended" in said.err or "Completed" in said.err
    assert list(seen[0]["status"]) == ["Completed"]
    bb.wait_for_jobs(run, on_end='printf "%s" "$BBKIT_RUN" > "$BBKIT_RUN/told.txt"')
    assert (run.folder / "told.txt").read_text() == str(run.folder)
    with pytest.raises(RunError, match="exit status 3"):
        bb.wait_for_jobs(run, on_end="exit 3")


def run_on_a_terminal(*command: object) -> str:
    """What a program shows on a terminal of its own."""
    shown, terminal = pty.openpty()
    with subprocess.Popen([*map(str, command)], stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        parts = [b""]
        with contextlib.suppress(OSError):  # the end of a terminal that nobody holds any more
            while parts[-1] or len(parts) == 1:
                parts.append(os.read(shown, 1 << 16))
        os.close(shown)
    assert process.returncode == 0, parts
    return b"".join(parts).decode()


def test_a_terminal_shows_how_far_the_jobs_are_and_a_pipe_does_not(small: Any, tmp_path: Path) -> None:
    bbkit, status = (
        Path(sys.executable).with_name("bbkit"),
        "\r\x1b[K1 of 1 job ended; 5 of 5 records processed",
    )
    folders = [make_run(tmp_path / name).folder for name in ("one", "two")]
    for folder in folders:
        bb.submit_jobs(bb.Run.open(folder))
    assert status in run_on_a_terminal(bbkit, "wait", folders[0])
    piped = subprocess.run([bbkit, "wait", folders[0]], capture_output=True, check=True)
    assert b"\x1b" not in piped.stdout + piped.stderr
    notebook = ("report", "02-launch", "-p", "run_folder", folders[1], "-o", tmp_path / "page.html")
    assert status in run_on_a_terminal(bbkit, *notebook)


def test_a_timeout_gives_the_table_and_loses_nothing(
    start_standin: Callable[..., Any], tmp_path: Path
) -> None:
    start_standin("--min-records", "5", "--speed", "realistic")
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)
    called: list[Any] = []
    jobs = bb.wait_for_jobs(run, timeout=0, on_end=called.append)
    assert not set(jobs["status"]) & set(TERMINAL)
    assert not called
    assert check_counts(run, 5).numbers["pending"] == 5


def test_jobs_are_stopped_and_the_queue_is_emptied(start_standin: Callable[..., Any], tmp_path: Path) -> None:
    standin = start_standin("--min-records", "5", "--max-jobs", "1", "--speed", "fast")
    run = make_run(tmp_path / "calls", files=2)
    bb.submit_jobs(run)
    jobs = bb.stop_jobs(run)
    assert set(jobs["status"]) <= {"Stopping", "Stopped"}
    jobs = bb.stop_jobs(run, jobs["job_arn"].to_list())
    with pytest.raises(InputError, match="is no job of run 'calls'"):
        bb.stop_jobs(run, ["arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/abcdefghijkl"])
    assert sum(created(standin, run).values()) == 1
    assert list(bb.wait_for_jobs(run, timeout=40)["status"]) == ["Stopped"]
    assert list(bb.stop_jobs(run)["status"]) == ["Stopped"]
    told = check_counts(run, 10)
    assert (told.numbers["missing"], told.numbers["pending"]) == (5, 5)


def test_a_job_that_ends_while_it_is_stopped_is_no_error(small: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)
    known = run.journal.path.read_bytes()
    bb.wait_for_jobs(run)
    # As if this process had last looked before the end.
    run.journal.path.write_bytes(known)
    assert list(bb.stop_jobs(run)["status"]) == ["Completed"]


def test_cleaning_lists_then_deletes_what_the_run_left(small: Any, tmp_path: Path) -> None:
    run, other = make_run(tmp_path / "calls"), make_run(tmp_path / "calls2")
    for each in (run, other):
        bb.submit_jobs(each)
        bb.wait_for_jobs(each)
    left = clean_run(run)
    assert left["uri"].str.startswith(run.s3_prefix).all()
    assert sorted(uri.rpartition("/")[2] for uri in left["uri"]) == [
        "1-0001.jsonl",
        "1-0001.jsonl.out",
        "manifest.json.out",
    ]
    kept = len(clean_run(other))
    assert clean_run(run, delete=True).equals(left)
    assert clean_run(run).empty
    assert len(clean_run(other)) == kept


def test_nothing_is_overwritten_in_s3(small: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls")
    bucket, key = aws.split_s3_uri(f"{run.s3_prefix}input/1-0001.jsonl")
    aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"another's")
    with pytest.raises(AwsError, match="already exists with other content"):
        bb.submit_jobs(run)
    assert aws.read_object(f"s3://{bucket}/{key}") == b"another's"
    assert created(small, run) == {}


def test_a_file_changed_after_it_was_written_is_refused(small: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls")
    run.record_files()[0].path.write_text("{}\n")
    with pytest.raises(RunError, match="is not the file that write_records wrote"):
        bb.submit_jobs(run)
    assert created(small, run) == {}


def test_uploads_are_told_and_not_repeated(small: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", tags={"bbkit:fault": "refuse-pass-role"})
    told: list[tuple[int, int]] = []
    for _ in range(2):
        with pytest.raises(AwsError):
            bb.submit_jobs(run, progress=lambda sent, total: told.append((sent, total)))
        size = run.record_files()[0].bytes
        assert told[-1] == (size, size)
    puts = [
        entry
        for entry in read_log(small)
        if entry.get("asked") == "PutObject" and run.run_id[:8] in entry["path"]
    ]
    assert len(puts) == 1


@pytest.mark.parametrize("escape", [lambda line: line.replace("/", "\\/"), lambda line: line])
def test_the_place_of_media_is_found_however_json_writes_it(
    small: Standin, tmp_path: Path, escape: Callable[[str], str]
) -> None:
    source = {"s3Location": {"uri": "s3://bbkit-standin/médias/v.mp4"}}
    content = [
        {"video": {"format": "mp4", "source": source}},
        {"text": 'no "s3Location": {"uri": "s3://x/"}'},
    ]
    body = {"messages": [{"role": "user", "content": content}]}
    path = tmp_path / "in.jsonl"
    lines = [escape(json.dumps({"recordId": f"r{number}", "modelInput": body})) for number in range(5)]
    path.write_text("\n".join(lines))
    run = bb.Run.create(tmp_path / "calls", model_id="amazon.nova-lite-v1:0")
    bb.write_records(path, run)
    assert [file.media for file in run.record_files()] == ["s3://bbkit-standin/médias/"]


def test_records_with_media_are_read_from_the_folder_of_the_media(small: Standin, tmp_path: Path) -> None:
    media = f"s3://bbkit-standin/media/{tmp_path.name}/"
    s3 = aws.client("s3")
    bucket, prefix = aws.split_s3_uri(media)
    s3.put_object(Bucket=bucket, Key=f"{prefix}a/call.mp4", Body=b"video")
    source = {"s3Location": {"uri": f"{media}a/call.mp4"}}
    seen = {
        "messages": [
            {"role": "user", "content": [{"video": {"format": "mp4", "source": source}}, {"text": "?"}]}
        ]
    }
    run = bb.Run.create(tmp_path / "calls", model_id="amazon.nova-lite-v1:0")
    quotas = replace(bb.Quotas.defaults(MODEL), min_records_per_job=5, max_records_per_job=5)
    bb.write_records([(f"{tmp_path.name}-{number}", seen) for number in range(10)], run, quotas=quotas)
    folder = f"{media}a/"
    assert {file.media for file in run.record_files()} == {folder}
    s3.put_object(Bucket=bucket, Key=f"{prefix}a/old.jsonl", Body=b"{}")
    with pytest.raises(AwsError, match=r"holds other input files .*old\.jsonl"):
        bb.submit_jobs(run)
    assert created(small, run) == {}
    s3.delete_object(Bucket=bucket, Key=f"{prefix}a/old.jsonl")
    bb.submit_jobs(run)
    jobs = bb.wait_for_jobs(run, timeout=60)
    assert list(jobs["status"]) == ["Completed", "Completed"]
    assert list(jobs["processed"]) == [5, 5]
    assert aws.get_job(jobs["job_arn"].iloc[0])["inputDataConfig"]["s3InputDataConfig"]["s3Uri"] == folder
    # The second job waited for the first, whose input file was then taken away.
    left = [uri.rpartition("-")[2] for uri in clean_run(run)["uri"] if uri.startswith(media)]
    assert left == ["0002.jsonl"]
    assert check_counts(run, 10).numbers["missing"] == 0
    clean_run(run, delete=True)
    assert [item.uri for item in aws.list_objects(media)] == [f"{folder}call.mp4"]


def test_an_interrupted_wait_is_taken_up_again(start_standin: Callable[..., Standin], tmp_path: Path) -> None:
    standin = start_standin("--min-records", "5", "--speed", "fast")
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)
    before = len(run.journal.read())
    with waiting_process(run) as waiting:
        wait_until(lambda: len(run.journal.read()) > before)
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(20) != 0
    with pytest.raises(RunError, match="have not ended"):
        clean_run(run, delete=True)
    assert list(bb.wait_for_jobs(run, timeout=60)["status"]) == ["Completed"]
    assert set(created(standin, run).values()) == {1}


IN_KERNEL = f"""{INTERRUPTIBLE}
import io, sys
import bbkit as bb
sys.stderr = type("OutStream", (io.StringIO,), {{"__module__": "ipykernel.iostream"}})()
jobs = bb.wait_for_jobs(bb.Run.open(sys.argv[1]), every=0.2)
print(len(jobs), jobs.attrs["done"], jobs.attrs["left"])
"""


def test_interrupting_a_wait_in_a_notebook_gives_the_jobs_and_a_sentence(
    start_standin: Callable[..., Standin], tmp_path: Path
) -> None:
    start_standin("--min-records", "5", "--speed", "realistic")
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)
    command = [sys.executable, "-u", "-c", IN_KERNEL, str(run.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout is not None and "0 of 1 job ended" in waiting.stdout.readline()
        waiting.send_signal(signal.SIGINT)
        said, _ = waiting.communicate(timeout=30)
    assert waiting.returncode == 0
    assert "The wait was interrupted; the jobs go on." in said
    assert "1 False" in said and "not ended" in said


def test_another_place_is_refused_naming_both(start_standin: Callable[..., Any], tmp_path: Path) -> None:
    first = start_standin("--min-records", "5")
    run = make_run(tmp_path / "calls")
    before = sorted(run.folder.rglob("*"))
    second = start_standin("--min-records", "5")
    for call in (bb.submit_jobs, bb.stop_jobs, clean_run):
        with pytest.raises(PlaceError) as caught:
            call(run)
        assert first.account in str(caught.value)
        assert second.account in str(caught.value)
    assert sorted(run.folder.rglob("*")) == before
    assert created(second, run) == {}


def test_without_credentials_it_ends_within_five_seconds(small: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls")
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    script = "import sys, bbkit as bb; bb.submit_jobs(bb.Run.open(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", script, str(run.folder)],
        env=bare, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert "CredentialsError: There are no AWS credentials." in done.stderr
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before
    assert created(small, run) == {}


def test_bad_use_is_one_sentence(small: Any, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "empty", model_id=MODEL)
    with pytest.raises(RunError, match="has no records"):
        bb.submit_jobs(run)
    with pytest.raises(RunError, match="No job of run 'empty' was submitted"):
        bb.wait_for_jobs(run)
    with pytest.raises(InputError, match="again= names 'Completed'"):
        bb.submit_jobs(run, again=["Completed"])
    full = make_run(tmp_path / "calls")
    bb.submit_jobs(full)
    with pytest.raises(InputError, match="every is 0"):
        bb.wait_for_jobs(full, every=0)
    for wrong in ({"every": "a"}, {"timeout": "5"}):
        with pytest.raises(InputError, match="is a number of seconds"):
            bb.wait_for_jobs(full, **wrong)
    with pytest.raises(InputError, match=r"again= is None\. It is a list of"):
        bb.submit_jobs(full, again=None)
    with pytest.raises(InputError, match=r"'failed'.*Did you mean 'Failed'\?"):
        bb.submit_jobs(full, again="Expired failed")
    with pytest.raises(InputError, match="None is not the ARN of a batch job"):
        bb.Run.adopt(None, tmp_path / "adopted")


@contextlib.contextmanager
def on_call(operation: str, act: Callable[[], object]) -> Iterator[list[str]]:
    """Do something just before boto3 sends a call; gives the calls that were about to be sent."""
    events, name = aws.client("bedrock").meta.events, f"before-call.bedrock.{operation}"
    seen: list[str] = []

    def handler(**_: Any) -> None:
        seen.append(operation)
        act()

    events.register(name, handler)
    try:
        yield seen
    finally:
        events.unregister(name, handler)


def test_credentials_that_run_out_while_it_waits_are_waited_for(
    start_standin: Callable[..., Standin], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start_standin("--min-records", "5", "--speed", "fast")
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)

    def expire() -> None:
        if len(calls) == 2:
            raise exceptions.TokenRetrievalError(provider="sso", error_msg="Token has expired")

    with on_call("GetModelInvocationJob", expire) as calls:
        assert list(bb.wait_for_jobs(run, every=0.2, timeout=60)["status"]) == ["Completed"]
    assert "AWS credentials cannot be used" in capsys.readouterr().err
    assert len(calls) > 2


def test_one_job_that_aws_does_not_tell_of_holds_up_no_other(
    start_standin: Callable[..., Standin], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start_standin("--min-records", "5", "--fault", "fail-call=GetModelInvocationJob:AccessDeniedException:1")
    run = make_run(tmp_path / "calls", files=2)
    # The call that is refused is the first after the submission.
    jobs = bb.submit_jobs(run)
    assert jobs["message"].str.contains("AccessDenied").sum() == 1
    jobs = bb.wait_for_jobs(run, timeout=60)
    assert list(jobs["status"]) == ["Completed", "Completed"]
    assert not jobs["message"].str.contains("AccessDenied").any()


@pytest.mark.parametrize("moment", ["upload", "create"])
def test_a_stop_reaches_a_submission_that_is_under_way(small: Standin, tmp_path: Path, moment: str) -> None:
    run = make_run(tmp_path / "calls", files=3)
    if moment == "upload":
        bb.submit_jobs(run, progress=lambda sent, total: bb.stop_jobs(run))
        assert created(small, run) == {}
    else:
        with (
            on_call("CreateModelInvocationJob", lambda: bb.stop_jobs(run)) as creations,
            on_call("StopModelInvocationJob", lambda: None) as stops,
        ):
            bb.submit_jobs(run)
        assert (len(creations), len(stops)) == (1, 1)
        assert sum(created(small, run).values()) == 1
    bb.wait_for_jobs(run, timeout=60)
    assert check_counts(run, 15).numbers["pending"] >= 10
    bb.submit_jobs(run)
    bb.wait_for_jobs(run, timeout=60)
    assert set(created(small, run).values()) == {1}
    assert len(created(small, run)) == 3


def test_what_never_ran_is_no_success(
    small: Standin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "calls", tags={"bbkit:fault": "refuse-pass-role"})
    with pytest.raises(AwsError):
        bb.submit_jobs(run)
    wait = ["wait", str(run.folder), "--then", f"touch {tmp_path / 'then'}"]
    assert main(wait) == 1
    assert not (tmp_path / "then").exists()
    said = capsys.readouterr().err
    assert "was refused: AWS refused CreateModelInvocationJob" in said
    assert "then submit_jobs(run)" in said
    assert "was refused" in JobWatch(run).sentence
    found = bb.diagnose_outputs(bb.collect_outputs(run)).set_index("rule")
    assert found.loc["refused", "severity"] == "error"
    assert "AccessDeniedException" in found.loc["refused", "finding"]
    assert found.loc["refused", "remedy"] == "Mend it, then submit_jobs(run)."
    assert "pending" not in found.index
    bb.stop_jobs(run)
    assert main(wait) == 1
    assert "was taken from the queue" in capsys.readouterr().err
    found = bb.diagnose_outputs(bb.collect_outputs(run)).set_index("rule")
    assert "submit_jobs(run)" in found.loc["withdrawn", "remedy"]
    run = run.change(tags={})
    bb.submit_jobs(run)
    assert main(wait) == 0
    assert (tmp_path / "then").exists()


def test_the_cause_of_a_job_that_failed_is_told_with_its_remedy(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", tags={"bbkit:fault": "fail-validation"})
    bb.submit_jobs(run)
    message = bb.wait_for_jobs(run, timeout=60)["message"].iloc[0]
    found = bb.diagnose_outputs(bb.collect_outputs(run)).set_index("rule")
    assert "their job ended Failed" in found.loc["missing", "finding"]
    assert message.strip(". ") in found.loc["missing", "finding"]
    assert "submit_jobs(run, again=['Failed'])" in found.loc["missing", "remedy"]


def test_a_lost_record_file_holds_up_no_other_job(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", files=2)
    lost = run.record_files()[0].path
    content = lost.read_bytes()
    lost.unlink()
    with pytest.raises(RunError, match=r"1-0001\.jsonl is not the file that write_records wrote"):
        bb.submit_jobs(run)
    assert list(bb.wait_for_jobs(run, timeout=60)["status"].fillna("")) == ["", "Completed"]
    lost.write_bytes(content)
    bb.submit_jobs(run)
    assert list(bb.wait_for_jobs(run, timeout=60)["status"]) == ["Completed", "Completed"]


def test_what_is_submitted_is_what_was_planned(
    small: Standin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "calls", files=2)
    plan = bb.submit_jobs(run, dry_run=True)
    assert {name: str(dtype) for name, dtype in plan.dtypes.items()} == PLAN_COLUMNS
    jobs = bb.submit_jobs(run)
    assert list(plan["job_name"]) == list(jobs["job_name"])
    assert list(plan["records"]) == list(jobs["records"])
    bb.wait_for_jobs(run, timeout=60)
    plan = bb.submit_jobs(run, dry_run=True)
    assert plan.empty
    estimate = bb.estimate_cost(run, jobs=plan["job"])
    assert "nothing to submit" in estimate.sentence
    assert bb.check_budget(estimate, 0.0) is estimate
    assert main(["submit", str(run.folder), "--budget-usd", "0"]) == 0
    assert capsys.readouterr().out.startswith("Nothing to submit.")


def test_cleaning_brings_home_what_was_not_downloaded(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)
    bb.wait_for_jobs(run)
    assert not (run.folder / "outputs").exists()
    clean_run(run, delete=True)
    assert str(check_counts(run, 5)) == "5 sent = 5 succeeded"


def test_a_damaged_output_is_fetched_again_or_told(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)
    bb.wait_for_jobs(run)
    bb.collect_outputs(run)
    output = next((run.folder / "outputs").rglob("*.jsonl.out"))
    output.write_bytes(output.read_bytes()[:100])
    assert str(check_counts(run, 5)) == "5 sent = 5 succeeded"
    output.unlink()
    assert str(check_counts(run, 5)) == "5 sent = 5 succeeded"
    clean_run(run, delete=True)
    output.write_bytes(b"{")
    with pytest.raises(RunError, match=r"local copy .* is damaged \(1 bytes\).*S3 does not hold it"):
        bb.collect_outputs(run)


def test_an_output_that_is_not_there_yet_is_asked_for_again(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)
    bb.wait_for_jobs(run)
    kept = {item.uri: aws.read_object(item.uri) for item in aws.list_objects(f"{run.s3_prefix}output/")}
    aws.delete_objects(kept)
    assert check_counts(run, 5).numbers["missing"] == 5
    for uri, content in kept.items():
        bucket, key = aws.split_s3_uri(uri)
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
    assert str(check_counts(run, 5)) == "5 sent = 5 succeeded"


def wait_through(run: bb.Run, capsys: pytest.CaptureFixture[str], **options: Any) -> str:
    """Submit and wait until nothing is left; what was said."""
    with contextlib.suppress(AwsError, CredentialsError):
        bb.submit_jobs(run)
    jobs = bb.wait_for_jobs(run, timeout=120, **options)
    said = capsys.readouterr().err
    assert set(jobs["status"]) == {"Completed"}, said
    assert (jobs.attrs["done"], jobs.attrs["left"]) == (True, [])
    refused = {event["code"] for event in run.journal.read() if event["event"] == "refused"}
    assert refused <= {"ServiceQuotaExceededException"}, said
    return said


def check_sent_once(standin: Standin, run: bb.Run, files: int) -> None:
    assert created(standin, run) == {f"calls-{run.run_id[:8]}-1-000{n}-1": 1 for n in range(1, files + 1)}
    assert str(check_counts(run, 5 * files)) == f"{5 * files} sent = {5 * files} succeeded"


CREATE = "CreateModelInvocationJob"
PASSING = [
    "fail-call=HeadObject:503",
    "fail-call=PutObject:SlowDown",
    "fail-call=PutObject:InternalError",
    f"fail-call={CREATE}:502",
    f"fail-call={CREATE}:503",
    f"fail-call={CREATE}:InternalServerException",
    f"fail-answer={CREATE}:503",
    f"fail-answer={CREATE}:torn",
    f"fail-answer={CREATE}:html",
    "fail-call=PutObject:html",
    "fail-call=HeadObject:html",
    "fail-call=GetModelInvocationJob:html",
    "fail-call=ListModelInvocationJobs:503",
    "fail-call=HeadObject:ExpiredToken",
    "fail-call=GetModelInvocationJob:ExpiredToken",
    "fail-call=GetModelInvocationJob:504",
]


def test_what_passes_is_ridden_out_and_everything_is_sent_once(
    start_standin: Callable[..., Standin],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    faults = [word for fault in PASSING for word in ("--fault", f"{fault}:2")]
    standin = start_standin("--min-records", "5", "--max-jobs", "2", "--fault", "late-job=0.3", *faults)
    run = make_run(tmp_path / "calls", files=5)
    said = wait_through(run, capsys, every=0.02)
    check_sent_once(standin, run, 5)
    for sentence in (
        "AWS did not answer HeadObject: 503, Service Unavailable. Try again in a minute. The wait goes on.",
        "AWS did not answer PutObject: SlowDown",
        "AWS did not answer CreateModelInvocationJob: 503",
        "No answer from AWS: a web page came in its place (HTTP status 200), as of a proxy or a login.",
        "as where credentials have expired. Sign in or configure them",
        "AWS does not accept the credentials (ExpiredTokenException",
    ):
        assert said.count(sentence) >= 1, sentence
    # Each trouble is said once, however often it was met.
    lines = [line.partition("UTC  ")[2] for line in said.splitlines() if "The wait goes on." in line]
    assert len(lines) == len(set(lines))


@pytest.mark.long
@pytest.mark.parametrize("fault", PASSING)
def test_twelve_bad_seconds_while_a_queue_is_waited_for(
    start_standin: Callable[..., Standin], tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    standin = start_standin(
        "--min-records", "5", "--max-jobs", "2", "--speed", "fast", "--fault", f"{fault}:1-13s"
    )
    run = make_run(tmp_path / "calls", files=5)
    assert re.search("did not answer|No answer from AWS|credentials", wait_through(run, capsys))
    check_sent_once(standin, run, 5)


def test_an_upload_that_fails_after_a_refusal_was_mended_is_tried_again(
    start_standin: Callable[..., Standin], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    start_standin("--min-records", "5", "--fault", "fail-call=HeadObject:503:2-2")
    run = make_run(tmp_path / "calls", tags={"bbkit:fault": "refuse-pass-role"})
    with pytest.raises(AwsError, match="AccessDenied"):
        bb.submit_jobs(run)
    run = run.change(tags={})
    with pytest.raises(
        AwsError, match=r"did not answer HeadObject.*stays queued; wait_for_jobs\(run\) goes on"
    ):
        bb.submit_jobs(run)
    assert list(bb.wait_for_jobs(run, timeout=60)["status"]) == ["Completed"]


def test_a_request_whose_answer_was_lost_is_repeated_to_the_letter_though_the_run_changed(
    start_standin: Callable[..., Standin], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    faults = ("--fault", f"fail-answer={CREATE}:502:2-2", "--fault", "late-job=0.5")
    standin = start_standin("--min-records", "5", "--max-jobs", "1", *faults)
    run = make_run(tmp_path / "calls", files=2)
    assert "ServiceQuotaExceeded" in bb.submit_jobs(run)["message"].iloc[1]
    wait_until(lambda: bb.list_jobs(run)["status"].iloc[0] == "Completed")
    with pytest.raises(AwsError, match="502, Bad Gateway"):
        bb.submit_jobs(run)
    jobs = bb.wait_for_jobs(run.change(timeout_hours=48), timeout=60, every=0.05)
    assert aws.get_job(jobs["job_arn"].iloc[1])["timeoutDurationInHours"] == 24
    check_sent_once(standin, run, 2)


def test_a_job_that_get_does_not_know_for_long_is_told(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", tags={"bbkit:fault": "late-job=9000"})
    assert bb.submit_jobs(run)["message"].isna().all()
    assert bb.wait_for_jobs(run, timeout=0).attrs["done"] is False
    journal = run.folder / "jobs.jsonl"
    old = [{**event, "at": "2026-01-01T00:00:00.000000Z"} for event in run.journal.read()]
    journal.write_text("".join(f"{json.dumps(event)}\n" for event in old))
    with pytest.raises(AwsError, match=r"ResourceNotFoundException.*another account or region"):
        bb.wait_for_jobs(run, timeout=0)


def test_a_scheduler_can_poll(
    start_standin: Callable[..., Standin], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    standin = start_standin("--min-records", "5", "--max-jobs", "1", "--speed", "fast")
    run = make_run(tmp_path / "calls", files=2)
    bb.submit_jobs(run)
    ask = ["wait", str(run.folder), "--timeout", "0", "--json"]

    def rows() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert main(ask) == 75
    told = rows()
    assert [list(row) for row in told] == [list(JOB_COLUMNS)] * 2
    assert (told[1]["status"], told[1]["job_arn"]) == (None, None)
    standin.stop()
    assert main(ask) == 75
    said = capsys.readouterr().err
    assert "2 of 2 jobs not ended" in said and "No answer from AWS" in said
    start_standin("--min-records", "5", "--max-jobs", "1", folder=standin.folder)
    assert main([*ask[:2], "--json"]) == 0
    told = rows()
    assert [row["status"] for row in told] == ["Completed", "Completed"]
    assert all(row["ended_at"].endswith("Z") and row["processed"] == 5 for row in told)
    assert main(ask) == 0
    failing = make_run(tmp_path / "failing", tags={"bbkit:fault": "fail"})
    bb.submit_jobs(failing)
    assert main(["wait", str(failing.folder), "--timeout", "60"]) == 1
    assert "1 job ended Failed" in capsys.readouterr().err
