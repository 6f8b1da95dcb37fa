"""One record's line in the files it came from."""

import json
import mmap
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pandas as pd

from bbkit.outputs.lines import judge_line

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
    given = {name: _read(row.get(name)) for name in ("model_input", "model_output")}
    if given["model_input"] is not None:
        return RecordLine(given["model_input"], given["model_output"])
    record_id, state = row.get("record_id"), outputs.attrs.get("bbkit")
    if not isinstance(record_id, str):
        return RecordLine(note="The line has no recordId, so it cannot be found by it.")
    places, sent = getattr(state, "places", {}), getattr(state, "sent_places", ())
    place = places.get(row.get("source_file"))
    wants_error = row.get("outcome") == "errored"
    if place and (line := _find(place, record_id, lambda line: _is_error(line) == wants_error)):
        return RecordLine(line.get("modelInput"), line.get("modelOutput"))
    # A record of which no line came is in the files that were sent, those of its own attempt first.
    own = f"{row.get('attempt')}-"
    for path in sorted(sent, key=lambda path: not Path(path).name.startswith(own)):
        if line := _find(path, record_id, lambda line: True):
            return RecordLine(line.get("modelInput"))
    return RecordLine(note=f"What was sent is not at hand. {_ADVICE}")


def _read(value: Any) -> Any:
    if value is None or value is pd.NA or isinstance(value, float):
        return None
    return _decode(value.encode()) if isinstance(value, str) else value


def _is_error(line: Mapping[str, Any]) -> bool:
    return isinstance(judge_line(line.get("modelOutput"), line.get("error")), tuple)


def _find(place: str, record_id: str, accept: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    """The first line of this id that is accepted, else the first of this id."""
    path = Path(place)
    if place.startswith("s3://") or not path.is_file() or not 0 < path.stat().st_size <= MOST_BYTES:
        return None
    first = None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for raw in _candidates(content, record_id):
            line = _decode(raw)
            if not isinstance(line, dict) or not _has_id(line, record_id):
                continue
            if accept(line):
                return line
            first = first or line
    return first


def _has_id(line: Mapping[str, Any], record_id: str) -> bool:
    found = line.get("recordId")
    return found == record_id or (not isinstance(found, str) and json.dumps(found) == record_id)


def _candidates(content: mmap.mmap, record_id: str) -> Iterator[bytes]:
    """Lines that hold the id as a JSON string, or, if none does, as another JSON value."""
    spellings = {msgspec.json.encode(record_id), json.dumps(record_id).encode()}
    found = False
    for spelling in sorted(spellings):
        at = content.find(spelling)
        while at >= 0:
            found = True
            begin, end = content.rfind(b"\n", 0, at) + 1, content.find(b"\n", at)
            end = len(content) if end < 0 else end
            yield content[begin:end]
            at = content.find(spelling, end)
    if not found:
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
