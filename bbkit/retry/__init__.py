"""Sent again, or sent without a batch job: what failed, never came or was cut off becomes the next attempt.

`retry_records` chooses from the outputs and writes input files as `write_records` does, each record with its
cure (`cures`); `send_retry` sends them as jobs, or one by one on demand (`on_demand`), which writes the same
lines a job would, and which tries a few before the rest. `goals` does so until a goal holds.
"""

import warnings
from collections.abc import Sequence
from itertools import chain
from typing import Literal

import pandas as pd

from bbkit.core.errors import InputError, RunError, as_names, validate_number
from bbkit.core.frames import CAUSES, JOB_COLUMNS, NUMBER, TEXT, as_frame, require_columns
from bbkit.core.progress import in_kernel
from bbkit.core.text import count_noun
from bbkit.costs import estimate_cost
from bbkit.diagnostics import RETRYABLE
from bbkit.jobs import submit_jobs, wait_for_jobs
from bbkit.outputs import accounting, collect_outputs
from bbkit.outputs.answers import parse_answers
from bbkit.retry.cures import Cures, find_causes
from bbkit.retry.on_demand import probe_records, send_on_demand
from bbkit.run import Run, RunSnapshot, as_run
from bbkit.run.recording import FILE_COLUMNS, list_files, replacing_unsent_attempt, write_attempt
from bbkit.run.remote_jobs import refresh_jobs

__all__ = ["probe_records", "retry_records", "send_on_demand", "send_retry"]

RETRY_COLUMNS = {**FILE_COLUMNS, "tier": TEXT, "batch_usd": NUMBER, "on_demand_usd": NUMBER}
"""One row per input file of the new attempt."""


def retry_records(
    run: Run,
    *,
    outcomes: Sequence[str] | str | None = None,
    cut_off: bool = False,
    max_tokens: int | None = None,
    invalid: bool | Sequence[str] | str = (),
    note: bool = False,
) -> pd.DataFrame:
    """Write what did not come back well as the next attempt of the run; nothing is sent.

    An attempt that was written before and never sent is replaced; on an error it stays.

    Parameters
    ----------
    run : Run
        A run whose jobs have ended.
    outcomes : sequence of str or str, optional
        Which outcomes to send again: ``errored`` (all of them), ``retryable`` (errored by throttling, a
        timeout or a fault of the service, `RETRYABLE`), ``missing``. By default all, and none with `invalid`.
    cut_off : bool
        Also what was cut off at its maximum of output tokens, with a higher one, and is no valid answer.
    max_tokens : int, optional
        The higher maximum; by default twice what the record had, up to the most that the model takes.
    invalid : bool, sequence of str or str
        Also answers that the schema of the run refuses: of these causes (`parse_answers`), ``cut_off`` with a
        higher maximum; True or ``all`` for every cause. At temperature 0 the same body gets the same answer:
        such records are left out with a warning, unless `note`.
    note : bool
        Add to what is invalid one sentence for the model: what was wrong, and where in the schema. What was
        done to each record is kept in ``records/<attempt>-cures.parquet``.

    Returns
    -------
    pandas.DataFrame
        One row per input file written, with its tier (``batch``, or ``on_demand`` where the records are fewer
        than a batch job takes) and what it may cost either way, in USD, judged by the outputs so far; NA
        where a price is not known. Empty when there is nothing to send again.

    Raises
    ------
    bbkit.core.errors.RunError
        A job has not ended, or it is not known which records were sent.
    bbkit.core.errors.InputError
        An outcome or a cause is not one of these, `invalid` of a run without schema, or `max_tokens` is not
        higher than what a record had.
    bbkit.core.errors.RecordsError
        The records break a rule of `check_records`.
    bbkit.core.errors.PlaceError, bbkit.core.errors.CredentialsError, bbkit.core.errors.AwsError
        Outputs must still be fetched, and AWS cannot be asked here.
    """
    causes = as_names(
        invalid if invalid not in (True, False) else "all" * invalid, "invalid=", (*CAUSES, "all")
    )
    if causes and not as_run(run).schema:
        raise InputError(
            f"Run {run.name!r} has no schema, so no answer of it is invalid. Leave invalid= out."
        )
    given = ("errored", "missing") * (not causes) if outcomes is None else outcomes
    chosen = as_names(given, "outcomes=", ("errored", "retryable", "missing"))
    causes = [*(CAUSES if "all" in causes else causes), *(["cut_off"] if cut_off else [])]
    if max_tokens is not None:
        validate_number(max_tokens, "max_tokens", least=1, whole=True, what="It is a whole number of tokens.")
        max_tokens = int(max_tokens)  # JSON takes no number of numpy
    snapshot = refresh_jobs(RunSnapshot.read(as_run(run)))
    if snapshot.open:
        raise RunError(
            f"Jobs of run {snapshot.run.name!r} have not ended. Wait for them with wait_for_jobs(run)."
        )
    with replacing_unsent_attempt(snapshot) as remaining:
        answers = read_answers(remaining)
        again = answers["cause"].isin([*(name for name in chosen if name != "retryable"), *causes])
        if "retryable" in chosen:
            again |= answers["outcome"].isin(["errored"]) & answers["error_code"].isin(RETRYABLE)
        wanted = answers[again]
        lineage = {"outcomes": chosen, "cut_off": cut_off, "max_tokens": max_tokens, "invalid": causes}
        cures = Cures(remaining, wanted, lineage, max_tokens=max_tokens, note=note)
        retry = write_cures(cures, answers)
    for reason, count in cures.held.items():
        warnings.warn(f"{count_noun(count, 'record', 'are')} not sent again: {reason}.", stacklevel=2)
    return retry


