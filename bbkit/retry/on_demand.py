"""Records sent one by one on demand: same bodies, same output lines as a batch job, at its price."""

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pandas as pd
from filelock import FileLock, Timeout

from bbkit import aws
from bbkit.core.errors import AwsError, RunError, validate_number
from bbkit.core.files import replacing, write_text
from bbkit.core.frames import JOB_COLUMNS, MANIFEST, as_frame
from bbkit.families import answer_of
from bbkit.records import hash_record
from bbkit.records.lines import read_records
from bbkit.records.staging import InputFile
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
    try:
        # Two senders would pay for each record twice, and the one would write over the other's answers.
        with FileLock(folder / ".lock", timeout=0):
            for done, _ in enumerate(_send_files(snapshot, files, folder, concurrency), 1):
                if progress:
                    progress(done, total)
            return as_frame([_finish(folder, number, files, started)], JOB_COLUMNS)
    except Timeout as error:
        raise RunError(
            f"Attempt {number} of run {run.name!r} is being sent on demand by another process or thread. "
            "Wait for its end, then call send_on_demand(run) again: it sends only what is not answered yet."
        ) from error


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
            for line in send_records(snapshot, records, concurrency=concurrency):
                append_line(stream, line)
                yield line["recordId"]


def append_line(stream: BinaryIO, line: Mapping[str, Any]) -> None:
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


def send_records(
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
