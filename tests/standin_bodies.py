"""Bodies that the models of each family take or refuse, and the documented shapes of their answers."""

import base64
import copy
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from images import image

CALL = (
    "Summarize the call.\n\n"
    "Agent: Thank you for calling, how can I help?\n"
    "Customer: My parcel with the blue lamp has not arrived and its tracking is stuck since Monday.\n"
    "Agent: It was damaged on the way, so I will send a replacement by express, it arrives on Thursday.\n"
    "Customer: Great, thanks."
)
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
LLAMA = "us.meta.llama3-1-8b-instruct-v1:0"
GPT = "openai.gpt-oss-20b-1:0"
SMALL = "mistral.mistral-small-2402-v1:0"
LARGE = "mistral.mistral-large-2407-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
TITAN_IMAGE = "amazon.titan-embed-image-v1"
NOVA_EMBED = "amazon.nova-2-multimodal-embeddings-v1:0"
PNG = image("png", size=256)

ANTHROPIC_BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 300,
    "messages": [{"role": "user", "content": [{"type": "text", "text": CALL}]}],
}
NOVA_BODY = {
    "messages": [{"role": "user", "content": [{"text": CALL}]}],
    "inferenceConfig": {"maxTokens": 300},
}
LLAMA_BODY = {
    "prompt": f"<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{CALL}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "max_gen_len": 300,
}
OPENAI_BODY = {"messages": [{"role": "user", "content": CALL}], "max_completion_tokens": 300}
NOVA_EMBED_BODY = {
    "taskType": "SINGLE_EMBEDDING",
    "singleEmbeddingParams": {
        "embeddingPurpose": "GENERIC_INDEX",
        "embeddingDimension": 256,
        "text": {"truncationMode": "END", "value": "blue lamp"},
    },
}

