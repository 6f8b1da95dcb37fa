"""Records sent one by one on demand: an attempt, in the output lines of a job, or a few before the rest."""

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import msgspec
import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from bbkit import aws
from bbkit.core.errors import AwsError, RunError, validate_number
from bbkit.core.files import replacing, write_text
from bbkit.core.frames import COUNT, JOB_COLUMNS, MANIFEST, OUTPUT_COLUMNS, TEXT, Table, as_frame
from bbkit.core.panels import render_panel
from bbkit.costs import CostEstimate, estimate_cost
from bbkit.families import answer_of
from bbkit.outputs import collect_outputs
from bbkit.records import hash_record
from bbkit.records.input_sets import file_lines
from bbkit.records.lines import read_records
from bbkit.records.splitting import InputFile
from bbkit.run import Run, RunSnapshot, as_run
from bbkit.run.remote_jobs import read_answer

Record = tuple[str | None, Mapping[str, Any]]

_FOR_ALL = ("AccessDeniedException", "UnrecognizedClientException", "ResourceNotFoundException", "NoAnswer")
"""Refusals that the next record would get as well."""

_MANIFEST_COUNTS = (
    "totalRecordCount", "processedRecordCount", "successRecordCount", "errorRecordCount",
    "inputTokenCount", "outputTokenCount",
)  # fmt: skip


