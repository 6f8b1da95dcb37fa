"""Model ids told from the marketing names that AWS's quotas and price lists use instead."""

import re
from collections.abc import Iterator
from functools import lru_cache

from bbkit.core.files import read_data
from bbkit.families import bare_model_id

_LEFT_OUT = frozenset(
    ["amazon", "anthropic", "deepseek", "google", "meta", "minimax", "moonshot", "moonshotai", "nvidia",
     "openai", "zai", "ai", "instruct", "it", "dense"]
)  # fmt: skip
"""Words of a name that AWS leaves out in one place and not in another."""

Key = tuple[str, ...]


@lru_cache(maxsize=8192)
def name_keys(name: str) -> frozenset[Key]:
    """What a marketing name comes down to, however it is written."""
    text = re.sub(r"[\s_-]+v\s?1(?:[.:]0)?\s*\.?$", "", name.strip(), flags=re.IGNORECASE)
    text = re.sub(r"(\d)\.0(?!\d)", r"\1", text)
    parts = (re.findall(r"[a-z]+|\d+", text.lower()), re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", text))
    return frozenset(_key(words) for words in parts)


def _key(words: list[str]) -> Key:
    kept = [word.lower() for word in words if word.lower() not in _LEFT_OUT]
    return tuple(sorted("embed" if word in ("embeddings", "embedding") else word for word in kept))


@lru_cache(maxsize=1024)
def model_keys(model_id: str) -> frozenset[Key]:
    """The names a model may go by."""
    bare = bare_model_id(model_id)
    return frozenset(key for name in _names_of(bare) for key in name_keys(name))


def _names_of(bare: str) -> Iterator[str]:
    yield from read_data("model_names")["names"].get(bare, [])
    text = re.sub(r"-20\d{6}", "", bare.partition(".")[2])
    text = re.sub(r"(?:-1)?:\d+$", "", text)
    yield text
    yield re.sub(r"-a\d+b|-25\d\d", "", re.sub(r"-v1$", "", text))
