# /// script
# requires-python = ">=3.11"
# dependencies = ["any-llm-sdk[bedrock]==1.40.2"]
# ///
"""any-llm: completions, streams, embeddings, models and batch jobs of Bedrock."""

import asyncio
import json
import time

import boto3
from any_llm import AnyLLM
from trial import CLAUDE, NO_MODEL, NOVA, QUESTION, TITAN, Trial

trial = Trial("any-llm-sdk")
llm = AnyLLM.create("bedrock")
messages = [{"role": "user", "content": QUESTION}]

with trial.works("list"):
    assert {NOVA, CLAUDE} <= {model.id for model in llm.list_models()}
with trial.works("completion"):
    answer = llm.completion(model=NOVA, messages=messages)
    told = answer.choices[0].message.content
    assert told and answer.usage.completion_tokens
with trial.works("stream"):
    chunks = list(llm.completion(model=NOVA, messages=messages, stream=True))
    assert len(chunks) > 2
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == told
with trial.works("messages (Claude)"):
    assert llm.messages(model=CLAUDE, messages=messages, max_tokens=90).content[0].text
with trial.works("embeddings"):
    assert len(asyncio.run(llm.aembedding(TITAN, QUESTION)).data[0].embedding) == 1024
with trial.works("batch job"):  # of Converse records
    body = {"messages": [{"role": "user", "content": [{"text": QUESTION}]}]}
    lines = (json.dumps({"recordId": f"CALL{number:07}", "modelInput": body}) for number in range(100))
    boto3.client("s3").put_object(Bucket=trial.bucket, Key=f"in/{trial.once}.jsonl", Body="\n".join(lines))
    batch = llm.create_batch(
        input_file_path=f"s3://{trial.bucket}/in/{trial.once}.jsonl",
        endpoint="/v1/chat/completions",
        output_s3_uri=f"s3://{trial.bucket}/out/",
        role_arn=trial.role,
        model_id=NOVA,
    )
    while (batch := llm.retrieve_batch(batch.id)).status not in ("completed", "failed"):
        time.sleep(0.2)
    assert batch.status == "completed" and batch.id in {each.id for each in llm.list_batches()}
    answers = llm.retrieve_batch_results(batch.id).results
    assert len(answers) == 100 and all(each.result.choices[0].message.content for each in answers)
with trial.refused(NO_MODEL):
    llm.completion(model="amazon.nova-none-v1:0", messages=messages)
trial.report()
