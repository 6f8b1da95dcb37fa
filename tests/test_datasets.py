"""Rows on disk: whatever takes the tidy frame takes the data set of ``into=`` and says the same of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from output_files import error_line, nova_line, read_parquet, write_outputs

import bbkit as bb
from bbkit import charts, explorers
from bbkit.core import datasets
from bbkit.core.errors import AwsError, InputError
from bbkit.report import render_report

EXPLORE = Path(__file__).parent.parent / "notebooks" / "03-explore.ipynb"

RECORD_CHARTS = [
    charts.outcomes,
    charts.stop_reasons,
    charts.cut_off_by_input,
    charts.errors,
    charts.token_usage,
    charts.input_output,
    charts.max_tokens_what_if,
    charts.output_lengths,
    charts.cost,
    charts.cost_per_record,
]
STOPS = ["end_turn", "end_turn", "max_tokens", "content_filtered", "odd"]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[pd.DataFrame, Any]]:
    """The same outputs as a frame and as a data set, which is read in several batches."""
    tmp_path = tmp_path_factory.mktemp("both")
    lines = [
        nova_line(
            f"r{n:02d}", "word " * (n % 9) or "Yes.", stop=STOPS[n % 5], tokens=(40 + 7 * n, 3 + n % 11)
        )
        for n in range(44)
    ]
    lines += [error_line(f"e{n}", 400 + 29 * (n % 2), f"request {n} is malformed") for n in range(6)]
    lines += [lines[0], nova_line("nobody")]
    path = write_outputs(tmp_path / "out" / "x.jsonl.out", lines)
    sent = [*(line["recordId"] for line in lines[:-2]), "absent"]
    told: dict[str, Any] = {"sent": sent, "model_id": "amazon.nova-lite-v1:0"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "_ROWS", 17)
        patch.setattr(datasets, "_LONG_ROWS", 17)
        yield bb.collect_outputs(path, **told), bb.collect_outputs(path, **told, into=tmp_path / "parts")


@pytest.mark.parametrize("by", [None, "stop_reason", "text"])
@pytest.mark.parametrize("chart", RECORD_CHARTS, ids=lambda chart: chart.__name__)
def test_a_chart_is_the_same(both: tuple[pd.DataFrame, Any], chart: Any, by: str | None) -> None:
    outputs, parts = both
    assert chart(parts.dataset, by=by).to_json() == chart(outputs, by=by).to_json()


def test_a_table_of_records_is_the_same(both: tuple[pd.DataFrame, Any]) -> None:
    outputs, parts = both
    told = explorers.RecordTable(outputs, by="stop_reason_raw").bundle()
    assert told["cube"]["dims"] == ["outcome", "stop_reason", "stop_reason_raw", "error"]
    for rows in (parts, parts.dataset):
        assert explorers.RecordTable(rows, by="stop_reason_raw").bundle() == told


def test_a_cost_is_the_same(both: tuple[pd.DataFrame, Any]) -> None:
    outputs, parts = both
    costed, of_parts = bb.cost_of(outputs), bb.cost_of(parts.dataset)
    assert "2 lines beside" in str(costed) and str(of_parts) == str(costed)
    for by in ("stop_reason", "model_id"):
        assert bb.cost_of(parts, by=by).table.to_dict("records") == bb.cost_of(outputs, by=by).table.to_dict(
            "records"
        )
    assert of_parts.most_expensive(3).to_dict("records") == costed.most_expensive(3).to_dict("records")


def test_what_is_not_there_is_said_in_the_same_sentence(both: tuple[pd.DataFrame, Any]) -> None:
    said = []
    for rows in both:
        with pytest.raises(InputError, match="no column 'queue'") as error:
            charts.outcomes(rows, by="queue")
        said.append(str(error.value))
    assert said[0] == said[1]
    with pytest.raises(InputError, match=r"pass bb.accounting\(place\)"):
        charts.outcomes(str(both[1].parts))
    with pytest.raises(InputError, match=r"pass bb.accounting\(place\)"):
        bb.cost_of(str(both[1].parts))


def test_a_column_of_lists_makes_no_groups(tmp_path: Path) -> None:
    sample = Path(__file__).parents[1] / "data/samples/outputs/nova_embed.jsonl.out"
    frame = bb.collect_outputs(sample, with_columns="embedding")
    parts = bb.collect_outputs(sample, with_columns="embedding", into=tmp_path / "parts")
    for rows in (frame, parts):
        for use in (charts.outcomes, charts.cost_per_record, bb.cost_of):
            with pytest.raises(InputError, match="'embedding' holds lists or objects, which make no groups"):
                use(rows, by="embedding")


@pytest.fixture
def job(standin: Any, tmp_path: Path) -> tuple[Path, list[str], str]:
    """A folder of outputs, the ids that were sent, and a prefix in the stand-in's S3."""
    lines = [nova_line(f"r{n:02d}", stop=STOPS[n % 5], tokens=(9, n)) for n in range(30)]
    path = write_outputs(tmp_path / "out" / "x.jsonl.out", [*lines, error_line("e")])
    return path, [*(f"r{n:02d}" for n in range(30)), "e", "absent"], f"s3://bbkit-standin/{tmp_path.name}"


