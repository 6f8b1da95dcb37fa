"""Outputs: files become the tidy frame, whatever lines they hold."""

import json
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from output_files import error_line, nova_line, read_parquet, write_manifest, write_outputs

import bbkit as bb
from bbkit import outputs as room
from bbkit.core.errors import InputError, RecordsError
from bbkit.core.frames import OUTPUT_COLUMNS
from bbkit.lines import layout, reading
from bbkit.outputs import lines as record_lines, readers, sent_ids
from bbkit.outputs.lines import find_line


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {name: str(kind) for name, kind in frame.dtypes.items()}


def test_columns_and_dtypes_are_the_same_for_no_rows_and_for_some(tmp_path: Path):
    nothing = bb.collect_outputs(write_outputs(tmp_path / "none.jsonl.out", [], end=b""))
    some = bb.collect_outputs(write_outputs(tmp_path / "some.jsonl.out", [nova_line("a"), error_line("b")]))
    none_sent = bb.collect_outputs(tmp_path / "none.jsonl.out", sent=[])
    assert dtypes(nothing) == dtypes(some) == dtypes(none_sent) == OUTPUT_COLUMNS
    for frame in (nothing, some, none_sent):
        texts = frame.select_dtypes("string")
        assert {kind.storage for kind in texts.dtypes} == {"pyarrow"}  # under pandas 2 too
    assert len(nothing) == len(none_sent) == 0
    assert some["record_id"].isna().sum() == 0
    assert some.loc[1, "input_tokens"] is pd.NA
    assert some.loc[1, "text"] is pd.NA


def test_both_error_shapes_are_errored_with_code_and_message(tmp_path: Path):
    lines = [error_line("a", 400, "Malformed"), error_line("b", 429, "Slow down", inside=True)]
    lines.append({"recordId": "c", "modelInput": {}, "modelOutput": None, "error": "plain words"})
    frame = bb.collect_outputs(write_outputs(tmp_path / "x.jsonl.out", lines))
    assert frame["outcome"].tolist() == ["errored"] * 3
    assert frame["error_code"].tolist() == ["400", "429", pd.NA]
    assert frame["error_message"].tolist() == ["Malformed", "Slow down", "plain words"]
    assert frame["max_tokens"].tolist() == [7, 7, pd.NA]
    answers = ["text", "stop_reason", "input_tokens", "output_tokens", "model", "family"]
    assert frame[answers].isna().all(axis=None)


def test_lines_split_at_newlines_only(tmp_path: Path):
    text = "one\u2028two\u2029three\u0085four\x0bfive"
    frame = bb.collect_outputs(
        write_outputs(tmp_path / "x.jsonl.out", [nova_line("a", text), nova_line("b")])
    )
    assert frame["text"].tolist() == [text, "Fine."]


def test_carriage_returns_blank_lines_and_a_missing_last_newline_are_no_strays(tmp_path: Path):
    line = json.dumps(nova_line("a")).encode()
    path = write_outputs(
        tmp_path / "x.jsonl.out", [line + b"\r", b"", b"  ", json.dumps(nova_line("b"))], end=b""
    )
    frame = bb.collect_outputs(path)
    assert frame["record_id"].tolist() == ["a", "b"]
    assert bb.accounting(frame).lines.empty


@pytest.mark.parametrize(
    ("written", "read"),
    [("7", "7"), ("1.50", "1.50"), ("true", "true"), ('{"a": 1}', '{"a": 1}'), ('["x"]', '["x"]')],
)
def test_a_record_id_that_is_no_string_is_kept_as_its_json_text(tmp_path: Path, written: str, read: str):
    text = json.dumps(nova_line("ID")).replace('"ID"', written)
    assert bb.collect_outputs(write_outputs(tmp_path / "x.jsonl.out", [text]))["record_id"].tolist() == [read]


def test_a_missing_record_id_is_na_and_zeros_stay(tmp_path: Path):
    without = nova_line(None)
    del without["recordId"]
    path = write_outputs(tmp_path / "x.jsonl.out", [nova_line("00000000001"), without, nova_line(None)])
    frame = bb.collect_outputs(path)
    assert frame["record_id"].tolist() == ["00000000001", pd.NA, pd.NA]


def test_what_msgspec_refuses_is_read_once_more(tmp_path: Path):
    nan = json.dumps(nova_line("nan")).replace('"totalTokens": 13', '"totalTokens": NaN')
    lone = json.dumps(nova_line("lone", "half \ud800 gone")).replace('"lone"', '"lo\\udc00ne"')
    pair = json.dumps(nova_line("pair")).replace('"Fine."', '"\\ud83d\\ude00 ok"')
    big = json.dumps(nova_line("big")).replace('"outputTokens": 4', '"outputTokens": 1e999')
    huge = json.dumps(nova_line("huge")).replace('"outputTokens": 4', f'"outputTokens": {10**30}')
    odd = json.dumps(nova_line("odd") | {"modelInput": [1, 2]})
    assert "NaN" in nan and "\\ud800" in lone
    frame = bb.collect_outputs(write_outputs(tmp_path / "x.jsonl.out", [nan, lone, pair, big, huge, odd]))
    assert frame["record_id"].tolist() == ["nan", "lo\ufffdne", "pair", "big", "huge", "odd"]
    assert frame["text"].tolist()[1:3] == ["half \ufffd gone", "\U0001f600 ok"]
    assert frame["output_tokens"].tolist() == [4, 4, 4, pd.NA, pd.NA, 4]
    assert frame["max_tokens"].tolist() == [100] * 5 + [pd.NA]
    assert bb.accounting(frame).lines.empty


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"recordId": "cut", "modelOu', "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'{"recordId": "\xff", "modelOutput": {"generation": "x"}}', "not JSON"),
        (b'{"recordId": "a", "modelOutput": ' + b"[" * 100_000, "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"recordId": "a", "modelInput": {}}', "no modelOutput and no error"),
        (b'{"modelOutput": "text"}', "modelOutput is not an object"),
    ],
)
def test_lines_that_are_no_records_are_named_by_place_and_reason(tmp_path: Path, line: bytes, reason: str):
    first = json.dumps(nova_line("good")).encode()
    frame = bb.collect_outputs(write_outputs(tmp_path / "x.jsonl.out", [first, line, nova_line("last")]))
    assert frame["record_id"].tolist() == ["good", "last"]
    told = bb.accounting(frame)
    assert told.lines[["file", "offset", "reason"]].to_dict("records") == [
        {"file": "x.jsonl.out", "offset": len(first) + 1, "reason": f"unreadable: {reason}"}
    ]
    assert told.lines.loc[0, "head"] == line[:200].decode("utf-8", "replace")


