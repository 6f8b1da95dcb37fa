"""A cost beside the manifests and the estimate."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bbkit.catalog.prices import Prices
from bbkit.core.frames import MANIFEST, as_frame
from bbkit.costs.estimates import CostEstimate
from bbkit.costs.rows import TOKENS

MANIFEST_COLUMNS = {
    "job_arn": "string",
    "attempt": "Int64",
    "tier": "string",
    "model_id": "string",
    "region": "string",
    "input_tokens": "Int64",
    "manifest_input_tokens": "Int64",
    "output_tokens": "Int64",
    "manifest_output_tokens": "Int64",
    "input_usd": "Float64",
    "output_usd": "Float64",
    "cost_usd": "Float64",
    "on_demand_usd": "Float64",
}
"""One row per job with a manifest; USD where its lines report no tokens and the manifest does."""

COMPARISON_COLUMNS = {
    "what": "string",
    "estimated": "Float64",
    "actual": "Float64",
    "difference_usd": "Float64",
    "reason": "string",
}
"""One row per cause of the difference between estimate and actual, and their sum."""


def reconcile_manifests(
    folder: Path, rows: pd.DataFrame, prices: Prices, *, text: bool = True
) -> pd.DataFrame:
    """Lay each job's tokens by its lines beside those of its manifest."""
    found = []
    jobs = rows.groupby("job_arn")
    sums = jobs[["input_tokens", "output_tokens"]].sum(min_count=1)
    called = jobs[["attempt", "tier", "model_id", "region"]].first()
    answered = jobs["state"].agg(lambda states: states.eq("unpriced").any())
    for job_arn in sums.index:
        told = _read_counts(folder / "outputs" / str(job_arn).rpartition("/")[2] / MANIFEST)
        if not told:
            continue
        job = called.loc[job_arn].to_dict()
        inputs, outputs = sums.loc[job_arn]
        counts = told.get("inputTokenCount"), told.get("outputTokenCount")
        silent = answered[job_arn] and pd.isna(inputs) and pd.isna(outputs)
        row = {
            "job_arn": job_arn,
            **job,
            "input_tokens": inputs,
            "manifest_input_tokens": counts[0],
            "output_tokens": outputs,
            "manifest_output_tokens": counts[1],
        }
        # A manifest counts what its lines report: where they are silent, its 0 is no count either.
        if silent and counts[0] and (counts[1] or not text):
            row |= _cost_counts(counts, job, prices, text)
        found.append(row)
    return as_frame(found, MANIFEST_COLUMNS)


def _cost_counts(
    counts: tuple[int | None, int | None], job: Mapping[str, Any], prices: Prices, text: bool
) -> dict[str, float]:
    """USD of a manifest's counts; nothing where a price is not known."""
    inputs, outputs = counts[0] or 0, (counts[1] or 0) if text else 0
    costs = {}
    for tier in dict.fromkeys([job["tier"], "on_demand"]):
        price = prices.find(job["model_id"], job["region"], tier)
        if price.input is not None and (price.output is not None or not outputs):
            costs[tier] = (inputs * price.input / 1e6, outputs * (price.output or 0.0) / 1e6)
    if job["tier"] not in costs:
        return {}
    own = costs[job["tier"]]
    named = {"input_usd": own[0], "output_usd": own[1], "cost_usd": sum(own)}
    return named | ({"on_demand_usd": sum(costs["on_demand"])} if "on_demand" in costs else {})


def rows_by_manifest(manifests: pd.DataFrame) -> pd.DataFrame:
    """Turn the jobs that a manifest's counts cost into rows of a cost."""
    told = manifests.dropna(subset="cost_usd").reset_index(drop=True)
    return told.assign(
        input_tokens=told["manifest_input_tokens"], output_tokens=told["manifest_output_tokens"]
    )


def _read_counts(path: Path) -> dict[str, int]:
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    names = ("inputTokenCount", "outputTokenCount")
    return {name: told[name] for name in names if isinstance(told, Mapping) and type(told.get(name)) is int}


def compare_costs(ledger: pd.DataFrame, numbers: Mapping[str, Any], estimate: CostEstimate) -> pd.DataFrame:
    """Part the difference between estimate and cost into answers, input, output, and prices."""
    before, spent = estimate.numbers, numbers["cost_usd"]
    records, answered, unpriced = before["records"], numbers["answered"], numbers["unpriced"]
    priced = answered - unpriced
    if not records or not priced or before["cost_usd"] is None or spent is None:
        return as_frame([], COMPARISON_COLUMNS)
    rates = ((estimate.price.input or 0.0) / 1e6, (estimate.price.output or 0.0) / 1e6)
    expected = [before["input_tokens"] / records, (before["output_tokens"] or 0) / records]
    each = sum(rate * tokens for rate, tokens in zip(rates, expected, strict=True))
    sums = {name: float(ledger[name].sum()) for name in TOKENS if name in ledger.columns}
    cached = sums.get("cache_read_tokens", 0.0) + sums.get("cache_write_tokens", 0.0)
    came = [(sums["input_tokens"] + cached) / priced, sums["output_tokens"] / priced]
    steps = [priced * (b - a) * rate for a, b, rate in zip(expected, came, rates, strict=True)]
    total = spent - before["cost_usd"]
    rest = total - sum(steps) - (priced - records) * each
    if abs(rest) < 1e-6 * max(spent, before["cost_usd"]):
        rest = 0.0  # only the rounding of floats and of tokens
    rows = [
        ("answers", records, answered, (answered - records) * each, _say_answers(records, answered)),
        *(
            [("answers not costed", 0, unpriced, -unpriced * each, "their cost is not known")]
            if unpriced
            else []
        ),
        ("input tokens a record", expected[0], came[0], steps[0], _say_more(expected[0], came[0], "inputs")),
        (
            "output tokens a record",
            expected[1],
            came[1],
            steps[1],
            _say_more(expected[1], came[1], "answers"),
        ),
        ("prices", None, None, rest, _say_prices(ledger, cached, estimate) if rest else ""),
        ("cost in USD", before["cost_usd"], spent, total, ""),
    ]
    return as_frame((dict(zip(COMPARISON_COLUMNS, row, strict=True)) for row in rows), COMPARISON_COLUMNS)


def _say_answers(records: int, answered: int) -> str:
    if answered < records:
        return "records without an answer cost nothing"
    return "more answers than records estimated" if answered > records else ""


def _say_more(expected: float, came: float, what: str) -> str:
    if round(came, 6) == round(expected, 6):
        return ""
    return f"the model counted {'longer' if came > expected else 'shorter'} {what} than expected"


def _say_prices(ledger: pd.DataFrame, cached: float, estimate: CostEstimate) -> str:
    """Name what was paid at another price than the batch price of the estimate, as far as there is any."""
    causes = []
    if cached:
        causes.append(f"{cached:,.0f} cached tokens")
    if sent := int(ledger["tier"].eq("on_demand").sum()):
        causes.append(f"{sent:,} sent on demand")
    called = ledger[["model_id", "region"]].drop_duplicates().astype(str)
    if {*called.itertuples(index=False, name=None)} - {(estimate.model_id, estimate.region)}:
        causes.append("another model or region than estimated")
    return ", ".join(causes) or "rounding of tokens"
