"""Explorers give back to code what they show, and escape whatever a model or a source said."""

import re
from html.parser import HTMLParser

import hypothesis.strategies as st
import pandas as pd
import pytest
from attacks import TEXTS
from hypothesis import given, settings

from bbkit import explorers
from bbkit.core.errors import InputError
from bbkit.core.frames import OUTPUT_COLUMNS, as_frame
from bbkit.jobs.watches import PROGRESS_COLUMNS, JobWatch

ATTACK = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"

HARD = ["'", '"', "\\", "`", "@", "\n", "🙂", "$5", "{x}"]


def make_outputs(texts: list[str]) -> pd.DataFrame:
    rows = [
        {
            "record_id": f"r{place:05}",
            "outcome": "succeeded" if place % 5 else "errored",
            "text": text if place % 5 else None,
            "error_message": None if place % 5 else text,
            "stop_reason": ("stop", "length", None)[place % 3],
            "input_tokens": place * 10,
            "output_tokens": place,
        }
        for place, text in enumerate(texts)
    ]
    frame = as_frame(rows, OUTPUT_COLUMNS)
    frame["source.queue"] = pd.array(
        ["bank", "telecom"] * (len(texts) // 2) + ["x"] * (len(texts) % 2), "string"
    )
    return frame


def test_everything_passes_an_empty_filter() -> None:
    outputs = make_outputs(["a"] * 120)
    explorer = explorers.RecordExplorer(outputs)
    assert explorer.query == "outputs"
    pd.testing.assert_frame_equal(explorer.selection, outputs)


@settings(max_examples=40, deadline=None)
@given(
    needle=st.text(min_size=1, max_size=8)
    | st.sampled_from(["'", '"', "\\", "`", "@", "\n", "🙂", "$5", "{x}"]),
    outcome=st.sampled_from([(), ("errored",), ("succeeded", "errored")]),
    low=st.integers(0, 150),
)
def test_the_query_gives_the_selection(needle: str, outcome: tuple[str, ...], low: int) -> None:
    outputs = make_outputs(["plain", f"with {needle} inside", needle.swapcase(), "", "tail"] * 4)
    explorer = explorers.RecordExplorer(outputs)
    explorer._search.value = needle
    explorer._filters["outcome"].widget.value = outcome
    explorer._filters["input_tokens"].widget.value = (low, 190)
    by_code = eval(explorer.query, {"outputs": outputs})
    pd.testing.assert_frame_equal(by_code, explorer.selection)
    found = explorer.selection["text"]
    assert found.str.casefold().str.contains(needle.casefold(), regex=False).all() or not needle.isascii()


def test_sorting_and_stepping_walk_over_pages() -> None:
    outputs = make_outputs([f"text {place}" for place in range(120)])
    explorer = explorers.RecordExplorer(outputs)
    explorer._sort.value = "input_tokens"
    explorer._descending.value = True
    seen = []
    for _ in range(len(outputs)):
        seen.append(re.search(r"r\d{5}", explorer._detail.value)[0])
        explorer._next.click()
    assert seen == list(outputs["record_id"][::-1])
    assert list(explorer.selection["record_id"]) == seen


def test_only_a_page_of_rows_goes_to_the_browser() -> None:
    explorer = explorers.RecordExplorer(make_outputs(["x" * 1000] * 5_000))
    assert len(explorer._list.options) == 50
    assert sum(len(label) for label, _ in explorer._list.options) < 20_000


def test_no_text_becomes_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = make_outputs([ATTACK] * 10)
    outputs["record_id"] = ATTACK + outputs["record_id"]
    outputs["source.queue"] = ATTACK
    explorer = explorers.RecordExplorer(outputs)
    monkeypatch.setenv("BBKIT_HEADLESS", "1")
    static = explorer._repr_mimebundle_()["text/html"]
    examples = explorers.show_examples(outputs, columns=["queue"])._repr_mimebundle_()["text/html"]
    for shown in (explorer._detail.value, static, examples):
        assert "&lt;script&gt;" in shown
        assert "<script" not in shown
        assert "<img" not in shown


def read_tags(shown: str) -> list[tuple]:
    """Every tag of some HTML with its attributes, but for the widths of a table's cells."""
    tags: list[tuple] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, *attributes))  # type: ignore[method-assign]
    parser.feed(shown)
    return tags


