"""Token estimates against counts of real tokenizers, and what a sample may leave out."""

from pathlib import Path

import pandas as pd
import pytest

from bbkit import build_records
from bbkit.core.errors import RecordsError
from bbkit.records import input_line
from bbkit.records.lines import iter_pairs
from bbkit.records.tokens import TokenEstimate, count_chunks, estimate_tokens

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


def test_characters_of_other_scripts_are_not_one_word() -> None:
    assert count_chunks("カスタマーサポート").number == pytest.approx(9 * 0.85)
    assert count_chunks("antidisestablishmentarianism") == (3, 0)
    assert count_chunks("") == (0, 0)


BILL = {
    "German": (
        "Guten Tag, mein Name ist Katrin Vogel, ich rufe wegen der Stromrechnung an, die gestern kam. "
        "Sie ist fast doppelt so hoch wie sonst, obwohl wir drei Wochen im Urlaub waren. Können Sie bitte "
        "prüfen, ob der Zählerstand richtig abgelesen wurde?",
        59,
        70,
    ),
    "Russian": (
        "Здравствуйте, я звоню по поводу счёта за электричество, который пришёл вчера.",
        19,
        28,
    ),
    "Arabic": (
        "مرحبا، أتصل بخصوص فاتورة الكهرباء التي وصلتني أمس. إنها أعلى بمرتين من المعتاد.",
        24,
        34,
    ),
    "Hindi": (
        "नमस्ते, मैं कल आए बिजली के बिल के बारे में फोन कर रही हूँ। यह लगभग दोगुना है।",
        27,
        48,
    ),
    "Thai": (
        "สวัสดีค่ะ โทรมาเรื่องใบแจ้งค่าไฟฟ้าที่ได้รับเมื่อวานนี้ ซึ่งสูงกว่าปกติ",
        27,
        29,
    ),
    "Chinese": (
        "您好，我打电话是想咨询昨天收到的电费账单。金额是平时的两倍。",
        23,
        18,
    ),
    "Korean": (
        "안녕하세요, 어제 받은 전기 요금 고지서 때문에 전화드렸습니다.",
        19,
        25,
    ),
    "base64": (
        "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHx",
        43,
        45,
    ),
    "pictures": (
        "😀🎉👍 🙏 😂 🚀🔥 👋 😀🎉👍",
        16,
        20,
    ),
}
"""Texts with their tokens by o200k and by DeepSeek V3's tokenizer."""


@pytest.mark.parametrize("language", BILL)
def test_other_languages_are_within_their_wider_error(language: str) -> None:
    text, *counted = BILL[language]
    for model_id, tokens in zip(("openai.gpt-oss-20b-1:0", "deepseek.v3-v1:0"), counted, strict=True):
        estimate = estimate_tokens([("1", {"messages": [{"role": "user", "content": text}]})], model_id)
        assert estimate.low <= tokens <= estimate.high
        assert "more for other languages and scripts" in estimate.note
        assert f"about {estimate.error:.0%} off" in estimate.note
    assert estimate.error == pytest.approx(0.07 + count_chunks(text).unsure / count_chunks(text).number)


def test_english_with_a_foreign_name_is_hardly_less_sure() -> None:
    record = [("1", {"messages": [{"role": "user", "content": f"{CALL}Agent: I am Zoë."}]})]
    assert estimate_tokens(record, "openai.gpt-oss-20b-1:0").error < 0.1


def test_a_large_input_is_sampled_and_says_so(tmp_path: Path) -> None:
    calls = pd.DataFrame({"text": [f"{CALL}{number} " * (1 + number % 3) for number in range(4_000)]})
    records = build_records(calls, "us.meta.llama3-3-70b-instruct-v1:0", prompt="{text}", max_tokens=50)
    whole = sum(count_chunks(text).number for text in calls["text"])
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"".join(input_line(*pair) for pair in iter_pairs(records)))
    for given in (records, path):
        estimate = estimate_tokens(given, "us.meta.llama3-3-70b-instruct-v1:0")
        assert estimate.records == 4_000 and estimate.counted == 2_021
        assert estimate.input_tokens == pytest.approx(whole * 0.94, rel=0.03)
        assert estimate.max_output_tokens == 200_000
        assert "2,021 of 4,000 records" in estimate.note


