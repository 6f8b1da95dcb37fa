"""Correct bodies of every written family, each a variety that a page documents: no finding on any."""

from typing import Any, NamedTuple

UG = "https://docs.aws.amazon.com/bedrock/latest/userguide/"
NOVA = "https://docs.aws.amazon.com/nova/latest/"
API = "https://docs.aws.amazon.com/bedrock/latest/APIReference/"
DATE = "2026-10"

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
JPEG = "/9j/4AAQSkZJRgABAQEASABIAAD/2Q=="
GIF = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
WEBP = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="
PDF = "JVBERi0xLjQKJSVFT0YK"
SOUND = "UklGRiQAAABXQVZFZm10IBAAAAABAAEA"


class Documented(NamedTuple):
    """One correct body: its family, its model, the variety it shows, and the page that documents it."""

    family: str
    model_id: str
    variety: str
    url: str
    body: dict[str, Any]
    date: str = DATE
    invocation_type: str = "InvokeModel"


HAIKU_3 = "anthropic.claude-3-haiku-20240307-v1:0"
HAIKU_45 = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
SONNET_45 = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SONNET_37 = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
OPUS_46 = "global.anthropic.claude-opus-4-6-v1"
_MESSAGES = UG + "model-parameters-anthropic-claude-messages-request-response.html"
_THINKING = UG + "claude-messages-extended-thinking.html"
_ADAPTIVE = UG + "claude-messages-adaptive-thinking.html"
_TOOLS = UG + "model-parameters-anthropic-claude-messages-tool-use.html"
_VERSION = "bedrock-2023-05-31"
_WEATHER = {
    "name": "get_weather",
    "description": "Weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def _claude(variety: str, body: dict[str, Any], model_id: str = HAIKU_3, url: str = _MESSAGES) -> Documented:
    return Documented("anthropic", model_id, variety, url, {"anthropic_version": _VERSION, **body})


def _ask(*content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(content) if len(content) != 1 else content[0]}]


_HELLO = {"type": "text", "text": "Hello"}

