"""The layout of an output line: how its bytes are decoded and judged.

Layout: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-results.html (October 2026).
"""

import json
import re
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
import pyarrow as pa

from bbkit.core.text import whole_characters
from bbkit.families import MAX_TOKENS_PATHS, answer_of, error_of, max_tokens_of
from bbkit.families.asked_tools import asked_arguments
from bbkit.families.error_bodies import Error, json_text

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
