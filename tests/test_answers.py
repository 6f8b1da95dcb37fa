"""What an answer is worth: every rule of reading has cases with the right verdict."""

import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from output_files import error_line, nova_line, write_outputs

import bbkit as bb
from bbkit import charts
from bbkit.core import datasets
from bbkit.core.errors import InputError
from bbkit.core.files import read_data
from bbkit.core.frames import TEXT

COLUMNS = {
    "reason": str,
    "queue": ["bank", "telecom"],
    "resolved": bool,
    "minutes": int | None,
    "tags": [str],
}
VERDICT = ["validity", "answer_form", "answer_error"]
GOOD = {"reason": "a fee", "queue": "bank", "resolved": True, "minutes": 5, "tags": ["fee"]}


def frame(texts: list[str | None], stop_reason: str | None = "stop", **columns: Any) -> pd.DataFrame:
    known = {"outcome": "succeeded", "text": texts, "stop_reason": stop_reason}
    return pd.DataFrame(known | columns).astype({"text": TEXT, "stop_reason": TEXT})


def judge(
    text: str | None, stop_reason: str | None = "stop", schema: Any = COLUMNS, **columns: Any
) -> tuple[Any, ...]:
    """The verdict on one answer: validity, form, error."""
    found = bb.parse_answers(frame([text], stop_reason, **columns), schema)
    return tuple(None if value is pd.NA else value for value in found.iloc[0][VERDICT])


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
    verdict = judge(text)
    assert verdict[:2] == (validity, form)
    assert verdict[2] == error if error is not ... else verdict[2] and " " not in verdict[2]


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
        (WHOLE, None, "valid", "as_is"),
        (WHOLE, "other", "valid", "as_is"),
    ],
)
def test_why_it_stopped_decides_where_the_answer_does_not(text, stop_reason, validity, form):
    assert judge(text, stop_reason)[:2] == (validity, form)


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
    verdict = judge(OTHER, "tool_use", arguments=json.dumps(arguments))
    assert verdict[:2] == (validity, None if validity in ("empty", "malformed") else "tool_call")
    assert error is ... or verdict[2] == error


NESTED = {"type": "object", "properties": {"a": True}, "required": ["a"]}


@pytest.mark.parametrize(("levels", "validity"), [(199, "valid"), (200, "malformed"), (100_000, "malformed")])
@pytest.mark.parametrize("pair", ["[]", '{"a":}'])
@pytest.mark.parametrize("around", ["%s", "```\n%s\n```", "So: %s."])
def test_what_is_nested_deeper_than_200_levels_is_malformed(levels, validity, pair, around):
    inner = pair[:-1] * levels + ("0" if len(pair) > 2 else "") + pair[-1] * levels
    text = around % f'{{"a": {inner}}}'
    assert judge(text, schema=NESTED)[0] == validity
    held = text.replace('"a": ', '"a": "]]}}' + "[{" * 300 + '", "b": ', 1)
    assert judge(held, schema=NESTED)[0] == validity


LIST = {
    "type": "object",
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
}
LIST |= {"properties": {"next": {"$ref": "#/$defs/node"}}}


@pytest.mark.parametrize("last", ["1", "{}"])
def test_a_schema_that_holds_itself_is_followed_to_the_last_level(last):
    levels = 200 - (last == "{}")
    text = '{"next": ' * levels + last + "}" * levels
    error = f"{'.'.join(['next'] * 200)}: type" if last == "1" else None
    assert judge(text, schema=LIST)[::2] == ("off_schema" if error else "valid", error)


@pytest.mark.parametrize(
    "text",
    ['{"' * 400_000, '"{' * 400_000, "[{" * 150_000 + '"', "{\\" * 400_000, "`" * 10**6, "```\n" * 250_000,
     '{"a":1}' * 140_000, "\\u" * 500_000, '{"reason": "' + "x" * 10**6, "<think>" * 140_000,
     "{" + "[" * 199 + '"' + "\\" * 10**6],
    ids=range(11),
)  # fmt: skip
def test_a_megabyte_of_anything_is_read_in_linear_time(text):
    assert judge(text)[0] in ("malformed", "no_json", "empty", "off_schema")


