"""What Claude models refuse in turns and tools, whatever the model's version.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-tool-use.html
"""

from collections.abc import Mapping
from typing import Any

from bbkit.core.findings import Finding
from bbkit.families._base import mapping, objects
from bbkit.families._turns import ToolTurn, misplaced, offered_faults, tool_faults, tools_missing
from bbkit.families.requests import error_at


def turn_faults(body: Mapping[str, Any]) -> list[Finding]:
    """Turns out of order, empty ones, media and tool blocks where they may not stand; takes any object."""
    messages = body.get("messages")
    if type(messages) is not list or not messages:
        return []
    faults: list[Finding] = []
    if mapping(messages[0]).get("role") == "assistant":
        finding = "The first turn is the assistant's."
        faults.append(error_at("messages[0].role", "role_order", finding, "Start messages with a user turn."))
    last = len(messages) - 1
    tools = False
    for position, message in enumerate(messages):
        content = message.get("content") if type(message) is dict else None
        if type(content) is not list:
            continue
        assistant = message.get("role") == "assistant"
        for block in content:
            if type(block) is not dict:
                continue
            if "tool_use_id" in block or "input" in block:
                tools = True
            if assistant and "source" in block and block.get("type") in ("image", "document"):
                faults.append(misplaced(position, block["type"], "assistant"))
        if not content and not (position == last and assistant):
            remedy = "Give every turn at least one content block."
            path = f"messages[{position}].content"
            faults.append(error_at(path, "empty_content", "The turn is empty.", remedy))
    if tools:
        faults += tool_faults(_tool_turns(messages), "tool_use", "tool_result")
        faults += [] if "tools" in body else [tools_missing("tools", "tool")]
    return faults


def _tool_turns(messages: list[Any]) -> list[ToolTurn]:
    turns = []
    for position, message in enumerate(messages):
        blocks = objects(mapping(message).get("content"))
        uses = [block.get("id") for block in blocks if block.get("type") == "tool_use"]
        results = [block.get("tool_use_id") for block in blocks if block.get("type") == "tool_result"]
        turns.append(ToolTurn(mapping(message).get("role"), position, uses, results))
    return turns


def choice_faults(body: Mapping[str, Any]) -> list[Finding]:
    """A tool demanded that is not named, not offered, or of no tools at all; takes any object."""
    choice = mapping(body.get("tool_choice"))
    if "tools" not in body:
        return [
            error_at("tools", "required", "tool_choice stands without tools.", "Add tools or leave it out.")
        ]
    if choice.get("type") != "tool":
        return []
    if "name" not in choice:
        finding = "tool_choice demands a tool and does not name it."
        return [error_at("tool_choice.name", "required", finding, "Name the tool, or take type any.")]
    offered = (tool.get("name") for tool in objects(body["tools"]))
    return offered_faults(choice["name"], offered, "tool_choice.name")
