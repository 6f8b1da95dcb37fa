"""What AWS says of a job, as events for the journal and rows for the jobs table."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bbkit import aws
from bbkit.run.journal import TERMINAL, JobState, latest_states
from bbkit.run.record_files import RecordFile

_COUNTS = {
    "records": "totalRecordCount",
    "processed": "processedRecordCount",
    "succeeded": "successRecordCount",
    "errored": "errorRecordCount",
}
_TIMES = {"submitted_at": "submitTime", "ended_at": "endTime", "expires_at": "jobExpirationTime"}


def find_job(job_name: str) -> str:
    """Find a job by its exact name, over all pages of the list.

    Parameters
    ----------
    job_name : str
        The name.

    Returns
    -------
    str
        Its ARN; empty when AWS has no such job.
    """
    found = (job["jobArn"] for job in aws.list_jobs(name_contains=job_name) if job.get("jobName") == job_name)
    return next(found, "")


def read_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Take from an answer of GetModelInvocationJob what the journal keeps.

    Parameters
    ----------
    answer : mapping
        As the API names it.

    Returns
    -------
    dict
        ``status, message``, counts and times; what AWS did not say is left out.
    """
    names = {"status": "status", "message": "message", **_COUNTS, **_TIMES}
    return {name: answer[key] for name, key in names.items() if answer.get(key) is not None}


def tell_unsent(states: Iterable[JobState]) -> list[str]:
    """Say of each job that AWS refused for good, or that was taken from the queue, what to do.

    Parameters
    ----------
    states : iterable of JobState
        As the journal gives them.

    Returns
    -------
    list of str
        A sentence each; none for jobs that run, ended or wait in the queue.
    """
    told = []
    for state in latest_states(states).values():
        if state.withdrawn:
            told.append(f"{state.job_name} was taken from the queue; submit_jobs(run) submits it.")
        elif state.queued and not state.open:
            told.append(f"{state.job_name} was refused: {state.refused} Mend it, then submit_jobs(run).")
    return told


def is_news(before: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Tell whether an answer is worth a line of the journal.

    Parameters
    ----------
    before, seen : mapping
        The last that was journalled, and the answer.

    Returns
    -------
    bool
        True for another status or message, and when the counts moved by a hundredth of the job: hours of
        counting must not make a journal of megabytes.
    """
    if any(before.get(name) != seen.get(name) for name in ("status", "message", "ended_at")):
        return True
    moved = seen.get("processed", 0) - before.get("processed", 0)
    return moved * 100 > seen.get("records", 0) or (
        moved > 0 and seen.get("processed") == seen.get("records")
    )


def seen_event(state: JobState, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Make the event for what AWS said of a job.

    Parameters
    ----------
    state : JobState
        The job.
    seen : mapping
        As `read_answer` gives it.

    Returns
    -------
    dict
        ``ended`` for a terminal status, otherwise ``status``.
    """
    return {
        **event_of("ended" if seen.get("status") in TERMINAL else "status", state),
        "job_arn": state.job_arn,
        "seen": dict(seen),
    }


def event_of(name: str, state: JobState) -> dict[str, Any]:
    """Begin an event about one submission of a job.

    Parameters
    ----------
    name : str
        Kind of event.
    state : JobState
        The job.

    Returns
    -------
    dict
        ``event, job, attempt, submission``.
    """
    return {"event": name, "job": state.job, "attempt": state.attempt, "submission": state.submission}


def job_row(state: JobState, files: Sequence[RecordFile]) -> dict[str, Any]:
    """Make a row of the jobs table.

    Parameters
    ----------
    state : JobState
        The job.
    files : sequence of RecordFile
        Its input files; empty where they are not known.

    Returns
    -------
    dict
        Columns of `JOB_COLUMNS`; what is not known is left out.
    """
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