ANTHROPIC = [
    _claude("one turn of blocks", {"max_tokens": 64, "messages": _ask([_HELLO])}),
    _claude("a text instead of blocks", {"max_tokens": 1, "messages": _ask("Hello")}),
    _claude("system as a text", {"max_tokens": 64, "system": "Be short.", "messages": _ask("Hello")}),
    _claude(
        "system as blocks",
        {"max_tokens": 64, "system": [{"type": "text", "text": "Be."}], "messages": _ask("Hello")},
    ),
    _claude(
        "several turns",
        {
            "max_tokens": 512,
            "messages": [
                {"role": "user", "content": "Hello there."},
                {"role": "assistant", "content": "Hi, how can I help?"},
                {"role": "user", "content": [{"type": "text", "text": "Explain LLMs."}]},
            ],
        },
    ),
    _claude(
        "two user turns in a row, which Claude joins",
        {"max_tokens": 9, "messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]},
    ),
    _claude(
        "a prefilled answer",
        {
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "{"}],
        },
    ),
    _claude(
        "all sampling parameters of a model that takes them",
        {
            "max_tokens": 4096,
            "temperature": 0,
            "top_p": 0.999,
            "top_k": 250,
            "stop_sequences": ["\n\nHuman:"],
            "messages": _ask("Hello"),
        },
    ),
    _claude("temperature alone", {"max_tokens": 9, "temperature": 1.0, "messages": _ask("Hello")}, SONNET_45),
    _claude("top_p alone", {"max_tokens": 9, "top_p": 0.9, "messages": _ask("Hello")}, HAIKU_45),
    _claude(
        "an image as base64",
        {
            "max_tokens": 1000,
            "messages": _ask(
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                _HELLO,
            ),
        },
    ),
    _claude(
        "images of every format",
        {
            "max_tokens": 1000,
            "messages": _ask(
                *(
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": f"image/{kind}", "data": data},
                    }
                    for kind, data in (("jpeg", JPEG), ("gif", GIF), ("webp", WEBP))
                )
            ),
        },
    ),
    _claude(
        "a PDF document with citations",
        {
            "max_tokens": 1000,
            "messages": _ask(
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                    "title": "Policy",
                    "citations": {"enabled": True},
                },
                _HELLO,
            ),
        },
        SONNET_45,
        UG + "claude-messages-supported-models.html",
    ),
    _claude(
        "tools offered",
        {"max_tokens": 99, "tools": [_WEATHER], "messages": _ask("Weather?")},
        HAIKU_45,
        _TOOLS,
    ),
    _claude(
        "a tool forced",
        {
            "max_tokens": 99,
            "tools": [_WEATHER],
            "tool_choice": {"type": "tool", "name": "get_weather"},
            "messages": _ask("Weather?"),
        },
        HAIKU_45,
        _TOOLS,
    ),
    _claude(
        "a tool used and answered",
        {
            "max_tokens": 99,
            "tools": [_WEATHER],
            "messages": [
                {"role": "user", "content": "Weather in Rome?"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "I look."},
                        {
                            "type": "tool_use",
                            "id": "toolu_01",
                            "name": "get_weather",
                            "input": {"city": "Rome"},
                        },
                    ],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "toolu_01", "content": "15 degrees"}],
                },
            ],
        },
        HAIKU_45,
        _TOOLS,
    ),
    _claude(
        "thinking with a budget",
        {
            "max_tokens": 4096,
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "messages": _ask("Think."),
        },
        SONNET_37,
        _THINKING,
    ),
    _claude(
        "thinking with temperature 1, top_p 0.95 and tools left to the model",
        {
            "max_tokens": 4096,
            "temperature": 1,
            "thinking": {"type": "enabled", "budget_tokens": 2048},
            "tools": [_WEATHER],
            "tool_choice": {"type": "auto"},
            "messages": _ask("Think."),
        },
        SONNET_37,
        _THINKING,
    ),
    _claude(
        "interleaved thinking, whose budget may exceed max_tokens",
        {
            "max_tokens": 4000,
            "thinking": {"type": "enabled", "budget_tokens": 10000},
            "anthropic_beta": ["interleaved-thinking-2025-05-14"],
            "tools": [_WEATHER],
            "messages": _ask("Think."),
        },
        "us.anthropic.claude-sonnet-4-20250514-v1:0",
        _THINKING,
    ),
    _claude(
        "thinking blocks given back with a tool result",
        {
            "max_tokens": 4096,
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "tools": [_WEATHER],
            "messages": [
                {"role": "user", "content": "Weather?"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "I ask.", "signature": "EqoBCkgIARABGAIiQL2U"},
                        {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "t1", "content": [_HELLO], "is_error": False}
                    ],
                },
            ],
        },
        SONNET_37,
        _THINKING,
    ),
    _claude(
        "adaptive thinking with an effort",
        {
            "max_tokens": 16000,
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": "high"},
            "messages": _ask("Think."),
        },
        OPUS_46,
        _ADAPTIVE,
    ),
    _claude(
        "structured output",
        {
            "max_tokens": 64,
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            "messages": _ask("Hello"),
        },
        SONNET_45,
        UG + "structured-output.html",
    ),
    _claude(
        "a built-in tool",
        {
            "max_tokens": 64,
            "anthropic_beta": ["computer-use-2025-01-24"],
            "tools": [{"type": "bash_20250124", "name": "bash"}],
            "messages": _ask("List the files."),
        },
        SONNET_37,
        _TOOLS,
    ),
]

_NOVA_SCHEMA = NOVA + "userguide/complete-request-schema.html"
_NOVA_2 = NOVA + "nova2-userguide/request-response-schema.html"
LITE, MICRO, LITE_2 = "amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0", "us.amazon.nova-2-lite-v1:0"


def _nova(variety: str, body: dict[str, Any], model_id: str = LITE, url: str = _NOVA_SCHEMA) -> Documented:
    return Documented("nova", model_id, variety, url, body)


def _say(*content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(content)}]


