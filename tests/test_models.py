"""The dated list of models: what it says of an id in a region, and that no id is rewritten."""

import datetime as dt
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bodies import REPORTED
from conftest import Standin

from bbkit import Quotas
from bbkit.catalog.models import check_model, profile_ids
from bbkit.catalog.prices import load_prices
from bbkit.catalog.refreshes import refresh_catalog
from bbkit.checks import check_records
from bbkit.cli import main
from bbkit.core.errors import InputError
from bbkit.core.files import read_data
from bbkit.families import (
    FAMILIES,
    Traits,
    bare_model_id,
    family_of,
    find_model,
    model_table,
    split_model_id,
)
from bbkit.families.traits import read_table
from bbkit.standin.errors import ServiceError
from bbkit.standin.models import destinations, resolve_model

AS_OF = dt.date(2026, 11, 29)
ACCOUNT = "arn:aws:bedrock:us-east-1:111122223333"
HIDDEN = f"{ACCOUNT}:application-inference-profile/abcdefghijkl"


TABLE = model_table().models
LISTED = [model_id for model_id, model in TABLE.items() if model.batch]


def test_the_list_is_dated_and_names_its_source() -> None:
    assert read_data("models")["source"].startswith("https://docs.aws.amazon.com/bedrock/")
    ids = [row["model_id"] for row in read_data("models")["models"]]
    assert len(ids) == len(set(ids)) == len(TABLE)
    assert len(LISTED) >= 67
    assert all(TABLE[one].single_region + TABLE[one].profile_source_regions for one in LISTED)


def test_every_value_of_the_table_has_a_source() -> None:
    for model in TABLE.values():
        known = {name for name in Traits.__struct_fields__ if getattr(model.traits, name) is not None}
        assert known == set(model.sources)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"samplers": {"value": "two", "source": "s"}}, "samplers"),
        ({"samplers": {"value": "one"}}, "source"),
        ({"samplers": {"value": "one", "source": "elsewhere"}}, "elsewhere"),
        ({"samplers": {"value": "one", "source": "s", "note": "x"}}, "note"),
        ({"sampler": {"value": "one", "source": "s"}}, "sampler"),
        ({"end_of_life": {"value": "soon", "source": "s"}}, "ISO8601|date"),
        ({"output_maximum": {"value": "64k", "source": "s"}}, "int"),
    ],
)
def test_a_table_that_is_not_in_order_is_refused(fault: dict[str, object], said: str) -> None:
    source = {"url": "https://example.com/page", "date": "2026-11"}
    row = {"model_id": "amazon.new-v1:0", "provider": "Amazon", "family": "nova", "batch": True}
    table = {
        "date": "2026-11-29",
        "source": source["url"],
        "sources": {"s": source},
        "beta_flags": {"value": [], "source": "s"},
        "geographies": {"value": {"us": ["us"]}, "source": "s"},
        "models": [row],
    }
    assert read_table(table).models["amazon.new-v1:0"].batch
    with pytest.raises((msgspec.ValidationError, InputError), match=said):
        read_table(table | {"models": [row | {"traits": fault}]})
    with pytest.raises(msgspec.ValidationError, match="date"):
        read_table(table | {"sources": {"s": source | {"date": "lately"}}})
    with pytest.raises(msgspec.ValidationError, match="regions"):
        read_table(table | {"models": [row | {"regions": ["us-east-1"]}]})


@pytest.mark.parametrize("model_id", LISTED)
def test_every_listed_model_has_a_written_family_that_its_id_tells(model_id: str) -> None:
    model = find_model(model_id)
    assert model is not None and family_of(model_id).name == model.family
    assert FAMILIES[model.family].writable


def test_context_windows_have_a_source_or_are_unknown() -> None:
    known = {one: model.traits.context_window for one, model in TABLE.items() if model.traits.context_window}
    assert 0 < len(known) < len(TABLE)
    assert all(1_000 <= tokens <= 10_000_000 for tokens in known.values())
    assert all(TABLE[one].sources["context_window"].startswith("https://") for one in known)


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        ("amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        ("eu.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        (f"{ACCOUNT}:inference-profile/us.anthropic.claude-opus-5", "anthropic.claude-opus-5"),
        (f"{ACCOUNT}:custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl", "amazon.nova-lite-v1:0"),
        (f"{ACCOUNT}:application-inference-profile/abcdefghijkl", None),
        ("amazon.nova-lite-v2:0", None),
        ("anthropic.claude-opus", None),
    ],
)
def test_a_model_is_found_by_any_id_that_names_it(model_id: str, expected: str | None) -> None:
    found = find_model(model_id)
    assert (found.model_id if found else None) == expected


