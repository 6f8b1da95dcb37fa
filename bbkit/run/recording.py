"""The input files of a run: checked, split, written whole or not at all."""

import datetime as dt
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from bbkit.answers import NOTHING
from bbkit.aws import split_s3_uri
from bbkit.catalog.quotas import Quotas
from bbkit.checks import RULES, RecordCheck, check_lines, media_uris
from bbkit.core.errors import AwsError, CredentialsError, InputError, RecordsError, RunExistsError
from bbkit.core.files import move
from bbkit.core.findings import Findings
from bbkit.core.frames import COUNT, TEXT, as_frame
from bbkit.core.text import count_noun, name_some
from bbkit.records.lines import read_line
from bbkit.records.splitting import InputFile, split_staged, stage
from bbkit.run.creation import plan_schema, validate_source
from bbkit.run.run import Run, as_run
from bbkit.run.snapshot import RunSnapshot, write_index

FILE_COLUMNS = {"file": TEXT, "job": TEXT, "attempt": COUNT, "records": COUNT, "bytes": COUNT, "sha256": TEXT}
"""One row per input file written."""


def write_records(
    records: Any,
    run: Run,
    *,
    allow: Sequence[str] = (),
    quotas: Quotas | None = None,
    as_of: dt.date | None = None,
) -> pd.DataFrame:
    """Check records and write them as the input files of a run, in as few jobs as the quotas allow.

    Parameters
    ----------
    records : DataFrame, iterable of DataFrame, of (record_id, model_input) or of mapping, or path
        What `build_records` gave, or what other code made: pairs, objects with ``recordId`` and
        ``modelInput``, a JSONL file, a folder of them, an ``s3://`` URI.
    run : Run
        A run that has no records yet.
    allow : sequence of str
        Rules of `check_records` whose errors do not stop it; warnings never do. With
        ``min_records_per_job``, too few for a batch job are written to be sent by `send_on_demand`.
    quotas : Quotas, optional
        By default the account's own, and AWS's defaults where those may not be read.
    as_of : datetime.date, optional
        The day for which the life of the model is looked at; today when left out.

    Returns
    -------
    pandas.DataFrame
        One row per file: ``file, job, attempt, records, bytes, sha256``.

    Raises
    ------
    bbkit.core.errors.RecordsError
        Errors were found; they are in ``.findings``. Nothing is written.
    bbkit.core.errors.InputError
        What is given holds no records, or `allow` names no rule.
    bbkit.core.errors.QuotaError
        The records cannot be arranged within the quotas. Nothing is written.
    bbkit.core.errors.RunExistsError
        The run has records already.
    """
    run = as_run(run)
    snapshot = RunSnapshot.read(run)
    if snapshot.last_attempt:
        written = sum(file.records for file in snapshot.files if file.attempt == 1)
        raise RunExistsError(
            f"Run {run.name!r} already has {written:,} records. "
            "Make another run, or send some again with retry_records."
        )
    return list_files(write_attempt(records, snapshot, allow=allow, quotas=quotas, as_of=as_of))


def write_attempt(
    records: Any,
    snapshot: RunSnapshot,
    *,
    lineage: Callable[[], Mapping[str, Any]] = dict,
    allow: Sequence[str] = (),
    quotas: Quotas | None = None,
    as_of: dt.date | None = None,
) -> RunSnapshot:
    """Write the records of the next attempt of a run, with what they were chosen by, once it is known."""
    run, attempt = snapshot.run, snapshot.last_attempt + 1
    quotas = quotas or _read_quotas(snapshot)
    allow = [allow] if isinstance(allow, str) else list(allow)
    with TemporaryDirectory(dir=run.folder, prefix=".records-") as scratch:
        check = RecordCheck(
            run.model_id,
            family=run.family,
            invocation_type=run.invocation_type,
            quotas=quotas,
            as_of=as_of,
            model=run.model,
            asking=plan_schema(run, run.schema, run.structured) if attempt == 1 else NOTHING,
        )
        staged = stage(check_lines(check, records), Path(scratch, "staged.jsonl"))
        findings = check.finish()
        _stop_for_errors(findings, allow, check.unwritable)
        if check.unasked:
            unasked = f"{check.unasked:,} of {count_noun(check.records, 'record')}"
            remedy = "Build them with build_records(..., schema=run.schema, structured=run.structured)."
            warnings.warn(f"{unasked} do not ask for this run's schema as it says. {remedy}", stacklevel=3)
        tier = "batch"
        if "min_records_per_job" in set(findings["rule"]):
            quotas, tier = replace(quotas, min_records_per_job=1), "on_demand"
        made = Path(scratch, "records")
        planned = split_staged(staged, made, quotas, attempt=attempt)
        if attempt == 1:
            validate_source(run.folder / "source.parquet", made)
        moved = _move_in(planned, made, run.folder / "records")
    chosen = {**lineage(), "allow": allow, "tier": tier, "model": run.model}
    after = replace(snapshot, files=(*snapshot.files, *moved), lineage={**snapshot.lineage, attempt: chosen})
    # The index is what makes files part of the run: what a killed writer moved before it is replaced.
    write_index(run.folder, after.files, after.lineage)
    return after


