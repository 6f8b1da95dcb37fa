"""The numbers that head a page."""

from collections.abc import Mapping
from typing import Any

from bbkit.costs.views import say_usd

_TILES = {
    "sent": "sent",
    "succeeded": "succeeded",
    "errored": "errored",
    "missing": "missing",
    "pending": "pending",
    "cut_off": "cut off",
    "unreadable": "unreadable lines",
    "duplicate": "duplicate lines",
    "unexpected": "unexpected ids",
    "records": "records",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "cost_usd": "cost in US$",
}
_ALWAYS = {"sent", "records", "succeeded", "input_tokens", "output_tokens"}
_SHARES = {"succeeded", "errored", "missing", "pending", "cut_off"}


def make_tiles(numbers: Mapping[str, Any]) -> list[dict[str, str]]:
    """Choose the numbers that head the page: name, label, value, and a share, range or word about it."""
    tiles = []
    for name, label in _TILES.items():
        value = numbers.get(name)
        if (
            name not in numbers
            or (name not in _ALWAYS and value == 0)
            or (name == "records" and "sent" in numbers)
        ):
            continue
        tiles.append(
            {"name": name, "label": label, "value": _number(name, value), "note": _note(name, numbers)}
        )
    return tiles


def _note(name: str, numbers: Mapping[str, Any]) -> str:
    value, sent = numbers[name], numbers.get("sent")
    if name in _SHARES and value is not None and sent:
        return f"{100 * value / sent:.1f} % of sent" if value < sent else "all of them"
    is_estimate = "cost_high_usd" in numbers and "answered" not in numbers
    if name == "cost_usd" and value is not None:
        if is_estimate:
            low, high = (_number(name, numbers.get(f"cost_{end}_usd")) for end in ("low", "high"))
            return f"estimated, {low} to {high}"
        return "at least; not everything has a price" if numbers.get("at_least") else ""
    return "estimated" if is_estimate and name in ("input_tokens", "output_tokens") else ""


def _number(name: str, value: Any) -> str:
    if value is None:
        return "not known"
    if name.endswith("_usd"):
        return say_usd(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
