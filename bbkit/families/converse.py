"""Converse: one shape for every model that has messages, described by the service's own model.

What is described here is what botocore's shape does not say: non-empty texts, known mistakes, what spans
several values, and what the model behind it refuses.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

from bbkit.core.finding import Finding, make_finding
from bbkit.families import anthropic, messages, nova, requests as r
from bbkit.families.claude_rules import model_faults
from bbkit.families.claude_tools import format_faults
from bbkit.families.family import EXTRA, Family, as_dict, as_list_of_dicts
from bbkit.families.levels import level_faults
from bbkit.families.traits import Model
from bbkit.families.turns import stop_faults

_CLAUDE_NAMES = {"max_tokens": "inferenceConfig.maxTokens", **messages.INFERENCE}
"""Claude's names of what ``inferenceConfig`` holds, each with its path."""
_TOP_K = r.Mistake(
    f'For Claude write {EXTRA} = {{"top_k": n, "thinking": ...}}, for Nova {{"inferenceConfig": '
    '{"topK": n}, "reasoningConfig": ...} (https://github.com/UKGovernmentBEIS/inspect_ai/issues/3941, '
    "2026-05-13)."
)
_CLAUDE = anthropic.BODY
EXTRAS = {
    "anthropic.claude": dataclasses.replace(
        _CLAUDE,
        members={
            **{name: dataclasses.replace(one, required=False) for name, one in _CLAUDE.members.items()},
            # Taken for thinking: https://github.com/aws-samples/bedrock-access-gateway (2026-04).
            "reasoning_config": _CLAUDE.members["thinking"],
        },
        mistakes={
            **_CLAUDE.mistakes,
            **dict.fromkeys(("topK", "inferenceConfig", "reasoningConfig"), _TOP_K),
        },
    ),
    "amazon.nova-": r.record(
        {"inferenceConfig": nova.CONFIG, "reasoningConfig": nova.REASONING},
        mistakes=dict.fromkeys(("topK", "top_k", "thinking"), _TOP_K),
    ),
}
"""What models take in ``additionalModelRequestFields``, by how their bare id begins."""


def _rules(body: Mapping[str, Any], model: Model) -> list[Finding]:
    faults = messages.turn_faults(body, model) + _document_faults(body)
    config = as_dict(body.get("inferenceConfig"))
    stops = config.get("stopSequences")
    faults += stop_faults(stops, "inferenceConfig.stopSequences", model, "Converse")
    wanted = as_dict(body.get("outputConfig"))
    place, closed = "structure.jsonSchema.schema", "anthropic.claude" in model.model_id
    faults += format_faults(wanted.get("textFormat"), "outputConfig.textFormat", place, model, closed=closed)
    extra = as_dict(body.get(EXTRA))
    if model.model_id.startswith("amazon.nova-"):
        inner = as_dict(extra.get("inferenceConfig"))
        places = {"inferenceConfig": config, EXTRA: extra, f"{EXTRA}.inferenceConfig": inner}
        return faults + nova.reasoning_faults(places, model)
    if "anthropic.claude" in model.model_id:
        return faults + _claude_faults(body, model)
    return [*faults, *level_faults(extra.get("reasoning_effort"), f"{EXTRA}.reasoning_effort", model)]


def _document_faults(body: Mapping[str, Any]) -> list[Finding]:
    faults: list[Finding] = []
    seen: set[str] = set()
    turns = body.get("messages")
    for position, message in enumerate(turns if type(turns) is list else ()):
        blocks = as_list_of_dicts(as_dict(message).get("content"))
        documents = [as_dict(block["document"]) for block in blocks if "document" in block]
        path = f"messages[{position}].content"
        for name in (document.get("name") for document in documents):
            if type(name) is not str:
                continue
            if odd := messages.ODD_IN_NAMES.search(name):
                faults.append(make_finding("value.document_name", path, name=name, odd=odd[0]))
            if name in seen:
                faults.append(make_finding("value.document_names", path, name=name))
            seen.add(name)
        if documents and not any("text" in block for block in blocks):
            faults.append(make_finding("document_alone", path))
    return faults


