"""What tokens cost: a dated table of the package, prices of the user's own, and the AWS Price List."""

import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from bbkit.errors import InputError
from bbkit.families import split_model_id
from bbkit.price_lists import refresh_prices

__all__ = ["DIRECTIONS", "PRICE_COLUMNS", "Price", "Prices", "load_prices", "refresh_prices"]

Tier = Literal["batch", "on_demand"]

DIRECTIONS = ("input", "output", "cache_read", "cache_write")
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
    """What one model's tokens cost in one place and tier.

    Attributes
    ----------
    model_id, place, tier : str
        The model; a region, a geography of inference profiles (``us``, ``global``), or "" for anywhere;
        ``batch`` or ``on_demand``.
    input, output, cache_read, cache_write : float or None
        USD per million tokens; None is not known.
    how : str
        ``listed``, ``half`` (of on demand: an estimate), ``own`` (the user's file) or ``unknown``.
    reason : str
        Why it is not known; "" when it is.
    source, date : str
        Where it is from, and of when.
    """

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
    """Prices by model, place and tier; those of the user before those of the package.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per model, place and tier, columns `PRICE_COLUMNS`.
    """

    def __init__(self, rows: list[Price]):
        self._rows = rows
        self._by_model: dict[str, list[Price]] = {}
        for row in rows:
            self._by_model.setdefault(row.model_id, []).append(row)

    @property
    def table(self) -> pd.DataFrame:
        """One row per model, place and tier, columns `PRICE_COLUMNS`."""
        return pd.DataFrame(
            {
                name: pd.array([getattr(row, name) for row in self._rows], dtype=dtype)
                for name, dtype in PRICE_COLUMNS.items()
            }
        )

    def find(self, model_id: str, region: str = "", tier: Tier = "batch") -> Price:
        """Find what a model's tokens cost; never raises: what is not known says why.

        A profile id is priced by its geography and, where that has none of its own, by the region it is
        called from (https://aws.amazon.com/bedrock/pricing/, cross-region inference); ``global.`` only by
        itself. A batch price that is not listed is half of on demand.

        Parameters
        ----------
        model_id : str
            A model id, profile id or ARN; a price of the user's for exactly this text comes first.
        region : str
            Where it is called, such as ``us-east-1``; the region of an ARN comes first.
        tier : {"batch", "on_demand"}
            How it is called.

        Returns
        -------
        Price
            With ``reason`` when it is not known.
        """
        own = [row for row in self._by_model.get(model_id, ()) if row.how == "own"]
        kind, geography, bare = split_model_id(model_id)
        region = _region_of(model_id) or region
        places = [geography] if geography == "global" else [place for place in (geography, region) if place]
        if found := _pick(own, [*places, ""], tier):
            return found
        if reason := _unpriced(kind, model_id):
            return Price(model_id, region, tier, reason=reason)
        if found := _pick(self._by_model.get(bare, []), [*places, ""], tier):
            return found
        return Price(model_id, region, tier, reason=self._explain(bare, geography, region))

    def _explain(self, bare: str, geography: str, region: str) -> str:
        known = sorted({row.place for row in self._by_model.get(bare, ())})
        if not known:
            return f"no price of {bare} is known"
        where = f"the {geography} profile" if geography else region or "an unnamed region"
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
    """Fill cache prices that are not listed for batch with half of those on demand."""
    if price.tier != "batch" or on_demand is None:
        return price
    half = _halve(on_demand)
    missing = {name: getattr(half, name) for name in DIRECTIONS[2:] if getattr(price, name) is None}
    return Price(**(vars(price) | missing))


def _region_of(model_id: str) -> str:
    return model_id.split(":")[3] if model_id.startswith("arn:") and model_id.count(":") >= 5 else ""


def _unpriced(kind: str, model_id: str) -> str:
    remedy = f"name them in a file of your own for {model_id!r}"
    if kind == "application-inference-profile":
        return f"an application inference profile does not tell its model, so not its prices; {remedy}"
    if kind in ("custom-model", "imported-model", "provisioned-model", "custom-model-deployment"):
        return f"a {kind.replace('-', ' ')} has prices that no list holds; {remedy}"
    return ""


def load_prices(path: str | Path = "") -> Prices:
    """Load the package's dated prices and, before them, those of a file of one's own.

    The file has the form of the package's ``data/prices.json``: ``{"date": "2026-11-23", "source": "...",
    "prices": [{"model_id": "...", "places": ["us-east-1"], "on_demand": {"input": 0.06, "output": 0.24},
    "batch": {"input": 0.03, "output": 0.12}}]}``, USD per million tokens; without ``places`` a price holds
    anywhere. ``bbkit prices refresh`` writes such a file.

    Parameters
    ----------
    path : str or Path
        The file; "" for the package's prices alone.

    Returns
    -------
    Prices

    Raises
    ------
    bbkit.errors.InputError
        The file is not there or not of this form.
    """
    return Prices([*(_read_own(Path(path)) if path else ()), *_packaged()])


@cache
def _packaged() -> tuple[Price, ...]:
    document = json.loads(files("bbkit").joinpath("data/prices.json").read_text("utf-8"))
    return tuple(_rows_of(document, "listed"))


def _read_own(path: Path) -> list[Price]:
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(f"The price file {str(path)!r} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"The price file {path.name} is not JSON ({error}).") from error
    try:
        return list(_rows_of(document, "own"))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"The price file {path.name} is not of the form of load_prices ({type(error).__name__}: {error})."
        ) from error


def _rows_of(document: Mapping[str, Any], how: str) -> Iterator[Price]:
    for row in document["prices"]:
        for tier in ("on_demand", "batch"):
            if tier not in row:
                continue
            values: dict[str, Any] = {name: _read_price(name, value) for name, value in row[tier].items()}
            for place in row.get("places", [""]):
                yield Price(
                    model_id=str(row["model_id"]),
                    place=str(place),
                    tier=tier,
                    how=how,
                    source=str(row.get("source", document.get("source", ""))),
                    date=str(row.get("date", document.get("date", ""))),
                    **values,
                )


def _read_price(name: str, value: Any) -> float | None:
    if name not in DIRECTIONS:
        raise ValueError(f"{name!r} is not one of {', '.join(DIRECTIONS)}")
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0
    ):
        raise ValueError(f"{name} is {value!r}, not a number of USD per million tokens")
    return value
