"""From the queue in the journal to jobs at AWS, each exactly once. Part of the room `jobs`.

Exactly-once rests on the request token and the name, which follow from the run, its files and the
parameters, never on a lock: two processes at the same job send the same request, and AWS answers both with
the same job (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html,
clientRequestToken).
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from bbkit import aws
from bbkit.errors import AwsError, RunError, name_some
from bbkit.job_rows import event_of, find_job
from bbkit.journal import PATIENT, JobState
from bbkit.run import RecordFile, Run
from bbkit.run_files import slug

Progress = Callable[[int, int], None]
"""Called with the bytes uploaded so far and the bytes to upload."""

_SECONDS_OF_A_LINE = 10

_UNANSWERED = ("NoAnswer", "InternalServerException", "InternalServerError", "ServiceUnavailableException")


class SlowUpload:
    """Says how far an upload is, one line every ten seconds on standard error; nothing of one that is over
    by then.

    Parameters
    ----------
    job : str
        What is uploaded.
    """

    def __init__(self, job: str):
        self._job, self._said_at = job, time.monotonic()

    def __call__(self, sent: int, total: int) -> None:
        """Take note of progress.

        Parameters
        ----------
        sent, total : int
            Bytes.
        """
        now = time.monotonic()
        if now - self._said_at >= _SECONDS_OF_A_LINE:
            self._said_at = now
            text = f"uploading {self._job}: {sent / 1e6:,.0f} of {total / 1e6:,.0f} MB"
            print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC  {text}", file=sys.stderr, flush=True)


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
        Under the run's ``input/``, where a job of several files has a folder of its own; beside the media
        of its records where they have some.
    """
    if media := media_folder(files):
        return f"{media}{_own_name(run)}{file.path.name}"
    folder = "" if len(files) == 1 else f"{file.job}/"
    return f"{run.s3_prefix}input/{folder}{file.path.name}"


def media_folder(files: Sequence[RecordFile]) -> str:
    """Name the folder in S3 whose media a job reads.

    Parameters
    ----------
    files : sequence of RecordFile
        All files of the job.

    Returns
    -------
    str
        URI ending in ``/``; empty when its records point to no media.
    """
    return next((file.media for file in files if file.media), "")


def _own_name(run: Run) -> str:
    return f"{slug(run.name)}-{run.run_id[:8]}-"


def list_media_inputs(run: Run) -> Iterator[aws.S3Object]:
    """List the input files of a run that lie beside media, outside its own prefix.

    Parameters
    ----------
    run : Run
        The run.

    Yields
    ------
    S3Object
        Objects of this run.
    """
    for media in sorted({file.media for file in run.record_files() if file.media}):
        yield from aws.list_objects(f"{media}{_own_name(run)}")


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
    alone = len(files) == 1 and not files[0].media
    source = {"s3InputFormat": "JSONL", "s3Uri": given if alone else given.rpartition("/")[0] + "/"}
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
    try:
        job_arn = _create(run, state, files, progress)
    except AwsError as error:
        job_arn = find_job(state.job_name) if error.code == "ConflictException" else ""
        if not job_arn:
            _journal_refusal(run, state, error)
            raise
    journal.append({**event_of("submitted", state), "job_arn": job_arn, "found_by": "create"})


def _create(run: Run, state: JobState, files: Sequence[RecordFile], progress: Progress | None) -> str:
    # A request whose answer is not known is repeated to the letter; a refused one may have been mended.
    request = state.request
    if not request or state.refused:
        request = make_request(run, state, files)
    if media := media_folder(files):
        _clear_media_folder(run, files, media)
    if request != state.request:
        _upload(run, files, progress)
        run.journal.append({**event_of("intent", state), "request": request})
    return aws.create_job(**request)


def _clear_media_folder(run: Run, files: Sequence[RecordFile], media: str) -> None:
    """Make sure that a job finds no input file beside its media but its own: it would process and charge
    them all.

    What jobs of this run left there, once they have ended, is deleted; it is still in the run's folder.
    """
    mine = {input_uri(run, files, file) for file in files}
    others = [item.uri for item in aws.list_objects(media) if item.uri.endswith(".jsonl")]
    others = [uri for uri in others if uri not in mine]
    own = f"{media}{_own_name(run)}"
    if foreign := [uri for uri in others if not uri.startswith(own)]:
        raise AwsError(
            f"{media} holds other input files ({name_some(foreign)}); the job would process and charge "
            "them too. Move them, or the media.",
            "MediaFolderDiffers",
        )
    busy = {
        state.job
        for state in run.journal.states()
        if (state.lost and not state.refused) or (state.job_arn and not state.ended)
    }
    if any(uri.removeprefix(own).removesuffix(".jsonl") in _numbers(run, busy) for uri in others):
        raise AwsError(
            f"Another job of this run still reads the media in {media}; this one waits for its end.",
            "MediaFolderBusy",
        )
    aws.delete_objects(others)


def _numbers(run: Run, jobs: Collection[str]) -> set[str]:
    return {file.path.stem for file in run.record_files() if file.job in jobs}


def _journal_refusal(run: Run, state: JobState, error: AwsError) -> None:
    if error.code in _UNANSWERED or (error.code == state.refused_code and str(error) == state.refused):
        return
    run.journal.append({**event_of("refused", state), "code": error.code, "message": str(error)})


def _upload(run: Run, files: Sequence[RecordFile], progress: Progress | None) -> None:
    total, sent = sum(file.bytes for file in files), 0
    progress = progress or SlowUpload(files[0].job)

    def count(some: int) -> None:
        nonlocal sent
        sent += some
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
