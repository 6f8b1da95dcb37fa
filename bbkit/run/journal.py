"""The journal of a run: JSON lines that are only ever added to, each on disk before its writer goes on.

What became of each job follows from its lines alone.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock

from bbkit import aws
from bbkit.core.errors import AwsError, RunError
from bbkit.core.files import is_read_only, require_inside

TERMINAL = ("Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired")
"""Statuses after which nothing changes; any other, known or not, is waited on.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetModelInvocationJob.html
"""

_TIMES = ("submitted_at", "ended_at", "expires_at")


@dataclass(frozen=True)
class JobState:
    """What the journal says of one submission of one job."""

    job: str
    attempt: int
    submission: int
    job_name: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    job_arn: str = ""
    seen: Mapping[str, Any] = field(default_factory=dict)
    refused: str = ""
    refused_code: str = ""
    withdrawn: bool = False
    unwanted: bool = False
    last_error: AwsError | None = None
    at: datetime | None = None
    since: datetime | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.job, self.submission

    @property
    def status(self) -> str:
        """The job's status; empty while it is queued."""
        return self.seen.get("status", "") or ("Submitted" if self.job_arn else "")

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL

    @property
    def in_flight(self) -> bool:
        return bool(self.job_arn) and not self.ended

    @property
    def queued(self) -> bool:
        """Whether it is meant to be submitted and has no ARN yet."""
        return not self.job_arn and not self.withdrawn

    @property
    def unconfirmed(self) -> bool:
        """Whether a request was intended whose answer is not known: the job may be there."""
        return bool(self.request) and not self.job_arn

    @property
    def open(self) -> bool:
        """Whether waiting can still change it: it runs, or it is queued and was not refused for good."""
        return self.in_flight or (self.queued and (not self.refused or aws.is_passing(self.refused_code)))

    def event(self, name: str, **values: Any) -> dict[str, Any]:
        """An event about this submission of the job."""
        about = {"event": name, "job": self.job, "attempt": self.attempt, "submission": self.submission}
        return about | values


@dataclass(frozen=True)
class Journal:
    """The file ``jobs.jsonl`` of a run."""

    path: Path

    def append(self, *events: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Add events, in one write that is on disk when this returns; give them as they will be read."""
        lines = _lines(events)
        require_inside(self.path, self.path.parent)
        with FileLock(self.path.with_name(f".{self.path.name}.lock")), self.path.open("ab+") as stream:
            _cut_torn_line(stream)
            stream.write("".join(f"{line}\n" for line in lines).encode())
            stream.flush()
            os.fsync(stream.fileno())
        return [json.loads(line) for line in lines]

    def note(self, *events: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Add what AWS says, as `append` does; where nobody may write, give it alone: AWS says it again."""
        try:
            return self.append(*events) if events else []
        except OSError as error:
            if not is_read_only(error):
                raise
        return [json.loads(line) for line in _lines(events)]

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


def _lines(events: Iterable[Mapping[str, Any]]) -> list[str]:
    at = _as_text(datetime.now(UTC))
    return [json.dumps({"at": at, **event}, default=_as_text) for event in events]


def _cut_torn_line(stream: BinaryIO) -> None:
    stream.seek(max(stream.seek(0, os.SEEK_END) - 1, 0))
    if stream.read(1) not in (b"", b"\n"):
        stream.seek(0)
        stream.truncate(stream.read().rfind(b"\n") + 1)


def _as_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} cannot be journalled")


def replay(events: Iterable[Mapping[str, Any]], known: Iterable[JobState] = ()) -> tuple[JobState, ...]:
    """Follow events, from what is known, to the state each job is in."""
    states = {state.key: state for state in known}
    for event in events:
        if "job" in event:
            new = JobState(event["job"], event["attempt"], event["submission"])
            state, at = states.get(new.key, new), datetime.fromisoformat(event["at"])
            after = replace(state, **_changes(state, event), at=at)
            is_other = state.since is None or after.status != state.status
            states[new.key] = replace(after, since=at) if is_other else after
    return tuple(states.values())


def latest_states(states: Iterable[JobState]) -> dict[str, JobState]:
    """Take the latest submission of each job."""
    return {state.job: state for state in sorted(states, key=lambda state: state.submission)}


_ACCEPTED = {"refused": "", "refused_code": ""}


def _changes(state: JobState, event: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    match event["event"]:
        case "queued":
            changes = {"withdrawn": False, "job_name": event.get("job_name", "")}
        case "withdrawn":
            changes = {"withdrawn": not state.job_arn}
        case "intent":
            changes = {"request": event["request"], "job_name": event["request"]["jobName"]} | _ACCEPTED
        case "refused":
            changes = {"refused": event["message"], "refused_code": event.get("code", "")}
        case "submitted":
            changes = {
                "job_arn": event["job_arn"],
                "job_name": event.get("job_name") or state.job_name,
                "unwanted": state.unwanted or state.withdrawn,
                "withdrawn": False,
                **_ACCEPTED,
            }
        case "status" | "ended":
            changes, seen = {"job_arn": state.job_arn or event.get("job_arn", "")}, event["seen"]
            # A slower process may write what it saw before the end after another wrote the end.
            # Counts that were slow come after the end.
            is_later = seen.get("processed", 0) > state.seen.get("processed", 0)
            if not state.ended or (event["event"] == "ended" and is_later):
                times = {name: datetime.fromisoformat(seen[name]) for name in _TIMES if seen.get(name)}
                changes["seen"] = {**seen, **times}
    return changes
