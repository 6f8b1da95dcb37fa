"""Waiting for jobs: one step at a time, from seconds to minutes, with a line for what changed."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pandas as pd

from bbkit.core.arguments import validate_number
from bbkit.core.errors import AwsError, CredentialsError, RunError
from bbkit.jobs.submissions import submit_queue
from bbkit.run import Run, as_run
from bbkit.run.job_rows import tell_unsent
from bbkit.run.journal import TERMINAL
from bbkit.run.refreshing import refresh_states

_SECONDS_OF_A_LINE = 60


def advance_jobs(run: Run) -> tuple[pd.DataFrame, bool, str]:
    """Take one step: submit what the quota has room for, then ask for every job that has not ended."""
    trouble = ""
    try:
        if any((state.queued and state.open) or state.to_stop for state in run.journal.states()):
            run.check_endpoint()
            refused = submit_queue(run, patient=True)
            trouble = str(refused or "")
        states = refresh_states(run)
        jobs = run.tabulate_jobs(states)
        trouble = trouble or next((str(state.trouble) for state in states if state.trouble), "")
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
    """How long to wait between two looks: little at first and after news, then more and more."""

    def __init__(self, run: Run, every: float | None = None):
        if every is not None:
            validate_number(every, "every", least=1e-3, what="It is a number of seconds above 0.")
        self._first, self._most = (0.1, 2.0) if run.endpoint.is_standin else (5.0, 120.0)
        self._every, self._next = every, self._first

    def step(self, *, news: bool) -> float:
        """Tell how many seconds to wait now."""
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
        environment), when all have ended; not at the timeout, nor while a job was refused or taken from the
        queue, which is said on standard error.

    Returns
    -------
    pandas.DataFrame
        The jobs table when all ended or at the timeout.

    Raises
    ------
    bbkit.core.errors.InputError
        `every` or `timeout` is no number of seconds.
    bbkit.core.errors.RunError
        Nothing was submitted, the journal is damaged, or the command of `on_end` failed.
    bbkit.core.errors.PlaceError, bbkit.core.errors.CredentialsError
        Calls go elsewhere than the run was made for, or there are no credentials. Credentials that run out
        while it waits are told as trouble, and waited for.
    bbkit.core.errors.AwsError
        AWS tells of no job that has not ended, and time will not cure it.
    """
    run = as_run(run)
    if timeout is not None:
        validate_number(timeout, "timeout", least=0, what="It is a number of seconds, 0 or more.")
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
    before, said_at, said = statuses_of(run.jobs()), -math.inf, ""
    looked = False
    while True:
        try:
            jobs, ended, trouble = advance_jobs(run)
        except CredentialsError as error:
            if not looked:
                raise
            jobs, ended, trouble = run.jobs(), False, str(error)
        looked = True
        now = statuses_of(jobs)
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


def statuses_of(jobs: pd.DataFrame) -> dict[str, str]:
    """Take the status of each job from the jobs table."""
    return dict(zip(jobs["job_name"], jobs["status"].fillna("queued"), strict=True))


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC  {text}", file=sys.stderr, flush=True)


def describe_job(row: dict) -> str:
    """Describe a job in one line."""
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
    """Describe the jobs of a run in one sentence."""
    ended = int(jobs["status"].isin(list(TERMINAL)).sum())
    queued = int(jobs["job_arn"].isna().sum())
    text = f"{ended} of {len(jobs)} job{'s' if len(jobs) != 1 else ''} ended" + (
        f", {queued} queued" if queued else ""
    )
    processed, records = jobs["processed"].sum(), jobs["records"].sum()
    return text + (f"; {processed:,} of {records:,} records processed" if records else "")


def _finish(run: Run, jobs: pd.DataFrame, on_end: Callable[[pd.DataFrame], object] | str | None) -> None:
    if unsent := tell_unsent(run.journal.states()):
        for sentence in unsent:
            _say(sentence)
    elif callable(on_end):
        on_end(jobs)
    elif on_end:
        environment = {**os.environ, "BBKIT_RUN": str(run.folder)}
        status = subprocess.run(on_end, shell=True, env=environment, check=False).returncode
        if status:
            raise RunError(f"The jobs have ended, but {on_end!r} ended with exit status {status}.")
