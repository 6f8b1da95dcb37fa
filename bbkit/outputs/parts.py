"""Rows on disk: folders of Parquet parts that appear whole, and lines that wait for their part."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.core.errors import InputError
from bbkit.core.files import replacing_folder
from bbkit.core.frames import Collected

_PART_ROWS = 262_144
_AT_ONCE = 65_536
"""Rows that are decoded together by whoever reads a part."""
UNMATCHED_FILE = "_unmatched.parquet"
_ORIGIN = "_origin.json"
"""What the rows of a folder follow from; readers of Parquet folders pass over names with an underscore."""


def part_writer(
    folder: Path,
    schema: pa.Schema,
    done: Callable[[Path], None] | None = None,
    lengths: set[int | None] | None = None,
) -> Callable[..., None]:
    """Give what writes rows to ``part-00000.parquet`` files in a folder, and what is done with each."""
    numbers = count()

    def write(frame: pd.DataFrame, name: str = "", least: int = 0) -> None:
        if name:
            frame.to_parquet(folder / name, index=False)
            return
        for low in range(0, max(len(frame), least), _PART_ROWS):
            rows = frame.iloc[low : low + _PART_ROWS]
            table = pa.Table.from_pandas(rows, schema=schema, preserve_index=False)
            table = table if lengths is None else _fit_vectors(table, lengths)
            path = folder / f"part-{next(numbers):05d}.parquet"
            _write(table, path)
            if done:
                done(path)

    return write


@contextmanager
def writing_parts(
    folder: Path, schema: pa.Schema, origin: str = "", collected: Callable[[], Collected] | None = None
) -> Iterator[Callable[..., None]]:
    """Give what writes rows to a folder of parts that appears when all are written."""
    import pyarrow.parquet as pq

    with replacing_folder(folder) as new:
        write = part_writer(new, schema, lengths=(lengths := set[int | None]()))
        yield write
        for path in list_parts(new) if "embedding" in schema.names else ():
            if pq.read_schema(path).field("embedding").type != _vectors(lengths):
                table = _fit_vectors(pq.ParquetFile(path).read(), lengths)
                _write(table, path)
        if not any(new.iterdir()):
            write(schema.empty_table().to_pandas(), least=1)
        if origin:
            (new / _ORIGIN).write_text(_describe(new, origin), encoding="utf-8")
        if collected:
            _note(max(list_parts(new)), collected())


def _write(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq  # loads its file systems, too

    pq.write_table(table, path, compression="zstd", row_group_size=_AT_ONCE)


def _note(part: Path, collected: Collected) -> None:
    """Keep what is known beside the rows in the last part, so that the folder holds parts alone."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(part).read()
    table = table.replace_schema_metadata(collected.describe(table.schema).metadata)
    _write(table, part)


def _fit_vectors(table: pa.Table, lengths: set[int | None]) -> pa.Table:
    """Make embeddings lists of fixed size while every row has one of one length, added to those seen."""
    if "embedding" not in table.column_names:
        return table
    vectors, at = table["embedding"], table.column_names.index("embedding")
    lengths.update(pc.unique(pc.list_value_length(vectors)).to_pylist())
    return table.set_column(at, "embedding", vectors.cast(_vectors(lengths)))


def _vectors(lengths: set[int | None]) -> pa.DataType:
    # pyarrow 19 to 24 neither writes nor reads lists of fixed size in Parquet where one is absent.
    is_fixed = len(lengths) == 1 and None not in lengths
    return pa.list_(pa.float32(), *lengths) if is_fixed else pa.large_list(pa.float32())


def follows_from(folder: Path, origin: str) -> bool:
    """Whether the parts in a folder are all there and were written of this."""
    path = folder / _ORIGIN
    return path.is_file() and path.read_text(encoding="utf-8") == _describe(folder, origin)


def _describe(folder: Path, origin: str) -> str:
    return json.dumps([[path.stat().st_size for path in sorted(list_parts(folder))], origin])


def validate_parts_folder(folder: Path) -> None:
    """Stop where a folder to be replaced holds anything else than parts."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{str(folder)!r} is a file. Name an empty folder.")
    if folder.exists() and set(folder.iterdir()) != set(list_parts(folder)):
        raise InputError(f"{str(folder)!r} holds more than Parquet parts. Name an empty folder.")


def list_parts(folder: Path) -> list[Path]:
    """The parts in a folder."""
    return [path for path in folder.glob("part-*.parquet") if path.is_file()]


class SpilledLines:
    """Lines in files of a temporary folder, one per part."""

    def __init__(self, folder: str):
        self._folder = Path(folder)
        self._writers: dict[int, Any] = {}

    def _path(self, part: int) -> Path:
        return self._folder / f"{part}.arrow"

    def add(self, lines: pa.Table, parts: np.ndarray) -> None:
        """Put each line with its part, in order."""
        lines = lines.combine_chunks()
        for part in np.unique(parts).tolist():
            if part not in self._writers:
                self._writers[part] = pa.ipc.new_stream(self._path(part), lines.schema)
            self._writers[part].write_table(lines.filter(pa.array(parts == part)))

    def take(self, part: int, empty: pa.Table) -> pa.Table:
        """Read the lines of a part; `empty` where it has none."""
        tables = list(self.read(part))
        return pa.concat_tables(tables) if tables else empty

    def read(self, part: int) -> Iterator[pa.Table]:
        """Read the lines of a part as they came."""
        writer = self._writers.pop(part, None)
        if writer is None:
            return
        writer.close()
        with pa.OSFile(str(self._path(part))) as file, pa.ipc.open_stream(file) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])
        self._path(part).unlink()
