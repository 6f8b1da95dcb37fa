"""OpenAI-shaped chat: gpt-oss, Qwen3, DeepSeek V3, Gemma 3, MiniMax, Kimi, GLM, Nemotron, newer Mistral."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from bbkit.core.finding import Finding, make_finding
from bbkit.families import chat
from bbkit.families.family import read_family
from bbkit.families.json_schemas import format_faults
from bbkit.families.levels import level_faults, stop_faults
from bbkit.families.traits import Model
from bbkit.families.values import as_dict


def _rules(body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    yield from chat.chat_faults(body, model)
    yield from stop_faults(body.get("stop"), "stop", model, "InvokeModel")
    yield from level_faults(body.get("reasoning_effort"), "reasoning_effort", model)
    form = as_dict(body.get("response_format"))
    if form.get("type") == "json_schema":
        yield from format_faults(form, "response_format", "json_schema.schema", model, closed=False)
    named = body.get("model")
    if type(named) is str and model.model_id and model.model_id not in named:
        yield make_finding("model_mismatch", "model", named=named, model=model)


FAMILY = read_family("openai_chat", chat.answer, chat.write, _rules)
FAMILY_GPT = replace(FAMILY, max_tokens_path=("max_completion_tokens",))
"""The same family as OpenAI's models are documented: their maximum is ``max_completion_tokens``."""
FAMILY_GPT_OSS = replace(FAMILY_GPT, described="gpt_oss")
"""As gpt-oss names its members in a refusal; the nested ``reasoning`` is reported to be taken as well
(https://github.com/kortix-ai/suna/pull/6893, 2026-08-25)."""
