"""How a run comes to be: a folder made whole and described, new or of a job; its source rows."""

import json
import os
import re
import secrets
import shutil
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bbkit import aws
from bbkit.answers import NOTHING, Asking, is_given, plan_asking, read_schema
from bbkit.catalog.prices import load_prices
from bbkit.core.errors import (
    AwsError,
    FamilyError,
    InputError,
    RunError,
    RunExistsError,
    RunNotFoundError,
)
from bbkit.core.files import file_sha256, move, write_text
from bbkit.core.frames import TEXT, is_absent
from bbkit.core.progress import showing_progress
from bbkit.core.text import count_noun, whole_characters
from bbkit.families import family_of, get_family
from bbkit.records import iter_record_ids, number_ids
from bbkit.records.building import number_rows
from bbkit.records.splitting import InputFile
from bbkit.records.templates import Template
from bbkit.run.journal import JobState, Journal, replay
from bbkit.run.remote_jobs import read_answer, seen_event
from bbkit.run.snapshot import write_index
from bbkit.sources.columns import frame_of_arrow

if TYPE_CHECKING:
    from bbkit.run.run import Run

ROWS = "outputs.parquet"
SCHEMA = "schema.json"
PRICES = "prices.json"
"""The copy of a price file of one's own within a run."""

_JOB = "1-0001"


def slug(name: str) -> str:
    """Make of a name what may stand in a job's name and in an S3 key that Bedrock takes."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", name).lstrip("-.")[:24].rstrip("-.")
    return plain or "run"


def _validate_vacant(folder: Path, replace: bool = False) -> None:
    """Make sure that a folder can become a run."""
    if _is_bare(folder) or (replace and _is_unsent(folder)):
        return
    if (folder / "run.json").exists():
        remedy = "Open it with Run.open, or name another folder"
        if replace:
            raise RunExistsError(f"{folder} holds a run of which something was sent or is queued. {remedy}.")
        also = ", or pass replace=True, which keeps it aside" if _is_unsent(folder) else ""
        raise RunExistsError(f"{folder} already holds a run. {remedy}{also}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunExistsError(f"{folder} exists and is not an empty folder. Name another folder.")


def _is_bare(folder: Path) -> bool:
    """Tell whether a folder is a run without records, jobs, outputs and anything else."""
    if not (folder / "run.json").is_file():
        return False
    own = {"run.json", ".gitignore", "source.parquet", PRICES, SCHEMA}
    return {item.name for item in folder.iterdir()} <= own


def _is_unsent(folder: Path) -> bool:
    """Tell whether a folder is a run of which nothing is queued and nothing went out, on demand neither."""
    states = replay(Journal(folder / "jobs.jsonl").read())
    idle = all(state.withdrawn and not state.request and not state.job_arn for state in states)
    return (folder / "run.json").is_file() and idle and not (folder / "outputs").exists()


@contextmanager
def new_folder(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """Fill a folder beside its name, then rename it: it is there whole or not at all."""
    _validate_vacant(folder, replace)
    missing = [parent for parent in folder.parents if not parent.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    made, gone = (folder.with_name(f".{folder.name}-{secrets.token_hex(8)}") for _ in range(2))
    made.mkdir()
    try:
        (made / ".gitignore").write_text("*\n")
        yield made
        if replace and folder.exists() and not _is_bare(folder):
            _validate_vacant(folder, replace)
            places = (folder.with_name(f"{folder.name}-replaced-{number}") for number in count(1))
            move(folder, aside := next(place for place in places if not place.exists()))
            warnings.warn(f"The run that was in {folder} is kept in {aside}.", stacklevel=4)
        if _is_bare(folder):
            move(folder, gone)
            shutil.rmtree(gone)
        try:
            move(made, folder)
        except OSError as error:
            _validate_vacant(folder)
            raise RunExistsError(f"{folder} cannot become a run: {error.strerror}.") from error
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        for parent in missing:
            with suppress(OSError):
                parent.rmdir()
        raise


def keep_prices(prices: str | Path, folder: Path) -> None:
    """Copy a price file of one's own into a run, so that a copied or moved run has it."""
    if prices:
        load_prices(prices)
        write_text(folder / PRICES, Path(prices).read_text("utf-8-sig"))


def write_description(run: "Run", folder: Path) -> None:
    """Write ``run.json``."""
    described = {item.name: getattr(run, item.name) for item in fields(run)}
    del described["folder"], described["endpoint"]
    where = {"endpoint": run.endpoint.url, "account": run.endpoint.account, "region": run.endpoint.region}
    described |= where | {"created_at": run.created_at.isoformat()}
    write_text(folder / "run.json", json.dumps(described, indent=1, ensure_ascii=False))


