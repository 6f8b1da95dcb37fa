"""What a report is made of, and where it comes from: the run, its jobs, versions, the command for it."""

import os
import platform
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bbkit import __version__
from bbkit.core.errors import BbkitError
from bbkit.report.notebooks import Notebook
from bbkit.report.numbers import Gate, check_gates, collect_numbers, gather_bundles

_PACKAGES = ("boto3", "pandas", "plotly", "papermill")


@dataclass(frozen=True)
class Fact:
    """One line of the provenance: a name and its values, shown as code when they are to be copied."""

    name: str
    values: tuple[str, ...]
    is_code: bool = False


@dataclass(frozen=True)
class ReportContext:
    """What a report is made of: a notebook, how it was executed, what was asked for and what follows."""

    source: Notebook
    executed: Notebook
    output: Path
    cwd: Path
    title: str = ""
    with_text: bool = False
    gates: Sequence[Gate] = ()
    failure: str = ""

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The value of every parameter, given or by default."""
        return {p.name: p.default for p in self.source.parameters.values()} | self.executed.given

    @cached_property
    def bundles(self) -> list[dict[str, Any]]:
        """The results that the notebook's outputs carry for machines."""
        return gather_bundles(self.executed.node)

    @cached_property
    def numbers(self) -> dict[str, Any]:
        """The numbers of these results by name."""
        return collect_numbers(self.bundles)

    @cached_property
    def failed_on(self) -> tuple[str, ...]:
        """The conditions of ``--fail-on`` that are met."""
        return check_gates([gate for gate in self.gates if gate.name in self.numbers], self.bundles)

    @cached_property
    def made_at(self) -> str:
        """When the page was made."""
        return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"

    @cached_property
    def run(self) -> Any:
        """The run that the notebook is about, from its own files; None where there is none."""
        return _open_run(self.parameters.get("run_folder"), self.cwd)

    @property
    def is_standin(self) -> bool:
        """Whether a stand-in answered."""
        return self.run is not None and bool(self.run.endpoint.is_standin)


def describe_provenance(context: ReportContext) -> list[Fact]:
    """Gather where a report comes from; reads the run's own files, never AWS."""
    source = context.source
    reported = {name: values for bundle in context.bundles for name, values in bundle["facts"].items()}
    versions = {"Python": platform.python_version(), "bbkit": __version__}
    versions |= {package: version(package) for package in _PACKAGES}
    return [
        Fact("Made", (context.made_at,)),
        Fact("Notebook", (f"{source.path.name}, sha256 {source.sha256[:16]}",)),
        *(_run_facts(context.run) if context.run is not None else ()),
        *(Fact(name, values) for name, values in reported.items()),
        Fact("Versions", (", ".join(f"{name} {number}" for name, number in versions.items()),)),
        Fact("Make it again", (_command(context),), is_code=True),
    ]


def _open_run(folder: Any, cwd: Path) -> Any:
    from bbkit.run import Run

    if not isinstance(folder, str) or not (cwd / folder / "run.json").is_file():
        return None
    try:
        return Run.open(cwd / folder)
    except (BbkitError, OSError, ValueError, KeyError):
        return None


def _run_facts(run: Any) -> list[Fact]:
    from bbkit.run import RunSnapshot

    where = f"{run.endpoint.url}, region {run.endpoint.region}, account {run.endpoint.account}"
    made = f"made {run.created_at:%Y-%m-%d %H:%M} UTC with bbkit {run.bbkit_version}"
    facts = [
        Fact("Run", (f"{run.name}, id {run.run_id}, {made}",)),
        Fact("Model", (f"{run.model_id} (family {run.family})",)),
        Fact("Service", (where + ("; a stand-in, not Amazon Bedrock" if run.endpoint.is_standin else ""),)),
    ]
    jobs = RunSnapshot.read(run).table().dropna(subset=["job_arn"])
    arns = [f"{row.job_arn} {row.status}" for row in jobs.itertuples()]
    if arns:
        more = (f"and {len(arns) - 20:,} more",) if len(arns) > 20 else ()
        facts.append(Fact("Jobs", (*arns[:20], *more), is_code=True))
    facts.append(Fact("Texts were stored under", _storage(run), is_code=True))
    return facts


def _storage(run: Any) -> tuple[str, ...]:
    files = run.record_files()
    media = sorted({file.media for file in files if file.media})
    if not run.adopted:
        return (run.s3_prefix, *media)
    theirs = filter(None, (run.adopted.get("input_uri"), run.adopted.get("output_uri")))
    later = any(file.attempt > 1 for file in files)
    return (*theirs, *((run.s3_prefix, *media) if later else ()))


def _command(context: ReportContext) -> str:
    words = ["bbkit", "report", _short(context.source.path)]
    for name, value in context.executed.given.items():
        words += ["-p", name, _short(Path(value)) if _is_path(value) else str(value)]
    words += ["-o", _short(context.output)]
    words += ["--with-text"] * context.with_text
    words += ["--title", context.title] if context.title else []
    for gate in context.gates:
        words += ["--fail-on", *str(gate).split()]
    return shlex.join(words)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("/") and Path(value).exists()


def _short(path: Path) -> str:
    """Name a path as seen from the working directory; of one far from it the last part alone, since folders
    such as a home are nobody's business.
    """
    path, here = path.resolve(), Path.cwd()
    return os.path.relpath(path, here) if path.parts[1:2] == here.parts[1:2] else path.name
