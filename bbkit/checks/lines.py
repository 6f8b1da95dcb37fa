"""What is wrong with a line before its body is looked at: bytes, JSON, recordId, modelInput."""

import json
import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import msgspec

from bbkit.core.findings import Finding

_decode = msgspec.json.Decoder().decode
_NOT_UTF8 = "Save the file as UTF-8, without BOM."
_OTHER_BATCHES = {"body": "OpenAI's Batch API", "params": "Anthropic's Message Batches API"}
_NO_NUMBER = "JSON has no NaN and no infinity: give a number, or leave the name out."


def parse_line(line: bytes) -> tuple[Any, list[Finding]]:
    """The value of a line and what is wrong with its JSON, read as leniently as it takes to say so."""
    try:
        return _decode(line), []
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _parse_again(line)


def _parse_again(line: bytes) -> tuple[Any, list[Finding]]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"The line is not UTF-8: byte 0x{line[error.start]:02x} at offset {error.start:,}."
        return None, [_fault("not_utf8", found, _NOT_UTF8)]
    odd: list[str] = []
    try:
        number = partial(_number, odd=odd)
        value = json.loads(text, parse_constant=number, parse_float=number)
    except RecursionError:
        return None, [_fault("too_deep", "The line nests too deep to be read.", "Flatten the record.")]
    except ValueError as error:
        return None, [_not_json(text, error)]
    faults = [_fault("nan", f"The line holds {odd[0]}, which is no JSON number.", _NO_NUMBER)] if odd else []
    if not text.isascii() or "\\u" in text:
        faults += _surrogate_faults(value)
    return value, faults


def _number(digits: str, odd: list[str]) -> float:
    number = float(digits)
    if not math.isfinite(number):
        odd.append(digits if len(digits) <= 24 else f"{digits[:21]}...")
    return number


def _not_json(text: str, error: ValueError) -> Finding:
    if "\0" in text:
        found = f"The line holds a NUL byte at offset {text.index(chr(0)):,}."
        remedy = "Write the file anew: NUL bytes are left by a broken copy or UTF-16."
        return _fault("not_json", found, remedy)
    if isinstance(error, json.JSONDecodeError):
        found = f"The line is not JSON: {error.msg.lower()} at character {error.pos:,}."
    else:
        found = f"The line is not JSON: {error}."
    return _fault("not_json", found, "Write one JSON object a line, such as json.dumps makes.")


def _surrogate_faults(value: Any) -> list[Finding]:
    remedy = "Replace it where the text was read: half of a surrogate pair is not text."
    for text in _iter_texts(value):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            found = f"A text holds half of a surrogate pair, {error.object[error.start]!a}."
            return [_fault("lone_surrogate", found, remedy)]
    return []


def _iter_texts(value: Any) -> Iterator[str]:
    """Every name and text in a value, without recursion, so that no depth is too deep."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if type(item) is str:
            yield item
        elif type(item) is dict:
            waiting += [*item, *item.values()]
        elif type(item) is list:
            waiting += item


def check_members(record: Any) -> list[Finding]:
    """What is wrong with a line's value beside its body."""
    if type(record) is not dict:
        kind = {list: "an array", str: "a string", type(None): "null"}.get(type(record), "a single value")
        remedy = 'Write one object a line: {"recordId": ..., "modelInput": {...}}.'
        return [_fault("not_object", f"The line is {kind}, not an object.", remedy)]
    for name, owner in _OTHER_BATCHES.items():
        if "modelInput" not in record and {"custom_id", name} <= record.keys():
            rest = ", ".join(sorted(record.keys() - {"custom_id", name})[:3])
            remedy = f"Rename custom_id to recordId and {name} to modelInput"
            remedy += f"; leave {rest} out." if rest else "."
            remedy += " as_records does it with what read_source reads." if name == "body" else ""
            return [_fault("other_batch_line", f"The line is one of {owner}.", remedy)]
    return [*_id_faults(record), *_key_faults(record)]


def _id_faults(record: Mapping[str, Any]) -> list[Finding]:
    if record.get("recordId") is None:
        found = "recordId is missing." if "recordId" not in record else "recordId is null."
        remedy = "Give every record an id of its own: Bedrock makes one up, and the answer cannot be joined."
        return [_fault("record_id_missing", found, remedy, "recordId", "warning")]
    record_id = record["recordId"]
    if type(record_id) is not str:
        found = f"recordId is {json.dumps(record_id, default=repr)[:40]}, not a string."
        return [_fault("record_id_type", found, "Put it in quotes.", "recordId")]
    if not record_id.strip():
        return [_fault("record_id_missing", "recordId is blank.", "Give every record an id.", "recordId")]
    return []


def _key_faults(record: Mapping[str, Any]) -> list[Finding]:
    faults = []
    if "modelInput" not in record:
        near = next((name for name in ("model_input", "body", "input") if name in record), "")
        remedy = f"Rename {near} to modelInput." if near else "Put the body under modelInput."
        faults.append(_fault("model_input_missing", "modelInput is missing.", remedy, "modelInput"))
    elif type(record["modelInput"]) is not dict:
        remedy = "Put the body there as an object, not as text." if type(record["modelInput"]) is str else ""
        faults.append(_fault("model_input_type", "modelInput is not an object.", remedy, "modelInput"))
    for name in record:
        if name not in ("recordId", "modelInput"):
            found = f"{name!r} stands beside recordId and modelInput."
            remedy = "Keep it in a table of your own: Bedrock ignores it and does not return it."
            faults.append(_fault("extra_key", found, remedy, name, "warning"))
    return faults


def _fault(rule: str, finding: str, remedy: str, path: str = "", severity: str = "error") -> Finding:
    return Finding(severity, rule, finding, remedy, path)
