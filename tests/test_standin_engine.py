"""The extractive engine, its tokens and its vectors."""

import json
import re
import subprocess
import sys
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator

from bbkit.standin.answers import answer_record
from bbkit.standin.engine_pool import make_engine
from bbkit.standin.engines import Media, Reply, Request, Turn, count_tokens, cut_tokens
from bbkit.standin.engines.extractive import compose_json
from bbkit.standin.errors import EngineError
from bbkit.standin.shapes.embeddings import embed_bytes, embed_text

EXTRACTIVE = make_engine("extractive")
ASK = "Summarize the following call in a few sentences.\n\n"
BILL = """\
Agent: Thank you for calling customer care, my name is Jo. How can I help you today?
Customer: Hi there. Well, I opened my bill yesterday and I was charged twice for the sports package.
Agent: Oh no, I am so sorry to hear that. Could you please confirm your date of birth?
Customer: Sure, it's the fourth of May.
Agent: Thank you. Bear with me for a moment while I pull up your account.
Customer: No problem.
Agent: I can see the duplicate charge. I will refund forty dollars to your card within five business days.
Customer: Perfect, thank you so much.
Agent: You're welcome. Is there anything else I can help you with today?
Customer: No, that's all. Bye.
Agent: Have a great day!"""


def summarize(
    prompt: str, *, system: str = "", max_tokens: int | None = 400, stop: tuple[str, ...] = ()
) -> Reply:
    return EXTRACTIVE.answer(Request((Turn("user", prompt),), system, max_tokens, stop))


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def test_it_quotes_what_a_text_begins_with_and_what_comes_of_it() -> None:
    text = summarize(ASK + BILL).text
    assert "charged twice for the sports package" in text
    assert "refund forty dollars" in text
    assert not re.search(r"welcome|date of birth|summarize", text, re.I)


def test_it_names_who_speaks_in_reading_order() -> None:
    text = summarize(ASK + BILL).text
    assert text.index("Customer:") < text.index("Agent:")
    assert text.count("Agent:") == 1


@pytest.mark.parametrize(
    "wrap", ["<transcript>\n{}\n</transcript>\nNow write a summary.", "```\n{}\n```", "{}\n\nSummary:"]
)
def test_it_finds_the_call_in_the_prompt_and_does_not_quote_the_instruction(wrap: str) -> None:
    prompt = (
        "You are an analyst. Summarize the refund policy of this call. Fields:\nIssue: ...\n\n"
        + wrap.format(BILL)
    )
    text = summarize(prompt).text
    assert "charged twice" in text
    assert not re.search(r"analyst|policy|fields|now write|summary", text, re.I)


def test_it_need_not_know_who_speaks() -> None:
    named = BILL.replace("Agent:", "spk_0:").replace("Customer:", "spk_1:")
    assert summarize(ASK + named).text == summarize(ASK + BILL).text.replace("Agent:", "spk_0:").replace(
        "Customer:", "spk_1:"
    )


def test_a_call_written_in_one_line_is_read_like_one_in_lines() -> None:
    assert summarize(ASK + BILL.replace("\n", " ")).text == summarize(ASK + BILL).text


def test_a_call_in_the_system_prompt_is_found() -> None:
    assert "charged twice" in summarize("Summarize the call above.", system=f"<call>\n{BILL}\n</call>").text


def test_somebody_who_speaks_once_is_a_speaker() -> None:
    call = "Customer: How much data have I used?\nPriya: 18.4 of 20 gigabytes.\nCustomer: Cheers, bye."
    text = summarize(ASK + call).text
    assert "Priya: 18.4 of 20 gigabytes." in text
    assert "Customer: Priya" not in text


@pytest.mark.parametrize("stamp", ["[00:01:02] {}: ", "00:12 {}: ", "**{}:** ", "[{}]: "])
def test_transcripts_with_times_and_marks(stamp: str) -> None:
    lines = [line.split(": ", 1) for line in BILL.split("\n")]
    marked = "\n".join(stamp.format(who) + said for who, said in lines)
    assert summarize(ASK + marked).text == summarize(ASK + BILL).text