@pytest.mark.parametrize(
    ("properties", "text", "error"),
    [
        ({"items": {"type": "array", "items": {"properties": {"price": {"type": "number"}}}}},
         '{"items": [{"price": 1}, {}, {"price": "1"}]}', "items[2].price: type"),
        ({"a.b": {"type": "string"}}, '{"a.b": 1}', '["a.b"]: type'),
        ({"a": {"properties": {"b c": {"minimum": 1}}}}, '{"a": {"b c": 0}}', 'a["b c"]: minimum'),
        ({"a": {"required": ["b"]}}, '{"a": {}}', "a: required"),
        ({"a": {"required": ["b"], "additionalProperties": False}}, '{"a": {"c": 1}}', "a: required"),
        ({"a": {"required": ["b"], "minProperties": 2}}, '{"a": {"c": 1}}', "a: required"),
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
    assert judge(text, schema=document)[::2] == ("off_schema" if error else "valid", error)


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


@settings(deadline=None, max_examples=60)
@given(
    SCHEMAS,
    st.dictionaries(st.sampled_from("abc"), SCHEMAS, min_size=1, max_size=3),
    st.lists(VALUES, min_size=2, max_size=6),
)
def test_verdicts_that_are_kept_are_those_of_jsonschema(one, properties, values):
    document = {"type": "object", "properties": properties, "$defs": {"one": {"enum": ["a", 1, None]}}}
    document["properties"] |= {"d": one}
    texts = [json.dumps(value) for value in values]
    texts += [json.dumps({"d": value, "a": value, "x": value}) for value in values]
    kept = bb.parse_answers(frame(texts), document)[VERDICT]
    fresh = [bb.parse_answers(frame([text]), document)[VERDICT] for text in texts]
    pd.testing.assert_frame_equal(kept, pd.concat(fresh, ignore_index=True))
    validator = jsonschema.Draft202012Validator(document)
    for text, validity in zip(texts, kept["validity"], strict=True):
        assert str(10**400) in text or (validity == "valid") == validator.is_valid(json.loads(text))


# --- columns -------------------------------------------------------------------------------------

FIELDS = {
    "type": "object",
    "properties": {
        "n": {"type": ["integer", "null"]},
        "x": {"type": "number"},
        "ok": {"type": "boolean"},
        "s": {"type": "string"},
        "e": {"enum": ["a", "b", None]},
        "o": {"type": ["object", "null"]},
        "l": {"type": "array"},
        "u": {"type": ["integer", "string"]},
        "a.b": {"type": "string"},
    },
}
KINDS = ["Int64", "Float64", "boolean", TEXT, TEXT, TEXT, TEXT, TEXT, TEXT]


def fields_of(*answers: dict[str, Any], schema: Any = FIELDS) -> pd.DataFrame:
    return bb.parse_answers(frame([json.dumps(answer) for answer in answers]), schema)


def test_fields_become_columns_in_the_order_and_with_the_types_of_the_schema():
    whole = {"n": 5.0, "x": 2, "ok": False, "s": "2020-01-01", "e": "a", "o": {"é": [1]}, "l": [], "u": "7"}
    answers = fields_of(whole, {}, {"n": "no"}, {"o": None, "u": 7, "a.b": ""})
    names = [f"answer.{name}" for name in FIELDS["properties"]]
    assert list(answers) == ["outcome", "text", "stop_reason", *VERDICT, *names]
    empty = bb.parse_answers(answers.iloc[:0], FIELDS)
    for table in (answers, empty):
        assert [table[name].dtype for name in names] == [pd.api.types.pandas_dtype(kind) for kind in KINDS]
    rows = answers[names].astype(object).where(answers[names].notna(), None).to_numpy().tolist()
    assert rows[0] == [5, 2.0, False, "2020-01-01", "a", '{"é":[1]}', "[]", '"7"', None]
    assert rows[1] == rows[2] == [None] * 9
    assert rows[3] == [None, None, None, None, None, None, None, "7", ""]


def test_rows_stay_as_they_are_and_what_did_not_succeed_has_no_verdict():
    outputs = frame([WHOLE, None, OFF], outcome=["succeeded", "errored", "succeeded"], id=[3, 1, 2])
    outputs.index = [7, 7, 9]
    answers = bb.parse_answers(outputs, COLUMNS)
    pd.testing.assert_frame_equal(answers[list(outputs)], outputs)
    assert answers["validity"].tolist() == ["valid", pd.NA, "off_schema"]
    assert answers["answer.queue"].tolist() == ["bank", pd.NA, pd.NA]
    again = bb.parse_answers(answers, {"queue": str})
    assert list(again) == [*outputs, *VERDICT, "answer.queue"] and list(outputs)[3:] == ["id"]


@pytest.mark.parametrize(
    ("values", "dtype", "cells"),
    [
        ([2**63 - 1, -(2**63), 5.0], "Int64", [2**63 - 1, -(2**63), 5]),
        ([2**63, 5, None], TEXT, ["9223372036854775808", "5", pd.NA]),
        ([1e19, -5.0], TEXT, ["10000000000000000000", "-5"]),
        ([-(2**63) - 1, 5], TEXT, ["-9223372036854775809", "5"]),
        ([5, None], "Int64", [5, pd.NA]),
    ],
)
def test_integers_beyond_64_bits_make_their_column_text(values, dtype, cells, monkeypatch):
    monkeypatch.setattr(datasets, "_LONG_ROWS", 2)
    monkeypatch.setattr(datasets, "_ROWS", 2)
    answers = fields_of(*({"n": value, "x": 1} for value in values))
    assert (answers["answer.n"].dtype, answers["answer.n"].tolist()) == (dtype, cells)
    assert answers["answer.x"].dtype == "Float64"


def test_large_numbers_are_rounded_as_doubles_are():
    assert fields_of({"x": 2**60 + 1}, {"x": 10**300})["answer.x"].tolist() == [float(2**60), 1e300]


TOOL = {"name": "answer", "input_schema": {}}
CALLS = {
    "claude": lambda *given: {
        "content": [
            {"type": "text", "text": OTHER},
            *({"type": "tool_use", "id": "t", "name": name, "input": value} for name, value in given),
        ],
        "stop_reason": "tool_use",
        "role": "assistant",
    },
    "nova": lambda *given: {
        "output": {
            "message": {"content": [{"toolUse": {"name": name, "input": value}} for name, value in given]}
        },
        "stopReason": "tool_use",
    },
    "openai": lambda *given: {
        "choices": [
            {
                "finish_reason": "stop",
                "message": {
                    "content": None,
                    "tool_calls": [{"function": {"name": name, "arguments": value}} for name, value in given],
                },
            }
        ]
    },
}
ASKED = {
    "claude": {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "answer"}},
    "any of claude": {"tools": [TOOL], "tool_choice": {"type": "any"}},
    "nova": {"toolConfig": {"tools": [{"toolSpec": TOOL}], "toolChoice": {"tool": {"name": "answer"}}}},
    "any of nova": {"toolConfig": {"tools": [{"toolSpec": TOOL}], "toolChoice": {"any": {}}}},
    "openai": {"tools": [], "tool_choice": {"type": "function", "function": {"name": "answer"}}},
    "required of openai": {"tools": [{"type": "function", "function": TOOL}], "tool_choice": "required"},
    "any of mistral": {"tools": [{"type": "function", "function": TOOL}], "tool_choice": "any"},
}
FREE = {
    "two": {"tools": [TOOL, TOOL | {"name": "b"}], "tool_choice": {"type": "any"}},
    "auto": {"tools": [TOOL], "tool_choice": {"type": "auto"}},
    "none": {"tools": [TOOL]},
}


def outputs_of(folder: Path, asked: dict[str, Any], output: dict[str, Any] | str, **options: Any) -> Any:
    line = json.dumps({"recordId": "r", "modelInput": asked, "modelOutput": "OUTPUT"})
    line = line.replace('"OUTPUT"', output if isinstance(output, str) else json.dumps(output))
    return bb.collect_outputs(write_outputs(folder / "a.jsonl.out", [line]), **options)


def verdict_of(outputs: Any) -> tuple[str, str | None]:
    row = bb.parse_answers(outputs, COLUMNS).iloc[0]
    return row["validity"], None if row["answer_form"] is pd.NA else row["answer_form"]


@pytest.mark.parametrize("kept", [(), "arguments", ("model_input", "model_output")], ids=str)
@pytest.mark.parametrize("asked", ASKED)
def test_the_tool_of_the_line_is_read_from_a_column_or_from_its_file(asked, kept, tmp_path):
    shape = {"mistral": "openai"}.get(asked.split()[-1], asked.split()[-1])
    value = WHOLE if shape == "openai" else GOOD
    output = CALLS[shape](("other", json.loads(OTHER)), ("answer", value), ("answer", value))
    outputs = outputs_of(tmp_path, ASKED[asked], output, with_columns=kept)
    if kept:
        outputs.attrs.clear()
    assert verdict_of(outputs) == ("valid", "tool_call")


@pytest.mark.parametrize("free", FREE)
def test_a_tool_that_was_not_asked_for_is_no_answer(free, tmp_path):
    answers = bb.parse_answers(outputs_of(tmp_path, FREE[free], CALLS["claude"](("answer", GOOD))), COLUMNS)
    assert answers["answer.queue"].tolist() == ["telecom"] and answers["answer_form"].tolist() == ["as_is"]


@pytest.mark.parametrize(
    ("shape", "value", "validity"),
    [
        ("claude", "null", "empty"),
        ("openai", "null", "empty"),
        ("openai", '""', "empty"),
        ("claude", json.dumps(WHOLE), "off_schema"),
        ("nova", json.dumps(WHOLE), "off_schema"),
        ("openai", WHOLE, "valid"),
        ("claude", TWICE, "duplicate_key"),
        ("nova", TWICE, "duplicate_key"),
        ("openai", json.dumps(TWICE), "duplicate_key"),
        ("openai", json.dumps(WHOLE.replace("5", "NaN")), "malformed"),
        ("claude", WHOLE.replace("5", "NaN"), "malformed"),
        ("openai", json.dumps(f"Sure: {WHOLE}"), "valid"),
        ("openai", json.dumps(WHOLE[:-3]), "malformed"),
        ("claude", WHOLE.replace("5", "1e400"), "off_schema"),
        ("claude", WHOLE.replace("a fee", r"\ud800"), "valid"),
    ],
)
def test_arguments_are_read_as_they_came(shape, value, validity, tmp_path):
    output = json.dumps(CALLS[shape](("answer", "VALUE"))).replace('"VALUE"', value)
    form = None if validity in ("empty", "malformed") else "tool_call"
    outputs = outputs_of(tmp_path, ASKED[shape], output)
    assert verdict_of(outputs) == (validity, form)
    held = outputs_of(
        tmp_path / "held", ASKED[shape], output, with_columns="arguments", into=tmp_path / "parts"
    )
    answers = pd.concat(datasets.iter_frames(bb.parse_answers(held, COLUMNS)))
    assert (answers["validity"].item(), answers["answer_form"].fillna("").item()) == (validity, form or "")


def test_arguments_that_are_nowhere_are_asked_for(tmp_path):
    outputs = outputs_of(tmp_path, ASKED["claude"], CALLS["claude"](("answer", GOOD)))
    outputs.attrs.clear()
    with pytest.raises(InputError, match=r"1 answer ended to call .* Pass with_columns=\['arguments'\]"):
        bb.parse_answers(outputs, COLUMNS)


@pytest.mark.parametrize("stop", ["tool_use", "end_turn", "max_tokens"])
@pytest.mark.parametrize("into", [False, True])
def test_calls_whose_files_are_gone_or_changed_are_not_taken_for_silence(stop, into, tmp_path):
    output = CALLS["nova"](("answer", GOOD)) | {"stopReason": stop}
    place = {"into": tmp_path / "parts"} if into else {}
    outputs = outputs_of(tmp_path, ASKED["nova"], output, **place)
    words = r"1 answer ended to call a tool or without a text, .* Pass with_columns=\['arguments'\]"
    if not into:
        assert verdict_of(outputs) == ("valid", "tool_call")
        outputs_of(tmp_path, ASKED["nova"], CALLS["nova"](("answer", GOOD)) | {"usage": {"inputTokens": 7}})
        with pytest.raises(InputError, match=words):
            bb.parse_answers(outputs, COLUMNS)
        (tmp_path / "a.jsonl.out").unlink()
    with pytest.raises(InputError, match=words):
        bb.accounting(bb.parse_answers(outputs, COLUMNS))


@pytest.mark.parametrize("into", [False, True])
def test_silence_where_no_tool_was_called_is_empty_without_any_file(into, tmp_path):
    path = write_outputs(tmp_path / "a.jsonl.out", [nova_line("a", ""), nova_line("b", WHOLE)])
    outputs = bb.collect_outputs(path, **({"into": tmp_path / "parts"} if into else {}))
    path.unlink()
    parsed = bb.parse_answers(outputs, COLUMNS)
    read = pd.concat(datasets.iter_frames(parsed)) if into else parsed
    assert read["validity"].tolist() == ["empty", "valid"]


def test_rows_without_a_schema_say_where_one_comes_from(tmp_path):
    outputs = outputs_of(tmp_path, {}, CALLS["claude"]())
    with pytest.raises(InputError, match=r"no schema: their run was made without one\. Pass schema="):
        bb.parse_answers(outputs)
    with pytest.raises(InputError, match="no column 'outcome'"):
        bb.parse_answers(pd.DataFrame({"text": ["{}"]}), COLUMNS)


def test_a_data_set_has_the_same_answers(tmp_path, monkeypatch):
    texts = [WHOLE, OFF, OTHER, "no", write(minutes=2**70), WHOLE]
    lines = [nova_line(f"r{number}", text) for number, text in enumerate(texts)] + [error_line("e")]
    path = write_outputs(tmp_path / "a.jsonl.out", lines)
    monkeypatch.setattr(datasets, "_LONG_ROWS", 2)
    answers = bb.parse_answers(bb.collect_outputs(path), COLUMNS)
    parts = bb.parse_answers(bb.collect_outputs(path, into=tmp_path / "parts"), COLUMNS)
    read = pd.concat(datasets.iter_frames(parts))
    pd.testing.assert_frame_equal(read, answers, check_dtype=True)
    assert read["answer.minutes"].tolist()[4] == str(2**70)
    only = pd.concat(datasets.iter_frames(parts, ["answer.queue", "record_id"]))
    pd.testing.assert_frame_equal(only, answers[["answer.queue", "record_id"]])


# --- counted, and said ---------------------------------------------------------------------------


def answers_of(
    folder: Path, texts: list[str], *more: dict, sent: int | None = None, **stops: str
) -> pd.DataFrame:
    lines = [nova_line(f"r{number:03d}", text) for number, text in enumerate(texts)]
    ids = [f"r{number:03d}" for number in range(sent or len(texts))]
    path = write_outputs(folder / "a.jsonl.out", [*lines, *more])
    return bb.parse_answers(
        bb.collect_outputs(path, sent=[*ids, *(line["recordId"] for line in more)]), COLUMNS
    )


def test_the_accounting_says_which_answers_can_be_used(tmp_path):
    texts = [WHOLE] * 5 + [OFF] * 2 + ["no"] * 2 + [WHOLE[:-1]] * 3
    answers = answers_of(tmp_path, texts, error_line("e"), sent=13)
    account = bb.accounting(answers)
    assert account.sentence == (
        "14 sent = 12 succeeded + 1 errored + 1 missing. "
        "12 answers = 5 valid + 7 invalid (3 malformed, 2 no_json, 2 off_schema)"
    )
    numbers = account.numbers
    assert (numbers["valid"], numbers["invalid"], numbers["invalid_malformed"]) == (5, 7, 3)
    assert numbers["invalid_cut_off"] == 0 and "invalid_valid" not in numbers
    assert (numbers["valid_share"], numbers["usable_share"]) == (5 / 12, 5 / 14)
    bundle = account._repr_mimebundle_()
    assert bundle["application/vnd.bbkit.v1+json"]["numbers"]["usable_share"] == 5 / 14
    some = bb.accounting(answers.head(6))
    assert some.sentence.endswith(". 6 answers = 5 valid + 1 invalid (1 off_schema)")
    assert some.numbers["usable_share"] is None and some.numbers["valid_share"] == 5 / 6
    assert "valid" not in bb.accounting(answers.drop(columns="validity")).numbers


def test_the_accounting_of_valid_answers_has_no_bracket(tmp_path):
    account = bb.accounting(answers_of(tmp_path, [WHOLE]))
    assert account.sentence == "1 sent = 1 succeeded. 1 answer = 1 valid + 0 invalid"
    assert account.numbers["usable_share"] == 1 and account.complete


def test_what_the_verdict_says_is_not_said_again_of_lengths_and_texts(tmp_path):
    lines = [nova_line(f"r{number}", text, stop="max_tokens") for number, text in enumerate([WHOLE, "{", ""])]
    outputs = bb.collect_outputs(write_outputs(tmp_path / "a.jsonl.out", lines))
    assert set(bb.diagnose_outputs(outputs)["rule"]) >= {"cut_off", "reasoning_only"}
    table = bb.diagnose_outputs(bb.parse_answers(outputs, COLUMNS)).set_index("rule")
    assert table.loc["cut_off"]["finding"].startswith("2 of 3 answers")
    assert table.loc["invalid_cut_off"]["count"] == 2 and "reasoning_only" not in table.index


def test_findings_name_each_cause_its_place_and_its_cure(tmp_path):
    texts = [WHOLE, WHOLE, OFF, OFF, write(tags=1), "no", write(minutes=2**64)]
    table = bb.diagnose_outputs(answers_of(tmp_path, texts)).set_index("rule")
    off = table.loc["invalid_off_schema"]
    assert (off["count"], off["record_id"], off["severity"]) == (3, "r002", "warning")
    assert off["finding"] == (
        "3 of 7 answers (42.9 %) hold JSON that the schema refuses (accepted: 0), "
        "most often 'queue: enum' (2)."
    )
    assert "invalid=['off_schema']" in off["remedy"]
    assert table.loc["invalid_no_json"]["count"] == 1 and "invalid_malformed" not in table.index
    assert "answer.minutes has an integer beyond 64 bits" in table.loc["big_integers"]["finding"]
    known = set(read_data("findings")["diagnose_outputs"])
    assert {f"invalid_{cause}" for cause in read_data("answers")["invalid"]} <= known
    assert not {*table.index} - known


def test_hostile_names_are_text_wherever_they_are_shown(tmp_path):
    name = '<img src=x onerror=alert(1)>"]`'
    schema = {"type": "object", "properties": {name: {"type": "string"}}}
    path = write_outputs(tmp_path / "a.jsonl.out", [nova_line("r", json.dumps({name: 1}))])
    answers = bb.parse_answers(bb.collect_outputs(path, sent=["r"]), schema)
    assert answers["answer_error"].tolist() == [f"[{json.dumps(name)}]: type"]
    for shown in (bb.diagnose_outputs(answers), bb.accounting(answers)):
        html = shown._repr_mimebundle_()["text/html"]
        assert "<img" not in html


def test_a_data_set_of_answers_is_counted_and_judged_alike(tmp_path, monkeypatch):
    texts = [WHOLE, OFF, OTHER, "no", write(minutes=2**70), WHOLE]
    path = write_outputs(tmp_path / "a.jsonl.out", [nova_line(str(n), text) for n, text in enumerate(texts)])
    monkeypatch.setattr(datasets, "_LONG_ROWS", 2)
    sent = [str(number) for number in range(7)]
    answers = bb.parse_answers(bb.collect_outputs(path, sent=sent), COLUMNS)
    parts = bb.parse_answers(bb.collect_outputs(path, sent=sent, into=tmp_path / "parts"), COLUMNS)
    assert bb.accounting(parts).sentence == bb.accounting(answers).sentence
    assert bb.accounting(parts).numbers == bb.accounting(answers).numbers
    said, same = bb.diagnose_outputs(parts), bb.diagnose_outputs(answers)
    assert said.to_text() == same.to_text() and "big_integers" in set(said["rule"])


# --- drawn ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parsed() -> pd.DataFrame:
    rng = random.Random(0)
    queues = [rng.choice(["bank", "telecom"]) for _ in range(40)]
    texts = [
        write(queue=queue, minutes=number, reason=f"<b>{number}</b>") for number, queue in enumerate(queues)
    ]
    outputs = frame([*texts, OFF, "no", "no"])
    outputs["source.queue"] = ["bank"] * 43
    outputs["source.resolved"] = [*["Yes", "1", " true", "no", "maybe"] * 8, "", "", ""]
    outputs["team"] = ["a<i>", "b", None, "a<i>"] * 10 + ["b"] * 3
    return bb.parse_answers(outputs, COLUMNS)


def words_of(figure: Any) -> str:
    return json.dumps(figure.to_plotly_json(), default=str)


def test_a_chart_of_validity_counts_every_cause(parsed):
    figure = charts.validity(parsed)
    assert figure.layout.title.text.startswith("40 of 43 answers can be used (93.0 %)")
    assert "40 valid, 1 off_schema, 2 no_json" in figure.layout.meta["alt"]
    assert {trace.name for trace in charts.validity(parsed, by="team").data} == {
        "valid",
        "off_schema",
        "no_json",
    }
    assert "No record has an answer" in charts.validity(parsed.iloc[:0]).layout.meta["alt"]
    with pytest.raises(InputError, match=r"no column 'validity'.* Pass what parse_answers returned"):
        charts.validity(parsed.drop(columns="validity"))


@pytest.mark.parametrize("by", [None, "team"])
@pytest.mark.parametrize(
    ("field", "title"),
    [
        ("queue", "Most frequent queue: "),
        ("answer.queue", "Most frequent queue: "),
        ("", "Most frequent queue: "),
        ("resolved", "Most frequent resolved: true 100 %"),
        ("minutes", "The median of minutes is 19.5"),
        ("reason", "The median of characters of reason is 9"),
        ("tags", "Most frequent tags: "),
    ],
)
def test_a_chart_of_a_field_shows_its_values(parsed, field, title, by):
    figure = charts.answer_values(parsed, field, by=by)
    assert figure.layout.title.text.startswith(title)
    assert "<b>" not in words_of(figure).replace("<b>%{", "") and "a<i>" not in words_of(figure)
    assert "n = 40 valid answers" in figure.layout.meta["alt"]
    assert "No valid answer" in charts.answer_values(parsed.iloc[40:], field, by=by).layout.meta["alt"]


def test_numbers_that_are_not_whole_and_huge_ones_are_drawn():
    for values in ([0.1, 0.25, 0.9], [0.5], [1e300, -1e300], [2**62, 1]):
        answers = fields_of(*({"x": value} for value in values))
        for by in (None, "text"):
            assert (
                f"n = {len(values)} valid answer"
                in charts.answer_values(answers, "x", by=by).layout.meta["alt"]
            )


def test_a_field_that_is_not_there_names_those_that_are(parsed):
    with pytest.raises(InputError, match=r"no column 'answer\.quue'.*Its fields are 'reason', 'queue'"):
        charts.answer_values(parsed, "quue")


def test_agreement_is_counted_with_what_chance_gives(parsed):
    source = pd.Series(["bank", "bank", "telecom", "telecom", "bank", "loan"])
    said = ["bank", "telecom", "telecom", "telecom", "bank", "bank"]
    answers = bb.parse_answers(
        frame([write(queue=queue) for queue in said]).assign(**{"source.queue": source}), COLUMNS
    )
    # Agreed 4/6; by chance 3/6 * 3/6 + 2/6 * 3/6 = 15/36; kappa (24 - 15) / (36 - 15).
    figure = charts.agreement(answers)
    assert figure.layout.title.text.startswith("queue agrees in 4 of 6 (66.7 %), kappa 0.43")
    assert np.array(figure.data[0].z).sum() == 6 and "n = 6" in figure.layout.meta["alt"]
    truth = charts.agreement(parsed, "resolved")
    assert truth.layout.title.text.startswith("resolved agrees in 24 of 40 (60.0 %), kappa 0.00")
    assert sorted(truth.data[0].x) == ["false", "maybe", "true"] and "true/yes/1" in truth.layout.meta["alt"]
    assert "nothing of the name minutes" in charts.agreement(parsed, "minutes").layout.meta["alt"]


def test_agreement_of_fewer_values_than_the_source_has_and_of_numbers_that_stand_for_truth():
    rows = [{"queue": "bank", "resolved": True}, {"queue": "bank", "resolved": False}]
    source = {"source.queue": ["bank", "telecom"] * 2, "source.resolved": [1, 0, 0, 0]}
    schema = {"queue": ["bank", "telecom"], "resolved": bool}
    texts = [json.dumps(row) for row in rows * 2]
    answers = bb.parse_answers(frame(texts).assign(**source), schema)
    figure = charts.agreement(answers)
    assert figure.layout.title.text.startswith("queue agrees in 2 of 4 (50.0 %), kappa 0.00")
    assert "resolved agrees in 3 of 4 (75.0 %), kappa 0.50" in figure.layout.meta["alt"]
    assert list(charts.agreement(answers, "resolved").data[0].x) == ["false", "true"]
