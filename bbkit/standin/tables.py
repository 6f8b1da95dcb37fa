"""Tables, each read once and not to be changed: the stand-in's own, and the dated data files of bbkit."""

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def read_table(name: str) -> Any:
    """A table that lies beside the modules, such as ``shapes/bodies``."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))


def read_dated(name: str) -> Any:
    """A file of ``bbkit/catalog/data``, such as ``models``."""
    return read_table(f"../catalog/data/{name}")
