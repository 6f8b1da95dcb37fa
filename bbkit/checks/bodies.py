"""One body against its family and model: fast when it is right, every fault when it is not."""

import base64
import binascii
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from bbkit.checks.descriptions import body_type, converse_field
from bbkit.checks.walking import find_faults
from bbkit.core.findings import Finding
from bbkit.families import FAMILIES, Family, Model, bare_model_id, find_model, looks_like, user_text_of
from bbkit.families.requests import Field
from bbkit.records import estimate_tokens

_SAMPLE, _PARTS = 1 << 16, 16
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"%PDF", "pdf"),
)
_SNIFFED = ("png", "jpeg", "gif", "webp", "pdf")


class BodyCheck:
    """Checks bodies of one family for one model; `walked` is whether the last one had to be walked."""

    def __init__(self, family: Family, model_id: str):
        self.family = family
        self.model_id = model_id
        self.model = find_model(model_id) or Model(model_id=bare_model_id(model_id))
        self.walked = False
        self._window = _Window(model_id, self.model, family)
        if family.request is None:
            return
        field = converse_field(family.request) if family.shape else family.request
        self.field = _prefer(field, family.max_tokens_path)
        self.type = body_type(".".join((family.name, *family.max_tokens_path)), self.field)

    def faults(self, body: Mapping[str, Any], size: int = 0) -> list[Finding]:
        """Report what is wrong with a body in a line of that many bytes."""
        self.walked = False
        faults = self._fast(body)
        if faults is None:
            self.walked = True
            faults = self._walk(body)
        return faults + self._window.faults(body) if size > self._window.bytes else faults

    def _fast(self, body: Mapping[str, Any]) -> list[Finding] | None:
        """What the rules of the family find in a body of the right type; None for any other body."""
        if self.family.request is None:
            return []
        if self.type is None:
            return None
        try:
            msgspec.convert(body, self.type)
            return self.family.rules(body, self.model)
        except (msgspec.ValidationError, UnicodeEncodeError, RecursionError):
            return None

    def _walk(self, body: Mapping[str, Any]) -> list[Finding]:
        found = find_faults(self.field, body, self.family.source, self.family.date)
        if found and (mismatch := self._mismatch(body)):
            return [mismatch]
        others = [fault for fault in self.family.rules(body, self.model) if fault not in found]
        return found + others + _media_faults(body)

    def _mismatch(self, body: Mapping[str, Any]) -> Finding | None:
        alike = looks_like(body)
        if not alike or self.family.name in alike:
            return None
        other = FAMILIES[alike[0]]
        finding = f"The body looks like one of {other.title}; {self.model_id} takes {self.family.title}."
        instead = f"take a model of {other.name}"
        if "converse" in alike:
            instead = "create the job with modelInvocationType Converse"
        remedy = f"Build the bodies for {self.family.name}, or {instead}."
        return Finding("error", "family_mismatch", finding, remedy)


def _prefer(field: Field, path: tuple[str, ...]) -> Field:
    # Of members that exclude each other a type knows the first: the one that the model's bodies use.
    if len(path) != 1 or not field.at_most_one:
        return field
    groups = tuple(tuple(sorted(group, key=lambda name: name != path[0])) for group in field.at_most_one)
    return dataclasses.replace(field, at_most_one=groups)


class _Window:
    """The context window of a model against an estimate of what is long enough to matter."""

    def __init__(self, model_id: str, model: Model, family: Family):
        self.model_id = model_id
        self.family = model.family or family.name
        self.tokens = model.traits.context_window
        self.source = model.sources.get("context_window")
        # A token is seldom shorter than two bytes: shorter lines fit whatever they hold.
        self.bytes = 2 * self.tokens if self.tokens else float("inf")

    def faults(self, body: Mapping[str, Any]) -> list[Finding]:
        """Report a text that is estimated to be longer than the window."""
        window = self.tokens or 0
        if "context-1m" in str(body.get("anthropic_beta", "")):
            window = max(window, 1_000_000)
        text = user_text_of(dict(body))
        sample = _sample(text)
        estimate = estimate_tokens([(None, {"prompt": sample})], family=self.family)
        scale = len(text) / max(1, len(sample))
        tokens, low = estimate.input_tokens * scale, estimate.low * scale
        if tokens <= window:
            return []
        severity = "error" if low > window else "warning"
        finding = (
            f"The input is about {tokens:,.0f} tokens (an estimate, {estimate.error:.0%} off either way); "
            f"{self.model_id} reads {window:,} ({self.source})."
        )
        return [Finding(severity, "context_window", finding, "Shorten or split the text.")]


def _sample(text: str) -> str:
    if len(text) <= 4 * _SAMPLE:
        return text
    part, step = _SAMPLE // _PARTS, len(text) // _PARTS
    return "".join(text[start : start + part] for start in range(0, step * _PARTS, step))


def _iter_objects(body: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object inside a body with its path, without recursion, so that no depth is too deep."""
    waiting: list[tuple[str, Any]] = [("", body)]
    while waiting:
        path, value = waiting.pop()
        if type(value) is dict:
            yield path, value
            for name, item in value.items():
                if type(item) is dict or type(item) is list:
                    waiting.append((f"{path}.{name}" if path else name, item))
        elif type(value) is list:
            for position, item in enumerate(value):
                if type(item) is dict or type(item) is list:
                    waiting.append((f"{path}[{position}]", item))


def media_uris(body: Any) -> Iterator[str]:
    """Every place in S3 that a body points to."""
    for _, value in _iter_objects(body):
        location = value.get("s3Location")
        if type(location) is dict and type(location.get("uri")) is str:
            yield location["uri"]


def _media_faults(body: Mapping[str, Any]) -> list[Finding]:
    """Report images whose bytes are of another format than the body says."""
    faults = []
    for path, value in _iter_objects(body):
        declared, data = _declared(value)
        actual = _sniff(data) if data and declared in _SNIFFED else ""
        if actual and actual != declared:
            finding = f"{path} says {declared}, and its bytes are {actual}."
            remedy = "Name the format that the bytes have."
            faults.append(Finding("error", "media_format", finding, remedy, path))
    return faults


def _declared(value: Mapping[str, Any]) -> tuple[str, str]:
    if type(value.get("media_type")) is str and type(value.get("data")) is str:
        return value["media_type"].rpartition("/")[2], value["data"]
    source = value.get("source")
    if type(value.get("format")) is str and type(source) is dict and type(source.get("bytes")) is str:
        return value["format"], source["bytes"]
    url = value.get("url")
    if type(url) is str and url.startswith("data:image/"):
        head, _, data = url.partition(",")
        return head[len("data:image/") :].partition(";")[0], data
    return "", ""


def _sniff(data: str) -> str:
    try:
        start = base64.b64decode(data[:24])
    except (binascii.Error, ValueError):
        return ""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "webp"
    return next((name for magic, name in _MAGIC if start.startswith(magic)), "")
