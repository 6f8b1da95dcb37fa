"""The live monitor of a run: a widget fed by a watch's thread, so that a reopened tab is live again."""

import asyncio
import math
import os
import time
from collections.abc import Hashable
from typing import Any

import ipywidgets as widgets
import pandas as pd
from IPython import get_ipython
from IPython.display import display

from bbkit.core.errors import InputError, validate_number
from bbkit.core.panels import render
from bbkit.jobs import wait_for_jobs
from bbkit.jobs.waiting import INTERRUPTED
from bbkit.jobs.watches import JobWatch, console_url, watch_jobs
from bbkit.run import Run
from bbkit.run.journal import TERMINAL


async def await_jobs(run: Run, *, every: float | None = None, timeout: float | None = None) -> pd.DataFrame:
    """Wait in a notebook until every job of a run has ended, with a `JobProgress` to look at.

    Write ``jobs = await explorers.await_jobs(run)``. Interrupting the cell ends the wait in a sentence; the
    jobs go on, and the cell run again re-attaches. Where nobody is there to look (``bbkit report``,
    papermill) it is `bbkit.wait_for_jobs`, with a line for each change.

    Parameters
    ----------
    run : Run
        A run whose jobs were submitted.
    every, timeout : float, optional
        Seconds between looks, by default from seconds to minutes, and to wait at most.

    Returns
    -------
    pandas.DataFrame
        The jobs table when all ended, at the timeout, or when interrupted; ``attrs`` as of `wait_for_jobs`.

    Raises
    ------
    bbkit.core.errors.InputError, bbkit.core.errors.RunError, bbkit.core.errors.PlaceError
        As `bbkit.wait_for_jobs`.
    """
    if is_headless():
        return wait_for_jobs(run, every=every, timeout=timeout)
    if timeout is not None:
        validate_number(timeout, "timeout", least=0, what="It is a number of seconds, 0 or more.")
    watch = watch_jobs(run, every=every)
    display(JobProgress(watch))  # type: ignore[no-untyped-call]
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    try:
        # The kernel answers a reopened tab meanwhile; a call that blocks would leave it at "Loading widget".
        while watch.alive and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        print(INTERRUPTED)
    return watch.jobs


class JobProgress:
    """The jobs of a run while they are on their way: state, real counts, rate, when they may end and expire.

    Parameters
    ----------
    watch : bbkit.jobs.watches.JobWatch
        What `bbkit.watch_jobs` gives; its thread feeds the view after every look.

    Raises
    ------
    bbkit.core.errors.InputError
        If it is no watch.

    Notes
    -----
    The kernel keeps the widget: reopen the notebook and it is live again. After a restart of the kernel, run
    the cell again. Where no browser will answer (``BBKIT_HEADLESS=1``) it is plain HTML of the last look.
    """

    def __init__(self, watch: JobWatch):
        if not isinstance(watch, JobWatch):
            raise InputError(f"Found {type(watch).__name__} where a watch belongs. Pass watch_jobs(run).")
        self._watch = watch
        self._view = widgets.HTML()
        self._stop = widgets.Button(
            description="Stop watching",
            icon="eye-slash",
            tooltip="The jobs go on; run the cell again to re-attach",
        )
        self._stop.on_click(lambda _: self._leave())
        self.widget = widgets.VBox([self._view, self._stop])
        watch.add_listener(self._show)
        self._show(watch)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        if is_headless():
            return {"text/plain": self._watch.sentence, "text/html": self._view.value}
        return {**(self.widget._repr_mimebundle_() or {}), "text/plain": self._watch.sentence}

    def _leave(self) -> None:
        self._watch.stop()
        self._show(self._watch)

    def _show(self, watch: JobWatch) -> None:
        self._view.value = show_jobs(watch)
        self._stop.disabled = watch.done or not watch.alive


def is_headless() -> bool:
    """Whether no browser answers: ``bbkit report`` says so, papermill by taking no input."""
    kernel = getattr(get_ipython(), "kernel", None)
    return bool(os.environ.get("BBKIT_HEADLESS")) or getattr(kernel, "_allow_stdin", True) is False


def show_jobs(watch: JobWatch) -> str:
    """Lay out the jobs of a watch as a table."""
    table, now = watch.progress, pd.Timestamp.now("UTC")
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return render(
        "jobs",
        room="explorers",
        sentence=f"{watch.sentence}{_describe_next(watch)}",
        error=watch.last_error,
        jobs=[_describe_job(row, now) for row in rows],
        messages=[(row["job_name"], row["message"]) for row in rows if row["message"] is not None],
        console=console_url(watch.run),
    )


def _describe_next(watch: JobWatch) -> str:
    if watch.done:
        return ""
    if not watch.alive:
        return " Nobody is looking now; run the cell again."
    return f" Next look at {watch.next_at:%H:%M:%S} UTC." if watch.next_at else ""


def _describe_job(row: dict[Hashable, Any], now: pd.Timestamp) -> dict[str, Any]:
    """Write each cell of a job's line; empty where there is nothing to say."""
    ended, runs = row["status"] in TERMINAL, row["status"] == "InProgress"
    rate, expiry, processed = row["records_per_minute"], row["expires_at"], row["processed"]
    ends = "not known yet" if runs else ""
    if row["ends_after"] and row["ends_before"]:
        ends = f"{row['ends_after']:%H:%M} to {row['ends_before']:%H:%M} UTC"
    return {
        "name": row["job_name"],
        "arn": row["job_arn"],
        "status": row["status"] or "queued",
        "since": "" if ended else _format_span(row["status_since"], now),
        "records": _format_count(row["records"]),
        # A total of 0 means that the service is still validating: there is no share to show yet.
        "total": row["records"] if runs and processed is not None else None,
        "processed": processed,
        "done": _format_count(processed),
        "errored": _format_count(row["errored"]),
        "rate": "" if ended or rate is None else f"{rate:,.0f} / min",
        "ends": ends,
        "expires": f"in {_format_span(now, expiry)}" if not ended and expiry and expiry > now else "",
    }


def _format_count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _format_span(start: pd.Timestamp | None, end: pd.Timestamp) -> str:
    if start is None:
        return ""
    minutes = max(0.0, (end - start).total_seconds() / 60)
    if minutes < 1:
        return "under 1 min"
    return f"{minutes:,.0f} min" if minutes < 120 else f"{minutes / 60:,.1f} h"
