"""Files of output lines, read in order as batches of columns, here or by an executor: the hot loop."""

import json
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from bbkit import aws
from bbkit.core.logs import LOG
from bbkit.families import ERROR_BODY, NO_ANSWER, Answer, answer_of, plain_reader
from bbkit.families.error_bodies import Error, json_text
from bbkit.outputs.lines import (
    EXTRA_COLUMNS,
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
    read_head,
    read_id_text,
    read_slowly,
)
from bbkit.outputs.workers import Share, Workers

if TYPE_CHECKING:  # what follows loads pandas, which workers do without
    from bbkit.outputs.files import Group, OutputFile
    from bbkit.outputs.sent_ids import SentIds

TASK_BYTES = 8_000_000
BATCH_BYTES = 8 << 20
_BLOCK = 1 << 20
_MEMO_MOST = 10_000
_WAITING_TASKS = 32


class LineBatch(NamedTuple):
    """Some lines of one file: the record lines as a table, those that are none beside it."""

    table: pa.Table
    unmatched: pa.Table

    def __reduce__(self) -> tuple[Any, ...]:
        # What a worker sends back is copied several times on its way: packing costs less than the bytes.
        return _unpack, (_pack(self.table), _pack(self.unmatched))


def _pack(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue())


def _unpack(*tables: bytes) -> LineBatch:
    return LineBatch(*(pa.ipc.open_stream(pa.py_buffer(packed)).read_all() for packed in tables))


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
        full = offset + BATCH_BYTES
        for line in iter(partial(stream.readline, LINE_BYTES), b"") if offset < last else ():
            if offset >= last:
                break
            begin, offset = offset, offset + len(line)
            try:
                parsed = decode(line)
                answer = self.read_plain(parsed.modelOutput) if parsed.error is None else None
                output = decode_output(parsed.modelOutput) if answer is None else None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                if len(line) >= LINE_BYTES:
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
                if verdict is not None:
                    self._put_aside(line, begin, verdict)
                    continue
            try:
                limit = limits[model_input]
            except (KeyError, TypeError):
                limit = self._limit(model_input)
            if type(record_id) is not str and record_id is not None:
                record_id = read_id_text(line)
            cells += (record_id, begin, limit, family or None)
            cells += answer[:7]
            if keeps_more:
                self._keep_more(line, Answer(*answer), parsed)
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

    def _keep_more(self, line: bytes, answer: Answer, parsed: Any) -> None:
        self.answers.append(answer)
        if self.whole:
            self.sides.append(parsed.sides)
        if "arguments" in self.extras:
            self.arguments.append(read_arguments(line) if answer.tool_calls else None)
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
        columns |= self._errors(offsets) if self.errors else {"succeeded": np.ones(len(offsets), bool)}
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


