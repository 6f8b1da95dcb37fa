"""The command line as a shell sees it: exit status, what is printed, and where."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from attacks import SPOOFS, TERMINALS

from bbkit.cli import main
from bbkit.report import read_parameters

ROOT = Path(__file__).parent.parent
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
    split = ["check", str(wrong), "--model", MODEL, "--write-bad", str(tmp_path / "bad.jsonl"), *options]
    assert main(split) == 1
    assert capsys.readouterr().err.endswith("bad.jsonl: 100 records\n")
    assert main(split) == 2
    assert "bad.jsonl exists" in capsys.readouterr().err
    assert main([*split, "--overwrite"]) == 1


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


def test_what_a_terminal_would_obey_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "".join(TERMINALS) + SPOOFS[0] + "\x9b2J\x7f"
    path = write_records(tmp_path / "a.jsonl", {hostile: hostile, "messages": [hostile]})
    path.write_text(path.read_text().replace('"r0"', json.dumps(hostile)))
    for arguments in (
        ["check", str(path), "--model", MODEL],
        ["check", hostile, "--model", MODEL],
        ["collect", str(tmp_path), "--sent", hostile],
        ["report", hostile],
    ):
        assert main(arguments) in (1, 2)
    said = "".join(capsys.readouterr())
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", said)
    assert "\\x1b[31mred" in said
    assert "\\u202e" in said


def read_defaults(folder: Path, notebook: str = "01-prepare") -> dict[str, object]:
    return {name: one.default for name, one in read_parameters(folder / f"{notebook}.ipynb").items()}


def test_a_new_folder_is_set_up_for_its_table_and_kept_from_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f'2026,{number:03},Store {number % 3},It\'s "so" {number} {{x}}\n' for number in range(60))
    Path("my reviews.csv").write_text("year,Review ID,Shop name,Free text\n" + rows)
    assert main(["new", "reviews", "my reviews.csv"]) == 0
    assert "text 'Free text', record_id 'Review ID', by 'Shop name'" in capsys.readouterr().out
    prepare, explore = read_defaults(tmp_path / "reviews"), read_defaults(tmp_path / "reviews", "03-explore")
    assert prepare["source_uri"] == "../my reviews.csv"
    assert prepare["record_id"] == "Review ID"
    assert str(prepare["prompt"]).endswith("\n\n{Free text}")
    assert prepare["run_folder"] == explore["run_folder"] == "runs/my-reviews"
    assert explore["by"] == "Shop name"
    assert prepare.keys() == read_defaults(ROOT / "notebooks").keys()
    subprocess.run(["git", "init", "-q"], check=True)
    seen = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], capture_output=True, text=True, check=True
    )
    assert seen.stdout == '?? "my reviews.csv"\n'
    (tmp_path / "reviews" / "01-prepare.ipynb").write_text("mine")
    Path("kept").mkdir()
    Path("kept/.gitignore").write_text("mine")
    assert main(["new", "reviews"]) == main(["new", "kept"]) == main(["new", "other", "absent.csv"]) == 2
    assert [path.read_text() for path in Path("kept").iterdir()] == ["mine"]
    assert (tmp_path / "reviews" / "01-prepare.ipynb").read_text() == "mine"
    assert not Path("other").exists()


def test_records_made_elsewhere_are_proposed_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "made.jsonl").write_text('{"recordId": "a", "modelInput": {}}\n')
    assert main(["new", str(tmp_path / "one"), str(tmp_path / "made.jsonl")]) == 0
    assert read_defaults(tmp_path / "one")["record_id"] == ""
    assert read_defaults(tmp_path / "one")["source_uri"] == str(tmp_path / "made.jsonl")


def test_the_lab_opens_copies_and_names_what_the_stand_in_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["lab", "--no-browser", "--fault", "nothing-such"]) == 2
        assert "nothing-such" in capsys.readouterr().err
        assert sorted(path.name for path in Path("lab/samples").iterdir()) == [
            "README.md",
            "answer_schema.json",
            "call_transcripts.csv",
        ]
    assert main(["lab", str(ROOT / "notebooks")]) == 2
    assert "Name another folder" in capsys.readouterr().err


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
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "bbkit.standin.__main__", raising=False)  # other tests import it
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


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["colect", "x"], "collect"),
        (["collect", "x", "--exprot", "a.csv"], "--export"),
        (["collect", "x", "--int=y"], "--into"),
        (["check", "x", "--model", MODEL, "--invocation-type", "converse"], "Converse"),
    ],
)
def test_a_mistyped_word_is_asked_about(
    arguments: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert f"Did you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["coll"], {"collect"}),
        (["collect", "x", "--in"], {"--into"}),
        (["doctor", "--pol"], {"--policies"}),
        (["collect", ""], set()),
        (["completion", ""], {"bash", "zsh"}),
        (["check", "x", "--invocation-type", "Con"], {"Converse"}),
        (["standin", "x", "--spe"], {"--speed"}),
    ],
)
def test_bash_completes_commands_and_options(typed: list[str], offered: set[str]) -> None:
    script = (
        'source <("$1" -m bbkit completion bash); shift; COMP_WORDS=(bbkit "$@"); COMP_CWORD=$#; _bbkit;'
        ' printf "%s\\n" "${COMPREPLY[@]}"; complete -p bbkit'
    )
    done = subprocess.run(
        ["bash", "-uc", script, "bash", sys.executable, *typed], capture_output=True, text=True, check=True
    )
    *words, registered = done.stdout.split("\n")[:-1]
    assert set(filter(None, words)) == offered
    assert registered == "complete -o default -F _bbkit bbkit"


def test_versions_for_an_issue_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version", "--json"]) == 0
    versions = json.loads(capsys.readouterr().out)
    assert {"bbkit", "Python", "platform", "pandas", "boto3", "jupyterlab"} <= versions.keys()
    assert "pytest" not in versions


def test_collect_into_a_folder_keeps_the_rows_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"recordId": "r", "modelOutput": {"generation": "x", "stop_reason": "stop"}}
    (tmp_path / "out.jsonl.out").write_text(json.dumps(line) + "\n")
    rows = tmp_path / "rows"
    main(["collect", str(tmp_path / "out.jsonl.out"), "--into", str(rows)])
    assert [path.name for path in rows.glob("*.parquet")] == ["part-00000.parquet"]
    assert "1 read = 1 succeeded" in capsys.readouterr().out
    export = tmp_path / "x.jsonl"
    assert main(["collect", str(tmp_path), "--into", str(rows), "--export", str(export)]) == 1
    assert json.loads(export.read_text())["text"] == "x"


@pytest.mark.parametrize(
    "arguments",
    [["check", "wrong.jsonl", "--model", MODEL, "--json"], ["completion", "bash"], ["--version", "--json"]],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_nobody_reads_any_more_ends_silently(
    arguments: list[str], unbuffered: str, tmp_path: Path
) -> None:
    write_records(tmp_path / "wrong.jsonl", {"inputText": "x"}, 2000)
    command = [sys.executable, "-m", "bbkit", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


CLI = "from bbkit.cli import main; sys.exit(main())"


@pytest.mark.parametrize(
    ("arguments", "module", "extra"),
    [
        (["demo"], "starlette", "standin"),
        (["lab"], "jupyterlab", "notebooks"),
        (["standin", "x"], "uvicorn", "standin"),
        (["report", "x.ipynb"], "papermill", "notebooks"),
        (["report", "03-explore"], "nh3", "notebooks"),
    ],
)
def test_a_missing_extra_is_one_sentence_with_what_to_type(
    arguments: list[str], module: str, extra: str, tmp_path: Path
) -> None:
    done = without(module, CLI, arguments, tmp_path)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert f"needs {module}, not installed here." in done.stderr
    assert f"Type: pip install 'bbkit[{extra}]'" in done.stderr


@pytest.mark.parametrize(
    ("code", "module", "extra"),
    [
        ("import bbkit as bb; bb.explorers", "ipywidgets", "notebooks"),
        ("import bbkit as bb; bb.read_source('x.xlsx')", "openpyxl", "excel"),
        (
            "import pandas; import bbkit as bb; data = pandas.DataFrame({'t': ['x']});"
            "bb.build_records(data, 'amazon.nova-lite-v1:0', prompt='{t}', schema={'a': str})",
            "jsonschema",
            "schemas",
        ),
        (
            "import pandas; import bbkit as bb; bb.export_records(pandas.DataFrame(), 'y.xlsx')",
            "openpyxl",
            "excel",
        ),
    ],
)
def test_a_missing_extra_says_so_in_python(code: str, module: str, extra: str, tmp_path: Path) -> None:
    (tmp_path / "x.xlsx").write_bytes(b"PK")
    done = without(module, code, [], tmp_path)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("bbkit.core.errors.ExtraError:"), done.stderr
    assert f"bbkit[{extra}]" in last


def without(module: str, code: str, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code where a module cannot be found."""
    hide = (
        "import importlib.util, sys; find = importlib.util.find_spec;"
        f"importlib.util.find_spec = lambda name, *a: None if name == {module!r} else find(name, *a);"
    )
    return subprocess.run(
        [sys.executable, "-c", hide + code, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("room", "module"), [("report", "papermill"), ("explorers", "ipywidgets"), ("report", "nh3")]
)
def test_a_room_without_its_extra_says_what_to_type(room: str, module: str, tmp_path: Path) -> None:
    done = without(module, f"import bbkit.{room}", [], tmp_path)
    assert done.stderr.splitlines()[-1].endswith("Type: pip install 'bbkit[notebooks]'")


def test_everything_by_a_star_is_what_the_installed_extras_give(tmp_path: Path) -> None:
    done = without(
        "ipywidgets", "from bbkit import *; print(check_records, 'explorers' in globals())", [], tmp_path
    )
    assert done.stdout.endswith("False\n"), done.stderr


def test_nbconvert_works_where_the_extra_is_not_installed(tmp_path: Path) -> None:
    """It imports every exporter that is registered, and fails as a whole where one cannot be imported."""
    export = "from nbconvert.exporters import get_export_names as names; print('bbkit' in names())"
    done = without("nh3", export, [], tmp_path)
    assert done.stdout == "True\n", done.stderr
    assert not {"bbkit.report", "papermill"} & set(done.stderr.split())


def test_a_file_that_cannot_be_written_is_called_by_its_own_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"recordId": "r", "modelOutput": {"generation": "x", "stop_reason": "stop"}}
    (tmp_path / "out.jsonl.out").write_text(json.dumps(line) + "\n")
    absent = Path("/proc/bbkit-rows.csv")
    assert main(["collect", str(tmp_path), "--export", str(absent)]) == 2
    assert capsys.readouterr().err.startswith(f"bbkit: '{absent}' cannot be written: ")
    assert main(["collect", str(tmp_path), "--into", str(tmp_path / "out.jsonl.out")]) == 2
    assert "is a file" in capsys.readouterr().err
