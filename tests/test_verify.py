"""`verify_run` and `bbkit verify`: what differs from what was written, from S3 and from manifests."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from attacks import drop_overrides
from output_files import write_outputs

import bbkit as bb
from bbkit.cli import main
from bbkit.core.errors import InputError
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


def test_outputs_are_verified_whatever_the_journal_tells(run: bb.Run) -> None:
    bb.collect_outputs(run)
    journal = run.folder / "jobs.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    output = next(run.folder.rglob("*.jsonl.out"))
    for torn in range(1, len(lines) + 1):
        journal.write_bytes(b"".join(lines[:-torn]) + lines[-torn][:-30])
        output.write_bytes(output.read_bytes().replace(b"late", b"LATE"))
        assert verify(run) == [("error", "output", output.name)]
        assert verify(run, fetch=True) == [("info", "output", output.name)]
        assert verify(run) == []


def test_what_stands_in_the_place_of_an_output_is_named(run: bb.Run) -> None:
    bb.collect_outputs(run)
    for name in ("1-0001.jsonl.out", "manifest.json.out"):
        place = next(run.folder.rglob(name))
        place.unlink()
        place.mkdir()
        assert verify(run) == [("error", "output", name)]
        found = bb.verify_run(run, fetch=True)
        assert found["severity"].tolist() == ["error"]
        assert "Move away what is in its place" in found.to_text()
        place.rmdir()
        for target in (place.name, "none"):
            place.unlink(missing_ok=True)
            place.symlink_to(target)
            assert verify(run) == [("error", "output", name)]
            assert verify(run, fetch=True) == [("info", "output", name)]
            assert verify(run) == []


def test_what_differs_in_size_was_not_compared_by_size_alone(run: bb.Run) -> None:
    bb.collect_outputs(run)
    for name, damage in product(("1-0001.jsonl.out", "manifest.json.out"), (b"", b"{", b"\x1f\x8b\x08")):
        place = next(run.folder.rglob(name))
        good = place.read_bytes()
        write_outputs(place, [damage])
        found = bb.verify_run(run)
        assert found["rule"].iloc[0] == "output"
        assert "size_only" not in [*found["rule"]]
        if name.startswith("manifest"):
            assert found["rule"].tolist() == ["output", "manifest"]
            for told in (found, bb.diagnose_outputs(bb.collect_outputs(place.parent))):
                assert "is not a JSON object" in told.to_text()
                assert "stopped or expired" not in told.to_text()
        place.write_bytes(good)


def test_an_input_that_is_gone_is_named_with_what_brings_it_back(
    run: bb.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    records = run.record_files()[0].path
    records.unlink()
    with pytest.raises(InputError, match=r"1-0001.*bbkit verify RUN --fetch"):
        bb.collect_outputs(run)
    with pytest.raises(InputError, match=r"1-0001.*bbkit verify RUN --fetch"):
        bb.estimate_cost(run)
    assert main(["collect", str(run.folder)]) == 2
    assert "bbkit verify RUN --fetch" in capsys.readouterr().err
    assert verify(run, fetch=True)[0] == ("info", "input", records.name)
    assert len(bb.collect_outputs(run)) == 6


def test_what_cannot_be_written_is_a_finding_too(run: bb.Run) -> None:
    bb.collect_outputs(run)
    damaged = run.record_files()[0].path, next(run.folder.rglob("*.jsonl.out"))
    for place in damaged:
        place.write_bytes(place.read_bytes().replace(b"late", b"LATE"))
        place.chmod(0o444)
        place.parent.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-m", "bbkit", "verify", str(run.folder), "--fetch"],
        check=False,
        preexec_fn=drop_overrides,
        capture_output=True,
        text=True,
        timeout=60,
    )
    for place in damaged:
        place.parent.chmod(0o755)
    assert (done.returncode, done.stderr) == (1, "")
    told = " ".join(done.stdout.split())
    assert told.count("Copy the run where you may write") == 2
    assert damaged[0].name in told
    assert damaged[1].name in told
    assert ".part" not in told
