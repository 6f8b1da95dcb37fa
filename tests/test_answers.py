"""What an answer is worth: every rule of reading has cases with the right verdict."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings, strategies as st

from bbkit.answers import read_schema
from bbkit.answers.reading import AnswerReader, read_answer

COLUMNS = {
    "reason": str,
    "queue": ["bank", "telecom"],
    "resolved": bool,
    "minutes": int | None,
    "tags": [str],
}
SCHEMA = read_schema(COLUMNS)
GOOD = {"reason": "a fee", "queue": "bank", "resolved": True, "minutes": 5, "tags": ["fee"]}


def write(**changes: Any) -> str:
    return json.dumps(GOOD | changes)


WHOLE, OTHER, OFF = write(), write(queue="telecom"), write(queue="banks")
TWICE = WHOLE[:-1] + ', "queue": "bank"}'
THINK = "<think>\nIt is {a fee}.\n</think>\n"

VERDICTS = [
    # one JSON value, and what may stand around it
    (WHOLE, "valid", "as_is", None),
    (json.dumps(GOOD, indent=2), "valid", "as_is", None),
    ("\ufeff" + WHOLE, "valid", "as_is", None),
    (f"\u00a0\n\u2003{WHOLE}\r\n\u3000\ufeff", "valid", "as_is", None),
    ("[1]", "off_schema", "as_is", ": type"),
    (f"[{WHOLE}]", "off_schema", "as_is", ": type"),
    ('"[[["', "off_schema", "as_is", ": type"),
    ("null", "off_schema", "as_is", ": type"),
    (json.dumps(WHOLE), "off_schema", "as_is", ": type"),
    # nothing
    (None, "empty", None, ...),
    ("", "empty", None, ...),
    (" \n\u00a0\u2003\u3000", "empty", None, ...),
    ("\ufeff", "empty", None, ...),
    # reasoning that leads
    (THINK + WHOLE, "valid", "as_is", None),
    (f"\n {THINK}<reasoning>x</reasoning> <thinking>{OTHER}</thinking>{WHOLE}", "valid", "as_is", None),
    (f"\ufeff{THINK}{WHOLE}", "valid", "as_is", None),
    (f"<think>{OTHER}</thinking></think>{WHOLE}", "valid", "as_is", None),
    (f"<think>{WHOLE}", "empty", None, ...),
    (THINK, "empty", None, ...),
    (f"<Think>{OTHER}</Think>{WHOLE}", "several", "in_prose", ...),
    (f"So: <think>{OTHER}</think>{WHOLE}", "several", "in_prose", ...),
    # fences
    (f"```json\n{WHOLE}\n```", "valid", "fenced", None),
    (f"Here:\n```\n{WHOLE}\n```\nDone {{ok}}.", "valid", "fenced", None),
    (f"~~~~ json\n{WHOLE}\n~~~~", "valid", "fenced", None),
    (f"   ```json\r\n{WHOLE}\r\n  ```", "valid", "fenced", None),
    (f"a\n    ```json\n{WHOLE}\n    ```", "valid", "in_prose", None),
    (f"```json {WHOLE} ```", "valid", "in_prose", None),
    (f"```json\n{WHOLE}", "valid", "fenced", None),
    (f"````\n{json.dumps(GOOD, indent=1)}\n```\n````", "valid", "in_prose", None),
    (f"````\n{json.dumps(GOOD, indent=1)}\n`````\n{{", "valid", "fenced", None),
    (f"```\n{OFF}\n```\n```\n{WHOLE}\n```", "valid", "fenced", None),
    (f"```\n{OFF}\n```\n{WHOLE}", "off_schema", "fenced", "queue: enum"),
    (f"```\n[1]\n```\n{WHOLE}", "valid", "in_prose", None),
    (f"```\n{{'a': 1}}\n```\n{WHOLE}", "valid", "in_prose", None),
    (f"```\n{OTHER}\n~~~\n```\n{WHOLE}", "several", "in_prose", ...),
    # objects in prose
    (f"Sure! {WHOLE} Anything else?", "valid", "in_prose", None),
    (f"Use {{queue}}: {WHOLE}", "valid", "in_prose", None),
    (f'A 5" pipe, {WHOLE}', "valid", "in_prose", None),
    (f"See [1]. {WHOLE}", "valid", "in_prose", None),
    (f"Of [0, 1) and {WHOLE}", "valid", "in_prose", None),
    (f"It is [{WHOLE}]", "malformed", None, ...),
    (f"It is {{'a': {WHOLE}}}", "malformed", None, ...),
    (f"Let {{ me see: {WHOLE}", "valid", "in_prose", None),
    (f"{WHOLE[:-1]}: {WHOLE}", "valid", "in_prose", None),
    (f"x {write(reason='a } b { c [ d ] e')}", "valid", "in_prose", None),
    ("x " + write(reason='say "}" and go'), "valid", "in_prose", None),
    (f"x {write(reason=chr(92))} y", "valid", "in_prose", None),
    # several candidates
    (f"{WHOLE}\n{WHOLE}", "valid", "in_prose", None),
    (f"{write(minutes=5.0)} {WHOLE} {json.dumps(dict(reversed(GOOD.items())))}", "valid", "in_prose", None),
    (f"{WHOLE} or {OTHER}", "several", "in_prose", ...),
    (f"{OFF} no, {WHOLE}", "valid", "in_prose", None),
    (f"{WHOLE} not {OFF}", "valid", "in_prose", None),
    (f"{WHOLE} not {TWICE}", "valid", "in_prose", None),
    (f"{OFF} {write(tags='x')}", "off_schema", "in_prose", "tags: type"),
    (f"{OFF} {TWICE}", "duplicate_key", "in_prose", ...),
    (f"{TWICE} {OFF}", "off_schema", "in_prose", "queue: enum"),
    # what is no JSON
    ("It was a fee.", "no_json", None, ...),
    ("NaN", "no_json", None, ...),
    ("[1, 2", "no_json", None, ...),
    (WHOLE[:-1], "malformed", None, ...),
    (WHOLE[:-1] + ",}", "malformed", None, ...),
    (WHOLE[:-1] + "/* x */}", "malformed", None, ...),
    (WHOLE.replace('"', "'"), "malformed", None, ...),
    (WHOLE.replace("5", "NaN"), "malformed", None, ...),
    (WHOLE.replace("5", "-Infinity"), "malformed", None, ...),
    (WHOLE.replace("5", "05"), "malformed", None, ...),
    (WHOLE.replace("5", "5."), "malformed", None, ...),
    (WHOLE.replace("true", "True"), "malformed", None, ...),
    (WHOLE.replace("a fee", "a\nfee"), "malformed", None, ...),
    (WHOLE.replace("a fee", "a\x00fee"), "malformed", None, ...),
    (WHOLE.replace("a fee", r"a \x"), "malformed", None, ...),
    (WHOLE.replace(" ", "\u00a0"), "malformed", None, ...),
    # a repeated key
    (TWICE, "duplicate_key", "as_is", ...),
    (TWICE.replace('"queue": "bank"}', r'"qu\u0065ue": "bank"}'), "duplicate_key", "as_is", ...),
    (f"```\n{TWICE}\n```", "duplicate_key", "fenced", ...),
    ('[{"a": 1, "a": 1}]', "duplicate_key", "as_is", ...),
    (write(minutes={"a": 0}).replace('"a": 0', '"a": 0, "a": 0'), "duplicate_key", "as_is", ...),
    # what the schema refuses, the first in the answer
    (OFF, "off_schema", "as_is", "queue: enum"),
    ("{}", "off_schema", "as_is", ": required"),
    (write(more=1), "off_schema", "as_is", ": additionalProperties"),
    (write(queue=1, more=1), "off_schema", "as_is", ": additionalProperties"),
    (write(tags=["a", "b", 3], reason=4), "off_schema", "as_is", "reason: type"),
    (write(tags=["a", "b", 3]), "off_schema", "as_is", "tags[2]: type"),
    (write(queue=None), "off_schema", "as_is", "queue: type"),
    (write(queue="Bank"), "off_schema", "as_is", "queue: enum"),
    (write(resolved=1), "off_schema", "as_is", "resolved: type"),
    (write(resolved="true"), "off_schema", "as_is", "resolved: type"),
    (write(minutes=True), "off_schema", "as_is", "minutes: type"),
    (write(minutes=5.5), "off_schema", "as_is", "minutes: type"),
    (write(minutes=5.0), "valid", "as_is", None),
    (write(minutes=None), "valid", "as_is", None),
    ('{"more": 1}', "off_schema", "as_is", ": required"),
    (json.dumps({"tags": 1} | GOOD | {"tags": 1, "queue": 1}), "off_schema", "as_is", "tags: type"),
    # numbers that no double holds, and halves of characters
    (WHOLE.replace("5", "1e400"), "off_schema", "as_is", "minutes: type"),
    (WHOLE.replace("5", "9" * 5000), "off_schema", "as_is", "minutes: type"),
    (WHOLE.replace("5", "9" * 300), "valid", "as_is", None),
    (WHOLE.replace("a fee", r"\ud800 \udc00\ud83d\ude00 \\ud800"), "valid", "as_is", None),
]


@pytest.mark.parametrize(("text", "validity", "form", "error"), VERDICTS)
def test_an_answer_is_judged_as_it_stands(text, validity, form, error):
    verdict = read_answer(text, None, "stop", SCHEMA)
    assert verdict[:2] == (validity, form)
    assert verdict.error == error if error is not ... else verdict.error and " " not in verdict.error
    assert (verdict.value is None) == (validity != "valid")


def test_what_a_valid_answer_holds_is_what_was_written():
    text = WHOLE.replace("a fee", r"\ud800 \udc00\ud83d\ude00 \\ud800")
    assert read_answer(f"```\n{text}\n```", None, "stop", SCHEMA).value == GOOD | {
        "reason": "\ufffd \ufffd\U0001f600 \\ud800"
    }


@pytest.mark.parametrize(
    ("text", "stop_reason", "validity", "form"),
    [
        (WHOLE, "length", "valid", "as_is"),
        (OFF, "length", "cut_off", "as_is"),
        (f"{WHOLE} {OTHER}", "length", "cut_off", "in_prose"),
        (TWICE, "length", "cut_off", "as_is"),
        (WHOLE[:-9], "length", "cut_off", None),
        ("So", "length", "cut_off", None),
        (THINK[:9], "length", "cut_off", None),
        ("[" * 201, "length", "cut_off", None),
        (WHOLE, "content_filter", "refused", None),
        ("", "content_filter", "refused", None),
        ("{" * 201, "content_filter", "malformed", None),
        (WHOLE, "tool_use", "valid", "as_is"),
        (WHOLE, None, "valid", "as_is"),
        (WHOLE, "other", "valid", "as_is"),
    ],
)
def test_why_it_stopped_decides_where_the_answer_does_not(text, stop_reason, validity, form):
    verdict = read_answer(text, None, stop_reason, SCHEMA)
    assert verdict[:2] == (validity, form)


@pytest.mark.parametrize(
    ("arguments", "validity", "error"),
    [
        ([WHOLE], "valid", None),
        ([f" {WHOLE}\n"], "valid", None),
        ([f"```\n{WHOLE}\n```"], "valid", None),
        ([WHOLE, WHOLE], "valid", None),
        ([OFF, WHOLE], "valid", None),
        ([WHOLE, OTHER], "several", ...),
        ([None], "empty", ...),
        (["null"], "empty", ...),
        ([""], "empty", ...),
        ([None, WHOLE], "valid", None),
        ([json.dumps(WHOLE)], "off_schema", ": type"),
        ([TWICE], "duplicate_key", ...),
        ([WHOLE.replace("5", "NaN")], "malformed", ...),
        ([f"<think>x</think>{OTHER}", WHOLE], "several", ...),
        ([OFF], "off_schema", "queue: enum"),
    ],
)
def test_arguments_of_a_tool_are_read_before_the_text(arguments, validity, error):
    verdict = read_answer(OTHER, arguments, "tool_use", SCHEMA)
    assert (verdict.validity, verdict.form) == (
        validity,
        None if validity in ("empty", "malformed") else "tool_call",
    )
    assert error is ... or verdict.error == error


NESTED = read_schema({"type": "object", "properties": {"a": True}, "required": ["a"]})


@pytest.mark.parametrize(("levels", "validity"), [(199, "valid"), (200, "malformed"), (100_000, "malformed")])
@pytest.mark.parametrize("pair", ["[]", '{"a":}'])
@pytest.mark.parametrize("around", ["%s", "```\n%s\n```", "So: %s."])
def test_what_is_nested_deeper_than_200_levels_is_malformed(levels, validity, pair, around):
    inner = pair[:-1] * levels + ("0" if len(pair) > 2 else "") + pair[-1] * levels
    text = around % f'{{"a": {inner}}}'
    assert read_answer(text, None, "stop", NESTED).validity == validity
    assert read_answer(text.replace('"a": ', '"a": "]]}}' + "[{" * 300 + '", "b": '), None, "stop", NESTED)[
        :1
    ] == (validity,)


LIST = {
    "type": "object",
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
}
LIST |= {"properties": {"next": {"$ref": "#/$defs/node"}}}


@pytest.mark.parametrize("last", ["1", "{}"])
def test_a_schema_that_holds_itself_is_followed_to_the_last_level(last):
    levels = 200 - (last == "{}")
    text = '{"next": ' * levels + last + "}" * levels
    verdict = read_answer(text, None, "stop", read_schema(LIST))
    error = f"{'.'.join(['next'] * 200)}: type" if last == "1" else None
    assert verdict[::2] == ("off_schema" if error else "valid", error)


@pytest.mark.parametrize(
    "text",
    ['{"' * 400_000, '"{' * 400_000, "[{" * 150_000 + '"', "{\\" * 400_000, "`" * 10**6, "```\n" * 250_000,
     '{"a":1}' * 140_000, "\\u" * 500_000, '{"reason": "' + "x" * 10**6, "<think>" * 140_000,
     "{" + "[" * 199 + '"' + "\\" * 10**6],
    ids=range(11),
)  # fmt: skip
def test_a_megabyte_of_anything_is_read_in_linear_time(text):
    assert read_answer(text, None, "stop", SCHEMA).validity != "valid"


@pytest.mark.parametrize(
    ("properties", "text", "error"),
    [
        ({"items": {"type": "array", "items": {"properties": {"price": {"type": "number"}}}}},
         '{"items": [{"price": 1}, {}, {"price": "1"}]}', "items[2].price: type"),
        ({"a.b": {"type": "string"}}, '{"a.b": 1}', '["a.b"]: type'),
        ({"a": {"properties": {"b c": {"minimum": 1}}}}, '{"a": {"b c": 0}}', 'a["b c"]: minimum'),
        ({"a": {"required": ["b"]}}, '{"a": {}}', "a: required"),
        ({"a": {"required": ["b"], "additionalProperties": False}}, '{"a": {"c": 1}}', "a: required"),
        ({"a": {"type": "string", "enum": ["x"], "minLength": 3}}, '{"a": 1}', "a: type"),
        ({"a": {"enum": ["xyz"], "minLength": 3}}, '{"a": "x"}', "a: enum"),
        ({"a": {"const": 1}}, '{"a": true}', "a: const"),
        ({"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, '{"a": 1}', "a: anyOf"),
        ({"a": {"$ref": "#/$defs/a"}}, '{"a": 1}', "a: maximum"),
        ({"a": False}, '{"a": 1}', ": properties"),
        ({"a": {"multipleOf": 0.1}}, '{"a": 1e999}', "a: type"),
        ({"a": {"multipleOf": 0.1}}, '{"a": %s}' % ("9" * 400), "a: type"),
        ({}, '{"a": [1, {"b": 1e999}]}', "a[1].b: type"),
        ({"b": {"type": "string"}, "a": {"type": "string"}}, '{"a": [1e999], "b": 1}', "a: type"),
        ({"a": {"pattern": "b"}}, '{"a": "abc"}', None),
        ({"a": {"pattern": "^b"}}, '{"a": "abc"}', "a: pattern"),
        ({"a": {"format": "date"}}, '{"a": "soon"}', None),
        ({"a": {"prefixItems": [{"type": "string"}]}}, '{"a": [1]}', "a[0]: type"),
        ({"a": {"unevaluatedProperties": False}}, '{"a": {"b": 1}}', "a: unevaluatedProperties"),
        ({"a": {"dependentRequired": {"b": ["c"]}}}, '{"a": {"b": 1}}', "a: dependentRequired"),
        ({"a": {"uniqueItems": True}}, '{"a": [1, 1.0]}', "a: uniqueItems"),
    ],
)  # fmt: skip
def test_the_first_fault_is_named_by_its_place_and_word(properties, text, error):
    document = {"type": "object", "properties": properties, "$defs": {"a": {"type": "integer", "maximum": 0}}}
    verdict = read_answer(text, None, "stop", read_schema(document))
    assert verdict[::2] == ("off_schema" if error else "valid", error)


# --- the schema is asked once for answers that it cannot tell apart ------------------------------

SCALARS = st.sampled_from(["", "a", "bcd", 0, 1, 2, -1, 1.0, 0.5, True, False, None, 10**400, 1e300])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=6,
)
WORDS = {
    "type": st.sampled_from(["string", "integer", "number", "boolean", "null", "object", "array"]),
    "enum": st.lists(SCALARS.filter(lambda one: one != 10**400), min_size=1, max_size=3),
    "const": SCALARS.filter(lambda one: one != 10**400),
    "minimum": st.sampled_from([0, 1, 0.5]),
    "exclusiveMaximum": st.sampled_from([0, 1, 0.5]),
    "multipleOf": st.sampled_from([1, 0.5]),
    "minLength": st.integers(0, 2),
    "maxLength": st.integers(0, 2),
    "pattern": st.sampled_from(["^a", "c"]),
    "minItems": st.integers(0, 2),
    "maxProperties": st.integers(0, 2),
    "required": st.lists(st.sampled_from("abcd"), max_size=2, unique=True),
    "additionalProperties": st.booleans() | st.just({"type": "integer"}) | st.just({}),
    "uniqueItems": st.booleans(),
    "$ref": st.just("#/$defs/one"),
}


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    nested = {
        "properties": st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
        "items": inner,
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "oneOf": st.lists(inner, min_size=1, max_size=2),
        "allOf": st.lists(inner, min_size=1, max_size=2),
        "not": inner,
        "prefixItems": st.lists(inner, min_size=1, max_size=2),
        "unevaluatedProperties": st.just(False),
        "dependentRequired": st.just({"a": ["b"]}),
    }
    return st.fixed_dictionaries({}, optional=WORDS | nested).map(
        lambda schema: dict(list(schema.items())[:4])
    )


SCHEMAS = st.recursive(st.booleans() | st.just({"type": "string"}), schemas, max_leaves=4)


@settings(deadline=None, max_examples=300)
@given(
    SCHEMAS,
    st.dictionaries(st.sampled_from("abc"), SCHEMAS, min_size=1, max_size=3),
    st.lists(VALUES, min_size=2, max_size=12),
)
def test_verdicts_that_are_kept_are_those_of_jsonschema(one, properties, values):
    document = {"type": "object", "properties": properties, "$defs": {"one": {"enum": ["a", 1, None]}}}
    document["properties"] |= {"d": one}
    reader, validator = AnswerReader(document), jsonschema.Draft202012Validator(document)
    for value in values:
        for text in (json.dumps(value), json.dumps({"d": value, "a": value, "x": value})):
            kept, fresh = reader.read(text, None, "stop"), read_answer(text, None, "stop", document)
            assert kept == fresh
            if str(10**400) not in text:
                assert (kept.validity == "valid") == validator.is_valid(json.loads(text))
