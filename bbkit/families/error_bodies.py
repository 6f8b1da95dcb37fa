"""Errors in place of an answer: bodies of Bedrock, Smithy, OpenAI, Anthropic, gateways and web servers."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from bbkit.families.family import as_dict, first_dict

_HOLDERS = ("error", "errors", "fault", "exception")
_CODES = ("errorcode", "code", "statuscode", "status", "errortype", "type")
_MESSAGES = ("errormessage", "message", "msg", "errordescription", "faultstring", "detail", "title", "reason")
_WRAPPERS = ("output", "response", "body")
_BESIDE = {
    *("object", "param", "requestid", "timestamp", "path", "version", "headers", "instance", "success"),
    *("retryable", "expired", "isbase64encoded"),
}
_KNOWN = {*_HOLDERS, *_CODES, *_MESSAGES, *_BESIDE}
_VECTORS = {"embedding", "embeddings", "embeddingsByType"}


def error_of(output: Mapping[str, Any]) -> tuple[str | None, str | None] | None:
    """The code and message of an error that stands in place of an answer; None where it is no error."""
    names = _fold(output)
    held = next((names[name] for name in _HOLDERS if names.get(name)), None)
    inside = next((_object_in(names[name]) for name in _WRAPPERS if name in names), {})
    status = next((names[name] for name in ("code", "statuscode", "status") if name in names), "")
    without_vector = bool(_VECTORS & output.keys())
    if not (
        held
        or not names
        or without_vector
        or names.keys() & {"errorcode", "errormessage"}
        or "error" in (names.get("type"), names.get("object"))
        or "__type" in output
        or (str(status).isdecimal() and int(status) >= 400)
        or (names.keys() <= _KNOWN and any(type(names.get(name)) in (str, list) for name in _MESSAGES))
    ):
        return error_of(inside) if inside and names.keys() <= {*_WRAPPERS, *_BESIDE} else None
    inner = _fold(_object_in(held) or inside)
    text = held if type(held) is str and not inner else None
    code = _find(inner, _CODES) or _find(names, _CODES)
    message = _find(inner, _MESSAGES) or _find(names, _MESSAGES)
    if message is None:
        message = text or ("no vector came back" if without_vector else _text_of(held or output))
    return code or (text if text != message else None), message


def _object_in(value: Any) -> Mapping[str, Any]:
    """An object that stands as such, as JSON text or first in a list; else an empty one."""
    if type(value) is str and value[:1] == "{":
        with suppress(msgspec.DecodeError, RecursionError):
            value = msgspec.json.decode(value)
    return as_dict(value) or first_dict(value)


def _fold(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is there, by names without case and underscores."""
    return {
        name.lower().replace("_", "").replace("-", ""): value
        for name, value in body.items()
        if value is not None
    }


def _find(names: Mapping[str, Any], wanted: tuple[str, ...]) -> str | None:
    found = next((names[name] for name in wanted if names.get(name) not in (None, "", "error")), None)
    if type(found) is str and "#" in found and wanted is _CODES:
        # Smithy's names: com.amazonaws.bedrock#ThrottlingException:http://...
        return found.rpartition("#")[2].partition(":")[0]
    return _text_of(found)


def _text_of(value: Any) -> str | None:
    return value if value is None or type(value) is str else msgspec.json.encode(value).decode()
