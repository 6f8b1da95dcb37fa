"""Rows to ask a model about: any table or folder of texts, local or on S3, as a DataFrame.

A place goes in: an object of S3 is fetched first, and the ending of a file names its reader (`delimited`,
`formats`, `conversations`). Readers give frames of `chunk_rows` rows, or one; which dtypes
they have is decided by all rows of the source (`columns`), so frames do not depend on how it is cut.
"""

import re
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, overload
from urllib.parse import unquote

import pandas as pd

from bbkit import aws
from bbkit.core.errors import InputError, SourceError, validate_number
from bbkit.core.files import local_name, local_names
from bbkit.core.frames import TEXT
from bbkit.core.text import name_some
from bbkit.sources.columns import Frames, frames_of
from bbkit.sources.conversations import conversation_row, cues_row
from bbkit.sources.delimited import read_delimited
from bbkit.sources.files import read_text, warn
from bbkit.sources.formats import parse_document, read_excel, read_json, read_json_lines, read_parquet
from bbkit.sources.profiles import profile_source as profile_source

_READERS: dict[str, Callable[..., Frames]] = {
    ".csv": read_delimited,
    **dict.fromkeys([".tsv", ".tab"], partial(read_delimited, delimiter="\t")),
    ".json": read_json,
    **dict.fromkeys([".jsonl", ".ndjson"], read_json_lines),
    ".parquet": read_parquet,
    **dict.fromkeys([".xlsx", ".xlsm"], read_excel),
    **dict.fromkeys(
        [".txt", ".vtt", ".srt"], lambda path, rows: frames_of(lambda: [_text_row(path, path.name)], rows)
    ),
}
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_OPTIONS = {"skip_rows": (".csv", ".tsv", ".tab", ".xlsx", ".xlsm"), "sheet": (".xlsx", ".xlsm")}
_FOLDER = (".txt", ".vtt", ".srt", ".json", ".parquet")
_ASIDE = re.compile(
    r"(readme|license|notice|changelog)(\.(txt|rst|json))?|desktop\.ini|thumbs\.db|.*\.(md|crc|md5)",
    re.IGNORECASE,
)


