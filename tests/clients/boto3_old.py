# /// script
# requires-python = ">=3.11"
# dependencies = ["boto3==1.28.85"]
# ///
"""boto3 of November 2023, before Converse and batch inference."""

import json

import boto3
from trial import NO_MODEL, NOVA, QUESTION, Trial

trial = Trial("boto3")
bedrock, runtime, s3 = (boto3.client(name) for name in ("bedrock", "bedrock-runtime", "s3"))
body = json.dumps({"messages": [{"role": "user", "content": [{"text": QUESTION}]}]})

with trial.works("InvokeModel"):
    answer = json.load(runtime.invoke_model(modelId=NOVA, body=body)["body"])
    assert answer["output"]["message"]["content"][0]["text"]
with trial.works("InvokeModelWithResponseStream"):
    events = list(runtime.invoke_model_with_response_stream(modelId=NOVA, body=body)["body"])
    assert json.loads(events[-1]["chunk"]["bytes"])
with trial.works("list"):
    assert NOVA in {model["modelId"] for model in bedrock.list_foundation_models()["modelSummaries"]}
with trial.works("S3"):
    s3.put_object(Bucket=trial.bucket, Key=f"in/{trial.once}.txt", Body=QUESTION)
    assert s3.get_object(Bucket=trial.bucket, Key=f"in/{trial.once}.txt")["Body"].read().decode() == QUESTION
with trial.fails(
    "batch job", "no attribute 'create_model_invocation_job'", "botocore knows it from 1.34.167 on"
):
    bedrock.create_model_invocation_job()
with trial.refused(NO_MODEL):
    runtime.invoke_model(modelId="amazon.nova-none-v1:0", body=body)
trial.report()
