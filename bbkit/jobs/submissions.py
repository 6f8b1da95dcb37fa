"""From the queue in the journal to jobs at AWS, each exactly once.

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
from bbkit.core.errors import AwsError, RunError
from bbkit.core.files import file_sha256
from bbkit.core.progress import showing_progress
from bbkit.core.text import name_some
from bbkit.run import InputFile, Run, RunSnapshot
from bbkit.run.journal import TERMINAL, JobState
from bbkit.run.remote_jobs import find_job

Report = Callable[[int, int], object]
"""Called with the bytes uploaded so far and the bytes to upload."""


def name_job(run: Run, state: JobState) -> str:
    """Derive a job's name."""
    return f"{run.label}-{state.job}-{state.submission}"


def make_request(run: Run, state: JobState, files: Sequence[InputFile]) -> dict[str, Any]:
    """Write the whole Create request of a job."""
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
    identity = [run.run_id, [file.sha256 for file in files], request, state.submission]
    token = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return {**request, "clientRequestToken": token}


def submit_queue(
    snapshot: RunSnapshot, *, refused_too: bool, progress: Report | None = None
) -> tuple[RunSnapshot, AwsError | RunError | None]:
    """Submit what is queued while AWS takes it; the run after it, and the error that weighs most."""
    last_error: AwsError | RunError | None = None
    for key in [state.key for state in snapshot.states if state.queued]:
        state = next(state for state in snapshot.states if state.key == key)
        if not state.queued or not (refused_too or state.open):
            continue
        is_passing = False
        try:
            _submit(snapshot, state, progress)
        except (AwsError, RunError) as error:
            is_passing = aws.is_passing(error)
            if last_error is None or aws.is_passing(last_error):
                last_error = error
        # Part of the guard around Create: it may have been taken from the queue while that was under way.
        snapshot = snapshot.replay_again()
        if is_passing:
            break
    for state in snapshot.states:  # what was taken from the queue while its Create was under way
        if state.unwanted and not state.ended:
            stop_job(snapshot, state)
    return snapshot, last_error


def stop_job(snapshot: RunSnapshot, state: JobState) -> None:
    """Stop a job; one that has ended, or is being stopped, is left as it is."""
    if state.status == "Stopping":
        return
    snapshot.access.ensure()
    try:
        aws.call("bedrock", "stop_model_invocation_job", jobIdentifier=state.job_arn)
    except AwsError as error:
        # Which of the two AWS answers for a job that has ended is not documented for each case.
        if error.code not in ("ValidationException", "ConflictException"):
            raise
        if aws.get_job(state.job_arn)["status"] not in (*TERMINAL, "Stopping"):
            raise


def _submit(snapshot: RunSnapshot, state: JobState, progress: Report | None) -> None:
    snapshot.access.ensure()
    if state.unconfirmed and (job_arn := find_job(state.job_name)):
        snapshot.run.journal.append(state.event("submitted", job_arn=job_arn, found_by="list"))
        return
    try:
        job_arn = _create(snapshot, state, progress)
    except (AwsError, RunError) as error:
        code = getattr(error, "code", "RecordsDiffer")
        job_arn = find_job(state.job_name) if code == "ConflictException" else ""
        if not job_arn:
            # No answer is no refusal; but one for good, which has been asked about again, is over.
            now = snapshot.replay_again().states
            was_over = any(each.queued and not each.open for each in now if each.key == state.key)
            is_new = (code, str(error)) != (state.refused_code, state.refused)
            if is_new and (was_over or not aws.is_unanswered(error)):
                snapshot.run.journal.append(state.event("refused", code=code, message=str(error)))
            raise
    if job_arn:
        snapshot.run.journal.append(state.event("submitted", job_arn=job_arn, found_by="create"))


