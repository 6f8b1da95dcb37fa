"""Launches killed at every point: afterwards one job per file, one output per record, a clean journal."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from attacks import drop_overrides

import bbkit as bb
from bbkit.run import RunSnapshot

FILES, RECORDS = 2, 10
MODEL = "amazon.nova-micro-v1:0"
DRIVER = Path(__file__).with_name("kill_driver.py")


@pytest.fixture
def driver(start_standin: Callable[..., Any]) -> Iterator[Callable[..., int]]:
    """Give orders to a process that launches and kills."""
    standin = start_standin("--min-records", "5")
    process = subprocess.Popen(
        [sys.executable, str(DRIVER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **standin.env},
    )
    assert process.stdin and process.stdout

    def order(run: bb.Run, **what: Any) -> int:
        errors = run.folder / "errors.txt"
        told = {"run": str(run.folder), "errors": str(errors), **what}
        print(json.dumps(told), file=process.stdin, flush=True)
        status = json.loads(process.stdout.readline())["status"]
        assert status in (0, signal.SIGKILL), errors.read_text()
        return status

    order.standin = standin  # type: ignore[attr-defined]
    yield order
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


def make_run(folder: Path, **options: Any) -> bb.Run:
    run = bb.Run.create(folder, model_id=MODEL, **options)
    turns = [{"role": "user", "content": [{"text": "Customer: where is my parcel?"}]}]
    body = {"messages": turns, "inferenceConfig": {"maxTokens": 400}}
    quotas = replace(bb.Quotas.defaults(MODEL), min_records_per_job=5, max_records_per_job=5)
    bb.write_records([(f"call-{number}", body) for number in range(RECORDS)], run, quotas=quotas)
    assert len(run.record_files()) == FILES
    return run


def check_run(run: bb.Run, standin: Any) -> None:
    """What must hold after any kill and a launch that was let finish."""
    assert (run.folder / "jobs.jsonl").read_bytes().endswith(b"\n")
    run.journal.read()
    log = [json.loads(line) for line in (standin.folder / "log.jsonl").read_text().splitlines()]
    created = [entry for entry in log if entry.get("did") == "create" and run.run_id[:8] in entry["name"]]
    assert Counter(entry["name"] for entry in created) == {
        f"{run.name}-{run.run_id[:8]}-1-000{number}-1": 1 for number in (1, 2)
    }
    known = RunSnapshot.read(run).table()["job_arn"]
    assert {entry["job"] for entry in created} == {arn.rpartition("/")[2] for arn in known}
    written = [
        entry["records"]
        for entry in log
        if entry.get("did") == "put output" and run.run_id[:8] in entry["key"]
    ]
    assert sum(written) == RECORDS
    told = bb.accounting(bb.collect_outputs(run))
    assert str(told) == f"{RECORDS} sent = {RECORDS} succeeded"
    assert told.complete


def time_points(driver: Callable[..., int], folder: Path) -> dict[str, float]:
    """The points of a launch that is let finish, numbered, and when they were passed."""
    assert driver(make_run(folder / "first")) == 0  # the engines start with it, so it polls more often
    run = make_run(folder / "counted")
    assert driver(run, trace=str(folder / "counted.txt")) == 0
    check_run(run, driver.standin)  # type: ignore[attr-defined]
    return read_trace(folder / "counted.txt")


def read_trace(path: Path) -> dict[str, float]:
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = (line.split("\t") for line in lines)
    return {f"{number}: {label}": float(at) for number, (label, at) in enumerate(pairs, 1)}


def kill_and_finish(driver: Callable[..., int], folder: Path, number: int, **how: Any) -> str:
    """Launch, kill, launch again, check; give the last point that was passed."""
    run = make_run(folder / f"run{number}")
    trace = folder / f"trace{number}.txt"
    status = driver(run, trace=str(trace), **how)
    assert driver(run) == 0
    check_run(run, driver.standin)  # type: ignore[attr-defined]
    return list(read_trace(trace))[-1] if status else "not killed"


def test_killed_at_each_kind_of_point_it_loses_and_doubles_nothing(
    driver: Callable[..., int], tmp_path: Path
) -> None:
    points = [label.partition(": ")[2] for label in time_points(driver, tmp_path)]
    firsts = {label: number for number, label in reversed(list(enumerate(points, 1)))}
    assert {"within journal intent", "after POST model-invocation-job", "before PUT s3"} <= set(firsts)
    hit = [kill_and_finish(driver, tmp_path, number, kill_at=number) for number in sorted(firsts.values())]
    assert len(set(hit) - {"not killed"}) >= len(firsts) - 3


@pytest.mark.long
def test_killed_at_every_point_it_loses_and_doubles_nothing(
    driver: Callable[..., int], tmp_path: Path
) -> None:
    points = time_points(driver, tmp_path)
    hit = [kill_and_finish(driver, tmp_path, number, kill_at=number) for number in range(1, len(points) + 1)]
    print(Counter(hit))
    submitted = max(number for number, label in enumerate(points, 1) if label.endswith("journal submitted"))
    assert "not killed" not in hit[:submitted]
    # How often a launch polls depends on how fast the jobs go: a few of the last points are not reached.
    assert hit.count("not killed") <= len(points) // 5


@pytest.mark.long
@pytest.mark.parametrize("seed", [20261101, 20261129])
def test_killed_at_random_it_loses_and_doubles_nothing(
    driver: Callable[..., int], tmp_path: Path, seed: int
) -> None:
    passed = list(time_points(driver, tmp_path).values())
    usual = passed[-1] - passed[0]
    chance = random.Random(seed)
    hit: list[str] = []
    for number in range(120):
        hit.append(kill_and_finish(driver, tmp_path, number, kill_after=chance.uniform(0, usual)))
        if len(hit) - hit.count("not killed") == 50:
            break
    print(Counter(hit))
    assert len(hit) - hit.count("not killed") == 50
    assert len(set(hit)) > 10


def make_broken_run(driver: Callable[..., int], folder: Path, share: float) -> bb.Run:
    """A run whose job lost a share of its lines, and whose next jobs will not."""
    run = make_run(folder, tags={"bbkit:fault": f"missing-lines={share}"})
    assert driver(run) == 0
    return run.change(tags={})


@pytest.mark.long
@pytest.mark.parametrize(("share", "on_demand"), [(0.9, False), (0.2, True)])
def test_a_completion_killed_at_every_point_goes_on_and_sends_nothing_twice(
    driver: Callable[..., int], tmp_path: Path, share: float, on_demand: bool
) -> None:
    order = {"until": "usable_share eq 1", "budget_usd": 1, "on_demand": on_demand}
    log = driver.standin.folder / "log.jsonl"  # type: ignore[attr-defined]
    points, number, hit = 1, 0, list[str]()
    while number <= points:
        run, trace = make_broken_run(driver, tmp_path / f"run{number}", share), tmp_path / f"{number}.txt"
        lacking = int((bb.collect_outputs(run)["outcome"] == "missing").sum())
        assert (0 < lacking < 5) == on_demand
        asked = log.read_text().count('"InvokeModel"')
        kill = {"kill_at": number} if number else {}  # first it is let finish, to count the points
        status = driver(run, trace=str(trace), complete=order, **kill)
        passed = list(read_trace(trace))
        points = max(points, len(passed))
        hit.append(passed[-1].partition(": ")[2] if status else "not killed")
        assert driver(run, complete=order) == 0
        created = [json.loads(line) for line in log.read_text().splitlines()]
        names = [entry["name"] for entry in created if entry.get("did") == "create"]
        names = [name.rpartition(f"{run.run_id[:8]}-")[2] for name in names if run.run_id[:8] in name]
        assert Counter(names) == dict.fromkeys(
            ["1-0001-1", "1-0002-1", *([] if on_demand else ["2-0001-1"])], 1
        )
        # Of a call on demand nobody knows whether it was answered when its process was killed.
        asked = log.read_text().count('"InvokeModel"') - asked
        assert lacking * on_demand <= asked <= 2 * lacking * on_demand
        assert str(bb.accounting(bb.collect_outputs(run))) == f"{RECORDS} sent = {RECORDS} succeeded"
        attempts = bb.list_attempts(run)
        assert attempts["sent"].tolist() == [RECORDS, lacking]
        assert attempts["repaired"].tolist()[1] == lacking
        number += 1
    print(Counter(hit))
    assert hit.count("not killed") <= 1 + points // 5


LAUNCH = """
import sys
{before}
from bbkit.cli import main
sys.exit(main(["submit", sys.argv[1]]) or main(["wait", sys.argv[1], "--every", "0.2", "--timeout", "60"])
         or main(["collect", sys.argv[1]]))
