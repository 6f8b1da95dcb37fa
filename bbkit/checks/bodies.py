"""One body against its family and model: fast when it is right, every fault when it is not."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from bbkit.checks.descriptions import body_type, converse_field
from bbkit.checks.media import document_texts, media_faults
from bbkit.checks.walking import find_faults
from bbkit.core.findings import Finding, make_finding
from bbkit.families import FAMILIES, Family, family_name, looks_like, user_text_of
from bbkit.families.converse import EXTRAS
from bbkit.families.levels import budget_faults, sampler_faults
from bbkit.families.model_ids import bare_model_id
from bbkit.families.requests import Field, read_field
from bbkit.families.traits import Model, find_model
from bbkit.records.tokens import estimate_tokens

_SAMPLE, _PARTS = 1 << 16, 16


class BodyCheck:
    """Checks bodies of one family for one model; `walked` is whether the last one had to be walked."""

    def __init__(self, family: Family, model_id: str):
        self.family = family
        self.model_id = model_id
        self.model = find_model(model_id) or Model(model_id=bare_model_id(model_id))
        self.walked = False
        # A token is seldom shorter than two bytes: shorter lines fit whatever they hold.
        self._roomy = 2 * (self.model.traits.context_window or float("inf"))
        if family.request is None:
            return
        start, field = "", family.request
        if family.shape:
            start = next((one for one in EXTRAS if self.model.model_id.startswith(one)), "")
            field = converse_field(family.request, read_field(EXTRAS[start]) if start else None)
        self.field = _prefer(field, family.max_tokens_path)
        self.type = body_type(
            ".".join((family.name, start, field.closed, *family.max_tokens_path)), self.field
        )

    def faults(self, body: Mapping[str, Any], size: int = 0) -> list[Finding]:
        """Report what is wrong with a body in a line of that many bytes."""
        self.walked = False
        faults = self._fast(body)
        if faults is None:
            self.walked = True
            faults = self._walk(body)
        if size > self._roomy:
            faults = faults + _window_faults(body, self.model_id, self.model, self.family)
        return faults

    def _fast(self, body: Mapping[str, Any]) -> list[Finding] | None:
        """What the rules of the family find in a body of the right type; None for any other body."""
        if not self.family.described:
            return []
        if self.type is None:
            return None
        try:
            msgspec.convert(body, self.type)
            return self._rules(body)
        except (msgspec.ValidationError, UnicodeEncodeError, RecursionError):
            return None

    def _rules(self, body: Mapping[str, Any]) -> list[Finding]:
        budget = budget_faults(body, self.family.max_tokens_path, self.model)
        return [*self.family.rules(body, self.model), *budget, *sampler_faults(body, self.model)]

    def _walk(self, body: Mapping[str, Any]) -> list[Finding]:
        found = find_faults(self.field, body, self.family.source, self.family.date)
        if found and (mismatch := self._mismatch(body)):
            return [mismatch]
        if self.model.traits.caching is False and self.family.name in ("anthropic", "converse"):
            found = [
                make_finding("prompt_caching.model", one.path, model=self.model)
                if one.rule == "prompt_caching"
                else one
                for one in found
            ]
        if not self.model.known and family_name(self.model_id):
            # A model newer than the table may take values and names that its family is not known to take.
            unsure = ("value", "unknown_name")
            found = [fault._replace(severity="warning") if fault.rule in unsure else fault for fault in found]
        others = [fault for fault in self._rules(body) if fault not in found]
        return found + others + media_faults(body, self.model.model_id)

    def _mismatch(self, body: Mapping[str, Any]) -> Finding | None:
        alike = looks_like(body)
        if not alike or self.family.name in alike:
            return None
        other, text = FAMILIES[alike[0]], "family_mismatch"
        if "converse" in alike:
            text = "family_mismatch.converse"
        return make_finding(text, other=other, own=self.family, model_id=self.model_id)


def _prefer(field: Field, path: tuple[str, ...]) -> Field:
    # Of members that exclude each other a type knows the first: the one that the model's bodies use.
    if len(path) != 1 or not field.at_most_one:
        return field
    groups = tuple(tuple(sorted(group, key=lambda name: name != path[0])) for group in field.at_most_one)
    return replace(field, at_most_one=groups)


def _window_faults(body: Mapping[str, Any], model_id: str, model: Model, family: Family) -> list[Finding]:
    """A text that is estimated to be longer than the context window of the model."""
    text = "\n".join([user_text_of(dict(body)), *document_texts(body)])
    sample = _sample(text)
    estimate = estimate_tokens([(None, {"prompt": sample})], family=model.family or family.name)
    scale, window = len(text) / max(1, len(sample)), model.traits.context_window or 0
    tokens = estimate.input_tokens * scale
    if tokens <= window:
        return []
    found = make_finding(
        "context_window", model_id=model_id, model=model, tokens=tokens, error=estimate.error
    )
    return [found if estimate.low * scale > window else found._replace(severity="warning")]


def _sample(text: str) -> str:
    if len(text) <= 4 * _SAMPLE:
        return text
    part, step = _SAMPLE // _PARTS, len(text) // _PARTS
    return "".join(text[start : start + part] for start in range(0, step * _PARTS, step))
