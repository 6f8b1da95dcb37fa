"""The path of three strangers, by the commands of README and its guides: from what they have to a report."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Standin

from bbkit.cli import main

MODEL = "amazon.nova-lite-v1:0"
TEXT = "The battery was late and the manual was fine. I will not buy it again, and I wrote so to support."
LAUNCH = (["report", "02-launch"], ["report", "runs/mine"])


def write_reviews(folder: Path) -> list[list[str]]:
    rows = "".join(f'R{n:03},"{TEXT} {n}",{n % 3}\n' for n in range(100))
    (folder / "mine.csv").write_text(f"Review ID,Review Text,Product Line\n{rows}")
    prompt = "What does this review say? {Review Text}"
    return [["new", "place", "mine.csv"], ["report", "01-prepare", "-p", "prompt", prompt]]


def write_letters(folder: Path) -> list[list[str]]:
    (folder / "mine").mkdir()
    (folder / "mine" / "README.md").write_text("# Letters")
    for number in range(100):
        (folder / "mine" / f"letter {number:03}.txt").write_text(f"{TEXT} {number}")
    return [["new", "place", "mine"], ["report", "01-prepare"]]


def write_records(folder: Path) -> list[list[str]]:
    body = {"messages": [{"role": "user", "content": [{"text": TEXT}]}], "inferenceConfig": {"maxTokens": 90}}
    lines = [json.dumps({"recordId": f"{n:05}", "modelInput": body}) for n in range(500)]
    lines[7], lines[70] = lines[7][:-4], lines[70].replace("messages", "massages")
    lines[300] = lines[300].replace("90", '"many"')
    (folder / "records.jsonl").write_text("\n".join(lines))
    part = ["check", "records.jsonl", "--model", MODEL, "--write-good", "mine.jsonl"]
    return [part, ["new", "place", "mine.jsonl"], ["report", "01-prepare"]]


@pytest.mark.long
@pytest.mark.parametrize(
    ("write", "sent"), [(write_reviews, 100), (write_letters, 100), (write_records, 497)]
)
def test_a_stranger_comes_to_a_report_by_the_commands_of_the_readme(
    write: Any, sent: int, standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (*write(tmp_path), *LAUNCH):
        assert main(command) == (1 if command[0] == "check" else 0), command
        if command[0] == "new":
            monkeypatch.chdir(tmp_path / "place")
    page = Path("runs/mine/reports/03-explore.html").read_text()
    assert f"{sent} sent = {sent} succeeded" in page
    assert "<h1>mine: what came back</h1>" in page
    assert "What was asked" in page
    assert "Shift-Enter" not in page and "Look around" not in page
