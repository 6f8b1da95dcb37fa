"""What a body asks for beside its text: answers, media, tools, caching."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bbkit.families import max_tokens_of


class Asked(NamedTuple):
    """What one record asks for, `answers` times (``n`` of OpenAI-shaped bodies) at most `limit` tokens."""

    limit: int | None
    answers: int
    media: bool
    caches: bool


_MEDIA = frozenset(["image", "document", "video", "audio", "image_url", "input_audio", "file"])
_CACHE_MARKS = ("cachePoint", "cache_control")
_TOOLS = ("tools", "toolConfig", "response_format", "outputConfig", "output_config", "output_format")


def asked_of(body: Mapping[str, Any]) -> Asked:
    """Tell what a body asks for."""
    limit, answers = _limits_of(body)
    return Asked(limit, answers, _has_media(body), _marks_cache(body))


def tools_text_of(body: Mapping[str, Any]) -> str:
    """The tools and the schema of an answer that a body defines, which a model reads and bills as input."""
    return "\n".join(
        json.dumps(body[name], ensure_ascii=False, default=str) for name in _TOOLS if body.get(name)
    )


def _limits_of(body: Mapping[str, Any]) -> tuple[int | None, int]:
    limit, answers = max_tokens_of(dict(body)), body.get("n")
    answers = answers if type(answers) is int and answers > 1 else 1
    return (None if limit is None or limit < 0 else limit * answers), answers


def _blocks(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The content blocks of system and turns, those within the result of a tool among them."""
    turns = body.get("messages")
    texts = (
        [turn.get("content") for turn in turns if isinstance(turn, Mapping)]
        if isinstance(turns, list)
        else []
    )
    waiting = [body.get("system"), *texts]
    while waiting:
        content = waiting.pop()
        for block in content if isinstance(content, list) else ():
            if isinstance(block, Mapping):
                yield block
                result = block.get("toolResult")
                waiting += [
                    block.get("content"),
                    result.get("content") if isinstance(result, Mapping) else None,
                ]


def _has_media(body: Mapping[str, Any]) -> bool:
    """Whether a body of any family carries more than text."""
    if body.get("images") or body.get("inputImage"):
        return True
    asked = body.get("singleEmbeddingParams")
    if isinstance(asked, Mapping):
        return not _MEDIA.isdisjoint(asked)
    return any(block.get("type") in _MEDIA or not _MEDIA.isdisjoint(block) for block in _blocks(body))


def _marks_cache(body: Mapping[str, Any]) -> bool:
    """Whether a body asks for its beginning to be written to the cache."""
    config = body.get("toolConfig")
    tools = [body.get("tools"), config.get("tools") if isinstance(config, Mapping) else None]
    listed = [
        tool for given in tools if isinstance(given, list) for tool in given if isinstance(tool, Mapping)
    ]
    return any(mark in item for item in (body, *listed, *_blocks(body)) for mark in _CACHE_MARKS)