class Reader:
    """Reads the files of a group in order, counting per file and gathering the lines that are no rows."""

    def __init__(
        self, group: "Group", extras: tuple[str, ...], workers: Workers, executor: Executor | None = None
    ):
        self.group, self.extras, self.workers, self.executor = group, extras, workers, executor
        self.meta = [file.meta for file in group.files]
        self.remote = not all(file.is_local for file in group.files)
        self.forget()

    def forget(self) -> None:
        """Begin anew, as if nothing had been read and it were not known what was sent."""
        self.counts: list[Counter[str]] = [Counter() for _ in self.group.files]
        self.unmatched: list[dict[str, Any]] = []
        self.paid: list[pa.Table] = []
        self.sent: SentIds | None = None

    def tables(self) -> Iterator[pa.Table]:
        """Record lines of all files in order, with the number of their file."""
        from bbkit.outputs.accounts import count_lines  # and pandas, which workers do without

        for number, batch in self._batches():
            count_lines(batch.table, self.counts[number])
            self.add_unmatched(batch.unmatched, number)
            table = batch.table.append_column("file", pa.array(np.full(len(batch.table), number, np.int32)))
            if self.remote and "head" not in table.column_names:
                table = table.append_column("head", pa.nulls(len(table), pa.large_string()))
            yield table.select(sorted(table.column_names))

    def _batches(self) -> Iterator[tuple[int, LineBatch]]:
        if self.executor is None:
            yield from self.workers.read(self._shares(), sum(file.size for file in self.group.files))
            return
        waiting: deque[tuple[int, Future[LineBatch]]] = deque()
        for number, file in enumerate(self.group.files):
            for start, end in _ranges(file):
                if len(waiting) >= _WAITING_TASKS:
                    first, future = waiting.popleft()
                    yield first, future.result()
                waiting.append((number, self.executor.submit(_read_part, file, start, end, self.extras)))
        for number, future in waiting:
            yield number, future.result()

    def _shares(self) -> Iterator[Share]:
        for number, file in enumerate(self.group.files):
            for start, end in _ranges(file):
                task = (file.path, start, end, self.extras, file.meta.model_id) if file.is_local else None
                read = partial(_read_file, file, start, end, self.extras)
                yield Share(number, (end or file.size) - start, read, task)

    def add_unmatched(self, lines: pa.Table, number: int = 0) -> None:
        """Keep lines that are no rows, with the names of their files and their first bytes."""
        for line in lines.to_pylist():
            file = self.group.files[number if line["file"] is None else line["file"]]
            if line["head"] is None:
                line["head"] = read_head(file.path, line["offset"])
            self.unmatched.append(line | {"file": file.meta.source_file or file.path})

    def compare_manifests(self) -> list[dict[str, Any]]:
        """Lay what the manifests say beside what the files hold and what was sent, once all was read."""
        from bbkit.outputs.accounts import compare_manifest

        counted: dict[str, list[int]] = {}
        for number, file in enumerate(self.group.files):
            if file.manifest:
                counted.setdefault(file.manifest, []).append(number)
        rows = []
        for path, numbers in counted.items():
            counts = sum((self.counts[number] for number in numbers), Counter())
            counts["processed"] = counts["succeeded"] + counts["errored"]
            total = self._count_sent(self.meta[numbers[0]].job_arn, counts, alone=len(counted) == 1)
            rows.append(compare_manifest(path.rsplit("/", 2)[-2], _read_manifest(path), counts, total))
        return rows

    def _count_sent(self, job_arn: str | None, counts: Counter[str], *, alone: bool) -> int | None:
        """How many records one job was sent; None where that is known of several together."""
        if self.sent is None:
            return counts["processed"]
        lengths = self.sent.lengths
        if job_arn and job_arn in lengths:
            return lengths[job_arn]
        return sum(lengths.values()) if alone and self.group.run is None else None


def _ranges(file: "OutputFile") -> list[tuple[int, int | None]]:
    if not file.is_local or file.size <= TASK_BYTES * 3 // 2:
        return [(0, None)]
    edges = np.linspace(0, file.size, -(-file.size // TASK_BYTES) + 1).astype(int).tolist()
    return list(zip(edges[:-1], [*edges[1:-1], None], strict=True))


def _read_part(file: "OutputFile", start: int, end: int | None, extras: tuple[str, ...]) -> LineBatch:
    """Read a range of one file: what an executor's worker does."""
    return _join(_read_file(file, start, end, extras))


def read_share(
    path: str, start: int, end: int | None, extras: tuple[str, ...], model_id: str | None
) -> LineBatch:
    """Read a range of one local file: what a worker does."""
    return _join(_read_lines(path, start, end, _BatchBuilder(extras, False, model_id)))


def _join(batches: Iterable[LineBatch]) -> LineBatch:
    return LineBatch(*map(pa.concat_tables, zip(*batches, strict=True)))


def _read_lines(path: str | Path, start: int, end: int | None, builder: _BatchBuilder) -> Iterator[LineBatch]:
    """Read the lines of a local file that begin within a range of bytes, a batch at a time."""
    with Path(path).open("rb", buffering=_BLOCK) as stream:
        last = sys.maxsize if end is None else end
        offset = stream.seek(max(start - 1, 0))
        while start and offset < last and (piece := stream.readline(_BLOCK)):
            offset += len(piece)
            if piece.endswith(b"\n"):
                break
        while not builder.is_last:
            offset = builder.fill(stream, offset, last)
            yield builder.take()


def _read_file(
    file: "OutputFile", start: int, end: int | None, extras: tuple[str, ...]
) -> Iterator[LineBatch]:
    LOG.debug("reading %s", file.path)
    builder = _BatchBuilder(extras, not file.is_local, file.meta.model_id)
    if file.is_local:
        yield from _read_lines(file.path, start, end, builder)
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="bbkit-") as folder:
        path = Path(folder) / "lines"
        aws.download_file(file.path, path)
        yield from _read_lines(path, 0, None, builder)


def _read_manifest(path: str) -> dict[str, Any] | None:
    """Read a manifest; None when it is not a JSON object."""
    try:
        manifest = json.loads(aws.read_object(path) if path.startswith("s3://") else Path(path).read_bytes())
    except (ValueError, RecursionError):
        return None
    return manifest if isinstance(manifest, dict) else None
