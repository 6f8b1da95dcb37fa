"""A cost beside the manifests and the estimate."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bbkit.catalog.prices import Prices, Tier
from bbkit.core.frames import COUNT, MANIFEST, NUMBER, TEXT, as_frame, as_texts
from bbkit.core.text import format_usd
from bbkit.costs.estimates import CostEstimate
from bbkit.costs.rows import TOKENS

MANIFEST_COLUMNS = {
    "job_arn": TEXT,
    "attempt": COUNT,
    **dict.fromkeys(("tier", "model_id", "region"), TEXT),
    **dict.fromkeys(("input_tokens", "manifest_input_tokens"), COUNT),
    **dict.fromkeys(("output_tokens", "manifest_output_tokens"), COUNT),
    **dict.fromkeys(("input_usd", "output_usd", "cost_usd", "on_demand_usd"), NUMBER),
}
"""One row per job with a manifest; USD where its lines report no tokens and the manifest does."""

COMPARISON_COLUMNS = {
    "what": TEXT,
    **dict.fromkeys(("estimated", "actual", "difference_usd"), NUMBER),
    "reason": TEXT,
}
"""One row per cause of the difference between estimate and actual, and their sum."""


def reconcile_manifests(
    folder: Path, rows: pd.DataFrame, prices: Prices, *, text: bool = True
) -> pd.DataFrame:
    """Lay each job's tokens by its lines beside those of its manifest."""
    jobs = rows.assign(unpriced=rows["state"] == "unpriced").groupby("job_arn", observed=True)
    sums = jobs[["input_tokens", "output_tokens"]].sum(min_count=1)
    called = jobs[["attempt", "tier", "model_id", "region"]].first()
    compared: list[dict[Any, Any]] = []
    for job in called.join(sums).join(jobs["unpriced"].any()).reset_index().to_dict("records"):
        counts = _read_counts(folder / "outputs" / job["job_arn"].rpartition("/")[2] / MANIFEST)
        if not counts:
            continue
        inputs, outputs = counts.get("inputTokenCount"), counts.get("outputTokenCount")
        counted: dict[str, Any] = {"manifest_input_tokens": inputs, "manifest_output_tokens": outputs}
        silent = job["unpriced"] and pd.isna(job["input_tokens"]) and pd.isna(job["output_tokens"])
        # A manifest counts what its lines report: where they are silent, its 0 is no count either.
        if silent and inputs and (outputs or not text):
            counted |= _cost_counts(inputs, (outputs or 0) if text else 0, job, prices)
        compared.append(job | counted)
    return as_frame(compared, MANIFEST_COLUMNS)


def _read_counts(path: Path) -> dict[str, int]:
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    counts = manifest if isinstance(manifest, dict) else {}
    names = ("inputTokenCount", "outputTokenCount")
    return {name: counts[name] for name in names if type(counts.get(name)) is int}


def _cost_counts(inputs: int, outputs: int, job: Mapping[Any, Any], prices: Prices) -> dict[str, Any]:
    """USD of a manifest's counts; nothing where a price is not known."""

    def amounts(tier: Tier) -> pd.Series:
        price = prices.find(job["model_id"], job["region"], tier)
        return pd.Series([price.usd_of(inputs, 0), price.usd_of(0, outputs)], dtype="Float64")

    spent, on_demand = amounts(job["tier"]), amounts("on_demand").sum(skipna=False)
    if spent.isna().any():
        return {}
    return {
        "input_usd": spent[0],
        "output_usd": spent[1],
        "cost_usd": spent.sum(),
        "on_demand_usd": on_demand,
    }


def rows_by_manifest(manifests: pd.DataFrame) -> pd.DataFrame:
    """Turn the jobs that a manifest's counts cost into rows of a cost."""
    rows = manifests.dropna(subset="cost_usd").reset_index(drop=True)
    return rows.assign(
        input_tokens=rows["manifest_input_tokens"], output_tokens=rows["manifest_output_tokens"]
    )


def compare_costs(ledger: pd.DataFrame, numbers: Mapping[str, Any], estimate: CostEstimate) -> pd.DataFrame:
    """Part the difference between estimate and cost into answers, input, output, and prices."""
    before, spent = estimate.numbers, numbers["cost_usd"]
    records, answered, unpriced = before["records"], numbers["answered"], numbers["unpriced"]
    priced = answered - unpriced
    if not records or not priced or before["cost_usd"] is None or spent is None:
        return as_frame([], COMPARISON_COLUMNS)
    sums = ledger[list(TOKENS)].astype(float).sum().to_dict()
    cached = sums["cache_read_tokens"] + sums["cache_write_tokens"]
    rates = [(price or 0.0) / 1e6 for price in (estimate.price.input, estimate.price.output)]
    expected = [before["input_tokens"] / records, (before["output_tokens"] or 0) / records]
    actual = [(sums["input_tokens"] + cached) / priced, sums["output_tokens"] / priced]
    each = sum(rate * tokens for rate, tokens in zip(rates, expected, strict=True))
    steps = [priced * (b - a) * rate for a, b, rate in zip(expected, actual, rates, strict=True)]
    total = spent - before["cost_usd"]
    other = total - sum(steps) - (priced - records) * each
    if abs(other) < 1e-6 * max(spent, before["cost_usd"]):
        other = 0.0  # only the rounding of floats and of tokens
    words = "records without an answer cost nothing", "more answers than records estimated"
    why = _compare(records, answered, *words)
    causes = [("answers", records, answered, (answered - records) * each, why)]
    if unpriced:
        causes.append(("answers not costed", 0, unpriced, -unpriced * each, "their cost is not known"))
    for name, what, a, b, step in zip(
        ("input", "output"), ("inputs", "answers"), expected, actual, steps, strict=True
    ):
        words = (
            f"the model counted shorter {what} than expected",
            f"the model counted longer {what} than expected",
        )
        causes.append((f"{name} tokens a record", a, b, step, _compare(a, b, *words)))
    causes.append(("prices", None, None, other, _compare_prices(ledger, cached, estimate) if other else ""))
    causes.append(("cost in USD", before["cost_usd"], spent, total, ""))
    return as_frame((dict(zip(COMPARISON_COLUMNS, row, strict=True)) for row in causes), COMPARISON_COLUMNS)


def _compare(expected: float, actual: float, less: str, more: str) -> str:
    if round(actual, 6) == round(expected, 6):
        return ""
    return more if actual > expected else less


def _compare_prices(ledger: pd.DataFrame, cached: float, estimate: CostEstimate) -> str:
    """Name what was paid at another price than the batch price of the estimate, as far as there is any."""
    causes = []
    if cached:
        causes.append(f"{cached:,.0f} cached tokens")
    if sent := int(ledger.loc[ledger["tier"].eq("on_demand"), "records"].sum()):
        causes.append(f"{sent:,} sent on demand")
    called = ledger[["model_id", "region"]].drop_duplicates().astype(str)
    if {*called.itertuples(index=False, name=None)} - {(estimate.model_id, estimate.region)}:
        causes.append("another model or region than estimated")
    return ", ".join(causes) or "rounding of tokens"


def format_comparison(comparison: pd.DataFrame) -> pd.DataFrame:
    """A comparison as a person reads it: its last row is amounts, the others are counts."""
    counts, amounts = comparison.iloc[:-1], comparison.iloc[-1:]
    names = ["estimated", "actual"]
    written = pd.concat([as_texts(counts[names]), amounts[names].map(format_usd)], ignore_index=True)
    return comparison.assign(**written)
