"""What a model id says: its family and where it runs. Tables, never a guess."""

import re
from functools import cache, lru_cache

from bbkit.core.files import read_data

_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:[a-z0-9-]*:\d{0,12}:([a-z-]+)/(.+)", re.DOTALL)
_CONTEXT = re.compile(r":\d+k$")
_UNLISTED = ("ai21", "cohere", "stability", "twelvelabs")
"""Providers of whom the table of models has none."""

_TELLING = ("", "foundation-model", "inference-profile")

_FAMILIES = (
    (r"anthropic\.claude", "anthropic"),
    (r"amazon\.nova-.*embed", "nova_embed"),
    (r"amazon\.nova-(\d+-)?(micro|lite|pro|premier|omni)", "nova"),
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


@cache
def _geography() -> re.Pattern[str]:
    """What stands before a known provider, and the geographies of old before any."""
    listed = {model["model_id"].partition(".")[0] for model in read_data("models")["models"]}
    providers = "|".join(sorted({*_UNLISTED, *listed}))
    return re.compile(
        rf"(us|eu|apac|jp|au|ca|us-gov|global)\.(?=[a-z0-9-]+\.)|([a-z-]{{2,8}})\.(?=({providers})\.)"
    )


def split_model_id(model_id: str) -> tuple[str, str, str]:
    """Take a model id apart: the kind of resource, the geography, the bare model id."""
    kind, name = "", model_id.strip()
    if arn := _ARN.fullmatch(name):
        kind, name = arn[1], arn[2]
        if kind == "custom-model":
            return kind, "", _CONTEXT.sub("", name.split("/")[0])
    if prefix := _geography().match(name):
        return kind or "inference-profile", prefix[0][:-1], name[prefix.end() :]
    return kind, "", name


@lru_cache(maxsize=1024)
def bare_model_id(model_id: str) -> str:
    """The foundation-model id inside a model id: without ARN and geographic prefix."""
    return split_model_id(model_id)[2]


def tells_model(model_id: str) -> bool:
    """Whether an id names its model; that of an application inference profile, say, does not."""
    return split_model_id(model_id)[0] in _TELLING or bool(family_name(model_id))


@lru_cache(maxsize=1024)
def family_name(model_id: str) -> str:
    """The name of the family that a model id names, or ``""`` when the id does not say."""
    kind, _, bare = split_model_id(model_id)
    if kind not in (*_TELLING, "custom-model"):
        return ""
    return next((name for pattern, name in _FAMILIES if re.match(pattern, bare)), "")
