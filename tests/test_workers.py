"""Several processes read outputs: the same comes of it, whatever becomes of them."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from shutil import rmtree
from typing import Any

import pandas as pd
import pytest
from output_files import nova_line, write_outputs

import bbkit as bb
from bbkit.outputs import readers, workers
from bbkit.outputs.workers import Workers, count_spare_cores


def write_files(folder: Path) -> list[str]:
    lines: list[Any] = [nova_line(f"{number}", "x" * (number % 50)) for number in range(400)]
    lines[100:100] = [b"{cut", b"", lines[3]]
    write_outputs(folder / "a.jsonl.out", lines)
    write_outputs(folder / "b.jsonl.out", [nova_line("last")], end=b"")
    return [f"{number}" for number in range(400)] + ["last", "never"]


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> list[Workers]:
    """Two workers read whatever there is, from the first line on; those that were at work are listed."""
    started: list[Workers] = []
    start = Workers._start

    def start_and_wait(self: Workers) -> None:
        start(self)
        started.append(self)
        while len(self._asked) < len(self._processes):
            self._listen(None)

    monkeypatch.setattr(Workers, "_start", start_and_wait)
    monkeypatch.setattr(workers, "WORTH_SECONDS", -1)
    monkeypatch.setattr(workers, "_SAMPLE_BYTES", 0)
    monkeypatch.setattr(readers, "TASK_BYTES", 3_000)
    monkeypatch.setattr(workers, "count_spare_cores", lambda: 2)
    return started


@pytest.mark.parametrize("into", [False, True])
def test_workers_read_shares_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, into: bool
):
    (tmp_path / "outputs").mkdir()
    ids, extras = write_files(tmp_path / "outputs"), ["model_input", "reasoning"]
    plain = bb.collect_outputs(tmp_path / "outputs", sent=ids, with_columns=extras)
    started = request.getfixturevalue("eager")
    parts = tmp_path / "parts" if into else None
    spread = bb.collect_outputs(tmp_path / "outputs", sent=ids, with_columns=extras, into=parts)
    assert next(started[0]._numbers) > 2
    told, expected = bb.accounting(spread), bb.accounting(plain)
    assert told.sentence == expected.sentence
    pd.testing.assert_frame_equal(told.lines, expected.lines)
    frame = spread if parts is None else bb.accounting(spread).dataset.to_table().to_pandas()
    assert frame["record_key"].tolist() == plain["record_key"].tolist()
    assert frame["text"].dropna().tolist() == plain["text"].dropna().tolist()
    assert frame["model_input"].dropna().tolist() == plain["model_input"].dropna().tolist()


def test_a_short_read_starts_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    started: list[Workers] = []
    monkeypatch.setattr(Workers, "_start", started.append)
    monkeypatch.setattr(workers, "count_spare_cores", lambda: 2)
    write_outputs(tmp_path / "a.jsonl.out", [nova_line(f"{number}", "x" * 4_000) for number in range(5_000)])
    assert len(bb.collect_outputs(tmp_path)) == 5_000
    assert not started


@pytest.mark.parametrize("given", [0, 1, 7])
def test_a_killed_worker_loses_no_row(
    tmp_path: Path, eager: list[Workers], monkeypatch: pytest.MonkeyPatch, given: int
):
    ids, offer, offered = write_files(tmp_path), Workers._offer, []

    def offer_and_kill(self: Workers, share: workers.Share) -> Any:
        if len(offered) == given:
            for process in self._processes.values():
                process.send_signal(signal.SIGKILL)
        offered.append(offer(self, share))
        return offered[-1]

    monkeypatch.setattr(Workers, "_offer", offer_and_kill)
    told = bb.accounting(bb.collect_outputs(tmp_path, sent=ids))
    assert told.sentence == "402 sent = 401 succeeded + 1 missing; 1 unreadable line, 1 duplicate line"
    assert eager


def test_what_a_worker_read_is_read_here_where_it_is_gone(tmp_path: Path, eager: list[Workers]):
    write_outputs(tmp_path / "a.jsonl.out", [nova_line("a")])
    share = workers.Share(0, 1, (str(tmp_path / "a.jsonl.out"), 0, None, (), None))
    with Workers(1) as pool:
        pool._start()
        (given,) = [pool._offer(share)]
        rmtree(pool._folder)
        assert isinstance(given, Future)
        assert [len(batch.table) for _, batch in pool._take(share, given)] == [1]
        assert given.cancelled()


def test_what_a_worker_cannot_read_is_an_error_of_this_process(tmp_path: Path, eager: list[Workers]):
    path = tmp_path / "a.jsonl.out"
    share = workers.Share(0, 1, (str(path), 0, None, (), None))
    with Workers(1) as pool, pytest.raises(FileNotFoundError):
        list(pool.read([share], 1))
    assert eager


SCRIPT = """
import sys
from bbkit import outputs as room
from bbkit.outputs import readers, workers

