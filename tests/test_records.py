"""Records: what is asked is the template and the row, nothing else; ids and lines survive the round trip."""

import base64
import datetime as dt
import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st

from bbkit import as_records, build_records, check_records, read_prompt, read_source
from bbkit.checks import RecordCheck, check_lines
from bbkit.core.errors import FamilyError, InputError, RecordsError
from bbkit.families import max_tokens_of
from bbkit.records import input_line, iter_record_ids, read_records

CLAUDE = "anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "amazon.nova-lite-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc"


def lines_of(records: Any) -> list[bytes]:
    return list(check_lines(RecordCheck(NOVA), records))


def asked(records: pd.DataFrame) -> list[str]:
    return [read_prompt(body) for body in records["model_input"]]


def test_a_record_is_the_template_filled_from_its_row() -> None:
    calls = pd.DataFrame({"call_id": ["007", "008"], "text": ["Hello {name}", "{{x}}"], "queue": ["a", "b"]})
    prompt = 'As {{"topic": ""}}: {text}'
    records = build_records(
        calls,
        CLAUDE,
        prompt=prompt,
        system="Queue {queue}",
        record_id="call_id",
        max_tokens=64,
        temperature=0,
    )
    assert records.dtypes.astype(str).to_dict() == {"record_id": "string", "model_input": "object"}
    assert records["record_id"].to_list() == ["007", "008"]
    assert records["model_input"].to_list()[1] == {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 64,
        "system": "Queue b",
        "messages": [{"role": "user", "content": [{"type": "text", "text": 'As {"topic": ""}: {{x}}'}]}],
        "temperature": 0,
    }


ANY_TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from("{}"), max_size=30)


@given(st.lists(st.tuples(ANY_TEXT, ANY_TEXT), min_size=1, max_size=8), ANY_TEXT)
@settings(max_examples=150, deadline=None)
def test_rendering_never_touches_the_text_of_a_cell(cells: list[tuple[str, str]], around: str) -> None:
    frame = pd.DataFrame(cells, columns=["a", "b c"])
    literal = around.replace("{", "{{").replace("}", "}}")
    records = build_records(frame, NOVA, prompt=f"{literal}{{a}}-{{b c}}{literal}{{a}}")
    got = [body["messages"][0]["content"][0]["text"] for body in records["model_input"]]
    assert got == [f"{around}{a}-{b}{around}{a}" for a, b in cells]


