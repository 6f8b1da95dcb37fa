"""Token estimates against counts of real tokenizers, and what a sample may leave out."""

from pathlib import Path

import pandas as pd
import pytest

from bbkit import build_records
from bbkit.records import estimate_tokens, iter_lines
from bbkit.tokens import count_pieces

CALL = """Agent: Thank you for calling Harbour Mutual, my name is Priya. How can I help you today?
Customer: Hi, yes, I've been charged twice for my home insurance. It's $84.50 on the 3rd and again on the 5th.
Agent: I'm sorry about that. Could you give me the policy number, please?
Customer: Sure, it's HM-2209-4417. I already sent an e-mail last week and nobody answered...
Agent: I can see both payments. The second one was a retry after the bank reported a time-out, so it will be
reversed within three to five working days. I'll also note that you'd like a written confirmation.
Customer: Okay. And what if it isn't back by Friday?
Agent: Then call us on the same number and mention case 58113; we'd refund it by hand.
"""
COUNTED = {
    "openai.gpt-oss-20b-1:0": 178,
    "us.meta.llama3-3-70b-instruct-v1:0": 186,
    "qwen.qwen3-32b-v1:0": 195,
    "deepseek.v3-v1:0": 187,
    "mistral.mistral-small-2402-v1:0": 216,
}
"""Tokens of CALL by the published tokenizers (o200k, Llama 3, Qwen, DeepSeek V3, Mistral v7)."""


@pytest.mark.parametrize("model_id", COUNTED)
def test_a_call_is_estimated_within_its_error(model_id: str) -> None:
    records = [("1", {"messages": [{"role": "user", "content": CALL}]})]
    estimate = estimate_tokens(records, model_id)
    assert estimate.low <= COUNTED[model_id] <= estimate.high
    assert estimate.error <= 0.07
    assert "measured on public tokenizers" in estimate.note


def test_a_family_without_a_public_tokenizer_says_so() -> None:
    estimate = estimate_tokens([("1", {"inputText": CALL})], "amazon.titan-embed-text-v2:0")
    assert estimate.error == 0.15 and "not public" in estimate.note
    assert estimate_tokens([], "").input_tokens == 0
    assert estimate_tokens([("1", {"prompt": "x"})], "custom").note.count("unknown family") == 1


def test_signs_of_other_scripts_are_not_one_word() -> None:
    assert count_pieces("カスタマーサポート") == 9
    assert count_pieces("antidisestablishmentarianism") == 3
    assert count_pieces("") == 0


def test_a_large_input_is_sampled_and_says_so(tmp_path: Path) -> None:
    calls = pd.DataFrame({"text": [f"{CALL}{number} " * (1 + number % 3) for number in range(4_000)]})
    records = build_records(calls, "us.meta.llama3-3-70b-instruct-v1:0", prompt="{text}", max_tokens=50)
    whole = sum(count_pieces(text) for text in calls["text"])
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"".join(iter_lines(records)))
    for given in (records, path):
        estimate = estimate_tokens(given, "us.meta.llama3-3-70b-instruct-v1:0")
        assert estimate.records == 4_000 and estimate.counted == 2_020
        assert estimate.input_tokens == pytest.approx(whole * 0.94, rel=0.03)
        assert estimate.max_output_tokens == 200_000
        assert "2,020 of 4,000 records" in estimate.note
