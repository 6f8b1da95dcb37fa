"""Batch jobs of a run: submitted exactly once, queued, waited for, stopped, cleaned up after."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import pandas as pd

from bbkit import aws
from bbkit.errors import AwsError, InputError, RunError
from bbkit.frames import as_frame
from bbkit.job_rows import event_of
from bbkit.journal import PATIENT, TERMINAL, JobState
from bbkit.recording import on_demand_attempts
from bbkit.run import Run
from bbkit.submissions import Progress, list_media_inputs, name_job, submit_queue

_SECONDS_OF_A_LINE = 60
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


def advance_jobs(run: Run) -> tuple[pd.DataFrame, bool, str]:
    """Take one step: submit what the quota has room for, then ask for every job that has not ended.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    tuple
        The jobs table; whether nothing is left to wait for; and what is in the way, such as a network that is
        down, in a sentence that is empty when nothing is.
    """
    trouble = ""
    try:
        if any(state.queued and state.open for state in run.journal.states()):
            run.check_place()
            refused = submit_queue(run, patient=True)
            trouble = str(refused or "")
        jobs = run.refresh_jobs()
    except AwsError as error:
        if not _is_passing(error):
            raise
        jobs, trouble = run.jobs(), str(error)
    if any(state.open for state in run.journal.states()):
        return jobs, False, trouble
    # Another process may have journalled the last end since this one asked.
    return run.jobs(), True, trouble


def _is_passing(error: AwsError) -> bool:
    return error.code in ("NoAnswer", "RequestTimeout") or error.code.startswith(
        ("Throttling", "TooManyRequests", "Internal", "ServiceUnavailable", "SlowDown", "5")
    )


class Pace:
    """How long to wait between two looks: little at first and after news, then more and more.

    Parameters
    ----------
    run : Run
        Of a stand-in, where all is quick, or of AWS, whose counts move once a minute
        (https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-monitor.html).
    every : float, optional
        Always this many seconds.
    """

    def __init__(self, run: Run, every: float | None = None):
        if every is not None and every <= 0:
            raise InputError(f"every is {every}. It is a number of seconds above 0.")
        self._first, self._most = (0.1, 2.0) if run.place.is_standin else (5.0, 120.0)
        self._every, self._next = every, self._first

    def step(self, *, news: bool) -> float:
        """Tell how many seconds to wait now.

        Parameters
        ----------
        news : bool
            Whether the last look brought another status.

        Returns
        -------
        float
            Seconds.
        """
        if self._every is not None:
            return self._every
        if news:
            self._next = self._first
        now, self._next = self._next, min(self._next * 1.5, self._most)
        return now


def wait_for_jobs(
    run: Run,
    *,
    every: float | None = None,
    timeout: float | None = None,
    on_end: Callable[[pd.DataFrame], object] | str | None = None,
) -> pd.DataFrame:
    """Wait until every job of a run has ended, submitting queued ones as the quota has room.

    One line per change of status, and otherwise at most one a minute, goes to standard error. Interrupting
    it loses nothing; call it again, here or in another process.

    Parameters
    ----------
    run : Run
        A run whose jobs were submitted.
    every : float, optional
        Seconds between looks; by default from seconds to minutes.
    timeout : float, optional
        Seconds to wait at most.
    on_end : callable or str, optional
        Called with the jobs table, or run as a shell command (with ``BBKIT_RUN``, the run's folder, in its
        environment), when all have ended; not at the timeout.

    Returns
    -------
    pandas.DataFrame
        The jobs table when all ended or at the timeout.

    Raises
    ------
    bbkit.errors.RunError
        Nothing was submitted, or the command of `on_end` failed.
    bbkit.errors.PlaceError, bbkit.errors.CredentialsError
        Calls go elsewhere than the run was made for, or there are no credentials.
    """
    if not run.journal.states():
        raise RunError(f"No job of run {run.name!r} was submitted. Submit them with submit_jobs(run).")
    deadline = None if timeout is None else time.monotonic() + timeout
    for jobs, ended, seconds in _look_again(run, Pace(run, every)):
        if ended:
            _finish(run, jobs, on_end)
            return jobs
        left = seconds if deadline is None else min(seconds, deadline - time.monotonic())
        if left <= 0:
            return jobs
        time.sleep(left)
    raise AssertionError("unreachable")


def _look_again(run: Run, pace: Pace) -> Iterator[tuple[pd.DataFrame, bool, float]]:
    before, said_at, said = _statuses(run.jobs()), -math.inf, ""
    while True:
        jobs, ended, trouble = advance_jobs(run)
        now = _statuses(jobs)
        changed = [name for name, status in now.items() if before.get(name) != status]
        for row in jobs[jobs["job_name"].isin(changed)].to_dict("records"):
            _say(describe_job(row))
        due = time.monotonic() - said_at >= _SECONDS_OF_A_LINE
        if trouble and (trouble != said or due):
            _say(trouble)
        elif due and not changed:
            _say(summarize_jobs(jobs))
        if changed or due or trouble != said:
            said_at, said = time.monotonic(), trouble
        before = now
        yield jobs, ended, pace.step(news=bool(changed))


def _statuses(jobs: pd.DataFrame) -> dict[str, str]:
    return dict(zip(jobs["job_name"], jobs["status"].fillna("queued"), strict=True))


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC  {text}", file=sys.stderr, flush=True)


def describe_job(row: dict) -> str:
    """Describe a job in one line.

    Parameters
    ----------
    row : dict
        A row of the jobs table.

    Returns
    -------
    str
        Name, status, counts and the message of AWS, as far as known.
    """
    parts = [row["job_name"], "queued" if pd.isna(row["status"]) else row["status"]]
    if not pd.isna(row["processed"]) and row["processed"]:
        of = "" if pd.isna(row["records"]) else f" of {row['records']:,}"
        parts.append(f"{row['processed']:,}{of} records")
        if not pd.isna(row["errored"]) and row["errored"]:
            parts.append(f"{row['errored']:,} errored")
    if not pd.isna(row["message"]) and row["message"]:
        parts.append(row["message"])
    return "  ".join(parts)


def summarize_jobs(jobs: pd.DataFrame) -> str:
    """Describe the jobs of a run in one sentence.

    Parameters
    ----------
    jobs : pandas.DataFrame
        The jobs table.

    Returns
    -------
    str
        Such as ``3 of 12 jobs ended, 2 queued; 1,200 of 6,000 records processed``.
    """
    ended = int(jobs["status"].isin(list(TERMINAL)).sum())
    queued = int(jobs["job_arn"].isna().sum())
    text = f"{ended} of {len(jobs)} job{'s' if len(jobs) != 1 else ''} ended" + (
        f", {queued} queued" if queued else ""
    )
    processed, records = jobs["processed"].sum(), jobs["records"].sum()
    return text + (f"; {processed:,} of {records:,} records processed" if records else "")


def _finish(run: Run, jobs: pd.DataFrame, on_end: Callable[[pd.DataFrame], object] | str | None) -> None:
    if callable(on_end):
        on_end(jobs)
    elif on_end:
        environment = {**os.environ, "BBKIT_RUN": str(run.folder)}
        status = subprocess.run(on_end, shell=True, env=environment, check=False).returncode
        if status:
            raise RunError(f"The jobs have ended, but {on_end!r} ended with exit status {status}.")


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
