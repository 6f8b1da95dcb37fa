"""Converse: one shape for every model that has messages, described by the service's own model.

What is described here is what botocore's shape does not say: non-empty texts, known mistakes, what spans
several values, and what the model behind it refuses.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from bbkit.core.files import read_data
from bbkit.core.finding import Finding, make_finding
from bbkit.families import messages, nova
from bbkit.families.claude_rules import conflict_faults, model_faults
from bbkit.families.family import EXTRA, read_family
from bbkit.families.json_schemas import format_faults
from bbkit.families.levels import level_faults, stop_faults
from bbkit.families.traits import Model
from bbkit.families.values import as_dict, as_list_of_dicts

EXTRAS = {"anthropic.claude": "converse.claude", "amazon.nova-": "converse.nova"}
"""The fields that models take in ``additionalModelRequestFields``, by how their bare id begins."""


def _rules(body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
    yield from messages.turn_faults(body, model)
    yield from _document_faults(body)
    config = as_dict(body.get("inferenceConfig"))
    stops = config.get("stopSequences")
    yield from stop_faults(stops, "inferenceConfig.stopSequences", model, "Converse")
    wanted = as_dict(body.get("outputConfig"))
    place, closed = "structure.jsonSchema.schema", "anthropic.claude" in model.model_id
    yield from format_faults(wanted.get("textFormat"), "outputConfig.textFormat", place, model, closed=closed)
    if closed and wanted.get("textFormat"):
        yield from conflict_faults(body.get("messages"))
    extra = as_dict(body.get(EXTRA))
    if model.model_id.startswith("amazon.nova-"):
        inner = as_dict(extra.get("inferenceConfig"))
        places = {"inferenceConfig": config, EXTRA: extra, f"{EXTRA}.inferenceConfig": inner}
        yield from nova.reasoning_faults(places, model)
    elif closed:
        yield from _claude_faults(body, model)
    else:
        yield from level_faults(extra.get("reasoning_effort"), f"{EXTRA}.reasoning_effort", model)


def _document_faults(body: Mapping[str, Any]) -> Iterator[Finding]:
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
                yield make_finding("value.document_name", path, name=name, odd=odd[0])
            if name in seen:
                yield make_finding("value.document_names", path, name=name)
            seen.add(name)
        if documents and not any("text" in block for block in blocks):
            yield make_finding("document_alone", path)


def _claude_faults(body: Mapping[str, Any], model: Model) -> Iterator[Finding]:
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
    faults = list(model_faults(view, model))
    stops = view.get("stop_sequences")
    for position, stop in enumerate(stops if type(stops) is list else ()):
        if type(stop) is str and stop.isspace():
            faults.append(make_finding("empty_content.stop", f"stop_sequences[{position}]", stop=stop))
    yield from (fault._replace(path=_own_path(fault.path, extra)) for fault in faults)


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


_READ = partial(messages.read, "cacheReadInputTokens", "cacheWriteInputTokens")
FAMILY = read_family("converse", _READ, messages.write, _rules)
_CLAUDE_NAMES = {"max_tokens": "inferenceConfig.maxTokens", **read_data("families")["inference"]}
"""Claude's names of what ``inferenceConfig`` holds, each with its path."""
