"""What bbkit logs: names and ids of calls, files and jobs, never a text of a record. Quiet unless asked.

And how it writes to a terminal: texts of records, keys and messages of AWS shall not steer that.
"""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any
from warnings import catch_warnings

from bbkit.core.text import show_controls

LOG = logging.getLogger("bbkit")
LOG.addHandler(logging.NullHandler())


class ShownStream:
    """A stream to which control characters are written as they are named, but for lines and tabs."""

    def __init__(self, stream: Any):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text."""
        return int(self._stream.write(show_controls(text, keep="\n\t")))


@contextmanager
def showing_controls() -> Iterator[None]:
    """Let all that is printed go through a `ShownStream`, and warnings be a sentence."""
    with redirect_stdout(ShownStream(sys.stdout)), redirect_stderr(ShownStream(sys.stderr)), catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"bbkit: {message}", file=sys.stderr)
        yield


if (_asked := os.environ.get("BBKIT_LOG", "").upper()) not in ("", "0", "OFF"):
    _handler = logging.StreamHandler(ShownStream(sys.stderr))
    _handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    LOG.addHandler(_handler)
    LOG.propagate = False  # a program that logs by itself would say all of it twice
    LOG.setLevel(logging.getLevelNamesMapping().get(_asked, logging.INFO))
