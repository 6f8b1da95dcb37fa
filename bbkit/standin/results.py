"""Puts the output of a job into its bucket: one object per input file, then the manifest.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-results.html.
"""

import hashlib
import json
import random
from datetime import UTC, datetime
from pathlib import Path

from nanio.storage.backend import ObjectInfo
from nanio.storage.metadata import write_metadata
from nanio.storage.paths import metadata_path, object_path

from bbkit.standin.inputs import split_uri
from bbkit.standin.listings import is_plain
from bbkit.standin.logs import Traces
from bbkit.standin.plans import Plan

_BLOCK = 1 << 20


class OutputRefused(Exception):
    """Why the output of a job cannot be written."""


def check_output(buckets: Path, uri: str) -> None:
    """Raise unless the output URI's bucket exists."""
    bucket, key = split_uri(uri)
    if key.strip("/") and not is_plain(key.strip("/")):
        raise OutputRefused(f"{uri} is no place in a bucket of this stand-in.")
    if not (buckets / bucket).is_dir():
        raise OutputRefused(
            f"The bucket {bucket} for the output data does not exist or cannot be reached by the role."
        )


def output_key(uri: str, job_id: str, name: str) -> tuple[str, str]:
    """Give bucket and key of one output object."""
    bucket, prefix = split_uri(uri)
    prefix = prefix.strip("/")
    return bucket, f"{prefix}/{job_id}/{name}" if prefix else f"{job_id}/{name}"


def put_output(plan: Plan, buckets: Path, uri: str, job_id: str, ordered: bool, traces: Traces) -> None:
    """Put one object per input file and then the manifest into the output bucket."""
    for number, file in enumerate(plan.files):
        bucket, key = output_key(uri, job_id, file.name + ".out")
        joined = plan.folder / f"{number:05d}.out"
        md5 = _join_parts(plan, number, joined, None if ordered else f"{job_id} {number}")
        put_file(buckets, bucket, key, joined, md5)
        lines = sum(part.success + part.error for part in plan.parts(number))
        traces.log(did="put output", job=job_id, key=key, records=lines)
    counts, tokens = plan.counts(), plan.tokens()
    numbers = {
        "totalRecordCount": counts["total"],
        "processedRecordCount": counts["processed"],
        "successRecordCount": counts["success"],
        "errorRecordCount": counts["error"],
        "inputTokenCount": tokens[0],
        "outputTokenCount": tokens[1],
    }
    known = {name: number for name, number in numbers.items() if number is not None}
    bucket, key = output_key(uri, job_id, "manifest.json.out")
    _put_manifest(buckets, bucket, key, known, plan.folder / "manifest.tmp")
    traces.log(did="put manifest", job=job_id, key=key, **known)


def _join_parts(plan: Plan, number: int, target: Path, seed: str | None) -> str:
    parts, folder = plan.parts(number), plan.parts_folder(number)
    if seed is not None:
        random.Random(seed).shuffle(parts)
    digest = hashlib.md5(usedforsecurity=False)
    with target.open("wb") as out:
        for part in parts:
            with (folder / part.name).open("rb") as source:
                while block := source.read(_BLOCK):
                    digest.update(block)
                    out.write(block)
    return digest.hexdigest()


def put_file(buckets: Path, bucket: str, key: str, source: Path, md5: str) -> None:
    """Move a finished file into a bucket so that it appears whole, with its metadata, or not at all."""
    check_output(buckets, f"s3://{bucket}/")
    target = object_path(buckets, bucket, key)
    info = ObjectInfo(
        key=key,
        size=source.stat().st_size,
        etag=f'"{md5}"',
        last_modified=datetime.now(UTC),
        content_type="application/octet-stream",
    )
    side = metadata_path(buckets, bucket, key)
    side.with_suffix(side.suffix + ".tmp").unlink(missing_ok=True)
    try:
        write_metadata(side, info)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    except OSError as error:
        raise OutputRefused(
            f"The output could not be written to s3://{bucket}/{key}: {error.strerror}."
        ) from error


def _put_manifest(buckets: Path, bucket: str, key: str, numbers: dict[str, int], temporary: Path) -> None:
    data = json.dumps(numbers).encode()
    temporary.write_bytes(data)
    put_file(buckets, bucket, key, temporary, hashlib.md5(data, usedforsecurity=False).hexdigest())
