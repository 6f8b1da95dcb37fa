"""The live watch of a run: a thread that polls, submits what is queued, and tells its listeners."""

import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pandas as pd

from bbkit.core.errors import RunError
from bbkit.core.frames import COUNT, NUMBER, TEXT, TIME, as_frame
from bbkit.jobs.waiting import poll_jobs, read_submitted, summarize_jobs
from bbkit.run import Run, RunSnapshot

PROGRESS_COLUMNS = {
    **dict.fromkeys(("job_name", "job_arn", "status"), TEXT),
    "status_since": TIME,
    **dict.fromkeys(("records", "processed", "succeeded", "errored"), COUNT),
    "records_per_minute": NUMBER,
    **dict.fromkeys(("ends_after", "ends_before", "expires_at", "seen_at"), TIME),
    "message": TEXT,
}
"""One row per job: where it stands, how fast it goes, and the range in which it may end, as far as known."""

_WINDOW = timedelta(minutes=15)
_Sample = tuple[datetime, int]

_LIVE: dict[str, "JobWatch"] = {}
_LIVE_LOCK = threading.Lock()


class JobWatch:
    """A daemon thread that looks after the jobs of one run until all have ended.

    Made by `watch_jobs`; a run has one per process.

    Attributes
    ----------
    run : Run
        The run.
    jobs : pandas.DataFrame
        The jobs table of the last look.
    seen_at, next_at : datetime or None
        When AWS was asked last, and when it will be asked next (UTC).
    last_error : str
        What is in the way, such as a network that is down; empty when nothing is. The watch goes on.
    done : bool
        Whether every job has ended.
    """

    def __init__(self, run: Run, every: float | None = None, snapshot: RunSnapshot | None = None):
        snapshot = snapshot or RunSnapshot.read(run)
        self.run = run
        self.jobs = snapshot.table()
        self.jobs.attrs.update(done=not snapshot.open, left=snapshot.describe_left())
        self.seen_at: datetime | None = None
        self.next_at: datetime | None = None
        self.last_error = ""
        self._snapshot = snapshot
        # Credentials that ran out at night are renewed in the morning: the watch says so and goes on.
        self._polls = poll_jobs(snapshot, every, is_waited_on=lambda error: True)
        self._listeners: dict[Callable[[JobWatch], object], None] = {}
        self._samples: dict[str, deque[_Sample]] = {}
        self.done = False
        self._stopping = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"bbkit-watch-{run.name}", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread still looks after the jobs."""
        return self._thread.is_alive() and not self._stopping.is_set()

    @property
    def sentence(self) -> str:
        """How the jobs are doing, when that was seen, and which were refused or taken from the queue."""
        unsent = self._snapshot.describe_unsent()
        if not len(self.jobs):
            return " ".join(["No job was submitted.", *unsent])
        seen = f" (as of {self.seen_at:%H:%M:%S} UTC)" if self.seen_at else ""
        return "; ".join([summarize_jobs(self.jobs) + seen, *unsent])

    @property
    def progress(self) -> pd.DataFrame:
        """One row per job, columns `PROGRESS_COLUMNS`."""
        since = {state.job_name: state.since for state in self._snapshot.states}
        rows = []
        for row in self.jobs.to_dict("records"):
            name = row["job_name"]
            known = {key: None if pd.isna(value) else value for key, value in row.items()}
            estimate = estimate_end(list(self._samples.get(name, ())), known)
            rows.append({**known, "status_since": since.get(name), **estimate})
        return as_frame(rows, PROGRESS_COLUMNS)

    def add_listener(self, listener: "Callable[[JobWatch], object]") -> Callable[[], None]:
        """Call it after every look, from the watch's thread, until it raises; what comes takes it away."""
        self._listeners[listener] = None
        return lambda: self._listeners.pop(listener, None)

    def stop(self) -> None:
        """Stop looking; the jobs go on, and `watch_jobs` takes up again where this left off."""
        self._stopping.set()
        with _LIVE_LOCK:
            if _LIVE.get(str(self.run.folder)) is self:
                del _LIVE[str(self.run.folder)]
        self._over.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until every job has ended, the watch was stopped, or the time is over.

        Parameters
        ----------
        timeout : float, optional
            Seconds.

        Returns
        -------
        bool
            Whether every job has ended.
        """
        if self.alive:
            self._over.wait(timeout)
        return self.done

    def _watch(self) -> None:
        try:
            for poll in self._polls:
                now = datetime.now(UTC)
                self._snapshot, self.jobs, self.last_error = poll.snapshot, poll.jobs, poll.last_error
                if poll.answered:
                    self.seen_at = now
                    for row in poll.jobs.to_dict("records"):
                        self._sample(row, now)
                self.done = not poll.snapshot.open
                self.next_at = None if self.done else now + timedelta(seconds=poll.seconds)
                self._notify()
                if self.done or self._stopping.wait(poll.seconds):
                    break
        except RunError as error:
            # A damaged journal does not mend itself.
            self.last_error, self.next_at = str(error), None
            self._stopping.set()
            self._notify()
        finally:
            self.stop()

    def _sample(self, row: dict[Any, Any], now: datetime) -> None:
        if pd.isna(row["status"]) or row["status"] != "InProgress" or pd.isna(row["processed"]):
            return
        samples = self._samples.setdefault(row["job_name"], deque())
        # The service refreshes its counts about once a minute: what is between two moves carries no news.
        if not samples or samples[-1][1] != row["processed"]:
            samples.append((now, int(row["processed"])))
        while len(samples) > 2 and now - samples[0][0] > _WINDOW:
            samples.popleft()

    def _notify(self) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(self)
            except Exception as error:
                # A view that broke must not end the watch that submits the queue, nor hide why it broke.
                threading.excepthook(
                    threading.ExceptHookArgs((type(error), error, error.__traceback__, self._thread))
                )
                self._listeners.pop(listener, None)
                self.last_error = f"A view of the watch failed and was taken away: {error}"

    def __repr__(self) -> str:
        return f"JobWatch of run {self.run.name!r}: {self.sentence}"


def estimate_end(samples: list[_Sample], job: dict[str, Any]) -> dict[str, Any]:
    """Estimate how fast a job goes and when it may end, from its counts of the last 15 minutes."""
    if len(samples) < 3 or not job.get("records") or job.get("status") != "InProgress":
        return {}
    moves = [
        (later[1] - sooner[1]) / seconds
        for sooner, later in pairwise(samples)
        if (seconds := (later[0] - sooner[0]).total_seconds()) > 0 and later[1] > sooner[1]
    ]
    seconds = (samples[-1][0] - samples[0][0]).total_seconds()
    if not moves or seconds <= 0:
        return {}
    remaining, at = max(job["records"] - samples[-1][1], 0), samples[-1][0]
    expiry = job.get("expires_at") or datetime.max.replace(tzinfo=UTC)
    return {
        "records_per_minute": (samples[-1][1] - samples[0][1]) / seconds * 60,
        "ends_after": min(at + timedelta(seconds=remaining / max(moves)), expiry),
        "ends_before": min(at + timedelta(seconds=remaining / min(moves)), expiry),
    }


def watch_jobs(run: Run, *, every: float | None = None) -> JobWatch:
    """Look after the jobs of a run in a thread of this process; returns at once.

    Parameters
    ----------
    run : Run
        A run whose jobs were submitted.
    every : float, optional
        Seconds between looks; by default from seconds to minutes.

    Returns
    -------
    JobWatch
        The one that is already looking after this run, where there is one.

    Raises
    ------
    bbkit.core.errors.RunError
        Nothing was submitted.
    bbkit.core.errors.PlaceError
        The run was made for another endpoint, account or region.
    """
    snapshot = read_submitted(run, every)
    run = snapshot.run
    if snapshot.open:
        snapshot.access.ensure()
    with _LIVE_LOCK:
        watch = _LIVE.get(str(run.folder))
        if watch is None or not watch.alive:
            watch = _LIVE[str(run.folder)] = JobWatch(run, every, snapshot)
            watch._thread.start()
    return watch


def console_url(run: Run) -> str:
    """Give the console's page of batch jobs in the run's region; empty for a stand-in."""
    if run.endpoint.is_standin:
        return ""
    region = run.endpoint.region
    domains = {"cn": "amazonaws.cn", "us-gov": "amazonaws-us-gov.com"}
    domain = domains.get(region.rsplit("-", 2)[0], "aws.amazon.com")
    return f"https://{region}.console.{domain}/bedrock/home?region={region}#/batch-inference"
