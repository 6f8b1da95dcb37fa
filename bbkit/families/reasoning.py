"""Reasoning that leads the text of an answer, in tags of its own."""

import re

from bbkit.families.family import Answer

_BLOCK = re.compile(r"\s*<(think|thinking|reasoning)>(.*?)(?:</\1>|\Z)", re.DOTALL)
_TAGS = ("<think>", "<thinking>", "<reasoning>")
LEADING = frozenset(character for character in map(chr, range(0x3001)) if character.isspace()) | {"<"}
"""What a text begins with that reasoning may lead."""
_OPENED = re.compile(r"(?!\s*<think>)()(.*?)</think>", re.DOTALL)


def split_reasoning(text: str, *, opened: bool = False) -> tuple[str, str | None]:
    """Take leading blocks of reasoning off a text; `opened` where the model's template opens ``<think>``."""
    thoughts, at = [], 0
    block = (opened and _OPENED.match(text)) or _BLOCK.match(text)
    while block:
        thoughts.append(block[2])
        at = block.end()
        block = _BLOCK.match(text, at)
    return text[at:].lstrip("\r\n") if at else text, _join(*thoughts)


def leads_with_reasoning(text: str) -> bool:
    """Whether a text begins with a block of reasoning."""
    return text.lstrip().startswith(_TAGS)


def take_reasoning(answer: Answer, *, opened: bool) -> Answer:
    """Move the reasoning that leads the text of an answer to where it belongs."""
    text = answer.text or ""
    rest, thought = split_reasoning(text, opened=opened)
    if rest == text:
        return answer
    reasoning = _join(answer.reasoning, thought)
    remarks = f"{answer.remarks} reasoned" if answer.remarks else "reasoned"
    return answer._replace(text=rest, text_raw=text, reasoning=reasoning, remarks=remarks)


def _join(*thoughts: str | None) -> str | None:
    return "\n".join(dict.fromkeys(thought.strip() for thought in thoughts if thought)).strip() or None
