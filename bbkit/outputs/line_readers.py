"""Files of output lines, read as batches of columns: the hot loop of `collect_outputs`."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.families import NO_ANSWER, Answer, answer_of
from bbkit.outputs.lines import (
    EXTRA_COLUMNS,
    LINE_COLUMNS,
    STRAY_SCHEMA,
    Error,
    Found,
    decode_line,
    decode_whole,
    head_of,
    json_text,
    judge_line,
    limit_of,
    read_id_text,
    read_slowly,
)

BATCH_BYTES = 8 << 20
_BLOCK = 1 << 20
_MEMO_MOST = 10_000


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

    def __reduce__(self) -> tuple[Any, ...]:
        # What a worker sends back is copied several times on its way: packing costs less than the bytes.
        return _unpack, (_pack(self.table), _pack(self.strays))

    @staticmethod
    def empty(extras: tuple[str, ...]) -> pa.Table:
        """No lines, with the columns of a reader and ``file``."""
        wanted = LINE_COLUMNS | {name: EXTRA_COLUMNS[name] for name in extras} | {"file": pa.int32()}
        return pa.schema(wanted).empty_table()


def _pack(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue().to_pybytes()


def _unpack(table: bytes, strays: bytes) -> "LinesRead":
    return LinesRead(*(pa.ipc.open_stream(pa.py_buffer(packed)).read_all() for packed in (table, strays)))


def read_lines(
    path: str | Path,
    *,
    start: int = 0,
    end: int | None = None,
    extras: tuple[str, ...] = (),
    heads: bool = False,
) -> Iterator[LinesRead]:
    r"""Read the lines of an output file that begin within a range of bytes, a batch at a time."""
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


_FILLED = ("record_id", "offset", "max_tokens", "family", *Answer._fields[:7])


class _Batch:
    """Lines being read. Cells wait in one flat list: containers that stay would set off the collector."""

    def __init__(self, extras: tuple[str, ...], heads: bool):
        self.extras, self.heads = extras, heads
        self.whole = bool({"model_input", "model_output"} & set(extras))
        self.limits: dict[Any, int | None] = {}
        self.is_last = False
        self._clear()

    def _clear(self) -> None:
        self.cells: list[Any] = []
        self.errors: dict[int, Error] = {}
        self.answers: list[Answer] = []
        self.sides: list[tuple[str, str | None]] = []
        self.heads_read: list[str] = []
        self.strays: list[tuple[int, str, str]] = []

    def fill(self, stream: BinaryIO, offset: int, last: int) -> int:
        """Read lines until the batch is full or none is left; the offset of the next line is returned."""
        decode: Any = decode_whole if self.whole else decode_line
        cells, limits, keeps_more = self.cells, self.limits, bool(self.extras) or self.heads
        full = offset + BATCH_BYTES
        for line in stream:
            if offset >= last:
                break
            begin, offset = offset, offset + len(line)
            try:
                found = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                found = read_slowly(line)
                if not isinstance(found, Found):
                    self._put_aside(line, begin, found)
                    continue
            output, error, model_input, record_id = (
                found.modelOutput, found.error, found.modelInput, found.recordId
            )  # fmt: skip
            family, answer = answer_of(output)
            if not family or error is not None or "errorCode" in output:
                verdict = judge_line(output, error)
                if isinstance(verdict, str):
                    self._put_aside(line, begin, verdict)
                    continue
                if verdict is not None:
                    self.errors[begin], family, answer = verdict, "", NO_ANSWER
            try:
                limit = limits[model_input]
            except (KeyError, TypeError):
                limit = self._limit(model_input)
            if type(record_id) is not str and record_id is not None:
                record_id = read_id_text(line)
            cells += (record_id, begin, limit, family or None, *answer[:7])
            if keeps_more:
                self._keep_more(line, answer, found)
            if offset >= full:
                return offset
        self.is_last = True
        return offset

    def _put_aside(self, line: bytes, offset: int, reason: str | None) -> None:
        if reason is not None:
            self.strays.append((offset, f"unreadable: {reason}", head_of(line)))

    def _keep_more(self, line: bytes, answer: Answer, found: Any) -> None:
        self.answers.append(answer)
        if self.whole:
            self.sides.append(found.sides)
        if self.heads:
            self.heads_read.append(head_of(line))

    def _limit(self, model_input: Any) -> int | None:
        limit = limit_of(model_input)
        if not isinstance(model_input, dict | list):
            if len(self.limits) >= _MEMO_MOST:
                self.limits.clear()
            self.limits[model_input] = limit
        return limit

    def take(self) -> LinesRead:
        """Hand over what was read so far and begin anew."""
        columns: dict[str, Any] = {
            name: self.cells[place :: len(_FILLED)] for place, name in enumerate(_FILLED)
        }
        columns |= self._errors(columns["offset"])
        for name in set(self.extras) & set(Answer._fields):
            columns[name] = [getattr(answer, name) for answer in self.answers]
        if self.whole:
            columns["model_input"], columns["model_output"] = _turn(self.sides, 2)
        if self.heads:
            columns["head"] = self.heads_read
        kinds = LINE_COLUMNS | {name: EXTRA_COLUMNS[name] for name in self.extras}
        kinds |= {"head": pa.large_string()} if self.heads else {}
        table = pa.table({name: _array(columns[name], kind) for name, kind in kinds.items()})
        offsets, reasons, heads = _turn(self.strays, 3)
        strays = {"file": [None] * len(offsets), "offset": offsets, "reason": reasons, "head": heads}
        self._clear()
        return LinesRead(table, pa.table(strays, schema=STRAY_SCHEMA))

    def _errors(self, offsets: list[int]) -> dict[str, Any]:
        if not self.errors:
            none = [None] * len(offsets)
            return {"succeeded": np.ones(len(offsets), bool), "error_code": none, "error_message": none}
        found = [self.errors.get(offset) for offset in offsets]
        codes, messages = _turn([error or (None, None) for error in found], 2)
        succeeded = [error is None for error in found]
        return {"succeeded": succeeded, "error_code": codes, "error_message": messages}


def _turn(rows: list[Any], width: int) -> list[Any]:
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
        return value if isinstance(value, str) else json_text(value)
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
