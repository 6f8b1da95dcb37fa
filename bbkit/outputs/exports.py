"""Exports: any selection of rows as a file for people and programs without Python."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from msgspec.structs import replace

from bbkit.core.errors import InputError
from bbkit.core.files import replacing
from bbkit.core.frames import Collected, is_absent, no_column, require_columns
from bbkit.core.text import count_noun, guard_formulas
from bbkit.outputs.workbooks import write_workbook

_ROWS = 10_000


def export_records(
    outputs: pd.DataFrame, path: str | Path, *, guard: bool = True, with_source: bool = False
) -> Path:
    """Write rows to a file that appears whole: CSV, Excel, Parquet or JSON lines, by its name.

    In CSV, what a spreadsheet would run as a formula (https://owasp.org/www-community/attacks/CSV_Injection)
    gets an apostrophe in front, also behind blanks and where the dialects of ``;`` and tab cut a cell; a
    warning says how many cells that changed, and `read_source` takes it out. Parquet, JSON lines and Excel
    keep all.

    Ids come back as they were: as texts in Parquet and JSON lines; in Excel in cells of the kind text, which
    a spreadsheet program leaves as they are; from a CSV by `read_source`, or with ``dtype=str``, since
    pandas alone, and a spreadsheet program that opens a CSV, make numbers of digits.

    Parameters
    ----------
    outputs : pandas.DataFrame
        What `collect_outputs` returned, or any selection of it; an index is written where it has a name.
    path : str or Path
        A name ending in ``.csv`` (UTF-8 with a byte order mark, which spreadsheets need), ``.xlsx``
        (openpyxl, ``bbkit[excel]``), ``.parquet`` or ``.jsonl``; what is there is replaced.
    guard : bool
        Whether to guard cells of a CSV; without, no spreadsheet program may open it.
    with_source : bool
        Columns of the source (``source_columns=`` of `collect_outputs`) first and under their own names,
        then those of `parse_answers`, then all others. A name that an output has stays ``source.<name>``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    bbkit.core.errors.InputError
        If the name has another ending, `outputs` is no frame or has two columns of one name, it has none of
        the source to begin with, or more than a sheet of Excel holds.
    bbkit.core.errors.ExtraError
        For Excel, if openpyxl is not installed.
    """
    require_columns(outputs, (), "Pass what collect_outputs returned, or rows of it.")
    path = Path(path)
    write = (_WRITERS | {".csv": partial(_write_csv, guard=guard)}).get(path.suffix.lower())
    if write is None:
        raise InputError(f"Cannot tell the format of {path.name!r}. End it in {', '.join(_WRITERS)}.")
    if named := [name for name in outputs.index.names if name is not None and name not in outputs.columns]:
        outputs = outputs.reset_index(level=named)
    if with_source:
        outputs = _lead_with_source(outputs)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        write(outputs, beside)
    return path


def _lead_with_source(outputs: pd.DataFrame) -> pd.DataFrame:
    """The user's own table, then the answers, then what else is known."""
    names = {str(name): str(name).removeprefix("source.") for name in outputs.columns}
    if not any(name != own for name, own in names.items()):
        remedy = "Pass source_columns= to collect_outputs to bring columns of the source along."
        raise no_column(["source.<name>"], outputs.columns, remedy)
    kept = {name: name if own in names else own for name, own in names.items()}
    answers = ("answer.", "answer_", "validity")
    first = sorted(names, key=lambda name: (not name.startswith("source."), not name.startswith(answers)))
    return outputs[first].rename(columns=kept)


def _write_csv(outputs: pd.DataFrame, path: Path, *, guard: bool = True) -> None:
    changed = 0

    def guarded(cell: Any) -> str:
        nonlocal changed
        text = _text(cell)
        safe = guard_formulas(text) if guard else text
        changed += safe != text
        return safe

    names = [guarded(str(name)) for name in outputs.columns]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        for low in range(0, max(len(outputs), 1), _ROWS):
            texts = outputs.iloc[low : low + _ROWS].set_axis(names, axis=1)
            for name in texts.select_dtypes(exclude=["number", "datetime", "datetimetz"]):
                texts[name] = texts[name].astype(object).map(guarded, na_action="ignore")
            # csv quotes what holds a character of the line end; a lone \r inside a text needs that.
            texts.to_csv(file, index=False, header=not low, lineterminator="\r\n")
    if changed:
        told = f"{count_noun(changed, 'cell')} got an apostrophe before what a spreadsheet would run"
        warnings.warn(f"{told}. read_source takes it out; guard=False leaves them.", stacklevel=3)


def _text(cell: Any) -> str:
    """A cell as text: what is nested as JSON."""
    is_nested = isinstance(cell, list | tuple | dict | np.ndarray)
    return msgspec.json.encode(cell, enc_hook=_plain).decode() if is_nested else str(cell)


def _write_parquet(outputs: pd.DataFrame, path: Path) -> None:
    # Paths of this machine and lines that are no rows stay here.
    collected = replace(Collected.of(outputs), unmatched=[], paths={}, sent_paths=[], price_file="")
    collected.attach(outputs.copy(deep=False)).to_parquet(path, index=False)


def _write_jsonl(outputs: pd.DataFrame, path: Path) -> None:
    encoder = msgspec.json.Encoder(enc_hook=_plain)
    with path.open("wb") as file:
        for low in range(0, len(outputs), _ROWS):
            part = outputs.iloc[low : low + _ROWS].astype(object)
            for row in part.to_dict("records"):
                known = {str(name): None if is_absent(cell) else cell for name, cell in row.items()}
                file.write(encoder.encode(known) + b"\n")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".csv": _write_csv,
    ".xlsx": partial(write_workbook, as_text=_text),
    ".parquet": _write_parquet,
    ".jsonl": _write_jsonl,
}
