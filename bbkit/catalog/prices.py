"""What tokens cost: a dated table of the package, and price files of one's own, read strictly."""

import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from bbkit.core.errors import InputError
from bbkit.core.files import own_catalog, read_data
from bbkit.core.frames import NUMBER, TEXT, as_frame
from bbkit.core.text import arn_region
from bbkit.families import geographies_of, split_model_id

Tier = Literal["batch", "on_demand"]

DIRECTIONS = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
ABOVE = "above_200k"
"""What a tier calls the prices of inputs above 200,000 tokens, which hold for all tokens of such a call."""

UNIT = "USD per million tokens"
STALE_DAYS = 90
PRICE_COLUMNS = {
    "model_id": TEXT,
    "region": TEXT,
    "tier": TEXT,
    **dict.fromkeys(DIRECTIONS, NUMBER),
    "how": TEXT,
    "source": TEXT,
    "date": TEXT,
}
"""One row per model, region (or geography of profiles) and tier; prices in USD per million tokens."""

_TIERS: tuple[Tier, ...] = ("on_demand", "batch")
_FILE_NAMES = ("date", "unit", "source", "note", "prices")
_ROW_NAMES = ("model_id", "places", *_TIERS, "source", "date", "note")


@dataclass(frozen=True)
class Price:
    """What one model's tokens cost in one region, or geography of profiles, and tier."""

    model_id: str
    region: str
    tier: str
    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    above_200k: Mapping[str, float] = field(default_factory=dict)
    how: str = "unknown"
    reason: str = ""
    source: str = ""
    date: str = ""

    @property
    def is_known(self) -> bool:
        return self.input is not None

    def usd_of(self, input_tokens: float, output_tokens: float) -> float | None:
        """USD of so many tokens; None where a price that is needed is not known."""
        if self.input is None or (self.output is None and output_tokens):
            return None
        return (input_tokens * self.input + output_tokens * (self.output or 0.0)) / 1e6

    def age_days(self, today: dt.date | None = None) -> int | None:
        """Days since the date of the price; None where it has none."""
        try:
            known = dt.date.fromisoformat(self.date if len(self.date) > 7 else f"{self.date}-01")
        except ValueError:
            return None
        return ((today or dt.datetime.now(dt.UTC).date()) - known).days

    @property
    def note(self) -> str:
        """Where the price is from, how it is known and whether it is old, in one sentence."""
        if not self.is_known:
            return f"The cost is not known: {self.reason}."
        how = {"half": "taken as half of on demand, an estimate", "own": "from a file of your own"}
        of = f"of {self.date}" if self.date else "without a date"
        age = self.age_days()
        old = f"; {age:,} days old, so look whether it still holds" if age and age > STALE_DAYS else ""
        where = f" in {self.region}" if self.region else ""
        return f"Prices {of}{where}, {how.get(self.how, 'as listed')}{old}."


class Prices:
    """Prices by model, region and tier; those of the user before those of the package."""

    def __init__(self, rows: list[Price], behind: Mapping[str, str] | None = None):
        self._rows = rows
        self._behind = behind or {}
        self._by_model: dict[str, list[Price]] = {}
        for row in rows:
            for name in dict.fromkeys([row.model_id, _plain_id(row.model_id)]):
                self._by_model.setdefault(name, []).append(row)

    @property
    def table(self) -> pd.DataFrame:
        """One row per model, region and tier, columns `PRICE_COLUMNS`; ``how`` tells which batch prices are
        half of on demand.
        """
        batch = {(row.model_id, row.region, row.how) for row in self._rows if row.tier == "batch"}
        halves = [
            _halve(row)
            for row in self._rows
            if row.tier == "on_demand" and (row.model_id, row.region, row.how) not in batch
        ]
        return as_frame(map(vars, [*self._rows, *halves]), PRICE_COLUMNS)

    def find(self, model_id: str, region: str = "", tier: Tier = "batch") -> Price:
        """Find what a model's tokens cost; never raises: what is not known says why.

        A profile id is priced by its geography and, where that has none of its own, by the region it is
        called from if that belongs to the geography (https://aws.amazon.com/bedrock/pricing/, cross-region
        inference); ``global.`` only by itself. A batch price that is not listed is half of on demand.
        """
        named = self._by_model.get(model_id) or self._by_model.get(_plain_id(model_id)) or []
        kind, geography, bare = split_model_id(model_id)
        region = arn_region(model_id) or region
        alone = geography and geography not in geographies_of(region)
        regions = [geography] if alone else [name for name in (geography, region) if name]
        if match := _pick([row for row in named if row.how == "own"], [*regions, ""], tier):
            return match
        if reason := _unpriced(kind, model_id):
            if behind := self._behind.get(model_id):
                return self.find(behind, region, tier)
            return Price(model_id, region, tier, reason=reason)
        if match := _pick(self._by_model.get(bare, []), [*regions, ""], tier):
            return match
        return Price(model_id, region, tier, reason=self._explain(bare, geography, region))

    def _explain(self, bare: str, geography: str, region: str) -> str:
        known = sorted({row.region for row in self._by_model.get(bare, ())})
        if not bare:
            return "no model is named, so no price is known"
        if not known:
            return f"no price of {bare} is known"
        where = f"the {geography} profile" if geography else region or "an unnamed region"
        if geography and geography != "global" and region and geography not in geographies_of(region):
            where += f", which {region} is not part of,"
        some = ", ".join(known[:6]) + (" and others" if len(known) > 6 else "")
        return f"no price of {bare} for {where} is known, only for {some}"


