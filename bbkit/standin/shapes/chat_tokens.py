"""Reads prompts written with a model's chat tokens into turns."""

import re

from bbkit.standin.engines.base import Turn

_HEADER = re.compile(
    r"<\|(?:start_header_id|header_start)\|>\s*(\w+)\s*<\|(?:end_header_id|header_end)\|>(.*?)"
    r"(?=<\|(?:eot_id|eot|eom_id|eom|end_of_text|start_header_id|header_start)\|>|\Z)",
    re.S,
)
_INSTRUCTION = re.compile(r"\[INST\](.*?)\[/INST\](.*?)(?=\[INST\]|\Z)", re.S)
_SYSTEM = re.compile(r"<<SYS>>(.*?)<</SYS>>", re.S)
_MARKS = re.compile(r"<\|(?:begin_of_text|end_of_text|image|eot_id|eot)\|>|</?s>")


def read_llama(prompt: str) -> tuple[str, tuple[Turn, ...]]:
    """System text and turns of a Llama prompt; one without chat tokens is one user turn."""
    blocks = [(match[1], match[2].strip()) for match in _HEADER.finditer(prompt)]
    if not blocks:
        return read_mistral(prompt)
    system = "\n".join(text for role, text in blocks if role == "system")
    turns = [
        Turn("assistant" if role == "assistant" else "user", _MARKS.sub("", text))
        for role, text in blocks
        if role != "system" and text
    ]
    return system, tuple(turns)


def read_mistral(prompt: str) -> tuple[str, tuple[Turn, ...]]:
    """System text and turns of a prompt with [INST] marks; one without them is one user turn."""
    pairs = _INSTRUCTION.findall(prompt)
    if not pairs:
        return "", (Turn("user", _MARKS.sub("", prompt).strip()),)
    system, turns = "", []
    for asked, answered in pairs:
        found = _SYSTEM.search(asked)
        if found:
            system = found[1].strip()
        turns.append(Turn("user", _SYSTEM.sub("", asked).strip()))
        text = _MARKS.sub("", answered).strip()
        if text:
            turns.append(Turn("assistant", text))
    return system, tuple(turns)
