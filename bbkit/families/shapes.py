"""Whose body an object looks like, told by the marks that only some families' bodies bear."""

from collections.abc import Mapping
from typing import Any

from bbkit.families._base import first, mapping

_CHAT = ("openai_chat", "mistral_chat", "ai21")
_MARKS = (
    ("anthropic_version", ("anthropic",)),
    ("singleEmbeddingParams", ("nova_embed",)),
    ("taskType", ("nova_embed",)),
    ("inputImage", ("titan_embed_image",)),
    ("embeddingConfig", ("titan_embed_image",)),
    ("textGenerationConfig", ("titan_text",)),
    ("inputText", ("titan_embed_text", "titan_embed_image", "titan_text")),
    ("input_type", ("cohere_embed",)),
)
_TYPED = {
    "image": ("anthropic",),
    "document": ("anthropic",),
    "tool_use": ("anthropic",),
    "tool_result": ("anthropic",),
    "image_url": _CHAT,
}
_UNTYPED = ("text", "image", "document", "video", "audio", "toolUse", "toolResult")


def looks_like(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the families whose body an object may be.

    Parameters
    ----------
    body : mapping
        ``modelInput`` of a record.

    Returns
    -------
    tuple of str
        Names of `bbkit.families.FAMILIES`, the likeliest first; empty when nothing tells.
    """
    for mark, names in _MARKS:
        if mark in body:
            return names
    if type(body.get("messages")) is list:
        return _messages_like(body)
    if type(body.get("prompt")) is str:
        return _prompt_like(body, body["prompt"])
    return ("cohere_command",) if type(body.get("message")) is str else ()


def _messages_like(body: Mapping[str, Any]) -> tuple[str, ...]:
    if "schemaVersion" in body or "inferenceConfig" in body:
        return ("nova", "converse")
    content = mapping(first(body["messages"])).get("content")
    if type(content) is str:
        return (*_CHAT, "anthropic")
    block = first(content)
    if "type" in block:
        kind = block["type"]
        return _TYPED.get(kind if type(kind) is str else "", ("anthropic", *_CHAT))
    return ("nova", "converse") if any(name in block for name in _UNTYPED) else ()


def _prompt_like(body: Mapping[str, Any], prompt: str) -> tuple[str, ...]:
    if "max_gen_len" in body or "<|begin_of_text|>" in prompt:
        return ("llama",)
    if prompt.lstrip().startswith("<s>") or "[/INST]" in prompt:
        return ("mistral_text",)
    return ("llama", "mistral_text", "deepseek_r1")
