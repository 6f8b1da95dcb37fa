"""Good bodies are answered in the documented shape of their family, bad ones refused with a reason."""

import copy
import json
from typing import Any

import botocore.session
import pytest
from bodies import BODIES, Documented
from botocore.parsers import create_parser
from botocore.validate import ParamValidator
from hypothesis import given, settings, strategies as st
from standin_bodies import (
    ANTHROPIC_BODY,
    BAD,
    BAD_CONVERSE,
    DOCUMENT,
    GOOD,
    GPT,
    HAIKU,
    LLAMA,
    LLAMA_BODY,
    NOVA,
    NOVA_BODY,
    OPENAI_BODY,
    PLACES,
    SHAPES,
    TITAN,
    TOOL_CONFIG,
    WAYS,
    Way,
    changed,
)

from bbkit.standin.answers import answer_record, family_name
from bbkit.standin.engine_pool import make_engine
from bbkit.standin.errors import RecordError
from bbkit.standin.models import bare_model_id, model_list

ENGINE = make_engine("extractive")


def answer(model_id: str, body: Any, kind: str = "InvokeModel", **options: Any) -> dict[str, Any]:
    return answer_record(model_id, kind, body, ENGINE, **options).output


def assert_shape(value: Any, shape: Any, where: str = "modelOutput") -> None:
    if isinstance(shape, dict):
        assert set(value) == set(shape), where
        for key, inner in shape.items():
            assert_shape(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        assert value, where
        for item in value:
            assert_shape(item, shape[0], f"{where}[]")
    elif isinstance(shape, type):
        assert type(value) is shape, f"{where}: {value!r}"
    else:
        assert value == shape, where


@pytest.mark.parametrize(("model_id", "kind", "body", "shape"), GOOD)
def test_good_body_is_answered_in_the_shape_of_its_family(
    model_id: str, kind: str, body: dict[str, Any], shape: str
) -> None:
    before = copy.deepcopy(body)
    output = answer(model_id, body, kind)
    assert_shape(json.loads(json.dumps(output)), SHAPES[shape])
    assert body == before


@pytest.mark.parametrize(("model_id", "body", "wanted"), BAD)
def test_bad_body_is_refused_with_the_reason(model_id: str, body: Any, wanted: str) -> None:
    with pytest.raises(RecordError) as caught:
        answer(model_id, body)
    assert caught.value.code == 400
    assert wanted in caught.value.message


@pytest.mark.parametrize(("body", "wanted"), BAD_CONVERSE)
def test_bad_converse_body_is_refused_with_the_reason(body: Any, wanted: str) -> None:
    with pytest.raises(RecordError) as caught:
        answer(NOVA, body, "Converse")
    assert caught.value.code == 400
    assert wanted in caught.value.message


def test_converse_has_no_embedding_models() -> None:
    with pytest.raises(RecordError, match="doesn't support the model"):
        answer(TITAN, NOVA_BODY, "Converse")


def test_converse_takes_tools_on_demand() -> None:
    assert (
        answer(NOVA, changed(NOVA_BODY, toolConfig=TOOL_CONFIG), "Converse", batch=False)["stopReason"]
        == "end_turn"
    )


@pytest.mark.parametrize("limit", [5, 300])
def test_converse_answers_parse_with_botocores_own_parser(limit: int) -> None:
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = model.operation_model("Converse").output_shape
    assert shape is not None
    output = answer(NOVA, changed(NOVA_BODY, inferenceConfig__maxTokens=limit), "Converse")
    wire = {"body": json.dumps(output).encode(), "headers": {}, "status_code": 200}
    parsed = create_parser("rest-json").parse(wire, shape)
    parsed.pop("ResponseMetadata")
    assert parsed == output
    assert not ParamValidator().validate(parsed, shape).has_errors()


def test_documents_of_text_are_read_and_binary_ones_are_said_to_be_unread() -> None:
    body = {"messages": [{"role": "user", "content": [{"text": "Summarize the call."}, DOCUMENT]}]}
    read = answer(NOVA, body, "Converse")["output"]["message"]["content"][0]["text"]
    assert "blue lamp" in read
    unread = changed(body, messages__0__content__1__document__format="pdf")
    text = answer(NOVA, unread, "Converse")["output"]["message"]["content"][0]["text"]
    assert "1 not read: document" in text
    assert "blue lamp" not in text


@pytest.mark.parametrize(
    ("model_id", "body", "limit", "read"),
    [
        (HAIKU, ANTHROPIC_BODY, "max_tokens", lambda o: (o["stop_reason"], o["usage"]["output_tokens"])),
        (
            NOVA,
            NOVA_BODY,
            "inferenceConfig__maxTokens",
            lambda o: (o["stopReason"], o["usage"]["outputTokens"]),
        ),
        (LLAMA, LLAMA_BODY, "max_gen_len", lambda o: (o["stop_reason"], o["generation_token_count"])),
        (
            GPT,
            OPENAI_BODY,
            "max_completion_tokens",
            lambda o: (o["choices"][0]["finish_reason"], o["usage"]["completion_tokens"]),
        ),
    ],
)
def test_a_small_limit_cuts_the_answer_and_says_so(model_id: str, body: Any, limit: str, read: Any) -> None:
    stop, tokens = read(answer(model_id, changed(body, **{limit: 7})))
    assert (stop in ("max_tokens", "length"), tokens) == (True, 7)
    stop, tokens = read(answer(model_id, body))
    assert stop in ("end_turn", "stop")
    assert tokens > 7


def test_stop_sequences_end_the_answer() -> None:
    output = answer(HAIKU, changed(ANTHROPIC_BODY, stop_sequences=["zebra", "lamp"]))
    assert (output["stop_reason"], output["stop_sequence"]) == ("stop_sequence", "lamp")
    assert output["content"][0]["text"].endswith("blue ")


def test_prompts_longer_than_the_model_reads_are_refused() -> None:
    window = model_list()[HAIKU]["traits"]["context_window"]["value"]
    with pytest.raises(RecordError, match="Input is too long for requested model"):
        answer(HAIKU, changed(ANTHROPIC_BODY, messages__0__content="word " * (window + 1)))


@pytest.mark.parametrize("documented", BODIES, ids=lambda one: f"{one.family}: {one.variety}")
def test_what_a_page_documents_is_answered(documented: Documented) -> None:
    assert answer(documented.model_id, documented.body, documented.invocation_type)


def test_every_model_of_the_list_has_a_family_and_answers() -> None:
    families = {model_id: family_name(model_id) for model_id in model_list()}
    assert None not in families.values()
    texts = [
        answer(name, NOVA_BODY, "Converse") for name, family in families.items() if "embed" not in str(family)
    ]
    assert len({json.dumps(text["output"]) for text in texts}) == 1


@pytest.mark.parametrize(
    "identifier",
    [
        "amazon.nova-lite-v1:0",
        "us.amazon.nova-lite-v1:0",
        "global.amazon.nova-lite-v1:0",
        "us-gov.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
        "arn:aws:bedrock:us-east-1:111122223333:inference-profile/eu.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:us-east-1:111122223333:custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl",
    ],
)
def test_a_model_is_known_under_all_its_names(identifier: str) -> None:
    assert bare_model_id(identifier) == "amazon.nova-lite-v1:0"
    assert family_name(identifier) == "nova"


def test_an_application_profile_does_not_tell_its_model() -> None:
    with pytest.raises(RecordError, match="identifier is invalid"):
        answer("arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abcdefghijkl", NOVA_BODY)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5000) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_body_does_worse_than_a_400(data: st.DataObject) -> None:
    model_id, kind, body, places = data.draw(st.sampled_from(PLACES))
    value = data.draw(JSON)
    body = (
        value
        if data.draw(st.booleans()) and not isinstance(value, dict)
        else changed(body, **{data.draw(st.sampled_from(places)): [] if value is None else value})
    )
    try:
        output = answer(model_id, body, kind)
    except RecordError as error:
        assert error.code == 400
        assert error.message
    else:
        json.dumps(output)


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1, max_size=400).filter(str.strip), limit=st.integers(1, 60))
def test_any_text_is_answered_within_its_limit(text: str, limit: int) -> None:
    usage = answer(HAIKU, changed(ANTHROPIC_BODY, max_tokens=limit, messages__0__content=text))["usage"]
    assert 0 <= usage["output_tokens"] <= limit
    assert usage["input_tokens"] > 0


