"""Exports: any selection of rows as a file for people and programs without Python."""

import json
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
from msgspec.structs import replace

from bbkit import aws
from bbkit.core.datasets import TABLE_COLUMNS, as_rows, count_rows, head_of, is_dataset, iter_frames
from bbkit.core.errors import InputError, require_extras
from bbkit.core.files import naming_place, replacing
from bbkit.core.formulas import MAY_RUN, guard_formulas
from bbkit.core.frames import FIELD, TEXT, Collected, is_absent, no_column, require_columns
from bbkit.core.text import count_noun
from bbkit.outputs.parts import is_remote


def export_records(
    outputs: Any, path: str | Path, *, guard: bool = True, with_source: bool = False
) -> str | Path:
    """Write rows to a file that appears whole: CSV, Excel, Parquet or JSON lines, by its name.

    In CSV, what a spreadsheet would run as a formula (https://owasp.org/www-community/attacks/CSV_Injection)
    gets an apostrophe in front, also behind blanks and where the dialects of ``;`` and tab cut a cell; a
    warning says how many cells that changed, and `read_source` takes it out. Parquet, JSON lines and Excel
    keep all.

    Ids come back as they were: as texts in Parquet and JSON lines; in Excel in cells of the kind text, which
    a spreadsheet program leaves as they are; from a CSV by `read_source`, or with ``dtype=str``, since
    pandas alone, and a spreadsheet program that opens a CSV, make numbers of digits. A CSV holds no types:
    booleans come back as the texts ``True`` and ``False``, numbers such as ``1e-07`` as texts, an empty text
    as null; the others keep them.

    Parameters
    ----------
    outputs : pandas.DataFrame or Accounting
        What `collect_outputs` returned, or any selection of it, or a data set, which is written batch by
        batch, without the columns that only its table in S3 has; an index is written where it has a name.
    path : str, Path or S3 URI
        A name ending in ``.csv`` (UTF-8 with a byte order mark, which spreadsheets need), ``.xlsx``
        (openpyxl, ``bbkit[excel]``), ``.parquet`` or ``.jsonl``; what is there is replaced.
    guard : bool
        Whether to guard cells of a CSV; without, no spreadsheet program may open it.
    with_source : bool
        The id, then columns of the source (``source_columns=True`` of `collect_outputs` brings all) under
        their own names, then those of `parse_answers`, then all others. A name that an output has stays
        ``source.<name>``.

    Returns
    -------
    Path or str
        The file, or the URI.

    Raises
    ------
    bbkit.core.errors.InputError
        If the name has another ending, `outputs` is no frame or has two columns of one name, it has none of
        the source to begin with, or more than a sheet of Excel holds.
    bbkit.core.errors.ExtraError
        For Excel, if openpyxl is not installed.
    """
    head = head_of(outputs)
    require_columns(head, (), "Pass what collect_outputs returned, or rows of it.")
    name = str(path).rpartition("/")[2] if is_remote(path) else Path(path).name
    write = (_WRITERS | {".csv": partial(_write_csv, guard=guard)}).get(Path(name).suffix.lower())
    if write is None:
        raise InputError(f"Cannot tell the format of {name!r}. End it in {', '.join(_WRITERS)}.")
    if named := [name for name in head.index.names if name is not None and name not in head.columns]:
        outputs = head = outputs.reset_index(level=named)
    if is_dataset(outputs):
        head = head.drop(columns=[*TABLE_COLUMNS], errors="ignore")
    rows = _Rows(outputs, _lead_with_source(head) if with_source else {name: name for name in head})
    if is_remote(path):
        aws.split_s3_uri(str(path))
        with TemporaryDirectory(prefix="bbkit-") as folder:
            write(rows, file := Path(folder) / f"rows{Path(name).suffix}")
            aws.write_object(str(path), file)
        return path
    path = Path(path)
    with naming_place(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as beside:
            write(rows, beside)
    return path


_NO_TEXTS = ["number", "datetime", "datetimetz"]
# https://support.microsoft.com/en-us/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3
_MOST_ROWS, _MOST_COLUMNS, _MOST_CHARACTERS, _MOST_DIGITS = 1_048_575, 16_384, 32_767, 15
# What XML cannot hold or changes, and what Excel would read as such: ECMA-376 part 1, 22.9.2.19 (ST_Xstring).
_ESCAPED = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")


@dataclass(frozen=True)
class _Rows:
    """What is written: rows, and the names under which their columns are, in order."""

    outputs: Any
    names: dict[Any, Any]

    def __len__(self) -> int:
        return count_rows(self.outputs)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        for frame in iter_frames(self.outputs, [*self.names]):
            yield frame.set_axis([*self.names.values()], axis=1)


def _lead_with_source(outputs: pd.DataFrame) -> dict[Any, Any]:
    """The id, the user's own table, then the answers, then what else is known."""
    names = {str(name): str(name).removeprefix("source.") for name in outputs.columns}
    if not any(name != own for name, own in names.items()):
        remedy = "Pass source_columns= to collect_outputs to bring columns of the source along."
        raise no_column(["source.<name>"], outputs.columns, remedy)
    kept = {name: name if own in names else own for name, own in names.items()}
    starts = (("record_id",), ("source.",), (FIELD, "answer_", "validity"))
    first = sorted(names, key=lambda name: [not name.startswith(start) for start in starts])
    return {name: kept[name] for name in first}


def _write_csv(rows: _Rows, path: Path, *, guard: bool = True) -> None:
    names, changed = _guard(pd.Series([str(name) for name in rows.names.values()], dtype=TEXT), guard)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        for number, frame in enumerate(rows):
            columns = dict(enumerate(column for _, column in frame.items()))
            for place in frame.set_axis([*columns], axis=1).select_dtypes(exclude=_NO_TEXTS):
                columns[place], count = _guard(_as_texts(columns[place]), guard)
                changed += count
            # csv quotes what holds a character of the line end; a lone \r inside a text needs that.
            header = False if number else names.tolist()
            pd.DataFrame(columns).to_csv(file, index=False, header=header, lineterminator="\r\n")
    if changed:
        told = f"{count_noun(changed, 'cell')} got an apostrophe before what a spreadsheet would run"
        warnings.warn(f"{told}. read_source takes it out; guard=False leaves them.", stacklevel=3)


def _as_texts(column: pd.Series) -> pd.Series:
    return (
        column if column.dtype == TEXT else column.astype(object).map(_text, na_action="ignore").astype(TEXT)
    )


def _guard(texts: pd.Series, guard: bool) -> tuple[pd.Series, int]:
    """Guard texts, and count those that it changes."""
    if not guard:
        return texts, 0
    suspects = texts.str.contains(MAY_RUN, na=False).to_numpy(bool)
    safe = texts[suspects].map(guard_formulas)
    count = int((safe != texts[suspects]).sum())
    if count:
        texts = texts.copy()
        texts[suspects] = safe.array
    return texts, count


def _text(cell: Any) -> str:
    """A cell as text: what is nested as JSON."""
    is_nested = isinstance(cell, list | tuple | dict | np.ndarray)
    return msgspec.json.encode(cell, enc_hook=_plain).decode() if is_nested else str(cell)


def _write_parquet(rows: _Rows, path: Path) -> None:
    import pyarrow.parquet as pq

    # Paths of this machine and lines that are no rows stay here.
    collected = replace(Collected.of(rows.outputs), unmatched=[], paths={}, sent_paths=[], price_file="")
    head = collected.attach(head_of(rows.outputs)[[*rows.names]].set_axis([*rows.names.values()], axis=1))
    if not is_dataset(rows.outputs):
        head.to_parquet(path, index=False)
        return
    kinds = as_rows(rows.outputs).schema
    schema = pa.schema([(name, kinds.field(own).type) for own, name in rows.names.items()])
    dtypes = pa.Schema.from_pandas(head, preserve_index=False).metadata
    schema = schema.with_metadata({**dtypes, "PANDAS_ATTRS": json.dumps(head.attrs)})
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        for frame in rows:
            file.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False).cast(file.schema))


