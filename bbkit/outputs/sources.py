"""Where outputs are: a run, folders, files, S3 prefixes and jobs become files to read and ids to expect."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from bbkit import aws
from bbkit.core.errors import InputError
from bbkit.core.frames import MANIFEST
from bbkit.core.text import name_some
from bbkit.outputs.sent_ids import Facts, Segment
from bbkit.records import iter_record_ids
from bbkit.run import InputFile, Run, RunSnapshot
from bbkit.run.journal import TERMINAL, JobState, latest_states
from bbkit.run.remote_jobs import SUFFIX, fetch_outputs, refresh_jobs
from bbkit.run.snapshot import on_demand_folder

_JOB_ARN = re.compile(r"arn:aws[^:]*:bedrock:[^:]*:\d{12}:model-invocation-job/[a-z0-9]{12}")
_PLACES = "Name a run, a folder, a file, an s3:// prefix or a job ARN, or a list of these."
_SENT = "Pass the input file or files (paths, s3:// URIs), the ids, or a frame with record_id."

Source = Any
Sent = str | Path | Iterable[Any]


@dataclass(frozen=True)
class OutputFile:
    """A file of output lines at a local path or an S3 URI, `size` bytes long."""

    place: str
    size: int
    facts: Facts
    manifest: str = ""

    @property
    def is_local(self) -> bool:
        return not self.place.startswith("s3://")


@dataclass
class Group:
    """Files whose lines answer the same ids; no segments when it is not known what was sent."""

    files: list[OutputFile]
    segments: list[Segment] | None = None
    run: Run | None = None
    notes: list[str] = field(default_factory=list)
    jobs: dict[str, dict[str, str]] = field(default_factory=dict)
    unsent: list[dict[str, Any]] = field(default_factory=list)


def find_groups(source: Source, *, model_id: str = "", sent: Sent | None = None) -> list[Group]:
    """Find the files of one or several sources, and the ids that were sent."""
    sources = _distinct(source) if isinstance(source, list | tuple) else [source]
    if not sources:
        raise InputError(f"The list of sources is empty. {_PLACES}")
    groups: list[Group] = []
    loose: list[OutputFile] = []
    for one in sources:
        if run := _as_run(one):
            if sent is not None:
                raise InputError(f"Run {run.name!r} knows which records were sent. Leave sent= out.")
            groups.append(_run_group(run))
        elif isinstance(one, str) and _JOB_ARN.fullmatch(one):
            group = _job_group(one, model_id)
            if sent is None:
                groups.append(group)
            else:
                loose += group.files
        else:
            loose += _loose_files(one, model_id, named=len(sources) > 1, required=sent is None)
    if loose or sent is not None:
        segments = None if sent is None else [Segment(_sent_ids(sent), Facts(model_id=model_id or None))]
        groups.append(Group(loose, segments))
    return groups


def read_manifest(place: str) -> dict[str, Any] | None:
    """Read a manifest; None when it is not a JSON object."""
    try:
        content = aws.read_object(place) if place.startswith("s3://") else Path(place).read_bytes()
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _distinct(sources: Sequence[Source]) -> list[Source]:
    """Read a place once, however often it is named."""
    found: dict[str, Source] = {}
    for one in sources:
        place = one.folder if isinstance(one, Run) else one
        is_local = isinstance(place, str | Path) and not str(place).startswith(("s3://", "arn:"))
        found.setdefault(str(Path(place).resolve()) if is_local else str(place), one)
    return list(found.values())


def _as_run(source: Source) -> Run | None:
    if isinstance(source, Run):
        return source
    if isinstance(source, str | Path) and not str(source).startswith(("s3://", "arn:")):
        return Run.open(source) if (Path(source) / "run.json").is_file() else None
    return None


def _sent_ids(sent: Sent) -> Any:
    if isinstance(sent, str | Path):
        return partial(iter_record_ids, sent)
    if isinstance(sent, pd.DataFrame):
        if "record_id" not in sent.columns:
            raise InputError("The frame in sent= has no column 'record_id'. Pass the frame of build_records.")
        sent = sent["record_id"]
    if isinstance(sent, bytes | Mapping) or not isinstance(sent, Iterable):
        raise InputError(f"sent= is of type {type(sent).__name__}. {_SENT}")
    listed = list(sent)
    if any(_is_place(value) for value in listed):
        if others := [value for value in listed if not _is_place(value)]:
            raise InputError(f"sent= holds places and also {name_some(others)}. {_SENT}")
        return lambda: chain.from_iterable(map(iter_record_ids, listed))
    ids = [_id_text(value) for value in listed]
    return partial(iter, ids)


def _is_place(value: Any) -> bool:
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
        raise InputError(f"Cannot read outputs from {type(source).__name__}. {_PLACES}")
    facts = Facts(model_id=model_id or None)
    if str(source).startswith("s3://"):
        files = _s3_files(str(source), facts)
    elif Path(source).is_dir():
        files = _folder_files(Path(source), facts, prefix=Path(source).name if named else "")
    elif Path(source).is_file():
        files = [_local_file(Path(source), replace(facts, source_file=Path(source).name))]
    else:
        raise InputError(f"There is no file or folder {str(source)!r}. {_PLACES}")
    if not files and required:
        raise InputError(
            f"{str(source)!r} holds no file whose name ends in {SUFFIX}. "
            "Bedrock writes them under <output URI>/<job id>/; name that folder, or the job's ARN."
        )
    return files


def _folder_files(folder: Path, facts: Facts, prefix: str = "") -> list[OutputFile]:
    files = []
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        label = PurePosixPath(prefix, path.relative_to(folder).as_posix()).as_posix()
        files.append(_local_file(path, replace(facts, source_file=label), whole_folder=True))
    return files


def _local_file(path: Path, facts: Facts, *, whole_folder: bool = False) -> OutputFile:
    manifest = path.with_name(MANIFEST)
    covered = whole_folder or len(list(path.parent.glob(f"*{SUFFIX}"))) == 1
    known = str(manifest) if covered and manifest.is_file() else ""
    return OutputFile(str(path), path.stat().st_size, facts, known)


def _s3_files(uri: str, facts: Facts) -> list[OutputFile]:
    objects = {item.uri: item.size for item in aws.list_objects(uri)}
    if uri in objects:
        return [OutputFile(uri, objects[uri], replace(facts, source_file=uri))]
    files = []
    for name, size in sorted(objects.items()):
        if name.endswith(SUFFIX):
            manifest = f"{name.rsplit('/', 1)[0]}/{MANIFEST}"
            known = manifest if manifest in objects else ""
            files.append(OutputFile(name, size, replace(facts, source_file=name), known))
    return files


def _job_prefix(job: Mapping[str, Any]) -> str:
    """Where a job writes: Get tells the prefix the caller gave, without the job id."""
    prefix = job["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"].rstrip("/")
    return f"{prefix}/{job['jobArn'].rsplit('/', 1)[1]}/"


def _job_group(job_arn: str, model_id: str) -> Group:
    job = aws.get_job(job_arn)
    facts = Facts(model_id=model_id or job.get("modelId"), job_arn=job["jobArn"])
    absent = "missing" if job.get("status") in TERMINAL else "pending"
    sent = job["inputDataConfig"]["s3InputDataConfig"]["s3Uri"]
    segment = Segment(partial(iter_record_ids, sent), facts, absent)
    ended = {job["jobArn"]: _end_of(job)} if absent == "missing" else {}
    return Group(_s3_files(_job_prefix(job), facts), [segment], jobs=ended)


def _end_of(seen: Mapping[str, Any]) -> dict[str, str]:
    return {"status": seen["status"], "message": seen.get("message", "")}


def _run_group(run: Run) -> Group:
    snapshot = refresh_jobs(RunSnapshot.read(run))
    states = [state for state in snapshot.states if not state.withdrawn]
    ended, latest = [state for state in states if state.ended and state.job_arn], latest_states(states)
    files: list[OutputFile] = []
    for state in ended:
        files += _run_files(run, fetch_outputs(snapshot, state), _job_facts(run, state))
    segments = []
    for file in snapshot.files:
        facts, absent = _expected(run, file, latest.get(file.job))
        segments.append(Segment(partial(iter_record_ids, file.path), facts, absent))
    for attempt in dict.fromkeys(file.attempt for file in snapshot.files):
        folder = on_demand_folder(run.folder, attempt)
        if folder.is_dir():
            files += _run_files(run, folder, Facts(run.model_id, "on_demand", attempt))
    # A run adopted after its inputs were deleted cannot know what was sent.
    sent = None if run.adopted and not segments else segments
    ends = {state.job_arn: _end_of(state.seen) for state in ended}
    return Group(files, sent, run, snapshot.describe_unsent(), ends, list(_unsent(snapshot)))


def _unsent(snapshot: RunSnapshot) -> Iterator[dict[str, Any]]:
    """Jobs that are not there, and that no waiting will bring."""
    for job, files in snapshot.jobs.items():
        attempt, state = files[0].attempt, snapshot.latest.get(job)
        if on_demand_folder(snapshot.run.folder, attempt).is_dir() or (state and state.open):
            continue
        if state is not None and state.job_arn:
            continue
        about = {"job": job, "records": sum(file.records for file in files), "message": ""}
        if state is None:
            yield {**about, "reason": "on_demand" if attempt in snapshot.below_minimum else "unsent"}
        elif state.withdrawn:
            yield {**about, "reason": "withdrawn"}
        else:
            yield {**about, "reason": "refused", "message": state.refused}


def _expected(run: Run, file: InputFile, state: JobState | None) -> tuple[Facts, str]:
    """What is known of records of which no line came: their job, and whether one may still come."""
    if state is not None:
        return _job_facts(run, state), "missing" if state.ended else "pending"
    if on_demand_folder(run.folder, file.attempt).is_dir():
        return Facts(run.model_id, "on_demand", file.attempt), "missing"
    return Facts(run.model_id, attempt=file.attempt), "pending"


def _job_facts(run: Run, state: JobState) -> Facts:
    return Facts(
        model_id=run.model_id,
        attempt=state.attempt,
        submission=state.submission,
        job_arn=state.job_arn or None,
    )


def _run_files(run: Run, folder: Path, facts: Facts) -> list[OutputFile]:
    prefix = folder.relative_to(run.folder).as_posix()
    return _folder_files(folder, facts, prefix)


def iter_manifests(files: Sequence[OutputFile]) -> Iterator[tuple[str, list[int]]]:
    """Name each manifest once, with the numbers of the files it counts."""
    found: dict[str, list[int]] = {}
    for number, file in enumerate(files):
        if file.manifest:
            found.setdefault(file.manifest, []).append(number)
    yield from found.items()
