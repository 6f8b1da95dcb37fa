"""One job from Submitted to its end, in a thread of the server.

Every step reads its starting point from the store and from the job's folder, so that a job that was killed
anywhere goes on where it was.
"""

import shutil
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

from bbkit.standin import faults as fault
from bbkit.standin.inputs import JobRefused, check_inputs, find_inputs, split_uri
from bbkit.standin.job_folder import JobFolder, check_output
from bbkit.standin.records import Chunk, Report, Task, answer_chunk
from bbkit.standin.store import BEFORE_STOPPING, NO_COUNTS, Job

if TYPE_CHECKING:
    from bbkit.standin.jobs import Jobs

MAX_TRIES = 3  # of a chunk whose engine process died
PACED_PIECES = 50  # where the pace spreads the records over a time, so many steps at least


class Ended(Exception):
    """The job has reached its end, or another one decided about it (Stop)."""


class JobRunner:
    """Works one job off; made anew whenever the stand-in starts."""

    def __init__(self, jobs: "Jobs", job: Job) -> None:
        self.jobs = jobs
        self.settings = jobs.settings
        self.store = jobs.store
        self.job = job
        self.job_id: str = job["job_id"]
        self.path = jobs.settings.folder / "jobs" / self.job_id
        self.faults = fault.read_faults(job["faults"])
        self.signal = Event()  # that the job was asked to stop
        self.request: dict[str, Any] = job["request"]
        self.output_uri: str = self.request["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"]
        self.has_turn = False
        self.lag = max(jobs.settings.pace.counter_lag, self.faults.slow_counters)

    def run(self) -> None:
        try:
            self.run_statuses()
        except Ended:
            self.finish_stop()
        finally:
            if self.has_turn:
                self.jobs.turns.release()

    def run_statuses(self) -> None:
        pace = self.settings.pace
        try:
            if self.job["status"] == "Submitted":
                self.sleep(pace.submitted)
                self.move(("Submitted",), "Validating")
            if self.job["status"] == "Validating":
                self.validate()
                self.sleep(pace.validating)
                self.move(("Validating",), "Scheduled")
            if self.job["status"] == "Scheduled":
                self.schedule(pace.scheduled)
            if self.job["status"] == "InProgress":
                self.progress()
            if self.job["status"] == "Stopping":
                raise Ended
        except JobRefused as error:
            self.end(("Validating", "InProgress"), "Failed", message=str(error))

    def validate(self) -> None:
        """Check the input and keep it as it is now, by hard links."""
        if "fail-validation" in self.faults.names:
            raise JobRefused("The input data could not be validated. (fault asked for)")
        source = self.request["inputDataConfig"]["s3InputDataConfig"]
        target = self.request["outputDataConfig"]["s3OutputDataConfig"]
        for config, what in ((source, "input"), (target, "output")):
            owner = config.get("s3BucketOwner", self.settings.account)
            if owner != self.settings.account:
                raise JobRefused(f"Access denied: the {what} bucket is not owned by account {owner}.")
        buckets = self.jobs.buckets
        check_output(buckets, self.output_uri)
        found = find_inputs(buckets, source["s3Uri"])
        link = partial(buckets.link, split_uri(source["s3Uri"])[0])
        limits, model = self.settings.limits, self.job["model"]
        JobFolder.make(self.path, found, link, lambda links: check_inputs(links, limits, model))

    def schedule(self, seconds: float) -> None:
        """Wait for the turn; a job that does not begin before its time is over expires."""
        self.sleep(seconds, until=self.job["expires"])
        asked = "expire" in self.faults.names
        if asked or not self.take_turn():
            message = "The job did not begin before its timeout." + " (fault asked for)" * asked
            self.end(("Scheduled",), "Expired", message=message)
            return
        self.move(("Scheduled",), "InProgress", counts=NO_COUNTS | {"total": self.folder().total})

    def take_turn(self) -> bool:
        """Wait until fewer than the most jobs are in progress; False when the job's time ran out before."""
        while not self.has_turn and time.time() < self.job["expires"]:
            self.has_turn = self.jobs.turns.acquire(timeout=0.5)
            self.check_stop()
        return self.has_turn

    def progress(self) -> None:
        in_time = self.take_turn() and self.answer_records()
        if "fail" in self.faults.names:
            message = "The job failed while it was in progress. (fault asked for)"
            self.end(("InProgress",), "Failed", message=message)
            return
        self.put_output(self.folder())
        if in_time:
            self.end(("InProgress",), "Completed")
        else:
            message = "The job reached its timeout before all records were processed."
            self.end(("InProgress",), "PartiallyCompleted", message=message)

    def answer_records(self) -> bool:
        folder, share = self.folder(), self.faults.time_out
        limit = folder.total if share is None else min(int(folder.total * share), folder.total - 1)
        return Answering(self, folder, limit).run() and share is None

    def put_output(self, folder: JobFolder) -> None:
        """Put what is done into the output bucket, and remember whom passing faults befell."""
        folder.put_output(self.jobs.buckets, self.output_uri, self.settings.ordered, self.jobs.traces)
        if faulted := folder.faulted():
            self.store.add_faulted(self.job_id, faulted)

    def finish_stop(self) -> None:
        """End a job that was asked to stop, with the output of what it had processed."""
        job = self.store.get(self.job_id)
        if job is None or job["status"] != "Stopping":
            return
        time.sleep(self.settings.pace.stopping)
        message = None
        folder = JobFolder.load(self.path)
        if folder is not None and folder.begun:
            try:
                self.put_output(folder)
            except JobRefused as error:
                message = str(error)
        self.end(("Stopping",), "Stopped", message=message)

    def task(self) -> Task:
        """Gather what the engine processes need, with the records passing faults befell in other jobs."""
        faulted = self.path / "hits.txt"
        before = self.store.faulted_before(self.job_id) if self.faults.touches_records else []
        faulted.write_text("\n".join(before))
        return Task(
            job_id=self.job_id,
            model_id=self.job["model"],
            invocation_type=self.request.get("modelInvocationType", "InvokeModel"),
            faults=self.faults,
            ordered=self.settings.ordered,
            faulted_path=str(faulted),
            output_uri=self.output_uri,
            engine=self.settings.engine,
            engine_options=self.settings.engine_options_json,
        )

    def folder(self) -> JobFolder:
        folder = JobFolder.load(self.path)
        assert folder is not None, f"job {self.job_id} is {self.job['status']} without a plan"
        return folder

    def show(self, counts: dict[str, int]) -> None:
        """Let the counters of Get move, and tell the person watching."""
        self.jobs.print_job(self.job, f"InProgress  {counts['processed']:,} of {counts['total']:,} records")
        if not self.faults.slow_counters:
            self.store.set_counts(self.job_id, counts)

    def move(self, source: tuple[str, ...], target: str, **columns: Any) -> None:
        """Move on to the next status, unless somebody asked to stop."""
        moved = self.jobs.move(self.job_id, source, target, **columns)
        if moved is None:
            raise Ended
        self.job = moved
        self.jobs.traces.log(did="move", job=self.job_id, status=target)

    def end(self, source: tuple[str, ...], status: str, message: str | None = None) -> None:
        """Reach a terminal status and forget the job's working files."""
        now = time.time()
        folder = JobFolder.load(self.path)
        columns: dict[str, Any] = {"ended": now, "message": message}
        if folder is not None and folder.begun:
            columns |= {"final": folder.counts(), "final_at": now + self.faults.slow_counters}
        self.move(source, status, **columns)
        shutil.rmtree(self.path, ignore_errors=True)

    def sleep(self, seconds: float, until: float | None = None) -> None:
        """Wait, but wake at once when the job is asked to stop."""
        deadline = time.monotonic() + seconds
        if until is not None:
            deadline = min(deadline, time.monotonic() + until - time.time())
        while (remaining := deadline - time.monotonic()) > 0:
            self.signal.wait(remaining)
            self.check_stop()
        self.check_stop()

    def check_stop(self) -> None:
        if not self.signal.is_set():
            return
        self.signal.clear()
        job = self.store.get(self.job_id)
        if job is None or job["status"] not in BEFORE_STOPPING:
            raise Ended


