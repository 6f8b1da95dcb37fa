"""Families: what they write passes the check, what they read is where the documented answers have it."""

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from bodies import check_records
from hypothesis import given, settings, strategies as st

import bbkit as bb
from bbkit.core.errors import FamilyError, InputError
from bbkit.families import (
    FAMILIES,
    Answer,
    Family,
    Media,
    Prompt,
    answer_of,
    bare_model_id,
    error_of,
    family_of,
    get_family,
    max_tokens_of,
    normalise_stop_reason,
    plain_reader,
    split_reasoning,
    user_text_of,
)
from bbkit.families.changes import temperature_of, with_sentence

SAMPLES = Path(__file__).parents[1] / "data" / "samples" / "outputs"
WRITTEN = [family for family in FAMILIES.values() if family.writable]
MODELS = {
    "anthropic": "anthropic.claude-3-haiku-20240307-v1:0",
    "nova": "amazon.nova-lite-v1:0",
    "converse": "amazon.nova-lite-v1:0",
    "llama": "meta.llama3-1-8b-instruct-v1:0",
    "mistral_text": "mistral.mistral-small-2402-v1:0",
    "mistral_chat": "mistral.mistral-large-2407-v1:0",
    "openai_chat": "qwen.qwen3-32b-v1:0",
    "titan_embed_text": "amazon.titan-embed-text-v2:0",
    "titan_embed_image": "amazon.titan-embed-image-v1",
    "nova_embed": "amazon.nova-2-multimodal-embeddings-v1:0",
}
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")
INFERENCE: dict[str, dict[str, Any]] = {
    "anthropic": {"temperature": 0.2, "top_k": 5, "stop_sequences": ["END"]},
    "nova": {"temperature": 0, "top_p": 0.9, "top_k": 20, "stop_sequences": ["END"]},
    "converse": {"temperature": 0, "stop_sequences": ["END"], "request_metadata": {"team": "a"}},
    "llama": {"temperature": 0.2, "top_p": 0.9},
    "mistral_text": {"temperature": 0.2, "top_k": 20, "stop_sequences": ["END"]},
    "mistral_chat": {"temperature": 0.2, "top_p": 1, "stop_sequences": ["END"]},
    "openai_chat": {"temperature": 0.2, "seed": 1, "stop_sequences": ["END"]},
    "titan_embed_text": {"dimensions": 256, "normalize": True},
    "titan_embed_image": {"dimensions": 384},
    "nova_embed": {"dimensions": 1024, "embedding_purpose": "CLUSTERING"},
}


def write_body(family: Family, prompt: Prompt, **inference: Any) -> dict[str, Any]:
    return family.body(prompt, **inference)


def check_bodies(family: Family, bodies: list[dict[str, Any]]) -> pd.DataFrame:
    records = [(f"r{number}", bodies[number % len(bodies)]) for number in range(100)]
    kind = "Converse" if family.name == "converse" else "InvokeModel"
    return check_records(records, MODELS[family.name], invocation_type=kind)


def read_samples(name: str) -> Iterator[dict[str, Any]]:
    for line in (SAMPLES / f"{name}.jsonl.out").read_bytes().split(b"\n"):
        if line:
            yield json.loads(line)


@pytest.mark.parametrize("family", WRITTEN, ids=lambda family: family.name)
def test_what_a_family_writes_passes_its_own_check(family: Family) -> None:
    system = "Be short." if family.kind == "text" else ""
    bodies = [
        write_body(family, Prompt("Hello")),
        write_body(family, Prompt('He said "{name}" \u2028 <|x|> $5', system), max_tokens=64),
        write_body(family, Prompt("Hello", system), max_tokens=300, **INFERENCE[family.name]),
        write_body(family, Prompt("Hello"), temperature=None) if family.kind == "text" else {},
    ]
    written = [body for body in bodies if body]
    assert check_bodies(family, written).empty
    assert json.loads(json.dumps(written)) == written