"""
SMALL_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
"""
WRONG_CLOCK = """
import datetime, sys
import bbkit.cli, bbkit.jobs, bbkit.outputs.runs, botocore.auth
off = datetime.timedelta(days={days})
Right = datetime.datetime
class Alike(type):
    def __instancecheck__(cls, value):
        return isinstance(value, Right)
class Wrong(Right, metaclass=Alike):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + off
for name, module in list(sys.modules.items()):
    if name.startswith("bbkit") and vars(module).get("datetime") is datetime.datetime:
        module.datetime = Wrong
if {signs}:
    now = botocore.auth.get_current_datetime
    for signer in (botocore.auth, sys.modules.get("botocore.crt.auth")):  # the latter where awscrt is
        if signer:
            signer.get_current_datetime = lambda *options, **more: now(*options, **more) + off
"""


def launch(run: bb.Run, before: str = "", **how: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", LAUNCH.format(before=before), str(run.folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)


def finish(process: subprocess.Popen[str]) -> int:
    """Its exit code; where it is not 0, it said why in a sentence."""
    said = process.communicate(timeout=120)[1]
    assert "Traceback" not in said, said
    assert process.returncode in (0, 2), said
    assert process.returncode == 0 or said.splitlines()[-1].startswith("bbkit: "), said
    return process.returncode


@pytest.mark.long
def test_launchers_that_race_send_everything_once(start_standin: Callable[..., Any], tmp_path: Path) -> None:
    standin = start_standin("--min-records", "5")
    for number in range(3):
        run = make_run(tmp_path / f"run{number}")
        racing = [launch(run) for _ in range(4)]
        assert [finish(process) for process in racing] == [0] * 4
        check_run(run, standin)


@pytest.mark.long
def test_a_full_disk_loses_and_doubles_nothing(start_standin: Callable[..., Any], tmp_path: Path) -> None:
    standin, ends = start_standin("--min-records", "5"), []
    for size in (0, 1, 300, 600, 1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 8_000):
        run = make_run(tmp_path / f"run{size}")
        ends.append(finish(launch(run, SMALL_DISK.format(size=size))))
        assert finish(launch(run)) == 0
        check_run(run, standin)
    assert set(ends) == {2}


@pytest.mark.long
@pytest.mark.parametrize("days", [-4_000, -0.2, 0.2, 4_000])
def test_a_wrong_clock_loses_and_doubles_nothing(
    start_standin: Callable[..., Any], tmp_path: Path, days: float
) -> None:
    """AWS refuses what is signed at another time; what the journal was written at is no matter."""
    standin = start_standin("--min-records", "5")
    for signs, end in ((True, 2), (False, 0)):
        run = make_run(tmp_path / f"run-{signs}")
        assert finish(launch(run, WRONG_CLOCK.format(days=days, signs=signs))) == end
        assert finish(launch(run)) == 0
        check_run(run, standin)


@pytest.mark.long
def test_a_folder_that_cannot_be_written_loses_and_doubles_nothing(
    start_standin: Callable[..., Any], tmp_path: Path
) -> None:
    standin = start_standin("--min-records", "5")
    run = make_run(tmp_path / "run")
    for _ in range(2):  # before anything was sent, and when all is there
        modes = {path: path.stat().st_mode for path in [run.folder, *run.folder.rglob("*")]}
        for path, mode in modes.items():
            path.chmod(mode & ~0o222)
        before = sorted(run.folder.rglob("*"))
        finish(launch(run, preexec_fn=drop_overrides))
        assert sorted(run.folder.rglob("*")) == before
        for path, mode in modes.items():
            path.chmod(mode)
        assert finish(launch(run)) == 0
        check_run(run, standin)
