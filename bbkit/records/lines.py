"""The input line of a record, and files of such lines, streamed."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pandas as pd

from bbkit import aws
from bbkit.core.errors import InputError, RecordsError
from bbkit.records.pairs import holds_nan, iter_pairs
from bbkit.records.places import list_place

Records: TypeAlias = (
    pd.DataFrame
    | Iterable[pd.DataFrame]
    | Iterable[tuple[str | None, Mapping[str, Any]]]
    | Iterable[Mapping[str, Any]]
    | str
    | Path
)
"""Whatever holds records: a frame of `build_records`, an iterator of them, of pairs or of lines, or files."""

_CHUNK = 1 << 20


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise InputError(f"A body holds {type(value).__name__} {str(value)[:40]!r}, which JSON cannot carry.")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)


def input_line(record_id: str | None, model_input: Mapping[str, Any]) -> bytes:
    """Write one record as the line Bedrock reads."""
    line: dict[str, Any] = {} if record_id is None else {"recordId": record_id}
    line["modelInput"] = model_input
    try:
        return _ENCODER.encode(line) + b"\n"
    except UnicodeEncodeError as error:
        raise InputError(
            f"Record {record_id!r} holds half of a surrogate pair ({error.object[error.start]!a}), which is "
            "not text; replace it where the text was read."
        ) from error
    except TypeError as error:
        raise InputError(f"Record {record_id!r} cannot be written as JSON: {error}.") from error


def iter_lines(records: Records) -> Iterator[bytes]:
    """Every record as its line; files of lines are passed on byte for byte, blank lines left out."""
    if isinstance(records, str | Path):
        for name in record_files(records):
            for line in file_lines(name):
                if line.strip():
                    yield line if line.endswith(b"\n") else line + b"\n"
        return
    for record_id, model_input in iter_pairs(records):
        line = input_line(record_id, model_input)
        if b"null" in line and holds_nan(model_input):
            raise InputError(
                f"Record {record_id!r} holds NaN or infinity, which is no JSON number; give one."
            )
        yield line


def read_records(records: Records) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """Every record as its id and its body, streamed."""
    if not isinstance(records, str | Path):
        for record_id, model_input in iter_pairs(records):
            if not isinstance(model_input, Mapping):
                raise RecordsError(
                    f"The body of record {record_id!r} is a {type(model_input).__name__}, no object."
                )
            yield record_id, dict(model_input)
        return
    for name in record_files(records):
        for number, line in enumerate(file_lines(name), 1):
            if line.strip():
                yield read_line(line, name, number)


def iter_record_ids(path: str | Path) -> Iterator[str | None]:
    """The record ids of files of lines, in order; bodies are skipped, not built."""
    decode = msgspec.json.Decoder(_Envelope).decode
    for name in record_files(path):
        for number, line in enumerate(file_lines(name), 1):
            try:
                yield _id_text(decode(line).recordId)
            except msgspec.MsgspecError:
                if line.strip():
                    yield read_line(line, name, number)[0]


class _Envelope(msgspec.Struct):
    recordId: Any = None


def _id_text(value: Any) -> str | None:
    return value if value is None or type(value) is str else json.dumps(value, ensure_ascii=False)


def read_line(line: bytes, name: str, number: int) -> tuple[str | None, dict[str, Any]]:
    """Read one line."""
    try:
        try:
            record = msgspec.json.decode(line)
        except msgspec.MsgspecError:
            record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordsError(f"{Path(name).name} line {number:,} is not JSON ({error}). {_REMEDY}") from error
    if not isinstance(record, dict) or not isinstance(record.get("modelInput"), dict):
        raise RecordsError(f"{Path(name).name} line {number:,} is not an object with a modelInput. {_REMEDY}")
    return _id_text(record.get("recordId")), record["modelInput"]


_REMEDY = "check_records names every such line."


def record_files(path: str | Path) -> list[str]:
    """The files of lines at a place, sorted by name."""
    files = list_place(path).files
    if not files:
        raise InputError(f"{str(path)!r} holds no .jsonl file; Bedrock reads no other.")
    return files


def file_lines(name: str) -> Iterator[bytes]:
    """The lines of a file or ``s3://`` object, split at newlines only, each with its own newline."""
    if not name.startswith("s3://"):
        with Path(name).open("rb", buffering=_CHUNK) as file:
            yield from file
        return
    rest: list[bytes] = []
    with aws.open_object(name) as stream:
        while block := stream.read(_CHUNK):
            first, *more = block.split(b"\n")
            rest.append(first)
            for part in more:
                yield b"".join(rest) + b"\n"
                rest = [part]
    if last := b"".join(rest):
        yield last