@pytest.mark.parametrize(
    "name", ["anthropic", "nova", "converse", "llama", "openai_chat", "titan_embed_image"]
)
def test_images_go_where_a_family_takes_them(name: str) -> None:
    seeing = {"llama": "us.meta.llama3-2-11b-instruct-v1:0", "openai_chat": "google.gemma-3-12b-it"}
    model = seeing.get(name, MODELS[name])
    body = write_body(get_family(name), Prompt("What is it?", media=(Media("image", "png", PNG),)))
    assert "iVBORw0KGgo" in json.dumps(body)
    kind = "Converse" if name == "converse" else "InvokeModel"
    assert check_records([(f"r{i}", body) for i in range(100)], model, invocation_type=kind).empty


def test_documents_and_places_in_s3() -> None:
    pdf = Media("document", "pdf", b"%PDF-1.4 x", name="policy_2.pdf")
    assert check_bodies(
        get_family("anthropic"), [write_body(get_family("anthropic"), Prompt("Read.", media=(pdf,)))]
    ).empty
    assert check_bodies(
        get_family("converse"), [write_body(get_family("converse"), Prompt("Read.", media=(pdf,)))]
    ).empty
    video = Media("video", "mp4", s3_uri="s3://amzn-s3-demo-bucket/in/v.mp4")
    body = write_body(get_family("nova"), Prompt("Watch.", media=(video,)))
    assert body["messages"][0]["content"][0]["video"]["source"] == {"s3Location": {"uri": video.s3_uri}}
    for family in ("nova", "nova_embed"):
        prompt = Prompt("", media=(video,))
        assert check_bodies(get_family(family), [write_body(get_family(family), prompt)]).empty


def test_a_parameter_goes_where_the_body_has_a_use_for_it() -> None:
    family = get_family("nova_embed")
    asked = {"embedding_mode": "AUDIO_VIDEO_SEPARATE", "truncation_mode": "NONE"}
    asked["embedding_purpose"] = "CLUSTERING"
    video = Media("video", "mp4", s3_uri="s3://amzn-s3-demo-bucket/in/v.mp4")
    bodies = [family.body(Prompt("Hello"), **asked), family.body(Prompt("", media=(video,)), **asked)]
    text, seen = (body["singleEmbeddingParams"] for body in bodies)
    assert text["text"]["truncationMode"] == "NONE" and "video" not in text
    assert seen["video"]["embeddingMode"] == "AUDIO_VIDEO_SEPARATE" and "text" not in seen
    assert text["embeddingPurpose"] == seen["embeddingPurpose"] == "CLUSTERING"
    assert check_bodies(family, bodies).empty


def test_media_a_family_does_not_take_are_refused() -> None:
    video = Media("video", "mp4", b"x")
    for name in ("anthropic", "llama", "mistral_text", "mistral_chat", "openai_chat", "titan_embed_text"):
        with pytest.raises(InputError, match="video"):
            write_body(get_family(name), Prompt("Watch.", media=(video,)))
    with pytest.raises(InputError, match="neither data nor"):
        write_body(get_family("nova"), Prompt("x", media=(Media("image", "png", None),)))
    with pytest.raises(InputError, match="bytes only"):
        write_body(get_family("anthropic"), Prompt("x", media=(Media("image", "png", s3_uri="s3://b/k"),)))


@pytest.mark.parametrize(
    ("name", "medium", "written"),
    [
        ("nova", Media("video", "3gp", b"x"), "three_gp"),
        ("nova", Media("audio", "m4a", b"x"), "mp4"),
        ("nova_embed", Media("video", "three_gp", b"x"), "3gp"),
        ("nova_embed", Media("image", "jpg", b"\xff\xd8\xff"), "jpeg"),
        ("converse", Media("audio", "m4a", b"x"), "m4a"),
        ("anthropic", Media("document", "md", b"# x"), "text/plain"),
        ("anthropic", Media("document", "csv", b"a,b"), "text/plain"),
    ],
)
def test_a_format_has_the_name_that_the_family_gives_it(name: str, medium: Media, written: str) -> None:
    body = write_body(get_family(name), Prompt("" if name == "nova_embed" else "Look.", media=(medium,)))
    assert f'"{written}"' in json.dumps(body)
    assert check_bodies(get_family(name), [body]).query("rule != 'media_refused'").empty


