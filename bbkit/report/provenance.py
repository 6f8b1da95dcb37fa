"""What a report is made of, and where it comes from: the run, its jobs, versions, the command for it."""

import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from bbkit import __version__
from bbkit.core.errors import BbkitError
from bbkit.core.files import find_shared
from bbkit.core.gates import Gate
from bbkit.core.masks import Finder
from bbkit.core.versions import list_versions
from bbkit.records.building import read_prompt
from bbkit.report.notebooks import Notebook
from bbkit.report.numbers import check_gates, collect_numbers, gather_bundles
from bbkit.report.patterns import read_patterns

_VERSIONED = ("Python", "bbkit", "boto3", "pandas", "plotly", "papermill")


@dataclass(frozen=True)
class ReportContext:
    """What a report is made of: a notebook, how it was executed, what was asked for and what follows."""

    source: Notebook
    executed: Notebook
    output: Path
    cwd: Path
    title: str = ""
    with_text: bool = False
    with_ids: bool = False
    gates: Sequence[Gate] = ()
    failure: str = ""
    note: str = ""

    @cached_property
    def parameters(self) -> dict[str, Any]:
        return {p.name: p.default for p in self.source.parameters.values()} | self.executed.given

    @cached_property
    def patterns(self) -> list[tuple[str, Finder]]:
        """What the organisation has masked beside what is always masked, with each pattern's name."""
        return [] if self.with_text else read_patterns(self.parameters, self.cwd)

    @cached_property
    def bundles(self) -> list[dict[str, Any]]:
        """The results that the notebook's outputs carry for machines."""
        return gather_bundles(self.executed.node)

    @cached_property
    def numbers(self) -> dict[str, Any]:
        return collect_numbers(self.bundles)

    @property
    def warnings(self) -> list[str]:
        """What the notebook warned of, beside its findings."""
        told = [bundle["rows"] for bundle in self.bundles if bundle.get("kind") == "warnings"]
        return [str(row["finding"]) for row in (told[-1] if told else [])]

    @cached_property
    def failed_on(self) -> tuple[str, ...]:
        return check_gates([gate for gate in self.gates if gate.name in self.numbers], self.bundles)

    @cached_property
    def made_at(self) -> str:
        return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"

    @cached_property
    def run(self) -> Any:
        """The run that the notebook is about, from its own files; None where there is none."""
        from bbkit.run import Run

        folder = self.parameters.get("run_folder")
        if not isinstance(folder, str) or not (self.cwd / folder / "run.json").is_file():
            return None
        try:
            return Run.open(self.cwd / folder)
        except (BbkitError, OSError, ValueError, KeyError):
            return None

    @cached_property
    def provenance(self) -> dict[str, list[str]]:
        """Where the report comes from, by name; of the run's own files, never of AWS."""
        notebook = f"{self.source.path.name}, sha256 {self.source.sha256[:16]}"
        facts = {"Made": [self.made_at], "Notebook": [notebook]}
        if self.run is not None:
            facts |= _run_facts(self.run)
        reported = {name: values for bundle in self.bundles for name, values in bundle["facts"].items()}
        versions = {"bbkit": __version__} | list_versions()
        return {
            **facts,
            **{name: values for name, values in reported.items() if name not in facts},
            "Versions": [", ".join(f"{name} {versions[name]}" for name in _VERSIONED)],
            "Make it again": [_command(self)],
        }

    @cached_property
    def asked(self) -> dict[str, str]:
        """What the run asked of the model, by name; texts of records only where those are shown."""
        return _list_asked(self.run, with_text=self.with_text) if self.run else {}

    @property
    def is_standin(self) -> bool:
        return self.run is not None and bool(self.run.endpoint.is_standin)


