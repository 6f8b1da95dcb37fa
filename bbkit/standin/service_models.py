"""Requests read and checked by botocore's own models of the services.

boto3 checks required members, types and minimums before it sends; maximums, patterns and enums arrive
unchecked and are checked here, in the words AWS's services use.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import botocore
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape
from botocore.utils import parse_timestamp

from bbkit.standin.errors import ServiceError, invalid, refuse_call

CONVERSE_PATH = Path(__file__).parents[1] / "catalog" / "data" / "converse_request.json"
JOB_ARN = r"arn:aws(?:-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:model-invocation-job/[a-z0-9]{12}"
# The published patterns below backtrack exponentially or to a high power in Python's re; these accept the
# same language (job names and tokens under their length limits, which are checked first).
LINEAR_PATTERNS = {
    r"[a-zA-Z0-9]{1,63}(-*[a-zA-Z0-9\+\-\.]){0,63}": r"[a-zA-Z0-9][a-zA-Z0-9+.-]*",
    r"[a-zA-Z0-9]{1,256}(-*[a-zA-Z0-9]){0,256}": r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?",
}
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("structure", "map"), (dict,)),
    **dict.fromkeys(("integer", "long"), (int,)),
    **dict.fromkeys(("float", "double"), (int, float)),
    "list": (list,),
    "string": (str,),
    "blob": (str, bytes),
    "boolean": (bool,),
}


@cache
def service_model(service: str) -> ServiceModel:
    """Load botocore's model of a service, without its documentation (most of its size)."""
    data = _without_documentation(Loader().load_service_model(service, "service-2"))
    if service == "bedrock-runtime":
        dated = json.loads(CONVERSE_PATH.read_text(encoding="utf-8"))
        if _version(botocore.__version__) < _version(dated["botocore"]):
            data["shapes"] |= dated["shapes"]
    return ServiceModel(data, service)


def _version(text: str) -> list[int]:
    return [int(part) for part in text.split(".")]


def _without_documentation(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            k: _without_documentation(v)
            for k, v in node.items()
            if k != "documentation" or isinstance(v, dict)
        }
    if isinstance(node, list):
        return [_without_documentation(item) for item in node]
    return node


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
    """Find the operation a request is for, with the labels of its path decoded."""
    for pattern, operation in routes_of(service):
        if operation.http["method"] == method and (match := pattern.fullmatch(raw_path)):
            return operation, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


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
    faults = list(find_faults(value, shape))
    if faults:
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


def find_faults(value: Any, shape: Shape, path: str = "", *, closed: bool = False) -> Iterator[str]:
    """Give every constraint that does not hold; a closed check forbids members that a shape does not know."""
    if getattr(shape, "is_document_type", False):
        return
    kinds = _PYTHON_TYPES.get(shape.type_name)
    wrong_number = isinstance(value, bool) and shape.type_name != "boolean"
    if kinds and (wrong_number or not isinstance(value, kinds)):
        if not closed:
            raise refuse_call(
                "wrong_type", found=type(value).__name__, path=path or "body", wanted=shape.type_name
            )
        yield f"{_opening(path)}must be of type {shape.type_name}"
    elif isinstance(shape, StructureShape):
        yield from _find_in_structure(value, shape, path, closed)
    elif shape.type_name == "list":
        yield from _check_range(len(value), shape, path, "length")
        for number, item in enumerate(value, 1):
            yield from find_faults(item, shape.member, f"{path}.{number}.member", closed=closed)
    elif shape.type_name == "map":
        yield from _check_range(len(value), shape, path, "length")
        for key, item in value.items():
            yield from find_faults(item, shape.value, f"{path}.{key}", closed=closed)
    elif shape.type_name == "string":
        yield from _check_string(value, shape, path)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _check_range(value, shape, path, "value")


def _find_in_structure(
    value: dict[str, Any], shape: StructureShape, path: str, closed: bool
) -> Iterator[str]:
    start = f"{path}." if path else ""
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"Value null at '{start}{name}' failed to satisfy constraint: Member must not be null"
    for name, item in value.items():
        if name not in shape.members and closed:
            yield f"{_opening(start + name, '')}extraneous key is not permitted"
        elif name in shape.members and item is not None:
            yield from find_faults(item, shape.members[name], start + name, closed=closed)
    given = [name for name in value if value[name] is not None and (closed or name in shape.members)]
    if shape.is_tagged_union and len(given) != 1:
        choices = ", ".join(shape.members)
        yield f"{_opening(path, '')}exactly one of its members must be set: {choices}"


def _opening(path: str, subject: str = "Member ") -> str:
    return f"Value at '{path or 'body'}' failed to satisfy constraint: {subject}"


def _check_range(number: float, shape: Shape, path: str, what: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if high is not None and number > high:
        yield f"{_opening(path)}must have {what} less than or equal to {high}"
    if low is not None and number < low:
        yield f"{_opening(path)}must have {what} greater than or equal to {low}"


def _check_string(value: str, shape: Shape, path: str) -> Iterator[str]:
    wrong_length = list(_check_range(len(value), shape, path, "length"))
    yield from wrong_length
    choices = shape.metadata.get("enum")
    if choices and value not in choices:
        yield f"{_opening(path)}must satisfy enum value set: [{', '.join(choices)}]"
    pattern = shape.metadata.get("pattern")
    # A string of the wrong length is not matched: length bounds what a pattern can cost.
    if pattern and not wrong_length and not compile_pattern(pattern).fullmatch(value):
        yield f"{_opening(path)}must satisfy regular expression pattern: {pattern}"


@cache
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a published pattern, or one that accepts the same and takes linear time."""
    if "model-invocation-job|model-evaluation-job" in pattern:  # the ARN of anything that takes tags
        pattern = ".+"
    return re.compile(LINEAR_PATTERNS.get(pattern, pattern))