def _claude_faults(body: Mapping[str, Any], model: Model) -> list[Finding]:
    config = as_dict(body.get("inferenceConfig"))
    extra = as_dict(body.get(EXTRA))
    own = {name: path.partition(".")[2] for name, path in _CLAUDE_NAMES.items()}
    view = {name: config[one] for name, one in own.items() if one in config} | dict(extra)
    if "reasoning_config" in extra:
        view["thinking"] = extra["reasoning_config"]
    effort = as_dict(body.get("outputConfig")).get("effort")
    if effort is not None and "output_config" not in extra:
        view["output_config"] = {"effort": effort}
    view["messages"] = _claude_messages(body.get("messages"))
    faults = model_faults(view, model)
    stops = view.get("stop_sequences")
    for position, stop in enumerate(stops if type(stops) is list else ()):
        if type(stop) is str and stop.isspace():
            faults.append(make_finding("empty_content.stop", f"stop_sequences[{position}]", stop=stop))
    return [fault._replace(path=_own_path(fault.path, extra)) for fault in faults]


def _claude_messages(turns: Any) -> list[Any]:
    # Only the last turn is looked at, and only if it is the assistant's.
    if type(turns) is not list or as_dict(turns[-1] if turns else None).get("role") != "assistant":
        return []
    blocks = as_list_of_dicts(turns[-1].get("content"))
    texts = [{"type": "text", "text": block.get("text")} for block in blocks]
    return [*turns[:-1], {"role": "assistant", "content": texts}]


def _own_path(path: str, extra: Mapping[str, Any]) -> str:
    name = path.partition(".")[0].partition("[")[0]
    if name == "thinking" and name not in extra:
        return f"{EXTRA}.reasoning_config{path[len(name) :]}"
    if name in extra:
        return f"{EXTRA}.{path}"
    if name == "output_config":
        return f"outputConfig{path[len(name) :]}"
    own = _CLAUDE_NAMES.get(name)
    return f"{own}{path[len(name) :]}" if own else path


_TOOL_BLOCK = r.Mistake(
    "Tool blocks need toolConfig, which batch refuses in Converse records: use InvokeModel bodies for tools.",
    "converse_tools",
)
_MEDIUM = r.record(
    {"source": r.record({}, mistakes=messages.URL)}, mistakes=r.foreign("anthropic", "media_type")
)
_BLOCK = r.record(
    {
        "text": r.string(min_length=1, blank="error"),
        **dict.fromkeys(("image", "document", "video", "audio"), _MEDIUM),
    },
    mistakes={
        "cachePoint": r.CACHING,
        "toolUse": _TOOL_BLOCK,
        "toolResult": _TOOL_BLOCK,
        **r.foreign("anthropic", "type", "source"),
    },
)
_REMARKS = r.record(
    {
        "messages": r.required(r.array(r.record({"content": r.required(r.array(_BLOCK))}), min_length=1)),
        "system": r.array(
            r.record({"text": r.string(min_length=1, blank="warning")}, mistakes={"cachePoint": r.CACHING})
        ),
        "inferenceConfig": r.record(
            {},
            mistakes={
                **dict.fromkeys(("topK", "top_k", "reasoningConfig"), _TOP_K),
                **r.renamed(max_tokens="maxTokens", top_p="topP", stop_sequences="stopSequences"),
            },
        ),
    },
    mistakes={
        **r.COMMON_MISTAKES,
        "toolConfig": r.Mistake(
            "Batch refuses Converse records with toolConfig (error 400): use InvokeModel bodies for tools.",
            "converse_tools",
        ),
        **r.foreign("anthropic", "anthropic_version"),
        **messages.CONFIG_NAMES,
        **r.foreign("nova", "schemaVersion"),
        **r.foreign("openai_chat", "model"),
    },
)

FAMILY = Family(
    name="converse",
    title="Converse",
    source="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
    answer=partial(messages.read, "cacheReadInputTokens", "cacheWriteInputTokens"),
    max_tokens_path=messages.MAX_TOKENS_PATH,
    write=messages.write,
    inference={
        **messages.INFERENCE,
        "additional_model_request_fields": "additionalModelRequestFields",
        "additional_model_response_field_paths": "additionalModelResponseFieldPaths",
        "guardrail_config": "guardrailConfig",
        "output_config": "outputConfig",
        "performance_config": "performanceConfig",
        "service_tier": "serviceTier",
        "request_metadata": "requestMetadata",
    },
    media=dict.fromkeys(("image", "document", "video", "audio"), ()),
    media_in_s3=True,
    request=_REMARKS,
    rules=_rules,
    shape="ConverseRequest",
)
