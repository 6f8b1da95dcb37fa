"""Charts: true to their frame, the same size for any number of rows, sensible with nothing to draw."""

import json
import math
import subprocess
import sys

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

import bbkit as bb
from bbkit import charts, explorers
from bbkit.core.errors import InputError
from bbkit.core.frames import JOB_COLUMNS, OUTPUT_COLUMNS, as_frame

RECORD_CHARTS = [
    charts.outcomes,
    charts.stop_reasons,
    charts.cut_off_by_input,
    charts.errors,
    charts.token_usage,
    charts.input_output,
    charts.max_tokens_what_if,
    charts.output_lengths,
]
each_chart = pytest.mark.parametrize("chart", RECORD_CHARTS, ids=lambda chart: chart.__name__)

SUCCEEDED = {
    "outcome": "succeeded",
    "text": "a short answer",
    "stop_reason": "stop",
    "stop_reason_raw": "end_turn",
    "input_tokens": 200,
    "output_tokens": 40,
    "max_tokens": 100,
    "attempt": 1,
}
ERRORED = {
    "outcome": "errored",
    "error_code": "400",
    "error_message": "Malformed input request: 17 is not valid",
}


def make_outputs(*rows: dict) -> pd.DataFrame:
    frame = as_frame(({"record_id": f"r{place}", **row} for place, row in enumerate(rows)), OUTPUT_COLUMNS)
    frame["source.queue"] = pd.array(
        ["bank", "telecom"] * (len(rows) // 2) + ["bank"] * (len(rows) % 2), "string"
    )
    return frame


def many(count: int) -> pd.DataFrame:
    random = np.random.default_rng(7)
    inputs, outputs = random.integers(50, 3000, count), np.minimum(100, random.integers(5, 140, count))
    reasons = np.where(outputs == 100, "length", "stop")
    columns = zip(inputs, outputs, reasons, strict=True)
    return make_outputs(
        *({**SUCCEEDED, "input_tokens": i, "output_tokens": o, "stop_reason": r} for i, o, r in columns)
    )


def values(figure: object) -> dict:
    return json.loads(figure.to_json())  # type: ignore[attr-defined]


@each_chart
def test_an_empty_frame_gives_a_figure_that_says_so(chart) -> None:
    figure = values(chart(make_outputs()))
    assert figure["data"] == []
    assert figure["layout"]["annotations"][0]["text"]
    assert figure["layout"]["title"]["text"]


@each_chart
@pytest.mark.parametrize(
    "rows",
    [
        [SUCCEEDED],
        [ERRORED] * 3,
        [{"outcome": "missing"}],
        [{"outcome": "pending"}] * 2,
        [{"outcome": "succeeded", "family": "titan_embed_text", "input_tokens": 12}] * 5,
        [SUCCEEDED, ERRORED, {**SUCCEEDED, "stop_reason": None, "output_tokens": None}],
        [{**SUCCEEDED, "input_tokens": 0, "output_tokens": 0, "text": ""}] * 40,
    ],
    ids=["one", "all errors", "missing", "pending", "embeddings", "mixed", "zeros"],
)
@pytest.mark.parametrize("by", [None, "queue"])
def test_every_kind_of_run_can_be_drawn(chart, rows: list[dict], by: str | None) -> None:
    figure = chart(make_outputs(*rows), by=by)
    assert figure.layout.meta["alt"]
    assert figure.data or figure.layout.annotations


@each_chart
def test_the_size_does_not_grow_with_the_rows(chart) -> None:
    small, large = (len(chart(many(count)).to_json()) for count in (2_000, 40_000))
    assert large < small + 4_000


@each_chart
def test_a_column_that_is_not_there_is_named(chart) -> None:
    with pytest.raises(InputError, match=r"'quee'.*queue"):
        chart(make_outputs(SUCCEEDED), by="quee")


@each_chart
def test_thousands_of_groups_stay_readable(chart) -> None:
    frame = many(3_000).assign(**{"source.call": [f"call {place}" for place in range(3_000)]})
    assert len(chart(frame, by="call").to_json()) < 120_000


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["succeeded", "errored", "missing", "pending"]), min_size=1, max_size=60))
def test_the_shares_of_the_outcomes_are_those_of_the_rows(outcomes: list[str]) -> None:
    figure = charts.outcomes(make_outputs(*({"outcome": outcome} for outcome in outcomes)))
    drawn = {trace.name: trace.x[0] for trace in figure.data}
    assert drawn == {
        name: pytest.approx(100 * outcomes.count(name) / len(outcomes), abs=1e-3) for name in set(outcomes)
    }


