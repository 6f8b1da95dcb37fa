"""One job from Submitted to its end, in a thread of the server.

Every step reads its starting point from the store and from the job's folder, so that a job that was killed
anywhere goes on where it was.
"""

import shutil
import time
from threading import Event
from typing import TYPE_CHECKING, Any

from bbkit.standin import faults as fault
from bbkit.standin import results
from bbkit.standin.answerers import Task
from bbkit.standin.answering import Answering
from bbkit.standin.inputs import InvalidInput, check_inputs, find_inputs
from bbkit.standin.plans import Plan
from bbkit.standin.store import NO_COUNTS, Job

if TYPE_CHECKING:
    from bbkit.standin.jobs import Jobs


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
        self.folder = jobs.settings.folder / "jobs" / self.job_id
        self.faults = fault.read_faults(job["faults"])
        self.signal = Event()
        self.request: dict[str, Any] = job["request"]
        self.has_turn = False
        self.lag = max(jobs.settings.pace.counter_lag, self.faults.slow_counters)

    def run(self) -> None:
        """Take the job to its end."""
        try:
            self.go()
        except Ended:
            self.finish_stop()
        finally:
            if self.has_turn:
                self.jobs.turns.release()

    def go(self) -> None:
        """Go through the statuses, from the one the job is in."""
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
        except (InvalidInput, results.OutputRefused) as error:
            self.end(("Validating", "InProgress"), "Failed", message=str(error))

    def validate(self) -> None:
        """Check the input and keep it as it is now, by hard links."""
        if "fail-validation" in self.faults.names:
            raise InvalidInput("The input data could not be validated. (fault asked for)")
        source = self.request["inputDataConfig"]["s3InputDataConfig"]
        target = self.request["outputDataConfig"]["s3OutputDataConfig"]
        for config, what in ((source, "input"), (target, "output")):
            owner = config.get("s3BucketOwner", self.settings.account)
            if owner != self.settings.account:
                raise InvalidInput(f"Access denied: the {what} bucket is not owned by account {owner}.")
        results.check_output(self.settings.buckets, target["s3Uri"])
        found = find_inputs(self.settings.buckets, source["s3Uri"])
        limits, model = self.settings.limits, self.job["model"]
        Plan.make(self.folder, found, lambda links: check_inputs(links, limits, model))

    def schedule(self, seconds: float) -> None:
        """Wait for the turn; a job that does not begin before its time is over expires."""
        self.sleep(seconds, until=self.job["expires"])
        asked = "expire" in self.faults.names
        if asked or not self.take_turn():
            message = "The job did not begin before its timeout." + " (fault asked for)" * asked
            self.end(("Scheduled",), "Expired", message=message)
            return
        self.move(("Scheduled",), "InProgress", counts=NO_COUNTS | {"total": self.plan().total})

    def take_turn(self) -> bool:
        """Wait until fewer than the most jobs are in progress; False when the job's time ran out before."""
        while not self.has_turn and time.time() < self.job["expires"]:
            self.has_turn = self.jobs.turns.acquire(timeout=0.5)
            self.check_stop()
        return self.has_turn

    def progress(self) -> None:
        """Answer the records and put the output in place."""
        in_time = self.take_turn() and self.answer_records()
        if "fail" in self.faults.names:
            self.end(
                ("InProgress",),
                "Failed",
                message="The job failed while it was in progress. (fault asked for)",
            )
            return
        self.put_output(self.plan())
        status = "Completed" if in_time else "PartiallyCompleted"
        message = None if in_time else "The job reached its timeout before all records were processed."
        self.end(("InProgress",), status, message=message)

    def answer_records(self) -> bool:
        """Send the records through the engine; False when time ran out first."""
        plan, share = self.plan(), self.faults.time_out
        limit = None if share is None else min(int(plan.total * share), plan.total - 1)
        return Answering(self, plan, limit).run() and limit is None

    def put_output(self, plan: Plan) -> None:
        """Put what is done into the output bucket, and remember whom passing faults befell."""
        uri = self.request["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"]
        settings = self.settings
        results.put_output(plan, settings.buckets, uri, self.job_id, settings.ordered, self.jobs.traces)
        if hits := plan.hits():
            self.store.add_hits(self.job_id, hits)

    def finish_stop(self) -> None:
        """End a job that was asked to stop, with the output of what it had processed."""
        job = self.store.get(self.job_id)
        if job is None or job["status"] != "Stopping":
            return
        time.sleep(self.settings.pace.stopping)
        message = None
        plan = Plan.load(self.folder)
        if plan is not None and (self.folder / "parts").is_dir():
            try:
                self.put_output(plan)
            except results.OutputRefused as error:
                message = str(error)
        self.end(("Stopping",), "Stopped", message=message)

    def task(self) -> Task:
        """Gather what the engine processes need, with the records passing faults befell in other jobs."""
        hits = self.folder / "hits.txt"
        hits.write_text("\n".join(self.store.hits_before(self.job_id)) if self.faults.touches_records else "")
        return Task(
            job_id=self.job_id,
            model_id=self.job["model"],
            invocation_type=self.request.get("modelInvocationType", "InvokeModel"),
            faults=tuple(self.job["faults"]),
            ordered=self.settings.ordered,
            hits_path=str(hits),
            place=self.request["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"],
            engine=self.settings.engine,
            engine_options=self.settings.engine_options_json,
        )

    def plan(self) -> Plan:
        """Read the plan that validation made."""
        plan = Plan.load(self.folder)
        assert plan is not None, f"job {self.job_id} is {self.job['status']} without a plan"
        return plan

    def show(self, counts: dict[str, int]) -> None:
        """Let the counters of Get move, and tell the person watching."""
        self.jobs.say(self.job, f"InProgress  {counts['processed']:,} of {counts['total']:,} records")
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
        plan = Plan.load(self.folder)
        columns: dict[str, Any] = {"ended": now, "message": message}
        if plan is not None and (self.folder / "parts").is_dir():
            columns |= {"final": plan.counts(), "final_at": now + self.faults.slow_counters}
        self.move(source, status, **columns)
        shutil.rmtree(self.folder, ignore_errors=True)

    def sleep(self, seconds: float, until: float | None = None) -> None:
        """Wait, but wake at once when the job is asked to stop."""
        deadline = time.monotonic() + seconds
        if until is not None:
            deadline = min(deadline, time.monotonic() + until - time.time())
        while (left := deadline - time.monotonic()) > 0:
            self.signal.wait(left)
            self.check_stop()
        self.check_stop()

    def check_stop(self) -> None:
        """Raise when the job has been asked to stop."""
        if not self.signal.is_set():
            return
        self.signal.clear()
        job = self.store.get(self.job_id)
        if job is None or job["status"] not in ("Submitted", "Validating", "Scheduled", "InProgress"):
            raise Ended
