"""Reasoning that leads the text of an answer, in tags of its own."""

import re

from bbkit.families.family import Answer

_BLOCK = re.compile(r"\s*<(think|thinking|reasoning)>(.*?)(?:</\1>|\Z)", re.DOTALL)
_TAGS = ("<think>", "<thinking>", "<reasoning>")
LEADING = frozenset(character for character in map(chr, range(0x3001)) if character.isspace()) | {"<"}
"""What a text begins with that reasoning may lead."""
_TAG = re.compile("</?think>")


def split_reasoning(text: str, *, opened: bool = False) -> tuple[str, str | None]:
    """Take leading blocks of reasoning off a text; `opened` where the model's template opens ``<think>``."""
    thoughts, at = [], 0
    if opened and not text.lstrip().startswith(_TAGS[0]) and (closing := _lone_end(text)):
        thoughts.append(text[: closing.start()])
        at = closing.end()
    block = _BLOCK.match(text, at)
    while block:
        thoughts.append(block[2])
        at = block.end()
        block = _BLOCK.match(text, at)
    return text[at:].lstrip("\r\n") if at else text, _join(*thoughts)


def _lone_end(text: str) -> re.Match[str] | None:
    """The first ``</think>`` that closes none opened in the text itself."""
    depth = 0
    for tag in _TAG.finditer(text):
        depth += -1 if tag[0] == "</think>" else 1
        if depth < 0:
            return tag
    return None


def leads_with_reasoning(text: str) -> bool:
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