MODEL = "amazon.nova-lite-v1:0"


def body(text: str, max_tokens: int | None = 10, **more: object) -> dict:
    limit = {} if max_tokens is None else {"inferenceConfig": {"maxTokens": max_tokens}}
    return {"messages": [{"role": "user", "content": [{"text": text}]}], **limit, **more}


def both_ways(folder: Path, bodies: list[dict]) -> list[TokenEstimate]:
    pairs = [(str(number), given) for number, given in enumerate(bodies)]
    path = folder / "records.jsonl"
    path.write_bytes(b"".join(input_line(*pair) for pair in pairs))
    return [estimate_tokens(pairs, MODEL), estimate_tokens(path, MODEL)]


def test_what_only_records_outside_the_sample_ask_for_is_seen(tmp_path: Path) -> None:
    """2,000 records allow 10 tokens and 1,000 allow 4,096: 20,000 + 4,096,000 in all."""
    bodies = [body("hello", 10 if number < 2_000 else 4_096) for number in range(3_000)]
    image = {"image": {"format": "png", "source": {"bytes": "aGk="}}}
    for estimate in both_ways(tmp_path, bodies):
        assert (estimate.max_output_tokens, estimate.media) == (4_116_000, 0)
    bodies[2_500] = {"messages": [{"role": "user", "content": [{"text": "hello"}, image]}]}
    for estimate in both_ways(tmp_path, bodies):
        assert (estimate.max_output_tokens, estimate.media) == (None, 1)


def test_other_texts_after_the_first_are_not_taken_for_alike(tmp_path: Path) -> None:
    """2,000 records of 20 pieces and 6,000 of 91.8: 40,000 + 550,800, the latter from every 97th."""
    bodies = [body("hello my dear friend " * 5)] * 2_000 + [body("カスタマーサポート" * 12)] * 6_000
    for estimate in both_ways(tmp_path, bodies):
        assert estimate.input_tokens == pytest.approx(590_800, rel=0.01)


def test_how_much_the_records_differ_widens_the_error(tmp_path: Path) -> None:
    alike = [body(CALL)] * 6_000
    mixed = [body(CALL if number % 7 else "1,2;" * 400) for number in range(6_000)]
    for even, odd in zip(both_ways(tmp_path, alike), both_ways(tmp_path, mixed), strict=True):
        assert even.error == pytest.approx(0.15, abs=0.001)
        assert odd.error > 0.2 and f"about {odd.error:.0%} off" in odd.note
        whole = sum(count_chunks(given["messages"][0]["content"][0]["text"]).number for given in mixed)
        assert odd.low < whole < odd.high


def test_tools_several_answers_and_caching_are_counted(tmp_path: Path) -> None:
    tool = {"toolSpec": {"name": "lookup", "inputSchema": {"json": {"type": "object"}}}}
    plain = body("hello")
    armed = body("hello", toolConfig={"tools": [tool]})
    cached = body("hello", system=[{"text": "long"}, {"cachePoint": {"type": "default"}}])
    three = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 100, "n": 3}
    for estimate in both_ways(tmp_path, [plain, armed, cached, three]):
        assert estimate.input_tokens > 20
        assert (estimate.answers, estimate.caches, estimate.max_output_tokens) == (6, 1, 330)


def test_a_line_that_is_no_record_is_refused_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"modelInput": {"prompt": "x"}}\n' * 2_001 + b"{\n")
    with pytest.raises(RecordsError, match="line 2,002 is not JSON"):
        estimate_tokens(path, MODEL)
