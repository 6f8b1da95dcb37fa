"""Files of prices, read strictly: what is not understood is refused."""

import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bbkit.core.errors import InputError

DIRECTIONS = ("input", "output", "cache_read", "cache_write")
TIERS = ("on_demand", "batch")
UNIT = "USD per million tokens"
_HEAD = ("date", "unit", "source", "note", "prices")
_ROW = ("model_id", "places", *TIERS, "source", "date", "note")


def read_price_file(path: Path) -> list[dict[str, Any]]:
    """Read a price file of one's own."""
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(f"The price file {str(path)!r} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"The price file {path.name} is not JSON ({error}).") from error
    try:
        return list(price_rows_of(document))
    except ValueError as error:
        raise InputError(f"The price file {path.name} is not of the form of load_prices: {error}.") from error


def price_rows_of(document: Any) -> Iterator[dict[str, Any]]:
    """Every price of a document, by model, place and tier."""
    _refuse_names(document, _HEAD, "the file")
    if str(document.get("unit", UNIT)).strip().lower() != UNIT.lower():
        raise ValueError(f"unit is {document['unit']!r}, and only {UNIT!r} is read")
    if not isinstance(document.get("prices"), list):
        raise ValueError("it has no list of prices")
    seen = set()
    for row in document["prices"]:
        _refuse_names(row, _ROW, "a price")
        model_id = row.get("model_id")
        if not isinstance(model_id, str) or not model_id.strip():
            raise ValueError(f"a price has the model_id {model_id!r}, not the id or ARN of a model")
        said = {
            "source": str(row.get("source", document.get("source", ""))),
            "date": _read_date(row.get("date", document.get("date", ""))),
        }
        for tier, values in _tiers_of(row, model_id):
            for place in _places_of(row, model_id):
                if (model_id, place, tier) in seen:
                    raise ValueError(f"{model_id} has two {tier} prices for {place or 'anywhere'}")
                seen.add((model_id, place, tier))
                yield {"model_id": model_id, "place": place, "tier": tier, **values, **said}


def _refuse_names(given: Any, accepted: tuple[str, ...], what: str) -> None:
    if not isinstance(given, Mapping):
        raise ValueError(f"{what} is {given!r:.40}, not an object")
    for name in given:
        if name not in accepted:
            raise ValueError(f"{what} has {name!r}, and only {', '.join(accepted)} are read")


def _places_of(row: Mapping[str, Any], model_id: str) -> list[str]:
    places = row.get("places", [""])
    if not isinstance(places, list) or not places or not all(isinstance(place, str) for place in places):
        raise ValueError(f'places of {model_id} is {places!r:.40}, not a list such as ["us-east-1"]')
    return places


def _tiers_of(row: Mapping[str, Any], model_id: str) -> Iterator[tuple[str, dict[str, float | None]]]:
    """The prices of a row by tier; those of batch may lack an input that half of on demand tells."""
    found = {}
    for tier in TIERS:
        if tier in row:
            _refuse_names(row[tier], DIRECTIONS, f"{tier} of {model_id}")
            found[tier] = {name: _read_price(name, value, model_id) for name, value in row[tier].items()}
    if not found:
        raise ValueError(f"{model_id} has neither on_demand nor batch")
    for tier, values in found.items():
        if all(values.get("input") is None for values in (values, found.get("on_demand", {}))):
            raise ValueError(f"{tier} of {model_id} has no price of input")
        yield tier, values


def _read_price(name: str, value: Any, model_id: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} of {model_id} is {value!r}, not a number of {UNIT}")
    return value


def _read_date(value: Any) -> str:
    """The day, or the month, of an ISO date or time; an empty one stays so."""
    if value == "":
        return ""
    try:
        text = str(value)
        if len(text) == 7:
            dt.date.fromisoformat(f"{text}-01")
            return text
        return dt.datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        raise ValueError(f"date is {value!r}, not a day such as 2026-11-23") from None
