"""Where outputs are: a run, folders, files, S3 prefixes and jobs become files to read and ids to expect."""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pandas as pd

from bbkit import __version__, aws
from bbkit.core.errors import InputError
from bbkit.core.frames import MANIFEST, require_columns
from bbkit.core.text import name_some
from bbkit.records import iter_record_ids
from bbkit.run import InputFile, Run, RunSnapshot
from bbkit.run.journal import TERMINAL, JobState, latest_states
from bbkit.run.remote_jobs import SUFFIX, fetch_outputs, refresh_jobs

_JOB_ARN = re.compile(r"arn:aws[^:]*:bedrock:[^:]*:\d{12}:model-invocation-job/[a-z0-9]{12}")
_SOURCES = "Name a run, a folder, a file, an s3:// prefix or a job ARN, or a list of these."
_SENT = "Pass the input file or files (paths, s3:// URIs), the ids, or a frame with record_id."

Source = Any
Sent = str | Path | Iterable[Any]


class FileMeta(NamedTuple):
    """What is known of every line of one output file, or of every record of one input file."""

    model_id: str | None = None
    tier: str | None = "batch"
    attempt: int | None = None
    submission: int | None = None
    job_arn: str | None = None
    source_file: str | None = None


class OutputFile(NamedTuple):
    """A file of output lines at a local path or an S3 URI, `size` bytes long."""

    path: str
    size: int
    meta: FileMeta
    manifest: str = ""

    @property
    def is_local(self) -> bool:
        return not self.path.startswith("s3://")


class SentBatch(NamedTuple):
    """Ids that were sent together, in sent order, and what became of those that no line answers."""

    ids: Callable[[], Iterator[str | None]]
    meta: FileMeta = FileMeta()
    absent: str = "missing"


@dataclass
class Group:
    """Files whose lines answer the same ids; no batches when it is not known what was sent."""

    files: list[OutputFile]
    batches: list[SentBatch] | None = None
    run: Run | None = None
    sent_paths: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    jobs: dict[str, dict[str, str]] = field(default_factory=dict)
    unsent: list[dict[str, Any]] = field(default_factory=list)

    def describe_origin(self) -> str:
        """What the rows of a run follow from: as long as that stays the same, so do they."""
        paths = [*(file.path for file in self.files), *map(str, self.sent_paths)]
        stats = [(stat.st_size, stat.st_mtime_ns) for stat in map(os.stat, paths)]
        expected = [(batch.meta, batch.absent) for batch in self.batches or ()]
        return json.dumps([__version__, [file.meta for file in self.files], stats, expected])


def find_groups(source: Source, *, model_id: str = "", sent: Sent | None = None) -> list[Group]:
    """Find the files of one or several sources, and the ids that were sent."""
    sources = _distinct(source) if isinstance(source, list | tuple) else [source]
    if not sources:
        raise InputError(f"The list of sources is empty. {_SOURCES}")
    groups: list[Group] = []
    loose: list[OutputFile] = []
    for one in sources:
        if snapshot := _read_run(one):
            if sent is not None:
                name = snapshot.run.name
                raise InputError(f"Run {name!r} knows which records were sent. Leave sent= out.")
            groups.append(_run_group(refresh_jobs(snapshot)))
        elif isinstance(one, str) and _JOB_ARN.fullmatch(one):
            group = _job_group(one, model_id)
            if sent is None:
                groups.append(group)
            else:
                loose += group.files
        else:
            loose += _loose_files(one, model_id, named=len(sources) > 1, required=sent is None)
    if loose or sent is not None:
        batches = None if sent is None else [SentBatch(_read_sent(sent), FileMeta(model_id=model_id or None))]
        groups.append(Group(loose, batches))
    return groups


def _distinct(sources: Sequence[Source]) -> list[Source]:
    """Read a source once, however often it is named."""
    named: dict[str, Source] = {}
    for one in sources:
        path = one.folder if isinstance(one, Run) else one
        named.setdefault(str(Path(path).resolve() if _is_local(path) else path), one)
    return list(named.values())


