"""Converse bodies, checked by botocore's own description of ConverseRequest, and Converse answers.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

import json
import re
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StructureShape

from bbkit.standin.engines.base import Reply, Request
from bbkit.standin.shapes import contents
from bbkit.standin.shapes.bodies import RecordError, known, malformed

_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
    "blob": (str, bytes),
    "timestamp": (str, int, float),
}
_NOT_IN_BODY = frozenset(("modelId",))


@cache
def _request_shape() -> StructureShape:
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = model.shape_for("ConverseRequest")
    assert isinstance(shape, StructureShape)
    return shape


def read_body(body: Any, model_id: str, batch: bool = True) -> Request:
    """Check the body as Converse would, and read it. On demand (`batch` False) tools are allowed."""
    for name in _NOT_IN_BODY & set(body if isinstance(body, dict) else ()):
        raise malformed(f"#: extraneous key [{name}] is not permitted")
    faults = list(_faults(body, _request_shape(), ""))
    if faults:
        count = len(faults)
        raise RecordError(
            400, f"{count} validation error{'s' * (count > 1)} detected: {'; '.join(faults[:3])}"
        )
    messages = body.get("messages") or []
    if not messages:
        raise RecordError(
            400, "The messages field is empty. Add a Message object to the messages field and try again."
        )
    if batch and body.get("toolConfig"):
        raise RecordError(400, "toolConfig is not supported in batch inference with the Converse API.")
    contents.check_roles(messages)
    contents.check_texts(messages)
    _check_media(messages)
    inference = body.get("inferenceConfig") or {}
    tools, choice = contents.read_tools(body.get("toolConfig"))
    return Request(
        turns=contents.read_turns(messages),
        system=contents.read_system(body.get("system")),
        max_tokens=inference.get("maxTokens"),
        stop_sequences=tuple(inference.get("stopSequences") or ()),
        tools=tools,
        tool_choice=choice,
        options=_options(body, inference),
    )


def write_answer(reply: Reply, latency_ms: int) -> dict[str, Any]:
    """The Converse answer, without ResponseMetadata, as a batch output line carries it."""
    answer: dict[str, Any] = {
        "output": {"message": contents.write_message(reply)},
        "stopReason": contents.STOPS[reply.stop],
    }
    usage = known(
        inputTokens=reply.fresh_tokens, outputTokens=reply.output_tokens, totalTokens=reply.total_tokens
    )
    if usage:
        answer["usage"] = usage | known(cacheReadInputTokens=reply.cache_read_tokens)
    answer["metrics"] = {"latencyMs": latency_ms}
    return answer


def _options(body: dict[str, Any], inference: dict[str, Any]) -> dict[str, Any]:
    options = {
        new: inference[old]
        for old, new in (("temperature", "temperature"), ("topP", "top_p"))
        if old in inference
    }
    structure = ((body.get("outputConfig") or {}).get("textFormat") or {}).get("structure") or {}
    schema = (structure.get("jsonSchema") or {}).get("schema")
    if schema:
        try:
            parsed = json.loads(schema)
        except ValueError as error:
            raise RecordError(
                400, f"The schema at outputConfig.textFormat is not valid JSON: {error}."
            ) from None
        options["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": parsed},
        }
    return options


def _check_media(messages: list[dict[str, Any]]) -> None:
    for number, message in enumerate(messages):
        kinds = {kind for block in message["content"] for kind in block}
        if "document" in kinds and "text" not in kinds:
            raise RecordError(
                400,
                f"The message at messages.{number} contains a document but no text. "
                "Add a text block beside the document and try again.",
            )
        if message["role"] == "assistant" and kinds & {"image", "document", "video", "audio"}:
            raise RecordError(400, f"messages.{number}: images and documents come from the user role only.")


def _faults(value: Any, shape: Shape, where: str) -> Any:
    """What `shape` forbids in `value`, in the words of AWS's services."""
    name = where or "body"
    if getattr(shape, "is_document_type", False):
        return
    right = isinstance(value, _JSON_TYPES[shape.type_name]) and isinstance(value, bool) <= (
        shape.type_name == "boolean"
    )
    if not right:
        yield f"Value at '{name}' failed to satisfy constraint: Member must be of type {shape.type_name}"
    elif isinstance(shape, StructureShape):
        yield from _structure_faults(value, shape, where)
    elif isinstance(shape, ListShape):
        yield from _size_faults(value, shape, name)
        for number, item in enumerate(value):
            yield from _faults(item, shape.member, f"{where}.{number + 1}.member")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _faults(item, shape.value, f"{where}.{key}")
    else:
        yield from _size_faults(value, shape, name)


def _structure_faults(value: dict[str, Any], shape: StructureShape, where: str) -> Any:
    prefix = f"{where}." if where else ""
    for member in shape.required_members:
        if member not in value and member not in _NOT_IN_BODY:
            yield f"Value null at '{prefix}{member}' failed to satisfy constraint: Member must not be null"
    for member, inner in value.items():
        if member not in shape.members:
            yield f"Value at '{prefix}{member}' failed to satisfy constraint: extraneous key is not permitted"
        elif inner is not None:
            yield from _faults(inner, shape.members[member], f"{prefix}{member}")
    if shape.is_tagged_union and len(value) != 1:
        yield f"Value at '{where}' failed to satisfy constraint: exactly one of its members must be set"


def _size_faults(value: Any, shape: Shape, name: str) -> Any:
    rules = shape.metadata
    opening = f"Value at '{name}' failed to satisfy constraint: Member must"
    if rules.get("enum") and value not in rules["enum"]:
        yield f"{opening} satisfy enum value set: [{', '.join(rules['enum'])}]"
    counted = isinstance(value, str | list | bytes)
    size = len(value) if counted else value
    if isinstance(size, bool) or shape.type_name == "blob":
        return
    word = "have length" if counted else "have value"
    if "min" in rules and size < rules["min"]:
        yield f"{opening} {word} greater than or equal to {rules['min']}"
    if "max" in rules and size > rules["max"]:
        yield f"{opening} {word} less than or equal to {rules['max']}"
    if "pattern" in rules and isinstance(value, str) and not _matches(rules["pattern"], value):
        yield f"{opening} satisfy regular expression pattern: {rules['pattern']}"


@cache
def _pattern(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _matches(pattern: str, value: str) -> bool:
    compiled = _pattern(pattern)
    return compiled is None or compiled.fullmatch(value) is not None
