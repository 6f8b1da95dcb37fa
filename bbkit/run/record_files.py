"""Which input files a run has, what each attempt was chosen by, whether it was sent."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbkit.aws import split_s3_uri
from bbkit.checks import iter_places
from bbkit.core.errors import InputError, RecordsError
from bbkit.core.text import name_some
from bbkit.records.lines import read_line
from bbkit.records.staging import InputFile

if TYPE_CHECKING:
    from bbkit.run import Run


def find_media_folder(path: Path) -> str:
    """Find the folder in S3 that holds all media an input file points to."""
    folders: set[str] = set()
    with path.open("rb") as stream:
        for line in stream:
            # Few lines are read whole; in them escapes such as s3:\\/\\/ are undone.
            if b's3Location"' in line:
                folders.update(uri.rpartition("/")[0] + "/" for uri in _places_of(line))
    if not folders:
        return ""
    if len({split_s3_uri(folder)[0] for folder in folders}) > 1:
        raise InputError(f"Media lie in several buckets ({name_some(sorted(folders))}). Put them into one.")
    common = os.path.commonpath([folder.removeprefix("s3://") for folder in folders])
    return f"s3://{common}/"


def _places_of(line: bytes) -> list[str]:
    try:
        body = read_line(line, "", 0)[1]
    except RecordsError:
        # Written all the same by someone who allowed it: no body, no media.
        return []
    return [uri for _, uri in iter_places(body) if uri.startswith("s3://") and uri.count("/") > 2]


def read_index(folder: Path) -> list[InputFile]:
    """List the input files of a run."""
    described = load_index(folder)["files"]
    files = [InputFile(**{**item, "path": folder / "records" / item["path"]}) for item in described]
    return sorted(files, key=lambda file: (file.attempt, file.number))


def read_lineage(folder: Path) -> dict[int, dict[str, Any]]:
    """Tell what each attempt was chosen by."""
    return {int(attempt): lineage for attempt, lineage in load_index(folder)["lineage"].items()}


def load_index(folder: Path) -> dict[str, Any]:
    """Read ``records/index.json``."""
    try:
        return json.loads((folder / "records" / "index.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"files": [], "lineage": {}}


def is_sent(run: "Run", attempt: int) -> bool:
    """Tell whether an attempt was submitted or sent on demand."""
    queued = any(state.attempt == attempt and not state.withdrawn for state in run.journal.states())
    return queued or on_demand_folder(run.folder, attempt).is_dir()


def on_demand_folder(folder: Path, attempt: int) -> Path:
    """Name the folder that takes what comes back on demand."""
    return folder / "outputs" / f"on-demand-{attempt}"


def on_demand_attempts(folder: Path) -> set[int]:
    """List the attempts that are too small for a batch job."""
    return {attempt for attempt, chosen in read_lineage(folder).items() if chosen.get("tier") == "on_demand"}
