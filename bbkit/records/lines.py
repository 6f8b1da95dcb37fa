"""The input line of a record: written from records in memory, read back from files that anyone made.

A record is known by its recordId where that is unique, else by that and its occurrence (``id#3``).
"""

import json
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pandas as pd

from bbkit.core.errors import InputError, RecordsError
from bbkit.core.frames import TEXT, require_columns
from bbkit.core.text import name_some, whole_characters
from bbkit.records.input_sets import file_lines, record_files

Records: TypeAlias = (
    pd.DataFrame
    | Iterable[pd.DataFrame]
    | Iterable[tuple[str | None, Mapping[str, Any]]]
    | Iterable[Mapping[str, Any]]
    | str
    | Path
)
"""Whatever holds records: a frame of `build_records`, an iterator of them, of pairs or of lines, or files."""


def plain_value(value: Any) -> Any:
    """A number or array of numpy, or a decimal, as Python has it; anything else as it is."""
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    if isinstance(value, np.generic):
        return value.item()
    return value.tolist() if isinstance(value, np.ndarray) else value


def _encode(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return plain_value(value)
    raise InputError(f"A body holds {type(value).__name__} {str(value)[:40]!r}, which JSON cannot carry.")


_ENCODER = msgspec.json.Encoder(enc_hook=_encode)
encode_body = _ENCODER.encode


def input_line(record_id: str | None, model_input: Mapping[str, Any]) -> bytes:
    """Write one record as the line Bedrock reads; NaN and infinity become null."""
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
            waiting.extend(value)
    return False


def iter_pairs(records: Any) -> Iterator[tuple[Any, Any]]:
    """Every record in memory as its id and its body, neither looked at."""
    if not isinstance(records, Iterable):
        raise InputError(f"What is given as records is {_describe_type(records)}. {_ACCEPTED}")
    for number, part in enumerate([records] if isinstance(records, pd.DataFrame) else records, 1):
        if isinstance(part, pd.DataFrame):
            require_columns(
                part, ["record_id", "model_input"], "build_records makes both, one row per record."
            )
            ids = part["record_id"].astype(object).where(part["record_id"].notna(), None)
            yield from zip(ids, part["model_input"], strict=True)
        elif isinstance(part, tuple | list) and len(part) == 2:
            yield part[0], part[1]
        elif isinstance(part, Mapping) and "modelInput" in part:
            yield part.get("recordId"), part["modelInput"]
        else:
            raise InputError(f"Item {number:,} of the records is {_describe_type(part)}. {_ACCEPTED}")


_ACCEPTED = (
    "Give a frame of build_records, chunks of it, pairs (record_id, model_input), "
    'objects {"recordId": ..., "modelInput": {...}}, or the path of a .jsonl file or folder.'
)


_ID_BESIDE = {"modelInput": "recordId", "body": "custom_id", "params": "custom_id"}
"""What names a body and its id: Bedrock, OpenAI (https://platform.openai.com/docs/guides/batch), Anthropic
(https://docs.claude.com/en/docs/build-with-claude/batch-processing), 2026-11."""
_ANTHROPIC = {"anthropic_version": "bedrock-2023-05-31"}


def as_records(data: pd.DataFrame, model_id: str = "") -> pd.DataFrame | None:
    """Take rows of JSONL that hold records already, which other code wrote, as they are.

    Parameters
    ----------
    data : pandas.DataFrame
        What `read_source` gave.
    model_id : str
        The model they go to. Where bodies of another maker's batch name another, that is left out, with a
        warning: a job names its model once.

    Returns
    -------
    pandas.DataFrame or None
        As `build_records` gives it, ``record_id`` and ``model_input``: of lines with ``recordId`` and
        ``modelInput``, of an OpenAI batch, its ``custom_id`` and ``body``, or of one of Anthropic, its
        ``params`` with the ``anthropic_version`` of Bedrock. None where rows are no records.
    """
    require_columns(data, [], "Pass what read_source returned.")
    for body, name in _ID_BESIDE.items():
        is_named = name in data or body == "modelInput"  # whose id Bedrock would make up
        if is_named and body in data and any(isinstance(cell, dict) for cell in data[body]):
            ids = data.get(name, pd.Series(pd.NA, data.index, dtype=TEXT))
            bodies = data[body].map(_of_arrow)
            if model_id and body != "modelInput":
                bodies = _without_models(bodies, model_id)
            if body == "params":
                bodies = bodies.map(lambda cell: _ANTHROPIC | cell if isinstance(cell, dict) else cell)
            return pd.DataFrame({"record_id": ids, "model_input": bodies}).reset_index(drop=True)
    return None


def _of_arrow(value: Any) -> Any:
    """What Parquet holds, told by its arrays, as JSON has it: what is null in a struct is not there."""
    is_arrow = isinstance(value, dict) and any(isinstance(item, np.ndarray) for item in value.values())
    return _json_of(value) if is_arrow else value


def _json_of(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_json_of(item) for item in value]
    if isinstance(value, dict):
        return {name: _json_of(item) for name, item in value.items() if item is not None}
    return value


def _without_models(bodies: pd.Series, model_id: str) -> pd.Series:
    """Bodies of an OpenAI batch without the name of another model."""
    plain = [body if isinstance(body, dict) else {} for body in bodies]
    others = sorted({str(body["model"]) for body in plain if "model" in body} - {model_id})
    if not others:
        return bodies
    said = f"The model of the bodies, {name_some(others)}, is left out: the job's is {model_id}."
    warnings.warn(said, stacklevel=3)
    return pd.Series([{key: body[key] for key in body if key != "model"} for body in plain], bodies.index)


def _describe_type(value: Any) -> str:
    name = f"of type {type(value).__name__}"
    if isinstance(value, tuple | list):
        return f"{name} with {len(value):,} members"
    return f"{name}, without modelInput" if isinstance(value, Mapping) else name


def read_records(records: Records) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """Every record as its id and its body, streamed."""
    if isinstance(records, str | Path):
        for name, number, line in numbered_lines(records):
            yield read_line(line, name, number)
        return
    for record_id, model_input in iter_pairs(records):
        if not isinstance(model_input, Mapping):
            raise RecordsError(
                f"The body of record {record_id!r} is a {type(model_input).__name__}, no object."
            )
        yield record_id, dict(model_input)


def iter_record_ids(path: str | Path) -> Iterator[str | None]:
    """The record ids of input files, in order; bodies are skipped, not built."""
    decode = msgspec.json.Decoder(_Envelope).decode
    for name, number, line in numbered_lines(path):
        try:
            yield _id_text(decode(line).recordId)
        except (msgspec.MsgspecError, RecursionError):
            yield read_line(line, name, number)[0]


def numbered_lines(path: str | Path) -> Iterator[tuple[str, int, bytes]]:
    """The lines of input files that are not blank, with their file and number."""
    for name in record_files(path):
        for number, line in enumerate(file_lines(name), 1):
            if not line.isspace():
                yield name, number, line


def read_bodies(path: str | Path) -> Iterator[tuple[str | None, bytes]]:
    """Every record of input files as its id and the JSON text of its body."""
    decode = msgspec.json.Decoder(_WholeEnvelope).decode
    for name, number, line in numbered_lines(path):
        try:
            record = decode(line)
            yield _id_text(record.recordId), bytes(record.modelInput)
        except (msgspec.MsgspecError, RecursionError):
            record_id, body = read_line(line, name, number)
            yield record_id, encode_body(body)


class _Envelope(msgspec.Struct):
    recordId: Any = None


class _WholeEnvelope(_Envelope):
    modelInput: msgspec.Raw = msgspec.Raw(b"null")


def _id_text(value: Any) -> str | None:
    return value if value is None or type(value) is str else json.dumps(value, ensure_ascii=False)


def read_line(line: bytes, name: str, number: int) -> tuple[str | None, dict[str, Any]]:
    """The id and body of one line, of a file of that name."""
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


def number_ids(ids: Iterable[tuple[Any, str | None]]) -> tuple[list[str], str]:
    """Key records, given by attempt and id, where an attempt has one several times or none; and the mark."""
    # Later attempts send records under their keys: no id of the first ends in so long a mark and a number.
    named = pd.DataFrame(
        ([attempt, own or ""] for attempt, own in ids), columns=["attempt", "id"], dtype=object
    )
    first = named["id"][named["attempt"].isin(named["attempt"][:1])]
    marked = (match[1] for match in map(_MARKED.search, first.unique()) if match)
    mark = "#" + max(marked, key=len, default="")
    groups = named.groupby(["id", "attempt"], sort=False, dropna=False)["id"]
    shared = (groups.transform("size") > 1) | (named["id"] == "")
    keys = named["id"].copy()
    keys[shared] += mark + (groups.cumcount()[shared] + 1).astype(str)
    return keys.tolist(), mark


_MARKED = re.compile(r"(#+)\d+$")


def _plain_float(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value


_decode = msgspec.json.Decoder(float_hook=_plain_float).decode
_sorted = msgspec.json.Encoder(order="sorted").encode


def plain_json(text: str | bytes) -> bytes:
    """JSON text in one spelling, which is the same for equal JSON; what is no JSON as it is."""
    try:
        return _sorted(_decode(text))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        try:
            return _sorted(whole_characters(json.loads(text, parse_float=_plain_float)))
        except (ValueError, RecursionError):
            return text.encode("utf-8", "replace") if isinstance(text, str) else text


def hash_record(known_by: Any, body: Any) -> int:
    """Hash a body, JSON text or its value, with what else it is known by; equal JSON gives equal hashes."""
    key = blake2b(repr(known_by).encode("utf-8", "replace"), digest_size=8)
    key.update(plain_json(body if isinstance(body, str | bytes) else encode_body(body)))
    return int.from_bytes(key.digest(), "big")
