# /// script
# requires-python = ">=3.11"
# dependencies = ["amazon-bedrock-haystack==9.0.0"]
# ///
"""Haystack: a chat generator, streamed too, and an embedder."""

from haystack.dataclasses import ChatMessage
from haystack_integrations.components.embedders.amazon_bedrock import AmazonBedrockTextEmbedder
from haystack_integrations.components.generators.amazon_bedrock import AmazonBedrockChatGenerator
from trial import NO_MODEL, NOVA, QUESTION, TITAN, Trial

trial = Trial("amazon-bedrock-haystack")
messages = [ChatMessage.from_user(QUESTION)]

with trial.works("chat"):
    [answer] = AmazonBedrockChatGenerator(NOVA).run(messages)["replies"]
    assert answer.text and answer.meta["usage"]["completion_tokens"]
with trial.works("stream"):
    heard: list[str] = []
    AmazonBedrockChatGenerator(NOVA, streaming_callback=lambda chunk: heard.append(chunk.content)).run(
        messages
    )
    assert len(heard) > 2 and "".join(heard) == answer.text
with trial.works("embeddings"):
    assert len(AmazonBedrockTextEmbedder(TITAN).run(QUESTION)["embedding"]) == 1024
with trial.refused(NO_MODEL):
    AmazonBedrockChatGenerator("amazon.nova-none-v1:0").run(messages)
trial.report()
