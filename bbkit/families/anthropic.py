"""Anthropic Messages."""

from collections.abc import Mapping
from typing import Any

from bbkit.core.errors import InputError
from bbkit.families import requests as r
from bbkit.families.claude_rules import claude_faults
from bbkit.families.family import (
    Answer,
    Body,
    Family,
    Media,
    Prompt,
    as_dict,
    as_int,
    as_list_of_dicts,
    as_str,
    same_names,
)

_IMAGES = ("jpeg", "png", "gif", "webp")
_TEXTS = ("txt", "md", "csv", "html")
"""Documents that go as plain text: the only other kind of document is PDF."""


def write(prompt: Prompt) -> Body:
    """Write an Anthropic Messages body; `max_tokens`, which Claude requires, is 1,024 until it is set."""
    content: list[Body] = [_block(media) for media in prompt.media]
    if prompt.text or not content:
        content.append({"type": "text", "text": prompt.text})
    written: Body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 1024}
    if prompt.system:
        written["system"] = prompt.system
    written["messages"] = [{"role": "user", "content": content}]
    return written


def _block(media: Media) -> Body:
    if media.format in _TEXTS:
        return _source("document", "text", "text/plain", _decode(media))
    if media.kind == "document":
        return _source("document", "base64", "application/pdf", media.base64)
    return _source("image", "base64", f"image/{media.format}", media.base64)


def _source(kind: str, encoding: str, media_type: str, data: str) -> Body:
    return {"type": kind, "source": {"type": encoding, "media_type": media_type, "data": data}}


def _decode(media: Media) -> str:
    try:
        return (media.data or b"").decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"The document {media.name!r} is not UTF-8: byte {error.start:,}. Save it as UTF-8."
        ) from error


def answer(output: Mapping[str, Any]) -> Answer:
    """Read an Anthropic message: text blocks are the answer, thinking and tool calls stand beside it."""
    content, usage = output.get("content"), as_dict(output.get("usage"))
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Any] = []
    for block in as_list_of_dicts(content):
        kind = block.get("type")
        if kind == "text":
            texts.append(as_str(block.get("text")) or "")
        elif kind == "thinking":
            thoughts.append(as_str(block.get("thinking")) or "")
        elif kind == "tool_use":
            calls.append({"id": block.get("id"), "name": block.get("name"), "input": block.get("input")})
    read = Answer(
        "".join(texts) if type(content) is list else None,
        as_str(output.get("stop_reason")),
        as_int(usage.get("input_tokens")),
        as_int(usage.get("output_tokens")),
        as_int(usage.get("cache_read_input_tokens")),
        as_int(usage.get("cache_creation_input_tokens")),
        as_str(output.get("model")),
        "".join(thoughts) if thoughts else None,
        calls or None,
    )
    if not (read.cache_write_tokens and usage.get("cache_creation")):
        return read
    return read._replace(
        cache_write_1h_tokens=as_int(as_dict(usage["cache_creation"]).get("ephemeral_1h_input_tokens"))
    )


_CACHED = {"cache_control": r.CACHING}
_STRING = r.required(r.string())
_NAME = r.required(r.string(min_length=1))


def _typed(members: Mapping[str, r.Field], **more: Any) -> r.Field:
    return r.record({"type": r.required(r.string()), **members}, **more)


def _block_of(**members: r.Field) -> r.Field:
    return _typed(members, mistakes=_CACHED)


def _data(*media_types: str, **limits: Any) -> r.Field:
    media_type = r.required(r.string(values=media_types))
    return _typed({"media_type": media_type, "data": r.required(r.string(min_length=1, **limits))})