def send_on_demand(
    run: Run,
    *,
    attempt: int | None = None,
    concurrency: int = 8,
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    """Send the records of an attempt on demand, at the on-demand price, instead of in a batch job.

    What comes back is written line by line into ``outputs/on-demand-<attempt>/`` in the layout of a batch
    job. Interrupted and called again, only what was not answered yet is sent.

    Parameters
    ----------
    run : Run
        The run.
    attempt : int, optional
        The attempt; by default the latest.
    concurrency : int
        How many records are under way at once, 1 to 100.
    progress : callable, optional
        Called with the records done and the records to do.

    Returns
    -------
    pandas.DataFrame
        One row with the columns of the jobs table; its name is ``on-demand-<attempt>``.

    Raises
    ------
    bbkit.core.errors.InputError
        `concurrency` is out of range.
    bbkit.core.errors.RunError
        The attempt does not exist, went to a batch job, or is being sent by another process or thread.
    bbkit.core.errors.PlaceError, bbkit.core.errors.CredentialsError
        Calls go elsewhere than the run was made for, or there are no credentials.
    bbkit.core.errors.AwsError
        AWS refused what holds for every record, such as a permission; what was answered is kept.
    """
    validate_number(
        concurrency, "concurrency", least=1, most=100, whole=True, what="It is a number from 1 to 100."
    )
    snapshot = RunSnapshot.read(as_run(run))
    run, number = snapshot.run, attempt or snapshot.last_attempt
    files = [file for file in snapshot.files if file.attempt == number]
    folder = run.on_demand_folder(number)
    if not files:
        raise RunError(f"Run {run.name!r} has no records of attempt {number or 1}.")
    if snapshot.is_sent(number) and not folder.is_dir():
        raise RunError(
            f"Attempt {number} of run {run.name!r} went to a batch job. retry_records makes another."
        )
    snapshot.access.ensure()
    started, total = datetime.now(UTC), sum(file.records for file in files)
    folder.mkdir(parents=True, exist_ok=True)
    refusal = (
        f"Attempt {number} of run {run.name!r} is being sent on demand by another process or thread. Wait "
        "for its end, then call send_on_demand(run) again: it sends only what is not answered yet."
    )
    # Two senders would pay for each record twice, and the one would write over the other's answers.
    with alone(folder / ".lock", refusal):
        for done, _ in enumerate(_send_files(snapshot, files, folder, concurrency), 1):
            if progress:
                progress(done, total)
        return as_frame([_finish(folder, number, files, started)], JOB_COLUMNS)


@contextmanager
def alone(lock: Path, refusal: str) -> Iterator[None]:
    """Be the only one that holds a lock, or raise."""
    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout as error:
        raise RunError(refusal) from error


def _send_files(
    snapshot: RunSnapshot, files: Iterable[InputFile], folder: Path, concurrency: int
) -> Iterator[str | None]:
    """Send what is not answered yet; give the id of each record once it is answered."""
    for file in files:
        path = folder / f"{file.path.name}.out"
        answered = _keep_answered(path)
        yield from answered.elements()
        records = (record for record in read_records(file.path) if not _is_counted(answered, record))
        with path.open("ab") as stream:
            for line in _send_records(snapshot, records, concurrency=concurrency):
                _append_line(stream, line)
                yield line["recordId"]


def _append_line(stream: BinaryIO, line: Mapping[str, Any]) -> None:
    stream.write(msgspec.json.encode(line) + b"\n")
    stream.flush()


def _is_counted(answered: Counter[Any], record: Record) -> bool:
    """Take a record from what was answered, if it is there."""
    key = hash_record(*record)
    answered[key] -= 1
    return answered[key] >= 0


def _keep_answered(path: Path) -> Counter[Any]:
    """Keep the lines with an answer, and count what they answer; the others will be sent again."""
    answered: Counter[Any] = Counter()
    if not path.exists():
        return answered
    with path.open("rb") as old, replacing(path) as partial, partial.open("wb") as new:
        for line in old:
            try:
                record = msgspec.json.decode(line)
            except msgspec.DecodeError:
                continue
            if "modelOutput" in record:
                answered[hash_record(record.get("recordId"), record.get("modelInput"))] += 1
                new.write(line)
    return answered


def _send_records(
    snapshot: RunSnapshot, records: Iterable[Record], *, concurrency: int
) -> Iterator[dict[str, Any]]:
    """Send records on demand; give the line of each once it is answered or refused."""
    run, waiting, stopped = snapshot.run, iter(records), threading.Event()
    call = aws.converse if run.invocation_type == "Converse" else aws.invoke_model
    options = {**aws.retry_options(), "max_pool_connections": max(concurrency, 10)}

    def send(record: Record) -> dict[str, Any] | None:
        if stopped.is_set():
            return None
        snapshot.access.ensure()
        record_id, body = record
        line = {"recordId": record_id, "modelInput": body}
        try:
            return {**line, "modelOutput": call(run.model_id, body, **options)}
        except AwsError as error:
            if error.code in _FOR_ALL:
                raise
            status, message = aws.read_refusal(error)
            return {**line, "error": {"errorCode": status or 400, "errorMessage": message}}

    with ThreadPoolExecutor(concurrency) as pool:
        under_way = {pool.submit(send, record) for record in itertools.islice(waiting, concurrency)}
        try:
            while under_way:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for future in done:
                    if (line := future.result()) is not None:
                        yield line
                under_way |= {pool.submit(send, record) for record in itertools.islice(waiting, len(done))}
        finally:
            stopped.set()


def _finish(folder: Path, attempt: int, files: list[InputFile], started: datetime) -> dict[str, Any]:
    """Write the manifest from the lines, as the service does, and describe the sending as a job."""
    counts = dict.fromkeys(_MANIFEST_COUNTS, 0)
    for file in files:
        counts["totalRecordCount"] += file.records
        with (folder / f"{file.path.name}.out").open("rb") as stream:
            for line in stream:
                record = msgspec.json.decode(line)
                counts["processedRecordCount"] += 1
                if "modelOutput" in record:
                    answer = answer_of(record["modelOutput"])[1]
                    counts["successRecordCount"] += 1
                    counts["inputTokenCount"] += answer.input_tokens or 0
                    counts["outputTokenCount"] += answer.output_tokens or 0
                else:
                    counts["errorRecordCount"] += 1
    write_text(folder / MANIFEST, json.dumps(counts))
    return {
        **read_answer(counts),
        "job_name": folder.name,
        "file": files[0].path.name if len(files) == 1 else f"{attempt}-*.jsonl",
        "attempt": attempt,
        "submission": 1,
        "status": "Completed",
        "message": "sent on demand, not as a batch job",
        "submitted_at": started,
        "ended_at": datetime.now(UTC),
        "seen_at": datetime.now(UTC),
    }


def is_cut_off(outputs: pd.DataFrame) -> pd.Series:
    """Tell which answers stopped at their maximum of output tokens."""
    return outputs["outcome"].isin(["succeeded"]) & outputs["stop_reason"].isin(["length"])


class Probe(Table):
    """Real answers to a few records, and what they say of the whole."""

    @property
    def _constructor(self) -> type["Probe"]:
        return Probe

    @property
    def sentence(self) -> str:
        """What came back, what was cut off, and the cost of the whole extrapolated from it with its range."""
        return str(self.attrs.get("sentence", ""))

    def _repr_html_(self) -> str:
        return render_panel("probe", self.sentence, [("", self._shown()[0])])


def probe_records(run: Run, n: int = 5, *, dry_run: bool = False) -> Probe | CostEstimate:
    """Send a few records on demand, with exactly the body of the batch, before the rest.

    Parameters
    ----------
    run : Run
        A run with records.
    n : int
        How many, 1 to 50; they are spread over the length of the input, the shortest and the longest among
        them.
    dry_run : bool
        Send nothing; price these records on demand.

    Returns
    -------
    Probe or CostEstimate
        A DataFrame with one row per record tried: columns `OUTPUT_COLUMNS` and ``input_bytes`` (Int64). Its
        ``.sentence`` says what came back and what the whole may cost; ``estimate_cost(run, probe=...)``
        takes it. Of a dry run, what these records may cost.

    Raises
    ------
    bbkit.core.errors.RunError
        The run has no records.
    bbkit.core.errors.InputError
        `n` is out of range.
    bbkit.core.errors.PlaceError, bbkit.core.errors.CredentialsError
        Calls go elsewhere than the run was made for, or there are no credentials.
    bbkit.core.errors.AwsError
        AWS refused what holds for every record.
    """
    validate_number(n, "n", least=1, most=50, whole=True, what="A probe takes 1 to 50 records.")
    snapshot = RunSnapshot.read(as_run(run))
    run, files = snapshot.run, [file for file in snapshot.files if file.attempt == 1]
    snapshot.require_records()
    snapshot.access.ensure()
    sizes = np.fromiter((len(line) for file in files for line in file_lines(str(file.path))), dtype=np.int64)
    order = np.argsort(sizes, kind="stable")
    places = np.linspace(0, len(order) - 1, min(n, len(order))).round().astype(int)
    chosen = set(order[places].tolist())
    # A record without an id of its own, which Bedrock would name, goes by its number here.
    every = (record for file in files for record in read_records(file.path))
    records = [
        (record_id if record_id is not None else f"record {number + 1}", body)
        for number, (record_id, body) in enumerate(every)
        if number in chosen
    ]
    if dry_run:
        return estimate_cost(records, run.model_id, family=run.family, prices=run.price_file)
    with TemporaryDirectory() as folder:
        with (Path(folder) / "probe.jsonl.out").open("wb") as stream:
            for line in _send_records(snapshot, records, concurrency=min(len(records), 5)):
                _append_line(stream, line)
        frame = collect_outputs(folder, model_id=run.model_id, sent=[name for name, _ in records])
    frame["tier"] = pd.array(["on_demand"] * len(frame), dtype=TEXT)
    lengths = dict(zip((name for name, _ in records), sizes[sorted(chosen)].tolist(), strict=True))
    frame["input_bytes"] = pd.array([lengths[name] for name in frame["record_id"]], dtype=COUNT)
    probe = Probe(frame[[*OUTPUT_COLUMNS, "input_bytes"]])
    probe.attrs = {
        "sentence": _describe_probe(probe, len(sizes), estimate_cost(run, probe=probe, attempt=1).sentence)
    }
    return probe


def _describe_probe(probe: pd.DataFrame, records: int, cost: str) -> str:
    counts = probe["outcome"].value_counts()
    parts = " + ".join(f"{number} {outcome}" for outcome, number in counts.items())
    cut = int(is_cut_off(probe).sum())
    cut_off = f", {cut} of them cut off ({cut / len(probe):.0%})" if cut else ", none cut off"
    totals = {name: probe[f"{name}_tokens"].sum(min_count=1) for name in ("input", "output")}
    tokens = " and ".join(
        f"{name} tokens not reported" if pd.isna(total) else f"{total:,} {name} tokens"
        for name, total in totals.items()
    )
    return (
        f"{len(probe)} of {records:,} records sent on demand = {parts}{cut_off}; {tokens}. The whole: {cost}"
    )
