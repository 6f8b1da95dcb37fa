"""How far something is, told while it lasts: on a terminal as a line that is written over, nowhere else.

A kernel that ``bbkit report`` started has the terminal of whoever typed that in ``BBKIT_TERMINAL``.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from bbkit.core.text import show_controls

TERMINAL = "BBKIT_TERMINAL"
_AFTER, _EVERY = 2.0, 0.2
_ERASE = "\r\x1b[K"


def in_kernel() -> bool:
    """Whether a notebook's kernel runs this: what it writes to standard error is a red box."""
    return type(sys.stderr).__module__ == "ipykernel.iostream"


def name_terminal() -> str:
    """The device of the terminal on standard error; nothing where that is a pipe or a file."""
    is_shown = sys.__stderr__ is not None and sys.__stderr__.isatty() and hasattr(os, "ttyname")
    return os.ttyname(2) if is_shown else ""


def show_status(text: str) -> None:
    """Write a line to the terminal, where there is one; the next takes its place."""
    text = show_controls(text, keep="\n")
    if not in_kernel():
        if sys.__stderr__ is not None and sys.__stderr__.isatty():
            sys.__stderr__.write(f"{_ERASE}{text}")
            sys.__stderr__.flush()
    elif terminal := os.environ.get(TERMINAL):
        with suppress(OSError), Path(terminal).open("w", encoding="utf-8") as stream:
            stream.write(f"{_ERASE}{text}")


def write_line(text: str) -> None:
    """Write a line about what goes on, with the time: to standard error, in a notebook to its output."""
    line = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC  {text}"
    show_status(f"{line}\n" if in_kernel() else "")
    print(line, file=sys.stdout if in_kernel() else sys.stderr, flush=True)


class Progress:
    """Adds up bytes, and rows, of something with an end, and shows them with their rate after two seconds."""

    def __init__(self, what: str, total: int, report: Callable[[int, int], object] | None = None):
        self._what, self._total, self._report = what, total, report
        self.done = self.rows = 0
        self._begun = self._shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._shown > self._begun:
            show_status("")

    def __call__(self, some: int, rows: int = 0) -> None:
        """Take note of `some` more bytes."""
        self.done, self.rows = self.done + some, self.rows + rows
        if self._report:
            self._report(self.done, self._total)
        now = time.monotonic()
        if now - self._begun < _AFTER or now - self._shown < _EVERY:
            return
        self._shown = now
        rows_so_far = f"{self.rows:,} rows, " if self.rows else ""
        megabytes = f"{self.done / 1e6:,.0f} of {self._total / 1e6:,.0f} MB"
        show_status(
            f"{self._what}: {rows_so_far}{megabytes}, {self.done / 1e6 / (now - self._begun):,.0f} MB/s"
        )
