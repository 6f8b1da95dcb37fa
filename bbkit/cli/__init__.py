"""The command line: each command translates its arguments into one call of the package.

`parsing` makes a function a command, `commands` holds them, `main` runs one. Exit status: 0 success,
1 findings or records not accounted for, 2 bad use or an error with a sentence, 75 not ended yet
(``wait --timeout``), 130 interrupted, 141 nobody reads the output any more.
"""

import json
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout

import bbkit as bb
from bbkit.cli import commands as commands  # registers them
from bbkit.cli.parsing import COMMANDS as COMMANDS, PARSER
from bbkit.core.errors import BbkitError
from bbkit.core.logs import ShownStream

SUCCESS, BAD_USE, INTERRUPTED, BROKEN_PIPE = 0, 2, 130, 141


def _show_warning(message: Warning | str, *where: object) -> None:
    print(f"bbkit: warning: {message}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        if set(argv) == {"--version", "--json"}:
            from bbkit.core.versions import list_versions

            print(json.dumps({"bbkit": bb.__version__, **list_versions()}, indent=1), flush=True)
            return SUCCESS
        options, unknown = PARSER.parse_known_args(argv)
        if unknown:
            options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        with (
            redirect_stdout(ShownStream(sys.stdout)),
            redirect_stderr(ShownStream(sys.stderr)),
            warnings.catch_warnings(),
        ):
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            status = int(options.command(options))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read has enough, such as ``| head``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (BbkitError, OSError) as error:
        found = str(error)
        if not isinstance(error, BbkitError):
            found = f"{error.filename or 'the system'}: {error.strerror or error}"
        print(f"bbkit: {found}", file=ShownStream(sys.stderr))
        return BAD_USE
    except KeyboardInterrupt:
        print("bbkit: interrupted", file=sys.stderr)
        return INTERRUPTED
