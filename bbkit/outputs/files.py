"""Files of output lines, what is known of them, and the ids whose answers they may hold."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bbkit import __version__, aws
from bbkit.core.files import local_names, read_listing
from bbkit.core.frames import MANIFEST, OUTPUT_COLUMNS, SUFFIX
from bbkit.records.lines import iter_record_ids, read_bodies

if TYPE_CHECKING:
    from bbkit.run import Run


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
    """Ids that were sent together, in sent order, what became of unanswered ones, and their bodies."""

    ids: Callable[[], Iterator[str | None]]
    meta: FileMeta = FileMeta()
    absent: str = "missing"
    records: Callable[[], Iterator[tuple[str | None, Any]]] | None = None


def sent_file(path: str | Path, meta: FileMeta, absent: str = "missing") -> SentBatch:
    return SentBatch(partial(iter_record_ids, path), meta, absent, partial(read_bodies, path))


@dataclass
class Group:
    """Files whose lines answer the same ids; no batches when it is not known what was sent."""

    files: list[OutputFile]
    batches: list[SentBatch] | None = None
    run: "Run | None" = None
    sent_paths: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    jobs: dict[str, dict[str, str]] = field(default_factory=dict)
    unsent: list[dict[str, Any]] = field(default_factory=list)
    asks_by_tool: bool = False

    def describe_origin(self) -> str:
        """What the rows of a run follow from: as long as that stays the same, so do they."""
        paths = [*(file.path for file in self.files if file.is_local), *map(str, self.sent_paths)]
        stats = [(stat.st_size, stat.st_mtime_ns) for stat in map(os.stat, paths)]
        stats += [(file.size, 0) for file in self.files if not file.is_local]
        expected = [(batch.meta, batch.absent) for batch in self.batches or ()]
        return json.dumps(
            [__version__, list(OUTPUT_COLUMNS), [file.meta for file in self.files], stats, expected]
        )


def shared_key(groups: Iterable[Group]) -> str:
    """The KMS key of the run, or of all runs; empty where they have none or several."""
    keys = {group.run.job_options.get("kms_key_id", "") if group.run else "" for group in groups}
    return keys.pop() if len(keys) == 1 else ""


def list_folder(folder: Path, meta: FileMeta, prefix: str = "") -> list[OutputFile]:
    files, names = [], local_names(read_listing(folder))
    keys = {name: key for key, name in names.items()}
    for path in filter(Path.is_file, sorted(folder.rglob(f"*{SUFFIX}"))):
        name = path.relative_to(folder).as_posix()
        if (
            not path.name.startswith(".") and names.get(name, name) == name
        ):  # else its object is kept under another
            label = f"{prefix}/{keys.get(name, name)}" if prefix else keys.get(name, name)
            files.append(local_file(path, meta._replace(source_file=label), whole_folder=True))
    return files


def local_file(path: Path, meta: FileMeta, *, whole_folder: bool = False) -> OutputFile:
    manifest = path.with_name(MANIFEST)
    covered = whole_folder or len(list(path.parent.glob(f"*{SUFFIX}"))) == 1
    known = str(manifest) if covered and manifest.is_file() else ""
    return OutputFile(str(path), path.stat().st_size, meta, known)


def find_s3(uri: str, meta: FileMeta) -> tuple[list[OutputFile], list[str]]:
    """Output files below a URI, and the names of what else is there."""
    objects = {item.uri: item.size for item in aws.list_objects(uri)}
    if uri in objects:
        return [OutputFile(uri, objects[uri], meta._replace(source_file=uri))], []
    files = []
    for name, size in sorted(objects.items()):
        if name.endswith(SUFFIX):
            manifest = f"{name.rpartition('/')[0]}/{MANIFEST}"
            known = manifest if manifest in objects else ""
            files.append(OutputFile(name, size, meta._replace(source_file=name), known))
    return files, [name.rpartition("/")[2] for name in objects if not name.endswith(SUFFIX)]
