"""One body against the request of its family: fast when it is right, every fault when it is not."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec

from bbkit.checks._converse import converse_field
from bbkit.checks._media import media_faults
from bbkit.checks._typing import body_type
from bbkit.checks._walking import find_faults
from bbkit.core.findings import Finding
from bbkit.families import FAMILIES, Family, bare_model_id, looks_like
from bbkit.families.requests import Field


class BodyCheck:
    """Checks bodies of one family for one model."""

    def __init__(self, family: Family, model_id: str):
        assert family.request is not None
        self.family = family
        self.model_id = model_id
        self.bare_id = bare_model_id(model_id)
        field = converse_field(family.request) if family.shape else family.request
        self.field = _prefer(field, family.max_tokens_path)
        self.rules = family.rules
        self.type = body_type(".".join((family.name, *family.max_tokens_path)), self.field)
        self.walked = False

    def faults(self, body: Any) -> list[Finding]:
        """Report what is wrong with a body."""
        self.walked = False
        if self.type is not None:
            try:
                msgspec.convert(body, self.type)
                return self.rules(body, self.bare_id)
            except (msgspec.ValidationError, UnicodeEncodeError, RecursionError):
                pass
        return self._walk(body)

    def _walk(self, body: Any) -> list[Finding]:
        self.walked = True
        if type(body) is not dict:
            return find_faults(self.field, body)
        found = find_faults(self.field, body, self.family.source, self.family.date)
        if found and (mismatch := self._mismatch(body)):
            return [mismatch]
        return (
            found
            + [fault for fault in self.rules(body, self.bare_id) if fault not in found]
            + media_faults(body)
        )

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
