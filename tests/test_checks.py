"""Bodies: every rule fires on what breaks it and keeps silent beside it; correct bodies are left in peace."""

import ast
import base64
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore
import pandas as pd
import pytest
from bodies import BODIES, CASES, HAIKU_3, LITE, REPORTED, Case, Documented, Reported, check_records, claude
from botocore.loaders import Loader
from botocore.validate import ParamValidator
from hypothesis import given, settings, strategies as st
from images import MAKERS, image

import bbkit
from bbkit import aws
from bbkit.catalog.quotas import Quotas
from bbkit.checks import RULES
from bbkit.checks.bodies import BodyCheck
from bbkit.core.errors import FamilyError, InputError
from bbkit.core.files import read_data
from bbkit.core.findings import SEVERITIES, Finding
from bbkit.families import FAMILIES, family_of
from bbkit.families.json_schemas import schema_faults
from bbkit.records.tokens import estimate_tokens
from bbkit.run.values import check_values
from bbkit.standin import service_models

ONE = Quotas(min_records_per_job=1)
NEWER = "us.anthropic.claude-opus-9"
ABOUT_BODIES = set(list(RULES)[list(RULES).index("required") : list(RULES).index("no_records")])


@pytest.fixture(autouse=True)
def no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)


def check_body(body: Any, model_id: str, invocation_type: str = "InvokeModel") -> pd.DataFrame:
    found = check_records([("r1", body)], model_id, invocation_type=invocation_type, quotas=ONE)
    for rule, severity in zip(found["rule"], found["severity"], strict=True):
        assert severity in RULES[rule]["severity"]
    return found


@pytest.mark.parametrize("one", BODIES, ids=lambda one: f"{one.family}: {one.variety}")
def test_a_correct_body_has_no_finding(one: Documented) -> None:
    found = check_body(one.body, one.model_id, one.invocation_type)
    assert found.empty, found[["rule", "finding"]].to_dict("records")
    assert one.url.startswith(("https://docs.aws.amazon.com/", "https://platform.claude.com/")) and one.date


def test_every_written_family_has_ten_correct_bodies() -> None:
    counts = Counter(one.family for one in BODIES)
    assert {name for name, family in FAMILIES.items() if family.writable} == set(counts)
    assert min(counts.values()) >= 10
    assert len({(one.family, one.variety) for one in BODIES}) == len(BODIES)


@pytest.mark.parametrize(
    "one", [one for one in BODIES if one.family == "converse"], ids=lambda one: one.variety
)
def test_converse_bodies_pass_botocores_own_validator(one: Documented) -> None:
    report = ParamValidator().validate({"modelId": one.model_id, **one.body}, aws.converse_input_shape())
    assert not report.has_errors(), report.generate_report()


def test_an_older_botocore_changes_nothing_of_converse(monkeypatch: pytest.MonkeyPatch) -> None:
    described = Loader().load_service_model("bedrock-runtime", "service-2")
    dated = read_data("converse_request")
    if botocore.__version__ == dated["botocore"]:
        for name, shape in dated["shapes"].items():
            assert shape.items() <= described["shapes"][name].items() or "members" in shape, name
            assert [*shape.get("members", ())] == [*described["shapes"][name].get("members", ())]
    older = described["shapes"] | {"ConverseRequest": {"type": "structure", "members": {}}}
    monkeypatch.setattr(Loader, "load_service_model", lambda *_: {"metadata": {}, "shapes": older})
    monkeypatch.setattr(botocore, "__version__", "1.42.30")
    for shape in (
        aws.converse_input_shape.__wrapped__(),
        service_models.service_model.__wrapped__("bedrock-runtime").shape_for("ConverseRequest"),
    ):
        assert [*shape.members] == [*dated["shapes"]["ConverseRequest"]["members"]]
        assert "outputConfig" in shape.members


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule} {case.model_id}")
def test_a_rule_fires_and_its_near_miss_does_not(case: Case) -> None:
    broken = check_body(case.broken, case.model_id, case.invocation_type)
    assert case.rule in set(broken["rule"]), broken.to_dict("records")
    assert broken["finding"].str.len().min() > 10 and broken["remedy"].str.len().min() > 5
    near = check_body(case.near, case.model_id, case.invocation_type)
    assert near.empty, near[["rule", "finding"]].to_dict("records")