@pytest.mark.parametrize("attack", TEXTS)
def test_no_attack_adds_a_tag_or_an_attribute(attack: str) -> None:
    views = []
    for text in ("harmless", attack):
        outputs = make_outputs([text] * 3).assign(record_id=text, error_code=text, model=text, reasoning=text)
        outputs["source.queue"] = text
        explorer = explorers.RecordExplorer(outputs)
        explorer._next.click()
        examples = explorers.show_examples(outputs, columns="queue")._repr_mimebundle_()["text/html"]
        explorer._search.value = text
        shown = [explorer._detail.value, explorer._query.value, explorer._count.value, examples]
        views.append([read_tags(view) for view in shown])
    assert views[0] == views[1]


class Watch(JobWatch):
    """A watch of which every text comes from outside."""

    done, alive, next_at = False, False, None

    def __init__(self, text: str):
        self.text, self.last_error = text, text
        self.run = type("Run", (), {"endpoint": type("Endpoint", (), {"is_standin": True})})()

    @property
    def sentence(self) -> str:
        return self.text

    @property
    def progress(self) -> pd.DataFrame:
        now = pd.Timestamp.now("UTC")
        times = {"status_since": now, "ends_after": now, "ends_before": now, "expires_at": now}
        texts = dict.fromkeys(("job_name", "job_arn", "message"), self.text)
        counts = {"records": 100, "processed": 40, "records_per_minute": 12.5}
        rows = [
            {**texts, **counts, **times, "status": "InProgress"},
            {**texts, "status": self.text},
            {"job_name": self.text},
        ]
        return as_frame(rows, PROGRESS_COLUMNS)

    def add_listener(self, listener: object) -> object:
        return listener


