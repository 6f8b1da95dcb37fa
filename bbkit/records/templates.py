"""Prompt templates: `{column}` is filled; nothing in a cell is a template."""

import datetime as dt
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd

from bbkit.core.errors import InputError
from bbkit.core.frames import no_column
from bbkit.records.lines import plain_value

_PARTS = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class Template:
    """Text with `{column}` places; ``{{`` and ``}}`` stand for the braces themselves."""

    def __init__(self, text: str, name: str = "prompt"):
        if not isinstance(text, str):
            raise InputError(f"{name} is of type {type(text).__name__}; it takes text, such as '{{column}}'.")
        self.text, self.name = text, name
        self._slots: list[tuple[str, str]] = []
        literal, end = "", 0
        for match in _PARTS.finditer(text):
            literal += text[end : match.start()]
            end = match.end()
            if match[0] in ("{{", "}}"):
                literal += match[0][0]
            elif match[1]:
                self._slots.append((literal, match[1]))
                literal = ""
            else:
                raise InputError(
                    f"The {name} has a lone {match[0]!r} at character {match.start() + 1:,}. Braces hold a "
                    "column's name, as in {transcript}; double them, {{ and }}, for braces in the text."
                )
        self._end = literal + text[end:]

    @property
    def columns(self) -> list[str]:
        """The columns it names, each once, in order."""
        return list(dict.fromkeys(name for _, name in self._slots))

    def render(self, data: pd.DataFrame, *, null_cells: str = "error", first_row: int = 1) -> list[str]:
        """Fill the template for every row."""
        if absent := [name for name in self.columns if name not in data.columns]:
            remedy = f"The {self.name} names it; double the braces, {{{{ and }}}}, for text in braces."
            raise no_column(absent, data.columns, remedy, "data")
        cells = {
            name: cell_texts(data[name], null_cells=null_cells, first_row=first_row) for name in self.columns
        }
        parts = [part for literal, name in self._slots for part in (repeat(literal), cells[name])]
        return list(map("".join, zip(*parts, repeat(self._end, len(data)), strict=False)))


def cell_texts(column: pd.Series, *, null_cells: str = "error", first_row: int = 1) -> list[str]:
    """Every cell of a column as the text that goes into a prompt."""
    if null_cells not in ("error", "empty"):
        raise InputError(f"null_cells is {null_cells!r}; it takes 'error' or 'empty'.")
    null = column.isna().to_numpy(dtype=bool)
    if null.any():
        if null_cells == "error":
            rows = (np.flatnonzero(null) + first_row).tolist()
            named = ", ".join(f"{row:,}" for row in rows[:3]) + (", ..." if len(rows) > 3 else "")
            raise InputError(
                f"Column {column.name!r} is null in {len(rows):,} rows (row {named}). "
                f"Leave them out with data.dropna(subset=[{column.name!r}]), or pass null_cells='empty'."
            )
        column = column.astype(object).where(~null, "")
    return [
        value if type(value) is str else _text_of(value, column.name, row)
        for row, value in enumerate(column.to_list(), first_row)
    ]


def _text_of(value: Any, column: object, row: int) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    value = plain_value(value)
    if isinstance(value, bool | int | float | dict | list | tuple):
        try:
            return json.dumps(value, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            pass
    raise InputError(
        f"Column {column!r}, row {row:,} holds {type(value).__name__} {str(value)[:40]!r}, which has no text "
        "form for a prompt. Turn the column into text, numbers, truth values, dates, lists or mappings."
    )


def plain_values(column: pd.Series) -> Sequence[Any]:
    """Every cell as a plain Python value, None where it is null."""
    null = column.isna().to_numpy(dtype=bool)
    cells = zip(column.to_list(), null, strict=True)
    return [None if nothing else plain_value(value) for value, nothing in cells]
