"""A run made of a job that is already there, whoever made it."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbkit import aws
from bbkit.core.errors import AwsError, FamilyError, InputError
from bbkit.core.files import file_sha256
from bbkit.families import family_of
from bbkit.records import InputFile
from bbkit.run.journal import JobState, Journal
from bbkit.run.remote_jobs import TransferProgress, read_answer, seen_event
from bbkit.run.snapshot import write_index

if TYPE_CHECKING:
    from bbkit.run.run import Run

_JOB = "1-0001"


def adopt_job(make: "type[Run]", job_arn: str, made: Path, folder: Path) -> "Run":
    """Fill the folder of a run from a job: its journal, and its records where they can be read."""
    endpoint = aws.find_endpoint()
    _validate_job_arn(job_arn, endpoint)
    job = aws.get_job(job_arn)
    source = job["inputDataConfig"]["s3InputDataConfig"]
    output = job["outputDataConfig"]["s3OutputDataConfig"]
    model_id = job["modelId"].rpartition("::foundation-model/")[2] or job["modelId"]
    invocation_type = job.get("modelInvocationType", "InvokeModel")
    run = make(
        folder=folder,
        run_id=secrets.token_hex(16),
        name=folder.name,
        model_id=model_id,
        family=_family_name(model_id, invocation_type),
        invocation_type=invocation_type,
        endpoint=endpoint,
        s3_uri=output["s3Uri"].rstrip("/"),
        role_arn=job["roleArn"],
        created_at=datetime.now(UTC),
        job_options={
            "tags": {},
            "kms_key_id": output.get("s3EncryptionKeyId", ""),
            "vpc_config": job.get("vpcConfig", {}),
            "timeout_hours": job.get("timeoutDurationInHours", 24),
            "bucket_owner": source.get("s3BucketOwner", ""),
        },
        adopted={
            "job_arn": job["jobArn"],
            "input_uri": source["s3Uri"],
            "output_uri": output["s3Uri"].rstrip("/"),
        },
    )
    _journal_job(job, made)
    _fetch_records(source["s3Uri"], made)
    return run


def _validate_job_arn(job_arn: str, endpoint: aws.Endpoint) -> None:
    parts = job_arn.split(":") if isinstance(job_arn, str) else []
    if len(parts) != 6 or not parts[5].startswith("model-invocation-job/"):
        raise InputError(
            f"{job_arn!r} is not the ARN of a batch job. It looks like "
            "arn:aws:bedrock:<region>:<account>:model-invocation-job/<12 characters>."
        )
    if (parts[3], parts[4]) != (endpoint.region, endpoint.account):
        raise InputError(
            f"{job_arn} belongs to account {parts[4]} in {parts[3]}; the credentials now in use are for "
            f"{endpoint}. Set the environment of that account and region."
        )


def _family_name(model_id: str, invocation_type: str) -> str:
    try:
        return family_of(model_id, invocation_type=invocation_type).name
    except FamilyError:
        return ""


def _journal_job(job: Mapping[str, Any], made: Path) -> None:
    state = JobState(_JOB, 1, 1, job_arn=job["jobArn"])
    submitted = {"job_arn": job["jobArn"], "job_name": job.get("jobName", ""), "found_by": "adopt"}
    journal = Journal(made / "jobs.jsonl")
    journal.append(state.event("submitted", **submitted), seen_event(state, read_answer(job)))


def _fetch_records(uri: str, made: Path) -> None:
    # Inputs may have been deleted long ago; the run then reads outputs without knowing what was sent.
    try:
        prefix = uri if uri.endswith((".jsonl", "/")) else f"{uri}/"
        found = [item for item in aws.list_objects(prefix) if item.uri.endswith(".jsonl")]
        if uri.endswith(".jsonl"):
            found = [item for item in found if item.uri == uri]
        (made / "records").mkdir()
        count = TransferProgress("downloading the records", sum(item.size for item in found))
        files = [_fetch(item.uri, number, made / "records", count) for number, item in enumerate(found, 1)]
    except AwsError as error:
        if error.code not in ("NoSuchBucket", "NoSuchKey", "404", "AccessDenied", "403"):
            raise
        files = []
    if files:
        write_index(made, files, {})


def _fetch(uri: str, number: int, folder: Path, count: TransferProgress) -> InputFile:
    path = folder / f"1-{number:04d}.jsonl"
    aws.download_file(uri, path, progress=count)
    path.with_name(f".{path.name}.etag").unlink()
    # Every line that is not blank: a job may have failed because one of them is no record.
    with path.open("rb") as stream:
        records = sum(1 for line in stream if line.strip())
    return InputFile(path, 1, number, records, path.stat().st_size, file_sha256(path), _JOB)
