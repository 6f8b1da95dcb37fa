"""The journal of a run: JSON lines that are only ever added to, each on disk before its writer goes on.

What became of each job follows from its lines alone.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from bbkit.core.errors import AwsError, RunError

TERMINAL = ("Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired")
"""Statuses after which nothing changes; any other, known or not, is waited on.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetModelInvocationJob.html
"""

PATIENT = (
    "ServiceQuotaExceededException",
    "ThrottlingException",
    "TooManyRequestsException",
    "MediaFolderBusy",
)
"""Codes of a refusal that time cures: the job stays queued and whoever waits tries again."""

_TIMES = ("submitted_at", "ended_at", "expires_at")


@dataclass
class JobState:
    """What the journal says of one submission of one job."""

    job: str
    attempt: int
    submission: int
    job_name: str = ""
    request: dict[str, Any] = field(default_factory=dict)
    job_arn: str = ""
    seen: dict[str, Any] = field(default_factory=dict)
    refused: str = ""
    refused_code: str = ""
    withdrawn: bool = False
    unwanted: bool = False
    trouble: AwsError | None = None
    at: datetime | None = None
    since: datetime | None = None

    @property
    def status(self) -> str:
        """The job's status; empty while it is queued."""
        return self.seen.get("status", "") or ("Submitted" if self.job_arn else "")

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in TERMINAL

    @property
    def queued(self) -> bool:
        """Whether it is meant to be submitted and has no ARN yet."""
        return not self.job_arn and not self.withdrawn

    @property
    def lost(self) -> bool:
        """Whether a request was intended whose answer is not known: the job may be there."""
        return bool(self.request) and not self.job_arn

    @property
    def to_stop(self) -> bool:
        """Whether it runs though it was taken from the queue."""
        return self.unwanted and not self.ended and self.status != "Stopping"

    @property
    def open(self) -> bool:
        """Whether waiting can still change it: it runs, or it is queued and was not refused for good."""
        if self.job_arn:
            return not self.ended
        return not self.withdrawn and (not self.refused or self.refused_code in PATIENT)


class Journal:
    """The file ``jobs.jsonl`` of a run."""

    def __init__(self, path: Path):
        self.path = path

    def append(self, *events: Mapping[str, Any]) -> None:
        """Add events, in one write that is on disk when this returns."""
        at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        text = "".join(json.dumps({"at": at, **event}, default=_iso) + "\n" for event in events)
        with FileLock(self.path.with_name(f".{self.path.name}.lock")), self.path.open("ab+") as stream:
            whole = _whole_length(stream)
            if whole != stream.seek(0, os.SEEK_END):
                stream.truncate(whole)
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())

    def read(self) -> list[dict[str, Any]]:
        """Read every event, without a last line that was not finished."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        events = []
        for number, line in enumerate(data.split(b"\n")[:-1], 1):
            try:
                event = json.loads(line)
                event["event"]
            except (ValueError, TypeError, KeyError) as error:
                raise RunError(
                    f"Line {number} of {self.path.name} is no event of a journal ({line[:60]!r}). Restore "
                    "the file from a copy, or adopt the jobs by their ARNs."
                ) from error
            events.append(event)
        return events

    def states(self) -> list[JobState]:
        """Read what became of each job."""
        return replay(self.read())


def latest_states(states: Iterable[JobState]) -> dict[str, JobState]:
    """Take the latest submission of each job."""
    return {state.job: state for state in sorted(states, key=lambda state: state.submission)}


def _whole_length(stream: Any) -> int:
    end = stream.seek(0, os.SEEK_END)
    start = end
    while start:
        step = min(start, 1 << 16)
        start -= step
        stream.seek(start)
        found = stream.read(step).rfind(b"\n")
        if found >= 0:
            return start + found + 1
    return 0


def _iso(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} cannot be journalled")


def replay(events: Iterable[Mapping[str, Any]]) -> list[JobState]:
    """Follow the events to the state each job is in."""
    states: dict[tuple[str, int], JobState] = {}
    for event in events:
        if "job" not in event:
            continue
        key = (event["job"], event["submission"])
        state = states.setdefault(key, JobState(event["job"], event["attempt"], event["submission"]))
        _follow(state, event)
    return list(states.values())


def _follow(state: JobState, event: Mapping[str, Any]) -> None:
    at = datetime.fromisoformat(event["at"])
    before = state.status
    match event["event"]:
        case "queued":
            state.withdrawn, state.job_name = False, event.get("job_name", "")
        case "withdrawn":
            state.withdrawn = not state.job_arn
        case "intent":
            state.request, state.job_name = event["request"], event["request"]["jobName"]
            state.refused, state.refused_code = "", ""
        case "refused":
            state.refused, state.refused_code = event["message"], event.get("code", "")
        case "submitted":
            state.job_arn, state.refused, state.refused_code = event["job_arn"], "", ""
            state.job_name = event.get("job_name") or state.job_name
            state.unwanted = state.unwanted or state.withdrawn
            state.withdrawn = False
        case "status" | "ended":
            # A slower process may write what it saw before the end after another wrote the end.
            # Counts that were slow come after the end.
            state.job_arn = state.job_arn or event.get("job_arn", "")
            more = event["event"] == "ended" and _processed(event["seen"]) > _processed(state.seen)
            if not state.ended or more:
                state.seen = {
                    name: datetime.fromisoformat(value) if name in _TIMES and value else value
                    for name, value in event["seen"].items()
                }
    state.at = at
    if state.since is None or state.status != before:
        state.since = at


def _processed(seen: Mapping[str, Any]) -> int:
    return seen.get("processed", 0)