@pytest.mark.parametrize("one", REPORTED, ids=lambda one: one.case)
def test_a_reported_body_is_judged_as_its_source_says(one: Reported) -> None:
    family = family_of(one.model_id, invocation_type=one.invocation_type)
    faults = BodyCheck(family, one.model_id).faults(one.body, len(json.dumps(one.body)))
    found = check_body(one.body, one.model_id, one.invocation_type)
    told = set(zip(found["severity"], found["rule"], strict=True)) - {("warning", "model_not_listed")}
    assert one.source
    if one.expected == "silence":
        assert not faults and not told
    else:
        assert (one.expected, one.rule, one.path) in {(row.severity, row.rule, row.path) for row in faults}
        assert (one.expected, one.rule) in told


@pytest.mark.parametrize(
    ("model_id", "severities"),
    [("us.anthropic.claude-opus-4-7", ["error"]), ("us.anthropic.claude-opus-5", ["warning"]), (NEWER, [])],
)
def test_structured_output_is_judged_as_the_table_knows_it(model_id: str, severities: list[str]) -> None:
    schema = {"type": "object", "additionalProperties": False}
    found = check_body(claude(output_config={"format": {"type": "json_schema", "schema": schema}}), model_id)
    assert found.query("rule == 'structured_output'")["severity"].tolist() == severities


CODER = {"type": "code_execution_20250825", "name": "code_execution"}


@pytest.mark.parametrize(
    ("members", "severity", "rule"),
    [
        ({"thinking": {"type": "later"}}, "warning", "thinking_conflict"),
        ({"output_config": {"effort": "utmost"}}, "warning", "effort_refused"),
        ({"tool_choice": {"type": "some"}, "tools": [{"type": "later", "name": "l"}]}, "warning", "value"),
        ({"later": 1}, "warning", "unknown_name"),
        ({"tools": [CODER]}, "warning", "tool_type"),
        ({"tools": [{"type": "later_20270101", "name": "later"}]}, "", ""),
        ({"temperature": 0.5, "top_p": 0.9, "max_tokens": 900_000}, "", ""),
        (
            {"max_tokens": 10, "thinking": {"type": "enabled", "budget_tokens": 1024}},
            "error",
            "thinking_budget",
        ),
        ({"modelId": "x"}, "error", "known_mistake"),
        ({"temperature": "hot"}, "error", "type"),
    ],
)
def test_of_a_model_newer_than_the_table_nothing_is_asserted(
    members: dict[str, Any], severity: str, rule: str
) -> None:
    found = check_body(claude(**members), NEWER).query("rule != 'model_not_listed'")
    expected = [(severity, rule)] if rule else []
    assert list(zip(found["severity"], found["rule"], strict=True)) == expected


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_schema_of_any_depth_is_read_by_its_words_alone(data: st.DataObject) -> None:
    words = st.sampled_from(["minimum", "maxLength", "items", "object", "properties"])
    leaf = st.sampled_from(["integer", "string", "null"]).map(lambda kind: {"type": kind})
    schema = data.draw(
        st.recursive(
            leaf,
            lambda inner: (
                st.dictionaries(words, inner, min_size=1, max_size=3).map(
                    lambda properties: {
                        "type": "object",
                        "properties": properties,
                        "additionalProperties": False,
                    }
                )
                | inner.map(lambda items: {"type": "array", "items": items})
                | st.lists(inner, min_size=1, max_size=2).map(lambda several: {"anyOf": several})
            ),
            max_leaves=8,
        )
    )
    assert list(schema_faults(schema, "schema")) == []
    objects = [schema]
    for one in objects:
        objects += [*one.get("properties", {}).values(), *one.get("anyOf", [])]
        objects += [one["items"]] if "items" in one else []
    broken = data.draw(st.sampled_from(objects))
    broken["maxItems"] = 3
    (fault,) = schema_faults(schema, "schema")
    assert "maxItems" in fault.finding and fault.rule == "schema_refused"


