# /// script
# requires-python = ">=3.11"
# dependencies = ["agno[aws]==3.1.10", "boto3>=1.42"]
# ///
"""Agno: an agent that answers and streams."""

from agno.agent import Agent
from agno.models.aws import AwsBedrock
from forms import Call
from trial import CLAUDE, NO_MODEL, NOVA, QUESTION, Trial

trial = Trial("agno")

with trial.works("answers"):
    answer = Agent(model=AwsBedrock(NOVA)).run(QUESTION)
    assert answer.content and answer.metrics.output_tokens
with trial.works("stream"):
    pieces = [
        event.content for event in Agent(model=AwsBedrock(NOVA)).run(QUESTION, stream=True) if event.content
    ]
    assert len(pieces) > 2 and "".join(pieces) == answer.content
why = "it asks in words of its own, which an engine that quotes does not follow"
with trial.fails("structured output", "has no attribute 'queue'", why):
    assert Agent(model=AwsBedrock(CLAUDE), output_schema=Call).run(QUESTION).content.queue == "router"
with trial.refused(NO_MODEL):
    raise RuntimeError(Agent(model=AwsBedrock("amazon.nova-none-v1:0")).run(QUESTION).content)
trial.report()
