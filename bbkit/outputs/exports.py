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
from bbkit.core.frames import Collected, is_absent, require_columns
from bbkit.core.text import count_noun, guard_formulas

_ROWS = 10_000


def export_records(outputs: pd.DataFrame, path: str | Path, *, guard: bool = True) -> Path:
    """Write rows to a file that appears whole: CSV, Parquet or JSON lines, by its name.

    In CSV, what a spreadsheet would run as a formula (https://owasp.org/www-community/attacks/CSV_Injection)
    gets an apostrophe in front, also behind blanks and where the dialects of ``;`` and tab cut a cell; a
    warning says how many cells that changed, and `read_source` takes it out. Parquet and JSON lines keep all.

    Parameters
    ----------
    outputs : pandas.DataFrame
        What `collect_outputs` returned, or any selection of it; an index is written where it has a name.
    path : str or Path
        A name ending in ``.csv`` (UTF-8 with a byte order mark, which spreadsheets need), ``.parquet`` or
        ``.jsonl``; what is there is replaced.
    guard : bool
        Whether to guard cells of a CSV; without, no spreadsheet program may open it.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    bbkit.core.errors.InputError
        If the name has another ending, or `outputs` is no frame or has two columns of one name.
    """
    require_columns(outputs, (), "Pass what collect_outputs returned, or rows of it.")
    path = Path(path)
    write = (_WRITERS | {".csv": partial(_write_csv, guard=guard)}).get(path.suffix.lower())
    if write is None:
        raise InputError(f"Cannot tell the format of {path.name!r}. End it in {', '.join(_WRITERS)}.")
    if named := [name for name in outputs.index.names if name is not None and name not in outputs.columns]:
        outputs = outputs.reset_index(level=named)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        write(outputs, beside)
    return path


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
    ".parquet": _write_parquet,
    ".jsonl": _write_jsonl,
}
