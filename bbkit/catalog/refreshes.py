"""What AWS says today of prices, models, profiles and quotas, read into files of the user's own.

How the Price List names models, directions and units is dated data, ``catalog/data/price_list.json``.
"""

import datetime as dt
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

from bbkit import aws
from bbkit.catalog.models import Key, model_keys, name_keys
from bbkit.catalog.prices import UNIT
from bbkit.catalog.quotas import match_quotas
from bbkit.core.errors import AwsError, InputError
from bbkit.core.files import read_data, write_text
from bbkit.core.text import count_noun
from bbkit.families import family_name, find_model, geographies_of, model_table, split_model_id

_API = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_"
_CALLS = ("ListFoundationModels", "ListInferenceProfiles")

PriceTable = dict[tuple[str, str, str], dict[str, float]]
"""Prices by direction of each (model id, region or geography, tier)."""


class Usage(NamedTuple):
    """What a usage type says: the model's name as it is written, direction, tier and scope."""

    name: str
    direction: str
    tier: str
    scope: str


def parse_usage(usagetype: str) -> Usage | None:
    text = re.sub(r"^[A-Z]{2,4}\d*-", "", usagetype)
    text = re.sub(r"^MP:[A-Z0-9]+_", "", text).removesuffix("-Units")
    known = read_data("price_list")
    match = re.search(known["direction"], text, re.IGNORECASE)
    if not match or re.search(known["skipped"], text, re.IGNORECASE):
        return None
    name = re.sub(r"-(?:mantle|text)$", "", text[: match.start()].rstrip("-_"), flags=re.IGNORECASE)
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+", text[match.start() :])}
    direction = f"cache_{match['cache']}" if match["cache"] else match["way"]
    scope = "global" if "global" in words else "geo" if "geo" in words else ""
    direction += "_1h" if match["hour"] else ""
    return Usage(name, direction.lower(), "batch" if "batch" in words else "on_demand", scope)


def read_products(
    products: Iterable[Mapping[str, Any]], model_ids: Iterable[str], region: str, service: str = ""
) -> tuple[PriceTable, Counter[str]]:
    """Pick token prices of known models out of products of the Price List."""
    models: dict[Key, str] = {key: model_id for model_id in model_ids for key in model_keys(model_id)}
    prices: PriceTable = {}
    passed: Counter[str] = Counter()
    for product in products:
        attributes = (product.get("product") or {}).get("attributes") or {}
        usagetype = str(attributes.get("usagetype", ""))
        usage = parse_usage(usagetype)
        if usage is None or attributes.get("regionCode", region) != region:
            continue
        model_id = _model_of(usage, attributes, models)
        if not model_id:
            passed["of models not in the list"] += 1
            continue
        price = _price_of(product, service or str(attributes.get("servicecode", "")))
        if price is None or (price == 0 and usage.direction != "cache_write"):
            # A price of 0 is not set yet, where writing to a cache may well be free.
            passed["in a unit that is not known, or of 0"] += 1
            continue
        regions = (usage.scope or region,) if usage.scope != "geo" else geographies_of(region) or (region,)
        for name in regions:
            row = prices.setdefault((model_id, name, usage.tier), {})
            if usage.direction not in row or "-mantle-" not in usagetype:
                row[usage.direction] = price
    return prices, passed


def _model_of(usage: Usage, attributes: Mapping[str, Any], models: Mapping[Key, str]) -> str:
    service = str(attributes.get("servicename", "")).removesuffix(read_data("price_list")["edition"])
    # An id within the usage type has its provider in front, which the name of a model has not.
    plain = re.sub(r"^[a-z0-9]+\.(?=[a-z])", "", usage.name)
    for name in (usage.name, plain, str(attributes.get("model") or ""), service):
        for key in name_keys(name) if name else ():
            if key in models:
                return models[key]
    return ""


def _price_of(product: Mapping[str, Any], service: str) -> float | None:
    """USD per million tokens; None for a unit that is not known."""
    known = read_data("price_list")
    units = known["units"] | known["services"].get(service, {})
    for term in ((product.get("terms") or {}).get("OnDemand") or {}).values():
        for dimension in ((term or {}).get("priceDimensions") or {}).values():
            unit = str(dimension.get("unit", "")).strip().lower().replace(",", "")
            try:
                usd = Decimal(str((dimension.get("pricePerUnit") or {}).get("USD", "")))
            except InvalidOperation:
                continue
            if unit in units and usd >= 0:
                return float(usd * units[unit])
    return None


def refresh_prices(output: str | Path, *, region: str = "us-east-1") -> str:
    """Read today's prices from the AWS Price List into a file that `load_prices` takes; what was read."""
    path = find_place(output)
    rows, passed = read_prices(region)
    document = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "unit": UNIT,
        "source": f"AWS Price List, {region}",
        "prices": rows,
    }
    write_text(path, json.dumps(document, indent=1))
    count = sum(len(row.get(tier, {})) for row in rows for tier in ("on_demand", "batch"))
    left = ", ".join(f"{times:,} {reason}" for reason, times in passed.items())
    tail = f"; passed over {left}" if left else ""
    models = len({row["model_id"] for row in rows})
    return f"{count:,} prices of {models:,} models in {region} written to {path}{tail}"


