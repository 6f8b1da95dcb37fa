"""``python -m bbkit`` is the command line."""

import sys

from bbkit.cli import main

sys.exit(main())
