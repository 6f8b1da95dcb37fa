"""Whatever mixture of lines comes back: rows are the records sent, every other line is listed, sums agree."""

import json
import random
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from output_files import error_line, nova_line, read_parquet, write_outputs

import bbkit as bb

ids = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=0, max_size=6),
    st.integers(0, 99).map(lambda number: f"{number:011d}"),
)
fates = st.sampled_from(["good", "cut off", "error", "inner error", "missing", "twice", "error then good"])
junk = st.one_of(
    st.binary(max_size=30).map(lambda data: b"\xff" + data.replace(b"\n", b"")),
    st.sampled_from([
        b'{"recordId": "cut", "modelInp', b"null", b"[]", b"{}", b'"text"', b"{]", b"nan", b"0",
        b'{"recordId": "x", "modelInput": {}}', b'{"modelOutput": 3}',
        b'{"modelOutput": null, "error": null}', b"\x00", b"\xef\xbb\xbf",
    ]),
)  # fmt: skip


@st.composite
def batches(draw: st.DrawFn) -> dict[str, Any]:
    """Records with the fate of each, and strays, shuffled over some files."""
    sent = draw(st.lists(ids, unique=True, max_size=25))
    fate = {name: draw(fates) for name in sent}
    unsent = draw(st.lists(ids.filter(lambda name: name not in fate), unique=True, max_size=4))
    lines: list[tuple[str, bytes]] = [("unreadable", line) for line in draw(st.lists(junk, max_size=4))]
    for name, what in fate.items():
        lines += [("sent", json.dumps(line).encode()) for line in lines_of(name, what)]
    lines += [("unexpected", json.dumps(nova_line(name)).encode()) for name in unsent]
    lines += [("unexpected", json.dumps(nova_line(None)).encode())] * draw(st.integers(0, 2))
    lines = draw(st.permutations(lines))
    return {
        "fate": fate,
        "lines": lines,
        "files": draw(st.integers(1, 3)),
        "end": draw(st.sampled_from([b"", b"\n"])),
    }


def lines_of(name: str, fate: str) -> list[dict[str, Any]]:
    return {
        "good": [nova_line(name)],
        "cut off": [nova_line(name, "Fi", stop="max_tokens")],
        "error": [error_line(name)],
        "inner error": [error_line(name, inside=True)],
        "missing": [],
        "twice": [nova_line(name), nova_line(name)],
        "error then good": [error_line(name), nova_line(name), error_line(name)],
    }[fate]


OUTCOMES = {"error": "errored", "inner error": "errored", "missing": "missing"}
SPARE = {"twice": 1, "error then good": 2}


def write_batch(folder: Path, batch: dict[str, Any]) -> None:
    for number in range(batch["files"]):
        own = [line for _, line in batch["lines"][number :: batch["files"]]]
        write_outputs(folder / "out" / f"{number}.jsonl.out", own, end=batch["end"])


@settings(max_examples=80, deadline=None)
@given(batches())
def test_rows_are_the_records_sent_and_every_stray_line_is_listed(batch: dict[str, Any]):
    fate = batch["fate"]
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_batch(folder, batch)
        frame = bb.collect_outputs(folder / "out", sent=list(fate))
        told = bb.accounting(frame)
        into = bb.collect_outputs(folder / "out", sent=list(fate), into=folder / "parts")
        parts = read_parquet(folder / "parts")
    assert frame["record_id"].tolist() == list(fate)
    assert frame["outcome"].tolist() == [OUTCOMES.get(what, "succeeded") for what in fate.values()]
    numbers = told.numbers
    assert numbers["sent"] == len(fate) == len(frame)
    assert numbers["succeeded"] + numbers["errored"] + numbers["missing"] == len(fate)
    assert numbers["cut_off"] == sum(what == "cut off" for what in fate.values())
    assert numbers["unreadable"] == sum(kind == "unreadable" for kind, _ in batch["lines"])
    assert numbers["unexpected"] == sum(kind == "unexpected" for kind, _ in batch["lines"])
    assert numbers["duplicate"] == sum(SPARE.get(what, 0) for what in fate.values())
    assert len(told.lines) == numbers["unreadable"] + numbers["unexpected"] + numbers["duplicate"]
    read = numbers["succeeded"] + numbers["errored"] + len(told.lines)
    assert read == len(batch["lines"])
    assert told.complete == (not numbers["missing"] and not len(told.lines))
    pd.testing.assert_frame_equal(parts, frame, check_flags=False)
    assert into.sentence == told.sentence
    assert sorted(map(tuple, into.lines.to_numpy())) == sorted(map(tuple, told.lines.to_numpy()))