@given(st.lists(ANY_TEXT.filter(bool), min_size=1, max_size=20, unique=True))
@settings(max_examples=80, deadline=None)
def test_record_ids_survive_the_round_trip(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    records = build_records(pd.DataFrame({"id": ids}), CLAUDE, prompt="x", record_id="id")
    path = tmp_path_factory.mktemp("round") / "records.jsonl"
    path.write_bytes(b"".join(lines_of(records)))
    assert list(iter_record_ids(path)) == ids
    assert [record_id for record_id, _ in read_records(path)] == ids
    assert [json.loads(line)["recordId"] for line in path.read_bytes().split(b"\n")[:-1]] == ids


@pytest.mark.parametrize("rows", [1, 3, 10])
def test_records_do_not_depend_on_chunks(rows: int) -> None:
    calls = pd.DataFrame({"text": [f"call {number}" for number in range(10)]})
    chunks = (calls.iloc[start : start + rows] for start in range(0, 10, rows))
    parts = build_records(chunks, NOVA, prompt="{text}")
    assert not isinstance(parts, pd.DataFrame)
    whole = build_records(calls, NOVA, prompt="{text}")
    assert whole["record_id"].to_list()[0] == "00000000001"
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("{txt}", "has no column 'txt'; it has 'text', 'n'. The prompt names it; double the braces"),
        ("{text} }", "lone '}' at character 8"),
        ('{"a": {text}}', "lone '{' at character 1"),
        ("{}", "lone '{}' at character 1"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(prompt: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        build_records(pd.DataFrame({"text": ["x"], "n": [1]}), CLAUDE, prompt=prompt)
    assert said in str(caught.value)


def test_a_null_cell_is_a_decision() -> None:
    calls = pd.DataFrame({"text": pd.array(["x", None, "y", None], dtype="string")})
    with pytest.raises(InputError, match=r"null in 2 rows \(row 2, 4\).*dropna.*null_cells='empty'"):
        build_records(calls, CLAUDE, prompt="Call: {text}")
    records = build_records(calls, CLAUDE, prompt="Call: {text}", null_cells="empty")
    assert asked(records)[1] == "Call: "
    assert asked(build_records(calls, CLAUDE, prompt="No column"))[1] == "No column"
    with pytest.raises(InputError, match="null_cells is 'drop'"):
        build_records(calls, CLAUDE, prompt="{text}", null_cells="drop")


def test_cells_that_are_not_text_are_written_as_json_writes_them() -> None:
    cells = [3, 2.5, True, [1, "é"], {"a": None}, dt.date(2026, 1, 2), np.int64(7), np.array([1, 2]), "{x}"]
    frame = pd.DataFrame({"cell": pd.Series(cells, dtype=object)})
    got = asked(build_records(frame, CLAUDE, prompt="{cell}"))
    assert got == ["3", "2.5", "true", '[1, "é"]', '{"a": null}', "2026-01-02", "7", "[1, 2]", "{x}"]
    typed = pd.DataFrame(
        {"n": pd.array([1, 2], dtype="Int64"), "at": pd.to_datetime(["2026-01-02 03:04"] * 2)}
    )
    assert asked(build_records(typed, CLAUDE, prompt="{n} {at}"))[0] == "1 2026-01-02T03:04:00"
    with pytest.raises(InputError, match=r"row 1 holds bytes .*no text form"):
        build_records(pd.DataFrame({"cell": [b"x"]}), CLAUDE, prompt="{cell}")


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (
            ["a", "b", "a", "c", "b", "a"],
            "record_id 'a' occurs 3 times (also 'b'). Name a column with distinct",
        ),
        (["a", None], "Row 2 of column 'id' holds None"),
        (["a", ""], "Row 2 of column 'id' holds ''"),
        ([1.5, 2.0], "Row 1 of column 'id' holds 1.5"),
    ],
)
def test_ids_that_cannot_be_joined_on_are_refused(ids: list, said: str) -> None:
    with pytest.raises(InputError) as caught:
        build_records(pd.DataFrame({"id": ids}), CLAUDE, prompt="x", record_id="id")
    assert said in str(caught.value)


def test_ids_repeated_in_a_later_chunk_are_refused() -> None:
    chunks = [pd.DataFrame({"id": [1, 2]}), pd.DataFrame({"id": [3, 1]})]
    parts = build_records(iter(chunks), CLAUDE, prompt="x", record_id="id")
    assert next(parts)["record_id"].to_list() == ["1", "2"]
    with pytest.raises(InputError, match="repeats a record_id of an earlier chunk, among rows 3 to 4"):
        next(parts)


def test_a_column_may_override_a_parameter() -> None:
    calls = pd.DataFrame({"text": ["a", "b"], "limit": pd.array([10, None], dtype="Int64"), "t": [0.0, 0.5]})
    records = build_records(
        calls, NOVA, prompt="{text}", max_tokens=99, overrides={"max_tokens": "limit", "temperature": "t"}
    )
    assert [body["inferenceConfig"] for body in records["model_input"]] == [
        {"maxTokens": 10, "temperature": 0.0},
        {"maxTokens": 99, "temperature": 0.5},
    ]
    assert b'"maxTokens":10,"temperature":0.0' in lines_of(records)[0]
    with pytest.raises(InputError, match="no column 'absent'"):
        build_records(calls, NOVA, prompt="x", overrides={"max_tokens": "absent"})


OPUS_5 = "us.anthropic.claude-opus-5"
OFF = {"thinking": {"type": "disabled"}}


@pytest.mark.parametrize(
    ("model_id", "given", "most"),
    [
        (CLAUDE, {}, 1024),
        (OPUS_5, {}, 8192),
        (OPUS_5, {"max_tokens": 500}, 500),
        (OPUS_5, OFF, 1024),
        (OPUS_5, {"invocation_type": "Converse"}, 8192),
        (OPUS_5, {"invocation_type": "Converse", "additional_model_request_fields": OFF}, 1024),
        ("us.anthropic.claude-opus-4-6-v1", {"thinking": {"type": "adaptive"}}, 8192),
        ("openai.gpt-oss-120b-1:0", {}, 8192),
        ("moonshot.kimi-k2-thinking", {"reasoning_effort": "none"}, 1024),
        ("us.anthropic.claude-opus-9", {}, 1024),
        (PROFILE, {"family": "anthropic"}, 1024),
    ],
)
def test_a_model_that_thinks_is_given_room_for_it_and_a_warning_says_so(
    model_id: str, given: dict[str, Any], most: int
) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        (body,) = build_records(pd.DataFrame({"a": ["x"]}), model_id, prompt="x", **given)["model_input"]
    assert max_tokens_of(body) == most
    assert [str(one.message)[:20] for one in told] == (["max_tokens is 8,192:"] if most == 8192 else [])
    assert all(one.filename == __file__ for one in told)


def test_a_parameter_the_family_does_not_take_is_refused() -> None:
    with pytest.raises(InputError, match="max_new_tokens"):
        build_records(pd.DataFrame({"a": ["x"]}), CLAUDE, prompt="x", max_new_tokens=5)


def test_images_come_from_paths(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"jpg")
    (tmp_path / "b.PNG").write_bytes(b"png")
    pages = pd.DataFrame({"page": [str(tmp_path / "a.jpg"), None], "more": [None, [tmp_path / "b.PNG"]]})
    records = build_records(pages, CLAUDE, prompt="What is this?", media=["page", "more"])
    blocks = [body["messages"][0]["content"] for body in records["model_input"]]
    assert [block["type"] for block in blocks[0]] == ["image", "text"]
    assert blocks[0][0]["source"]["media_type"] == "image/jpeg"
    assert base64.b64decode(blocks[1][0]["source"]["data"]) == b"png"
    with pytest.raises(InputError, match=r"Row 1 names '.*absent\.png', which cannot be read"):
        build_records(pd.DataFrame({"p": [str(tmp_path / "absent.png")]}), CLAUDE, prompt="x", media="p")
    with pytest.raises(InputError, match="extension tells neither"):
        build_records(pd.DataFrame({"p": ["a.bin"]}), CLAUDE, prompt="x", media="p")


def test_linked_video_stays_a_link() -> None:
    clips = pd.DataFrame({"clip": ["s3://media/run/one.mp4"]})
    body = build_records(clips, NOVA, prompt="What happens?", media="clip")["model_input"][0]
    assert body["messages"][0]["content"][0]["video"]["source"] == {
        "s3Location": {"uri": "s3://media/run/one.mp4"}
    }


def test_converse_bodies_are_asked_for_by_name() -> None:
    body = build_records(pd.DataFrame({"a": ["x"]}), CLAUDE, prompt="{a}", family="converse")["model_input"][
        0
    ]
    assert body == {
        "messages": [{"role": "user", "content": [{"text": "x"}]}],
        "inferenceConfig": {"maxTokens": 1024},
    }


def test_a_converse_job_has_converse_bodies() -> None:
    texts = pd.DataFrame({"a": ["x"]})
    given = build_records(texts, CLAUDE, prompt="{a}", invocation_type="Converse")["model_input"][0]
    assert given == build_records(texts, CLAUDE, prompt="{a}", family="converse")["model_input"][0]


@pytest.mark.parametrize("dtype", ["float64", "Float64", "Int64", "object"])
def test_whole_numbers_beside_nulls_stay_whole(dtype: str) -> None:
    frame = pd.DataFrame({"a": ["x", "y"], "mt": pd.array([50, None], dtype=dtype), "t": [0.5, 1.0]})
    frame["mt"] = frame["mt"].where([True, False])
    records = build_records(frame, NOVA, prompt="{a}", overrides={"max_tokens": "mt", "temperature": "t"})
    sent = [body["inferenceConfig"] for body in records["model_input"]]
    assert (
        json.dumps(sent) == '[{"maxTokens": 50, "temperature": 0.5}, {"maxTokens": 1024, "temperature": 1.0}]'
    )


def test_columns_are_found_by_the_text_of_their_names() -> None:
    frame = pd.DataFrame([["x", "b", "7"]])
    records = build_records(frame, NOVA, prompt="{0}-{1}", record_id="2")
    assert (asked(records), records["record_id"].to_list()) == (["x-b"], ["7"])
    assert list(frame.columns) == [0, 1, 2]
    twice = pd.DataFrame([["x", "y", "z"]], columns=["x", "x", "z"])
    assert asked(build_records(twice, NOVA, prompt="{z}")) == ["z"]
    with pytest.raises(InputError, match="more than one column 'x'"):
        build_records(twice, NOVA, prompt="{x}")
    with pytest.raises(InputError, match="more than one column '0'"):
        build_records(pd.DataFrame([["x", "y"]], columns=[0, "0"]), NOVA, prompt="{0}")


@pytest.mark.parametrize(
    "data", [{"a": ["x"]}, [{"a": "x"}], pd.Series(["x"], name="a"), "calls.csv", None, 7, (1,)]
)
def test_data_that_is_no_frame_is_refused_at_once(data: object) -> None:
    with pytest.raises(
        InputError, match=r"data is of type (dict|list of dict|Series|str|NoneType|int|tuple)"
    ):
        build_records(data, NOVA, prompt="{a}")  # type: ignore[call-overload]
    frames = [pd.DataFrame({"a": ["x"]})] * 2
    for given_frames in (frames, iter(frames)):
        ids = [frame["record_id"].item() for frame in build_records(given_frames, NOVA, prompt="{a}")]
        assert ids == ["00000000001", "00000000002"]
    with pytest.raises(InputError, match="iterator of dict"):
        next(build_records(iter([{"a": "x"}]), NOVA, prompt="{a}"))  # type: ignore[call-overload]
    for wrong in ({"prompt": None}, {"prompt": "{a}", "system": None}, {"prompt": ["{a}"]}):
        with pytest.raises(InputError, match=r"is of type (NoneType|list); it takes text"):
            build_records(frames[0], NOVA, **wrong)


def test_embeddings_have_no_maximum_of_tokens() -> None:
    model = "amazon.titan-embed-text-v2:0"
    body = build_records(pd.DataFrame({"a": ["x"]}), model, prompt="{a}", dimensions=256)["model_input"][0]
    assert body == {"inputText": "x", "dimensions": 256}


def test_an_unknown_model_is_never_guessed() -> None:
    with pytest.raises(FamilyError, match="family="):
        build_records(pd.DataFrame({"a": ["x"]}), PROFILE, prompt="{a}")
    with pytest.raises(InputError, match="does not offer"):
        build_records(pd.DataFrame({"a": ["x"]}), CLAUDE, prompt="{a}", family="cohere_command")


def test_the_line_is_what_bedrock_reads() -> None:
    written = input_line("r1", {"x": "é\u2028", "n": np.int64(3)})
    assert written.decode() == '{"recordId":"r1","modelInput":{"x":"é\u2028","n":3}}\n'
    assert input_line(None, {}) == b'{"modelInput":{}}\n'
    with pytest.raises(InputError, match="'r1' holds half of a surrogate pair"):
        input_line("r1", {"x": "a\ud800"})
    with pytest.raises(InputError, match="holds object"):
        input_line("r1", {"x": object()})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan"), [1.0, float("-inf")]])
def test_a_number_that_json_has_not_never_becomes_null(value: object) -> None:
    check = RecordCheck(NOVA)
    list(check_lines(check, [("r1", {"inferenceConfig": {"temperature": value}})]))
    assert check.unwritable == {"nan"} <= set(check.finish().errors["rule"])
    check = RecordCheck(NOVA)
    lines = list(check_lines(check, [("r1", {"x": None})]))
    assert lines == [b'{"recordId":"r1","modelInput":{"x":null}}\n'] and check.unwritable == set()


def test_files_made_elsewhere_are_passed_on_byte_for_byte(tmp_path: Path) -> None:
    first = b'{"modelInput": {"a":1.50},  "recordId": "x\\u00e9"}\r\n\n{"modelInput":{}}\n'
    (tmp_path / "a.jsonl").write_bytes(first)
    (tmp_path / "b.jsonl").write_bytes(b'{"recordId": 7, "modelInput": {"t": NaN}}')
    (tmp_path / "c.jsonl.out").write_bytes(b"not read")
    lines = lines_of(tmp_path)
    assert b"".join(lines) == first.replace(b"\n\n", b"\n") + b'{"recordId": 7, "modelInput": {"t": NaN}}\n'
    assert list(iter_record_ids(tmp_path)) == ["xé", None, "7"]
    assert [record_id for record_id, _ in read_records(tmp_path)] == ["xé", None, "7"]


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"recordId": "a"}', b'"x"', b"\xff", b"[" * 20_000])
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"recordId":"a","modelInput":{}}\n' + line + b"\n")
    with pytest.raises(RecordsError, match=r"records\.jsonl line 2 is not"):
        list(read_records(path))