@pytest.mark.parametrize(
    "body",
    [
        {"max_tokens": 5},
        {"max_tokens": 5, "max_completion_tokens": 6},
        {"max_tokens": None, "max_completion_tokens": 6},
        {"max_completion_tokens": 6},
        {"max_gen_len": 7},
        {"max_gen_len": "7"},
        {"max_tokens": True},
        {"max_tokens": 5.0},
        {"inferenceConfig": {"maxTokens": 8}},
        {"inferenceConfig": {"max_new_tokens": 9}},
        {"inferenceConfig": None},
        {"inferenceConfig": [8]},
        {"textGenerationConfig": {"maxTokenCount": 10}},
        {"prompt": "none"},
        {},
    ],
)
def test_max_tokens_is_the_same_as_of_the_whole_body(tmp_path: Path, body: dict[str, Any]):
    from bbkit.families import max_tokens_of

    line = nova_line("a") | {"modelInput": {"messages": [{"inferenceConfig": {"maxTokens": 1}}], **body}}
    path = write_outputs(tmp_path / "x.jsonl.out", [line, line])
    for more in ([], ["model_input"]):
        found = bb.collect_outputs(path, with_columns=more)["max_tokens"]
        assert found.tolist() == [pd.NA if (told := max_tokens_of(body)) is None else told] * 2


def test_with_columns_hold_the_json_as_it_came(tmp_path: Path):
    line = {
        "recordId": "a",
        "modelInput": {"max_tokens": 9, "messages": [{"role": "user", "content": "Hé"}]},
        "modelOutput": {
            "model": "m",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "Yes"},
                {"type": "tool_use", "id": "t", "name": "look", "input": {"q": 1}},
            ],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 3, "output_tokens": 2},
        },
    }
    embedding = {
        "recordId": "e",
        "modelInput": {},
        "modelOutput": {"embedding": [0.5, -1], "inputTextTokenCount": 2},
    }
    names = ["embedding", "reasoning", "tool_calls", "model_input", "model_output"]
    path = write_outputs(tmp_path / "x.jsonl.out", [line, error_line("b"), embedding])
    frame = bb.collect_outputs(path, with_columns=names)
    assert list(frame.columns) == [*OUTPUT_COLUMNS, *names]
    first = frame.loc[0]
    assert (first["text"], first["reasoning"]) == ("Yes", "hm")
    assert json.loads(first["tool_calls"])[0]["name"] == "look"
    assert json.loads(first["model_input"]) == line["modelInput"]
    assert json.loads(first["model_output"]) == line["modelOutput"]
    assert frame.loc[1, ["reasoning", "tool_calls", "model_output"]].isna().all()
    assert list(frame.loc[2, "embedding"]) == [0.5, -1.0]
    assert frame.loc[2, "text"] is pd.NA
    assert frame.loc[0, "embedding"] is None
    again = tmp_path / "again.parquet"
    frame.to_parquet(again)
    assert list(pd.read_parquet(again).loc[2, "embedding"]) == [0.5, -1.0]
    bare = bb.collect_outputs(path)
    pd.testing.assert_frame_equal(bare, frame[list(OUTPUT_COLUMNS)])


def test_recorded_lines_of_every_family_are_recognised_and_read():
    samples = sorted((Path(__file__).parents[1] / "data/samples/outputs").glob("*.jsonl.out"))
    assert samples
    for sample in samples:
        frame = bb.collect_outputs(sample)
        assert len(frame) == sample.read_bytes().count(b"\n")
        assert bb.accounting(frame).lines.empty
        succeeded = frame[frame["outcome"] == "succeeded"]
        assert len(succeeded), sample.name
        name = sample.name.removesuffix(".jsonl.out")
        assert set(succeeded["family"]) == {name}, sample.name
        assert succeeded["text"].notna().all() or "embed" in name


def test_sent_ids_give_one_row_each_in_their_order(tmp_path: Path):
    lines = [nova_line("c"), error_line("a"), nova_line("x"), nova_line("c", "again"), nova_line(None)]
    path = write_outputs(tmp_path / "x.jsonl.out", lines)
    frame = bb.collect_outputs(path, sent=["a", "b", "c"], model_id="amazon.nova-lite-v1:0")
    assert frame["record_id"].tolist() == ["a", "b", "c"]
    assert frame["outcome"].tolist() == ["errored", "missing", "succeeded"]
    assert frame["model_id"].tolist() == ["amazon.nova-lite-v1:0"] * 3
    assert frame["source_file"].tolist() == ["x.jsonl.out", pd.NA, "x.jsonl.out"]
    told = bb.accounting(frame)
    assert told.sentence == (
        "3 sent = 1 succeeded + 1 errored + 1 missing; 1 duplicate line, 2 unexpected ids"
    )
    assert told.lines["reason"].tolist() == [
        "unexpected: record_id was not sent",
        "duplicate: another line answers this record",
        "unexpected: no recordId",
    ]
    assert [head[:40] for head in told.lines["head"]] == [json.dumps(lines[n])[:40] for n in (2, 3, 4)]