@pytest.mark.parametrize(
    ("model_id", "geography", "bare"),
    [
        ("in.amazon.nova-lite-v1:0", "in", "amazon.nova-lite-v1:0"),
        ("us-gov.amazon.nova-lite-v1:0", "us-gov", "amazon.nova-lite-v1:0"),
        ("latam.anthropic.claude-opus-5", "latam", "anthropic.claude-opus-5"),
        (f"{ACCOUNT}:inference-profile/kr.zai.glm-4.7", "kr", "zai.glm-4.7"),
        ("us.newcomer.model-1", "us", "newcomer.model-1"),
        ("kr.newcomer.model-1", "", "kr.newcomer.model-1"),
        ("zai.glm-4.7", "", "zai.glm-4.7"),
        ("deepseek.v3.2", "", "deepseek.v3.2"),
    ],
)
def test_what_stands_before_a_known_provider_is_a_geography(model_id: str, geography: str, bare: str) -> None:
    assert split_model_id(model_id)[1:] == (geography, bare)


@pytest.mark.parametrize(
    ("model_id", "meant"),
    [
        ("openai.gpt-oss-120b", "Use openai.gpt-oss-120b-1:0: "),
        ("qwen.qwen3-32b", "Use qwen.qwen3-32b-v1:0: "),
        ("deepseek.v3.1", "Use deepseek.v3-v1:0: "),
        ("moonshotai.kimi-k2-thinking", "Use moonshot.kimi-k2-thinking: "),
        ("openai.gpt-oss-safeguard-20b-1:0", "It may be openai.gpt-oss-safeguard-20b that was meant."),
        ("us.anthropic.claude-sonnet-4.6", "It may be anthropic.claude-sonnet-4-6 that was meant."),
        ("acme.model-1", "See https://"),
    ],
)
def test_a_name_of_elsewhere_or_nearly_right_is_led_to_the_id(model_id: str, meant: str) -> None:
    (row,) = check_model(model_id, as_of=AS_OF)
    assert (row.severity, row.rule) == ("warning", "model_not_listed")
    assert row.remedy.startswith(meant)


def rules(model_id: str, region: str = "") -> list[tuple[str, str]]:
    return [(row.severity, row.rule) for row in check_model(model_id, region, as_of=AS_OF)]


@pytest.mark.parametrize(
    ("model_id", "region", "expected"),
    [
        ("amazon.nova-lite-v1:0", "us-east-1", []),
        ("us.amazon.nova-lite-v1:0", "us-east-1", []),
        ("amazon.nova-2-lite-v1:0", "us-east-1", [("error", "model_profile")]),
        ("amazon.nova-lite-v1:0", "eu-west-1", [("error", "model_profile")]),
        ("us.amazon.nova-2-lite-v1:0", "us-east-1", []),
        ("amazon.nova-lite-v1:0", "sa-east-1", [("warning", "model_region")]),
        ("us.deepseek.v3.2", "us-east-1", [("warning", "model_region")]),
        ("deepseek.v3.2", "us-east-1", []),
        ("amazon.nova-2-lite-v1:0", "", []),
        ("anthropic.claude-opus-9", "us-east-1", [("warning", "model_not_listed")]),
        ("amazon.titan-text-express-v1", "", [("error", "model_not_listed")]),
        (f"{ACCOUNT}:imported-model/abcdefghijkl", "us-east-1", [("error", "model_refused")]),
        (f"{ACCOUNT}:provisioned-model/abcdefghijkl", "us-east-1", [("error", "model_refused")]),
        (HIDDEN, "us-east-1", [("warning", "model_not_told")]),
        (f"{ACCOUNT}:custom-model-deployment/abcdefghijkl", "us-east-1", [("warning", "model_not_told")]),
        (f"{ACCOUNT}:custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl", "us-east-1", []),
        ("us.amazon.nova-lite-v1:0", "eu-west-1", [("warning", "model_region")]),
        ("eu.amazon.nova-lite-v1:0", "us-east-1", [("warning", "model_region")]),
        ("eu.amazon.nova-lite-v1:0", "eu-west-1", []),
        ("apac.amazon.nova-lite-v1:0", "ap-northeast-1", []),
        ("global.amazon.nova-2-lite-v1:0", "eu-central-1", []),
        (HIDDEN, "us-west-2", [("warning", "model_region"), ("warning", "model_not_told")]),
        (
            f"{ACCOUNT}:custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl",
            "us-west-2",
            [("warning", "model_region")],
        ),
        (f"{ACCOUNT}:inference-profile/us.amazon.nova-lite-v1:0", "us-west-2", [("warning", "model_region")]),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", "us-east-1", []),
        ("arn:aws:bedrock:::foundation-model/amazon.nova-lite-v1:0", "us-east-1", []),
    ],
)
def test_what_the_list_says_of_an_id(model_id: str, region: str, expected: list[tuple[str, str]]) -> None:
    assert rules(model_id, region) == expected


