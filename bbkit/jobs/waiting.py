"""Waiting for jobs: one poll at a time, from seconds to minutes apart, with a line for what changed."""

import math
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bbkit import aws
from bbkit.core.errors import AwsError, CredentialsError, PlaceError, RunError, validate_number
from bbkit.core.logs import LOG
from bbkit.core.progress import in_kernel, show_status, write_line
from bbkit.core.text import count_noun
from bbkit.jobs.submissions import submit_queue
from bbkit.run import Run, RunSnapshot, as_run
from bbkit.run.journal import TERMINAL
from bbkit.run.remote_jobs import refresh_jobs

INTERRUPTED = "The wait was interrupted; the jobs go on. Run this cell again to take it up."
"""What a notebook says of it."""

_SECONDS_OF_A_LINE = 60


@dataclass(frozen=True)
class Poll:
    """What one poll found, what is in the way, and how many seconds to wait before the next one."""

    snapshot: RunSnapshot
    jobs: pd.DataFrame
    changed: list[str]
    answered: bool
    last_error: str
    seconds: float


def poll_jobs(
    snapshot: RunSnapshot, every: float | None, is_waited_on: Callable[[Exception], bool]
) -> Iterator[Poll]:
    """Submit what the quota has room for, ask for every job that has not ended, again and again: soon at
    first and after a change, then less and less often.
    """
    usual = (0.1, 2.0) if snapshot.run.endpoint.is_standin else (5.0, 120.0)
    first, most = usual if every is None else (every, every)
    before, pause = _statuses_of(snapshot.table()), first
    while True:
        answered, last_error = True, ""
        try:
            snapshot, error = submit_queue(snapshot, refused_too=False)
            last_error = str(error or "")
            snapshot = refresh_jobs(snapshot)
        except (AwsError, CredentialsError, PlaceError) as failure:
            if not is_waited_on(failure):
                raise
            answered, last_error = False, str(failure)
            LOG.info("waiting on: %s", getattr(failure, "code", "") or type(failure).__name__)
        errors = (str(state.last_error) for state in snapshot.states if state.last_error)
        last_error = last_error or next(errors, "")
        jobs = _tabulate(snapshot, last_error)
        now = _statuses_of(jobs)
        changed = [name for name, status in now.items() if before.get(name) != status]
        pause = first if changed else pause
        yield Poll(snapshot, jobs, changed, answered, last_error, pause)
        pause = min(pause * 1.5, most)
        before, snapshot = now, RunSnapshot.read(snapshot.run, snapshot.access)


def _tabulate(snapshot: RunSnapshot, last_error: str = "") -> pd.DataFrame:
    jobs = snapshot.table()
    jobs.attrs.update(done=not snapshot.open, left=snapshot.describe_left(last_error))
    return jobs


def _statuses_of(jobs: pd.DataFrame) -> dict[str, str]:
    return dict(zip(jobs["job_name"], jobs["status"].fillna("queued"), strict=True))


def read_submitted(run: Run, every: float | None) -> RunSnapshot:
    """Read a run of which something was submitted, to look after it."""
    if every is not None:
        validate_number(every, "every", least=1e-3, what="It is a number of seconds above 0.")
    snapshot = RunSnapshot.read(as_run(run))
    if not snapshot.states:
        raise RunError(
            f"No job of run {snapshot.run.name!r} was submitted. Submit them with submit_jobs(run)."
        )
    return snapshot


