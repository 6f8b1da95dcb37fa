"""Rows on disk: whatever takes the tidy frame takes the data set of ``into=`` and says the same of it."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from output_files import error_line, nova_line, write_outputs

import bbkit as bb
from bbkit import charts
from bbkit.core import datasets
from bbkit.core.errors import InputError

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
