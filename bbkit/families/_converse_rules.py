"""What spans several values of a Converse body, and what the model behind it refuses.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from collections.abc import Mapping
from typing import Any

from bbkit.core.findings import Finding
from bbkit.families._base import mapping, objects
from bbkit.families._claude import claude_silent, model_faults
from bbkit.families._messages import ODD_IN_NAMES, turn_faults
from bbkit.families.requests import error_at

_OWN = {
    "max_tokens": "maxTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "stop_sequences": "stopSequences",
}
"""Claude's names of what ``inferenceConfig`` holds."""


def converse_faults(body: Mapping[str, Any], model_id: str) -> list[Finding]:
    """What Converse or the model behind it would refuse beyond single values; takes any object."""
    faults = turn_faults(body, model_id) + _document_faults(body)
    return faults + _claude_faults(body, model_id) if _is_claude(model_id) else faults


def converse_silent(model_id: str) -> frozenset[str]:
    """Members without which `converse_faults` has nothing to say of one user turn of text."""
    if not _is_claude(model_id):
        return frozenset()
    named = {"stop_sequences", *claude_silent(model_id)} & _OWN.keys()
    return frozenset({"additionalModelRequestFields", *(f"inferenceConfig.{_OWN[name]}" for name in named)})


def _is_claude(model_id: str) -> bool:
    return "anthropic.claude" in model_id


def _document_faults(body: Mapping[str, Any]) -> list[Finding]:
    faults: list[Finding] = []
    seen: set[str] = set()
    messages = body.get("messages")
    for position, message in enumerate(messages if type(messages) is list else ()):
        blocks = objects(mapping(message).get("content"))
        documents = [mapping(block["document"]) for block in blocks if "document" in block]
        path = f"messages[{position}].content"
        for name in (document.get("name") for document in documents):
            if type(name) is not str:
                continue
            if odd := ODD_IN_NAMES.search(name):
                found = f"The document's name {name!r} holds {odd[0]!r}."
                remedy = (
                    "Use letters, digits, spaces, hyphens, parentheses and brackets; leave the ending out."
                )
                faults.append(error_at(path, "value", found, remedy))
            if name in seen:
                found = f"Two documents are called {name!r}."
                faults.append(error_at(path, "value", found, "Give every document a name of its own."))
            seen.add(name)
        if documents and not any("text" in block for block in blocks):
            found = "A document stands without a text block."
            remedy = "Add a text block beside the document that says what to do with it."
            faults.append(error_at(path, "document_alone", found, remedy))
    return faults


def _claude_faults(body: Mapping[str, Any], model_id: str) -> list[Finding]:
    config = mapping(body.get("inferenceConfig"))
    extra = mapping(body.get("additionalModelRequestFields"))
    view = {name: config[own] for name, own in _OWN.items() if own in config} | dict(extra)
    view["messages"] = _claude_messages(body.get("messages"))
    faults = model_faults(view, model_id)
    stops = view.get("stop_sequences")
    for position, stop in enumerate(stops if type(stops) is list else ()):
        if type(stop) is str and stop.isspace():
            path = f"stop_sequences[{position}]"
            found = f"The stop sequence {stop!r} is white space only."
            faults.append(error_at(path, "empty_content", found, "Claude takes stop sequences of text."))
    return [fault._replace(path=_own_path(fault.path, extra)) for fault in faults]


def _claude_messages(messages: Any) -> list[Any]:
    # Only the last turn is looked at, and only if it is the assistant's.
    if type(messages) is not list or mapping(messages[-1] if messages else None).get("role") != "assistant":
        return []
    texts = [{"type": "text", "text": block.get("text")} for block in objects(messages[-1].get("content"))]
    return [*messages[:-1], {"role": "assistant", "content": texts}]


def _own_path(path: str, extra: Mapping[str, Any]) -> str:
    name = path.partition(".")[0].partition("[")[0]
    if name in extra:
        return f"additionalModelRequestFields.{path}"
    return f"inferenceConfig.{_OWN[name]}{path[len(name) :]}" if name in _OWN else path