def test_the_model_behind_an_id_is_checked_under_its_own_name() -> None:
    def found(model: str, **options: Any) -> list[tuple[str, str]]:
        return [(row.severity, row.rule) for row in check_model(HIDDEN, "us-east-1", model=model, **options)]

    assert found("anthropic.claude-haiku-4-5-20251001-v1:0", as_of=AS_OF) == []
    assert found("us.anthropic.claude-opus-9", as_of=AS_OF) == [("warning", "model_not_listed")]
    ended = "anthropic.claude-3-5-haiku-20241022-v1:0"
    assert found(ended, as_of=AS_OF) == [("error", "model_ended")]
    # What AWS says now goes before the table, whose dates it may have moved.
    living = {"lifecycle": "active", "legacy_from": None, "end_of_life": None}
    assert found(ended, as_of=AS_OF, told=living) == []
    moved = {"lifecycle": "legacy", "legacy_from": dt.date(2026, 3, 1), "end_of_life": dt.date(2028, 1, 1)}
    assert found("acme.new-v1:0", as_of=dt.date(2027, 1, 1), told=moved)[-1] == ("warning", "model_legacy")
    *_, row = check_model("amazon.nova-lite-v1:0", as_of=dt.date(2028, 1, 2), told=moved)
    assert (row.severity, row.rule) == ("error", "model_ended")
    assert "2028-01-01 (GetFoundationModel, here and now)" in row.finding


def test_the_id_of_a_profile_is_offered_not_taken() -> None:
    (row,) = check_model("amazon.nova-2-lite-v1:0", "eu-central-1", as_of=AS_OF)
    assert "eu.amazon.nova-2-lite-v1:0 or global.amazon.nova-2-lite-v1:0" in row.remedy
    (row,) = check_model("us.amazon.nova-2-lite-v1:0", "eu-central-1", as_of=AS_OF)
    assert "eu.amazon.nova-2-lite-v1:0 or global.amazon.nova-2-lite-v1:0" in row.remedy
    assert "does not say which exist" in row.remedy
    assert profile_ids("amazon.nova-2-lite-v1:0", "ap-south-1")[0] == "apac.amazon.nova-2-lite-v1:0"
    assert profile_ids("deepseek.v3.2", "us-east-1") == []


ENDED = {
    "meta.llama3-2-1b-instruct-v1:0": "2026-07-07",
    "meta.llama3-2-3b-instruct-v1:0": "2026-07-07",
    "meta.llama3-2-11b-instruct-v1:0": "2026-07-07",
    "meta.llama3-2-90b-instruct-v1:0": "2026-07-07",
    "meta.llama3-1-405b-instruct-v1:0": "2026-07-07",
    "anthropic.claude-3-sonnet-20240229-v1:0": "2026-07-30",
    "anthropic.claude-3-5-sonnet-20240620-v1:0": "2026-07-30",
    "anthropic.claude-3-5-sonnet-20241022-v2:0": "2026-07-30",
    "anthropic.claude-3-5-haiku-20241022-v1:0": "2026-06-19",
    "anthropic.claude-3-haiku-20240307-v1:0": "2026-09-10",
    "amazon.nova-premier-v1:0": "2026-09-14",
    "anthropic.claude-sonnet-4-20250514-v1:0": "2026-10-14",
}
"""https://docs.aws.amazon.com/bedrock/latest/userguide/model-lifecycle-legacy.html"""