def read_description(make: "type[Run]", folder: Path) -> "Run":
    """Read ``run.json``."""
    try:
        described = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        where = (described.pop(name) for name in ("endpoint", "account", "region"))
        described["endpoint"] = aws.Endpoint(*where)
        described["created_at"] = datetime.fromisoformat(described["created_at"])
        known = {item.name for item in fields(make)}
        return make(folder=folder, **{name: value for name, value in described.items() if name in known})
    except (FileNotFoundError, NotADirectoryError) as error:
        found = f"{folder} holds no run. Make one with Run.create, or name the folder of one."
        raise RunNotFoundError(found) from error
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(f"{folder / 'run.json'} does not describe a run ({error}). Restore it.") from error


def plan_schema(run: "Run", schema: Any, structured: str) -> Asking:
    """Choose how answers of a schema are asked for; without one nothing is asked."""
    if not is_given(schema, structured):
        return NOTHING
    model_id, family = run.model or run.model_id, get_family(run.family)
    return plan_asking(read_schema(schema), model_id, family, structured, run.parameters)


def adopt_job(make: "type[Run]", job_arn: str, made: Path, folder: Path, rows: pd.DataFrame | None) -> "Run":
    """Fill the folder of a run from a job: its journal, and its records where they can be read."""
    endpoint = aws.find_endpoint()
    _validate_job_arn(job_arn, endpoint)
    job = aws.get_job(job_arn)
    source = job["inputDataConfig"]["s3InputDataConfig"]
    output = job["outputDataConfig"]["s3OutputDataConfig"]
    model_id = job["modelId"].rpartition("::foundation-model/")[2] or job["modelId"]
    invocation_type, family = job.get("modelInvocationType", "InvokeModel"), ""
    with suppress(FamilyError):
        family = family_of(model_id, invocation_type=invocation_type).name
    run = make(
        folder=folder,
        run_id=secrets.token_hex(16),
        name=folder.name,
        model_id=model_id,
        family=family,
        invocation_type=invocation_type,
        endpoint=endpoint,
        s3_uri=output["s3Uri"].rstrip("/"),
        role_arn=job["roleArn"],
        created_at=datetime.now(UTC),
        job_options={
            "tags": {},
            "kms_key_id": output.get("s3EncryptionKeyId", ""),
            "vpc_config": job.get("vpcConfig", {}),
            "timeout_hours": job.get("timeoutDurationInHours", 24),
            "bucket_owner": source.get("s3BucketOwner", ""),
        },
        adopted={
            "job_arn": job["jobArn"],
            "input_uri": source["s3Uri"],
            "output_uri": output["s3Uri"].rstrip("/"),
        },
    )
    state = JobState(_JOB, 1, 1, job_arn=job["jobArn"])
    submitted = {"job_arn": job["jobArn"], "job_name": job.get("jobName", ""), "found_by": "adopt"}
    journal = Journal(made / "jobs.jsonl")
    journal.append(state.event("submitted", **submitted), seen_event(state, read_answer(job)))
    _fetch_records(source["s3Uri"], made)
    if isinstance(rows, pd.DataFrame) and isinstance(rows.index, pd.RangeIndex) and "record_id" not in rows:
        ids = [own for path in sorted((made / "records").glob("*.jsonl")) for own in iter_record_ids(path)]
        if len(ids) != len(rows):
            raise InputError(
                f"source has {count_noun(len(rows), 'row')}, the job {count_noun(len(ids), 'record')}. Give "
                "one row per record, in the order sent, or name their ids in a column record_id."
            )
        rows = rows.set_index(pd.Index(ids, dtype=TEXT, name="record_id"))
    run = replace(run, source_fingerprint=write_source_rows(rows, made / "source.parquet"))
    validate_source(made / "source.parquet", made / "records")
    write_description(run, made)
    return run


def _validate_job_arn(job_arn: str, endpoint: aws.Endpoint) -> None:
    parts = job_arn.split(":") if isinstance(job_arn, str) else []
    if len(parts) != 6 or not parts[5].startswith("model-invocation-job/"):
        raise InputError(
            f"{job_arn!r} is not the ARN of a batch job. It looks like "
            "arn:aws:bedrock:<region>:<account>:model-invocation-job/<12 characters>."
        )
    if (parts[3], parts[4]) != (endpoint.region, endpoint.account):
        raise InputError(
            f"{job_arn} belongs to account {parts[4]} in {parts[3]}; the credentials now in use are for "
            f"{endpoint}. Set the environment of that account and region."
        )