@pytest.mark.parametrize("attack", TEXTS)
def test_no_text_of_a_job_becomes_markup(attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBKIT_HEADLESS", "1")
    shown = [explorers.JobProgress(Watch(text))._repr_mimebundle_()["text/html"] for text in ("x", attack)]
    assert read_tags(shown[0]) == read_tags(shown[1])
    assert "40</td>" in shown[0] and ("progress", ("max", "100"), ("value", "40")) in read_tags(shown[0])
    assert "12 / min" in shown[0] and "queued" in shown[0]


def test_a_long_text_is_cut_in_the_view_and_whole_in_the_selection() -> None:
    outputs = make_outputs(["start", "y" * 1_000_000])
    explorer = explorers.RecordExplorer(outputs)
    explorer._next.click()
    assert len(explorer._detail.value) < 300_000
    assert "more characters" in explorer._detail.value
    assert explorer.selection["text"].str.len().max() == 1_000_000


def test_an_empty_frame_can_be_explored() -> None:
    explorer = explorers.RecordExplorer(make_outputs([]))
    assert explorer.selection.empty
    assert "No record passes" in explorer._detail.value
    assert "0 of 0" in explorers.show_examples(make_outputs([]))._repr_mimebundle_()["text/plain"]


def test_examples_hold_every_kind_of_ending() -> None:
    outputs = make_outputs([f"text {place}" for place in range(60)])
    chosen = explorers.show_examples(outputs, n=8).records
    assert set(chosen["outcome"]) == {"succeeded", "errored"}
    assert {"stop", "length"} <= set(chosen["stop_reason"].dropna())
    assert len(chosen) == 8
    with pytest.raises(InputError, match="transcript"):
        explorers.show_examples(outputs, columns=["transcript"])


def test_every_column_of_single_values_can_be_filtered_by() -> None:
    outputs = make_outputs(["a", "b", "c", "d"] * 100)
    days = pd.Timestamp("2026-01-01") + pd.to_timedelta(range(400), unit="h")
    outputs["source.day"] = days
    outputs["source.zoned"] = days.tz_localize("Europe/Berlin")
    outputs["source.kind"] = pd.Categorical(["u", "v", None, "w"] * 100)
    outputs["source.mixed"] = pd.Series([1, "a", None, True] * 100, dtype=object)
    outputs["source.date"] = pd.Series(days.date, dtype=object)
    outputs["embedding"] = pd.Series([[0.1, 0.2]] * 400, dtype=object)
    explorer = explorers.RecordExplorer(outputs)
    offered = [value for _, value in explorer._column.options]
    assert "embedding" not in offered
    for name in ("day", "zoned", "kind", "mixed", "date"):
        explorer._column.value = f"source.{name}"
        assert len(explorer.selection) == 400
        widget = explorer._filters[f"source.{name}"].widget
        values = [value for _, value in widget.options]
        widget.value = (values[1], values[3]) if name in ("day", "zoned") else (values[0], values[1])
        assert 0 < len(explorer.selection) < 400
        pd.testing.assert_frame_equal(eval(explorer.query, {"outputs": outputs}), explorer.selection)
        explorer.clear()
        assert len(explorer.selection) == 400


def test_a_line_of_the_list_leaves_most_of_its_width_to_the_text() -> None:
    explorer = explorers.RecordExplorer(make_outputs(["The caller asked for a new card."] * 20))
    line = explorer._list.options[1][0].replace("\u00a0", " ")
    assert line.index("The caller") <= 36
    assert "errored" in explorer._list.options[0][0]


def test_filters_on_columns_add_up_and_a_text_that_seldom_recurs_is_searched() -> None:
    outputs = make_outputs([f"text {place}" for place in range(120)])
    outputs["source.note"] = pd.array([f"Note {place % 90:02} of <b>" for place in range(120)], "string")
    explorer = explorers.RecordExplorer(outputs)
    explorer._column.value = "source.note"
    explorer._column.value = "source.queue"
    note, queue = (explorer._filters[f"source.{name}"].widget for name in ("note", "queue"))
    assert explorer._filter_box.children[-2:] == (note, queue)
    note.value, queue.value = "NOTE 1", ("bank",)
    chosen = outputs["source.note"].str.startswith("Note 1") & (outputs["source.queue"] == "bank")
    pd.testing.assert_frame_equal(explorer.selection, outputs[chosen])
    pd.testing.assert_frame_equal(eval(explorer.query, {"outputs": outputs}), explorer.selection)
    explorer.clear()
    assert (note.value, queue.value, len(explorer.selection)) == ("", (), 120)


def test_heads_sort_and_buttons_turn_pages() -> None:
    outputs = make_outputs([f"text {place}" for place in range(120)])
    explorer = explorers.RecordExplorer(outputs)
    orders = []
    for _ in range(3):
        explorer._heads["input"].click()
        orders.append((list(explorer.selection["input_tokens"]), explorer._heads["input"].description))
    ascending = sorted(outputs["input_tokens"])
    assert orders == [(ascending, "input▲"), (ascending[::-1], "input▼"), (ascending, "input")]
    pages = []
    for turn in (explorer._back, explorer._on, explorer._on, explorer._on, explorer._back):
        turn.click()
        pages.append((explorer._page_number.value, explorer._number.value, len(explorer._list.options)))
    assert pages == [(1, 1, 50), (2, 51, 50), (3, 101, 20), (3, 120, 20), (2, 51, 50)]
    explorer._page_number.value = 3
    assert explorer._list.value == 100
    assert explorer._pages.value == "of 3"


def test_bars_are_of_all_rows_and_of_those_that_pass() -> None:
    outputs = make_outputs(["x" * place for place in range(100)])
    explorer = explorers.RecordExplorer(outputs)

    def read_heights(name: str) -> list[list[float]]:
        style = [dict(tag[1:])["style"] for tag in read_tags(explorer._bars[name].value)[1:]]
        heights = [float(re.findall(r"[\d.]+", text)[0]) for text in style]
        return [heights[::2], heights[1::2]]

    assert explorer._bars["record_id"].value == ""
    whole, some = read_heights("ended")
    counts = outputs["stop_reason"].fillna(outputs["outcome"]).value_counts()
    assert whole[: len(counts)] == [round(100 * count / counts.max(), 1) for count in counts]
    assert some[: len(counts)] == [100] * len(counts)
    explorer._filters["stop_reason"].widget.value = ("length",)
    assert sorted(read_heights("ended")[1], reverse=True)[:2] == [100, 0]
    explorer._filters["input_tokens"].widget.value = (0, 20)
    passed = read_heights("input")[1]
    assert passed[0] > 0 and not any(passed[1:])


@pytest.mark.parametrize("wrong", [[1], None, pd.DataFrame({"x": [1]})], ids=["list", "None", "columns"])
def test_what_is_not_the_tidy_frame_is_refused_in_one_sentence(wrong: object) -> None:
    for make in (explorers.RecordExplorer, explorers.show_examples, explorers.JobProgress):
        with pytest.raises(InputError, match="Pass "):
            make(wrong)


def test_the_answer_of_a_tool_is_read_by_its_fields_or_its_arguments() -> None:
    outputs = make_outputs(["stays"] * 9)
    outputs["text"] = pd.array([None] * 9, "string")
    outputs["error_message"] = pd.array([None] * 9, "string")
    outputs["arguments"] = pd.array(['["{queue: bank}"]'] * 9, "string")
    outputs["validity"] = pd.array(["valid", "malformed", "valid"] * 3, "string")
    outputs["answer.queue"] = pd.array(["bank <b>1</b>", None, "travel"] * 3, "string")
    outputs["answer.minutes"] = pd.array([3, None, None] * 3, "Int64")
    outputs["outcome"] = "succeeded"
    explorer = explorers.RecordExplorer(outputs)
    assert "queue: bank &lt;b&gt;1&lt;/b&gt;\nminutes: 3" in explorer._detail.value
    assert "queue:\u00a0travel" in explorer._list.options[2][0]
    assert "{queue:\u00a0bank}" in explorer._list.options[1][0]
    shown = explorers.show_examples(outputs, n=9)._repr_mimebundle_()["text/html"]
    assert shown.count("queue: travel") == 3
    assert shown.count("{queue: bank}") == 3
    assert "malformed" in shown


def test_long_texts_of_examples_are_folded_whole() -> None:
    shown = explorers.show_examples(make_outputs(["short", "word " * 400] * 5), n=6)._repr_mimebundle_()
    assert 0 < shown["text/html"].count('class="bbkit-fold"') < 6
    assert "word " * 400 in shown["text/html"]


def test_one_column_of_examples_goes_by_its_name_alone() -> None:
    shown = explorers.show_examples(make_outputs(["a"] * 5), columns="queue")._repr_mimebundle_()
    assert "telecom" in shown["text/html"]


def test_a_span_of_many_times_keeps_its_ends_and_can_be_narrowed() -> None:
    outputs = make_outputs(["a"] * 900)
    outputs["source.day"] = pd.date_range("2024-02-01 13:30:00.000001", periods=900, freq="26h")
    explorer = explorers.RecordExplorer(outputs)
    explorer._column.value = "source.day"
    slider = explorer._filters["source.day"].widget
    assert len(slider.options) == 200
    assert slider.value == (outputs["source.day"].iloc[0], outputs["source.day"].iloc[-1])
    slider.index = (100, 199)
    low = slider.value[0]
    assert list(explorer.selection.index) == list(outputs.index[outputs["source.day"] >= low])
    pd.testing.assert_frame_equal(eval(explorer.query, {"outputs": outputs}), explorer.selection)
