"""The control plane: create, get, list and stop model-invocation jobs, and their tags.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html and the
pages beside it; what boto3 leaves unchecked is checked in ``operations``.
"""

import re
import secrets
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from botocore import xform_name

from bbkit.standin import faults as fault, inputs
from bbkit.standin.catalog import Catalog
from bbkit.standin.errors import invalid, iso_time, refuse_call
from bbkit.standin.faults import CREATE, OF_ONE_JOB, CallFaults, check_calls
from bbkit.standin.jobs import Jobs
from bbkit.standin.models import Model, check_living, partition_of, resolve_model
from bbkit.standin.pages import read_token, write_token
from bbkit.standin.service_models import JOB_ARN
from bbkit.standin.store import ENDED, NO_COUNTS, Job

Handler = Callable[[dict[str, Any], str], dict[str, Any]]
PAGE = 100
MAX_TAGS = 50  # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_TagResource.html


@dataclass(frozen=True)
class ControlPlane:
    jobs: Jobs
    calls: CallFaults
    catalog: Catalog

    def handler(self, operation: str) -> Handler | None:
        """Find what carries out an operation: it is named as boto3 names the call."""
        name = xform_name(operation)
        return getattr(self, name, None) or getattr(self.catalog, name, None)

    def answer(self, operation: str, given: dict[str, Any], region: str) -> dict[str, Any]:
        handler = self.handler(operation)
        assert handler is not None
        faults, key = self._tag_faults(operation, given, region)
        self.calls.fail(faults, operation, key)
        answer = handler(given, region)
        self.calls.spoil(faults, operation, key)
        return answer

    def create_model_invocation_job(self, given: dict[str, Any], region: str) -> dict[str, Any]:
        """Create a job, or give the one its token already created."""
        token = given["clientRequestToken"]
        known = self.jobs.store.by_token(region, token)
        if known is not None:
            return self._answer_known(known, given)
        self._check_role(given)
        settings, limits = self.jobs.settings, self.jobs.settings.limits
        model = resolve_model(given["modelId"], region, settings.account, settings.application_profiles)
        check_living(model.model_id, settings.as_of)
        if "no-model-access" in self.calls.switched.names:
            raise refuse_call("no_access")
        if settings.refuse_few_records:
            uri = given["inputDataConfig"]["s3InputDataConfig"]["s3Uri"]
            records = inputs.count_records(self.jobs.buckets, uri)
            if records is not None and records < limits.min_records:
                raise invalid(inputs.too_few(records, limits.min_records))
        job = self._new_job(given, region, token, model)
        quota = limits.max_custom_jobs if model.custom else limits.max_jobs
        outcome = self.jobs.add(job, quota)
        if outcome == "known":  # by a call at the same time
            return self.create_model_invocation_job(given, region)
        if outcome == "quota":
            raise refuse_call("jobs_quota", quota=quota, model_id=model.model_id)
        return {"jobArn": job["job_arn"]}

    def get_model_invocation_job(self, given: dict[str, Any], region: str) -> dict[str, Any]:
        return describe_job(self._find(given["jobIdentifier"], region))

    def list_model_invocation_jobs(self, given: dict[str, Any], region: str) -> dict[str, Any]:
        """List jobs, newest first unless asked otherwise, a page at a time."""
        size, asked = given.get("maxResults", PAGE), {**given, "region": region}
        since, until = given.get("submitTimeAfter"), given.get("submitTimeBefore")
        jobs = self.jobs.store.page(
            region,
            size=size + 1,
            newest_first=given.get("sortOrder", "Descending") == "Descending",
            after=_read_place(given["nextToken"], asked) if "nextToken" in given else None,
            status=given.get("statusEquals"),
            name_contains=given.get("nameContains"),
            since=since and since.timestamp(),
            until=until and until.timestamp(),
        )
        answer: dict[str, Any] = {
            "invocationJobSummaries": [describe_job(job) for job in jobs[:size] if not is_late(job)]
        }
        if len(jobs) > size:
            answer["nextToken"] = write_token([jobs[size - 1]["submitted"], jobs[size - 1]["job_id"]], asked)
        return answer

    def stop_model_invocation_job(self, given: dict[str, Any], region: str) -> dict[str, Any]:
        job = self._find(given["jobIdentifier"], region)
        if self.jobs.stop(job["job_id"]):
            self.jobs.traces.log(did="stop", job=job["job_id"])
            return {}
        now = self.jobs.store.get(job["job_id"])
        if now is not None and now["status"] in ENDED:
            raise refuse_call("has_ended", arn=job["job_arn"], status=now["status"])
        return {}

    def tag_resource(self, given: dict[str, Any], region: str) -> dict[str, Any]:
        job = self._find_resource(given["resourceARN"], region)
        self.jobs.store.set_tags(job["job_id"], read_tags(given["tags"], job["tags"]))
        return {}

    def untag_resource(self, given: dict[str, Any], region: str) -> dict[str, Any]:
        job = self._find_resource(given["resourceARN"], region)
        check_keys(given["tagKeys"])
        tags = {k: v for k, v in job["tags"].items() if k not in given["tagKeys"]}
        self.jobs.store.set_tags(job["job_id"], tags)
        return {}

    def list_tags_for_resource(self, given: dict[str, Any], region: str) -> dict[str, Any]:
        job = self._find_resource(given["resourceARN"], region)
        return {"tags": [{"key": key, "value": value} for key, value in job["tags"].items()]}

    def _find(self, identifier: str, region: str) -> Job:
        job = self.jobs.store.get(identifier.rpartition("/")[2])
        whole = identifier.startswith("arn:")
        known = job is not None and job["region"] == region and not is_late(job)
        if job is None or not known or (whole and job["job_arn"] != identifier):
            raise refuse_call("no_job", identifier=identifier)
        return job

    def _find_resource(self, arn: str, region: str) -> Job:
        if not re.fullmatch(JOB_ARN, arn):
            raise refuse_call("no_resource", arn=arn)
        return self._find(arn, region)

    def _tag_faults(self, operation: str, given: dict[str, Any], region: str) -> tuple[fault.Faults, str]:
        """Read the faults that the tag of a job asks for, and what their calls are counted by."""
        if operation == CREATE:
            token = given.setdefault("clientRequestToken", str(uuid.uuid4()))
            try:
                by_tag = fault.read_faults([fault_tag(given)])
                check_calls(by_tag, by_tag=True)
            except ValueError as error:
                raise invalid(str(error)) from None
            return by_tag, f"{region} {token}"
        if operation not in OF_ONE_JOB:
            return fault.Faults(), ""
        job = self._find(given["jobIdentifier"], region)
        return fault.read_faults(job["faults"][-1:]), job["job_id"]

    def _answer_known(self, job: Job, given: dict[str, Any]) -> dict[str, Any]:
        if job["request"] != given:
            if self.jobs.settings.strict_tokens:
                raise refuse_call("token_used", arn=job["job_arn"])
            self.jobs.traces.print(
                f"{job['job_id']}  token used again with other parameters: the request was ignored"
            )
        self.jobs.traces.log(did="repeat", job=job["job_id"], token=job["token"])
        return {"jobArn": job["job_arn"]}

    def _check_role(self, given: dict[str, Any]) -> None:
        role = given["roleArn"]
        owner = role.split(":")[4]
        if owner != self.jobs.settings.account:
            raise refuse_call("other_account", role=role)
        if "refuse-pass-role" in fault.read_faults([*self.jobs.settings.faults, fault_tag(given)]).names:
            user = f"arn:aws:iam::{self.jobs.settings.account}:user/standin"
            raise refuse_call("pass_role", user=user, role=role)

    def _new_job(self, given: dict[str, Any], region: str, token: str, model: Model) -> Job:
        account = self.jobs.settings.account
        job_id = secrets.token_hex(6)
        now = int(time.time() * 1000) / 1000
        hours = given.get("timeoutDurationInHours", 24)
        return {
            "job_id": job_id,
            "job_arn": f"arn:{partition_of(region)}:bedrock:{region}:{account}:model-invocation-job/{job_id}",
            "region": region,
            "name": given["jobName"],
            "token": token,
            "model": model.model_id,
            "model_arn": model.arn,
            "custom": int(model.custom),
            "submitted": now,
            "modified": now,
            "expires": now + hours * 3600,
            "status": "Submitted",
            "message": None,
            "request": given,
            "tags": read_tags(given.get("tags", [])),
            "faults": [*self.jobs.settings.faults, fault_tag(given)],
            "counts": NO_COUNTS,
        }


