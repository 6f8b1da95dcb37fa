"""One body against its family and model: fast when it is right, every fault when it is not."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec

from bbkit.checks.descriptions import body_type, converse_field
from bbkit.checks.media import media_faults
from bbkit.checks.walking import find_faults
from bbkit.core.findings import Finding
from bbkit.families import (
    FAMILIES,
    Family,
    Model,
    bare_model_id,
    family_name,
    find_model,
    looks_like,
    user_text_of,
)
from bbkit.families.budgets import budget_faults
from bbkit.families.converse import EXTRAS
from bbkit.families.requests import Field
from bbkit.records import estimate_tokens

_SAMPLE, _PARTS = 1 << 16, 16


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
        start, field = "", family.request
        if family.shape:
            start = next((one for one in EXTRAS if self.model.model_id.startswith(one)), "")
            field = converse_field(family.request, EXTRAS.get(start))
        self.field = _prefer(field, family.max_tokens_path)
        self.type = body_type(".".join((family.name, start, *family.max_tokens_path)), self.field)

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
            return self._rules(body)
        except (msgspec.ValidationError, UnicodeEncodeError, RecursionError):
            return None

    def _rules(self, body: Mapping[str, Any]) -> list[Finding]:
        budget = budget_faults(body, self.family.max_tokens_path, self.model)
        return self.family.rules(body, self.model) + budget

    def _walk(self, body: Mapping[str, Any]) -> list[Finding]:
        found = find_faults(self.field, body, self.family.source, self.family.date)
        if found and (mismatch := self._mismatch(body)):
            return [mismatch]
        if self.model.traits.caching is False and self.family.name in ("anthropic", "converse"):
            found = [self._uncached(fault) if fault.rule == "prompt_caching" else fault for fault in found]
        if not self.model.known and family_name(self.model_id):
            # A model newer than the table may take values and names that its family is not known to take.
            unsure = ("value", "unknown_name")
            found = [fault._replace(severity="warning") if fault.rule in unsure else fault for fault in found]
        others = [fault for fault in self._rules(body) if fault not in found]
        return found + others + media_faults(body, self.model.model_id)

    def _uncached(self, fault: Finding) -> Finding:
        model = self.model
        refuses = f"which {model.model_id} does not have and refuses ({model.sources['caching']})"
        finding = f"{fault.path} asks for prompt caching, {refuses}."
        return fault._replace(severity="error", finding=finding, remedy="Leave it out.")

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
