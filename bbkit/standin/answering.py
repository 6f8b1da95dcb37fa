"""The records of one job on their way through the engine: no faster than the pace, no further than a Stop."""

import json
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from threading import Event
from typing import TYPE_CHECKING

from bbkit.standin.chunks import Chunk, Report, work_chunk
from bbkit.standin.plans import Plan

if TYPE_CHECKING:
    from bbkit.standin.job_runner import JobRunner

MAX_TRIES = 3  # of a chunk whose engine process died
PACED_PIECES = 50  # where the pace spreads the records over a time, so many steps at least

Pending = dict["Future[Report]", tuple[Chunk, int]]


class Answering:
    """Answers what is not done yet of a job; made anew whenever the stand-in starts."""

    def __init__(self, runner: "JobRunner", plan: Plan, limit: int | None) -> None:
        self.runner, self.jobs, self.plan, self.limit = runner, runner.jobs, plan, limit
        self.parallel = runner.settings.parallel
        self.task = json.dumps(asdict(runner.task()))
        self.counts = plan.counts()
        self.pending: Pending = {}
        # Only an engine that waits is stopped between two records: one that computes is done in a moment.
        self.halt = Event() if runner.settings.waits else None
        self.seconds = runner.settings.pace.in_progress
        self.shown = time.monotonic()
        # What was done before a kill is not waited for again.
        self.began = self.shown - self.seconds * self.counts["processed"] / max(plan.total, 1)

    def run(self) -> bool:
        """Answer the records; False when the job's time ran out first."""
        try:
            for chunk in self.plan.chunks(self.limit, self.chunk_records):
                if not self.wait_until_due(chunk):
                    return False
                self.send(chunk, 1)
            while self.pending:
                if not self.step(0.5):
                    return False
        finally:
            self.drain()
        self.runner.show(self.counts)
        return True

    def chunk_records(self) -> int:
        """Give the size of the next chunk: none may keep the other processes waiting, or outrun the pace."""
        pieces = max(4 * self.parallel, PACED_PIECES if self.seconds else 0)
        return max(1, min(self.jobs.chunk_records, self.plan.total // pieces))

    def wait_until_due(self, chunk: Chunk) -> bool:
        """Wait until the pace allows a chunk and there is room for it; False when time ran out."""
        due = self.began + self.seconds * chunk.upto / self.plan.total
        in_time = self.step(0)
        # Twice as many as are worked on: nobody waits for this thread to hand out the next.
        while in_time and (len(self.pending) > 2 * self.parallel or time.monotonic() < due):
            left = due - time.monotonic()
            in_time = self.step(min(left, 0.5) if left > 0 else 0.5)
        return in_time

    def step(self, seconds: float) -> bool:
        """Take what is done, waiting so long at most; False when the job's time is over."""
        if self.pending:
            self.take(seconds)
        elif seconds:
            self.runner.signal.wait(seconds)
        self.runner.check_stop()
        if time.monotonic() - self.shown >= self.runner.lag:
            self.shown = time.monotonic()
            self.runner.show(self.counts)
        return bool(time.time() < self.runner.job["expires"])

    def send(self, chunk: Chunk, tries: int) -> None:
        """Give a chunk to the engine."""
        self.pending[self.jobs.pool.submit(work_chunk, self.task, chunk, self.halt)] = chunk, tries

    def take(self, seconds: float) -> None:
        """Wait for chunks and count them; one whose engine process died is sent again."""
        done, _ = wait(self.pending, timeout=seconds, return_when=FIRST_COMPLETED)
        for future in done:
            chunk, tries = self.pending.pop(future)
            try:
                report = future.result()
            except BrokenProcessPool:
                if tries >= MAX_TRIES:
                    raise
                self.jobs.traces.log(
                    did="lose engine process", job=self.runner.job_id, start=chunk.start, tries=tries
                )
                self.send(chunk, tries + 1)
                continue
            self.counts["success"] += report.part.success
            self.counts["error"] += report.part.error
            self.counts["processed"] = self.counts["success"] + self.counts["error"]
            self.jobs.adapt_chunks(report)
            for failure in report.failures:
                self.jobs.traces.log(did="fail on record", job=self.runner.job_id, traceback=failure)

    def drain(self) -> None:
        """Let what is on its way arrive before anybody joins or counts the parts."""
        if self.halt is not None:
            self.halt.set()
        wait([future for future in self.pending if not future.cancel()])