_LINKS = {
    "url": r.Mistake("Send the bytes as base64: the service fetches no URLs.", "url_media"),
    "file": r.Mistake("Send the bytes as base64: Bedrock has no Files API.", "url_media"),
}
_IMAGE_SOURCE = r.tagged(
    "type", {"base64": _data(*(f"image/{kind}" for kind in _IMAGES), base64=True)}, mistakes=_LINKS
)
_DOCUMENT_SOURCE = r.tagged(
    "type",
    {
        "base64": _data("application/pdf", base64=True),
        "text": _data("text/plain"),
        "content": _typed({"content": r.required(r.anything())}),
    },
    mistakes=_LINKS,
)
_TEXT = _block_of(text=r.required(r.string(min_length=1, blank="error")), citations=r.anything())
_RESULT_BLOCK = r.tagged(
    "type",
    {
        "text": _TEXT,
        "image": _block_of(source=r.required(_IMAGE_SOURCE)),
        "document": _block_of(
            source=r.required(_DOCUMENT_SOURCE), title=r.string(), context=r.string(), citations=r.free()
        ),
        "search_result": _block_of(
            source=_STRING,
            title=_STRING,
            content=r.required(r.array(_TEXT, min_length=1)),
            citations=r.free(),
        ),
    },
    mistakes={
        "image_url": r.Mistake("Use an image block with a base64 source: image_url is OpenAI's."),
    },
)
_BLOCK = r.tagged(
    "type",
    {
        **_RESULT_BLOCK.variants,
        "tool_use": _block_of(id=_NAME, name=_NAME, input=r.required(r.free())),
        "tool_result": _block_of(
            tool_use_id=_NAME,
            content=r.either(r.string(), r.array(_RESULT_BLOCK)),
            is_error=r.boolean(),
        ),
        "thinking": _block_of(thinking=_STRING, signature=_STRING),
        "redacted_thinking": _block_of(data=_STRING),
    },
    mistakes=_RESULT_BLOCK.mistakes,
)
_ROLE = r.string(
    values=("user", "assistant"),
    mistakes={
        "system": r.Mistake("Move it to the top-level member system.", "role_order"),
        "tool": r.Mistake("Send a tool_result block in a user turn.", "role_order"),
        "human": r.Mistake("The role is called user.", "role_order"),
    },
)
_MESSAGE = r.record(
    {
        "role": r.required(_ROLE),
        "content": r.required(r.either(r.string(min_length=1, blank="error"), r.array(_BLOCK))),
    }
)
_TOOL = r.record(
    {"name": _NAME, "type": r.string(), "description": r.string(), "input_schema": r.free()},
    mistakes={
        **_CACHED,
        **r.foreign("converse", "toolSpec", "inputSchema"),
        **r.foreign("openai_chat", "function", "parameters"),
    },
    open=True,
)
_FORMAT = r.record(
    {"type": r.required(r.string(values=("json_schema",))), "schema": r.required(r.free())}, open=True
)
BODY = r.record(
    {
        "anthropic_version": r.required(r.string(values=("bedrock-2023-05-31",))),
        "max_tokens": r.required(r.integer(1)),
        "messages": r.required(r.array(_MESSAGE, min_length=1)),
        "system": r.either(r.string(), r.array(r.tagged("type", {"text": _TEXT}))),
        "temperature": r.number(0, 1),
        "top_p": r.number(0, 1),
        "top_k": r.integer(0),
        "stop_sequences": r.array(r.string(min_length=1, blank="error"), max_length=8191),
        "tools": r.array(_TOOL),
        "tool_choice": r.record(
            {
                "type": r.required(r.string(values=("auto", "any", "tool", "none"))),
                "name": r.string(),
                "disable_parallel_tool_use": r.boolean(),
            }
        ),
        "thinking": r.record(
            {
                "type": r.required(r.string()),
                "budget_tokens": r.integer(1024),
                "display": r.string(),
            }
        ),
        "output_config": r.record({"effort": r.string(), "format": _FORMAT}, open=True),
        "output_format": _FORMAT,
        "context_management": r.free(),
        "metadata": r.record({"user_id": r.string()}, open=True),
        "anthropic_beta": r.array(r.string()),
    },
    closed="https://github.com/BerriAI/litellm/issues/13825, 2025-08-20",
    mistakes={
        **r.COMMON_MISTAKES,
        **_CACHED,
        "model": r.Mistake("Leave model out: the job names the model; Bedrock refuses it in the body."),
        "prompt": r.Mistake("Put the text into messages: prompt belongs to the older Text Completions API."),
        "max_tokens_to_sample": r.Mistake(
            "Use max_tokens: this is the name of the older Text Completions API."
        ),
        **r.foreign("converse", "inferenceConfig", "toolConfig", "additionalModelRequestFields"),
        **r.foreign("openai_chat", "response_format", "reasoning_effort"),
        **r.renamed(
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

FAMILY = Family(
    name="anthropic",
    title="Anthropic Messages",
    source="https://docs.aws.amazon.com/bedrock/latest/userguide/"
    "model-parameters-anthropic-claude-messages-request-response.html",
    answer=answer,
    write=write,
    inference={
        **same_names("temperature", "top_p", "top_k", "stop_sequences", "tools", "tool_choice"),
        **same_names("thinking", "output_config", "anthropic_beta"),
    },
    media={"image": _IMAGES, "document": ("pdf", *_TEXTS)},
    request=BODY,
    rules=claude_faults,
)
