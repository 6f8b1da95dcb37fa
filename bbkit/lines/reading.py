"""Files of output lines, read in order as batches of columns: the hot loop."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, NamedTuple

import msgspec
import pyarrow as pa

from bbkit import aws
from bbkit.core.logs import LOG
from bbkit.families import ERROR_BODY, NO_ANSWER, Answer, answer_of, plain_reader
from bbkit.families.error_bodies import Error, json_text
from bbkit.lines.layout import (
    EXTRA_COLUMNS,
    HEAD_BYTES,
    LINE_BYTES,
    LINE_COLUMNS,
    UNMATCHED_SCHEMA,
    ParsedLine,
    decode_line,
    decode_output,
    decode_whole,
    head_of,
    judge_line,
    limit_of,
    pass_over,
    read_arguments,
    read_id_text,
    read_slowly,
)

_BATCH_BYTES = 8 << 20
_BLOCK = 1 << 20
_MEMO_MOST = 10_000


class LineBatch(NamedTuple):
    """Some lines of one file: the record lines as a table, those that are none beside it."""

    table: pa.Table
    unmatched: pa.Table


def no_lines(extras: tuple[str, ...]) -> pa.Table:
    """No lines, with the columns of a reader and ``file``."""
    return pa.schema(_kinds(extras) | {"file": pa.int32()}).empty_table()


def _kinds(extras: tuple[str, ...]) -> dict[str, pa.DataType]:
    return LINE_COLUMNS | {name: EXTRA_COLUMNS[name] for name in extras}


_FILLED = ("record_id", "offset", "max_tokens", "family", *Answer._fields[:7])


class _BatchBuilder:
    """Lines being read. Cells wait in one flat list: containers that stay would set off the collector."""

    def __init__(self, extras: tuple[str, ...], heads: bool, model_id: str | None):
        self.extras, self.heads, self.model_id = extras, heads, model_id
        self.whole = bool({"model_input", "model_output"} & set(extras))
        self.told = bool({*Answer._fields} & set(extras))
        self.limits: dict[Any, int | None] = {}
        self.is_last = False
        self.family, self.read_plain = "", plain_reader("", model_id)
        self._clear()

    def _clear(self) -> None:
        self.cells: list[Any] = []
        self.errors: dict[int, Error] = {}
        self.odd: dict[int, Answer] = {}
        self.answers: list[Answer] = []
        self.sides: list[tuple[str, str | None]] = []
        self.heads_read, self.arguments = list[str](), list[str | None]()
        self.unmatched: list[dict[str, Any]] = []

    def fill(self, stream: BinaryIO, offset: int, last: int) -> int:
        """Read lines until the batch is full or none is left; the offset of the next line is returned."""
        decode: Any = decode_whole if self.whole else decode_line
        cells, limits, keeps_more = self.cells, self.limits, bool(self.extras) or self.heads
        full = offset + _BATCH_BYTES
        for line in iter(partial(stream.readline, LINE_BYTES), b"") if offset < last else ():
            if offset >= last:
                break
            begin, offset = offset, offset + len(line)
            try:
                parsed = decode(line)
                answer = self.read_plain(parsed.modelOutput) if parsed.error is None else None
                output = decode_output(parsed.modelOutput) if answer is None else None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                if len(line) >= LINE_BYTES and not line.isspace():
                    offset += self._pass_over(stream, line, begin)
                    continue
                parsed = read_slowly(line)
                if not isinstance(parsed, ParsedLine):
                    self._put_aside(line, begin, parsed)
                    continue
                answer, output = None, parsed.modelOutput
            family, model_input, record_id = self.family, parsed.modelInput, parsed.recordId
            if answer is None:
                verdict, family, answer = self._look_closer(begin, output, parsed.error)
                if verdict is not None and (record_id is None or b'"modelOutput"' not in line):
                    self._put_aside(line, begin, verdict)
                    continue
                if verdict is not None:
                    self.errors[begin] = (None, f"{verdict}: {json_text(output)[:HEAD_BYTES]}")
            try:
                limit = limits[model_input]
            except (KeyError, TypeError):
                limit = self._limit(model_input)
            if type(record_id) is not str and record_id is not None:
                record_id = read_id_text(line)
            cells += (record_id, begin, limit, family or None)
            cells += answer[:7]
            if keeps_more:
                self._keep_more(line, answer, parsed)
            if offset >= full:
                return offset
        self.is_last = True
        return offset

    def _look_closer(self, offset: int, output: Any, error: Any) -> tuple[str | None, str, Answer]:
        """Read an answer that is not plain; why it is no record, its family and what it says."""
        family, answer = answer_of(output, self.model_id)
        if not family or error is not None or "errorCode" in output:
            verdict = judge_line(output, error)
            if isinstance(verdict, str):
                return verdict, "", NO_ANSWER
            if verdict is not None:
                self.errors[offset] = verdict
                if error is None and "errorCode" not in output:
                    self.odd[offset] = ERROR_BODY
                return None, "", NO_ANSWER
        if answer.remarks or answer.cache_write_1h_tokens is not None:
            self.odd[offset] = answer
        self.family, self.read_plain = family, plain_reader(family, self.model_id)
        return None, family, answer

    def _pass_over(self, stream: BinaryIO, line: bytes, offset: int) -> int:
        """Pass over a line beyond the bound; its record, where its id is told, is errored."""
        size, record_id = pass_over(stream, line)
        told = f"{size / 1e9:,.1f} GB, over the bound"
        self._put_aside(line, offset, told)
        if record_id is not None:
            self.errors[offset] = (None, f"Its output line is unreadable: {told} of {LINE_BYTES >> 20} MiB.")
            self.cells += (record_id, offset, None, None, *NO_ANSWER[:7])
            self._keep_more(line, NO_ANSWER, ParsedLine(record_id, None, None, None, ("null", None)))
        return size - len(line)

    def _put_aside(self, line: bytes, offset: int, reason: str | None) -> None:
        if reason is not None:
            about = {"offset": offset, "reason": f"unreadable: {reason}", "head": head_of(line)}
            self.unmatched.append(about)

    def _keep_more(self, line: bytes, answer: tuple[Any, ...], parsed: Any) -> None:
        if self.whole:
            self.sides.append(parsed.sides)
        if self.told:
            self.answers.append(Answer(*answer))
        if "arguments" in self.extras:
            self.arguments.append(read_arguments(line) if Answer(*answer).tool_calls else None)
        if self.heads:
            self.heads_read.append(head_of(line))

    def _limit(self, model_input: Any) -> int | None:
        limit = limit_of(model_input)
        if not isinstance(model_input, dict | list):
            if len(self.limits) >= _MEMO_MOST:
                self.limits.clear()
            self.limits[model_input] = limit
        return limit

    def take(self) -> LineBatch:
        """Hand over what was read so far and begin anew."""
        columns: dict[str, Any] = {
            name: self.cells[index :: len(_FILLED)] for index, name in enumerate(_FILLED)
        }
        offsets = columns["offset"]
        columns |= self._errors(offsets) if self.errors else {"succeeded": [True] * len(offsets)}
        for name in ("remarks", "cache_write_1h_tokens") if self.odd else ():
            columns[name] = [getattr(self.odd.get(offset), name, None) for offset in offsets]
        for name in set(self.extras) & set(Answer._fields):
            columns[name] = [getattr(answer, name) for answer in self.answers]
        if "text_raw" in columns:
            columns["text_raw"] = [answer.text_raw or answer.text for answer in self.answers]
        for side, name in enumerate(("model_input", "model_output")):
            columns[name] = [sides[side] for sides in self.sides]
        columns |= {"arguments": self.arguments, "head": self.heads_read}
        kinds = _kinds(self.extras) | ({"head": pa.large_string()} if self.heads else {})
        filled = {name: _array(columns[name], kind) for name, kind in kinds.items() if name in columns}
        table = pa.table(
            {name: filled.get(name, pa.nulls(len(offsets), kind)) for name, kind in kinds.items()}
        )
        unmatched = pa.Table.from_pylist(self.unmatched, UNMATCHED_SCHEMA)
        self._clear()
        return LineBatch(table, unmatched)

    def _errors(self, offsets: list[int]) -> dict[str, Any]:
        errors = [self.errors.get(offset) for offset in offsets]
        return {
            "succeeded": [error is None for error in errors],
            "error_code": [error and error[0] for error in errors],
            "error_message": [error and error[1] for error in errors],
        }


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


def read_share(
    path: str, start: int, end: int | None, extras: tuple[str, ...], model_id: str | None
) -> LineBatch:
    """Read a range of a file at once: what a worker does."""
    batches = read_batches(path, start, end, extras, model_id)
    return LineBatch(*map(pa.concat_tables, zip(*batches, strict=True)))


def read_batches(
    path: str, start: int, end: int | None, extras: tuple[str, ...], model_id: str | None
) -> Iterator[LineBatch]:
    """Read the lines of a file that begin within a range of bytes, a batch at a time."""
    LOG.debug("reading %s", path)
    remote = path.startswith("s3://")
    builder = _BatchBuilder(extras, remote, model_id)
    with TemporaryDirectory(prefix="bbkit-") if remote else nullcontext() as folder:
        local = Path(folder, "lines") if folder else Path(path)
        if remote:
            aws.download_file(path, local)
        with local.open("rb", buffering=_BLOCK) as stream:
            last = sys.maxsize if end is None else end
            offset = stream.seek(max(start - 1, 0))
            while start and offset < last and (piece := stream.readline(_BLOCK)):
                offset += len(piece)
                if piece.endswith(b"\n"):
                    break
            while not builder.is_last:
                offset = builder.fill(stream, offset, last)
                yield builder.take()
