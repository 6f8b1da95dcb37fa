"""``service-quotas``: the batch quotas of every model, under names as untidy as AWS's.

Sources: https://docs.aws.amazon.com/general/latest/gr/bedrock.html (values and names, October 2026; the codes
that page gives are kept, the others are made from the name) and
https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html.
"""

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from bbkit.standin.errors import ServiceError, not_served
from bbkit.standin.inputs import max_job_gb
from bbkit.standin.service_models import check_shape, service_model
from bbkit.standin.settings import Limits

NAMES_PATH = Path(__file__).parent / "quotas.json"
PAGE = 100


def answer_quotas(operation: str, body: bytes, limits: Limits) -> dict[str, Any]:
    """Carry out ListAWSDefaultServiceQuotas or ListServiceQuotas."""
    if operation not in ("ListAWSDefaultServiceQuotas", "ListServiceQuotas"):
        raise not_served(f"{operation or 'This call'} is not part of this stand-in's service-quotas.")
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        raise ServiceError("SerializationException", "The request body is not valid JSON.") from None
    shape = service_model("service-quotas").operation_model(operation).input_shape
    assert shape is not None
    try:
        check_shape(given, shape)
    except ServiceError as error:
        raise ServiceError("IllegalArgumentException", error.message) from None
    if given["ServiceCode"] != "bedrock":
        raise ServiceError(
            "NoSuchResourceException", f"Service '{given['ServiceCode']}' has no quotas here; 'bedrock' has."
        )
    applied = operation == "ListServiceQuotas"
    quotas = list_quotas(limits if applied else Limits())
    if applied and given.get("QuotaCode"):
        quotas = [quota for quota in quotas if quota["QuotaCode"] == given["QuotaCode"]]
    start = _read_token(given.get("NextToken"), len(quotas))
    end = start + given.get("MaxResults", PAGE)
    answer: dict[str, Any] = {"Quotas": quotas[start:end]}
    if end < len(quotas):
        answer["NextToken"] = base64.urlsafe_b64encode(str(end).encode()).decode()
    return answer


@cache
def _names() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(NAMES_PATH.read_text(encoding="utf-8"))
    return data


def list_quotas(limits: Limits) -> list[dict[str, Any]]:
    """Give every quota, with the values of these limits."""
    data = _names()
    quotas = []
    for model_id, title in data["models"].items():
        values = {
            "min_records": limits.min_records,
            "max_records_per_job": limits.max_records_per_job,
            "max_records_per_file": limits.max_records_per_file,
            "max_file_gb": limits.max_file_gb,
            "max_job_gb": max_job_gb(limits, model_id),
            "max_jobs": limits.max_jobs,
        }
        if model_id in data["custom"]:
            values["max_custom_jobs"] = limits.max_custom_jobs
        for key, value in values.items():
            name = data["untidy"].get(f"{key} {model_id}") or data["quotas"][key]["name"].format(model=title)
            code = data["codes"].get(f"{key} {model_id}") or _made_code(name)
            quotas.append(
                {
                    "ServiceCode": "bedrock",
                    "ServiceName": "Amazon Bedrock",
                    "QuotaCode": code,
                    "QuotaName": name,
                    "Value": float(value),
                    "Unit": "None",
                    "Adjustable": data["quotas"][key]["adjustable"],
                    "GlobalQuota": False,
                }
            )
    return quotas


def _made_code(name: str) -> str:
    return "L-" + hashlib.blake2b(name.encode(), digest_size=4).hexdigest().upper()


def _read_token(token: str | None, count: int) -> int:
    if token is None:
        return 0
    try:
        start = int(base64.urlsafe_b64decode(token))
    except ValueError:
        start = -1
    if not 0 <= start < count:
        raise ServiceError("InvalidPaginationTokenException", "The NextToken is invalid.")
    return start
