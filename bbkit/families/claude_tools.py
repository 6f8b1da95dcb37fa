"""What Claude models refuse of the tools that a body offers, and any model of the schema of an answer.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-tool-use.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from bbkit.core.finding import Finding, make_finding
from bbkit.core.text import name_some
from bbkit.families.family import as_dict
from bbkit.families.traits import Model

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_ON_SERVERS = ("web_search", "web_fetch", "code_execution", "mcp_toolset", "advisor")
_LIMITS = frozenset(
    ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
     "maxItems", "uniqueItems", "minProperties", "maxProperties"]
)  # fmt: skip
"""Words of JSON Schema that an answer cannot be held to; ``minItems`` may be 0 or 1."""


def tool_faults(tools: Any, model: Model) -> Iterator[Finding]:
    """What is wrong with the tools that a body offers; takes any object."""
    names: set[str] = set()
    for position, tool in enumerate(tools if type(tools) is list else ()):
        if type(tool) is not dict:
            continue
        path, name, kind = f"tools[{position}]", tool.get("name"), tool.get("type", "custom")
        yield from name_faults(name, f"{path}.name")
        if type(name) is str:
            if name in names:
                yield make_finding("value.tool_names", f"{path}.name", name=name)
            names.add(name)
        if type(kind) is str and kind != "custom":
            yield from _kind_faults(kind, f"{path}.type", model)
        if kind == "custom" or (kind == "function" and "input_schema" in tool):
            yield from _input_faults(tool, f"{path}.input_schema")


def name_faults(name: Any, path: str) -> Iterator[Finding]:
    """The fault of a tool's name that has what no name may have."""
    if type(name) is str and name and not _NAME.fullmatch(name):
        yield make_finding("value.tool_name", path, name=name[:80])


def _kind_faults(kind: str, path: str, model: Model) -> Iterator[Finding]:
    known = model.traits.tool_types
    if kind == "function":
        yield make_finding("tool_type.function", path)
    elif kind.startswith(_ON_SERVERS):
        yield make_finding("tool_type.on_servers", path, kind=kind)
    elif known is not None and kind not in known:
        yield make_finding("tool_type.model", path, kind=kind, known=name_some(known), model=model)


def _input_faults(tool: Mapping[str, Any], path: str) -> Iterator[Finding]:
    schema = tool.get("input_schema")
    if "input_schema" not in tool:
        yield make_finding("required.input_schema", path)
    if type(schema) is not dict:
        return
    if schema.get("type") != "object":
        yield make_finding("schema_refused.tool_type", path, type=schema.get("type"))
    for key in as_dict(schema.get("properties")):
        if not _PROPERTY.fullmatch(key):
            yield make_finding("schema_refused.property", f"{path}.properties", key=key[:80])
            break
    for word in ("oneOf", "anyOf", "allOf"):
        if word in schema:
            yield make_finding("schema_refused.on_top", path, word=word)
    if tool.get("strict") is True:
        yield from schema_faults(schema, path)


def format_faults(given: Any, path: str, model: Model) -> Iterator[Finding]:
    """What a model refuses of being asked for an answer in a form: the asking itself, or the schema."""
    takes, form = model.traits.structured_output, as_dict(given)
    if form and takes in (False, "disputed"):
        text = "structured_output.disputed" if takes else "structured_output.refused"
        yield make_finding(text, path, model=model)
    written = as_dict(as_dict(form.get("structure")).get("jsonSchema")).get("schema")
    if type(written) is str:
        yield from _text_faults(written, f"{path}.structure.jsonSchema.schema")
    yield from schema_faults(form.get("schema"), f"{path}.schema")


@lru_cache(maxsize=64)
def _text_faults(schema: str, path: str) -> tuple[Finding, ...]:
    """The faults of a schema that is written as text, as Converse has it, in each record the same."""
    try:
        return tuple(schema_faults(json.loads(schema), path))
    except (ValueError, RecursionError):
        return (make_finding("schema_refused.not_json", path),)


def schema_faults(schema: Any, path: str) -> Iterator[Finding]:
    """What structured output refuses of a JSON schema; names of properties are not words of it."""
    waiting = deque([(path, schema)])
    while waiting:
        path, one = waiting.popleft()
        if type(one) is not dict:
            continue
        words = [w for w in one if w in _LIMITS or (w == "minItems" and one[w] not in (0, 1))]
        if words:
            yield make_finding("schema_refused.words", path, words=" and ".join(words))
        place = one.get("$ref")
        if type(place) is str and not place.startswith(("#/$defs/", "#/definitions/")):
            yield make_finding("schema_refused.reference", path, place=place[:80])
        kinds = one.get("type")
        is_object = "properties" in one or "object" in (kinds if type(kinds) is list else [kinds])
        if is_object and one.get("additionalProperties") is not False:
            yield make_finding("schema_refused.open", path)
        for word in ("properties", "$defs", "definitions"):
            waiting += [(f"{path}.{word}.{name}", inner) for name, inner in as_dict(one.get(word)).items()]
        for word in ("items", "anyOf", "allOf", "oneOf", "prefixItems"):
            inner = one.get(word)
            several = inner if type(inner) is list else [inner]
            waiting += [(f"{path}.{word}", part) for part in several]
