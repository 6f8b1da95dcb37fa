"""The layout of an output line: how its bytes are decoded and judged, and how one record's line is found.

Layout: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-results.html (October 2026).
"""

import json
import mmap
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import msgspec
import pyarrow as pa

from bbkit.core.text import whole_characters
from bbkit.families import MAX_TOKENS_PATHS, answer_of, error_of, max_tokens_of
from bbkit.families.asked_tools import asked_arguments
from bbkit.families.error_bodies import Error, json_text

if TYPE_CHECKING:
    import pandas as pd

LINE_COLUMNS: dict[str, pa.DataType] = {
    **dict.fromkeys(("record_id", "text", "stop_reason_raw", "model", "family"), pa.large_string()),
    **dict.fromkeys(("error_code", "error_message", "remarks"), pa.large_string()),
    **dict.fromkeys(("input_tokens", "output_tokens", "max_tokens", "offset"), pa.int64()),
    **dict.fromkeys(("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"), pa.int64()),
    "succeeded": pa.bool_(),
}
"""What a record line becomes; `EXTRA_COLUMNS` follow where they are asked for."""

EXTRA_COLUMNS: dict[str, pa.DataType] = {
    **dict.fromkeys(("reasoning", "tool_calls", "model_input", "model_output"), pa.large_string()),
    **dict.fromkeys(("text_raw", "arguments"), pa.large_string()),
    "embedding": pa.large_list(pa.float32()),
}
"""What ``with_columns`` of `collect_outputs` can add."""

UNMATCHED_SCHEMA = pa.schema(
    {"file": pa.int32(), "offset": pa.int64(), "reason": pa.large_string(), "head": pa.large_string()}
)
"""Lines that never become a row; ``file`` is the number of the file among those being read."""

HEAD_BYTES = 200
LINE_BYTES = 128 << 20
"""A longer line is passed over: more than twice the largest record known (45 MB)."""

_ID = re.compile(rb'"recordId"\s*:\s*(?:"(?:[^"\\]|\\.)*"|[^\s,}"]+)')
_END_BYTES = 1 << 16


def _model_input_type() -> type:
    """Make the struct that holds only the fields `max_tokens_of` may read, so that the rest is skipped."""
    number = int | None | msgspec.UnsetType
    inner: dict[str, list[tuple[str, Any, Any]]] = {}
    for path in sorted(MAX_TOKENS_PATHS):
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
    modelOutput: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None


class _WholeLine(msgspec.Struct, gc=False):
    recordId: Any = None
    modelInput: msgspec.Raw = msgspec.Raw(b"null")
    modelOutput: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None


class ParsedLine(NamedTuple):
    """A line with the JSON texts of modelInput and modelOutput, its `sides`."""

    recordId: Any
    modelInput: Any
    modelOutput: Any
    error: Any
    sides: tuple[str, str | None]


class _IdLine(msgspec.Struct, gc=False):
    recordId: msgspec.Raw = msgspec.Raw(b"null")


decode_line = msgspec.json.Decoder(_Line).decode
_decode_raw = msgspec.json.Decoder(_WholeLine).decode
_decode_id = msgspec.json.Decoder(_IdLine).decode
_decode_input = msgspec.json.Decoder(_ModelInput | None).decode
decode_output = msgspec.json.Decoder().decode


def read_head(path: str | Path, offset: int) -> str:
    """Read the first 200 bytes of the line that begins at `offset`, undecodable bytes as U+FFFD."""
    with Path(path).open("rb") as stream:
        stream.seek(offset)
        return head_of(stream.readline(HEAD_BYTES))


def head_of(line: bytes) -> str:
    return line[:HEAD_BYTES].rstrip(b"\r\n").decode("utf-8", "replace")


def decode_whole(line: bytes) -> ParsedLine:
    raw = _decode_raw(line)
    output = bytes(raw.modelOutput).decode("utf-8")
    sides = (bytes(raw.modelInput).decode("utf-8", "replace"), None if output == "null" else output)
    return ParsedLine(raw.recordId, _decode_input(raw.modelInput), raw.modelOutput, raw.error, sides)


