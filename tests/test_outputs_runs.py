"""Outputs of runs: attempts and submissions, what is pending, S3 places, archived folders."""

import base64
import contextlib
import hashlib
import json
import os
import pickle
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from any_key_s3 import serving
from attacks import KEYS, PLAIN_KEYS, drop_overrides
from output_files import error_line, nova_line, read_parquet, write_manifest, write_outputs
from report_notebooks import code, write

import bbkit as bb
from bbkit import aws
from bbkit.core.errors import AwsError, BbkitError, InputError, RunError
from bbkit.core.frames import OUTPUT_COLUMNS
from bbkit.explorers import RecordExplorer
from bbkit.lines import reading
from bbkit.report import export_notebook
from bbkit.run import RunSnapshot
from bbkit.run.recording import write_attempt

MODEL = "amazon.nova-micro-v1:0"
BODY = {
    "messages": [{"role": "user", "content": [{"text": "Customer: late parcel. Agent: it comes today."}]}]
}
IDS = ["00001", "00002", "00003", "00004"]


@pytest.fixture
def run(standin: Any, tmp_path: Path) -> bb.Run:
    """A run of four records, nothing submitted."""
    source = pd.DataFrame({"queue": ["bill", "bill", "tech", None], "wait": [1, 2, 3, 4]}, index=IDS)
    made = bb.Run.create(tmp_path / "calls", model_id=MODEL, source=source.rename_axis("record_id"))
    bb.write_records([(name, BODY) for name in IDS], made, allow=["min_records_per_job"])
    return made


def end_job(run: bb.Run, job_id: str, lines: list[Any] | None, *, submission: int = 1, attempt: int = 1,
            status: str = "Completed") -> str:  # fmt: skip
    """Journal a job of an attempt as ended, and put its outputs where a download would."""
    arn = f"arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/{job_id}"
    job = run.record_files(attempt)[0].job
    about = {"job": job, "attempt": attempt, "submission": submission}
    run.journal.append(
        {"event": "queued", **about, "job_name": f"calls-{attempt}-{submission}"},
        {"event": "submitted", **about, "job_arn": arn},
        {"event": "ended", **about, "seen": {"status": status}},
    )
    output = run.output_folder(arn) / f"{run.record_files(attempt)[0].path.name}.out"
    write_outputs(output, lines or [])
    (run.output_folder(arn) / "objects.json").write_text(json.dumps({output.name: output.stat().st_size}))
    return arn


def write_retry(run: bb.Run, ids: list[str]) -> None:
    write_attempt([(name, BODY) for name in ids], RunSnapshot.read(run), allow=["min_records_per_job"])


def test_nothing_submitted_is_pending(run: bb.Run):
    outputs = bb.collect_outputs(run)
    assert outputs["record_id"].tolist() == IDS
    assert set(outputs["outcome"]) == {"pending"}
    assert outputs["attempt"].tolist() == [1] * 4
    assert outputs["model_id"].tolist() == [MODEL] * 4
    assert outputs["job_arn"].isna().all()
    told = bb.accounting(outputs)
    assert (told.sentence, told.complete) == ("4 sent = 4 pending", False)
    assert dict(outputs.dtypes.astype(str)) == OUTPUT_COLUMNS


def test_source_columns_come_from_the_run_in_order(run: bb.Run, tmp_path: Path):
    end_job(run, "aaaaaaaaaaaa", [nova_line(name) for name in reversed(IDS)])
    names = ["wait", "queue"]
    outputs = bb.collect_outputs(run, source_columns=names)
    assert list(outputs.columns)[-2:] == ["source.wait", "source.queue"]
    assert outputs["source.wait"].tolist() == [1, 2, 3, 4]
    assert outputs["source.queue"].isna().tolist() == [False, False, False, True]
    bb.collect_outputs(run.folder, source_columns=names, into=tmp_path / "parts")
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "parts"), outputs, check_flags=False)
    with pytest.raises(InputError, match=r"'team'.*'queue', 'wait'"):
        bb.collect_outputs(run, source_columns=["team"])
    with pytest.raises(InputError, match="source_columns"):
        bb.collect_outputs(run.folder / "outputs", source_columns=["queue"])
    with pytest.raises(InputError, match="sent="):
        bb.collect_outputs(run, sent=IDS)


