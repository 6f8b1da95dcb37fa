"""What is wrong with a line before its body is looked at: bytes, JSON, recordId, modelInput."""

import json
import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import msgspec

from bbkit.core.findings import Finding, make_finding

_decode = msgspec.json.Decoder().decode
_OTHER_BATCHES = {"body": "OpenAI's Batch API", "params": "Anthropic's Message Batches API"}


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
        return None, [make_finding("not_utf8.line", byte=line[error.start], at=error.start)]
    odd: list[str] = []
    try:
        number = partial(_number, odd=odd)
        value = json.loads(text, parse_constant=number, parse_float=number)
        faults = _surrogate_faults(value) if not text.isascii() or "\\u" in text else []
    except RecursionError:
        return None, [make_finding("too_deep")]
    except ValueError as error:
        return None, [_not_json(text, error)]
    return value, [make_finding("nan.line", number=one) for one in odd[:1]] + faults


def _number(digits: str, odd: list[str]) -> float:
    number = float(digits)
    if not math.isfinite(number):
        odd.append(digits if len(digits) <= 24 else f"{digits[:21]}...")
    return number


def _not_json(text: str, error: ValueError) -> Finding:
    if "\0" in text:
        return make_finding("not_json.nul", at=text.index("\0"))
    why = str(error)
    if isinstance(error, json.JSONDecodeError):
        why = f"{error.msg.lower()} at character {error.pos:,}"
    return make_finding("not_json", why=why)


def _surrogate_faults(value: Any) -> list[Finding]:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        return [make_finding("lone_surrogate", half=error.object[error.start])]
    return []


def check_members(record: Any) -> Iterator[Finding]:
    """What is wrong with a line's value beside its body."""
    if type(record) is not dict:
        kind = {list: "an array", str: "a string", type(None): "null"}.get(type(record), "a single value")
        yield make_finding("not_object", kind=kind)
        return
    for name, owner in _OTHER_BATCHES.items():
        if "modelInput" not in record and {"custom_id", name} <= record.keys():
            rest = ", ".join(sorted(record.keys() - {"custom_id", name})[:3])
            end = f"; leave {rest} out." if rest else "."
            end += " as_records does it with what read_source reads"
            end += ", leaves the model out and adds anthropic_version." if name == "params" else "."
            yield make_finding("other_batch_line", owner=owner, name=name, end=end)
            return
    yield from _id_faults(record)
    yield from _key_faults(record)


def _id_faults(record: Mapping[str, Any]) -> Iterator[Finding]:
    record_id = record.get("recordId")
    if record_id is None:
        how = "null" if "recordId" in record else "missing"
        yield make_finding("record_id_missing", "recordId", how=how)
    elif type(record_id) is not str:
        yield make_finding("record_id_type", "recordId", shown=json.dumps(record_id, default=repr)[:40])
    elif not record_id.strip():
        yield make_finding("record_id_missing.blank", "recordId")


def _key_faults(record: Mapping[str, Any]) -> Iterator[Finding]:
    if "modelInput" not in record:
        near = next((name for name in ("model_input", "body", "input") if name in record), "")
        text = "model_input_missing.near" if near else "model_input_missing"
        yield make_finding(text, "modelInput", near=near)
    elif type(record["modelInput"]) is not dict:
        is_text = type(record["modelInput"]) is str
        yield make_finding("model_input_type.text" if is_text else "model_input_type", "modelInput")
    for name in record:
        if name not in ("recordId", "modelInput"):
            yield make_finding("extra_key", name)
