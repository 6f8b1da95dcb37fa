"""How a model is asked for an answer of a schema: the request schema, the way, and what bodies hold for it.

Ways, words that move into descriptions, and their sources are ``catalog/data/structured_output.json``.
"""

import json
from collections.abc import Mapping
from itertools import count
from typing import Any, NamedTuple

from bbkit.answers.schemas import require_satisfiable
from bbkit.core.errors import InputError
from bbkit.core.files import fill_in, read_data
from bbkit.families import Family, Model, Prompt, bare_model_id, find_model, user_text_of
from bbkit.families.json_schemas import find_loop, find_rule, is_object, map_schemas, resolve, walk_schema
from bbkit.families.levels import asks_to_think, thinks

WAYS = ("native", "tool", "prompt")
"""How an answer in a form is asked for: held to the schema, by a tool that is forced, in words."""
_MOST_SCHEMAS = 10_000


class Asking(NamedTuple):
    """How answers are asked for: `body` is what every body holds for it, `text` what every prompt ends in."""

    way: str
    body: Mapping[str, Any] = {}
    text: str = ""

    def write(self, body: dict[str, Any]) -> dict[str, Any]:
        """Write it into a body; what it writes may not be there yet."""
        return _merge(body, self.body)

    def is_in(self, body: dict[str, Any]) -> bool:
        """Tell whether a body asks so."""
        return _holds(body, self.body) and (not self.text or self.text.strip() in user_text_of(body))


NOTHING = Asking("")
"""What asks for no schema."""


def request_schema(document: Mapping[str, Any]) -> dict[str, Any]:
    """The schema that is sent: what is not taken stands in descriptions, references are written out."""
    inlined = document if find_loop(document) is None else None
    derived: dict[str, Any] = _derive(resolve(document, document), inlined, count())
    kept: set[int] = set()
    for _, schema in walk_schema(derived):
        parts = [one for word in ("allOf", "anyOf") for one in schema.get(word, ()) if isinstance(one, dict)]
        mixed = any(is_object(part) for part in parts) and (is_object(schema) or "allOf" in schema)
        others = schema.get("additionalProperties")
        kept |= {id(schema), *map(id, parts)} if mixed else set()
        # What would have no names at all, or fewer than it was given, stays as it is: then it is refused.
        named = schema.get("properties") and "patternProperties" not in schema
        if named and not isinstance(others, Mapping) and id(schema) not in kept:
            schema["additionalProperties"] = False  # type: ignore[index]
    return derived


def _derive(schema: Any, document: Mapping[str, Any] | None, counted: "count[int]") -> Any:
    if not isinstance(schema, Mapping):
        return schema
    if next(counted) > _MOST_SCHEMAS:
        most = f"more than {_MOST_SCHEMAS:,} parts with its references written out"
        raise InputError(f"The schema comes to {most}. Use a part under $defs in fewer places.")
    schema = schema if document is None else resolve(schema, document)
    if "prefixItems" in schema:
        # `items` is of what stands behind these, which are not sent: any of them may stand anywhere then.
        own = {word: value for word, value in schema.items() if word not in ("prefixItems", "items")}
        said = json.dumps({word: schema[word] for word in ("prefixItems", "items") if word in schema})
        others = [one for one in (*schema["prefixItems"], schema.get("items", True)) if one is not False]
        kinds = [one for at, one in enumerate(others) if one not in others[:at]]
        items = {} if True in kinds else {"items": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}}
        said = f"{own.get('description', '')} Also fits the JSON Schema {said}".strip()
        return _derive({**own, **items, "description": said}, document, counted)
    if len(schema.get("allOf", ())) == 1 and isinstance(only := schema["allOf"][0], Mapping):
        rest = {word: value for word, value in schema.items() if word != "allOf"}
        return _derive({**only, **rest}, document, counted)
    left_out = {"$schema", "$id", "$comment", *(("$defs", "definitions", "$anchor") if document else ())}
    kept: dict[str, Any] = {}
    moved = []
    for word, value in schema.items():
        rule = find_rule(word, value)
        if "instead" in rule and rule["instead"] not in schema:
            kept[rule["instead"]] = value
        elif "says" in rule:
            moved.append(rule["says"].format(word=word, value=json.dumps(value, ensure_ascii=False)))
        elif word not in left_out:
            kept[word] = value
    if moved:
        said, limits = str(kept.get("description", "")), ", ".join(moved)
        kept["description"] = f"{said} ({limits})" if said else limits[0].upper() + limits[1:]
    return map_schemas(kept, lambda _, inner: _derive(inner, document, counted))