_HI = {"text": "Hello"}
_SPEC = {
    "toolSpec": {
        "name": "top_song",
        "description": "The top song",
        "inputSchema": {"json": {"type": "object", "properties": {"sign": {"type": "string"}}}},
    }
}

NOVA_BODIES = [
    _nova("one turn", {"messages": _say(_HI)}, MICRO),
    _nova("schema version", {"schemaVersion": "messages-v1", "messages": _say(_HI)}),
    _nova("system", {"system": [{"text": "Be short."}], "messages": _say(_HI)}),
    _nova(
        "all of inferenceConfig",
        {
            "messages": _say(_HI),
            "inferenceConfig": {
                "maxTokens": 5000,
                "temperature": 0.7,
                "topP": 0.9,
                "topK": 50,
                "stopSequences": ["END"],
            },
        },
    ),
    _nova("temperature 0", {"messages": _say(_HI), "inferenceConfig": {"maxTokens": 9, "temperature": 0}}),
    _nova(
        "the older spelling of inferenceConfig",
        {"messages": _say(_HI), "inferenceConfig": {"max_new_tokens": 1000, "top_p": 0.9, "top_k": 20}},
    ),
    _nova(
        "several turns",
        {
            "messages": [
                {"role": "user", "content": [_HI]},
                {"role": "assistant", "content": [{"text": "Hi"}]},
                {"role": "user", "content": [{"text": "Go on"}]},
            ]
        },
    ),
    _nova(
        "a prefilled answer",
        {
            "messages": [
                {"role": "user", "content": [_HI]},
                {"role": "assistant", "content": [{"text": "```json"}]},
            ]
        },
        LITE,
        NOVA + "userguide/prompting-structured-output.html",
    ),
    _nova("an image", {"messages": _say({"image": {"format": "png", "source": {"bytes": PNG}}}, _HI)}),
    _nova(
        "a video in S3",
        {
            "messages": _say(
                {
                    "video": {
                        "format": "mp4",
                        "source": {"s3Location": {"uri": "s3://amzn-s3-demo-bucket/batch/v.mp4"}},
                    }
                },
                _HI,
            )
        },
        LITE,
        UG + "batch-inference-data.html",
    ),
    _nova(
        "a video in another account's bucket",
        {
            "messages": _say(
                {
                    "video": {
                        "format": "three_gp",
                        "source": {
                            "s3Location": {
                                "uri": "s3://amzn-s3-demo-bucket/v.3gp",
                                "bucketOwner": "111122223333",
                            }
                        },
                    }
                }
            )
        },
    ),
    _nova(
        "tools",
        {"messages": _say(_HI), "toolConfig": {"tools": [_SPEC], "toolChoice": {"auto": {}}}},
        LITE,
        NOVA + "userguide/tool-use-invocation.html",
    ),
    _nova(
        "a tool used and answered",
        {
            "messages": [
                {"role": "user", "content": [_HI]},
                {
                    "role": "assistant",
                    "content": [
                        {"toolUse": {"toolUseId": "t1", "name": "top_song", "input": {"sign": "WZPZ"}}}
                    ],
                },
                {
                    "role": "user",
                    "content": [{"toolResult": {"toolUseId": "t1", "content": [{"json": {"song": "x"}}]}}],
                },
            ],
            "toolConfig": {"tools": [_SPEC]},
        },
        LITE,
        NOVA + "userguide/tool-use-results.html",
    ),
    _nova(
        "a tool demanded by name",
        {
            "messages": _say(_HI),
            "toolConfig": {"tools": [_SPEC], "toolChoice": {"tool": {"name": "top_song"}}},
        },
        LITE,
        NOVA + "userguide/tool-choice.html",
    ),
    _nova(
        "reasoning of Nova 2",
        {
            "messages": _say(_HI),
            "inferenceConfig": {
                "maxTokens": 10000,
                "reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"},
            },
        },
        LITE_2,
        _NOVA_2,
    ),
    _nova(
        "reasoning off",
        {"messages": _say(_HI), "inferenceConfig": {"reasoningConfig": {"type": "disabled"}}},
        LITE_2,
        _NOVA_2,
    ),
]

