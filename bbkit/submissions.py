"""From the queue in the journal to jobs at AWS, each exactly once. Part of the room `jobs`.

Exactly-once rests on the request token and the name, which follow from the run, its files and the
parameters, never on a lock: two processes at the same job send the same request, and AWS answers both with
the same job (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html,
clientRequestToken).
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from bbkit import aws
from bbkit.errors import AwsError, RunError
from bbkit.job_rows import event_of, find_job
from bbkit.journal import PATIENT, JobState
from bbkit.run import RecordFile, Run
from bbkit.run_files import slug

Progress = Callable[[int, int], None]
"""Called with the bytes uploaded so far and the bytes to upload."""

_UNANSWERED = ("NoAnswer", "InternalServerException", "InternalServerError", "ServiceUnavailableException")


def name_job(run: Run, state: JobState) -> str:
    """Derive a job's name.

    Parameters
    ----------
    run : Run
        The run.
    state : JobState
        The job and its submission.

    Returns
    -------
    str
        ``<name, at most 24>-<run_id's first 8>-<attempt>-<file>-<submission>``, at most 63 characters.
    """
    return f"{slug(run.name)}-{run.run_id[:8]}-{state.job}-{state.submission}"


def input_uri(run: Run, files: Sequence[RecordFile], file: RecordFile) -> str:
    """Name the object an input file is uploaded to.

    Parameters
    ----------
    run : Run
        The run.
    files : sequence of RecordFile
        All files of the job.
    file : RecordFile
        One of them.

    Returns
    -------
    str
        Under the run's ``input/``; a job of several files has a folder of its own there.
    """
    folder = "" if len(files) == 1 else f"{file.job}/"
    return f"{run.s3_prefix}input/{folder}{file.path.name}"


def make_request(run: Run, state: JobState, files: Sequence[RecordFile]) -> dict[str, Any]:
    """Write the whole Create request of a job.

    Parameters
    ----------
    run : Run
        The run.
    state : JobState
        The job and its submission.
    files : sequence of RecordFile
        Its input files.

    Returns
    -------
    dict
        As CreateModelInvocationJob names it. Its token is a sha256 of the run, the files' content, every
        parameter and the submission.
    """
    options = run.job_options
    given = input_uri(run, files, files[0])
    source = {"s3InputFormat": "JSONL", "s3Uri": given if len(files) == 1 else given.rpartition("/")[0] + "/"}
    target = {"s3Uri": f"{run.s3_prefix}output/"}
    if owner := options.get("bucket_owner"):
        source["s3BucketOwner"] = target["s3BucketOwner"] = owner
    if key := options.get("kms_key_id"):
        target["s3EncryptionKeyId"] = key
    request: dict[str, Any] = {
        "jobName": name_job(run, state),
        "roleArn": run.role_arn,
        "modelId": run.model_id,
        "modelInvocationType": run.invocation_type,
        "inputDataConfig": {"s3InputDataConfig": source},
        "outputDataConfig": {"s3OutputDataConfig": target},
        "timeoutDurationInHours": options.get("timeout_hours", 24),
    }
    if vpc := options.get("vpc_config"):
        request["vpcConfig"] = vpc
    if tags := options.get("tags"):
        request["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
    told = [run.run_id, [file.sha256 for file in files], request, state.submission]
    token = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return {**request, "clientRequestToken": token}


def submit_queue(run: Run, *, patient: bool, progress: Progress | None = None) -> AwsError | None:
    """Submit what is queued, until the queue is empty or AWS takes no more for now.

    Parameters
    ----------
    run : Run
        The run; its place was checked.
    patient : bool
        Leave alone what AWS refused for another reason than being busy.
    progress : callable, optional
        Told about uploads.

    Returns
    -------
    bbkit.errors.AwsError or None
        Why AWS took no more, or refused one.
    """
    files: dict[str, list[RecordFile]] = {}
    for file in run.record_files():
        files.setdefault(file.job, []).append(file)
    trouble = None
    for state in run.journal.states():
        if not state.queued or (patient and not state.open):
            continue
        try:
            _submit(run, state, files[state.job], progress)
        except AwsError as error:
            if trouble is None or trouble.code in PATIENT:
                trouble = error
            if error.code in PATIENT or error.code in _UNANSWERED:
                break
    return trouble


def _submit(run: Run, state: JobState, files: Sequence[RecordFile], progress: Progress | None) -> None:
    journal = run.journal
    if state.lost and (found := find_job(state.job_name)):
        journal.append({**event_of("submitted", state), "job_arn": found, "found_by": "list"})
        return
    # A request whose answer is not known is repeated to the letter; one that was refused may have been
    # mended.
    request = state.request
    if not request or state.refused:
        request = make_request(run, state, files)
    _upload(run, files, progress)
    if request != state.request:
        journal.append({**event_of("intent", state), "request": request})
    try:
        job_arn = aws.create_job(**request)
    except AwsError as error:
        found = find_job(state.job_name) if error.code == "ConflictException" else ""
        if not found:
            _journal_refusal(run, state, error)
            raise
        job_arn = found
    journal.append({**event_of("submitted", state), "job_arn": job_arn, "found_by": "create"})


def _journal_refusal(run: Run, state: JobState, error: AwsError) -> None:
    if error.code in _UNANSWERED or (error.code == state.refused_code and str(error) == state.refused):
        return
    run.journal.append({**event_of("refused", state), "code": error.code, "message": str(error)})


def _upload(run: Run, files: Sequence[RecordFile], progress: Progress | None) -> None:
    total, sent = sum(file.bytes for file in files), 0

    def count(some: int) -> None:
        nonlocal sent
        sent += some
        if progress:
            progress(sent, total)

    for file in files:
        try:
            changed = aws.file_sha256(file.path) != file.sha256
        except FileNotFoundError:
            changed = True
        if changed:
            raise RunError(
                f"{file.path} is not the file that write_records wrote. Restore it, or make another run."
            )
        target = input_uri(run, files, file)
        if not aws.upload_file(file.path, target, progress=count, sha256=file.sha256):
            count(file.bytes)
