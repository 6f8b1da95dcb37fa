"""Runs and jobs as sources of outputs: their files, fetched where they are not here, and what was sent."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bbkit import aws
from bbkit.core.files import is_read_only
from bbkit.outputs.files import FileMeta, Group, OutputFile, find_s3, list_folder, sent_file
from bbkit.records.input_sets import record_files
from bbkit.run import InputFile, Run, RunSnapshot
from bbkit.run.journal import TERMINAL, JobState, latest_states
from bbkit.run.remote_jobs import fetch_outputs, refresh_jobs


def read_run(source: Any) -> RunSnapshot | None:
    """Read a run or its folder; one that a caller of this package has read already is taken as it is."""
    if isinstance(source, str | Path):
        return RunSnapshot.read(Run.open(source)) if (Path(source) / "run.json").is_file() else None
    if isinstance(source, Run):
        return RunSnapshot.read(source)
    return source if isinstance(source, RunSnapshot) else None


def read_job(job_arn: str, model_id: str) -> Group:
    """Find the outputs of a job that no run knows, and what was sent to it."""
    job = aws.get_job(job_arn)
    meta = FileMeta(model_id=model_id or job.get("modelId"), job_arn=job["jobArn"])
    ended = {job["jobArn"]: _end_of(job)} if job.get("status") in TERMINAL else {}
    sent = job["inputDataConfig"]["s3InputDataConfig"]["s3Uri"]
    batch = sent_file(sent, meta, "missing" if ended else "pending")
    # Get tells the prefix the caller gave, without the job id.
    prefix = job["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"].rstrip("/")
    return Group(find_s3(f"{prefix}/{job['jobArn'].rpartition('/')[2]}/", meta)[0], [batch], jobs=ended)


def _end_of(seen: Mapping[str, Any]) -> dict[str, str]:
    return {"status": seen["status"], "message": seen.get("message", "")}


def read_run_group(snapshot: RunSnapshot) -> Group:
    """Fetch what the jobs of a run gave so far, and tell what else it holds and waits for."""
    snapshot = refresh_jobs(snapshot)
    run = snapshot.run
    states = [state for state in snapshot.states if not state.withdrawn]
    ended, latest = [state for state in states if state.ended and state.job_arn], latest_states(states)
    files, notes = [], snapshot.describe_unsent()
    for state in ended:
        files += _job_files(snapshot, state, notes)
    batches = []
    for file in snapshot.files:
        batches.append(sent_file(file.path, *_expected(run, file, latest.get(file.job))))
    for attempt in dict.fromkeys(file.attempt for file in snapshot.files):
        folder = run.on_demand_folder(attempt)
        if folder.is_dir():
            files += _run_files(run, folder, FileMeta(run.model_id, "on_demand", attempt))
    cures = [cure for chosen in snapshot.lineage.values() for cure in chosen.get("cures", ())]
    return Group(
        files,
        # A run adopted after its inputs were deleted cannot know what was sent.
        None if run.adopted and not batches else batches,
        run,
        [Path(name) for file in snapshot.files for name in record_files(file.path)],
        notes,
        {state.job_arn: _end_of(state.seen) for state in ended},
        list(_unsent(snapshot)),
        run.structured == "tool" or any("tool" in cure for cure in cures),
    )


def _job_files(snapshot: RunSnapshot, state: JobState, notes: list[str]) -> list[OutputFile]:
    run, meta = snapshot.run, _job_meta(snapshot.run, state)
    try:
        folder, said = fetch_outputs(snapshot, state)
        notes += said
        return _run_files(run, folder, meta)
    except OSError as error:
        if not is_read_only(error):
            raise
        return find_s3(run.output_uri(state.job_arn), meta)[0]


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
    return list_folder(folder, meta, folder.relative_to(run.folder).as_posix())