def test_the_best_attempt_is_shown_and_all_are_kept(run: bb.Run, tmp_path: Path):
    lines = [nova_line("00001"), nova_line("00002", "Ha", stop="max_tokens"), error_line("00003")]
    end_job(run, "aaaaaaaaaaaa", lines)
    assert bb.accounting(bb.collect_outputs(run)).sentence == "4 sent = 2 succeeded + 1 errored + 1 missing"
    write_retry(run, IDS[1:])
    waiting = bb.collect_outputs(run)
    assert waiting["outcome"].tolist() == ["succeeded", "succeeded", "errored", "pending"]
    assert bb.accounting(waiting).numbers["pending"] == 1
    end_job(
        run, "bbbbbbbbbbbb", [error_line("00002"), nova_line("00003", "Now"), nova_line("00001")], attempt=2
    )
    best = bb.collect_outputs(run)
    assert best["text"].tolist() == ["Fine.", "Ha", "Now", pd.NA]
    assert best["attempt"].tolist() == [1, 1, 2, 2]
    told = bb.accounting(best)
    assert told.sentence == "4 sent = 3 succeeded + 1 missing; 1 unexpected id"
    assert told.lines["reason"].tolist() == ["unexpected: record_id was not sent in this attempt"]
    assert told.lines["file"].str.startswith("outputs/bbbbbbbbbbbb/").all()

    every = bb.collect_outputs(run, attempts="all")
    assert every["record_id"].tolist() == ["00001", "00002", "00002", "00003", "00003", "00004", "00004"]
    assert every["attempt"].tolist() == [1, 1, 2, 1, 2, 1, 2]
    assert bb.accounting(every).sentence == told.sentence
    kept = read_parquet(run.folder / "outputs.parquet")
    assert list(kept.columns) == [*OUTPUT_COLUMNS, "is_best"]
    pd.testing.assert_frame_equal(kept.drop(columns="is_best"), every, check_flags=False)
    pd.testing.assert_frame_equal(
        kept[kept["is_best"]].drop(columns="is_best").reset_index(drop=True), best, check_flags=False
    )
    for attempts, whole in (("best", best), ("all", every)):
        bb.collect_outputs(run, attempts=attempts, into=tmp_path / attempts)
        pd.testing.assert_frame_equal(read_parquet(tmp_path / attempts), whole, check_flags=False)


def test_the_kept_rows_are_written_anew_only_when_something_new_came(run: bb.Run):
    kept = run.folder / "outputs.parquet"

    def look() -> list[tuple[str, int, int]]:
        return sorted((path.name, path.stat().st_ino, path.stat().st_mtime_ns) for path in kept.iterdir())

    def is_rewritten() -> bool:
        before = look()
        bb.collect_outputs(run)
        return look() != before

    arn = end_job(run, "aaaaaaaaaaaa", [nova_line(name) for name in IDS[:2]])
    outputs = bb.collect_outputs(run)
    assert not is_rewritten()
    before = look()
    pd.testing.assert_frame_equal(bb.collect_outputs(run), outputs)
    bb.collect_outputs(run, attempts="all", with_columns="model_output", source_columns="queue")
    assert look() == before
    write_retry(run, IDS[2:])
    assert is_rewritten(), "records of a new attempt are pending"
    end_job(run, "bbbbbbbbbbbb", [nova_line(name, "Now") for name in IDS[2:]], attempt=2)
    assert is_rewritten() and not is_rewritten()
    assert pd.read_parquet(kept).query("attempt == 2")["text"].tolist() == ["Now", "Now"]
    path = run.output_folder(arn) / f"{run.record_files(1)[0].path.name}.out"
    write_outputs(path, [nova_line(name, "Late!") for name in IDS[:2]])
    assert is_rewritten(), "an output file is another"
    next(kept.glob("part-*")).write_bytes(b"cut")
    assert is_rewritten(), "a part is damaged"
    for path in kept.glob("part-*"):
        path.unlink()
    bb.collect_outputs(run)
    assert len(pd.read_parquet(kept)) == 6