@overload
def read_source(
    uri: str | Path, *, chunk_rows: None = None, skip_rows: int = 0, sheet: str = ""
) -> pd.DataFrame: ...
@overload
def read_source(
    uri: str | Path, *, chunk_rows: int, skip_rows: int = 0, sheet: str = ""
) -> Iterator[pd.DataFrame]: ...
def read_source(
    uri: str | Path, *, chunk_rows: int | None = None, skip_rows: int = 0, sheet: str = ""
) -> pd.DataFrame | Iterator[pd.DataFrame]:
    """Read a table, or a folder of texts or conversations.

    CSV and TSV (delimiter, encoding and Excel's ``sep=`` are found out), JSON, JSON Lines, Parquet, Excel; a
    folder, with those inside it, of ``.txt``, of conversations in ``.json``, ``.vtt`` or ``.srt``, or of
    Parquet parts, with their partitions (``day=2026-11-29``). CSV, TSV and JSON may be gzipped. Names that
    begin with ``.`` or ``_``, such as ``_SUCCESS``, are left out; with a warning a README and the like.

    A column of text becomes numeric only if every cell is exactly what Python writes for its number, so ids
    keep their zeros. An empty CSV cell is null, as a bare ``\\N`` is; ``NA``, ``None`` and ``null`` are text.

    What does not fit into memory is refused: a gzipped file that is read whole (CSV and JSON Lines without
    `chunk_rows`, any other) and unpacks to over 2 GiB, 200 bytes more for each line, ``{`` and ``[``; a
    workbook of over 512 MiB unpacked or 20 million cells; a line of JSON Lines of over 128 Mi characters; a
    row of CSV of over 16 MiB.

    Conversations are those of Amazon Transcribe, its Call Analytics, Amazon Connect Contact Lens, Genesys
    Cloud, WebVTT and SubRip.

    Parameters
    ----------
    uri : str or Path
        A file or folder, local or ``s3://`` (a prefix is a folder).
    chunk_rows : int, optional
        Rows a frame, for sources larger than memory; the types are those of the whole source.
    skip_rows : int
        Lines of CSV and TSV, rows of Excel, that stand above the header, such as a title.
    sheet : str
        The sheet of an Excel workbook; empty for the first.

    Returns
    -------
    pandas.DataFrame or iterator of pandas.DataFrame
        One row per row of the table, in its order; per file of a folder ``file``, its path there, and
        ``text``, which in a conversation has one line a turn, ``AGENT: ...``. Amazon Transcribe's own result
        has ``file, job_name, text``; other conversations, where the file tells it, also ``contact_id`` or
        ``conversation_id``; ``language``; ``duration_seconds``; from the beginning, ``start_seconds`` and
        ``end_seconds`` of what is said and ``turn_seconds``, a list with the start of each line;
        ``started_at`` (UTC); ``turn_sentiments``, a list as it is there; ``sentiment_agent``,
        ``sentiment_customer`` and so on, the score of each participant, with AWS from -5 to 5.

    Raises
    ------
    bbkit.core.errors.SourceError
        A file that is not what its ending says, with the number of the row at fault; a cell whose quotes do
        not tell where it ends; a table without rows.
    bbkit.core.errors.InputError
        There is nothing of that name, or an argument is none that this source takes.
    """
    if chunk_rows is not None:
        what = "It takes a whole number of at least 1."
        validate_number(chunk_rows, "chunk_rows", least=1, whole=True, what=what)
    what = "It is how many rows stand above the header."
    validate_number(skip_rows, "skip_rows", least=0, whole=True, what=what)
    options = {name: value for name, value in {"skip_rows": skip_rows, "sheet": sheet}.items() if value}
    read = _read_s3 if str(uri).startswith("s3://") else _read_local
    frames = _require_rows(str(uri), read(str(uri), chunk_rows, options))
    if chunk_rows is not None:
        return frames
    parts = list(frames)
    table = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    if {"contact_id", "turn_seconds"} <= set(table):
        ids = table["contact_id"].dropna().map(str)
        if twice := list(ids[ids.duplicated()].unique()):
            what = f"More than one conversation is of contact {name_some(twice)}"
            warn(f"{what}, such as what is redacted beside what is not.")
    return table


def _require_rows(uri: str, frames: Frames) -> Frames:
    filled = (frame for frame in frames if len(frame))
    if (first := next(filled, None)) is None:
        raise SourceError(f"{uri} holds no rows. Name a table with at least one row below its header.")
    yield first
    yield from filled


def _read_s3(uri: str, chunk_rows: int | None, options: dict[str, Any]) -> Frames:
    with tempfile.TemporaryDirectory(prefix="bbkit-source-") as folder:
        path, keys = _download(uri, Path(folder))
        yield from _read_local(str(path), chunk_rows, options, keys)


def _download(uri: str, folder: Path) -> tuple[Path, dict[str, str]]:
    """Fetch an object, or all under a prefix, into a folder; what is kept under another name than its key."""
    objects = [item.uri for item in aws.list_objects(uri)]
    prefix = uri.removesuffix("/") + "/"
    own = prefix.rstrip("/").rpartition("/")[2] or "source"
    target = folder / local_name(own)
    if uri in objects:
        aws.download_file(uri, target)
        return target, {}
    names = [item.removeprefix(prefix) for item in objects if item.startswith(prefix)]
    names = [name for name in names if not _is_hidden(name) and not name.endswith("/")]
    if not names:
        raise InputError(f"There is no object and no folder {uri!r}.")
    places = local_names(names)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: aws.download_file(prefix + name, target / places[name]), names))
    return target, {place: name for name, place in places.items()}


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in name.split("/"))


