"""The worker process: works off the jobs of the store, apart from the server that answers calls.

It reads its settings and then one line per wake-up from standard input, and ends when that closes, so that it
never outlives its server.
"""

import fcntl
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from typing import Any

from bbkit.standin.chunks import Report, begin_process, warm_up
from bbkit.standin.lifecycles import Ended, Lifecycle
from bbkit.standin.logs import Traces
from bbkit.standin.settings import Settings, clear_folder
from bbkit.standin.store import Job, Store

TURNS = 4  # jobs in progress at once; the others wait as Scheduled
QUICK, SLOW = 0.15, 0.6  # seconds a chunk may take: long enough to be cheap, short enough to stop soon
MOST_RECORDS = 1024
LOCK = "worker.lock"


class Worker:
    """All jobs of one stand-in, each in a thread, their records in a pool of engine processes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.folder)
        self.traces = Traces(settings.folder, settings.quiet)
        self.turns = threading.Semaphore(TURNS)
        # Records that wait may take seconds each: all requests are under way from the first on.
        self.chunk_records = 1 if settings.waits else 16
        self.woken = threading.Event()
        self.lives: dict[str, Lifecycle] = {}
        self.begun: set[str] = set()  # a job ends within the life that began it
        self._lock = threading.Lock()
        self._pool = self._make_pool()

    def _make_pool(self) -> Executor:
        count = self.settings.parallel
        if self.settings.waits:
            return ThreadPoolExecutor(count)
        lock = (str(self.settings.folder / LOCK),)
        pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=begin_process, initargs=lock)
        for _ in range(count):
            pool.submit(warm_up, self.settings.engine, self.settings.engine_options_json)
        return pool

    def submit(self, function: Callable[..., Report], *arguments: Any) -> "Future[Report]":
        """Give a chunk to an engine process; a pool that has broken is replaced."""
        with self._lock:
            try:
                return self._pool.submit(function, *arguments)
            except BrokenProcessPool:
                self._pool = self._make_pool()
                return self._pool.submit(function, *arguments)

    def close(self) -> None:
        """Let the engine processes end in good order; the jobs stay where they are, for the next start."""
        self._lock.acquire()  # and never released: nothing is submitted any more
        self._pool.shutdown(wait=not self.settings.waits, cancel_futures=True)

    def learn(self, report: Report) -> None:
        """Make chunks larger or smaller, so that one takes neither too long nor too little."""
        if report.seconds < QUICK and report.records >= self.chunk_records:
            self.chunk_records = min(2 * self.chunk_records, MOST_RECORDS)
        elif report.seconds > SLOW:
            self.chunk_records = max(1, min(self.chunk_records, report.records) // 2)

    def say(self, job: Job, text: str) -> None:
        """Tell the person watching about a job."""
        self.traces.say(f"{job['job_id']}  {job['name']}  {text}")

    def serve(self) -> None:
        """Start a thread for every open job, whenever woken."""
        open_ids = {job["job_id"] for job in self.store.announced_jobs()}
        clear_folder(self.settings.folder / "jobs", keep=open_ids)
        while True:
            self.woken.clear()
            for job in self.store.announced_jobs():
                if job["job_id"] not in self.begun:
                    self.begun.add(job["job_id"])
                    life = self.lives[job["job_id"]] = Lifecycle(self, job)
                    threading.Thread(target=self._live, args=(life,), daemon=True).start()
            for life in list(self.lives.values()):
                life.signal.set()
            self.woken.wait()

    def _live(self, life: Lifecycle) -> None:
        try:
            life.run()
        except CancelledError:
            pass  # the worker is closing: the next one takes the job up
        except Exception as error:  # the job must reach a legal end and the others go on
            self.traces.log(did="fail", job=life.job_id, traceback=traceback.format_exc())
            self.traces.say(f"{life.job_id}  failed in the stand-in itself: {error!r}; see log.jsonl")
            open_statuses = ("Submitted", "Validating", "Scheduled", "InProgress", "Stopping")
            with suppress(Ended):
                life.end(
                    open_statuses, "Failed", message="The stand-in failed on this job; see its log.jsonl."
                )
        finally:
            del self.lives[life.job_id]


def main() -> None:
    """Run until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = Settings.from_json(sys.stdin.readline())
    with (settings.folder / LOCK).open("w") as lock:
        # The processes of a killed server may take a moment to notice that they are alone.
        fcntl.flock(lock, fcntl.LOCK_EX)
        fcntl.flock(lock, fcntl.LOCK_SH)
        worker = Worker(settings)
        threading.Thread(target=_listen, args=(worker,), daemon=True).start()
        worker.serve()


def _listen(worker: Worker) -> None:
    for _ in sys.stdin:
        worker.woken.set()
    worker.close()
    os._exit(0)


if __name__ == "__main__":
    main()
