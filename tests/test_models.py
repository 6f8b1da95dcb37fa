"""The dated list of models: what it says of an id in a region, and that no id is rewritten."""

import pandas as pd
import pytest

from bbkit.catalog.models import check_model, find_model, list_models, profile_ids
from bbkit.families import FAMILIES, family_of

ACCOUNT = "arn:aws:bedrock:us-east-1:111122223333"


def test_the_list_is_dated_and_names_its_source() -> None:
    models = list_models()
    assert models.attrs["source"].startswith("https://docs.aws.amazon.com/bedrock/")
    assert models.attrs["date"] == "2026-10"
    assert len(models) == 67 and models["model_id"].is_unique
    assert (models["single_region"].str.len() + models["profile_source_regions"].str.len() > 0).all()


def test_every_listed_model_has_a_written_family_that_its_id_tells() -> None:
    models = list_models()
    for model_id, family in zip(models["model_id"], models["family"], strict=True):
        assert family_of(model_id).name == family
        assert FAMILIES[family].writable


def test_context_windows_have_a_source_or_are_unknown() -> None:
    models = list_models()
    known = models["context_window"].dropna()
    assert known.between(1_000, 1_000_000).all()
    assert models["context_window"].isna().any()
    for model_id in models.loc[known.index, "model_id"]:
        found = find_model(model_id)
        assert found is not None and str(found.context_window_source).startswith("https://")
    assert isinstance(models["context_window"].dtype, pd.Int64Dtype)


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