class Answering:
    """The records of one job on their way to the engine: no faster than the pace, no further than a Stop."""

    def __init__(self, runner: JobRunner, folder: JobFolder, limit: int) -> None:
        self.runner, self.jobs, self.folder, self.limit = runner, runner.jobs, folder, limit
        self.parallel = runner.settings.parallel
        self.task = runner.task()
        self.counts = folder.counts()
        self.pending: dict[Future[Report], tuple[Chunk, int]] = {}
        # Only an engine that waits is stopped between two records: one that computes is done in a moment.
        self.halt = Event() if runner.settings.waits else None
        self.seconds = runner.settings.pace.in_progress
        self.shown = time.monotonic()
        # What was done before a kill is not waited for again.
        self.began = self.shown - self.seconds * self.counts["processed"] / max(folder.total, 1)

    def run(self) -> bool:
        """Answer the records; False when the job's time ran out first."""
        try:
            for chunk in self.folder.chunks(self.limit, self.chunk_records):
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
        return max(1, min(self.jobs.chunk_records, self.folder.total // pieces))

    def wait_until_due(self, chunk: Chunk) -> bool:
        """Wait until the pace allows a chunk and there is room for it; False when time ran out."""
        due = self.began + self.seconds * chunk.upto / self.folder.total
        in_time = self.step(0)
        # Twice as many as are worked on: nobody waits for this thread to hand out the next.
        while in_time and (len(self.pending) > 2 * self.parallel or time.monotonic() < due):
            remaining = due - time.monotonic()
            in_time = self.step(min(remaining, 0.5) if remaining > 0 else 0.5)
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
        self.pending[self.jobs.pool.submit(answer_chunk, self.task, chunk, self.halt)] = chunk, tries

    def take(self, seconds: float) -> None:
        """Wait for chunks and count them; one whose engine process died is sent again."""
        traces, job_id = self.jobs.traces, self.runner.job_id
        done, _ = wait(self.pending, timeout=seconds, return_when=FIRST_COMPLETED)
        for future in done:
            chunk, tries = self.pending.pop(future)
            try:
                report = future.result()
            except BrokenProcessPool:
                if tries >= MAX_TRIES:
                    raise
                traces.log(did="lose engine process", job=job_id, start=chunk.start, tries=tries)
                self.send(chunk, tries + 1)
                continue
            self.counts["success"] += report.part.success
            self.counts["error"] += report.part.error
            self.counts["processed"] = self.counts["success"] + self.counts["error"]
            self.jobs.adapt_chunks(report)
            for failure in report.failures:
                traces.log(did="fail on record", job=job_id, traceback=failure)

    def drain(self) -> None:
        """Let what is on its way arrive before anybody joins or counts the parts."""
        if self.halt is not None:
            self.halt.set()
        wait([future for future in self.pending if not future.cancel()])
