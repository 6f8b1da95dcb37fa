"""Answers one record as the model of a job would.

The family's shape checks and reads its body, an engine answers, and the shape writes that down. Embeddings
are made by their shapes, whatever the engine.
"""

import time
from dataclasses import dataclass
from threading import Event
from typing import Any

from bbkit.standin.engines import Engine, Request, count_tokens
from bbkit.standin.errors import RecordError, refuse_record
from bbkit.standin.images import check_images
from bbkit.standin.models import bare_model_id, traits_of
from bbkit.standin.shapes import anthropic, converse, embeddings, llama_mistral, nova, openai_chat
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
    family, bare = family_name(model_id), bare_model_id(model_id)
    if family is None:
        raise RecordError("The provided model identifier is invalid.")
    if family in _EMBEDDERS and invocation_type == "Converse":
        raise refuse_record("no_converse")
    if family in _EMBEDDERS:
        output, tokens = _EMBEDDERS[family](model_input)
        return Answered(output, tokens, 0)
    if invocation_type == "Converse":
        started = time.monotonic()
        reply = engine.answer(check_request(converse.read_body(model_input, bare, batch), bare), halt)
        output = converse.write_answer(reply, round(1000 * (time.monotonic() - started)))
    else:
        read, write = _CHATS[family]
        reply = engine.answer(check_request(read(model_input, bare), bare), halt)
        output = write(reply, model_input, model_id)
    return Answered(output, reply.input_tokens, reply.output_tokens)


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
