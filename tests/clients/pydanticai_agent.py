# /// script
# requires-python = ">=3.11"
# dependencies = ["pydantic-ai-slim[bedrock]==2.68.0"]
# ///
"""Pydantic AI: an agent that answers, streams, answers in a form."""

import asyncio

from forms import Call
from pydantic_ai import Agent
from trial import CLAUDE, NO_MODEL, NOVA, QUESTION, Trial

trial = Trial("pydantic-ai-slim")


async def listen() -> list[str]:
    async with Agent(f"bedrock:{NOVA}").run_stream(QUESTION) as answer:
        return [piece async for piece in answer.stream_text(delta=True, debounce_by=None)]


with trial.works("answers"):
    answer = Agent(f"bedrock:{NOVA}").run_sync(QUESTION)
    assert answer.output and answer.usage.output_tokens
with trial.works("stream"):
    pieces = asyncio.run(listen())
    assert len(pieces) > 2 and "".join(pieces) == answer.output
with trial.works("structured output"):
    assert Agent(f"bedrock:{CLAUDE}", output_type=Call).run_sync(QUESTION).output.queue == "router"
with trial.refused(NO_MODEL):
    Agent("bedrock:amazon.nova-none-v1:0").run_sync(QUESTION)
trial.report()
