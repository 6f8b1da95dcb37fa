"""Amazon Nova's own bodies and answers (InvokeModel).

Source: https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html
"""

from typing import Any

from bbkit.standin.engines.base import Reply, Request
from bbkit.standin.shapes import contents
from bbkit.standin.shapes.bodies import Field, RecordError, check_schema, known

_SOURCE = Field(
    "object",
    required=True,
    fields={
        "bytes": Field("string"),
        "s3Location": Field(
            "object", fields={"uri": Field("string", required=True), "bucketOwner": Field("string")}
        ),
    },
    one_of=True,
)
_MEDIA = {"format": Field("string", required=True), "source": _SOURCE}
_CACHE_POINT = Field("object", fields={"type": Field("string", required=True, enum=("default",))})
_BLOCK = Field(
    "object",
    one_of=True,
    fields={
        "text": Field("string"),
        "image": Field("object", fields={**_MEDIA, "detail": Field("string")}),
        "video": Field("object", fields=_MEDIA),
        "audio": Field("object", fields=_MEDIA),
        "toolUse": Field(
            "object",
            fields={
                "toolUseId": Field("string", required=True),
                "name": Field("string", required=True),
                "input": Field("object", required=True),
            },
        ),
        "toolResult": Field(
            "object",
            fields={
                "toolUseId": Field("string", required=True),
                "content": Field("array", required=True, items=Field("object")),
                "status": Field("string", enum=("success", "error")),
            },
        ),
        "reasoningContent": Field("object"),
        "cachePoint": _CACHE_POINT,
    },
)
_TOOL = Field(
    "object",
    one_of=True,
    fields={
        "toolSpec": Field(
            "object",
            fields={
                "name": Field("string", required=True, min_size=1),
                "description": Field("string"),
                "inputSchema": Field(
                    "object", required=True, fields={"json": Field("object", required=True)}
                ),
                "strict": Field("boolean"),
            },
        ),
        "systemTool": Field("object"),
        "cachePoint": _CACHE_POINT,
    },
)
_BODY = Field(
    "object",
    fields={
        "schemaVersion": Field("string", enum=("messages-v1",)),
        "system": Field(
            "array",
            items=Field(
                "object",
                one_of=True,
                fields={
                    "text": Field("string", min_size=1),
                    "cachePoint": _CACHE_POINT,
                },
            ),
        ),
        "messages": Field(
            "array",
            required=True,
            min_size=1,
            items=Field(
                "object",
                fields={
                    "role": Field("string", required=True, enum=("user", "assistant")),
                    "content": Field("array", required=True, items=_BLOCK),
                },
            ),
        ),
        "inferenceConfig": Field(
            "object",
            fields={
                "maxTokens": Field("integer", minimum=1),
                "max_new_tokens": Field("integer", minimum=1),
                "temperature": Field("number", minimum=0, maximum=1),
                "topP": Field("number", minimum=0, maximum=1),
                "top_p": Field("number", minimum=0, maximum=1),
                "topK": Field("integer", minimum=0, maximum=128),
                "top_k": Field("integer", minimum=0, maximum=128),
                "stopSequences": Field("array", items=Field("string")),
                "reasoningConfig": Field(
                    "object",
                    fields={
                        "type": Field("string", required=True, enum=("enabled", "disabled")),
                        "maxReasoningEffort": Field("string", enum=("low", "medium", "high")),
                    },
                ),
            },
        ),
        "toolConfig": Field(
            "object",
            fields={
                "tools": Field("array", required=True, items=_TOOL),
                "toolChoice": Field(
                    "object",
                    one_of=True,
                    fields={
                        "auto": Field("object"),
                        "any": Field("object"),
                        "tool": Field(
                            "object",
                            fields={
                                "name": Field("string", required=True),
                            },
                        ),
                    },
                ),
            },
        ),
    },
)


def read_body(body: Any, model_id: str) -> Request:
    """Check the body as the model would, and read it."""
    check_schema(body, _BODY)
    messages = body["messages"]
    contents.check_roles(messages)
    contents.check_texts(messages)
    inference = body.get("inferenceConfig") or {}
    reasoning = inference.get("reasoningConfig")
    if reasoning and "nova-2" not in model_id:
        raise RecordError(
            400, "This model doesn't support the reasoningConfig field. Remove reasoningConfig and try again."
        )
    tools, choice = contents.read_tools(body.get("toolConfig"))
    options = {
        new: inference[old]
        for old, new in (
            ("temperature", "temperature"),
            ("topP", "top_p"),
            ("top_p", "top_p"),
            ("topK", "top_k"),
        )
        if inference.get(old) is not None
    }
    return Request(
        turns=contents.read_turns(messages),
        system=contents.read_system(body.get("system")),
        max_tokens=inference.get("maxTokens", inference.get("max_new_tokens")),
        stop_sequences=tuple(inference.get("stopSequences") or ()),
        tools=tools,
        tool_choice=choice,
        options=options,
    )


def write_answer(reply: Reply, body: dict[str, Any]) -> dict[str, Any]:
    """The answer in Nova's shape; its cache keys end in TokenCount, unlike Converse's."""
    answer: dict[str, Any] = {
        "output": {"message": contents.write_message(reply)},
        "stopReason": contents.STOPS[reply.stop],
    }
    cached = reply.cache_read_tokens or 0
    usage = known(
        inputTokens=reply.fresh_tokens,
        outputTokens=reply.output_tokens,
        totalTokens=reply.total_tokens,
    )
    if usage:
        answer["usage"] = usage | {"cacheReadInputTokenCount": cached, "cacheWriteInputTokenCount": 0}
    return answer
