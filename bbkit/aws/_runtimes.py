"""Single records on demand: InvokeModel and Converse, and Converse's own shape."""

import base64
import functools
import json
from collections.abc import Mapping
from typing import Any

from bbkit.aws._clients import client, translated


def invoke_model(model_id: str, body: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    """Call InvokeModel
    (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html).
    """
    with translated():
        answer = client("bedrock-runtime", **options).invoke_model(
            modelId=model_id, body=json.dumps(body).encode(), contentType="application/json"
        )
        return dict(json.loads(answer["body"].read()))


def converse(model_id: str, body: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    """Call Converse (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html)."""
    request = _blobs(dict(body), converse_input_shape())
    with translated():
        answer = client("bedrock-runtime", **options).converse(modelId=model_id, **request)
    answer.pop("ResponseMetadata", None)
    return dict(json.loads(json.dumps(answer, default=_as_json)))


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


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


@functools.lru_cache(maxsize=1)
def converse_input_shape() -> Any:
    """Give botocore's description of a Converse request."""
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    described = Loader().load_service_model("bedrock-runtime", "service-2")
    return ServiceModel(described, "bedrock-runtime").operation_model("Converse").input_shape


def validate_shape(value: Any, shape: Any) -> list[str]:
    """Check a value against a shape as boto3 does before it sends: members, types, minimums."""
    from botocore.validate import ParamValidator

    report = ParamValidator().validate(value, shape)
    return report.generate_report().splitlines() if report.has_errors() else []
