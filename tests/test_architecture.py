"""The pages made from the package are what the package is; `make docs` writes them anew."""

import json
import subprocess
import sys
from pathlib import Path

import house
import pytest
from conftest import Standin
from flows import FLOWS


def test_the_floors_are_drawn_as_they_are() -> None:
    assert house.read_block("architecture.md", "floors", house.draw_floors()) == house.draw_floors()


def test_the_findings_are_listed_as_they_are() -> None:
    assert house.read_block("findings.md", "findings", house.draw_findings()) == house.draw_findings()


@pytest.mark.parametrize("flow", FLOWS)
def test_a_flow_enters_the_files_that_the_page_lists(flow: str, standin: Standin, tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).with_name("flows.py")), flow, str(tmp_path)]
    walked = subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL)
    now = house.draw_flow(json.loads(walked))
    assert set(house.read_block("architecture.md", f"flow {flow}", now).splitlines()) == set(now.splitlines())
