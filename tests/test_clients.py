"""Clients that other people wrote, unmodified, each in its own environment, against the stand-in."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import house
import pytest
from conftest import Standin, launch_standin

CLIENTS = Path(__file__).with_name("clients")
SCRIPTS = sorted(path.stem for path in CLIENTS.glob("*.py") if path.read_text().startswith("# /// script"))
QUICK = ("bedrockhelper_batch", "boto3_old")
HEAD = "| client, script | works | told beside `standin.env`; what does not work, and why |\n|---|---|---|"


def draw_row(script: str, found: dict[str, Any]) -> str:
    told = [f"Told {found['needs']}."] if found["needs"] else []
    told += [f"Not {what}: {why}." for what, why in found["fails"].items()]
    client = f"{found['client']} {found['version']}, `{script}`"
    return f"| {client} | {', '.join(found['works'])} | {' '.join(told)} |"


def hold_row(script: str, row: str) -> None:
    """Hold a script's row of the page, or write it there anew."""
    kind = "s3" if "s3" in script.split("_") else "bedrock"
    rows = house.read_block("clients.md", kind).splitlines()[2:]
    others = [each for each in rows if f", `{script}` |" not in each]
    now = "\n".join([HEAD, *sorted([*others, row], key=str.lower)])
    assert house.read_block("clients.md", kind, now) == now


def test_the_page_has_a_row_of_every_client() -> None:
    if not os.environ.get("BBKIT_WRITE_DOCS"):
        page = (house.DOCS / "clients.md").read_text()
        assert sorted(re.findall(r"^\| [^|]+, `(\w+)` \|", page, re.M)) == SCRIPTS


@pytest.fixture(scope="module")
def http2_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """A stand-in whose environment has the extra http2."""
    extras = f"{CLIENTS.parents[1]}[standin,http2]"
    python = ("uv", "run", "--quiet", "--no-project", "--with-editable", extras, "python")
    running = launch_standin(tmp_path_factory.mktemp("http2"), "--speed", "instant", python=python)
    yield running
    running.stop()


@pytest.mark.parametrize(
    "script", [pytest.param(name, marks=[pytest.mark.long] * (name not in QUICK)) for name in SCRIPTS]
)
def test_a_client(script: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    node = script.startswith("node_")
    for tool in ("uv", "npm") if node else ("uv",):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed, which makes the client's environment")
    standin = request.getfixturevalue("http2_process" if node else "standin_process").use(monkeypatch)
    command = ["uv", "run", "--quiet", "--python", sys.executable, str(CLIENTS / f"{script}.py")]
    started = f"{datetime.now(UTC):%FT%T}"
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if re.search("Failed to fetch|network was disabled", done.stderr):
        pytest.skip(f"no package index: {done.stderr}")
    assert done.returncode == 0, done.stdout + done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith('{"client"')]
    found = json.loads(line)
    why = [sys.executable, "-m", "bbkit.standin", "--why", str(standin.folder)]
    told = subprocess.run(why, capture_output=True, text=True, check=True).stdout
    of_client, *_ = re.split(r"\n(?! )", told)  # the one that was refused last
    assert of_client.split("\n  ")[1] > started, told
    assert found["refusals"] and all(sentence in of_client for sentence in found["refusals"]), told
    hold_row(script, draw_row(script, found))
