# /// script
# requires-python = ">=3.11"
# dependencies = ["crewai[bedrock]==1.15.30"]
# ///
"""CrewAI: a model of Bedrock, and a crew of one agent."""

import os

os.environ["CREWAI_DISABLE_TELEMETRY"] = os.environ["OTEL_SDK_DISABLED"] = "true"

from crewai import LLM, Agent
from trial import NO_MODEL, NOVA, QUESTION, Trial

trial = Trial("crewai")

with trial.works("a model"):
    assert LLM(f"bedrock/{NOVA}").call(QUESTION)
with trial.works("stream"):
    assert LLM(f"bedrock/{NOVA}", stream=True).call(QUESTION)
with trial.works("an agent"):
    agent = Agent(role="clerk", goal="Sum up calls", backstory="You are brief.", llm=LLM(f"bedrock/{NOVA}"))
    assert agent.kickoff(QUESTION).raw
with trial.refused(NO_MODEL):
    LLM("bedrock/amazon.nova-none-v1:0").call(QUESTION)
trial.report()