def fetch(prefix: str, folder: Path) -> list[str]:
    """Fetch everything below a prefix, as a user with boto3 would; gives the keys below it."""
    import boto3

    bucket, _, key = prefix.removeprefix("s3://").partition("/")
    client = boto3.client("s3")
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", ())]
    for name in keys:
        path = folder / name.removeprefix(key).strip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file(bucket, name, str(path))
    return [name.removeprefix(key).strip("/") for name in keys]


def test_a_table_in_s3_holds_the_live_write_alone(job: Any, tmp_path: Path) -> None:
    path, sent, prefix = job
    first = bb.collect_outputs(path, sent=sent, into=prefix)
    told = bb.collect_outputs(path, sent=sent, into=prefix)
    assert str(told) == str(first) == "32 sent = 30 succeeded + 1 errored + 1 missing"
    names = fetch(prefix, tmp_path / "fetched")
    assert names[0] == "_bbkit.json" and len(names) == 2 and names[1].endswith("/part-00000.parquet")
    outputs = bb.collect_outputs(path, sent=sent)
    rows = told.dataset.to_table().to_pandas()
    assert rows["position"].tolist() == list(range(32)) and rows["is_best"].all()
    written = [bb.export_records(some, tmp_path / "x.csv").read_bytes() for some in (told, outputs)]
    assert written[0] == written[1]
    assert rows["record_id"].tolist() == outputs["record_id"].tolist() == sent
    for place in (prefix, f"{prefix}/"):
        again = bb.accounting(place)
        assert str(again) == str(told) and again.dataset.count_rows() == 32
    assert charts.token_usage(told).to_json() == charts.token_usage(outputs).to_json()
    assert str(tmp_path) not in (tmp_path / "fetched" / "_bbkit.json").read_text()


KILLED = """
import os, signal, sys
from botocore.httpsession import URLLib3Session
import bbkit as bb
from bbkit.outputs import parts

parts._PART_ROWS, writes, send = 7, [], URLLib3Session.send

def die(session, request):
    writes.append(request.method)
    if writes.count("PUT") + writes.count("POST") == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)
    return send(session, request)

URLLib3Session.send = die
bb.collect_outputs(sys.argv[1], sent=sys.argv[2], into=sys.argv[3])
"""


def test_a_killed_write_leaves_the_live_one_and_a_rerun_nothing_else(job: Any, tmp_path: Path) -> None:
    """Killed at the third part, and when the write before is removed."""
    path, sent, prefix = job
    ids = write_outputs(tmp_path / "sent.jsonl", [{"recordId": name, "modelInput": {}} for name in sent])
    told = bb.collect_outputs(path, sent=ids, into=prefix)
    for kill_at in (3, 7):
        command = [sys.executable, "-c", KILLED, str(path), str(ids), prefix, str(kill_at)]
        environment = os.environ | {"TMPDIR": str(tmp_path)}  # nobody is left to clear it
        assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
        assert len(fetch(prefix, tmp_path / str(kill_at))) > 2
        assert bb.accounting(prefix).dataset.count_rows() == 32
    told = bb.collect_outputs(path, sent=ids, into=prefix)
    fetch(prefix, tmp_path / "all")
    query = f"select {{}} from read_parquet('{tmp_path}/all/**/*.parquet', hive_partitioning = true) {{}}"
    assert duckdb.sql(query.format("count(*)", "")).fetchall() == [(sum(told.table["records"]),)]
    outputs = bb.collect_outputs(path, sent=ids)
    sums = outputs.groupby("stop_reason", dropna=False)["output_tokens"].sum()
    grouped = duckdb.sql(query.format("stop_reason, sum(output_tokens)", "group by all")).fetchall()
    assert {name or "": int(count or 0) for name, count in grouped} == {
        "" if pd.isna(name) else name: int(count) for name, count in sums.items()
    }


