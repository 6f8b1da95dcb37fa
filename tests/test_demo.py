"""The demo as a newcomer runs it: no AWS configuration, an empty home, and a report that opens offline."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import bbkit as bb
from bbkit.report import render_report

EXPLORE = Path(__file__).parent.parent / "notebooks" / "03-explore.ipynb"
BBKIT = Path(sys.executable).with_name("bbkit")
ATTEMPTS, DUPLICATES = "What did each attempt repair?", "Are there near-duplicates?"


class Demo(NamedTuple):
    folder: Path
    said: list[str]
    environment: dict[str, str]


def bare_environment(home: Path) -> dict[str, str]:
    """Nothing of AWS, nothing of a user."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def run_bbkit(*arguments: object, cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [str(BBKIT), *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=environment, text=True, capture_output=True, timeout=240, check=False
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    here = tmp_path_factory.mktemp("newcomer")
    environment = bare_environment(tmp_path_factory.mktemp("home"))
    done = run_bbkit("demo", cwd=here, environment=environment)
    assert done.returncode == 0, done.stderr
    return Demo(here / "runs" / "demo", done.stdout.splitlines(), environment)


def read_outputs(folder: Path) -> list[dict[str, Any]]:
    """The raw lines as the service left them, read without bbkit."""
    paths = sorted(folder.glob("outputs/**/*.jsonl.out"))
    return [json.loads(line) for path in paths for line in path.read_bytes().split(b"\n") if line]


def test_the_sentence_is_true(demo: Demo) -> None:
    lines = read_outputs(demo.folder)
    sent = [
        json.loads(line)["recordId"]
        for path in demo.folder.glob("records/*.jsonl")
        for line in path.read_bytes().split(b"\n")
        if line
    ]
    assert len(sent) == len(set(sent)) == 120
    assert Counter(sent) == Counter(line["recordId"] for line in lines)
    succeeded = sum("modelOutput" in line and "errorCode" not in line["modelOutput"] for line in lines)
    assert demo.said[-2] == f"{len(sent)} sent = {succeeded} succeeded"
    assert Path(demo.said[-1]).read_bytes().startswith(b"<!doctype html>")


def test_the_numbers_of_the_report_are_those_of_the_lines(demo: Demo) -> None:
    numbers = json.loads((demo.folder / "reports" / "03-explore.json").read_text())["numbers"]
    usage = [line["modelOutput"]["usage"] for line in read_outputs(demo.folder)]
    assert numbers["sent"] == numbers["succeeded"] == len(usage)
    assert numbers["input_tokens"] == sum(one["inputTokens"] for one in usage)
    assert numbers["output_tokens"] == sum(one["outputTokens"] for one in usage)


@pytest.mark.browser
def test_the_report_opens_offline_with_every_figure(demo: Demo, page: Any) -> None:
    executed = json.loads((demo.folder / "reports" / "03-explore.ipynb").read_text())
    figures = sum(
        "application/vnd.plotly.v1+json" in output.get("data", {})
        for cell in executed["cells"]
        for output in cell.get("outputs", [])
    )
    html = demo.folder / "reports" / "03-explore.html"
    assert not [question for question in (ATTEMPTS, DUPLICATES) if question in html.read_text()]
    page.goto(html.as_uri())
    page.wait_for_selector("html[data-figures=ready]", state="attached")
    marks = page.evaluate(
        "[...document.querySelectorAll('.js-plotly-plot')].map(plot => [...plot.querySelectorAll("
        "'.trace path, .trace image, .heatmaplayer image, .point path, .boxlayer path')]"
        ".filter(mark => mark.getBoundingClientRect().width > 0).length)"
    )
    assert len(marks) == figures >= 5
    assert all(marks), marks
    assert html.stat().st_size <= 2.5e6
    text = page.inner_text("body")
    assert "120 sent = 120 succeeded" in text
    assert "stand-in" in text
    assert re.search(r"reference.summary", text)