@pytest.mark.parametrize(
    ("name", "medium", "named"),
    [
        ("anthropic", Media("document", "docx", b"x", name="call"), "'call' is docx; .* takes pdf, txt"),
        ("anthropic", Media("document", "txt", "é".encode("latin-1"), name="call"), "'call' is not UTF-8"),
        ("nova_embed", Media("audio", "opus", b"x", name="call"), "'call' is opus; .* takes mp3, wav, ogg"),
        ("nova", Media("image", "bmp", b"x", name="call"), "'call' is bmp; .* takes jpeg"),
    ],
)
def test_a_format_that_a_family_does_not_take_is_refused(name: str, medium: Media, named: str) -> None:
    with pytest.raises(InputError, match=named):
        write_body(get_family(name), Prompt("", media=(medium,)))


def test_documents_of_one_name_are_told_apart() -> None:
    media = tuple(Media("document", "pdf", b"%PDF-1.4", name=name) for name in ("a", "a (3)", "a", "a"))
    body = write_body(get_family("converse"), Prompt("Read.", media=media))
    assert check_bodies(get_family("converse"), [body]).empty
    assert body["messages"][0]["content"][0]["document"]["name"] == "a"


def test_no_output_tokens_at_all_are_written_and_found() -> None:
    for name in ("anthropic", "nova", "openai_chat", "llama"):
        body = write_body(get_family(name), Prompt("Hello"), max_tokens=0)
        assert max_tokens_of(body) == 0
        assert check_bodies(get_family(name), [body])["rule"].tolist() == ["range"]


@pytest.mark.parametrize("family", WRITTEN, ids=lambda family: family.name)
def test_an_unknown_inference_parameter_is_named_with_those_that_are_taken(family: Family) -> None:
    with pytest.raises(InputError, match=r"has no inference parameter 'top_q'; it takes [a-z]") as refusal:
        write_body(family, Prompt("Hello"), top_q=1)
    assert all(name in str(refusal.value) for name in INFERENCE[family.name])
    assert write_body(family, Prompt("Hello"), top_q=None) == write_body(family, Prompt("Hello"))


@pytest.mark.parametrize(
    "family", [one for one in WRITTEN if one.kind == "text"], ids=lambda family: family.name
)
def test_max_tokens_can_be_read_and_changed(family: Family) -> None:
    body = write_body(family, Prompt("Hello", "Be short."), max_tokens=77)
    before = copy.deepcopy(body)
    changed = family.with_max_tokens(body, 991)
    assert (max_tokens_of(body), max_tokens_of(changed)) == (77, 991)
    assert body == before
    assert user_text_of(body).find("Hello") > user_text_of(body).find("Be short.") >= 0
    assert max_tokens_of(family.with_max_tokens(write_body(family, Prompt("Hi")), 5)) == 5


def test_max_tokens_keeps_the_name_that_the_body_uses() -> None:
    chat = {"messages": [], "max_completion_tokens": 5}
    assert get_family("openai_chat").with_max_tokens(chat, 9) == {"messages": [], "max_completion_tokens": 9}
    nova = {"messages": [], "inferenceConfig": {"max_new_tokens": 5}}
    assert get_family("nova").with_max_tokens(nova, 9)["inferenceConfig"] == {"max_new_tokens": 9}
    with pytest.raises(FamilyError, match="embeddings"):
        get_family("titan_embed_text").with_max_tokens({"inputText": "x"}, 9)


def test_embedding_families_have_a_text_and_no_max_tokens() -> None:
    for name in ("titan_embed_text", "titan_embed_image", "nova_embed"):
        body = write_body(get_family(name), Prompt("A red shoe"), max_tokens=1024)
        assert user_text_of(body) == "A red shoe"
        assert max_tokens_of(body) is None
        with pytest.raises(InputError, match="system"):
            write_body(get_family(name), Prompt("A red shoe", "Be short."))


# --- reading --------------------------------------------------------------------------------

