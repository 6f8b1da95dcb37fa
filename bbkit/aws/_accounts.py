"""What AWS says of an account's quotas and of its prices."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from bbkit.aws._clients import client, translated


def iter_quotas(service_code: str = "bedrock") -> Iterator[dict[str, Any]]:
    """Read the account's quotas: AWS's defaults first, then the applied values, which win."""
    quotas = client("service-quotas")
    for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
        with translated():
            for page in quotas.get_paginator(operation).paginate(ServiceCode=service_code):
                yield from page["Quotas"]


def get_products(service_code: str, filters: Iterable[dict[str, str]] = ()) -> Iterator[dict[str, Any]]:
    """Read products of the AWS Price List, whose API is in us-east-1
    (https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html).
    """
    pages = client("pricing", "us-east-1").get_paginator("get_products")
    with translated():
        for page in pages.paginate(ServiceCode=service_code, Filters=list(filters)):
            for product in page["PriceList"]:
                yield json.loads(product)
