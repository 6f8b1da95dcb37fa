"""Tokens times prices, for millions of rows at once."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from bbkit.catalog.prices import DIRECTIONS, Prices
from bbkit.core.errors import InputError
from bbkit.core.frames import COUNT, NUMBER, TEXT
from bbkit.core.text import arn_region
from bbkit.families import FAMILIES

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
HOUR = "cache_write_1h_tokens"
"""How many of the cache writes are kept for 1 hour; NA where the lines do not tell."""
AMOUNTS = ("input_usd", "output_usd", "cache_usd", "cost_usd", "on_demand_usd")
COST_ROW_COLUMNS = {
    "record_id": TEXT,
    **dict.fromkeys(("model_id", "region", "tier"), "category"),
    "attempt": COUNT,
    "job_arn": TEXT,
    **dict.fromkeys((*TOKENS, HOUR), COUNT),
    **dict.fromkeys(AMOUNTS, NUMBER),
    **dict.fromkeys(("state", "reason"), "category"),
}
"""One row per answer: ``state`` is ``priced``, ``unpriced`` (with ``reason``), ``by manifest`` (with its
whole job) or ``no answer``."""

# https://platform.openai.com/docs/guides/prompt-caching: prompt_tokens include cached_tokens.
_CACHED_WITHIN_INPUT = ("openai_chat", "ai21")
_STATES = ("priced", "unpriced", "no answer", "by manifest")
_CALL = ["model_id", "region", "tier", "family", "is_long"]

# https://aws.amazon.com/bedrock/pricing/: long context of these models, and images of that one.
_DEARER_ABOVE_200K = re.compile(r"claude-sonnet-4-(?:2025|5-)")
EMBEDS_IMAGES = "titan-embed-image"


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
    frame = outputs.reset_index(drop=True)
    tokens = pd.DataFrame({name: _floats(frame, name) for name in (*TOKENS, HOUR)})
    calls = _calls(frame, model_id, region)
    calls["is_long"] = tokens[["input_tokens", *TOKENS[2:]]].sum(axis=1) > 200_000
    rates = calls.merge(_rates(calls.drop_duplicates(), prices), how="left", on=_CALL)
    amounts, on_demand_amounts = _amounts(tokens, rates), _amounts(tokens, rates, "on_demand_")
    succeeded = frame["outcome"].eq("succeeded").to_numpy(dtype=bool, na_value=False)
    answered = succeeded | tokens[["input_tokens", "output_tokens"]].notna().any(axis=1)
    reason = _reasons(tokens, amounts, rates, media).where(answered)
    state = np.select([~answered, reason.notna()], [2, 1], 0)
    amounts["cost_usd"] = amounts["input_usd"] + amounts["output_usd"] + amounts["cache_usd"]
    amounts["on_demand_usd"] = on_demand_amounts.sum(axis=1, skipna=False)
    # The parts of an amount that is not known are not added up either.
    amounts.loc[state != 0] = np.nan
    extra = [name for name in keep if name not in COST_ROW_COLUMNS]
    given = frame.reindex(columns=["record_id", "attempt", "job_arn", *TOKENS, HOUR, *extra])
    rows = pd.concat([given, calls[_CALL[:3]], amounts], axis=1)
    rows = rows.assign(state=pd.Categorical.from_codes(state, _STATES), reason=reason)
    return rows[[*COST_ROW_COLUMNS, *extra]].astype(COST_ROW_COLUMNS).set_axis(outputs.index)


def _floats(frame: pd.DataFrame, name: str) -> Any:
    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    return frame[name].to_numpy(dtype=float, na_value=np.nan)


def _calls(frame: pd.DataFrame, model_id: str, region: str) -> pd.DataFrame:
    """How every row was asked for, columns `_CALL`; the region is that of its job's ARN."""
    defaults = {"model_id": model_id, "job_arn": "", "tier": "batch", "family": ""}
    calls = pd.DataFrame(index=frame.index)
    for name, default in defaults.items():
        texts = frame[name] if name in frame.columns else pd.Series(default, frame.index, dtype=TEXT)
        calls[name] = texts.astype(TEXT).fillna(default).astype("category")
    regions = {arn: arn_region(arn) or region for arn in calls["job_arn"].cat.categories}
    calls["region"] = calls["job_arn"].map(regions).astype("category")
    return calls.drop(columns="job_arn")


