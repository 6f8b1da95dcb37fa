"""Sent again, or sent without a batch job: what failed, never came or was cut off becomes the next attempt.

`retry_records` chooses from the outputs and writes input files as `write_records` does; `send_retry` sends
them as jobs, or one by one on demand (`on_demand`), which writes the same lines a job would. `probes` tries a
few records that way before the rest.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from bbkit.core.errors import InputError, RunError, as_names, validate_number
from bbkit.core.frames import JOB_COLUMNS, NUMBER, TEXT, as_frame, require_columns
from bbkit.costs import estimate_cost
from bbkit.diagnostics import RETRYABLE
from bbkit.families import get_family, max_tokens_of
from bbkit.jobs import submit_jobs, wait_for_jobs
from bbkit.outputs import accounting, collect_outputs
from bbkit.records import iter_record_ids, number_ids
from bbkit.records.lines import read_records
from bbkit.retry.on_demand import send_on_demand
from bbkit.retry.probes import is_cut_off, probe_records
from bbkit.run import Run, RunSnapshot, as_run
from bbkit.run.recording import FILE_COLUMNS, list_files, replacing_unsent_attempt, write_attempt
from bbkit.run.remote_jobs import refresh_jobs

__all__ = ["probe_records", "retry_records", "send_on_demand", "send_retry"]

RETRY_COLUMNS = {**FILE_COLUMNS, "tier": TEXT, "batch_usd": NUMBER, "on_demand_usd": NUMBER}
"""One row per input file of the new attempt."""

_OUTCOMES = ("errored", "retryable", "missing")


def retry_records(
    run: Run,
    *,
    outcomes: Sequence[str] | str = ("errored", "missing"),
    cut_off: bool = False,
    max_tokens: int | None = None,
) -> pd.DataFrame:
    """Write what did not come back well as the next attempt of the run; nothing is sent.

    An attempt that was written before and never sent is replaced; on an error it stays.

    Parameters
    ----------
    run : Run
        A run whose jobs have ended.
    outcomes : sequence of str or str
        Which outcomes to send again: ``errored`` (all of them), ``retryable`` (errored by throttling, a
        timeout or a fault of the service, `RETRYABLE`), ``missing``.
    cut_off : bool
        Also what was cut off at its maximum of output tokens, with a higher one.
    max_tokens : int, optional
        The higher maximum; by default twice what the record had.

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
        An outcome is not one of these, or `max_tokens` is not higher than what a record had.
    bbkit.core.errors.RecordsError
        The records break a rule of `check_records`.
    bbkit.core.errors.PlaceError, bbkit.core.errors.CredentialsError, bbkit.core.errors.AwsError
        Outputs must still be fetched, and AWS cannot be asked here.
    """
    chosen = as_names(outcomes, "outcomes=", _OUTCOMES)
    if max_tokens is not None:
        validate_number(max_tokens, "max_tokens", least=1, whole=True, what="It is a whole number of tokens.")
    snapshot = refresh_jobs(RunSnapshot.read(as_run(run)))
    if snapshot.open:
        raise RunError(
            f"Jobs of run {snapshot.run.name!r} have not ended. Wait for them with wait_for_jobs(run)."
        )
    with replacing_unsent_attempt(snapshot) as remaining:
        return _write_retry(remaining, chosen, cut_off, max_tokens)


def _write_retry(
    snapshot: RunSnapshot, chosen_outcomes: Sequence[str], cut_off: bool, max_tokens: int | None
) -> pd.DataFrame:
    outputs = collect_outputs(snapshot)
    if accounting(outputs).numbers["sent"] is None:
        raise RunError(
            f"Which records of run {snapshot.run.name!r} to send again is not known: "
            + (
                "some were sent without a recordId. Write them with ids into another run."
                if snapshot.files
                else "its input files were gone when it was adopted. Write its records into another run."
            )
        )
    wanted = outputs[_choose(outputs, chosen_outcomes, cut_off)]
    if not len(wanted):
        return as_frame([], RETRY_COLUMNS)
    cut = set(wanted.loc[is_cut_off(wanted), "record_key"])
    lineage = {
        "outcomes": list(chosen_outcomes),
        "cut_off": cut_off,
        "max_tokens": max_tokens,
        "records": len(wanted),
        "records_cut_off": len(cut),
        "from_attempts": sorted(int(number) for number in wanted["attempt"].dropna().unique()),
    }
    attempts = dict(zip(wanted["record_key"], wanted["attempt"], strict=True))
    records = _iter_bodies(snapshot, attempts, cut, max_tokens)
    allowed = [*snapshot.lineage.get(1, {}).get("allow", ()), "min_records_per_job"]
    return _price_files(write_attempt(records, snapshot, lineage=lineage, allow=allowed), outputs)


def _price_files(snapshot: RunSnapshot, outputs: pd.DataFrame) -> pd.DataFrame:
    """Add what each file will cost either way; the cost of a job of several files is shared by their
    bytes.
    """
    attempt, files = snapshot.last_attempt, list_files(snapshot)
    estimate = estimate_cost(snapshot.run, probe=outputs, attempt=attempt).table.set_index("job")
    share = (files["bytes"] / files.groupby("job")["bytes"].transform("sum")).astype("Float64")
    priced = files.assign(
        tier=snapshot.lineage[attempt]["tier"],
        batch_usd=files["job"].map(estimate["cost_usd"]).astype("Float64") * share,
        on_demand_usd=files["job"].map(estimate["on_demand_usd"]).astype("Float64") * share,
    )
    return as_frame(priced.to_dict("records"), RETRY_COLUMNS)


def _choose(outputs: pd.DataFrame, outcomes: Collection[str], cut_off: bool) -> pd.Series:
    outcome = outputs["outcome"]
    chosen = outcome.isin([name for name in outcomes if name != "retryable"])
    if "retryable" in outcomes:
        chosen |= outcome.isin(["errored"]) & outputs["error_code"].isin(RETRYABLE)
    if cut_off:
        chosen |= is_cut_off(outputs)
    return chosen


def _iter_bodies(
    snapshot: RunSnapshot, attempts: Mapping[str, int], cut: Collection[str], max_tokens: int | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read each record as sent the best time, under its key, with a higher maximum where it was cut off."""
    ids = [(file.attempt, record_id) for file in snapshot.files for record_id in iter_record_ids(file.path)]
    keys = iter(number_ids(ids)[0])
    for file in snapshot.files:
        for _, body in read_records(file.path):
            key = next(keys)
            if attempts.get(key) == file.attempt:
                is_cut = key in cut
                yield key, _raise_maximum(snapshot.run, key, body, max_tokens) if is_cut else body


