"""Findings: each says how many, of how many, beyond which threshold, and what to do about it."""

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from any_key_s3 import serving
from output_files import error_line, nova_line, write_manifest, write_outputs

import bbkit as bb
from bbkit.core.errors import InputError
from bbkit.core.findings import FINDING_COLUMNS, Findings


def diagnose(folder: Path, lines: list[Any], **options: Any) -> Findings:
    return bb.diagnose_outputs(bb.collect_outputs(write_outputs(folder / "x.jsonl.out", lines), **options))


def good(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        nova_line(f"{n:03}", f"Call {n} went well.", tokens=(100 + n, 20 + n % 7))
        for n in range(start, start + count)
    ]


def one(found: Findings, rule: str) -> Any:
    rows = found[found["rule"] == rule]
    assert len(rows) == 1, found["rule"].tolist()
    return rows.iloc[0]


def test_nothing_to_say_is_said(tmp_path: Path):
    found = diagnose(tmp_path, good(40), sent=[f"{n:03}" for n in range(40)])
    assert found.empty
    assert list(found.columns) == list(FINDING_COLUMNS)
    assert found.sentence == "All 40 records succeeded, and no answer was cut off or filtered."
    assert "All 40 records succeeded" in found._repr_mimebundle_()["text/html"]


def test_missing_and_errored_records_come_first_with_counts_and_an_example(tmp_path: Path):
    errors = [error_line("100", 429, "Too many requests 17"), error_line("101", 429, "Too many requests 18")]
    lines = [*good(40), *errors, error_line("102", 400, "Malformed input"), error_line("103", 418, "teapot")]
    found = diagnose(
        tmp_path, lines, sent=[f"{n:03}" for n in range(40)] + ["100", "101", "102", "103", "200"]
    )
    assert found["severity"].tolist()[:4] == ["error"] * 4
    missing = one(found, "missing")
    assert missing["finding"].startswith("1 of 45 records (2.2 %) is missing (accepted: 0)")
    assert (missing["record_id"], missing["count"]) == ("200", 1)
    assert "retry_records" in missing["remedy"]
    errored = found[found["rule"] == "errored"]
    assert errored["count"].tolist() == [2, 1, 1]
    assert (
        "worth sending again" in errored["finding"].iloc[0]
        and "Too many requests 17" in errored["finding"].iloc[0]
    )
    assert "retry_records" in errored["remedy"].iloc[0]
    refused = errored[errored["finding"].str.contains("400")].iloc[0]
    assert "check_records" in refused["remedy"]


def test_many_kinds_of_errors_are_counted_not_listed(tmp_path: Path):
    lines = [error_line(f"{n}", 400, f"fault {'abcdefghij'[n]}" * 100) for n in range(10)]
    found = diagnose(tmp_path, [*lines, *good(1, 50)])
    errored = found[found["rule"] == "errored"]
    assert len(errored) == 6
    assert errored["count"].sum() == 10
    assert "errored in 5 other ways" in errored["finding"].iloc[-1]
    assert errored["finding"].str.len().max() < 400


def test_all_errored_says_so(tmp_path: Path):
    found = diagnose(tmp_path, [error_line("a"), error_line("b")], sent=["a", "b"])
    assert one(found, "all_errored")["finding"].startswith("Every record errored (2)")


def test_cut_off_answers_name_the_limit_and_their_inputs(tmp_path: Path):
    cut = [nova_line(f"9{n}", "Half", stop="max_tokens", tokens=(3210, 100)) for n in range(3)]
    found = diagnose(tmp_path, [*good(97), *cut])
    row = one(found, "cut_off")
    assert row["severity"] == "warning"
    assert row["finding"] == (
        "3 of 100 answers (3.0 %) were cut off at max_tokens = 100 (threshold: 1 %); "
        "their median input is 3,210 tokens, that of the others 148."
    )
    assert "cut_off=True" in row["remedy"]
    few = one(diagnose(tmp_path, [*good(300), cut[0]]), "cut_off")
    assert few["severity"] == "info"
    assert few["finding"] == (
        "1 of 301 answers (0.3 %) was cut off at max_tokens = 100 (threshold: 1 %); "
        "its input is 3,210 tokens, the median of the others 250."
    )


def test_refused_and_odd_stops_are_warnings(tmp_path: Path):
    lines = [*good(10), nova_line("r", "", stop="content_filtered"), nova_line("o", "Hm", stop="pause_turn")]
    found = diagnose(tmp_path, lines)
    assert one(found, "content_filter")["record_id"] == "r"
    assert "'pause_turn'" in one(found, "stop_reason")["finding"]
    assert not (found["rule"] == "empty").any()


