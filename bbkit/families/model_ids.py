"""What a model id says: its family, where it runs, what the model refuses. Tables, never a guess."""

import re
from functools import lru_cache
from typing import NamedTuple

_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:[a-z0-9-]*:\d{0,12}:([a-z-]+)/(.+)", re.DOTALL)
_CONTEXT = re.compile(r":\d+k$")
_GEOGRAPHY = re.compile(r"(us|eu|apac|jp|au|ca|us-gov|global)\.(?=[a-z0-9-]+\.)")

_GEOGRAPHIES_OF = {
    "us-gov": ("us-gov",),
    "us": ("us",),
    "ca": ("us", "ca"),
    "eu": ("eu",),
    "il": ("eu",),
    "ap-northeast-1": ("apac", "jp"),
    "ap-northeast-3": ("apac", "jp"),
    "ap-southeast-2": ("apac", "au"),
    "ap-southeast-4": ("apac", "au"),
    "ap": ("apac",),
    "me": ("apac",),
}
"""Geographies of the inference profiles that a region may have, by region or how its name begins:
https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html"""

_FAMILIES = (
    (r"anthropic\.claude", "anthropic"),
    (r"amazon\.nova-.*embed", "nova_embed"),
    (r"amazon\.nova-(2-)?(micro|lite|pro|premier|omni)", "nova"),
    (r"amazon\.titan-embed-image", "titan_embed_image"),
    (r"amazon\.titan-embed", "titan_embed_text"),
    (r"amazon\.titan-(text|tg1)", "titan_text"),
    (r"meta\.llama", "llama"),
    (r"mistral\.(mistral-7b|mixtral|mistral-small-2402|mistral-large-2402)", "mistral_text"),
    (r"mistral\.mistral-large-2407", "mistral_chat"),
    (r"mistral\.", "openai_chat"),
    (r"deepseek\.r1", "deepseek_r1"),
    (r"deepseek\.v3", "openai_chat"),
    (r"openai\.gpt-", "openai_chat"),
    (
        r"(qwen\.qwen|google\.gemma|minimax\.|moonshot(ai)?\.kimi|nvidia\.nemotron|zai\.glm)",
        "openai_chat",
    ),
    (r"cohere\.command-r", "cohere_command"),
    (r"cohere\.embed", "cohere_embed"),
    (r"ai21\.jamba", "ai21"),
)


def split_model_id(model_id: str) -> tuple[str, str, str]:
    """Take a model id apart: the kind of resource, the geography, the bare model id."""
    kind, name = "", model_id.strip()
    if arn := _ARN.fullmatch(name):
        kind, name = arn[1], arn[2]
        if kind == "custom-model":
            return kind, "", _CONTEXT.sub("", name.split("/")[0])
    if prefix := _GEOGRAPHY.match(name):
        return kind or "inference-profile", prefix[1], name[prefix.end() :]
    return kind, "", name


def geographies_of(region: str) -> tuple[str, ...]:
    """The geographies whose inference profiles a region may have, ``global`` aside."""
    parts = region.split("-")
    names = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((_GEOGRAPHIES_OF[name] for name in names if name in _GEOGRAPHIES_OF), ())


@lru_cache(maxsize=1024)
def bare_model_id(model_id: str) -> str:
    """The foundation-model id inside a model id: without ARN and geographic prefix."""
    return split_model_id(model_id)[2]


@lru_cache(maxsize=1024)
def family_name(model_id: str) -> str:
    """The name of the family that a model id names, or ``""`` when the id does not say."""
    kind, _, bare = split_model_id(model_id)
    if kind not in ("", "foundation-model", "inference-profile", "custom-model"):
        return ""
    return next((name for pattern, name in _FAMILIES if re.match(pattern, bare)), "")


_TEXT_ONLY = re.compile(
    r"amazon\.nova-micro|meta\.llama3-(8b|70b|1-|3-|2-[13]b)|mistral\.(mistral-large-240|devstral)"
    r"|openai\.gpt-oss|qwen\.qwen3-(?!vl)|deepseek\.|minimax\.minimax-m2|moonshot\.kimi-k2-thinking"
    r"|nvidia\.nemotron-nano-(9b|3-30b)|zai\.glm-4\.7"
)
"""Models whose only input is text: https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html
and the card of each model beside it."""

_CLAUDE = re.compile(
    r"claude-(?:(\d)(?:-(\d))?-)?(haiku|sonnet|opus)(?:-(\d)(?!\d)(?:-(\d)(?!\d))?)?(?![a-z])"
)


class ClaudeTraits(NamedTuple):
    """What one Claude model refuses; everything False for a model whose version is not known."""

    one_sampler: bool = False
    no_sampling: bool = False
    no_prefill: bool = False
    no_adaptive: bool = False
    no_thinking: bool = False


@lru_cache(maxsize=256)
def is_text_only(model_id: str) -> bool:
    """Whether the model with a bare model id is known to take text only."""
    return _TEXT_ONLY.match(model_id) is not None


@lru_cache(maxsize=256)
def claude_traits(model_id: str) -> ClaudeTraits:
    """Tell what a Claude model refuses from the version in its bare model id."""
    match = _CLAUDE.search(model_id)
    if not match:
        return ClaudeTraits()
    name = match[3]
    version = (int(match[1] or match[4] or 0), int(match[2] or match[5] or 0))
    if version == (0, 0):
        return ClaudeTraits()
    return ClaudeTraits(
        one_sampler=version == (4, 5) and name in ("sonnet", "haiku"),
        no_sampling=version >= (5, 0) or (name == "opus" and version >= (4, 7)),
        no_prefill=version >= (4, 6),
        no_adaptive=version <= (4, 5),
        no_thinking=version < (3, 7),
    )
