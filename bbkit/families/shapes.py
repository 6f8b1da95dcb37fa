"""Whose answer or body an object is, told by its shape, and what any of them says of itself."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

import msgspec

from bbkit.core.files import read_data
from bbkit.families import anthropic, converse, embeddings, llama, mistral, nova, openai_chat, read_only
from bbkit.families.error_bodies import error_of
from bbkit.families.family import MAX_TOKENS_PATHS, NO_ANSWER, Answer, Family
from bbkit.families.reasoning import LEADING, take_reasoning
from bbkit.families.traits import find_model
from bbkit.families.values import as_dict, as_list_of_dicts, as_str, first_dict

CALLED = frozenset(("tool_use", "tool_calls", "function_call", "tool_call", "TOOL_CALL"))
_SEVERAL = frozenset(("choices", "outputs"))


@lru_cache(maxsize=1024)
def normalise_stop_reason(raw: str | None) -> str | None:
    """Map a model's stop reason to one of seven."""
    known = read_data("answers")["stop_reasons"].items()
    return None if raw is None else next((name for name, raws in known if raw.lower() in raws), "other")


# --- answers ------------------------------------------------------------------------------------


def answer_of(model_output: Mapping[str, Any], model_id: str | None = None) -> tuple[str, Answer]:
    """Read an answer by its shape: the name of its family and what it says; no name where it is none."""
    if type(model_output) is dict:
        for key, tell in _ANSWERS:
            if key in model_output and (family := tell(model_output)):
                answer = family.answer(model_output)
                text = answer[0]
                opened = opens_thinking(model_id or answer[6]) if model_id or answer[6] else False
                if None in answer[2:6] and (below := [*_negatives(model_output)]):
                    answer = answer._replace(remarks="negative_count")
                    if any("cache" in name.lower() for name in below):
                        answer = answer._replace(cache_write_tokens=None, cache_write_1h_tokens=0)
                odd = opened or not text or text[0] in LEADING or answer[8] or answer[1] in CALLED
                if odd or (key in _SEVERAL and len(model_output[key]) > 1):
                    return _look_again(model_output, family, answer, opened)
                return family.name, answer
    return "", NO_ANSWER


