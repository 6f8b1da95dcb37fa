"""Calls of Bedrock's batch jobs, of Service Quotas and of the price list, thin."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from bbkit.aws._clients import client, iter_pages, translated


def create_job(**request: Any) -> str:
    """Call CreateModelInvocationJob
    (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html).
    """
    with translated():
        return str(client("bedrock").create_model_invocation_job(**request)["jobArn"])


def get_job(job_arn: str) -> dict[str, Any]:
    """Call GetModelInvocationJob
    (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetModelInvocationJob.html).
    """
    with translated():
        return dict(client("bedrock").get_model_invocation_job(jobIdentifier=job_arn))


def list_jobs(*, name_contains: str = "", status: str = "") -> Iterator[dict[str, Any]]:
    """List model-invocation jobs of the account and region, newest first, over all pages."""
    filters = {"nameContains": name_contains, "statusEquals": status}
    chosen = {name: value for name, value in filters.items() if value}
    for page in iter_pages("bedrock", "list_model_invocation_jobs", **chosen):
        yield from page.get("invocationJobSummaries", ())


def stop_job(job_arn: str) -> None:
    """Call StopModelInvocationJob."""
    with translated():
        client("bedrock").stop_model_invocation_job(jobIdentifier=job_arn)


def iter_quotas(service_code: str = "bedrock") -> Iterator[dict[str, Any]]:
    """Read the account's quotas: AWS's defaults first, then the applied values, which win."""
    for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
        for page in iter_pages("service-quotas", operation, ServiceCode=service_code):
            yield from page["Quotas"]


def get_products(service_code: str, filters: Iterable[dict[str, str]]) -> Iterator[dict[str, Any]]:
    """Read products of the AWS Price List, whose API is in us-east-1
    (https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html).
    """
    request = {"ServiceCode": service_code, "Filters": list(filters)}
    for page in iter_pages("pricing", "get_products", region="us-east-1", **request):
        yield from map(json.loads, page["PriceList"])
