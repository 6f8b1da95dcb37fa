"""JSON, Parquet and Excel. Types do not depend on how rows are cut."""

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from bbkit.core.errors import SourceError, require_extras
from bbkit.core.text import name_some
from bbkit.sources.columns import Frames, cut_batches, frame_of_arrow, frames_of, name_columns
from bbkit.sources.conversations import conversation_row
from bbkit.sources.files import iter_whole, open_bytes, read_encoded, read_text, warn

_NO_NUMBER = re.compile(r"\bNaN\b|-?\bInfinity\b")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_MOST_UNPACKED = 512 << 20
_MOST_CELLS = 20_000_000
_MOST_ROWS = 1 << 20  # Excel's own
_AS_CSV = "Save the sheet as CSV, which is read in pieces (chunk_rows=)."
_MOST_LINE = 128 << 20
_TOO_DEEP = "is nested too deeply to be a table. Take out the innermost levels."


def read_parquet(path: Path, chunk_rows: int | None) -> Frames:
    try:
        if chunk_rows is None:
            yield frame_of_arrow(pq.read_table(path, partitioning=None))
            return
        # Reading ahead and in threads would hold many row groups at once.
        file = pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
        batches = file.iter_batches(chunk_rows, use_threads=False)
        for table in cut_batches(batches, chunk_rows, file.schema_arrow):
            yield frame_of_arrow(table)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path.name} cannot be read as Parquet ({_first_line(error)}).") from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def read_json_lines(path: Path, chunk_rows: int | None) -> Frames:
    """Read JSON Lines: one object a line; blank lines are passed over."""

    def rows(encoding: str) -> Iterator[Mapping[str, Any]]:
        return _conversations(path.name, _json_rows(path, encoding, whole=chunk_rows is None))

    return read_encoded(path, lambda encoding: frames_of(partial(rows, encoding), chunk_rows))


