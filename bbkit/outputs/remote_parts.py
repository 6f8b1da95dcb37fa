"""Data sets of ``into=``: written whole to a folder or below an S3 prefix, and opened again.

Below a prefix each write has a place of its own, ``write=<uuid>/``, with a partition for each run. A small
``_bbkit.json`` names the live one last; only then is removed what earlier writes left, killed ones too.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa
from msgspec.structs import replace

from bbkit import aws
from bbkit.core.errors import AwsError, InputError
from bbkit.core.frames import Collected
from bbkit.core.text import name_some
from bbkit.outputs.parts import list_parts, part_writer, validate_parts_folder, writing_parts

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
        validate_parts_folder(Path(place))
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