def test_a_record_is_shown_with_what_was_sent_whether_or_not_a_line_came(run: bb.Run):
    end_job(
        run,
        "aaaaaaaaaaaa",
        [nova_line("00001"), error_line("00002"), error_line("00003"), nova_line("00003")],
    )
    outputs = pickle.loads(pickle.dumps(bb.collect_outputs(run)))
    shown = {}
    for name in IDS:
        explorer = RecordExplorer(outputs[outputs["record_id"] == name])
        shown[name] = explorer._detail.value
    assert "How was it?" in shown["00001"] and "Fine." in shown["00001"]
    assert "bad request" in shown["00002"]
    assert "How was it?" in shown["00003"] and "bad request" not in shown["00003"]
    assert "late parcel" in shown["00004"], "from the file that was sent"


RANKED = [
    nova_line("x", "stop"),
    nova_line("x", stop="tool_use"),
    nova_line("x", stop="pause_turn"),
    nova_line("x", stop="max_tokens"),
    nova_line("x", stop="content_filtered"),
    error_line("x"),
    None,
]


def test_of_two_attempts_the_better_one_wins_whichever_is_later(standin: Any, tmp_path: Path):
    pairs = {f"{better}-{later}": (better, later) for better in range(6) for later in (1, 2)}
    run = bb.Run.create(tmp_path / "calls", model_id=MODEL)
    bb.write_records([(name, BODY) for name in pairs], run, allow=["min_records_per_job"])
    write_retry(run, list(pairs))
    for attempt in (1, 2):
        ranks = {name: better if attempt == later else better + 1 for name, (better, later) in pairs.items()}
        lines = [{**line, "recordId": name} for name, rank in ranks.items() if (line := RANKED[rank])]
        end_job(run, f"aaaaaaaaaaa{attempt}", lines, attempt=attempt)
    outputs = bb.collect_outputs(run)
    assert outputs["attempt"].tolist() == [later for _, later in pairs.values()]


def test_equal_attempts_show_the_latest(run: bb.Run):
    end_job(run, "aaaaaaaaaaaa", [nova_line(name, "first") for name in IDS])
    write_retry(run, IDS)
    end_job(run, "bbbbbbbbbbbb", [nova_line(name, "second") for name in IDS], attempt=2)
    assert set(bb.collect_outputs(run)["text"]) == {"second"}


def test_a_file_submitted_again_keeps_what_both_jobs_brought(run: bb.Run):
    end_job(run, "aaaaaaaaaaaa", [nova_line("00001"), nova_line("00002")], status="Stopped")
    end_job(run, "bbbbbbbbbbbb", [nova_line(name, "again") for name in IDS[1:3]], submission=2)
    best = bb.collect_outputs(run)
    assert best["text"].tolist() == ["Fine.", "again", "again", pd.NA]
    assert best["submission"].tolist() == [1, 2, 2, 2]
    assert bb.accounting(best).sentence == "4 sent = 3 succeeded + 1 missing"
    every = bb.collect_outputs(run, attempts="all")
    assert every["record_id"].tolist() == ["00001", "00002", "00002", "00003", "00004"]


def test_on_demand_lines_are_their_tier(run: bb.Run):
    end_job(run, "aaaaaaaaaaaa", [nova_line(name) for name in IDS[:2]])
    write_retry(run, IDS[2:])
    assert bb.collect_outputs(run)["outcome"].tolist() == ["succeeded", "succeeded", "pending", "pending"]
    folder = run.folder / "outputs/on-demand-2"
    write_outputs(folder / "2-0001.jsonl.out", [nova_line("00003")])
    write_manifest(folder, 1, 0)
    outputs = bb.collect_outputs(run)
    assert outputs["tier"].tolist() == ["batch", "batch", "on_demand", "on_demand"]
    assert outputs["outcome"].tolist() == ["succeeded", "succeeded", "succeeded", "missing"]
    assert outputs["source_file"].tolist()[2] == "outputs/on-demand-2/2-0001.jsonl.out"


