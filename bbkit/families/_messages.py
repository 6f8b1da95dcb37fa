"""What Amazon Nova and Converse share: content blocks, turns, answers."""

import re
from collections.abc import Mapping
from typing import Any

from bbkit.core.findings import Finding
from bbkit.families._base import Answer, Body, Media, Prompt, encode, mapping, objects, whole, word
from bbkit.families._turns import is_text_only, misplaced, refused_media
from bbkit.families.requests import error_at

ODD_IN_NAMES = re.compile(r"[^A-Za-z0-9\s()\[\]-]")
"""What the name of a document may not hold."""
_CALLED = {"jpg": "jpeg", "3gp": "three_gp"}


def turns(prompt: Prompt) -> Body:
    """The members ``system`` and ``messages`` for one user turn, media first."""
    content: list[Body] = []
    names: set[str] = set()
    for number, media in enumerate(prompt.media, 1):
        content.append(_block(media, number, names))
    if prompt.text or not content:
        content.append({"text": prompt.text})
    written: Body = {"system": [{"text": prompt.system}]} if prompt.system else {}
    written["messages"] = [{"role": "user", "content": content}]
    return written


def _block(media: Media, number: int, names: set[str]) -> Body:
    if media.s3_uri is not None:
        source: Body = {"s3Location": {"uri": media.s3_uri}}
    else:
        source = {"bytes": encode(media.data or b"")}
    block: Body = {"format": _CALLED.get(media.format, media.format), "source": source}
    if media.kind == "document":
        block["name"] = _document_name(media.name) or f"document {number}"
        while block["name"] in names:
            # Two documents of one name are refused.
            block["name"] = f"{block['name'][:190]} ({number})"
        names.add(block["name"])
    return {media.kind: block}


def _document_name(name: str) -> str:
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html
    kept = ODD_IN_NAMES.sub(" ", name.rpartition(".")[0] or name)
    return " ".join(kept.split())[:200]


def read(output: Mapping[str, Any], cache_read: str, cache_write: str) -> Answer:
    """Read an answer; `cache_read` and `cache_write` are the names of the cache counts in ``usage``."""
    usage = mapping(output.get("usage"))
    message = mapping(mapping(output.get("output")).get("message"))
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Any] = []
    for block in objects(message.get("content")):
        if "text" in block:
            texts.append(word(block["text"]) or "")
        elif "reasoningContent" in block:
            reasoning = mapping(mapping(block["reasoningContent"]).get("reasoningText"))
            thoughts.append(word(reasoning.get("text")) or "")
        elif "toolUse" in block:
            use = mapping(block["toolUse"])
            calls.append({"id": use.get("toolUseId"), "name": use.get("name"), "input": use.get("input")})
        elif "citationsContent" in block:
            cited = objects(mapping(block["citationsContent"]).get("content"))
            texts += [word(part.get("text")) or "" for part in cited]
    return Answer(
        "".join(texts) if type(message.get("content")) is list else None,
        word(output.get("stopReason")),
        whole(usage.get("inputTokens")),
        whole(usage.get("outputTokens")),
        whole(usage.get(cache_read)),
        whole(usage.get(cache_write)),
        None,
        "".join(thoughts) if thoughts else None,
        calls or None,
    )


def turn_faults(body: Mapping[str, Any], model_id: str) -> list[Finding]:
    """Turns out of order or empty, and media where none may stand; takes any object."""
    messages = body.get("messages")
    if type(messages) is not list:
        return []
    faults: list[Finding] = []
    before = "assistant"
    for position, message in enumerate(messages):
        if type(message) is not dict:
            continue
        role = message.get("role")
        if role == before:
            found = f"Turn {position + 1} is the {role}'s, like the one before."
            if not position:
                found = "The first turn is the assistant's."
            faults.append(
                error_at(
                    f"messages[{position}].role",
                    "role_order",
                    found,
                    "Turns alternate, beginning with the user.",
                )
            )
        if message.get("content") == []:
            faults.append(
                error_at(
                    f"messages[{position}].content",
                    "empty_content",
                    "The turn is empty.",
                    "Give every turn at least one content block.",
                )
            )
        faults += _media_faults(position, message, model_id)
        before = role if role in ("user", "assistant") else before
    return faults


def _media_faults(position: int, message: Mapping[str, Any], model_id: str) -> list[Finding]:
    assistant = message.get("role") == "assistant"
    if not assistant and not is_text_only(model_id):
        return []
    blocks = objects(message.get("content"))
    kinds = [kind for kind in ("image", "video", "audio") if any(kind in block for block in blocks)]
    if kinds and is_text_only(model_id):
        return [refused_media(model_id, position, kinds[0])]
    return [misplaced(position, kind, "assistant") for kind in kinds] if assistant else []