# What section "Bodies" of AWS's pages documents: exactly these keys, of these types.
USAGE_ANTHROPIC = {"input_tokens": int, "output_tokens": int}
MESSAGE_AMAZON = {"message": {"role": "assistant", "content": [{"text": str}]}}
SHAPES: dict[str, Any] = {
    "anthropic": {
        "id": str,
        "type": "message",
        "role": "assistant",
        "model": "bbkit-extractive-1",
        "content": [{"type": "text", "text": str}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE_ANTHROPIC,
    },
    "nova": {
        "output": MESSAGE_AMAZON,
        "stopReason": "end_turn",
        "usage": {
            "inputTokens": int,
            "outputTokens": int,
            "totalTokens": int,
            "cacheReadInputTokenCount": int,
            "cacheWriteInputTokenCount": int,
        },
    },
    "converse": {
        "output": MESSAGE_AMAZON,
        "stopReason": "end_turn",
        "usage": {"inputTokens": int, "outputTokens": int, "totalTokens": int},
        "metrics": {"latencyMs": int},
    },
    "llama": {
        "generation": str,
        "prompt_token_count": int,
        "generation_token_count": int,
        "stop_reason": "stop",
    },
    "openai_chat": {
        "id": str,
        "object": "chat.completion",
        "created": int,
        "model": "bbkit-extractive-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": str}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": int, "completion_tokens": int, "total_tokens": int},
    },
    "mistral_text": {"outputs": [{"text": str, "stop_reason": "stop"}]},
    "mistral_chat": {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": str}, "stop_reason": "stop"}],
    },
    "titan_embed_text": {
        "embedding": [float],
        "embeddingsByType": {"float": [float]},
        "inputTextTokenCount": int,
    },
    "titan_embed_image": {"embedding": [float], "inputTextTokenCount": int, "message": None},
    "nova_embed": {"embeddings": [{"embeddingType": "TEXT", "embedding": [float]}]},
}
GOOD = [
    (HAIKU, "InvokeModel", ANTHROPIC_BODY, "anthropic"),
    (
        SONNET,
        "InvokeModel",
        {**ANTHROPIC_BODY, "system": "Be short.", "temperature": 0.2, "stop_sequences": ["##"]},
        "anthropic",
    ),
    (
        SONNET,
        "InvokeModel",
        {**ANTHROPIC_BODY, "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 1024}},
        "anthropic",
    ),
    (NOVA, "InvokeModel", NOVA_BODY, "nova"),
    (
        NOVA_2,
        "InvokeModel",
        {
            **NOVA_BODY,
            "schemaVersion": "messages-v1",
            "system": [{"text": "Be short."}],
            "inferenceConfig": {"max_new_tokens": 300, "topK": 5, "reasoningConfig": {"type": "disabled"}},
        },
        "nova",
    ),
    (NOVA, "Converse", NOVA_BODY, "converse"),
    (
        GPT,
        "Converse",
        {
            **NOVA_BODY,
            "system": [{"text": "Be short."}],
            "inferenceConfig": {"maxTokens": 300, "temperature": 0, "stopSequences": ["END"]},
        },
        "converse",
    ),
    (LLAMA, "InvokeModel", LLAMA_BODY, "llama"),
    (LLAMA, "InvokeModel", {"prompt": CALL, "temperature": 0.5, "top_p": 0.9}, "llama"),
    (GPT, "InvokeModel", OPENAI_BODY, "openai_chat"),
    (
        "qwen.qwen3-32b-v1:0",
        "InvokeModel",
        {"messages": OPENAI_BODY["messages"], "max_tokens": 300},
        "openai_chat",
    ),
    (SMALL, "InvokeModel", {"prompt": f"<s>[INST] {CALL} [/INST]", "max_tokens": 300}, "mistral_text"),
    (LARGE, "InvokeModel", {"messages": OPENAI_BODY["messages"], "max_tokens": 300}, "mistral_chat"),
    (TITAN, "InvokeModel", {"inputText": "blue lamp", "dimensions": 256}, "titan_embed_text"),
    (TITAN_IMAGE, "InvokeModel", {"inputText": "blue lamp", "inputImage": PNG}, "titan_embed_image"),
    (NOVA_EMBED, "InvokeModel", NOVA_EMBED_BODY, "nova_embed"),
]


def changed(body: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A copy with other members; None takes one away, a dotted name (with __) reaches inside."""
    copied = copy.deepcopy(body)
    for path, value in members.items():
        place, *rest = path.split("__")
        target: Any = copied
        while rest:
            target = target[int(place)] if place.isdigit() else target.setdefault(place, {})
            place, *rest = rest
        if value is None:
            del target[place]
        else:
            target[int(place) if place.isdigit() else place] = value
    return copied


USER = {"role": "user", "content": "hi"}
ASSISTANT = {"role": "assistant", "content": "Hello"}
TOOLS = [{"name": "look_up", "input_schema": {"type": "object"}}]
BAD = [
    (HAIKU, changed(ANTHROPIC_BODY, anthropic_version=None), "anthropic_version: Field required"),
    (HAIKU, changed(ANTHROPIC_BODY, anthropic_version="2023-06-01"), "anthropic_version: Input should be"),
    (HAIKU, changed(ANTHROPIC_BODY, max_tokens=None), "max_tokens: Field required"),
    (HAIKU, changed(ANTHROPIC_BODY, max_tokens=0), "max_tokens: Input should be greater than or equal to 1"),
    (HAIKU, changed(ANTHROPIC_BODY, max_tokens="9"), "max_tokens: Input should be a valid integer"),
    (HAIKU, changed(ANTHROPIC_BODY, max_tokens=True), "max_tokens: Input should be a valid integer"),
    (HAIKU, changed(ANTHROPIC_BODY, modelId=HAIKU), "modelId: Extra inputs are not permitted"),
    (HAIKU, changed(ANTHROPIC_BODY, stream=False), "stream: Extra inputs are not permitted"),
    (HAIKU, changed(ANTHROPIC_BODY, messages=[]), "messages: at least one message is required"),
    (HAIKU, changed(ANTHROPIC_BODY, messages=[ASSISTANT]), 'first message must use the "user" role'),
    (HAIKU, changed(ANTHROPIC_BODY, messages__0__content=""), "non-empty content"),
    (
        HAIKU,
        changed(ANTHROPIC_BODY, messages__0__content__0__text=""),
        "text content blocks must be non-empty",
    ),
    (
        HAIKU,
        changed(ANTHROPIC_BODY, messages__0__content__0__type="txt"),
        "messages.0.content.0: Input tag 'txt'",
    ),
    (HAIKU, changed(ANTHROPIC_BODY, messages__0__role="system"), "messages.0.role: Input should be"),
    (HAIKU, changed(ANTHROPIC_BODY, temperature=1.5), "temperature: Input should be less than or equal to 1"),
    (
        HAIKU,
        changed(ANTHROPIC_BODY, thinking={"type": "enabled", "budget_tokens": 1024}),
        "does not support thinking",
    ),
    (SONNET, changed(ANTHROPIC_BODY, temperature=0.5, top_p=0.5), "cannot both be specified"),
    (SONNET, changed(ANTHROPIC_BODY, thinking={"type": "enabled", "budget_tokens": 500}), "equal to 1024"),
    (
        SONNET,
        changed(ANTHROPIC_BODY, thinking={"type": "enabled", "budget_tokens": 1024}),
        "must be greater than",
    ),
    (
        SONNET,
        changed(ANTHROPIC_BODY, thinking={"type": "adaptive"}),
        '"thinking.type.adaptive" is not supported',
    ),
    (SONNET, changed(ANTHROPIC_BODY, tool_choice={"type": "any"}), "tool_choice may only be specified"),
    ("global.anthropic.claude-sonnet-4-6", changed(ANTHROPIC_BODY, messages=[USER, ASSISTANT]), "prefill"),
    ("us.anthropic.claude-opus-5", changed(ANTHROPIC_BODY, temperature=0.5), "`temperature` is deprecated"),
    (
        SONNET,
        changed(
            ANTHROPIC_BODY,
            tools=TOOLS,
            messages=[
                USER,
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t1", "name": "look_up", "input": {}}],
                },
                USER,
            ],
        ),
        "`tool_use` ids were found without `tool_result`",
    ),
    (
        NOVA,
        changed(NOVA_BODY, messages=None),
        "Malformed input request: #: required key [messages] not found",
    ),
    (NOVA, changed(NOVA_BODY, max_tokens=5), "#: extraneous key [max_tokens] is not permitted"),
    (NOVA, changed(NOVA_BODY, max_tokens=5, messages=None), "2 schema violations found"),
    (
        NOVA,
        changed(NOVA_BODY, inferenceConfig__temperature=2),
        "#/inferenceConfig/temperature: 2 is not less",
    ),
    (NOVA, changed(NOVA_BODY, messages__0__content=CALL), "expected type: JSONArray, found: String"),
    (NOVA, changed(NOVA_BODY, messages__0__content__0__text=" "), "is blank"),
    (
        NOVA,
        changed(NOVA_BODY, messages=[{"role": "assistant", "content": [{"text": "x"}]}]),
        "start with a user",
    ),
    (NOVA, changed(NOVA_BODY, inferenceConfig__reasoningConfig={"type": "enabled"}), "config value is"),
    (NOVA, ANTHROPIC_BODY, "schema violations found"),
    (LLAMA, {"inputs": CALL, "parameters": {"max_new_tokens": 9}}, "schema violations found"),
    (LLAMA, changed(LLAMA_BODY, max_gen_len=0), "#/max_gen_len: 0 is not greater or equal to 1"),
    (LLAMA, changed(LLAMA_BODY, prompt=""), "expected minLength: 1, actual: 0"),
    (LLAMA, changed(LLAMA_BODY, images=["%%"]), "not valid base64"),
    (GPT, changed(OPENAI_BODY, stream=True), "#/stream: True is not a valid enum value"),
    (GPT, changed(OPENAI_BODY, model="gpt-4"), "does not match the model of the request"),
    (GPT, changed(OPENAI_BODY, max_tokens=5), "only one of max_tokens and max_completion_tokens"),
    (GPT, changed(OPENAI_BODY, messages=[{"role": "system", "content": "x"}]), "at least one message"),
    (
        GPT,
        changed(
            OPENAI_BODY,
            messages__0__content=[
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            ],
        ),
        "does not support image input",
    ),
    (GPT, changed(OPENAI_BODY, anthropic_version="bedrock-2023-05-31"), "extraneous key [anthropic_version]"),
    (SMALL, {"prompt": "hi", "max_tokens": 9000}, "9000 is not less or equal to 8192"),
    (SMALL, OPENAI_BODY, "schema violations found"),
    (LARGE, {"prompt": "hi"}, "schema violations found"),
    (TITAN, {"inputText": ""}, "expected minLength: 1"),
    (TITAN, {"inputText": "x" * 50_001}, "expected maxLength: 50000"),
    (TITAN, {"inputText": "x", "dimensions": 300}, "300 is not a valid enum value"),
    (TITAN, {"texts": ["x"]}, "schema violations found"),
    (TITAN_IMAGE, {}, "at least one of [inputText] and [inputImage]"),
    (TITAN_IMAGE, {"inputText": "word " * 300}, "Too many input tokens"),
    (
        NOVA_EMBED,
        changed(NOVA_EMBED_BODY, singleEmbeddingParams__embeddingPurpose=None),
        "[embeddingPurpose]",
    ),
    (NOVA_EMBED, changed(NOVA_EMBED_BODY, singleEmbeddingParams__text=None), "exactly one of text, image"),
    ("cohere.command-r-v1:0", {"message": "hi"}, "The provided model identifier is invalid."),
]


TOOL_CONFIG = {"tools": [{"toolSpec": {"name": "look_up", "inputSchema": {"json": {"type": "object"}}}}]}
DOCUMENT = {
    "document": {
        "format": "txt",
        "name": "call",
        "source": {"bytes": base64.b64encode(CALL.encode()).decode()},
    }
}
BAD_CONVERSE = [
    (changed(NOVA_BODY, modelId=NOVA), "extraneous key [modelId]"),
    (changed(NOVA_BODY, maxTokens=5), "Value at 'maxTokens' failed to satisfy constraint"),
    (changed(NOVA_BODY, inferenceConfig__maxTokens=0), "greater than or equal to 1"),
    (changed(NOVA_BODY, inferenceConfig__maxTokens="5"), "must be of type integer"),
    (changed(NOVA_BODY, messages__0__role="tool"), "enum value set"),
    (changed(NOVA_BODY, messages__0__role=None), "'messages.1.member.role'"),
    (changed(NOVA_BODY, messages__0__content__0={"text": "a", "image": {}}), "exactly one of its members"),
    (changed(NOVA_BODY, messages=[]), "messages field is empty"),
    (
        changed(NOVA_BODY, messages__0__content=[]),
        "content field in the Message object at messages.0 is empty",
    ),
    (changed(NOVA_BODY, messages__0__content=[DOCUMENT]), "document but no text"),
    (changed(NOVA_BODY, toolConfig=TOOL_CONFIG), "toolConfig is not supported in batch inference"),
    (
        changed(NOVA_BODY, messages=[*NOVA_BODY["messages"], *NOVA_BODY["messages"]]),
        "alternate between user and",
    ),
]


PLACES = [
    (
        HAIKU,
        "InvokeModel",
        ANTHROPIC_BODY,
        [
            "max_tokens",
            "messages",
            "messages__0__content",
            "system",
            "thinking",
            "messages__0__content__0",
            "stop_sequences",
            "tools",
            "tool_choice",
            "output_config",
            "temperature",
        ],
    ),
    (
        NOVA,
        "InvokeModel",
        NOVA_BODY,
        ["messages", "messages__0__content__0", "inferenceConfig", "toolConfig", "system"],
    ),
    (
        NOVA,
        "Converse",
        NOVA_BODY,
        [
            "messages",
            "messages__0__content__0",
            "inferenceConfig",
            "system",
            "outputConfig",
            "additionalModelRequestFields",
            "guardrailConfig",
        ],
    ),
    (
        GPT,
        "InvokeModel",
        OPENAI_BODY,
        ["messages", "messages__0__content", "stop", "tools", "tool_choice", "response_format", "model"],
    ),
    (LARGE, "InvokeModel", {"messages": OPENAI_BODY["messages"]}, ["messages", "tools", "tool_choice"]),
    (LLAMA, "InvokeModel", LLAMA_BODY, ["prompt", "images", "max_gen_len"]),
    (TITAN_IMAGE, "InvokeModel", {"inputText": "x"}, ["inputText", "inputImage", "embeddingConfig"]),
    (NOVA_EMBED, "InvokeModel", NOVA_EMBED_BODY, ["singleEmbeddingParams", "singleEmbeddingParams__text"]),
]


class Way(NamedTuple):
    """A way to ask for an answer of a schema: the body, how the answer is read, and what stops it."""

    name: str
    model_id: str
    invocation_type: str
    ask: Callable[[dict[str, Any], str, int], dict[str, Any]]
    read: Callable[[dict[str, Any]], Any]
    stop: Callable[[dict[str, Any]], str]


def _claude(members: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    turn = ANTHROPIC_BODY["messages"]
    return lambda schema, text, most: changed(
        {**ANTHROPIC_BODY, "messages": turn, **members(schema)}, messages__0__content=text, max_tokens=most
    )


def _nova(members: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    return lambda schema, text, most: {
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "inferenceConfig": {"maxTokens": most},
        **members(schema),
    }


def _chat(members: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    return lambda schema, text, most: {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": most,
        **members(schema),
    }


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "schema": schema}


def _functions(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": "answer", "description": "d", "parameters": schema}}]


def _specs(schema: dict[str, Any], choice: dict[str, Any]) -> dict[str, Any]:
    spec = {"name": "answer", "description": "d", "inputSchema": {"json": schema}}
    return {"toolConfig": {"tools": [{"toolSpec": spec}], "toolChoice": choice}}


def _call(output: dict[str, Any]) -> Any:
    return output["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]


QWEN = "qwen.qwen3-32b-v1:0"
_FORCED = {"tool_choice": {"type": "tool", "name": "answer"}}
_TEXT_FORMAT = {"type": "json_schema", "structure": {"jsonSchema": {"schema": ""}}}
_CLAUDE_SAYS = (lambda output: output["content"][0]["text"], lambda output: output["stop_reason"])
WAYS = [
    Way(
        *("output_config", SONNET, "InvokeModel", _claude(lambda s: {"output_config": {"format": _form(s)}})),
        *_CLAUDE_SAYS,
    ),
    Way(
        *("output_format", SONNET, "InvokeModel", _claude(lambda s: {"output_format": _form(s)})),
        *_CLAUDE_SAYS,
    ),
    Way(
        "tool of Claude",
        HAIKU,
        "InvokeModel",
        _claude(lambda s: {"tools": [{"name": "answer", "input_schema": s}], **_FORCED}),
        lambda output: output["content"][0]["input"],
        lambda output: output["stop_reason"],
    ),
    Way(
        "textFormat",
        SONNET,
        "Converse",
        _nova(
            lambda s: {
                "outputConfig": {
                    "textFormat": changed(_TEXT_FORMAT, structure__jsonSchema__schema=json.dumps(s))
                }
            }
        ),
        lambda output: output["output"]["message"]["content"][0]["text"],
        lambda output: output["stopReason"],
    ),
    Way(
        *("output_config in Converse", SONNET, "Converse"),  # as Vercel's AI SDK asks
        _nova(lambda s: {"additionalModelRequestFields": {"output_config": {"format": _form(s)}}}),
        lambda output: output["output"]["message"]["content"][0]["text"],
        lambda output: output["stopReason"],
    ),
    Way(
        *("tool of Nova", NOVA, "InvokeModel", _nova(lambda s: _specs(s, {"tool": {"name": "answer"}}))),
        lambda output: output["output"]["message"]["content"][0]["toolUse"]["input"],
        lambda output: output["stopReason"],
    ),
    Way(
        *("any tool of Nova", NOVA, "InvokeModel", _nova(lambda s: _specs(s, {"any": {}}))),
        lambda output: output["output"]["message"]["content"][0]["toolUse"]["input"],
        lambda output: output["stopReason"],
    ),
    Way(
        *("tool of Mistral", LARGE, "InvokeModel"),
        _chat(lambda s: {"tools": _functions(s), "tool_choice": "any"}),
        _call,
        lambda output: output["choices"][0]["stop_reason"],
    ),
    Way(
        *("tool of Qwen", QWEN, "InvokeModel"),
        _chat(lambda s: {"tools": _functions(s), "tool_choice": "required"}),
        _call,
        lambda output: output["choices"][0]["finish_reason"],
    ),
    Way(
        *("response_format", QWEN, "InvokeModel"),
        _chat(
            lambda s: {
                "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": s}}
            }
        ),
        lambda output: output["choices"][0]["message"]["content"],
        lambda output: output["choices"][0]["finish_reason"],
    ),
]
"""Every way that the families have; an object comes back as one, or as JSON text."""
