# /// script
# requires-python = ">=3.11"
# dependencies = ["strands-agents==1.62.0"]
# ///
"""Strands Agents: an agent that answers, streams, answers in a form."""

import asyncio

from forms import Call
from strands import Agent
from strands.models import BedrockModel
from trial import CLAUDE, NO_MODEL, NOVA, QUESTION, Trial

trial = Trial("strands-agents")


def agent(model: str = NOVA, streaming: bool = True) -> Agent:
    return Agent(BedrockModel(model_id=model, streaming=streaming), callback_handler=None)


with trial.works("answers"):
    whole = agent(streaming=False)(QUESTION)
    assert whole.stop_reason == "end_turn" and str(whole).strip()
with trial.works("stream"):

    async def listen() -> list[str]:
        return [event["data"] async for event in agent().stream_async(QUESTION) if "data" in event]

    pieces = asyncio.run(listen())
    assert len(pieces) > 2 and "".join(pieces).strip() == str(whole).strip()
with trial.works("structured output"):
    assert agent(CLAUDE)(QUESTION, structured_output_model=Call).structured_output.queue == "router"
with trial.refused(NO_MODEL):
    agent("amazon.nova-none-v1:0")(QUESTION)
trial.report()
