"""Batch jobs of a run: submitted exactly once, queued, waited for, stopped, cleaned up after."""

from collections.abc import Sequence

import pandas as pd

from bbkit import aws
from bbkit.core.arguments import as_names
from bbkit.core.errors import InputError, RunError
from bbkit.core.frames import as_frame
from bbkit.jobs.inputs import Progress, list_media_inputs
from bbkit.jobs.submissions import name_job, stop_job, submit_queue
from bbkit.jobs.waiting import wait_for_jobs
from bbkit.run import Run, as_run
from bbkit.run.job_rows import event_of
from bbkit.run.journal import PATIENT, TERMINAL, JobState, latest_states
from bbkit.run.record_files import on_demand_attempts
from bbkit.run.transfers import fetch_outputs

__all__ = ["clean_run", "list_jobs", "plan_jobs", "stop_jobs", "submit_jobs", "wait_for_jobs"]

PLAN_COLUMNS = {
    "job": "string",
    "job_name": "string",
    "attempt": "Int64",
    "submission": "Int64",
    "files": "Int64",
    "records": "Int64",
    "bytes": "Int64",
}
"""One row per job to be created."""

_AGAIN = tuple(status for status in TERMINAL if status != "Completed")


def plan_jobs(run: Run, *, again: Sequence[str] | str = ()) -> pd.DataFrame:
    """Tell which jobs `submit_jobs` would create now; nothing is changed but what AWS says is journalled.

    Parameters
    ----------
    run : Run
        A run with records.
    again : sequence of str or str
        As for `submit_jobs`.

    Returns
    -------
    pandas.DataFrame
        One row per job to be created: ``job, job_name, attempt, submission, files, records, bytes``; empty
        when there is nothing to submit. ``estimate_cost(run, jobs=plan["job"])`` says what they may cost.

    Raises
    ------
    bbkit.core.errors.InputError
        `again` names another status.
    bbkit.core.errors.RunError
        The run has no records.
    bbkit.core.errors.PlaceError, bbkit.core.errors.CredentialsError
        Calls go elsewhere than the run was made for, or there are no credentials; only where AWS must be
        asked.
    bbkit.core.errors.AwsError
        AWS refused or did not answer.
    """
    run = as_run(run)
    statuses = _statuses_again(again)
    _refuse_empty(run)
    run.refresh_jobs()
    rows = []
    for state in _due(run, statuses):
        files = [file for file in run.record_files(state.attempt) if file.job == state.job]
        rows.append({
            "job": state.job,
            "job_name": name_job(run, state),
            "attempt": state.attempt,
            "submission": state.submission,
            "files": len(files),
            "records": sum(file.records for file in files),
            "bytes": sum(file.bytes for file in files),
        })  # fmt: skip
    return as_frame(rows, PLAN_COLUMNS)


def _statuses_again(again: Sequence[str] | str) -> list[str]:
    hint = " Single records of a completed job are sent again with retry_records."
    return as_names(again, "again=", _AGAIN, hint)


def _refuse_empty(run: Run) -> None:
    if not run.record_files():
        raise RunError(f"Run {run.name!r} has no records. Write them with write_records(records, run).")


def _due(run: Run, again: Sequence[str]) -> list[JobState]:
    """The jobs to create: never submitted, in the queue, taken from it, or ended and asked for again."""
    latest, few = latest_states(run.journal.states()), on_demand_attempts(run.folder)
    due = []
    for job, attempt in {file.job: file.attempt for file in run.record_files()}.items():
        known = latest.get(job)
        if known is None and attempt not in few:
            due.append(JobState(job, attempt, 1))
        elif known and known.ended and known.status in again:
            due.append(JobState(job, attempt, known.submission + 1))
        elif known and not known.job_arn:
            due.append(known)
    return due


