"""Engines: what answers the records of a job, whatever the model's family.

A shape reads a body into a `Request`, an engine answers it with a `Reply`, and the shape writes that down.
The extractive engine quotes what it was given; the openai engine asks another server.
"""

from typing import Any

from bbkit.standin.engines.base import Engine
from bbkit.standin.engines.extractive import ExtractiveEngine

ENGINES = ("extractive", "openai")


def make_engine(name: str = "extractive", **options: Any) -> Engine:
    """Make an engine by name."""
    if name == "extractive":
        if options:
            raise ValueError(f"The extractive engine has no options; found {', '.join(sorted(options))}.")
        return ExtractiveEngine()
    if name == "openai":
        from bbkit.standin.engines.openai import OpenAIEngine

        return OpenAIEngine(**options)
    raise ValueError(f"No engine is named {name!r}; the engines are {' and '.join(ENGINES)}.")
