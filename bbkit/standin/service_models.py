"""Requests read and checked by botocore's own models of the services.

boto3 checks required members, types and minimums before it sends; maximums, patterns and enums arrive
unchecked and are checked here, in the words AWS's services use.
"""

import json
import re
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

import botocore
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape
from botocore.utils import parse_timestamp

from bbkit.standin.errors import ServiceError, invalid, refuse_call
from bbkit.standin.shapes.bodies import Field, find_violations, place_of, service_words
from bbkit.standin.tables import read_dated

JOB_ARN = r"arn:aws(?:-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:model-invocation-job/[a-z0-9]{12}"
_KINDS = {"structure": "object", "map": "object", "list": "array", "blob": "string", "timestamp": "any"}
_KINDS |= {"long": "integer", "float": "number", "double": "number"}


def load_model(service: str) -> Any:
    """Load botocore's model of a service, without its documentation (most of its size)."""
    return _undocumented(Loader().load_service_model(service, "service-2"))


@cache
def service_model(service: str) -> ServiceModel:
    data = load_model(service)
    if service == "bedrock-runtime":
        dated = read_dated("converse_request")
        if _version(botocore.__version__) < _version(dated["botocore"]):
            data["shapes"] |= dated["shapes"]
    return ServiceModel(data, service)


def _version(text: str) -> list[int]:
    return [int(part) for part in text.split(".")]


def _undocumented(node: Any) -> Any:
    if isinstance(node, dict):
        told = {k: v for k, v in node.items() if k != "documentation" or isinstance(v, dict)}
        return {k: _undocumented(v) for k, v in told.items()}
    return [_undocumented(item) for item in node] if isinstance(node, list) else node


@cache
def routes_of(service: str) -> list[tuple[re.Pattern[str], OperationModel]]:
    """Give the REST routes of a service, most specific first."""
    model = service_model(service)
    routes = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        path = operation.http["requestUri"].partition("?")[0]
        pattern = re.sub(r"\\\{(\w+)\\?\+?\\\}", r"(?P<\1>.+)", re.escape(path))
        routes.append((re.compile(pattern + "/?"), operation))
    return sorted(routes, key=lambda route: (-route[0].pattern.count("/"), -len(route[0].pattern)))


def find_route(service: str, method: str, raw_path: str) -> tuple[OperationModel, dict[str, str]] | None:
    for pattern, operation in routes_of(service):
        if operation.http["method"] == method and (match := pattern.fullmatch(raw_path)):
            return operation, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


def exceptions_of(operation: OperationModel) -> list[str]:
    """What may end the answer of an operation before its time; none where it comes whole."""
    stream = operation.get_event_stream_output()
    return [] if stream is None else [name for name in stream.members if name.endswith("Exception")]


def read_request(
    operation: OperationModel, labels: dict[str, str], query: str, body: bytes
) -> dict[str, Any]:
    """Gather an operation's input from path, query and JSON body, and check all of it."""
    shape = operation.input_shape
    if shape is None:
        return {}
    found: dict[str, Any] = {}
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    payload = shape.serialization.get("payload")
    content = None if payload else read_json(body)
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
    violations = find_violations(value, field_of(shape))
    for one in (one for one in violations if one.rule == "type"):
        path, found = place_of(one.path), type(one.found).__name__
        raise refuse_call("wrong_type", found=found, path=path, wanted=one.wanted)
    if faults := list(map(service_words, violations)):
        noun = "error" if len(faults) == 1 else "errors"
        raise invalid(f"{len(faults)} validation {noun} detected: {'; '.join(faults)}")


def read_json(body: bytes) -> dict[str, Any]:
    """Read a JSON object; no body is an empty one."""
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
        raise invalid(f"Value '{text}' at '{name}' is not a {shape.type_name}.") from None
    return text


@cache
def field_of(shape: Shape, closed: bool = False) -> Field:
    """Describe what a shape takes; where `closed`, no members that it does not know."""
    kind = _KINDS.get(shape.type_name, shape.type_name)
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    rules: dict[str, Any] = {"enum": tuple(shape.metadata.get("enum", ()))}
    if getattr(shape, "is_document_type", False):
        kind = "any"
    elif isinstance(shape, StructureShape):
        members = {name: field_of(member, closed) for name, member in shape.members.items()}
        required = {name: replace(members[name], required=True) for name in shape.required_members}
        rules |= {"fields": members | required, "one_of": shape.is_tagged_union, "open": not closed}
    elif kind in ("integer", "number"):
        rules |= {"minimum": least, "maximum": most}
    elif shape.type_name != "blob":
        rules |= {"min_size": least or 0, "max_size": most, "pattern": shape.metadata.get("pattern", "")}
    if shape.type_name in ("list", "map"):
        rules["items"] = field_of(shape.member if shape.type_name == "list" else shape.value, closed)
    return Field(kind, named=shape.type_name, **rules)
