"""What Amazon Nova and Converse share: content blocks, turns, answers, the description of media."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bbkit.core.finding import Finding, make_finding
from bbkit.families.family import Answer, Body, Media, Prompt, with_hour
from bbkit.families.levels import media_faults
from bbkit.families.traits import Model
from bbkit.families.turns import misplaced
from bbkit.families.values import as_dict, as_int, as_list_of_dicts, as_str

ODD_IN_NAMES = re.compile(r"[^A-Za-z0-9_ ()\[\]-]|  ")
"""What the name of a document may not hold, as measured; AWS's page leaves the underscore out."""

_MEDIA = ("image", "document", "video", "audio")


def write(prompt: Prompt) -> Body:
    """Write the members ``system`` and ``messages`` for one user turn, media first."""
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
    block: Body = {"format": media.format, "source": media.source}
    if media.kind == "document":
        block["name"] = _document_name(media.name) or f"document {number}"
        while block["name"] in names:
            # Two documents of one name are refused.
            block["name"] = f"{block['name'][:190]} ({number})"
        names.add(block["name"])
    return {media.kind: block}


def _document_name(name: str) -> str:
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html
    allowed = ODD_IN_NAMES.sub(" ", name.rpartition(".")[0] or name)
    return " ".join(allowed.split())[:200]


def read(cache_read: str, cache_write: str, output: Mapping[str, Any]) -> Answer:
    """Read an answer; `cache_read` and `cache_write` are the names of the cache counts in ``usage``."""
    usage = as_dict(output.get("usage"))
    content = as_dict(as_dict(output.get("output")).get("message")).get("content")
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Any] = []
    for block in content if type(content) is list else ():
        if type(block) is not dict:
            continue
        if "text" in block:
            texts.append(as_str(block["text"]) or "")
        elif "reasoningContent" in block:
            reasoning = as_dict(as_dict(block["reasoningContent"]).get("reasoningText"))
            thoughts.append(as_str(reasoning.get("text")) or "")
        elif "toolUse" in block:
            use = as_dict(block["toolUse"])
            calls.append({"id": use.get("toolUseId"), "name": use.get("name"), "input": use.get("input")})
        elif "citationsContent" in block:
            cited = as_list_of_dicts(as_dict(block["citationsContent"]).get("content"))
            texts += [as_str(part.get("text")) or "" for part in cited]
    answer = Answer(
        "".join(texts) if type(content) is list else None,
        as_str(output.get("stopReason")),
        as_int(usage.get("inputTokens")),
        as_int(usage.get("outputTokens")),
        as_int(usage.get(cache_read)),
        as_int(usage.get(cache_write)),
        None,
        "".join(thoughts) if thoughts else None,
        calls or None,
    )
    if not usage.get("cacheDetails"):
        return answer
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CacheDetail.html
    kept = {True: 0, False: 0}
    for part in as_list_of_dicts(usage["cacheDetails"]):
        kept[part.get("ttl") == "1h"] += as_int(part.get("inputTokens")) or 0
    return with_hour(answer, kept[False], kept[True], is_told=usage.get(cache_write) is not None)


def turn_faults(body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    """Turns out of order or empty, and media where none may stand; takes any object."""
    messages, before = body.get("messages"), "assistant"
    for position, message in enumerate(messages if type(messages) is list else ()):
        if type(message) is not dict:
            continue
        role, path = message.get("role"), f"messages[{position}]"
        if role == before:
            text = "role_order.alike" if position else "role_order.alternate"
            yield make_finding(text, f"{path}.role", turn=position + 1, role=role)
        if message.get("content") == []:
            yield make_finding("empty_content.turn", f"{path}.content")
        yield from _media_faults(position, message, model)
        before = role if role in ("user", "assistant") else before


def _media_faults(position: int, message: Mapping[str, Any], model: Model) -> list[Finding]:
    blocks, path = as_list_of_dicts(message.get("content")), f"messages[{position}].content"
    media = [(kind, block[kind]) for block in blocks for kind in _MEDIA if kind in block]
    if not media:
        return []
    kinds = dict.fromkeys(kind for kind, _ in media)
    if refused := media_faults(kinds, path, model):
        return refused
    if message.get("role") == "assistant":
        return [misplaced(position, kind, "assistant") for kind in kinds if kind != "document"]
    linked = any("s3Location" in as_dict(as_dict(medium).get("source")) for _, medium in media)
    if linked and model.traits.media_in_s3 is False:
        return [make_finding("media_refused.s3", path, model=model)]
    return []