def test_the_stop_reasons_count_the_answers() -> None:
    rows = (
        [SUCCEEDED] * 3
        + [{**SUCCEEDED, "stop_reason": "length", "stop_reason_raw": "max_tokens"}]
        + [ERRORED]
    )
    (trace,) = charts.stop_reasons(make_outputs(*rows)).data
    assert dict(zip(trace.y, trace.x, strict=True)) == {"stop": 3, "length": 1}
    assert "max_tokens" in trace.customdata[list(trace.y).index("length")]


def test_the_token_histograms_hold_every_record() -> None:
    figure = charts.token_usage(many(5_000))
    assert [sum(trace.y) for trace in figure.data] == [5_000, 5_000]


def test_the_cells_hold_every_record() -> None:
    (trace,) = charts.input_output(many(5_000)).data
    assert np.nansum(np.array(trace.z, dtype=float)) == 5_000


def test_what_another_max_tokens_would_cut_off() -> None:
    rows = [{**SUCCEEDED, "output_tokens": tokens} for tokens in (10, 20, 30, 40)]
    (trace,) = charts.max_tokens_what_if(make_outputs(*rows)).data
    shares = dict(zip(trace.x, trace.y, strict=True))
    assert shares[20.0] == 50.0
    assert shares[40.0] == 0.0


def test_cut_off_answers_stay_an_upper_bound() -> None:
    rows = [SUCCEEDED] * 3 + [{**SUCCEEDED, "output_tokens": 100, "stop_reason": "length"}]
    exact, bound = charts.max_tokens_what_if(make_outputs(*rows)).data
    assert max(exact.x) < 100 <= min(bound.x)
    assert set(bound.y) == {25.0}
    assert bound.line.dash == "dash"


def test_errors_that_differ_in_a_number_are_one_kind() -> None:
    rows = [{**ERRORED, "error_message": f"record {place} is not valid"} for place in range(30)]
    (trace,) = charts.errors(make_outputs(*rows)).data
    assert list(trace.x) == [30]


def test_the_title_counts_kinds_of_errors_beyond_the_bars_that_are_drawn() -> None:
    rows = [{**ERRORED, "error_message": f"kind {chr(97 + place) * 3}"} for place in range(22)]
    figure = charts.errors(make_outputs(*rows))
    assert "22 records errored, in 22 ways" in figure.layout.title.text
    assert len(figure.data[0].x) == 12


def test_what_is_not_over_or_not_reported_is_said() -> None:
    pending = {"outcome": "pending"}
    silent = {**SUCCEEDED, "stop_reason": None, "stop_reason_raw": None}
    word = {**SUCCEEDED, "text": "yes"}
    cut = {**SUCCEEDED, "stop_reason": "length"}
    for chart, rows, said in (
        (charts.outcomes, [pending] * 150, "All 150 records are pending"),
        (charts.outcomes, [SUCCEEDED, ERRORED, pending], "1 of 3 records succeeded so far, 1 is pending"),
        (charts.output_lengths, [word], "The median answer has 1 word<"),
        (charts.cut_off_by_input, [cut], "The answer was cut off"),
        (charts.cut_off_by_input, [SUCCEEDED, silent], "No answer that reports why it ended was cut off"),
        (charts.stop_reasons, [SUCCEEDED, silent], "No answer that reports why it ended was cut off"),
    ):
        assert said in chart(make_outputs(*rows)).layout.title.text
    figure = charts.cut_off_by_input(make_outputs(SUCCEEDED, SUCCEEDED, {"outcome": "missing"}))
    assert not figure.data and figure.layout.title.text == "No answer was cut off"
    assert figure.layout.annotations[0].text == "No answer was cut off: n = 2 answers."
    figure = charts.cut_off_by_input(make_outputs(silent, silent))
    assert figure.layout.annotations[0].text == "No answer reports why it ended."


@pytest.mark.parametrize("wrong", [[1], None, pd.DataFrame({"x": [1]})], ids=["list", "None", "columns"])
@pytest.mark.parametrize("chart", [*RECORD_CHARTS, charts.job_timeline], ids=lambda chart: chart.__name__)
def test_what_is_not_the_table_is_refused_in_one_sentence(chart, wrong: object) -> None:
    with pytest.raises(InputError, match="Pass "):
        chart(wrong)