def _create(snapshot: RunSnapshot, state: JobState, progress: Report | None) -> str:
    # A request whose answer is not known is repeated to the letter; a refused one may have been mended.
    run, files, request = snapshot.run, snapshot.jobs.get(state.job, []), state.request
    if not files:
        raise RunError(f"Run {run.name!r} has no records of job {state.job}. Restore records/index.json.")
    if not request or state.refused:
        request = make_request(run, state, files)
    if media := media_folder(files):
        clear_media_folder(snapshot, files, media)
    try:
        upload_inputs(snapshot, files, progress)
    except RunError:
        # The job of a request whose answer is not known may be there; repeated, the request finds it.
        if request != state.request:
            raise
    snapshot.access.ensure()
    if not _is_queued(snapshot, state):
        return ""
    if request != state.request:
        snapshot.run.journal.append(state.event("intent", request=request))
        if not _is_queued(snapshot, state):
            return ""
    try:
        return aws.create_job(**request)
    except AwsError as error:
        if state.refused and aws.is_unanswered(error):
            # Now the job may be there: from here on this very request is repeated.
            snapshot.run.journal.append(state.event("intent", request=request))
        raise


def _is_queued(snapshot: RunSnapshot, state: JobState) -> bool:
    """Whether it still is by the journal: it may have been stopped, or submitted, elsewhere meanwhile."""
    # The exactly-once guard: on purpose it replays the journal right before and after the intent is written,
    # never trusting the snapshot, which is as old as the upload was long.
    now = snapshot.replay_again().states
    return any(each.queued for each in now if each.key == state.key)


def input_uri(run: Run, files: Sequence[InputFile], file: InputFile) -> str:
    """Name the object an input file is uploaded to."""
    if media := media_folder(files):
        return f"{media}{run.label}-{file.path.name}"
    folder = "" if len(files) == 1 else f"{file.job}/"
    return f"{run.s3_prefix}input/{folder}{file.path.name}"


def media_folder(files: Sequence[InputFile]) -> str:
    """Name the folder in S3 whose media a job reads."""
    return next((file.media for file in files if file.media), "")


def clear_media_folder(snapshot: RunSnapshot, files: Sequence[InputFile], media: str) -> None:
    """Make sure that a job finds no input file beside its media but its own: all would be charged."""
    mine = {input_uri(snapshot.run, files, file) for file in files}
    inputs = (item.uri for item in aws.list_objects(media) if item.uri.endswith(".jsonl"))
    others = [uri for uri in inputs if uri not in mine]
    own = f"{media}{snapshot.run.label}-"
    if foreign := [uri for uri in others if not uri.startswith(own)]:
        raise AwsError(
            f"{media} holds other input files ({name_some(foreign)}); the job would process and charge "
            "them too. Move them, or the media.",
            "MediaFolderDiffers",
        )
    if not others:
        return
    # A fresh read on purpose: another process may have submitted the job whose file would be deleted.
    busy = {
        state.job
        for state in snapshot.replay_again().states
        if (state.unconfirmed and not state.refused) or state.in_flight
    }
    in_use = {file.path.stem for file in snapshot.files if file.job in busy}
    if any(uri.removeprefix(own).removesuffix(".jsonl") in in_use for uri in others):
        raise AwsError(
            f"Another job of this run still reads the media in {media}; this one waits for its end.",
            "MediaFolderBusy",
        )
    aws.delete_objects(others)


def upload_inputs(snapshot: RunSnapshot, files: Sequence[InputFile], progress: Report | None) -> None:
    """Upload the input files of a job; those that are there already are left alone."""
    total = sum(file.bytes for file in files)
    with showing_progress(f"uploading {files[0].job}", total, progress) as count:
        for file in files:
            if not file.path.is_file() or file_sha256(file.path) != file.sha256:
                raise RunError(
                    f"{file.path} is not the file that write_records wrote. Restore it, or make another run."
                )
            snapshot.access.ensure()
            target, key = input_uri(snapshot.run, files, file), snapshot.run.job_options.get("kms_key_id", "")
            if not aws.upload_file(file.path, target, progress=count, sha256=file.sha256, kms_key_id=key):
                count(file.bytes)