def find_place(output: str | Path) -> Path:
    """The path of a file to write, in a folder that is there."""
    path = Path(output)
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"would be in {str(path.parent)!r}, which is no folder"
        raise InputError(f"{str(output)!r} {what}. Name a file in a folder that is there.")
    return path


def read_prices(region: str) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Read a region's token prices as rows of a price file, and count what was passed over."""
    model_ids = list(model_table().models)
    prices: PriceTable = {}
    passed: Counter[str] = Counter()
    request = {"Filters": [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": region}]}
    for service in read_data("price_list")["services"]:
        # The API of the Price List is in us-east-1, whichever region is asked for.
        pages = aws.iter_pages("pricing", "get_products", "us-east-1", ServiceCode=service, **request)
        products = (json.loads(product) for page in pages for product in page["PriceList"])
        rows, reasons = read_products(products, model_ids, region, service)
        for key, row in rows.items():
            prices[key] = row | prices.get(key, {})
        passed += reasons
    for key in list(prices):  # no cost could be made of prices without one for input, also none on demand
        if not any("input" in prices.get((*key[:2], tier), {}) for tier in (key[2], "on_demand")):
            passed["without a price of input"] += len(prices.pop(key))
    if not prices:
        raise AwsError(
            f"The AWS Price List has no token prices for {region}. Look whether it is a region of Bedrock."
        )
    tiers: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for model_id, name, tier in sorted(prices, key=lambda key: (*key[:2], key[2] == "batch")):
        tiers.setdefault((model_id, name), {})[tier] = prices[model_id, name, tier]
    return [{"model_id": key[0], "places": [key[1]], **rows} for key, rows in tiers.items()], passed


def refresh_catalog(output: str | Path) -> str:
    """Read what AWS says today into a file for BBKIT_CATALOG to name; what it refuses is told."""
    path, region, today = find_place(output), aws.find_region(), dt.datetime.now(dt.UTC).date().isoformat()
    sources = {name: {"url": f"{_API}{name}.html", "date": today} for name in _CALLS}
    read, refused = [], []

    def tried(noun: str, reader: Callable[[], Any]) -> Any:
        try:
            found = reader()
        except AwsError as error:
            refused.append(f"The {noun}s could not be read: {error}")
            return {}
        read.append(count_noun(len(found), noun))
        return found

    rows = tried("model", _read_models)
    models = {"sources": sources, **({"refreshed": today} if rows else {})}
    for model_id, geographies in tried("inference profile", _read_profiles).items():
        if model_id in rows or find_model(model_id):
            traits = rows.setdefault(model_id, {"model_id": model_id, "traits": {}})["traits"]
            traits["geographies"] = {"value": geographies, "source": _CALLS[1]}
    quotas = tried("quota", lambda: _read_quotas(f"Service Quotas of this account in {region}, {today}"))
    prices = tried("price", lambda: read_prices(region)[0]) or []
    if not read:
        raise AwsError(" ".join(refused))
    document = {
        "models": models | {"models": list(rows.values())},
        "quotas": {"models": quotas},
        "price_list": {"date": today, "source": f"AWS Price List, {region}", "prices": prices},
    }
    write_text(path, json.dumps(document, indent=1))
    told = f"{', '.join(read)} of {region} written to {path}, used where BBKIT_CATALOG={path} is set."
    return "\n".join([told, *refused])


def _read_models() -> dict[str, Any]:
    rows = {}
    for told in aws.call("bedrock", "list_foundation_models")["modelSummaries"]:
        model_id, life = told["modelId"], told.get("modelLifecycle") or {}
        if not (family := family_name(model_id)) or "status" not in life:
            continue
        days = {"legacy_from": life.get("legacyTime"), "end_of_life": life.get("endOfLifeTime")}
        values: dict[str, Any] = {name: day and day.date().isoformat() for name, day in days.items()}
        values["lifecycle"] = life["status"].lower()
        if inputs := told.get("inputModalities"):
            values["inputs"] = [name.lower() for name in inputs]
        traits = {name: {"value": value, "source": _CALLS[0]} for name, value in values.items()}
        head = {"model_id": model_id, "provider": told.get("providerName") or family, "family": family}
        rows[model_id] = head | {"traits": traits}
    return rows


def _read_profiles() -> dict[str, list[str]]:
    """The geographies of each model, with those known of it: other regions have others."""
    found: dict[str, set[str]] = defaultdict(set)
    pages = aws.iter_pages("bedrock", "list_inference_profiles", typeEquals="SYSTEM_DEFINED")
    for told in (profile for page in pages for profile in page["inferenceProfileSummaries"]):
        _, geography, model_id = split_model_id(told["inferenceProfileId"])
        model = find_model(model_id)
        found[model_id].update([geography], (model and model.traits.geographies) or ())
    return {model_id: sorted(names) for model_id, names in found.items()}


def _read_quotas(note: str) -> dict[str, Any]:
    listing = list(aws.iter_quotas())
    of = {name: match_quotas(listing, name) for name, model in model_table().models.items() if model.batch}
    return {name: {**values, "note": note} for name, values in of.items() if values}
