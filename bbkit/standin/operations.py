"""Requests read and checked by botocore's own service model.

boto3 checks required members, types and minimums before it sends; maximums, patterns and enums arrive
unchecked and are checked here, with the wording AWS's services use.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.model import OperationModel, Shape
from botocore.utils import parse_timestamp

from bbkit.standin.errors import ServiceError
from bbkit.standin.service_models import ShapeCheck, service_model

JOB_ARN = r"arn:aws(?:-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:model-invocation-job/[a-z0-9]{12}"


@dataclass(frozen=True)
class Route:
    """One operation of a service and the path it answers."""

    name: str
    method: str
    pattern: re.Pattern[str]
    model: OperationModel


@cache
def routes_of(service: str) -> tuple[Route, ...]:
    """Give the REST routes of a service, most specific first."""
    model = service_model(service)
    routes = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        path = operation.http["requestUri"].partition("?")[0]
        pattern = re.sub(r"\\\{(\w+)\\?\+?\\\}", r"(?P<\1>.+)", re.escape(path))
        routes.append(Route(name, operation.http["method"], re.compile(pattern + "/?"), operation))
    return tuple(sorted(routes, key=lambda r: (-r.pattern.pattern.count("/"), -len(r.pattern.pattern))))


def find_route(service: str, method: str, raw_path: str) -> tuple[Route, dict[str, str]] | None:
    """Find the operation a request is for, with the labels of its path decoded."""
    for route in routes_of(service):
        if route.method == method and (match := route.pattern.fullmatch(raw_path)):
            return route, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


def read_request(route: Route, labels: dict[str, str], query: str, body: bytes) -> dict[str, Any]:
    """Gather an operation's input from path, query and JSON body, and check all of it."""
    shape = route.model.input_shape
    if shape is None:
        return {}
    found: dict[str, Any] = {}
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    payload = shape.serialization.get("payload")
    content = None if payload else _read_json(body)
    for name, member in shape.members.items():
        place = member.serialization.get("location")
        wire_name = member.serialization.get("name", name)
        if place == "uri":
            found[name] = labels.get(wire_name)
        elif place == "querystring" and wire_name in pairs:
            found[name] = _from_text(pairs[wire_name], member, name)
        elif place is None and content is not None and content.get(wire_name) is not None:
            found[name] = content[wire_name]
    check_shape(found, shape)
    return found


def check_shape(value: dict[str, Any], shape: Shape) -> None:
    """Raise ``ValidationException`` with every constraint of the shape that does not hold."""
    faults = list(ShapeCheck(_refuse_type).find_faults(value, shape))
    if faults:
        noun = "error" if len(faults) == 1 else "errors"
        raise ServiceError(
            "ValidationException", f"{len(faults)} validation {noun} detected: {'; '.join(faults)}"
        )


def _refuse_type(value: Any, shape: Shape, path: str) -> str:
    raise ServiceError(
        "SerializationException",
        f"{type(value).__name__} at '{path or 'body'}' can not be converted to a {shape.type_name}.",
    )


def _read_json(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise ServiceError("SerializationException", "The request body is not valid JSON.") from None
    if not isinstance(content, dict):
        raise ServiceError("SerializationException", "The request body is not a JSON object.")
    return content


def _from_text(text: str, shape: Shape, name: str) -> Any:
    try:
        if shape.type_name in ("integer", "long"):
            return int(text)
        if shape.type_name == "timestamp":
            return parse_timestamp(text)
    except (ValueError, OverflowError, RuntimeError):  # the last is botocore's word for a far future
        raise ServiceError(
            "ValidationException", f"Value '{text}' at '{name}' is not a {shape.type_name}."
        ) from None
    return text
