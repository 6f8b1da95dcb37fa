"""Bad input from end to end: one sentence that says what to do, an exit status, nothing half-written."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
from conftest import Standin

import bbkit as bb
from bbkit.catalog.prices import load_prices
from bbkit.catalog.quotas import Quotas
from bbkit.cli import main
from bbkit.core.errors import AwsError, BbkitError
from bbkit.run import RunSnapshot

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


@pytest.mark.parametrize("name", ["run.json", "jobs.jsonl", "records/index.json", "prices.json"])
@pytest.mark.parametrize("content", ['{"a":' * 100_000 + "\n", "[" * 100_000 + "\n", None])
def test_files_nested_without_end_and_links_to_themselves_are_one_sentence(
    standin: Standin, tmp_path: Path, name: str, content: str | None
) -> None:
    run = bb.Run.create(tmp_path / "run", model_id=MODEL)
    bb.write_records(
        [("a", {"messages": []})], run, allow=["min_records_per_job", "required", "empty_content"]
    )
    path = run.folder / name
    path.unlink(missing_ok=True)
    if content is None:
        path.symlink_to(path.name)
    else:
        path.write_text(content)
    calls = [lambda: RunSnapshot.read(bb.Run.open(run.folder)), lambda: load_prices(path)]
    with pytest.raises(BbkitError):
        calls[name == "prices.json"]()


@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/xml", ""])
def test_a_page_of_a_proxy_with_status_200_is_one_sentence(
    standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    page = b"<!DOCTYPE html><html>Please log in</html>"

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page * (self.command != "HEAD"))

        do_POST = do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    arn = f"arn:aws:bedrock:us-east-1:{standin.account}:model-invocation-job/aaaaaaaaaaaa"
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]:
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
        for call in (
            lambda: bb.Run.create(tmp_path / "run", model_id=MODEL),
            lambda: bb.Run.adopt(arn, tmp_path / "run"),
            lambda: bb.collect_outputs(arn),
            lambda: bb.collect_outputs("s3://bucket/prefix/"),
            lambda: bb.read_source("s3://bucket/calls.csv"),
        ):
            with pytest.raises(AwsError, match="a web page came in its place"):
                call()
        assert "a web page came in its place" in Quotas.read(MODEL).note
        server.shutdown()
    assert not (tmp_path / "run").exists()
