"""Answers recognised by their shape, stop reasons by one table, and what any body says of itself."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from bbkit.families import (
    anthropic,
    cohere,
    converse,
    deepseek,
    embeddings,
    llama,
    mistral,
    nova,
    openai_chat,
    titan,
)
from bbkit.families._base import NO_ANSWER, Answer, first, mapping, objects, whole, word

_STOP_REASONS = {
    "stop": "end_turn stop stop_sequence complete finish finished stop_criteria_met eos",
    "length": "max_tokens length model_context_window_exceeded error_limit",
    "tool_use": "tool_use tool_calls function_call",
    "content_filter": "content_filtered guardrail_intervened refusal content_filter error_toxic",
    "error": "malformed_model_output malformed_tool_use error rag_query_when_rag_disabled",
    "cancelled": "user_cancel",
}
_NORMALISED = {raw: name for name, raws in _STOP_REASONS.items() for raw in raws.split()}


@lru_cache(maxsize=1024)
def normalise_stop_reason(raw: str | None) -> str | None:
    """Map a model's stop reason to one of seven."""
    return None if raw is None else _NORMALISED.get(raw.lower(), "other")


def answer_of(model_output: Mapping[str, Any]) -> tuple[str, Answer]:
    """Read an answer by its shape."""
    if type(model_output) is not dict:
        return "", NO_ANSWER
    for key, read in _SHAPES:
        if key in model_output:
            found = read(model_output)
            if found is not None:
                return found
    return "", NO_ANSWER


_Reader = Callable[[dict[str, Any]], tuple[str, Answer] | None]


def _read_titan_embedding(output: dict[str, Any]) -> tuple[str, Answer] | None:
    name = "titan_embed_text" if "embeddingsByType" in output else "titan_embed_image"
    return name, embeddings.titan_answer(output)


def _read_embeddings(output: dict[str, Any]) -> tuple[str, Answer] | None:
    if "embedding" in first(output["embeddings"]):
        return "nova_embed", embeddings.nova_answer(output)
    return "cohere_embed", cohere.embed_answer(output)


def _read_message(output: dict[str, Any]) -> tuple[str, Answer] | None:
    if type(output["output"]) is not dict or "message" not in output["output"]:
        return None
    if converse.is_converse(output):
        return "converse", converse.answer(output)
    return "nova", nova.answer(output)


def _read_content(output: dict[str, Any]) -> tuple[str, Answer] | None:
    return ("anthropic", anthropic.answer(output)) if type(output["content"]) is list else None


def _read_choices(output: dict[str, Any]) -> tuple[str, Answer] | None:
    choice = first(output["choices"])
    if "message" not in choice:
        return ("deepseek_r1", deepseek.answer(output)) if "text" in choice else None
    if "stop_reason" in choice and "finish_reason" not in choice:
        return "mistral_chat", mistral.chat_answer(output)
    if "object" in output or "model" in output or "created" in output or "usage" not in output:
        return "openai_chat", openai_chat.answer(output)
    return "ai21", openai_chat.answer(output)


_SHAPES: tuple[tuple[str, _Reader], ...] = (
    ("content", _read_content),
    ("output", _read_message),
    ("choices", _read_choices),
    ("generation", lambda output: ("llama", llama.answer(output))),
    ("outputs", lambda output: ("mistral_text", mistral.text_answer(output))),
    ("embedding", _read_titan_embedding),
    ("embeddings", _read_embeddings),
    ("embeddingsByType", _read_titan_embedding),
    ("results", lambda output: ("titan_text", titan.answer(output))),
    ("text", lambda output: ("cohere_command", cohere.command_answer(output))),
)


def max_tokens_of(model_input: Mapping[str, Any]) -> int | None:
    """The maximum of output tokens that a body asks for, whatever its family."""
    if type(model_input) is not dict:
        return None
    for name in ("max_tokens", "max_completion_tokens", "max_gen_len"):
        if name in model_input:
            return whole(model_input[name])
    if "inferenceConfig" in model_input:
        config = mapping(model_input["inferenceConfig"])
        return whole(config.get("maxTokens", config.get("max_new_tokens")))
    if "textGenerationConfig" in model_input:
        return whole(mapping(model_input["textGenerationConfig"]).get("maxTokenCount"))
    return None


def user_text_of(model_input: Mapping[str, Any]) -> str:
    """The whole text that a model is sent: system and turns, without media, tools and settings."""
    if type(model_input) is not dict:
        return ""
    texts: list[str] = []
    for name in ("system", "prompt", "inputText", "preamble", "message", "texts"):
        if name in model_input:
            _gather(model_input[name], texts)
    for message in objects(model_input.get("messages")):
        _gather(message.get("content"), texts)
    text = mapping(mapping(model_input.get("singleEmbeddingParams")).get("text")).get("value")
    _gather(text, texts)
    return texts[0] if len(texts) == 1 else "\n\n".join(texts)


def _gather(value: Any, texts: list[str], depth: int = 0) -> None:
    if type(value) is str:
        if value:
            texts.append(value)
    elif type(value) is list and depth < 4:
        for item in value:
            if type(item) is str:
                _gather(item, texts)
            elif type(item) is dict:
                _gather(word(item.get("text")), texts)
                nested = item.get("content")
                _gather(
                    nested if nested is not None else mapping(item.get("toolResult")).get("content"),
                    texts,
                    depth + 1,
                )
