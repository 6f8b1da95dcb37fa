"""Engines: what answers the records of a job."""

from typing import Any

from bbkit.standin.engines.base import Engine, EngineError, Interrupted, Media, Reply, Request, Turn
from bbkit.standin.engines.extractive import ExtractiveEngine

ENGINES = ("extractive", "openai")


def make_engine(name: str = "extractive", **options: Any) -> Engine:
    """Make an engine by name.

    Parameters
    ----------
    name : str
        'extractive' (quotes the text; no options) or 'openai' (any OpenAI-compatible server).
    **options
        For 'openai': `base_url`, `model`, `api_key`, `concurrency`, `timeout` (seconds), `attempts`.

    Raises
    ------
    ValueError
        The name is not an engine's, or an option is not one of its options.
    """
    if name == "extractive":
        if options:
            raise ValueError(f"The extractive engine has no options; found {', '.join(sorted(options))}.")
        return ExtractiveEngine()
    if name == "openai":
        from bbkit.standin.engines.openai import OpenAIEngine

        return OpenAIEngine(**options)
    raise ValueError(f"No engine is named {name!r}; the engines are {' and '.join(ENGINES)}.")


__all__ = [
    "ENGINES",
    "Engine",
    "EngineError",
    "Interrupted",
    "Media",
    "Reply",
    "Request",
    "Turn",
    "make_engine",
]