def _negatives(counts: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """The names of counts of tokens that are below 0, which is no count."""
    for name, value in counts.items():
        if type(value) is dict:
            if depth < 2 and (depth or name == "usage"):
                yield from _negatives(value, depth + 1)
        elif "oken" in name and type(value) in (int, float, str) and str(value)[:1] == "-":
            yield name


@lru_cache(maxsize=1024)
def opens_thinking(model_id: str) -> bool:
    model = find_model(model_id)
    return bool(model and model.traits.opens_thinking)


def _look_again(output: dict[str, Any], family: Family, answer: Answer, opened: bool) -> tuple[str, Answer]:
    """What few answers are: no answer after all, led by reasoning, one of several, one that calls tools."""
    if not answer.text and (not answer.embedding if family.kind == "embedding" else error_of(output)):
        return "", NO_ANSWER
    answer = take_reasoning(answer, opened=opened)
    for call in answer.tool_calls or ():
        if type(call["input"]) is str:
            with suppress(msgspec.DecodeError, RecursionError):
                call["input"] = msgspec.json.decode(call["input"])
    several = any(type(output.get(key)) is list and len(output[key]) > 1 for key in _SEVERAL)
    stopped = answer.stop_reason_raw in CALLED
    called = bool(answer.tool_calls) and (stopped or not answer.text)
    uncalled = stopped and not answer.tool_calls
    said = (answer.remarks, "several_choices" * several, "no_tool_call" * uncalled, "called" * called)
    return family.name, answer._replace(remarks=" ".join(filter(None, said)) or None)


def _titan_embedding(output: dict[str, Any]) -> Family:
    return embeddings.TITAN_TEXT if "embeddingsByType" in output else embeddings.TITAN_IMAGE


def _embeddings(output: dict[str, Any]) -> Family:
    return embeddings.NOVA if "embedding" in first_dict(output["embeddings"]) else read_only.COHERE_EMBED


def _message(output: dict[str, Any]) -> Family | None:
    if "message" not in as_dict(output["output"]):
        return None
    # A Converse answer always has metrics.
    if "metrics" in output or "cacheReadInputTokens" in as_dict(output.get("usage")):
        return converse.FAMILY
    return nova.FAMILY


def _choices(output: dict[str, Any]) -> Family | None:
    choice = first_dict(output["choices"])
    if "message" not in choice:
        return read_only.DEEPSEEK_R1 if "text" in choice else None
    if "stop_reason" in choice and "finish_reason" not in choice:
        return mistral.CHAT
    is_chat = "object" in output or "model" in output or "created" in output or "usage" not in output
    return openai_chat.FAMILY if is_chat else read_only.AI21


_ANSWERS: tuple[tuple[str, Callable[[dict[str, Any]], Family | None]], ...] = (
    ("content", lambda output: anthropic.FAMILY if type(output["content"]) is list else None),
    ("output", _message),
    ("choices", _choices),
    ("generation", lambda output: llama.FAMILY),
    ("outputs", lambda output: mistral.TEXT),
    ("embedding", _titan_embedding),
    ("embeddings", _embeddings),
    ("embeddingsByType", _titan_embedding),
    ("results", lambda output: read_only.TITAN_TEXT),
    ("text", lambda output: read_only.COHERE_COMMAND),
)
"""The member that an answer is known by, and whose answer it then is."""


# --- bodies -------------------------------------------------------------------------------------


def max_tokens_of(model_input: Mapping[str, Any]) -> int | None:
    """The maximum of output tokens that a body asks for, whatever its family."""
    for *outer, name in MAX_TOKENS_PATHS:
        holder = as_dict(model_input)
        for part in outer:
            holder = as_dict(holder.get(part))
        if name in holder:
            return holder[name] if type(holder[name]) is int else None
    return None


def user_text_of(model_input: Mapping[str, Any]) -> str:
    """The whole text that a model is sent: system and turns, without media, tools and settings."""
    if type(model_input) is not dict:
        return ""
    texts: list[str] = []
    for name in ("system", "prompt", "inputText", "preamble", "message", "texts"):
        _gather(model_input.get(name), texts)
    for message in as_list_of_dicts(model_input.get("messages")):
        _gather(message.get("content"), texts)
    _gather(as_dict(as_dict(model_input.get("singleEmbeddingParams")).get("text")).get("value"), texts)
    return texts[0] if len(texts) == 1 else "\n\n".join(texts)


def _gather(value: Any, texts: list[str], depth: int = 0) -> None:
    if type(value) is str and value:
        texts.append(value)
    elif type(value) is list and depth < 4:
        for item in value:
            if type(item) is str:
                _gather(item, texts)
            elif type(item) is dict:
                _gather(as_str(item.get("text")), texts)
                nested = item.get("content")
                if nested is None:
                    nested = as_dict(item.get("toolResult")).get("content")
                _gather(nested, texts, depth + 1)


def looks_like(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the families whose body an object may be, by the marks that only some families' bodies bear."""
    marks = read_data("families")["marks"]
    for mark, names in marks["members"].items():
        if mark in body:
            return tuple(names)
    if type(body.get("messages")) is list:
        return _messages_like(body, marks)
    if type(body.get("prompt")) is str:
        return _prompt_like(body, body["prompt"])
    return ("cohere_command",) if type(body.get("message")) is str else ()


def _messages_like(body: Mapping[str, Any], marks: Mapping[str, Any]) -> tuple[str, ...]:
    chat, content = tuple(marks["chat"]), first_dict(body["messages"]).get("content")
    block = first_dict(content)
    kind = block.get("type")
    if "schemaVersion" in body or "inferenceConfig" in body:
        return ("nova", "converse")
    if type(kind) is str and kind in marks["blocks"]:
        return tuple(marks["blocks"][kind])
    if kind is None and not block.keys().isdisjoint(marks["untyped_blocks"]):
        return ("nova", "converse")
    turns = as_list_of_dicts(body["messages"])
    is_chat = any(turn.get("role") in marks["chat_roles"] for turn in turns)
    if is_chat or not body.keys().isdisjoint(marks["chat_members"]):
        return chat
    if type(content) is str:
        return (*chat, "anthropic")
    return ("anthropic", *chat) if "type" in block else ()


def _prompt_like(body: Mapping[str, Any], prompt: str) -> tuple[str, ...]:
    if "max_gen_len" in body or "<|begin_of_text|>" in prompt:
        return ("llama",)
    if prompt.lstrip().startswith("<s>") or "[/INST]" in prompt:
        return ("mistral_text",)
    return ("llama", "mistral_text", "deepseek_r1")
