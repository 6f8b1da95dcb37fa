"""What the folder of a run says at one moment, read once and handed down; the index of its input files."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bbkit import aws
from bbkit.core.errors import RunError
from bbkit.core.files import require_inside, write_text
from bbkit.core.frames import JOB_COLUMNS, as_frame
from bbkit.core.text import count_noun, name_some
from bbkit.records.splitting import InputFile
from bbkit.run.journal import TERMINAL, JobState, latest_states, replay

if TYPE_CHECKING:
    from bbkit.run.run import Run

Lineage = Mapping[int, Mapping[str, Any]]
"""What each attempt was chosen by."""


@dataclass
class Access:
    """Makes sure that calls go where a run was made for; asks STS anew where who signs has changed."""

    run: "Run"
    checked: object = None

    def ensure(self) -> None:
        """Raise `PlaceError` where calls go elsewhere now."""
        now = aws.find_signer()
        if now != self.checked:
            self.run.check_endpoint()
            self.checked = now


@dataclass(frozen=True)
class RunSnapshot:
    """The input files, attempts and jobs of a run at one moment."""

    run: "Run"
    access: Access
    files: tuple[InputFile, ...]
    lineage: Lineage
    states: tuple[JobState, ...]

    @classmethod
    def read(cls, run: "Run", access: Access | None = None) -> "RunSnapshot":
        """Read the index once and replay the journal once."""
        files, lineage = read_index(run.folder)
        return cls(run, access or Access(run), files, lineage, replay(run.journal.read()))

    def replay_again(self) -> "RunSnapshot":
        """Replay the journal once more, to which other processes may have added."""
        return replace(self, states=replay(self.run.journal.read()))

    def after(self, *events: Mapping[str, Any]) -> "RunSnapshot":
        """Journal events; give what is known then."""
        if not events:
            return self
        return replace(self, states=replay(self.run.journal.append(*events), self.states))

    @cached_property
    def jobs(self) -> dict[str, list[InputFile]]:
        """The input files of each job."""
        jobs: dict[str, list[InputFile]] = {}
        for file in self.files:
            jobs.setdefault(file.job, []).append(file)
        return jobs

    @cached_property
    def latest(self) -> dict[str, JobState]:
        """The latest submission of each job."""
        return latest_states(self.states)

    @property
    def open(self) -> bool:
        """Whether waiting can still change a job."""
        return any(state.open for state in self.states)

    @property
    def last_attempt(self) -> int:
        """The number of the latest attempt; 0 before there are records."""
        return max((file.attempt for file in self.files), default=0)

    @property
    def below_minimum(self) -> set[int]:
        """The attempts that are too small for a batch job."""
        return {attempt for attempt, chosen in self.lineage.items() if chosen.get("tier") == "on_demand"}

    def cure_file(self, attempt: int) -> Path:
        """Where it is kept what was done to each record that an attempt sends again."""
        return self.run.folder / "records" / f"{attempt}-cures.parquet"

    def require_records(self) -> None:
        """Raise where no records were written."""
        if not self.files:
            name = self.run.name
            raise RunError(f"Run {name!r} has no records. Write them with write_records(records, run).")

    def is_sent(self, attempt: int) -> bool:
        """Whether an attempt was submitted or sent on demand."""
        queued = any(state.attempt == attempt and not state.withdrawn for state in self.states)
        return queued or self.run.on_demand_folder(attempt).is_dir()

    def table(self) -> pd.DataFrame:
        """The jobs table: one row per submission of a job, status NA while queued."""
        rows = (_job_row(state, self.jobs.get(state.job, [])) for state in self.states if not state.withdrawn)
        return as_frame(rows, JOB_COLUMNS, "No job was submitted.")

    def describe_unsent(self) -> list[str]:
        """Say of each job that AWS refused for good, or that was taken from the queue, what to do."""
        texts = []
        for state in self.latest.values():
            if state.withdrawn:
                texts.append(f"{state.job_name} was taken from the queue; submit_jobs(run) submits it.")
            elif state.queued and not state.open:
                texts.append(f"{state.job_name} was refused: {state.refused} Mend it, then submit_jobs(run).")
        return texts

    def describe_left(self, last_error: str = "") -> list[str]:
        """Say what of the latest submissions is not completed, why, and what to do."""
        latest, texts = self.latest.values(), self.describe_unsent()
        if still := [state.job_name for state in latest if state.open]:
            what = f"{len(still)} of {count_noun(len(latest), 'job')} not ended ({name_some(still)})"
            texts.insert(0, f"{what}: {last_error or 'wait_for_jobs(run) goes on.'}")
        for status in TERMINAL[1:]:
            messages = {job.job_name: job.seen.get("message") for job in latest if job.status == status}
            if messages:
                what = f"{count_noun(len(messages), 'job')} ended {status} ({name_some(messages)})"
                why = next((f"{message} " for message in messages.values() if message), "")
                texts.append(f"{what}: {why}submit_jobs(run, again=[{status!r}]) submits such jobs again.")
        return texts

    def summarize(self) -> dict[str, str]:
        """Describe the run in a few lines."""
        run = self.run
        records: Counter[int] = Counter()
        for file in self.files:
            records[file.attempt] += file.records
        written = ", ".join(f"{count:,} in attempt {attempt}" for attempt, count in records.items())
        statuses = Counter(state.status or "queued" for state in self.states if not state.withdrawn)
        jobs = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
        known = run.model, run.family or "family not known", run.invocation_type
        asked = {"native": "structured output", "tool": "a forced tool", "prompt": "the prompt"}
        return {
            "folder": str(run.folder),
            "model": f"{run.model_id} ({', '.join(filter(None, known))})",
            "place": str(run.endpoint),
            "S3": run.adopted.get("output_uri") or run.s3_prefix,
            "role": run.role_arn,
            **({"schema": f"asked for by {asked.get(run.structured, '')}"} if run.structured else {}),
            "records": written or "none written yet",
            "jobs": jobs or "none submitted",
        }


def _job_row(state: JobState, files: list[InputFile]) -> dict[str, Any]:
    refused = "" if state.job_arn else state.refused
    return {
        **state.seen,
        "message": str(state.last_error or "") or refused or state.seen.get("message"),
        "records": sum(file.records for file in files) or state.seen.get("records") or None,
        "job_name": state.job_name or None,
        "job_arn": state.job_arn or None,
        "file": files[0].path.name if len(files) == 1 else f"{state.job}/",
        "attempt": state.attempt,
        "submission": state.submission,
        "status": state.status or None,
        "seen_at": state.at,
    }


def read_index(folder: Path) -> tuple[tuple[InputFile, ...], Lineage]:
    """The input files of a run, by attempt and number, and what each attempt was chosen by."""
    records = folder / "records"
    path = records / "index.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        files = [
            InputFile(**{**item, "path": require_inside(records / item["path"], folder)})
            for item in index["files"]
        ]
        lineage = {int(attempt): chosen for attempt, chosen in index["lineage"].items()}
    except FileNotFoundError:
        return (), {}
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(f"{path} does not list the files of a run ({error}). Restore it.") from error
    return tuple(sorted(files, key=lambda file: (file.attempt, file.number))), lineage


def write_index(folder: Path, files: Iterable[InputFile], lineage: Lineage) -> None:
    """Write ``records/index.json``, which is what makes files part of a run."""
    records = folder / "records"
    listed = [{**vars(file), "path": file.path.relative_to(records).as_posix()} for file in files]
    write_text(records / "index.json", json.dumps({"files": listed, "lineage": lineage}, indent=1))
