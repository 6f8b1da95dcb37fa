"""What a record is known by: its recordId where that is unique, else that and its occurrence (``id#3``)."""

import json
import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec
import pandas as pd

from bbkit.core.text import whole_characters
from bbkit.records.lines import encode_body


def number_ids(ids: Iterable[tuple[Any, str | None]]) -> tuple[list[str], str]:
    """Key records, given by attempt and id, where an attempt has one several times or none; and the mark."""
    # Later attempts send records under their keys: no id of the first ends in so long a mark and a number.
    listed = [(attempt, own or "") for attempt, own in ids]
    named = pd.DataFrame(listed, columns=["attempt", "id"], dtype=object)
    first = (own for attempt, own in listed if attempt == listed[0][0])
    marked = (match[1] for match in map(_MARKED.search, first) if match)
    mark = "#" + max(marked, key=len, default="")
    groups = named.groupby(["id", "attempt"], sort=False, dropna=False)["id"]
    shared = (groups.transform("size") > 1) | (named["id"] == "")
    keys = named["id"].copy()
    keys[shared] += mark + (groups.cumcount()[shared] + 1).astype(str)
    return keys.tolist(), mark


_MARKED = re.compile(r"(#+)\d+$")


def _plain_float(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value


_decode = msgspec.json.Decoder(float_hook=_plain_float).decode
_encode = msgspec.json.Encoder(order="sorted").encode


def hash_record(known_by: Any, body: Any) -> int:
    """Hash a body, JSON text or its value, with what else it is known by; equal JSON gives equal hashes."""
    text = body if isinstance(body, str | bytes) else encode_body(body)
    try:
        plain = _encode(_decode(text))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        try:
            plain = _encode(whole_characters(json.loads(text, parse_float=_plain_float)))
        except (ValueError, RecursionError):
            plain = text.encode("utf-8", "replace") if isinstance(text, str) else text
    key = blake2b(repr(known_by).encode("utf-8", "replace"), digest_size=8)
    key.update(plain)
    return int.from_bytes(key.digest(), "big")
