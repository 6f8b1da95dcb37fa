"""Jobs from Create to their end, by real boto3 against a running stand-in."""

import json
import os
import time
from collections import Counter
from typing import Any

import boto3
import pytest

ENDED = ("Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired")
MODEL = "amazon.nova-lite-v1:0"


def body(
    text: str = "Customer: My router is broken. Agent: I send a new one tomorrow.", most: int = 100
) -> dict[str, Any]:
    """A Nova request."""
    return {
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "inferenceConfig": {"maxTokens": most},
    }


def lines(count: int, start: int = 0) -> str:
    """Input of so many records."""
    texts = (f"Customer: Router {n} is broken. Agent: I send a new one." for n in range(start, start + count))
    return "".join(
        json.dumps({"recordId": f"r{n:05d}", "modelInput": body(text)}) + "\n"
        for n, text in enumerate(texts, start)
    )


def put(key: str, text: str | bytes) -> str:
    """Upload and give the URI."""
    data = text.encode() if isinstance(text, str) else text
    boto3.client("s3").put_object(Bucket="bbkit-standin", Key=key, Body=data)
    return f"s3://bbkit-standin/{key}"


def create(uri: str, *, name: str = "job", out: str = "s3://bbkit-standin/out/", **more: Any) -> str:
    """Create a job and give its ARN."""
    request = {
        "jobName": name,
        "roleArn": os.environ["BBKIT_ROLE_ARN"],
        "modelId": MODEL,
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": uri}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": out}},
        **more,
    }
    return boto3.client("bedrock").create_model_invocation_job(**request)["jobArn"]


def wait_for(arn: str, statuses: tuple[str, ...] = ENDED, seconds: float = 30) -> dict[str, Any]:
    """Poll until a job is in one of the statuses."""
    client, deadline = boto3.client("bedrock"), time.monotonic() + seconds
    while True:
        job = client.get_model_invocation_job(jobIdentifier=arn)
        if job["status"] in statuses:
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.02)


def output(arn: str, prefix: str = "out/") -> tuple[list[dict[str, Any]], dict[str, int] | None]:
    """Read all output lines of a job, and its manifest."""
    s3, manifest, records = boto3.client("s3"), None, []
    listing = s3.list_objects_v2(Bucket="bbkit-standin", Prefix=f"{prefix}{arn[-12:]}/")
    for item in listing.get("Contents", []):
        data = s3.get_object(Bucket="bbkit-standin", Key=item["Key"])["Body"].read()
        if item["Key"].endswith("manifest.json.out"):
            manifest = json.loads(data)
        else:
            records += [json.loads(line) for line in data.removesuffix(b"\n").split(b"\n")]
    return records, manifest


@pytest.mark.usefixtures("standin")
def test_job_completes_with_every_record_once() -> None:
    uri = put("in/whole.jsonl", lines(120))
    arn = create(uri, name="whole")
    job = wait_for(arn)
    records, manifest = output(arn)
    assert job["status"] == "Completed", job
    assert Counter(record["recordId"] for record in records) == Counter(f"r{n:05d}" for n in range(120))
    assert [record["recordId"] for record in records] != [f"r{n:05d}" for n in range(120)]
    assert (
        manifest
        and manifest["totalRecordCount"] == manifest["successRecordCount"] == job["successRecordCount"] == 120
    )
    tokens = sum(record["modelOutput"]["usage"]["outputTokens"] for record in records)
    assert manifest["outputTokenCount"] == tokens > 0