REFERENCE, TEXTS = read_data("findings"), read_data("texts")
RULE_AT = {"Finding": 1, "fault": 1, "Mistake": 1, "error_at": 1} | dict.fromkeys(
    ["not_seen", "_finding", "_add", "check_quota"], 0
)
WORDED = ("make_finding", "said", "_fault", "findings_on")
"""What makes a finding of a text of the table."""


def rules_in(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Every rule that is written where a finding is made, with its severity where that is written too."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            name = getattr(call.func, "id", "") or getattr(call.func, "attr", "")
            given = [one.value if isinstance(one, ast.Constant) else "" for one in call.args]
            at = RULE_AT.get(name, len(given))
            for rule in given[at : at + 1]:
                if isinstance(rule, str) and rule:
                    yield rule, given[at - 1] if at and given[at - 1] in SEVERITIES else ""


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects_in(inner)


def test_every_rule_is_in_the_reference() -> None:
    listed: dict[str, set[str]] = {}
    for rules in REFERENCE.values():
        for rule, about in rules.items():
            assert about["severity"] and set(about["severity"]) <= set(SEVERITIES)
            assert about["meaning"].endswith(".") and about["remedy"].endswith((".", "..."))
            listed.setdefault(rule, set()).update(about["severity"])
    root = Path(bbkit.__file__).parent
    written = {
        found
        for path in root.rglob("*.py") if "standin" not in path.parts
        for found in rules_in(ast.parse(path.read_text(encoding="utf-8")))
    }  # fmt: skip
    written |= {(text.partition(".")[0], said["severity"]) for text, said in TEXTS.items() if text[0] != "."}
    written |= {(str(one["rule"]), "") for one in objects_in(read_data("families")) if "rule" in one}
    assert len({rule for rule, _ in written}) > 75
    for rule, severity in written:
        assert rule in listed, rule
        assert not severity or severity in listed[rule], (rule, severity)


def test_every_text_of_a_finding_is_made_and_every_one_made_is_there() -> None:
    files = [path for path in Path(bbkit.__file__).parent.rglob("*.py") if "standin" not in path.parts]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    words = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    calls = [node for node in nodes if isinstance(node, ast.Call) and node.args]
    made = [call.args[0] for call in calls if getattr(call.func, "id", "") in WORDED]
    rules = {text.partition(".")[0] for text in TEXTS}
    named = {one.value for one in made if isinstance(one, ast.Constant)}
    assert len(named) > 50 and named <= TEXTS.keys()
    begun = tuple(word for word in words if len(word) > 1 and word[:-1] in rules and word[-1] == ".")
    assert not [text for text in TEXTS.keys() - words if not text.startswith(begun)]


def test_every_rule_about_bodies_is_tested() -> None:
    assert ABOUT_BODIES - {case.rule for case in CASES} == {"context_window", "media_place"}


def test_all_faults_of_a_record_are_reported_at_once() -> None:
    body = {"max_tokens": 0, "temperature": 3, "messages": [{"role": "user"}], "modelId": "x", "sytem": "y"}
    found = check_body({"anthropic_version": "bedrock-2023-05-31", **body}, HAIKU_3)
    assert Counter(found["rule"]) == Counter(["range", "range", "required", "known_mistake", "unknown_name"])
    assert found.loc[found["rule"] == "unknown_name", "severity"].tolist() == ["error"]
    assert "'system'" in found.loc[found["rule"] == "unknown_name", "remedy"].item()


def test_a_fault_is_reported_once() -> None:
    empty = {"messages": [{"role": "user", "content": [{"text": ""}]}]}
    for kind in ("InvokeModel", "Converse"):
        assert check_body(empty, LITE, kind)["rule"].tolist() == ["empty_content"]
    enabled = check_body(claude(thinking={"type": "enabled"}), "us.anthropic.claude-opus-5")
    assert enabled["rule"].tolist() == ["thinking_conflict"] and "adaptive" in enabled["remedy"].item()


def test_the_wrong_family_is_one_finding_that_names_both() -> None:
    found = check_body(claude(), LITE)
    assert len(found) == 1
    assert "Anthropic Messages" in found["finding"][0] and "Amazon Nova" in found["finding"][0]


def test_alike_findings_are_one_row_with_a_count_and_three_examples() -> None:
    records = [(f"r{number}", claude(temperature=2 + number)) for number in range(5000)]
    found = check_records(records, HAIKU_3)
    assert len(found) == 1
    row = found.iloc[0]
    assert (row["count"], row["line"], row["record_id"]) == (5000, 1, "r0")
    assert "'r0' (line 1), 'r1' (line 2), 'r2' (line 3) and 4,997 more" in row["finding"]


def test_findings_do_not_grow_with_the_records() -> None:
    records = [(f"r{number}", claude(**{f"name{number}": 1})) for number in range(3000)]
    found = check_records(records, HAIKU_3)
    assert found["count"].tolist() == [1, 1, 1, 2997]
    assert (
        "Others like it in 'r3' (line 4), 'r4' (line 5), 'r5' (line 6) and 2,994 more" in found["finding"][3]
    )
    usual = [(f"u{number}", claude(usual=1)) for number in range(50)]
    assert check_records(usual + records, HAIKU_3)["count"].tolist() == [50, 1, 1, 1, 2997]


# --- frames, iterators, ids --------------------------------------------------------------------------------


def test_frames_iterators_of_frames_and_pairs_are_checked_alike() -> None:
    rows = [(f"r{number}", claude(temperature=2) if number == 150 else claude()) for number in range(200)]
    frame = pd.DataFrame(rows, columns=["record_id", "model_input"])
    whole = check_records(frame, HAIKU_3)
    assert (whole["line"].item(), whole["record_id"].item()) == (151, "r150")
    for other in (rows, iter(rows), [frame[:90], frame[90:]]):
        pd.testing.assert_frame_equal(pd.DataFrame(check_records(other, HAIKU_3)), pd.DataFrame(whole))


def test_no_records_and_too_few() -> None:
    assert check_records([], LITE)["rule"].tolist() == ["no_records"]
    found = check_records([("r1", {"messages": [{"role": "user", "content": [{"text": "x"}]}]})], LITE)
    assert found["rule"].tolist() == ["min_records_per_job"]
    assert (
        "1 record for amazon.nova-lite-v1:0; a batch job takes at least 100 (AWS default quota"
        in found["finding"][0]
    )


@pytest.mark.parametrize(
    ("record_id", "rule", "severity"),
    [
        (None, "record_id_missing", "warning"),
        (pd.NA, "record_id_missing", "warning"),
        (float("nan"), "record_id_missing", "warning"),
        ("  ", "record_id_missing", "error"),
        (7, "record_id_type", "error"),
        (True, "record_id_type", "error"),
    ],
)
def test_record_ids_are_strings(record_id: Any, rule: str, severity: str) -> None:
    frame = pd.DataFrame({"record_id": pd.Series([record_id], dtype=object), "model_input": [claude()]})
    found = check_records(frame, HAIKU_3, quotas=ONE)
    assert found[["rule", "severity"]].to_numpy().tolist() == [[rule, severity]]
    frame["record_id"] = ["0"]
    assert check_records(frame, HAIKU_3, quotas=ONE).empty


def test_duplicate_ids_are_named_with_how_often() -> None:
    ids = ["a", "b", "a", "c", "a", "b", "d"]
    found = check_records([(one, claude()) for one in ids], HAIKU_3, quotas=ONE)
    assert found["rule"].tolist() == ["record_id_duplicate"]
    assert "'a' occurs 3 times (also 'b')" in found["finding"][0]
    assert (found["line"][0], found["count"][0]) == (3, 3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=300), st.integers(1, 50))