def _pick(rows: list[Price], regions: list[str], tier: Tier) -> Price | None:
    """The row of the first of these regions, the user's before the package's; half of on demand at need."""
    for is_own in (True, False):
        for region in regions:
            here = {row.tier: row for row in rows if row.region == region and (row.how == "own") == is_own}
            if tier in here:
                return _complete(here[tier], here.get("on_demand"))
            if tier == "batch" and "on_demand" in here:
                return _halve(here["on_demand"])
    return None


def _halve(price: Price) -> Price:
    amounts = {name: getattr(price, name) for name in DIRECTIONS}
    halves = {name: usd / 2 for name, usd in amounts.items() if usd is not None}
    above = {name: usd / 2 for name, usd in price.above_200k.items()}
    return replace(price, tier="batch", how="half", above_200k=above, **halves)


def _complete(price: Price, on_demand: Price | None) -> Price:
    """Fill input and output that are not listed for batch with half of on demand, which is an estimate."""
    if price.tier != "batch" or on_demand is None:
        return price
    half = _halve(on_demand)
    missing = {name: getattr(half, name) for name in DIRECTIONS[:2] if getattr(price, name) is None}
    is_estimate = any(usd is not None for usd in missing.values())
    return replace(price, **missing, how="half" if is_estimate else price.how)


def _plain_id(model_id: str) -> str:
    """The id of a model or of a profile of AWS's that an ARN names; other ids as they are."""
    kind, geography, bare = split_model_id(model_id)
    if kind not in ("foundation-model", "inference-profile"):
        return model_id
    return f"{geography}.{bare}" if geography else bare


def _unpriced(kind: str, model_id: str) -> str:
    remedy = f"name them in a file of your own for {model_id!r}"
    if kind == "application-inference-profile":
        return f"an application inference profile does not tell its model, so not its prices; {remedy}"
    if kind in ("custom-model", "imported-model", "provisioned-model", "custom-model-deployment"):
        article = "an" if kind.startswith("i") else "a"
        return f"{article} {kind.replace('-', ' ')} has prices that no list holds; {remedy}"
    return ""


def load_prices(path: str | Path = "", behind: Mapping[str, str] | None = None) -> Prices:
    """Load the package's dated prices and, before them, those of a file of one's own; where none is named,
    those of the catalog that BBKIT_CATALOG names. `behind` names the models of ids that do not tell them.

    The file has the form of ``catalog/data/prices.json``: ``{"date": "2026-11-23", "source": "...",
    "prices": [{"model_id": "...", "places": ["us-east-1"], "on_demand": {"input": 0.06, "output": 0.24},
    "batch": {"input": 0.03, "output": 0.12}}]}``, USD per million tokens; without ``places`` a price holds
    anywhere. ``cache_read``, ``cache_write`` (5 minutes), ``cache_write_1h`` and the same names in
    ``above_200k`` (inputs above 200,000 tokens) are read, too. ``bbkit prices refresh`` writes such a file.
    """
    path = path or own_catalog()[0]
    return Prices([*(_read_price_file(Path(path)) if path else []), *_listed_prices()], behind)