def _list_asked(run: Any, *, with_text: bool) -> dict[str, str]:
    sent = next((file.path for file in run.record_files() if file.path.is_file()), None)
    body = _first_body(sent) if sent else {}
    parameters, of_first = run.parameters, ""
    if sent and not run.prompt:
        parameters, of_first = dict(_list_numbers(body)), " (of the first record)"
    first = read_prompt(body) if body and with_text else ""
    asked = {
        "Prompt": run.prompt or ("Each record came with a prompt of its own." if sent else ""),
        "System": run.system,
        f"Parameters{of_first}": "\n".join(f"{name}: {value}" for name, value in parameters.items()),
        "Schema": json.dumps(run.schema, indent=2, ensure_ascii=False) if run.schema else "",
        "The first record, as the model read it": first,
    }
    return {name: text for name, text in asked.items() if text}


def _first_body(records: Path) -> dict[str, Any]:
    with records.open("rb") as lines:
        try:
            body = json.loads(lines.readline())["modelInput"]
        except (ValueError, TypeError, KeyError):
            return {}
    return body if isinstance(body, dict) else {}


def _list_numbers(body: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """The numbers and truths of a body, such as ``inferenceConfig.maxTokens``; texts may be anyone's."""
    for name, value in body.items():
        if isinstance(value, int | float):
            yield f"{within}{name}", value
        elif isinstance(value, dict) and not within:
            yield from _list_numbers(value, f"{name}.")


def _run_facts(run: Any) -> dict[str, list[str]]:
    from bbkit.run import RunSnapshot

    where = f"{run.endpoint.url}, region {run.endpoint.region}, account {run.endpoint.account}"
    made = f"made {run.created_at:%Y-%m-%d %H:%M} UTC with bbkit {run.bbkit_version}"
    facts = {
        "Run": [f"{run.name}, id {run.run_id}, {made}"],
        "Model": [f"{run.model_id} ({f'{run.model}, ' if run.model else ''}family {run.family})"],
        "Service": [where + ("; a stand-in, not Amazon Bedrock" if run.endpoint.is_standin else "")],
    }
    snapshot = RunSnapshot.read(run)
    if run.structured:
        facts["Schema"] = [snapshot.summarize()["schema"]]
    jobs = snapshot.table().dropna(subset=["job_arn"])
    arns = [f"{row.job_arn} {row.status}" for row in jobs.itertuples()]
    if arns:
        facts["Jobs"] = arns[:20] + ([f"and {len(arns) - 20:,} more"] if len(arns) > 20 else [])
    if again := [text for attempt in snapshot.lineage if (text := _describe_cures(snapshot, attempt))]:
        facts["Sent again"] = again
    facts["Texts were stored under"] = _list_storage(run)
    return facts


def _describe_cures(snapshot: Any, attempt: int) -> str:
    """What was done to the records of an attempt; a note or another way of asking changes the prompt."""
    chosen = snapshot.lineage[attempt]
    done = [f"{count:,} {cause} ({cure})" for cause, cure, count in chosen.get("cures", ())]
    until = f", until {chosen['until']}" if "until" in chosen else ""
    where = f"each record's in records/{attempt}-cures.parquet"
    return f"attempt {attempt}: {', '.join(done)}{until}; {where}" if done else ""


def _list_storage(run: Any) -> list[str]:
    files = run.record_files()
    ours = [run.s3_prefix, *sorted({file.media for file in files if file.media})]
    if not run.adopted:
        return ours
    theirs = filter(None, (run.adopted.get("input_uri"), run.adopted.get("output_uri")))
    return [*theirs, *(ours if any(file.attempt > 1 for file in files) else ())]


def _command(context: ReportContext) -> str:
    source = context.source.path
    shared = find_shared("notebooks") / source.name
    words = ["bbkit", "report", source.stem if source.resolve() == shared.resolve() else _short(source)]
    for name, value in context.executed.given.items():
        words += ["-p", name, _short(Path(value)) if _is_path(value) else str(value)]
    words += ["-o", _short(context.output)]
    words += ["--with-text"] * context.with_text + ["--with-ids"] * context.with_ids
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
