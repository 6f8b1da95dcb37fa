"""What Claude models refuse of the tools that a body offers, and any model of the schema of an answer.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-tool-use.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bbkit.core.finding import Finding, make_finding
from bbkit.core.text import name_some
from bbkit.families.family import as_dict
from bbkit.families.json_schemas import schema_faults
from bbkit.families.traits import Model

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_ON_SERVERS = ("web_search", "web_fetch", "code_execution", "mcp_toolset", "advisor")


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


def format_faults(
    given: Any, path: str, place: str, model: Model, *, closed: bool = True
) -> Iterator[Finding]:
    """What a model refuses of being asked for an answer in a form: the asking itself, or the schema, which
    stands at a place within it.
    """
    takes, form = model.traits.structured_output, as_dict(given)
    if form and takes is not True and (model.known or takes is not None):
        text = "disputed" if takes else "unknown" if takes is None else "refused"
        yield make_finding(f"structured_output.{text}", path, model=model)
    schema: Any = form
    for name in place.split("."):
        schema = as_dict(schema).get(name)
    if isinstance(schema, dict | str):
        yield from schema_faults(schema, f"{path}.{place}", closed=closed)
