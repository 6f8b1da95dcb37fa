"""Tokens times prices, for millions of rows at once."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bbkit.catalog.prices import Price, Prices
from bbkit.core.errors import FamilyError
from bbkit.families import get_family

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
AMOUNTS = ("input_usd", "output_usd", "cache_usd", "cost_usd", "on_demand_usd")
COST_ROW_COLUMNS = {
    "record_id": "string",
    "model_id": "category",
    "region": "category",
    "tier": "category",
    "attempt": "Int64",
    "job_arn": "string",
    **dict.fromkeys(TOKENS, "Int64"),
    **dict.fromkeys(AMOUNTS, "Float64"),
    "state": "category",
    "reason": "category",
}
"""One row per answer: ``state`` is ``priced``, ``unpriced`` (with ``reason``), ``by manifest`` (with its
whole job) or ``no answer``."""

# https://platform.openai.com/docs/guides/prompt-caching: prompt_tokens include cached_tokens.
_CACHED_WITHIN_INPUT = frozenset(["openai_chat", "ai21"])
_STATES = ["priced", "unpriced", "no answer", "by manifest"]
_NO_TOKENS = "the model reports no token counts"
_NO_CACHE_PRICE = "no price of cached tokens is known"
_NO_OUTPUT_PRICE = "no price of output tokens is known"
_NO_INPUT_PRICE = "no price of input tokens is known"
_BY_THE_PIECE = "images are priced by the piece, and the answers do not count them"
_LONG_CONTEXT = "an input above 200,000 tokens has a price of its own, which is not known"

# https://aws.amazon.com/bedrock/pricing/: long context of these models, and images of that one.
_DEARER_ABOVE_200K = re.compile(r"claude-sonnet-4-(?:2025|5-)")
EMBEDS_IMAGES = "titan-embed-image"

Floats = NDArray[np.float64]


def price_rows(
    outputs: pd.DataFrame,
    prices: Prices,
    *,
    model_id: str = "",
    region: str = "",
    keep: Iterable[str] = (),
    media: bool = True,
) -> pd.DataFrame:
    """Cost every row of a tidy frame."""
    codes, combos = _combine(outputs, model_id, region)
    found = [(prices.find(*combo), prices.find(combo[0], combo[1], "on_demand")) for combo in combos]
    tokens = {name: _floats(outputs, name) for name in TOKENS}
    embeds, within = _family_flags(outputs)
    amounts = _amounts(tokens, codes, [batch for batch, _ in found], embeds, within)
    beside = _amounts(tokens, codes, [on_demand for _, on_demand in found], embeds, within)
    odd = _otherwise_priced(tokens, codes, [combo[0] for combo in combos], media)
    state, reason = _judge(outputs, tokens, amounts, codes, [batch for batch, _ in found], embeds, odd)
    for values in (*amounts.values(), *beside.values()):
        values[state != 0] = np.nan  # the parts of an amount that is not known are not added up either
    cost = amounts["input_usd"] + amounts["output_usd"] + amounts["cache_usd"]
    spent = beside["input_usd"] + beside["output_usd"] + beside["cache_usd"]
    columns: dict[str, Any] = {
        "record_id": _column(outputs, "record_id"),
        "model_id": _spread([combo[0] for combo in combos], codes),
        "region": _spread([combo[1] for combo in combos], codes),
        "tier": _spread([combo[2] for combo in combos], codes),
        "attempt": _column(outputs, "attempt"),
        "job_arn": _column(outputs, "job_arn"),
        **{name: _column(outputs, name) for name in TOKENS},
        **{
            name: _nullable(values)
            for name, values in {**amounts, "cost_usd": cost, "on_demand_usd": spent}.items()
        },
        "state": pd.Categorical.from_codes(state, _STATES),
        "reason": reason,
    }
    rows = pd.DataFrame({name: columns[name] for name in COST_ROW_COLUMNS}, index=outputs.index)
    for name in keep:
        if name not in rows.columns:
            rows[name] = outputs[name]
    return rows


def _column(outputs: pd.DataFrame, name: str) -> Any:
    if name in outputs.columns:
        return outputs[name]
    return pd.array([pd.NA] * len(outputs), dtype=COST_ROW_COLUMNS[name])


def _floats(outputs: pd.DataFrame, name: str) -> Floats:
    if name not in outputs.columns:
        return np.full(len(outputs), np.nan)
    return outputs[name].to_numpy(dtype="float64", na_value=np.nan)


def _nullable(values: Floats) -> Any:
    return pd.arrays.FloatingArray(np.nan_to_num(values), np.isnan(values))


def _spread(values: list[str], codes: NDArray[np.int64]) -> Any:
    distinct = list(dict.fromkeys(values))
    places = np.array([distinct.index(value) for value in values], dtype=np.int64)
    return pd.Categorical.from_codes(places[codes] if len(codes) else codes, distinct)


def _factorize(outputs: pd.DataFrame, name: str, default: str) -> tuple[NDArray[np.int64], list[str]]:
    if name not in outputs.columns:
        return np.zeros(len(outputs), dtype=np.int64), [default]
    codes, values = pd.factorize(outputs[name], use_na_sentinel=True)
    listed = [str(value) for value in values]
    return np.where(codes < 0, len(listed), codes).astype(np.int64), [*listed, default]


def _combine(
    outputs: pd.DataFrame, model_id: str, region: str
) -> tuple[NDArray[np.int64], list[tuple[str, str, Any]]]:
    """Number the distinct (model, region, tier) of all rows; the region is that of the job's ARN."""
    models, model_names = _factorize(outputs, "model_id", model_id)
    tiers, tier_names = _factorize(outputs, "tier", "batch")
    jobs, arns = _factorize(outputs, "job_arn", "")
    regions = [arn.split(":")[3] if arn.count(":") >= 5 else region for arn in arns]
    places = sorted(set(regions))
    place_of = np.array([places.index(name) for name in regions], dtype=np.int64)
    joint = (models * len(tier_names) + tiers) * len(places) + place_of[jobs]
    numbers, codes = np.unique(joint, return_inverse=True)
    combos = []
    for number in numbers.tolist():
        rest, place = divmod(number, len(places))
        model, tier = divmod(rest, len(tier_names))
        combos.append((model_names[model], places[place], tier_names[tier]))
    return codes.astype(np.int64), combos