@pytest.mark.parametrize("wrong", [[1], None, pd.DataFrame({"x": [1]})], ids=["list", "None", "columns"])
@pytest.mark.parametrize("chart", [charts.cost, charts.cost_per_record, charts.cost_estimate])
def test_what_is_no_cost_is_refused_in_one_sentence(chart, wrong: object) -> None:
    with pytest.raises(InputError, match="Pass what"):
        chart(wrong)


@each_chart
def test_several_columns_to_group_by_are_refused(chart) -> None:
    with pytest.raises(InputError, match="one column"):
        chart(make_outputs(SUCCEEDED), by=["queue"])


def test_where_nothing_errored_the_records_that_succeeded_are_drawn() -> None:
    figure = charts.errors(make_outputs(SUCCEEDED, SUCCEEDED, {"outcome": "missing"}))
    assert list(figure.data[0].x) == [2]
    assert "0 errors in 3 records" in figure.layout.title.text
    assert not charts.errors(make_outputs({"outcome": "missing"})).data


ALIKE = [
    1,
    "1",
    "vip",
    "vip ",
    "vip\u200b",
    "é",
    "e\u0301",
    "a" * 90 + "b",
    "a" * 90 + "c",
    "not known",
    None,
]


def test_groups_that_look_alike_are_bars_and_names_of_their_own() -> None:
    rows = [SUCCEEDED, ERRORED] * len(ALIKE)
    frame = make_outputs(*rows).assign(
        **{"source.queue": pd.Series([one for one in ALIKE for _ in "ab"], dtype=object)}
    )
    for chart in (charts.outcomes, charts.stop_reasons):
        figure = chart(frame, by="queue")
        for trace in figure.data:
            assert list(trace.y) == list(range(len(ALIKE)))
            assert len({*trace.customdata}) == len(ALIKE)
        assert [math.ceil(tick) for tick in figure.layout.yaxis.tickvals] == list(range(len(ALIKE)))
        assert len({*figure.layout.yaxis.ticktext}) == len(ALIKE)
        assert max(map(len, figure.layout.yaxis.ticktext)) < 60
    shares = np.sum([trace.x for trace in charts.outcomes(frame, by="queue").data], axis=0)
    assert shares.tolist() == [100.0] * len(ALIKE)
    assert "a" * 90 + "b" in charts.outcomes(frame, by="queue").data[0].customdata


@pytest.mark.parametrize("by", [None, "queue"])
@pytest.mark.parametrize("chart", [*RECORD_CHARTS, charts.cost, charts.cost_per_record])
def test_plotly_never_looks_for_room_for_names_that_are_within_a_figure(chart, by: str | None) -> None:
    """It may do so without end, and the page then hangs."""
    figure = chart(many(60).assign(model_id="amazon.nova-lite-v1:0", tier="batch"), by=by)
    layout = figure.to_plotly_json()["layout"]
    for name in ("axis", "axis2"):
        upright = layout.get(f"y{name}", {})
        if upright.get("ticklabelposition") == "inside":
            assert upright["automargin"] is False and layout[f"x{name}"]["range"]


def test_a_group_that_is_a_template_of_plotly_stays_text() -> None:
    frame = many(60).assign(**{"source.queue": "%{x}"})
    figure = charts.errors(
        pd.concat([frame, make_outputs(ERRORED).assign(**{"source.queue": "%{y}"})]), by="queue"
    )
    assert [trace.name for trace in figure.data] == ["&#37;{y}"]


@pytest.mark.parametrize(
    ("values", "ordered"),
    [
        (["March", "January", "May", "February"], ["January", "February", "March", "May"]),
        (["Jan 2026", "Feb 2025", "Dec 2025"], ["Feb 2025", "Dec 2025", "Jan 2026"]),
        (["10", "9", "-1", "1,000"], ["-1", "queue 9", "queue 10", "1,000"]),
        (["30-39", "5-9", "100+"], ["5-9", "30-39", "100+"]),
        (["2026-10-02", "2025-12-31", "2026-01-03"], ["2025-12-31", "2026-01-03", "2026-10-02"]),
        (["tue", "mon", "sun"], ["mon", "tue", "sun"]),
        ([2.5, 0.5, 10.0], ["0.5", "2.5", "10.0"]),
        (pd.Categorical(["b", "c", "a"], ["c", "b", "a"], ordered=True), ["c", "b", "a"]),
        (pd.to_datetime(["2026-10-02", "2025-12-31"]), ["2025-12-31", "2026-10-02"]),
        (["Marching", "zebra", "apple"], ["Marching", "zebra", "apple"]),
    ],
)
def test_groups_that_have_an_order_keep_it_and_others_begin_with_the_largest(
    values, ordered: list[str]
) -> None:
    column = pd.Series(values)
    taken = [place for place, _ in enumerate(column) for _ in range(len(column) - place)]
    frame = make_outputs(*[SUCCEEDED] * len(taken)).assign(**{"source.queue": column.iloc[taken].array})
    (trace,) = charts.outcomes(frame, by="queue").data
    assert list(trace.customdata) == ordered


