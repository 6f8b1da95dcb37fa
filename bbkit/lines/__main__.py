"""A process that reads shares of output files for the one that collects."""

import pickle
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from shutil import rmtree


def main() -> None:
    """Say that it is up, then read each share asked for into a file; the end of the connection is its own."""
    # pyarrow would load what it can do without: this takes less than half the time to come up.
    sys.modules.update(dict.fromkeys(("numpy", "pandas")))  # type: ignore[arg-type]
    from bbkit.lines.reading import read_share

    place = ""
    try:
        with Connection(int(sys.argv[1])) as asked:
            while True:
                asked.send(place)
                place, share = asked.recv()
                Path(place).write_bytes(pickle.dumps(read_share(*share)))
    except (EOFError, ConnectionError):  # whoever asked was killed
        rmtree(sys.argv[2], ignore_errors=True)


if __name__ == "__main__":
    main()
