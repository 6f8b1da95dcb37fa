"""Batch jobs of a run: submitted exactly once, queued, waited for, stopped, cleaned up after."""

from collections.abc import Sequence

import pandas as pd

from bbkit import aws
from bbkit.errors import AwsError, InputError, RunError
from bbkit.frames import as_frame
from bbkit.job_rows import event_of
from bbkit.journal import PATIENT, TERMINAL, JobState
from bbkit.record_files import on_demand_attempts
from bbkit.run import Run
from bbkit.submissions import Progress, list_media_inputs, name_job, submit_queue
from bbkit.waiting import wait_for_jobs

__all__ = ["clean_run", "list_jobs", "stop_jobs", "submit_jobs", "wait_for_jobs"]

_AGAIN = tuple(status for status in TERMINAL if status != "Completed")


def submit_jobs(run: Run, *, again: Sequence[str] = (), progress: Progress | None = None) -> pd.DataFrame:
    """Submit every job of a run that was not submitted yet; safe to call at any time, from anywhere.

    Inputs are uploaded, then each job is created. What exceeds the account's quota of concurrent jobs stays
    queued in the journal and is submitted by whichever process waits or watches.

    Parameters
    ----------
    run : Run
        A run with records.
    again : sequence of str
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
    bbkit.errors.PlaceError
        The run was made for another endpoint, account or region; nothing was changed.
    bbkit.errors.CredentialsError
        There are no credentials; nothing was changed.
    bbkit.errors.RunError
        The run has no records.
    bbkit.errors.AwsError
        AWS refused a job for another reason than being busy; the others were submitted.
    """
    statuses = (again,) if isinstance(again, str) else tuple(again)
    if wrong := [status for status in statuses if status not in _AGAIN]:
        raise InputError(
            f"again= names {wrong[0]!r}. It takes {', '.join(_AGAIN)}; single records of a completed job are "
            "sent again with retry_records."
        )
    files = run.record_files()
    if not files:
        raise RunError(f"Run {run.name!r} has no records. Write them with write_records(records, run).")
    if {file.attempt for file in files} <= on_demand_attempts(run.folder):
        raise RunError(
            f"The {sum(file.records for file in files):,} records of {run.name!r} are too few for a job. "
            "Send them with send_on_demand(run)."
        )
    run.check_place()
    if statuses:
        run.refresh_jobs()
    _queue(run, statuses)
    trouble = submit_queue(run, patient=False, progress=progress)
    if trouble is not None and trouble.code not in PATIENT:
        raise trouble
    return run.refresh_jobs()


def _queue(run: Run, again: Sequence[str]) -> None:
    latest: dict[str, JobState] = {}
    for state in run.journal.states():
        latest[state.job] = state
    events = []
    on_demand = on_demand_attempts(run.folder)
    for job, attempt in {file.job: file.attempt for file in run.record_files()}.items():
        if attempt in on_demand:
            continue
        known = latest.get(job)
        if known is None or (known.ended and known.status in again):
            state = JobState(job, attempt, known.submission + 1 if known else 1)
        elif known.withdrawn:
            state = known
        else:
            continue
        events.append({**event_of("queued", state), "job_name": name_job(run, state)})
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
    """
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
    bbkit.errors.InputError
        An ARN is not one of this run.
    bbkit.errors.AwsError
        AWS refused.
    """
    run.check_place()
    run.refresh_jobs()
    states = run.journal.states()
    chosen = [job_arns] if isinstance(job_arns, str) else job_arns
    if chosen is not None and (foreign := sorted(set(chosen) - {state.job_arn for state in states})):
        raise InputError(f"{foreign[0]!r} is no job of run {run.name!r}. list_jobs(run) shows them.")
    if chosen is None and (queued := [state for state in states if state.queued]):
        run.journal.append(*(event_of("withdrawn", state) for state in queued))
    for state in states:
        if state.job_arn and not state.ended and (chosen is None or state.job_arn in chosen):
            _stop(state)
    return run.refresh_jobs()


def _stop(state: JobState) -> None:
    if state.status == "Stopping":
        return
    try:
        aws.stop_job(state.job_arn)
    except AwsError as error:
        # Which of the two AWS answers for a job that has ended is not documented for each case.
        if error.code not in ("ValidationException", "ConflictException"):
            raise
        if aws.get_job(state.job_arn)["status"] not in (*TERMINAL, "Stopping"):
            raise


def clean_run(run: Run, *, delete: bool = False) -> pd.DataFrame:
    """List, or delete, the objects a run left in S3; its folder here is not touched.

    Parameters
    ----------
    run : Run
        The run.
    delete : bool
        Delete them.

    Returns
    -------
    pandas.DataFrame
        One row per object: ``uri`` (string), ``bytes`` (Int64).

    Raises
    ------
    bbkit.errors.RunError
        A job has not ended, and `delete` would take its input or output from under it; or the run was
        adopted, and what lies there is not its own.
    """
    run.check_place()
    if delete and run.adopted:
        raise RunError(f"Run {run.name!r} was adopted; what its job read and wrote is for others to delete.")
    prefix = run.output_uri(run.adopted["job_arn"]) if run.adopted else run.s3_prefix
    if delete and any(state.open for state in _refreshed(run)):
        raise RunError(f"Jobs of run {run.name!r} have not ended. Wait for them, or stop them, then clean.")
    found = [*aws.list_objects(prefix), *list_media_inputs(run)]
    if delete:
        aws.delete_objects(item.uri for item in found)
    return as_frame(
        ({"uri": item.uri, "bytes": item.size} for item in found), {"uri": "string", "bytes": "Int64"}
    )


def _refreshed(run: Run) -> list[JobState]:
    run.refresh_jobs()
    return run.journal.states()
