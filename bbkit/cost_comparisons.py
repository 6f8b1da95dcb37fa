"""A cost beside the manifests and the estimate: part of the room `costs`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bbkit.estimates import CostEstimate
from bbkit.frames import as_frame
from bbkit.prices import Prices

MANIFEST_COLUMNS = {
    "job_arn": "string",
    "input_tokens": "Int64",
    "manifest_input_tokens": "Int64",
    "output_tokens": "Int64",
    "manifest_output_tokens": "Int64",
    "cost_usd": "Float64",
}
"""One row per job with a manifest; ``cost_usd`` where its lines report no tokens and the manifest does."""

COMPARISON_COLUMNS = {
    "what": "string",
    "estimated": "Float64",
    "actual": "Float64",
    "difference_usd": "Float64",
    "reason": "string",
}
"""One row per cause of the difference between estimate and actual, and their sum."""


def reconcile_manifests(folder: Path, rows: pd.DataFrame, prices: Prices) -> pd.DataFrame:
    """Lay each job's tokens by its lines beside those of its manifest.

    Parameters
    ----------
    folder : Path
        The folder of a run.
    rows : pandas.DataFrame
        What `bbkit.cost_rows.price_rows` gave.
    prices : bbkit.prices.Prices
        For jobs whose lines report no tokens.

    Returns
    -------
    pandas.DataFrame
        One row per job with a manifest, columns `MANIFEST_COLUMNS`.
    """
    found = []
    jobs = rows.groupby("job_arn")
    sums = jobs[["input_tokens", "output_tokens"]].sum(min_count=1)
    called = jobs[["model_id", "region", "tier"]].first()
    for job_arn in sums.index:
        path = folder / "outputs" / str(job_arn).rpartition("/")[2] / "manifest.json.out"
        told = _read_counts(path)
        if not told:
            continue
        inputs, outputs = sums.loc[job_arn]
        price = prices.find(*called.loc[job_arn])
        silent = pd.isna(inputs) and pd.isna(outputs) and told.get("inputTokenCount") is not None
        amount = None
        if silent and price.input is not None:
            amount = (told["inputTokenCount"] * price.input) / 1e6
            amount += told.get("outputTokenCount", 0) * (price.output or 0.0) / 1e6
        found.append(
            {
                "job_arn": job_arn,
                "input_tokens": inputs,
                "manifest_input_tokens": told.get("inputTokenCount"),
                "output_tokens": outputs,
                "manifest_output_tokens": told.get("outputTokenCount"),
                "cost_usd": amount,
            }
        )
    return as_frame(found, MANIFEST_COLUMNS)


def _read_counts(path: Path) -> dict[str, int]:
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    names = ("inputTokenCount", "outputTokenCount")
    return {name: told[name] for name in names if isinstance(told, Mapping) and type(told.get(name)) is int}


def compare_costs(after: Mapping[str, Any], estimate: CostEstimate) -> pd.DataFrame:
    """Part the difference between estimate and cost into answers, input, output, and prices.

    Parameters
    ----------
    after : mapping
        Numbers of a `bbkit.costs.Cost`.
    estimate : CostEstimate
        What was estimated before.

    Returns
    -------
    pandas.DataFrame
        One row per cause and one of their sum, columns `COMPARISON_COLUMNS`; none where a cost is not known.
    """
    before = estimate.numbers
    records, answered = before["records"], after["answered"]
    if not records or not answered or before["cost_usd"] is None or after["cost_usd"] is None:
        return as_frame([], COMPARISON_COLUMNS)
    rates = ((estimate.price.input or 0.0) / 1e6, (estimate.price.output or 0.0) / 1e6)
    expected = [before["input_tokens"] / records, (before["output_tokens"] or 0) / records]
    cached = (after["cache_read_tokens"] or 0) + (after["cache_write_tokens"] or 0)
    came = [((after["input_tokens"] or 0) + cached) / answered, (after["output_tokens"] or 0) / answered]
    steps = [(answered - records) * sum(rate * each for rate, each in zip(rates, expected, strict=True))]
    steps += [answered * (b - a) * rate for a, b, rate in zip(expected, came, rates, strict=True)]
    total = after["cost_usd"] - before["cost_usd"]
    rest = total - sum(steps)
    if abs(rest) < 1e-6 * max(after["cost_usd"], before["cost_usd"]):
        rest = 0.0  # only the rounding of floats and of tokens
    rows = [
        ("answers", records, answered, steps[0], "records without an answer cost nothing"),
        (
            "input tokens a record",
            expected[0],
            came[0],
            steps[1],
            "counted by the model, before by pieces of text",
        ),
        (
            "output tokens a record",
            expected[1],
            came[1],
            steps[2],
            "answers longer or shorter than expected",
        ),
        ("prices", None, None, rest, "cached tokens, on-demand retries, rounding of tokens"),
        ("cost in USD", before["cost_usd"], after["cost_usd"], total, ""),
    ]
    return as_frame((dict(zip(COMPARISON_COLUMNS, row, strict=True)) for row in rows), COMPARISON_COLUMNS)
