"""The layout of an output line: bytes of a ``.jsonl.out`` file become columns, stray lines are kept by name.

Layout: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-results.html (October 2026).
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.families import FAMILIES, NO_ANSWER, Answer, answer_of, max_tokens_of

LINE_COLUMNS: dict[str, pa.DataType] = {
    "record_id": pa.large_string(),
    "succeeded": pa.bool_(),
    "text": pa.large_string(),
    "stop_reason_raw": pa.large_string(),
    "input_tokens": pa.int64(),
    "output_tokens": pa.int64(),
    "cache_read_tokens": pa.int64(),
    "cache_write_tokens": pa.int64(),
    "max_tokens": pa.int64(),
    "model": pa.large_string(),
    "family": pa.large_string(),
    "error_code": pa.large_string(),
    "error_message": pa.large_string(),
    "offset": pa.int64(),
}
"""What a record line becomes; `EXTRA_COLUMNS` follow where they are asked for."""

EXTRA_COLUMNS: dict[str, pa.DataType] = {
    "reasoning": pa.large_string(),
    "tool_calls": pa.large_string(),
    "model_input": pa.large_string(),
    "model_output": pa.large_string(),
    "embedding": pa.large_list(pa.float64()),
}
"""What ``with_columns`` of `collect_outputs` can add."""

STRAY_SCHEMA = pa.schema(
    {"file": pa.int32(), "offset": pa.int64(), "reason": pa.large_string(), "head": pa.large_string()}
)
"""Lines that never become a row; ``file`` is the number of the file among those being read."""

HEAD_BYTES = 200
BATCH_BYTES = 8 << 20
_BLOCK = 1 << 20
_MEMO_MOST = 10_000
_Error = tuple[str | None, str | None]


def _model_input_type() -> type:
    """Make the struct that holds only the fields `max_tokens_of` may read, so that the rest is skipped."""
    paths = {family.max_tokens_path for family in FAMILIES.values() if family.max_tokens_path}
    paths |= {("max_completion_tokens",), ("inferenceConfig", "max_new_tokens"), ("max_tokens",)}
    number = int | None | msgspec.UnsetType
    inner: dict[str, list[tuple[str, Any, Any]]] = {}
    for path in sorted(paths):
        inner.setdefault(path[0], []).extend((name, number, msgspec.UNSET) for name in path[1:2])
    fields: list[tuple[str, Any, Any]] = []
    for name, below in inner.items():
        kind: Any = number
        if below:
            kind = msgspec.defstruct(name, below, frozen=True) | None | msgspec.UnsetType
        fields.append((name, kind, msgspec.UNSET))
    return msgspec.defstruct("ModelInput", fields, frozen=True)


_ModelInput = _model_input_type()


class _Line(msgspec.Struct, gc=False):
    recordId: Any = None
    modelInput: _ModelInput | None = None  # type: ignore[valid-type]
    modelOutput: Any = None
    error: Any = None


class _WholeLine(msgspec.Struct, gc=False):
    recordId: Any = None
    modelInput: msgspec.Raw = msgspec.Raw(b"null")
    modelOutput: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None


class _Found(NamedTuple):
    """A line read with care: `sides` are the JSON texts of modelInput and modelOutput."""

    recordId: Any
    modelInput: Any
    modelOutput: Any
    error: Any
    sides: tuple[str, str | None]


class _IdLine(msgspec.Struct, gc=False):
    recordId: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(_Line).decode
_decode_raw = msgspec.json.Decoder(_WholeLine).decode
_decode_id = msgspec.json.Decoder(_IdLine).decode
_decode_input = msgspec.json.Decoder(_ModelInput | None).decode
_decode_any = msgspec.json.Decoder().decode


@dataclass
class LinesRead:
    """Some lines of one file: the record lines as a table, the stray ones beside it."""

    table: pa.Table
    strays: pa.Table

    @classmethod
    def join(cls, reads: list["LinesRead"]) -> "LinesRead":
        """Put reads of one file one after the other."""
        tables, strays = [one.table for one in reads], [one.strays for one in reads]
        return cls(pa.concat_tables(tables), pa.concat_tables(strays))

    @staticmethod
    def empty(extras: tuple[str, ...]) -> pa.Table:
        """No lines, with the columns of a reader and ``file``."""
        wanted = LINE_COLUMNS | {name: EXTRA_COLUMNS[name] for name in extras} | {"file": pa.int32()}
        return pa.schema(wanted).empty_table()


def read_lines(
    path: str | Path,
    *,
    start: int = 0,
    end: int | None = None,
    extras: tuple[str, ...] = (),
    heads: bool = False,
) -> Iterator[LinesRead]:
    r"""Read the lines of an output file that begin within a range of bytes, a batch at a time.

    Lines are split on ``\n`` only: U+2028 and the like occur inside the texts of models.

    Parameters
    ----------
    path : str or Path
        A local file.
    start, end : int
        Bytes; a line belongs to the range in which its first byte lies. No `end` is the end of the file.
    extras : tuple of str
        Which of `EXTRA_COLUMNS` to read as well.
    heads : bool
        Whether to keep the first 200 bytes of every line in a column ``head``, for files that are not at hand
        later.

    Yields
    ------
    LinesRead
        One row per record line, columns `LINE_COLUMNS` and what was asked for.
    """
    batch = _Batch(extras, heads)
    with Path(path).open("rb", buffering=_BLOCK) as stream:
        offset = 0
        if start:
            stream.seek(start - 1)
            offset = start - 1 + len(stream.readline())
        last = sys.maxsize if end is None else end
        while not batch.is_last:
            offset = batch.fill(stream, offset, last)
            yield batch.take()


def read_head(path: str | Path, offset: int) -> str:
    """Read the first 200 bytes of the line that begins at `offset`, undecodable bytes as U+FFFD."""
    with Path(path).open("rb") as stream:
        stream.seek(offset)
        return _head(stream.readline(HEAD_BYTES))


def _head(line: bytes) -> str:
    return line[:HEAD_BYTES].rstrip(b"\r\n").decode("utf-8", "replace")


_FILLED = ("record_id", "offset", "max_tokens", "family", *Answer._fields[:7])


class _Batch:
    """Columns being filled, line by line."""

    def __init__(self, extras: tuple[str, ...], heads: bool):
        self.extras, self.heads = extras, heads
        self.whole = bool({"model_input", "model_output"} & set(extras))
        self.keeps_more = bool(extras) or heads
        self.limit_of: dict[Any, int | None] = {}
        self.is_last = False
        self._clear()

    def _clear(self) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in _FILLED}
        self.errors: dict[int, _Error] = {}
        self.more: list[Answer] = []
        self.sides: list[tuple[str, str | None]] = []
        self.heads_read: list[str] = []
        self.strays: list[tuple[int, str, str]] = []

    def fill(self, stream: BinaryIO, offset: int, last: int) -> int:
        """Read lines until the batch is full or none is left; the offset of the next line is returned."""
        # Ten lists and no container per line: what stays alive would set off the garbage collector.
        adds = [self.columns[name].append for name in _FILLED]
        add_id, add_offset, add_limit, add_family, add_text, add_stop, *add_counts, add_model = adds
        add_input, add_output, add_cache_read, add_cache_write = add_counts
        decode: Any = _decode_whole if self.whole else _decode
        limit_of, ids = self.limit_of, self.columns["record_id"]
        full = offset + BATCH_BYTES
        for line in stream:
            if offset >= last:
                break
            begin, offset = offset, offset + len(line)
            try:
                found = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                found = self._read_slowly(line, begin)
                if found is None:
                    continue
            output, error, model_input = found.modelOutput, found.error, found.modelInput
            family: str | None
            family, answer = answer_of(output)
            if not family or error is not None or "errorCode" in output:
                verdict = _judge(output, error)
                if isinstance(verdict, str):
                    self.strays.append((begin, f"unreadable: {verdict}", _head(line)))
                    continue
                if verdict is not None:
                    self.errors[len(ids)] = verdict
                    answer = NO_ANSWER
                family = family if verdict is None and family else None
            try:
                limit = limit_of[model_input]
            except (KeyError, TypeError):
                limit = self._limit(model_input)
            record_id = found.recordId
            if type(record_id) is not str and record_id is not None:
                record_id = _id_text(line)
            add_id(record_id)
            add_offset(begin)
            add_limit(limit)
            add_family(family)
            add_text(answer[0])
            add_stop(answer[1])
            add_input(answer[2])
            add_output(answer[3])
            add_cache_read(answer[4])
            add_cache_write(answer[5])
            add_model(answer[6])
            if self.keeps_more:
                self._keep_more(line, answer, found)
            if offset >= full:
                return offset
        self.is_last = True
        return offset

    def _read_slowly(self, line: bytes, offset: int) -> "_Found | None":
        """Read a line that msgspec refuses, or name it as a stray one."""
        if not line.strip():
            return None
        try:
            found = _whole_characters(json.loads(line))
        except (ValueError, RecursionError):
            self.strays.append((offset, "unreadable: not JSON", _head(line)))
            return None
        if not isinstance(found, dict):
            self.strays.append((offset, "unreadable: not a JSON object", _head(line)))
            return None
        record_id, output = found.get("recordId"), found.get("modelOutput")
        sides = (_json_text(found.get("modelInput")), None if output is None else _json_text(output))
        return _Found(_text_of(record_id), found.get("modelInput"), output, found.get("error"), sides)

    def _keep_more(self, line: bytes, answer: Answer, found: Any) -> None:
        self.more.append(answer)
        if self.whole:
            self.sides.append(found.sides)
        if self.heads:
            self.heads_read.append(_head(line))

    def _limit(self, model_input: Any) -> int | None:
        if not isinstance(model_input, _ModelInput):
            return max_tokens_of(model_input)
        if len(self.limit_of) >= _MEMO_MOST:
            self.limit_of.clear()
        limit = self.limit_of[model_input] = max_tokens_of(msgspec.to_builtins(model_input))
        return limit

    def take(self) -> LinesRead:
        """Hand over what was read so far and begin anew."""
        columns: dict[str, Any] = dict(self.columns)
        rows = len(columns["record_id"])
        columns["succeeded"] = np.ones(rows, bool)
        columns["succeeded"][list(self.errors)] = False
        errors = [self.errors.get(row, (None, None)) for row in range(rows)] if self.errors else []
        columns["error_code"], columns["error_message"] = (
            _columns(errors, 2) if errors else [[None] * rows] * 2
        )
        for name in set(self.extras) & set(Answer._fields):
            columns[name] = [getattr(answer, name) for answer in self.more]
        if self.whole:
            columns["model_input"], columns["model_output"] = _columns(self.sides, 2)
        wanted = LINE_COLUMNS | {name: EXTRA_COLUMNS[name] for name in self.extras}
        arrays = {name: _array(columns[name], kind) for name, kind in wanted.items()}
        if self.heads:
            arrays["head"] = pa.array(self.heads_read, pa.large_string())
        offsets, reasons, heads = _columns(self.strays, 3)
        strays = {"file": [None] * len(offsets), "offset": offsets, "reason": reasons, "head": heads}
        self._clear()
        return LinesRead(pa.table(arrays), pa.table(strays, schema=STRAY_SCHEMA))


def _decode_whole(line: bytes) -> "_Found":
    found = _decode_raw(line)
    output = _decode_any(found.modelOutput)
    output_text = None if output is None else bytes(found.modelOutput).decode("utf-8")
    sides = (bytes(found.modelInput).decode("utf-8", "replace"), output_text)
    return _Found(found.recordId, _decode_input(found.modelInput), output, found.error, sides)


def _id_text(line: bytes) -> str:
    return bytes(_decode_id(line).recordId).decode()


def _judge(output: Any, error: Any) -> _Error | str | None:
    """The code and message of an errored record; None when it succeeded, a reason when it is no record."""
    if error is None:
        if output is None:
            return "no modelOutput and no error"
        if not isinstance(output, dict):
            return "modelOutput is not an object"
        if "errorCode" not in output:
            return None
        error = output
    if not isinstance(error, dict):
        return None, _text_of(error)
    code, message = error.get("errorCode"), error.get("errorMessage")
    if code is None and message is None:
        return None, _json_text(error)
    return _text_of(code), _text_of(message)


def _text_of(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else _json_text(value)


def _json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _whole_characters(value: Any) -> Any:
    """Join surrogate pairs and replace lone surrogates, which no UTF-8 file can hold, by U+FFFD."""
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {_whole_characters(name): _whole_characters(item) for name, item in value.items()}
    return value


def _columns(rows: list[Any], width: int) -> list[Any]:
    return list(zip(*rows, strict=True)) if rows else [[] for _ in range(width)]


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([_fitting(value, kind) for value in values], kind)


def _fitting(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if kind == pa.large_string():
        return value if isinstance(value, str) else _json_text(value)
    try:
        return pa.scalar(value, kind).as_py()
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None


def count_lines(read: LinesRead) -> dict[str, int | None]:
    """Count what a manifest counts: succeeded, errored, and tokens (None where a line reports none)."""
    table = read.table
    succeeded = pc.sum(table["succeeded"]).as_py() or 0
    counts: dict[str, int | None] = {"succeeded": succeeded, "errored": len(table) - succeeded}
    for name in ("input_tokens", "output_tokens"):
        unknown = succeeded > len(table) - table[name].null_count
        counts[name] = None if unknown else pc.sum(table[name]).as_py() or 0
    return counts
