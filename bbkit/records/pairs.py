"""Records in memory, as pairs of an id and a body."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bbkit.core.errors import InputError


def iter_pairs(records: Any) -> Iterator[tuple[Any, Any]]:
    """Every record in memory as its id and its body, neither looked at."""
    if not isinstance(records, Iterable):
        raise InputError(f"What is given as records is {_kind(records)}. {_ACCEPTED}")
    for number, part in enumerate([records] if isinstance(records, pd.DataFrame) else records, 1):
        if isinstance(part, pd.DataFrame):
            yield from _frame_pairs(part)
        elif isinstance(part, tuple | list) and len(part) == 2:
            yield part[0], part[1]
        elif isinstance(part, Mapping) and "modelInput" in part:
            yield part.get("recordId"), part["modelInput"]
        else:
            raise InputError(f"Item {number:,} of the records is {_kind(part)}. {_ACCEPTED}")


_ACCEPTED = (
    "Give a frame of build_records, chunks of it, pairs (record_id, model_input), "
    'objects {"recordId": ..., "modelInput": {...}}, or the path of a .jsonl file or folder.'
)


def _kind(value: Any) -> str:
    name = f"of type {type(value).__name__}"
    if isinstance(value, tuple | list):
        return f"{name} with {len(value):,} members"
    return f"{name}, without modelInput" if isinstance(value, Mapping) else name


def _frame_pairs(frame: pd.DataFrame) -> Iterator[tuple[Any, Any]]:
    if absent := {"record_id", "model_input"} - set(frame.columns):
        raise InputError(
            f"The frame has no column {', '.join(sorted(absent))}; build_records makes one row per "
            "record with record_id and model_input."
        )
    ids = frame["record_id"]
    texts = ids.astype(object).where(ids.notna(), None).to_list()
    yield from zip(texts, frame["model_input"].to_list(), strict=True)


def holds_nan(body: Any) -> bool:
    """Tell whether a body in memory holds a number that JSON has not, which would be written as null."""
    waiting = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, float | np.floating):
            if not math.isfinite(value):
                return True
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list | tuple | np.ndarray):
            waiting += value
    return False
