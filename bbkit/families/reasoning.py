"""Reasoning that leads the text of an answer, in tags of its own."""

import re

from bbkit.families.family import REASONED, Answer

_OPENING = re.compile(r"\s*<(think|thinking|reasoning)>")
_CLOSING = "</think>"


def split_reasoning(text: str, *, opened: bool = False) -> tuple[str, str | None]:
    """Take leading blocks of reasoning off a text; `opened` where the model's template opens ``<think>``.

    A block that never closes is reasoning to its end. Line breaks after the last block go with it.
    """
    thoughts: list[str] = []
    block, at = _OPENING.match(text), 0
    if opened and not block and _CLOSING in text:
        at = text.index(_CLOSING) + len(_CLOSING)
        thoughts.append(text[: at - len(_CLOSING)])
        block = _OPENING.match(text, at)
    while block:
        end = text.find(f"</{block[1]}>", block.end())
        thoughts.append(text[block.end() : end if end >= 0 else None])
        at = end + len(block[1]) + len("</>") if end >= 0 else len(text)
        block = _OPENING.match(text, at)
    reasoning = join_thoughts(*thoughts)
    return (text[at:].lstrip("\r\n"), reasoning) if at else (text, None)


def take_reasoning(answer: Answer, *, opened: bool) -> Answer:
    """Move the reasoning that leads the text of an answer to where it belongs."""
    text = answer.text or ""
    rest, reasoning = split_reasoning(text, opened=opened)
    if rest == text:
        return answer
    reasoning, remarks = join_thoughts(answer.reasoning, reasoning), answer.remarks | REASONED
    return answer._replace(text=rest, reasoning=reasoning, text_raw=text, remarks=remarks)


def join_thoughts(*thoughts: str | None) -> str | None:
    """One text of several pieces of reasoning, each once; None where there is none."""
    return "\n".join(dict.fromkeys(thought.strip() for thought in thoughts if thought)).strip() or None
