# /// script
# requires-python = ">=3.11"
# dependencies = ["litellm==1.110.2", "boto3>=1.42"]
# ///
"""litellm on demand: chat by Converse and by InvokeModel, streams, tools, embeddings."""

import json
import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"  # otherwise its import asks GitHub for prices

import litellm
from trial import CLAUDE, NO_MODEL, NOVA, QUESTION, TITAN, Trial

trial = Trial("litellm", "`LITELLM_LOCAL_MODEL_COST_MAP=true` where there is no network")
messages = [{"role": "user", "content": QUESTION}]

for route in (f"bedrock/converse/{NOVA}", f"bedrock/invoke/{CLAUDE}"):
    kind = route.split("/")[1]
    with trial.works(f"chat ({kind})"):
        answer = litellm.completion(route, messages, max_tokens=90)
        told = answer.choices[0].message.content
        assert told and answer.usage.completion_tokens, answer
    with trial.works(f"stream ({kind})"):
        chunks = list(litellm.completion(route, messages, max_tokens=90, stream=True))
        assert len(chunks) > 2
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == told, chunks
with trial.works("tools"):
    sort = {
        "name": "sort_call",
        "parameters": {
            "type": "object",
            "properties": {"queue": {"type": "string", "enum": ["router", "billing"]}},
            "required": ["queue"],
        },
    }
    used = litellm.completion(
        f"bedrock/converse/{NOVA}",
        messages,
        tools=[{"type": "function", "function": sort}],
        tool_choice={"type": "function", "function": {"name": "sort_call"}},
    )
    assert json.loads(used.choices[0].message.tool_calls[0].function.arguments) == {"queue": "router"}, used
with trial.works("embeddings"):
    assert len(litellm.embedding(f"bedrock/{TITAN}", [QUESTION]).data[0]["embedding"]) == 1024
with trial.refused(NO_MODEL):
    litellm.completion("bedrock/converse/amazon.nova-none-v1:0", messages)
trial.report()
