"""What AWS says of a job, as events for the journal and rows for the jobs table."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bbkit import aws
from bbkit.records.staging import InputFile
from bbkit.run.journal import TERMINAL, JobState, latest_states

_COUNTS = {
    "records": "totalRecordCount",
    "processed": "processedRecordCount",
    "succeeded": "successRecordCount",
    "errored": "errorRecordCount",
}
_TIMES = {"submitted_at": "submitTime", "ended_at": "endTime", "expires_at": "jobExpirationTime"}


def find_job(job_name: str) -> str:
    """Find a job by its exact name, over all pages of the list."""
    found = (job["jobArn"] for job in aws.list_jobs(name_contains=job_name) if job.get("jobName") == job_name)
    return next(found, "")


def read_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Take from an answer of GetModelInvocationJob what the journal keeps."""
    names = {"status": "status", "message": "message", **_COUNTS, **_TIMES}
    return {name: answer[key] for name, key in names.items() if answer.get(key) is not None}


def tell_unsent(states: Iterable[JobState]) -> list[str]:
    """Say of each job that AWS refused for good, or that was taken from the queue, what to do."""
    told = []
    for state in latest_states(states).values():
        if state.withdrawn:
            told.append(f"{state.job_name} was taken from the queue; submit_jobs(run) submits it.")
        elif state.queued and not state.open:
            told.append(f"{state.job_name} was refused: {state.refused} Mend it, then submit_jobs(run).")
    return told


def is_news(before: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Tell whether an answer is worth a line of the journal."""
    if any(before.get(name) != seen.get(name) for name in ("status", "message", "ended_at")):
        return True
    moved = seen.get("processed", 0) - before.get("processed", 0)
    return moved * 100 > seen.get("records", 0) or (
        moved > 0 and seen.get("processed") == seen.get("records")
    )


def seen_event(state: JobState, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Make the event for what AWS said of a job."""
    return {
        **event_of("ended" if seen.get("status") in TERMINAL else "status", state),
        "job_arn": state.job_arn,
        "seen": dict(seen),
    }


def event_of(name: str, state: JobState) -> dict[str, Any]:
    """Begin an event about one submission of a job."""
    return {"event": name, "job": state.job, "attempt": state.attempt, "submission": state.submission}


def job_row(state: JobState, files: Sequence[InputFile]) -> dict[str, Any]:
    """Make a row of the jobs table."""
    seen = {name: value for name, value in state.seen.items() if name != "records" or value}
    if files:
        seen["records"] = sum(file.records for file in files)
    if not state.job_arn and state.refused:
        seen["message"] = state.refused
    if state.trouble:
        seen["message"] = str(state.trouble)
    return {
        **seen,
        "job_name": state.job_name or None,
        "job_arn": state.job_arn or None,
        "file": files[0].path.name if len(files) == 1 else f"{state.job}/",
        "attempt": state.attempt,
        "submission": state.submission,
        "status": state.status or None,
        "seen_at": state.at,
    }
