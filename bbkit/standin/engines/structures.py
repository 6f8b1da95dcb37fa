"""JSON as a schema asks for it, out of a text: values are chosen, quoted and found in it, none is made up.

What the text does not tell is null where the schema allows it; otherwise the first value of an enum, false, 0
or a placeholder stands there, and a free text of the answer says so. What cannot be built is refused.
"""

import json
import operator
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import log1p, sqrt
from typing import Any, NoReturn
from urllib.parse import unquote

import numpy as np

from bbkit.standin.engines.texts import SUMMARY, Unit, rank_units, select_units, terms_of
from bbkit.standin.errors import EngineError

NOTHING = "This engine only quotes, and the prompt holds no text to quote from."
_UNBUILT = ("not", "if", "prefixItems", "contains", "patternProperties", "propertyNames", "dependentRequired",
            "dependentSchemas", "minProperties", "uniqueItems", "$dynamicRef")  # fmt: skip
# What a word of each format looks like, and what stands there where the text has none.
_FORMATS = {
    "date": (r"\b\d{4}-\d\d-\d\d\b", "1970-01-01"),
    "time": (r"\b\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)", "00:00:00Z"),
    "date-time": (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)", "1970-01-01T00:00:00Z"),
    "duration": (r"\bP(?:\d+[DW]|T\d+[HMS])\b", "PT0S"),
    "email": (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "nobody@example.invalid"),
    "hostname": (r"\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b", "example.invalid"),
    "uri": (r'\bhttps?://[^\s<>"]+', "https://example.invalid/"),
    "ipv4": (r"\b(?:\d{1,3}\.){3}\d{1,3}\b", "0.0.0.0"),
    "ipv6": (r"\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b", "0:0:0:0:0:0:0:0"),
    "uuid": (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "00000000-0000-0000-0000-000000000000"),
}
_LIMITS: dict[str, Callable[[Any, Any], Any]] = {
    "minimum": operator.ge,
    "maximum": operator.le,
    "exclusiveMinimum": operator.gt,
    "exclusiveMaximum": operator.lt,
    "multipleOf": lambda value, step: value % step == 0,
    **dict.fromkeys(("minLength", "minItems"), lambda value, least: len(value) >= least),
    **dict.fromkeys(("maxLength", "maxItems"), lambda value, most: len(value) <= most),
    "pattern": lambda value, pattern: re.search(pattern, value),
    "format": lambda value, form: re.fullmatch(_FORMATS.get(form, (".*",))[0], value, re.S),
}
_CHOICES = ("allOf", "anyOf", "oneOf")
_NUMBER = re.compile(r"(?<![\w.,:-])-?(?:\d{1,3}(?:,\d{3})+|\d{1,9})(?:\.\d{1,9})?(?![\w-]|[.,:]\d)")
_REASON = re.compile("reason|why|because|expla|justif|rational|evidence|comment", re.I)
_NEGATION = re.compile(r"\b(?:no|not|never|nothing|without|cannot)\b|n['’]t\b", re.I)
_MOST_ITEMS, _MOST_QUOTED, _MOST_VALUES = 3, 60, 10_000


