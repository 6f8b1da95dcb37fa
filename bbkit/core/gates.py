"""Conditions on numbers, such as ``errored gt 0``: the one grammar of ``--fail-on`` and of ``until=``."""

import difflib
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bbkit.core.errors import InputError
from bbkit.core.text import name_some

OPERATORS = {name: getattr(operator, name) for name in ("gt", "ge", "lt", "le", "eq", "ne")}


@dataclass(frozen=True)
class Gate:
    name: str
    operator: str
    bound: float

    def __str__(self) -> str:
        return f"{self.name} {self.operator} {self.bound:g}"

    def holds(self, value: Any) -> bool:
        return bool(OPERATORS[self.operator](value, self.bound))

    def require_number(self, known: Mapping[str, Any], what: str) -> None:
        if self.name not in known:
            near = difflib.get_close_matches(self.name, list(known), n=1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            has = f"it has {name_some(known, most=12)}" if known else "it has none"
            raise InputError(f"The {what} has no number {self.name!r}; {has}.{guess}")


def read_gates(conditions: Iterable[str | Sequence[object]]) -> tuple[Gate, ...]:
    gates = []
    for condition in conditions:
        parts = condition.split() if isinstance(condition, str) else list(condition)
        if len(parts) != 3:
            raise InputError(f"A condition is NAME OPERATOR NUMBER, such as errored gt 0, not {condition!r}.")
        name, word, bound = str(parts[0]), str(parts[1]), str(parts[2])
        if word not in OPERATORS:
            raise InputError(f"There is no operator {word!r}; it is one of {', '.join(OPERATORS)}.")
        try:
            gates.append(Gate(name, word, float(bound)))
        except ValueError:
            gates.append(Gate(name, word, math.nan))
        if math.isnan(gates[-1].bound):
            raise InputError(f"{bound!r} is not a number to compare {name!r} with.")
        if name.endswith("_share") and not 0 <= gates[-1].bound <= 1:
            raise InputError(f"{name} is compared with {bound}; a share is from 0 to 1.")
    return tuple(gates)
