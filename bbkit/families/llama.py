"""Meta Llama, its own body: a prompt that holds the model's chat tokens."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from bbkit.core.finding import Finding, make_finding
from bbkit.families.family import Answer, Body, Prompt, read_family
from bbkit.families.traits import Model
from bbkit.families.values import as_int, as_str

_TOKENS = {
    "llama3": ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    "llama4": ("<|header_start|>", "<|header_end|>", "<|eot|>"),
}


def write(prompt: Prompt, generation: str = "llama3") -> Body:
    """Write a Llama body around the chat tokens of a generation, ``llama3`` or ``llama4``."""
    start, end, over = _TOKENS[generation]
    text = "<|begin_of_text|>"
    if prompt.system:
        text += f"{start}system{end}\n\n{prompt.system}{over}"
    marks = "<|image|>" * len(prompt.media)
    text += f"{start}user{end}\n\n{marks}{prompt.text}{over}{start}assistant{end}\n\n"
    written: Body = {"prompt": text}
    if prompt.media:
        written["images"] = [media.base64 for media in prompt.media]
    return written


def answer(output: Mapping[str, Any]) -> Answer:
    return Answer(
        as_str(output.get("generation")),
        as_str(output.get("stop_reason")),
        as_int(output.get("prompt_token_count")),
        as_int(output.get("generation_token_count")),
    )


def _rules(body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    prompt = body.get("prompt")
    if type(prompt) is not str:
        return
    own, other = _TOKENS["llama3"][0], _TOKENS["llama4"][0]
    if "llama4" in model.model_id:
        own, other = other, own
    if "llama" in model.model_id and other in prompt and own not in prompt:
        yield make_finding("chat_tokens.other", "prompt", own=own, other=other)
    images = body.get("images")
    if images and model.refuses("image"):
        yield make_finding("media_refused.images", "images", model=model)
    elif type(images) is list and images and "<|image|>" not in prompt:
        yield make_finding("chat_tokens.image", "prompt")


FAMILY = read_family("llama", answer, write, _rules)
FAMILY_4 = replace(FAMILY, write=partial(write, generation="llama4"))
"""The same family with the chat tokens of Llama 4."""
