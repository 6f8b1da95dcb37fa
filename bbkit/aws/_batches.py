"""Model-invocation jobs: the four calls, thin."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bbkit.aws._clients import client, translated


def create_job(**request: Any) -> str:
    """Call CreateModelInvocationJob
    (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html).

    Parameters
    ----------
    **request
        As the API names them.

    Returns
    -------
    str
        The job's ARN.
    """
    with translated():
        return client("bedrock").create_model_invocation_job(**request)["jobArn"]


def get_job(job_arn: str) -> dict[str, Any]:
    """Call GetModelInvocationJob
    (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetModelInvocationJob.html).

    Parameters
    ----------
    job_arn : str
        The job's ARN, or its 12 characters.

    Returns
    -------
    dict
        The answer as the API names it, times as aware datetimes.
    """
    with translated():
        return client("bedrock").get_model_invocation_job(jobIdentifier=job_arn)


def list_jobs(
    *, name_contains: str = "", status: str = "", submitted_after: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """List model-invocation jobs of the account and region, newest first, over all pages.

    Parameters
    ----------
    name_contains : str
        Only jobs with this in their name.
    status : str
        Only jobs of this status.
    submitted_after : datetime, optional
        Only jobs submitted later; aware.

    Yields
    ------
    dict
        A summary as the API names it.
    """
    filters: dict[str, Any] = {"nameContains": name_contains, "statusEquals": status}
    if submitted_after is not None:
        filters["submitTimeAfter"] = submitted_after
    chosen = {name: value for name, value in filters.items() if value}
    pages = client("bedrock").get_paginator("list_model_invocation_jobs").paginate(**chosen)
    with translated():
        for page in pages:
            yield from page.get("invocationJobSummaries", ())


def stop_job(job_arn: str) -> None:
    """Call StopModelInvocationJob.

    Parameters
    ----------
    job_arn : str
        The job's ARN.

    Raises
    ------
    bbkit.errors.AwsError
        Such as ``ValidationException`` or ``ConflictException`` for a job that has ended.
    """
    with translated():
        client("bedrock").stop_model_invocation_job(jobIdentifier=job_arn)
