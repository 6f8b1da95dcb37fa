"""Rows to ask a model about: any table or folder of texts, local or on S3, as a DataFrame.

A place goes in: an object of S3 is fetched first, and the ending of a file names its reader (`delimited`,
`formats`, `transcripts`). Readers give frames of `chunk_rows` rows, or one; which dtypes they have is decided
by all rows of the source (`columns`), so frames do not depend on how it is cut.
"""

import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, overload

import pandas as pd

from bbkit import aws
from bbkit.core.errors import InputError, SourceError
from bbkit.core.frames import TEXT
from bbkit.core.text import name_some
from bbkit.sources.columns import Frames
from bbkit.sources.delimited import read_delimited
from bbkit.sources.files import read_text
from bbkit.sources.formats import read_document, read_excel, read_json, read_json_lines, read_parquet
from bbkit.sources.transcripts import is_transcript, transcript_row

_READERS: dict[str, Callable[[Path, int | None], Frames]] = {
    ".csv": read_delimited,
    ".tsv": partial(read_delimited, delimiter="\t"),
    ".tab": partial(read_delimited, delimiter="\t"),
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".parquet": read_parquet,
    ".xlsx": read_excel,
    ".xlsm": read_excel,
    ".txt": lambda path, _: iter([pd.DataFrame([_text_row(path)], dtype=TEXT)]),
}
_FOLDER = (".txt", ".json", ".parquet")


@overload
def read_source(uri: str | Path, *, chunk_rows: None = None) -> pd.DataFrame: ...
@overload
def read_source(uri: str | Path, *, chunk_rows: int) -> Iterator[pd.DataFrame]: ...
def read_source(uri: str | Path, *, chunk_rows: int | None = None) -> pd.DataFrame | Iterator[pd.DataFrame]:
    """Read a table, or a folder of texts.

    CSV and TSV (delimiter and encoding are found out), JSON, JSON Lines, Parquet, Excel (first sheet); a
    folder of ``.txt``, of Amazon Transcribe JSON or of Parquet parts. CSV, TSV and JSON may be gzipped.

    A column of text becomes numeric only if every cell is exactly what Python writes for its number, so ids
    keep their zeros. An empty CSV cell is null; ``NA``, ``None`` and ``null`` are text.

    Parameters
    ----------
    uri : str or Path
        A file or folder, local or ``s3://`` (a prefix is a folder).
    chunk_rows : int, optional
        Rows a frame, for sources larger than memory; the types are those of the whole source.

    Returns
    -------
    pandas.DataFrame or iterator of pandas.DataFrame
        One row per row of the table, in its order; per file of a folder ``file`` and ``text``, and
        ``job_name`` of a transcript, whose text has one line a turn, ``spk_0: ...``.

    Raises
    ------
    bbkit.core.errors.SourceError
        A file that is not what its ending says, with the number of the row at fault; a table without rows.
    bbkit.core.errors.InputError
        There is nothing of that name, or `chunk_rows` is not at least 1.
    """
    if chunk_rows is not None and (not isinstance(chunk_rows, int) or chunk_rows < 1):
        raise InputError(f"chunk_rows is {chunk_rows!r}; it takes a whole number of at least 1.")
    is_remote = str(uri).startswith("s3://")
    frames = _read_s3(str(uri), chunk_rows) if is_remote else _read_local(Path(str(uri)), chunk_rows)
    frames = _require_rows(str(uri), frames)
    if chunk_rows is not None:
        return frames
    parts = list(frames)
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]


def _require_rows(uri: str, frames: Frames) -> Frames:
    is_empty = True
    for frame in frames:
        if len(frame):
            is_empty = False
            yield frame
    if is_empty:
        raise SourceError(f"{uri} holds no rows. Name a table with at least one row below its header.")


def _read_s3(uri: str, chunk_rows: int | None) -> Frames:
    with tempfile.TemporaryDirectory(prefix="bbkit-source-") as folder:
        yield from _read_local(_download(uri, Path(folder)), chunk_rows)


def _download(uri: str, folder: Path) -> Path:
    """Fetch an object, or those right under a prefix, into a folder."""
    objects = [item.uri for item in aws.list_objects(uri)]
    prefix = uri.removesuffix("/") + "/"
    target = folder / (prefix.rstrip("/").rpartition("/")[2] or "source")
    if uri in objects:
        aws.download_file(uri, target)
        return target
    names = [item.removeprefix(prefix) for item in objects if item.startswith(prefix)]
    names = [name for name in names if name and "/" not in name]
    if not names:
        raise InputError(f"There is no object and no folder {uri!r}.")
    for name in names:
        aws.download_file(prefix + name, target / name)
    return target


def _read_local(path: Path, chunk_rows: int | None) -> Frames:
    if path.is_dir():
        yield from _read_folder(path, chunk_rows)
        return
    if not path.is_file():
        raise InputError(f"There is no file or folder {str(path)!r}.")
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    if ending not in _READERS:
        raise SourceError(
            f"{path.name} ends in {ending or 'nothing'!r}; a source is one of {', '.join(_READERS)}, or a "
            "folder of .txt, Amazon Transcribe .json or .parquet."
        )
    try:
        yield from _READERS[ending](path, chunk_rows)
    except (EOFError, OSError, zlib.error) as error:
        raise SourceError(f"{path.name} cannot be read ({error}).") from error


def _read_folder(folder: Path, chunk_rows: int | None) -> Frames:
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    endings = sorted({path.suffix.lower() for path in files})
    if len(endings) != 1 or endings[0] not in _FOLDER:
        content = f"files ending in {name_some(endings)}" if endings else "no file"
        raise SourceError(f"{folder.name} holds {content}; a folder is of .txt, .json or .parquet alone.")
    if endings == [".parquet"]:
        for path in files:
            yield from read_parquet(path, chunk_rows)
        return
    rows = chunk_rows or len(files)
    for start in range(0, len(files), rows):
        yield pd.DataFrame([_text_row(path) for path in files[start : start + rows]], dtype=TEXT)


def _text_row(path: Path) -> dict[str, Any]:
    if path.suffix.lower() != ".json":
        return {"file": path.name, "text": read_text(path)}
    document = read_document(path)
    if not is_transcript(document):
        raise SourceError(f"{path.name} is not what Amazon Transcribe writes: it has no results.transcripts.")
    return transcript_row(path.name, document)
