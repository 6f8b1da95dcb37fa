"""Quotas: dated defaults, the account's own values, and names that AWS does not keep tidy."""

import json
import os
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from bbkit import Quotas, aws
from bbkit.catalog.quotas import match_quotas
from bbkit.core.errors import InputError

NAMED = {
    "anthropic.claude-3-haiku-20240307-v1:0": "Claude 3 Haiku",
    "anthropic.claude-3-sonnet-20240229-v1:0": "Claude 3 Sonnet",
    "anthropic.claude-3-5-sonnet-20240620-v1:0": "Claude 3.5 Sonnet",
    "anthropic.claude-3-5-sonnet-20241022-v2:0": "Claude 3.5 Sonnet v2",
    "anthropic.claude-3-7-sonnet-20250219-v1:0": "Claude 3.7 Sonnet",
    "us.anthropic.claude-sonnet-4-20250514-v1:0": "Claude Sonnet 4",
    "global.anthropic.claude-sonnet-4-5-20250929-v1:0": "Claude Sonnet 4.5.",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0": "Claude  Haiku 4.5",
    "us.anthropic.claude-opus-4-6-v1": "Claude Opus 4.6",
    "us.anthropic.claude-opus-5": "Claude Opus 5",
    "amazon.nova-lite-v1:0": "Nova Lite V1",
    "amazon.nova-micro-v1:0": "Nova Micro V1",
    "eu.amazon.nova-2-lite-v1:0": "Nova 2 Lite",
    "amazon.titan-embed-text-v2:0": "Titan Text Embeddings V2",
    "amazon.titan-embed-image-v1": "Titan Multimodal Embeddings G1",
    "meta.llama3-1-8b-instruct-v1:0": "Llama 3.1 8B Instruct",
    "us.meta.llama3-2-1b-instruct-v1:0": "Llama 3.2 1B Instruct",
    "us.meta.llama3-2-11b-instruct-v1:0": "Llama 3.2 11B Instruct",
    "mistral.mistral-large-2407-v1:0": "Mistral Large 2 (24.07)",
    "mistral.mistral-small-2402-v1:0": "Mistral Small",
    "openai.gpt-oss-20b-1:0": "OpenAI GPT OSS 20b",
    "openai.gpt-oss-120b-1:0": "OpenAI GPT OSS 120b",
    "qwen.qwen3-32b-v1:0": "Qwen3 32B",
    "qwen.qwen3-235b-a22b-2507-v1:0": "Qwen3 235B",
    "qwen.qwen3-coder-30b-a3b-v1:0": "Qwen3 Coder 30B",
    "qwen.qwen3-coder-480b-a35b-v1:0": "Qwen3 Coder 480B",
    "deepseek.v3-v1:0": "DeepSeek v3",
    "deepseek.v3.2": "DeepSeek v3.2",
}
"""Names as Service Quotas lists them (general reference, 2026-10), untidy ones included."""

LISTING = [
    quota
    for number, name in enumerate(NAMED.values(), 1)
    for quota in (
        {"QuotaName": f"Minimum number of records per batch inference job for {name}",
         "Value": 100.0 + number},
        {"QuotaName": f"Records per batch inference job {name}", "Value": 1000.0 + number},
        {"QuotaName": f"Records per input file per batch inference job for  {name}", "Value": 500.0 + number},
        {"QuotaName": f"Batch inference input file size for {name} (in GB)", "Value": 1.0},
        {"QuotaName": f"Batch inference job size (in GB) for {name}", "Value": 2.0 + number},
        {"QuotaName": f"Sum of in-progress and submitted batch inference jobs using a base model for {name}",
         "Value": 10.0 + number},
        {"QuotaName": f"Sum of in-progress and submitted batch inference jobs using a custom model {name}",
         "Value": 3.0},
        {"QuotaName": f"On-demand model inference requests per minute for {name}", "Value": 7.0},
    )
]  # fmt: skip


@pytest.mark.parametrize("number", range(1, len(NAMED) + 1))
def test_untidy_names_find_their_model_and_no_other(number: int) -> None:
    model_id = list(NAMED)[number - 1]
    assert match_quotas(LISTING, model_id) == {
        "min_records_per_job": 100 + number,
        "max_records_per_job": 1000 + number,
        "max_records_per_file": 500 + number,
        "max_file_bytes": 10**9,
        "max_job_bytes": (2 + number) * 10**9,
        "max_jobs": 10 + number,
    }


def test_a_custom_model_has_the_jobs_of_custom_models() -> None:
    arn = "arn:aws:bedrock:us-east-1:111122223333:custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl"
    assert match_quotas(LISTING, arn)["max_jobs"] == 3
    assert Quotas.defaults(arn).max_jobs == 3
    assert Quotas.defaults(arn).max_job_bytes == 100 * 10**9


def test_applied_values_win_over_defaults() -> None:
    applied = [{"QuotaName": "Records per batch inference job for Nova Lite V1", "Value": 50.0}]
    assert match_quotas([*LISTING, *applied], "amazon.nova-lite-v1:0")["max_records_per_job"] == 50


def test_the_defaults_are_dated() -> None:
    quotas = Quotas()
    assert quotas == Quotas.defaults()
    assert (quotas.min_records_per_job, quotas.max_records_per_job, quotas.max_file_bytes) == (
        100,
        100_000,
        10**9,
    )
    assert quotas.note == "AWS default quota, 2026-10"
    assert Quotas.defaults("us.amazon.nova-pro-v1:0").max_job_bytes == 100 * 10**9
    assert Quotas.defaults("amazon.nova-micro-v1:0").max_job_bytes == 5 * 10**9


@pytest.mark.parametrize("values", [{"max_jobs": 0}, {"max_jobs": 2.5}, {"max_jobs": True},
                                    {"min_records_per_job": 11, "max_records_per_job": 10}])  # fmt: skip
def test_a_quota_that_cannot_be_is_refused(values: dict) -> None:
    with pytest.raises(InputError, match="|".join(values)):
        Quotas(**values)


def test_every_listed_model_is_found_in_the_service(start_standin: Callable[..., object]) -> None:
    start_standin("--min-records", "5", "--max-jobs", "2")
    listed = list(aws.iter_quotas())
    models = json.loads(files("bbkit").joinpath("catalog/data/models.json").read_text())["models"]
    batch = [model["model_id"] for model in models if model.get("batch")]
    found = {model_id: match_quotas(listed, model_id) for model_id in batch}
    assert {name: len(values) for name, values in found.items() if len(values) != 6} == {}
    assert len(batch) > 50
    assert {(values["min_records_per_job"], values["max_jobs"]) for values in found.values()} == {(5, 2)}
    quotas = Quotas.read("us.anthropic.claude-haiku-4-5-20251001-v1:0")
    assert (quotas.min_records_per_job, quotas.max_jobs) == (5, 2)
    assert quotas.note == "Service Quotas of this account"


def test_a_model_that_service_quotas_does_not_name_keeps_the_defaults(standin: object) -> None:
    quotas = Quotas.read("cohere.command-r-v1:0")
    assert quotas.max_records_per_job == 100_000
    assert quotas.note.startswith("AWS default quota, 2026-10; Service Quotas names none")


def test_quotas_that_may_not_be_read_keep_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    quotas = Quotas.read("amazon.nova-lite-v1:0")
    assert quotas.max_job_bytes == 100 * 10**9
    assert "Service Quotas could not be read" in quotas.note


def test_without_credentials_the_defaults_stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    quotas = Quotas.read("amazon.nova-lite-v1:0")
    assert quotas.max_job_bytes == 100 * 10**9
    assert "no AWS credentials" in quotas.note
