"""Model families: how a body is written, what a request may hold, where an answer stands.

A family is a frozen value with two pure functions. `family_of` tells it from the model id and never guesses;
`answer_of` recognises an answer by its shape, because custom models and profile ARNs hide the model.
"""

from collections.abc import Mapping
from typing import Any

from bbkit.core.errors import FamilyError, InputError
from bbkit.families import (
    ai21,
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
from bbkit.families._base import NO_ANSWER, Answer, Family, Media, Prompt, mapping
from bbkit.families._identify import bare_model_id, family_name, geographies_of, split_model_id
from bbkit.families._reading import answer_of, max_tokens_of, normalise_stop_reason, user_text_of

__all__ = [
    "FAMILIES",
    "NO_ANSWER",
    "Answer",
    "Family",
    "Media",
    "Prompt",
    "answer_of",
    "bare_model_id",
    "family_name",
    "family_of",
    "geographies_of",
    "get_family",
    "max_tokens_of",
    "normalise_stop_reason",
    "split_model_id",
    "user_text_of",
    "with_max_tokens",
]

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        anthropic.FAMILY,
        nova.FAMILY,
        converse.FAMILY,
        llama.FAMILY,
        mistral.TEXT,
        mistral.CHAT,
        openai_chat.FAMILY,
        deepseek.FAMILY,
        titan.FAMILY,
        embeddings.TITAN_TEXT,
        embeddings.TITAN_IMAGE,
        embeddings.NOVA,
        cohere.COMMAND,
        cohere.EMBED,
        ai21.FAMILY,
    )
}


def get_family(name: str) -> Family:
    """Get a family by its name."""
    if name not in FAMILIES:
        raise FamilyError(f"No family is called {name!r}. Take one of: {', '.join(FAMILIES)}.")
    return FAMILIES[name]


def family_of(
    model_id: str, *, invocation_type: str = "InvokeModel", family: str | Family | None = None
) -> Family:
    """Tell the family whose bodies a model takes."""
    if invocation_type not in ("InvokeModel", "Converse"):
        raise InputError(f"invocation_type is {invocation_type!r}; it takes InvokeModel or Converse.")
    if not isinstance(model_id, str):
        raise FamilyError(
            f"model_id is {model_id!r}; it takes a model id, an inference-profile id or an ARN."
        )
    if family:
        chosen = family if isinstance(family, Family) else _adapt(get_family(family), model_id)
        if invocation_type == "Converse" and chosen.name != "converse":
            raise FamilyError(
                f"Family {chosen.name} is given for a Converse job, which takes Converse bodies whatever its "
                "model. Leave family out, or make it an InvokeModel job."
            )
        return chosen
    name = family_name(model_id)
    if invocation_type == "Converse":
        if name and FAMILIES[name].kind == "embedding":
            raise FamilyError(
                f"{model_id} makes embeddings and has no Converse form. Use InvokeModel bodies."
            )
        return converse.FAMILY
    if not name:
        accepted = ", ".join(name for name, known in FAMILIES.items() if known.writable)
        raise FamilyError(f"Cannot tell the family of {model_id!r}. Pass family=, one of: {accepted}.")
    return _adapt(FAMILIES[name], model_id)


def _adapt(family: Family, model_id: str) -> Family:
    if family.name == "llama" and "llama4" in model_id:
        return llama.FAMILY_4
    if family.name == "openai_chat" and "openai.gpt-" in model_id:
        return openai_chat.FAMILY_GPT_OSS
    return family


_LIMIT_NAMES = ("max_completion_tokens", "max_tokens", "max_new_tokens", "maxTokens")


def with_max_tokens(model_input: Mapping[str, Any], max_tokens: int, family: str | Family) -> dict[str, Any]:
    """Copy a body with another maximum of output tokens, under the name that the body already uses."""
    chosen = family if isinstance(family, Family) else get_family(family)
    if not chosen.max_tokens_path:
        raise FamilyError(f"Family {chosen.name} makes embeddings and has no max_tokens to change.")
    *outer, name = chosen.max_tokens_path
    written = dict(model_input)
    holder = written
    for part in outer:
        holder[part] = dict(mapping(holder.get(part)))
        holder = holder[part]
    used = next((known for known in _LIMIT_NAMES if known in holder), name) if name in _LIMIT_NAMES else name
    holder[used] = max_tokens
    return written
