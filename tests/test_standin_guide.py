"""The steps of AWS's example for batch inference, in its order: upload, create, get, list failed ones, stop.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-example.html (October 2026): two
buckets, an output URI without a prefix, Claude 3 Haiku by its bare id.
"""

import json
from collections.abc import Callable

import boto3
import pytest
from botocore.exceptions import ClientError
from conftest import Standin
from standin_cases import output_records, wait_for


def test_the_example_of_the_user_guide(start_standin: Callable[..., Standin]) -> None:
    standin = start_standin("--speed", "100", "--as-of", "2026-01-31")  # Claude 3 Haiku has ended since
    s3, bedrock = boto3.client("s3"), boto3.client(service_name="bedrock")
    for name in ("demo-bucket-input", "demo-bucket-output"):
        s3.create_bucket(Bucket=name)
    records = [
        {
            "recordId": f"CALL{number:07d}",
            "modelInput": {
                "anthropic_version": "bedrock-2023-05-31",
                "max_tokens": 1024,
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": f"Summarize: parcel {number} came."}],
                    }
                ],
            },
        }
        for number in range(1, 101)
    ]
    s3.put_object(
        Bucket="demo-bucket-input", Key="abc.jsonl", Body="\n".join(map(json.dumps, records)).encode()
    )
    request = {
        "roleArn": f"arn:aws:iam::{standin.account}:role/MyBatchInferenceRole",
        "modelId": "anthropic.claude-3-haiku-20240307-v1:0",
        "jobName": "my-batch-job",
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://demo-bucket-input/abc.jsonl"}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://demo-bucket-output/"}},
    }
    first, second = (bedrock.create_model_invocation_job(**request).get("jobArn") for _ in range(2))
    assert bedrock.get_model_invocation_job(jobIdentifier=first)["status"] == "Submitted"
    assert bedrock.stop_model_invocation_job(jobIdentifier=first)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert wait_for(standin, first)["status"] == "Stopped"
    done = wait_for(standin, second)
    assert done["status"] == "Completed" and len(output_records(standin, done)) == 100
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="demo-bucket-output")["Contents"]]
    assert keys == [f"{second[-12:]}/abc.jsonl.out", f"{second[-12:]}/manifest.json.out"]
    failed = bedrock.list_model_invocation_jobs(maxResults=10, statusEquals="Failed", sortOrder="Descending")
    assert failed["invocationJobSummaries"] == []
    with pytest.raises(ClientError, match="State was: Completed"):
        bedrock.stop_model_invocation_job(jobIdentifier=second)
