"""The check and the stand-in, written apart, judge bodies alike; where one has a rule that the other lacks,
it is listed here, with the reason.
"""

import json
from typing import Any, NamedTuple

import pytest
from bodies import BODIES, CASES, PLANTED, REPORTED, Planted, check_records, claude
from conftest import Standin
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


CORPUS = [
    *(Body(one.model_id, one.invocation_type, one.body) for one in BODIES),
    *(Body(one.model_id, one.invocation_type, body) for one in CASES for body in (one.broken, one.near)),
    *(Body(one.model_id, one.invocation_type, one.body) for one in (*PLANTED, *REPORTED)),
    *(Body(model_id, "InvokeModel", body) for model_id, body, _ in BAD),
    *(Body(NOVA, "Converse", body) for body, _ in BAD_CONVERSE),
    *(Body(model_id, kind, body) for model_id, kind, body, _ in GOOD),
]

CHECK_ALONE = {
    "nan": "JSON has no NaN: a record of a file cannot hold it, and the stand-in reads files.",
    "media_format": "The stand-in's engines look into no image.",
    "base64": "A data: URI without data is no image to the stand-in, and no engine asks for it.",
    "tool_pairing": "Only Claude's tools are followed through the turns; Nova's and OpenAI's are not.",
    "value": "Only Claude's tool_choice is compared with the tools that are offered.",
    "type": "The stand-in takes null for absent everywhere, AWS's pages say nothing of it.",
    "required": "The stand-in takes a system or developer turn without content as an empty one.",
    "role_order": "The stand-in answers an assistant's image, and a chat that ends in the system's turn.",
    "empty_content": "An empty text of an OpenAI-shaped turn is answered.",
    "exclusive": "Two spellings of one number: the stand-in takes the first.",
    "schema_refused": "The stand-in's engines take any schema of an answer; of tools it looks at the top.",
    "prefill": "White space at the end of a prefilled answer is not looked for.",
    "converse_tools": "Tool blocks in the turns are read; toolConfig is refused by both.",
}
"""Rules by which the check refuses a body of the corpus that the stand-in answers."""

STANDIN_ALONE = {
    "xtra": "A name that the page does not know: the stand-in's schemas are closed, the check warns.",
    "is blank": "White space alone in Nova's own body: the check warns, since no page forbids it.",
    "Too many input tokens": "Titan's 256 tokens are counted; the check only estimates tokens.",
}
"""Words of refusals by the stand-in of bodies in which the check finds no error."""


def check(one: Body) -> set[str]:
    """The rules by which the check refuses a body; what it says of the model itself is no matter."""
    record = [("r1", one.body)]
    found = check_records(record, one.model_id, invocation_type=one.invocation_type, quotas=ONE)
    return set(found.errors["rule"])


def refusal(one: Body) -> str:
    """What the stand-in says when it refuses a body; empty when it answers."""
    try:
        answer_record(one.model_id, one.invocation_type, one.body, ENGINE)
    except RecordError as error:
        return error.message
    return ""


def test_check_and_standin_refuse_the_same_bodies() -> None:
    used: set[str] = set()
    disagreed = []
    for one in CORPUS:
        if bare_model_id(one.model_id) not in model_list():
            continue
        rules, said = check(one), refusal(one)
        if rules and not said:
            used |= rules
            disagreed += [(one, rules)] if rules - CHECK_ALONE.keys() else []
        elif said and not rules:
            words = {word for word in STANDIN_ALONE if word in said}
            used |= words
            disagreed += [] if words else [(one, said)]
    assert not disagreed, [(one.model_id, why, str(one.body)[:300]) for one, why in disagreed]
    assert CHECK_ALONE.keys() | STANDIN_ALONE.keys() == used, "a difference that is no more"


@pytest.mark.parametrize("one", PLANTED, ids=lambda one: one.case)
def test_what_the_service_refuses_is_predicted_and_refused(one: Planted) -> None:
    found = check_records(
        [("r1", one.body)], one.model_id, invocation_type=one.invocation_type, quotas=ONE
    ).errors
    said = refusal(Body(one.model_id, one.invocation_type, one.body))
    assert (one.rule in set(found["rule"])) == bool(one.rule) and bool(said) == bool(one.rule)
    assert one.path in "".join(found["finding"])


def test_a_job_ends_with_the_errors_that_were_predicted(standin: Standin) -> None:
    """All records of one model in one real job, sound ones between them."""
    model_id = "us.anthropic.claude-sonnet-4-6"
    own = [one for one in PLANTED if one.model_id == model_id and one.invocation_type == "InvokeModel"]
    bodies = {one.case: one.body for one in own} | {
        f"sound {n}": claude(system=f"Call {n}.") for n in range(100)
    }
    lines = (json.dumps({"recordId": case, "modelInput": body}) for case, body in bodies.items())
    job = wait_for(
        standin, create(standin, put(standin, "planted.jsonl", "\n".join(lines)), modelId=model_id)
    )
    refused = {record["recordId"] for record in output_records(standin, job) if "error" in record}
    assert refused == {case for case, body in bodies.items() if check(Body(model_id, "InvokeModel", body))}
    assert refused == {one.case for one in own if one.rule} and job["status"] == "Completed"


def test_planted_bodies_rest_on_replies_of_the_service_and_reports() -> None:
    wrong = [one for one in PLANTED if one.rule]
    dated = [one for one in wrong if one.source.startswith("https://") and one.date >= "2023"]
    assert len(wrong) >= 60 and len(dated) >= 30
    assert all(one.date and one.source for one in PLANTED if one.said)
