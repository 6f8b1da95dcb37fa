"""Embeddings: every pair that is near and no other, maps that hold every record, findings that are true."""

import itertools
import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from conftest import Standin
from hypothesis import given, settings
from output_files import error_line, write_outputs

import bbkit as bb
from bbkit import charts
from bbkit.core import datasets
from bbkit.core.errors import ExtraError, InputError

COLUMNS = ["embedding", "model_input"]
PAGE = Path(__file__).parent.parent / "docs/how-to/embeddings.md"


def embed_line(record_id: str, vector: Any, text: str = "", **more: int) -> dict[str, Any]:
    """A line of a Nova embeddings job (https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html)."""
    value = {"truncationMode": "END", "value": text or f"text of {record_id}"}
    body = {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {"text": value}}
    answer = {"embeddings": [{"embeddingType": "TEXT", "embedding": [*vector], **more}]}
    return {"recordId": record_id, "modelInput": body, "modelOutput": answer}


def as_outputs(vectors: Any, **more: Any) -> pd.DataFrame:
    keys = pd.array([f"r{place}" for place in range(len(vectors))], "string")
    cells = pd.Series([*vectors], dtype=object)
    return pd.DataFrame({"record_key": keys, "outcome": "succeeded", "embedding": cells, **more})


def scatter(count: int, length: int, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, length), np.float32)


def named(pairs: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(pairs["record_id"], pairs["other_id"], strict=True))


def test_planted_pairs_are_found_and_no_other() -> None:
    vectors = scatter(4_300, 64)
    vectors[4_200:] = 3 * vectors[:100] + 0.1 * scatter(100, 64, 8)
    pairs = bb.near_duplicates(as_outputs(vectors), 0.97)
    assert named(pairs) == {(f"r{place}", f"r{4_200 + place}") for place in range(100)}
    assert pairs["similarity"].is_monotonic_decreasing
    assert pairs["similarity"].between(0.97, 1).all()
    assert pairs.attrs["unlisted"] == 0


few_vectors = st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), max_size=12)


@settings(max_examples=40, deadline=None)
@given(few_vectors, st.sampled_from([0.3, 0.5, 0.9, 1.0]), st.integers(1, 20))
def test_pairs_are_those_that_the_definition_names(vectors: list[Any], threshold: float, most: int) -> None:
    expected = {}
    for (a, left), (b, right) in itertools.combinations(enumerate(np.array(vectors, float)), 2):
        norms = np.linalg.norm(left) * np.linalg.norm(right)
        if norms and left @ right / norms >= threshold - 1e-9:
            expected[f"r{a}", f"r{b}"] = left @ right / norms
    pairs = bb.near_duplicates(as_outputs(vectors), threshold, most=most)
    assert len(pairs) + pairs.attrs["unlisted"] == len(expected)
    assert len(pairs) == min(most, len(expected))
    told = dict(
        zip(zip(pairs["record_id"], pairs["other_id"], strict=True), pairs["similarity"], strict=True)
    )
    assert told == {key: pytest.approx(expected[key], abs=1e-5) for key in told}
    assert sorted(told.values()) == pytest.approx(
        sorted(expected.values())[len(expected) - len(pairs) :], abs=1e-5
    )


@settings(max_examples=40, deadline=None)
@given(few_vectors, st.sampled_from([0.3, 0.5, 0.9]))
def test_the_page_keeps_one_of_each(vectors: list[Any], threshold: float) -> None:
    [recipe] = re.findall(r"```python\n(assert.+?)```", PAGE.read_text(), re.DOTALL)
    outputs = as_outputs(vectors)
    told = {"outputs": outputs, "pairs": bb.near_duplicates(outputs, threshold)}
    exec(recipe, told)
    kept, near = set(told["kept"]["record_key"]), named(told["pairs"])
    assert not [pair for pair in near if kept.issuperset(pair)], "no two that are kept are near"
    assert all(
        any({key} | {other} in map(set, near) for other in kept) for key in {*outputs["record_key"]} - kept
    ), "nothing is left out that is near to none that is kept"


def test_the_page_says_that_pairs_are_unlisted() -> None:
    [recipe] = re.findall(r"```python\n(assert.+?)```", PAGE.read_text(), re.DOTALL)
    alike = as_outputs(np.ones((9, 4)))
    with pytest.raises(AssertionError, match="a greater most"):
        exec(recipe, {"outputs": alike, "pairs": bb.near_duplicates(alike, most=5)})