def plan_asking(
    document: Mapping[str, Any],
    model_id: str,
    family: Family,
    structured: str = "auto",
    inference: Mapping[str, Any] | None = None,
) -> Asking:
    """Choose how a model is asked: ``auto`` takes the first way it is known to take, without a fault."""
    if structured not in ("auto", *WAYS):
        raise InputError(f"structured is {structured!r}. It takes auto, native, tool or prompt.")
    if family.kind != "text" or not family.writable:
        raise InputError(f"Bodies of {family.title} have no answer of a schema. Leave schema out.")
    require_satisfiable(document)
    model = find_model(model_id) or Model(model_id=bare_model_id(model_id))
    given = {name: value for name, value in (inference or {}).items() if name in family.inference}
    sample = family.body(Prompt("?"), **given)
    sent, ways = request_schema(document), WAYS if structured == "auto" else (structured,)
    why = ""
    for way in ways:
        asking = _asking(way, document, sent, family)
        why = _find_refusal(asking, sample, family, model, chosen=structured != "auto")
        if asking and not why:
            return asking
    raise InputError(f"structured={structured!r} is not possible with {model_id}: {why} Leave it to auto.")


def _asking(way: str, document: Mapping[str, Any], sent: Mapping[str, Any], family: Family) -> Asking | None:
    known = read_data("structured_output")
    if way == "prompt":
        text = json.dumps(document, ensure_ascii=False)
        return Asking(way, text=f"\n\n{known['prompt']}\n{text}")
    if family.name not in known["ways"][way]:
        return None
    if top := known["ways"][way][family.name].get("top"):
        told = {"title", "description", "additionalProperties", "default", "examples"} - {*top}
        sent = {word: value for word, value in sent.items() if word not in told}
    values = {"schema": sent, "schema_text": json.dumps(sent, ensure_ascii=False)}
    return Asking(way, fill_in(known["ways"][way][family.name]["body"], values))


def _find_refusal(
    asking: Asking | None, sample: dict[str, Any], family: Family, model: Model, *, chosen: bool
) -> str:
    """Why a model is not asked so; of a way that was `chosen`, only what is known to be refused."""
    if asking is None:
        return f"batch inference has no such form of asking in {family.title} bodies."
    way, before = asking.way, list(family.rules(sample, model))
    faults = (one for one in family.rules(asking.write(sample), model) if one not in before)
    for fault in faults:
        if fault.severity == "error" or (fault.rule == "schema_refused" and not chosen):
            return fault.finding
    if chosen or way == "prompt":
        return ""
    is_known = model.traits.structured_output is True
    if way == "tool":
        on_request = "on_request" in read_data("structured_output")["ways"][way][family.name]
        is_thinking = asks_to_think(sample) or thinks(sample, model)
        forced = model.traits.forced_tools_with_thinking or not is_thinking
        is_known = model.known and forced and not on_request
    return "" if is_known else "it is not known to take it."


def _merge(body: Mapping[str, Any], own: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    made = dict(body)
    for name, value in own.items():
        here = made.get(name)
        if isinstance(here, Mapping) and isinstance(value, Mapping):
            made[name] = _merge(here, value, f"{path}{name}.")
        elif here is not None:
            raise InputError(f"schema= writes {path}{name} itself. Leave it out of the inference parameters.")
        else:
            made[name] = value
    return made


def _holds(body: Any, own: Any) -> bool:
    if not isinstance(own, Mapping):
        return bool(body == own)
    return isinstance(body, Mapping) and all(_holds(body.get(name), inner) for name, inner in own.items())