def test_duplicates_are_counted_whatever_the_chunks(numbers: list[int], chunk: int) -> None:
    from bbkit.checks import records

    before, records._CHUNK = records._CHUNK, chunk
    try:
        seen = records.Duplicates()
        for line, number in enumerate(numbers, 1):
            seen.add(f"id {number}", line)
        seen.flush()
    finally:
        records._CHUNK = before
    expected = {f"id {number}": times for number, times in Counter(numbers).items() if times > 1}
    assert seen.times == expected
    assert seen.count == sum(expected.values()) - len(expected)


def test_what_json_cannot_hold_is_found_in_memory() -> None:
    for odd, rule in (("\ud800", "lone_surrogate"), (object(), "not_json"), (b"\xff", None)):
        body = {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 5,
            "messages": [{"role": "user", "content": odd}],
        }
        if rule:
            assert rule in check_body(body, HAIKU_3)["rule"].tolist()
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    assert check_body(claude(metadata={"x": deep}), HAIKU_3)["rule"].tolist() == ["too_deep"]


def test_a_body_that_is_no_object() -> None:
    for body in ("text", [1], None, 5):
        assert check_body(body, HAIKU_3)["rule"].tolist() == ["model_input_type"]


def test_a_record_larger_than_a_file_is_an_error_and_many_records_are_not() -> None:
    small = Quotas(min_records_per_job=1, max_records_per_job=2, max_records_per_file=2, max_file_bytes=400)
    records = [(f"r{number}", claude()) for number in range(5)]
    assert check_records(records, HAIKU_3, quotas=small).empty
    found = check_records([*records, ("big", claude(system="x" * 400))], HAIKU_3, quotas=small)
    assert found[["rule", "record_id"]].to_numpy().tolist() == [["record_bytes", "big"]]


