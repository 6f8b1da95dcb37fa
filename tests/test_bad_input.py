"""Bad input from end to end: one sentence that says what to do, an exit status, nothing half-written."""

from pathlib import Path

import pandas as pd
import pytest
from conftest import Standin

import bbkit as bb
from bbkit.cli import main
from bbkit.core.errors import BbkitError

MODEL = "amazon.nova-lite-v1:0"
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def make_calls(count: int = 120) -> pd.DataFrame:
    rows = [(f"CALL{place:07}", f"Agent: good day {place}") for place in range(count)]
    return pd.DataFrame(rows, columns=["call_id", "transcript"], dtype="string")


def prepare(
    folder: Path,
    data: pd.DataFrame,
    *,
    model_id: str = MODEL,
    prompt: str = "Summarize:\n\n{transcript}",
    record_id: str = "call_id",
) -> bb.Run:
    """What 01-prepare does."""
    records = bb.build_records(data, model_id, prompt=prompt, record_id=record_id)
    run = bb.Run.create(folder, model_id=model_id, source=data)
    bb.write_records(records, run)
    return run


def refuse(folder: Path, data: pd.DataFrame, **changes: str) -> str:
    """The sentence of the refusal; nothing that looks like a record may be left behind."""
    with pytest.raises(BbkitError) as caught:
        prepare(folder, data, **changes)
    assert not list(folder.rglob("*.jsonl"))
    assert not list(folder.parent.glob(".*"))
    sentence = str(caught.value)
    assert len(sentence) < 500
    assert "\n" not in sentence
    return sentence


@pytest.fixture(autouse=True)
def _standin(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    standin.use(monkeypatch)


def test_a_column_that_the_prompt_names_and_the_data_lack(tmp_path: Path) -> None:
    sentence = refuse(tmp_path / "run", make_calls(), prompt="{transcrip}")
    assert "'transcrip'" in sentence
    assert "transcript" in sentence.replace("'transcrip'", "")


def test_ids_that_repeat(tmp_path: Path) -> None:
    data = make_calls()
    data.loc[7:9, "call_id"] = "CALL0000001"
    assert "'CALL0000001' occurs 4 times" in refuse(tmp_path / "run", data)


def test_no_rows_at_all(tmp_path: Path) -> None:
    assert "no record" in refuse(tmp_path / "run", make_calls(0))


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_bytes(b"")
    with pytest.raises(BbkitError, match="empty"):
        bb.read_source(tmp_path / "calls.csv")


def test_fewer_records_than_a_job_takes(tmp_path: Path) -> None:
    sentence = refuse(tmp_path / "run", make_calls(99))
    assert "99 records" in sentence
    assert "at least 100" in sentence


def test_a_model_that_nobody_knows(tmp_path: Path) -> None:
    sentence = refuse(tmp_path / "run", make_calls(), model_id="initech.talker-v1:0")
    assert "'initech.talker-v1:0'" in sentence
    assert "family=" in sentence


def test_a_folder_that_holds_a_run(tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", make_calls())
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError, match="run"):
        prepare(run.folder, make_calls())
    assert before == {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}


def test_a_parameter_the_notebook_does_not_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "out.html"
    command = ["report", str(NOTEBOOKS / "01-prepare.ipynb"), "-p", "max_token", "9", "-o", str(page)]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "'max_token'" in said
    assert "max_tokens" in said.replace("'max_token'", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command",
    [
        ["collect", "nowhere"],
        ["submit", "nowhere"],
        ["wait", "nowhere"],
        ["stop", "nowhere"],
        ["doctor", "nowhere"],
        ["clean", "nowhere"],
        ["check", "nowhere.jsonl", "--model", MODEL],
        ["report", "nowhere.ipynb"],
    ],
    ids=lambda command: command[0],
)
def test_a_place_that_is_not_there(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "nowhere" in said[0]
    assert not list(tmp_path.iterdir())