def test_a_place_without_records_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \.jsonl file"):
        lines_of(tmp_path)
    with pytest.raises(InputError, match="no file or folder"):
        lines_of(tmp_path / "absent.jsonl")
    with pytest.raises(InputError, match="no column 'model_input'"):
        lines_of(pd.DataFrame({"record_id": ["a"]}))


def test_lines_made_elsewhere_are_records_already(tmp_path: Path) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}], "n": 1.0}
    openai = [
        {
            "custom_id": f"c-{n}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {**body, "max_tokens": n},
        }
        for n in (1, 2)
    ]
    bedrock = [
        {"recordId": "007", "modelInput": body, "team": "x"},
        {"modelInput": {"y": 2}},
        {"recordId": "9"},
    ]
    for lines, ids, bodies in (
        (openai, ["c-1", "c-2"], [line["body"] for line in openai]),
        (bedrock, ["007", pd.NA, "9"], [body, {"y": 2}, None]),
    ):
        path = tmp_path / "made.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        records = as_records(read_source(path))
        assert records is not None
        assert records.columns.to_list() == ["record_id", "model_input"]
        assert records["record_id"].to_list() == ids
        assert records["model_input"].to_list() == bodies
    asked = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    anthropic = pd.DataFrame({"custom_id": ["a"], "params": [{"model": "claude-x", **asked}]})
    with pytest.warns(UserWarning, match=r"'claude-x', is left out"):
        records = as_records(anthropic, CLAUDE)
    assert records is not None
    assert records["model_input"].to_list() == [{"anthropic_version": "bedrock-2023-05-31", **asked}]
    for rows in (
        {"id": ["1"], "body": ["an e-mail"]},
        {"custom_id": ["1"], "body": ["x"]},
        {"body": [{"a": 1}]},
    ):
        assert as_records(pd.DataFrame(rows)) is None


