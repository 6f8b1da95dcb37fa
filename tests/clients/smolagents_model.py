# /// script
# requires-python = ">=3.11"
# dependencies = ["smolagents[bedrock]==1.26.0"]
# ///
"""smolagents of Hugging Face: a model of Bedrock."""

from smolagents import AmazonBedrockModel, ChatMessage, MessageRole
from trial import NO_MODEL, NOVA, QUESTION, Trial

trial = Trial("smolagents")
messages = [ChatMessage(MessageRole.USER, [{"type": "text", "text": QUESTION}])]

why = "it reads tool calls of a name that Converse does not use, on AWS too (smolagents#1941)"
with trial.fails("answers of text", "'tool_calls'", why):
    assert AmazonBedrockModel(NOVA).generate(messages).content
with trial.refused(NO_MODEL):
    AmazonBedrockModel("amazon.nova-none-v1:0").generate(messages)
trial.report()
