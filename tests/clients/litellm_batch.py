# /// script
# requires-python = ">=3.11"
# dependencies = ["litellm==1.110.2", "boto3>=1.42"]
# ///
"""litellm's files and batches on Bedrock: OpenAI's calls, S3 and batch jobs behind them."""

import io
import json
import os
import time

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"  # otherwise its import asks GitHub for prices

import litellm
from trial import NOVA, QUESTION, Trial

trial = Trial("litellm", "`s3_endpoint_url=` and `aws_bedrock_control_plane_endpoint=` in each call")
there = {
    "custom_llm_provider": "bedrock",
    "model": f"bedrock/{NOVA}",
    "s3_bucket_name": trial.bucket,
    "s3_endpoint_url": trial.endpoint,
    "aws_bedrock_control_plane_endpoint": trial.endpoint,
    "aws_batch_role_arn": trial.role,
}
line = {"method": "POST", "url": "/v1/chat/completions"}
line["body"] = {"model": NOVA, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 90}
lines = "\n".join(json.dumps({"custom_id": f"CALL{number:07}", **line}) for number in range(100))

with trial.works("upload"):
    content = io.BytesIO(lines.encode())
    content.name = "calls.jsonl"
    file = litellm.create_file(file=content, purpose="batch", **there)
    assert file.id.startswith(f"s3://{trial.bucket}/litellm-bedrock-files"), file
with trial.works("batch job"):
    options = {"endpoint": "/v1/chat/completions", "completion_window": "24h", **there}
    batch = litellm.create_batch(input_file_id=file.id, **options)
    while (batch := litellm.retrieve_batch(batch.id, **there)).status not in ("completed", "failed"):
        time.sleep(0.2)
    assert batch.status == "completed", batch
with trial.works("answers"):
    answers = litellm.file_content(batch.output_file_id, **there).content.splitlines()
    assert len({json.loads(answer)["recordId"] for answer in answers}) == 100
with trial.works("files"):
    assert litellm.file_retrieve(file.id, **there).bytes
    assert litellm.file_delete(file.id, **there).deleted
with trial.refused("Cross-account pass role is not allowed"):
    other = {"aws_batch_role_arn": "arn:aws:iam::111122223333:role/other"}
    litellm.create_batch(input_file_id=file.id, **options | other)
trial.report()
