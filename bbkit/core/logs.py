"""What bbkit logs: names and ids of calls, files and jobs, never a text of a record. Quiet unless asked."""

import logging
import os

LOG = logging.getLogger("bbkit")
LOG.addHandler(logging.NullHandler())

if (_asked := os.environ.get("BBKIT_LOG", "").upper()) not in ("", "0", "OFF"):
    _handler = logging.StreamHandler()
    _handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    LOG.addHandler(_handler)
    LOG.propagate = False  # a program that logs by itself would say all of it twice
    LOG.setLevel(logging.getLevelNamesMapping().get(_asked, logging.INFO))
