"""The line of one record, found again in the files of outputs and of what was sent."""

import json
import mmap
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pandas as pd

from bbkit.core.frames import Collected, is_absent
from bbkit.families import answer_of
from bbkit.lines.layout import LINE_BYTES, judge_line
from bbkit.records import hash_record

MOST_BYTES = 8 << 30
"""A larger file is not searched for one line: it would take minutes from a disk."""

_ADVICE = "Pass with_columns=['model_input', 'model_output'] to collect_outputs to have them in the frame."


class RecordLine(NamedTuple):
    """What was sent and what came back for one record."""

    model_input: Any = None
    model_output: Any = None
    note: str = ""


def find_line(outputs: pd.DataFrame, row: Mapping[Any, Any]) -> RecordLine:
    """Find what was sent and what came back for a row of the tidy frame."""
    given = [_read(row.get(name)) for name in ("model_input", "model_output")]
    if given[0] is not None:
        return RecordLine(*given)
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
    if isinstance(value, str):
        return _decode(value.encode())
    return None if is_absent(value) else value


def _find(name: str, record_id: str, row: Mapping[Any, Any], body: Any) -> dict[str, Any] | None:
    """The line of this id, and body where it is known, that looks most like the row, the first of those."""
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
        for line in map(_decode, _candidates(content, record_id)):
            if isinstance(line, dict) and _has_id(line, record_id):
                yield line


def _has_id(line: Mapping[str, Any], record_id: str) -> bool:
    own = line.get("recordId")
    if own is None:
        return not record_id
    return own == record_id or (not isinstance(own, str) and json.dumps(own) == record_id)


def _candidates(content: mmap.mmap, record_id: str) -> Iterator[bytes]:
    """Lines that hold the id as a JSON string or, if none does, as another JSON value; all if it is empty."""
    spellings = {msgspec.json.encode(record_id), json.dumps(record_id).encode()} if record_id else {b"{"}
    value = rb'"recordId"\s*:\s*' + re.escape(record_id.encode()) + rb"[\s,}]"
    for form in (b"|".join(map(re.escape, spellings)), value):
        at = 0
        while found := re.compile(form).search(content, at):
            begin, end = content.rfind(b"\n", 0, found.start()) + 1, content.find(b"\n", found.start())
            at = len(content) if end < 0 else end
            if at - begin <= LINE_BYTES:
                yield content[begin:at]
        if at:
            return


def _decode(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            return None
