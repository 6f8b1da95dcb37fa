"""The check and the stand-in, written apart, judge bodies alike; where one has a rule that the other lacks,
it is listed here, with the reason.
"""

import json
from typing import Any, NamedTuple

import pytest
from bodies import BODIES, CASES, JUDGED, PLANTED, REPORTED, Judged, Planted, check_records, claude
from conftest import Standin
from hypothesis import given, settings, strategies as st
from images import MAKERS, image
from jsonschema import Draft202012Validator
from standin_bodies import BAD, BAD_CONVERSE, GOOD, NOVA
from standin_cases import create, output_records, put, wait_for

from bbkit.catalog.quotas import Quotas
from bbkit.standin.answers import answer_record
from bbkit.standin.engine_pool import make_engine
from bbkit.standin.errors import RecordError
from bbkit.standin.models import bare_model_id, model_list

ENGINE = make_engine("extractive")
ONE = Quotas(min_records_per_job=1)


class Body(NamedTuple):
    """One body of the corpus."""

    model_id: str
    invocation_type: str
    body: Any


def of_sonnet(**options: Any) -> Body:
    """A body of Claude with more that AWS documents."""
    return Body("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "InvokeModel", claude(**options))


FOUND = {
    "type": "search_result",
    "source": "calls",
    "title": "Call 1",
    "content": [{"type": "text", "text": "A parcel."}],
}
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
DOCUMENTED = [
    of_sonnet(
        output_format={"type": "json_schema", "schema": SCHEMA},
        anthropic_beta=["structured-outputs-2025-11-13"],
    ),
    of_sonnet(context_management={"edits": []}, anthropic_beta=["context-management-2025-06-27"]),
    of_sonnet(messages=[{"role": "user", "content": [FOUND, {"type": "text", "text": "Which?"}]}]),
    of_sonnet(max_tokens=5000, thinking={"type": "enabled", "budget_tokens": 1024, "display": "omitted"}),
]
"""https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html and the pages of Claude."""


TOOL = {"name": "find", "description": "Finds a call.", "input_schema": {"type": "object"}}


def of_top_k(value: object) -> Body:
    """A body of Nova by Converse, whose topK is beside those of the API."""
    extra = {"inferenceConfig": {"topK": value}}
    turn = {"role": "user", "content": [{"text": "Which call?"}]}
    return Body(NOVA, "Converse", {"messages": [turn], "additionalModelRequestFields": extra})


def of_result(kind: str, source: dict[str, Any]) -> Body:
    """A body of Claude with a block in the answer of a tool."""
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": kind, "source": source}]}
    turns = [
        {"role": "user", "content": "Which call?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "find", "input": {}}]},
        {"role": "user", "content": [result]},
    ]
    return of_sonnet(messages=turns, tools=[TOOL])


def of_image(kind: str, width: int) -> Body:
    """A body with one image."""
    source = {"type": "base64", "media_type": f"image/{kind.partition(' ')[0]}", "data": image(kind, width)}
    turn = {"role": "user", "content": [{"type": "image", "source": source}]}
    return Body("us.anthropic.claude-sonnet-4-6", "InvokeModel", claude(messages=[turn]))


CORPUS = [
    *(of_image(kind, width) for kind in MAKERS for width in (8000, 8001)),
    *DOCUMENTED,
    *(of_top_k(value) for value in (0, 200, -1, 1.5, "x")),
    of_result("image", {"type": "base64", "media_type": "image/png", "data": image("png", 9000)}),
    of_result("image", {"type": "base64", "media_type": "image/png", "data": image("png", 800)}),
    of_result("image", {"type": "base64", "media_type": "image/png", "data": ""}),
    *(of_sonnet(tools=[{**TOOL, name: 5}]) for name in ("name", "description")),
    of_sonnet(tools=[TOOL]),
    *(of_sonnet(anthropic_version=version) for version in ("2026-10-21", "2026-10-22")),
    *(Body(one.model_id, one.invocation_type, one.body) for one in BODIES),
    *(Body(one.model_id, one.invocation_type, body) for one in CASES for body in (one.broken, one.near)),
    *(Body(one.model_id, one.invocation_type, one.body) for one in (*PLANTED, *REPORTED)),
    *(Body(model_id, "InvokeModel", body) for model_id, body, _ in BAD),
    *(Body(NOVA, "Converse", body) for body, _ in BAD_CONVERSE),
    *(Body(model_id, kind, body) for model_id, kind, body, _ in GOOD),
]

CHECK_ALONE = {
    ("nan", ""): "JSON has no NaN: a record of a file cannot hold it, and the stand-in reads files.",
    ("media_format", "its bytes are"): "The stand-in's engines compare no image with its format.",
    ("base64", "holds no base64"): "A data: URI without data is an empty image to the stand-in.",
    ("tool_pairing", "toolUse"): "Only Claude's tools are followed through the turns, not Nova's.",
    ("tool_pairing", "toolResult"): "Only Claude's tools are followed through the turns, not Nova's.",
    ("tool_pairing", "tool message"): "Only Claude's tools are followed, not OpenAI's.",
    ("type", "is null"): "The stand-in takes null for absent everywhere; no page says it of Claude.",
    ("required", "content is missing"): "A system or developer turn without content is an empty one to it.",
    ("role_order", "No turn is the user's"): "The stand-in answers a chat of the assistant's turns alone.",
    (
        "role_order",
        "A block of image",
    ): "Its engines see an assistant's image, but by Converse.",
    ("empty_content", "The user turn is empty"): "An empty text of an OpenAI-shaped turn is answered.",
    ("exclusive", "maxTokens and max_new_tokens"): "Two spellings of one number: it takes the first.",
    ("prefill", "trailing whitespace"): "White space at the end of a prefilled answer is not looked for.",
    ("converse_tools", "toolUse"): "Tool blocks in the turns are read; toolConfig is refused by both.",
}
"""Rules, with words of their findings, by which the check refuses bodies that the stand-in answers."""

STANDIN_ALONE = {
    "xtra": "A name that the page does not know: the stand-in's schemas are closed, the check warns.",
    "is blank": "White space alone in Nova's own body: the check warns, since no page forbids it.",
    "Too many input tokens": "Titan's 256 tokens are counted; the check only estimates tokens.",
}
"""Words of refusals by the stand-in of bodies in which the check finds no error."""


def check(one: Body, severity: str = "error") -> list[tuple[str, str]]:
    """The errors of a body, rule and finding; what is said of the model itself is no matter."""
    record = [("r1", one.body)]
    found = check_records(record, one.model_id, invocation_type=one.invocation_type, quotas=ONE)
    found = found[(found["severity"] == severity) & ~found["rule"].isin(["model_legacy", "model_ended"])]
    return list(zip(found["rule"], found["finding"], strict=True))


def refusal(one: Body) -> str:
    """What the stand-in says when it refuses a body; empty when it answers."""
    try:
        answer_record(one.model_id, one.invocation_type, one.body, ENGINE)
    except RecordError as error:
        return error.message
    return ""


def test_check_and_standin_refuse_the_same_bodies() -> None:
    used: set[Any] = set()
    disagreed = []
    for one in CORPUS:
        if bare_model_id(one.model_id) not in model_list():
            continue
        errors, said = check(one), refusal(one)
        if bool(errors) == bool(said):
            continue
        known = [[way for way in CHECK_ALONE if way[0] == rule and way[1] in found] for rule, found in errors]
        warned = check(one, "warning") if said else []
        known = known or [[words for words in STANDIN_ALONE if words in said and (warned or words != "xtra")]]
        used.update(*known)
        disagreed += [] if all(known) else [(one.model_id, errors, said, str(one.body)[:300])]
    assert not disagreed
    assert used == CHECK_ALONE.keys() | STANDIN_ALONE.keys(), "a difference that is no more"


@pytest.mark.parametrize("one", DOCUMENTED)
def test_what_aws_documents_is_taken_by_both(one: Body) -> None:
    assert (check(one), refusal(one)) == ([], "")


@pytest.mark.parametrize("one", PLANTED, ids=lambda one: one.case)
def test_what_the_service_refuses_is_predicted_and_refused(one: Planted) -> None:
    found = check_records(
        [("r1", one.body)], one.model_id, invocation_type=one.invocation_type, quotas=ONE
    ).errors
    said = refusal(Body(one.model_id, one.invocation_type, one.body))
    assert (one.rule in set(found["rule"])) == bool(one.rule) and bool(said) == bool(one.rule)
    assert one.path in "".join(found["finding"])


def test_a_job_ends_with_the_errors_that_were_predicted(standin: Standin) -> None:
    """All records of one model in one real job, sound ones and every judged schema between them."""
    model_id = "us.anthropic.claude-sonnet-4-6"
    own = [one for one in PLANTED if one.model_id == model_id and one.invocation_type == "InvokeModel"]
    bodies = {one.case: one.body for one in own} | {
        f"sound {n}": claude(system=f"Call {n}.") for n in range(100)
    }
    forms = {one.case: {"format": {"type": "json_schema", "schema": one.schema}} for one in JUDGED}
    bodies |= {case: claude(output_config=form) for case, form in forms.items()}
    lines = (json.dumps({"recordId": case, "modelInput": body}) for case, body in bodies.items())
    job = wait_for(
        standin, create(standin, put(standin, "planted.jsonl", "\n".join(lines)), modelId=model_id)
    )
    refused = {record["recordId"] for record in output_records(standin, job) if "error" in record}
    assert refused == {case for case, body in bodies.items() if check(Body(model_id, "InvokeModel", body))}
    assert refused == {one.case for one in (*own, *JUDGED) if one.rule} and job["status"] == "Completed"


def test_planted_bodies_rest_on_replies_of_the_service_and_reports() -> None:
    wrong = [one for one in PLANTED if one.rule]
    dated = [one for one in wrong if one.source.startswith("https://") and one.date >= "2023"]
    assert len(wrong) >= 60 and len(dated) >= 30
    assert all(one.date and one.source for one in PLANTED if one.said)


QWEN = "qwen.qwen3-32b-v1:0"
SAID = {"messages": [{"role": "user", "content": "Which call?"}], "max_tokens": 64}
TURNS = {"messages": [{"role": "user", "content": [{"text": "Which call?"}]}]}


def forms(schema: dict[str, Any]) -> dict[str, Body]:
    """Every way in which a body holds a model to a schema; those of Claude first."""
    sonnet = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    form = {"type": "json_schema", "schema": schema}
    text = {"structure": {"jsonSchema": {"schema": json.dumps(schema)}}, "type": "json_schema"}
    function = {"name": "save", "strict": True, "parameters": schema}
    spec = {"name": "save", "strict": True, "inputSchema": {"json": schema}}
    named = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    tools = [{"name": "save", "strict": True, "input_schema": schema}]
    return {
        "output_config": of_sonnet(output_config={"format": form}),
        "output_format": of_sonnet(output_format=form),
        "Converse": Body(sonnet, "Converse", TURNS | {"outputConfig": {"textFormat": text}}),
        "tools": of_sonnet(tools=tools),
        "Converse of another": Body(QWEN, "Converse", TURNS | {"outputConfig": {"textFormat": text}}),
        "response_format": Body(QWEN, "InvokeModel", SAID | {"response_format": named}),
        "functions": Body(
            QWEN, "InvokeModel", SAID | {"tools": [{"type": "function", "function": function}]}
        ),
        "toolConfig": Body(NOVA, "InvokeModel", TURNS | {"toolConfig": {"tools": [{"toolSpec": spec}]}}),
    }


@pytest.mark.parametrize("one", JUDGED, ids=lambda one: one.case)
def test_a_schema_is_judged_as_the_service_does_by_check_and_standin_alike(one: Judged) -> None:
    for form, body in forms(one.schema).items():
        rules, said = {rule for rule, _ in check(body)}, refusal(body)
        assert bool(rules) == bool(said), (form, rules, said)
        if "sonnet" in body.model_id:
            assert rules == ({one.rule} if one.rule else set()), form


SHAPES = ["type", "required", "enum", "items", "properties", "minimum", "anyOf", "multipleOf", "minLength",
          "uniqueItems", "title", "dependentRequired", "not"]  # fmt: skip
ODD: Any = st.recursive(
    st.sampled_from(["string", "strng", "a", 0, -1, 1.5, 2.0, True, False, None]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "type", "items"]), inner, max_size=2)
    ),
    max_leaves=3,
)