@pytest.mark.parametrize(("model_id", "date"), ENDED.items())
def test_a_model_past_its_end_is_an_error_that_names_the_date_and_a_living_model(
    model_id: str, date: str
) -> None:
    day = dt.date.fromisoformat(date)
    for name in (model_id, f"us.{model_id}", f"arn:aws:bedrock:us-east-1::foundation-model/{model_id}"):
        (row,) = check_model(name, as_of=day)
        assert (row.severity, row.rule) == ("error", "model_ended")
        assert date in row.finding and "https://docs.aws.amazon.com/" in row.finding
    assert all(row.rule == "model_legacy" for row in check_model(model_id, as_of=day - dt.timedelta(1)))
    assert list(check_model(model_id, as_of=dt.date(2024, 1, 1))) == []
    custom = f"{ACCOUNT}:custom-model/{model_id}/abcdefghijkl"
    assert list(check_model(custom, as_of=day)) == []


def test_fourteen_listed_models_had_ended_when_the_table_was_made() -> None:
    ended = {one for one in LISTED if (end := TABLE[one].traits.end_of_life) and end <= AS_OF}
    assert ended >= set(ENDED) and len(ended) == 14
    for model_id in ended:
        (row,) = check_model(model_id, as_of=AS_OF)
        heir = find_model(row.remedy.removeprefix("Use ").removesuffix("."))
        if "is legacy too" in row.remedy:
            heir = find_model(row.remedy.split()[-7])
        if TABLE[model_id].traits.successor:
            assert heir and heir.batch and heir.model_id not in ended, row.remedy
        else:
            assert "model-lifecycle" in row.remedy


def table_with(monkeypatch: pytest.MonkeyPatch, **models: dict[str, str]) -> None:
    """A table of 2026-11-29 that has these models alone, each with a trait or more."""
    source = {"url": "https://example.com/lives", "date": "2026-11"}
    rows = [
        {
            "model_id": f"amazon.nova-{name}-v1:0",
            "provider": "Amazon",
            "family": "nova",
            "batch": True,
            "profile_source_regions": ["us-east-1"],
            "traits": {trait: {"value": value, "source": "s"} for trait, value in traits.items()},
        }
        for name, traits in models.items()
    ]
    table = {"date": "2026-11-29", "source": source["url"], "sources": {"s": source}, "models": rows}
    none = {"value": [], "source": "s"}
    made = read_table(table | {"beta_flags": none, "geographies": none | {"value": {"us": ["us"]}}})
    for module in ("bbkit.families.traits", "bbkit.catalog.models"):
        monkeypatch.setattr(f"{module}.model_table", lambda: made)


def lives(name: str, as_of: str) -> list[tuple[str, str, str]]:
    found = check_model(f"us.amazon.nova-{name}-v1:0", as_of=dt.date.fromisoformat(as_of))
    return [(row.severity, row.rule, row.remedy) for row in found if row.rule != "catalog_old"]


def test_a_date_that_passed_after_the_table_was_made_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    lite = "us.amazon.nova-lite-v1:0"
    table_with(
        monkeypatch,
        micro={"legacy_from": "2026-10-01", "end_of_life": "2027-03-01", "successor": "amazon.nova-pro-v1:0"},
        pro={"end_of_life": "2026-12-31", "successor": "amazon.nova-lite-v1:0"},
        lite={"legacy_from": "2027-06-01", "successor": "amazon.nova-lite-v1:0"},
        premier={"end_of_life": "2026-11-29", "successor": "amazon.nova-premier-v1:0"},
    )
    assert lives("micro", "2026-09-30") == []
    assert lives("micro", "2026-10-01") == [("warning", "model_legacy", "Use us.amazon.nova-pro-v1:0.")]
    ((severity, rule, remedy),) = lives("micro", "2027-03-01")
    assert (severity, rule) == ("warning", "model_ended")
    assert "GetFoundationModel" in remedy and remedy.endswith(f"Use {lite}.")
    assert lives("lite", "2027-07-01")[0][1] == "model_legacy"
    assert lives("premier", "2026-11-28") == []
    ((severity, rule, remedy),) = lives("premier", "2026-11-29")
    assert (severity, rule) == ("error", "model_ended")
    assert "model-lifecycle" in remedy
    found = check_records([], lite, as_of=dt.date(2027, 7, 1))
    assert "model_legacy" in set(found["rule"])
    assert "model_legacy" not in set(check_records([], lite, as_of=AS_OF)["rule"])


