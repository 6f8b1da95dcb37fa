"""Mistral's own two shapes: text completion (Small 24.02, 7B, Mixtral) and chat (Large 24.07).

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-text-completion.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html
Newer Mistral models take the OpenAI shape.
"""

from collections.abc import Mapping
from typing import Any

from bbkit.families._base import Answer, Body, Family, Prompt, first, mapping, refuse_media, take, word
from bbkit.families._chat import MESSAGE, TOOL, TOOL_CHOICE, chat_faults, chat_silent, read_calls, read_text
from bbkit.families.requests import (
    COMMON_MISTAKES,
    Mistake,
    Request,
    always_silent,
    array,
    foreign,
    integer,
    number,
    record,
    renamed,
    required,
    string,
)

TEXT_SOURCE = (
    "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-text-completion.html"
)
CHAT_SOURCE = (
    "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html"
)
_TEXT_NAMES = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "stop_sequences": "stop"}
_CHAT_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "stop_sequences": "stop",
    "tools": "tools",
    "tool_choice": "tool_choice",
}


def text_body(prompt: Prompt, *, max_tokens: int | None = None, **inference: Any) -> Body:
    """Write a Mistral text-completion body; the system text stands before the user's inside ``[INST]``."""
    refuse_media(prompt, "mistral_text")
    text = f"{prompt.system}\n\n{prompt.text}" if prompt.system else prompt.text
    written: Body = {"prompt": f"<s>[INST] {text} [/INST]"}
    if max_tokens is not None:
        written["max_tokens"] = max_tokens
    return written | take(inference, _TEXT_NAMES, "mistral_text")


def text_answer(output: Mapping[str, Any]) -> Answer:
    """Read a Mistral text completion; it reports no tokens."""
    result = first(output.get("outputs"))
    return Answer(word(result.get("text")), word(result.get("stop_reason")))


def chat_body(prompt: Prompt, *, max_tokens: int | None = None, **inference: Any) -> Body:
    """Write a Mistral chat-completion body."""
    refuse_media(prompt, "mistral_chat")
    messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
    written: Body = {"messages": [*messages, {"role": "user", "content": prompt.text}]}
    if max_tokens is not None:
        written["max_tokens"] = max_tokens
    return written | take(inference, _CHAT_NAMES, "mistral_chat")


def chat_answer(output: Mapping[str, Any]) -> Answer:
    """Read a Mistral chat completion; it reports no tokens."""
    choice = first(output.get("choices"))
    message = mapping(choice.get("message"))
    text, reasoning = read_text(message)
    return Answer(text, word(choice.get("stop_reason")), reasoning=reasoning, tool_calls=read_calls(message))


_FOREIGN = {
    **COMMON_MISTAKES,
    **foreign("anthropic", "anthropic_version", "system"),
    **foreign("converse", "inferenceConfig"),
    **renamed(stop_sequences="stop", max_gen_len="max_tokens", max_completion_tokens="max_tokens"),
}
_TEXT_BODY = record(
    {
        "prompt": required(string(min_length=1, blank="warning")),
        "max_tokens": integer(1, 8192),
        "stop": array(string(min_length=1), max_length=10),
        "temperature": number(0, 1),
        "top_p": number(0, 1),
        "top_k": integer(0, 200),
    },
    mistakes={
        **_FOREIGN,
        "messages": Mistake("Write a prompt, <s>[INST] ... [/INST], or make it a Converse job."),
        "inputs": Mistake("Use prompt: inputs and parameters are the shape of SageMaker endpoints."),
        "parameters": Mistake("Put the parameters at the top: parameters is SageMaker's."),
    },
)
_CHAT_BODY = record(
    {
        "messages": required(array(MESSAGE, min_length=1)),
        "tools": array(TOOL),
        "tool_choice": TOOL_CHOICE,
        "max_tokens": integer(1),
        "temperature": number(0, 1),
        "top_p": number(0, 1),
        "stop": array(string(min_length=1)),
    },
    mistakes={**_FOREIGN, "prompt": Mistake("Put the text into messages.")},
)

TEXT = Family(
    name="mistral_text",
    title="Mistral text completion",
    kind="text",
    body=text_body,
    answer=text_answer,
    request=Request(body=_TEXT_BODY, silent=always_silent, source=TEXT_SOURCE, date="2026-10"),
    max_tokens_path=("max_tokens",),
    source=TEXT_SOURCE,
)
CHAT = Family(
    name="mistral_chat",
    title="Mistral chat completion",
    kind="text",
    body=chat_body,
    answer=chat_answer,
    request=Request(
        body=_CHAT_BODY, rules=chat_faults, silent=chat_silent, source=CHAT_SOURCE, date="2026-10"
    ),
    max_tokens_path=("max_tokens",),
    source=CHAT_SOURCE,
)
