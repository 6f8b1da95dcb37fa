"""Mistral's own two shapes: text completion (Small 24.02, 7B, Mixtral) and chat (Large 24.07).

Newer Mistral models take the OpenAI shape.
"""

from collections.abc import Mapping
from typing import Any

from bbkit.families import chat, requests as r
from bbkit.families.family import Answer, Body, Family, Prompt, as_str, first_dict, same_names

_GUIDE = "https://docs.aws.amazon.com/bedrock/latest/userguide/"


def write_text(prompt: Prompt) -> Body:
    """Write a Mistral text-completion body; the system text stands before the user's inside ``[INST]``."""
    text = f"{prompt.system}\n\n{prompt.text}" if prompt.system else prompt.text
    return {"prompt": f"<s>[INST] {text} [/INST]"}


def text_answer(output: Mapping[str, Any]) -> Answer:
    """Read a Mistral text completion; it reports no tokens."""
    result = first_dict(output.get("outputs"))
    return Answer(as_str(result.get("text")), as_str(result.get("stop_reason")))


_MISTAKES = {
    **r.COMMON_MISTAKES,
    **r.foreign("anthropic", "anthropic_version", "system"),
    **r.foreign("converse", "inferenceConfig"),
    **r.renamed(stop_sequences="stop", max_gen_len="max_tokens", max_completion_tokens="max_tokens"),
}
_TEXT_BODY = r.record(
    {
        "prompt": r.required(r.string(min_length=1, blank="warning")),
        "max_tokens": r.integer(1),
        "stop": r.array(r.string(min_length=1), max_length=10),
        "temperature": r.number(0, 1),
        "top_p": r.number(0, 1),
        "top_k": r.integer(0, 200),
    },
    mistakes={
        **_MISTAKES,
        "messages": r.Mistake("Write a prompt, <s>[INST] ... [/INST], or make it a Converse job."),
        "inputs": r.SAGEMAKER,
        "parameters": r.Mistake("Put the parameters at the top: parameters is SageMaker's."),
    },
)
_CHAT_BODY = r.record(
    {**chat.MEMBERS, "temperature": r.number(0, 1), "stop": r.array(r.string(min_length=1))},
    mistakes={**_MISTAKES, "prompt": r.Mistake("Put the text into messages.")},
)

TEXT = Family(
    name="mistral_text",
    title="Mistral text completion",
    source=f"{_GUIDE}model-parameters-mistral-text-completion.html",
    answer=text_answer,
    write=write_text,
    inference={**same_names("temperature", "top_p", "top_k"), "stop_sequences": "stop"},
    request=_TEXT_BODY,
)
CHAT = Family(
    name="mistral_chat",
    title="Mistral chat completion",
    source=f"{_GUIDE}model-parameters-mistral-chat-completion.html",
    answer=chat.answer,
    write=chat.write,
    inference={**same_names("temperature", "top_p", "tools", "tool_choice"), "stop_sequences": "stop"},
    request=_CHAT_BODY,
    rules=chat.chat_faults,
)
