"""The jobs of one stand-in: each in a thread of the server, their records in a pool of engine processes."""

import fcntl
import shutil
import sqlite3
import threading
import time
import traceback
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from bbkit.standin.databases import disk_fault
from bbkit.standin.engine_pool import LOCK, EnginePool
from bbkit.standin.job_runner import Ended, JobRunner
from bbkit.standin.logs import Traces
from bbkit.standin.records import Report
from bbkit.standin.s3.store import Buckets
from bbkit.standin.settings import Settings
from bbkit.standin.store import BEFORE_STOPPING, OPEN, Job, Store

TURNS = 4  # jobs in progress at once; the others wait as Scheduled
QUICK, SLOW = 0.15, 0.6  # seconds a chunk may take: long enough to be cheap, short enough to stop soon
MOST_RECORDS = 1024


class Jobs:
    """Everything that happens to jobs; what the store and the events say of them is in the same order."""

    def __init__(self, settings: Settings, store: Store, buckets: Buckets, traces: Traces) -> None:
        self.settings = settings
        self.store = store
        self.buckets = buckets
        self.traces = traces
        self.pool = EnginePool(settings, settings.parallel)
        self.turns = threading.Semaphore(TURNS)
        # Records that wait may take seconds each: all requests are under way from the first on.
        self.chunk_records = 1 if settings.waits else 16
        self._runners: dict[str, JobRunner] = {}
        self._in_order = threading.RLock()

    def resume(self) -> None:
        """Go on with the open jobs of a stand-in that was stopped or killed."""
        with (self.settings.folder / LOCK).open("w") as lock:
            # The engine processes of a killed server may take a moment to notice that they are alone.
            fcntl.flock(lock, fcntl.LOCK_EX)
        with self._in_order:
            jobs = self.store.open_jobs()
            folder = self.settings.folder / "jobs"
            folder.mkdir(exist_ok=True)
            for path in {*folder.iterdir()} - {folder / job["job_id"] for job in jobs}:
                shutil.rmtree(path, ignore_errors=True)
            for job in jobs:
                self._begin(job)

    def add(self, job: Job, quota: int) -> str:
        """Insert a job as `Store.create` does, and begin it."""
        with self._in_order:
            outcome = self.store.create(job, quota)
            if outcome == "created":
                self.traces.log(
                    did="create", job=job["job_id"], name=job["name"], token=job["token"], model=job["model"]
                )
                self.traces.event(job, self.settings.account)
                self.print_job(job, f"Submitted  ({job['model']})")
                self._begin(job)
        return outcome

    def move(self, job_id: str, source: tuple[str, ...], target: str, **columns: Any) -> Job | None:
        """Move a job to another status, if it is in one of the source statuses, and tell of it."""
        with self._in_order:
            job = self.store.move(job_id, source, target, **columns)
            if job is not None:
                self.traces.event(job, self.settings.account)
                self.print_job(job, target)
        return job

    def stop(self, job_id: str) -> bool:
        """Ask a job to stop; False when it was asked before, or has ended."""
        with self._in_order:
            stopped = self.move(job_id, BEFORE_STOPPING, "Stopping") is not None
            if stopped and job_id in self._runners:
                self._runners[job_id].signal.set()
        return stopped

    def print_job(self, job: Job, text: str) -> None:
        self.traces.print(f"{job['job_id']}  {job['name']}  {text}")

    def adapt_chunks(self, report: Report) -> None:
        """Make chunks larger or smaller, so that one takes neither too long nor too little."""
        if report.seconds < QUICK and report.records >= self.chunk_records:
            self.chunk_records = min(2 * self.chunk_records, MOST_RECORDS)
        elif report.seconds > SLOW:
            self.chunk_records = max(1, min(self.chunk_records, report.records) // 2)

    def _begin(self, job: Job) -> None:
        runner = self._runners[job["job_id"]] = JobRunner(self, job)
        threading.Thread(target=self._run, args=(runner,), daemon=True).start()

    def _run(self, runner: JobRunner) -> None:
        try:
            runner.run()
        except CancelledError:
            pass  # the stand-in is stopping: the next one takes the job up
        except Exception as error:  # the job must reach a legal end and the others go on
            self.traces.log(did="fail", job=runner.job_id, traceback=traceback.format_exc())
            full = disk_fault(error)
            self.traces.print(full or f"{runner.job_id}  failed in the stand-in: {error!r}; see log.jsonl")
            self._fail(runner, full or "The stand-in failed on this job; see its log.jsonl.")
        finally:
            with self._in_order:
                del self._runners[runner.job_id]

    def _fail(self, runner: JobRunner, message: str) -> None:
        while True:
            try:
                with suppress(Ended):
                    runner.end(OPEN, "Failed", message=message)
                return
            except sqlite3.OperationalError:  # not even the store's reserve can be written
                time.sleep(1)