def test_a_remedy_of_a_life_names_an_id_that_is_valid_where_the_old_one_was() -> None:
    """Every model that ended or is legacy, by every id it had in every region, and by none."""
    followed = []
    for model in (TABLE[one] for one in LISTED):
        ids = [(model.model_id, region) for region in ("", *model.single_region)]
        ids += [(f"{name}.{model.model_id}", "") for name in model.traits.geographies or ()]
        regions = model.profile_source_regions
        ids += [(one, region) for region in regions for one in profile_ids(model.model_id, region)]
        for old, region in ids:
            uses = [re.search(r"Use (\S+)\.$", row.remedy) for row in check_model(old, region, as_of=AS_OF)]
            for use in filter(None, uses):
                followed.append((old, region, use[1]))
                assert rules(use[1], region) == [], (old, region, use[1])
                geographies = [split_model_id(one)[1] for one in (old, use[1])]
                heir = find_model(use[1])
                exists = (heir and heir.profile_source_regions and heir.traits.geographies) or ()
                assert geographies[0] in ("", geographies[1]) or geographies[0] not in exists
    assert len(followed) > 200
    assert ("apac.anthropic.claude-3-sonnet-20240229-v1:0", "ap-northeast-1") in [one[:2] for one in followed]


PLACES = sorted(
    {*(region for one in LISTED for region in TABLE[one].profile_source_regions), "us-gov-west-1"}
)


def test_check_and_standin_know_the_same_profiles() -> None:
    names = ("us", "eu", "apac", "jp", "au", "ca", "us-gov", "global", "in")
    differ, taken = [], 0
    for model_id in LISTED:
        served = (*TABLE[model_id].single_region, *TABLE[model_id].profile_source_regions)
        for region in {*served} & {*PLACES}:
            for one in (model_id, *(f"{name}.{model_id}" for name in names)):
                found = [rule for _, rule in rules(one, region) if rule.startswith(("model_r", "model_p"))]
                try:
                    resolve_model(one, region, "111122223333", {})
                except ServiceError:
                    differ += [] if found else [(one, region)]
                else:
                    taken += 1
                    differ += [(one, region)] if found else []
    assert taken > 700 and differ == []


@pytest.mark.parametrize(
    ("model_id", "region", "expected"),
    [
        ("in.anthropic.claude-opus-5", "us-east-1", False),
        ("in.anthropic.claude-opus-5", "eu-west-1", False),
        ("in.anthropic.claude-opus-5", "ap-south-1", True),
        ("us.anthropic.claude-opus-5", "ca-central-1", True),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us-gov-west-1", False),
    ],
)
def test_a_profile_belongs_to_the_regions_of_its_geography(
    model_id: str, region: str, expected: bool
) -> None:
    assert (("warning", "model_region") not in rules(model_id, region)) == expected


def test_a_profile_leads_to_regions_of_its_own_geography_and_partition() -> None:
    sonnet = "anthropic.claude-sonnet-4-5-20250929-v1:0"
    for region in PLACES:
        for name in (*model_table().geographies.get(region, ()), "us"):
            others = destinations(f"{name}.{sonnet}", region)[1:]
            assert not [one for one in others if one.startswith("us-gov-") != (name == "us-gov")]


PROVIDERS = ("Amazon", "Anthropic", "Meta", "Mistral AI", "OpenAI", "Qwen")
NEEDED = ("lifecycle", "output_maximum", "context_window", "samplers")


def test_what_is_needed_of_living_models_is_known() -> None:
    living = [
        TABLE[one] for one in LISTED if not (end := TABLE[one].traits.end_of_life) or end > model_table().date
    ]
    written = [one for one in living if one.provider in PROVIDERS and "embed" not in one.family]
    unknown = {
        (one.model_id, name) for one in written for name in NEEDED if getattr(one.traits, name) is None
    }
    assert len(written) >= 36
    # 16K by their cards, where 128,000 was measured of gpt-oss, of which the card says the same.
    assert unknown == {(f"openai.gpt-oss-safeguard-{size}", "output_maximum") for size in ("20b", "120b")}
    assert len(unknown) <= 0.15 * len(written) * len(NEEDED)
    assert all(TABLE[heir].batch for one in TABLE.values() if one.batch and (heir := one.traits.successor))