def _is_local(source: Source) -> bool:
    return isinstance(source, str | Path) and not str(source).startswith(("s3://", "arn:"))


def _read_run(source: Source) -> RunSnapshot | None:
    """Read a run or its folder; one that a caller of this package has read already is taken as it is."""
    if _is_local(source) and (Path(source) / "run.json").is_file():
        return RunSnapshot.read(Run.open(source))
    if isinstance(source, Run):
        return RunSnapshot.read(source)
    return source if isinstance(source, RunSnapshot) else None


def _read_sent(sent: Sent) -> Any:
    if isinstance(sent, str | Path):
        return partial(iter_record_ids, sent)
    if isinstance(sent, pd.DataFrame):
        require_columns(sent, ["record_id"], "Pass the frame of build_records.", "frame in sent=")
        sent = sent["record_id"]
    if isinstance(sent, bytes | Mapping) or not isinstance(sent, Iterable):
        raise InputError(f"sent= is of type {type(sent).__name__}. {_SENT}")
    listed = list(sent)
    if any(_is_path(value) for value in listed):
        if others := [value for value in listed if not _is_path(value)]:
            raise InputError(f"sent= holds places and also {name_some(others)}. {_SENT}")
        return lambda: chain.from_iterable(map(iter_record_ids, listed))
    ids = [_id_text(value) for value in listed]
    return partial(iter, ids)


def _is_path(value: Any) -> bool:
    """Whether an item of `sent` names a file: an id may look like almost anything."""
    if not isinstance(value, str):
        return isinstance(value, Path)
    return value.startswith("s3://") or (value.endswith(".jsonl") and Path(value).is_file())


def _id_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes) or not pd.api.types.is_scalar(value):
        raise InputError(f"sent= holds {value!r}, which is no id. {_SENT}")
    return None if pd.isna(value) else str(value)


def _loose_files(source: Source, model_id: str, *, named: bool, required: bool) -> list[OutputFile]:
    if not isinstance(source, str | Path):
        raise InputError(f"Cannot read outputs from {type(source).__name__}. {_SOURCES}")
    meta = FileMeta(model_id=model_id or None)
    if str(source).startswith("s3://"):
        files = _s3_files(str(source), meta)
    elif Path(source).is_dir():
        files = _folder_files(Path(source), meta, prefix=Path(source).name if named else "")
    elif Path(source).is_file():
        files = [_local_file(Path(source), meta._replace(source_file=Path(source).name))]
    else:
        raise InputError(f"There is no file or folder {str(source)!r}. {_SOURCES}")
    if not files and required:
        raise InputError(
            f"{str(source)!r} holds no file whose name ends in {SUFFIX}. "
            "Bedrock writes them under <output URI>/<job id>/; name that folder, or the job's ARN."
        )
    return files


def _folder_files(folder: Path, meta: FileMeta, prefix: str = "") -> list[OutputFile]:
    files = []
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        label = PurePosixPath(prefix, path.relative_to(folder).as_posix()).as_posix()
        files.append(_local_file(path, meta._replace(source_file=label), whole_folder=True))
    return files


def _local_file(path: Path, meta: FileMeta, *, whole_folder: bool = False) -> OutputFile:
    manifest = path.with_name(MANIFEST)
    covered = whole_folder or len(list(path.parent.glob(f"*{SUFFIX}"))) == 1
    known = str(manifest) if covered and manifest.is_file() else ""
    return OutputFile(str(path), path.stat().st_size, meta, known)