def read_tags(given: list[dict[str, str]], had: dict[str, str] | None = None) -> dict[str, str]:
    """The tags of a new job, or what those of a resource become by a request."""
    tags = {tag["key"]: tag["value"] for tag in given}
    check_keys(tags)
    if len(tags) < len(given):
        raise refuse_call("tag_twice")
    together = (had or {}) | tags
    if len(together) > MAX_TAGS:
        refusal = refuse_call("many_tags", count=len(together), most=MAX_TAGS)
        # Create has no exception of its own for it.
        raise invalid(refusal.message) if had is None else refusal
    return together


def check_keys(keys: Iterable[str]) -> None:
    if own := next((key for key in keys if key.lower().startswith("aws:")), None):
        raise refuse_call("own_tag", key=own)


def fault_tag(given: dict[str, Any]) -> str:
    """The faults that the tag of a request asks for, as they were written."""
    return next((str(tag["value"]) for tag in given.get("tags", []) if tag["key"] == fault.TAG), "")


def is_late(job: Job) -> bool:
    """Whether a fault keeps a job, which is there, from being known yet."""
    return float(job["submitted"]) > time.time() - fault.read_faults(job["faults"]).late_job


def describe_job(job: Job) -> dict[str, Any]:
    """Write a job as Get and List show it; members that are not known are left out."""
    request, counts = job["request"], job["counts"]
    if job["final"] and time.time() >= (job["final_at"] or 0):
        counts = job["final"]
    shown = {
        "jobArn": job["job_arn"],
        "jobName": job["name"],
        "modelId": job["model_arn"],
        "clientRequestToken": job["token"],
        "roleArn": request["roleArn"],
        "status": job["status"],
        "message": job["message"],
        "submitTime": iso_time(job["submitted"]),
        "lastModifiedTime": iso_time(job["modified"]),
        "endTime": iso_time(job["ended"]) if job["ended"] else None,
        "inputDataConfig": request["inputDataConfig"],
        "outputDataConfig": request["outputDataConfig"],
        "vpcConfig": request.get("vpcConfig"),
        "timeoutDurationInHours": request.get("timeoutDurationInHours", 24),
        "jobExpirationTime": iso_time(job["expires"]),
        "modelInvocationType": request.get("modelInvocationType", "InvokeModel"),
        **{f"{name}RecordCount": count for name, count in counts.items()},
    }
    return {name: value for name, value in shown.items() if value is not None}


def _read_place(token: str, asked: dict[str, Any]) -> tuple[float, str]:
    match read_token(token, asked):
        case [int() | float() as submitted, str() as job_id]:
            return submitted, job_id
    raise refuse_call("page_token")