NEWS = (
    "The council met on Tuesday about the library. Its cost has risen to four million euros since the plan. "
    "Residents of the old quarter fear the noise of the works. The cost is voted on in May."
)


@pytest.mark.parametrize(
    ("prompt", "system"),
    [
        (f"What do the residents fear?\n\n{NEWS}", ""),
        (f"You are careful.\n\nRules:\n- Be brief.\n- Name residents.\n\nText:\n{NEWS}", ""),
        (f"{NEWS}\n\nWhat do the residents fear?", ""),
        ("What do the residents fear?", f"You know this text.\n<text>\n{NEWS}\n</text>"),
    ],
)
def test_a_question_about_any_text_is_answered_by_the_sentence_nearest_to_it(
    prompt: str, system: str
) -> None:
    text = summarize(prompt, system=system).text
    assert text.startswith("This engine only quotes. Nearest to the request: ")
    assert text.endswith("Residents of the old quarter fear the noise of the works.")


def test_sentences_are_quoted_whole_and_as_they_are() -> None:
    said = "*sighs* My card {CARD} was declined on [DATE] by Mr. J. Ito <b>twice</b>."
    assert f"Customer: {said}" in summarize(ASK + f"Customer: {said}\nAgent: I will replace it.").text


@pytest.mark.parametrize("odd", [".", "'''a", "\n", "<a>\n", "a:", "a:\n", "-", "“", "؟ ", "```"])
def test_odd_texts_take_no_longer(odd: str) -> None:
    reply = summarize(ASK + "Customer: It broke.\n" + odd * 30_000, max_tokens=50)
    assert reply.output_tokens is not None
    assert reply.output_tokens <= 50


def test_running_speech_without_punctuation_is_cut() -> None:
    speech = (
        "thank you for calling how can i help yeah hi um so i got this bill yesterday and it says i "
        "owe one hundred "
        "and forty dollars but i usually pay sixty because somebody added a sports package that i "
        "never asked for "
        "okay let me take a look at that for you alright i see it here and i will remove the "
        "package and credit eighty "
        "dollars back to your account and it will show within five business days okay great thank "
        "you so much bye"
    )
    text = summarize("Summarize this call.\n\n" + speech).text
    assert len(words(text)) < 0.7 * len(words(speech))
    assert "sports package" in text
    assert re.search(r"remove the package|credit eighty dollars|five business days", text)
    assert "one hundred." not in text


@pytest.mark.parametrize(
    ("prompt", "issue", "resolution"),
    [
        (
            "Fasse das Gespräch zusammen.\n\nBerater: Guten Tag, was kann ich für Sie tun?\nKundin: "
            "Meine Rechnung für "
            "April ist zu hoch, es wurden 89 Euro abgebucht statt 39.\nBerater: Einen Moment "
            "bitte.\nBerater: Ich "
            "storniere den zweiten Vertrag und erstatte Ihnen 50 Euro.\nKundin: Vielen "
            "Dank.\nBerater: Gerne.",
            "89 Euro abgebucht",
            "erstatte Ihnen 50 Euro",
        ),
        (
            "Resume la llamada.\n\nAgente: Buenos días, ¿en qué puedo ayudarle?\nCliente: Mi pedido "
            "llegó con la taza "
            "rota y quiero devolver el paquete.\nAgente: Un momento, por favor.\nAgente: Le enviaré "
            "una etiqueta y el "
            "reembolso llegará en tres días.\nCliente: Gracias.\nAgente: De nada.",
            "taza rota",
            "reembolso",
        ),
        (
            "次の会話を要約してください。\n\n担当者：お電話ありがとうございます。\n顧客：昨日届いたコーヒーメーカーが壊れていて、"
            "電源が入りません。\n担当者：少々お待ちください。\n担当者：新しい商品を木曜日までにお送りいたします。\n顧客：どうも。",
            "壊れて",
            "お送り",
        ),
        (
            "لخص المكالمة.\n\n"
            "العميل: وصلت الغسالة مكسورة وأريد استرداد المال.\nالموظف: سأرسل غسالة جديدة غدا.",
            "الغسالة مكسورة",
            "غسالة جديدة",
        ),
        (
            "סכם את השיחה.\n\n"
            "נציג: שלום.\nלקוח: המנורה הגיעה שבורה ואני רוצה החלפה.\nנציג: אשלח מנורה חדשה מחר.",
            "הגיעה שבורה",
            "מנורה חדשה",
        ),
        (
            "Streść rozmowę.\n\n"
            "Klient: Lampa przyszła zepsuta i chcę wymiany.\nKonsultant: Wyślę nową lampę jutro.",
            "przyszła zepsuta",
            "nową lampę",
        ),
        (
            "สรุปการสนทนา\n\nลูกค้า: โคมไฟที่สั่งมาแตก ต้องการเปลี่ยน\nพนักงาน: จะส่งโคมไฟใหม่ให้พรุ่งนี้",
            "แตก",
            "โคมไฟใหม่",
        ),
    ],
)
def test_other_languages(prompt: str, issue: str, resolution: str) -> None:
    text = summarize(prompt).text
    assert issue in text
    assert resolution in text


