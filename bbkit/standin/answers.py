"""Answers one record as the model of a job would: checks its body, asks the engine, writes the answer."""

import re
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from bbkit.standin.catalog import model_list
from bbkit.standin.engines.base import Engine, EngineError, Request
from bbkit.standin.engines.tokens import count_tokens
from bbkit.standin.shapes import anthropic, converse, embeddings, llama, mistral, nova, openai_chat
from bbkit.standin.shapes.bodies import RecordError

__all__ = ["Answered", "RecordError", "answer_and_count", "answer_record", "bare_model_id", "family_name"]

_PREFIX = re.compile(r"^(?:us-gov|us|eu|apac|jp|au|ca|global)\.(?=[a-z0-9]+\.)")
# The first start that fits decides.
_FAMILIES = (
    ("amazon.titan-embed-text-v2", "titan_embed_text"),
    ("amazon.titan-embed-image", "titan_embed_image"),
    ("amazon.nova-2-multimodal-embeddings", "nova_embed"),
    ("amazon.nova-", "nova"),
    ("anthropic.", "anthropic"),
    ("meta.llama", "llama"),
    ("mistral.mistral-7b", "mistral_text"),
    ("mistral.mixtral", "mistral_text"),
    ("mistral.mistral-small-2402", "mistral_text"),
    ("mistral.mistral-large-2402", "mistral_chat"),
    ("mistral.mistral-large-2407", "mistral_chat"),
    ("mistral.", "openai_chat"),
    ("deepseek.v", "openai_chat"),
    *(
        (f"{provider}.", "openai_chat")
        for provider in (
            "openai",
            "qwen",
            "google",
            "minimax",
            "moonshot",
            "moonshotai",
            "zai",
            "nvidia",
            "writer",
        )
    ),
)
_EMBEDDERS = {
    "titan_embed_text": embeddings.answer_titan_text,
    "titan_embed_image": embeddings.answer_titan_image,
    "nova_embed": embeddings.answer_nova,
}
_READERS = {
    "anthropic": (anthropic.read_body, anthropic.write_answer),
    "nova": (nova.read_body, nova.write_answer),
    "llama": (llama.read_body, llama.write_answer),
    "mistral_text": (mistral.read_text_body, mistral.write_text_answer),
    "mistral_chat": (mistral.read_chat_body, mistral.write_chat_answer),
    "openai_chat": (openai_chat.read_body, openai_chat.write_answer),
}


def bare_model_id(model_id: str) -> str:
    """The foundation model's id in an id, a profile's id (us., global.), or the ARN of a model or profile."""
    if model_id.startswith("arn:"):
        resource = model_id.split(":", 5)[-1]
        kind, _, rest = resource.partition("/")
        model_id = rest.split("/")[0] if kind == "custom-model" else rest
        if kind == "custom-model":
            model_id = re.sub(r":\d+k$", "", model_id)
    return _PREFIX.sub("", model_id)


def family_name(model_id: str) -> str | None:
    """The name of the family whose bodies a model takes with InvokeModel; None: no family here has it."""
    bare = bare_model_id(model_id)
    return next((family for start, family in _FAMILIES if bare.startswith(start)), None)


@cache
def _context_windows() -> dict[str, int]:
    """Tokens a model reads at most, where AWS or the vendor says so."""
    windows = {name: model.get("context_window") for name, model in model_list().items()}
    return {name: window for name, window in windows.items() if window}


def _check_length(request: Request, model_id: str) -> None:
    window = _context_windows().get(bare_model_id(model_id))
    texts = [request.system, *(turn.text for turn in request.turns)]
    # A token is rarely less than two characters, so short texts need no counting.
    if window is not None and sum(map(len, texts)) > 2 * window and sum(map(count_tokens, texts)) > window:
        raise RecordError(400, "Input is too long for requested model.")


@dataclass(frozen=True)
class Answered:
    """A modelOutput, and the tokens it took, which not every shape reports; None: not known."""

    output: dict[str, Any]
    input_tokens: int | None
    output_tokens: int | None


def answer_record(
    model_id: str, invocation_type: str, model_input: Any, engine: Engine, *, batch: bool = True
) -> dict[str, Any]:
    """The modelOutput of one record; parameters and errors are those of `answer_and_count`."""
    return answer_and_count(model_id, invocation_type, model_input, engine, batch=batch).output


def answer_and_count(
    model_id: str, invocation_type: str, model_input: Any, engine: Engine, *, batch: bool = True
) -> Answered:
    """The modelOutput of one record with its tokens."""
    family = family_name(model_id)
    if family is None:
        raise RecordError(400, "The provided model identifier is invalid.")
    if invocation_type == "InvokeModel" and family in _EMBEDDERS:
        output, tokens = _EMBEDDERS[family](model_input)
        return Answered(output, tokens, 0)
    try:
        if invocation_type == "Converse":
            return _converse(family, model_id, model_input, engine, batch)
        read, write = _READERS[family]
        request = read(model_input, bare_model_id(model_id))
        _check_length(request, model_id)
        reply = engine.answer(request)
    except EngineError as error:
        raise RecordError(error.code, error.message) from error
    if family == "openai_chat":
        output = openai_chat.write_answer(reply, model_input, model_id)
    else:
        output = write(reply, model_input)
    return Answered(output, reply.input_tokens, reply.output_tokens)


def _converse(family: str, model_id: str, model_input: Any, engine: Engine, batch: bool) -> Answered:
    if family in _EMBEDDERS:
        raise RecordError(
            400,
            "This action doesn't support the model that you provided. "
            "Try again with a supported text or chat model.",
        )
    started = time.monotonic()
    asked = converse.read_body(model_input, model_id, batch)
    _check_length(asked, model_id)
    reply = engine.answer(asked)
    output = converse.write_answer(reply, round(1000 * (time.monotonic() - started)))
    return Answered(output, reply.input_tokens, reply.output_tokens)