_TEXT = ("text", "stop_reason_raw")
_IN_OUT = (*_TEXT, "input_tokens", "output_tokens")
PROMISED: dict[str, tuple[str, ...]] = {
    "anthropic": (*_IN_OUT, "cache_read_tokens", "cache_write_tokens", "model", "reasoning", "tool_calls"),
    "nova": (*_IN_OUT, "cache_read_tokens", "cache_write_tokens", "reasoning", "tool_calls"),
    "converse": (*_IN_OUT, "cache_read_tokens", "cache_write_tokens", "reasoning", "tool_calls"),
    "llama": _IN_OUT,
    "mistral_text": _TEXT,
    "mistral_chat": (*_TEXT, "tool_calls"),
    "openai_chat": (*_IN_OUT, "cache_read_tokens", "model", "reasoning", "tool_calls"),
    "deepseek_r1": _TEXT,
    "titan_text": _IN_OUT,
    "titan_embed_text": ("input_tokens", "embedding"),
    "titan_embed_image": ("input_tokens", "embedding"),
    "nova_embed": ("embedding",),
    "cohere_command": (*_TEXT, "tool_calls"),
    "cohere_embed": ("embedding",),
    "ai21": _IN_OUT,
}


READ = set(Answer._fields) - {"remarks", "text_raw", "cache_write_1h_tokens"}
"""What an answer says; the others tell how it was read, or a part of it."""


def list_leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from list_leaves(item, (*path, name))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from list_leaves(item, (*path, position))
    else:
        yield path, value


def change_leaf(output: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(output)
    holder = changed
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value + 7001 if isinstance(value, int | float) else f"{value} changed"
    return changed


def changed_fields(output: Any) -> Iterator[set[str]]:
    name, before = answer_of(output)
    for path, value in list_leaves(output):
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            after_name, after = answer_of(change_leaf(output, path, value))
            if after_name == name:
                yield {field for field in READ if getattr(before, field) != getattr(after, field)}


@pytest.mark.parametrize("name", FAMILIES)
def test_plain_answers_are_read_alike_without_a_walk(name: str) -> None:
    plain = {}
    for line in read_samples(name):
        if "modelOutput" in line:
            answer = answer_of(line["modelOutput"])[1]
            if found := plain_reader(name, None)(json.dumps(line["modelOutput"]).encode()):
                plain[answer.text] = found == answer[:7] and not any(answer[7:])
    assert all(plain.values())
    assert bool(plain) == (FAMILIES[name].kind == "text" and FAMILIES[name].writable)


@pytest.mark.parametrize("name", FAMILIES)
def test_each_field_is_read_from_a_place_of_its_own(name: str) -> None:
    filled: set[str] = set()
    moved: set[str] = set()
    for line in read_samples(name):
        if "modelOutput" not in line:
            continue
        found, answer = answer_of(line["modelOutput"])
        assert found == name
        filled |= {field for field in READ if getattr(answer, field) is not None}
        for changed in changed_fields(line["modelOutput"]):
            assert len(changed) <= 1, f"one value of {name} moves {changed}"
            moved |= changed
    # What is taken off the front of a text does not move when something is put at its end.
    assert filled == set(PROMISED[name]) | ({"reasoning"} if name == "deepseek_r1" else set())
    assert moved == set(PROMISED[name])


def test_every_family_has_recorded_lines_with_a_refused_record() -> None:
    assert {path.name for path in SAMPLES.glob("*.jsonl.out")} == {f"{name}.jsonl.out" for name in FAMILIES}
    for name in FAMILIES:
        lines = list(read_samples(name))
        assert any("error" in line for line in lines) and len({line["recordId"] for line in lines}) == len(
            lines
        )


THINKING_CHUNKS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "a "}, {"type": "text", "text": "c"}]},
    {"type": "text", "text": "b"},
]


