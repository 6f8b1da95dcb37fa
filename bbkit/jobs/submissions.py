"""From the queue in the journal to jobs at AWS, each exactly once.

Exactly-once rests on the request token and the name, which follow from the run, its files and the
parameters, never on a lock: two processes at the same job send the same request, and AWS answers both with
the same job (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html,
clientRequestToken).
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from bbkit import aws
from bbkit.core.errors import AwsError, RunError
from bbkit.jobs.inputs import Progress, clear_media_folder, input_uri, media_folder, upload_inputs
from bbkit.run import InputFile, Run
from bbkit.run.job_rows import event_of, find_job
from bbkit.run.journal import PATIENT, TERMINAL, JobState

_UNANSWERED = ("NoAnswer", "InternalServerException", "InternalServerError", "ServiceUnavailableException")


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
    told = [run.run_id, [file.sha256 for file in files], request, state.submission]
    token = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return {**request, "clientRequestToken": token}


def submit_queue(run: Run, *, patient: bool, progress: Progress | None = None) -> AwsError | RunError | None:
    """Submit what is queued, until the queue is empty or AWS takes no more for now."""
    files: dict[str, list[InputFile]] = {}
    for file in run.record_files():
        files.setdefault(file.job, []).append(file)
    trouble: AwsError | RunError | None = None
    for state in run.journal.states():
        if not state.queued or (patient and not state.open):
            continue
        try:
            _submit(run, state, files.get(state.job, ()), progress)
        except (AwsError, RunError) as error:
            code = getattr(error, "code", "")
            if trouble is None or getattr(trouble, "code", "") in PATIENT:
                trouble = error
            if code in PATIENT or code in _UNANSWERED:
                break
    stop_unwanted(run)
    return trouble


def _submit(run: Run, state: JobState, files: Sequence[InputFile], progress: Progress | None) -> None:
    journal = run.journal
    if not _is_queued(run, state):
        return
    if state.lost and (found := find_job(state.job_name)):
        journal.append({**event_of("submitted", state), "job_arn": found, "found_by": "list"})
        return
    try:
        job_arn = _create(run, state, files, progress)
    except (AwsError, RunError) as error:
        job_arn = find_job(state.job_name) if getattr(error, "code", "") == "ConflictException" else ""
        if not job_arn:
            _journal_refusal(run, state, error)
            raise
    if job_arn:
        journal.append({**event_of("submitted", state), "job_arn": job_arn, "found_by": "create"})


def _is_queued(run: Run, state: JobState) -> bool:
    """Whether it still is by the journal: it may have been stopped, or submitted, elsewhere meanwhile."""
    now = (each for each in run.journal.states() if each.job == state.job)
    return any(each.queued for each in now if each.submission == state.submission)


def _create(run: Run, state: JobState, files: Sequence[InputFile], progress: Progress | None) -> str:
    # A request whose answer is not known is repeated to the letter; a refused one may have been mended.
    request = state.request
    if not files:
        raise RunError(f"Run {run.name!r} has no records of job {state.job}. Restore records/index.json.")
    if not request or state.refused:
        request = make_request(run, state, files)
    if media := media_folder(files):
        clear_media_folder(run, files, media)
    try:
        upload_inputs(run, files, progress)
    except RunError:
        # The job of a request whose answer is not known may be there; repeated, the request finds it.
        if request != state.request:
            raise
    if not _is_queued(run, state):
        return ""
    if request != state.request:
        run.journal.append({**event_of("intent", state), "request": request})
        if not _is_queued(run, state):
            return ""
    return aws.create_job(**request)


def stop_unwanted(run: Run) -> None:
    """Stop jobs that were taken from the queue while their Create was under way."""
    for state in run.journal.states():
        if state.to_stop:
            stop_job(state)


def stop_job(state: JobState) -> None:
    """Stop a job; one that has ended, or is being stopped, is left as it is."""
    if state.status == "Stopping":
        return
    try:
        aws.stop_job(state.job_arn)
    except AwsError as error:
        # Which of the two AWS answers for a job that has ended is not documented for each case.
        if error.code not in ("ValidationException", "ConflictException"):
            raise
        if aws.get_job(state.job_arn)["status"] not in (*TERMINAL, "Stopping"):
            raise


def _journal_refusal(run: Run, state: JobState, error: AwsError | RunError) -> None:
    code = getattr(error, "code", "RecordsDiffer")
    if code in _UNANSWERED or (code == state.refused_code and str(error) == state.refused):
        return
    run.journal.append({**event_of("refused", state), "code": code, "message": str(error)})