_CONVERSE = API + "API_runtime_Converse.html"


def _converse(variety: str, body: dict[str, Any], model_id: str = LITE, url: str = _CONVERSE) -> Documented:
    return Documented("converse", model_id, variety, url, body, invocation_type="Converse")


CONVERSE = [
    _converse("one turn", {"messages": _say(_HI)}),
    _converse(
        "system and inferenceConfig",
        {
            "system": [{"text": "Be short."}],
            "messages": _say(_HI),
            "inferenceConfig": {"maxTokens": 100, "temperature": 0, "topP": 0.9, "stopSequences": ["END"]},
        },
    ),
    _converse(
        "several turns",
        {
            "messages": [
                {"role": "user", "content": [_HI]},
                {"role": "assistant", "content": [{"text": "Hi"}]},
                {"role": "user", "content": [{"text": "Go on"}]},
            ]
        },
        "meta.llama3-1-8b-instruct-v1:0",
    ),
    _converse(
        "an image", {"messages": _say({"image": {"format": "jpeg", "source": {"bytes": JPEG}}}, _HI)}, HAIKU_3
    ),
    _converse(
        "a document beside a text",
        {"messages": _say({"document": {"format": "pdf", "name": "policy", "source": {"bytes": PDF}}}, _HI)},
        HAIKU_3,
        API + "API_runtime_DocumentBlock.html",
    ),
    _converse(
        "a document of plain text",
        {"messages": _say({"document": {"format": "txt", "name": "call", "source": {"text": "Hi."}}}, _HI)},
        HAIKU_3,
        API + "API_runtime_DocumentSource.html",
    ),
    _converse(
        "a video in S3",
        {
            "messages": _say(
                {
                    "video": {
                        "format": "mp4",
                        "source": {"s3Location": {"uri": "s3://amzn-s3-demo-bucket/batch/v.mp4"}},
                    }
                },
                _HI,
            )
        },
        LITE,
        API + "API_runtime_VideoBlock.html",
    ),
    _converse(
        "a model's own parameters",
        {
            "messages": _say(_HI),
            "inferenceConfig": {"maxTokens": 100},
            "additionalModelRequestFields": {"top_k": 200},
            "additionalModelResponseFieldPaths": ["/stop_sequence"],
        },
        HAIKU_3,
    ),
    _converse(
        "thinking through the model's own parameters",
        {
            "messages": _say(_HI),
            "inferenceConfig": {"maxTokens": 4000},
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        },
        SONNET_37,
        _THINKING,
    ),
    _converse(
        "a guardrail",
        {
            "messages": _say({"guardContent": {"text": {"text": "Hello"}}}),
            "guardrailConfig": {"guardrailIdentifier": "abc123", "guardrailVersion": "1", "trace": "enabled"},
        },
        LITE,
        UG + "guardrails-use-converse-api.html",
    ),
    _converse(
        "structured output",
        {
            "messages": _say(_HI),
            "outputConfig": {
                "textFormat": {
                    "type": "json_schema",
                    "structure": {"jsonSchema": {"name": "call", "schema": '{"type": "object"}'}},
                }
            },
        },
        SONNET_45,
        UG + "structured-output.html",
    ),
    _converse(
        "metadata, latency and tier",
        {
            "messages": _say(_HI),
            "requestMetadata": {"team": "support"},
            "performanceConfig": {"latency": "standard"},
            "serviceTier": {"type": "default"},
        },
    ),
    _converse(
        "temperature alone of a model that takes one of two",
        {"messages": _say(_HI), "inferenceConfig": {"maxTokens": 9, "temperature": 1.0}},
        SONNET_45,
    ),
    _converse(
        "adaptive thinking with an effort",
        {
            "messages": _say(_HI),
            "inferenceConfig": {"maxTokens": 16000},
            "additionalModelRequestFields": {
                "thinking": {"type": "adaptive"},
                "output_config": {"effort": "high"},
            },
        },
        OPUS_46,
        _ADAPTIVE,
    ),
    _converse(
        "a prefilled answer of a model that takes it",
        {
            "messages": [
                {"role": "user", "content": [_HI]},
                {"role": "assistant", "content": [{"text": "{"}]},
            ]
        },
        HAIKU_3,
    ),
    _converse("a model of the OpenAI shape", {"messages": _say(_HI)}, "qwen.qwen3-32b-v1:0"),
]