def _conversations(name: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Rows, or what is said where the first and so all are conversations."""
    are_told = True
    for number, row in enumerate(rows, 1):
        told = conversation_row(f"{name}:{number}", row) if are_told else None
        if told is None and are_told and number > 1:
            raise SourceError(f"{name}, row {number:,} is no conversation, as those above are. Take it out.")
        are_told = told is not None and (number > 1 or told["text"] != "")
        yield told if told is not None and are_told else row


def _json_rows(path: Path, encoding: str, *, whole: bool) -> Iterator[Mapping[str, Any]]:
    check = f"`bbkit check {path.name} --model ID --write-good good.jsonl`"
    mend = f"Mend it; of lines that are records, {check} keeps the good ones."
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding=encoding, newline="\n") as text:
        lines = iter(partial(text.readline, _MOST_LINE), "")
        for number, line in enumerate(iter_whole(path, lines, ("\n", "{", "[")) if whole else lines, 1):
            if not line.strip():
                continue
            if len(line) == _MOST_LINE:
                what = f"{path.name}, line {number:,} has over {_MOST_LINE >> 20} Mi characters"
                raise SourceError(f"{what}. Write a row a line, with less in each.")
            try:
                row = msgspec.json.decode(line)
            except msgspec.MsgspecError as error:
                odd = _NO_NUMBER.search(_QUOTED.sub("", line))
                said = f"{odd[0]} is none: write null" if odd else str(error)
                said += "; a list is a file ending in .json" if line.lstrip().startswith("[") else ""
                raise SourceError(f"{path.name}, line {number:,}: not JSON ({said}). {mend}") from error
            except RecursionError as error:
                raise SourceError(f"{path.name}, line {number:,} {_TOO_DEEP}") from error
            if not isinstance(row, dict):
                kind = type(row).__name__
                raise SourceError(f"{path.name}, line {number:,} is a {kind}; each line is an object. {mend}")
            yield row


def read_json(path: Path, chunk_rows: int | None) -> Frames:
    """Read a JSON file: a list of objects, an Amazon Transcribe result, or JSON Lines by another name."""
    text = read_text(path)
    try:
        document = parse_document(path.name, text)
    except SourceError as error:
        if isinstance(error.__cause__, json.JSONDecodeError) and error.__cause__.msg == "Extra data":
            yield from read_json_lines(path, chunk_rows)
            return
        raise
    conversation = conversation_row(path.name, document)
    members = document.items() if isinstance(document, dict) else ()
    lists = {key: value for key, value in members if value and _are_objects(value)}
    if conversation is not None:
        rows: list[Any] = [conversation]
    elif _are_objects(document):
        rows = list(_conversations(path.name, document))
    elif len(lists) == 1:
        ((name, rows),) = lists.items()
        said = f"{path.name} is one object; its {name!r} is read, a list of {len(rows):,} objects"
        left = name_some(key for key in document if key != name)
        warn(said + (f", and {left} is not." if left else "."))
    elif isinstance(document, dict) and not lists and _is_row(document, text):
        rows = [document]
    else:
        under = [*lists] or list(_nested_lists(document))
        held = f", with lists under {name_some(under)}" if under else ""
        raise SourceError(
            f"{path.name} holds a {type(document).__name__}{held}; a .json source is a list of objects or a "
            "conversation as Amazon Transcribe, Amazon Connect or Genesys writes it. Write the list alone, "
            "with pandas by to_json(orient='records')."
        )
    yield from frames_of(lambda: rows, chunk_rows)


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _is_row(document: dict[str, Any], text: str) -> bool:
    """Whether JSON Lines of one line are a record or row, and not what wraps rows or has them by column."""
    if "\n" in text.strip():
        return False
    if document.keys() & {"modelInput", "body", "params"}:
        return True
    values = document.values()
    is_plain = not any(isinstance(value, dict | list) for value in values)
    return is_plain or (any(isinstance(value, str) for value in values) and not any(_nested_lists(document)))


def _nested_lists(value: Any, path: str = "") -> Iterator[str]:
    for name, item in value.items() if isinstance(value, dict) else ():
        if item and _are_objects(item):
            yield path + name
        yield from _nested_lists(item, f"{path}{name}.")


def parse_document(name: str, text: str) -> Any:
    try:
        document = json.loads(text, parse_constant=partial(_refuse_constant, name))
        if "\\ud" in text or "\\uD" in text:
            _validate_surrogates(name, document)
        return document
    except json.JSONDecodeError as error:
        raise SourceError(f"{name}, line {error.lineno:,}: not JSON ({error.msg}).") from error
    except RecursionError as error:
        raise SourceError(f"{name} {_TOO_DEEP}") from error


def _refuse_constant(name: str, constant: str) -> None:
    raise SourceError(f"{name} holds {constant}, which is no JSON. Write null where there is no number.")


def _validate_surrogates(name: str, document: Any) -> None:
    for number, row in enumerate(document if isinstance(document, list) else [document], 1):
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise SourceError(
                f"{name}, row {number:,} holds half of a surrogate pair "
                f"({error.object[error.start]!a}), which is not text. Replace it where it was written."
            ) from error


@contextmanager
def _open_sheet(path: Path, sheet: str, **options: Any) -> Iterator[tuple[Any, list[str]]]:
    """A sheet, the first by default, and the names of the others."""
    import openpyxl

    with closing(openpyxl.load_workbook(path, read_only=True, **options)) as book:
        names = [each.title for each in book.worksheets]
        chosen = sheet or names[0]
        if chosen not in names:
            raise SourceError(f"{path.name} has no sheet {sheet!r}; it has {name_some(names, most=25)}.")
        yield book[chosen], [name for name in names if name != chosen]


def read_excel(path: Path, chunk_rows: int | None, skip_rows: int = 0, sheet: str = "") -> Frames:
    """Read a sheet of an Excel workbook: a header row, then rows. Text cells stay text."""
    require_extras("Reading Excel workbooks", "excel")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > _MOST_UNPACKED:
                what = f"{path.name} unpacks to {size / 1e9:,.1f} GB, over {_MOST_UNPACKED >> 20} MiB"
                raise SourceError(f"{what}, and a workbook is read whole. {_AS_CSV}")
            too_many = SourceError(f"{path.name} has a sheet of over {_MOST_CELLS:,} cells. {_AS_CSV}")
            if any(_count(archive, sheet, "c") > _MOST_CELLS for sheet in archive.namelist()):
                raise too_many
            if any(_count(archive, sheet, "row") > _MOST_ROWS for sheet in archive.namelist()):
                raise SourceError(f"{path.name} has a sheet of over {_MOST_ROWS:,} rows. {_AS_CSV}")
        with _open_sheet(path, sheet, data_only=True) as (cells, others):
            cells.reset_dimensions()  # rows are as long as they are, whatever the sheet says of itself
            table, size = [], 0
            for row in cells.iter_rows(min_row=skip_rows + 1, values_only=True):
                table.append([*map(_unescape, row)])
                size += len(row) + 1  # a cell far to the right has all those before it
                if size > _MOST_CELLS:
                    raise too_many
    except (zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        what = f"{path.name} cannot be read as an Excel workbook ({_first_line(error)})."
        what += " Save it as .xlsx, without a password."
        raise SourceError(what) from error
    if others and not sheet:
        named = name_some(others, most=25)
        warn(f"{path.name}: its first sheet is read; sheet= names another: {named}.")
    if any(None in row for row in table):
        _validate_formulas(path, sheet, skip_rows, table)
    rows = [
        (number, row)
        for number, row in enumerate(table, skip_rows + 1)
        if any(cell is not None for cell in row)
    ]
    if not rows:
        below = f" below the {skip_rows:,} rows of skip_rows=" if skip_rows else ""
        raise SourceError(f"{path.name}: its sheet is empty{below}; the first row is to name the columns.")
    number, header = rows[0]
    width = max(len(row) for _, row in rows)
    if width * len(rows) > _MOST_CELLS:
        raise SourceError(f"{path.name} has {len(rows):,} rows, one of {width:,} cells. {_AS_CSV}")
    names = name_columns(path.name, [*header, *[None] * (width - len(header))], number)
    yield from frames_of(lambda: [dict(zip_longest(names, row)) for _, row in rows[1:]], chunk_rows)


def _count(archive: zipfile.ZipFile, name: str, tag: str) -> int:
    """How many cells (c) or rows a sheet names, found in a hundredth of the time it takes to make them."""
    if "worksheets/" not in name:
        return 0
    with archive.open(name) as file:
        blocks = iter(partial(file.read, 1 << 20), b"")
        marks = [f"<{tag}{end}".encode() for end in " >/"]
        return sum(sum(map(block.count, marks)) for block in blocks)


def _unescape(cell: Any) -> Any:
    """A text with the characters that XML cannot hold (ECMA-376 part 1, 22.9.2.19: ST_Xstring)."""
    if isinstance(cell, str) and "_x" in cell:
        return re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), cell)
    return cell


def _validate_formulas(path: Path, sheet: str, skip_rows: int, table: Sequence[Sequence[Any]]) -> None:
    """Refuse a workbook no spreadsheet program has calculated: its formulas would be read as empty cells."""
    formulas = []
    with _open_sheet(path, sheet) as (formula_sheet, _):
        for values, cells in zip(table, formula_sheet.iter_rows(min_row=skip_rows + 1), strict=False):
            for value, cell in zip(values, cells, strict=False):
                if cell.data_type == "f":
                    if value is not None:
                        return
                    formulas.append(cell.coordinate)
    if formulas:
        raise SourceError(
            f"{path.name} has {len(formulas):,} formulas without a stored result (cell "
            f"{', '.join(formulas[:3])}{', ...' if len(formulas) > 3 else ''}). Open it in a spreadsheet "
            "program and save it."
        )
