"""Rows on disk and in S3: data sets of ``into=``, written whole and opened again, and lines that wait.

Below a prefix each write has a place of its own, ``write=<uuid>/``, with a partition for each run. A small
``_bbkit.json`` names the live one last; only then is removed what earlier writes left, killed ones too.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from bbkit import aws
from bbkit.core.errors import AwsError, InputError
from bbkit.core.files import naming_place, replacing_folder
from bbkit.core.frames import Collected
from bbkit.core.text import name_some

_PART_ROWS = 262_144
_AT_ONCE = 65_536
"""Rows that are decoded together by whoever reads a part."""
UNMATCHED_FILE = "_unmatched.parquet"
_ORIGIN = "_origin.json"
"""What the rows of a folder follow from; readers of Parquet folders pass over names with an underscore."""

NO_RUN = "__HIVE_DEFAULT_PARTITION__"
"""What Hive calls the partition without a value
(https://arrow.apache.org/docs/python/generated/pyarrow.dataset.HivePartitioning.html)."""

LIVE_FILE = "_bbkit.json"
"""Readers of tables pass over names with an underscore."""

_OTHER_URI = re.compile(r"(?i)[a-z][a-z0-9+.-]+:/|arn:")
_WRITE = re.compile(r"write=[0-9a-f]{32}/")
_PLACES = "Name what collect_outputs(..., into=...) wrote, or write it again."
Rows = Iterator[tuple[pd.DataFrame, str]]


class _Live(msgspec.Struct):
    live: str
    sizes: dict[str, int]
    collected: Collected


def is_remote(place: Any) -> bool:
    """Whether a place is in S3; one that is neither there nor a local path is refused."""
    text = str(place)
    if not text.startswith("s3://") and _OTHER_URI.match(text):
        raise InputError(f"{text!r:.200} is no place of rows. Name a local path, or s3://bucket/prefix.")
    return isinstance(place, str) and text.startswith("s3://")


def _prefix_of(place: Any) -> str:
    return f"{str(place).rstrip('/')}/"


def validate_place(place: str | Path) -> None:
    """Stop where a place that is to be written holds anything else than parts, before anything is read."""
    if not is_remote(place):
        folder = Path(place)
        with naming_place(place):
            if folder.exists() and not folder.is_dir():
                raise InputError(f"{str(folder)!r} is a file. Name an empty folder.")
            if folder.exists() and set(folder.iterdir()) != set(list_parts(folder)):
                raise InputError(f"{str(folder)!r} holds more than Parquet parts. Name an empty folder.")
        return
    prefix = _prefix_of(place)
    aws.split_s3_uri(prefix)
    keys = (item.uri.removeprefix(prefix) for item in aws.list_objects(prefix))
    if others := [key for key in keys if key and key != LIVE_FILE and not _WRITE.match(key)]:
        raise InputError(
            f"{prefix} holds more than parts: {name_some(others)}. A table reads its whole prefix: name an "
            "empty one."
        )


def write_rows(
    place: str | Path, schema: pa.Schema, rows: Rows, collected: Callable[[], Collected], kms_key_id: str = ""
) -> None:
    """Write frames, each with the partition of its run, and then what is known beside them."""
    if not is_remote(place):
        with writing_parts(Path(place), schema, collected=collected) as write:
            for frame, _ in rows:
                write(frame)
        return
    prefix, live, sizes = _prefix_of(place), f"write={uuid.uuid4().hex}/", dict[str, int]()
    partition = ""

    def send(part: Path) -> None:
        name = f"{live}{partition and f'run_id={partition}/'}{part.name}"
        sizes[name] = part.stat().st_size
        aws.write_object(prefix + name, part, kms_key_id=kms_key_id)
        part.unlink()

    with TemporaryDirectory(prefix="bbkit-") as folder:
        write = part_writer(Path(folder), schema, send)
        for frame, partition in rows:  # noqa: B007
            write(frame)
        if not sizes:
            write(schema.empty_table().to_pandas(), least=1)
    stored = {item.uri.removeprefix(prefix): item.size for item in aws.list_objects(prefix + live)}
    if stored != sizes:
        found = f"{len(sizes):,} parts were written below {prefix}{live}, {len(stored):,} are there"
        raise AwsError(f"{found}: another write to the prefix may have removed some. Run it again, alone.")
    # Paths of this machine stay here.
    known = replace(collected(), paths={}, sent_paths=[])
    about = msgspec.json.encode(_Live(live, sizes, known))
    aws.write_object(prefix + LIVE_FILE, about, kms_key_id=kms_key_id)
    keys = (item.uri.removeprefix(prefix) for item in aws.list_objects(f"{prefix}write="))
    aws.delete_objects(prefix + key for key in keys if _WRITE.match(key) and not key.startswith(live))


def open_parts(place: str | Path) -> Any:
    """Open what `write_rows` wrote as a data set that carries what is known beside its rows."""
    import pyarrow.dataset as ds

    if not is_remote(place):
        parts = sorted(list_parts(Path(place)))
        if not parts or not (collected := Collected.of(ds.dataset(parts[-1]))).numbers:
            raise InputError(f"{str(place)!r} holds no parts that bbkit wrote. {_PLACES}")
        dataset = ds.dataset(parts, format="parquet")
        return dataset.replace_schema(collected.describe(dataset.schema))
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    prefix = _prefix_of(place)
    about = _read_about(prefix + LIVE_FILE)
    sizes = {prefix + name: size for name, size in about.sizes.items()}
    parted = ds.partitioning(pa.schema([("run_id", pa.string())]), flavor="hive")
    dataset = ds.dataset(
        sorted(sizes, key=lambda uri: uri.rpartition("/")[2]),
        filesystem=PyFileSystem(FSSpecHandler(aws.RemoteFiles(sizes))),
        format="parquet",
        partitioning=parted if any("/run_id=" in uri for uri in sizes) else None,
        partition_base_dir=prefix + about.live,
    )
    return dataset.replace_schema(about.collected.describe(dataset.schema))


def _read_about(uri: str) -> _Live:
    try:
        return msgspec.json.decode(aws.read_object(uri), type=_Live)
    except msgspec.DecodeError as error:
        raise InputError(f"{uri} is not as bbkit wrote it ({error}). {_PLACES}") from error
    except AwsError as error:
        if error.code != "NoSuchKey":
            raise
        raise InputError(f"No write was finished: there is no {uri}. {_PLACES}") from error


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
