"""Meta Llama, its own body: a prompt that holds the model's chat tokens.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

from bbkit.core.findings import Finding
from bbkit.families._base import Answer, Body, Family, Prompt, media_bytes, refuse_media, take, whole, word
from bbkit.families._turns import is_text_only
from bbkit.families.requests import (
    COMMON_MISTAKES,
    Mistake,
    Request,
    array,
    error_at,
    foreign,
    integer,
    number,
    record,
    renamed,
    required,
    string,
)

SOURCE = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html"
_NAMES = {"temperature": "temperature", "top_p": "top_p"}
_TOKENS = {
    "llama3": ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    "llama4": ("<|header_start|>", "<|header_end|>", "<|eot|>"),
}


def body(
    prompt: Prompt, *, max_tokens: int | None = None, generation: str = "llama3", **inference: Any
) -> Body:
    """Write a Llama body around the chat tokens of a generation, ``llama3`` or ``llama4``."""
    refuse_media(prompt, "llama", ("image",))
    start, end, over = _TOKENS[generation]
    text = "<|begin_of_text|>"
    if prompt.system:
        text += f"{start}system{end}\n\n{prompt.system}{over}"
    marks = "<|image|>" * len(prompt.media)
    text += f"{start}user{end}\n\n{marks}{prompt.text}{over}{start}assistant{end}\n\n"
    written: Body = {"prompt": text}
    if prompt.media:
        written["images"] = [media_bytes(media, "llama") for media in prompt.media]
    if max_tokens is not None:
        written["max_gen_len"] = max_tokens
    return written | take(inference, _NAMES, "llama")


def answer(output: Mapping[str, Any]) -> Answer:
    """Read a Llama answer."""
    return Answer(
        word(output.get("generation")),
        word(output.get("stop_reason")),
        whole(output.get("prompt_token_count")),
        whole(output.get("generation_token_count")),
    )


def _rules(body: Mapping[str, Any], model_id: str) -> list[Finding]:
    prompt = body.get("prompt")
    if type(prompt) is not str:
        return []
    faults: list[Finding] = []
    own, other = _TOKENS["llama3"][0], _TOKENS["llama4"][0]
    if "llama4" in model_id:
        own, other = other, own
    if "llama" in model_id and other in prompt and own not in prompt:
        faults.append(
            Finding(
                "warning",
                "chat_tokens",
                f"The prompt uses {other}, unknown to this model.",
                f"Use this model's own chat tokens, {own} and its kin, or Converse, which writes them.",
                "prompt",
            )
        )
    images = body.get("images")
    if images and is_text_only(model_id):
        found = f"Images are sent, and {model_id} takes text only."
        remedy = "Leave images out, or take a model that sees, such as Llama 3.2 11B."
        faults.append(error_at("images", "media_refused", found, remedy))
    elif type(images) is list and images and "<|image|>" not in prompt:
        faults.append(
            Finding(
                "warning",
                "chat_tokens",
                "Images are sent but the prompt has no <|image|>.",
                "Put <|image|> where the model should look at the image.",
                "prompt",
            )
        )
    return faults


_BODY = record(
    {
        "prompt": required(string(min_length=1, blank="warning")),
        "images": array(string(min_length=1, base64=True)),
        "max_gen_len": integer(1, 8192),
        "temperature": number(0, 1),
        "top_p": number(0, 1),
    },
    mistakes={
        **COMMON_MISTAKES,
        **renamed(max_tokens="max_gen_len", max_completion_tokens="max_gen_len"),
        "inputs": Mistake("Use prompt: inputs and parameters are the shape of SageMaker endpoints."),
        "parameters": Mistake(
            "Put max_gen_len, temperature and top_p at the top: parameters is SageMaker's."
        ),
        "messages": Mistake("Write a prompt with the model's chat tokens, or make it a Converse job."),
        "system": Mistake("Write the system text into the prompt with the model's chat tokens."),
        **foreign("openai_chat", "model", "stop"),
        **foreign("anthropic", "anthropic_version", "stop_sequences", "top_k"),
        **foreign("converse", "inferenceConfig"),
    },
)

FAMILY = Family(
    name="llama",
    title="Meta Llama",
    kind="text",
    body=body,
    answer=answer,
    request=Request(body=_BODY, rules=_rules, source=SOURCE, date="2026-10"),
    max_tokens_path=("max_gen_len",),
    source=SOURCE,
)
FAMILY_4 = dataclasses.replace(FAMILY, body=partial(body, generation="llama4"))
"""The same family with the chat tokens of Llama 4."""