def test_a_figure_carries_its_values_as_html_without_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plotly.io.renderers.default", "plotly_mimetype")
    frame = many(3_000).assign(
        **{"source.queue": ["<b>x</b>" + "long " * 40 + str(n % 12) for n in range(3_000)]}
    )
    for chart in RECORD_CHARTS:
        bundle = chart(frame, by="queue")._repr_mimebundle_()
        assert list(bundle) == ["application/vnd.plotly.v1+json", "text/html"]
        assert bundle["application/vnd.plotly.v1+json"]["config"]["showSendToCloud"] is False
        html = bundle["text/html"]
        assert len(html.encode()) <= 15_000 and "<script" not in html and "<b>x" not in html and "<td" in html
    figure = charts.outcomes(frame).update_layout(title=None)
    assert "application/vnd.plotly.v1+json" in figure._repr_mimebundle_()


@pytest.mark.parametrize(
    "text", ["<b>bold</b>", "<a href='https://example.com'>x</a>", "$5 and $10", "a & b"]
)
def test_text_of_others_stays_text(text: str) -> None:
    frame = make_outputs(*[{**ERRORED, "error_message": text}] * 2).assign(**{"source.queue": text})
    for figure in (charts.errors(frame), charts.outcomes(frame, by="queue")):
        drawn = figure.to_json()
        assert "<b>bold" not in drawn
        assert "<a href" not in drawn


def test_the_timeline_shows_jobs_that_run_and_jobs_that_ended() -> None:
    start = pd.Timestamp("2026-10-01T10:00", tz="UTC")
    hour = pd.Timedelta(hours=1)
    rows = [
        {"job_name": "a", "status": "Completed", "submitted_at": start, "ended_at": start + hour},
        {"job_name": "b", "status": "InProgress", "submitted_at": start, "seen_at": start + 2 * hour},
        {"job_name": "c", "status": None},
    ]
    figure = charts.job_timeline(as_frame(rows, JOB_COLUMNS))
    drawn = {trace.name: trace.x[0] for trace in figure.data}
    assert drawn == {"Completed": 3_600_000, "InProgress": 7_200_000}
    assert charts.job_timeline(as_frame([], JOB_COLUMNS)).layout.annotations


def test_words_are_what_stands_between_white_space() -> None:
    for text, words in (
        ("two words", 2),
        ("  led and\tfollowed\n\n", 3),
        ("", 0),
        (" \n", 0),
        ("no\u00a0break", 1),
        ("Größe: 5 €", 3),
    ):
        title = charts.output_lengths(make_outputs({**SUCCEEDED, "text": text})).layout.title.text
        assert title.startswith(f"The median answer has {words} word{'s' * (words != 1)}<"), text


def test_a_column_of_the_source_is_named_even_beside_many_others() -> None:
    frame = make_outputs(SUCCEEDED).assign(**{f"more {place}": place for place in range(40)})
    for find in (charts.outcomes, bb.cost_of):
        with pytest.raises(InputError, match=r"no column 'quee'; it has 'source\.queue', 'record_id', .*"):
            find(frame, by="quee")
    with pytest.raises(InputError, match=r"'source\.queue', .*source_columns=") as raised:
        explorers.show_examples(frame, columns="quee")
    assert len(str(raised.value)) < 300 and "bbkit collect RUN --into rows --with-source" in str(raised.value)


def test_charts_load_no_boto3() -> None:
    code = """
import sys
from bbkit import charts
from bbkit.core.frames import OUTPUT_COLUMNS, as_frame
row = {"outcome": "succeeded", "stop_reason": "stop", "input_tokens": 20, "output_tokens": 4, "text": "x",
       "model_id": "amazon.nova-lite-v1:0", "family": "nova", "tier": "batch",
       "job_arn": "arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/abcdefghijkl"}
outputs = as_frame([row] * 40, OUTPUT_COLUMNS)
for name in ("outcomes", "errors", "token_usage", "input_output", "max_tokens_what_if", "cost"):
    assert getattr(charts, name)(outputs).data, name
print(sorted({"boto3", "botocore", "ipywidgets", "papermill"} & set(sys.modules)))
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