def test_length_grows_with_the_call_and_slower_than_it() -> None:
    topics = [
        "router",
        "invoice",
        "parcel",
        "ticket",
        "policy",
        "meter",
        "booking",
        "voucher",
        "contract",
        "claim",
    ]
    lines = [
        f"{'Agent' if n % 2 else 'Customer'}: {topics[n % 10]} {n} was {topics[n // 10 % 10]} by {n} days."
        for n in range(300)
    ]
    lengths = [len(words(summarize(ASK + "\n".join(lines[:count])).text)) for count in (6, 60, 300)]
    assert lengths[0] < lengths[1] < lengths[2]
    assert lengths[2] < 20 * lengths[0]


def test_more_tokens_never_make_a_shorter_answer() -> None:
    for call in (BILL, "Customer: It broke.\nAgent: I see, I will send another one tomorrow morning."):
        lengths = [summarize(ASK + call, max_tokens=most).output_tokens for most in (20, 40, 80, 400, None)]
        assert lengths == sorted(lengths)  # type: ignore[type-var]


def test_a_very_long_call_and_a_very_short_one() -> None:
    turn = "{}: Item {} of the order about {} is broken and we will replace it on day {}."
    long = "\n".join(
        turn.format(("Agent", "Customer")[n % 2], n, f"thing{n % 97}", n % 31) for n in range(20_000)
    )
    reply = summarize(ASK + long, max_tokens=500)
    assert reply.output_tokens is not None
    assert 0 < reply.output_tokens <= 500
    assert (
        "My card was stolen" in summarize(ASK + "Customer: My card was stolen.\nAgent: It is blocked.").text
    )
    assert summarize(ASK + "Agent: Hello?").text


def test_near_duplicates_are_quoted_once() -> None:
    call = "\n".join(
        [
            "Customer: My internet is down since Monday morning.",
            "Agent: I see.",
            "Customer: As I said, my internet is down since Monday morning.",
            "Agent: A technician will visit you tomorrow at nine.",
            "Agent: So again, the technician will visit you tomorrow at nine.",
        ]
    )
    text = summarize(ASK + call).text
    assert text.count("internet is down") == 1
    assert text.count("visit you tomorrow") == 1


def test_asked_for_a_number_of_sentences_or_bullets_it_gives_them() -> None:
    one = summarize("Summarize in one sentence.\n\n" + BILL).text
    assert len(re.findall(r"[.!?](?:\s|$)", one)) == 1
    bullets = summarize("Summarize as 2 bullet points.\n\n" + BILL).text
    assert [line[:2] for line in bullets.split("\n")] == ["- ", "- "]


