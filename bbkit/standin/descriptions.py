"""A job as Get and List show it, and the small conversions at that border."""

import base64
import json
import time
from datetime import datetime
from typing import Any

from bbkit.standin.errors import ServiceError
from bbkit.standin.store import Job
from bbkit.standin.wires import iso_time


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
        "totalRecordCount": counts["total"],
        "processedRecordCount": counts["processed"],
        "successRecordCount": counts["success"],
        "errorRecordCount": counts["error"],
    }
    return {name: value for name, value in shown.items() if value is not None}


def json_copy(given: dict[str, Any]) -> dict[str, Any]:
    """Give a request as JSON keeps it."""
    copy: dict[str, Any] = json.loads(json.dumps(given))
    return copy


def seconds(moment: datetime | None) -> float | None:
    """Give a time as seconds since 1970."""
    return None if moment is None else moment.timestamp()


def page_token(job: Job) -> str:
    """Write where the next page of List begins."""
    return base64.urlsafe_b64encode(json.dumps([job["submitted"], job["job_id"]]).encode()).decode()


def read_page_token(token: str | None) -> tuple[float, str] | None:
    """Read a page token; ``ServiceError`` when it is not one of ours."""
    if token is None:
        return None
    try:
        submitted, job_id = json.loads(base64.urlsafe_b64decode(token))
        return float(submitted), str(job_id)
    except (ValueError, TypeError):
        raise ServiceError("ValidationException", "The provided nextToken is invalid.") from None