@cache
def _listed_prices() -> tuple[Price, ...]:
    return tuple(_prices_of(read_data("prices"), "listed"))


def _read_price_file(path: Path) -> list[Price]:
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(f"The price file {str(path)!r} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"The price file {path.name} is not JSON ({error}).") from error
    if isinstance(document, dict) and "price_list" in document:  # a catalog
        document = document["price_list"]
    try:
        return list(_prices_of(document, "own"))
    except ValueError as error:
        raise InputError(f"The price file {path.name} is not of the form of load_prices: {error}.") from error


def _prices_of(document: Any, how: str) -> Iterator[Price]:
    """Every price of a document; what is not understood is refused with a ValueError."""
    _validate_names(document, _FILE_NAMES, "the file")
    if str(document.get("unit", UNIT)).strip().lower() != UNIT.lower():
        raise ValueError(f"unit is {document['unit']!r}, and only {UNIT!r} is read")
    if not isinstance(document.get("prices"), list):
        raise ValueError("it has no list of prices")
    seen = set()
    for row in document["prices"]:
        _validate_names(row, _ROW_NAMES, "a price")
        model_id, regions = row.get("model_id"), row.get("places", [""])
        if not isinstance(model_id, str) or not model_id.strip():
            raise ValueError(f"a price has the model_id {model_id!r}, not the id or ARN of a model")
        source, date = (row.get(name, document.get(name, "")) for name in ("source", "date"))
        origin: dict[str, Any] = {"how": how, "source": str(source), "date": _read_date(date)}
        tiers = _read_tiers(row, model_id)
        if not isinstance(regions, list) or not regions or not all(isinstance(name, str) for name in regions):
            raise ValueError(f'places of {model_id} is {regions!r:.40}, not a list such as ["us-east-1"]')
        for tier, amounts in tiers.items():
            for region in regions:
                if (model_id, region, tier) in seen:
                    raise ValueError(
                        f"{model_id} has two {tier} prices for {region or 'anywhere'}, and one is read"
                    )
                seen.add((model_id, region, tier))
                yield Price(model_id, region, tier, **amounts, **origin)


def _validate_names(given: Any, accepted: tuple[str, ...], what: str) -> None:
    if not isinstance(given, Mapping):
        raise ValueError(f"{what} is {given!r:.40}, not an object")
    for name in given:
        if name not in accepted:
            raise ValueError(f"{what} has {name!r}, and only {', '.join(accepted)} are read")


def _read_tiers(row: Mapping[str, Any], model_id: str) -> dict[str, dict[str, Any]]:
    """The prices of a row by tier; those of batch may lack an input that half of on demand tells."""
    tiers: dict[str, Any] = {tier: row[tier] for tier in _TIERS if tier in row}
    for tier, amounts in tiers.items():
        _validate_names(amounts, (*DIRECTIONS, ABOVE), f"{tier} of {model_id}")
        above = amounts.get(ABOVE, {})
        _validate_names(above, DIRECTIONS, f"{ABOVE} of {model_id}")
        for name, usd in [pair for pair in (*amounts.items(), *above.items()) if pair[0] != ABOVE]:
            is_number = isinstance(usd, int | float) and not isinstance(usd, bool)
            if usd is not None and not (is_number and 0 <= usd < math.inf):
                raise ValueError(f"{name} of {model_id} is {usd!r}, not a number of {UNIT}")
    if not tiers:
        raise ValueError(f"{model_id} has neither on_demand nor batch")
    for tier, amounts in tiers.items():
        if amounts.get("input") is None and tiers.get("on_demand", {}).get("input") is None:
            raise ValueError(f"{tier} of {model_id} has no price of input")
    return tiers


def _read_date(value: Any) -> str:
    """The day, or the month, of an ISO date or time; an empty one stays so."""
    text = str(value)
    try:
        if len(text) == 7:
            dt.date.fromisoformat(f"{text}-01")
            return text
        return text and dt.datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        raise ValueError(f"date is {value!r}, not a day such as 2026-11-23") from None