_META = UG + "model-parameters-meta.html"
LLAMA_3, LLAMA_4 = "meta.llama3-1-8b-instruct-v1:0", "us.meta.llama4-scout-17b-instruct-v1:0"
LLAMA_VISION = "us.meta.llama3-2-11b-instruct-v1:0"
_TURN_3 = (
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
_TURN_4 = (
    "<|begin_of_text|><|header_start|>user<|header_end|>\n\nHi<|eot|>"
    "<|header_start|>assistant<|header_end|>\n\n"
)


def _llama(variety: str, body: dict[str, Any], model_id: str = LLAMA_3, url: str = _META) -> Documented:
    return Documented("llama", model_id, variety, url, body)


LLAMA = [
    _llama("a prompt in the chat format", {"prompt": _TURN_3}),
    _llama("all parameters", {"prompt": _TURN_3, "max_gen_len": 512, "temperature": 0.5, "top_p": 0.9}),
    _llama("the ends of the ranges", {"prompt": _TURN_3, "max_gen_len": 1, "temperature": 0, "top_p": 1}),
    _llama("temperature 1.0 and top_p 0", {"prompt": _TURN_3, "temperature": 1.0, "top_p": 0}),
    _llama("a prompt without chat tokens", {"prompt": "The capital of France is", "max_gen_len": 5}),
    _llama(
        "a system text",
        {
            "prompt": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe short.<|eot_id|>"
            + _TURN_3[len("<|begin_of_text|>") :]
        },
    ),
    _llama(
        "several turns",
        {"prompt": _TURN_3 + "Hello!<|eot_id|>" + _TURN_3[len("<|begin_of_text|>") :], "max_gen_len": 2048},
    ),
    _llama("without begin_of_text", {"prompt": _TURN_3[len("<|begin_of_text|>") :], "max_gen_len": 64}),
    _llama("Llama 4's chat format", {"prompt": _TURN_4, "max_gen_len": 64}, LLAMA_4),
    _llama(
        "an image",
        {"prompt": _TURN_3.replace("Hi", "<|image|>Describe it."), "images": [PNG], "max_gen_len": 64},
        LLAMA_VISION,
    ),
    _llama("braces and quotes in the text", {"prompt": _TURN_3.replace("Hi", 'She said "{name}".')}),
]

_MISTRAL = UG + "model-parameters-mistral-text-completion.html"
SMALL = "mistral.mistral-small-2402-v1:0"


def _mistral(variety: str, body: dict[str, Any], url: str = _MISTRAL) -> Documented:
    return Documented("mistral_text", SMALL, variety, url, body)


_INST = "<s>[INST] What is your favourite condiment? [/INST]"
MISTRAL_TEXT = [
    _mistral("a prompt alone", {"prompt": _INST}),
    _mistral("max_tokens", {"prompt": _INST, "max_tokens": 512}),
    _mistral("the largest max_tokens", {"prompt": _INST, "max_tokens": 8192}),
    _mistral("stop", {"prompt": _INST, "stop": ["</s>"]}),
    _mistral("ten stops", {"prompt": _INST, "stop": list("abcdefghij")}),
    _mistral("temperature 0", {"prompt": _INST, "temperature": 0}),
    _mistral("temperature 1", {"prompt": _INST, "temperature": 1}),
    _mistral("top_p", {"prompt": _INST, "top_p": 0.9}),
    _mistral("top_k", {"prompt": _INST, "top_k": 50}),
    _mistral(
        "all parameters",
        {"prompt": _INST, "max_tokens": 1, "stop": ["x"], "temperature": 0.5, "top_p": 1, "top_k": 200},
    ),
    _mistral("several turns", {"prompt": _INST + " Lemon juice.</s> [INST] Any recipes? [/INST]"}),
    _mistral("without the begin mark", {"prompt": "[INST] Hi [/INST]"}),
]

_MISTRAL_CHAT = UG + "model-parameters-mistral-chat-completion.html"
LARGE = "mistral.mistral-large-2407-v1:0"
_FUNCTION = {
    "type": "function",
    "function": {
        "name": "top_song",
        "description": "The top song",
        "parameters": {"type": "object", "properties": {"sign": {"type": "string"}}},
    },
}
_USER = {"role": "user", "content": "Hello"}
_TOOL_TURNS = [
    _USER,
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "call0001a", "function": {"name": "top_song", "arguments": '{"sign": "WZPZ"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "call0001a", "content": '{"song": "Elemental Hotel"}'},
]


def _large(variety: str, body: dict[str, Any], url: str = _MISTRAL_CHAT) -> Documented:
    return Documented("mistral_chat", LARGE, variety, url, body)


MISTRAL_CHAT = [
    _large("one turn", {"messages": [_USER]}),
    _large("max_tokens", {"messages": [_USER], "max_tokens": 8192}),
    _large("temperature 0", {"messages": [_USER], "temperature": 0}),
    _large("temperature and top_p", {"messages": [_USER], "temperature": 0.7, "top_p": 1}),
    _large("a system turn", {"messages": [{"role": "system", "content": "Be short."}, _USER]}),
    _large("several turns", {"messages": [_USER, {"role": "assistant", "content": "Hi"}, _USER]}),
    _large("tools", {"messages": [_USER], "tools": [_FUNCTION]}),
    _large("tools left to the model", {"messages": [_USER], "tools": [_FUNCTION], "tool_choice": "auto"}),
    _large("any tool", {"messages": [_USER], "tools": [_FUNCTION], "tool_choice": "any"}),
    _large("no tool", {"messages": [_USER], "tools": [_FUNCTION], "tool_choice": "none"}),
    _large("a tool called and answered", {"messages": _TOOL_TURNS, "tools": [_FUNCTION]}),
]

_OPENAI = UG + "model-parameters-openai.html"
_QWEN = UG + "model-parameters-qwen.html"
_DEEPSEEK = UG + "model-parameters-deepseek.html"
OSS, QWEN = "openai.gpt-oss-120b-1:0", "qwen.qwen3-32b-v1:0"
_CALLED = [
    {**turn, "tool_calls": [{**turn["tool_calls"][0], "type": "function"}]} if "tool_calls" in turn else turn
    for turn in _TOOL_TURNS
]


def _chat(variety: str, body: dict[str, Any], model_id: str = OSS, url: str = _OPENAI) -> Documented:
    return Documented("openai_chat", model_id, variety, url, body)


OPENAI_CHAT = [
    _chat("one turn", {"messages": [_USER]}),
    _chat("max_completion_tokens", {"messages": [_USER], "max_completion_tokens": 500, "temperature": 0.7}),
    _chat("max_tokens", {"messages": [_USER], "max_tokens": 500}, QWEN, _QWEN),
    _chat("the job's own model", {"model": OSS, "messages": [_USER], "max_completion_tokens": 150}),
    _chat("stream false", {"messages": [_USER], "stream": False}),
    _chat("a developer turn", {"messages": [{"role": "developer", "content": "You help."}, _USER]}),
    _chat("a system turn", {"messages": [{"role": "system", "content": "You help."}, _USER], "top_p": 0.9}),
    _chat("reasoning effort", {"messages": [_USER], "reasoning_effort": "low"}),
    _chat("one stop", {"messages": [_USER], "stop": "END"}),
    _chat("several stops and a seed", {"messages": [_USER], "stop": ["END", "\n"], "seed": 7, "n": 1}),
    _chat(
        "penalties and null",
        {"messages": [_USER], "frequency_penalty": 0.5, "presence_penalty": -2, "stop": None},
    ),
    _chat(
        "tools",
        {"messages": [_USER], "tools": [_FUNCTION], "tool_choice": "auto", "parallel_tool_calls": True},
    ),
    _chat(
        "a tool named",
        {
            "messages": [_USER],
            "tools": [_FUNCTION],
            "tool_choice": {"type": "function", "function": {"name": "top_song"}},
        },
    ),
    _chat("a tool called and answered", {"messages": _CALLED, "tools": [_FUNCTION]}),
    _chat(
        "a service tier",
        {"messages": [_USER], "service_tier": "default"},
        OSS,
        UG + "service-tiers-inference.html",
    ),
    _chat(
        "two calls of one turn answered in either order",
        {
            "messages": [
                _USER,
                {
                    **_CALLED[1],
                    "tool_calls": [{**_CALLED[1]["tool_calls"][0], "id": name} for name in ("a", "b")],
                },
                {**_CALLED[2], "tool_call_id": "b"},
                {**_CALLED[2], "tool_call_id": "a"},
                {"role": "assistant", "content": "It is Elemental Hotel."},
                _USER,
            ],
            "tools": [_FUNCTION],
        },
    ),
    _chat(
        "content null beside a tool call",
        {"messages": [_USER, {**_CALLED[1], "content": None}, _CALLED[2]], "tools": [_FUNCTION]},
        QWEN,
        _QWEN,
    ),
    _chat(
        "structured output",
        {
            "messages": [_USER],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "call", "strict": True, "schema": {"type": "object"}},
            },
        },
        QWEN,
        UG + "structured-output.html",
    ),
    _chat("a JSON object", {"messages": [_USER], "response_format": {"type": "json_object"}}, QWEN, _QWEN),
    _chat(
        "an image as a data URI",
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                    ],
                }
            ],
            "max_tokens": 64,
        },
        "google.gemma-3-12b-it",
        UG + "model-card-google-gemma-3-12b-it.html",
    ),
    _chat(
        "DeepSeek V3",
        {"messages": [_USER], "max_tokens": 64, "temperature": 1.5},
        "deepseek.v3-v1:0",
        _DEEPSEEK,
    ),
    _chat(
        "content as parts",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}], "max_tokens": 9},
        "mistral.mistral-large-3-675b-instruct",
        UG + "model-card-mistral-ai-mistral-large-3.html",
    ),
]

