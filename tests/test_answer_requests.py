"""How a model is asked for an answer of a schema: what is sent, by which way, what the run keeps of it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from bodies import check_records
from conftest import Standin
from hypothesis import given, settings, strategies as st

import bbkit as bb
from bbkit.answers import list_fields, read_schema, request_schema
from bbkit.core.errors import InputError
from bbkit.core.files import read_data
from bbkit.families import FAMILIES, model_table
from bbkit.families.json_schemas import schema_faults
from bbkit.report import render_report
from bbkit.run import RunSnapshot
from bbkit.standin.answers import answer_record
from bbkit.standin.engine_pool import make_engine

COLUMNS = {"queue": ["bank", "telecom"], "minutes": int | None, "reason": str}
SONNET, HAIKU_3 = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-3-haiku-20240307-v1:0"
NOVA, LARGE, QWEN = "amazon.nova-lite-v1:0", "mistral.mistral-large-2407-v1:0", "qwen.qwen3-32b-v1:0"
LLAMA, SMALL, GPT = (
    "us.meta.llama3-1-8b-instruct-v1:0",
    "mistral.mistral-small-2402-v1:0",
    "openai.gpt-oss-20b-1:0",
)
FIELDS = {"type": "object", "properties": {}}
CLOSED = {"additionalProperties": False, "patternProperties": {"^x": {}}, "required": ["x1", "y"]}
CALLS = pd.DataFrame({"text": [f"The bank kept me waiting for {n} minutes." for n in range(100)]})
PREPARE = Path(__file__).parents[1] / "notebooks" / "01-prepare.ipynb"


def build(model_id: str, schema: Any = COLUMNS, **options: Any) -> list[dict[str, Any]]:
    """The bodies that ask for a schema."""
    records = bb.build_records(CALLS, model_id, prompt="{text}", schema=schema, **options)
    return list(records["model_input"])


def asked(model_id: str, schema: Any = COLUMNS, **options: Any) -> str:
    """By which way a body asks, told by what is in it."""
    body = build(model_id, schema, **options)[0]
    native = {"output_config", "outputConfig", "response_format"} & body.keys()
    tool = {"tools", "toolConfig"} & body.keys()
    prompt = read_data("structured_output")["prompt"] in bb.read_prompt(body)
    assert bool(native) + bool(tool) + prompt == 1
    return "native" if native else "tool" if tool else "prompt"


@pytest.mark.parametrize(
    ("model_id", "options", "way"),
    [
        (SONNET, {}, "native"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", {}, "native"),
        ("us.anthropic.claude-opus-4-6-v1", {}, "native"),
        (SONNET, {"invocation_type": "Converse"}, "native"),
        (QWEN, {}, "native"),
        (QWEN, {"invocation_type": "Converse"}, "native"),
        (HAIKU_3, {}, "tool"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", {}, "tool"),
        (NOVA, {}, "tool"),
        (LARGE, {}, "tool"),
        # Refused by four reports, or by the page: never chosen.
        ("us.anthropic.claude-opus-4-7", {}, "tool"),
        ("us.anthropic.claude-opus-4-8", {}, "tool"),
        ("us.anthropic.claude-opus-5", {}, "tool"),
        # It thinks by default, and refuses to be forced then.
        ("us.anthropic.claude-sonnet-5-5", {}, "prompt"),
        (HAIKU_3, {"invocation_type": "Converse"}, "prompt"),
        (NOVA, {"invocation_type": "Converse"}, "prompt"),
        (LLAMA, {}, "prompt"),
        (SMALL, {}, "prompt"),
        (GPT, {}, "prompt"),
        ("us.anthropic.claude-opus-9", {}, "prompt"),
        ("us.amazon.nova-2-lite-v1:0", {"reasoning_config": {"type": "enabled"}}, "prompt"),
        (
            "us.anthropic.claude-sonnet-4-20250514-v1:0",
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            "prompt",
        ),
        (SONNET, {"structured": "tool"}, "tool"),
        (SONNET, {"structured": "prompt"}, "prompt"),
        ("us.anthropic.claude-opus-5", {"structured": "native"}, "native"),
        (GPT, {"structured": "native"}, "native"),
        (GPT, {"structured": "tool"}, "tool"),
    ],
)
@pytest.mark.filterwarnings("ignore:max_tokens is")
def test_each_model_is_asked_as_it_is_known_to_take_it(model_id: str, options: dict[str, Any], way: str):
    assert asked(model_id, **options) == way


@pytest.mark.parametrize(
    ("model_id", "options", "said"),
    [
        (SONNET, {"structured": "json"}, "structured is 'json'. It takes auto, native, tool or prompt."),
        (SONNET, {"schema": " ", "structured": "tool"}, "structured is 'tool', and there is no schema"),
        (
            SONNET,
            {"schema": FIELDS | {"properties": {"a": {"enum": []}}}},
            "at properties.a.enum, there is no",
        ),
        (SONNET, {"schema": FIELDS | {"$defs": {"b": CLOSED}}}, "b.required, 'y' is required and may not be"),
        (LLAMA, {"structured": "native"}, "no such form of asking in Meta Llama bodies"),
        (SONNET, {"structured": "tool", "invocation_type": "Converse"}, "no such form of asking in Converse"),
        ("us.anthropic.claude-opus-4-7", {"structured": "native"}, "takes no structured output"),
        (
            SONNET,
            {"structured": "tool", "thinking": {"type": "enabled", "budget_tokens": 1024}},
            "with thinking on, which .* refuses",
        ),
        (SONNET, {"output_config": {"format": {"type": "json_schema"}}}, "writes output_config.format.type"),
        (NOVA, {"tool_config": {"tools": []}}, "schema= writes toolConfig.tools itself"),
        ("cohere.command-r-v1:0", {}, "does not offer"),
        ("amazon.titan-embed-text-v2:0", {}, "have no answer of a schema"),
    ],
)
@pytest.mark.filterwarnings("ignore:max_tokens is")
def test_what_cannot_be_asked_is_refused_before_anything_is_built(
    model_id: str, options: dict[str, Any], said: str
):
    with pytest.raises(InputError, match=said):
        build(model_id, **options)


def test_what_the_grammar_does_not_take_moves_into_descriptions():
    document = read_schema(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "https://example.org/call",
            "type": "object",
            "properties": {
                "stars": {"type": "integer", "minimum": 1, "maximum": 5, "description": "How well"},
                "code": {"type": "string", "pattern": "^[A-Z]", "maxLength": 2},
                "when": {"type": "string", "format": "date"},
                "tags": {
                    "type": "array",
                    "items": {"$ref": "#/$defs/tag"},
                    "minItems": 2,
                    "uniqueItems": True,
                },
                "minimum": {"oneOf": [{"$ref": "#/$defs/part"}, {"type": "null"}]},
            },
            "$defs": {
                "tag": {"type": "string", "minLength": 3},
                "part": {"type": "object", "properties": {"of": {"not": {"const": 0}}}, "required": ["of"]},
            },
        }
    )
    assert request_schema(document) == {
        "type": "object",
        "properties": {
            "stars": {"type": "integer", "description": "How well (at least 1, at most 5)"},
            "code": {
                "type": "string",
                "description": 'With a match for the regular expression "^[A-Z]", at most 2 characters long',
            },
            "when": {"type": "string", "format": "date"},
            "tags": {
                "type": "array",
                "items": {"type": "string", "description": "At least 3 characters long"},
                "description": "At least 2 items, no item twice",
            },
            "minimum": {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {
                            "of": {"description": 'Also fits the JSON Schema {"not": {"const": 0}}'}
                        },
                        "required": ["of"],
                        "additionalProperties": False,
                    },
                    {"type": "null"},
                ]
            },
        },
        "additionalProperties": False,
    }


WORDS = {
    "minimum": st.integers(-9, 9),
    "maxLength": st.integers(0, 9),
    "pattern": st.just("^a"),
    "minItems": st.integers(0, 3),
    "uniqueItems": st.booleans(),
    "format": st.sampled_from(["date", "color"]),
    "description": st.sampled_from(["", "Said (so)"]),
    "enum": st.just(["a", None]),
    "not": st.just({"const": 1}),
}
LEAF = st.sampled_from(["integer", "string", "null"]).map(lambda kind: {"type": kind})
REFERENCE = st.sampled_from(["#/$defs/a", "#/$defs/b"]).map(lambda place: {"$ref": place})
PART = st.recursive(
    LEAF | REFERENCE,
    lambda inner: st.fixed_dictionaries({}, optional=WORDS).flatmap(
        lambda words: (
            st.dictionaries(st.sampled_from(["a", "minimum", "oneOf"]), inner, max_size=2).map(
                lambda fields: {"type": "object", "properties": fields} | words
            )
            | inner.map(lambda items: {"type": "array", "items": items} | words)
            | st.lists(inner, min_size=1, max_size=2).map(lambda several: {"oneOf": several} | words)
            | st.lists(inner, min_size=1, max_size=2).map(lambda several: {"allOf": several} | words)
        )
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from("xyz"), PART, min_size=1),
    LEAF,
    PART.filter(lambda one: "#/$defs/b" not in str(one)),
)
@settings(max_examples=80, deadline=None)
def test_what_is_sent_is_a_schema_without_refused_words_and_stays_as_it_is(
    fields: dict[str, Any], leaf: dict[str, Any], part: dict[str, Any]
):
    given_schema = {"type": "object", "properties": fields, "$defs": {"a": leaf, "b": part}}
    sent = request_schema(read_schema(given_schema))
    assert read_schema(sent) == sent == request_schema(sent)
    assert "$ref" not in json.dumps(sent)
    for fault in schema_faults(sent, "schema"):
        assert "additionalProperties" in fault.finding, "an object that holds nothing, or several at once"


TREE = {
    "$ref": "#/$defs/Node",
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "parts": {"items": {"$ref": "#/$defs/Node"}}},
        }
    },
}
FREE = {
    "type": "object",
    "properties": {"counts": {"type": "object", "additionalProperties": {"type": "integer"}}},
}
MERGED = {
    "type": "object",
    "properties": {"a": {"allOf": [{"properties": {"b": {}}}, {"properties": {"c": {}}}]}},
}
VALUES = {"type": "object", "properties": {"a": {"enum": [{"x": 1}, {"x": 2}]}}}


@pytest.mark.parametrize(
    ("schema", "way", "said"),
    [
        (TREE, "tool", r'holds itself, at \["\$defs"\]\.Node'),
        (FREE, "tool", "additionalProperties: false, at properties.counts"),
        (MERGED, "tool", "additionalProperties: false, at properties.a"),
        (VALUES, "tool", "enum of objects or arrays, at properties.a"),
        ({"type": "object", "properties": {"call reason": {"type": "string"}}}, "native", ""),
    ],
)
def test_a_schema_that_cannot_be_sent_says_why_and_goes_another_way(
    schema: dict[str, Any], way: str, said: str
):
    assert asked(SONNET, schema) == way
    if said:
        with pytest.raises(InputError, match=f"structured='native' is not possible .* {said}"):
            build(SONNET, schema, structured="native")


@pytest.mark.parametrize("most", [16, 24])
def test_more_choices_than_claude_takes_are_asked_for_with_a_tool(most: int):
    def columns(count: int) -> dict[str, Any]:
        if most == 16:
            return {f"f{n}": str | None for n in range(count)}
        return {"type": "object", "properties": {f"f{n}": {"type": "string"} for n in range(count)}}

    assert (asked(SONNET, columns(most)), asked(SONNET, columns(most + 1))) == ("native", "tool")
    with pytest.raises(InputError, match=f"has {most + 1} properties .* takes {most} "):
        build(SONNET, columns(most + 1), structured="native")


def test_a_tuple_is_sent_as_a_list_that_an_answer_can_be():
    @dataclasses.dataclass
    class Call:
        pair: tuple[int, str]
        rest: tuple[int, ...]

    sent = request_schema(read_schema(Call))["properties"]
    assert sent["pair"]["items"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert "prefixItems" not in sent["pair"] and '"prefixItems"' in sent["pair"]["description"]
    assert sent["rest"] == {"type": "array", "items": {"type": "integer"}}
    body = build(SONNET, Call)[0]
    assert answer_record(SONNET, "InvokeModel", body, make_engine("extractive"))
    first = {"type": "array", "prefixItems": [{"type": "integer"}]}
    document = {"type": "object", "properties": {"a": first, "b": first | {"items": {"type": "null"}}}}
    assert "items" not in request_schema(document)["properties"]["a"]
    assert len(request_schema(document)["properties"]["b"]["items"]["anyOf"]) == 2


def test_nova_is_sent_what_it_takes_on_top_of_a_schema():
    document = {"type": "object", "title": "T", "properties": {"a": {"type": "string", "title": "A"}}}
    body = build(NOVA, document)[0]
    spec = body["toolConfig"]["tools"][0]["toolSpec"]
    assert spec["inputSchema"]["json"] == {name: document[name] for name in ("type", "properties")}
    spec["inputSchema"]["json"] |= {"title": "T", "additionalProperties": False}
    found = check_records([("r1", body)] * 100, NOVA).query("rule == 'schema_refused'")
    assert found["severity"].tolist() == ["info"]
    assert "has 'additionalProperties', 'title' on top" in found["finding"].iloc[0]
    assert asked(NOVA, document | {"anyOf": [{"required": ["a"]}, {"required": []}]}) == "prompt"


def test_an_answer_in_a_form_that_is_begun_or_has_another_name_is_said():
    body = build(SONNET)[0]
    begun = {**body, "messages": [*body["messages"], {"role": "assistant", "content": "{"}]}
    other = {**body, "output_config": body["output_config"] | {"x": 1}}
    found = check_records([("r1", begun), ("r2", other)] * 50, SONNET).query("severity == 'warning'")
    assert {"structured_output", "unknown_name"} <= set(found["rule"])


def test_a_name_that_no_tool_may_have_is_asked_for_in_the_prompt():
    assert asked(HAIKU_3, {"call reason": str}) == "prompt"
    assert asked(NOVA, TREE) == "prompt", "Nova takes no $defs"


def test_references_that_multiply_are_refused():
    parts = {f"p{n}": {"properties": {w: {"$ref": f"#/$defs/p{n + 1}"} for w in "ab"}} for n in range(20)}
    document = {"type": "object", "properties": {"a": {"$ref": "#/$defs/p0"}}, "$defs": {**parts, "p20": {}}}
    with pytest.raises(InputError, match="more than 10,000"):
        request_schema(read_schema(document))


def test_a_field_that_clashes_with_a_column_is_refused():
    data = CALLS.assign(**{"answer.queue": "bank"})
    with pytest.raises(InputError, match=r"field 'queue' becomes the column 'answer\.queue'"):
        bb.build_records(data, NOVA, prompt="{text}", schema=COLUMNS)
    assert len(bb.build_records(data, NOVA, prompt="{text}", schema="")) == 100


SCHEMAS = [
    COLUMNS,
    TREE,
    FREE,
    MERGED,
    VALUES,
    {"call reason": str},
    {"a": [1, 2], "b": [True, None], "c": list[float]},
]
WRITABLE = {
    (name, kind): model.model_id
    for kind in ("InvokeModel", "Converse")
    for model in model_table().models.values()
    for name in [model.family if kind == "InvokeModel" else f"converse {model.family}"]
    if FAMILIES[model.family].writable and FAMILIES[model.family].kind == "text" and model.batch
}


@pytest.mark.parametrize(("family", "model_id"), WRITABLE.items(), ids=str)
@pytest.mark.filterwarnings("ignore:max_tokens is")
def test_what_is_built_of_a_schema_is_taken_by_check_and_standin(family: tuple[str, str], model_id: str):
    engine, kind = make_engine("extractive"), family[1]
    for schema in SCHEMAS:
        body = build(model_id, schema, invocation_type=kind)[0]
        found = check_records([("r1", body)] * 100, model_id, invocation_type=kind)
        assert found.query("rule in ('schema_refused', 'value', 'type', 'required')").empty
        assert not set(found.query("rule == 'structured_output'")["severity"]) & {"error", "warning"}
        if schema in (COLUMNS, SCHEMAS[-1]):
            assert answer_record(model_id, kind, body, engine)


def test_each_schema_is_said_once_with_the_count_of_its_records():
    def of(schema: dict[str, Any]) -> dict[str, Any]:
        return build(SONNET)[0] | {"output_config": {"format": {"type": "json_schema", "schema": schema}}}

    stars = {
        "type": "object",
        "properties": {"stars": {"type": "integer", "minimum": 1}},
        "additionalProperties": False,
    }
    words = {
        "type": "object",
        "properties": {"words": {"type": "integer", "maximum": 9}},
        "additionalProperties": False,
    }
    bodies = [of(stars)] * 70 + [of(words)] * 40
    found = check_records([(f"r{n}", body) for n, body in enumerate(bodies)], SONNET).query(
        "rule == 'schema_refused'"
    )
    assert sorted(found["count"]) == [40, 70]
    assert "minimum at properties.stars" in found["finding"].iloc[0]
    assert "maximum at properties.words" in found["finding"].iloc[1]
    assert found["remedy"].str.contains(r"build_records\(\.\.\., schema=\) writes it").all()


@pytest.mark.parametrize(
    ("model_id", "severity"),
    [(SONNET, []), (HAIKU_3, ["warning"]), ("us.anthropic.claude-opus-4-7", ["error"])],
)
def test_a_model_that_is_not_known_to_take_a_form_is_said(model_id: str, severity: list[str]):
    body = build(SONNET)[0]
    for one in (body, {**body, "output_format": body["output_config"]["format"], "output_config": {}}):
        found = check_records([(f"r{n}", one) for n in range(100)], model_id)
        assert list(found.query("rule == 'structured_output'")["severity"]) == severity
    wrong = body | {"output_format": {"type": "json_schemaX", "schema": {"type": "object"}}}
    assert "json_schemaX" in " ".join(check_records([("r", wrong)] * 100, SONNET).errors["finding"])


def test_a_schema_in_the_prompt_is_a_finding_and_stands_there_whole():
    body = build(LLAMA, {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}})[0]
    assert '{"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}' in bb.read_prompt(
        body
    )
    found = check_records([(f"r{n}", body) for n in range(100)], LLAMA).query("rule == 'structured_output'")
    assert list(found[["severity", "count"]].itertuples(index=False, name=None)) == [("info", 100)]


@pytest.fixture
def _here(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    standin.use(monkeypatch)


@pytest.mark.usefixtures("_here")
def test_a_run_keeps_its_schema_as_it_was_written(tmp_path: Path):
    text = b'\xef\xbb\xbf{"queue":  ["bank", "telecom"]}\r\n'
    (tmp_path / "own.json").write_bytes(text)
    run = bb.Run.create(tmp_path / "run", model_id=NOVA, schema=tmp_path / "own.json")
    assert (run.folder / "schema.json").read_bytes() == text
    again = bb.Run.open(run.folder)
    assert again.structured == "tool"
    assert again.schema == read_schema({"queue": ["bank", "telecom"]})
    assert RunSnapshot.read(again).summarize()["schema"] == "asked for by a forced tool"
    of_class = bb.Run.create(tmp_path / "of columns", model_id=SONNET, schema=COLUMNS)
    assert list_fields(of_class.schema or {}) == {"queue": "string", "minutes": "Int64", "reason": "string"}
    plain = bb.Run.create(tmp_path / "plain", model_id=NOVA, schema="")
    assert (plain.schema, plain.structured) == (None, "")
    assert not (plain.folder / "schema.json").exists()
    assert "schema" not in RunSnapshot.read(plain).summarize()
    with pytest.raises(InputError, match="'strng' is no type"):
        bb.Run.create(
            tmp_path / "none",
            model_id=NOVA,
            schema='{"type": "object", "properties": {"a": {"type": "strng"}}}',
        )
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("model_id", [NOVA, LLAMA])
def test_records_of_another_schema_than_the_run_s_are_said(
    tmp_path: Path, model_id: str, recwarn: pytest.WarningsRecorder
):
    def write(folder: str, schema: Any) -> list[str]:
        run = bb.Run.create(tmp_path / folder, model_id=model_id, schema=COLUMNS)
        records = bb.build_records(CALLS, model_id, prompt="{text}", schema=schema)
        bb.write_records(records, run)
        said = [str(one.message) for one in recwarn.list]
        recwarn.clear()
        return said

    assert write("same", COLUMNS) == []
    for folder, other in (("other", {"queue": str}), ("none", None)):
        (said,) = write(folder, other)
        assert said.startswith("100 of 100 records do not ask for this run's schema as it says.")
        assert "build_records(..., schema=run.schema, structured=run.structured)" in said


@pytest.mark.usefixtures("_here")
def test_prepare_takes_a_schema_as_text(tmp_path: Path):
    parameters = {
        "run_folder": tmp_path / "run",
        "prompt": "Who answers this call?\n\n{transcript}",
        "source_uri": PREPARE.parents[1] / "data" / "samples" / "call_transcripts.csv",
        "schema": json.dumps({"queue": ["bank", "telecom"]}),
    }
    made = render_report(PREPARE, tmp_path / "page.html", parameters=parameters)
    run = bb.Run.open(tmp_path / "run")
    assert run.structured == "tool" and run.schema == read_schema({"queue": ["bank", "telecom"]})
    assert made.path.read_text().count("asked for by a forced tool") == 2, "the run, and the provenance"
    line = json.loads(run.record_files()[0].path.read_text().splitlines()[0])
    spec = line["modelInput"]["toolConfig"]["tools"][0]["toolSpec"]
    assert spec["inputSchema"]["json"]["properties"]["queue"]["enum"] == ["bank", "telecom"]