def test_what_is_not_a_summary_request_is_answered_by_quoting_and_it_says_so() -> None:
    call = (
        "Agent: Hi.\nCustomer: I was promised a call back.\nCustomer: My order number is 77-1234.\nAgent: Ok."
    )
    text = summarize("Extract the order number from this call.\n\n" + call).text
    assert text.startswith("This engine only quotes.")
    assert "77-1234" in text
    assert "call back" not in text
    question = summarize("What is the capital of France?").text
    assert question.startswith("This engine only quotes, and the prompt holds no text to quote from.")
    assert "Paris" not in question


def test_stop_sequences_and_limits_are_honoured_and_counted() -> None:
    whole = summarize(ASK + BILL)
    assert (whole.stop, whole.stop_sequence) == ("stop", None)
    stopped = summarize(ASK + BILL, stop=("zebra", "sports"))
    assert (stopped.stop, stopped.stop_sequence) == ("stop_sequence", "sports")
    assert whole.text.startswith(stopped.text)
    cut = summarize(ASK + BILL, max_tokens=9, stop=("sports",))
    assert (cut.stop, cut.output_tokens) == ("length", 9)
    assert count_tokens(cut.text) == 9
    assert whole.input_tokens == count_tokens(ASK + BILL)


def test_images_are_said_to_be_unread() -> None:
    request = Request((Turn("user", ASK + BILL, (Media("image", "png", b"x"),)),), max_tokens=400)
    assert EXTRACTIVE.answer(request).text.startswith("(1 not read: image;")


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(("Agent", "Customer")), st.text(max_size=60)), min_size=2, max_size=12)
)
def test_no_word_of_a_summary_is_invented(turns: list[tuple[str, str]]) -> None:
    prompt = ASK + "\n".join(f"{who}: {said}" for who, said in turns)
    text = summarize(prompt).text
    if not text.startswith("This engine only quotes"):
        assert set(words(text)) <= set(words(prompt))


@given(text=st.text(max_size=300), limit=st.integers(0, 50))
def test_tokens_are_pieces_of_the_text(text: str, limit: int) -> None:
    kept, used, was_cut = cut_tokens(text, limit)
    assert text.startswith(kept)
    assert was_cut == (kept != text)
    assert used == min(limit, count_tokens(text))
    assert count_tokens(text) <= len(text)


def test_similar_texts_have_near_vectors() -> None:
    lamp, same, other = (
        embed_text(text, 512)
        for text in (
            "The blue lamp arrived broken and I want a refund",
            "Refund wanted: a blue lamp that arrived broken",
            "Please reschedule my dentist appointment to Friday",
        )
    )
    assert lamp @ same > 0.5
    assert lamp @ other < 0.2


@given(text=st.text(max_size=80), dimension=st.sampled_from((256, 384, 1024, 3072)))
def test_vectors_have_their_dimension_and_length_one(text: str, dimension: int) -> None:
    vector = embed_text(text, dimension)
    assert vector.shape == (dimension,)
    assert np.linalg.norm(vector) == pytest.approx(1.0)
    assert np.array_equal(vector, embed_text(text, dimension))


