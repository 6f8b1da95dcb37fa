"""The input files of a run: checked, split, written whole or not at all. Part of the room `run`."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bbkit.aws import split_s3_uri, write_text
from bbkit.checks import check_records
from bbkit.errors import (
    AwsError,
    CredentialsError,
    InputError,
    RecordsError,
    RunExistsError,
    name_some,
)
from bbkit.frames import Findings, as_frame
from bbkit.lines import iter_lines
from bbkit.quotas import Quotas
from bbkit.spools import PlannedFile, split_spool, spool_lines, write_split

if TYPE_CHECKING:
    from bbkit.run import Run

FILE_COLUMNS = {
    "file": "string",
    "job": "string",
    "attempt": "Int64",
    "records": "Int64",
    "bytes": "Int64",
    "sha256": "string",
}
"""One row per input file written."""


@dataclass(frozen=True)
class RecordFile:
    """One input file of a run.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    attempt, number : int
        Which attempt it belongs to, and its number within it, both from 1.
    records, bytes : int
        Its size.
    sha256 : str
        Its checksum.
    job : str
        Files with the same label go into one job.
    media : str
        Folder in S3, ending in ``/``, of the media its records point to; empty for none. Such a job reads the
        whole folder: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-data.html.
    """

    path: Path
    attempt: int
    number: int
    records: int
    bytes: int
    sha256: str
    job: str
    media: str = ""


_MEDIA = re.compile(rb'"s3Location"\s*:\s*\{[^{}]*"uri"\s*:\s*"(s3://[^"\\]+/)[^"/\\]*"')


def find_media_folder(path: Path) -> str:
    """Find the folder in S3 that holds all media an input file points to.

    Parameters
    ----------
    path : pathlib.Path
        The input file.

    Returns
    -------
    str
        URI ending in ``/``; empty when it points to none.

    Raises
    ------
    bbkit.errors.InputError
        They lie in several buckets.
    """
    folders: set[str] = set()
    with path.open("rb") as stream:
        for line in stream:
            if b'"s3Location"' in line:
                folders.update(found.decode() for found in _MEDIA.findall(line))
    if not folders:
        return ""
    if len({split_s3_uri(folder)[0] for folder in folders}) > 1:
        raise InputError(f"Media lie in several buckets ({name_some(sorted(folders))}). Put them into one.")
    common = os.path.commonpath([folder.removeprefix("s3://") for folder in folders])
    return f"s3://{common}/"


def read_index(folder: Path) -> list[RecordFile]:
    """List the input files of a run.

    Parameters
    ----------
    folder : pathlib.Path
        The run's folder.

    Returns
    -------
    list of RecordFile
        By attempt and number.
    """
    described = _read_index(folder)["files"]
    files = [RecordFile(**{**item, "path": folder / "records" / item["path"]}) for item in described]
    return sorted(files, key=lambda file: (file.attempt, file.number))


def read_lineage(folder: Path) -> dict[int, dict[str, Any]]:
    """Tell what each attempt was chosen by.

    Parameters
    ----------
    folder : pathlib.Path
        The run's folder.

    Returns
    -------
    dict of int to dict
        Attempt to what `Run.write_attempt` was given.
    """
    return {int(attempt): lineage for attempt, lineage in _read_index(folder)["lineage"].items()}


def _read_index(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "records" / "index.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"files": [], "lineage": {}}


def write_records(
    records: Any, run: "Run", *, allow: Sequence[str] = (), quotas: Quotas | None = None
) -> pd.DataFrame:
    """Check records and write them as the input files of a run, in as few jobs as the quotas allow.

    Parameters
    ----------
    records : DataFrame, iterable of DataFrame, iterable of (record_id, model_input), or path
        What `build_records` gave, or JSONL made elsewhere: a file, a folder, an ``s3://`` URI.
    run : Run
        A run that has no records yet.
    allow : sequence of str
        Rules of `check_records` whose errors do not stop it; warnings never do. With
        ``min_records_per_job``, too few for a batch job are written to be sent by `send_on_demand`.
    quotas : Quotas, optional
        By default the account's own, and AWS's defaults where those may not be read.

    Returns
    -------
    pandas.DataFrame
        One row per file: ``file, job, attempt, records, bytes, sha256``.

    Raises
    ------
    bbkit.errors.RecordsError
        Errors were found; they are in ``.findings``. Nothing is written.
    bbkit.errors.QuotaError
        The records cannot be arranged within the quotas. Nothing is written.
    bbkit.errors.RunExistsError
        The run has records already.
    """
    if run.record_files(1):
        raise RunExistsError(
            f"Run {run.name!r} already has {sum(file.records for file in run.record_files(1)):,} records. "
            "Make another run, or send some again with retry_records."
        )
    return _write(records, run, 1, {}, allow, quotas)


def write_attempt(
    records: Any, run: "Run", *, lineage: Mapping[str, Any], allow: Sequence[str] = ()
) -> pd.DataFrame:
    """Write the records of the next attempt of a run.

    Parameters
    ----------
    records : DataFrame, iterable or path
        As for `write_records`.
    run : Run
        The run.
    lineage : mapping
        What they were chosen by; JSON. Its ``tier`` becomes ``on_demand`` when they are too few for a job.
    allow : sequence of str
        Rules that may be broken.

    Returns
    -------
    pandas.DataFrame
        As `write_records`.
    """
    attempt = max((file.attempt for file in run.record_files()), default=0) + 1
    return _write(records, run, attempt, lineage, allow, None)


def drop_unsent(run: "Run") -> None:
    """Take back the latest attempt, unless it is the first or something of it was sent.

    Parameters
    ----------
    run : Run
        The run.
    """
    latest = max((file.attempt for file in run.record_files()), default=0)
    if latest < 2 or is_sent(run, latest):
        return
    index = _read_index(run.folder)
    index["files"] = [file for file in index["files"] if file["attempt"] != latest]
    index["lineage"].pop(str(latest), None)
    gone = [file.path for file in run.record_files(latest)]
    write_text(run.folder / "records" / "index.json", json.dumps(index, indent=1))
    for path in gone:
        path.unlink(missing_ok=True)


def is_sent(run: "Run", attempt: int) -> bool:
    """Tell whether an attempt was submitted or sent on demand.

    Parameters
    ----------
    run : Run
        The run.
    attempt : int
        The attempt.

    Returns
    -------
    bool
        True as soon as it was queued, or one record of it was sent.
    """
    queued = any(state.attempt == attempt and not state.withdrawn for state in run.journal.states())
    return queued or on_demand_folder(run.folder, attempt).is_dir()


def on_demand_folder(folder: Path, attempt: int) -> Path:
    """Name the folder that takes what comes back on demand.

    Parameters
    ----------
    folder : pathlib.Path
        The run's folder.
    attempt : int
        The attempt.

    Returns
    -------
    pathlib.Path
        It need not exist.
    """
    return folder / "outputs" / f"on-demand-{attempt}"


def on_demand_attempts(folder: Path) -> set[int]:
    """List the attempts that are too small for a batch job.

    Parameters
    ----------
    folder : pathlib.Path
        The run's folder.

    Returns
    -------
    set of int
        Attempts to be sent by `send_on_demand`.
    """
    return {attempt for attempt, chosen in read_lineage(folder).items() if chosen.get("tier") == "on_demand"}


def _write(
    records: Any,
    run: "Run",
    attempt: int,
    lineage: Mapping[str, Any],
    allow: Sequence[str],
    quotas: Quotas | None,
) -> pd.DataFrame:
    quotas = quotas or read_quotas(run)
    with _scratch_folder(run.folder) as scratch:
        again = isinstance(records, str | Path | pd.DataFrame)
        spool = None if again else spool_lines(iter_lines(records), scratch / "spool.jsonl")
        source = spool.path if spool else records
        found = check_records(
            source, run.model_id, family=run.family, invocation_type=run.invocation_type, quotas=quotas
        )
        _stop_for_errors(found, allow)
        kept = {**lineage, "allow": list(allow), "tier": "batch"}
        if "min_records_per_job" in set(found["rule"]):
            quotas = replace(quotas, min_records_per_job=1)
            kept["tier"] = "on_demand"
        made = scratch / "records"
        if spool:
            planned = split_spool(spool, made, quotas, attempt=attempt)
        else:
            planned = write_split(iter_lines(source), made, quotas, attempt=attempt)
        _move_in(planned, made, run.folder, attempt, kept)
    written = [file for file in read_index(run.folder) if file.attempt == attempt]
    return as_frame(({**vars(file), "file": file.path.name} for file in written), FILE_COLUMNS)


def read_quotas(run: "Run") -> Quotas:
    """Read the account's quotas for the model of a run, or AWS's defaults where that is not allowed.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    Quotas
        Its ``note`` says where the values come from.
    """
    try:
        run.check_place()
        return Quotas.read(run.model_id)
    except (AwsError, CredentialsError):
        return Quotas.defaults(run.model_id)


def _stop_for_errors(found: Findings, allow: Sequence[str]) -> None:
    wrong = found.errors
    kept = wrong[~wrong["rule"].isin(list(allow))]
    if len(kept):
        try:
            kept.raise_for_errors()
        except RecordsError as error:
            raise RecordsError(str(error), found) from None


@contextmanager
def _scratch_folder(folder: Path) -> Iterator[Path]:
    scratch = Path(tempfile.mkdtemp(dir=folder, prefix=".records-"))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _move_in(
    planned: Sequence[PlannedFile], made: Path, folder: Path, attempt: int, lineage: Mapping[str, Any]
) -> None:
    # The index is what makes files part of the run: what a killed writer moved before it is replaced.
    target = folder / "records"
    target.mkdir(exist_ok=True)
    index = _read_index(folder)
    index["files"] = [file for file in index["files"] if file["attempt"] != attempt]
    for file in planned:
        place = target / file.path.relative_to(made)
        place.parent.mkdir(exist_ok=True)
        index["files"].append(
            {
                "path": str(file.path.relative_to(made)),
                "attempt": attempt,
                "number": file.number,
                "records": file.records,
                "bytes": file.bytes,
                "sha256": file.sha256,
                "job": file.job,
                "media": find_media_folder(file.path),
            }
        )
        file.path.replace(place)
    index["lineage"][str(attempt)] = dict(lineage)
    write_text(target / "index.json", json.dumps(index, indent=1))