def _read_local(
    uri: str, chunk_rows: int | None, options: dict[str, Any], keys: Mapping[str, str] | None = None
) -> Frames:
    path = Path(uri)
    if path.is_dir():
        _validate_options(path.name, "", options)
        yield from _read_folder(path, chunk_rows, keys or {})
        return
    if not path.is_file():
        link = ", only a link that leads to none" if path.is_symlink() else ""
        raise InputError(f"There is no file or folder {uri!r}{link}.")
    ending = _ending(path)
    if ending not in _READERS:
        raise SourceError(
            f"{path.name} ends in {ending or 'nothing'!r}; a source is one of {', '.join(_READERS)}, or a "
            f"folder of {', '.join(_FOLDER)}. Save it as one of them, a workbook as .xlsx."
        )
    _validate_options(path.name, ending, options)
    try:
        yield from _READERS[ending](path, chunk_rows, **options)
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(f"{path.name} cannot be read ({error}).") from error


def _ending(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _validate_options(name: str, ending: str, options: dict[str, Any]) -> None:
    for option in options:
        if ending not in _OPTIONS[option]:
            raise InputError(f"{option}= is for {', '.join(_OPTIONS[option])}, not for {name}. Leave it out.")


def _read_folder(folder: Path, chunk_rows: int | None, keys: Mapping[str, str]) -> Frames:
    files = _list_files(folder)
    endings = sorted({_ending(path) for path in files})
    if len(endings) != 1 or endings[0] not in _FOLDER:
        content = f"files ending in {name_some(endings)}" if endings else "no file"
        remedy = "Name a folder for each ending" if len(endings) > 1 else "Join tables into one file"
        raise SourceError(
            f"{folder.name} holds {content}; all files of a folder end alike, in one of "
            f"{', '.join(_FOLDER)}. {remedy}."
        )
    if endings == [".parquet"]:
        for path in files:
            # Spark and Glue write columns they partition by into names of folders.
            told = [part.split("=", 1) for part in path.relative_to(folder).parent.parts if "=" in part]
            values = {name: None if value == _NO_VALUE else unquote(value) for name, value in told}
            for frame in read_parquet(path, chunk_rows):
                yield frame.assign(
                    **{key: pd.array([cell] * len(frame), TEXT) for key, cell in values.items()}
                )
        return
    names = {path.relative_to(folder).as_posix(): path for path in files}
    yield from frames_of(
        lambda: (_text_row(path, keys.get(name, name)) for name, path in names.items()), chunk_rows
    )


def _list_files(folder: Path) -> list[Path]:
    """The files of a folder and those inside it, but for hidden ones and what only tells about the others."""
    found = sorted(folder.rglob("*"))
    paths = [path for path in found if not _is_hidden(path.relative_to(folder).as_posix())]
    if links := [path for path in paths if path.is_symlink() and not path.is_file()]:
        raise SourceError(
            f"{links[0]} is a link to a folder or to nothing. Name that folder, or take the link out."
        )
    files = {path: _ASIDE.fullmatch(path.name) for path in paths if path.is_file()}
    if aside := [path.name for path, is_aside in files.items() if is_aside]:
        warn(f"{folder.name} is read without {name_some(aside)}.")
    return [path for path, is_aside in files.items() if not is_aside]


def _text_row(path: Path, name: str) -> dict[str, Any]:
    ending = _ending(path)
    if ending in (".vtt", ".srt"):
        return cues_row(name, read_text(path))
    if ending != ".json":
        return {"file": name, "text": read_text(path)}
    document = parse_document(name, read_text(path))
    if (row := conversation_row(name, document)) is None:
        status = document.get("JobStatus") if isinstance(document, dict) else None
        told = f" (its JobStatus is {status!r})" if status else ""
        raise SourceError(
            f"{name} is no conversation that is read{told}: Amazon Transcribe writes results.transcripts, "
            "its Call Analytics and Contact Lens Transcript, Genesys transcripts[].phrases. Take it out; put "
            "rows of a table into one list."
        )
    return row
