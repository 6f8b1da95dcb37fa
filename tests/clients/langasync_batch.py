# /// script
# requires-python = ">=3.11"
# dependencies = ["langasync==0.2.3", "langchain-aws>=1"]
# ///
"""langasync: a LangChain chain as a batch job."""

import asyncio
import os
import tempfile
from urllib.parse import urlsplit

folder = tempfile.TemporaryDirectory()
os.environ |= {
    "BEDROCK_S3_BUCKET": urlsplit(os.environ.get("BBKIT_S3_URI", "")).netloc,
    "BEDROCK_ROLE_ARN": os.environ.get("BBKIT_ROLE_ARN", ""),
    "LANGASYNC_BATCH_POLL_INTERVAL": "0.5",
    "LANGASYNC_BASE_STORAGE_PATH": folder.name,
}

from langasync import BatchPoller, batch_chain
from langchain_aws import ChatBedrockConverse
from langchain_core.prompts import ChatPromptTemplate
from trial import CLAUDE, QUESTION, Trial

trial = Trial("langasync", "its own `BEDROCK_S3_BUCKET` and `BEDROCK_ROLE_ARN`")
prompt = ChatPromptTemplate.from_messages([("system", "You are brief."), ("user", "{text}")])


async def run_chain(model: str) -> list[str]:
    chain = batch_chain(prompt | ChatBedrockConverse(model=model, max_tokens=90))
    await chain.submit([{"text": f"{number}. {QUESTION}"} for number in range(100)])
    return [
        answer.content for done in [one async for one in BatchPoller().wait_all()] for answer in done.results
    ]


with trial.works("batch job"):
    answers = asyncio.run(run_chain(CLAUDE))
    assert len(answers) == 100 and all(answers)
with trial.refused("The provided model identifier is invalid."):
    asyncio.run(run_chain("anthropic.none-v1:0"))
trial.report()
