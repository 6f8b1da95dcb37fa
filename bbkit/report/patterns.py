"""An organisation's own patterns, which masks look for too: ``masks.toml``, read before anything runs."""

import os
import time
import tomllib
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bbkit.core.errors import InputError
from bbkit.core.masks import Finder, Mask

VARIABLE = "BBKIT_MASKS"
"""The environment variable that names a file of patterns for every report."""

_START, _END = "\ue000", "\ue001"
_UNMARKED = {ord(_START): " ", ord(_END): " "}
_TRIED = ("a", "0", "ab ", "a1-", "é")
_MOST_SECONDS, _MOST_CHARACTERS = 0.2, 20_000


def read_patterns(parameters: Mapping[str, Any], cwd: Path) -> list[tuple[str, Finder]]:
    """Read ``masks.toml`` of the run and the file ``BBKIT_MASKS`` names; both only add to what is masked."""
    folder, named = parameters.get("run_folder"), os.environ.get(VARIABLE)
    paths = [
        path for path in [cwd / str(folder) / "masks.toml"] if isinstance(folder, str) and path.is_file()
    ]
    paths += [Path(named)] if named else []
    return [found for path in paths for found in _read(path)]


def _read(path: Path) -> Iterator[tuple[str, Finder]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read as patterns for masks: {error}.") from None
    tables = (value if isinstance(value, dict) else {name: value} for name, value in document.items())
    for name, expression in ((name, value) for table in tables for name, value in table.items()):
        finder = partial(_find, expression, name)
        if fault := _fault(name, expression, finder):
            raise InputError(f"The pattern {name!r} in {str(path)!r} cannot be used: {fault}.")
        yield name, finder


def _fault(name: str, expression: object, finder: Finder) -> str:
    """Say what is wrong with a pattern. RE2's time grows with the text alone, so it can be measured."""
    if not isinstance(expression, str):
        return "it is no text, such as 'E-[0-9]{6}'"
    if not name.strip() or {*name} & {*"[]<>&\n"}:
        return "its name, which takes the place of what is found, is empty or has a bracket or a line break"
    try:
        for size, unit in product((0, 100, 1_000, _MOST_CHARACTERS), _TRIED):
            started = time.process_time()
            found = finder(unit * (size // len(unit)))
            if any(start == end for start, end, _ in found):
                return "it matches where there is nothing"
            if time.process_time() - started > _MOST_SECONDS:
                return f"it takes longer than {_MOST_SECONDS} s for {_MOST_CHARACTERS:,} characters"
    except pa.ArrowInvalid as error:
        reason = str(error).removeprefix("Invalid regular expression: ").rstrip(".")
        return (
            f"{reason} (it is RE2's syntax, without look-around: https://github.com/google/re2/wiki/Syntax)"
        )
    return ""


def _find(expression: str, name: str, text: str) -> list[Mask]:
    marked = pc.replace_substring_regex(
        pa.scalar(text.translate(_UNMARKED)), pattern=expression, replacement=rf"{_START}\0{_END}"
    )
    before, *parts = marked.as_py().split(_START)
    masks, position = [], len(before)
    for part in parts:
        inner, _, after = part.partition(_END)
        masks.append((position, position + len(inner), name))
        position += len(inner) + len(after)
    return masks