def wait_for_jobs(
    run: Run,
    *,
    every: float | None = None,
    timeout: float | None = None,
    on_end: Callable[[pd.DataFrame], object] | str | None = None,
) -> pd.DataFrame:
    """Wait until every job of a run has ended, submitting queued ones as the quota has room.

    What passes (faults of the service or the network, throttling, credentials that have expired or are
    missing for a while) is said once and waited for. One line per change of status, and otherwise at most one
    a minute, goes to standard error, and at the end what is left undone and why. Interrupting it loses
    nothing, and in a notebook gives the jobs as they are; call it again, here or in another process.

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
        environment), when all have ended; not at the timeout, nor while a job was refused or taken from the
        queue, which is written to standard error.

    Returns
    -------
    pandas.DataFrame
        The jobs table when all ended or at the timeout. Its ``attrs`` hold ``done`` (bool: whether every job
        has ended) and ``left`` (list of str: what is not completed and why, empty when all is).

    Raises
    ------
    bbkit.core.errors.InputError
        `every` or `timeout` is no number of seconds.
    bbkit.core.errors.RunError
        Nothing was submitted, the journal is damaged, or the command of `on_end` failed.
    bbkit.core.errors.PlaceError, bbkit.core.errors.CredentialsError
        Calls go elsewhere than the run was made for, or there are no credentials.
    bbkit.core.errors.AwsError
        AWS tells of no job that has not ended, and time will not cure it.
    """
    if timeout is not None:
        validate_number(timeout, "timeout", least=0, what="It is a number of seconds, 0 or more.")
    snapshot = read_submitted(run, every)
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    polls = 0

    def is_waited_on(error: Exception) -> bool:
        # Credentials that are missing at once are told at once; those that run out at night are waited for.
        return aws.is_passing(error) or (isinstance(error, CredentialsError) and polls > 0)

    lines, left = _Lines(), list[str]()
    try:
        for poll in poll_jobs(snapshot, every, is_waited_on):
            polls += 1
            lines.write(poll)
            show_status(summarize_jobs(poll.jobs))
            left = poll.jobs.attrs["left"]
            seconds = min(poll.seconds, deadline - time.monotonic())
            if not poll.snapshot.open or seconds <= 0:
                break
            time.sleep(seconds)
    except KeyboardInterrupt:
        if not in_kernel():
            raise
        print(INTERRUPTED)
        return _tabulate(RunSnapshot.read(snapshot.run, snapshot.access))
    finally:
        show_status("")
        for sentence in left:
            write_line(sentence)
    if not poll.snapshot.open:
        _finish(poll, on_end)
    return poll.jobs


class _Lines:
    """Writes a line for every change of a status and every new error, and otherwise at most one a minute."""

    def __init__(self) -> None:
        self._written_at, self._told = -math.inf, set[str]()

    def write(self, poll: Poll) -> None:
        for row in poll.jobs[poll.jobs["job_name"].isin(poll.changed)].to_dict("records"):
            write_line(describe_job(row))
        due = time.monotonic() - self._written_at >= _SECONDS_OF_A_LINE
        is_new = poll.last_error not in {"", *self._told}
        if is_new:
            write_line(f"{poll.last_error} The wait goes on.")
            self._told.add(poll.last_error)
        elif due and not poll.changed:
            write_line(summarize_jobs(poll.jobs))
        if due and not poll.last_error:
            self._told.clear()
        if poll.changed or due or is_new:
            self._written_at = time.monotonic()


def describe_job(row: dict[Any, Any]) -> str:
    """Describe a job in one line."""
    known = {name: value for name, value in row.items() if not pd.isna(value) and value}
    parts = [row["job_name"], known.get("status", "queued")]
    if "processed" in known:
        of = f" of {known['records']:,}" if "records" in known else ""
        parts.append(f"{known['processed']:,}{of} records")
        if "errored" in known:
            parts.append(f"{known['errored']:,} errored")
    if "message" in known:
        parts.append(known["message"])
    return "  ".join(parts)


def summarize_jobs(jobs: pd.DataFrame) -> str:
    """Describe the jobs of a run in one sentence."""
    ended, queued = jobs["status"].isin(TERMINAL).sum(), jobs["job_arn"].isna().sum()
    text = f"{ended} of {count_noun(len(jobs), 'job')} ended" + (f", {queued} queued" if queued else "")
    processed, records = jobs["processed"].sum(), jobs["records"].sum()
    return text + (f"; {processed:,} of {records:,} records processed" if records else "")


def _finish(poll: Poll, on_end: Callable[[pd.DataFrame], object] | str | None) -> None:
    if poll.snapshot.describe_unsent():
        return
    if callable(on_end):
        on_end(poll.jobs)
    elif on_end:
        environment = {**os.environ, "BBKIT_RUN": str(poll.snapshot.run.folder)}
        if status := subprocess.run(on_end, shell=True, env=environment, check=False).returncode:
            raise RunError(f"The jobs have ended, but {on_end!r} ended with exit status {status}.")
