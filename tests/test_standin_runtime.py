"""``bedrock-runtime`` and ``service-quotas``, by real boto3."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from conftest import Standin
from standin_cases import nova_body

CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
TEXT = "Customer: My card was stolen in Lisbon. Agent: I blocked it and a new one arrives on Friday."


def refusal(call: Callable[..., Any], **given: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**given)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_invoke_model_answers_in_the_models_shape(standin: Standin) -> None:
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 99,
        "messages": [{"role": "user", "content": TEXT}],
    }
    response = standin.client("bedrock-runtime").invoke_model(modelId=CLAUDE, body=json.dumps(body))
    answer = json.loads(response["body"].read())
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    assert answer["type"] == "message" and "card was stolen" in answer["content"][0]["text"]
    assert answer["usage"]["output_tokens"] == int(headers["x-amzn-bedrock-output-token-count"]) > 0
    assert answer["usage"]["input_tokens"] == int(headers["x-amzn-bedrock-input-token-count"]) > 0
    assert response["contentType"] == "application/json"


def test_converse_answers_every_text_model_alike(standin: Standin) -> None:
    client = standin.client("bedrock-runtime")
    for model in (
        CLAUDE,
        "amazon.nova-micro-v1:0",
        "openai.gpt-oss-20b-1:0",
        "us.meta.llama3-3-70b-instruct-v1:0",
    ):
        answer = client.converse(
            modelId=model,
            messages=[{"role": "user", "content": [{"text": TEXT}]}],
            inferenceConfig={"maxTokens": 99},
        )
        assert "stolen" in answer["output"]["message"]["content"][0]["text"]
        assert answer["stopReason"] == "end_turn" and answer["usage"]["outputTokens"] > 0


def test_an_arn_works_as_model_id(standin: Standin) -> None:
    arn = f"arn:aws:bedrock:us-east-1:{standin.account}:inference-profile/us.amazon.nova-lite-v1:0"
    response = standin.client("bedrock-runtime").invoke_model(modelId=arn, body=json.dumps(nova_body(TEXT)))
    assert json.loads(response["body"].read())["stopReason"] == "end_turn"


def test_refusals_of_the_runtime(standin: Standin) -> None:
    client = standin.client("bedrock-runtime")
    profile_only = {"modelId": CLAUDE.removeprefix("us."), "body": b"{}"}
    assert refusal(client.invoke_model, **profile_only) == ("ValidationException", 400)
    assert refusal(client.invoke_model, modelId="acme.x", body=b"{}") == ("ValidationException", 400)
    assert refusal(client.invoke_model, modelId="amazon.nova-lite-v1:0", body=b"no json") == (
        "ValidationException",
        400,
    )
    assert refusal(client.invoke_model, modelId="amazon.nova-lite-v1:0", body=b"{}") == (
        "ValidationException",
        400,
    )
    embedder = {
        "modelId": "amazon.titan-embed-text-v2:0",
        "messages": [{"role": "user", "content": [{"text": "x"}]}],
    }
    assert refusal(client.converse, **embedder) == ("ValidationException", 400)
    assert refusal(client.converse_stream, **embedder) == ("ValidationException", 400)
    streamed = client.invoke_model_with_response_stream
    for model, body in ((CLAUDE, b"{}"), ("amazon.titan-embed-text-v2:0", b'{"inputText": "x"}')):
        assert refusal(streamed, modelId=model, body=body) == ("ValidationException", 400)
    for model in (CLAUDE, "amazon.nova-lite-v1:0"):
        given = {"modelId": model, "input": {"converse": {"messages": embedder["messages"]}}}
        assert refusal(client.count_tokens, **given) == ("ValidationException", 400)
    assert refusal(client.list_async_invokes) == ("NotImplemented", 501)


def read_quotas(client: Any, operation: str, size: int) -> list[dict[str, Any]]:
    pages = client.get_paginator(operation).paginate(
        ServiceCode="bedrock", PaginationConfig={"PageSize": size}
    )
    return [quota for page in pages for quota in page["Quotas"]]


def test_quotas_are_paged_and_hold_the_published_defaults(standin: Standin) -> None:
    client = standin.client("service-quotas")
    small, large = (read_quotas(client, "list_aws_default_service_quotas", size) for size in (37, 100))
    assert small == large and len({quota["QuotaCode"] for quota in large}) == len(large) > 300
    by_code = {quota["QuotaCode"]: quota for quota in large}
    assert by_code["L-F72F26EE"]["Value"] == 100 and not by_code["L-F72F26EE"]["Adjustable"]
    assert by_code["L-28612175"]["QuotaName"] == "Records per batch inference job for Claude Haiku 4.5"
    assert by_code["L-E2ED42E6"]["Value"] == 100 and by_code["L-E31283B0"]["Value"] == 5
    sizes = {q["Value"] for q in large if q["QuotaName"].startswith("Batch inference job size")}
    assert sizes == {5, 100}
    names = [quota["QuotaName"] for quota in large]
    assert any(name.endswith(".") for name in names) and any("  " in name for name in names)
    assert any(name.endswith("(in GB)") for name in names)


def test_applied_quotas_are_those_enforced(start_standin: Callable[..., Standin]) -> None:
    client = start_standin("--min-records", "7", "--max-jobs", "2").client("service-quotas")
    applied = {
        quota["QuotaCode"]: quota["Value"] for quota in read_quotas(client, "list_service_quotas", 100)
    }
    assert (applied["L-F72F26EE"], applied["L-E2ED42E6"], applied["L-28612175"]) == (7, 2, 100_000)
    one = client.list_service_quotas(ServiceCode="bedrock", QuotaCode="L-F72F26EE")["Quotas"]
    assert [quota["Value"] for quota in one] == [7]


def test_refusals_of_service_quotas(standin: Standin) -> None:
    client = standin.client("service-quotas")
    listed = client.list_service_quotas
    assert refusal(listed, ServiceCode="ec2") == ("NoSuchResourceException", 404)
    assert refusal(listed, ServiceCode="bedrock", MaxResults=101) == ("IllegalArgumentException", 400)
    assert refusal(listed, ServiceCode="bedrock", NextToken="x") == ("InvalidPaginationTokenException", 400)
    assert refusal(client.get_service_quota, ServiceCode="bedrock", QuotaCode="L-1") == (
        "NotImplemented",
        501,
    )
