"""What tokens cost: a dated table of the package, prices of the user's own, and the AWS Price List."""

import datetime as dt
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import pandas as pd

from bbkit.catalog.price_files import DIRECTIONS, price_rows_of, read_price_file
from bbkit.catalog.price_lists import refresh_prices
from bbkit.core.files import read_data
from bbkit.families import geographies_of, split_model_id

__all__ = ["DIRECTIONS", "PRICE_COLUMNS", "Price", "Prices", "load_prices", "refresh_prices"]

Tier = Literal["batch", "on_demand"]

STALE_DAYS = 90
PRICE_COLUMNS = {
    "model_id": "string",
    "place": "string",
    "tier": "string",
    **dict.fromkeys(DIRECTIONS, "Float64"),
    "how": "string",
    "source": "string",
    "date": "string",
}
"""One row per model, place and tier; prices in USD per million tokens."""


@dataclass(frozen=True)
class Price:
    """What one model's tokens cost in one place and tier."""

    model_id: str
    place: str
    tier: str
    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    how: str = "unknown"
    reason: str = ""
    source: str = ""
    date: str = ""

    @property
    def is_known(self) -> bool:
        """Whether input tokens have a price."""
        return self.input is not None

    def age_days(self, today: dt.date | None = None) -> int | None:
        """Days since the date of the price; None where it has none."""
        return _age_days(self.date, today)

    @property
    def note(self) -> str:
        """Where the price is from, how it is known and whether it is old, in one sentence."""
        if not self.is_known:
            return f"The cost is not known: {self.reason}."
        how = {"half": "taken as half of on demand, an estimate", "own": "from a file of your own"}
        of = f"of {self.date}" if self.date else "without a date"
        age = self.age_days()
        old = f"; {age:,} days old, so look whether it still holds" if age and age > STALE_DAYS else ""
        where = f" in {self.place}" if self.place else ""
        return f"Prices {of}{where}, {how.get(self.how, 'as listed')}{old}."


def _age_days(date: str, today: dt.date | None) -> int | None:
    try:
        known = dt.date.fromisoformat(date if len(date) > 7 else f"{date}-01")
    except ValueError:
        return None
    return ((today or dt.datetime.now(dt.UTC).date()) - known).days


class Prices:
    """Prices by model, place and tier; those of the user before those of the package."""

    def __init__(self, rows: list[Price]):
        self._rows = rows
        self._by_model: dict[str, list[Price]] = {}
        for row in rows:
            for name in dict.fromkeys([row.model_id, _plain_id(row.model_id)]):
                self._by_model.setdefault(name, []).append(row)

    @property
    def table(self) -> pd.DataFrame:
        """One row per model, place and tier, columns `PRICE_COLUMNS`; ``how`` tells which batch prices are
        half of on demand.
        """
        batch = {(row.model_id, row.place, row.how) for row in self._rows if row.tier == "batch"}
        halves = [
            _halve(row)
            for row in self._rows
            if row.tier == "on_demand" and (row.model_id, row.place, row.how) not in batch
        ]
        return pd.DataFrame(
            {
                name: pd.array([getattr(row, name) for row in [*self._rows, *halves]], dtype=dtype)
                for name, dtype in PRICE_COLUMNS.items()
            }
        )

    def find(self, model_id: str, region: str = "", tier: Tier = "batch") -> Price:
        """Find what a model's tokens cost; never raises: what is not known says why.

        A profile id is priced by its geography and, where that has none of its own, by the region it is
        called from if that belongs to the geography (https://aws.amazon.com/bedrock/pricing/, cross-region
        inference); ``global.`` only by itself. A batch price that is not listed is half of on demand.
        """
        named = self._by_model.get(model_id) or self._by_model.get(_plain_id(model_id)) or []
        own = [row for row in named if row.how == "own"]
        kind, geography, bare = split_model_id(model_id)
        region = _region_of(model_id) or region
        alone = geography and geography not in geographies_of(region)
        places = [geography] if alone else [place for place in (geography, region) if place]
        if found := _pick(own, [*places, ""], tier):
            return found
        if reason := _unpriced(kind, model_id):
            return Price(model_id, region, tier, reason=reason)
        if found := _pick(self._by_model.get(bare, []), [*places, ""], tier):
            return found
        return Price(model_id, region, tier, reason=self._explain(bare, geography, region))

    def _explain(self, bare: str, geography: str, region: str) -> str:
        known = sorted({row.place for row in self._by_model.get(bare, ())})
        if not bare:
            return "no model is named, so no price is known"
        if not known:
            return f"no price of {bare} is known"
        where = f"the {geography} profile" if geography else region or "an unnamed region"
        if geography and geography != "global" and region and geography not in geographies_of(region):
            where += f", which {region} is not part of,"
        some = ", ".join(known[:6]) + (" and others" if len(known) > 6 else "")
        return f"no price of {bare} for {where} is known, only for {some}"


def _pick(rows: list[Price], places: list[str], tier: Tier) -> Price | None:
    """The row of the first of these places, the user's before the package's; half of on demand at need."""
    for mine in (True, False):
        for place in places:
            here = {row.tier: row for row in rows if row.place == place and (row.how == "own") == mine}
            if tier in here:
                return _complete(here[tier], here.get("on_demand"))
            if tier == "batch" and "on_demand" in here:
                return _halve(here["on_demand"])
    return None


def _halve(price: Price) -> Price:
    values = {name: getattr(price, name) for name in DIRECTIONS}
    halves = {name: None if value is None else value / 2 for name, value in values.items()}
    return Price(**(vars(price) | halves | {"tier": "batch", "how": "half"}))


def _complete(price: Price, on_demand: Price | None) -> Price:
    """Fill what is not listed for batch with half of on demand; then it is an estimate, caches aside."""
    if price.tier != "batch" or on_demand is None:
        return price
    half = _halve(on_demand)
    missing = {
        name: getattr(half, name)
        for name in DIRECTIONS
        if getattr(price, name) is None and getattr(half, name) is not None
    }
    how = {"how": "half"} if not missing.keys().isdisjoint(DIRECTIONS[:2]) else {}
    return Price(**(vars(price) | missing | how))


def _plain_id(model_id: str) -> str:
    """The id of a model or of a profile of AWS's that an ARN names; other ids as they are."""
    kind, geography, bare = split_model_id(model_id)
    if kind not in ("foundation-model", "inference-profile"):
        return model_id
    return f"{geography}.{bare}" if geography else bare


def _region_of(model_id: str) -> str:
    return model_id.split(":")[3] if model_id.startswith("arn:") and model_id.count(":") >= 5 else ""


def _unpriced(kind: str, model_id: str) -> str:
    remedy = f"name them in a file of your own for {model_id!r}"
    if kind == "application-inference-profile":
        return f"an application inference profile does not tell its model, so not its prices; {remedy}"
    if kind in ("custom-model", "imported-model", "provisioned-model", "custom-model-deployment"):
        article = "an" if kind.startswith("i") else "a"
        return f"{article} {kind.replace('-', ' ')} has prices that no list holds; {remedy}"
    return ""


def load_prices(path: str | Path = "") -> Prices:
    """Load the package's dated prices and, before them, those of a file of one's own."""
    own = [Price(how="own", **row) for row in read_price_file(Path(path))] if path else []
    return Prices([*own, *_packaged()])


@cache
def _packaged() -> tuple[Price, ...]:
    document = read_data("prices")
    return tuple(Price(how="listed", **row) for row in price_rows_of(document))