FORM = {
    "type": "object",
    "properties": {
        "item": {"enum": ["blue lamp", "red sofa"], "description": "what was ordered"},
        "days": {"type": "integer", "description": "days of waiting"},
        "sent_again": {"type": "boolean", "description": "whether a replacement is sent"},
        "price": {"type": ["number", "null"]},
        "reason": {"type": "string", "description": "why the customer called"},
    },
    "required": ["item", "days", "sent_again", "price", "reason"],
    "additionalProperties": False,
}
CASE = """Read the call.

Agent: How can I help?
Customer: I have waited 12 days, and my parcel with the blue lamp has not arrived.
Agent: I send a replacement by express."""


def ask(way: Way, schema: dict[str, Any], most: int = 300, text: str = CASE) -> dict[str, Any]:
    return answer(way.model_id, way.ask(schema, text, most), way.invocation_type)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_every_way_of_asking_for_a_schema_is_answered_with_it(way: Way) -> None:
    output = ask(way, FORM)
    read = way.read(output)
    made = json.loads(read) if isinstance(read, str) else read
    assert made.pop("reason") in CASE
    assert made == {"item": "blue lamp", "days": 12, "sent_again": True, "price": None}
    assert way.stop(output) in ("end_turn", "stop", "tool_use", "tool_calls")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_an_answer_of_a_schema_is_cut_at_the_maximum_like_any(way: Way) -> None:
    whole, output = way.read(ask(way, FORM)), ask(way, FORM, most=12)
    cut = way.read(output)
    assert way.stop(output) in ("max_tokens", "length")
    assert cut and (whole if isinstance(whole, str) else json.dumps(whole)).startswith(cut)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_what_cannot_be_built_is_refused_with_a_sentence(way: Way) -> None:
    schema = changed(FORM, properties__reason={"type": "string", "pattern": "^[a-f0-9]{9}$"})
    with pytest.raises(
        RecordError, match=r"builds no answer to a schema with pattern \(at reason\)"
    ) as caught:
        ask(way, schema)
    assert caught.value.code == 501


