# /// script
# requires-python = ">=3.11"
# dependencies = ["bedrockhelper==1.2.1"]
# ///
"""bedrockhelper: answers from a context, streamed too, embeddings on demand and by a batch job."""

from bedrockhelper import BedrockHelper
from trial import CLAUDE, NO_MODEL, QUESTION, Trial

trial = Trial("bedrockhelper")
helper = BedrockHelper(rag_model_id=CLAUDE)
asked = {"system_prompt": "You are brief.", "context": QUESTION, "question": "What happened?"}

with trial.works("answers"):
    answer = helper.generate_with_rag(**asked)
    assert answer.text
with trial.works("stream"):
    pieces = list(helper.stream_with_rag(**asked))
    assert len(pieces) > 2 and "".join(pieces) == answer.text
with trial.works("embeddings"):
    assert len(helper.embed_texts({"a": QUESTION}).embeddings["a"]) == 1024
with trial.works("batch job"):
    records = {f"CALL{number:07}": QUESTION for number in range(100)}
    job = helper.embed_texts(records, batch_threshold=99, s3_bucket=trial.bucket, role_arn=trial.role)
    assert helper.wait_for_batch_job(job.job_id, poll_seconds=0.2)["status"] == "Completed"
    assert len(helper.parse_batch_embeddings(output_s3_uri=job.output_s3_uri)) == 100
with trial.refused(NO_MODEL):
    BedrockHelper(rag_model_id="anthropic.none-v1:0").generate_with_rag(**asked)
trial.report()
