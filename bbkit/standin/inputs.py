"""The input of a job: which objects it names, and whether they are what a batch job takes.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-data.html and the quotas of
https://docs.aws.amazon.com/general/latest/gr/bedrock.html.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bbkit.standin.settings import Limits

if TYPE_CHECKING:  # the engine processes need no buckets
    from bbkit.standin.s3.store import Buckets

LARGE_JOB_MODELS = (
    "amazon.nova-lite-v1:0",
    "amazon.nova-pro-v1:0",
    "amazon.nova-2-multimodal-embeddings-v1:0",
)
GB = 10**9


class JobRefused(Exception):
    """Why a job ends Failed: its input, or where its output cannot be written."""


class Envelope(msgspec.Struct):
    """One line of an input file; ``modelInput`` is kept as it was written."""

    modelInput: msgspec.Raw
    recordId: str | None = None


_MARKS = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]')
_DECODER = msgspec.json.Decoder(Envelope)


def split_uri(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def find_inputs(buckets: "Buckets", uri: str) -> dict[str, str]:
    """Find the ``.jsonl`` objects an input URI names, one or all below a folder: keys by name below it."""
    bucket, key = split_uri(uri)
    if not buckets.has(bucket):
        raise JobRefused(
            f"The bucket {bucket} of the input data does not exist or cannot be reached by the role."
        )
    if key and not key.endswith("/") and buckets.find(bucket, key):
        if not key.endswith(".jsonl"):
            raise JobRefused(f"The input file {uri} does not end in .jsonl.")
        return {key.rpartition("/")[2]: key}
    start = f"{key.removesuffix('/')}/" if key else ""
    keys = [found.key for found in buckets.page(bucket, start)[0] if found.key.endswith(".jsonl")]
    if not keys:
        raise JobRefused(f"No .jsonl file was found at {uri}.")
    return {key.removeprefix(start): key for key in keys}


def check_inputs(files: Mapping[str, Path], limits: Limits, model_id: str) -> dict[str, int]:
    """Read every line, check form, counts and sizes against the quotas, and give the records of each file."""
    sizes = {name: path.stat().st_size for name, path in files.items()}
    for name, size in sizes.items():
        if size > limits.max_file_gb * GB:
            raise JobRefused(f"{name} has {size} bytes; an input file has at most {limits.max_file_gb:g} GB.")
    most, size = max_job_gb(limits, model_id), sum(sizes.values())
    if size > most * GB:
        raise JobRefused(f"The input files have {size} bytes; a job has at most {most:g} GB.")
    counts = {name: _check_file(name, path, limits) for name, path in files.items()}
    records = sum(counts.values())
    if records > limits.max_records_per_job:
        raise JobRefused(f"The job has {records} records; at most {limits.max_records_per_job} are taken.")
    if records < limits.min_records:
        raise JobRefused(too_few(records, limits.min_records))
    return counts


def max_job_gb(limits: Limits, model_id: str) -> float:
    default = 100 if model_id in LARGE_JOB_MODELS else 5
    return default if limits.max_job_gb is None else limits.max_job_gb


def too_few(records: int, least: int) -> str:
    return f"Batch job contains less records ({records}) than the required minimum of: {least}"


def _check_file(name: str, path: Path, limits: Limits) -> int:
    count, most = 0, limits.max_records_per_file
    with path.open("rb") as handle:
        for count, line in enumerate(handle, 1):
            if count > most:
                raise JobRefused(f"{name} has more than {most} records; at most {most} are taken per file.")
            try:
                read_record(line)
            except ValueError as error:
                raise JobRefused(f"Line {count} of {name} is not a record: {error}") from None
    return count


def read_record(line: bytes) -> tuple[str | None, bytes, dict[str, Any] | None]:
    try:
        if not line.isascii():
            line.decode()
        envelope = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _read_leniently(line)
    except RecursionError:
        return _read_deep(line)
    raw = bytes(envelope.modelInput)
    if not raw.startswith(b"{"):
        raise ValueError("modelInput is not a JSON object")
    return envelope.recordId, raw, None


def _read_leniently(line: bytes) -> tuple[str | None, bytes, dict[str, Any]]:
    try:
        record = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not valid JSON") from error
    if not isinstance(record, dict):
        raise ValueError("it is not a JSON object")
    if not isinstance(record.get("modelInput"), dict):
        raise ValueError("modelInput is missing or not a JSON object")
    record_id = record.get("recordId")
    if record_id is not None and not isinstance(record_id, str):
        raise ValueError("recordId is not a string")
    model_input = record["modelInput"]
    return record_id, json.dumps(model_input).encode(), model_input


def _read_deep(line: bytes) -> tuple[str | None, bytes, None]:
    """A line nested deeper than a reader of JSON goes: its modelInput is found by brackets, and not read."""
    opened: list[bytes] = []
    key, start, end = b"", 0, 0
    for match in _MARKS.finditer(line):
        mark = match[0]
        if mark in b"{[":
            if len(opened) == 1 and key == b'"modelInput"' and mark == b"{":
                start = match.start()
            opened.append(mark)
        elif mark in b"}]":
            if not opened or opened.pop() + mark not in (b"{}", b"[]"):
                raise ValueError("it is not valid JSON")
            if start and not end and len(opened) == 1:
                end = match.end()
        else:
            key = mark
    try:
        envelope = _DECODER.decode(line[:start] + b"{}" + line[end:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("it is nested too deeply to be read") from None
    return envelope.recordId, line[start:end], None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def count_records(buckets: "Buckets", uri: str) -> int | None:
    """Count the lines an input URI names, to refuse a small job at once; None when there are none to read."""
    try:
        keys = find_inputs(buckets, uri).values()
    except JobRefused:
        return None
    total = 0
    for key in keys:
        with buckets.open(split_uri(uri)[0], key)[1] as handle:
            total += sum(1 for _ in handle)
    return total