REFUSED_SCHEMAS = [
    ({"a": {"type": "integer", "minimum": 1}}, "properties minimum are not supported"),
    (
        {"a": {"type": "object", "additionalProperties": True}},
        "'additionalProperties' must be explicitly set",
    ),
    (
        {"a": {"$ref": "#/$defs/a"}},
        "Circular reference detected",
    ),
    ({"a": {"$ref": "https://example.com/a.json"}}, "leads nowhere in the schema"),
    ({"a": {"type": "array", "items": {"type": "string"}, "minItems": 2}}, "properties minItems are"),
    ({"a": {"type": "text"}}, "'text' is not valid"),
    ({"a": {"enum": [{}]}}, "Enum values of objects"),
    ({"a": {"oneOf": [{"type": "string"}]}}, "properties oneOf are not supported"),
]


@pytest.mark.parametrize("way", [way for way in WAYS if "tool" not in way.name], ids=lambda way: way.name)
@pytest.mark.parametrize(("properties", "wanted"), REFUSED_SCHEMAS)
def test_what_the_grammar_refuses_is_an_error_of_the_record(
    way: Way, properties: dict[str, Any], wanted: str
) -> None:
    schema = changed(FORM, properties=properties)
    schema["$defs"] = {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "string"}]}}
    with pytest.raises(RecordError) as caught:
        ask(way, schema)
    assert wanted in caught.value.message and caught.value.code == 400


@pytest.mark.parametrize("strict", [False, True])
def test_a_tool_is_held_to_the_grammar_only_when_it_is_strict(strict: bool) -> None:
    for way in [way for way in WAYS if "tool" in way.name]:
        body = way.ask(changed(FORM, properties__days={"type": "integer", "minimum": 100}), CASE, 300)
        tool = (body.get("tools") or body["toolConfig"]["tools"])[0]
        (tool.get("function") or tool.get("toolSpec") or tool)["strict"] = strict
        if strict:
            with pytest.raises(RecordError, match="minimum"):
                answer(way.model_id, body)
        else:
            assert '"days": 100' in json.dumps(answer(way.model_id, body)).replace("\\", "")


def test_of_several_tools_that_may_be_called_the_text_chooses() -> None:
    tools = [
        {"name": name, "description": text, "input_schema": FORM}
        for name, text in (("pay", "Refunds money."), ("send", "Sends a replacement of a lamp."))
    ]
    body = changed(ANTHROPIC_BODY, messages__0__content=CASE)
    called = answer(HAIKU, {**body, "tools": tools, "tool_choice": {"type": "any"}})["content"]
    assert [block["name"] for block in called] == ["send"]
    assert "type" in answer(HAIKU, {**body, "tools": tools})["content"][0]  # auto: it quotes


def test_a_schema_that_ends_the_prompt_is_asked_for_too() -> None:
    text = (
        f"{CASE}\n\nAnswer with one JSON object that fits this JSON Schema:\n{json.dumps(FORM, indent=1)}\n"
    )
    made = json.loads(answer(LLAMA, {**LLAMA_BODY, "prompt": text})["generation"])
    assert made["item"] == "blue lamp" and made["reason"] in CASE
    for other in (text + "Thanks.", f'{CASE}\n\n{{"a": 1}}'):
        assert answer(LLAMA, {**LLAMA_BODY, "prompt": other})["generation"].startswith("This engine only")


def test_an_object_of_no_schema_is_an_object() -> None:
    body = {**OPENAI_BODY, "response_format": {"type": "json_object"}}
    assert set(json.loads(answer(GPT, body)["choices"][0]["message"]["content"])) == {"answer"}