def test_vectors_are_the_same_in_every_process() -> None:
    code = (
        "from bbkit.standin.shapes.embeddings import embed_text\n"
        "print(embed_text('a blue lamp', 256).tobytes().hex())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert runs == {embed_text("a blue lamp", 256).tobytes().hex()}


def test_binary_vectors_tell_objects_apart() -> None:
    one, two = embed_bytes(b"\x00\x01" * 50, 256), embed_bytes(bytes(range(100)), 256)
    assert one @ one == pytest.approx(1.0)
    assert one @ two < 0.5


def test_titan_gives_the_types_asked_for() -> None:
    def embed(**more: Any) -> dict[str, Any]:
        body = {"inputText": "a blue lamp and a red one", "dimensions": 256, **more}
        return answer_record("amazon.titan-embed-text-v2:0", "InvokeModel", body, EXTRACTIVE).output

    both = embed(embeddingTypes=["float", "binary"])
    assert set(both["embeddingsByType"]["binary"]) <= {0, 1}
    assert [int(x > 0) for x in both["embedding"]] == both["embeddingsByType"]["binary"]
    assert "embedding" not in embed(embeddingTypes=["binary"])
    assert np.linalg.norm(embed(normalize=False)["embedding"]) > 1.5


def test_engines_are_made_by_name() -> None:
    with pytest.raises(ValueError, match="No engine is named 'gpt'; the engines are extractive and openai"):
        make_engine("gpt")
    with pytest.raises(ValueError, match="http"):
        make_engine("openai", base_url="localhost:11434", model="llama3.2")
    with pytest.raises(ValueError, match="name of a model"):
        make_engine("openai", base_url="http://localhost:11434/v1")


def fill(properties: dict[str, Any], text: str = BILL, **options: Any) -> Any:
    """What the engine answers to a schema of these properties, all of them required."""
    schema = {"type": "object", "properties": properties, "required": list(properties), **options}
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    request = Request((Turn("user", f"Read this call.\n\n{text}"),), options={"response_format": form})
    return json.loads(EXTRACTIVE.answer(request).text)


QUEUES = ["bank", "telecom"]
DESCRIBED = [
    {"enum": QUEUES, "description": "bank: cards, loans. telecom: bills, packages, sports"},
    {"anyOf": [{"const": "bank"}, {"const": "telecom", "description": "bills and sports packages"}]},
    {"type": "string", "enum": QUEUES, "description": "`bank` (cards)\n`telecom` (bills of packages)"},
    {"$ref": "#/$defs/queue"},
    {"allOf": [{"$ref": "#/$defs/queue"}], "description": "the queue"},
    {"anyOf": [{"$ref": "#/$defs/queue"}, {"type": "null"}]},
]


@pytest.mark.parametrize("queue", DESCRIBED)
def test_an_enum_is_chosen_by_the_words_of_its_values_and_their_descriptions(queue: dict[str, Any]) -> None:
    definitions = {"queue": {"oneOf": [{"const": "bank"}, {"const": "telecom", "title": "bill, package"}]}}
    assert fill({"queue": queue}, **{"$defs": definitions}) == {"queue": "telecom"}


def test_a_tie_and_what_is_not_in_the_text_are_said_in_the_reason() -> None:
    asked = {
        "mood": {"enum": ["red", "blue"]},
        "place": {"type": ["string", "null"], "enum": ["Oslo", "Bern", None]},
        "title": {"type": "string"},
        "minutes": {"type": "integer"},
        "day": {"type": "string", "format": "date"},
        "reason": {"type": "string"},
    }
    made = fill(asked)
    assert (made["mood"], made["place"], made["minutes"], made["day"]) == ("red", None, 0, "1970-01-01")
    assert made["reason"].startswith(
        '(mood: not in the text, "red" stands for it; minutes: not in the text, 0 stands for it; '
        'day: not in the text, "1970-01-01" stands for it.) '
    )
    assert list(made) == list(asked) and not made["title"].startswith("(")


def test_what_stands_in_the_text_is_found_there() -> None:
    text = BILL.replace("forty dollars", "$1,250.50, case 88 of 2026-03-01, to jo@example.com,")
    made = fill(
        {
            "refund": {"type": "number", "description": "dollars that are refunded"},
            "case": {"type": "integer", "minimum": 50, "maximum": 99},
            "day": {"type": "string", "format": "date"},
            "mail": {"type": "string", "format": "email"},
            "subjects": {"type": "array", "items": {"enum": ["sports", "refund", "travel"]}},
            "quotes": {"type": "array", "items": {"type": "string"}, "maxItems": 1, "description": "charged"},
            "caller": {"properties": {"angry": {"type": "boolean"}, "age": {"type": ["integer", "null"]}}},
            "confirmed": {"type": "boolean", "description": "confirms the date of birth"},
        },
        text,
    )
    assert made.pop("quotes")[0] in text
    assert made == {
        "refund": 1250.5,
        "case": 88,
        "day": "2026-03-01",
        "mail": "jo@example.com",
        "subjects": ["sports", "refund"],
        "caller": {},
        "confirmed": True,
    }


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "#/$defs/a"}, "that holds itself"),
        ({"$ref": "#/$defs/none"}, "with such $ref"),
        ({"allOf": [{"type": "string"}, {"minLength": 2}]}, "with such allOf"),
        ({"not": {"type": "string"}}, "with not"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 40}, "with minItems (at x)"),
        ({"type": "string", "minLength": 9000}, "with minLength (at x)"),
        ({"enum": 5}, "that is none"),
        ({"$ref": "#/$defs/wide"}, "that holds itself"),
    ],
)
def test_what_the_engine_cannot_build_is_refused(schema: dict[str, Any], said: str) -> None:
    definitions: dict[str, Any] = {"a": {"properties": {"b": {"$ref": "#/$defs/a"}}}}
    definitions["wide"] = {"properties": {f"p{n}": {"$ref": "#/$defs/w0"} for n in range(9)}}
    for depth in range(9):
        inner = {"$ref": f"#/$defs/w{depth + 1}"} if depth < 8 else {"type": "boolean"}
        definitions[f"w{depth}"] = {"properties": {f"p{n}": inner for n in range(9)}}
    with pytest.raises(EngineError, match=re.escape(said)) as caught:
        fill({"x": schema}, **{"$defs": definitions})
    assert caught.value.code == 501


