"""The dated list of models: what it says of an id in a region, and that no id is rewritten."""

import pytest

from bbkit.catalog.models import check_model, find_model, profile_ids
from bbkit.core.files import read_data
from bbkit.families import FAMILIES, family_of

ACCOUNT = "arn:aws:bedrock:us-east-1:111122223333"


LISTED = [row["model_id"] for row in read_data("models")["models"]]


def test_the_list_is_dated_and_names_its_source() -> None:
    assert read_data("models")["source"].startswith("https://docs.aws.amazon.com/bedrock/")
    assert read_data("models")["date"] == "2026-10"
    assert len(LISTED) == len(set(LISTED)) == 67
    models = [find_model(model_id) for model_id in LISTED]
    assert all(model and model.single_region + model.profile_source_regions for model in models)


@pytest.mark.parametrize("model_id", LISTED)
def test_every_listed_model_has_a_written_family_that_its_id_tells(model_id: str) -> None:
    model = find_model(model_id)
    assert model is not None and family_of(model_id).name == model.family
    assert FAMILIES[model.family].writable


def test_context_windows_have_a_source_or_are_unknown() -> None:
    models = [model for model_id in LISTED if (model := find_model(model_id))]
    known = [model for model in models if model.context_window is not None]
    assert 0 < len(known) < len(LISTED)
    assert all(1_000 <= (model.context_window or 0) <= 1_000_000 for model in known)
    assert all(str(model.context_window_source).startswith("https://") for model in known)


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


def rules(model_id: str, region: str = "") -> list[tuple[str, str]]:
    return [(row.severity, row.rule) for row in check_model(model_id, region)]


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
        (f"{ACCOUNT}:application-inference-profile/abcdefghijkl", "us-east-1", []),
        (f"{ACCOUNT}:custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl", "us-east-1", []),
        ("us.amazon.nova-lite-v1:0", "eu-west-1", [("warning", "model_region")]),
        ("eu.amazon.nova-lite-v1:0", "us-east-1", [("warning", "model_region")]),
        ("eu.amazon.nova-lite-v1:0", "eu-west-1", []),
        ("apac.amazon.nova-lite-v1:0", "ap-northeast-1", []),
        ("global.amazon.nova-2-lite-v1:0", "eu-central-1", []),
        (f"{ACCOUNT}:application-inference-profile/abcdefghijkl", "us-west-2", [("warning", "model_region")]),
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


def test_the_id_of_a_profile_is_offered_not_taken() -> None:
    (row,) = check_model("amazon.nova-2-lite-v1:0", "eu-central-1")
    assert "eu.amazon.nova-2-lite-v1:0 or global.amazon.nova-2-lite-v1:0" in row.remedy
    (row,) = check_model("us.amazon.nova-2-lite-v1:0", "eu-central-1")
    assert "eu.amazon.nova-2-lite-v1:0 or global.amazon.nova-2-lite-v1:0" in row.remedy
    assert "does not say which exist" in row.remedy
    assert profile_ids("amazon.nova-2-lite-v1:0", "ap-south-1")[0] == "apac.amazon.nova-2-lite-v1:0"
    assert profile_ids("deepseek.v3.2", "us-east-1") == []
