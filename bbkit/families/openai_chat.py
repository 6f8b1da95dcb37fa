"""OpenAI-shaped chat: gpt-oss, Qwen3, DeepSeek V3, Gemma 3, MiniMax, Kimi, GLM, Nemotron, newer Mistral.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

from bbkit.core.findings import Finding
from bbkit.families._base import (
    Answer,
    Body,
    Family,
    Media,
    Prompt,
    first,
    mapping,
    media_bytes,
    refuse_media,
    take,
    whole,
    word,
)
from bbkit.families._chat import MESSAGE, TOOL, TOOL_CHOICE, chat_faults, chat_silent, read_calls, read_text
from bbkit.families.requests import (
    COMMON_MISTAKES,
    Mistake,
    Request,
    anything,
    array,
    boolean,
    either,
    error_at,
    foreign,
    free,
    integer,
    number,
    record,
    renamed,
    required,
    string,
    tagged,
)

SOURCE = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html"
_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "stop_sequences": "stop",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "response_format": "response_format",
    "reasoning_effort": "reasoning_effort",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "parallel_tool_calls": "parallel_tool_calls",
    "logprobs": "logprobs",
    "top_logprobs": "top_logprobs",
}


def body(
    prompt: Prompt, *, max_tokens: int | None = None, limit: str = "max_tokens", **inference: Any
) -> Body:
    """Write a chat-completion body; `limit` is the body's name for `max_tokens`."""
    refuse_media(prompt, "openai_chat", ("image",))
    content: Any = prompt.text
    if prompt.media:
        content = [_part(media) for media in prompt.media]
        content += [{"type": "text", "text": prompt.text}] if prompt.text else []
    messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
    written: Body = {"messages": [*messages, {"role": "user", "content": content}]}
    if max_tokens is not None:
        written[limit] = max_tokens
    return written | take(inference, _NAMES, "openai_chat")


def _part(media: Media) -> Body:
    kind = "jpeg" if media.format == "jpg" else media.format
    url = f"data:image/{kind};base64,{media_bytes(media, 'openai_chat')}"
    return {"type": "image_url", "image_url": {"url": url}}


def answer(output: Mapping[str, Any]) -> Answer:
    """Read a chat completion; ``prompt_tokens`` includes the cached ones, as the model reports it."""
    choice = first(output.get("choices"))
    message = mapping(choice.get("message"))
    usage = mapping(output.get("usage"))
    text, reasoning = read_text(message)
    return Answer(
        text,
        word(choice.get("finish_reason")) or word(choice.get("stop_reason")),
        whole(usage.get("prompt_tokens")),
        whole(usage.get("completion_tokens")),
        whole(mapping(usage.get("prompt_tokens_details")).get("cached_tokens")),
        None,
        word(output.get("model")),
        reasoning,
        read_calls(message),
    )


def _rules(body: Mapping[str, Any], model_id: str) -> list[Finding]:
    faults = chat_faults(body, model_id)
    model = body.get("model")
    if type(model) is str and model_id and model_id not in model:
        faults.append(
            error_at(
                "model",
                "model_mismatch",
                f"model is {model!r}, the job's is {model_id!r}.",
                "Leave model out of the body: the job names the model.",
            )
        )
    return faults


def _silent(model_id: str) -> frozenset[str]:
    return chat_silent(model_id) | {"model"}


_BODY = record(
    {
        "messages": required(array(MESSAGE, min_length=1)),
        "model": string(min_length=1),
        "max_tokens": integer(1),
        "max_completion_tokens": integer(1),
        "temperature": number(0, 2),
        "top_p": number(0, 1),
        "top_k": anything(),
        "min_p": number(0, 1),
        "stop": either(string(), array(string(min_length=1))),
        "stream": boolean(False),
        "n": integer(1),
        "seed": integer(),
        "frequency_penalty": number(-2, 2),
        "presence_penalty": number(-2, 2),
        "repetition_penalty": number(0),
        "response_format": tagged(
            "type",
            {
                "text": record({"type": required(string())}),
                "json_object": record({"type": required(string())}),
                "json_schema": record(
                    {
                        "type": required(string()),
                        "json_schema": required(
                            record({"name": required(string()), "schema": free()}, open=True)
                        ),
                    }
                ),
            },
        ),
        "reasoning_effort": string(values=("none", "minimal", "low", "medium", "high", "xhigh")),
        "tools": array(TOOL),
        "tool_choice": TOOL_CHOICE,
        "parallel_tool_calls": boolean(),
        "logprobs": boolean(),
        "top_logprobs": integer(0, 20),
        "logit_bias": free(),
        "user": string(),
        "metadata": free(),
        # https://docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html
        "service_tier": string(min_length=1),
        "chat_template_kwargs": free(),
        "thinking": free(),
    },
    mistakes={
        **{name: fault for name, fault in COMMON_MISTAKES.items() if name != "stream"},
        "stream_options": Mistake("Leave stream_options out: batch inference does not stream."),
        "prompt": Mistake("Put the text into messages."),
        "system": Mistake("Send the system text as a message of role system."),
        **foreign("anthropic", "anthropic_version", "output_config"),
        **renamed(stop_sequences="stop", max_gen_len="max_tokens", max_new_tokens="max_tokens"),
        **foreign("converse", "inferenceConfig", "toolConfig", "additionalModelRequestFields"),
    },
    at_most_one=(("max_tokens", "max_completion_tokens"),),
    null_is_absent=True,
)

FAMILY = Family(
    name="openai_chat",
    title="OpenAI-shaped chat",
    kind="text",
    body=body,
    answer=answer,
    request=Request(body=_BODY, rules=_rules, silent=_silent, source=SOURCE, date="2026-10"),
    max_tokens_path=("max_tokens",),
    source=SOURCE,
)
FAMILY_GPT_OSS = dataclasses.replace(
    FAMILY, body=partial(body, limit="max_completion_tokens"), max_tokens_path=("max_completion_tokens",)
)
"""The same family as gpt-oss is documented: its maximum of output tokens is ``max_completion_tokens``."""