_TITAN = UG + "model-parameters-titan-embed-text.html"
TITAN_V2 = "amazon.titan-embed-text-v2:0"


def _titan(variety: str, body: dict[str, Any], url: str = _TITAN) -> Documented:
    return Documented("titan_embed_text", TITAN_V2, variety, url, body)


TITAN_TEXT = [
    _titan("a text", {"inputText": "Hello"}),
    _titan("1,024 dimensions", {"inputText": "Hello", "dimensions": 1024}),
    _titan("512 dimensions", {"inputText": "Hello", "dimensions": 512, "normalize": True}),
    _titan("256 dimensions", {"inputText": "Hello", "dimensions": 256, "normalize": False}),
    _titan("float", {"inputText": "Hello", "embeddingTypes": ["float"]}),
    _titan("binary", {"inputText": "Hello", "embeddingTypes": ["binary"]}),
    _titan("both", {"inputText": "Hello", "embeddingTypes": ["float", "binary"]}),
    _titan("the longest text", {"inputText": "x" * 50_000}),
    _titan("one character", {"inputText": "é"}),
    _titan("all", {"inputText": "Hello", "dimensions": 512, "normalize": True, "embeddingTypes": ["float"]}),
]

_TITAN_MM = UG + "model-parameters-titan-embed-mm.html"
TITAN_MM = "amazon.titan-embed-image-v1"


