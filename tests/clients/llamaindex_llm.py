# /// script
# requires-python = ">=3.11"
# dependencies = ["llama-index-llms-bedrock-converse==0.15.5"]
# ///
"""LlamaIndex: completions, chat, streams, async."""

import asyncio

from forms import Call
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.llms.bedrock_converse import BedrockConverse
from trial import CLAUDE, NO_MODEL, NOVA, QUESTION, Trial

trial = Trial("llama-index-llms-bedrock-converse")
llm = BedrockConverse(model=NOVA)

with trial.works("completion"):
    told = llm.complete(QUESTION).text
    assert told
with trial.works("chat"):
    assert llm.chat([ChatMessage(role="user", content=QUESTION)]).message.content == told
with trial.works("stream"):
    chunks = list(llm.stream_complete(QUESTION))
    assert len(chunks) > 2 and chunks[-1].text == told
with trial.works("async"):
    assert asyncio.run(llm.acomplete(QUESTION)).text == told
with trial.works("structured output"):
    called = BedrockConverse(model=CLAUDE).structured_predict(Call, PromptTemplate(QUESTION))
    assert called.queue == "router"
with trial.refused(NO_MODEL):
    account = trial.role.split(":")[4]
    arn = f"arn:aws:bedrock:us-east-1:{account}:application-inference-profile/{trial.once}"
    BedrockConverse(model=NOVA, application_inference_profile_arn=arn).complete(QUESTION)
trial.report()
