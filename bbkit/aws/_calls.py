"""Calls of Bedrock's batch jobs, of single records on demand and of Service Quotas.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations.html
"""

import base64
import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from bbkit.aws._clients import call, client, iter_pages, no_answer, translated
from bbkit.core.files import read_data


def create_job(**request: Any) -> str:
    """Call CreateModelInvocationJob; the ARN of the job."""
    return str(_holding("jobArn", call("bedrock", "create_model_invocation_job", **request))["jobArn"])


def get_job(job_arn: str) -> dict[str, Any]:
    return _holding("status", call("bedrock", "get_model_invocation_job", jobIdentifier=job_arn))


def _holding(name: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    if not answer.get(name):
        raise no_answer(f"what came holds no {name}. Look whether a proxy answers in its place.")
    return dict(answer)


def list_jobs(*, name_contains: str = "", status: str = "") -> Iterator[dict[str, Any]]:
    """List model-invocation jobs of the account and region, newest first, over all pages."""
    filters = {"nameContains": name_contains, "statusEquals": status}
    chosen = {name: value for name, value in filters.items() if value}
    for page in iter_pages("bedrock", "list_model_invocation_jobs", **chosen):
        yield from page.get("invocationJobSummaries", ())


def iter_quotas() -> Iterator[dict[str, Any]]:
    """Read the account's quotas of Bedrock: AWS's defaults first, then the applied values, which win."""
    for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
        for page in iter_pages("service-quotas", operation, ServiceCode="bedrock"):
            yield from page["Quotas"]


def invoke_model(model_id: str, body: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    with translated():
        answer = client("bedrock-runtime", **options).invoke_model(
            modelId=model_id, body=json.dumps(body).encode(), contentType="application/json"
        )
        return dict(json.loads(answer["body"].read()))


def converse(model_id: str, body: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    request = _blobs(dict(body), converse_input_shape())
    with translated():
        answer = client("bedrock-runtime", **options).converse(modelId=model_id, **request)
    answer.pop("ResponseMetadata", None)
    as_text = json.dumps(answer, default=lambda value: base64.b64encode(value).decode("ascii"))
    return dict(json.loads(as_text))


def _blobs(value: Any, shape: Any) -> Any:
    """Decode base64 where the shape has bytes: JSON carries text, boto3 takes bytes."""
    if shape.type_name == "structure" and isinstance(value, dict):
        known = shape.members
        return {name: _blobs(item, known[name]) if name in known else item for name, item in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_blobs(item, shape.member) for item in value]
    if shape.type_name == "blob" and isinstance(value, str):
        return base64.b64decode(value)
    return value


@functools.lru_cache(maxsize=1)
def converse_input_shape() -> Any:
    """Give botocore's description of a Converse request, or the dated one where botocore is older."""
    import botocore
    from botocore.loaders import Loader
    from botocore.model import ShapeResolver

    described = read_data("converse_request")
    installed, dated = (list(map(int, v.split("."))) for v in (botocore.__version__, described["botocore"]))
    if installed >= dated:
        described = Loader().load_service_model("bedrock-runtime", "service-2")
    return ShapeResolver(described["shapes"]).get_shape_by_name("ConverseRequest")
