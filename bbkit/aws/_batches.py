"""Model-invocation jobs: the four calls, thin."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bbkit.aws._clients import client, translated


def create_job(**request: Any) -> str:
    """Call CreateModelInvocationJob
    (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html).
    """
    with translated():
        return client("bedrock").create_model_invocation_job(**request)["jobArn"]


def get_job(job_arn: str) -> dict[str, Any]:
    """Call GetModelInvocationJob
    (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetModelInvocationJob.html).
    """
    with translated():
        return client("bedrock").get_model_invocation_job(jobIdentifier=job_arn)


def list_jobs(
    *, name_contains: str = "", status: str = "", submitted_after: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """List model-invocation jobs of the account and region, newest first, over all pages."""
    filters: dict[str, Any] = {"nameContains": name_contains, "statusEquals": status}
    if submitted_after is not None:
        filters["submitTimeAfter"] = submitted_after
    chosen = {name: value for name, value in filters.items() if value}
    pages = client("bedrock").get_paginator("list_model_invocation_jobs").paginate(**chosen)
    with translated():
        for page in pages:
            yield from page.get("invocationJobSummaries", ())


def stop_job(job_arn: str) -> None:
    """Call StopModelInvocationJob."""
    with translated():
        client("bedrock").stop_model_invocation_job(jobIdentifier=job_arn)
