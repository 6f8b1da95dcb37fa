"""What AWS says now of a run's jobs, journalled; the outputs of ended ones, brought into the run's folder."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbkit import aws
from bbkit.core.errors import AwsError, CredentialsError, PlaceError, RunError
from bbkit.core.files import LISTING, local_names, read_listing, require_inside, write_text
from bbkit.core.frames import MANIFEST, SUFFIX
from bbkit.core.progress import showing_progress
from bbkit.core.text import name_some
from bbkit.run.journal import TERMINAL, JobState, replay
from bbkit.run.snapshot import RunSnapshot

if TYPE_CHECKING:
    from bbkit.run.run import Run

_CALLS_AT_ONCE = 8
_SEEN = {
    "status": "status",
    "message": "message",
    "records": "totalRecordCount",
    "processed": "processedRecordCount",
    "succeeded": "successRecordCount",
    "errored": "errorRecordCount",
    "submitted_at": "submitTime",
    "ended_at": "endTime",
    "expires_at": "jobExpirationTime",
}
_KNOWN_AFTER = timedelta(minutes=10)


def find_job(job_name: str) -> str:
    """Find a job by its exact name, over all pages of the list."""
    jobs = aws.list_jobs(name_contains=job_name)
    return next((job["jobArn"] for job in jobs if job.get("jobName") == job_name), "")


def read_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Take from an answer of GetModelInvocationJob, or from a manifest, what the journal keeps."""
    return {name: answer[key] for name, key in _SEEN.items() if answer.get(key) is not None}