@settings(max_examples=40, deadline=None)
@given(batches())
def test_without_sent_every_record_line_is_a_row_in_its_order(batch: dict[str, Any]):
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_batch(folder, batch)
        frame = bb.collect_outputs(folder / "out")
    expected = []
    for number in range(batch["files"]):
        own = batch["lines"][number :: batch["files"]]
        expected += [json.loads(line)["recordId"] for kind, line in own if kind != "unreadable"]
    assert [None if found is pd.NA else found for found in frame["record_id"]] == expected
    told = bb.accounting(frame)
    assert told.numbers["sent"] is None and not told.complete
    assert told.sentence.endswith("which were sent is not known")
    assert len(frame) + len(told.lines) == len(batch["lines"])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.binary(max_size=80).filter(lambda data: b"\n" not in data), max_size=8))
def test_no_bytes_raise(lines: list[bytes]):
    with TemporaryDirectory() as name:
        path = write_outputs(Path(name) / "x.jsonl.out", lines)
        frame = bb.collect_outputs(path, sent=["a"], with_columns=["model_output"])
    assert frame["record_id"].tolist() == ["a"]


keys = st.one_of(
    st.sampled_from([
        "content", "output", "message", "usage", "choices", "generation", "outputs", "results", "embedding",
        "embeddings", "embeddingsByType", "text", "type", "stop_reason", "errorCode", "errorMessage",
        "inputTokens", "max_tokens", "inferenceConfig", "tool_calls", "reasoning",
    ]),
    st.text(max_size=3),
)  # fmt: skip
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=12,
)


@settings(max_examples=120, deadline=None)
@given(st.dictionaries(st.sampled_from(["recordId", "modelInput", "modelOutput", "error"]), json_values))
def test_no_shape_of_a_line_raises(line: dict[str, Any]):
    everything = ["reasoning", "tool_calls", "model_input", "model_output", "embedding"]
    with TemporaryDirectory() as name:
        path = write_outputs(Path(name) / "x.jsonl.out", [json.dumps(line)])
        frame = bb.collect_outputs(path, with_columns=everything)
        bare = bb.collect_outputs(path)
    told = bb.accounting(frame)
    assert len(frame) + len(told.lines) == 1
    pd.testing.assert_frame_equal(bare, frame[list(bare.columns)])


SAMPLES = Path(__file__).parents[1] / "data" / "samples" / "outputs"
WRITTEN = ("anthropic", "nova", "converse", "llama", "mistral_text", "mistral_chat", "openai_chat")
ODD = [
    None, True, 0, -1, 7.0, 2.5, 1e30, 1 << 70, "10", "", "<think>a</think>b", "\n <b>", "a</think>b",
    "tool_use", "\ud800", "deepseek.v3.2", "é\u0000", float("nan"), [], {}, [1],
    {"text": "b"}, [{"text": "b"}], '{"modelOutput": {"generation": "no"}}',
]  # fmt: skip
MEMBERS = [
    "content",
    "generation",
    "text",
    "error",
    "errorCode",
    "usage",
    "model",
    "modelOutput",
    "metrics",
    "x",
]