def test_half_of_a_surrogate_pair_is_a_finding_wherever_it_stands(tmp_path: Path) -> None:
    body = claude()
    turn = {"role": "\ud800", "content": [{"type": "text", "text": "x"}]}
    records = {
        "id": {"recordId": "x\ud800", "modelInput": body},
        "role": {"recordId": "r1", "modelInput": body | {"messages": [turn]}},
        "key": {"recordId": "r1", "modelInput": body | {"\ud800k": 1}},
        "beside": {"recordId": "r1", "modelInput": body, "\ud800": 1},
    }
    path = tmp_path / "in.jsonl"
    for record in records.values():
        path.write_text(json.dumps(record) + "\n")
        for place in (path, [record]):
            found = check_records(place, HAIKU_3, quotas=ONE)
            assert place is not path or "lone_surrogate" in set(found["rule"])
            assert "\ud800" not in found.to_text()
    found = check_records([("x\ud800", body)], HAIKU_3, quotas=ONE)
    assert (found["rule"].item(), found["record_id"].item()) == ("lone_surrogate", "x\\ud800")


def test_lines_in_memory_are_checked_as_pairs_are() -> None:
    pairs = [("a", claude()), (None, claude()), ("a", claude(temperature=7))]
    lines = [{"recordId": record_id, "modelInput": body} for record_id, body in pairs]
    del lines[1]["recordId"]
    found = check_records(lines, HAIKU_3, quotas=ONE)
    assert set(found["rule"]) == {"record_id_missing", "record_id_duplicate", "range"}
    pd.testing.assert_frame_equal(found, check_records(pairs, HAIKU_3, quotas=ONE))


@pytest.mark.parametrize(
    ("records", "named"),
    [
        (None, "is of type NoneType"),
        (7, "is of type int"),
        ([("a", {}, 1)], "Item 1 of the records is of type tuple with 3 members"),
        ([("a", {}), {"recordId": "b"}], "Item 2 of the records is of type dict, without modelInput"),
        ({"recordId": "b", "modelInput": {}}, "Item 1 of the records is of type str"),
        ([1], "Item 1 of the records is of type int"),
    ],
)
def test_what_holds_no_records_is_said(records: Any, named: str) -> None:
    for use in (check_records, estimate_tokens):
        with pytest.raises(InputError, match=named):
            use(records, LITE)


def test_a_family_that_batch_does_not_offer() -> None:
    found = check_records([("r1", {"inputText": "x"})], "amazon.titan-text-express-v1", quotas=ONE)
    assert set(found["rule"]) == {"family_not_offered", "model_not_listed"}


