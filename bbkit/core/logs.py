"""What bbkit logs (names and ids, never a text of a record; quiet unless asked), and what it prints."""

import logging
import os
import sys
from typing import Any

from bbkit.core.text import show_controls

LOG = logging.getLogger("bbkit")
LOG.addHandler(logging.NullHandler())


class ShownStream:
    """A stream to which control characters are written by their names, but for lines and tabs."""

    def __init__(self, stream: Any):
        self.stream = stream
        self.write = lambda text: stream.write(show_controls(text, keep="\n\t"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


if (_asked := os.environ.get("BBKIT_LOG", "").upper()) not in ("", "0", "OFF"):
    _handler = logging.StreamHandler(ShownStream(sys.stderr))
    _handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    LOG.addHandler(_handler)
    LOG.propagate = False  # a program that logs by itself would say all of it twice
    LOG.setLevel(logging.getLevelNamesMapping().get(_asked, logging.INFO))
