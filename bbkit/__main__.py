import sys

from bbkit.cli import main

sys.exit(main())