def list_files(snapshot: RunSnapshot) -> pd.DataFrame:
    """One row per input file of the latest attempt."""
    files = (file for file in snapshot.files if file.attempt == snapshot.last_attempt)
    return as_frame(({**vars(file), "file": file.path.name} for file in files), FILE_COLUMNS)


@contextmanager
def replacing_unsent_attempt(snapshot: RunSnapshot) -> Iterator[RunSnapshot]:
    """Take back the latest attempt, unless it is the first or was sent; an error brings it back."""
    run, latest = snapshot.run, snapshot.last_attempt
    if latest < 2 or snapshot.is_sent(latest):
        yield snapshot
        return
    unsent = {file.path for file in snapshot.files if file.attempt == latest}
    remaining = replace(
        snapshot,
        files=tuple(file for file in snapshot.files if file.attempt != latest),
        lineage={attempt: chosen for attempt, chosen in snapshot.lineage.items() if attempt != latest},
    )
    write_index(run.folder, remaining.files, remaining.lineage)
    try:
        yield remaining
    except BaseException:
        write_index(run.folder, snapshot.files, snapshot.lineage)
        raise
    kept = {file.path for file in run.record_files()}
    for unused in {*unsent, *([] if kept & unsent else [snapshot.cure_file(latest)])} - kept:
        unused.unlink(missing_ok=True)


def _read_quotas(snapshot: RunSnapshot) -> Quotas:
    """Read the account's quotas for the model of a run, or AWS's defaults where that is not allowed."""
    model = snapshot.run.model or snapshot.run.model_id
    try:
        snapshot.access.ensure()
        return Quotas.read(model)
    except (AwsError, CredentialsError):
        return Quotas.defaults(model)


_EXTENDED = (
    " Where AWS extended the model's life for this account, or a stand-in has an earlier day, "
    'allow=["model_ended"] writes them all the same.'
)


def _stop_for_errors(findings: Findings, allow: Sequence[str], unwritable: set[str]) -> None:
    if unknown := sorted(set(allow) - set(RULES)):
        raise InputError(
            f"allow has {name_some(unknown)}; it takes rules that check_records names, such as "
            "'unknown_name'."
        )
    try:
        findings[~findings["rule"].isin(set(allow) - unwritable)].raise_for_errors()
    except RecordsError as error:
        ended = "model_ended" in set(findings.errors["rule"]) - set(allow)
        raise RecordsError(f"{error}{_EXTENDED if ended else ''}", findings) from None


def _move_in(files: Sequence[InputFile], made: Path, target: Path) -> list[InputFile]:
    moved = [
        replace(file, path=target / file.path.relative_to(made), media=_find_media_folder(file.path))
        for file in files
    ]
    for file, final in zip(files, moved, strict=True):
        final.path.parent.mkdir(parents=True, exist_ok=True)
        move(file.path, final.path)
    return moved


def _find_media_folder(path: Path) -> str:
    """Find the folder in S3 that holds all media an input file points to."""
    folders: set[str] = set()
    with path.open("rb") as stream:
        for line in stream:
            # Few lines are read whole; in them escapes such as s3:\\/\\/ are undone.
            if b's3Location"' not in line:
                continue
            with suppress(RecordsError):  # written all the same by someone who allowed it: no body, no media
                uris = media_uris(read_line(line, "", 0)[1])
                in_s3 = (uri for uri in uris if uri.startswith("s3://") and uri.count("/") > 2)
                folders.update(uri.rpartition("/")[0] + "/" for uri in in_s3)
    if not folders:
        return ""
    if len({split_s3_uri(folder)[0] for folder in folders}) > 1:
        raise InputError(f"Media lie in several buckets ({name_some(sorted(folders))}). Put them into one.")
    common = os.path.commonpath([folder.removeprefix("s3://") for folder in folders])
    return f"s3://{common}/"
