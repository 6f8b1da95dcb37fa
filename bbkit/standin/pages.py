"""Lists told a page at a time: where the next begins is in a token that is good for the same question."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

_OF_A_PAGE = ("nexttoken", "maxresults")


def write_token(place: Any, asked: Mapping[str, Any]) -> str:
    """Where the next page of a list begins, as its client is told."""
    return base64.urlsafe_b64encode(json.dumps([_question(asked), place]).encode()).decode()


def read_token(token: str, asked: Mapping[str, Any]) -> Any:
    """Where a page begins; None for a token that is not one of ours, or was given for another question."""
    try:
        question, place = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, RecursionError):
        return None
    return place if question == _question(asked) else None


def _question(asked: Mapping[str, Any]) -> str:
    parts = sorted((name, str(value)) for name, value in asked.items() if name.lower() not in _OF_A_PAGE)
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=9).hexdigest()
