"""Mistral's own two shapes: text completion (Small 24.02, 7B, Mixtral) and chat (Large 24.07).

Newer Mistral models take the OpenAI shape.
"""

from collections.abc import Mapping
from typing import Any

from bbkit.families import chat
from bbkit.families.family import Answer, Body, Prompt, read_family
from bbkit.families.values import as_str, first_dict


def write_text(prompt: Prompt) -> Body:
    """Write a Mistral text-completion body; the system text stands before the user's inside ``[INST]``."""
    text = f"{prompt.system}\n\n{prompt.text}" if prompt.system else prompt.text
    return {"prompt": f"<s>[INST] {text} [/INST]"}


def text_answer(output: Mapping[str, Any]) -> Answer:
    """Read a Mistral text completion; it reports no tokens."""
    result = first_dict(output.get("outputs"))
    return Answer(as_str(result.get("text")), as_str(result.get("stop_reason")))


TEXT = read_family("mistral_text", text_answer, write_text)
CHAT = read_family("mistral_chat", chat.answer, chat.write, chat.chat_faults)