def test_a_duplicate_resolves_succeeded_before_errored_before_first(tmp_path: Path):
    lines = [
        error_line("a"),
        nova_line("a", "first"),
        nova_line("a", "second"),
        error_line("b", 400),
        error_line("b", 500),
    ]
    frame = bb.collect_outputs(write_outputs(tmp_path / "x.jsonl.out", lines), sent=["a", "b"])
    assert frame["text"].tolist() == ["first", pd.NA]
    assert frame["error_code"].tolist() == [pd.NA, "400"]
    assert bb.accounting(frame).numbers["duplicate"] == 3


def test_sent_may_be_a_file_a_folder_a_frame_or_a_column(tmp_path: Path):
    path = write_outputs(tmp_path / "out" / "x.jsonl.out", [nova_line("2"), nova_line("1")])
    sent = write_outputs(
        tmp_path / "in" / "x.jsonl", [{"recordId": "1", "modelInput": {}}, {"recordId": 2, "modelInput": {}}]
    )
    frame = pd.DataFrame({"record_id": ["1", "2"]})
    for given in (
        sent,
        str(sent),
        sent.parent,
        frame,
        frame["record_id"],
        [1, 2],
        ("1", "2"),
        iter(["1", "2"]),
    ):
        outputs = bb.collect_outputs(path, sent=given)
        assert bb.accounting(outputs).sentence == "2 sent = 2 succeeded"
        assert outputs["record_id"].tolist() == ["1", "2"]


def test_a_folder_is_read_to_its_depth_each_part_with_its_manifest(tmp_path: Path):
    write_outputs(tmp_path / "jobs/b/2.jsonl.out", [nova_line("b2")])
    write_outputs(tmp_path / "jobs/a/1.jsonl.out", [nova_line("a1"), nova_line("a2")])
    write_outputs(tmp_path / "jobs/a/notes.jsonl", [nova_line("no output")])
    write_manifest(tmp_path / "jobs/a", 2, 0)
    write_manifest(tmp_path / "jobs/b", 1, 0)
    frame = bb.collect_outputs(tmp_path / "jobs")
    assert frame["record_id"].tolist() == ["a1", "a2", "b2"]
    assert frame["source_file"].unique().tolist() == ["a/1.jsonl.out", "b/2.jsonl.out"]
    assert bb.accounting(frame).sentence == "3 read = 3 succeeded; which were sent is not known"
    both = bb.collect_outputs(
        [tmp_path / "jobs/b", str(tmp_path / "jobs/a/1.jsonl.out")], sent=["a1", "a2", "b2"]
    )
    assert bb.accounting(both).complete


def test_a_manifest_that_counts_otherwise_is_told(tmp_path: Path):
    write_outputs(tmp_path / "job1/x.jsonl.out", [nova_line("a"), error_line("b")])
    write_manifest(tmp_path / "job1", 2, 0, inputTokenCount=9, outputTokenCount=5)
    frame = bb.collect_outputs(tmp_path)
    told = bb.accounting(frame)
    assert (
        "the manifest in job1 counts 2 succeeded (its files hold 1) and 0 errored (its files hold 1)"
        in told.sentence
    )
    assert told.manifests.loc[0, ["manifest_output_tokens", "output_tokens"]].tolist() == [5, 4]
    (tmp_path / "job1/manifest.json.out").write_text("{cut")
    assert "the manifest in job1 is not a JSON object" in bb.accounting(bb.collect_outputs(tmp_path)).sentence


def test_a_manifest_that_counts_more_records_than_there_are_is_told(tmp_path: Path):
    ids = [f"{number:02}" for number in range(60)]
    write_outputs(tmp_path / "job1/x.jsonl.out", [nova_line(name) for name in ids])
    write_manifest(tmp_path / "job1", 60, 0, totalRecordCount=100)
    unknown = bb.accounting(bb.collect_outputs(tmp_path))
    assert "the manifest in job1 counts 100 records, 60 processed; its files hold 60;" in unknown.sentence
    missing = bb.accounting(bb.collect_outputs(tmp_path, sent=[f"{number:02}" for number in range(100)]))
    assert missing.sentence == "100 sent = 60 succeeded + 40 missing"
    for into in (None, tmp_path / "parts"):
        told = bb.accounting(bb.collect_outputs(tmp_path / "job1", sent=ids, into=into))
        assert told.sentence.startswith("60 sent = 60 succeeded; the manifest in job1 counts 100 records")
        assert not told.complete
    write_manifest(tmp_path / "job1", 60, 0)
    assert bb.accounting(bb.collect_outputs(tmp_path, sent=ids)).complete


def test_several_input_files_say_what_was_sent(tmp_path: Path):
    outputs = write_outputs(tmp_path / "x.jsonl.out", [nova_line("a"), nova_line("c")])
    files = [
        write_outputs(tmp_path / f"{name}.jsonl", [{"recordId": name, "modelInput": {}}]) for name in "abc"
    ]
    for given in (files, [str(file) for file in files], iter(files)):
        frame = bb.collect_outputs(outputs, sent=given)
        assert frame["outcome"].tolist() == ["succeeded", "missing", "succeeded"]
    assert bb.collect_outputs(outputs, sent=["a.jsonl", "c"])["record_id"].tolist() == ["a.jsonl", "c"]


def test_a_place_named_twice_is_read_once(tmp_path: Path):
    outputs = write_outputs(tmp_path / "x.jsonl.out", [nova_line("a")])
    assert len(bb.collect_outputs([outputs, str(outputs), tmp_path / "y" / ".." / "x.jsonl.out"])) == 1