def submit_jobs(
    run: Run, *, again: Sequence[str] | str = (), progress: Progress | None = None
) -> pd.DataFrame:
    """Submit every job of a run that was not submitted yet; safe to call at any time, from anywhere.

    Inputs are uploaded, then each job is created. What exceeds the account's quota of concurrent jobs stays
    queued in the journal and is submitted by whichever process waits or watches.

    Parameters
    ----------
    run : Run
        A run with records.
    again : sequence of str or str
        Statuses (``Failed``, ``Expired``, ``Stopped``, ``PartiallyCompleted``) whose ended jobs are
        submitted once more, as new jobs over the same records.
    progress : callable, optional
        Called with the bytes uploaded so far and the bytes to upload, of each job; by default an upload that
        takes long writes a line every ten seconds to standard error.

    Returns
    -------
    pandas.DataFrame
        The jobs table: one row per submission of a job, status NA while queued.

    Raises
    ------
    bbkit.core.errors.InputError
        `again` names another status.
    bbkit.core.errors.PlaceError
        The run was made for another endpoint, account or region; nothing was changed.
    bbkit.core.errors.CredentialsError
        There are no credentials, or they have expired; what was submitted until then is journalled.
    bbkit.core.errors.RunError
        The run has no records, or too few for a job; or a file is not the one that was written, and the
        others were submitted.
    bbkit.core.errors.AwsError
        AWS refused a job for another reason than being busy; the others were submitted.
    """
    run = as_run(run)
    statuses = _statuses_again(again)
    _refuse_empty(run)
    files = run.record_files()
    if {file.attempt for file in files} <= on_demand_attempts(run.folder):
        raise RunError(
            f"The {sum(file.records for file in files):,} records of {run.name!r} are too few for a job. "
            "Send them with send_on_demand(run)."
        )
    run.check_endpoint()
    if statuses:
        run.refresh_jobs()
    _queue(run, statuses)
    trouble = submit_queue(run, patient=False, progress=progress)
    if trouble is not None and getattr(trouble, "code", "") not in PATIENT:
        raise trouble
    return run.refresh_jobs()


def _queue(run: Run, again: Sequence[str]) -> None:
    events = [
        {**event_of("queued", state), "job_name": name_job(run, state)}
        for state in _due(run, again)
        if state.withdrawn or not state.job_name
    ]
    if events:
        run.journal.append(*events)


def list_jobs(run: Run) -> pd.DataFrame:
    """Ask AWS how the jobs of a run are doing.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    pandas.DataFrame
        The jobs table: one row per submission of a job, status NA while queued.

    Raises
    ------
    bbkit.core.errors.PlaceError, bbkit.core.errors.CredentialsError
        Calls go elsewhere than the run was made for, or there are no credentials.
    bbkit.core.errors.RunError
        The journal is damaged.
    bbkit.core.errors.AwsError
        AWS told of no job: it refused or did not answer.
    """
    run = as_run(run)
    return run.refresh_jobs()


def stop_jobs(run: Run, job_arns: Sequence[str] | str | None = None) -> pd.DataFrame:
    """Stop jobs; what they did until then is kept and charged. One that has ended meanwhile is left as it is.

    Parameters
    ----------
    run : Run
        The run.
    job_arns : sequence of str, optional
        Only these; by default all, and what is queued is taken from the queue.

    Returns
    -------
    pandas.DataFrame
        The jobs table; a stopped job is ``Stopping`` before it is ``Stopped``.

    Raises
    ------
    bbkit.core.errors.InputError
        An ARN is not one of this run.
    bbkit.core.errors.PlaceError, bbkit.core.errors.CredentialsError
        Calls go elsewhere than the run was made for, or there are no credentials.
    bbkit.core.errors.RunError
        The journal is damaged.
    bbkit.core.errors.AwsError
        AWS refused or did not answer.
    """
    run = as_run(run)
    run.check_endpoint()
    run.refresh_jobs()
    states = run.journal.states()
    chosen = [job_arns] if isinstance(job_arns, str) else job_arns
    if chosen is not None and (foreign := sorted(set(chosen) - {state.job_arn for state in states})):
        raise InputError(f"{foreign[0]!r} is no job of run {run.name!r}. list_jobs(run) shows them.")
    if chosen is None and (queued := [state for state in states if state.queued]):
        run.journal.append(*(event_of("withdrawn", state) for state in queued))
        # One of them may have been created between the look and this line.
        run.refresh_jobs()
        states = run.journal.states()
    for state in states:
        if state.job_arn and not state.ended and (chosen is None or state.job_arn in chosen):
            stop_job(state)
    return run.refresh_jobs()


def clean_run(run: Run, *, delete: bool = False) -> pd.DataFrame:
    """List, or delete, the objects a run left in S3."""
    run = as_run(run)
    run.check_endpoint()
    if delete:
        _secure_outputs(run)
    found = [*aws.list_objects(run.s3_prefix), *list_media_inputs(run)]
    if delete:
        aws.delete_objects(item.uri for item in found)
    return as_frame(
        ({"uri": item.uri, "bytes": item.size} for item in found), {"uri": "string", "bytes": "Int64"}
    )


def _secure_outputs(run: Run) -> None:
    run.refresh_jobs()
    states = run.journal.states()
    if any(state.open for state in states):
        raise RunError(f"Jobs of run {run.name!r} have not ended. Wait for them, or stop them, then clean.")
    for state in states:
        if state.ended and state.job_arn and state.job_arn != run.adopted.get("job_arn"):
            fetch_outputs(run, state)
