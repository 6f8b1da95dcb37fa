"""Errors in place of an answer: bodies of Bedrock, Smithy, OpenAI, Anthropic, gateways and web servers."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from bbkit.core.files import read_data
from bbkit.families.values import as_dict, first_dict

Error = tuple[str | None, str | None]


def error_of(output: Mapping[str, Any]) -> Error | None:
    """The code and message of an error that stands in place of an answer; None where it is no error."""
    kinds, names = read_data("answers")["error_bodies"], _fold(output)
    held = next((names[name] for name in kinds["holders"] if names.get(name)), None)
    inner = _fold(_object_in(held or next((names[name] for name in kinds["wrappers"] if name in names), "")))
    code, message = (_find(inner, kinds[kind]) or _find(names, kinds[kind]) for kind in ("codes", "messages"))
    # Titan counts the tokens of what it embeds as it does of what it answers in results.
    lacks_vector = not names.keys().isdisjoint(kinds["vectors"]) and "results" not in names
    # An empty holder says as little as null.
    if not held and any(value is not None for name, value in names.items() if name not in kinds["holders"]):
        failed = re.fullmatch(r"[45]\d\d", _find(names, kinds["statuses"]) or "")
        known = names.keys() <= set().union(*kinds.values()) and (code or message)
        if not (failed or known or lacks_vector or names.get("errorcode")):
            return None
    if type(held) is str and not inner:
        code, message = (code or held, message) if message else (code, held)
    return code, message or ("no vector came back" if lacks_vector else json_text(held or output))


def _object_in(value: Any) -> Mapping[str, Any]:
    """An object that stands as such, as JSON text or first in a list; else an empty one."""
    if type(value) is str and value[:1] == "{":
        with suppress(msgspec.DecodeError, RecursionError):
            value = msgspec.json.decode(value)
    return as_dict(value) or first_dict(value)


def _fold(body: Mapping[str, Any]) -> dict[str, Any]:
    return {re.sub("[_-]", "", name).lower(): value for name, value in body.items()}


def _find(names: Mapping[str, Any], wanted: list[str]) -> str | None:
    """The first value that says something; of Smithy's names (aws.service#Throttling:http...) the middle."""
    for value in map(names.get, wanted):
        if type(value) in (str, int, list) and value not in ("", "error"):
            text = value if type(value) is str else json_text(value)
            return re.sub(r"^[\w.]+#|:http.*", "", text) if "type" in wanted else text
    return None


def json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
