"""Amazon Nova's own bodies and answers (InvokeModel).

Source: https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html
"""

import re
from typing import Any

from bbkit.standin.engines import Reply, Request, Tool
from bbkit.standin.errors import RecordError
from bbkit.standin.models import traits_of
from bbkit.standin.shapes import contents
from bbkit.standin.shapes.bodies import check_schema, malformed


def read_body(body: Any, model_id: str) -> Request:
    check_schema(body, "nova")
    contents.check_messages(body["messages"])
    inference = body.get("inferenceConfig") or {}
    check_reasoning(inference.get("reasoningConfig"), inference, model_id)
    names = {"temperature": "temperature", "topP": "top_p", "topK": "top_k", "top_p": "top_p"}
    options = {own: inference[name] for name, own in names.items() if inference.get(name) is not None}
    most = inference.get("maxTokens", inference.get("max_new_tokens"))
    request = contents.read_request(body, most, options)
    for number, tool in enumerate(request.tools):
        _check_tool(tool, f"#/toolConfig/tools/{number}/toolSpec", traits_of(model_id))
    return request


def _check_tool(tool: Tool, at: str, traits: dict[str, Any]) -> None:
    if not re.fullmatch("[a-zA-Z0-9_-]{1,64}", tool.name):
        raise malformed(f"{at}/name: string does not match pattern [a-zA-Z0-9_-]+")
    if tool.schema.get("type", "object") != "object":
        raise malformed(f"{at}/inputSchema/json/type: {tool.schema['type']} is not a valid enum value")
    for word in traits.get("tool_schema_refused", ()):
        if word in tool.schema:
            raise malformed(f"{at}/inputSchema/json: extraneous key [{word}] is not permitted")


def check_reasoning(reasoning: Any, inference: dict[str, Any], model_id: str) -> None:
    """Refuse reasoning where the model has none, and what a high effort excludes."""
    if reasoning is None:
        return
    if traits_of(model_id).get("thinking") == "none":
        raise malformed("the provided reasoning config value is invalid")
    effort = reasoning.get("maxReasoningEffort")
    if effort is not None and effort not in traits_of(model_id).get("effort", [effort]):
        raise malformed(f"#/reasoningConfig/maxReasoningEffort: {effort} is not a valid enum value")
    high = reasoning.get("type") == "enabled" and reasoning.get("maxReasoningEffort") == "high"
    excluded = {"maxTokens", "max_new_tokens", "temperature", "topP", "top_p"} & inference.keys()
    if high and excluded:
        raise RecordError(f"{min(excluded)} must be unset when maxReasoningEffort is high.")


def write_answer(reply: Reply, body: dict[str, Any], model_id: str) -> dict[str, Any]:
    """The answer in Nova's shape; its cache keys end in TokenCount, unlike Converse's."""
    answer = contents.write_output(reply)
    if "usage" in answer:
        cached = {"cacheReadInputTokenCount": reply.cache_read_tokens or 0, "cacheWriteInputTokenCount": 0}
        answer["usage"] |= cached
    return answer
