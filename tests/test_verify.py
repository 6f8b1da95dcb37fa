"""`verify_run` and `bbkit verify`: what differs from what was written, from S3 and from manifests."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from output_files import write_outputs

import bbkit as bb
from bbkit.cli import main
from bbkit.jobs import clean_run

BODY = {"messages": [{"role": "user", "content": [{"text": "late parcel"}]}]}


@pytest.fixture
def run(start_standin: Callable[..., Any], tmp_path: Path) -> bb.Run:
    """A run whose one job has ended; its outputs are not here."""
    start_standin("--min-records", "5")
    made = bb.Run.create(tmp_path / "calls", model_id="amazon.nova-micro-v1:0")
    bb.write_records([(f"c{n}", BODY) for n in range(6)], made, allow=["min_records_per_job"])
    bb.submit_jobs(made)
    bb.wait_for_jobs(made, every=0.1, timeout=60)
    return made


def list_content(run: bb.Run) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}


def verify(run: bb.Run, **options: Any) -> list[tuple[str, str, str]]:
    """Severity, rule and the end of the file of each finding; without `fetch` nothing is written."""
    before = list_content(run)
    found = bb.verify_run(run, **options)
    assert options or list_content(run) == before
    rows = found[["severity", "rule", "file"]].fillna("").itertuples(index=False)
    return [(severity, rule, file.rpartition("/")[2]) for severity, rule, file in rows]


def test_what_differs_is_said_and_fetched_on_demand(run: bb.Run, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["1-0001.jsonl.out", "manifest.json.out"]
    assert verify(run) == [("error", "output", name) for name in names]
    assert verify(run, fetch=True) == [("info", "output", name) for name in names]
    assert verify(run) == []
    assert main(["verify", str(run.folder)]) == 0
    assert "1 input file and 2 output files are as they were" in capsys.readouterr().out
    good = list_content(run)
    output, manifest = (next(run.folder.rglob(name)) for name in names)
    records = run.record_files()[0].path
    output.write_bytes(good[output].replace(b"late", b"LATE"))
    records.write_bytes(good[records].replace(b"late", b"LATE"))
    manifest.write_text(json.dumps(json.loads(good[manifest]) | {"successRecordCount": 5}))
    damaged = [("input", records.name), ("output", output.name), ("output", manifest.name)]
    assert verify(run) == [
        *(("error", *each) for each in damaged),
        ("warning", "manifest", output.parent.name),
    ]
    assert main(["verify", str(run.folder), "--json"]) == 1
    assert main(["verify", str(run.folder), "--fetch"]) == 0
    assert {path: list_content(run)[path] for path in (output, records, manifest)} == {
        path: good[path] for path in (output, records, manifest)
    }
    records.unlink()
    assert verify(run, fetch=True) == [("info", "input", records.name)]
    assert records.read_bytes() == good[records]


def test_a_copy_far_from_s3_is_compared_with_what_was_noted(
    run: bb.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bb.collect_outputs(run)
    clean_run(run, delete=True)
    assert verify(run) == []
    bare = bb.Run.open(shutil.copytree(run.folder, tmp_path / "bare"))
    for note in bare.folder.rglob("*.etag"):
        note.unlink()
    assert verify(bare) == [("unknown", "size_only", "")]
    output = next(run.folder.rglob("*.jsonl.out"))
    output.write_bytes(output.read_bytes().replace(b"late", b"LATE"))
    found = bb.verify_run(run, fetch=True)
    assert "S3 does not hold it any more. Restore it from a copy." in found.to_text()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    assert verify(run) == [("error", "output", output.name), ("info", "not_reached", "")]
    write_outputs(next(bare.folder.rglob("*.jsonl.out")), [b"<html>"])
    assert [rule for _, rule, _ in verify(bare)] == [
        "output",
        "unreadable",
        "manifest",
        "size_only",
        "not_reached",
    ]