@given(st.text(max_size=80), st.sampled_from(["bank: x", "", "a: b; c: d"]))
def test_any_text_gives_an_answer_of_the_schema(text: str, description: str) -> None:
    made = fill({"a": {"enum": ["a", "c"], "description": description}, "why": {"type": "string"}}, text)
    assert made["a"] in ("a", "c") and isinstance(made["why"], str)


_LEAVES = st.one_of(
    st.sampled_from(["string", "integer", "number", "boolean", "null"]).map(lambda kind: {"type": kind}),
    st.sampled_from(["string", "integer", "boolean"]).map(lambda kind: {"type": [kind, "null"]}),
    st.lists(st.sampled_from(["sports", "refund", 3, True, None]), min_size=1).map(lambda one: {"enum": one}),
    st.sampled_from(["x", 7, False, None]).map(lambda value: {"const": value}),
    st.integers(-9, 9).map(lambda least: {"type": "integer", "minimum": least, "maximum": least + 3}),
    st.integers(0, 40).map(lambda most: {"type": "string", "maxLength": most}),
    st.sampled_from(["date", "email", "uuid", "ipv6", "time", "odd"]).map(
        lambda form: {"type": "string", "format": form}
    ),
    st.just({"type": "string", "pattern": "^[a-z]+$"}),
    st.just({"$ref": "#/$defs/queue"}),
)


def _hold(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["queue", "reason", "dollars", "resolved", "a.b"])
    objects = st.dictionaries(names, inner, max_size=4)
    return st.one_of(
        objects.map(lambda one: {"type": "object", "properties": one, "required": list(one)}),
        objects.map(
            lambda one: {"properties": one, "required": list(one)[:1], "additionalProperties": False}
        ),
        st.tuples(inner, st.integers(0, 2)).map(
            lambda one: {"type": "array", "items": one[0], "minItems": one[1], "maxItems": 2}
        ),
        st.lists(inner, min_size=1, max_size=2).map(lambda some: {"anyOf": [*some, {"type": "null"}]}),
        inner.map(lambda one: {"allOf": [one], "description": "what the call was about"}),
    )


@settings(max_examples=300)
@given(st.recursive(_LEAVES, _hold, max_leaves=8), st.sampled_from([BILL, "", "3 dollars on 2026-01-02."]))
def test_an_answer_fits_its_schema_or_is_refused(schema: dict[str, Any], text: str) -> None:
    whole = {**schema, "$defs": {"queue": {"oneOf": [{"const": "bank"}, {"const": "telecom"}]}}}
    with suppress(EngineError):
        answer = json.loads(compose_json(whole, f"Read this call.\n\n{text}", "", ""))
        checker = Draft202012Validator.FORMAT_CHECKER
        assert not list(Draft202012Validator(whole, format_checker=checker).iter_errors(answer))