def test_bad_use_is_an_error_not_a_finding() -> None:
    with pytest.raises(FamilyError, match="family="):
        check_records([], "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abcdefghijkl")
    with pytest.raises(InputError, match="Converse"):
        check_records([], LITE, invocation_type="converse")
    with pytest.raises(InputError, match="model_input"):
        check_records(pd.DataFrame({"record_id": ["a"]}), LITE)
    with pytest.raises(InputError, match="int"):
        check_records([1], LITE)


HIDDEN = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abcdefghijkl"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule} {case.model_id}")
def test_the_rules_of_the_model_behind_an_id_are_applied(case: Case) -> None:
    def rows(model_id: str, body: Any, **options: Any) -> list[dict[str, Any]]:
        found = check_records(
            [("r1", body)], model_id, invocation_type=case.invocation_type, quotas=ONE, **options
        )
        return found.to_dict("records")

    for body in (case.broken, case.near):
        assert rows(HIDDEN, body, model=case.model_id) == rows(case.model_id, body)


@pytest.mark.filterwarnings("ignore:max_tokens is 8,192")
def test_a_family_alone_leaves_what_differs_by_model_unchecked_and_says_so() -> None:
    both = [("r1", claude(temperature=0.5, top_p=0.5))]
    found = check_records(both, HIDDEN, family="anthropic", quotas=ONE)
    assert found[["severity", "rule"]].to_numpy().tolist() == [["warning", "model_not_told"]]
    assert "output maximum" in found["finding"].iloc[0] and "model=" in found["remedy"].iloc[0]
    found = check_records(both, HIDDEN, model="us.anthropic.claude-haiku-4-5-20251001-v1:0", quotas=ONE)
    assert set(found["severity"]) == {"error"}
    for model_id, model in ((HIDDEN, HIDDEN), (LITE, "amazon.nova-pro-v1:0")):
        with pytest.raises(InputError, match="model"):
            check_records(both, model_id, model=model, quotas=ONE)
    assert check_records(both, HAIKU_3, model=HAIKU_3, quotas=ONE).empty
    rows = pd.DataFrame({"t": ["a"]})
    for model in (
        LITE,
        "us.anthropic.claude-opus-5",
        "meta.llama3-3-70b-instruct-v1:0",
        "amazon.titan-embed-text-v2:0",
    ):
        hidden = bbkit.build_records(rows, HIDDEN, prompt="{t}", model=model)
        pd.testing.assert_frame_equal(hidden, bbkit.build_records(rows, model, prompt="{t}"))


def test_the_model_is_checked_in_the_region_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    record = [("r1", {"messages": [{"role": "user", "content": [{"text": "x"}]}]})]
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert check_records(record, "amazon.nova-2-lite-v1:0", quotas=ONE)["rule"].tolist() == ["model_profile"]
    assert check_records(record, "us.amazon.nova-2-lite-v1:0", quotas=ONE).empty


def test_an_input_longer_than_the_window_is_estimated() -> None:
    small = "mistral.mistral-small-2402-v1:0"
    word = "conversation "
    found = check_body({"prompt": word * 60_000}, small)
    assert found[["rule", "severity"]].to_numpy().tolist() == [["context_window", "error"]]
    assert "an estimate" in found["finding"][0] and "32,000" in found["finding"][0]
    assert check_body({"prompt": word * 10_000}, small).empty
    long = claude(messages=[{"role": "user", "content": word * 300_000}])
    assert check_body(long, HAIKU_3)["rule"].tolist() == ["context_window"]
    assert check_body({**long, "anthropic_beta": ["context-1m-2025-08-07"]}, HAIKU_3)["rule"].tolist() == [
        "context_window"
    ]


# --- what decides speed never decides a finding ------------------------------------------------------------

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2000) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)


def list_places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        found += list_places(item, (*path, name))
    return found


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(BODIES), st.integers(0, 200), st.one_of(st.just(...), JSON_VALUES))
def test_the_fast_way_finds_what_the_slow_way_finds(one: Documented, position: int, value: Any) -> None:
    from bbkit.checks.bodies import BodyCheck
    from bbkit.families import family_of

    body = json.loads(json.dumps(one.body))
    places = list_places(body)
    path = places[position % len(places)]
    holder = body
    for part in path[:-1]:
        holder = holder[part]
    if value is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    check = BodyCheck(family_of(one.model_id, invocation_type=one.invocation_type), one.model_id)
    fast = check.faults(body)
    check.type = None
    slow = check.faults(body)
    assert sorted(fast) == sorted(slow)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(BODIES), JSON_VALUES)