def test_a_prefix_of_others_is_left_alone(job: Any) -> None:
    import boto3

    path, sent, prefix = job
    boto3.client("s3").put_object(
        Bucket="bbkit-standin", Key=f"{prefix.rpartition('/')[2]}/mine.parquet", Body=b"x"
    )
    with pytest.raises(InputError, match=r"holds more than parts: 'mine\.parquet'.*name an\s+empty one"):
        bb.collect_outputs(path, sent=sent, into=prefix)
    with pytest.raises(InputError, match="holds no parts that bbkit wrote"):
        bb.accounting(path.parent)
    with pytest.raises(InputError, match=r"No write was finished: there is no s3://.*/_bbkit\.json"):
        bb.accounting(prefix)


def test_the_statement_for_athena_points_to_the_live_write(job: Any, tmp_path: Path) -> None:
    path, sent, prefix = job
    told = bb.collect_outputs(path, sent=sent, into=prefix)
    ddl = bb.table_ddl(told, "batch.calls")
    live = told.dataset.files[0].rpartition("/")[0]
    assert ddl.startswith("CREATE EXTERNAL TABLE `batch`.`calls` (\n  `record_id` STRING,\n")
    assert f"STORED AS PARQUET\nLOCATION '{live}/'" in ddl
    for column in ("`input_tokens` BIGINT", "`is_best` BOOLEAN", "`position` BIGINT"):
        assert column in ddl
    local = bb.collect_outputs(path, sent=sent, into=tmp_path / "parts")
    for wrong in (local, bb.collect_outputs(path), None):
        with pytest.raises(InputError, match="not in S3, where Athena reads"):
            bb.table_ddl(wrong)
    with pytest.raises(InputError, match="no name of a table"):
        bb.table_ddl(told, "x; drop table y")


@pytest.mark.filterwarnings("ignore:.*got an apostrophe")
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "xlsx"])
def test_an_export_is_the_same(both: tuple[pd.DataFrame, Any], tmp_path: Path, ending: str) -> None:
    outputs, parts = both
    frame = bb.export_records(outputs, tmp_path / f"frame.{ending}")
    dataset = bb.export_records(parts.dataset, tmp_path / f"dataset.{ending}")
    if ending == "parquet":
        pd.testing.assert_frame_equal(read_parquet(dataset), read_parquet(frame), check_flags=False)
        assert bb.accounting(read_parquet(dataset)).sentence == bb.accounting(outputs).sentence
    elif ending == "xlsx":
        assert pd.read_excel(dataset, dtype=str).equals(pd.read_excel(frame, dtype=str))
    else:
        assert dataset.read_bytes() == frame.read_bytes()


def test_exports_go_to_s3_guarded(standin: Any, tmp_path: Path) -> None:
    rows = pd.DataFrame({"record_id": ["a", "b"], "text": ["=1+1", "fine"]})
    uri = f"s3://bbkit-standin/{tmp_path.name}/ö 1/calls.csv"
    for text in ("=1+1", "=2"):
        with pytest.warns(UserWarning, match="1 cell got"):
            assert bb.export_records(rows.replace("=1+1", text), uri) == uri
    assert fetch(uri.rpartition("/ö")[0], tmp_path) == ["ö 1/calls.csv"]
    assert (tmp_path / "ö 1/calls.csv").read_text("utf-8-sig").splitlines()[1] == "a,'=2"
    with pytest.raises(InputError, match=r"Cannot tell the format of 'calls'. End it in"):
        bb.export_records(rows, f"s3://bbkit-standin/{tmp_path.name}/calls")
    with pytest.raises(InputError, match="is not an S3 URI"):
        bb.export_records(rows, "s3:///calls.csv")
    with pytest.raises(AwsError, match="NoSuchBucket"):
        bb.export_records(rows, "s3://no-such-bucket/calls.jsonl")