ALTERED: list[tuple[str, str, object]] = [
    ("01", "samplers", "free"),
    ("02", "output_maximum", 100_000),
    ("02c", "output_maximum", 100_000),
    ("03", "effort", ["low", "medium", "high"]),
    ("03b", "effort", ["low", "high", "xhigh", "max"]),
    ("07a", "thinking", "on_request"),
    ("09", "forced_tools_with_thinking", False),
    ("14c", "caching", True),
    ("18", "context_window", 1_000_000),
    ("20", "prefill", True),
    ("50", "thinking", "on_request"),
    ("50c", "structured_output", True),
]


@pytest.mark.parametrize(("case", "trait", "value"), ALTERED)
def test_a_reported_body_is_judged_otherwise_where_its_value_is_altered(
    case: str, trait: str, value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = (one for one in REPORTED if one.case == case)
    model_id = bare_model_id(one.model_id)

    def judge() -> set[tuple[str, str]]:
        record = {"recordId": "1", "modelInput": one.body}
        found = check_records([record], one.model_id, invocation_type=one.invocation_type, as_of=AS_OF)
        of_job = found["rule"].isin(["model_ended", "model_legacy", "min_records_per_job"])
        return set(found[~of_job][["severity", "rule"]].itertuples(index=False, name=None))

    expected = (one.expected, one.rule)
    packaged = judge()
    assert expected in packaged or (one.expected == "silence" and not packaged)
    source = {"url": "https://example.com/altered", "date": "2026-11"}
    row = {"model_id": model_id, "traits": {trait: {"value": value, "source": "altered"}}}
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps({"models": {"sources": {"altered": source}, "models": [row]}}))
    monkeypatch.setenv("BBKIT_CATALOG", str(path))
    assert getattr(model_table().models[model_id].traits, trait) != getattr(TABLE[model_id].traits, trait)
    altered = judge()
    assert altered if one.expected == "silence" else expected not in altered


@pytest.mark.parametrize(("days", "old"), [(90, False), (91, True)])
def test_an_old_table_is_said_to_be_old(days: int, old: bool) -> None:
    day = model_table().date + dt.timedelta(days)
    found = list(check_model("amazon.nova-lite-v1:0", "us-east-1", as_of=day))
    assert [(row.severity, row.rule) for row in found] == ([("info", "catalog_old")] if old else [])
    assert all("bbkit catalog refresh" in row.remedy and f"{days} days" in row.finding for row in found)


def test_a_refreshed_catalog_lies_over_the_packaged_one(
    tmp_path: Path, standin: Standin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "catalog.json"
    assert main(["catalog", "refresh", "-o", str(path)]) == 0
    told = capsys.readouterr().out
    assert re.match(r"\d+ models, \d+ inference profiles, \d+ quotas of us-east-1 written to ", told)
    assert "\nThe prices could not be read: " in told and "pricing" in told
    assert "Try again" not in told
    monkeypatch.setenv("BBKIT_CATALOG", str(path))
    haiku = find_model("us.anthropic.claude-haiku-4-5-20251001-v1:0")
    packaged = TABLE["anthropic.claude-haiku-4-5-20251001-v1:0"]
    assert haiku and haiku.traits.samplers == packaged.traits.samplers
    assert haiku.traits.geographies == packaged.traits.geographies
    assert "ListFoundationModels" in haiku.sources["lifecycle"]
    assert haiku.traits.lifecycle == "active" and haiku.batch
    assert Quotas.defaults("amazon.nova-lite-v1:0").note.startswith("Service Quotas of this account")
    assert model_table().refreshed == dt.datetime.now(dt.UTC).date()
    assert load_prices().find("amazon.nova-lite-v1:0", "us-east-1").how == "listed"
    price = {"model_id": "amazon.nova-lite-v1:0", "places": ["us-east-1"], "batch": {"input": 1, "output": 2}}
    prices = {"date": "2026-11-29", "source": "AWS Price List", "prices": [price]}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"price_list": prices}))
    assert load_prices().find("amazon.nova-lite-v1:0", "us-east-1").input == 1


