"""OpenAI-shaped chat: gpt-oss, Qwen3, DeepSeek V3, Gemma 3, MiniMax, Kimi, GLM, Nemotron, newer Mistral."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from bbkit.core.finding import Finding, make_finding
from bbkit.families import chat, requests as r
from bbkit.families.claude_tools import format_faults
from bbkit.families.family import Family, as_dict, same_names
from bbkit.families.levels import level_faults
from bbkit.families.traits import Model
from bbkit.families.turns import stop_faults


def _rules(body: Mapping[str, Any], model: Model) -> list[Finding]:
    faults = chat.chat_faults(body, model) + stop_faults(body.get("stop"), "stop", model, "InvokeModel")
    faults += level_faults(body.get("reasoning_effort"), "reasoning_effort", model)
    form = as_dict(body.get("response_format"))
    if form.get("type") == "json_schema":
        faults += format_faults(form, "response_format", "json_schema.schema", model, closed=False)
    named = body.get("model")
    if type(named) is str and model.model_id and model.model_id not in named:
        faults.append(make_finding("model_mismatch", "model", named=named, model=model))
    return faults


_TYPE = {"type": r.required(r.string())}
_SCHEMA = r.record({"name": r.required(r.string()), "schema": r.free()}, open=True)
_BODY = r.record(
    {
        **chat.MEMBERS,
        "model": r.string(min_length=1),
        "max_completion_tokens": r.integer(1),
        "temperature": r.number(0, 2),
        "top_k": r.anything(),
        "min_p": r.number(0, 1),
        "stop": r.either(r.string(), r.array(r.string(min_length=1))),
        "stream": r.boolean(values=(False,)),
        "n": r.integer(1),
        "seed": r.integer(),
        "frequency_penalty": r.number(-2, 2),
        "presence_penalty": r.number(-2, 2),
        "repetition_penalty": r.number(0),
        "response_format": r.tagged(
            "type",
            {
                "text": r.record(_TYPE),
                "json_object": r.record(_TYPE),
                "json_schema": r.record({**_TYPE, "json_schema": r.required(_SCHEMA)}),
            },
        ),
        "reasoning_effort": r.string(values=("none", "minimal", "low", "medium", "high", "xhigh")),
        "parallel_tool_calls": r.boolean(),
        "logprobs": r.boolean(),
        "top_logprobs": r.integer(0, 20),
        "logit_bias": r.free(),
        "user": r.string(),
        "metadata": r.free(),
        # https://docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html
        "service_tier": r.string(min_length=1),
        "chat_template_kwargs": r.free(),
        "thinking": r.free(),
    },
    mistakes={
        **{name: mistake for name, mistake in r.COMMON_MISTAKES.items() if name != "stream"},
        "stream_options": r.Mistake("Leave stream_options out: batch inference does not stream."),
        "prompt": r.Mistake("Put the text into messages."),
        "system": r.Mistake("Send the system text as a message of role system."),
        **r.foreign("anthropic", "anthropic_version", "output_config"),
        **r.renamed(stop_sequences="stop", max_gen_len="max_tokens", max_new_tokens="max_tokens"),
        **r.foreign("converse", "inferenceConfig", "toolConfig", "additionalModelRequestFields"),
    },
    at_most_one=(("max_tokens", "max_completion_tokens"),),
    null_is_absent=True,
)

FAMILY = Family(
    name="openai_chat",
    title="OpenAI-shaped chat",
    source="https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html",
    answer=chat.answer,
    write=chat.write,
    inference={
        **same_names("temperature", "top_p"),
        "stop_sequences": "stop",
        **same_names("frequency_penalty", "presence_penalty", "seed", "response_format", "reasoning_effort"),
        **same_names("tools", "tool_choice", "parallel_tool_calls", "logprobs", "top_logprobs"),
    },
    media={"image": ()},
    request=_BODY,
    rules=_rules,
)
FAMILY_GPT = dataclasses.replace(FAMILY, max_tokens_path=("max_completion_tokens",))
"""The same family as OpenAI's models are documented: their maximum is ``max_completion_tokens``."""
_REFUSED = ("top_k", "min_p", "repetition_penalty", "chat_template_kwargs", "thinking")
_OTHERS = ("store", "modalities", "prediction", "audio", "function_call", "functions", "reasoning")
FAMILY_GPT_OSS = dataclasses.replace(
    FAMILY_GPT,
    request=dataclasses.replace(
        _BODY,
        members={name: member for name, member in _BODY.members.items() if name not in _REFUSED}
        | dict.fromkeys(_OTHERS, r.anything()),
        closed="https://github.com/BerriAI/litellm/issues/13959, 2025-08-26",
    ),
)
"""As gpt-oss names its members in a refusal; the nested ``reasoning`` is reported to be taken as well
(https://github.com/kortix-ai/suna/pull/6893, 2026-08-25)."""
