"""Anthropic Messages.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
"""

from collections.abc import Mapping
from typing import Any

from bbkit.core.errors import InputError
from bbkit.families._base import (
    Answer,
    Body,
    Family,
    Media,
    Prompt,
    mapping,
    media_bytes,
    objects,
    own_format,
    refuse_media,
    take,
    whole,
    word,
)
from bbkit.families._claude import claude_faults, claude_silent
from bbkit.families._claude_body import BODY, IMAGES
from bbkit.families.requests import Request

SOURCE = (
    "https://docs.aws.amazon.com/bedrock/latest/userguide/"
    "model-parameters-anthropic-claude-messages-request-response.html"
)
_NAMES = {
    name: name
    for name in (
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "anthropic_beta",
    )
}


_TEXTS = ("txt", "md", "csv", "html")
"""Documents that go as plain text: the only other kind of document is PDF."""


def body(prompt: Prompt, *, max_tokens: int | None = None, **inference: Any) -> Body:
    """Write an Anthropic Messages body; without `max_tokens`, which Claude requires, 1,024 are asked for."""
    refuse_media(prompt, "anthropic", ("image", "document"))
    content: list[Body] = [_block(media) for media in prompt.media]
    if prompt.text or not content:
        content.append({"type": "text", "text": prompt.text})
    written: Body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 1024 if max_tokens is None else max_tokens,
    }
    if prompt.system:
        written["system"] = prompt.system
    written["messages"] = [{"role": "user", "content": content}]
    return written | take(inference, _NAMES, "anthropic")


def _block(media: Media) -> Body:
    data = media_bytes(media, "anthropic")
    if media.kind == "image":
        kind = own_format(media, "anthropic", IMAGES, {"jpg": "jpeg"})
        return {"type": "image", "source": {"type": "base64", "media_type": f"image/{kind}", "data": data}}
    if own_format(media, "anthropic", ("pdf", *_TEXTS)) in _TEXTS:
        return {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": _decode(media)},
        }
    return {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": data},
    }


def _decode(media: Media) -> str:
    try:
        return (media.data or b"").decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"The document {media.name!r} is not UTF-8: byte {error.start:,}. Save it as UTF-8."
        ) from error


def answer(output: Mapping[str, Any]) -> Answer:
    """Read an Anthropic message: text blocks are the answer, thinking and tool calls stand beside it."""
    usage = mapping(output.get("usage"))
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Any] = []
    for block in objects(output.get("content")):
        kind = block.get("type")
        if kind == "text":
            texts.append(word(block.get("text")) or "")
        elif kind == "thinking":
            thoughts.append(word(block.get("thinking")) or "")
        elif kind == "tool_use":
            calls.append({"id": block.get("id"), "name": block.get("name"), "input": block.get("input")})
    return Answer(
        "".join(texts) if type(output.get("content")) is list else None,
        word(output.get("stop_reason")),
        whole(usage.get("input_tokens")),
        whole(usage.get("output_tokens")),
        whole(usage.get("cache_read_input_tokens")),
        whole(usage.get("cache_creation_input_tokens")),
        word(output.get("model")),
        "".join(thoughts) if thoughts else None,
        calls or None,
    )


FAMILY = Family(
    name="anthropic",
    title="Anthropic Messages",
    kind="text",
    body=body,
    answer=answer,
    request=Request(body=BODY, rules=claude_faults, silent=claude_silent, source=SOURCE, date="2026-10"),
    max_tokens_path=("max_tokens",),
    source=SOURCE,
)