@pytest.mark.parametrize(
    ("output", "text", "reasoning"),
    [
        (
            {"choices": [{"message": {"content": "<reasoning>a</reasoning> b "}, "finish_reason": "stop"}]},
            " b ",
            "a",
        ),
        ({"choices": [{"message": {"content": "<reasoning>a"}, "finish_reason": "length"}]}, "", "a"),
        (
            {"choices": [{"message": {"content": "b <reasoning>a</reasoning>"}}]},
            "b <reasoning>a</reasoning>",
            None,
        ),
        ({"choices": [{"message": {"content": None, "refusal": "no"}}]}, "no", None),
        ({"choices": [{"message": {"content": "<think>a</think>b"}}]}, "b", "a"),
        ({"choices": [{"message": {"content": "a</think>b"}}]}, "a</think>b", None),
        ({"choices": [{"text": "a</think>b", "stop_reason": "stop"}]}, "b", "a"),
        ({"choices": [{"text": "<think>\na\n</think>\n\nb"}]}, "b", "a"),
        ({"choices": [{"text": "as <think>a</think> does"}]}, "as <think>a</think> does", None),
        ({"choices": [{"text": "as <think>a</think> does</think>b"}]}, "b", "as <think>a</think> does"),
        ({"choices": [{"model": "x", "message": {"content": THINKING_CHUNKS}}]}, "b", "a c"),
        (
            {"choices": [{"message": {"content": "<think>a</think>b", "reasoning_content": "r"}}]},
            "b",
            "r\na",
        ),
        (
            {"model": "zai.glm-4.7", "choices": [{"message": {"content": "a</think>b"}}]},
            "b",
            "a",
        ),
        (
            {"generation": " \n<thinking>a</thinking>\n<reasoning>b</reasoning><think>c</think> d <think>"},
            " d <think>",
            "a\nb\nc",
        ),
        ({"content": [{"type": "text", "text": "<thinking>a</think>"}]}, "", "a</think>"),
        ({"results": [{"outputText": "<think>\n\n</think>\n\nbank"}]}, "bank", None),
        ({"text": "<Think>a</Think>b"}, "<Think>a</Think>b", None),
        ({"type": "message", "content": []}, "", None),
        ({"content": [{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "x"}]}, "x", "t"),
        ({"output": {"message": {"content": [{"text": "a"}, {"text": "b"}]}}}, "ab", None),
        ({"generation": ""}, "", None),
        ({"generation": None}, None, None),
    ],
)
def test_text_is_the_answer_only(output: dict[str, Any], text: str | None, reasoning: str | None) -> None:
    _, answer = answer_of(output)
    assert (answer.text, answer.reasoning) == (text, reasoning)


TEXTS = st.lists(
    st.sampled_from(["<think>", "</think>", "<reasoning>", "</reasoning>", "<thinking>", " ", "\n", "a", "<"])
).map("".join)


@given(TEXTS, st.booleans())
def test_reasoning_is_split_from_the_front_and_nothing_else_is_lost(text: str, opened: bool) -> None:
    rest, reasoning = split_reasoning(text, opened=opened)
    assert text.endswith(rest) and all(part in text for part in (reasoning or "").split("\n"))
    assert not rest.lstrip().startswith(("<think>", "<reasoning>", "<thinking>"))
    if not opened and not text.lstrip().startswith("<"):
        assert (rest, reasoning) == (text, None)


def test_many_blocks_take_linear_time() -> None:
    assert split_reasoning("<think>a</think>" * 200_000 + "b")[0] == "b"


