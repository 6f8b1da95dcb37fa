"""Anthropic Messages."""

from collections.abc import Mapping
from typing import Any

from bbkit.core.errors import InputError
from bbkit.families.claude_rules import claude_faults
from bbkit.families.family import Answer, Body, Media, Prompt, read_family, with_hour
from bbkit.families.values import as_dict, as_int, as_list_of_dicts, as_str

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
    kept = as_dict(usage.get("cache_creation"))
    short, hour = (as_int(kept.get(f"ephemeral_{time}_input_tokens")) for time in ("5m", "1h"))
    return with_hour(read, short, hour, is_told=usage.get("cache_creation_input_tokens") is not None)


FAMILY = read_family("anthropic", answer, write, claude_faults)
