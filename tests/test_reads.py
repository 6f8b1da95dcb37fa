"""Disk is not memory: how often a public call reads a run's folder and asks STS, and what it does when the
credentials change under it.
"""

import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Standin
from test_jobs import MODEL, make_run, read_log

import bbkit as bb
from bbkit import aws
from bbkit.core.errors import CredentialsError, PlaceError

_COUNTED = {"jobs.jsonl", "index.json"}
_opened: list[Counter[str]] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _opened and arguments[1] == "r":
        name = Path(str(arguments[0])).name
        if name in _COUNTED:
            for counter in _opened:
                counter[name] += 1


sys.addaudithook(_note)


@contextmanager
def counting_reads() -> Iterator[Counter[str]]:
    """Count how often a journal and an index are opened for reading in this process."""
    counter: Counter[str] = Counter()
    _opened.append(counter)
    try:
        yield counter
    finally:
        _opened.remove(counter)


@contextmanager
def counting_calls(standin: Standin) -> Iterator[Counter[str]]:
    """Count, at the end, the calls the stand-in answered meanwhile."""
    before = len(read_log(standin))
    counter: Counter[str] = Counter()
    yield counter
    counter.update(entry["asked"] for entry in read_log(standin)[before:] if "asked" in entry)


GUARD = 3
"""Reads around one Create, kept on purpose: before the intent, after it, and after the answer."""


@pytest.fixture
def small(start_standin: Callable[..., Standin]) -> Standin:
    return start_standin("--min-records", "5", "--speed", "fast")


def test_submitting_reads_a_run_once_beside_the_guard_around_create(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls", files=2)
    with counting_reads() as reads, counting_calls(small) as calls:
        bb.submit_jobs(run)
    assert reads == {"jobs.jsonl": 1 + 2 * GUARD, "index.json": 1}
    assert calls["GetCallerIdentity"] == 1
    with counting_reads() as reads:
        bb.submit_jobs(run)
    assert reads == {"jobs.jsonl": 1, "index.json": 1}


def test_waiting_replays_the_journal_once_a_poll_and_asks_sts_once(small: Standin, tmp_path: Path) -> None:
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)
    polls: list[int] = []

    def count(**_: Any) -> None:
        polls.append(1)

    events = aws.client("bedrock").meta.events
    events.register("before-call.bedrock.GetModelInvocationJob", count)
    with counting_reads() as reads, counting_calls(small) as calls:
        bb.wait_for_jobs(run, every=0.2, timeout=60)
    events.unregister("before-call.bedrock.GetModelInvocationJob", count)
    assert len(polls) > 2
    assert reads == {"jobs.jsonl": len(polls), "index.json": len(polls)}
    assert calls["GetCallerIdentity"] == 1


def test_a_call_on_a_run_that_has_ended_reads_its_journal_once(standin: Standin, tmp_path: Path) -> None:
    run = bb.Run.create(tmp_path / "calls", model_id=MODEL)
    body = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    with counting_reads() as reads:
        bb.write_records([(f"c{number:03}", body) for number in range(100)], run)
    assert max(reads.values(), default=0) <= 1
    bb.submit_jobs(run)
    bb.wait_for_jobs(run)
    for call in (bb.list_jobs, bb.stop_jobs, bb.collect_outputs, bb.retry_records, bb.watch_jobs, repr):
        with counting_reads() as reads, counting_calls(standin) as calls:
            call(run)
        assert reads["jobs.jsonl"] == 1, call
        assert calls["GetCallerIdentity"] <= 1, call
    with counting_reads() as reads:
        assert bb.submit_jobs(run, dry_run=True).empty
    assert reads == {"jobs.jsonl": 1, "index.json": 1}


@pytest.mark.parametrize("moment", ["upload", "wait"])
def test_credentials_of_another_account_midway_create_no_job(
    start_standin: Callable[..., Standin], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    second = start_standin("--min-records", "5")
    first = start_standin("--min-records", "5", "--max-jobs", "1", "--speed", "fast")
    run = make_run(tmp_path / "calls", files=2)

    def change_credentials(*_: Any, **__: Any) -> None:
        for name, value in second.env.items():
            monkeypatch.setenv(name, value)

    def created(standin: Standin) -> int:
        return sum(entry.get("did") == "create" for entry in read_log(standin))

    if moment == "upload":
        with pytest.raises(PlaceError, match="credentials now in use"):
            bb.submit_jobs(run, progress=change_credentials)
        assert (created(first), created(second)) == (0, 0)
        assert not any(event["event"] == "intent" for event in run.journal.read())
    else:
        assert bb.submit_jobs(run)["status"].isna().sum() == 1
        monkeypatch.setattr("time.sleep", change_credentials)
        with pytest.raises(PlaceError, match="credentials now in use"):
            bb.wait_for_jobs(run, every=0.2, timeout=60)
        assert (created(first), created(second)) == (1, 0)
    puts = [entry for entry in read_log(second) if entry.get("asked") == "PutObject"]
    assert puts == []
    monkeypatch.undo()
    first.use(monkeypatch)
    bb.submit_jobs(run)
    bb.wait_for_jobs(run, timeout=60)
    assert (created(first), created(second)) == (2, 0)


def test_an_access_key_that_is_not_known_creates_no_job(
    small: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "calls", files=2)

    def take_another_key(*_: Any) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAUNKNOWN00000")

    with pytest.raises(CredentialsError, match="does not accept the credentials"):
        bb.submit_jobs(run, progress=take_another_key)
    assert not any(entry.get("did") == "create" for entry in read_log(small))


def test_an_endpoint_that_moved_is_asked_once_more_and_waited_for(
    start_standin: Callable[..., Standin], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standin = start_standin("--min-records", "5", "--speed", "fast")
    run = make_run(tmp_path / "calls")
    bb.submit_jobs(run)
    slept: list[float] = []

    def move_at_first(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            standin.stop()
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = str(free.getsockname()[1])
            moved = ("--min-records", "5", "--speed", "fast", "--port", port)
            start_standin(*moved, folder=standin.folder)
        else:
            threading.Event().wait(seconds)

    monkeypatch.setattr("time.sleep", move_at_first)
    with counting_calls(standin) as calls:
        assert list(bb.wait_for_jobs(run, every=0.2, timeout=60)["status"]) == ["Completed"]
    assert len(slept) > 1
    assert calls["GetCallerIdentity"] == 2


def test_credentials_of_another_account_midway_send_nothing_on_demand(
    start_standin: Callable[..., Standin], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, first = start_standin(), start_standin()
    run = bb.Run.create(tmp_path / "few", model_id=MODEL)
    body = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    bb.write_records([(f"c{number}", body) for number in range(20)], run, allow=["min_records_per_job"])

    def change_credentials(done: int, total: int) -> None:
        for name, value in second.env.items():
            monkeypatch.setenv(name, value)

    with (
        counting_calls(second) as wrong,
        counting_calls(first) as right,
        pytest.raises(PlaceError, match="credentials now in use"),
    ):
        bb.send_on_demand(run, concurrency=1, progress=change_credentials)
    assert wrong["InvokeModel"] == 0
    assert right["InvokeModel"] <= 2
    first.use(monkeypatch)
    bb.send_on_demand(run)
    assert str(bb.accounting(bb.collect_outputs(run))) == "20 sent = 20 succeeded"
