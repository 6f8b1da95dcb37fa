"""Rows on disk: folders of Parquet parts that appear whole, and lines that wait for their part."""

import shutil
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bbkit.core.errors import InputError

_KINDS = {
    pa.string(): pd.StringDtype("pyarrow"),
    pa.large_string(): pd.StringDtype("pyarrow"),
    pa.int64(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}
_PART_ROWS = 262_144


def frame_of(table: pa.Table, columns: Sequence[str]) -> pd.DataFrame:
    """Make a frame of some columns of a table, with the dtypes of the tidy frame."""
    return table.select(list(columns)).to_pandas(types_mapper=_dtype)


def _dtype(kind: pa.DataType) -> Any:
    return _KINDS.get(kind)


class PartsWriter:
    """A folder of ``part-00000.parquet`` files that appears when all of them are written."""

    def __init__(self, folder: Path | None, schema: pa.Schema, *, replace: bool = False):
        self.folder, self.schema, self.number = folder, schema, 0
        if folder is None or replace or not folder.exists():
            return
        if not folder.is_dir() or any(not _is_part(path) for path in folder.iterdir()):
            raise InputError(f"{str(folder)!r} holds more than Parquet parts. Name an empty folder.")

    def __enter__(self) -> "PartsWriter":
        if self.folder is not None:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self._new = self.folder.with_name(f".{self.folder.name}.{uuid.uuid4().hex}")
            self._new.mkdir()
        return self

    def write(self, frame: pd.DataFrame) -> None:
        """Write rows as further parts."""
        if self.folder is None:
            return
        for low in range(0, len(frame), _PART_ROWS):
            self._write_part(frame.iloc[low : low + _PART_ROWS])

    def _write_part(self, frame: pd.DataFrame) -> None:
        table = pa.Table.from_pandas(frame, schema=self.schema, preserve_index=False)
        pq.write_table(table, self._new / f"part-{self.number:05d}.parquet", compression="zstd")
        self.number += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.folder is None:
            return
        if error is not None:
            shutil.rmtree(self._new, ignore_errors=True)
            return
        if not self.number:
            self._write_part(self.schema.empty_table().to_pandas())
        old = self._new.with_name(self._new.name + ".old")
        if self.folder.exists():
            self.folder.replace(old)
        self._new.replace(self.folder)
        shutil.rmtree(old, ignore_errors=True)


def _is_part(path: Path) -> bool:
    return path.is_file() and path.name.startswith("part-") and path.suffix == ".parquet"


class SpilledLines:
    """Lines in temporary files, one per part."""

    def __enter__(self) -> "SpilledLines":
        self._folder = tempfile.TemporaryDirectory(prefix="bbkit-")
        self._writers: dict[int, Any] = {}
        return self

    def __exit__(self, *error: object) -> None:
        for writer in self._writers.values():
            writer.close()
        self._folder.cleanup()

    def _path(self, part: int) -> Path:
        return Path(self._folder.name) / f"{part}.arrow"

    def add(self, lines: pa.Table, parts: np.ndarray) -> None:
        """Put each line with its part, in order."""
        lines = lines.combine_chunks()
        for part in np.unique(parts).tolist():
            if part not in self._writers:
                self._writers[part] = pa.ipc.new_stream(self._path(part), lines.schema)
            self._writers[part].write_table(lines.filter(pa.array(parts == part)))

    def take(self, part: int, empty: pa.Table) -> pa.Table:
        """Read the lines of a part; `empty` where it has none."""
        writer = self._writers.pop(part, None)
        if writer is None:
            return empty
        writer.close()
        with pa.OSFile(str(self._path(part))) as file, pa.ipc.open_stream(file) as reader:
            table = reader.read_all()
        self._path(part).unlink()
        return table