def test_empty_answers_and_answers_that_are_only_reasoning(tmp_path: Path):
    thinking = nova_line("t")
    thinking["modelOutput"]["output"]["message"]["content"] = [
        {"reasoningContent": {"reasoningText": {"text": "hm"}}}
    ]
    tool = nova_line("u", stop="tool_use")
    tool["modelOutput"]["output"]["message"]["content"] = [
        {"toolUse": {"toolUseId": "1", "name": "n", "input": {}}}
    ]
    lines = [*good(10), nova_line("e", " "), nova_line("l", "", stop="max_tokens"), thinking, tool]
    found = diagnose(tmp_path, lines, with_columns=["reasoning"])
    assert (one(found, "empty")["record_id"], one(found, "empty")["count"]) == ("e", 1)
    spent = found[found["rule"] == "reasoning_only"]
    assert spent["record_id"].tolist() == ["t", "l"]
    assert ["budget" in said for said in spent["finding"]] == [False, True]


def test_reasoning_that_never_closes_though_the_answer_ended_is_not_said_to_be_out_of_budget(tmp_path: Path):
    found = diagnose(tmp_path, [nova_line("a", "<think>hidden in the sky")], with_columns=["reasoning"])
    said = one(found, "reasoning_only")
    assert "stopped by itself" in said["finding"] and "text_raw" in said["remedy"]


def test_unusual_lengths_and_same_answers(tmp_path: Path):
    lines = [
        *good(60),
        nova_line("long", "x " * 900, tokens=(10, 4000)),
        nova_line("short", "x", tokens=(10, 1)),
    ]
    found = diagnose(tmp_path, lines)
    assert one(found, "unusually_long")["record_id"] == "long"
    assert one(found, "unusually_short")["record_id"] == "short"
    assert "median is 23" in one(found, "unusually_long")["finding"]
    same = [
        nova_line(f"s{n}", "I cannot see any transcript in your message, send it again.") for n in range(8)
    ]
    row = one(diagnose(tmp_path, [*good(60), *same]), "same_answer")
    assert row["finding"].startswith("8 of 68 answers (11.8 %) are word for word the same (threshold: 5 %)")


def test_stray_lines_manifests_and_unknown_sent_come_from_the_accounting(tmp_path: Path):
    write_outputs(tmp_path / "job/x.jsonl.out", [*good(5), b"{cut", nova_line("000"), nova_line("odd")])
    write_manifest(tmp_path / "job", 5, 0, inputTokenCount=1, outputTokenCount=1)
    outputs = bb.collect_outputs(tmp_path, sent=[f"{n:03}" for n in range(5)])
    found = bb.diagnose_outputs(outputs)
    assert one(found, "unreadable")["finding"] == "1 line is unreadable (accepted: 0)."
    assert one(found, "duplicate")["count"] == one(found, "unexpected")["count"] == 1
    assert "counts 5 succeeded (its files hold 7)" in one(found, "manifest")["finding"]
    assert (found["rule"] == "manifest_tokens").sum() == 2
    assert bb.diagnose_outputs(outputs.head(3)).empty
    assert one(bb.diagnose_outputs(bb.collect_outputs(tmp_path)), "sent_not_known")["severity"] == "info"


def test_silent_and_mixed_models_are_noted(tmp_path: Path):
    silent = {
        "recordId": "m",
        "modelInput": {},
        "modelOutput": {"outputs": [{"text": "Yes.", "stop_reason": "stop"}]},
    }
    odd = {"recordId": "z", "modelInput": {}, "modelOutput": {"something": 1}}
    found = diagnose(tmp_path, [*good(5), silent, odd])
    assert one(found, "no_usage")["count"] == 1
    assert "'nova', 'mistral_text'" in one(found, "mixed_models")["finding"]
    assert one(found, "unknown_shape")["record_id"] == "z"


def test_embeddings_are_not_empty_answers(tmp_path: Path):
    lines = [
        {"recordId": f"{n}", "modelInput": {}, "modelOutput": {"embedding": [1.0], "inputTextTokenCount": 3}}
        for n in range(50)
    ]
    assert diagnose(tmp_path, lines, sent=[f"{n}" for n in range(50)]).empty