def _image(variety: str, body: dict[str, Any], url: str = _TITAN_MM) -> Documented:
    return Documented("titan_embed_image", TITAN_MM, variety, url, body)


TITAN_IMAGE = [
    _image("a text", {"inputText": "A red shoe"}),
    _image("an image", {"inputImage": PNG}),
    _image("a JPEG", {"inputImage": JPEG}),
    _image("both", {"inputText": "A red shoe", "inputImage": PNG}),
    _image("256", {"inputText": "A red shoe", "embeddingConfig": {"outputEmbeddingLength": 256}}),
    _image("384", {"inputImage": PNG, "embeddingConfig": {"outputEmbeddingLength": 384}}),
    _image("1,024", {"inputImage": PNG, "embeddingConfig": {"outputEmbeddingLength": 1024}}),
    _image("all", {"inputText": "x", "inputImage": PNG, "embeddingConfig": {"outputEmbeddingLength": 384}}),
    _image("an empty configuration", {"inputText": "x", "embeddingConfig": {}}),
    _image("not English", {"inputText": "Ein roter Schuh, größer"}),
]

_EMBED = NOVA + "userguide/embeddings-schema.html"
NOVA_MM = "amazon.nova-2-multimodal-embeddings-v1:0"
_PLACE = {"s3Location": {"uri": "s3://amzn-s3-demo-bucket/batch/file"}}


