"""The schema of an answer: every form becomes one document; what is no schema is refused in a sentence."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict

import msgspec
import pandas as pd
import pytest

from bbkit.answers import list_fields, load_validator, read_schema
from bbkit.core.errors import InputError

DRAFT = "https://json-schema.org/draft/2020-12/schema"


@dataclasses.dataclass
class Call:
    queue: Literal["bank", "telecom"]
    minutes: int | None = None


class Review(TypedDict):
    sentiment: Literal["good", "bad"]
    score: NotRequired[float]


class Case(msgspec.Struct):
    call: Call
    stars: Annotated[int, msgspec.Meta(ge=1, le=5)]
    note: Optional[str] = None  # noqa: UP045
    parts: list["Case"] = []


class Model:
    """What pydantic's models answer, with the reference that it writes for a field of another model."""

    @staticmethod
    def model_json_schema() -> dict[str, Any]:
        address = {"type": "object", "properties": {"town": {"type": "string"}}}
        fields = {
            "home": {"$ref": "#/$defs/Address"},
            "age": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
            "kind": {"const": "x"},
        }
        return {"type": "object", "$defs": {"Address": address}, "properties": fields}


def test_columns_become_a_document_that_requires_them_all():
    document = read_schema(
        {"reason": str, "queue": ["bank", "telecom"], "resolved": bool, "minutes": int | None, "tags": [str]}
    )
    assert document == {
        "type": "object",
        "properties": {
            "reason": {"type": "string"},
            "queue": {"type": "string", "enum": ["bank", "telecom"]},
            "resolved": {"type": "boolean"},
            "minutes": {"type": ["integer", "null"]},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["reason", "queue", "resolved", "minutes", "tags"],
        "additionalProperties": False,
    }
    assert list(list_fields(document).items()) == [
        ("reason", "string"),
        ("queue", "string"),
        ("resolved", "boolean"),
        ("minutes", "Int64"),
        ("tags", "json"),
    ]


@pytest.mark.parametrize(
    ("given", "written", "dtype"),
    [
        (["a", None], {"type": ["string", "null"], "enum": ["a", None]}, "string"),
        ([1, 2.5], {"type": "number", "enum": [1, 2.5]}, "Float64"),
        ([1, 2], {"type": "integer", "enum": [1, 2]}, "Int64"),
        ([True, False], {"type": "boolean", "enum": [True, False]}, "boolean"),
        (["a", 1], {"type": ["string", "integer"], "enum": ["a", 1]}, "json"),
        (list[float], {"type": "array", "items": {"type": "number"}}, "json"),
        (list[int] | None, {"type": ["array", "null"], "items": {"type": "integer"}}, "json"),
        ([int | None], {"type": "array", "items": {"type": ["integer", "null"]}}, "json"),
        (Optional[float], {"type": ["number", "null"]}, "Float64"),  # noqa: UP045
    ],
)
def test_each_kind_of_column(given: Any, written: dict[str, Any], dtype: str):
    document = read_schema({"field": given})
    assert document["properties"]["field"] == written
    assert list_fields(document) == {"field": dtype}


def test_classes_and_what_makes_its_own_schema():
    assert list_fields(read_schema(Call)) == {"queue": "string", "minutes": "Int64"}
    assert list_fields(read_schema(Review)) == {"sentiment": "string", "score": "Float64"}
    assert list_fields(read_schema(Case)) == {
        "call": "json",
        "stars": "Int64",
        "note": "string",
        "parts": "json",
    }
    assert list_fields(read_schema(Model)) == {"home": "json", "age": "Int64", "kind": "string"}
    deep = {"call": {"queue": "bank"}, "stars": 5, "parts": [{"call": {"queue": "shop"}, "stars": 1}]}
    faults = [list(error.absolute_path) for error in load_validator(read_schema(Case)).iter_errors(deep)]
    assert faults == [["parts", 0, "call", "queue"]]


def test_files_and_texts_are_read_as_they_stand(tmp_path: Path):
    document = {"$schema": DRAFT, "type": "object", "properties": {"ort": {"enum": ["Köln", "Bonn"]}}}
    path = tmp_path / "schema.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(document, ensure_ascii=False).encode())
    for given in (document, path, str(path), json.dumps(document), "\n " + json.dumps(document)):
        assert read_schema(given) == document
        assert list(list_fields(read_schema(given))) == ["ort"]
    assert list_fields(read_schema('{"queue": ["bank", "telecom"]}')) == {"queue": "string"}


def test_a_word_is_one_only_where_a_schema_stands():
    """Names of fields, and values, that read as words of JSON Schema are none."""
    names = {
        "$ref": {"type": "integer"},
        "pattern": {"const": {"$ref": "nowhere"}},
        "a.b": {"type": "string"},
    }
    document = read_schema({"type": "object", "properties": names})
    assert list_fields(document) == {"$ref": "Int64", "pattern": "json", "a.b": "string"}


def test_the_dtype_of_a_field_is_that_of_all_its_alternatives():
    one_of = {"oneOf": [{"const": "a", "description": "A"}, {"const": "b"}, {"type": "null"}]}
    fields = {
        "one": one_of,
        "all": {"allOf": [{"type": "string"}, {"minLength": 2}]},
        "numbers": {"type": ["integer", "number", "null"]},
        "mixed": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "any": {},
        "whatever": True,
        "deep": {"anyOf": [{"$ref": "#/$defs/maybe"}, {"const": None}]},
    }
    defs = {"maybe": {"$ref": "#/$defs/count"}, "count": {"type": ["integer", "null"]}}
    document = {"type": "object", "$ref": "#/$defs/top", "$defs": {"top": {"properties": fields}, **defs}}
    assert list_fields(read_schema(document)) == {
        "one": "string",
        "all": "string",
        "numbers": "Float64",
        "mixed": "json",
        "any": "json",
        "whatever": "json",
        "deep": "Int64",
    }


def test_references_are_followed_by_pointer_and_by_anchor():
    defs = {"a/b": {"$anchor": "here", "type": "integer"}, "c": {"$ref": "#here"}}
    fields = {"x": {"$ref": "#/$defs/a~1b"}, "y": {"$ref": "#/$defs/c"}, "z": {"$ref": "#/$defs/a%7E1b"}}
    document = read_schema({"$id": "https://x.org/s", "type": "object", "properties": fields, "$defs": defs})
    assert list_fields(document) == dict.fromkeys("xyz", "Int64")
    validator = load_validator(document)
    assert validator.is_valid({"x": 1, "y": 2.0}) and not validator.is_valid({"y": "2"})


FIELDS = {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "schema is {}. A schema is columns"),
        ([], r"schema is \[\]"),
        (42, "schema is 42"),
        (None, "schema is None"),
        (dict, "schema is the class dict"),
        (pd.DataFrame({"a": [1]}), "schema is a 0 1"),
        ("/no/such/schema.json", "schema names '/no/such/schema.json', which cannot be read"),
        ("{'queue'", "The schema is no JSON"),
        ('{"a": ["x"], "a": ["y"]}', "holds 'a' twice"),
        ('{"type": "object", "minProperties": NaN}', "holds NaN"),
        ({"a": []}, r"at a, the column is \[\]"),
        ({"a": {}}, r"at a, the column is {}.*A JSON Schema has"),
        ({"a": "str"}, "at a, the column is 'str'"),
        ({"a": [str, int]}, "at a, the column is"),
        ({"a": [str, "x"]}, "at a, the column is"),
        ({"a": str | int}, "at a, the column is"),
        ({"a": [None]}, "at a, the column is"),
        ({"a": ["x", "x"]}, "hold one twice"),
        ({"a b": [1.0, float("inf")]}, r'at properties\["a b"\]\.enum\[1\], inf is no value'),
        ({"\ud800": str}, "half of a surrogate pair"),
        ({1: str}, "at properties, the name 1 is no text"),
        ({"properties": {"a": {}}}, "at properties, the column is"),
        ({"$schema": DRAFT, "properties": {}}, "at its top, there is no type"),
        ({"$defs": {}, "type": "array"}, "the type is 'array'"),
        ({"type": ["object", "null"]}, r"the type is \['object', 'null'\]\. An answer is an object"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, r'at \["\$schema"\], the draft is'),
        (FIELDS | {"properties": {"a": {"type": "strng"}}}, "at properties.a.type, 'strng' is no type"),
        (FIELDS | {"properties": {"a": str}}, "at properties.a, <class 'str'> is no value"),
        (FIELDS | {"properties": {"a": {"minLength": -1}}}, "at properties.a.minLength, -1 is less"),
        (FIELDS | {"required": "a"}, "at required, 'a' is not of type 'array'"),
        (FIELDS | {"properties": {"a": {"items": [{}]}}}, "at properties.a.items"),
        (FIELDS | {"properties": {"a": {"pattern": "("}}}, r"at properties.a.pattern, '\(' is no pattern"),
        (FIELDS | {"patternProperties": {"(?<x>a)": {}}}, "at patternProperties, .* is no pattern"),
        (FIELDS | {"properties": {"a": {"$ref": "#/$defs/b"}}}, "'#/\\$defs/b' is nowhere in the schema"),
        (FIELDS | {"items": {"$ref": "https://x.org/b"}}, "'https://x.org/b' is nowhere in the schema"),
        (FIELDS | {"$defs": {"a": {"$dynamicRef": "#a"}}}, "'#a' is nowhere"),
        (FIELDS | {"$defs": {"a": {"$id": "https://x.org/a"}}}, "address of its own"),
        ({"$ref": "#"}, "leads back to itself"),
        (FIELDS | {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}, "leads back to itself"),
        (FIELDS | {"properties": {" ": {}}}, r'at properties\[" "\], the field has no name'),
        (FIELDS | {"properties": {"\ud800": {}}}, "half of a surrogate pair"),
        ('{"a":' * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(given: Any, said: str):
    with pytest.raises(InputError, match=said) as refused:
        read_schema(given)
    assert len(str(refused.value)) < 600 and "\n" not in str(refused.value)


def test_a_schema_nested_without_end_is_refused():
    inner: dict[str, Any] = {}
    for _ in range(5_000):
        inner = {"items": inner}
    with pytest.raises(InputError, match="nested too deep"):
        read_schema(FIELDS | {"properties": {"a": inner}})


def test_reading_a_schema_loads_neither_pydantic_nor_the_grammar_of_iris():
    code = """
import sys
from bbkit.answers import load_validator, read_schema
assert "jsonschema" not in sys.modules
load_validator(read_schema({"a": str}))
print(sorted({"jsonschema", "pydantic", "rfc3987_syntax", "lark"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['jsonschema']"


def test_a_class_that_makes_no_schema_is_one_sentence() -> None:
    class Model:
        @classmethod
        def model_json_schema(cls) -> dict[str, Any]:
            raise RuntimeError(
                "Cannot generate a JsonSchema for core_schema.CallableSchema\n\nFor further information"
            )

    with pytest.raises(
        InputError, match=r"^No schema can be made of the class Model: Cannot generate .*Schema\. A"
    ):
        read_schema(Model)
