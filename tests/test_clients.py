"""Clients that other people wrote, unmodified, each in its own environment, against the stand-in."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import house
import pytest
from conftest import Standin

CLIENTS = Path(__file__).with_name("clients")
SCRIPTS = sorted(path.stem for path in CLIENTS.glob("*.py") if path.read_text().startswith("# /// script"))
QUICK = ("anthropic_2_14", "boto3_old")
HEAD = "| client | script | told beside `standin.env` | works | does not, and why |\n|---|---|---|---|---|"


def draw_row(script: str, found: dict[str, Any]) -> str:
    fails = "; ".join(f"{what}: {why}" for what, why in found["fails"].items())
    client = f"{found['client']} {found['version']} | `{script}`"
    return f"| {client} | {found['needs'] or 'nothing'} | {', '.join(found['works'])} | {fails} |"


def hold_row(script: str, row: str) -> None:
    """Hold a script's row of the page, or write it there anew."""
    rows = house.read_block("clients.md", "clients").splitlines()[2:]
    others = [each for each in rows if f"| `{script}` |" not in each]
    now = "\n".join([HEAD, *sorted([*others, row])])
    assert house.read_block("clients.md", "clients", now) == now


def test_the_page_has_a_row_of_every_client() -> None:
    if not os.environ.get("BBKIT_WRITE_DOCS"):
        named = re.findall(r"^\|[^|]+\| `(\w+)` \|", house.read_block("clients.md", "clients"), re.M)
        assert sorted(named) == SCRIPTS


@pytest.mark.parametrize(
    "script", [pytest.param(n, marks=[pytest.mark.long] * (n not in QUICK)) for n in SCRIPTS]
)
def test_a_client(script: str, standin: Standin) -> None:
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed, which makes the environment of each client")
    command = [uv, "run", "--quiet", "--python", sys.executable, str(CLIENTS / f"{script}.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if "Failed to fetch" in done.stderr:
        pytest.skip(f"no package index: {done.stderr}")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["refusals"]
    hold_row(script, draw_row(script, found))