def _rates(calls: pd.DataFrame, prices: Prices) -> pd.DataFrame:
    """USD a token of each distinct call, on demand too, and what else decides its cost."""
    keys = [(call.model_id, call.region, call.tier) for call in calls.itertuples()]
    batch = [prices.find(*key) for key in keys]
    on_demand = [prices.find(*key[:2], "on_demand") for key in keys]
    rates = calls.reset_index(drop=True)
    dearer = [bool(price.above_200k or _DEARER_ABOVE_200K.search(price.model_id)) for price in on_demand]
    rates["long_context"] = np.array(dearer, bool) & rates["is_long"].to_numpy()
    for prefix, priced in (("", batch), ("on_demand_", on_demand)):
        amounts = [
            price.above_200k if is_long else vars(price)
            for price, is_long in zip(priced, rates["long_context"], strict=True)
        ]
        for name in DIRECTIONS:
            rates[f"{prefix}{name}"] = np.array([usd.get(name) for usd in amounts], dtype=float) / 1e6
    rates["unknown"] = pd.Categorical([price.reason or None for price in batch])
    embedding = [name for name, family in FAMILIES.items() if family.kind == "embedding"]
    rates["embeds"] = calls["family"].isin(embedding).to_numpy()
    rates["cached_within_input"] = calls["family"].isin(_CACHED_WITHIN_INPUT).to_numpy()
    rates["by_the_piece"] = calls["model_id"].str.contains(EMBEDS_IMAGES).to_numpy()
    return rates


def _amounts(tokens: pd.DataFrame, rates: pd.DataFrame, prefix: str = "") -> pd.DataFrame:
    """USD of input, output and cache; NaN where tokens or their price are not known."""
    rate = {name: rates[f"{prefix}{name}"] for name in DIRECTIONS}
    read, write = tokens["cache_read_tokens"].fillna(0), tokens["cache_write_tokens"].fillna(0)
    uncached = (tokens["input_tokens"] - read).clip(lower=0)
    inputs = tokens["input_tokens"].mask(rates["cached_within_input"], uncached)
    outputs = tokens["output_tokens"].mask(rates["embeds"], 0.0)
    cache = (read * rate["cache_read"]).where(read > 0, 0.0)
    hour = tokens[HOUR].fillna(0).clip(upper=write)
    cache += ((write - hour) * rate["cache_write"]).where(write > hour, 0.0)
    cache += (hour * rate["cache_write_1h"]).where(hour > 0, 0.0)
    silent = tokens["input_tokens"].isna() & tokens["output_tokens"].isna()
    return pd.DataFrame(
        {
            "input_usd": inputs * rate["input"],
            "output_usd": (outputs * rate["output"]).mask(outputs == 0, 0.0).mask(silent),
            "cache_usd": cache.mask(silent),
        }
    )


def _reasons(tokens: pd.DataFrame, amounts: pd.DataFrame, rates: pd.DataFrame, media: bool) -> pd.Series:
    """Why each row has no cost, the first cause that holds; NA where none does."""
    inputs = tokens["input_tokens"]
    unknown, silent = rates["unknown"], tokens["output_tokens"].isna() & ~rates["embeds"]
    causes = {
        "the model reports no token counts": inputs.isna() | silent,
        "an input above 200,000 tokens has a price of its own, which is not known": (
            rates["long_context"] & rates["input"].isna()
        ),
        "images are priced by the piece, and the answers do not count them": (
            rates["by_the_piece"] & (media | (inputs == 0))
        ),
        "its counts of cached tokens contradict each other or are below 0": (
            tokens[HOUR] > tokens["cache_write_tokens"].fillna(-1)
        ),
        "no price of input tokens is known": amounts["input_usd"].isna(),
        "no price of output tokens is known": amounts["output_usd"].isna(),
        "no price of 1-hour cache writes is known": tokens[HOUR].gt(0) & rates["cache_write_1h"].isna(),
        "no price of cached tokens is known": amounts["cache_usd"].isna(),
    }
    names = [*unknown.cat.categories, *causes]
    codes = [unknown.cat.codes, *range(len(unknown.cat.categories), len(names))]
    chosen = np.select([unknown.notna(), *causes.values()], codes, -1)
    return pd.Series(pd.Categorical.from_codes(chosen, names))


def validate_groups(columns: Iterable[str]) -> None:
    """Refuse to group by what is added up."""
    if amounts := [name for name in columns if name in (*TOKENS, *AMOUNTS)]:
        raise InputError(f"{amounts[0]!r} is what is added up; group by another column.")


def mark_by_manifest(rows: pd.DataFrame, manifests: pd.DataFrame) -> pd.DataFrame:
    """Mark answers whose job is costed by its manifest."""
    if manifests.empty:
        return rows
    job_arns = manifests.dropna(subset="cost_usd")["job_arn"]
    marked = rows["job_arn"].isin(job_arns) & (rows["state"] == "unpriced")
    return rows.assign(state=rows["state"].mask(marked, "by manifest"), reason=rows["reason"].mask(marked))