def _family_flags(outputs: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows are embeddings, and which count cached tokens within their input."""
    codes, names = _factorize(outputs, "family", "")
    embeds = np.array([_is_embedding(name) for name in names])
    within = np.array([name in _CACHED_WITHIN_INPUT for name in names])
    return embeds[codes], within[codes]


def _is_embedding(name: str) -> bool:
    try:
        return get_family(name).kind == "embedding"
    except FamilyError:
        return False


def _amounts(
    tokens: dict[str, Floats],
    codes: NDArray[np.int64],
    prices: list[Price],
    embeds: NDArray[np.bool_],
    within: NDArray[np.bool_],
) -> dict[str, Floats]:
    """USD of input, output and cache; NaN where tokens or their price are not known."""
    rate = {
        name: np.array([np.nan if (usd := getattr(price, name)) is None else usd / 1e6 for price in prices])
        for name in ("input", "output", "cache_read", "cache_write")
    }
    read, write = np.nan_to_num(tokens["cache_read_tokens"]), np.nan_to_num(tokens["cache_write_tokens"])
    inputs = np.where(within, np.maximum(tokens["input_tokens"] - read, 0), tokens["input_tokens"])
    outputs = np.where(embeds, 0.0, tokens["output_tokens"])
    cache = np.where(read > 0, read * rate["cache_read"][codes], 0.0)
    cache = cache + np.where(write > 0, write * rate["cache_write"][codes], 0.0)
    output_usd = np.where(outputs == 0, 0.0, outputs * rate["output"][codes])
    input_usd = inputs * rate["input"][codes]
    none = np.isnan(tokens["input_tokens"]) & np.isnan(tokens["output_tokens"])
    for values in (cache, output_usd):
        values[none] = np.nan
    return {"input_usd": input_usd, "output_usd": output_usd, "cache_usd": cache}


def _otherwise_priced(
    tokens: dict[str, Floats], codes: NDArray[np.int64], model_ids: list[str], media: bool
) -> NDArray[np.int8]:
    """Which rows no price of a token holds for: 1 for images by the piece, 2 for long inputs, else 0."""
    odd = np.zeros(len(codes), dtype=np.int8)
    images = np.array([EMBEDS_IMAGES in model_id for model_id in model_ids])
    if images.any():
        odd[images[codes] & (media | (tokens["input_tokens"] == 0))] = 1
    dearer = np.array([bool(_DEARER_ABOVE_200K.search(model_id)) for model_id in model_ids])
    if dearer.any():
        cached = np.nan_to_num(tokens["cache_read_tokens"]) + np.nan_to_num(tokens["cache_write_tokens"])
        odd[dearer[codes] & (tokens["input_tokens"] + cached > 200_000)] = 2
    return odd


def _judge(
    outputs: pd.DataFrame,
    tokens: dict[str, Floats],
    amounts: dict[str, Floats],
    codes: NDArray[np.int64],
    prices: list[Price],
    embeds: NDArray[np.bool_],
    odd: NDArray[np.int8],
) -> tuple[NDArray[np.int8], Any]:
    """Whether each row is priced and, if not, why."""
    silent = np.isnan(tokens["input_tokens"]) & np.isnan(tokens["output_tokens"])
    partly = np.isnan(tokens["input_tokens"]) | (np.isnan(tokens["output_tokens"]) & ~embeds)
    answered = (outputs["outcome"] == "succeeded").to_numpy(dtype=bool, na_value=False) | ~silent
    unknown = np.array([not price.is_known for price in prices])[codes]
    fixed = [
        _NO_TOKENS, _NO_OUTPUT_PRICE, _NO_CACHE_PRICE, _NO_INPUT_PRICE, _BY_THE_PIECE, _LONG_CONTEXT,
    ]  # fmt: skip
    reasons = list(dict.fromkeys([*fixed, *(price.reason for price in prices if price.reason)]))
    of_combo = np.array([reasons.index(price.reason) if price.reason else -1 for price in prices])
    why = np.full(len(codes), -1, dtype=np.int64)
    why[np.isnan(amounts["cache_usd"])] = 2
    why[np.isnan(amounts["output_usd"])] = 1
    why[np.isnan(amounts["input_usd"])] = 3
    why = np.where(odd > 0, odd + 3, why)
    why[partly] = 0
    why = np.where(unknown, of_combo[codes], why)
    why[~answered] = -1
    state = np.where(~answered, 2, np.where(why >= 0, 1, 0)).astype(np.int8)
    return state, pd.Categorical.from_codes(why, reasons)


def mark_by_manifest(rows: pd.DataFrame, job_arns: Iterable[str]) -> pd.DataFrame:
    """Mark answers whose job is costed by its manifest."""
    told = rows["job_arn"].isin(list(job_arns)) & (rows["state"] == "unpriced")
    if not told.any():
        return rows
    return rows.assign(state=rows["state"].mask(told, "by manifest"), reason=rows["reason"].mask(told))