def test_an_error_code_of_null_beside_an_answer_is_no_error(tmp_path: Path):
    line = nova_line("a")
    line["modelOutput"] |= {"errorCode": None, "errorMessage": None}
    frame = bb.collect_outputs(write_outputs(tmp_path / "x.jsonl.out", [line]), with_columns="reasoning")
    assert frame.loc[0, ["outcome", "text"]].tolist() == ["succeeded", "Fine."]
    assert frame.columns[-1] == "reasoning"


SAMPLE = Path(__file__).parents[1] / "data/samples/outputs/nova.jsonl.out"


def _touched(path: Path) -> Path:
    path.touch()
    return path


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda folder: bb.collect_outputs(folder / "nowhere"), "no file or folder"),
        (bb.collect_outputs, "no file whose name ends in .jsonl.out"),
        (lambda folder: bb.collect_outputs([]), "is empty"),
        (lambda folder: bb.collect_outputs(_touched(folder / "x.zip")), "x.zip' is packed"),
        (
            lambda folder: bb.collect_outputs(SAMPLE, into=_touched(folder / "x") / "parts"),
            "parts' cannot be written: Not a directory",
        ),
        (
            lambda folder: bb.export_records(bb.collect_outputs(SAMPLE), _touched(folder / "x") / "o.csv"),
            "o.csv' cannot be written: File exists",
        ),
        (lambda folder: bb.collect_outputs(7), "int"),
        (lambda folder: bb.collect_outputs(folder, attempts="last"), "'best' or 'all'"),
        (lambda folder: bb.collect_outputs(folder, with_columns=["nope"]), "model_output"),
        (lambda folder: bb.collect_outputs(folder, sent=folder / "nope.jsonl"), "nope.jsonl"),
        (lambda folder: bb.collect_outputs(folder, sent=pd.DataFrame({"id": []})), "record_id"),
        (lambda folder: bb.collect_outputs(folder, sent=5), "type int"),
        (lambda folder: bb.collect_outputs(folder, sent=b"a"), "type bytes"),
        (lambda folder: bb.collect_outputs(folder, sent=[b"a"]), "no id"),
        (lambda folder: bb.collect_outputs(folder, sent=[["a"]]), "no id"),
        (lambda folder: bb.collect_outputs(folder, sent=[folder, "a"]), "also 'a'"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_that_says_what_to_do(tmp_path: Path, call: Any, words: str):
    with pytest.raises(InputError, match=words):
        call(tmp_path)


def test_into_writes_parts_that_equal_the_frame(tmp_path: Path):
    ids = [f"{number:05}" for number in range(500)]
    lines = [nova_line(name, f"text {name}") for name in reversed(ids[:-3])]
    write_outputs(tmp_path / "out/x.jsonl.out", [*lines, b"{cut", lines[0], nova_line("odd")])
    frame = bb.collect_outputs(tmp_path / "out", sent=ids, with_columns=["model_output"])
    told = bb.collect_outputs(
        tmp_path / "out", sent=ids, with_columns=["model_output"], into=tmp_path / "parts"
    )
    assert told.sentence == bb.accounting(frame).sentence
    assert told.sentence.startswith(
        "500 sent = 497 succeeded + 3 missing; 1 unreadable line, 1 duplicate line, 1 une"
    )
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "parts"), frame, check_flags=False)
    assert told.dataset.count_rows() == 500
    assert told.dataset.to_table(columns=["record_id"])["record_id"].to_pylist() == ids
    pd.testing.assert_frame_equal(
        told.lines.sort_values("offset", ignore_index=True),
        bb.accounting(frame).lines.sort_values("offset", ignore_index=True),
    )


def test_into_many_small_parts_keeps_the_order_even_when_hashes_collide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import numpy as np

    monkeypatch.setattr(room, "_PART_BYTES", 1)
    monkeypatch.setattr(room, "_LEAST_ROWS", 7)
    ids = [f"{number:05}" for number in range(100)]
    lines = [nova_line(name) for name in reversed(ids)] + [nova_line("99"), nova_line("unsent")]
    path = write_outputs(tmp_path / "x.jsonl.out", lines)
    whole = bb.collect_outputs(path, sent=[*ids, "00003"])

    def collide(names: Any) -> Any:
        return np.array([len(name) * 5 + int(name[-1], 36) % 3 for name in names.to_pylist()], np.uint64)

    monkeypatch.setattr(sent_ids, "hash_ids", collide)
    told = bb.collect_outputs(path, sent=[*ids, "00003"], into=tmp_path / "parts")
    assert len(list((tmp_path / "parts").iterdir())) == 15
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "parts"), whole, check_flags=False)
    assert told.numbers["unexpected"] == bb.accounting(whole).numbers["unexpected"] == 2
    assert "2 records shared 1 id" in told.sentence


def test_into_refuses_a_folder_that_holds_something_else(tmp_path: Path):
    path = write_outputs(tmp_path / "x.jsonl.out", [nova_line("a")])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/diary.txt").write_text("dear")
    with pytest.raises(InputError, match="empty folder"):
        bb.collect_outputs(path, into=tmp_path / "mine")
    assert [item.name for item in (tmp_path / "mine").iterdir()] == ["diary.txt"]
    for _ in range(2):
        bb.collect_outputs(path, into=tmp_path / "parts")
    assert [item.name for item in (tmp_path / "parts").iterdir()] == ["part-00000.parquet"]


