"""The live watch: it submits the queue, tells its listeners, survives a service that is away."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Standin
from hypothesis import given, settings, strategies as st

import bbkit as bb
from bbkit.core.errors import PlaceError, RunError
from bbkit.jobs.watches import PROGRESS_COLUMNS, JobWatch, console_url, estimate_end

MODEL = "amazon.nova-micro-v1:0"
BODY = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}


def make_run(folder: Path, *, files: int = 1, records: int = 5) -> bb.Run:
    run = bb.Run.create(folder, model_id=MODEL)
    quotas = replace(bb.Quotas.defaults(MODEL), min_records_per_job=records, max_records_per_job=records)
    bb.write_records([(f"c{number:04d}", BODY) for number in range(files * records)], run, quotas=quotas)
    return run


def test_a_watch_sees_the_queue_through_and_there_is_one_per_run(
    start_standin: Callable[..., Standin], tmp_path: Path
) -> None:
    start_standin("--min-records", "5", "--max-jobs", "1", "--speed", "fast")
    run = make_run(tmp_path / "calls", files=2)
    assert bb.submit_jobs(run)["status"].isna().sum() == 1
    watch = bb.watch_jobs(run, every=0.2)
    assert bb.watch_jobs(bb.Run.open(run.folder)) is watch
    statuses: list[set[str]] = []
    watch.add_listener(lambda watch: statuses.append(set(watch.jobs["status"].dropna())))
    assert watch.wait(60)
    assert watch.done
    assert not watch.alive
    assert list(watch.jobs["status"]) == ["Completed", "Completed"]
    assert {"InProgress"} <= set().union(*statuses)
    assert "2 of 2 jobs ended" in watch.sentence
    assert bb.watch_jobs(run) is not watch


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_listener_is_told_after_every_look_until_it_leaves(standin: Standin, tmp_path: Path) -> None:
    run = make_big_run(tmp_path)
    bb.submit_jobs(run)
    watch = JobWatch(run, every=0.05)
    heard: dict[str, int] = {"all": 0, "broken": 0, "gone": 0}

    def listen(name: str, fail: bool = False) -> Callable[[JobWatch], None]:
        def listener(_: JobWatch) -> None:
            heard[name] += 1
            if fail:
                raise ValueError("the view broke")

        return listener

    watch.add_listener(listen("all"))
    watch.add_listener(listen("broken", fail=True))
    watch.add_listener(listen("gone"))()
    watch._thread.start()
    assert watch.wait(30)
    assert heard["all"] >= 1
    assert heard["broken"] == 1
    assert heard["gone"] == 0


def make_big_run(tmp_path: Path) -> bb.Run:
    run = bb.Run.create(tmp_path / "calls", model_id=MODEL)
    bb.write_records([(f"c{number:04d}", BODY) for number in range(100)], run)
    return run


def test_a_watch_that_was_stopped_can_be_taken_up_again(
    start_standin: Callable[..., Standin], tmp_path: Path
) -> None:
    start_standin("--min-records", "5", "--speed", "realistic")
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)
    watch = bb.watch_jobs(run, every=0.1)
    watch.stop()
    assert not watch.wait(10)
    assert not watch.alive
    again = bb.watch_jobs(run, every=0.1)
    assert again is not watch
    assert again.alive
    again.stop()


def test_a_service_that_is_away_is_told_and_waited_for(
    start_standin: Callable[..., Standin], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    standin = start_standin("--min-records", "5", "--speed", "fast")
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)
    watch = bb.watch_jobs(run, every=0.2)
    standin.stop()
    in_trouble = threading.Event()
    watch.add_listener(lambda watch: in_trouble.set() if watch.last_error else None)
    assert in_trouble.wait(30)
    assert "No answer from AWS" in watch.last_error
    start_standin("--min-records", "5", "--speed", "fast", folder=standin.folder)
    assert watch.wait(60)
    assert watch.last_error == ""
    assert list(watch.jobs["status"]) == ["Completed"]


def test_progress_has_its_columns_and_no_end_it_cannot_know(standin: Standin, tmp_path: Path) -> None:
    run = make_big_run(tmp_path)
    with pytest.raises(RunError, match="No job of run 'calls' was submitted"):
        bb.watch_jobs(run)
    bb.submit_jobs(run)
    watch = bb.watch_jobs(run)
    assert watch.wait(30)
    progress = watch.progress
    assert {name: str(dtype) for name, dtype in progress.dtypes.items()} == PROGRESS_COLUMNS
    assert progress["status_since"].notna().all()
    assert progress["ends_after"].isna().all()
    assert console_url(run) == ""
    there = replace(
        run,
        endpoint=replace(run.endpoint, url="https://bedrock.eu-west-1.amazonaws.com", region="eu-west-1"),
    )
    assert console_url(there).startswith("https://eu-west-1.console.aws.amazon.com/bedrock/")


def test_a_watch_of_another_place_is_refused(start_standin: Callable[..., Standin], tmp_path: Path) -> None:
    start_standin("--min-records", "5", "--speed", "realistic")
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)
    start_standin()
    with pytest.raises(PlaceError):
        bb.watch_jobs(run)


def test_a_damaged_journal_ends_the_watch(start_standin: Callable[..., Standin], tmp_path: Path) -> None:
    start_standin("--min-records", "5", "--speed", "realistic")
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)
    watch = bb.watch_jobs(run, every=0.1)
    with run.journal.path.open("ab") as stream:
        stream.write(b"[]\n")
    assert not watch.wait(30)
    assert not watch.alive
    assert "is no event of a journal" in watch.last_error


START = datetime(2026, 11, 1, tzinfo=UTC)


@settings(deadline=None)
@given(
    gaps=st.lists(st.tuples(st.floats(1, 300), st.integers(1, 1000)), min_size=2, max_size=15),
    left=st.integers(0, 5000),
)
def test_the_range_for_the_end_holds_the_average_and_ends_by_the_expiry(
    gaps: list[tuple[float, int]], left: int
) -> None:
    seconds = [0.0, *itertools.accumulate(gap for gap, _ in gaps)]
    counts = [0, *itertools.accumulate(count for _, count in gaps)]
    samples = [(START + timedelta(seconds=s), count) for s, count in zip(seconds, counts, strict=True)]
    job: dict[str, Any] = {"status": "InProgress", "records": counts[-1] + left}
    told = estimate_end(samples, job)
    average = timedelta(seconds=left / (counts[-1] / seconds[-1]))
    slack = timedelta(milliseconds=1)
    assert told["ends_after"] - slack <= samples[-1][0] + average <= told["ends_before"] + slack
    expiry = samples[-1][0] + timedelta(seconds=1)
    assert estimate_end(samples, {**job, "expires_at": expiry})["ends_before"] <= expiry
    for unknown in ({**job, "status": "Validating"}, {**job, "records": None}, {**job, "records": 0}):
        assert estimate_end(samples, unknown) == {}
    assert estimate_end(samples[:2], job) == {}
