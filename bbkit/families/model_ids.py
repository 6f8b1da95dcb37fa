"""What a model id says: its family and where it runs. Tables, never a guess."""

import re
from functools import cache, lru_cache

from bbkit.core.files import read_data

_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:[a-z0-9-]*:\d{0,12}:([a-z-]+)/(.+)", re.DOTALL)
_CONTEXT = re.compile(r":\d+k$")
_UNLISTED = ("ai21", "cohere", "stability", "twelvelabs")
"""Providers of whom the table of models has none."""

_TELLING = ("", "foundation-model", "inference-profile")


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
    known = read_data("families")["families"].items()
    return next((name for name, row in known if "ids" in row and re.match(row["ids"], bare)), "")