@pytest.mark.parametrize(
    "place", ["S3://b/x", "s3:/b/x", "s3a://b/x", "gs://b/x", "file:///x", "arn:aws:s3:::b/x"]
)
def test_a_place_that_is_neither_local_nor_in_s3_is_refused(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = pd.DataFrame({"record_id": ["a"]})
    with pytest.raises(InputError, match=r"is no place of rows. Name a local path, or s3://bucket/prefix."):
        bb.export_records(rows, f"{place}.csv")
    path = write_outputs(tmp_path / "a.jsonl.out", [nova_line("a")])
    with pytest.raises(InputError, match="is no place of rows"):
        bb.collect_outputs(path, into=place)
    assert [*tmp_path.iterdir()] == [path]


def test_findings_are_the_same(both: tuple[pd.DataFrame, Any]) -> None:
    outputs, parts = both
    found = bb.diagnose_outputs(outputs)
    assert {"missing", "errored", "cut_off", "content_filter", "stop_reason", "duplicate"} <= {*found["rule"]}
    assert "'Yes.'" in bb.diagnose_outputs(outputs).to_text()
    assert bb.diagnose_outputs(parts.dataset).to_dict("records") == found.to_dict("records")


def test_any_row_of_a_data_set_is_found(both: tuple[pd.DataFrame, Any]) -> None:
    outputs, parts = both
    whole = explorers.RecordExplorer(parts)
    pd.testing.assert_frame_equal(whole.selection, outputs, check_flags=False)
    names = {"outputs": parts.dataset, "explorers": explorers}
    whole._sort.value, whole._descending.value = "input_tokens", True
    whole._filters["outcome"].widget.value = ("succeeded", "errored")
    pd.testing.assert_frame_equal(eval(whole.query, names), whole.selection, check_flags=False)
    same = explorers.RecordExplorer(outputs)
    same._sort.value, same._descending.value = "input_tokens", True
    same._filters["outcome"].widget.value = ("succeeded", "errored")
    assert list(whole.selection["record_id"]) == list(same.selection["record_id"])
    for explorer in (whole, same):
        explorer.clear()
        explorer._search.value = "YES"
        explorer._on.click()
    assert whole._list.options == same._list.options
    assert 0 < len(whole.selection) < 51
    pd.testing.assert_frame_equal(eval(whole.query, names), whole.selection, check_flags=False)
    last = explorers.RecordExplorer(parts, where="record_id == 'e5'")
    assert last.selection["record_id"].tolist() == ["e5"]
    assert "1 records (of 51)" in last._repr_mimebundle_()["text/plain"]
    pd.testing.assert_frame_equal(eval(last.query, names), last.selection, check_flags=False)
    examples = explorers.show_examples(parts)
    assert "of 51 records" in examples._repr_mimebundle_()["text/plain"]
    assert examples.records["record_id"].tolist() == (
        explorers.show_examples(outputs).records["record_id"].tolist()
    )
    assert {"missing", "errored"} <= {*examples.records["outcome"]}


def test_records_are_found_alike_in_frame_and_data_set(both: tuple[pd.DataFrame, Any]) -> None:
    outputs, where = both[0], "outcome != 'succeeded'"
    columns = ["record_id", "error_code"]
    found = outputs.query(where)[columns].head(5)
    for rows in both:
        given = explorers.find_records(rows, where, columns=columns, n=5)
        pd.testing.assert_frame_equal(given, found, check_flags=False)
        for wrong in ("outcome ==", "queue == 'bank'"):
            with pytest.raises(InputError, match="does not tell which rows to show"):
                explorers.find_records(rows, wrong)


def test_a_run_in_s3_is_a_partition_and_explored_alike(standin: Any, tmp_path: Path) -> None:
    source = pd.DataFrame({"text": [f"Call {n}." for n in range(100)], "Queue Name": ["a", "b"] * 50})
    source["nothing"] = None
    run = bb.Run.create(tmp_path / "run", model_id="amazon.nova-lite-v1:0", source=source)
    bb.write_records(bb.build_records(source, run.model_id, prompt="{text}"), run)
    bb.submit_jobs(run)
    bb.wait_for_jobs(run, timeout=60)
    prefix = f"s3://bbkit-standin/{tmp_path.name}/table"
    told = bb.collect_outputs(run, source_columns=True, into=prefix)
    ddl = bb.table_ddl(told)
    assert "`source_queue_name` STRING" in ddl and "parquet.column.index.access" in ddl
    assert "PARTITIONED BY (`run_id` STRING)" in ddl
    assert f"'projection.run_id.values' = '{run.run_id}'" in ddl
    fetch(prefix, tmp_path / "table")
    rows = f"read_parquet('{tmp_path}/table/**/*.parquet', hive_partitioning = true)"
    assert "`source_nothing` STRING" in ddl
    assert duckdb.sql(f'select any_value(typeof("source.nothing")) from {rows}').fetchall() == [("VARCHAR",)]
    assert duckdb.sql(f"select run_id, count(*) from {rows} group by all").fetchall() == [(run.run_id, 100)]
    numbers = []
    for place in ("", prefix):
        asked = {"run_folder": str(run.folder), "from_parts": place, "by": "Queue Name", "texts": "text"}
        made = render_report(EXPLORE, tmp_path / "page.html", parameters=asked)
        numbers.append(json.loads(made.path.with_suffix(".json").read_text())["numbers"])
    assert numbers[0] == numbers[1] and numbers[0]["sent"] == 100
