"""Costs: every amount against arithmetic written out by hand; what is not known is never 0."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bbkit as bb
from bbkit import charts
from bbkit.core.errors import BudgetError, InputError
from bbkit.core.frames import BUNDLE, OUTPUT_COLUMNS, as_frame
from bbkit.core.text import format_usd
from bbkit.costs import check_budget, cost_of, estimate_cost

JOB = "arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/abcdefghijkl"


def answer(record_id: str = "r1", **values: object) -> dict:
    given = {
        "record_id": record_id, "outcome": "succeeded", "text": "x", "stop_reason": "stop", "tier": "batch",
        "attempt": 1, "submission": 1, "job_arn": JOB, "model_id": "amazon.nova-lite-v1:0", "family": "nova",
    }  # fmt: skip
    return given | values


def frame(*rows: dict) -> pd.DataFrame:
    return as_frame(rows, OUTPUT_COLUMNS)


def own_prices(folder: Path, **models: dict) -> Path:
    rows = [{"model_id": name, **tiers} for name, tiers in models.items()]
    path = folder / "prices.json"
    path.write_text(json.dumps({"date": "2026-11-01", "prices": rows}))
    return path


def one(family: str, prices: Path, **values: object) -> pd.Series:
    rows = cost_of(frame(answer(family=family, model_id="m", **values)), prices=prices).rows
    return rows.iloc[0]


NOVA_BODY = {
    "messages": [{"role": "user", "content": [{"text": "Where is my parcel?"}]}],
    "inferenceConfig": {"maxTokens": 100},
}
FULL = {
    "on_demand": {"input": 4.0, "output": 20.0, "cache_read": 0.4, "cache_write": 5.0},
    "batch": {"input": 2.0, "output": 10.0, "cache_read": 0.2, "cache_write": 2.5},
}


def test_cache_writes_that_are_less_than_their_part_of_an_hour_are_not_costed(tmp_path: Path) -> None:
    prices = own_prices(tmp_path, m=FULL)
    counts = {
        "input_tokens": 9,
        "output_tokens": 9,
        "cache_write_tokens": 3000,
        "cache_write_1h_tokens": 4000,
    }
    assert "contradict each other" in one("anthropic", prices, **counts)["reason"]


def test_answers_of_several_jobs_are_each_costed_once(tmp_path: Path) -> None:
    """1,000 x 2 + 100 x 10 = 3,000 per million: 0.003 for each of two."""
    rows = [
        answer(job_arn=job, model_id="m", input_tokens=1000, output_tokens=100)
        for job in (JOB, f"{JOB[:-1]}m")
    ]
    cost = cost_of(frame(*rows), prices=own_prices(tmp_path, m=FULL))
    assert cost.rows["cost_usd"].tolist() == pytest.approx([0.003, 0.003])


@pytest.mark.parametrize("family", ["anthropic", "nova", "converse"])
def test_families_that_leave_cached_tokens_out_of_the_input(tmp_path: Path, family: str) -> None:
    """Batch, USD per million: input 2, output 10, cache read 0.2, cache write 2.5.

    1,000 x 2 + 100 x 10 + 5,000 x 0.2 + 400 x 2.5 = 2,000 + 1,000 + 1,000 + 1,000 = 5,000; per million 0.005.
    On demand, twice each price: 0.010.
    """
    row = one(
        family, own_prices(tmp_path, m=FULL), input_tokens=1000, output_tokens=100, cache_read_tokens=5000,
        cache_write_tokens=400,
    )  # fmt: skip
    assert (row["input_usd"], row["output_usd"], row["cache_usd"]) == pytest.approx((0.002, 0.001, 0.002))
    assert (row["cost_usd"], row["on_demand_usd"]) == pytest.approx((0.005, 0.010))


@pytest.mark.parametrize("family", ["openai_chat", "ai21"])
def test_families_whose_input_holds_the_cached_tokens(tmp_path: Path, family: str) -> None:
    """6,000 prompt tokens, 5,000 of them cached: 1,000 x 2 + 5,000 x 0.2 + 100 x 10 = 4,000 -> 0.004."""
    row = one(
        family, own_prices(tmp_path, m=FULL), input_tokens=6000, output_tokens=100, cache_read_tokens=5000
    )
    assert (row["input_usd"], row["cache_usd"], row["cost_usd"]) == pytest.approx((0.002, 0.001, 0.004))


@pytest.mark.parametrize("family", ["llama", "titan_text"])
def test_families_without_a_cache(tmp_path: Path, family: str) -> None:
    """Batch: 1,000 x 2 + 100 x 10 = 3,000 -> 0.003; on demand: 1,000 x 4 + 100 x 20 = 6,000 -> 0.006."""
    prices = own_prices(tmp_path, m=FULL)
    assert one(family, prices, input_tokens=1000, output_tokens=100)["cost_usd"] == pytest.approx(0.003)
    row = one(family, prices, input_tokens=1000, output_tokens=100, tier="on_demand")
    assert row["cost_usd"] == pytest.approx(0.006)


@pytest.mark.parametrize("family", ["titan_embed_text", "titan_embed_image"])
def test_embeddings_cost_their_input_alone(tmp_path: Path, family: str) -> None:
    """1,000 x 2 = 2,000 -> 0.002; there is no output, and none is missed."""
    row = one(family, own_prices(tmp_path, m={"batch": {"input": 2.0}}), input_tokens=1000)
    assert (row["state"], row["cost_usd"], row["output_usd"]) == ("priced", pytest.approx(0.002), 0)


@pytest.mark.parametrize(
    "family", ["mistral_text", "mistral_chat", "deepseek_r1", "cohere_command", "nova_embed", "cohere_embed"]
)
def test_families_that_report_no_tokens_have_no_cost(tmp_path: Path, family: str) -> None:
    row = one(family, own_prices(tmp_path, m=FULL))
    assert (row["state"], row["reason"]) == ("unpriced", "the model reports no token counts")
    assert row[["input_usd", "output_usd", "cache_usd", "cost_usd", "on_demand_usd"]].isna().all()


def test_listed_prices_give_the_bill_of_a_job() -> None:
    """Nova Lite in us-east-1: 2,000,000 x 0.03 + 500,000 x 0.12 = 60,000 + 60,000 -> 0.12 USD."""
    rows = [answer(f"r{number}", input_tokens=200_000, output_tokens=50_000) for number in range(10)]
    cost = cost_of(frame(*rows))
    assert cost.cost_usd == pytest.approx(0.12)
    assert cost.sentence == "$0.120 for 10 answers ($0.060 input, $0.060 output)."
    assert cost.numbers["on_demand_usd"] == pytest.approx(0.24)
    assert any("us-east-1, as listed" in note for note in cost.notes)


def test_all_attempts_and_tiers_count(tmp_path: Path) -> None:
    """Batch 0.003 each, the retry on demand 0.006: attempt 1 0.006, attempt 2 0.006, in all 0.012."""
    same = {"model_id": "m", "family": "llama", "input_tokens": 1000, "output_tokens": 100}
    rows = frame(
        answer("a", **same),
        answer("b", **same),
        answer("b", **same, attempt=2, tier="on_demand"),
        answer("c", outcome="errored", error_code="400"),
        answer("d", outcome="missing"),
    )  # fmt: skip
    cost = cost_of(rows, prices=own_prices(tmp_path, m=FULL))
    table = cost.by("attempt", "tier").set_index(["attempt", "tier"])
    assert table.loc[(1, "batch"), "cost_usd"] == pytest.approx(0.006)
    assert table.loc[(2, "on_demand"), "cost_usd"] == pytest.approx(0.006)
    assert table.loc[(1, "batch"), ["records", "answered", "unpriced"]].to_list() == [4, 2, 0]
    assert cost.cost_usd == pytest.approx(0.012)
    assert cost.numbers["at_least"] == 0
    assert set(cost.rows["state"][3:]) == {"no answer"}
    assert cost.rows["cost_usd"][3:].isna().all()


def test_groups_and_the_most_expensive(tmp_path: Path) -> None:
    rows = frame(
        *(answer(f"r{n}", model_id="m", input_tokens=1000 * n, output_tokens=0) for n in range(1, 5))
    )
    rows["source.queue"] = pd.array(["x", "y", "x", None], dtype="string")
    cost = cost_of(rows, by="source.queue", prices=own_prices(tmp_path, m=FULL))
    assert cost.table["cost_usd"].to_list() == pytest.approx([0.008, 0.008, 0.004])
    assert cost.most_expensive(2)["record_id"].to_list() == ["r4", "r3"]
    with pytest.raises(InputError, match="no column 'queue'"):
        cost.by("queue")


UNKNOWN = {
    "no price of cohere.command-r-v1:0 is known": {"model_id": "cohere.command-r-v1:0"},
    "for me-central-1 is known": {"job_arn": JOB.replace("us-east-1", "me-central-1")},
    "application inference profile": {
        "model_id": "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123"
    },
    "custom model": {
        "model_id": "arn:aws:bedrock:us-east-1:111122223333:custom-model/amazon.nova-lite-v1:0:300k/abc123"
    },
}


@pytest.mark.parametrize("reason", UNKNOWN)
def test_an_unknown_price_is_na_with_its_reason_everywhere(reason: str) -> None:
    known = answer("a", input_tokens=1_000_000, output_tokens=0)
    odd = answer("b", input_tokens=1_000_000, output_tokens=10) | UNKNOWN[reason]
    cost = cost_of(frame(known, odd))
    assert cost.rows["cost_usd"].isna().to_list() == [False, True]
    assert reason in cost.rows["reason"].iloc[1]
    assert reason in cost.unpriced["reason"].iloc[0]
    assert cost.sentence.startswith("At least $0.030 for 2 answers; the cost of 1 is not known: ")
    shown = cost._repr_mimebundle_()
    assert reason in shown["text/html"] and reason in shown["text/plain"]
    numbers = shown[BUNDLE]["numbers"]
    assert (numbers["at_least"], numbers["unpriced"], numbers["cost_usd"]) == (1, 1, pytest.approx(0.03))
    alone = cost_of(frame(odd))
    assert alone.cost_usd is None
    assert alone.sentence.startswith("The cost of 1 answer is not known: ")
    assert alone._repr_mimebundle_()[BUNDLE]["numbers"]["cost_usd"] is None
    assert pd.isna(alone.table["cost_usd"].iloc[0])
    assert "$0.00" not in alone._repr_mimebundle_()["text/plain"]


def test_a_cache_or_output_without_a_price_is_said(tmp_path: Path) -> None:
    prices = own_prices(tmp_path, m={"batch": {"input": 1.0}})
    rows = frame(
        answer("a", model_id="m", input_tokens=10, output_tokens=5),
        answer("b", model_id="m", input_tokens=10, output_tokens=0, cache_write_tokens=3),
        answer("c", model_id="m", input_tokens=10, output_tokens=0, cache_read_tokens=0),
    )
    cost = cost_of(rows, prices=prices)
    assert cost.rows["reason"].to_list()[:2] == [
        "no price of output tokens is known", "no price of cached tokens is known",
    ]  # fmt: skip
    assert cost.rows["state"].to_list() == ["unpriced", "unpriced", "priced"]


def test_a_price_without_input_is_no_price(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no price of input"):
        cost_of(frame(answer(model_id="m")), prices=own_prices(tmp_path, m={"batch": {"output": 1.0}}))


def test_titan_images_are_priced_by_the_piece() -> None:
    model = {"model_id": "amazon.titan-embed-image-v1", "family": "titan_embed_image"}
    cost = cost_of(frame(answer("a", input_tokens=0, **model), answer("b", input_tokens=9, **model)))
    assert cost.cost_usd is None
    assert cost.sentence.startswith("The cost of 2 answers is not known: images are priced by the piece")


def test_a_long_input_of_sonnet_has_a_price_of_its_own_or_one_that_is_not_known() -> None:
    """On demand in the us 3.3, 16.5 and 0.33 for cache reads, above 200,000 tokens 6.6, 24.75 and 0.66."""
    model = {"model_id": "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "family": "anthropic"}
    given = {"input_tokens": 199_000, "output_tokens": 100, **model}
    short, long = (
        answer(name, cache_read_tokens=count, **given) for name, count in (("a", 1_000), ("b", 1_001))
    )
    cost = cost_of(frame(*(row | {"tier": "on_demand"} for row in (short, long))))
    assert cost.rows["cost_usd"].to_list() == pytest.approx(
        [
            (199_000 * 3.3 + 100 * 16.5 + 1_000 * 0.33) / 1e6,
            (199_000 * 6.6 + 100 * 24.75 + 1_001 * 0.66) / 1e6,
        ]
    )
    plain = [
        answer(name, output_tokens=1, input_tokens=n, **model) for name, n in (("a", 200_000), ("b", 200_001))
    ]
    cost = cost_of(frame(*plain))
    assert cost.rows["state"].to_list() == ["priced", "unpriced"]
    assert "At least" in cost.sentence and "above 200,000 tokens" in cost.sentence
    half = {"model_id": "us.anthropic.claude-sonnet-4-20250514-v1:0"}
    cost = cost_of(frame(*(row | half for row in plain)))
    assert cost.rows["input_usd"].to_list() == pytest.approx([0.2 * 3.0 / 2, 0.200001 * 6.0 / 2])
    assert "half of on demand, an estimate" in str(cost)


def test_cache_writes_of_an_hour_are_priced_apart_or_said(tmp_path: Path) -> None:
    """1,000 written, 400 of them for an hour: 600 x 6.875 + 400 x 11 in the us; batch lists no cache."""
    model = {"model_id": "us.anthropic.claude-opus-5", "family": "anthropic", "tier": "on_demand"}
    wrote = answer("a", input_tokens=0, output_tokens=0, cache_write_tokens=1_000, **model)
    told = cost_of(frame(wrote | {"cache_write_1h_tokens": 400}))
    assert told.cost_usd == pytest.approx((600 * 6.875 + 400 * 11.0) / 1e6)
    assert "5 minutes" not in str(told)
    assert "5 minutes where lines do not tell" in str(cost_of(frame(wrote)))
    batch = cost_of(frame(wrote | {"tier": "batch", "cache_write_1h_tokens": 0}))
    assert batch.cost_usd is None and "no price of cached tokens is known" in batch.sentence
    hour = cost_of(
        frame(wrote | {"model_id": "m", "cache_write_1h_tokens": 1}), prices=own_prices(tmp_path, m=FULL)
    )
    assert hour.cost_usd is None and "no price of 1-hour cache writes is known" in hour.sentence


def test_each_reason_has_its_count() -> None:
    odd = answer("b", model_id="cohere.command-r-v1:0", input_tokens=1, output_tokens=1)
    cost = cost_of(frame(answer("a"), odd, odd | {"record_id": "c"}))
    assert cost.sentence == (
        "The cost of 3 answers is not known: no price of cohere.command-r-v1:0 is known (2); "
        "the model reports no token counts (1)."
    )


@pytest.mark.parametrize(
    ("by", "said"),
    [("absent", "has no column 'absent'"), ("input_tokens", "'input_tokens' is what is added up")],
)
def test_a_column_that_cannot_group_is_refused(by: str, said: str) -> None:
    rows = frame(answer(input_tokens=1, output_tokens=1))
    with pytest.raises(InputError, match=said):
        cost_of(rows, by=by)
    with pytest.raises(InputError, match="takes the name of a column"):
        cost_of(rows).by()
    with pytest.raises(InputError, match="is what is added up"):
        cost_of(rows).by("cost_usd")


def test_the_comparison_gives_no_reason_that_is_not_there(tmp_path: Path) -> None:
    """2 records of 1 token in and 10 out at 2 and 10 USD: 0.000102 each; the third answer has no price."""
    prices = own_prices(tmp_path, m=FULL)
    bodies = [("a", openai_body("hi", max_tokens=20)), ("b", openai_body("hi", max_tokens=20))]
    estimate = estimate_cost(bodies, "m", prices=prices)
    given = {"model_id": "m", "family": "llama", "input_tokens": 1, "output_tokens": 10}
    same = cost_of(frame(answer("a", **given), answer("b", **given)), prices=prices, estimate=estimate)
    parts = same.comparison.set_index("what")
    assert parts["reason"].to_list() == [""] * 5
    assert parts["difference_usd"].to_list() == pytest.approx([0.0] * 5)
    rows = frame(
        answer("a", **given),
        answer("a", **given | {"tier": "on_demand"}),
        answer("b", **given | {"model_id": "x"}),
    )
    odd = cost_of(rows, prices=prices, estimate=estimate).comparison.set_index("what")
    assert odd.loc["answers not costed", "difference_usd"] == pytest.approx(-0.000102)
    assert odd.loc["answers", "reason"] == "more answers than records estimated"
    assert odd.loc["prices", "reason"].startswith("1 sent on demand")
    assert odd["difference_usd"][:-1].sum() == pytest.approx(odd.loc["cost in USD", "difference_usd"])


def test_half_of_on_demand_is_said_to_be_an_estimate() -> None:
    cost = cost_of(frame(answer(model_id="apac.amazon.nova-lite-v1:0", input_tokens=10, output_tokens=1)))
    assert any("taken as half of on demand, an estimate" in note for note in cost.notes)


def test_nothing_answered_costs_nothing_to_say() -> None:
    cost = cost_of(frame())
    assert cost.sentence == "No answers yet, so nothing to cost."
    assert list(cost_of(frame()).table.columns)[:2] == ["attempt", "tier"]
    assert cost_of(frame(answer(outcome="missing"))).numbers["cost_usd"] is None


def test_what_is_not_outputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'outcome'"):
        cost_of(pd.DataFrame({"a": [1]}))
    with pytest.raises(InputError, match="takes a Run or the frame"):
        cost_of(tmp_path)


def records(count: int = 100, max_tokens: int = 200) -> pd.DataFrame:
    rows = pd.DataFrame({"text": [f"Customer: my order {number} is late." for number in range(count)]})
    return bb.build_records(rows, "amazon.nova-lite-v1:0", prompt="{text}", max_tokens=max_tokens)


def test_an_estimate_without_a_probe_spans_none_to_max_tokens() -> None:
    """100 records, at most 200 tokens each: output none to 20,000 at 0.12, that is up to 0.0024 USD."""
    estimate = estimate_cost(records(), "amazon.nova-lite-v1:0", region="us-east-1")
    row = estimate.table.iloc[0]
    assert row[["output_tokens_low", "output_tokens", "output_tokens_high"]].to_list() == [0, 10_000, 20_000]
    tokens = row["input_tokens"]
    assert 700 < tokens < 1100
    assert estimate.cost_low_usd == pytest.approx(tokens * 0.85 * 0.03 / 1e6)
    assert estimate.cost_usd == pytest.approx((tokens * 0.03 + 10_000 * 0.12) / 1e6)
    assert estimate.cost_high_usd == pytest.approx((tokens * 1.15 * 0.03 + 20_000 * 0.12) / 1e6)
    assert estimate.numbers["on_demand_usd"] == pytest.approx(2 * estimate.cost_usd)
    assert "the middle taken as expected" in str(estimate)
    other = estimate_cost(records(), "amazon.nova-lite-v1:0", max_tokens=50, region="us-east-1")
    assert other.table["output_tokens_high"].to_list() == [5_000]


def test_a_probe_narrows_the_output() -> None:
    """Answers of 90 to 110 tokens: mean 100, s = 7.9057, 2.78 s / sqrt(5) = 9.83; times 100 records."""
    rows = [
        answer(f"r{n}", input_tokens=10, output_tokens=tokens)
        for n, tokens in enumerate((90, 95, 100, 105, 110))
    ]
    estimate = estimate_cost(records(), "amazon.nova-lite-v1:0", probe=frame(*rows), region="us-east-1")
    row = estimate.table.iloc[0]
    assert row[["output_tokens_low", "output_tokens", "output_tokens_high"]].to_list() == [
        9_017,
        10_000,
        10_983,
    ]
    one_answer = estimate_cost(records(), "amazon.nova-lite-v1:0", probe=frame(rows[0]), region="us-east-1")
    assert one_answer.table["output_tokens_high"].to_list() == [20_000]


def test_what_goes_on_demand_is_estimated_at_its_own_price(tmp_path: Path) -> None:
    """Twice the price of batch at both ends of the range, so twice the worst case."""
    prices, records = own_prices(tmp_path, **{"amazon.nova-lite-v1:0": FULL}), [("r1", NOVA_BODY)]
    batch, on_demand = (
        estimate_cost(records, "amazon.nova-lite-v1:0", prices=prices, tier=tier)
        for tier in ("batch", "on_demand")
    )
    assert on_demand.cost_high_usd == pytest.approx(2 * batch.cost_high_usd)
    assert on_demand.cost_usd == on_demand.numbers["on_demand_usd"]
    assert "in batch" not in on_demand.sentence
    assert " on demand (" in on_demand.sentence


def test_embeddings_are_estimated_without_output() -> None:
    rows = pd.DataFrame({"text": ["a short text"] * 10})
    made = bb.build_records(rows, "amazon.titan-embed-text-v2:0", prompt="{text}")
    estimate = estimate_cost(made, "amazon.titan-embed-text-v2:0", region="us-east-1")
    assert estimate.numbers["output_tokens_high"] == 0
    assert estimate.cost_usd == pytest.approx(30 * 0.01 / 1e6)


def test_an_estimate_whose_price_is_unknown_says_why() -> None:
    estimate = estimate_cost(records(), "amazon.nova-lite-v1:0", region="me-central-1")
    assert estimate.cost_high_usd is None
    unknown = "the cost is not known, because no price of amazon.nova-lite-v1:0 for me-central-1"
    assert unknown in estimate.sentence
    assert max(map(len, str(estimate).splitlines())) <= 100
    shown = estimate._repr_mimebundle_()
    assert shown[BUNDLE]["numbers"]["cost_usd"] is None
    assert "not known" in shown["text/html"]


def test_the_model_behind_a_profile_has_the_price(tmp_path: Path) -> None:
    hidden, model = UNKNOWN["application inference profile"]["model_id"], "amazon.nova-lite-v1:0"
    plain = estimate_cost(records(), model, region="us-east-1")
    told = estimate_cost(records(), hidden, model=model, region="us-east-1")
    assert told.numbers == plain.numbers and told.cost_usd
    own = own_prices(tmp_path, **{hidden: FULL})
    assert estimate_cost(records(), hidden, model=model, prices=own).price.how == "own"
    assert estimate_cost(records(), hidden, family="nova", region="us-east-1").cost_usd is None


def test_a_budget_is_kept() -> None:
    known = estimate_cost(records(), "amazon.nova-lite-v1:0", region="us-east-1")
    unknown = estimate_cost(records(), "amazon.nova-lite-v1:0", region="me-central-1")
    assert check_budget(known, 1.0) is known
    assert check_budget(known, None) is known and check_budget(unknown, -1.0) is unknown
    with pytest.raises(BudgetError, match=r"high estimate is \$0\.0024, above the budget of \$0\.0010"):
        check_budget(known, 0.001)
    with pytest.raises(BudgetError, match="The cost is not known, because no price"):
        check_budget(unknown, 1000)
    with pytest.raises(BudgetError):
        check_budget(known, 0.0)
    free = [("1", {"messages": [{"role": "user", "content": [{"text": "hi"}]}]})]
    with pytest.raises(BudgetError, match="sets no maximum of output tokens"):
        check_budget(estimate_cost(free, "amazon.nova-lite-v1:0", region="us-east-1"), 1000)


@pytest.mark.parametrize("budget", [float("nan"), "5"])
def test_a_budget_is_a_number(budget: object) -> None:
    known = estimate_cost(records(), "amazon.nova-lite-v1:0", region="us-east-1")
    with pytest.raises(InputError, match="budget_usd is"):
        check_budget(known, budget)  # type: ignore[arg-type]


def test_no_records_cost_nothing_and_keep_any_budget() -> None:
    estimate = estimate_cost([], "amazon.nova-lite-v1:0", region="us-east-1")
    assert estimate.cost_high_usd == 0 and check_budget(estimate, 0.0) is estimate
    one_answer = frame(answer(input_tokens=10, output_tokens=9))
    assert estimate_cost([], "amazon.nova-lite-v1:0", probe=one_answer, region="us-east-1").cost_high_usd == 0
    one_record = estimate_cost(records(1), "amazon.nova-lite-v1:0", region="us-east-1")
    assert one_record.sentence.startswith("1 record for ")


@pytest.mark.parametrize("max_tokens", [0, -5, 1.5, "9"])
def test_a_maximum_of_tokens_is_a_number_from_1(max_tokens: object) -> None:
    with pytest.raises(InputError, match="max_tokens is"):
        estimate_cost(records(), "amazon.nova-lite-v1:0", max_tokens=max_tokens)  # type: ignore[arg-type]


@pytest.mark.parametrize("probe", ["x", [1], pd.DataFrame({"a": [1]})])
def test_what_is_no_probe_is_refused(probe: object) -> None:
    with pytest.raises(InputError, match="Pass what probe_records or collect_outputs returned"):
        estimate_cost(records(), "amazon.nova-lite-v1:0", probe=probe)  # type: ignore[arg-type]


def test_the_high_end_holds_for_records_beyond_the_sample() -> None:
    """2,000 records of at most 10 tokens and 1,000 of 4,096: 4,116,000 x 0.12 = 0.494 USD of output."""
    rows = [("1", openai_body("hi", max_tokens=10))] * 2_000 + [
        ("2", openai_body("hi", max_tokens=4_096))
    ] * 1_000
    estimate = estimate_cost(rows, "amazon.nova-lite-v1:0", region="us-east-1")
    assert estimate.table["output_tokens_high"].to_list() == [4_116_000]
    with pytest.raises(BudgetError, match="high estimate is"):
        check_budget(estimate, 0.4)
    with pytest.raises(BudgetError, match="a record sets no maximum of output tokens"):
        check_budget(estimate_cost([*rows, ("3", openai_body("hi"))], "amazon.nova-lite-v1:0",
                                   region="us-east-1"), 1000)  # fmt: skip


def test_several_answers_multiply_the_maximum_and_cache_marks_the_price_of_input(tmp_path: Path) -> None:
    """300 tokens at 10 are 0.003 USD; input at most at the 2.5 of cache writes instead of 2."""
    prices = own_prices(tmp_path, m=FULL)
    for given in (None, 100):
        body = openai_body("hi " * 1_000, max_tokens=100, n=3)
        row = estimate_cost([("1", body)], "m", prices=prices, max_tokens=given).table.iloc[0]
        assert row["output_tokens_high"] == 300
    marked = [{"type": "text", "text": "hi " * 1_000, "cache_control": {"type": "ephemeral"}}]
    estimate = estimate_cost([("1", openai_body(marked, max_tokens=100))], "m", prices=prices)
    plain = estimate_cost([("1", openai_body("hi " * 1_000, max_tokens=100))], "m", prices=prices)
    assert estimate.cost_usd == pytest.approx(plain.cost_usd)
    assert estimate.cost_high_usd - 0.001 == pytest.approx((plain.cost_high_usd - 0.001) * 2.5 / 2)
    assert "price of cache writes" in str(estimate)


def openai_body(content: object, **more: object) -> dict:
    return {"messages": [{"role": "user", "content": content}], **more}


def test_media_make_an_estimate_a_lower_bound(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"png")
    rows = pd.DataFrame({"page": [str(tmp_path / "a.png")] * 3})
    made = bb.build_records(rows, "amazon.nova-lite-v1:0", prompt="Read this.", media="page")
    estimate = estimate_cost(made, "amazon.nova-lite-v1:0", region="us-east-1")
    assert estimate.cost_low_usd is not None and estimate.cost_high_usd is None
    assert "at least $" in estimate.sentence and "how much is not known before" in str(estimate)
    with pytest.raises(BudgetError, match="carries media"):
        check_budget(estimate, 100.0)


def test_records_need_a_model() -> None:
    with pytest.raises(InputError, match="takes a model_id"):
        estimate_cost(records())


@pytest.mark.parametrize(
    ("amount", "said"),
    [(None, "not known"), (0.0, "$0.00"), (1234.5, "$1,234.50"), (0.5, "$0.500"), (0.0042, "$0.0042"),
     (0.00000012, "$0.00000012"), (-0.02, "-$0.020"), (1e-9, "less than $0.00000001"),
     (float("nan"), "not known")],
)  # fmt: skip
def test_amounts_are_written_for_people(amount: float | None, said: str) -> None:
    assert format_usd(amount) == said


@pytest.fixture
def collected(start_standin: Callable[..., object], tmp_path: Path) -> bb.Run:
    start_standin("--min-records", "5")
    words = "Agent: How can I help? Customer: My card was charged twice. "
    calls = pd.DataFrame({"record_id": [f"{n:03d}" for n in range(40)], "queue": ["a", "b"] * 20,
                          "text": [words * (3 + n % 5) for n in range(40)]})  # fmt: skip
    model = "amazon.nova-lite-v1:0"
    made = bb.build_records(calls, model, prompt="Sum up:\n{text}", record_id="record_id", max_tokens=200)
    run = bb.Run.create(tmp_path / "run", model_id=model, prompt="{text}", source=calls)
    bb.write_records(made, run)
    bb.submit_jobs(run)
    bb.wait_for_jobs(run, timeout=60)
    bb.collect_outputs(run)
    return run


def test_a_run_is_costed_against_its_estimate_and_manifest(collected: bb.Run) -> None:
    cost = cost_of(collected, by="queue")
    assert cost.is_standin and "nothing was billed" in str(cost)
    assert cost.table["source.queue"].sort_values().to_list() == ["a", "b"]
    total = cost.numbers
    spent = (total["input_tokens"] * 0.03 + total["output_tokens"] * 0.12) / 1e6
    assert total["cost_usd"] == pytest.approx(spent)
    assert total["estimate_usd"] == pytest.approx(estimate_cost(collected).cost_usd)
    told = cost.manifests.iloc[0]
    assert (told["input_tokens"], told["output_tokens"]) == (
        told["manifest_input_tokens"], told["manifest_output_tokens"],
    )  # fmt: skip
    parts = cost.comparison.set_index("what")["difference_usd"]
    assert parts[:-1].sum() == pytest.approx(parts["cost in USD"])
    assert parts["cost in USD"] == pytest.approx(total["cost_usd"] - total["estimate_usd"])
    shown = cost._repr_mimebundle_()
    assert "Against the estimate" in shown["text/html"]
    assert "nothing was billed" in shown["text/html"]
    frame_cost = cost_of(bb.collect_outputs(collected))
    assert frame_cost.cost_usd == pytest.approx(total["cost_usd"])
    with pytest.raises(InputError, match="source or output of run 'run' has no column 'absent'; it has"):
        cost_of(collected, by="absent")


def silence(run: bb.Run, inputs: int, outputs: int) -> None:
    """Take the tokens out of every line of a run, and let its manifest say others."""
    parts = run.folder / "outputs.parquet"
    silent = pd.read_parquet(parts)
    silent[["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"]] = pd.NA
    for path in parts.iterdir():
        path.unlink()
    silent.to_parquet(parts / "part-0.parquet")
    manifest = next((run.folder / "outputs").rglob("manifest.json.out"))
    manifest.write_text(json.dumps({"inputTokenCount": inputs, "outputTokenCount": outputs}))


def test_a_job_whose_lines_report_no_tokens_is_costed_by_its_manifest(collected: bb.Run) -> None:
    """Its manifest says 1,000,000 and 100,000: 1,000,000 x 0.03 + 100,000 x 0.12 = 42,000 -> 0.042 USD."""
    silence(collected, 10**6, 10**5)
    cost = cost_of(collected)
    assert cost.cost_usd == pytest.approx(0.042)
    assert cost.numbers["at_least"] == 0 and cost.numbers["unpriced"] == 0
    assert cost.sentence.startswith("$0.042 for 40 answers ($0.030 input, $0.012 output)")
    row = cost.table.iloc[0]
    assert row[["attempt", "tier", "records", "unpriced"]].to_list() == [1, "batch", 40, 0]
    assert row[["input_tokens", "output_tokens"]].to_list() == [10**6, 10**5]
    assert row[["cost_usd", "on_demand_usd"]].to_list() == pytest.approx([0.042, 0.084])
    assert any("from the counts of the manifest" in note for note in cost.notes)
    shown = cost._repr_mimebundle_()["text/plain"]
    assert "Cost not known" not in shown
    parts = cost.comparison.set_index("what")
    assert parts.loc["input tokens a record", "actual"] == 10**6 / 40
    assert parts["difference_usd"][:-1].sum() == pytest.approx(parts.loc["cost in USD", "difference_usd"])
    figure = charts.cost(cost, by="attempt")
    assert sum(sum(bar.x) for bar in figure.data if bar.name in ("input", "output")) == pytest.approx(0.042)


def test_a_manifest_is_in_no_group_of_the_source(collected: bb.Run) -> None:
    silence(collected, 10**6, 10**5)
    cost = cost_of(collected, by="queue")
    table = cost.table
    assert table["cost_usd"].isna().to_list() == [False, True, True]
    assert table["records"].to_list() == [0, 20, 20] and pd.isna(table["source.queue"].iloc[0])
    assert "$0.00 " not in cost._repr_mimebundle_()["text/plain"].split("Against")[0]
    assert any(
        label.startswith("in no group")
        for bar in charts.cost(cost, by="queue").data
        for label in bar.customdata
    )


@pytest.mark.parametrize("counts", [(0, 0), (10**6, 0)])
def test_a_manifest_that_counts_nothing_tells_no_cost(collected: bb.Run, counts: tuple[int, int]) -> None:
    silence(collected, *counts)
    cost = cost_of(collected)
    assert (cost.cost_usd, cost.numbers["unpriced"]) == (None, 40)
    assert cost.sentence == "The cost of 40 answers is not known: the model reports no token counts."
    assert "$0.00" not in cost._repr_mimebundle_()["text/plain"]
    assert cost.comparison.empty


@pytest.mark.parametrize(
    "model", ["mistral.mistral-small-2402-v1:0", "amazon.nova-2-multimodal-embeddings-v1:0"]
)
def test_a_model_whose_lines_report_no_tokens_is_not_free(
    start_standin: Callable[..., object], tmp_path: Path, model: str
) -> None:
    start_standin("--min-records", "5")
    calls = pd.DataFrame({"text": ["Customer: my card was charged twice."] * 6})
    run = bb.Run.create(tmp_path / "run", model_id=model, source=calls)
    bb.write_records(bb.build_records(calls, model, prompt="{text}"), run)
    bb.submit_jobs(run)
    bb.wait_for_jobs(run, timeout=60)
    bb.collect_outputs(run)
    cost = cost_of(run)
    assert set(cost.rows["state"]) == {"by manifest"} and cost.rows["input_tokens"].isna().all()
    assert cost.cost_usd is not None and cost.cost_usd > 0


def test_a_moved_run_keeps_the_prices_of_its_owner(collected: bb.Run, tmp_path: Path) -> None:
    """Twice 0.03 and 0.12 a million is twice the cost, wherever the run and the file are by then."""
    before = cost_of(collected).cost_usd
    double = {"batch": {"input": 0.06, "output": 0.24}}
    path = own_prices(tmp_path, **{"amazon.nova-lite-v1:0": double})
    collected.change(prices=path)
    path.unlink()
    moved = bb.Run.open(collected.folder.rename(tmp_path / "moved"))
    assert cost_of(moved).cost_usd == pytest.approx(2 * before)
    assert estimate_cost(moved).price.how == "own"
    outputs = bb.collect_outputs(moved)
    assert cost_of(outputs).cost_usd == pytest.approx(2 * before)
    parts = bb.collect_outputs(moved, into=tmp_path / "parts", source_columns="queue")
    cost = cost_of(parts, by="queue")
    assert cost.is_standin and cost.cost_usd == pytest.approx(2 * before)
    assert cost.table["source.queue"].sort_values().to_list() == ["a", "b"]
    assert charts.max_tokens_what_if(outputs).data[-1].y[-1] == pytest.approx(2 * before)
    assert moved.change(prices="").price_file == ""
    with pytest.raises(InputError, match="cannot be read"):
        moved.change(prices=tmp_path / "absent.json")


def test_the_end_of_a_range_is_not_the_sum_of_what_is_known() -> None:
    bodies = (openai_body("hi"), openai_body("hi", max_tokens=9))
    free, capped = (
        estimate_cost([("1", body)], "amazon.nova-lite-v1:0", region="us-east-1") for body in bodies
    )
    assert "a record sets no maximum of output tokens" in charts.cost_estimate(free).to_json()
    both = replace(free, table=pd.concat([free.table, capped.table]).assign(attempt=1))
    assert charts.cost_estimate(both, by="attempt").data[0].hovertext[0].endswith(" to not known")


def test_a_manifest_that_disagrees_is_said(collected: bb.Run) -> None:
    manifest = next((collected.folder / "outputs").rglob("manifest.json.out"))
    manifest.write_text(json.dumps({"inputTokenCount": 1, "outputTokenCount": 1}))
    assert any("manifest counts other tokens" in note for note in cost_of(collected).notes)


def test_a_million_rows_are_costed_fast() -> None:
    import time

    count = 1_000_000
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({
        "record_id": pd.array([f"{n:011d}" for n in range(count)], dtype="string"),
        "outcome": pd.array(["succeeded"] * count, dtype="string"),
        "model_id": pd.array(["amazon.nova-lite-v1:0"] * count, dtype="string"),
        "family": pd.array(["nova"] * count, dtype="string"),
        "tier": pd.array(["batch"] * count, dtype="string"),
        "attempt": pd.array([1] * count, dtype="Int64"),
        "job_arn": pd.array([JOB] * count, dtype="string"),
        "input_tokens": pd.array(rng.integers(100, 5000, count), dtype="Int64"),
        "output_tokens": pd.array(rng.integers(1, 500, count), dtype="Int64"),
        "cache_read_tokens": pd.array([pd.NA] * count, dtype="Int64"),
        "cache_write_tokens": pd.array([pd.NA] * count, dtype="Int64"),
    })  # fmt: skip
    started = time.perf_counter()
    cost = cost_of(rows)
    total = cost.cost_usd
    spent = time.perf_counter() - started
    expected = (rows["input_tokens"].sum() * 0.03 + rows["output_tokens"].sum() * 0.12) / 1e6
    assert total == pytest.approx(expected)
    assert spent < 10, "the benchmark holds the 2 s; this only catches a loop over rows"


def test_an_estimate_of_jobs_takes_their_labels_or_a_table_and_refuses_others(collected: bb.Run) -> None:
    jobs = sorted({file.job for file in collected.record_files(1)})
    some = estimate_cost(collected, jobs=jobs[:1]).cost_high_usd
    assert estimate_cost(collected, jobs=jobs[0]).cost_high_usd == some
    assert estimate_cost(collected, jobs=pd.DataFrame({"job": jobs[:1]})).cost_high_usd == some
    with pytest.raises(InputError, match="has no job '9-0002'"):
        estimate_cost(collected, jobs=["9-0002"])
    with pytest.raises(InputError, match="has no attempt 9"):
        estimate_cost(collected, attempt=9)
    with pytest.raises(InputError, match="takes what estimate_cost gave"):
        check_budget(cost_of(collected), 1)


def test_a_run_is_costed_by_any_column_of_its_outputs(collected: bb.Run) -> None:
    assert cost_of(collected, by="stop_reason").table["records"].sum() == len(cost_of(collected).rows)


def test_what_is_collected_is_costed_by_its_place(collected: bb.Run) -> None:
    whole = cost_of(collected)
    assert bb.cost_of(str(collected.folder)).sentence == whole.sentence
    place = {"model_id": collected.model_id, "region": collected.endpoint.region}
    assert bb.cost_of(collected.folder / "outputs", **place).cost_usd == pytest.approx(whole.cost_usd)