def test_what_is_absent_is_none_never_zero() -> None:
    _, answer = answer_of({"generation": "x", "prompt_token_count": 0, "generation_token_count": True})
    assert (answer.input_tokens, answer.output_tokens, answer.stop_reason_raw) == (0, None, None)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            {"error": {"message": "Slow down", "type": "rate", "param": None, "code": "429"}},
            "429",
            "Slow down",
        ),
        ({"error": {"message": "Slow down", "type": "rate_limit", "code": None}}, "rate_limit", "Slow down"),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}},
            "overloaded_error",
            "Busy",
        ),
        ({"message": "Internal server error"}, None, "Internal server error"),
        ({"Message": "User is not authorized"}, None, "User is not authorized"),
        ({"code": 500, "data": {"x": 1}}, "500", '{"code":500,"data":{"x":1}}'),
        (
            {"__type": "com.amazon.coral.service#ThrottlingException", "message": "m"},
            "ThrottlingException",
            "m",
        ),
        (
            {"Output": {"__type": "x#UnknownOperationException"}, "Version": "1.0"},
            "UnknownOperationException",
            None,
        ),
        ({"statusCode": 502, "body": '{"message": "Bad gateway"}', "headers": {}}, "502", "Bad gateway"),
        ({"error": "Not Found", "status": 404, "path": "/v1"}, "404", "Not Found"),
        ({"error": "invalid_token", "error_description": "It expired"}, "invalid_token", "It expired"),
        ({"detail": [{"loc": ["body"], "msg": "field required"}]}, None, None),
        ({"detail": "Not authenticated"}, None, "Not authenticated"),
        ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}, "400", "m"),
        ({"ErrorCode": "INTERNAL", "Message": "m", "LogStreamArn": "arn"}, "INTERNAL", "m"),
        (
            {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"},
            "Sandbox.Timedout",
            "Task timed out",
        ),
        ({"errors": [{"code": 7, "message": "m"}]}, "7", "m"),
        ({"error": '{"code": 503, "message": "m"}'}, "503", "m"),
        ({"choices": [], "error": {"code": 1, "message": "m"}}, "1", "m"),
        ({"output": {"message": "Internal error"}}, None, "Internal error"),
        ({"embedding": None, "message": "Too large", "inputTextTokenCount": 0}, None, "Too large"),
        ({"embedding": [], "inputTextTokenCount": 5}, None, "no vector came back"),
        ({"embeddings": []}, None, "no vector came back"),
        ({"embeddings": {"float": [[]]}}, None, "no vector came back"),
        ({"embeddings": [{"embeddingType": "TEXT", "embedding": None}]}, None, "no vector came back"),
        ({"embeddingsByType": {}}, None, "no vector came back"),
        ({"embedding": [0.1, None]}, None, "no vector came back"),
        ({"embedding": [0.1, math.nan]}, None, "no vector came back"),
        ({"embedding": ["a"]}, None, "no vector came back"),
        ({"embeddings": [[0.1], [None]]}, None, "no vector came back"),
        ({"embeddings": [{"embedding": [True]}]}, None, "no vector came back"),
        ({"inputTextTokenCount": 3}, None, "no vector came back"),
        ({"error": {}}, None, '{"error":{}}'),
        ({"errors": [], "fault": ""}, None, None),
        ({}, None, "{}"),
        ({"error": None}, None, '{"error":null}'),
    ],
)
def test_error_bodies_are_no_answers(body: dict[str, Any], code: str | None, message: str | None) -> None:
    assert answer_of(body) == ("", Answer())
    found = error_of(body)
    assert found is not None and found[0] == code and (message is None or found[1] == message)


@pytest.mark.parametrize(
    "body",
    [{"foo": 1}, {"message": {"role": "assistant"}}, {"response": "Fine."}, {"code": 200, "data": "x"}],
)
def test_other_bodies_are_no_errors(body: dict[str, Any]) -> None:
    assert error_of(body) is None


def test_an_unknown_shape_has_no_family() -> None:
    for output in (
        {},
        {"errorCode": 400, "errorMessage": "x"},
        {"output": "x"},
        {"choices": []},
        {"content": "x"},
    ):
        assert answer_of(output) == ("", Answer())


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FAMILIES)), st.integers(0, 60), JSON_VALUES)
def test_reading_never_raises(name: str, position: int, value: Any) -> None:
    outputs = [line["modelOutput"] for line in read_samples(name) if "modelOutput" in line]
    for output in outputs:
        places = [path[:depth] for path, _ in list_leaves(output) for depth in range(1, len(path) + 1)]
        path = places[position % len(places)]
        odd = copy.deepcopy(output)
        holder = odd
        for part in path[:-1]:
            holder = holder[part]
        holder[path[-1]] = value
        _, answer = answer_of(odd)
        assert answer.text is None or isinstance(answer.text, str)
        assert all(type(count) in (int, type(None)) for count in answer[2:6])
        FAMILIES[name].answer(odd)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        *(
            (raw, "stop")
            for raw in ("end_turn", "stop", "stop_sequence", "COMPLETE", "FINISH", "FINISHED", "eos")
        ),
        ("STOP_CRITERIA_MET", "stop"),
        *((raw, "length") for raw in ("max_tokens", "length", "LENGTH", "MAX_TOKENS", "ERROR_LIMIT")),
        ("model_context_window_exceeded", "length"),
        *((raw, "tool_use") for raw in ("tool_use", "tool_calls", "function_call")),
        *(
            (raw, "content_filter")
            for raw in ("content_filtered", "CONTENT_FILTERED", "refusal", "ERROR_TOXIC")
        ),
        *((raw, "content_filter") for raw in ("guardrail_intervened", "content_filter")),
        *((raw, "error") for raw in ("malformed_model_output", "malformed_tool_use", "ERROR")),
        ("RAG_QUERY_WHEN_RAG_DISABLED", "error"),
        ("USER_CANCEL", "cancelled"),
        ("pause_turn", "other"),
        *((raw, "content_filter") for raw in ("sensitive", "SAFETY", "RECITATION", "PROHIBITED_CONTENT")),
        *((raw, "length") for raw in ("model_length", "max_output_tokens")),
        *(
            (raw, "error")
            for raw in ("network_error", "insufficient_system_resource", "MALFORMED_FUNCTION_CALL")
        ),
        ("eos_token", "stop"),
        ("TOOL_CALL", "tool_use"),
        ("anything else", "other"),
        (None, None),
    ],
)
def test_stop_reasons_follow_one_table(raw: str | None, expected: str | None) -> None:
    assert normalise_stop_reason(raw) == expected


