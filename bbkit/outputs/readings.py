"""Reading a group of output files in order, here or by an executor, and counting what manifests count."""

import tempfile
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from bbkit import aws
from bbkit.core.frames import as_frame
from bbkit.outputs.accounts import STRAY_COLUMNS, counts_otherwise
from bbkit.outputs.line_readers import LinesRead, count_lines, read_lines
from bbkit.outputs.lines import read_head
from bbkit.outputs.sent_ids import SentIds
from bbkit.outputs.sources import Group, OutputFile, iter_manifests, read_manifest

TASK_BYTES = 128_000_000
_WAITING_TASKS = 8


class Reader:
    """Reads the files of a group in order, counting per file and gathering the lines that are no rows."""

    def __init__(self, group: Group, extras: tuple[str, ...], executor: Executor | None):
        self.group, self.extras, self.executor = group, extras, executor
        self.strays: list[pd.DataFrame] = []
        self.counts: list[Counter[str]] = [Counter() for _ in group.files]
        self.facts = [file.facts for file in group.files]
        self.sent: SentIds | None = None
        self.remote = not all(file.is_local for file in group.files)

    def tables(self) -> Iterator[pa.Table]:
        """Record lines of all files in order, with the number of their file."""
        for number, read in self._parts():
            counted = count_lines(read)
            self.counts[number].update({name: count for name, count in counted.items() if count is not None})
            self.counts[number]["silent"] += None in counted.values()
            self.add_strays(_numbered(read.strays, number))
            table = read.table.append_column("file", pa.array(np.full(len(read.table), number, np.int32)))
            if self.remote and "head" not in table.column_names:
                table = table.append_column("head", pa.nulls(len(table), pa.large_string()))
            yield table.select(sorted(table.column_names))

    def _parts(self) -> Iterator[tuple[int, LinesRead]]:
        if self.executor is None:
            for number, file in enumerate(self.group.files):
                for read in _read_file(file, 0, None, self.extras):
                    yield number, read
            return
        waiting: deque[tuple[int, Future[LinesRead]]] = deque()
        for number, file in enumerate(self.group.files):
            for start, end in _ranges(file):
                if len(waiting) >= _WAITING_TASKS:
                    first, future = waiting.popleft()
                    yield first, future.result()
                waiting.append((number, self.executor.submit(_read_part, file, start, end, self.extras)))
        for number, future in waiting:
            yield number, future.result()

    def add_strays(self, strays: pa.Table) -> None:
        """Keep lines that are no rows, with the names of their files and their first bytes."""
        if len(strays):
            self.strays.append(_stray_frame(strays.to_pylist(), self.group.files))

    def compare_manifests(self) -> list[dict[str, Any]]:
        """Lay what the manifests say beside what the files hold and what was sent, once all was read."""
        found = []
        manifests = dict(iter_manifests(self.group.files))
        for place, numbers in manifests.items():
            counts = sum((self.counts[number] for number in numbers), Counter())
            counts["processed"] = counts["succeeded"] + counts["errored"]
            total: int | None = counts["processed"]
            if self.sent is not None:
                total = self._sent_to(self.facts[numbers[0]].job_arn, alone=len(manifests) == 1)
            found.append(_compare(place.rsplit("/", 2)[-2], read_manifest(place), counts, total))
        return found

    def _sent_to(self, job_arn: str | None, *, alone: bool) -> int | None:
        """How many records one job was sent; None where that is known of several together."""
        lengths = self.sent.lengths if self.sent is not None else {}
        if job_arn and job_arn in lengths:
            return lengths[job_arn]
        return sum(lengths.values()) if alone and self.group.run is None else None


def _numbered(strays: pa.Table, number: int) -> pa.Table:
    return strays.set_column(0, "file", pa.array(np.full(len(strays), number, np.int32)))


def _ranges(file: OutputFile) -> list[tuple[int, int | None]]:
    if not file.is_local or file.size <= TASK_BYTES * 3 // 2:
        return [(0, None)]
    edges = np.linspace(0, file.size, -(-file.size // TASK_BYTES) + 1).astype(int).tolist()
    return list(zip(edges[:-1], [*edges[1:-1], None], strict=True))


def _read_part(file: OutputFile, start: int, end: int | None, extras: tuple[str, ...]) -> LinesRead:
    """Read a range of one file: what an executor's worker does."""
    return LinesRead.join(list(_read_file(file, start, end, extras)))


def _read_file(file: OutputFile, start: int, end: int | None, extras: tuple[str, ...]) -> Iterator[LinesRead]:
    if file.is_local:
        yield from read_lines(file.place, start=start, end=end, extras=extras)
        return
    with tempfile.TemporaryDirectory(prefix="bbkit-") as folder:
        path = Path(folder) / "lines"
        aws.download_file(file.place, path)
        yield from read_lines(path, extras=extras, heads=True)


def _stray_frame(strays: list[dict[str, Any]], files: Sequence[OutputFile]) -> pd.DataFrame:
    for stray in strays:
        file = files[stray["file"]]
        if stray["head"] is None:
            stray["head"] = read_head(file.place, stray["offset"])
        stray["file"] = file.facts.source_file or file.place
    return as_frame(strays, STRAY_COLUMNS)


_MANIFEST_NAMES = {
    "total": "totalRecordCount",
    "processed": "processedRecordCount",
    "succeeded": "successRecordCount",
    "errored": "errorRecordCount",
    "input_tokens": "inputTokenCount",
    "output_tokens": "outputTokenCount",
}


def _compare(
    folder: str, manifest: dict[str, Any] | None, counts: Counter[str], total: int | None
) -> dict[str, Any]:
    """Lay one manifest beside its files; `total` is how many records it should count, where that is known."""
    found: dict[str, Any] = {"folder": folder, "disagreement": ""}
    if manifest is None:
        return found | {"disagreement": f"the manifest in {folder} is not a JSON object"}
    for name, key in _MANIFEST_NAMES.items():
        value = manifest.get(key)
        found[f"manifest_{name}"] = value if isinstance(value, int) else None
        found[name] = None if name.endswith("tokens") and counts["silent"] else counts[name]
    found["total"] = total
    differing = [
        f"{found[f'manifest_{name}']:,} {name} (its files hold {found[name]:,})"
        for name in ("succeeded", "errored")
        if counts_otherwise(found, name)
    ]
    said = " and ".join(differing) or _say_totals(found)
    if said:
        found["disagreement"] = f"the manifest in {folder} counts {said}"
    return found


def _say_totals(found: Mapping[str, Any]) -> str:
    if not counts_otherwise(found, "total") and not counts_otherwise(found, "processed"):
        return ""
    units = {"total": "records", "processed": "processed"}
    said = [
        f"{found[f'manifest_{name}']:,} {unit}"
        for name, unit in units.items()
        if found[f"manifest_{name}"] is not None
    ]
    held, sent = found["processed"], found["total"]
    more = "" if sent in (None, held) else f", {sent:,} {'was' if sent == 1 else 'were'} sent"
    return f"{', '.join(said)}; its files hold {held:,}{more}"
