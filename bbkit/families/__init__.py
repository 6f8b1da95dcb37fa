"""Model families: how a body is written, what a request may hold, where an answer stands.

A `Family` is a frozen value: it writes the `body` of a `Prompt`, reads the `answer` in an output, and
describes its `request` as data that `bbkit.checks` reads. There is one module per shape; `messages`, `chat`,
`turns` and `claude_rules` hold what several shapes share. `family_of` tells the family from the model id and
never guesses; `answer_of` recognises an answer by its shape, because custom models and profile ARNs hide the
model.
"""

from collections.abc import Mapping

from bbkit.core.errors import FamilyError, InputError
from bbkit.families import anthropic, converse, embeddings, llama, mistral, nova, openai_chat, read_only
from bbkit.families.error_bodies import error_of as error_of
from bbkit.families.family import (
    ERROR_BODY as ERROR_BODY,
    MAX_TOKENS_PATHS as MAX_TOKENS_PATHS,
    NO_ANSWER as NO_ANSWER,
    Answer as Answer,
    Family as Family,
    Media as Media,
    Prompt as Prompt,
)
from bbkit.families.model_ids import (
    bare_model_id as bare_model_id,
    family_name as family_name,
    split_model_id as split_model_id,
    tells_model as tells_model,
)
from bbkit.families.plain import plain_reader as plain_reader
from bbkit.families.reasoning import split_reasoning as split_reasoning
from bbkit.families.shapes import (
    answer_of as answer_of,
    looks_like as looks_like,
    max_tokens_of as max_tokens_of,
    normalise_stop_reason as normalise_stop_reason,
    user_text_of as user_text_of,
)
from bbkit.families.traits import (
    Model as Model,
    Traits as Traits,
    find_model as find_model,
    geographies_of as geographies_of,
    model_table as model_table,
)

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
        read_only.DEEPSEEK_R1,
        read_only.TITAN_TEXT,
        embeddings.TITAN_TEXT,
        embeddings.TITAN_IMAGE,
        embeddings.NOVA,
        read_only.COHERE_COMMAND,
        read_only.COHERE_EMBED,
        read_only.AI21,
    )
}


def get_family(name: str) -> Family:
    if name not in FAMILIES:
        raise FamilyError(f"No family is called {name!r}. Take one of: {', '.join(FAMILIES)}.")
    return FAMILIES[name]


def foundation_model(model_id: str, model: str = "", family: str | Family | None = None) -> str:
    """The id whose rules hold: that of the job, or of the model that is said to be behind it."""
    if not model:
        return model_id
    if not tells_model(model):
        raise InputError(f"model is {model!r}; it takes the foundation model behind {model_id}, by its id.")
    if tells_model(model_id) and bare_model_id(model) != bare_model_id(model_id):
        raise InputError(f"{model_id} names its model; leave out model={model!r}, which is another.")
    name, told = family_name(model), family.name if isinstance(family, Family) else family
    if name and told not in ("", None, name, "converse"):
        raise FamilyError(
            f"{model} is of the family {name}, not {told}. Leave family out: the model tells it."
        )
    return model


def family_of(
    model_id: str, *, invocation_type: str = "InvokeModel", family: str | Family | None = None
) -> Family:
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
        raise FamilyError(
            f"Cannot tell the family of {model_id!r}. Name the foundation model behind it (model=, in a "
            f"shell --foundation-model), or the family (family=, --family), one of: {accepted}."
        )
    return _adapt(FAMILIES[name], model_id)


def _adapt(family: Family, model_id: str) -> Family:
    if family.name == "llama" and "llama4" in model_id:
        return llama.FAMILY_4
    if family.name == "openai_chat" and "openai.gpt-" in model_id:
        return openai_chat.FAMILY_GPT_OSS if "gpt-oss" in model_id else openai_chat.FAMILY_GPT
    return family
