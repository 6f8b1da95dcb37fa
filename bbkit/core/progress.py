"""How far something is, told while it lasts: on a terminal as a line that is written over, nowhere else.

A kernel that ``bbkit report`` started has the terminal of whoever typed that in ``BBKIT_TERMINAL``, and in
``BBKIT_REPORT`` what the report keeps of records: ``ids``, ``text``, or neither.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from bbkit.core.text import show_controls

TERMINAL, KEPT = "BBKIT_TERMINAL", "BBKIT_REPORT"
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


@contextmanager
def showing_progress(
    what: str, total: int, report: Callable[[int, int], object] | None = None
) -> Iterator[Callable[..., None]]:
    """Give what adds up bytes, and rows, of something; they are shown with their rate after two seconds."""
    begun = shown = time.monotonic()
    done = rows = 0

    def count(more: int, more_rows: int = 0) -> None:
        nonlocal done, rows, shown
        done, rows, now = done + more, rows + more_rows, time.monotonic()
        if report:
            report(done, total)
        if now - begun >= _AFTER and now - shown >= _EVERY:
            shown, said = now, f"{rows:,} rows, " if rows else ""
            rate = done / 1e6 / (now - begun)
            show_status(f"{what}: {said}{done / 1e6:,.0f} of {total / 1e6:,.0f} MB, {rate:,.0f} MB/s")

    try:
        yield count
    finally:
        if shown > begun:
            show_status("")