print("once", flush=True)
workers.WORTH_SECONDS, workers._SAMPLE_BYTES, readers.TASK_BYTES = -1, 0, 3_000
workers.count_spare_cores = lambda: 2
start = workers.Workers._start

def start_and_say(self):
    start(self)
    while len(self._asked) < 2:
        self._listen(None)
    print(*(process.pid for process in self._processes.values()), flush=True)
    sys.stdin.readline()

workers.Workers._start = start_and_say
print(room.accounting(room.collect_outputs("outputs")).sentence)
"""


@pytest.fixture
def start_script(tmp_path: Path) -> Callable[[], tuple["subprocess.Popen[str]", list[int]]]:
    (tmp_path / "outputs").mkdir()
    (temporary := tmp_path / "temporary").mkdir()
    write_files(tmp_path / "outputs")
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "random.py").write_text("raise SystemExit('what lies in the folder is not imported')")

    def start() -> tuple["subprocess.Popen[str]", list[int]]:
        pipe = subprocess.PIPE
        command, environment = [sys.executable, "-P", "script.py"], os.environ | {"TMPDIR": str(temporary)}
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        assert process.stdout
        assert process.stdout.readline() == "once\n"
        return process, [int(word) for word in process.stdout.readline().split()]

    return start


def test_a_script_without_a_guard_is_run_once(start_script: Callable[[], Any]):
    process, numbers = start_script()
    told, errors = process.communicate("go\n")
    assert len(numbers) == 2
    assert told == "402 read = 402 succeeded; 1 unreadable line; which were sent is not known\n"
    assert not errors


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfd_open of Linux")
@pytest.mark.parametrize(
    ("ended", "hang"),
    [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGKILL, False), (signal.SIGINT, True)],
)
def test_no_worker_outlives_the_process_that_collects(
    start_script: Callable[[], Any], ended: signal.Signals, hang: bool, tmp_path: Path
):
    process, numbers = start_script()
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    watched = [os.pidfd_open(number) for number in numbers]
    for number in numbers if hang else ():
        os.kill(number, signal.SIGSTOP)
    if hang:
        process.stdin.write("go\n")
        process.stdin.flush()
    process.send_signal(ended)
    process.communicate(timeout=20)
    for one in watched:
        assert select.select([one], [], [], 20)[0], "a worker is left"
        os.close(one)
    assert not list((tmp_path / "temporary").iterdir()), "what they read is left"


@pytest.mark.parametrize(
    ("files", "spare"),
    [
        ({}, 3),
        ({"cpu.max": "200000 100000", "memory.max": "max"}, 1),
        ({"cpu.max": "max 100000"}, 3),
        ({"cpu.max": "50000 100000"}, 0),
        ({"memory.max": "1100000000"}, 1),
        ({"pod/cpu.max": "300000 100000", "cpu.max": "max 100000"}, 2),
        ({"cpu,cpuacct/cpu.cfs_quota_us": "200000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 3),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, 3),
    ],
)
def test_cores_and_memory_of_control_groups_are_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], spare: int
):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 64, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    groups = tmp_path / "proc/self/cgroup"
    groups.parent.mkdir(parents=True)
    groups.write_text("5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n1:name=systemd:/\n0::/pod/inner\n")
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert count_spare_cores(tmp_path) == spare
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert count_spare_cores(tmp_path) == 0