def _write_jsonl(rows: _Rows, path: Path) -> None:
    encoder, names = msgspec.json.Encoder(enc_hook=_plain), [str(name) for name in rows.names.values()]
    with path.open("wb") as file:
        for frame in rows:
            cells = [column.to_numpy(object, na_value=None).tolist() for _, column in frame.items()]
            file.write(
                encoder.encode_lines(dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True))
            )


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)


def _write_workbook(rows: _Rows, path: Path) -> None:
    """One sheet in which texts stay texts, so that ids keep their zeros and digits and nothing is run."""
    names = [str(name) for name in rows.names.values()]
    require_extras("Writing Excel workbooks", "excel")
    if len(rows) > _MOST_ROWS or len(names) > _MOST_COLUMNS:
        raise InputError(
            f"{len(rows):,} rows of {len(names):,} columns are more than a sheet holds "
            f"({_MOST_ROWS:,} below their names, of {_MOST_COLUMNS:,}). Write a .parquet or a .csv."
        )
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("records")

    def cell(name: str, value: Any) -> Any:
        value = value.item() if isinstance(value, np.generic) else value
        plain = None if is_absent(value) else _text(value) if _is_text(value) else value
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


_WRITERS: dict[str, Callable[[_Rows, Path], None]] = {
    ".csv": _write_csv,
    ".xlsx": _write_workbook,
    ".parquet": _write_parquet,
    ".jsonl": _write_jsonl,
}
