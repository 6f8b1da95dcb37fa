"""Outputs of ended jobs, brought into the run's folder, and how far a slow transfer is."""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from bbkit import aws
from bbkit.core.errors import AwsError, CredentialsError, InputError, PlaceError, RunError
from bbkit.core.files import write_text
from bbkit.core.frames import MANIFEST
from bbkit.run.job_rows import read_answer, seen_event
from bbkit.run.journal import JobState

if TYPE_CHECKING:
    from bbkit.run import Run

SUFFIX = ".jsonl.out"

_LISTING = "objects.json"
_SECONDS_OF_A_LINE = 10


class SlowTransfer:
    """Says how far a transfer is, one line every ten seconds on standard error; nothing of one that is over
    by then.
    """

    def __init__(self, what: str):
        self._what, self._said_at = what, time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Take note of progress."""
        now = time.monotonic()
        if now - self._said_at >= _SECONDS_OF_A_LINE:
            self._said_at = now
            text = f"{self._what}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB"
            print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC  {text}", file=sys.stderr, flush=True)


class Counted:
    """Adds up the bytes of several transfers, each told in pieces and possibly from several threads."""

    def __init__(self, tell: Any, total: int):
        self._tell, self._total, self._done = tell, total, 0

    def __call__(self, some: int) -> None:
        """Take note of `some` more bytes."""
        self._done += some
        self._tell(self._done, self._total)


def fetch_outputs(run: "Run", state: JobState) -> Path:
    """Bring the output files of a job that has ended into its folder of the run, manifest last."""
    folder = run.output_folder(state.job_arn)
    listed = _read_listing(folder)
    damaged = [name for name, size in listed.items() if _size(folder / name) != size]
    if _is_fetched(folder, listed, state) and not damaged:
        return folder
    try:
        sizes = _download(run, state, folder)
    except (PlaceError, CredentialsError, AwsError) as error:
        if not damaged:
            raise
        raise _damaged(folder, damaged, str(error)) from error
    if lost := [name for name in damaged if name not in sizes]:
        raise _damaged(folder, lost, "S3 does not hold it any more.")
    if sizes or state.status != "Completed":
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / _LISTING, json.dumps(sizes, indent=1))
    _take_counts(run, state, folder / MANIFEST)
    return folder


def _read_listing(folder: Path) -> dict[str, int]:
    try:
        return json.loads((folder / _LISTING).read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _is_fetched(folder: Path, listed: dict[str, int], state: JobState) -> bool:
    if listed or (folder / MANIFEST).is_file():
        return True
    return state.status != "Completed" and (folder / _LISTING).is_file()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _damaged(folder: Path, names: list[str], why: str) -> RunError:
    path = folder / names[0]
    found = "is missing" if _size(path) < 0 else f"is damaged ({_size(path):,} bytes)"
    return RunError(
        f"The local copy {path} {found}. {why} Restore it from a copy, or delete {folder.name}/{_LISTING} to "
        "go on with what is there."
    )


def _download(run: "Run", state: JobState, folder: Path) -> dict[str, int]:
    run.check_endpoint()
    prefix = run.output_uri(state.job_arn)
    wanted = [item for item in aws.list_objects(prefix) if item.uri.endswith((SUFFIX, f"/{MANIFEST}"))]
    wanted.sort(key=lambda item: (item.uri.endswith(f"/{MANIFEST}"), item.uri))
    sizes = {item.uri[len(prefix) :]: item.size for item in wanted}
    if outside := [name for name in sizes if not name or ".." in PurePosixPath(name).parts]:
        raise InputError(f"The output {prefix}{outside[0]} would be written outside of the run's folder.")
    count = Counted(SlowTransfer(f"downloading the outputs of {state.job}"), sum(sizes.values()))
    for name in sizes:
        aws.download_file(prefix + name, folder / name, progress=count)
    return sizes


def _take_counts(run: "Run", state: JobState, manifest: Path) -> None:
    try:
        counts = read_answer(json.loads(manifest.read_bytes()))
    except (OSError, ValueError, AttributeError):
        return
    journal_counts(run, state, counts)


def read_counts(run: "Run", state: JobState) -> dict[str, Any]:
    """Read the counts of a job from its manifest in S3."""
    try:
        return read_answer(json.loads(aws.read_object(run.output_uri(state.job_arn) + MANIFEST)))
    except (AwsError, ValueError, AttributeError):
        return {}


def journal_counts(run: "Run", state: JobState, counts: dict[str, Any]) -> None:
    """Journal the counts of a manifest where those of the job had not caught up with its end."""
    if counts.get("processed", 0) > state.seen.get("processed", 0):
        state.seen = {**state.seen, **counts}
        run.journal.append(seen_event(state, state.seen))
