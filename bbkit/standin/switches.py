"""What the switches of the command line may say; each refusal is one sentence."""

import argparse
import math
import os
import re
from typing import Any

from bbkit.standin.faults import check_calls, read_faults
from bbkit.standin.settings import Limits, read_pace

_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}")
_OF_OPENAI = ("base_url", "model", "api_key_env", "concurrency")


def check_switches(arguments: argparse.Namespace) -> None:
    """Refuse switches that would fail later, or silently do nothing."""
    read_pace(arguments.speed)
    _check_faults(arguments.fault)
    if not _REGION.fullmatch(arguments.region):
        raise ValueError(f"--region takes the name of a region, such as us-east-1, not '{arguments.region}'.")
    if not 0 <= arguments.port <= 65535:
        raise ValueError(f"--port takes a number from 0 (any free one) to 65535, not {arguments.port}.")
    if arguments.workers < 0:
        raise ValueError(f"--workers takes 0 (one per core, at most 4) or more, not {arguments.workers}.")
    for name in Limits.__dataclass_fields__:
        number = getattr(arguments, name)
        least = 0 if name.endswith("_gb") else 1
        if number is not None and not (least <= number < math.inf and number > 0):
            switch = "--" + name.replace("_", "-")
            raise ValueError(f"{switch} takes a number above 0, not {number}.")


def _check_faults(texts: list[str]) -> None:
    faults = read_faults(texts)
    check_calls(faults, by_tag=False)


def read_profiles(texts: list[str]) -> dict[str, str]:
    """Read ``NAME=MODEL`` of each ``--profile``."""
    from bbkit.standin.models import model_list, split_geography

    profiles = {}
    for text in texts:
        name, _, model = text.partition("=")
        if not name or not model:
            raise ValueError(
                f"--profile takes NAME=MODEL, such as team-a=amazon.nova-lite-v1:0, not '{text}'."
            )
        if split_geography(model)[1] not in model_list():
            raise ValueError(
                f"--profile {name} names '{model}', which is no model that batch inference lists."
            )
        profiles[name] = model
    return profiles


def read_engine(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read the options of the engine."""
    given = {name: getattr(arguments, name) for name in _OF_OPENAI if getattr(arguments, name) is not None}
    if arguments.engine != "openai":
        if given:
            switches = ", ".join("--" + name.replace("_", "-") for name in given)
            raise ValueError(f"{switches} needs --engine openai; the extractive engine asks no server.")
        return {}
    if not arguments.base_url or not arguments.model:
        raise ValueError("--engine openai needs --base-url and --model.")
    variable = given.pop("api_key_env", "")
    key = os.environ.get(variable, "") if variable else ""
    if variable and not key:
        raise ValueError(f"--api-key-env names {variable}, which is not set.")
    options = given | ({"api_key": key} if key else {})
    from bbkit.standin.engines import make_engine

    make_engine("openai", **options)  # refuses now what every job would stumble over
    return options
