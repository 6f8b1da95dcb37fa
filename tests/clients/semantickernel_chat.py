# /// script
# requires-python = ">=3.11"
# dependencies = ["semantic-kernel[aws]==1.45.0"]
# ///
"""Semantic Kernel of Microsoft: chat, streamed too, and embeddings."""

import asyncio

from semantic_kernel.connectors.ai.bedrock import (
    BedrockChatCompletion,
    BedrockChatPromptExecutionSettings,
    BedrockTextEmbedding,
)
from semantic_kernel.contents import ChatHistory
from trial import NO_MODEL, NOVA, QUESTION, TITAN, Trial

trial = Trial("semantic-kernel")
history = ChatHistory()
history.add_user_message(QUESTION)
settings = BedrockChatPromptExecutionSettings()


async def listen() -> list[str]:
    stream = BedrockChatCompletion(NOVA).get_streaming_chat_message_content(history, settings)
    return [str(piece) async for piece in stream]


with trial.works("chat"):
    answer = asyncio.run(BedrockChatCompletion(NOVA).get_chat_message_content(history, settings))
    assert str(answer)
with trial.works("stream"):
    pieces = asyncio.run(listen())
    assert len(pieces) > 2 and "".join(pieces) == str(answer)
with trial.works("embeddings"):
    assert asyncio.run(BedrockTextEmbedding(TITAN).generate_embeddings([QUESTION])).shape == (1, 1024)
with trial.refused(NO_MODEL):
    asyncio.run(BedrockChatCompletion("amazon.nova-none-v1:0").get_chat_message_content(history, settings))
trial.report()