def test_no_body_is_too_odd_to_be_checked(one: Documented, body: Any) -> None:
    found = check_body(body, one.model_id, one.invocation_type)
    assert set(found["rule"]) <= set(RULES)


# --- names and places --------------------------------------------------------------------------------------


ARNS = {
    "role_arn": "arn:aws:iam::111122223333:role/service/Batch",
    "kms_key_arn": "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555",
}
MORE = [
    ("kms_key_arn", "alias/batch"),
    ("kms_key_arn", "11111111-2222-3333-4444-555555555555"),
    ("role_arn", "arn:aws-us-gov:iam::111122223333:role/x"),
]


def value_faults(uri: str = "s3://bkt", **arns: str) -> list[Finding]:
    role_arn, key = ({**ARNS, **arns}[name] for name in ARNS)
    run: Any = SimpleNamespace(
        s3_uri=uri or "s3", s3_prefix=uri, role_arn=role_arn, invocation_type="InvokeModel",
        job_options={"kms_key_id": key},
    )  # fmt: skip
    return list(check_values(run))


def test_a_document_of_text_counts_towards_the_window() -> None:
    words = "harbour " * 300_000
    data = base64.b64encode(words.encode()).decode()
    source = {"type": "text", "media_type": "text/plain", "data": words}
    turn = {"role": "user", "content": [{"type": "document", "source": source}]}
    document = {"document": {"name": "plan", "format": "txt", "source": {"bytes": data}}}
    asked = {"messages": [{"role": "user", "content": [document, {"text": "Sum up."}]}]}
    model_id = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    for body, kind in ((claude(messages=[turn]), "InvokeModel"), (asked, "Converse")):
        assert check_body(body, model_id, kind)["rule"].tolist() == ["context_window"]


@pytest.mark.parametrize(
    "uri",
    ["s3://bkt", "s3://bkt/", "s3://bkt/in/run-1/", "s3://a.b-c/x_(1)!*'.jsonl", "s3://bkt/" + "k" * 1000],
)
def test_places_that_fit(uri: str) -> None:
    assert not value_faults(uri)


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        ("s3://bkt/dt=2026-01-01/", "'='"),
        ("s3://bkt/a b/", "' '"),
        ("s3://bkt/a+b", "'+'"),
        ("s3://bkt/a@b:c", "'@', ':'"),
        ("s3://bkt/a//b", "//"),
        ("s3://bkt/é", "'é'"),
        ("s3://Bkt/a", "Bkt"),
        ("s3://b/a", "'b'"),
        ("https://bkt/a", "s3://"),
        ("s3://bkt/" + "k" * 1100, "1,024"),
        ("", "s3://"),
    ],
)
def test_places_that_do_not(uri: str, named: str) -> None:
    (found,) = value_faults(uri)
    assert found.rule == "s3_uri" and named in found.finding + found.remedy


@pytest.mark.parametrize(("kind", "arn"), [*ARNS.items(), *MORE])
def test_arns_that_fit(kind: str, arn: str) -> None:
    assert not value_faults(**{kind: arn})
    (wrong,) = (wrong for other, wrong in ARNS.items() if other != kind)
    assert [row.rule for row in value_faults(**{kind: wrong})] == [kind]


def test_patterns_are_answered_at_once() -> None:
    assert value_faults("s3://bkt/" + "a/" * 400 + "=")


def test_a_number_that_is_not_finite_is_shown_as_such() -> None:
    found = check_body(claude(temperature=math.inf), HAIKU_3)
    assert found["rule"].tolist() == ["nan"]


# --- images ------------------------------------------------------------------------------------------------