def test_no_rows_and_wrong_frames(tmp_path: Path):
    assert one(diagnose(tmp_path, []), "no_records")["severity"] == "error"
    none = bb.collect_outputs(write_outputs(tmp_path / "x.jsonl.out", good(2))).iloc[:0]
    assert one(bb.diagnose_outputs(none), "no_records")["severity"] == "info"
    with pytest.raises(InputError, match="record_id"):
        bb.diagnose_outputs(pd.DataFrame({"a": [1]}))


def test_what_a_model_wrote_is_escaped(tmp_path: Path):
    attack = "<script>alert(1)</script> $5 and $10"
    shown = diagnose(tmp_path, [error_line("<img onerror=x>", 400, attack)])._repr_mimebundle_()
    assert "<script" not in shown["text/html"] and "<img" not in shown["text/html"]
    assert "mathjax_ignore" in shown["text/html"]


def test_of_many_kinds_of_errors_the_most_frequent_are_named_and_the_others_counted(tmp_path: Path):
    kinds = [f"kind {'x' * number}" for number in range(1, 300)]
    lines = [
        error_line(f"{kind} {n}", 400, kind) for kind in kinds for n in range(1 + (len(kind) % 100 == 0))
    ]
    found = diagnose(tmp_path, lines)
    errored = found[found["rule"] == "errored"]
    assert errored["count"].tolist() == [2, 2, 2, 1, 1, len(lines) - 8]
    assert "in 294 other ways" in errored["finding"].iloc[-1]


def test_a_manifest_of_more_records_than_the_files_hold_is_a_finding(tmp_path: Path):
    write_outputs(tmp_path / "job" / "x.jsonl.out", good(60))
    write_manifest(tmp_path / "job", 60, 0, totalRecordCount=100)
    found = one(bb.diagnose_outputs(bb.collect_outputs(tmp_path)), "manifest")
    assert "counts 100 records, 60 processed; its files hold 60." in found["finding"]


@pytest.mark.parametrize("counts", [{}, {"successRecordCount": None}, {"successRecordCount": "four"},
                                    {"inputTokenCount": 10**30}])  # fmt: skip
def test_a_manifest_without_counts_is_a_finding(tmp_path: Path, counts: dict[str, Any]):
    write_outputs(tmp_path / "job" / "x.jsonl.out", good(4))
    (tmp_path / "job" / "manifest.json.out").write_text(json.dumps(counts))
    outputs = bb.collect_outputs(tmp_path, sent=pd.DataFrame({"record_id": []}))
    assert one(bb.diagnose_outputs(outputs), "manifest")["finding"].startswith("The manifest in job")


def test_output_files_without_a_line_and_links_to_nothing_are_said(tmp_path: Path):
    (tmp_path / "x.jsonl.out").write_text("\n")
    (tmp_path / "y.jsonl.out").symlink_to(tmp_path / "gone")
    outputs = bb.collect_outputs(tmp_path)
    assert one(bb.diagnose_outputs(outputs), "no_records")["severity"] == "error"
    assert "'y.jsonl.out' passed over: a link to nothing" in str(bb.accounting(outputs))


@pytest.mark.parametrize("wrong", [[1], pd.Series([1]), None])
def test_what_is_no_frame_is_refused(wrong: object):
    for ask in (bb.diagnose_outputs, bb.accounting):
        with pytest.raises(InputError, match=r"DataFrame.*collect_outputs"):
            ask(wrong)


