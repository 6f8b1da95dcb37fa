"""The body of Anthropic Messages described as data.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
"""

from bbkit.families.requests import (
    CACHING,
    COMMON_MISTAKES,
    Field,
    Mistake,
    anything,
    array,
    boolean,
    either,
    foreign,
    free,
    integer,
    number,
    record,
    renamed,
    required,
    string,
    tagged,
)

IMAGES = ("jpeg", "png", "gif", "webp")
_URL = Mistake("Send the bytes as base64: the service fetches no URLs.", "url_media")
_FILE = Mistake("Send the bytes as base64: Bedrock has no Files API.", "url_media")
_IMAGE_SOURCE = tagged(
    "type",
    {
        "base64": record(
            {
                "type": required(string()),
                "media_type": required(string(values=tuple(f"image/{kind}" for kind in IMAGES))),
                "data": required(string(min_length=1, base64=True)),
            }
        )
    },
    mistakes={
        "url": _URL,
        "file": _FILE,
    },
)
_DOCUMENT_SOURCE = tagged(
    "type",
    {
        "base64": record(
            {
                "type": required(string()),
                "media_type": required(string(values=("application/pdf",))),
                "data": required(string(min_length=1, base64=True)),
            }
        ),
        "text": record(
            {
                "type": required(string()),
                "media_type": required(string(values=("text/plain",))),
                "data": required(string(min_length=1)),
            }
        ),
        "content": record({"type": required(string()), "content": required(anything())}),
    },
    mistakes={
        "url": _URL,
        "file": _FILE,
    },
)
_CACHED = {"cache_control": CACHING}


def _named(members: dict[str, Field]) -> Field:
    return record({"type": required(string()), **members}, mistakes=_CACHED)


_TEXT = _named({"text": required(string(min_length=1, blank="error")), "citations": anything()})
_IMAGE = _named({"source": required(_IMAGE_SOURCE)})
_DOCUMENT = _named(
    {"source": required(_DOCUMENT_SOURCE), "title": string(), "context": string(), "citations": free()}
)
_SEARCH_RESULT = _named(
    {
        "source": required(string()),
        "title": required(string()),
        "content": required(array(_TEXT, min_length=1)),
        "citations": free(),
    }
)
_RESULT_BLOCK = tagged(
    "type",
    {"text": _TEXT, "image": _IMAGE, "document": _DOCUMENT, "search_result": _SEARCH_RESULT},
    mistakes={
        "image_url": Mistake(
            "Use an image block with a base64 source: image_url is OpenAI's.", "known_mistake"
        )
    },
)
_BLOCK = tagged(
    "type",
    {
        **_RESULT_BLOCK.variants,
        "tool_use": _named(
            {
                "id": required(string(min_length=1)),
                "name": required(string(min_length=1)),
                "input": required(free()),
            }
        ),
        "tool_result": _named(
            {
                "tool_use_id": required(string(min_length=1)),
                "content": either(string(), array(_RESULT_BLOCK)),
                "is_error": boolean(),
            }
        ),
        "thinking": _named({"thinking": required(string()), "signature": required(string())}),
        "redacted_thinking": _named({"data": required(string())}),
    },
    mistakes=_RESULT_BLOCK.mistakes,
)
_MESSAGE = record(
    {
        "role": required(
            string(
                values=("user", "assistant"),
                mistakes={
                    "system": Mistake("Move it to the top-level member system.", "role_order"),
                    "tool": Mistake("Send a tool_result block in a user turn.", "role_order"),
                    "human": Mistake("The role is called user.", "role_order"),
                },
            )
        ),
        "content": required(either(string(min_length=1, blank="error"), array(_BLOCK))),
    }
)
_TOOL = record(
    {
        "name": required(string(min_length=1)),
        "type": string(),
        "description": string(),
        "input_schema": free(),
    },
    mistakes={
        **_CACHED,
        **foreign("converse", "toolSpec", "inputSchema"),
        **foreign("openai_chat", "function", "parameters"),
    },
    open=True,
)
BODY = record(
    {
        "anthropic_version": required(string(values=("bedrock-2023-05-31",))),
        "max_tokens": required(integer(1)),
        "messages": required(array(_MESSAGE, min_length=1)),
        "system": either(string(), array(_TEXT)),
        "temperature": number(0, 1),
        "top_p": number(0, 1),
        "top_k": integer(0),
        "stop_sequences": array(string(min_length=1, blank="error"), max_length=8191),
        "tools": array(_TOOL),
        "tool_choice": record(
            {
                "type": required(string(values=("auto", "any", "tool", "none"))),
                "name": string(),
                "disable_parallel_tool_use": boolean(),
            }
        ),
        "thinking": record(
            {
                "type": required(string(values=("enabled", "disabled", "adaptive"))),
                "budget_tokens": integer(1024),
                "display": string(),
            }
        ),
        "output_config": free(),
        "output_format": free(),
        "context_management": free(),
        "metadata": record({"user_id": string()}, open=True),
        "anthropic_beta": array(string()),
    },
    mistakes={
        **COMMON_MISTAKES,
        **_CACHED,
        "model": Mistake("Leave model out: the job names the model; Bedrock refuses it in the body."),
        "prompt": Mistake("Put the text into messages: prompt belongs to the older Text Completions API."),
        "max_tokens_to_sample": Mistake(
            "Use max_tokens: this is the name of the older Text Completions API."
        ),
        **foreign("converse", "inferenceConfig", "toolConfig", "additionalModelRequestFields"),
        **foreign("openai_chat", "response_format", "reasoning_effort"),
        **renamed(
            maxTokens="max_tokens",
            max_completion_tokens="max_tokens",
            max_gen_len="max_tokens",
            topP="top_p",
            topK="top_k",
            stopSequences="stop_sequences",
            stop="stop_sequences",
        ),
    },
)