@dataclass
class Builder:
    """Builds one answer out of the sentences of a text."""

    root: Any
    units: list[Unit]
    notes: list[str] = field(default_factory=list)  # what the text does not tell, until a free text says it
    told: set[str] = field(default_factory=set)  # terms of the text by which values were chosen
    left: int = _MOST_VALUES

    @cached_property
    def counts(self) -> Counter[str]:
        """In how many sentences each term of the text stands."""
        return Counter(term for unit in self.units for term in unit.terms)

    def build(self, given: Any, name: str = "") -> tuple[Any, bool]:
        """The value that a schema asks for, and whether the text says anything of it."""
        schema, kind, nullable = self._read(given, name)
        noted = len(self.notes)
        values, told = self._find_values(schema, kind, name, nullable)
        limits = [word for word in _LIMITS if word in schema]
        fit = (
            at for at, one in enumerate(values) if all(_LIMITS[word](one, schema[word]) for word in limits)
        )
        at = next(fit, None)
        if at is None:
            refuse(f"with {' and '.join(limits)}", name)
        value, found = values[at], at < told
        if nullable and not found:
            del self.notes[noted:]
            value = None
        elif kind == "string" and self.notes and not limits and name in self.root.get("properties", ()):
            value, self.notes = f"({'; '.join(self.notes)}.) {value}", []
        elif not found and kind != "object":
            self.notes.append(f"{name}: not in the text, {json.dumps(value)} stands for it")
        return value, found

    def _read(self, schema: Any, name: str) -> tuple[dict[str, Any], str, bool]:
        """A schema without references and choices between schemas, its kind, and whether it allows null."""
        nullable, schema = False, {} if schema is True else schema
        while leading := [word for word in ("$ref", *_CHOICES) if word in schema]:
            self.left -= 1
            word, rest = leading[0], {word: schema[word] for word in schema if word not in leading}
            choices = [follow(self.root, schema[word])] if word == "$ref" else schema[word]
            choices = [{} if one is True else one for one in choices]
            given = [one for one in choices if one != {"type": "null"}] or choices
            nullable |= len(given) < len(choices)
            if self.left < 0 or given[0] is None or (word == "allOf" and len(given) > 1):
                refuse("that holds itself" if self.left < 0 else f"with such {word}", name)
            single = [one for one in given if "const" in one]
            told = {str(one["const"]): one.get("description") or one.get("title") or "" for one in single}
            schema = {"enum": [one["const"] for one in single], "told": told} if single else given[0]
            schema = schema | rest
        if unbuilt := [word for word in _UNBUILT if word in schema]:
            refuse(f"with {unbuilt[0]}", name)
        kinds = schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type")]
        nullable |= "null" in kinds or None in schema.get("enum", ())
        guessed = "object" if "properties" in schema else "array" if "items" in schema else "string"
        named = [kind for kind in kinds if kind != "null"] or ["null"]
        kind = "enum" if schema.keys() & {"enum", "const"} else named[0] or guessed
        return schema, kind, nullable

    def _find_values(
        self, schema: dict[str, Any], kind: str, name: str, nullable: bool
    ) -> tuple[list[Any], int]:
        """Values that a schema of no limits may take, best first, and how many of them the text tells."""
        asked = f"{name} {schema.get('description') or ''}"
        near = [] if kind in ("enum", "object", "array") else self._near(asked)
        every = [unit.text for unit in self.units]
        values: list[Any] = [None]
        told = 1
        match kind:
            case "enum":
                ranked = self._rank(schema)
                values, told = [value for _, value in ranked] or [None], sum(score > 0 for score, _ in ranked)
                tied = [str(value) for score, value in ranked if score == ranked[0][0] > 0]
                self.notes += [f"{name}: {', '.join(tied)} tie, the first is taken"] * (len(tied) > 1)
                told = told or len(values) == 1
            case "object":
                made, told = self._fill(schema)
                values = [made]
            case "array":
                items, rest = self._list(schema, name, asked)
                values = [items[: schema.get("maxItems")], rest[: schema.get("minItems")]]
                told = bool(items)
            case "boolean":
                values, told = [bool(near) and not _NEGATION.search(near[0])], bool(near)
            case "integer" | "number":
                texts = near + every * (not nullable)
                found = [one[0].replace(",", "") for text in texts for one in _NUMBER.finditer(text)]
                values = [
                    float(one) if "." in one else int(one)
                    for one in found
                    if kind == "number" or "." not in one
                ]
                told = len(values)
                values += [schema.get(word, 0) for word in ("multipleOf", "minimum", "maximum")]
            case "string" if schema.keys() & {"pattern", "format"}:
                values = [word.strip(".,;:!?()'\"") for text in every for word in text.split()]
                told = len(values)
                values.append(_FORMATS.get(schema.get("format", ""), ("", ""))[1])
            case "string":
                text = " ".join(self._quote(asked, 2)) or NOTHING
                values, told = [text, text[: schema.get("maxLength")]], 2 * (bool(near) or not nullable)
        return values, told

    def _rank(self, schema: dict[str, Any]) -> list[tuple[float, Any]]:
        """The values of an enum, best first, each with how much of its words is in the text."""
        values = [one for one in schema.get("enum", [schema.get("const")]) if one is not None]
        told = describe_values(values, schema.get("description") or "") | schema.get("told", {})
        terms = [terms_of(f"{value} {told.get(str(value), '')}") for value in values]
        shared = Counter(term for one in terms for term in one)  # what several values share tells less
        self.told |= shared.keys() & self.counts.keys()
        sums = (sum(log1p(self.counts[term]) / shared[term] for term in one) for one in terms)
        scores = [round(total / sqrt(len(one) or 1), 9) for total, one in zip(sums, terms, strict=True)]
        return sorted(zip(scores, values, strict=True), key=lambda one: -one[0])

    def _fill(self, schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """An object; its texts are made last, so that they can tell of the rest."""
        properties, made, told = schema.get("properties") or {}, {}, False
        read = {name: self._read(inner, name) for name, inner in properties.items()}
        last = {name for name, (inner, kind, _) in read.items() if kind == "string" and "format" not in inner}
        for name in sorted(properties, key=lambda name: (name in last, not _REASON.search(name))):
            value, found = self.build(properties[name], name)
            told |= found
            if found or name in (schema.get("required") or ()):
                made[name] = value
        return {name: made[name] for name in properties if name in made}, told

    def _list(self, schema: dict[str, Any], name: str, asked: str) -> tuple[list[Any], list[Any]]:
        """The items that the text tells, and others where it tells too few."""
        inner, kind, _ = self._read(schema.get("items", {}), name)
        if kind == "enum":
            ranked = self._rank(inner)
            return [value for score, value in ranked if score], [value for _, value in ranked]
        if kind == "string" and not inner.keys() & _LIMITS.keys():
            return self._quote(asked, _MOST_ITEMS), [NOTHING]
        value, found = self.build(schema["items"], name)
        return [value] * found, [value]

    def _near(self, asked: str) -> list[str]:
        """The sentences that share terms with what is asked, nearest first."""
        scores = rank_units(self.units, terms_of(asked))
        return [self.units[row].text for row in np.argsort(-scores, kind="stable") if scores[row] > 0]

    def _quote(self, asked: str, most: int) -> list[str]:
        """Sentences near to what is asked and to what was chosen, or of a summary the most central ones."""
        query = () if SUMMARY.search(asked) else {*terms_of(asked), *self.told}
        scores = rank_units(self.units, query)
        order = [row for row in np.argsort(-scores, kind="stable") if 2 * scores[row] >= scores.max()]
        return [self.units[row].text for row in select_units(self.units, order, _MOST_QUOTED, most)]


def describe_values(values: list[Any], description: str) -> dict[str, str]:
    """What a description says of each value: what stands behind ``value:``, up to the next one."""
    names = "|".join(re.escape(str(value)) for value in sorted(values, key=lambda one: -len(str(one))))
    parts = re.split(rf"(?<!\w)[\"'`]?({names})[\"'`]?\s*(?:[:=(–—]|- )", description)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def follow(root: Any, place: str) -> Any:
    """What a reference within a schema leads to; None, where it leads nowhere."""
    if place.startswith("#") and place[1:2] not in ("", "/"):
        inner = root.values() if isinstance(root, dict) else root if isinstance(root, list) else ()
        here = isinstance(root, dict) and root.get("$anchor") == place[1:]
        return root if here else next(filter(None, (follow(one, place) for one in inner)), None)
    found = root if place.startswith("#") else None
    for part in place.split("/")[1:]:
        found = {str(at): one for at, one in enumerate(found)} if isinstance(found, list) else found
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found


def refuse(what: str, name: str = "") -> NoReturn:
    where = f" (at {name[:80]})" if name else ""
    raise EngineError(
        f"The engine of this stand-in builds no answer to a schema {what}{where}. Leave that out, or put a "
        "model behind the stand-in (--engine openai).",
        501,
    )