@pytest.mark.parametrize(
    ("content", "look"),
    [
        (b'{"id": "b", "custom_id": "1", "response": {"status_code": 200}}\n', "OpenAI's Batch API"),
        (b'{"custom_id": "1", "result": {"type": "succeeded"}}\n', "Anthropic's Message Batches"),
        (b"<!DOCTYPE html>\n<html><body>Log in</body></html>\n", "HTML"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
        (gzip.compress(b'{"recordId": "a"}\n' * 100, mtime=0), "gzip"),
        ('{"recordId": "a", "modelOutput": {}}\n'.encode("utf-16"), "UTF-16"),
        (b"record_id,text\n1,Fine\n", "CSV"),
        (json.dumps(nova_line("a"), indent=1).encode(), "several lines"),
        (b'{"recordId": "a", "modelInput": {"messages": []}}\n', "input file"),
        (b'[{"recordId": "a"}]\n', "a JSON array"),
        (b'{"recordId": "a"},\n', "a comma after each line"),
        (b'{"recordId": "a"}\r{"recordId": "b"}\r', "CR alone"),
        (b"{'recordId': 'a'}\n", "Python's own dicts"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"(\xb5/\xfd\x00x", "zstd"),
    ],
)
def test_a_run_where_nothing_can_be_read_is_an_error_that_names_what_it_looks_like(
    tmp_path: Path, content: bytes, look: str
):
    (tmp_path / "x.jsonl.out").write_bytes(content)
    found = bb.diagnose_outputs(bb.collect_outputs(tmp_path))
    assert one(found, "unreadable")["severity"] == "error" and look in one(found, "unreadable")["finding"]
    assert not (found["rule"] == "no_records").any()


def test_choices_and_absent_tool_calls_are_said(tmp_path: Path):
    several = {"recordId": "a", "modelInput": {}, "modelOutput": {"choices": [{"text": "x"}, {"text": "y"}]}}
    found = diagnose(tmp_path, [*good(5), several, nova_line("t", "Hm", stop="tool_use")])
    assert one(found, "several_choices")["finding"].startswith("1 line holds several choices")
    assert one(found, "no_tool_call")["count"] == 1


NEGATIVE = [
    {"usage": {"inputTokens": -5, "outputTokens": 4}},
    {"usage": {"inputTokens": 9, "outputTokens": "-1"}},
    {"usage": {"inputTokens": 9, "outputTokens": 4, "cacheReadInputTokenCount": -0.5}},
]


def test_a_negative_count_is_a_finding_with_an_example(tmp_path: Path):
    lines = [nova_line("a"), *(nova_line(f"n{number}") for number in range(len(NEGATIVE)))]
    for line, change in zip(lines[1:], NEGATIVE, strict=True):
        line["modelOutput"] |= change
    lines.append({"recordId": "l", "modelOutput": {"generation": "Hi", "prompt_token_count": -1}})
    outputs = bb.collect_outputs(write_outputs(tmp_path / "x.jsonl.out", lines))
    found = one(bb.diagnose_outputs(outputs), "negative_count")
    assert (found["severity"], found["count"], found["record_id"]) == ("warning", 4, "n0")
    assert outputs["input_tokens"].isna().tolist() == [False, True, False, False, True]
    cost = bb.cost_of(outputs, model_id="amazon.nova-lite-v1:0", region="us-east-1")
    assert (cost.rows["state"] == "priced").tolist() == [True, False, False, False, False]
    assert cost.sentence.startswith("At least") and "below 0" in cost.sentence


def test_ids_that_come_again_and_files_passed_over_are_said(
    tmp_path: Path, standin: Any, monkeypatch: pytest.MonkeyPatch
):
    for folder in ("job1", "job2"):
        write_outputs(tmp_path / folder / "in.jsonl.out", good(3))
    write_outputs(tmp_path / "job1" / "in.jsonl (1).out", good(3))
    (tmp_path / "loop.jsonl.out").symlink_to("loop.jsonl.out")
    outputs = bb.collect_outputs(tmp_path)
    into = bb.collect_outputs(tmp_path, into=tmp_path / "parts")
    for found in (outputs, into):
        assert one(bb.diagnose_outputs(found), "repeated_ids")["count"] == 3
    assert "'in.jsonl (1).out' passed over" in bb.accounting(outputs).sentence
    (tmp_path / "job2" / "._in.jsonl.out").write_bytes(b"\0\5\x16\7")
    assert "'._in.jsonl.out' passed over: hidden" in bb.accounting(bb.collect_outputs(tmp_path)).sentence
    objects = {f"p/{path.name}": path.read_bytes() for path in (tmp_path / "job1").iterdir()}
    with serving(objects) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        assert "'in.jsonl (1).out' passed over" in bb.accounting(bb.collect_outputs("s3://b/p/")).sentence
    (tmp_path / "job1" / "in.jsonl.out").unlink()
    with pytest.raises(InputError, match="passed over"):
        bb.collect_outputs(tmp_path / "job1")
    with pytest.raises(InputError, match="no file or folder"):
        bb.collect_outputs([tmp_path / "loop.jsonl.out"])


def test_a_manifest_nested_without_end_is_a_sentence(tmp_path: Path):
    write_outputs(tmp_path / "job" / "in.jsonl.out", good(3))
    (tmp_path / "job" / "manifest.json.out").write_text('{"a":' * 100_000)
    assert "is not a JSON object" in bb.accounting(bb.collect_outputs(tmp_path)).sentence