def test_an_archived_run_is_read_anywhere(run: bb.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    end_job(run, "aaaaaaaaaaaa", [nova_line(name) for name in IDS])
    there = bb.collect_outputs(run)
    shutil.make_archive(str(tmp_path / "kept"), "zip", run.folder)
    shutil.unpack_archive(tmp_path / "kept.zip", tmp_path / "elsewhere")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    here = bb.collect_outputs(str(tmp_path / "elsewhere"))
    pd.testing.assert_frame_equal(here, there)
    assert bb.accounting(here).complete


READ = """
import sys
import bbkit as bb
for folder in sys.argv[1:]:
    run = bb.Run.open(folder)
    status, = bb.list_jobs(run)["status"]
    outputs = bb.collect_outputs(run)
    bb.diagnose_outputs(outputs), bb.charts.outcomes(outputs), bb.charts.cost(bb.cost_of(run))
    print(status, bb.accounting(outputs), bb.cost_of(run).numbers["answered"])
"""


def test_a_run_that_cannot_be_written_is_read_whole(start_standin: Callable[..., Any], tmp_path: Path):
    """Kept rows, rows that are older than a copy's files, outputs not here, a job not seen to end."""
    start_standin("--min-records", "5")
    folders = [tmp_path / name for name in ("kept", "copied", "remote", "running")]
    for folder in folders:
        run = bb.Run.create(folder, model_id=MODEL)
        bb.write_records([(f"c{n}", BODY) for n in range(6)], run, allow=["min_records_per_job"])
        bb.submit_jobs(run)
        if folder.name != "running":
            bb.wait_for_jobs(run, every=0.1, timeout=60)
        if folder.name in ("kept", "copied"):
            bb.collect_outputs(run)
    for path in folders[1].rglob("*"):
        os.utime(path, (1, 1))
    for path in tmp_path.glob("[kcr]*/**/*"):
        path.chmod(path.stat().st_mode & ~0o222)
    for folder in folders:
        folder.chmod(0o555)
    before = [(path, path.stat().st_mtime_ns) for folder in folders for path in sorted(folder.rglob("*"))]
    done = subprocess.run(
        [sys.executable, "-c", READ, *folders],
        check=False,
        preexec_fn=drop_overrides,
        capture_output=True,
        text=True,
        timeout=120,
    )
    for folder in folders:
        folder.chmod(0o755)
    assert done.stdout.splitlines() == ["Completed 6 sent = 6 succeeded 6"] * 4, done.stderr
    assert before == [
        (path, path.stat().st_mtime_ns) for folder in folders for path in sorted(folder.rglob("*"))
    ]


def test_a_real_job_is_read_by_run_arn_prefix_and_object(
    start_standin: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    start_standin("--min-records", "5")
    run = bb.Run.create(tmp_path / "calls", model_id=MODEL)
    ids = [f"c{number}" for number in range(6)]
    bb.write_records([(name, BODY) for name in ids], run, allow=["min_records_per_job"])
    jobs = bb.submit_jobs(run)
    if jobs.empty:
        pytest.fail("the records went to no job")
    jobs = bb.wait_for_jobs(run, every=0.2, timeout=60)
    arn = jobs.loc[0, "job_arn"]
    outputs = bb.collect_outputs(run)
    assert bb.accounting(outputs).sentence == "6 sent = 6 succeeded"
    assert outputs["job_arn"].unique().tolist() == [arn]
    assert outputs["family"].unique().tolist() == ["nova"]
    by_arn = bb.collect_outputs(arn)
    assert bb.accounting(by_arn).sentence == "6 sent = 6 succeeded"
    same = ["record_id", "outcome", "text", "stop_reason", "input_tokens", "output_tokens", "max_tokens"]
    pd.testing.assert_frame_equal(by_arn[same], outputs[same], check_flags=False)
    assert by_arn["model_id"].str.endswith(MODEL).all()
    uri = run.output_uri(arn)
    for place in (
        uri,
        [uri],
        next(item.uri for item in aws.list_objects(uri) if item.uri.endswith(".jsonl.out")),
    ):
        found = bb.collect_outputs(place, sent=[*ids[:5], "never"])
        told = bb.accounting(found)
        assert told.sentence == "6 sent = 5 succeeded + 1 missing; 1 unexpected id"
        assert told.lines.loc[0, "file"].startswith("s3://")
        assert told.lines.loc[0, "head"].startswith('{"')
    told = bb.collect_outputs(uri, sent=ids, into=tmp_path / "parts")
    assert told.complete
    monkeypatch.setattr(reading, "LINE_BYTES", 150)
    told = bb.accounting(bb.collect_outputs(uri, sent=ids))
    assert told.sentence.startswith("6 sent = 6 errored; 6 unreadable lines")
    assert told.lines["head"].str.startswith('{"').all()


def test_a_source_kept_under_other_ids_is_said(tmp_path: Path, standin: Any) -> None:
    rows = pd.DataFrame({"record_id": list("abcde"), "t": ["x"] * 5})
    run = bb.Run.create(tmp_path / "run", model_id="amazon.nova-lite-v1:0", source=rows)
    records = bb.build_records(rows, run.model_id, prompt="{t}")
    bb.write_records(records, run, allow=["min_records_per_job"])
    with pytest.raises(InputError, match="is in the source the run keeps; its ids are such as 'a'"):
        bb.collect_outputs(run, source_columns=["t"])


def test_columns_of_the_source_come_back_as_they_were(standin: Any, tmp_path: Path) -> None:
    large = pd.array([2**53 + 1, None, 2**53 + 3, 2**53 + 5], dtype="Int64")
    queue = pd.array(["a", None, "b", "c"], dtype="string")
    given = pd.DataFrame({"order": large, "queue": queue}, index=IDS)
    made = bb.Run.create(tmp_path / "typed", model_id=MODEL, source=given.rename_axis("record_id"))
    bb.write_records([(name, BODY) for name in IDS], made, allow=["min_records_per_job"])
    outputs = bb.collect_outputs(made, source_columns=["order", "queue"])
    assert outputs["source.order"].tolist() == large.tolist()
    assert outputs["source.order"].dtype == "Int64"
    assert outputs["source.queue"].dtype == "string"
    assert outputs["source.queue"][1] is pd.NA


@pytest.mark.parametrize("umask", [0o077, 0o027, 0o002])
def test_everything_that_is_written_follows_the_umask(standin: Any, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        source = pd.DataFrame({"record_id": [f"c{number:03}" for number in range(100)]})
        for _ in range(2):  # the second takes the place of a bare run
            made = bb.Run.create(tmp_path / "run", model_id=MODEL, source=source)
        bb.write_records([(name, BODY) for name in source["record_id"]], made)
        bb.submit_jobs(made)
        bb.wait_for_jobs(made, every=0.1, timeout=60)
        bb.export_records(bb.collect_outputs(made), tmp_path / "exports" / "rows.csv")
        notebook = write(tmp_path / "n.ipynb", code("1", count=1))
        export_notebook(notebook, tmp_path / "reports" / "page.html")
    finally:
        os.umask(before)
    written = list(tmp_path.rglob("*"))
    assert len(written) > 15
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in written}
    assert modes == {(True, 0o777 & ~umask), (False, 0o666 & ~umask)}


def list_files(folder: Path, *, but: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if but not in (path, *path.parents) and path.is_file())


def test_no_key_of_s3_writes_outside_and_every_line_is_read(
    standin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [key.format(outside=tmp_path) for key in KEYS] + PLAIN_KEYS
    made = bb.Run.create(tmp_path / "calls", model_id=MODEL)
    bb.write_records([(f"{n}", BODY) for n in range(len(keys))], made, allow=["min_records_per_job"])
    arn = end_job(made, "aaaaaaaaaaaa", [])
    shutil.rmtree(made.output_folder(arn))
    prefix = made.output_uri(arn).split("/", 3)[3]
    lines = {f"{prefix}{key}": json.dumps(nova_line(f"{n}")).encode() for n, key in enumerate(keys)}
    before = list_files(tmp_path, but=made.folder)
    with serving(lines) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        outputs = bb.collect_outputs(made)
    assert bb.accounting(outputs).sentence == f"{len(keys)} sent = {len(keys)} succeeded"
    assert list_files(tmp_path, but=made.folder) == before
    assert outputs["source_file"].tolist() == [f"outputs/aaaaaaaaaaaa/{key}" for key in keys]
    assert set(json.loads((made.output_folder(arn) / "objects.json").read_text())) == set(keys)
    found = bb.diagnose_outputs(outputs)
    named = found[found["rule"] == "output_name"]
    assert set(named["file"]) == {f"outputs/aaaaaaaaaaaa/{key}" for key in keys[: len(KEYS)]}
    assert "\x1b" not in found.to_text() and "\u202e" not in found.to_text()
    pd.testing.assert_frame_equal(bb.collect_outputs(made), outputs, check_flags=False)  # all is there


def sha256_of(body: bytes) -> dict[str, str]:
    checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return {"x-amz-server-side-encryption": "aws:kms", "x-amz-checksum-sha256": checksum}


@pytest.mark.parametrize("headers", [None, sha256_of])
def test_what_comes_damaged_is_fetched_again_once_and_said(
    run: bb.Run, monkeypatch: pytest.MonkeyPatch, headers: Any
) -> None:
    arn = end_job(run, "aaaaaaaaaaaa", [])
    key = f"{run.output_uri(arn).split('/', 3)[3]}x.jsonl.out"
    lines = b"\n".join(json.dumps(nova_line(name)).encode() for name in IDS)
    for damaged, said in ((1, "4 sent = 4 succeeded; 'x.jsonl.out' came damaged, fetched again"), (2, "")):
        shutil.rmtree(run.output_folder(arn))
        with serving({key: lines}, damaged=damaged, headers=headers) as url:
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
            if said:
                assert bb.accounting(bb.collect_outputs(run)).sentence == said
            else:
                with pytest.raises(AwsError, match=r"x.jsonl.out came damaged twice\..*Check the network"):
                    bb.collect_outputs(run)
                assert not (run.output_folder(arn) / "x.jsonl.out").exists()


def test_a_copy_damaged_at_its_length_is_fetched_again_and_said(
    run: bb.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = end_job(run, "aaaaaaaaaaaa", [])
    shutil.rmtree(run.output_folder(arn))
    key = f"{run.output_uri(arn).split('/', 3)[3]}x.jsonl.out"
    lines = b"\n".join(json.dumps(nova_line(name)).encode() for name in IDS)
    with serving({key: lines}) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        bb.collect_outputs(run)
        path = run.output_folder(arn) / "x.jsonl.out"
        path.write_bytes(lines.replace(b"Fine.", b"Good!"))
        damaged = "4 sent = 4 succeeded; 'x.jsonl.out' damaged here, fetched again"
        assert bb.accounting(bb.collect_outputs(run)).sentence == damaged
        assert path.read_bytes() == lines
        path.write_bytes(lines.replace(b"Fine.", b"Good!"))
    with pytest.raises(RunError, match=r"is damaged \(.* bytes\): not those that came"):
        bb.collect_outputs(run)


@pytest.mark.parametrize("listed", [dict.fromkeys(KEYS, 5), [[1]], {"a": "x"}, "[" * 9999, None, 7])
def test_a_listing_from_a_stranger_is_not_followed(run: bb.Run, tmp_path: Path, listed: Any) -> None:
    arn = end_job(run, "aaaaaaaaaaaa", [nova_line(name) for name in IDS])
    text = listed if isinstance(listed, str) else json.dumps(listed)
    (run.output_folder(arn) / "objects.json").write_text(text.replace("{outside}", str(tmp_path)))
    before = list_files(tmp_path, but=run.folder)
    with contextlib.suppress(BbkitError):
        bb.collect_outputs(run)
    assert list_files(tmp_path, but=run.folder) == before


def test_links_and_ids_of_a_strangers_run_lead_nowhere(
    run: bb.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = end_job(run, "aaaaaaaaaaaa", [])
    shutil.rmtree(run.output_folder(arn))
    (tmp_path / "victim").mkdir()
    key = f"{run.output_uri(arn).split('/', 3)[3]}x.jsonl.out"
    for link in (run.output_folder(arn), run.folder / "outputs"):
        shutil.rmtree(run.folder / "outputs")
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(tmp_path / "victim")
        with serving({key: b"{}"}) as url, pytest.raises(InputError, match=r"leads to .*victim"):
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
            bb.collect_outputs(run)
        link.unlink()
        (run.folder / "outputs").mkdir(exist_ok=True)
    assert not list((tmp_path / "victim").iterdir())
    for wrong in ("..", "", "a\0b", "..\\x"):
        folder = run.output_folder(f"arn:aws:bedrock:us-east-1:1:model-invocation-job/{wrong}")
        assert folder.parent == run.folder / "outputs"
        assert folder.name.startswith("~")
    (run.folder / "records" / "index.json").write_text(
        json.dumps({"files": [{"path": "/etc/hostname"}], "lineage": {}})
    )
    with pytest.raises(RunError, match="leads to /etc/hostname"):
        run.record_files()
    (run.folder / "jobs.jsonl").unlink()
    (run.folder / "jobs.jsonl").symlink_to(tmp_path / "victim" / "rc")
    with pytest.raises(InputError, match="leads to"):
        run.journal.append({"event": "queued"})
