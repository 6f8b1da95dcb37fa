"""Repair: what failed, never came or was cut off is sent again; a few records are tried before the rest."""

import html
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bbkit.costs import estimate_cost
from bbkit.errors import InputError, RunError
from bbkit.families import get_family, max_tokens_of, with_max_tokens
from bbkit.findings import RETRYABLE
from bbkit.frames import JOB_COLUMNS, OUTPUT_COLUMNS, as_frame
from bbkit.jobs import submit_jobs, wait_for_jobs
from bbkit.lines import file_lines, read_records
from bbkit.on_demand import append_line, send_on_demand, send_records
from bbkit.outputs import collect_outputs
from bbkit.record_files import on_demand_attempts, read_lineage
from bbkit.recording import FILE_COLUMNS, drop_unsent
from bbkit.run import Run

__all__ = ["probe_records", "retry_records", "send_on_demand", "send_retry"]

RETRY_COLUMNS = {**FILE_COLUMNS, "tier": "string", "batch_usd": "Float64", "on_demand_usd": "Float64"}
"""One row per input file of the new attempt."""

_OUTCOMES = ("errored", "retryable", "missing")


def retry_records(
    run: Run,
    *,
    outcomes: Sequence[str] = ("errored", "missing"),
    cut_off: bool = False,
    max_tokens: int | None = None,
) -> pd.DataFrame:
    """Write what did not come back well as the next attempt of the run; nothing is sent.

    An attempt that was written before and never sent is replaced.

    Parameters
    ----------
    run : Run
        A run whose jobs have ended.
    outcomes : sequence of str
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
    bbkit.errors.RunError
        A job has not ended, or nothing was sent yet.
    bbkit.errors.InputError
        An outcome is not one of these, or `max_tokens` is not higher than what a record had.
    """
    chosen_outcomes = [outcomes] if isinstance(outcomes, str) else list(outcomes)
    if wrong := [name for name in chosen_outcomes if name not in _OUTCOMES]:
        raise InputError(f"outcomes= names {wrong[0]!r}. It takes {', '.join(_OUTCOMES)}.")
    drop_unsent(run)
    outputs = collect_outputs(run)
    if any(state.open for state in run.journal.states()):
        raise RunError(f"Jobs of run {run.name!r} have not ended. Wait for them with wait_for_jobs(run).")
    wanted = outputs[_choose(outputs, chosen_outcomes, cut_off)]
    if not len(wanted):
        return as_frame([], RETRY_COLUMNS)
    cut = set(wanted.loc[_is_cut_off(wanted), "record_id"])
    lineage = {
        "outcomes": chosen_outcomes,
        "cut_off": cut_off,
        "max_tokens": max_tokens,
        "records": len(wanted),
        "records_cut_off": len(cut),
        "from_attempts": sorted(int(number) for number in wanted["attempt"].dropna().unique()),
    }
    records = _bodies(run, dict(zip(wanted["record_id"], wanted["attempt"], strict=True)), cut, max_tokens)
    allowed = [*read_lineage(run.folder).get(1, {}).get("allow", ()), "min_records_per_job"]
    written = run.write_attempt(records, lineage=lineage, allow=allowed)
    return _price_files(run, written, outputs)


def _price_files(run: Run, written: pd.DataFrame, outputs: pd.DataFrame) -> pd.DataFrame:
    """Add what each file will cost either way; the cost of a job of several files is shared by their
    bytes."""
    attempt = int(written["attempt"].iloc[0])
    tier = "on_demand" if attempt in on_demand_attempts(run.folder) else "batch"
    estimate = estimate_cost(run, probe=outputs, attempt=attempt).table.set_index("job")
    share = (written["bytes"] / written.groupby("job")["bytes"].transform("sum")).astype("Float64")
    priced = written.assign(
        tier=tier,
        batch_usd=written["job"].map(estimate["cost_usd"]).astype("Float64") * share,
        on_demand_usd=written["job"].map(estimate["on_demand_usd"]).astype("Float64") * share,
    )
    return as_frame(priced.to_dict("records"), RETRY_COLUMNS)


def _choose(outputs: pd.DataFrame, outcomes: Collection[str], cut_off: bool) -> pd.Series:
    outcome = outputs["outcome"]
    chosen = outcome.isin([name for name in outcomes if name != "retryable"])
    if "retryable" in outcomes:
        chosen |= (outcome == "errored") & outputs["error_code"].isin(RETRYABLE)
    if cut_off:
        chosen |= _is_cut_off(outputs)
    return chosen.fillna(False).astype(bool) & outputs["record_id"].notna()


def _is_cut_off(outputs: pd.DataFrame) -> pd.Series:
    return (
        ((outputs["outcome"] == "succeeded") & (outputs["stop_reason"] == "length"))
        .fillna(False)
        .astype(bool)
    )


