"""Where a report comes from: the run, its jobs and places, versions, and the command that makes it again."""

import hashlib
import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bbkit.core.errors import BbkitError

_PACKAGES = ("bbkit", "boto3", "pandas", "plotly", "papermill", "nbconvert")


@dataclass(frozen=True)
class Fact:
    """One line of the provenance: a name and its values, shown as code when they are to be copied."""

    name: str
    values: tuple[str, ...]
    is_code: bool = False


@dataclass(frozen=True)
class Provenance:
    """What a report says of its origin."""

    facts: tuple[Fact, ...]
    is_standin: bool
    run_name: str
    made_at: str


def describe_origin(
    notebook: Path,
    output: Path,
    given: Mapping[str, Any],
    effective: Mapping[str, Any],
    options: Sequence[str],
    bundles: Sequence[Mapping[str, Any]],
    cwd: Path,
) -> Provenance:
    """Gather where a report comes from; reads the run's own files, never AWS."""
    run = _open_run(effective.get("run_folder"), cwd)
    made_at = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    facts = [Fact("Made", (made_at,))]
    if notebook.is_file():
        digest = hashlib.sha256(notebook.read_bytes()).hexdigest()
        facts.append(Fact("Notebook", (f"{notebook.name}, sha256 {digest[:16]}",)))
    facts += _run_facts(run) if run is not None else []
    told = {name: values for bundle in bundles for name, values in bundle["facts"].items()}
    facts += [Fact(name, values) for name, values in told.items()]
    versions = [f"Python {platform.python_version()}", *filter(None, map(_version, _PACKAGES))]
    facts.append(Fact("Versions", (", ".join(versions),)))
    facts.append(Fact("Make it again", (_command(notebook, output, given, options),), is_code=True))
    is_standin = run is not None and run.endpoint.is_standin
    return Provenance(tuple(facts), is_standin, run.name if run is not None else "", made_at)


def _open_run(folder: Any, cwd: Path) -> Any:
    from bbkit.run import Run

    if not isinstance(folder, str) or not (cwd / folder / "run.json").is_file():
        return None
    try:
        return Run.open(cwd / folder)
    except (BbkitError, OSError, ValueError, KeyError):
        return None


def _run_facts(run: Any) -> list[Fact]:
    where = f"{run.endpoint.url}, region {run.endpoint.region}, account {run.endpoint.account}"
    facts = [
        Fact(
            "Run",
            (
                f"{run.name}, id {run.run_id}, made {run.created_at:%Y-%m-%d %H:%M} UTC "
                f"with bbkit {run.bbkit_version}",
            ),
        ),
        Fact("Model", (f"{run.model_id} (family {run.family})",)),
        Fact("Service", (where + ("; a stand-in, not Amazon Bedrock" if run.endpoint.is_standin else ""),)),
    ]
    jobs = run.jobs().dropna(subset=["job_arn"])
    arns = [f"{row.job_arn} {row.status}" for row in jobs.itertuples()]
    if arns:
        more = (f"and {len(arns) - 20:,} more",) if len(arns) > 20 else ()
        facts.append(Fact("Jobs", (*arns[:20], *more), is_code=True))
    facts.append(Fact("Texts were stored under", _places(run), is_code=True))
    return facts


def _places(run: Any) -> tuple[str, ...]:
    files = run.record_files()
    media = sorted({file.media for file in files if file.media})
    if not run.adopted:
        return (run.s3_prefix, *media)
    theirs = filter(None, (run.adopted.get("input_uri"), run.adopted.get("output_uri")))
    later = any(file.attempt > 1 for file in files)
    return (*theirs, *((run.s3_prefix, *media) if later else ()))


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""


def _command(notebook: Path, output: Path, given: Mapping[str, Any], options: Sequence[str]) -> str:
    words = ["bbkit", "report", _short(notebook)]
    for name, value in given.items():
        words += ["-p", name, _short(Path(value)) if _is_path(value) else str(value)]
    return shlex.join([*words, "-o", _short(output), *options])


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("/") and Path(value).exists()


def _short(path: Path) -> str:
    """Name a path as seen from the working directory; of one far from it the last part alone, since folders
    such as a home are nobody's business.
    """
    path, here = path.resolve(), Path.cwd()
    return os.path.relpath(path, here) if path.parts[1:2] == here.parts[1:2] else path.name