def read_slowly(line: bytes) -> ParsedLine | str | None:
    """Read a line that msgspec refuses; None for a blank one, a reason for one that is no record."""
    if not line.strip():
        return None
    try:
        parsed = whole_characters(json.loads(line))
    except (ValueError, RecursionError):
        return "not JSON"
    if not isinstance(parsed, dict):
        return "not a JSON object"
    record_id, model_input, output = (parsed.get(name) for name in ("recordId", "modelInput", "modelOutput"))
    sides = (json_text(model_input), None if output is None else json_text(output))
    return ParsedLine(_text_of(record_id), model_input, output, parsed.get("error"), sides)


def read_arguments(line: bytes) -> str | None:
    """The arguments of the tool that a line asks for, as they came: a JSON list of texts."""
    try:
        raw = _decode_raw(line)
        sides = [bytes(raw.modelInput), bytes(raw.modelOutput)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        parsed = whole_characters(json.loads(line))
        sides = [json.dumps(parsed.get(name)).encode() for name in ("modelInput", "modelOutput")]
    return write_arguments(*sides)


def write_arguments(model_input: bytes, model_output: bytes) -> str | None:
    found = asked_arguments(model_input, model_output)
    return None if found is None else json_text(found)


def limit_of(model_input: Any) -> int | None:
    """The maximum of output tokens of what a line echoes as its input."""
    if isinstance(model_input, _ModelInput):
        model_input = msgspec.to_builtins(model_input)
    return max_tokens_of(model_input)


def read_id_text(line: bytes) -> str:
    return bytes(_decode_id(line).recordId).decode()


def pass_over(stream: BinaryIO, line: bytes) -> tuple[int, str | None]:
    """Read to the end of a long line; how long it is, and its id where its first or last part tells it."""
    head, tail, size = line[:_END_BYTES], line[-_END_BYTES:], len(line)
    while not tail.endswith(b"\n") and (piece := stream.readline(1 << 20)):
        tail, size = (tail + piece)[-_END_BYTES:], size + len(piece)
    # A member of the line itself leaves an object where what follows, or all that is before it, is cut off.
    begun = [head[: found.end()] + b"}" for found in _ID.finditer(head)]
    for part in [*begun, *(b"{" + tail[found.start() :] for found in _ID.finditer(tail))]:
        try:
            record_id = msgspec.json.decode(text := read_id_text(part))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        return size, record_id if isinstance(record_id, str) else text
    return size, None


def judge_line(output: Any, error: Any) -> Error | str | None:
    """The code and message of an errored record; None when it succeeded, a reason when it is no record."""
    if error is None:
        if output is None:
            return "no modelOutput and no error"
        if not isinstance(output, dict):
            return "modelOutput is not an object"
        coded = output.get("errorCode") is not None or output.get("errorMessage") is not None
        return None if answer_of(output)[0] and not coded else error_of(output)
    return error_of({"error": error}) or (None, json_text(error))


def _text_of(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json_text(value)


MOST_BYTES = 8 << 30
"""A larger file is not searched for one line: it would take minutes from a disk."""

_ADVICE = "Pass with_columns=['model_input', 'model_output'] to collect_outputs to have them in the frame."


class RecordLine(NamedTuple):
    """What was sent and what came back for one record."""

    model_input: Any = None
    model_output: Any = None
    note: str = ""


def find_line(outputs: "pd.DataFrame", row: Mapping[Any, Any]) -> RecordLine:
    """Find what was sent and what came back for a row of the tidy frame."""
    from bbkit.core.frames import Collected, is_absent  # here, so that workers do not wait for pandas

    cells = {name: row.get(name) for name in ("model_input", "model_output")}
    given = {name: None if is_absent(cell) else _read(cell) for name, cell in cells.items()}
    if given["model_input"] is not None:
        return RecordLine(given["model_input"], given["model_output"])
    record_id, collected = row.get("record_id"), Collected.of(outputs)
    key, sent = row.get("record_key", record_id), None
    if not isinstance(key, str):
        return RecordLine(note="The line has no recordId, so it cannot be found by it.")
    is_shared = key != record_id and key.startswith(f"{record_id}#")
    if key != record_id and (number := key.rpartition("#")[2]).isdigit():
        sent = _find_sent(collected.sent_paths, str(record_id) if is_shared else "", int(number))
    path = collected.paths.get(str(row.get("source_file")), "")
    # A retry sends a record that shares its id under its key.
    for name, body in ((key, None), (record_id, sent if is_shared else None)):
        if isinstance(name, str) and (line := _find(path, name, row, body)):
            return RecordLine(line.get("modelInput"), line.get("modelOutput"))
    # A record of which no line came is in the files that were sent, those of its own attempt first.
    own = f"{row.get('attempt')}-"
    for path in sorted(collected.sent_paths, key=lambda path: not Path(path).name.startswith(own)):
        if sent is None and (line := next(_lines(path, key), None)):
            sent = line.get("modelInput")
    return RecordLine(sent, note="" if sent else f"What was sent is not at hand. {_ADVICE}")


def _read(value: Any) -> Any:
    return _decode(value.encode()) if isinstance(value, str) else value


def _find(name: str, record_id: str, row: Mapping[Any, Any], body: Any) -> dict[str, Any] | None:
    """The line of this id, and body where it is known, that looks most like the row, the first of those."""
    from bbkit.records import hash_record

    best, most, text = None, -1, row.get("text")
    for line in _lines(name, record_id):
        output = line.get("modelOutput")
        if body is not None and hash_record(record_id, line.get("modelInput")) != hash_record(
            record_id, body
        ):
            continue
        is_error = isinstance(judge_line(output, line.get("error")), tuple)
        alike = 2 * (is_error == (row.get("outcome") == "errored"))
        alike += not isinstance(text, str) or answer_of(output or {})[1].text == text
        if alike > most:
            best, most = line, alike
        if alike == 3:
            break
    return best


def _find_sent(paths: Sequence[str], record_id: str, number: int) -> Any:
    """The body of the nth record of this id in files that were sent."""
    lines = chain.from_iterable(_lines(path, record_id) for path in paths)
    return next((line.get("modelInput") for line in islice(lines, number - 1, None)), None)


def _lines(name: str, record_id: str) -> Iterator[dict[str, Any]]:
    """The lines of a local file with this id, or without one."""
    path = Path(name)
    if name.startswith("s3://") or not path.is_file() or not 0 < path.stat().st_size <= MOST_BYTES:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = _candidates(content, record_id) if record_id else iter(content.readline, b"")
        for line in map(_decode, found):
            if isinstance(line, dict) and _has_id(line, record_id):
                yield line


def _has_id(line: Mapping[str, Any], record_id: str) -> bool:
    own = line.get("recordId")
    if own is None:
        return not record_id
    return own == record_id or (not isinstance(own, str) and json.dumps(own) == record_id)


def _candidates(content: mmap.mmap, record_id: str) -> Iterator[bytes]:
    """Lines that hold the id as a JSON string, or, if none does, as another JSON value."""
    spellings = {msgspec.json.encode(record_id), json.dumps(record_id).encode()}
    seen = False
    for spelling in sorted(spellings):
        at = content.find(spelling)
        while at >= 0:
            seen = True
            begin, end = content.rfind(b"\n", 0, at) + 1, content.find(b"\n", at)
            end = len(content) if end < 0 else end
            if end - begin <= LINE_BYTES:
                yield content[begin:end]
            at = content.find(spelling, end)
    if not seen:
        pattern = rb'[^\n]*"recordId"\s*:\s*' + re.escape(record_id.encode()) + rb"[\s,}][^\n]*"
        for match in re.finditer(pattern, content):
            yield match[0]


def _decode(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            return None
