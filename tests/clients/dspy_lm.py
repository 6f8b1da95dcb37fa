# /// script
# requires-python = ">=3.11"
# dependencies = ["dspy==3.4.1", "boto3>=1.42"]
# ///
"""DSPy, which speaks to Bedrock by litellm: a model, a program of two fields."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"  # otherwise its import asks GitHub for prices

import dspy
from trial import NO_MODEL, NOVA, QUESTION, Trial

trial = Trial("dspy", "`LITELLM_LOCAL_MODEL_COST_MAP=true` where there is no network")


def model(name: str) -> dspy.LM:
    return dspy.LM(f"bedrock/{name}", cache=False, num_retries=0)


with trial.works("a model"):
    assert model(NOVA)(QUESTION)
with trial.works("a program"), dspy.context(lm=model(NOVA)):
    assert dspy.Predict("call -> queue: Literal['router', 'billing']")(call=QUESTION).queue == "router"
with trial.refused(NO_MODEL):
    model("amazon.nova-none-v1:0")(QUESTION)
trial.report()
