"""Rows as an Excel workbook: texts stay texts, so that ids keep their zeros and digits and nothing is run."""

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from bbkit.core.errors import InputError, require_extras
from bbkit.core.frames import is_absent

# https://support.microsoft.com/en-us/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3
_MOST_ROWS, _MOST_COLUMNS, _MOST_CHARACTERS, _MOST_DIGITS = 1_048_575, 16_384, 32_767, 15
# What XML cannot hold or changes, and what Excel would read as such: ECMA-376 part 1, 22.9.2.19 (ST_Xstring).
_ESCAPED = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")


def write_workbook(rows: Any, columns: Sequence[Any], path: Path, *, as_text: Callable[[Any], str]) -> None:
    """Write frames of rows to the one sheet of a workbook; `as_text` writes what Excel has no kind for."""
    require_extras("Writing Excel workbooks", "excel")
    if len(rows) > _MOST_ROWS or len(columns) > _MOST_COLUMNS:
        raise InputError(
            f"{len(rows):,} rows of {len(columns):,} columns are more than a sheet holds "
            f"({_MOST_ROWS:,} below their names, of {_MOST_COLUMNS:,}). Write a .parquet or a .csv."
        )
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("records")

    def cell(name: str, value: Any) -> Any:
        value = value.item() if isinstance(value, np.generic) else value
        plain = None if is_absent(value) else as_text(value) if _is_text(value) else value
        if not isinstance(plain, str):
            return plain
        if len(plain) > _MOST_CHARACTERS:
            raise InputError(
                f"A cell of column {name!r} holds {len(plain):,} characters; Excel takes "
                f"{_MOST_CHARACTERS:,}. Leave the column out, or write a .parquet or a .csv."
            )
        made = WriteOnlyCell(sheet, _ESCAPED.sub(lambda found: f"_x{ord(found[0]):04X}_", plain))
        made.data_type, made.number_format = "s", "@"  # also what begins with = or looks like a number
        return made

    names = [str(name) for name in columns]
    with closing(sheet):
        sheet.append([cell(name, name) for name in names])
        for row in chain.from_iterable(frame.itertuples(index=False, name=None) for frame in rows):
            sheet.append([cell(*pair) for pair in zip(names, row, strict=True)])
    book.save(path)


def _is_text(value: Any) -> bool:
    """Whether Excel has a value only as text, such as a number of more digits than it keeps."""
    if isinstance(value, int):
        return len(str(abs(value))) > _MOST_DIGITS
    return not isinstance(value, float) or not np.isfinite(value)