# --- which family ---------------------------------------------------------------------------

ACCOUNT = "arn:aws:bedrock:us-east-1:111122223333"


@pytest.mark.parametrize(
    ("model_id", "family", "bare"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", "anthropic", "anthropic.claude-3-haiku-20240307-v1:0"),
        ("us.anthropic.claude-opus-5", "anthropic", "anthropic.claude-opus-5"),
        ("global.amazon.nova-2-lite-v1:0", "nova", "amazon.nova-2-lite-v1:0"),
        *(
            (f"{area}.amazon.nova-lite-v1:0", "nova", "amazon.nova-lite-v1:0")
            for area in ("eu", "apac", "jp", "au", "ca", "us-gov")
        ),
        ("us.deepseek.v3.2", "openai_chat", "deepseek.v3.2"),
        ("us.deepseek.r1-v1:0", "deepseek_r1", "deepseek.r1-v1:0"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "nova", "amazon.nova-pro-v1:0"),
        ("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/meta.llama3-8b-instruct-v1:0", "llama",
         "meta.llama3-8b-instruct-v1:0"),
        (f"{ACCOUNT}:inference-profile/us.meta.llama4-scout-17b-instruct-v1:0", "llama",
         "meta.llama4-scout-17b-instruct-v1:0"),
        (f"{ACCOUNT}:custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl", "nova",
         "amazon.nova-lite-v1:0"),
        ("amazon.titan-text-express-v1", "titan_text", "amazon.titan-text-express-v1"),
        ("cohere.command-r-v1:0", "cohere_command", "cohere.command-r-v1:0"),
        ("cohere.embed-english-v3", "cohere_embed", "cohere.embed-english-v3"),
        ("ai21.jamba-1-5-large-v1:0", "ai21", "ai21.jamba-1-5-large-v1:0"),
        ("mistral.mixtral-8x7b-instruct-v0:1", "mistral_text", "mistral.mixtral-8x7b-instruct-v0:1"),
    ],
)  # fmt: skip
def test_the_family_is_told_from_the_model_id(model_id: str, family: str, bare: str) -> None:
    assert family_of(model_id).name == family
    assert bare_model_id(model_id) == bare


def test_the_model_behind_an_id_tells_its_own_family() -> None:
    hidden = f"{ACCOUNT}:application-inference-profile/a1b2c3d4e5f6"
    nova = "amazon.nova-lite-v1:0"
    data = pd.DataFrame({"text": ["a"]})
    with pytest.raises(FamilyError, match="is of the family nova, not anthropic"):
        bb.build_records(data, hidden, prompt="{text}", family="anthropic", model=nova)
    with pytest.raises(FamilyError, match="is of the family nova, not anthropic"):
        bb.check_records([], hidden, family="anthropic", model=nova)
    assert len(bb.build_records(data, hidden, prompt="{text}", family="nova", model=nova)) == 1


