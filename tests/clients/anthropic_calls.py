"""What any version of Anthropic's own client does on Bedrock."""

import asyncio

import anthropic
from trial import CLAUDE, NO_MODEL, QUESTION, Trial

MESSAGES = [{"role": "user", "content": QUESTION}]
TOOL = {
    "name": "sort_call",
    "description": "Sorts a call.",
    "input_schema": {
        "type": "object",
        "properties": {"queue": {"type": "string", "enum": ["router", "billing"]}},
        "required": ["queue"],
    },
}


def try_anthropic(needs: str = "") -> None:
    trial = Trial("anthropic", needs)
    client = anthropic.AnthropicBedrock()
    with trial.works("messages"):
        answer = client.messages.create(model=CLAUDE, max_tokens=90, messages=MESSAGES)
        assert answer.content[0].text and answer.stop_reason == "end_turn" and answer.usage.output_tokens
    with (
        trial.works("stream"),
        client.messages.stream(model=CLAUDE, max_tokens=90, messages=MESSAGES) as stream,
    ):
        pieces = list(stream.text_stream)
        assert len(pieces) > 2 and "".join(pieces) == answer.content[0].text
        assert stream.get_final_message().usage.output_tokens == answer.usage.output_tokens
    with trial.works("tools"):
        forced = {"type": "tool", "name": "sort_call"}
        used = client.messages.create(
            model=CLAUDE, max_tokens=90, messages=MESSAGES, tools=[TOOL], tool_choice=forced
        )
        assert used.content[0].input == {"queue": "router"}, used
    with trial.works("async"):
        ask = anthropic.AsyncAnthropicBedrock().messages.create
        assert asyncio.run(ask(model=CLAUDE, max_tokens=90, messages=MESSAGES)).content[0].text
    with trial.refused(NO_MODEL):
        client.messages.create(model="anthropic.none-v1:0", max_tokens=90, messages=MESSAGES)
    trial.report()
