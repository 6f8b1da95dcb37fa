"""``service-quotas``: the batch quotas of every model, under names as untidy as AWS's.

Sources: https://docs.aws.amazon.com/general/latest/gr/bedrock.html (values and names, October 2026; the codes
that page gives are kept, the others are made from the name) and
https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html.
"""

import hashlib
from itertools import product
from typing import Any

from bbkit.standin.errors import ServiceError, not_served, refuse_call
from bbkit.standin.inputs import max_job_gb
from bbkit.standin.pages import read_token, write_token
from bbkit.standin.service_models import check_shape, read_json, service_model
from bbkit.standin.settings import Limits
from bbkit.standin.tables import read_table

PAGE = 100


def answer_quotas(operation: str, body: bytes, limits: Limits) -> dict[str, Any]:
    if operation not in ("ListAWSDefaultServiceQuotas", "ListServiceQuotas"):
        raise not_served(f"{operation or 'This call'} is not part of this stand-in's service-quotas.")
    given = read_json(body)
    shape = service_model("service-quotas").operation_model(operation).input_shape
    assert shape is not None
    try:
        check_shape(given, shape)
    except ServiceError as error:
        raise ServiceError("IllegalArgumentException", error.message) from None
    if given["ServiceCode"] != "bedrock":
        raise refuse_call("no_quotas", service=given["ServiceCode"])
    applied = operation == "ListServiceQuotas"
    quotas = list_quotas(limits if applied else Limits())
    if applied and given.get("QuotaCode"):
        quotas = [quota for quota in quotas if quota["QuotaCode"] == given["QuotaCode"]]
    asked = {**given, "operation": operation}
    start = read_token(given["NextToken"], asked) if given.get("NextToken") is not None else 0
    if type(start) is not int or not 0 <= start < max(len(quotas), 1):
        raise ServiceError("InvalidPaginationTokenException", "The NextToken is invalid.")
    end = start + given.get("MaxResults", PAGE)
    answer: dict[str, Any] = {"Quotas": quotas[start:end]}
    if end < len(quotas):
        answer["NextToken"] = write_token(end, asked)
    return answer


def list_quotas(limits: Limits) -> list[dict[str, Any]]:
    data = read_table("quotas")
    quotas = []
    for (model_id, title), (key, quota) in product(data["models"].items(), data["quotas"].items()):
        if key == "max_custom_jobs" and model_id not in data["custom"]:
            continue
        value = max_job_gb(limits, model_id) if key == "max_job_gb" else getattr(limits, key)
        name = data["untidy"].get(f"{key} {model_id}") or quota["name"].format(model=title)
        made = "L-" + hashlib.blake2b(name.encode(), digest_size=4).hexdigest().upper()
        quotas.append(
            {
                "ServiceCode": "bedrock",
                "ServiceName": "Amazon Bedrock",
                "QuotaCode": data["codes"].get(f"{key} {model_id}") or made,
                "QuotaName": name,
                "Value": float(value),
                "Unit": "None",
                "Adjustable": quota["adjustable"],
                "GlobalQuota": False,
            }
        )
    return quotas
