"""The files of a group: their lines read in order and counted, those that are no rows gathered."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bbkit import aws
from bbkit.core.progress import showing_progress
from bbkit.lines.layout import read_head
from bbkit.lines.reading import LineBatch
from bbkit.outputs.accounts import compare_manifest, count_lines
from bbkit.outputs.files import Group, OutputFile
from bbkit.outputs.sent_ids import SentIds
from bbkit.outputs.workers import Share, Workers

TASK_BYTES = 8_000_000


class Reader:
    """Reads the files of a group in order, counting per file and gathering the lines that are no rows."""

    def __init__(self, group: Group, extras: tuple[str, ...], workers: Workers):
        self.group, self.extras, self.workers = group, extras, workers
        self.meta = [file.meta for file in group.files]
        self.remote = not all(file.is_local for file in group.files)
        self.forget()

    def forget(self) -> None:
        """Begin anew, as if nothing had been read and it were not known what was sent."""
        self.counts: list[Counter[str]] = [Counter() for _ in self.group.files]
        self.unmatched: list[dict[str, Any]] = []
        self.paid: list[pa.Table] = []
        self.sent: SentIds | None = None

    def tables(self) -> Iterator[pa.Table]:
        """Record lines of all files in order, with the number of their file."""
        for number, batch in self._batches():
            count_lines(batch.table, self.counts[number])
            self.add_unmatched(batch.unmatched, number)
            table = batch.table.append_column("file", pa.array(np.full(len(batch.table), number, np.int32)))
            if self.remote and "head" not in table.column_names:
                table = table.append_column("head", pa.nulls(len(table), pa.large_string()))
            yield table.select(sorted(table.column_names))

    def _batches(self) -> Iterator[tuple[int, LineBatch]]:
        files = self.group.files
        shares = (
            Share(
                number, (end or file.size) - start, (file.path, start, end, self.extras, file.meta.model_id)
            )
            for number, file in enumerate(files)
            for start, end in _ranges(file)
        )
        *before, size = accumulate((file.size for file in files), initial=0)
        done = 0
        with showing_progress("collecting", size) as count:
            for number, batch in self.workers.read(shares, size):
                at = before[number] + (batch.table["offset"][-1].as_py() if len(batch.table) else 0)
                count(at - done, len(batch.table))
                done = at
                yield number, batch

    def add_unmatched(self, lines: pa.Table, number: int = 0) -> None:
        """Keep lines that are no rows, with the names of their files and their first bytes."""
        for line in lines.to_pylist():
            file = self.group.files[number if line["file"] is None else line["file"]]
            if line["head"] is None:
                line["head"] = read_head(file.path, line["offset"])
            self.unmatched.append(line | {"file": file.meta.source_file or file.path})

    def compare_manifests(self) -> list[dict[str, Any]]:
        """Lay what the manifests say beside what the files hold and what was sent, once all was read."""
        counted: dict[str, list[int]] = {}
        for number, file in enumerate(self.group.files):
            if file.manifest:
                counted.setdefault(file.manifest, []).append(number)
        rows = []
        for path, numbers in counted.items():
            counts = sum((self.counts[number] for number in numbers), Counter())
            counts["processed"] = counts["succeeded"] + counts["errored"]
            total = self._count_sent(self.meta[numbers[0]].job_arn, counts, alone=len(counted) == 1)
            rows.append(compare_manifest(path.rsplit("/", 2)[-2], _read_manifest(path), counts, total))
        return rows

    def _count_sent(self, job_arn: str | None, counts: Counter[str], *, alone: bool) -> int | None:
        """How many records one job was sent; None where that is known of several together."""
        if self.sent is None:
            return counts["processed"]
        lengths = self.sent.lengths
        if job_arn and job_arn in lengths:
            return lengths[job_arn]
        return sum(lengths.values()) if alone and self.group.run is None else None


def _ranges(file: OutputFile) -> list[tuple[int, int | None]]:
    if not file.is_local or file.size <= TASK_BYTES * 3 // 2:
        return [(0, None)]
    edges = np.linspace(0, file.size, -(-file.size // TASK_BYTES) + 1).astype(int).tolist()
    return list(zip(edges[:-1], [*edges[1:-1], None], strict=True))


def _read_manifest(path: str) -> dict[str, Any] | None:
    """Read a manifest; None when it is not a JSON object."""
    try:
        manifest = json.loads(aws.read_object(path) if path.startswith("s3://") else Path(path).read_bytes())
    except (ValueError, RecursionError):
        return None
    return manifest if isinstance(manifest, dict) else None
