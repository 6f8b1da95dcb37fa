"""The command line as a shell sees it: exit status, what is printed, and where."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bbkit.cli import main

MODEL = "amazon.nova-lite-v1:0"


def write_records(path: Path, body: dict[str, object], count: int = 100) -> Path:
    lines = (json.dumps({"recordId": f"r{number}", "modelInput": body}) for number in range(count))
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_check_says_by_its_status_what_it_found(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_records(
        tmp_path / "good.jsonl", {"messages": [{"role": "user", "content": [{"text": "x"}]}]}
    )
    wrong = write_records(tmp_path / "wrong.jsonl", {"inputText": "x"})
    assert main(["check", str(good), "--model", MODEL, *options]) == 0
    capsys.readouterr()
    assert main(["check", str(wrong), "--model", MODEL, *options]) == 1
    said = capsys.readouterr().out
    if options:
        rules = {json.loads(line)["rule"] for line in said.splitlines()}
        assert "required" in rules or "family_mismatch" in rules
    assert main(["check", str(tmp_path / "none.jsonl"), "--model", MODEL, *options]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_place_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"recordId": "r", "modelOutput": {"generation": "x", "stop_reason": "stop"}}
    (tmp_path / "out.jsonl.out").write_text(json.dumps(line) + "\n")
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "rows.csv"
    assert main(["collect", str(tmp_path), "--export", str(target)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "file" in said[0]


def test_the_lab_copies_the_samples_beside_notebooks_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    assert main(["lab", "--no-browser", "file/in-no-folder"]) == 2
    samples = sorted(path.name for path in (tmp_path / "data" / "samples").iterdir())
    assert samples == ["README.md", "call_transcripts.csv"]


def test_the_command_before_a_launch_has_two_names_and_one_line_of_help(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for name in ("preflight", "doctor"):
        assert main([name, str(tmp_path)]) == 2
        said.append(capsys.readouterr().err)
    assert said[0] == said[1] != ""
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert "preflight" in shown
    assert "doctor" not in shown


def test_the_stand_in_reads_its_own_options_and_ends_with_its_own_status(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main(["standin", "-h"]) == 0
    assert "usage: bbkit standin" in capfd.readouterr().out
    assert main(["standin", "--no-such-option", "folder"]) == 2
    assert "--no-such-option" in capfd.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_stand_in_ends_with_the_command_that_started_it(how: int, tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("bbkit"), "standin", tmp_path, "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        ready = next(line for line in process.stdout if line.startswith("ready "))
        address = urlsplit(next(word for word in ready.split() if word.startswith("http")))
        assert address.hostname and address.port
        process.send_signal(how)
        assert process.wait(20) in (0, -signal.SIGKILL)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port), timeout=5).close()