def seen_event(state: JobState, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Make the event for what AWS said of a job."""
    name = "ended" if seen.get("status") in TERMINAL else "status"
    return state.event(name, job_arn=state.job_arn, seen=dict(seen))


def refresh_jobs(snapshot: RunSnapshot) -> RunSnapshot:
    """Ask AWS for every job that has not ended, find those whose answer was lost; journal changes."""
    if not any(state.unconfirmed or state.in_flight for state in snapshot.states):
        return snapshot
    snapshot.access.ensure()
    asked = [(state, find_job(state.job_name)) for state in snapshot.states if state.unconfirmed]
    submitted = [state.event("submitted", job_arn=arn, found_by="list") for state, arn in asked if arn]
    snapshot = replace(snapshot, states=replay(snapshot.run.journal.note(*submitted), snapshot.states))
    running = [state for state in snapshot.states if state.in_flight]
    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        answers = list(pool.map(lambda state: _ask(snapshot, state), running))
    errors = [answer for answer in answers if isinstance(answer, AwsError)]
    if errors and len(errors) == len(running):
        raise errors[0]
    now, events, states = datetime.now(UTC), [], {state.key: state for state in snapshot.states}
    for state, answer in zip(running, answers, strict=True):
        if isinstance(answer, AwsError):
            states[state.key] = replace(state, last_error=answer)
        elif answer is not None:
            events += [seen_event(state, answer)] if _is_changed(state.seen, answer) else []
            since = state.since if answer["status"] == state.status else now
            states[state.key] = replace(state, seen=answer, at=now, since=since)
    snapshot.run.journal.note(*events)
    return replace(snapshot, states=tuple(states.values()))


def _ask(snapshot: RunSnapshot, state: JobState) -> dict[str, Any] | AwsError | None:
    """What AWS says of a job; None while it does not know one that was just created."""
    try:
        seen = read_answer(aws.get_job(state.job_arn))
    except AwsError as error:
        is_new = state.since is not None and datetime.now(UTC) - state.since < _KNOWN_AFTER
        is_late = error.code == "ResourceNotFoundException" and state.status == "Submitted" and is_new
        return None if is_late else error
    # The counts of a job move about once a minute and may lag behind its end; the manifest is there by then.
    counted = seen.get("processed", 0)
    if seen["status"] == "Completed" and counted < (seen.get("records") or counted + 1):
        manifest = snapshot.run.output_uri(state.job_arn) + MANIFEST
        seen |= _read_later_counts(lambda: aws.read_object(manifest), counted)
    return seen


def _read_later_counts(read_manifest: Callable[[], bytes], processed: int) -> dict[str, Any]:
    """The counts of a manifest that is there and counts more records than those `processed`."""
    try:
        counts = read_answer(json.loads(read_manifest()))
    except (AwsError, OSError, ValueError, AttributeError, RecursionError):
        return {}
    counts = {name: count for name, count in counts.items() if isinstance(count, int)}
    return counts if counts.get("processed", 0) > processed else {}


def _is_changed(before: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Tell whether an answer is worth a line of the journal."""
    if any(before.get(name) != seen.get(name) for name in ("status", "message", "ended_at")):
        return True
    moved = seen.get("processed", 0) - before.get("processed", 0)
    return moved * 100 > seen.get("records", 0) or (
        moved > 0 and seen.get("processed") == seen.get("records")
    )


def fetch_outputs(snapshot: RunSnapshot, state: JobState) -> tuple[Path, list[str]]:
    """Bring the outputs of a job that has ended into the run, manifest last; beside it what is to be said."""
    folder = snapshot.run.output_folder(state.job_arn)
    listed = read_listing(folder)
    places = {key: folder / name for key, name in local_names(listed).items()}
    altered = [
        key for key, size in listed.items() if _size(places[key]) == size and not aws.is_as_noted(places[key])
    ]
    damaged = [key for key, size in listed.items() if _size(places[key]) != size] + altered
    was_empty = state.status != "Completed" and (folder / LISTING).is_file()
    if (listed or (folder / MANIFEST).is_file() or was_empty) and not damaged:
        return folder, []
    try:
        sizes, twice = _download(snapshot, state, folder)
    except (PlaceError, CredentialsError, AwsError) as error:
        if not damaged:
            raise
        raise _damaged(places[damaged[0]], str(error)) from error
    if gone := [key for key in damaged if key not in sizes]:
        raise _damaged(places[gone[0]], "S3 does not hold it any more.")
    if sizes or state.status != "Completed":
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / LISTING, json.dumps(sizes, indent=1))
    # Those of the job may not have caught up with its end.
    if counts := _read_later_counts((folder / MANIFEST).read_bytes, state.seen.get("processed", 0)):
        snapshot.run.journal.note(seen_event(state, {**state.seen, **counts}))
    texts = ((altered, "damaged here, fetched again"), (twice, "came damaged, fetched again"))
    return folder, [f"{name_some(keys)} {text}" for keys, text in texts if keys]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _damaged(path: Path, why: str) -> RunError:
    damage = "is missing" if _size(path) < 0 else f"is damaged ({_size(path):,} bytes)"
    damage += "" if _size(path) < 0 or aws.is_as_noted(path) else ": not those that came"
    return RunError(
        f"The local copy {path} {damage}. {why} Restore it from a copy, or delete {LISTING} of its job "
        "to go on with what is there."
    )


def list_outputs(run: "Run", job_arn: str) -> dict[str, int]:
    """The sizes of a job's output files in S3 by key below its prefix, the manifest's last."""
    prefix = run.output_uri(job_arn)
    wanted = [item for item in aws.list_objects(prefix) if item.uri.endswith((SUFFIX, f"/{MANIFEST}"))]
    wanted.sort(key=lambda item: (item.uri.endswith(f"/{MANIFEST}"), item.uri))
    return {item.uri[len(prefix) :]: item.size for item in wanted}


def _download(snapshot: RunSnapshot, state: JobState, folder: Path) -> tuple[dict[str, int], list[str]]:
    snapshot.access.ensure()
    prefix, sizes = snapshot.run.output_uri(state.job_arn), list_outputs(snapshot.run, state.job_arn)
    places = {key: folder / name for key, name in local_names(sizes).items()}
    for path in (folder, *places.values()):
        require_inside(path, snapshot.run.folder)
    with showing_progress(f"downloading the outputs of {state.job}", sum(sizes.values())) as count:
        times = {key: aws.download_file(prefix + key, places[key], progress=count) for key in sizes}
    return sizes, [key for key, came in times.items() if came > 1]