class Immediate(Executor):
    """Runs at once, and counts."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def submit(self, call: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls.append(args)
        future: Future[Any] = Future()
        future.set_result(call(*args, **kwargs))
        return future


def test_parts_that_cannot_take_their_name_leave_the_earlier_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_outputs(tmp_path / "x.jsonl.out", [nova_line("1", "one")])
    parts, rename = tmp_path / "parts", Path.replace
    bb.collect_outputs(path, into=parts)
    earlier = read_parquet(parts)

    def refuse(source: Path, target: Path) -> Path:
        if target == parts and not source.name.endswith(".old"):
            raise PermissionError(13, "Permission denied", str(target))
        return rename(source, target)

    monkeypatch.setattr(Path, "replace", refuse)
    write_outputs(path, [nova_line("1", "one"), nova_line("2", "two")])
    with pytest.raises(PermissionError):
        bb.collect_outputs(path, into=parts)
    pd.testing.assert_frame_equal(read_parquet(parts), earlier)
    assert {entry.name for entry in tmp_path.iterdir()} == {"parts", "x.jsonl.out"}


def test_an_executor_reads_ranges_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lines: list[Any] = [nova_line(f"{number}", "x" * (number % 50)) for number in range(400)]
    lines[100:100] = [b"{cut", b"", lines[3]]
    write_outputs(tmp_path / "a.jsonl.out", lines)
    write_outputs(tmp_path / "b.jsonl.out", [nova_line("last")], end=b"")
    ids = [f"{number}" for number in range(400)] + ["last", "never"]
    plain = bb.collect_outputs(tmp_path, sent=ids)
    idle = Immediate()
    pd.testing.assert_frame_equal(bb.collect_outputs(tmp_path, sent=ids, executor=idle), plain)
    assert not idle.calls, "a small job is not worth an executor"
    monkeypatch.setattr(room, "EXECUTOR_BYTES", 0)
    for task_bytes in (997, 5_000, 10**9):
        monkeypatch.setattr(readers, "TASK_BYTES", task_bytes)
        for executor in (Immediate(), ProcessPoolExecutor(2)):
            with executor:
                spread = bb.collect_outputs(tmp_path, sent=ids, executor=executor)
            pd.testing.assert_frame_equal(spread, plain)
            assert bb.accounting(spread).sentence == bb.accounting(plain).sentence
            pd.testing.assert_frame_equal(bb.accounting(spread).lines, bb.accounting(plain).lines)


@pytest.mark.long
def test_a_dask_cluster_gives_the_identical_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(room, "EXECUTOR_BYTES", 0)
    monkeypatch.setattr(readers, "TASK_BYTES", 50_000)
    for part in range(3):
        write_outputs(
            tmp_path / f"{part}.jsonl.out", [nova_line(f"{part}-{n}") for n in range(1000)] + [b"{cut"]
        )
    ids = [f"{part}-{n}" for part in range(3) for n in range(1001)]
    plain = bb.collect_outputs(tmp_path, sent=ids)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
        client.get_executor() as executor,
    ):
        spread = bb.collect_outputs(tmp_path, sent=ids, executor=executor)
    pd.testing.assert_frame_equal(spread, plain)
    assert bb.accounting(spread).sentence == bb.accounting(plain).sentence


def test_records_sent_without_ids_leave_it_unknown_what_was_sent(tmp_path: Path):
    path = write_outputs(tmp_path / "x.jsonl.out", [nova_line("bFBEdQuy3Gp"), nova_line("a")])
    sent = write_outputs(tmp_path / "in.jsonl", [{"modelInput": {}}, {"recordId": "a", "modelInput": {}}])
    frame = bb.collect_outputs(path, sent=sent)
    assert frame["record_id"].tolist() == ["bFBEdQuy3Gp", "a"]
    told = bb.accounting(frame)
    assert told.sentence == (
        "2 read = 2 succeeded; 1 record was sent without a recordId; which were sent is not known"
    )
    assert not told.complete


def chat_line(record_id: str, message: dict[str, Any], stop: str = "stop", **more: Any) -> dict[str, Any]:
    output = {"choices": [{"message": message, "finish_reason": stop}], "object": "chat.completion", **more}
    return {"recordId": record_id, "modelInput": {"max_tokens": 9}, "modelOutput": output}


def test_reasoning_is_taken_off_the_text_and_counted(tmp_path: Path):
    lines = [
        chat_line("a", {"content": "\n<think>plan</think>\n\nbank"}, model="minimax.minimax-m2"),
        chat_line("b", {"content": "<think>plan"}, "length"),
        chat_line("c", {"content": "bank", "reasoning_content": "plan"}),
        chat_line("d", {"content": "plan</think>bank"}),
    ]
    path = write_outputs(tmp_path / "x.jsonl.out", lines)
    frame = bb.collect_outputs(path, sent=list("abcd"), with_columns=["reasoning", "text_raw"])
    assert frame["text"].tolist() == ["bank", "", "bank", "plan</think>bank"]
    assert frame["reasoning"].tolist() == ["plan", "plan", "plan", pd.NA]
    assert frame["text_raw"].tolist() == [
        line["modelOutput"]["choices"][0]["message"]["content"] for line in lines
    ]
    assert bb.accounting(frame).sentence == "4 sent = 4 succeeded; reasoning taken off 2 texts"
    assert (
        bb.diagnose_outputs(frame).query("rule == 'reasoning_only'")["finding"].str.contains("budget").all()
    )
    opened = bb.collect_outputs(path, model_id="zai.glm-4.7", sent=list("abcd"))
    assert opened["text"].tolist() == ["bank", "", "bank", "bank"]
    assert "off 3 texts" in bb.accounting(opened).sentence
    parts = bb.collect_outputs(path, sent=list("abcd"), into=tmp_path / "parts", with_columns="text_raw")
    assert parts.sentence == bb.accounting(frame).sentence


def test_refusals_are_filtered_and_calls_are_read(tmp_path: Path):
    arguments = {"function": {"name": "f", "arguments": '{"a": "\\ud83d\\ude00"}'}, "id": "1"}
    tool = nova_line("tool", stop="tool_use")
    tool["modelOutput"]["output"]["message"]["content"] = [
        {"toolUse": {"toolUseId": "2", "name": "g", "input": '{"b": 1}'}}
    ]
    deep = {"function": {"name": "h", "arguments": "[" * 100_000}}
    lines = [
        chat_line("refused", {"content": None, "refusal": "I cannot."}),
        chat_line("call", {"content": None, "tool_calls": [arguments, deep]}, "tool_calls"),
        tool,
        chat_line(
            "old", {"content": None, "function_call": {"name": "f", "arguments": "{}"}}, "function_call"
        ),
    ]
    frame = bb.collect_outputs(write_outputs(tmp_path / "x.jsonl.out", lines), with_columns="tool_calls")
    assert bb.diagnose_outputs(frame).query("rule == 'no_tool_call'").empty
    assert frame.loc[0, ["text", "stop_reason", "stop_reason_raw"]].tolist() == [
        "I cannot.", "content_filter", "refusal"
    ]  # fmt: skip
    called = [[call["input"] for call in json.loads(calls)] for calls in frame["tool_calls"].dropna()]
    assert called == [[{"a": "\U0001f600"}, "[" * 100_000], [{"b": 1}], [{}]]


def test_error_bodies_are_errored_and_found_again(tmp_path: Path):
    bodies = [
        {"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}, {"message": "Bad gateway"}, {},
        {"embedding": None, "message": "Too large", "inputTextTokenCount": 0}, {"foo": 1},
    ]  # fmt: skip
    lines = [{"recordId": f"{n}", "modelInput": {}, "modelOutput": body} for n, body in enumerate(bodies)]
    lines.append({"recordId": "5", "modelInput": {}, "error": {"code": 429, "message": "Slow down"}})
    frame = bb.collect_outputs(write_outputs(tmp_path / "x.jsonl.out", lines))
    assert frame["outcome"].tolist() == ["errored"] * 4 + ["succeeded", "errored"]
    assert frame["error_code"].tolist() == ["rate_limit_exceeded", pd.NA, pd.NA, pd.NA, pd.NA, "429"]
    assert frame["error_message"].tolist()[:4] == ["Slow down", "Bad gateway", "{}", "Too large"]
    assert frame["family"].isna().all()
    assert [find_line(frame, row).model_output for row in frame.to_dict("records")][:5] == bodies


def shared_lines(*records: tuple[str | None, Any, str]) -> list[dict]:
    """Lines of id, body and text; no modelInput where the body is None."""
    lines = [{**nova_line(name, text), "modelInput": body} for name, body, text in records]
    return [{key: cell for key, cell in line.items() if cell is not None} for line in lines]


@pytest.mark.parametrize("into", [False, True])
@pytest.mark.parametrize(
    ("sent", "came", "texts", "stray"),
    [
        # Equal as JSON, in another order.
        ([("t", {"a": 1.0, "b": [2]}), ("t", {"a": 2})],
         [("t", {"a": 2.0}, "2"), ("t", {"b": [2], "a": 1}, "1")], ["1", "2"], []),
        # Equal pairs by count; more than that is a duplicate.
        ([("t", {"a": 1}), ("t", {"a": 1})], [("t", {"a": 1}, "1")] * 3, ["1", "1"], ["duplicate"]),
        ([("t", {"a": 1}), ("t", {"a": 1})], [("t", {"a": 1}, "1")], ["1", None], []),
        # Altered or not echoed: the one that is left, but no guess among several.
        ([("t", {"a": 1}), ("t", {"a": 2})], [("t", None, "2"), ("t", {"a": 1}, "1")], ["1", "2"], []),
        ([("t", {"a": 1}), ("t", {"a": 1})], [("t", None, "x"), ("t", {"b": 0}, "y")], ["x", "y"], []),
        ([("t", {"a": 1}), ("t", {"a": 2})], [("t", None, "2"), ("t", {"b": 0}, "1")], [None, None],
         ["ambiguous", "ambiguous"]),
        # What is unique beside them needs no body, whatever it is called.
        ([("t", {"a": 1}), ("t#1", {"a": 1}), ("t", {"a": 2})],
         [("t", {"a": 2}, "2"), ("t#1", None, "unique"), ("t", {"a": 1}, "1")], ["1", "unique", "2"], []),
        # Without an id the body alone tells it.
        ([(None, {"a": 1}), ("u", {"a": 1}), (None, {"a": 2})],
         [("made", {"a": 2}, "2"), ("up", {"a": 1}, "1"), ("u", {"a": 1}, "u")], ["1", "u", "2"], []),
        ([(None, {"a": 1}), (None, {"a": 2})], [("made", {"a": 2}, "2"), ("up", {"a": 3}, "3")], [None, "2"],
         ["ambiguous"]),
    ],
)  # fmt: skip
def test_records_that_share_an_id_are_told_apart_by_their_bodies(
    tmp_path: Path, sent: Any, came: Any, texts: Any, stray: Any, into: bool
):
    inputs = [{"recordId": name, "modelInput": body} for name, body in sent]
    given = write_outputs(tmp_path / "in.jsonl", [{k: v for k, v in line.items() if v} for line in inputs])
    path = write_outputs(tmp_path / "in.jsonl.out", shared_lines(*came))
    told = bb.collect_outputs(path, sent=given, into=tmp_path / "parts" if into else None)
    frame = read_parquet(tmp_path / "parts") if into else told
    numbers = bb.accounting(told).numbers
    assert frame["text"].astype(object).where(frame["text"].notna(), None).tolist() == texts
    assert numbers["sent"] == len(sent)
    assert bb.accounting(told).lines["reason"].str.split(":").str[0].tolist() == stray
    assert frame["record_key"].is_unique
    records = pd.DataFrame(sent, columns=["record_id", "model_input"])
    again = bb.collect_outputs(path, sent=records)
    pd.testing.assert_frame_equal(again, frame, check_flags=False)
    # Every line was paid for.
    assert bb.cost_of(told).rows["input_tokens"].sum() == 9 * len(came)
    for number, row in enumerate(frame.to_dict("records") if not into else []):
        if isinstance(row["text"], str) and came[0][1] and "t" in {name for name, _ in sent}:
            assert (
                find_line(frame, row).model_output["output"]["message"]["content"][0]["text"] == texts[number]
            )


def test_bare_ids_that_repeat_do_not_tell_which_line_is_whose(tmp_path: Path):
    path = write_outputs(tmp_path / "x.jsonl.out", [nova_line("A", text) for text in "201"])
    told = bb.accounting(bb.collect_outputs(path, sent=["A"] * 3))
    assert told.sentence.startswith(
        "3 sent = 3 succeeded; 3 records shared 1 id, and which of them each line"
    )


def test_ids_that_differ_by_point_zero_are_explained(tmp_path: Path):
    path = write_outputs(tmp_path / "x.jsonl.out", [nova_line("1"), nova_line("2")])
    told = bb.accounting(
        bb.collect_outputs(path, sent=pd.DataFrame({"record_id": [1.0, 2.0, None]}).dropna())
    )
    assert told.sentence == (
        "2 sent = 2 missing; 2 unexpected ids; ids sent differ from those of lines by '.0': "
        "pandas makes numbers with a gap floats; send texts"
    )
    gap = bb.accounting(bb.collect_outputs(path, sent=pd.DataFrame({"record_id": [1, None, 3]})))
    assert "ids of sent= are floats, since one is absent" in gap.sentence
    other = bb.accounting(bb.collect_outputs(path, sent=["1", "3"]))
    assert ".0" not in other.sentence


ANTHROPIC = {"content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}


@pytest.mark.parametrize(
    ("output", "hour"),
    [
        ({**ANTHROPIC, "usage": {"cache_creation_input_tokens": 9, "cache_creation": split}}, hour)
        for split, hour in (
            ({"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 4}, 4),
            ({"ephemeral_5m_input_tokens": 9, "ephemeral_1h_input_tokens": 0}, 0),
            (None, None),
        )
    ]
    + [
        ({**ANTHROPIC, "usage": {"cache_creation": split}}, hour)
        for split, hour in (
            ({"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 4}, 4),
            ({"ephemeral_1h_input_tokens": 9}, 9),
        )
    ]
    + [
        (
            {
                **nova_line("x")["modelOutput"],
                "metrics": {},
                "usage": {"cacheWriteInputTokens": 9, **details},
            },
            hour,
        )
        for details, hour in (
            ({"cacheDetails": [{"ttl": "1h", "inputTokens": 3}, {"ttl": "5m", "inputTokens": 6}]}, 3),
            ({"cacheDetails": [{"ttl": "5m", "inputTokens": 9}]}, 0),
            ({}, None),
        )
    ],
)
def test_cache_writes_of_an_hour_are_read_where_the_output_tells(
    output: dict, hour: int | None, tmp_path: Path
):
    path = write_outputs(
        tmp_path / "x.jsonl.out", [{"recordId": "a", "modelInput": {}, "modelOutput": output}]
    )
    row = bb.collect_outputs(path, into=tmp_path / "parts").dataset.to_table().to_pylist()[0]
    assert (row["cache_write_tokens"], row["cache_write_1h_tokens"]) == (9, hour)


def test_counts_come_as_whole_floats_and_texts_and_none_is_negative(tmp_path: Path):
    counts: list[Any] = [10, 10.0, "10", -3, 1.5, True, "x"]
    lines = [nova_line(f"{n}") for n in range(7)]
    for line, count in zip(lines, counts, strict=True):
        line["modelOutput"]["usage"]["outputTokens"] = count
    frame = bb.collect_outputs(write_outputs(tmp_path / "x.jsonl.out", lines))
    assert frame["output_tokens"].tolist() == [10, 10, 10, pd.NA, pd.NA, pd.NA, pd.NA]


@pytest.mark.parametrize("output", ["text", [1], 3, None, True])
def test_an_answer_that_is_no_object_is_an_error_of_its_record(tmp_path: Path, output: Any):
    lines = [nova_line("good"), {"recordId": "a", "modelInput": {}, "modelOutput": output}]
    path = write_outputs(tmp_path / "x.jsonl.out", lines)
    frame = bb.collect_outputs(path, sent=["good", "a"], with_columns=["model_output"])
    assert frame["outcome"].tolist() == ["succeeded", "errored"]
    assert "modelOutput" in frame["error_message"][1] and bb.accounting(frame).complete


def test_ids_beside_a_body_too_deep_to_read_are_refused_in_a_sentence(tmp_path: Path):
    path = write_outputs(tmp_path / "x.jsonl.out", [nova_line("a")])
    sent = tmp_path / "sent.jsonl"
    sent.write_text('{"recordId": "a", "modelInput": ' + "[" * 100_000 + "]" * 100_000 + "}\n")
    with pytest.raises(RecordsError, match=r"sent.jsonl line 1 is not JSON"):
        bb.collect_outputs(path, sent=sent)


def test_an_error_body_that_a_manifest_counts_as_success_is_said_and_nothing_is_missing(tmp_path: Path):
    body = {"error": {"message": "Input is too long", "code": 400}}
    lines = [nova_line("a"), {"recordId": "b", "modelInput": {}, "modelOutput": body}, error_line("c")]
    write_outputs(tmp_path / "job" / "x.jsonl.out", lines)
    for counts, complete in (((2, 1), True), ((1, 2), True), ((3, 0), False)):
        write_manifest(tmp_path / "job", *counts)
        outputs = bb.collect_outputs(tmp_path, sent=["a", "b", "c"])
        told = bb.accounting(outputs)
        assert told.sentence.startswith("3 sent = 1 succeeded + 2 errored") and told.complete is complete
        said = "the manifest in job counts as succeeded 1 error in place of an answer"
        assert (said in told.sentence) is (counts == (2, 1))
        assert ("manifest" in bb.diagnose_outputs(outputs)["rule"].tolist()) is not complete


@pytest.mark.parametrize("counts", [(1, 1), (3, 0)])
def test_a_manifest_that_disagrees_is_not_complete(tmp_path: Path, counts: tuple[int, int]):
    write_outputs(tmp_path / "x.jsonl.out", [nova_line("a"), nova_line("b")])
    write_manifest(tmp_path, *counts)
    told = bb.accounting(bb.collect_outputs(tmp_path, sent=["a", "b"]))
    assert "the manifest in" in told.sentence
    assert not told.complete


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ('{{"recordId":"b","modelOutput":{{"t":"{long}","recordId":"x"}}}}', "errored"),
        ('{{"modelOutput":{{"recordId":"c","t":"{long}","recordId":"c"}},"recordId" : "b"}}', "errored"),
        ('{{"modelInput":{{}},"recordId":"b","modelOutput":{{"a":[{{"t":"{long}"}}]}}}}', "errored"),
        ('{{"modelOutput":{{"t":"{long}"}},"recordId":"b","error":{{"errorCode":4}}}}', "errored"),
        ('{{"modelOutput":{{"t":"\\"recordId\\":\\"c\\",{long}\\"recordId\\":\\"c\\"}}"}}}}', "missing"),
        ('{{"modelOutput":{{"t":"{long}","recordId":"c"}}}}', "missing"),
        ('{{"t":"{long}', "missing"),
    ],
)
@pytest.mark.parametrize("into", [False, True])
def test_a_line_over_the_bound_is_errored_where_its_id_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, outcome: str, into: bool
):
    monkeypatch.setattr(reading, "LINE_BYTES", 1_000)
    monkeypatch.setattr(layout, "_END_BYTES", 200)
    monkeypatch.setattr(readers, "TASK_BYTES", 30_000)
    (tmp_path / "in").mkdir()
    long = line.format(long="y" * 300_000)
    write_outputs(tmp_path / "in/x.jsonl.out", [nova_line("a"), long, nova_line("c"), nova_line("d")])
    told = bb.collect_outputs(
        tmp_path / "in",
        sent=list("abcd"),
        with_columns=["model_input", "text_raw"],
        into=tmp_path / "parts" if into else None,
    )
    told = bb.accounting(told)
    assert told.sentence == f"4 sent = 3 succeeded + 1 {outcome}; 1 unreadable line"
    assert told.lines["reason"].tolist() == ["unreadable: 0.0 GB, over the bound"]
    assert told.lines["head"].tolist() == [long[:200]]
    assert not told.complete


def test_blanks_over_the_bound_are_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "LINE_BYTES", 1_000)
    lines = [nova_line("a"), json.dumps(nova_line("b")).encode() + b" " * 3_500, b" " * 2_500, nova_line("c")]
    write_outputs(tmp_path / "x.jsonl.out", lines)
    assert bb.accounting(bb.collect_outputs(tmp_path, sent=list("abc"))).sentence == "3 sent = 3 succeeded"


@pytest.mark.parametrize("record_id", ["a", 7])
def test_a_line_over_the_bound_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_id: str | int
):
    long, line = ({"recordId": record_id, "modelInput": {"a": "x" * size}} for size in (2_000, 5))
    write_outputs(tmp_path / "x.jsonl.out", [long, line | nova_line("") | {"recordId": record_id}, long])
    outputs = bb.collect_outputs(tmp_path, sent=[str(record_id)])
    monkeypatch.setattr(record_lines, "LINE_BYTES", 1_000)
    assert find_line(outputs, outputs.iloc[0]).model_output == nova_line("")["modelOutput"]


@pytest.mark.parametrize(
    ("vectors", "kind"),
    [
        ([[[0.5, -1], [1, 2]], [[2, 3.25]]], "fixed_size_list[2]"),
        ([[[0.5, -1], None], [[2, 3.25]]], "large_list"),
        ([[None], [[2, 3.25]]], "large_list"),
        ([[[0.5, -1]], [None, [1, 2, 3]]], "large_list"),
        ([[[1], [1, 2]], [[1]]], "large_list"),
        ([[None]], "large_list"),
    ],
)
def test_embeddings_are_lists_of_fixed_size_where_every_row_has_one_of_one_length(
    tmp_path: Path, vectors: list[list[Any]], kind: str
):
    for number, own in enumerate(vectors):
        lines = [
            {"recordId": f"{number}-{row}", "modelOutput": {"embedding": vector}}
            for row, vector in enumerate(own)
        ]
        write_outputs(tmp_path / "out" / f"{number}.jsonl.out", lines)
    told = bb.collect_outputs(tmp_path / "out", with_columns="embedding", into=tmp_path / "parts")
    frame = bb.collect_outputs(tmp_path / "out", with_columns="embedding")
    expected = [vector for own in vectors for vector in own]
    for found in (read_parquet(tmp_path / "parts"), frame):
        assert [None if vector is None else vector.tolist() for vector in found["embedding"]] == expected
        assert {vector.dtype for vector in found["embedding"] if vector is not None} <= {np.dtype("float32")}
    for part in (tmp_path / "parts").glob("*.parquet"):
        stored = pq.read_schema(part).field("embedding").type
        assert stored == told.dataset.schema.field("embedding").type
        assert str(stored).replace("<element: float>", "").replace("<item: float>", "") == kind