def _s3_files(uri: str, meta: FileMeta) -> list[OutputFile]:
    objects = {item.uri: item.size for item in aws.list_objects(uri)}
    if uri in objects:
        return [OutputFile(uri, objects[uri], meta._replace(source_file=uri))]
    files = []
    for name, size in sorted(objects.items()):
        if name.endswith(SUFFIX):
            manifest = f"{name.rpartition('/')[0]}/{MANIFEST}"
            known = manifest if manifest in objects else ""
            files.append(OutputFile(name, size, meta._replace(source_file=name), known))
    return files


def _job_group(job_arn: str, model_id: str) -> Group:
    job = aws.get_job(job_arn)
    meta = FileMeta(model_id=model_id or job.get("modelId"), job_arn=job["jobArn"])
    ended = {job["jobArn"]: _end_of(job)} if job.get("status") in TERMINAL else {}
    sent = job["inputDataConfig"]["s3InputDataConfig"]["s3Uri"]
    batch = SentBatch(partial(iter_record_ids, sent), meta, "missing" if ended else "pending")
    # Get tells the prefix the caller gave, without the job id.
    prefix = job["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"].rstrip("/")
    return Group(_s3_files(f"{prefix}/{job['jobArn'].rpartition('/')[2]}/", meta), [batch], jobs=ended)


def _end_of(seen: Mapping[str, Any]) -> dict[str, str]:
    return {"status": seen["status"], "message": seen.get("message", "")}


def _run_group(snapshot: RunSnapshot) -> Group:
    run = snapshot.run
    states = [state for state in snapshot.states if not state.withdrawn]
    ended, latest = [state for state in states if state.ended and state.job_arn], latest_states(states)
    files: list[OutputFile] = []
    for state in ended:
        files += _run_files(run, fetch_outputs(snapshot, state), _job_meta(run, state))
    batches = []
    for file in snapshot.files:
        meta, absent = _expected(run, file, latest.get(file.job))
        batches.append(SentBatch(partial(iter_record_ids, file.path), meta, absent))
    for attempt in dict.fromkeys(file.attempt for file in snapshot.files):
        folder = run.on_demand_folder(attempt)
        if folder.is_dir():
            files += _run_files(run, folder, FileMeta(run.model_id, "on_demand", attempt))
    return Group(
        files,
        # A run adopted after its inputs were deleted cannot know what was sent.
        None if run.adopted and not batches else batches,
        run,
        [file.path for file in snapshot.files],
        snapshot.describe_unsent(),
        {state.job_arn: _end_of(state.seen) for state in ended},
        list(_unsent(snapshot)),
    )


def _unsent(snapshot: RunSnapshot) -> Iterator[dict[str, Any]]:
    """Jobs that are not there, and that no waiting will bring."""
    for job, files in snapshot.jobs.items():
        attempt, state = files[0].attempt, snapshot.latest.get(job)
        is_there = state is not None and (state.open or state.job_arn)
        if is_there or snapshot.run.on_demand_folder(attempt).is_dir():
            continue
        about = {"job": job, "records": sum(file.records for file in files), "message": ""}
        if state is None:
            yield {**about, "reason": "on_demand" if attempt in snapshot.below_minimum else "unsent"}
        elif state.withdrawn:
            yield {**about, "reason": "withdrawn"}
        else:
            yield {**about, "reason": "refused", "message": state.refused}


def _expected(run: Run, file: InputFile, state: JobState | None) -> tuple[FileMeta, str]:
    """What is known of records of which no line came: their job, and whether one may still come."""
    if state is not None:
        return _job_meta(run, state), "missing" if state.ended else "pending"
    if run.on_demand_folder(file.attempt).is_dir():
        return FileMeta(run.model_id, "on_demand", file.attempt), "missing"
    return FileMeta(run.model_id, attempt=file.attempt), "pending"


def _job_meta(run: Run, state: JobState) -> FileMeta:
    return FileMeta(run.model_id, "batch", state.attempt, state.submission, state.job_arn or None)


def _run_files(run: Run, folder: Path, meta: FileMeta) -> list[OutputFile]:
    return _folder_files(folder, meta, folder.relative_to(run.folder).as_posix())