def _bodies(
    run: Run, attempts: Mapping[str, int], cut: Collection[str], max_tokens: int | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read each record as it was sent the best time, with a higher maximum for those that were cut off."""
    for attempt in sorted({int(number) for number in attempts.values()}):
        for file in run.record_files(attempt):
            for record_id, body in read_records(file.path):
                if record_id is None or attempts.get(record_id) != attempt:
                    continue
                yield (
                    record_id,
                    _raise_maximum(run, record_id, body, max_tokens) if record_id in cut else body,
                )


def _raise_maximum(run: Run, record_id: str, body: dict[str, Any], max_tokens: int | None) -> dict[str, Any]:
    before = max_tokens_of(body)
    if max_tokens is None and before is None:
        raise InputError(
            f"Record {record_id!r} was cut off and names no maximum to double. Pass max_tokens=."
        )
    raised = max_tokens if max_tokens is not None else 2 * (before or 0)
    if before is not None and raised <= before:
        raise InputError(
            f"max_tokens is {raised:,}; record {record_id!r} was cut off at {before:,}. Pass a higher one."
        )
    return with_max_tokens(body, raised, get_family(run.family))


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
    """
    if not len(retry):
        return as_frame([], JOB_COLUMNS)
    attempt = int(retry["attempt"].iloc[0])
    if (retry["tier"] == "on_demand").all():
        if on_demand:
            return send_on_demand(run, attempt=attempt)
        records = int(retry["records"].sum())
        row = {
            "job_name": f"on-demand-{attempt}",
            "file": retry["file"].iloc[0],
            "attempt": attempt,
            "records": records,
            "message": f"{records:,} records are too few for a batch job; on_demand=True sends them",
        }
        return as_frame([row], JOB_COLUMNS)
    submit_jobs(run)
    jobs = wait_for_jobs(run, timeout=timeout)
    return jobs[jobs["attempt"] == attempt].reset_index(drop=True)


class Probe(pd.DataFrame):
    """Real answers to a few records: columns `OUTPUT_COLUMNS` and ``input_bytes``, and what they say of the
    whole."""

    @property
    def _constructor(self) -> type["Probe"]:
        return Probe

    @property
    def sentence(self) -> str:
        """What came back, what was cut off, and the cost of the whole extrapolated from it with its range."""
        return str(self.attrs.get("sentence", ""))

    def _repr_html_(self) -> str:
        table = pd.DataFrame(self).to_html(escape=True, max_rows=50)
        said = html.escape(self.sentence)
        return f'<div class="bbkit-probe tex2jax_ignore mathjax_ignore"><p>{said}</p>{table}</div>'


def probe_records(run: Run, n: int = 5) -> Probe:
    """Send a few records on demand, with exactly the body of the batch, before the rest.

    Parameters
    ----------
    run : Run
        A run with records.
    n : int
        How many, 1 to 50; they are spread over the length of the input, the shortest and the longest among
        them.

    Returns
    -------
    Probe
        A DataFrame with one row per record tried: columns `OUTPUT_COLUMNS` and ``input_bytes`` (Int64). Its
        ``.sentence`` says what came back and what the whole may cost; ``estimate_cost(run, probe=...)``
        takes it.

    Raises
    ------
    bbkit.errors.RunError
        The run has no records.
    bbkit.errors.InputError
        `n` is out of range.
    bbkit.errors.PlaceError
        Calls go elsewhere than the run was made for.
    bbkit.errors.AwsError
        AWS refused what holds for every record.
    """
    if not 1 <= n <= 50:
        raise InputError(f"n is {n}. A probe takes 1 to 50 records.")
    files = run.record_files(1)
    if not files:
        raise RunError(f"Run {run.name!r} has no records. Write them with write_records(records, run).")
    run.check_place()
    sizes = np.fromiter((len(line) for file in files for line in file_lines(str(file.path))), dtype=np.int64)
    order = np.argsort(sizes, kind="stable")
    chosen = {
        int(order[position])
        for position in np.linspace(0, len(order) - 1, min(n, len(order))).round().astype(int)
    }
    # A record without an id of its own, which Bedrock would name, goes by its number here.
    records = [
        (record_id if record_id is not None else f"record {number + 1}", body)
        for number, (record_id, body) in enumerate(
            record for file in files for record in read_records(file.path)
        )
        if number in chosen
    ]
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "probe.jsonl.out").open("wb") as stream:
            for line in send_records(run, records, concurrency=min(len(records), 5)):
                append_line(stream, line)
        frame = collect_outputs(folder, model_id=run.model_id, sent=[name for name, _ in records])
    frame["tier"] = pd.array(["on_demand"] * len(frame), dtype="string")
    lengths = dict(zip((name for name, _ in records), sizes[sorted(chosen)].tolist(), strict=True))
    frame["input_bytes"] = pd.array([lengths[name] for name in frame["record_id"]], dtype="Int64")
    probe = Probe(frame[[*OUTPUT_COLUMNS, "input_bytes"]])
    probe.attrs = {
        "sentence": _say_probe(probe, len(sizes), estimate_cost(run, probe=probe, attempt=1).sentence)
    }
    return probe


def _say_probe(probe: pd.DataFrame, records: int, cost: str) -> str:
    counts = probe["outcome"].value_counts()
    told = " + ".join(f"{number} {outcome}" for outcome, number in counts.items())
    cut = int(_is_cut_off(probe).sum())
    cut_off = f", {cut} of them cut off ({cut / len(probe):.0%})" if cut else ", none cut off"
    tokens = f"{probe['input_tokens'].sum():,} input and {probe['output_tokens'].sum():,} output tokens"
    return (
        f"{len(probe)} of {records:,} records sent on demand = {told}{cut_off}; {tokens}. The whole: {cost}"
    )
