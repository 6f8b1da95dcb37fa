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

from bbkit.core.findings import Finding
from bbkit.core.text import name_some
from bbkit.families.family import as_dict
from bbkit.families.traits import Model

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NAME_SOURCE = "https://platform.claude.com/docs/en/api/messages, 2026-10"
_FUNCTION_SOURCE = "https://repost.aws/questions/QUx7pW1QTISxK7OKNU3cjYIA, 2025"
_ON_SERVERS = ("web_search", "web_fetch", "code_execution", "mcp_toolset", "advisor")
_SERVERS_SOURCE = "https://github.com/anthropics/claude-quickstarts/issues/251, 2025-11-25"
_TOOL_SOURCE = "https://github.com/aaif-goose/goose/issues/5064, 2025-10-08"
_SCHEMA_SOURCE = "https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html, 2026-10-06"
_LIMITS = frozenset(
    ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
     "maxItems", "uniqueItems", "minProperties", "maxProperties"]
)  # fmt: skip
"""Words of JSON Schema that an answer cannot be held to; ``minItems`` may be 0 or 1."""


def tool_faults(tools: Any, model: Model) -> list[Finding]:
    """What is wrong with the tools that a body offers; takes any object."""
    faults: list[Finding] = []
    for position, tool in enumerate(tools if type(tools) is list else ()):
        if type(tool) is not dict:
            continue
        path, name, kind = f"tools[{position}]", tool.get("name"), tool.get("type", "custom")
        if type(name) is str and name and not _NAME.fullmatch(name):
            finding = f"{path}.name is {name[:80]!r}; a name has 1 to 64 of a-z, A-Z, 0-9, _ and -"
            remedy = "Replace what is neither letter, digit, _ nor -."
            faults.append(Finding("error", "value", f"{finding} ({_NAME_SOURCE}).", remedy, f"{path}.name"))
        if type(kind) is str and kind != "custom":
            faults += _kind_faults(kind, f"{path}.type", model)
        if kind == "custom" or (kind == "function" and "input_schema" in tool):
            faults += _input_faults(tool, f"{path}.input_schema")
    return faults


def _kind_faults(kind: str, path: str, model: Model) -> Iterator[Finding]:
    known = model.traits.tool_types
    if kind == "function":
        finding = f"{path} is 'function', which is OpenAI's and no type of the Messages API"
        remedy = "Leave type out, and write name, description and input_schema into the tool itself."
        yield Finding("error", "tool_type", f"{finding} ({_FUNCTION_SOURCE}).", remedy, path)
    elif kind.startswith(_ON_SERVERS):
        finding = f"{path} is {kind!r}, a tool that Anthropic's servers run; Bedrock has none of them"
        remedy = "Leave it out, or offer a tool of your own."
        yield Finding("warning", "tool_type", f"{finding} ({_SERVERS_SOURCE}).", remedy, path)
    elif known is not None and kind not in known:
        finding = f"{path} is {kind!r}, which AWS does not document for {model.model_id}"
        remedy = f"It documents {name_some(known)}."
        yield model.fault("tool_types", "tool_type", finding, remedy, path, "warning")


def _input_faults(tool: Mapping[str, Any], path: str) -> Iterator[Finding]:
    schema = tool.get("input_schema")
    if "input_schema" not in tool:
        remedy = 'Describe what the tool is given, at least {"type": "object"}.'
        yield Finding("error", "required", f"{path} is missing.", remedy, path)
    if type(schema) is not dict:
        return
    if schema.get("type") != "object":
        finding = f"{path} is of type {schema.get('type')!r}; the top of it takes object ({_TOOL_SOURCE})."
        remedy = "Make it an object whose properties are what the tool is given."
        yield Finding("error", "schema_refused", finding, remedy, path)
    for word in ("oneOf", "anyOf", "allOf"):
        if word in schema:
            finding = f"{path} has {word} on top, which Claude refuses ({_TOOL_SOURCE})."
            remedy = "Put it into a property, or write the cases as properties that are not required."
            yield Finding("error", "schema_refused", finding, remedy, path)
    if tool.get("strict") is True:
        yield from schema_faults(schema, path)


def format_faults(given: Any, path: str, model: Model) -> Iterator[Finding]:
    """What a model refuses of being asked for an answer in a form: the asking itself, or the schema."""
    takes, form = model.traits.structured_output, as_dict(given)
    if form and takes in (False, "disputed"):
        severity, how = ("error", "takes no") if takes is False else ("warning", "is reported to refuse")
        finding = f"{path} is given, and {model.model_id} {how} structured output"
        remedy = "Ask for the form in the prompt or with a tool, or send some records on demand first."
        yield model.fault("structured_output", "structured_output", finding, remedy, path, severity)
    text = as_dict(as_dict(form.get("structure")).get("jsonSchema")).get("schema")
    if type(text) is str:
        yield from _text_faults(text, f"{path}.structure.jsonSchema.schema")
    yield from schema_faults(form.get("schema"), f"{path}.schema")


@lru_cache(maxsize=64)
def _text_faults(schema: str, path: str) -> tuple[Finding, ...]:
    """The faults of a schema that is written as text, as Converse has it, in each record the same."""
    try:
        return tuple(schema_faults(json.loads(schema), path))
    except (ValueError, RecursionError):
        remedy = "Write it with json.dumps."
        return (Finding("error", "schema_refused", f"{path} is text that is not JSON.", remedy, path),)


def schema_faults(schema: Any, path: str) -> Iterator[Finding]:
    """What structured output refuses of a JSON schema; names of properties are not words of it."""
    waiting = deque([(path, schema)])
    while waiting:
        path, one = waiting.popleft()
        if type(one) is not dict:
            continue
        words = [w for w in one if w in _LIMITS or (w == "minItems" and one[w] not in (0, 1))]
        if words:
            has = f"{path} has {' and '.join(words)}, which structured output does not take"
            remedy = "Leave it out; say the limit in description, and test it in the answers."
            yield Finding("error", "schema_refused", f"{has} ({_SCHEMA_SOURCE}).", remedy, path)
        kinds = one.get("type")
        is_object = "properties" in one or "object" in (kinds if type(kinds) is list else [kinds])
        if is_object and one.get("additionalProperties") is not False:
            finding = f"{path} is an object that does not say additionalProperties: false"
            remedy = "Write it into every object of the schema."
            yield Finding("error", "schema_refused", f"{finding} ({_SCHEMA_SOURCE}).", remedy, path)
        for word in ("properties", "$defs", "definitions"):
            waiting += [(f"{path}.{word}.{name}", inner) for name, inner in as_dict(one.get(word)).items()]
        for word in ("items", "anyOf", "allOf", "oneOf", "prefixItems"):
            inner = one.get(word)
            several = inner if type(inner) is list else [inner]
            waiting += [(f"{path}.{word}", part) for part in several]
