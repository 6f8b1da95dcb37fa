"""The sample calls: present, varied, original, and unchanged by a CSV round trip."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest

from bbkit.standin.engines.extractive import compose_json

SAMPLES = Path(__file__).parents[1] / "data" / "samples" / "call_transcripts.csv"
COLUMNS = [
    "call_id",
    "started_at",
    "queue",
    "agent_id",
    "channel",
    "language",
    "duration_seconds",
    "transcript",
    "reference_summary",
    "resolved",
]
LABEL = re.compile(r"^(?:\[\d\d:\d\d\]\s*)?[^\W\d_]{1,12}:\s*")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”»)]*\s+|\n")
WORD = re.compile(r"\w+")


@pytest.fixture(scope="module")
def calls() -> pd.DataFrame:
    return pd.read_csv(SAMPLES, dtype=str)


def find_words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def find_ngrams(text: str, size: int) -> set[tuple[str, ...]]:
    words = find_words(text)
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def find_highest_jaccard(texts: list[str], size: int) -> tuple[float, int, int]:
    grams = [find_ngrams(text, size) for text in texts]
    return max(
        (len(grams[i] & grams[j]) / max(1, len(grams[i] | grams[j])), i, j)
        for i, j in combinations(range(len(texts)), 2)
    )


def find_sentences(text: str) -> list[str]:
    utterances = (LABEL.sub("", line.strip()) for line in text.split("\n"))
    sentences = (" ".join(find_words(part)) for line in utterances for part in SENTENCE_END.split(line))
    return [sentence for sentence in sentences if sentence]


def count_words(texts: pd.Series) -> pd.Series:
    return texts.map(lambda text: len(text.split()))


def test_columns_and_identifiers(calls: pd.DataFrame) -> None:
    assert list(calls.columns) == COLUMNS
    assert len(calls) >= 120
    assert calls.notna().all().all()
    assert calls["call_id"].is_unique
    assert calls["call_id"].str.fullmatch(r"CALL\d{7}").all()
    assert calls["agent_id"].str.fullmatch(r"AG-\d{4}").all()
    assert calls["transcript"].is_unique
    assert calls["reference_summary"].is_unique


def test_values_are_plausible(calls: pd.DataFrame) -> None:
    started = pd.to_datetime(calls["started_at"], format="%Y-%m-%dT%H:%M:%SZ", utc=True)
    assert started.is_monotonic_increasing
    assert calls["queue"].nunique() >= 7
    assert calls["agent_id"].nunique() >= 20
    assert set(calls["resolved"]) == {"yes", "no", "transferred"}
    assert calls["resolved"].value_counts().min() >= 12
    assert {"en", "es", "de", "fr"} <= set(calls["language"])
    words_per_second = count_words(calls["transcript"]) / calls["duration_seconds"].astype(int)
    assert words_per_second.between(0.5, 3.6).all()


def test_lengths_vary(calls: pd.DataFrame) -> None:
    words = count_words(calls["transcript"])
    print(f"words per call: min {words.min()}, median {words.median():.0f}, max {words.max()}")
    assert words.between(30, 900).all()
    assert (words <= 80).sum() >= 10
    assert words.between(120, 300).sum() >= 40
    assert (words >= 500).sum() >= 12


def test_no_two_calls_are_alike(calls: pd.DataFrame) -> None:
    transcript, *pair = find_highest_jaccard(calls["transcript"].tolist(), 5)
    print(f"highest 5-gram Jaccard between calls: {transcript:.4f} {calls['call_id'].iloc[pair].tolist()}")
    assert transcript < 0.05
    summary, *pair = find_highest_jaccard(calls["reference_summary"].tolist(), 4)
    print(f"highest 4-gram Jaccard between summaries: {summary:.4f} {calls['call_id'].iloc[pair].tolist()}")
    assert summary < 0.05


@pytest.mark.parametrize("position", [0, -1], ids=["opening", "closing"])
def test_openings_and_closings_differ(calls: pd.DataFrame, position: int) -> None:
    seen = Counter(find_sentences(text)[position] for text in calls["transcript"])
    assert seen.most_common(1)[0][1] <= 3, seen.most_common(5)


@pytest.mark.parametrize("column", ["transcript", "reference_summary"])
@pytest.mark.parametrize("end", ["first", "last"])
def test_no_template_at_either_end(calls: pd.DataFrame, column: str, end: str) -> None:
    bare = calls[column].map(
        lambda text: find_words(LABEL.sub("", text.split("\n")[0 if end == "first" else -1]))
    )
    seen = Counter(tuple(words[:4] if end == "first" else words[-4:]) for words in bare)
    assert seen.most_common(1)[0][1] <= 3, seen.most_common(5)


def test_summaries_are_written_not_copied(calls: pd.DataFrame) -> None:
    for call in calls.itertuples():
        said = " ".join(find_words(str(call.transcript)))
        sentences = find_sentences(str(call.reference_summary))
        assert 1 <= len(sentences) <= 4, call.call_id
        assert not [sentence for sentence in sentences if sentence in said], call.call_id
        shared = find_ngrams(str(call.reference_summary), 8) & find_ngrams(str(call.transcript), 8)
        assert not shared, (call.call_id, shared)
        assert len(str(call.reference_summary)) < len(str(call.transcript)), call.call_id


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<b>PENDING</b>",
        "{NAME}",
        "{ACCOUNT_NUMBER}",
        "$5 and $10",
        '"ONIONS, PRODUCE OF"',
        '"egg timer, 5", red"',
        "name@example.com",
        "555-0142",
        "4111 1111 1111 1111",
        "\u2028",
        "🎉",
    ],
)
def test_hard_text_is_present(calls: pd.DataFrame, text: str) -> None:
    assert calls["transcript"].str.contains(text, regex=False).any()


@pytest.mark.parametrize("letters", [r"[\u0600-\u06ff]{3}", r"[\u0590-\u05ff]{3}"], ids=["arabic", "hebrew"])
def test_right_to_left_text_is_present(calls: pd.DataFrame, letters: str) -> None:
    assert calls["transcript"].str.contains(letters).any()


def test_hard_shapes_are_present(calls: pd.DataFrame) -> None:
    transcripts = calls["transcript"]
    unpunctuated = transcripts.map(lambda text: text == text.lower() and not re.search(r"[.,!?:\n]", text))
    assert unpunctuated.sum() >= 3
    assert (transcripts.str.count("\n") == 1).sum() >= 1
    assert transcripts.str.startswith("[00:").sum() >= 5
    assert transcripts.str.contains(r"^A: .*\nC: ").sum() >= 3
    longest_summary = calls["reference_summary"].map(lambda text: len(text.split())).max()
    assert longest_summary >= 90


def test_phone_numbers_and_addresses_are_reserved(calls: pd.DataFrame) -> None:
    text = "\n".join(calls["transcript"])
    assert set(re.findall(r"[\w.]+@[\w.]+\w", text)) == {"name@example.com"}
    assert all(number.startswith("555-01") for number in re.findall(r"\b\d{3}-\d{4}\b", text))
    assert set(re.findall(r"\b(?:\d{4} ){3}\d{4}\b", text)) == {"4111 1111 1111 1111"}


def test_csv_survives_a_round_trip(calls: pd.DataFrame, tmp_path: Path) -> None:
    with SAMPLES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert calls.to_dict("records") == rows
    assert not calls["transcript"].str.contains("\r", regex=False).any()
    calls.to_csv(tmp_path / "again.csv", index=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "again.csv", dtype=str), calls)


def test_the_schema_of_answers_has_the_values_of_the_columns_each_described(calls: pd.DataFrame) -> None:
    schema = json.loads(SAMPLES.with_name("answer_schema.json").read_text())
    for column in ("queue", "resolved"):
        field = schema["properties"][column]
        assert set(field["enum"]) == set(calls[column])
        assert all(f"\n{value}: " in field["description"] for value in field["enum"])


def test_the_engine_of_the_stand_in_sorts_the_calls_as_well_as_readme_says(calls: pd.DataFrame) -> None:
    schema = json.loads(SAMPLES.with_name("answer_schema.json").read_text())

    def count_right(column: str) -> int:
        prompt = "Which queue does this call belong to, and how did it end?\n\n{}"
        answers = (
            json.loads(compose_json(schema, prompt.format(text), "", "")) for text in calls["transcript"]
        )
        return sum(answer[column] == value for answer, value in zip(answers, calls[column], strict=True))

    assert (count_right("queue"), count_right("resolved")) == (68, 51)
    schema["properties"]["queue"]["description"] = ""
    assert count_right("queue") == 20
