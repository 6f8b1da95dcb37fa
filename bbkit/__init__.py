"""bbkit, the Bedrock Batch Kit: prepare, launch and explore Amazon Bedrock batch inference.

``import bbkit as bb`` loads nothing heavy: a public name is imported from its room when it is first used.
The names and their rooms are listed once, in ``__init__.pyi``, where type checkers look for them, too.
"""

import ast
import pkgutil
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_ROOMS = {
    alias.name: statement.module
    for statement in ast.parse(pkgutil.get_data(__name__, "__init__.pyi") or b"").body
    if isinstance(statement, ast.ImportFrom)
    for alias in statement.names
}


def __getattr__(name: str) -> Any:
    if name == "__all__":  # for ``import *``: what the extras that are installed give
        return [each for each in sorted(_ROOMS) if _is_installed(each)]
    if name not in _ROOMS:
        raise AttributeError(f"module 'bbkit' has no attribute {name!r}")
    if _ROOMS[name] == __name__:
        return import_module(f"bbkit.{name}")
    return getattr(import_module(_ROOMS[name]), name)


def _is_installed(name: str) -> bool:
    try:
        __getattr__(name)
    except ImportError:
        return False
    return True


def __dir__() -> list[str]:
    return [*sorted(_ROOMS), "__version__"]
