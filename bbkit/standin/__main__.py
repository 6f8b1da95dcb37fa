"""``python -m bbkit.standin DIR`` starts a stand-in and answers until it is stopped."""

import argparse
import math
import os
import re
import sqlite3
import sys
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}")
_OF_OPENAI = ("base_url", "model", "api_key_env", "concurrency")


def build_parser() -> argparse.ArgumentParser:
    from bbkit.standin.faults import write_help

    parser = argparse.ArgumentParser(
        prog="bbkit standin",
        description="A stand-in for Amazon Bedrock batch inference on this machine: bedrock, "
        "bedrock-runtime, s3, service-quotas, sts:GetCallerIdentity and iam:GetRole behind one endpoint.",
        epilog=write_help()
        + "\n\nThen, in another shell:  set -a; . DIR/standin.env; aws bedrock list-model-invocation-jobs",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("folder", metavar="DIR", type=Path, help="where everything is kept; made if it is not there")
    what = "start nothing; list the last calls that were refused, by client, with the reason"
    add("--why", action="store_true", help=what)
    add("--port", type=int, default=0, help="default: the one of last time, or a free one")
    add("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    add("--allow-host", action="append", default=[], metavar="NAME", help="another Host to answer to")
    add("--region", default="us-east-1", help="region in standin.env (default %(default)s)")
    what = "the clock of statuses: instant, fast (default), realistic, or how many times faster than that"
    add("--speed", default="fast", help=what)
    add("--ordered", action="store_true", help="keep the order of the input (default: shuffled)")
    add("--quiet", action="store_true", help="no progress on the console")
    what = "stop when standard input ends, and so with the program that holds its other end"
    add("--stop-on-eof", action="store_true", help=what)
    add("--fault", action="append", default=[], metavar="FAULT", help="see below; may be repeated")
    add("--strict-tokens", action="store_true", help="a token with other parameters is a conflict")
    add("--refuse-few-records", action="store_true", help="Create refuses a job below the minimum")
    what = "the day it is, such as 2026-01-31: models that ended later are served (default: today)"
    add("--as-of", default=date.today().isoformat(), metavar="DATE", help=what)
    what = "an application inference profile"
    add("--profile", action="append", default=[], metavar="NAME=MODEL", help=what)
    _add_quotas(parser)
    _add_engine(parser)
    return parser


def _add_quotas(parser: argparse.ArgumentParser) -> None:
    from bbkit.standin.settings import Limits

    group = parser.add_argument_group("quotas (the defaults are AWS's)")
    notes = {
        "max_job_gb": "default 5, or 100 for three Nova models",
        "max_jobs": "open jobs per model",
        "max_custom_jobs": "open jobs per custom model",
    }
    for name, field in Limits.__dataclass_fields__.items():
        kind = float if name.endswith("_gb") else int
        group.add_argument(_switch(name), type=kind, default=field.default, help=notes.get(name))


def _switch(name: str) -> str:
    return "--" + name.replace("_", "-")


def _add_engine(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("engine").add_argument
    add("--engine", choices=("extractive", "openai"), default="extractive")
    add("--base-url", help="of an OpenAI-compatible server, such as http://localhost:11434/v1")
    add("--model", help="the model that server is asked for")
    add("--api-key-env", metavar="NAME", help="environment variable that holds its key; no other is sent")
    add("--concurrency", type=int, help="requests to it at once (default 4)")
    add("--workers", type=int, default=0, help="engine processes (default: one per core, at most 4)")


def _check_switches(arguments: argparse.Namespace) -> None:
    """Refuse switches that would fail later, or silently do nothing, in one sentence."""
    from bbkit.standin.faults import check_calls, read_faults
    from bbkit.standin.settings import Limits, read_pace

    read_pace(arguments.speed)
    try:
        arguments.as_of = date.fromisoformat(arguments.as_of).isoformat()
    except ValueError:
        raise ValueError(f"--as-of takes a date such as 2026-01-31, not '{arguments.as_of}'.") from None
    check_calls(read_faults(arguments.fault), by_tag=False)
    if not _REGION.fullmatch(arguments.region):
        raise ValueError(f"--region takes the name of a region, such as us-east-1, not '{arguments.region}'.")
    if not 0 <= arguments.port <= 65535:
        raise ValueError(f"--port takes a number from 0 (any free one) to 65535, not {arguments.port}.")
    if arguments.workers < 0:
        raise ValueError(f"--workers takes 0 (one per core, at most 4) or more, not {arguments.workers}.")
    for name in Limits.__dataclass_fields__:
        number = getattr(arguments, name)
        least = 0 if name.endswith("_gb") else 1
        if number is not None and not (least <= number < math.inf and number > 0):
            raise ValueError(f"{_switch(name)} takes a number above 0, not {number}.")


def _read_profiles(texts: list[str]) -> dict[str, str]:
    from bbkit.standin.models import model_list, split_geography

    profiles = {}
    for text in texts:
        name, _, model = text.partition("=")
        if not name or not model:
            example = "team-a=amazon.nova-lite-v1:0"
            raise ValueError(f"--profile takes NAME=MODEL, such as {example}, not '{text}'.")
        if split_geography(model)[1] not in model_list():
            what = f"names '{model}', which is no model that batch inference lists"
            raise ValueError(f"--profile {name} {what}.")
        profiles[name] = model
    return profiles


def _read_engine(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {name: getattr(arguments, name) for name in _OF_OPENAI if getattr(arguments, name) is not None}
    if arguments.engine != "openai":
        if given:
            switches = ", ".join(map(_switch, given))
            raise ValueError(f"{switches} needs --engine openai; the extractive engine asks no server.")
        return {}
    if not arguments.base_url or not arguments.model:
        raise ValueError("--engine openai needs --base-url and --model.")
    variable = given.pop("api_key_env", "")
    key = os.environ.get(variable, "") if variable else ""
    if variable and not key:
        raise ValueError(f"--api-key-env names {variable}, which is not set.")
    options = given | ({"api_key": key} if key else {})
    from bbkit.standin.engine_pool import make_engine

    make_engine("openai", **options)  # refuses now what every job would stumble over
    return options


def _tell_why(folder: Path) -> int:
    from bbkit.standin.logs import tell_refusals

    try:
        print(tell_refusals(folder))
    except OSError as error:
        what = f"{error.filename}: {error.strerror}. Give the folder of a stand-in: bbkit standin --why DIR."
        print(f"bbkit standin: {what}", file=sys.stderr)
        return 2
    return 0


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    if arguments.why:
        return _tell_why(arguments.folder.expanduser())
    import asyncio

    from bbkit.standin.settings import Limits, Settings, keep_private, load_identity

    try:
        from bbkit.standin.databases import disk_fault
        from bbkit.standin.server import FolderInUse, bind, lock_folder, serve
    except ImportError as error:
        remedy = "Type: pip install 'bbkit[standin]'"
        print(f"bbkit standin needs {error.name}, not installed here. {remedy}", file=sys.stderr)
        return 2

    folder: Path = arguments.folder.expanduser().resolve()
    try:
        _check_switches(arguments)
        profiles, options = _read_profiles(arguments.profile), _read_engine(arguments)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds people's words
        lock = lock_folder(folder)
        keep_private(folder)
        identity = load_identity(folder)
        listener = bind(arguments.host, arguments.port, identity.port)
    except (FolderInUse, OSError, ValueError) as error:
        print(f"bbkit standin: {disk_fault(error) or error}", file=sys.stderr)
        return 2
    given = vars(arguments) | {"folder": folder, "faults": tuple(arguments.fault)}
    settings = Settings(
        **{name: given[name] for name in Settings.__dataclass_fields__ if name in given},
        account=identity.account,
        limits=Limits(**{name: given[name] for name in Limits.__dataclass_fields__}),
        application_profiles=profiles,
        engine_options=options,
    )
    serving = serve(settings, identity, listener, arguments.host, arguments.allow_host, arguments.stop_on_eof)
    with lock:
        try:
            asyncio.run(serving)
        except (OSError, sqlite3.Error) as error:
            print(f"bbkit standin: {disk_fault(error) or error}", file=sys.stderr)
            return 2
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(0)  # the threads of jobs stay where they are, for the next start


if __name__ == "__main__":
    sys.exit(main())
