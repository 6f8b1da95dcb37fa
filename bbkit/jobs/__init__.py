"""Batch jobs of a run: submitted exactly once, queued, waited for, stopped, cleaned up after.

Each call reads the run once into a snapshot and hands it down; only the guard around Create reads the journal
again. `submissions` brings the queue to AWS, `waiting` holds the loop over the jobs that `wait_for_jobs` and
the watch of `watches` share, `preflight` looks before money is spent.
"""

from collections.abc import Sequence

import pandas as pd

from bbkit import aws
from bbkit.core.errors import AwsError, InputError, RunError, as_names
from bbkit.core.frames import COUNT, TEXT, as_frame
from bbkit.jobs.submissions import Report, name_job, stop_job, submit_queue
from bbkit.jobs.waiting import wait_for_jobs
from bbkit.run import Run, RunSnapshot, as_run
from bbkit.run.journal import TERMINAL, JobState
from bbkit.run.remote_jobs import fetch_outputs, refresh_jobs

__all__ = ["clean_run", "list_jobs", "stop_jobs", "submit_jobs", "wait_for_jobs"]

PLAN_COLUMNS = {
    **dict.fromkeys(("job", "job_name"), TEXT),
    **dict.fromkeys(("attempt", "submission", "files", "records", "bytes"), COUNT),
}
"""One row per job to be created."""

_AGAIN = tuple(status for status in TERMINAL if status != "Completed")
_HINT = " Single records of a completed job are sent again with retry_records."


def submit_jobs(
    run: Run,
    *,
    again: Sequence[str] | str = (),
    dry_run: bool = False,
    progress: Report | None = None,
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
    dry_run : bool
        Only tell which jobs would be created now; nothing is changed but what AWS says is journalled, and it
        is asked only where a job has not ended.
    progress : callable, optional
        Called with the bytes uploaded so far and the bytes to upload, of each job; by default an upload that
        takes long writes a line every ten seconds to standard error.

    Returns
    -------
    pandas.DataFrame
        The jobs table: one row per submission of a job, status NA while queued. With `dry_run` one row per
        job to be created: ``job, job_name, attempt, submission, files, records, bytes``; empty when there is
        nothing to submit. ``estimate_cost(run, jobs=plan["job"])`` says what they may cost.

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
    statuses = as_names(again, "again=", _AGAIN, _HINT)
    snapshot = RunSnapshot.read(as_run(run))
    snapshot.require_records()
    if dry_run:
        snapshot, rows = refresh_jobs(snapshot), []
        for state in _list_due(snapshot, statuses):
            files, job_name = snapshot.jobs[state.job], name_job(snapshot.run, state)
            sizes = {name: sum(getattr(file, name) for file in files) for name in ("records", "bytes")}
            rows.append({**vars(state), "job_name": job_name, "files": len(files), **sizes})
        return as_frame(rows, PLAN_COLUMNS, "Nothing to submit.")
    if {file.attempt for file in snapshot.files} <= snapshot.below_minimum:
        raise RunError(
            f"The {sum(file.records for file in snapshot.files):,} records of {snapshot.run.name!r} are too "
            "few for a job. Send them with send_on_demand(run)."
        )
    snapshot.access.ensure()
    if statuses:
        snapshot = refresh_jobs(snapshot)
    new = [state for state in _list_due(snapshot, statuses) if state.withdrawn or not state.job_name]
    events = [state.event("queued", job_name=name_job(snapshot.run, state)) for state in new]
    snapshot = snapshot.after(*events)
    snapshot, last_error = submit_queue(snapshot, refused_too=True, progress=progress)
    if isinstance(last_error, AwsError) and aws.is_unanswered(last_error):
        rest = "What is not sent stays queued; wait_for_jobs(run) goes on."
        raise AwsError(f"{last_error} {rest}", last_error.code) from last_error
    if last_error is not None and not aws.is_passing(last_error):
        raise last_error
    return refresh_jobs(snapshot).table()


def _list_due(snapshot: RunSnapshot, again: Sequence[str]) -> list[JobState]:
    """The jobs to create: never submitted, in the queue, taken from it, or ended and asked for again."""
    due = []
    for job, files in snapshot.jobs.items():
        attempt, known = files[0].attempt, snapshot.latest.get(job)
        if known is None and attempt not in snapshot.below_minimum:
            due.append(JobState(job, attempt, 1))
        elif known and known.ended and known.status in again:
            due.append(JobState(job, attempt, known.submission + 1))
        elif known and not known.job_arn:
            due.append(known)
    return due


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
    return refresh_jobs(RunSnapshot.read(as_run(run))).table()


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
    snapshot = RunSnapshot.read(as_run(run))
    snapshot.access.ensure()
    snapshot = refresh_jobs(snapshot)
    chosen = [job_arns] if isinstance(job_arns, str) else job_arns
    if chosen is not None and (foreign := sorted(set(chosen) - {state.job_arn for state in snapshot.states})):
        raise InputError(f"{foreign[0]!r} is no job of run {snapshot.run.name!r}. list_jobs(run) shows them.")
    if chosen is None and (queued := [state for state in snapshot.states if state.queued]):
        snapshot.after(*(state.event("withdrawn") for state in queued))
        # A fresh read on purpose: one of them may have been created between the look and this line.
        snapshot = refresh_jobs(snapshot.replay_again())
    for state in snapshot.states:
        if state.in_flight and (chosen is None or state.job_arn in chosen):
            stop_job(snapshot, state)
    return refresh_jobs(snapshot).table()


def clean_run(run: Run, *, delete: bool = False) -> pd.DataFrame:
    """List, or delete, the objects a run left in S3."""
    snapshot = RunSnapshot.read(as_run(run))
    snapshot.access.ensure()
    if delete:
        snapshot = refresh_jobs(snapshot)
        if snapshot.open:
            name = snapshot.run.name
            raise RunError(f"Jobs of run {name!r} have not ended. Wait for them, or stop them, then clean.")
        for state in snapshot.states:
            if state.ended and state.job_arn and state.job_arn != snapshot.run.adopted.get("job_arn"):
                fetch_outputs(snapshot, state)
    media = sorted({file.media for file in snapshot.files if file.media})
    prefixes = [snapshot.run.s3_prefix, *(f"{folder}{snapshot.run.label}-" for folder in media)]
    objects = [item for prefix in prefixes for item in aws.list_objects(prefix)]
    if delete:
        aws.delete_objects(item.uri for item in objects)
    rows = ({"uri": item.uri, "bytes": item.size} for item in objects)
    return as_frame(rows, {"uri": TEXT, "bytes": COUNT}, "Nothing is left in S3.")