def test_pairs_beyond_those_listed_are_counted_where_it_is_shown() -> None:
    alike = as_outputs(np.ones((300, 4)))
    pairs = bb.near_duplicates(alike, 1.0, most=100)
    assert (len(pairs), pairs.attrs["unlisted"]) == (100, 300 * 299 // 2 - 100)
    assert "and 44,790 more" in repr(pairs)
    assert repr(bb.near_duplicates(alike.head(1))) == "No two of 1 embedding are as near as 0.95."


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The same outputs as a frame and as a data set, which is read in several batches."""
    monkeypatch.setattr(datasets, "_LONG_ROWS", 17)
    vectors = scatter(90, 16).round(4).astype(float)
    lines = [embed_line(f"r{place}", vector) for place, vector in enumerate(vectors)]
    lines[10:10] = [error_line("bad")]
    path = write_outputs(tmp_path / "out" / "x.jsonl.out", lines)
    options: dict[str, Any] = {"with_columns": COLUMNS, "sent": [line["recordId"] for line in lines]}
    return [bb.collect_outputs(path, **options), bb.collect_outputs(path, into=tmp_path / "parts", **options)]


def test_a_data_set_says_the_same(both: list[Any]) -> None:
    ways = [
        bb.embedding_matrix,
        lambda rows: bb.near_duplicates(rows, 0.5),
        lambda rows: bb.nearest_records(rows, "r5", n=7),
        lambda rows: charts.embedding_map(rows, by="outcome").to_json(),
        lambda rows: charts.embedding_norms(rows).to_json(),
        lambda rows: bb.diagnose_outputs(rows).to_text(),
    ]
    for way in ways:
        first, second = map(way, both)
        assert first.equals(second) if isinstance(first, pd.DataFrame) else first == second


def test_the_matrix_has_the_ids_of_what_was_embedded(both: list[Any]) -> None:
    matrix = bb.embedding_matrix(both[0])
    assert matrix.shape == (90, 16)
    assert set(matrix.dtypes) == {np.dtype(np.float32)}
    assert "bad" not in matrix.index
    cells = both[0].set_index("record_key")["embedding"]
    assert all((matrix.loc[key] == cells[key]).all() for key in ("r0", "r9", "r10", "r89"))
    assert np.shares_memory(matrix.to_numpy(), matrix.to_numpy()), "a copy would take as much again"


def test_the_nearest_of_a_record_and_of_a_vector(both: list[Any]) -> None:
    matrix = bb.embedding_matrix(both[1])
    unit = matrix.div(np.linalg.norm(matrix, axis=1), axis=0)
    expected = (unit @ unit.loc["r5"]).drop("r5").nlargest(4)
    found = bb.nearest_records(both[1], "r5", n=4)
    assert found["record_id"].tolist() == expected.index.tolist()
    assert found["similarity"].tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    assert "embedding" not in found
    assert set(found["outcome"]) == {"succeeded"}
    again = bb.nearest_records(both[0], 5 * matrix.loc["r5"].to_numpy(), n=1)
    assert again[["record_id", "similarity"]].to_numpy().tolist() == [["r5", 1.0]]


def test_the_map_shows_what_a_decomposition_says() -> None:
    vectors = scatter(400, 12) * np.linspace(3, 1, 12) + 40
    apart = vectors - vectors.mean(axis=0)
    _, spread, axes = np.linalg.svd(apart, full_matrices=False)
    figure = charts.embedding_map(as_outputs(vectors))
    share = 100 * (spread[:2] ** 2).sum() / (spread**2).sum()
    assert f"show {share:.1f} %" in figure.layout.title.text
    (marks,) = figure.data
    for drawn, axis in zip((marks.x, marks.y), axes, strict=False):
        assert np.abs(drawn) == pytest.approx(np.abs(apart @ axis), rel=1e-2, abs=1e-2)
    assert [*marks.customdata] == [*range(1, 401)]


def test_a_large_map_counts_all_and_marks_some() -> None:
    sizes = []
    for count in (4_000, 20_000):
        vectors = scatter(count, 4)
        queues = np.where(vectors[:, 0] > 0, "<b>bank</b>", "care")
        figure = charts.embedding_map(as_outputs(vectors, **{"source.queue": queues}), by="queue")
        cells, *marks = figure.data
        assert np.nansum(np.array(cells.z, float)) == count
        assert sum(len(trace.x) for trace in marks) == 1_000
        for trace in marks:
            rows = np.array(trace.customdata) - 1
            assert set(queues[rows]) == {"<b>bank</b>" if "bank" in trace.name else "care"}
        text = figure.to_json()
        assert "<b>bank" not in text and "r17" not in text
        sizes.append(len(text))
    assert max(sizes) < min(sizes[0] + 4_000, 150_000)


def test_a_map_of_nothing_says_why() -> None:
    def told(vectors: Any) -> str:
        return charts.embedding_map(as_outputs(vectors)).layout.annotations[0].text

    nothing = "No record has an embedding. A line of several vectors<br>counts as none."
    assert told([]) == told([None, None]) == nothing
    assert told([[1.0, 2.0]] * 5) == "5 embeddings: no two differ."
    assert told([[1.0]] * 2) == "It takes 2 to 8,192 numbers; embeddings have 1."
    assert "2 and of 3 numbers" in told([[1.0, 2.0], [1.0, 2.0, 3.0]])


def test_norms_are_those_of_the_vectors() -> None:
    unit = scatter(50, 8) / np.linalg.norm(scatter(50, 8), axis=1, keepdims=True)
    alike = charts.embedding_norms(as_outputs([*unit, None])).layout
    assert alike.title.text == "All embeddings have the norm 1"
    assert alike.annotations[0].text == "Norm, n = 50 embeddings."
    mixed = charts.embedding_norms(as_outputs([[3.0, 4.0], [0.0, 0.0], [6.0, 8.0, 0.0]]))
    assert mixed.layout.title.text.startswith("The median norm is 5<br>")
    assert "3 embeddings; 1 of them 0" in mixed.layout.title.text
    assert sum(mixed.data[0].y) == 3
    assert charts.embedding_norms(as_outputs([])).layout.annotations[0].text.startswith("No record has")


def test_findings_name_vectors_that_say_nothing_or_the_same(tmp_path: Path) -> None:
    lines = [embed_line(f"r{place:02}", vector) for place, vector in enumerate(scatter(40, 6).tolist())]
    lines[3] = embed_line("r03", [0.0] * 6)
    lines[4] = embed_line("r04", [1e39, *[0.0] * 5])  # beyond float32
    lines[7:10] = [embed_line(f"r0{place}", [1.0, *[0.0] * 5]) for place in (7, 8, 9)]
    lines[20] = embed_line("r20", lines[21]["modelOutput"]["embeddings"][0]["embedding"], "text of r21")
    lines[30] = embed_line("r30", scatter(1, 6, 8)[0].tolist(), truncatedCharLength=12)
    path = write_outputs(tmp_path / "x.jsonl.out", [*lines, error_line("bad")])
    found = bb.diagnose_outputs(bb.collect_outputs(path, with_columns=COLUMNS)).set_index("rule")
    told = found[["record_id", "count"]].T.to_dict("list")
    assert told["zero_vector"] == ["r03", 2]
    assert told["same_vector"] == ["r07", 3], "r20 and r21 have the same text"
    assert told["truncated_input"] == ["r30", 1]
    assert "2 of 40 embeddings (5.0 %) are zero or not finite" in found.loc["zero_vector", "finding"]
    plain = bb.diagnose_outputs(bb.collect_outputs(path, with_columns=["embedding"]))
    assert "same_vector" not in set(plain["rule"]), "what was asked is not known"
    assert "zero_vector" not in set(bb.diagnose_outputs(bb.collect_outputs(path))["rule"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rows: bb.near_duplicates(rows, 95), "threshold is 95. It is a cosine similarity, 0 to 1"),
        (lambda rows: bb.near_duplicates(rows, most=0), "most is 0"),
        (lambda rows: bb.nearest_records(rows, "nobody"), "No record 'nobody' has an embedding"),
        (lambda rows: bb.nearest_records(rows, [0, 0]), "zero or not finite"),
        (lambda rows: bb.nearest_records(rows, [1, 0, 0]), "of 3 and of 2 numbers"),
        (lambda rows: bb.nearest_records(rows, "r0", n=0), "n is 0"),
        (lambda rows: bb.nearest_records(rows, ["a", "b"]), "to is \\['a', 'b'\\]. It is a record_key"),
        (lambda rows: bb.nearest_records(rows, b"ab"), "to is b'ab'"),
        (lambda rows: bb.nearest_records(rows, [[1], [1, 2]]), "a list of numbers"),
        (lambda rows: bb.nearest_records(rows, {"r0": 1}), "a list of numbers"),
        (lambda rows: bb.nearest_records(rows, pd.NA), "to is <NA>"),
        (lambda rows: bb.embedding_matrix(as_outputs([[[1.0, 2.0]], [[3.0, 4.0]]])), "2 lists deep"),
        (lambda rows: charts.embedding_norms(as_outputs([[[1.0] * 16]] * 2)), "2 lists deep"),
        (lambda rows: charts.embedding_map(rows, clusters=1), "clusters is 1. .* 2 to 2"),
        (lambda rows: bb.near_duplicates(rows[["record_key"]]), "with_columns=\\['embedding'\\]"),
        (lambda rows: charts.embedding_norms(rows[["outcome"]]), "with_columns=\\['embedding'\\]"),
        (lambda rows: bb.embedding_matrix(rows.assign(embedding="[1, 2]")), "holds no lists of numbers"),
        (lambda rows: bb.embedding_matrix(as_outputs([[1.0], [1.0, 2.0]])), "of 1 and of 2 numbers"),
        (lambda rows: charts.embedding_map(rows, by="quee"), "'quee'"),
    ],
)
def test_what_cannot_be_compared_is_named(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(as_outputs([[1.0, 0.0], [0.0, 1.0]]))


def test_vectors_of_several_lengths_are_compared_each_with_its_own() -> None:
    mixed = as_outputs([[1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.1], [1.0, 0.0, 0.1]])
    assert named(bb.near_duplicates(mixed)) == {("r0", "r2"), ("r1", "r3")}
    assert bb.nearest_records(mixed, "r1")["record_key"].tolist() == ["r3"]


def test_great_values_and_small_differences_are_told_apart() -> None:
    great = as_outputs([[3e38, 3e38], [3e38, 3e38], [3e38, -3e38]])
    assert named(bb.near_duplicates(great)) == {("r0", "r1")}
    assert "beyond 1e+15" in charts.embedding_map(great).layout.annotations[0].text
    angles = np.arccos([1, 0.95 + 2e-7, 0.95 - 2e-7])
    close = as_outputs([*np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)])
    assert ("r0", "r1") in named(bb.near_duplicates(close))
    assert ("r0", "r2") not in named(bb.near_duplicates(close, np.float32(0.95), most=np.int64(9)))


def test_only_the_record_that_was_asked_is_left_out() -> None:
    rows = as_outputs([[1.0, 0.0], [1.0, 0.1], [1.0, 0.2]], similarity="own")
    rows["record_key"] = pd.array(["a", "a", "b"], "string")
    found = bb.nearest_records(rows, "a", n=np.int64(9))
    assert found["record_key"].tolist() == ["a", "b"]
    assert found["similarity"].tolist() == pytest.approx([1.01**-0.5, 1.04**-0.5])
    assert bb.near_duplicates(rows)[["row", "other_row"]].to_numpy().tolist() == [[2, 3], [1, 2], [1, 3]]


def test_clusters_need_scikit_learn() -> None:
    vectors = np.vstack([scatter(60, 8, place) + 20 * (place == np.arange(8)) for place in range(3)])
    if find_spec("sklearn") is None:
        with pytest.raises(ExtraError, match="pip install scikit-learn"):
            charts.embedding_map(as_outputs(vectors), clusters=3)
    else:
        figure = charts.embedding_map(as_outputs(vectors), clusters=3)
        assert [len(trace.x) for trace in figure.data] == [60, 60, 60]


def test_a_run_of_the_stand_in_finds_what_was_said_twice(standin: Standin, tmp_path: Path) -> None:
    texts = [f"Call {n}: {' '.join(f'word{(n * n * k) % 997}' for k in range(1, 30))}" for n in range(100)]
    texts[90] = texts[10].replace("Call", "call") + " Thanks!"
    data = pd.DataFrame({"id": [f"c{n:03}" for n in range(100)], "text": texts})
    model = "amazon.titan-embed-text-v2:0"
    records = bb.build_records(data, model, prompt="{text}", record_id="id", dimensions=256)
    run = bb.Run.create(tmp_path / "run", model_id=model, source=data.set_index("id"))
    assert run.embeds
    bb.write_records(records, run)
    bb.submit_jobs(run)
    bb.wait_for_jobs(run, every=0.2)
    outputs = bb.collect_outputs(run, with_columns=COLUMNS)
    assert bb.embedding_matrix(outputs).shape == (100, 256)
    assert named(bb.near_duplicates(outputs, 0.9)) == {("c010", "c090")}
    assert bb.nearest_records(outputs, "c090", n=1)["record_id"].tolist() == ["c010"]
    assert json.loads(charts.embedding_norms(outputs).to_json())["layout"]["title"]["text"].startswith(
        "All embeddings have the norm 1"
    )