@given(st.dictionaries(st.sampled_from(SHAPES), ODD, max_size=2))
@settings(max_examples=150, deadline=None)
def test_what_is_no_json_schema_is_what_jsonschema_says_is_none(words: dict[str, Any]) -> None:
    """In a tool that is not strict, by check and stand-in alike."""
    document = {**words, "type": "object", "properties": {"a": words}}
    wrong = not Draft202012Validator(Draft202012Validator.META_SCHEMA).is_valid(document)
    of_claude = of_sonnet(tools=[{"name": "save", "input_schema": document}])
    spec = {"name": "save", "inputSchema": {"json": document}}
    of_nova = Body(NOVA, "InvokeModel", TURNS | {"toolConfig": {"tools": [{"toolSpec": spec}]}})
    for body in [of_nova, *[of_claude] * ("anyOf" not in words)]:
        assert {rule for rule, _ in check(body)} == ({"schema_refused"} if wrong else set())
        assert bool(refusal(body)) == wrong, refusal(body)


def test_verdicts_on_schemas_rest_on_aws_and_reports() -> None:
    sourced = [one for one in JUDGED if one.source.startswith("https://") and one.date >= "2026"]
    assert len(JUDGED) >= 30 and len(sourced) >= 24
    assert sum("docs.aws.amazon.com" in one.source for one in sourced) >= 12
    assert {bool(one.rule) for one in sourced} == {True, False}
