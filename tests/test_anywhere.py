"""What runs without what only POSIX has, and what the package logs."""

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Standin

import bbkit as bb

BLOCKED = """
import os, sys, warnings
for name in ("fcntl", "grp", "pwd", "resource", "termios", "pty", "tty"):
    sys.modules[name] = None
for name in ("execv", "fork", "geteuid", "getuid", "setsid", "killpg", "fchmod", "chown"):
    vars(os).pop(name, None)
warnings.simplefilter("ignore")  # filelock says that it locks in another way
import json
from pathlib import Path
import pandas as pd
import bbkit as bb
from bbkit.cli import main

model = "amazon.nova-lite-v1:0"
data = pd.DataFrame({"call_id": [f"c{n}" for n in range(100)], "text": "hello"})
records = bb.build_records(data, model, prompt="{text}", record_id="call_id")
assert not len(bb.check_records(records, model).query("severity == 'error'"))
run = bb.Run.create("run", model_id=model, source=data.set_index("call_id"))
bb.write_records(records, run)
sent = next(Path("run/records").glob("*.jsonl"))
assert main(["check", str(sent), "--model", model]) == 0
answer = {"generation": "x", "stop_reason": "stop", "prompt_token_count": 3, "generation_token_count": 1}
ids = [json.loads(line)["recordId"] for line in sent.read_text().splitlines()]
lines = (json.dumps({"recordId": name, "modelOutput": answer}) for name in ids)
Path("o.jsonl.out").write_text("\\n".join(lines))
outputs = bb.collect_outputs("o.jsonl.out", sent=sent)
assert bb.accounting(outputs).complete
assert bb.charts.outcomes(outputs).to_json()
assert main(["standin", "x"]) == 2
"""


def test_what_only_posix_has_is_needed_by_the_stand_in_alone(
    tmp_path: Path, start_standin: Callable[..., Standin]
) -> None:
    start_standin()
    command = [sys.executable, "-c", BLOCKED]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Linux or macOS" in done.stderr


def test_calls_and_files_are_logged_and_no_text_is(
    tmp_path: Path, start_standin: Callable[..., Standin], caplog: pytest.LogCaptureFixture
) -> None:
    start_standin()
    data = bb.read_source(Path(__file__).parents[1] / "data/samples/call_transcripts.csv")
    model = "amazon.nova-lite-v1:0"
    with caplog.at_level(logging.DEBUG, logger="bbkit"):
        records = bb.build_records(data, model, prompt="Summarize: {transcript}", record_id="call_id")
        run = bb.Run.create(tmp_path / "run", model_id=model, source=data.set_index("call_id"))
        bb.write_records(records, run)
        bb.submit_jobs(run)
        jobs = bb.wait_for_jobs(run, timeout=60)
        outputs = bb.collect_outputs(run)
    assert "bedrock CreateModelInvocationJob: 200" in caplog.text
    assert jobs["job_arn"][0] in caplog.text
    assert "fetched s3://" in caplog.text
    assert not [text for text in (*outputs["text"], "Summarize:") if text in caplog.text]


@pytest.mark.parametrize("level", ["", "debug"])
def test_nothing_is_said_unless_it_is_asked_for(level: str, tmp_path: Path) -> None:
    code = "from bbkit.core.logs import LOG; LOG.error('seen')"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"BBKIT_LOG": level}, capture_output=True, text=True, check=True
    )
    assert ("seen" in done.stderr) == bool(level)
