"""The input files of a run: checked, split, written whole or not at all."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bbkit.catalog.quotas import Quotas
from bbkit.checks import RULES, RecordCheck, check_lines
from bbkit.core.errors import AwsError, CredentialsError, InputError, RecordsError, RunExistsError
from bbkit.core.files import write_text
from bbkit.core.findings import Findings
from bbkit.core.frames import as_frame
from bbkit.core.text import name_some
from bbkit.records import InputFile, split_staged, stage
from bbkit.run.record_files import find_media_folder, is_sent, load_index, read_index

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


def write_records(
    records: Any, run: "Run", *, allow: Sequence[str] = (), quotas: Quotas | None = None
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
    if run.record_files(1):
        raise RunExistsError(
            f"Run {run.name!r} already has {sum(file.records for file in run.record_files(1)):,} records. "
            "Make another run, or send some again with retry_records."
        )
    return _write(records, run, 1, {}, allow, quotas)


def write_attempt(
    records: Any, run: "Run", *, lineage: Mapping[str, Any], allow: Sequence[str] = ()
) -> pd.DataFrame:
    """Write the records of the next attempt of a run."""
    attempt = max((file.attempt for file in run.record_files()), default=0) + 1
    return _write(records, run, attempt, lineage, allow, None)


@contextmanager
def unsent_aside(run: "Run") -> Iterator[None]:
    """Take back the latest attempt, unless it is the first or something of it was sent; an error in the
    ``with`` brings it back.
    """
    latest = max((file.attempt for file in run.record_files()), default=0)
    if latest < 2 or is_sent(run, latest):
        yield
        return
    before = load_index(run.folder)
    index = {
        "files": [file for file in before["files"] if file["attempt"] != latest],
        "lineage": {name: chosen for name, chosen in before["lineage"].items() if name != str(latest)},
    }
    gone = {file.path for file in run.record_files(latest)}
    path = run.folder / "records" / "index.json"
    write_text(path, json.dumps({**before, **index}, indent=1))
    try:
        yield
    except BaseException:
        write_text(path, json.dumps(before, indent=1))
        raise
    for unused in gone - {file.path for file in run.record_files()}:
        unused.unlink(missing_ok=True)


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
        check = RecordCheck(
            run.model_id, family=run.family, invocation_type=run.invocation_type, quotas=quotas
        )
        staged = stage(check_lines(check, records), scratch / "staged.jsonl")
        found = check.finish()
        _stop_for_errors(found, allow, check.unwritable)
        kept = {**lineage, "allow": list(allow), "tier": "batch"}
        if "min_records_per_job" in set(found["rule"]):
            quotas = replace(quotas, min_records_per_job=1)
            kept["tier"] = "on_demand"
        made = scratch / "records"
        planned = split_staged(staged, made, quotas, attempt=attempt)
        _move_in(planned, made, run.folder, attempt, kept)
    written = [file for file in read_index(run.folder) if file.attempt == attempt]
    return as_frame(({**vars(file), "file": file.path.name} for file in written), FILE_COLUMNS)


def read_quotas(run: "Run") -> Quotas:
    """Read the account's quotas for the model of a run, or AWS's defaults where that is not allowed."""
    try:
        run.check_endpoint()
        return Quotas.read(run.model_id)
    except (AwsError, CredentialsError):
        return Quotas.defaults(run.model_id)


def _stop_for_errors(found: Findings, allow: Sequence[str], unwritable: set[str]) -> None:
    allow = [allow] if isinstance(allow, str) else list(allow)
    if unknown := sorted(set(allow) - set(RULES)):
        raise InputError(
            f"allow has {name_some(unknown)}; it takes rules that check_records names, such as "
            "'unknown_name'."
        )
    wrong = found.errors
    kept = wrong[~wrong["rule"].isin(set(allow) - unwritable)]
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
    planned: Sequence[InputFile], made: Path, folder: Path, attempt: int, lineage: Mapping[str, Any]
) -> None:
    # The index is what makes files part of the run: what a killed writer moved before it is replaced.
    target = folder / "records"
    target.mkdir(exist_ok=True)
    index = load_index(folder)
    index["files"] = [file for file in index["files"] if file["attempt"] != attempt]
    for file in planned:
        place = target / file.path.relative_to(made)
        place.parent.mkdir(exist_ok=True)
        described = vars(file) | {
            "path": str(file.path.relative_to(made)),
            "media": find_media_folder(file.path),
        }
        index["files"].append(described)
        file.path.replace(place)
    index["lineage"][str(attempt)] = dict(lineage)
    write_text(target / "index.json", json.dumps(index, indent=1))
