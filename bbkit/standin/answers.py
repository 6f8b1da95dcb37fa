"""Answers one record as the model of a job would.

The family's shape checks and reads its body, an engine answers, and the shape writes that down. Embeddings
are made by their shapes, whatever the engine.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any

from bbkit.standin.engines import Engine, Reply, Request, SpeakingEngine, count_input, count_tokens
from bbkit.standin.errors import RecordError, refuse_record
from bbkit.standin.images import check_images
from bbkit.standin.models import bare_model_id, traits_of
from bbkit.standin.shapes import anthropic, converse, embeddings, llama_mistral, nova, openai_chat
from bbkit.standin.shapes.events import write_events
from bbkit.standin.tables import read_table

_EMBEDDERS = {
    "titan_embed_text": embeddings.answer_titan_text,
    "titan_embed_image": embeddings.answer_titan_image,
    "nova_embed": embeddings.answer_nova,
}
_CHATS = {
    "anthropic": (anthropic.read_body, anthropic.write_answer),
    "nova": (nova.read_body, nova.write_answer),
    "llama": (llama_mistral.read_llama, llama_mistral.write_llama),
    "mistral_text": (llama_mistral.read_mistral_text, llama_mistral.write_mistral_text),
    "mistral_chat": (llama_mistral.read_mistral_chat, llama_mistral.write_mistral_chat),
    "openai_chat": (openai_chat.read_body, openai_chat.write_answer),
}


@dataclass(frozen=True)
class Answered:
    """A modelOutput, and the tokens it took, which not every shape reports; None: not known."""

    output: dict[str, Any]
    input_tokens: int | None
    output_tokens: int | None


def family_name(model_id: str) -> str | None:
    """The name of the family whose bodies a model takes with InvokeModel; None: no family here has it."""
    bare = bare_model_id(model_id)
    known = read_table("shapes/bodies")["families"].items()
    return next((family for family, starts in known if bare.startswith(tuple(starts))), None)


def answer_record(
    model_id: str,
    invocation_type: str,
    model_input: Any,
    engine: Engine,
    *,
    batch: bool = True,
    halt: Event | None = None,
) -> Answered:
    """Answer one record; `RecordError` when the model, or the engine, would not."""
    if _family_of(model_id, invocation_type) in _EMBEDDERS:
        output, tokens = _EMBEDDERS[_family_of(model_id, invocation_type)](model_input)
        return Answered(output, tokens, 0)
    request, write = _read(model_id, invocation_type, model_input, batch)
    reply = engine.answer(request, halt)
    return Answered(write(reply), reply.input_tokens, reply.output_tokens)


def stream_record(
    model_id: str, invocation_type: str, model_input: Any, engine: SpeakingEngine, halt: Event | None = None
) -> Iterator[dict[str, Any]]:
    """Answer one call as the events of a stream; `RecordError` before or among them."""
    family = _family_of(model_id, invocation_type)
    if family in _EMBEDDERS:
        raise RecordError("The model is unsupported for streaming.")
    if family == "openai_chat" and isinstance(model_input.get("stream"), bool):
        model_input = {
            key: model_input[key] for key in model_input if key not in ("stream", "stream_options")
        }
    if "streamProcessingMode" in (model_input.get("guardrailConfig") or ()):  # what only a stream has
        kept = {k: v for k, v in model_input["guardrailConfig"].items() if k != "streamProcessingMode"}
        model_input = model_input | {"guardrailConfig": kept}
    request, write = _read(model_id, invocation_type, model_input, False)
    kinds = ["text", "reasoning", "call"]
    if invocation_type == "Converse":
        family = "converse"
    elif family == "anthropic" and not anthropic.thinks(model_input):
        kinds.remove("reasoning")
    elif "gpt-oss" in model_id:
        family = "gpt-oss"
    return write_events(family, engine.speak(request, halt), write, count_input(request), kinds)


def count_record(model_id: str, invocation_type: str, model_input: Any) -> int:
    """The tokens of a body, as an answer to it would count them."""
    return count_input(_read(model_id, invocation_type, model_input, False)[0])


def _family_of(model_id: str, invocation_type: str) -> str:
    family = family_name(model_id)
    if family is None:
        raise RecordError("The provided model identifier is invalid.")
    if family in _EMBEDDERS and invocation_type == "Converse":
        raise refuse_record("no_converse")
    return family


def _read(
    model_id: str, invocation_type: str, model_input: Any, batch: bool
) -> tuple[Request, Callable[[Reply], dict[str, Any]]]:
    """What an engine is asked, and how its reply is written down."""
    bare, started = bare_model_id(model_id), time.monotonic()
    if invocation_type == "Converse":
        request = converse.read_body(model_input, bare, batch)
        return check_request(request, bare), lambda reply: converse.write_answer(
            reply, round(1000 * (time.monotonic() - started))
        )
    read, write = _CHATS[_family_of(model_id, invocation_type)]
    return check_request(read(model_input, bare), bare), lambda reply: write(reply, model_input, model_id)


def check_request(request: Request, model_id: str) -> Request:
    """Refuse what the model could not read or write, where a source says what it can."""
    traits = traits_of(model_id)
    window, most = traits.get("context_window"), traits.get("output_maximum")
    if most and (request.max_tokens or 0) > most:
        raise refuse_record("max_tokens", most=most)
    media = [part for turn in request.turns for part in turn.media]
    takes = [*traits.get("inputs", ("image", "video", "audio")), "document"]
    for kind in (part.kind for part in media if part.kind not in takes):
        raise RecordError(f"This model does not support {kind} input.")
    check_images([part.data for part in media if part.kind == "image" and part.data], model_id)
    texts = [request.system, *(turn.text for turn in request.turns)]
    # A token is rarely less than two characters, so short texts need no counting.
    if window and sum(map(len, texts)) > 2 * window and sum(map(count_tokens, texts)) > window:
        raise RecordError("Input is too long for requested model.")
    return request