def change(rng: random.Random, value: Any) -> Any:
    """Change one value somewhere in it, or put one member more into it."""
    if type(value) is dict and value and rng.random() < 0.85:
        name = rng.choice([*value, rng.choice(MEMBERS)])
        changed = {**value, name: change(rng, value.get(name))}
        return dict(rng.sample([*changed.items()], len(changed))) if rng.random() < 0.3 else changed
    if type(value) is list and value and rng.random() < 0.85:
        return [change(rng, value[0]), *value[1:], *rng.choices(value, k=rng.choice([0, 0, 1]))]
    return rng.choice(ODD)


def spell(rng: random.Random, value: Any) -> str:
    """Write JSON in any of the ways there are: blanks, escapes, members twice."""
    blank = rng.choice(["", "", " ", "\t", "\r"])
    if type(value) is dict:
        members = [(name, item) for name, item in value.items() if rng.random() > 0.05]
        members += [(name, change(rng, item)) for name, item in members if rng.random() < 0.05]
        told = (f"{spell(rng, name)}{blank}:{blank}{spell(rng, item)}" for name, item in members)
        return f"{{{blank}{f',{blank}'.join(told)}}}"
    if type(value) is list:
        return f"[{f'{blank},'.join(spell(rng, item) for item in value)}]"
    if type(value) is str and rng.random() < 0.1:
        return '"' + "".join(f"\\u{ord(letter):04x}" for letter in value if ord(letter) < 65536) + '"'
    if type(value) is int and rng.random() < 0.1:
        return rng.choice([f"{value}.0", f"{value}e0", f"-{value}", f"0{value}"])
    return json.dumps(value, ensure_ascii=rng.random() < 0.5)


@pytest.mark.parametrize("name", WRITTEN)
@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 1 << 32),
    st.sampled_from([(), ("reasoning", "text_raw"), ("model_output",)]),
    st.sampled_from(["", "", "deepseek.v3.2"]),
)
def test_a_line_says_the_same_wherever_it_stands(
    name: str, seed: int, extras: tuple[str, ...], model_id: str
):
    """A file's first line is read with care; what follows a line of its family may be read plainly."""
    rng = random.Random(seed)
    samples = (SAMPLES / f"{name}.jsonl.out").read_bytes().splitlines()
    lines = []
    for sample in rng.choices(samples[:-1], k=12):
        line = json.loads(sample)
        for _ in range(rng.choice([0, 1, 1, 2])):
            line["modelOutput"] = change(rng, line.get("modelOutput"))
        line |= {"error": rng.choice(ODD)} if rng.random() < 0.1 else {}
        cut = spell(rng, change(rng, line) if rng.random() < 0.2 else line).encode("utf-8", "surrogatepass")
        lines.append(cut if rng.random() < 0.9 else cut.replace(rng.choice([b"}", b"a", b'"']), b"\xff", 1))
    with TemporaryDirectory() as folder:
        first = next(line for line in samples if b"reasoning" not in line)
        first = first.replace(json.loads(first)["recordId"].encode(), b"first")
        among = write_outputs(Path(folder) / "x.jsonl.out", chain(*((first, line) for line in lines)))
        for number, line in enumerate(lines):
            write_outputs(Path(folder) / "alone" / f"{number:02}.jsonl.out", [line])
        found = bb.collect_outputs(among, model_id=model_id, with_columns=extras)
        alone = bb.collect_outputs(Path(folder) / "alone", model_id=model_id, with_columns=extras)
    own = found[found["record_id"].ne("first").fillna(True)]
    assert len(own) == len(found) - len(lines)
    pd.testing.assert_frame_equal(
        own.drop(columns="source_file").reset_index(drop=True),
        alone.drop(columns="source_file"),
        check_flags=False,
    )
    for said in zip(*map(say, (found, alone)), strict=True):
        assert said[0] == said[1]


def say(frame: pd.DataFrame) -> tuple[Any, ...]:
    told = bb.accounting(frame)
    return told.lines["reason"].tolist(), told.collected.remarks
