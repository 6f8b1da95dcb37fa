"""Plain lines: one user turn of text, nothing unusual. A decoder that takes a line has checked it, in C.

Most files hold nothing else. What the decoder refuses is looked at anew: it decides speed, never a finding.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec

from bbkit.checks._typing import keep_by_name, make_type
from bbkit.families import Family
from bbkit.families.requests import Field, required, string


class PlainLines:
    """Takes plain lines."""

    def __init__(self, decode: Callable[[bytes], Any], *, chat: bool):
        self._decode = decode
        self._chat = chat
        self._taken = self._refused = 0

    @property
    def is_worth_trying(self) -> bool:
        """Whether it has not refused nearly every line so far."""
        return self._refused < 1000 or self._refused < 4 * self._taken

    def take(self, line: bytes) -> str | None:
        """Give the record id of a plain line; None for any other."""
        try:
            record = self._decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._refused += 1
            return None
        # The order of turns is the one thing that no type can say.
        if self._chat and record.modelInput.messages[-1].role != "user":
            return None
        self._taken += 1
        return record.recordId


def make_plain(family: Family, field: Field, model_id: str) -> PlainLines | None:
    """Make what takes the plain lines of a family."""
    if family.request is None or family.request.silent is None:
        return None
    chat = "messages" in field.members and _is_chat(field.members["messages"])
    decode = _decoder(kept_name(family), field, family.request.silent(model_id), chat)
    return PlainLines(decode, chat=chat) if decode else None


def kept_name(family: Family) -> str:
    """The name under which types of a family are kept, one for each variant of it."""
    return ".".join((family.name, *family.max_tokens_path))


@keep_by_name
def _decoder(field: Field, left_out: frozenset[str], chat: bool) -> Callable[[bytes], Any] | None:
    body = _without(field, left_out)
    if "messages" in body.members:
        body = _one_turn(body, chat=chat)
    record_id = required(string(min_length=1, blank="error"))
    line = Field("object", members={"recordId": record_id, "modelInput": required(body)})
    made = make_type(line, free=False)
    return msgspec.json.Decoder(made).decode if made is not None else None


def _without(field: Field, names: frozenset[str]) -> Field:
    inner: dict[str, set[str]] = {}
    for name in names:
        head, _, tail = name.partition(".")
        inner.setdefault(head, set()).add(tail)
    members = {}
    for name, member in field.members.items():
        left_out = inner.get(name)
        if left_out is None:
            members[name] = member
        elif "" not in left_out:
            members[name] = _without(member, frozenset(left_out))
    return dataclasses.replace(field, members=members)


def _is_chat(messages: Field) -> bool:
    return messages.items is not None and "tool_calls" in messages.items.members


def _one_turn(body: Field, *, chat: bool) -> Field:
    messages = body.members["messages"]
    assert messages.items is not None
    members = {
        "role": required(string(values=("system", "user") if chat else ("user",))),
        "content": required(_texts(messages.items.members["content"])),
    }
    turns = dataclasses.replace(
        messages, items=Field("object", members=members), min_length=1, max_length=2 if chat else 1
    )
    return dataclasses.replace(body, members={**body.members, "messages": turns})


def _texts(content: Field) -> Field:
    if content.kind == "either":
        return dataclasses.replace(content, choices=tuple(_texts(choice) for choice in content.choices))
    if content.kind == "string":
        return dataclasses.replace(content, min_length=1, blank="warning")
    block = content.items
    if block is not None and block.kind == "tagged":
        block = dataclasses.replace(block, variants={"text": block.variants["text"]})
    return dataclasses.replace(content, items=block, min_length=1)