def own_catalog(path: Path, monkeypatch: pytest.MonkeyPatch, *rows: dict[str, Any]) -> None:
    """A catalog of one's own of models, refreshed after the packaged one."""
    source = {"url": "https://example.com/now", "date": "2027-05-01"}
    models = {"refreshed": "2027-05-01", "sources": {"now": source}, "models": rows}
    path.write_text(json.dumps({"models": models}))
    monkeypatch.setenv("BBKIT_CATALOG", str(path))


def test_a_model_that_a_refresh_did_not_see_is_as_old_as_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day, sonnet = dt.date(2027, 5, 2), "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    living = {"lifecycle": {"value": "active", "source": "now"}}
    own_catalog(tmp_path / "own.json", monkeypatch, {"model_id": "amazon.nova-lite-v1:0", "traits": living})
    found = {row.rule: row for row in check_model(sonnet, as_of=day)}
    assert found["model_ended"].severity == "warning" and "2026-11-29" in found["catalog_old"].finding
    assert [row.rule for row in check_model("amazon.nova-lite-v1:0", as_of=day)] == []
    ended = {"end_of_life": {"value": "2027-04-08", "source": "now"}, **living}
    own_catalog(tmp_path / "own2.json", monkeypatch, {"model_id": bare_model_id(sonnet), "traits": ended})
    assert [(row.severity, row.rule) for row in check_model(sonnet, as_of=day)] == [("error", "model_ended")]


@pytest.mark.parametrize("value", [[], None])
def test_none_is_a_value_of_a_catalog_of_ones_own(
    value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traits = {"effort": {"value": value, "source": "now"}}
    own_catalog(tmp_path / "own.json", monkeypatch, {"model_id": "anthropic.claude-opus-5", "traits": traits})
    opus, haiku = (find_model(f"anthropic.claude-{name}") for name in ("opus-5", "haiku-4-5-20251001-v1:0"))
    assert opus and opus.traits.effort == (None if value is None else ())
    assert haiku and haiku.traits == TABLE[haiku.model_id].traits
    own_catalog(tmp_path / "empty.json", monkeypatch)
    assert find_model("anthropic.claude-opus-5") == TABLE["anthropic.claude-opus-5"]


def test_a_fault_of_ones_own_catalog_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    traits = {"effort": {"value": [], "source": "elsewhere"}}
    own_catalog(tmp_path / "own.json", monkeypatch, {"model_id": "anthropic.claude-opus-5", "traits": traits})
    with pytest.raises(InputError, match=r"own\.json.*elsewhere"):
        find_model("anthropic.claude-opus-5")


def test_what_may_not_be_read_is_a_sentence_and_the_rest_is_kept(
    tmp_path: Path, start_standin: Callable[..., Standin]
) -> None:
    start_standin("--fault", "fail-call=ListFoundationModels:AccessDeniedException:9")
    told = refresh_catalog(tmp_path / "catalog.json").splitlines()
    assert told[1].startswith("The models could not be read: AWS refused ListFoundationModels: AccessDenied")
    assert len(told) == 3 and "written" in told[0]
    written = json.loads((tmp_path / "catalog.json").read_text())
    assert "refreshed" not in written["models"]
    assert any("geographies" in row["traits"] for row in written["models"]["models"])


@pytest.mark.parametrize(("text", "said"), [(None, "No such file"), ("[]", "list"), ("{", "Expecting")])
def test_a_catalog_that_cannot_be_read_is_refused(
    text: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "catalog.json"
    if text:
        path.write_text(text)
    monkeypatch.setenv("BBKIT_CATALOG", str(path))
    with pytest.raises(InputError, match=rf"{said}.*bbkit catalog refresh"):
        find_model("amazon.nova-lite-v1:0")


def test_what_the_project_shows_and_defaults_to_are_models_that_live() -> None:
    root = Path(__file__).parents[1]
    shown = [root / "README.md", *root.glob("docs/**/*.md"), *root.glob("notebooks/*.ipynb")]
    shown += [*root.glob("bbkit/*.py"), *root.glob("bbkit/run/*.py"), *root.glob("data/samples/*")]
    texts = "\n".join(path.read_text("utf-8") for path in shown if path.is_file())
    named = {one for one in TABLE if re.search(rf"(?<![\w-]){re.escape(one)}(?![\w:-])", texts)}
    assert named
    assert {one for one in named if TABLE[one].traits.lifecycle != "active"} == set()