def read_answers(snapshot: RunSnapshot, attempts: Literal["best", "all"] = "best") -> pd.DataFrame:
    """What came back of a run, with the validity of each answer where it has a schema, and its ``cause``."""
    outputs = collect_outputs(snapshot, attempts=attempts)
    if snapshot.run.schema:
        outputs = parse_answers(outputs)
    if accounting(outputs).numbers["sent"] is None:
        raise RunError(
            f"Which records of run {snapshot.run.name!r} to send again is not known: "
            + (
                "some were sent without a recordId. Write them with ids into another run."
                if snapshot.files
                else "its input files were gone when it was adopted. Write its records into another run."
            )
        )
    return outputs.assign(cause=find_causes(outputs))


def write_cures(cures: Cures, answers: pd.DataFrame) -> pd.DataFrame:
    """Write the records that have a cure as the next attempt; price its files, a job's by their bytes."""
    snapshot, records = cures.snapshot, cures.iter_records()
    first = next(records, None)
    if first is None:
        return as_frame([], RETRY_COLUMNS, "Nothing to send again.")
    allowed = [*snapshot.lineage.get(1, {}).get("allow", ()), "min_records_per_job"]
    after = write_attempt(chain([first], records), snapshot, lineage=cures.keep, allow=allowed)
    attempt, files = after.last_attempt, list_files(after)
    estimate = estimate_cost(after.run, probe=answers, attempt=attempt).table.set_index("job")
    share = (files["bytes"] / files.groupby("job")["bytes"].transform("sum")).astype("Float64")
    priced = files.assign(
        tier=after.lineage[attempt]["tier"],
        batch_usd=files["job"].map(estimate["cost_usd"]).astype("Float64") * share,
        on_demand_usd=files["job"].map(estimate["on_demand_usd"]).astype("Float64") * share,
    )
    return as_frame(priced.to_dict("records"), RETRY_COLUMNS)


def send_retry(
    run: Run, retry: pd.DataFrame, *, on_demand: bool = False, timeout: float | None = None
) -> pd.DataFrame:
    """Send what `retry_records` wrote, and wait: as batch jobs, or on demand where it is too few for one.

    Parameters
    ----------
    run : Run
        The run.
    retry : pandas.DataFrame
        What `retry_records` gave.
    on_demand : bool
        Send on demand, at its price, what is too few for a batch job; otherwise that stays written and is
        not sent.
    timeout : float, optional
        Seconds to wait for batch jobs at most.

    Returns
    -------
    pandas.DataFrame
        The jobs table of this attempt; what went on demand is one row. Empty when there was nothing to send.

    Raises
    ------
    bbkit.core.errors.InputError
        `timeout` is no number of seconds.
    bbkit.core.errors.RunError
        A file is not the one that was written, or the attempt is being sent elsewhere.
    bbkit.core.errors.PlaceError, bbkit.core.errors.CredentialsError
        Calls go elsewhere than the run was made for, or there are no credentials.
    bbkit.core.errors.AwsError
        AWS refused a job, or what holds for every record sent on demand.
    """
    run = as_run(run)
    require_columns(retry, ("attempt", "tier", "file", "records"), "Pass what retry_records returned.")
    if retry.empty:
        return as_frame([], JOB_COLUMNS, "Nothing to send again.")
    attempt = int(retry["attempt"].iloc[0])
    if (retry["tier"] == "on_demand").all():
        records = int(retry["records"].sum())
        message = f"{records:,} records are too few for a batch job; on_demand=True sends them"
        try:
            if on_demand:
                return send_on_demand(run, attempt=attempt)
        except KeyboardInterrupt:
            if not in_kernel():
                raise
            message = "interrupted; what was answered is kept, and this cell, run again, sends the rest"
        row = {
            "job_name": run.on_demand_folder(attempt).name,
            "file": retry["file"].iloc[0],
            "attempt": attempt,
            "records": records,
            "message": message,
        }
        return as_frame([row], JOB_COLUMNS)
    submit_jobs(run)
    jobs = wait_for_jobs(run, timeout=timeout)
    return jobs[jobs["attempt"] == attempt].reset_index(drop=True)
