"""The numbers that a notebook's results carry, and the gate of `--fail-on`."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from bbkit.core.gates import Gate
from bbkit.core.text import count_noun

_WARNED = re.compile(r"^\S.*?:\d+: UserWarning: (.+)$", re.MULTILINE)
"""A warning of bbkit's, or of anyone about data, as Python prints it."""


def gather_bundles(notebook: Any) -> list[dict[str, Any]]:
    """List the results that outputs of a notebook carry for machines, in the notebook's order."""
    from bbkit.core.frames import BUNDLE

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    bundles = [output["data"].get(BUNDLE) for output in outputs if "data" in output]
    logs = "\n".join("".join(output["text"]) for output in outputs if output.get("name") == "stderr")
    if rows := [{"finding": text} for text in _WARNED.findall(logs)]:
        sentence, numbers = count_noun(len(rows), "warning"), {"warnings": len(rows)}
        bundles.append({"kind": "warnings", "sentence": sentence, "numbers": numbers, "rows": rows})
    return [
        {**bundle, "numbers": _known_numbers(bundle["numbers"]), "facts": _facts(bundle.get("facts"))}
        for bundle in bundles
        if isinstance(bundle, dict) and isinstance(bundle.get("numbers"), dict)
    ]


def _known_numbers(numbers: dict[Any, Any]) -> dict[str, Any]:
    """Keep what can be compared; anything else of that name is not known."""
    return {
        str(name): value if type(value) in (int, float) and math.isfinite(value) else None
        for name, value in numbers.items()
    }


def _facts(facts: Any) -> dict[str, list[str]]:
    listed = facts.items() if isinstance(facts, dict) else ()
    return {str(name): list(map(str, values)) for name, values in listed if isinstance(values, list)}


def replace_nan(value: Any) -> Any:
    """Return JSON data without NaN and infinities, which JSON does not have: they become null."""
    if isinstance(value, list):
        return [replace_nan(item) for item in value]
    if isinstance(value, dict):
        return {key: replace_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def collect_numbers(bundles: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Name every number of the bundles; where several carry the same name, the last known one stands."""
    numbers: dict[str, Any] = {}
    for bundle in bundles:
        for name, value in bundle["numbers"].items():
            if value is not None or name not in numbers:
                numbers[name] = value
    return numbers


def check_gates(gates: Iterable[Gate], bundles: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Say which conditions are met, comparing with every value of that name in the notebook."""
    known = collect_numbers(bundles)
    met = []
    for gate in gates:
        gate.require_number(known, "report")
        values = [bundle["numbers"][gate.name] for bundle in bundles if gate.name in bundle["numbers"]]
        for value in values:
            if value is None or gate.holds(value):
                met.append(f"{gate} ({gate.name} is {'not known' if value is None else f'{value:,}'})")
                break
    return tuple(met)
