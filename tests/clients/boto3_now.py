# /// script
# requires-python = ">=3.11"
# dependencies = ["boto3==1.44.8"]
# ///
"""boto3 of today: everything that Bedrock's batch inference and its models on demand take."""

import json
import time

import boto3
from trial import CLAUDE, NO_MODEL, NOVA, QUESTION, TITAN, Trial

trial = Trial("boto3")
bedrock, runtime, s3 = (boto3.client(name) for name in ("bedrock", "bedrock-runtime", "s3"))
turn = {"role": "user", "content": [{"text": QUESTION}]}
body = {"messages": [turn], "inferenceConfig": {"maxTokens": 90}}

with trial.works("batch job"):
    lines = (json.dumps({"recordId": f"CALL{number:07}", "modelInput": body}) for number in range(100))
    s3.put_object(Bucket=trial.bucket, Key=f"in/{trial.once}.jsonl", Body="\n".join(lines))
    places = {
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": f"s3://{trial.bucket}/in/{trial.once}.jsonl"}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://{trial.bucket}/out/{trial.once}/"}},
    }
    arn = bedrock.create_model_invocation_job(jobName=trial.once, modelId=NOVA, roleArn=trial.role, **places)[
        "jobArn"
    ]
    while (job := bedrock.get_model_invocation_job(jobIdentifier=arn))["status"] not in (
        "Completed",
        "Failed",
    ):
        time.sleep(0.2)
    assert (job["status"], job["successRecordCount"]) == ("Completed", 100), job
    key = f"out/{trial.once}/{arn.split('/')[-1]}/{trial.once}.jsonl.out"
    answers = s3.get_object(Bucket=trial.bucket, Key=key)["Body"].read().splitlines()
    assert len({json.loads(line)["recordId"] for line in answers}) == 100
with trial.works("list"):
    listed = bedrock.list_model_invocation_jobs(nameContains=trial.once)["invocationJobSummaries"]
    assert [job["jobArn"] for job in listed] == [arn]
    models = bedrock.list_foundation_models()["modelSummaries"]
    assert NOVA in {model["modelId"] for model in models}
    profiles = bedrock.get_paginator("list_inference_profiles").paginate().build_full_result()
    assert CLAUDE in {profile["inferenceProfileId"] for profile in profiles["inferenceProfileSummaries"]}
with trial.works("Converse"):
    answer = runtime.converse(modelId=NOVA, messages=[turn])
    assert answer["output"]["message"]["content"][0]["text"] and answer["stopReason"] == "end_turn"
with trial.works("ConverseStream"):
    events = list(runtime.converse_stream(modelId=NOVA, messages=[turn])["stream"])
    told = "".join(
        event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event
    )
    assert told == answer["output"]["message"]["content"][0]["text"]
    assert events[-1]["metadata"]["usage"] == answer["usage"]
with trial.works("InvokeModel"):
    answer = json.load(runtime.invoke_model(modelId=TITAN, body=json.dumps({"inputText": QUESTION}))["body"])
    assert len(answer["embedding"]) == 1024
with trial.works("InvokeModelWithResponseStream"):
    events = list(runtime.invoke_model_with_response_stream(modelId=NOVA, body=json.dumps(body))["body"])
    assert json.loads(events[-1]["chunk"]["bytes"])
with trial.works("CountTokens"):
    counted = runtime.count_tokens(
        modelId=CLAUDE.removeprefix("us."), input={"converse": {"messages": [turn]}}
    )
    assert counted["inputTokens"] > 10
with trial.refused(NO_MODEL):
    runtime.converse(modelId="amazon.nova-none-v1:0", messages=[turn])
trial.report()
