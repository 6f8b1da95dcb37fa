# /// script
# requires-python = ">=3.11"
# dependencies = ["instructor[bedrock]==1.17.0"]
# ///
"""Instructor: answers as objects, by a tool of Converse."""

import instructor
from forms import Call
from trial import NO_MODEL, NOVA, QUESTION, Trial

trial = Trial("instructor")


ask = {"response_model": Call, "messages": [{"role": "user", "content": QUESTION}]}

with trial.works("answers as objects"):
    client = instructor.from_provider(f"bedrock/{NOVA}", mode=instructor.Mode.TOOLS)
    assert client.chat.completions.create(**ask).queue == "router"
with trial.refused(NO_MODEL):
    instructor.from_provider("bedrock/amazon.nova-none-v1:0").chat.completions.create(**ask)
trial.report()