def test_a_newer_generation_of_a_known_line_is_of_its_family() -> None:
    newer = "us.amazon.nova-3-lite-v1:0"
    assert family_of(newer).name == "nova"
    records = bb.build_records(pd.DataFrame({"text": ["a"]}), newer, prompt="{text}")
    found = bb.check_records(records, newer)
    assert "model_not_listed" in set(found["rule"]) and set(found.errors["rule"]) <= {"min_records_per_job"}


@pytest.mark.parametrize(
    "model_id",
    [
        f"{ACCOUNT}:application-inference-profile/a1b2c3d4e5f6",
        f"{ACCOUNT}:imported-model/abcdefghijkl",
        f"{ACCOUNT}:custom-model/abcdefghijkl",
        f"{ACCOUNT}:provisioned-model/abcdefghijkl",
        "amazon.nova-canvas-v1:0",
        "stability.sd3-large-v1:0",
        "cohere.rerank-v3-5:0",
        "gpt-4o",
        "",
    ],
)
def test_what_cannot_be_told_asks_for_the_family(model_id: str) -> None:
    with pytest.raises(FamilyError, match=r"family \(family=, --family\), one of: anthropic, nova"):
        family_of(model_id)
    assert family_of(model_id, family="nova").name == "nova"


def test_converse_is_a_family_of_the_invocation_type() -> None:
    assert (
        family_of(f"{ACCOUNT}:application-inference-profile/x", invocation_type="Converse").name == "converse"
    )
    with pytest.raises(FamilyError, match="no Converse form"):
        family_of("amazon.titan-embed-text-v2:0", invocation_type="Converse")
    with pytest.raises(FamilyError, match="anthropic is given for a Converse job"):
        family_of(
            f"{ACCOUNT}:application-inference-profile/x", invocation_type="Converse", family="anthropic"
        )


def test_what_is_no_invocation_type_or_no_model_id_is_refused() -> None:
    for kind in ("converse", "", "InvokeModelWithResponseStream"):
        with pytest.raises(InputError, match="takes InvokeModel or Converse"):
            family_of("amazon.nova-lite-v1:0", invocation_type=kind)
    for model_id in (None, 5):
        with pytest.raises(FamilyError, match="model_id is"):
            family_of(model_id)  # type: ignore[arg-type]


def test_an_unknown_family_lists_the_known_ones() -> None:
    with pytest.raises(FamilyError, match=r"'antropic'.*anthropic"):
        get_family("antropic")
    with pytest.raises(LookupError):
        family_of("amazon.nova-lite-v1:0", family="antropic")


def test_a_family_adapts_to_the_model_where_its_kin_differ() -> None:
    llama4 = write_body(family_of("us.meta.llama4-scout-17b-instruct-v1:0"), Prompt("Hi"))["prompt"]
    assert "<|header_start|>user<|header_end|>" in llama4 and "<|start_header_id|>" not in llama4
    assert (
        "<|start_header_id|>"
        in write_body(family_of("meta.llama3-1-8b-instruct-v1:0"), Prompt("Hi"))["prompt"]
    )
    assert "max_completion_tokens" in write_body(
        family_of("openai.gpt-oss-20b-1:0"), Prompt("Hi"), max_tokens=5
    )
    assert "max_tokens" in write_body(family_of("qwen.qwen3-32b-v1:0"), Prompt("Hi"), max_tokens=5)


@pytest.mark.parametrize("family", WRITTEN, ids=lambda family: family.name)
def test_one_sentence_more_ends_the_last_user_turn(family: Family) -> None:
    if family.kind == "embedding":
        assert with_sentence(write_body(family, Prompt("Where?")), "When?") == write_body(
            family, Prompt("Where?")
        )
        return
    body = write_body(family, Prompt("Where?", "Be brief."), max_tokens=64, temperature=0)
    before = copy.deepcopy(body)
    longer = with_sentence(body, "When?")
    assert body == before
    assert temperature_of(longer) == 0
    same = write_body(family, Prompt("Where?\n\nWhen?", "Be brief."), max_tokens=64, temperature=0)
    assert user_text_of(longer) == user_text_of(same)
    assert check_bodies(family, [longer]).empty
    if "messages" in body:
        turns = {**body, "messages": [*body["messages"], {"role": "assistant", "content": []}]}
        assert with_sentence(turns, "When?")["messages"] == [*longer["messages"], turns["messages"][-1]]