def test_records_of_parquet_have_no_names_that_are_null(tmp_path: Path) -> None:
    asked = {"messages": [{"role": "user", "content": [{"text": "why null?"}]}]}
    body = {"messages": [{"role": "user", "content": [{"text": "why null?", "image": None}]}], "system": None}
    image = pa.struct([("format", pa.string())])
    content = pa.list_(pa.struct([("text", pa.string()), ("image", image)]))
    turns = pa.list_(pa.struct([("role", pa.string()), ("content", content)]))
    held = pa.struct([("messages", turns), ("system", pa.list_(pa.string()))])
    schema = pa.schema([("recordId", pa.string()), ("modelInput", held)])
    lines = [{"recordId": f"r{n}", "modelInput": body} for n in range(100)]
    pq.write_table(pa.Table.from_pylist(lines, schema), tmp_path / "a.parquet")
    records = as_records(read_source(tmp_path / "a.parquet"))
    assert records is not None
    assert records["model_input"][0] == asked
    assert "not_finite" not in set(check_records(records, NOVA)["rule"])
    bare = pd.DataFrame({"record_id": ["a"], "model_input": [{"messages": np.array([None, asked])}]})
    assert len(check_records(bare, NOVA))


def test_records_that_ask_about_nothing_are_warned_of() -> None:
    calls = pd.DataFrame({"text": ["x", " ", "", "y"], "image": [pd.NA] * 4})
    with pytest.warns(UserWarning, match=r"'text' is empty in 2 rows \(2, 3\)") as warned:
        build_records(calls, NOVA, prompt="Summarize: {text}")
    assert warned[0].filename == __file__
    with pytest.warns(UserWarning, match=r"is empty in 1 row \(2\)"):
        list(build_records(iter([calls.head(1), calls[1:2]]), NOVA, prompt="{text}"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_records(calls, NOVA, prompt="{text}", media="image")


@pytest.mark.parametrize(
    ("prompt", "said"),
    [("Say hi.", "the prompt names no {column}"), ("About {queue}:", "'queue' holds one text in every row")],
)
def test_paying_for_one_answer_many_times_is_warned_of(prompt: str, said: str) -> None:
    calls = pd.DataFrame({"queue": ["a"] * 3, "limit": [1, 2, 3]})
    with pytest.warns(UserWarning, match=re.escape(f"All 3 records ask the same: {said}.")) as warned:
        build_records(calls, NOVA, prompt=prompt)
    assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        records = build_records(calls, NOVA, prompt=prompt, overrides="max_tokens: limit")
        build_records(calls.head(1), NOVA, prompt=prompt)
        build_records(calls.head(0), NOVA, prompt="{queue}")
    limits = [body["inferenceConfig"]["maxTokens"] for body in records["model_input"]]
    assert limits == [1, 2, 3]
    with pytest.raises(InputError, match=r"overrides is 'max_tokens'\. It takes pairs"):
        build_records(calls, NOVA, prompt=prompt, overrides="max_tokens")


@pytest.mark.parametrize(
    ("model_id", "asked", "expected"),
    [
        (CLAUDE, {"thinking": {"type": "enabled", "budget_tokens": 1024}}, 2048),
        (
            "us.amazon.nova-2-lite-v1:0",
            {"reasoning_config": {"type": "enabled", "maxReasoningEffort": "high"}},
            None,
        ),
        (
            "us.amazon.nova-2-lite-v1:0",
            {"reasoning_config": {"type": "enabled", "maxReasoningEffort": "low"}},
            8192,
        ),
        ("us.amazon.nova-2-lite-v1:0", {"reasoning_config": {"type": "disabled"}}, 1024),
    ],
)
@pytest.mark.filterwarnings("ignore:max_tokens is")
def test_the_default_maximum_leaves_room_for_what_thinking_asks(
    model_id: str, asked: dict[str, Any], expected: int | None
) -> None:
    built = build_records(pd.DataFrame({"a": ["x"]}), model_id, prompt="{a}", **asked)
    assert max_tokens_of(built["model_input"][0]) == expected
    assert check_records(built, model_id).errors.query("rule != 'min_records_per_job'").empty