def _nova_embed(variety: str, params: dict[str, Any], **more: Any) -> Documented:
    body = {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params, **more}
    return Documented("nova_embed", NOVA_MM, variety, _EMBED, body)


_TEXT = {"truncationMode": "END", "value": "Hello"}
NOVA_EMBED = [
    _nova_embed("a text", {"embeddingPurpose": "GENERIC_INDEX", "text": _TEXT}),
    _nova_embed(
        "schema version",
        {"embeddingPurpose": "GENERIC_RETRIEVAL", "text": _TEXT},
        schemaVersion="nova-multimodal-embed-v1",
    ),
    _nova_embed(
        "256 dimensions", {"embeddingPurpose": "TEXT_RETRIEVAL", "embeddingDimension": 256, "text": _TEXT}
    ),
    _nova_embed(
        "3,072 dimensions, truncated at the start",
        {
            "embeddingPurpose": "CLASSIFICATION",
            "embeddingDimension": 3072,
            "text": {"truncationMode": "START", "value": "Hello"},
        },
    ),
    _nova_embed(
        "a text in S3",
        {"embeddingPurpose": "CLUSTERING", "text": {"truncationMode": "NONE", "source": _PLACE}},
    ),
    _nova_embed(
        "an image",
        {"embeddingPurpose": "IMAGE_RETRIEVAL", "image": {"format": "png", "source": {"bytes": PNG}}},
    ),
    _nova_embed(
        "an image of a document in S3",
        {
            "embeddingPurpose": "DOCUMENT_RETRIEVAL",
            "embeddingDimension": 1024,
            "image": {"detailLevel": "DOCUMENT_IMAGE", "format": "webp", "source": _PLACE},
        },
    ),
    _nova_embed(
        "audio",
        {"embeddingPurpose": "AUDIO_RETRIEVAL", "audio": {"format": "wav", "source": {"bytes": SOUND}}},
    ),
    _nova_embed(
        "audio in S3", {"embeddingPurpose": "GENERIC_INDEX", "audio": {"format": "mp3", "source": _PLACE}}
    ),
    _nova_embed(
        "video with its sound",
        {
            "embeddingPurpose": "VIDEO_RETRIEVAL",
            "embeddingDimension": 384,
            "video": {"format": "mp4", "source": _PLACE, "embeddingMode": "AUDIO_VIDEO_COMBINED"},
        },
    ),
    _nova_embed(
        "video apart from its sound",
        {
            "embeddingPurpose": "GENERIC_INDEX",
            "video": {"format": "3gp", "source": _PLACE, "embeddingMode": "AUDIO_VIDEO_SEPARATE"},
        },
    ),
]

BODIES: list[Documented] = [
    *ANTHROPIC,
    *NOVA_BODIES,
    *CONVERSE,
    *LLAMA,
    *MISTRAL_TEXT,
    *MISTRAL_CHAT,
    *OPENAI_CHAT,
    *TITAN_TEXT,
    *TITAN_IMAGE,
    *NOVA_EMBED,
]
