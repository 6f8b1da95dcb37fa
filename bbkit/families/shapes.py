"""Whose body an object looks like, told by the marks that only some families' bodies bear."""

from collections.abc import Mapping
from typing import Any

from bbkit.families._base import first, mapping, objects

_CHAT = ("openai_chat", "mistral_chat", "ai21")
_CHAT_ROLES = ("system", "developer", "tool")
_CHAT_NAMES = (
    "max_completion_tokens",
    "response_format",
    "frequency_penalty",
    "presence_penalty",
    "parallel_tool_calls",
    "reasoning_effort",
    "logit_bias",
    "logprobs",
    "seed",
)
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
    """Name the families whose body an object may be."""
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
    block = first(content)
    kind = block.get("type")
    if type(kind) is str and kind in _TYPED:
        return _TYPED[kind]
    if kind is None and any(name in block for name in _UNTYPED):
        return ("nova", "converse")
    if _is_chat(body):
        return _CHAT
    if type(content) is str:
        return (*_CHAT, "anthropic")
    return ("anthropic", *_CHAT) if "type" in block else ()


def _is_chat(body: Mapping[str, Any]) -> bool:
    roles = [message.get("role") for message in objects(body["messages"])]
    return any(name in body for name in _CHAT_NAMES) or any(role in roles for role in _CHAT_ROLES)


def _prompt_like(body: Mapping[str, Any], prompt: str) -> tuple[str, ...]:
    if "max_gen_len" in body or "<|begin_of_text|>" in prompt:
        return ("llama",)
    if prompt.lstrip().startswith("<s>") or "[/INST]" in prompt:
        return ("mistral_text",)
    return ("llama", "mistral_text", "deepseek_r1")