@pytest.mark.long
def test_the_calls_are_sorted_by_the_schema_of_the_samples(demo: Demo, tmp_path: Path) -> None:
    done = run_bbkit("demo", "--schema", "--faults", cwd=tmp_path, environment=demo.environment)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "demo-schema-faults"
    outputs = bb.collect_outputs(folder, attempts="all")
    assert bb.accounting(bb.parse_answers(outputs)).numbers["invalid"] > 0
    numbers = bb.accounting(bb.parse_answers(bb.collect_outputs(folder))).numbers
    assert (numbers["sent"], numbers["valid"], numbers["usable_share"]) == (120, 120, 1)
    report = json.loads((folder / "reports" / "03-explore.json").read_text())["numbers"]
    assert (report["valid"], report["usable_share"]) == (120, 1)
    assert done.stdout.splitlines()[-2] == "120 sent = 120 succeeded. 120 answers = 120 valid + 0 invalid"
    assert "stand-in on this machine answered" in (folder / "reports" / "03-explore.html").read_text()


def test_the_demo_replaces_its_own_run_and_nothing_else(demo: Demo, tmp_path: Path) -> None:
    own = tmp_path / "work"
    own.mkdir()
    (own / "notes.txt").write_text("mine")
    done = run_bbkit("demo", own, cwd=tmp_path, environment=demo.environment)
    assert done.returncode == 2
    assert "did not make" in done.stderr
    assert (own / "notes.txt").read_text() == "mine"


def test_launching_nowhere_says_so_and_changes_nothing(demo: Demo) -> None:
    before = {path: path.stat().st_mtime_ns for path in demo.folder.rglob("*")}
    done = run_bbkit("submit", demo.folder, cwd=demo.folder.parent, environment=demo.environment)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "redentials" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in demo.folder.rglob("*")} == before


@pytest.mark.long
def test_the_faults_are_found_explained_and_repaired(tmp_path: Path, demo: Demo) -> None:
    done = run_bbkit("demo", "--faults", cwd=tmp_path, environment=demo.environment)
    assert done.returncode == 0, done.stderr
    reports = tmp_path / "runs" / "demo-faults" / "reports"
    assert ATTEMPTS not in (reports / "03-explore-before.html").read_text()
    assert ATTEMPTS in (reports / "03-explore.html").read_text()
    first = json.loads((reports / "03-explore-before.json").read_text())["numbers"]
    last = json.loads((reports / "03-explore.json").read_text())["numbers"]
    masked = [json.loads(path.read_text())["masked"] for path in reports.glob("*.json")]
    # The account, and an address and a number that one caller tells; no count, cost or share.
    assert {kind for counts in masked for kind in counts} <= {"account id", "e-mail", "phone"}
    assert max(counts.get("phone", 0) for counts in masked) <= 1
    assert first["errored"]
    assert first["missing"]
    assert first["cut_off"]
    assert last["missing"] == 0
    assert last["errored"] < first["errored"]
    # A record that errored is sent again as it was, so now it may be the one that is cut off.
    assert last["cut_off"] < first["cut_off"]


@pytest.mark.long
def test_the_calls_are_embedded_and_those_that_are_alike_shown(demo: Demo, tmp_path: Path) -> None:
    done = run_bbkit("demo", "--embeddings", cwd=tmp_path, environment=demo.environment)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "demo-embeddings"
    html = (folder / "reports" / "03-explore.html").read_text()
    outputs = bb.collect_outputs(folder, with_columns="embedding", source_columns="transcript")
    pair = bb.near_duplicates(outputs, 0.35).iloc[0]
    assert DUPLICATES in html
    assert "All embeddings have the norm 1" in html
    assert re.search(rf">{pair['record_id']}</td><td[^>]*>{pair['other_id']}</td>", html)
    assert "of how the embeddings vary" in html
    shared = render_report(EXPLORE, tmp_path / "x.html", parameters={"run_folder": folder, "alike": 0.35})
    text = shared.path.read_text()
    assert DUPLICATES in text
    said = outputs.set_index("record_key")["source.transcript"][pair["record_id"]].splitlines()
    line = max((one for one in said if not {*one} & {*"'\"<>&"}), key=len)
    assert (line in html, line in text) == (True, False)