def _raise_maximum(run: Run, record_id: str, body: dict[str, Any], max_tokens: int | None) -> dict[str, Any]:
    before = max_tokens_of(body)
    if max_tokens is None and before is None:
        raise InputError(
            f"Record {record_id!r} was cut off and names no maximum to double. Pass max_tokens=."
        )
    raised = max_tokens or 2 * (before or 0)
    if before is not None and raised <= before:
        raise InputError(
            f"max_tokens is {raised:,}; record {record_id!r} was cut off at {before:,}. Pass a higher one."
        )
    return get_family(run.family).with_max_tokens(body, raised)


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
        return as_frame([], JOB_COLUMNS)
    attempt = int(retry["attempt"].iloc[0])
    if (retry["tier"] == "on_demand").all():
        if on_demand:
            return send_on_demand(run, attempt=attempt)
        records = int(retry["records"].sum())
        row = {
            "job_name": run.on_demand_folder(attempt).name,
            "file": retry["file"].iloc[0],
            "attempt": attempt,
            "records": records,
            "message": f"{records:,} records are too few for a batch job; on_demand=True sends them",
        }
        return as_frame([row], JOB_COLUMNS)
    submit_jobs(run)
    jobs = wait_for_jobs(run, timeout=timeout)
    return jobs[jobs["attempt"] == attempt].reset_index(drop=True)
