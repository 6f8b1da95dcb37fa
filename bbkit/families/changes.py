"""Bodies asked again, of any family: one sentence more for the model, and at which temperature it answers."""

from collections.abc import Mapping
from typing import Any

from bbkit.families.family import EXTRA, Body
from bbkit.families.values import as_dict, as_list_of_dicts

_ENDS = ("<|eot_id|>", "<|eot|>", " [/INST]", "[/INST]")
"""Where the last turn ends in a prompt that holds a template's tokens (`llama`, `mistral`)."""


def temperature_of(model_input: Mapping[str, Any]) -> Any:
    """The temperature that a body asks for; None where it names none."""
    names = ("inferenceConfig", "textGenerationConfig", EXTRA)
    holders = (model_input, *(as_dict(model_input.get(name)) for name in names))
    return next((holder["temperature"] for holder in holders if "temperature" in holder), None)


def with_sentence(model_input: Mapping[str, Any], sentence: str) -> Body:
    """Copy a body whose last user turn ends in one sentence more; one without such a turn is as it was."""
    written = dict(model_input)
    if isinstance(prompt := written.get("prompt"), str):
        at = next((prompt.rfind(end) for end in _ENDS if end in prompt), len(prompt))
        return written | {"prompt": f"{prompt[:at]}\n\n{sentence}{prompt[at:]}"}
    messages = as_list_of_dicts(written.get("messages"))
    asked = [at for at, message in enumerate(messages) if message.get("role") == "user"]
    if asked:
        content = messages[asked[-1]].get("content")
        if isinstance(content, str):
            content = f"{content}\n\n{sentence}"
        else:
            blocks = as_list_of_dicts(content)
            kind = {"type": "text"} if any("type" in block for block in blocks) else {}
            content = [*blocks, {**kind, "text": sentence}]
        messages[asked[-1]] = messages[asked[-1]] | {"content": content}
        written["messages"] = messages
    return written
