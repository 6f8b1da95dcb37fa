"""Bodies as data: correct ones that pages document, and for each rule one that breaks it and a near miss."""

import datetime as dt
import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from images import image

from bbkit import checks

DATA = Path(__file__).parent / "data"
HAIKU_3 = "anthropic.claude-3-haiku-20240307-v1:0"
LITE = "amazon.nova-lite-v1:0"

check_records = partial(checks.check_records, as_of=dt.date(2025, 1, 1))
"""The check as of a day on which none of these models was legacy."""


class Documented(NamedTuple):
    """One correct body: its family, its model, the variety it shows, and the page that documents it."""

    family: str
    model_id: str
    variety: str
    url: str
    date: str
    body: dict[str, Any]
    invocation_type: str = "InvokeModel"


class Case(NamedTuple):
    """A body that breaks a rule, and its near miss."""

    rule: str
    model_id: str
    broken: dict[str, Any]
    near: dict[str, Any]
    invocation_type: str = "InvokeModel"


class Planted(NamedTuple):
    """A body that the service refuses (by which rule of ours), or, without a rule, takes.

    Where it rests on a reply of the service or a report: its address and date, and what the service `said`.
    """

    case: str
    model_id: str
    body: dict[str, Any]
    invocation_type: str = "InvokeModel"
    rule: str = ""
    path: str = ""
    source: str = ""
    date: str = ""
    said: str = ""


class Reported(NamedTuple):
    """A body that a public report tells of, and how it is to be judged: by severity, rule and path."""

    case: str
    model_id: str
    invocation_type: str
    expected: str
    rule: str
    path: str
    right: str
    source: str
    body: dict[str, Any]


class Judged(NamedTuple):
    """The schema of an answer, and by which rule of ours it is refused; empty where it is taken.

    Where that rests on AWS's page or a report: its address and date, and what it `said`.
    """

    case: str
    schema: dict[str, Any]
    rule: str
    source: str = ""
    date: str = ""
    said: str = ""


def claude(**members: Any) -> dict[str, Any]:
    """A small Claude body with some members of its own."""
    turn = {"role": "user", "content": "Hello"}
    return {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 4096, "messages": [turn], **members}


def _expand(value: dict[str, Any]) -> Any:
    # What JSON cannot hold, or not well: {"float": "nan"}, {"repeat": "x", "times": 50000} and
    # {"image": "png", "width": 9000, "height": 10}.
    if value.keys() == {"float"}:
        return float(value["float"])
    if value.keys() == {"repeat", "times"}:
        return value["repeat"] * value["times"]
    if "image" in value and value.keys() & {"width", "size"}:
        return image(value.pop("image"), **value)
    return value


def _read(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((DATA / name).read_text("utf-8"), object_hook=_expand)
    return entries


BODIES = [Documented(**entry) for entry in _read("documented_bodies.json")]
CASES = [Case(**entry) for entry in _read("broken_bodies.json")]
PLANTED = [Planted(**entry) for entry in _read("planted_bodies.json")]

JUDGED = [Judged(**entry) for entry in _read("judged_schemas.json")]
REPORTED = [Reported(**entry) for entry in _read("reported_bodies.json")]