def test_every_limit_of_images_has_a_dated_source() -> None:
    table = read_data("images")
    given = [one for limits in table["limits"].values() for one in limits.values()]
    assert {one["source"] for one in given} == table["sources"].keys()
    assert all(isinstance(one["value"], int) and one["value"] > 0 for one in given)
    assert all(
        one["url"].startswith("https://") and one["date"] > "2026" for one in table["sources"].values()
    )


@pytest.mark.parametrize("kind", MAKERS)
def test_the_size_of_an_image_is_read_in_every_format(kind: str) -> None:
    form = kind.partition(" ")[0]
    for width, height in ((8001, 1), (3, 8001), (8000, 8000)):
        source = {"type": "base64", "media_type": f"image/{form}", "data": image(kind, width, height)}
        body = claude(messages=[{"role": "user", "content": [{"type": "image", "source": source}]}])
        found = check_body(body, "us.anthropic.claude-sonnet-4-6")
        assert found["rule"].tolist() == ["image_size"] * (max(width, height) > 8000)
        if len(found):
            assert f"has {width:,} x {height:,} pixels; the model takes at most 8,000" in found["finding"][0]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([*MAKERS]), st.integers(0, 90), st.binary(max_size=60))
def test_an_image_that_is_cut_off_or_odd_invents_no_size(kind: str, kept: int, rest: bytes) -> None:
    data = base64.b64encode(base64.b64decode(image(kind))[:kept] + rest).decode() or "AAAA"
    source = {"type": "base64", "media_type": f"image/{kind.partition(' ')[0]}", "data": data}
    body = claude(messages=[{"role": "user", "content": [{"type": "image", "source": source}]}])
    assert set(check_body(body, HAIKU_3)["rule"]) <= {"media_format", "image_size"}


# --- lines made for other batches --------------------------------------------------------------------------


def test_lines_of_other_batches_are_one_finding_that_says_what_becomes_what(tmp_path: Path) -> None:
    call = {"method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-4o", "messages": []}}
    made = {"openai": call, "anthropic": {"params": {"model": "claude", "messages": []}}}
    for name, parts in made.items():
        path = tmp_path / f"{name}.jsonl"
        lines = (json.dumps({"custom_id": f"r{number}", **parts}) for number in range(120))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        found = check_records(path, "openai.gpt-oss-20b-1:0")
        assert found[["rule", "severity", "count"]].to_numpy().tolist() == [
            ["other_batch_line", "error", 120]
        ]
        body = "body" if name == "openai" else "params"
        assert f"custom_id to recordId and {body} to modelInput" in found["remedy"][0]
    assert "leave method, url out" in check_records(tmp_path / "openai.jsonl", HAIKU_3)["remedy"][0]


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        ("contract_2026_final", ""),
        ("call (1) [a]-b", ""),
        ("two  spaces", "'  '"),
        ("full\u3000width", "'\\u3000'"),
        ("tab\tbed", "'\\t'"),
        ("John's", '"\'"'),
        ("n.txt", "'.'"),
    ],
)
def test_names_of_documents(name: str, odd: str) -> None:
    document = {"name": name, "format": "txt", "source": {"bytes": "aGVsbG8="}}
    body = {"messages": [{"role": "user", "content": [{"text": "Read it."}, {"document": document}]}]}
    found = check_body(body, "us.anthropic.claude-sonnet-4-6", "Converse")
    assert found["rule"].tolist() == ["value"] * bool(odd)
    if odd:
        assert odd in found["finding"][0]


@pytest.mark.parametrize(
    ("model_id", "severity"),
    [
        ("qwen.qwen3-32b-v1:0", "error"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "error"),
        ("us.anthropic.claude-sonnet-4-6", "warning"),
        ("amazon.nova-lite-v1:0", "warning"),
        ("somebody.new-model-v1:0", "warning"),
    ],
)
def test_caching_is_an_error_where_the_model_is_known_to_have_none(model_id: str, severity: str) -> None:
    body = {"messages": [{"role": "user", "content": [{"text": "x"}, {"cachePoint": {"type": "default"}}]}]}
    found = check_body(body, model_id, "Converse").query("rule == 'prompt_caching'")
    assert found["severity"].tolist() == [severity]
    assert (model_id in found["finding"].item()) == (severity == "error")