def _fetch_records(uri: str, made: Path) -> None:
    prefix = uri if uri.endswith((".jsonl", "/")) else f"{uri}/"
    try:
        inputs = [item for item in aws.list_objects(prefix) if item.uri.endswith(".jsonl")]
        # A file is named alone; what only begins like it is another job's.
        inputs = [item for item in inputs if prefix.endswith("/") or item.uri == uri]
        (made / "records").mkdir()
        with showing_progress("downloading the records", sum(item.size for item in inputs)) as count:
            folder = made / "records"
            files = [_fetch(item.uri, number, folder, count) for number, item in enumerate(inputs, 1)]
    except AwsError as error:
        # Inputs may have been deleted long ago; the run then reads outputs without knowing what was sent.
        if error.code not in ("NoSuchBucket", "NoSuchKey", "404", "AccessDenied", "403"):
            raise
        return
    if files:
        write_index(made, files, {})


def _fetch(uri: str, number: int, folder: Path, count: Callable[[int], None]) -> InputFile:
    path = folder / f"1-{number:04d}.jsonl"
    aws.download_file(uri, path, progress=count)
    path.with_name(f".{path.name}.etag").unlink()
    # Every line that is not blank: a job may have failed because one of them is no record.
    with path.open("rb") as stream:
        records = sum(1 for line in stream if line.strip())
    return InputFile(path, 1, number, records, path.stat().st_size, file_sha256(path), _JOB)


_ID = "__record_id__"


def write_source_rows(source: pd.DataFrame | None, path: Path) -> dict[str, Any]:
    """Keep the rows; give their fingerprint."""
    if source is None:
        return {}
    if not isinstance(source, pd.DataFrame):
        raise InputError(f"source is a {type(source).__name__}. Give the DataFrame the records were made of.")
    names = [str(name) for name in source.columns]
    if len(set(names)) < len(names) or _ID in names:
        twice = sorted({name for name in names if names.count(name) > 1} or {_ID})
        raise InputError(f"source has the column {twice[0]!r} twice. Rename one.")
    arrays = [_source_ids(source), *(_column(source.iloc[:, number]) for number in range(len(names)))]
    pq.write_table(pa.table(arrays, names=[_ID, *names]), path, compression="zstd")
    return {"rows": len(source), "columns": names, "sha256": file_sha256(path)}


def validate_source(path: Path, records: Path) -> None:
    """Refuse rows of an id that are more than one and yet not as many as its records: which is whose?"""
    rows = Counter(pq.read_table(path, columns=[_ID])[_ID].to_pylist()) if path.is_file() else {}
    several = {own for own, count in rows.items() if count > 1}
    files = sorted(records.glob("1-*.jsonl")) if several else []
    sent = Counter(own for path in files for own in iter_record_ids(path) if own in several)
    for own, number in sent.items():
        if rows[own] != number:
            raise InputError(
                f"source has {count_noun(rows[own], 'row')} of the id {own!r}, which "
                f"{count_noun(number, 'record', 'have')}: it is not known which row is whose. Give one row "
                "per record, in the order sent."
            )


def _source_ids(source: pd.DataFrame) -> pa.Array:
    index = source.index
    if not (isinstance(index, pd.RangeIndex) and index.name is None):
        values = index.astype(TEXT)
    elif "record_id" in source.columns:
        values = pd.Index(source["record_id"]).astype(TEXT)
    else:
        values = pd.Index(number_rows(len(source)), dtype=TEXT)
    return pa.array(values.to_numpy(dtype=object, na_value=None), pa.large_string(), from_pandas=True)


def _column(column: pd.Series) -> pa.Array:
    try:
        return pa.array(column, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        texts = (
            None if is_absent(cell) else json.dumps(cell, ensure_ascii=False, default=str) for cell in column
        )
        return pa.array([whole_characters(text) for text in texts], pa.large_string())


def read_source_rows(path: Path) -> pd.DataFrame | None:
    """Read the rows that `write_source_rows` kept, by the key of their record."""
    if not path.exists():
        return None
    table = pq.read_table(path)
    keys = pd.Index(number_ids((1, own) for own in table[_ID].to_pylist())[0], dtype=TEXT, name="record_id")
    return frame_of_arrow(table.drop_columns(_ID)).set_index(keys)


def find_rows_folder(run: "Run") -> Path:
    """Where rows are kept: in the run's folder, or aside as long as the value lives if that is read only."""
    if os.access(run.folder, os.W_OK):
        return run.folder / ROWS
    known = vars(run)
    if "_aside" not in known:
        known["_aside"] = mkdtemp(prefix="bbkit-")
        weakref.finalize(run, shutil.rmtree, known["_aside"], ignore_errors=True)
    return Path(known["_aside"]) / ROWS


def filled_columns(prompt: str, path: Path) -> list[str]:
    """Name the columns of the kept rows that a prompt was filled from."""
    with suppress(InputError, FileNotFoundError):
        columns = pq.read_schema(path).names
        return [name for name in Template(prompt).columns if name in columns]
    return []
