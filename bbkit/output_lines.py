"""The layout of an output line: bytes of a ``.jsonl.out`` file become columns, stray lines are kept by name.

Layout: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-results.html (October 2026).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
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
BATCH_LINES = 16_384
BATCH_BYTES = 16 << 20
_BLOCK = 1 << 20
_MEMO_MOST = 10_000


def _model_input_type() -> type:
    """Make the struct that holds only the fields `max_tokens_of` may read, so that the rest is skipped."""
    paths = {family.max_tokens_path for family in FAMILIES.values() if family.max_tokens_path}
    paths |= {("max_completion_tokens",), ("inferenceConfig", "max_new_tokens"), ("max_tokens",)}
    number = int | None
    inner: dict[str, list[tuple[str, Any, Any]]] = {}
    for path in sorted(paths):
        inner.setdefault(path[0], []).extend((name, number, None) for name in path[1:2])
    fields = []
    for name, below in inner.items():
        kind = msgspec.defstruct(name, below, frozen=True) | None if below else number
        fields.append((name, kind, None))
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


class _IdLine(msgspec.Struct, gc=False):
    recordId: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(_Line).decode
_decode_whole = msgspec.json.Decoder(_WholeLine).decode
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


class _NotARecord(ValueError):
    """A line that is no record; the text says why."""


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
        for line in stream:
            if end is not None and offset >= end:
                break
            batch.add(line, offset)
            offset += len(line)
            if batch.is_full:
                yield batch.take()
    yield batch.take()


def read_head(path: str | Path, offset: int) -> str:
    """Read the first 200 bytes of the line that begins at `offset`, undecodable bytes as U+FFFD."""
    with Path(path).open("rb") as stream:
        stream.seek(offset)
        return _head(stream.readline(HEAD_BYTES))


def _head(line: bytes) -> str:
    return line[:HEAD_BYTES].rstrip(b"\r\n").decode("utf-8", "replace")


class _Batch:
    """Columns being filled, line by line."""

    def __init__(self, extras: tuple[str, ...], heads: bool):
        self.extras = extras
        self.heads = heads
        self.read = self._read_whole if {"model_input", "model_output"} & set(extras) else self._read
        self.memo: dict[Any, int | None] = {}
        self._clear()

    def _clear(self) -> None:
        self.bytes = 0
        self.ids: list[str | None] = []
        self.offsets: list[int] = []
        self.limits: list[int | None] = []
        self.families: list[str | None] = []
        self.answers: list[Answer] = []
        self.errors: list[tuple[str | None, str | None] | None] = []
        self.sides: list[tuple[str, str | None]] = []
        self.head_texts: list[str] = []
        self.strays: list[tuple[int, str, str]] = []

    @property
    def is_full(self) -> bool:
        return len(self.offsets) >= BATCH_LINES or self.bytes >= BATCH_BYTES

    def add(self, line: bytes, offset: int) -> None:
        self.bytes += len(line)
        try:
            try:
                self.read(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                if not line.strip():
                    return
                self._read_slowly(line)
        except _NotARecord as error:
            self.strays.append((offset, f"unreadable: {error}", _head(line)))
            return
        self.offsets.append(offset)
        if self.heads:
            self.head_texts.append(_head(line))

    def _read(self, line: bytes) -> None:
        found = _decode(line)
        self._append(line, found.recordId, found.modelInput, found.modelOutput, found.error)

    def _read_whole(self, line: bytes) -> None:
        found = _decode_whole(line)
        output = _decode_any(found.modelOutput)
        model_input = _decode_input(found.modelInput)
        output_text = None if output is None else bytes(found.modelOutput).decode("utf-8")
        input_text = bytes(found.modelInput).decode("utf-8", "replace")
        self._append(line, found.recordId, model_input, output, found.error)
        self.sides.append((input_text, output_text))

    def _read_slowly(self, line: bytes) -> None:
        try:
            found = _whole_characters(json.loads(line))
        except (ValueError, RecursionError):
            raise _NotARecord("not JSON") from None
        if not isinstance(found, dict):
            raise _NotARecord("not a JSON object")
        model_input, output = found.get("modelInput"), found.get("modelOutput")
        self._append(b"", found.get("recordId"), model_input, output, found.get("error"))
        if self.read == self._read_whole:
            self.sides.append((_json_text(model_input), None if output is None else _json_text(output)))

    def _append(self, line: bytes, record_id: Any, model_input: Any, output: Any, error: Any) -> None:
        limit = self._limit(model_input)
        if type(record_id) is not str and record_id is not None:
            record_id = bytes(_decode_id(line).recordId).decode() if line else _json_text(record_id)
        if error is None and type(output) is dict and "errorCode" not in output:
            family, answer = answer_of(output)
            self.errors.append(None)
            self.families.append(family or None)
            self.answers.append(answer)
        else:
            self.errors.append(_error_of(output, error))
            self.families.append(None)
            self.answers.append(NO_ANSWER)
        self.ids.append(record_id)
        self.limits.append(limit)

    def _limit(self, model_input: Any) -> int | None:
        if model_input is None:
            return None
        if isinstance(model_input, dict):
            return max_tokens_of(model_input)
        if not isinstance(model_input, _ModelInput):
            return None
        try:
            return self.memo[model_input]
        except KeyError:
            if len(self.memo) >= _MEMO_MOST:
                self.memo.clear()
            fields = msgspec.to_builtins(model_input)
            limit = self.memo[model_input] = max_tokens_of(_without_none(fields))
            return limit

    def take(self) -> LinesRead:
        """Hand over what was read so far and begin anew."""
        columns: dict[str, Any] = dict(zip(Answer._fields, _columns(self.answers), strict=True))
        codes, messages = _columns([error or (None, None) for error in self.errors], 2)
        columns |= {
            "record_id": self.ids,
            "succeeded": [error is None for error in self.errors],
            "max_tokens": self.limits,
            "family": self.families,
            "error_code": codes,
            "error_message": messages,
            "offset": self.offsets,
        }
        if self.sides:
            columns["model_input"], columns["model_output"] = _columns(self.sides, 2)
        wanted = LINE_COLUMNS | {name: EXTRA_COLUMNS[name] for name in self.extras}
        arrays = {name: _array(columns.get(name, []), kind) for name, kind in wanted.items()}
        if self.heads:
            arrays["head"] = pa.array(self.head_texts, pa.large_string())
        strays = pa.table(
            [
                pa.nulls(len(self.strays), pa.int32()),
                *(
                    pa.array(column, kind)
                    for column, kind in zip(
                        _columns(self.strays, 3), list(STRAY_SCHEMA.types)[1:], strict=True
                    )
                ),
            ],
            schema=STRAY_SCHEMA,
        )
        self._clear()
        return LinesRead(pa.table(arrays), strays)


def _error_of(output: Any, error: Any) -> tuple[str | None, str | None]:
    if error is None:
        if output is None:
            raise _NotARecord("no modelOutput and no error")
        if not isinstance(output, dict):
            raise _NotARecord("modelOutput is not an object")
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


def _without_none(fields: Any) -> Any:
    if not isinstance(fields, dict):
        return fields
    return {name: _without_none(value) for name, value in fields.items() if value is not None}


def _columns(rows: list[Any], width: int = len(Answer._fields)) -> list[Any]:
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
