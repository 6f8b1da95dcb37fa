"""Good bodies are answered in the documented shape of their family, bad ones refused with a reason."""

import base64
import copy
import json
from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from bbkit.standin.answers import RecordError, answer_record, bare_model_id, family_name
from bbkit.standin.catalog import model_list
from bbkit.standin.engines import make_engine

ENGINE = make_engine("extractive")
CALL = (
    "Summarize the call.\n\n"
    "Agent: Thank you for calling, how can I help?\n"
    "Customer: My parcel with the blue lamp has not arrived and its tracking is stuck since Monday.\n"
    "Agent: It was damaged on the way, so I will send a replacement by express, it arrives on Thursday.\n"
    "Customer: Great, thanks."
)
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
LLAMA = "us.meta.llama3-1-8b-instruct-v1:0"
GPT = "openai.gpt-oss-20b-1:0"
SMALL = "mistral.mistral-small-2402-v1:0"
LARGE = "mistral.mistral-large-2407-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
TITAN_IMAGE = "amazon.titan-embed-image-v1"
NOVA_EMBED = "amazon.nova-2-multimodal-embeddings-v1:0"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).decode()

ANTHROPIC_BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 300,
    "messages": [{"role": "user", "content": [{"type": "text", "text": CALL}]}],
}
NOVA_BODY = {
    "messages": [{"role": "user", "content": [{"text": CALL}]}],
    "inferenceConfig": {"maxTokens": 300},
}
LLAMA_BODY = {
    "prompt": f"<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{CALL}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "max_gen_len": 300,
}
OPENAI_BODY = {"messages": [{"role": "user", "content": CALL}], "max_completion_tokens": 300}
NOVA_EMBED_BODY = {
    "taskType": "SINGLE_EMBEDDING",
    "singleEmbeddingParams": {
        "embeddingPurpose": "GENERIC_INDEX",
        "embeddingDimension": 256,
        "text": {"truncationMode": "END", "value": "blue lamp"},
    },
}

# What section "Bodies" of AWS's pages documents: exactly these keys, of these types.
USAGE_ANTHROPIC = {"input_tokens": int, "output_tokens": int}
MESSAGE_AMAZON = {"message": {"role": "assistant", "content": [{"text": str}]}}
SHAPES: dict[str, Any] = {
    "anthropic": {
        "id": str,
        "type": "message",
        "role": "assistant",
        "model": "bbkit-extractive-1",
        "content": [{"type": "text", "text": str}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE_ANTHROPIC,
    },
    "nova": {
        "output": MESSAGE_AMAZON,
        "stopReason": "end_turn",
        "usage": {
            "inputTokens": int,
            "outputTokens": int,
            "totalTokens": int,
            "cacheReadInputTokenCount": int,
            "cacheWriteInputTokenCount": int,
        },
    },
    "converse": {
        "output": MESSAGE_AMAZON,
        "stopReason": "end_turn",
        "usage": {"inputTokens": int, "outputTokens": int, "totalTokens": int},
        "metrics": {"latencyMs": int},
    },
    "llama": {
        "generation": str,
        "prompt_token_count": int,
        "generation_token_count": int,
        "stop_reason": "stop",
    },
    "openai_chat": {
        "id": str,
        "object": "chat.completion",
        "created": int,
        "model": "bbkit-extractive-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": str}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": int, "completion_tokens": int, "total_tokens": int},
    },
    "mistral_text": {"outputs": [{"text": str, "stop_reason": "stop"}]},
    "mistral_chat": {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": str}, "stop_reason": "stop"}],
    },
    "titan_embed_text": {
        "embedding": [float],
        "embeddingsByType": {"float": [float]},
        "inputTextTokenCount": int,
    },
    "titan_embed_image": {"embedding": [float], "inputTextTokenCount": int, "message": None},
    "nova_embed": {"embeddings": [{"embeddingType": "TEXT", "embedding": [float]}]},
}
GOOD = [
    (HAIKU, "InvokeModel", ANTHROPIC_BODY, "anthropic"),
    (
        SONNET,
        "InvokeModel",
        {**ANTHROPIC_BODY, "system": "Be short.", "temperature": 0.2, "stop_sequences": ["##"]},
        "anthropic",
    ),
    (
        SONNET,
        "InvokeModel",
        {**ANTHROPIC_BODY, "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 1024}},
        "anthropic",
    ),
    (NOVA, "InvokeModel", NOVA_BODY, "nova"),
    (
        NOVA_2,
        "InvokeModel",
        {
            **NOVA_BODY,
            "schemaVersion": "messages-v1",
            "system": [{"text": "Be short."}],
            "inferenceConfig": {"max_new_tokens": 300, "topK": 5, "reasoningConfig": {"type": "disabled"}},
        },
        "nova",
    ),
    (NOVA, "Converse", NOVA_BODY, "converse"),
    (
        GPT,
        "Converse",
        {
            **NOVA_BODY,
            "system": [{"text": "Be short."}],
            "inferenceConfig": {"maxTokens": 300, "temperature": 0, "stopSequences": ["END"]},
        },
        "converse",
    ),
    (LLAMA, "InvokeModel", LLAMA_BODY, "llama"),
    (LLAMA, "InvokeModel", {"prompt": CALL, "temperature": 0.5, "top_p": 0.9}, "llama"),
    (GPT, "InvokeModel", OPENAI_BODY, "openai_chat"),
    (
        "qwen.qwen3-32b-v1:0",
        "InvokeModel",
        {"messages": OPENAI_BODY["messages"], "max_tokens": 300},
        "openai_chat",
    ),
    (SMALL, "InvokeModel", {"prompt": f"<s>[INST] {CALL} [/INST]", "max_tokens": 300}, "mistral_text"),
    (LARGE, "InvokeModel", {"messages": OPENAI_BODY["messages"], "max_tokens": 300}, "mistral_chat"),
    (TITAN, "InvokeModel", {"inputText": "blue lamp", "dimensions": 256}, "titan_embed_text"),
    (TITAN_IMAGE, "InvokeModel", {"inputText": "blue lamp", "inputImage": PNG}, "titan_embed_image"),
    (NOVA_EMBED, "InvokeModel", NOVA_EMBED_BODY, "nova_embed"),
]


def answer(model_id: str, body: Any, kind: str = "InvokeModel", **options: Any) -> dict[str, Any]:
    return answer_record(model_id, kind, body, ENGINE, **options)


def assert_shape(value: Any, shape: Any, where: str = "modelOutput") -> None:
    if isinstance(shape, dict):
        assert set(value) == set(shape), where
        for key, inner in shape.items():
            assert_shape(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        assert value, where
        for item in value:
            assert_shape(item, shape[0], f"{where}[]")
    elif isinstance(shape, type):
        assert type(value) is shape, f"{where}: {value!r}"
    else:
        assert value == shape, where


@pytest.mark.parametrize(("model_id", "kind", "body", "shape"), GOOD)
def test_good_body_is_answered_in_the_shape_of_its_family(
    model_id: str, kind: str, body: dict[str, Any], shape: str
) -> None:
    before = copy.deepcopy(body)
    output = answer(model_id, body, kind)
    assert_shape(json.loads(json.dumps(output)), SHAPES[shape])
    assert body == before


def changed(body: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A copy with other members; None takes one away, a dotted name (with __) reaches inside."""
    copied = copy.deepcopy(body)
    for path, value in members.items():
        place, *rest = path.split("__")
        target: Any = copied
        while rest:
            target = target[int(place)] if place.isdigit() else target.setdefault(place, {})
            place, *rest = rest
        if value is None:
            del target[place]
        else:
            target[int(place) if place.isdigit() else place] = value
    return copied


USER = {"role": "user", "content": "hi"}
ASSISTANT = {"role": "assistant", "content": "Hello"}
TOOLS = [{"name": "look_up", "input_schema": {"type": "object"}}]
BAD = [
    (HAIKU, changed(ANTHROPIC_BODY, anthropic_version=None), "anthropic_version: Field required"),
    (HAIKU, changed(ANTHROPIC_BODY, anthropic_version="2023-06-01"), "anthropic_version: Input should be"),
    (HAIKU, changed(ANTHROPIC_BODY, max_tokens=None), "max_tokens: Field required"),
    (HAIKU, changed(ANTHROPIC_BODY, max_tokens=0), "max_tokens: Input should be greater than or equal to 1"),
    (HAIKU, changed(ANTHROPIC_BODY, max_tokens="9"), "max_tokens: Input should be a valid integer"),
    (HAIKU, changed(ANTHROPIC_BODY, max_tokens=True), "max_tokens: Input should be a valid integer"),
    (HAIKU, changed(ANTHROPIC_BODY, modelId=HAIKU), "modelId: Extra inputs are not permitted"),
    (HAIKU, changed(ANTHROPIC_BODY, stream=False), "stream: Extra inputs are not permitted"),
    (HAIKU, changed(ANTHROPIC_BODY, messages=[]), "messages: at least one message is required"),
    (HAIKU, changed(ANTHROPIC_BODY, messages=[ASSISTANT]), 'first message must use the "user" role'),
    (HAIKU, changed(ANTHROPIC_BODY, messages__0__content=""), "non-empty content"),
    (
        HAIKU,
        changed(ANTHROPIC_BODY, messages__0__content__0__text=""),
        "text content blocks must be non-empty",
    ),
    (
        HAIKU,
        changed(ANTHROPIC_BODY, messages__0__content__0__type="txt"),
        "messages.0.content.0: Input tag 'txt'",
    ),
    (HAIKU, changed(ANTHROPIC_BODY, messages__0__role="system"), "messages.0.role: Input should be"),
    (HAIKU, changed(ANTHROPIC_BODY, temperature=1.5), "temperature: Input should be less than or equal to 1"),
    (
        HAIKU,
        changed(ANTHROPIC_BODY, thinking={"type": "enabled", "budget_tokens": 1024}),
        "does not support thinking",
    ),
    (SONNET, changed(ANTHROPIC_BODY, temperature=0.5, top_p=0.5), "cannot both be specified"),
    (SONNET, changed(ANTHROPIC_BODY, thinking={"type": "enabled", "budget_tokens": 500}), "equal to 1024"),
    (
        SONNET,
        changed(ANTHROPIC_BODY, thinking={"type": "enabled", "budget_tokens": 1024}),
        "must be greater than",
    ),
    (SONNET, changed(ANTHROPIC_BODY, thinking={"type": "adaptive"}), "adaptive thinking is not supported"),
    (SONNET, changed(ANTHROPIC_BODY, tool_choice={"type": "any"}), "tool_choice may only be specified"),
    ("global.anthropic.claude-sonnet-4-6", changed(ANTHROPIC_BODY, messages=[USER, ASSISTANT]), "prefill"),
    ("us.anthropic.claude-opus-5", changed(ANTHROPIC_BODY, temperature=0.5), "`temperature` is deprecated"),
    (
        SONNET,
        changed(
            ANTHROPIC_BODY,
            tools=TOOLS,
            messages=[
                USER,
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t1", "name": "look_up", "input": {}}],
                },
                USER,
            ],
        ),
        "`tool_use` ids were found without `tool_result`",
    ),
    (
        NOVA,
        changed(NOVA_BODY, messages=None),
        "Malformed input request: #: required key [messages] not found",
    ),
    (NOVA, changed(NOVA_BODY, max_tokens=5), "#: extraneous key [max_tokens] is not permitted"),
    (NOVA, changed(NOVA_BODY, max_tokens=5, messages=None), "2 schema violations found"),
    (
        NOVA,
        changed(NOVA_BODY, inferenceConfig__temperature=2),
        "#/inferenceConfig/temperature: 2 is not less",
    ),
    (NOVA, changed(NOVA_BODY, messages__0__content=CALL), "expected type: JSONArray, found: String"),
    (NOVA, changed(NOVA_BODY, messages__0__content__0__text=" "), "is blank"),
    (
        NOVA,
        changed(NOVA_BODY, messages=[{"role": "assistant", "content": [{"text": "x"}]}]),
        "start with a user",
    ),
    (NOVA, changed(NOVA_BODY, inferenceConfig__reasoningConfig={"type": "enabled"}), "doesn't support"),
    (NOVA, ANTHROPIC_BODY, "schema violations found"),
    (LLAMA, {"inputs": CALL, "parameters": {"max_new_tokens": 9}}, "schema violations found"),
    (LLAMA, changed(LLAMA_BODY, max_gen_len=0), "#/max_gen_len: 0 is not greater or equal to 1"),
    (LLAMA, changed(LLAMA_BODY, prompt=""), "expected minLength: 1, actual: 0"),
    (LLAMA, changed(LLAMA_BODY, images=["%%"]), "not valid base64"),
    (GPT, changed(OPENAI_BODY, stream=True), "#/stream: True is not a valid enum value"),
    (GPT, changed(OPENAI_BODY, model="gpt-4"), "does not match the model of the request"),
    (GPT, changed(OPENAI_BODY, max_tokens=5), "only one of max_tokens and max_completion_tokens"),
    (GPT, changed(OPENAI_BODY, messages=[{"role": "system", "content": "x"}]), "at least one message"),
    (
        GPT,
        changed(
            OPENAI_BODY,
            messages__0__content=[
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            ],
        ),
        "does not support image input",
    ),
    (GPT, changed(OPENAI_BODY, anthropic_version="bedrock-2023-05-31"), "extraneous key [anthropic_version]"),
    (SMALL, {"prompt": "hi", "max_tokens": 9000}, "9000 is not less or equal to 8192"),
    (SMALL, OPENAI_BODY, "schema violations found"),
    (LARGE, {"prompt": "hi"}, "schema violations found"),
    (TITAN, {"inputText": ""}, "expected minLength: 1"),
    (TITAN, {"inputText": "x" * 50_001}, "expected maxLength: 50000"),
    (TITAN, {"inputText": "x", "dimensions": 300}, "300 is not a valid enum value"),
    (TITAN, {"texts": ["x"]}, "schema violations found"),
    (TITAN_IMAGE, {}, "at least one of [inputText] and [inputImage]"),
    (TITAN_IMAGE, {"inputText": "word " * 300}, "Too many input tokens"),
    (
        NOVA_EMBED,
        changed(NOVA_EMBED_BODY, singleEmbeddingParams__embeddingPurpose=None),
        "[embeddingPurpose]",
    ),
    (NOVA_EMBED, changed(NOVA_EMBED_BODY, singleEmbeddingParams__text=None), "exactly one of text, image"),
    ("cohere.command-r-v1:0", {"message": "hi"}, "The provided model identifier is invalid."),
]


@pytest.mark.parametrize(("model_id", "body", "wanted"), BAD)
def test_bad_body_is_refused_with_the_reason(model_id: str, body: Any, wanted: str) -> None:
    with pytest.raises(RecordError) as caught:
        answer(model_id, body)
    assert caught.value.code == 400
    assert wanted in caught.value.message


TOOL_CONFIG = {"tools": [{"toolSpec": {"name": "look_up", "inputSchema": {"json": {"type": "object"}}}}]}
DOCUMENT = {
    "document": {
        "format": "txt",
        "name": "call",
        "source": {"bytes": base64.b64encode(CALL.encode()).decode()},
    }
}
BAD_CONVERSE = [
    (changed(NOVA_BODY, modelId=NOVA), "extraneous key [modelId]"),
    (changed(NOVA_BODY, maxTokens=5), "Value at 'maxTokens' failed to satisfy constraint"),
    (changed(NOVA_BODY, inferenceConfig__maxTokens=0), "greater than or equal to 1"),
    (changed(NOVA_BODY, inferenceConfig__maxTokens="5"), "must be of type integer"),
    (changed(NOVA_BODY, messages__0__role="tool"), "enum value set"),
    (changed(NOVA_BODY, messages__0__role=None), "'messages.1.member.role'"),
    (changed(NOVA_BODY, messages__0__content__0={"text": "a", "image": {}}), "exactly one of its members"),
    (changed(NOVA_BODY, messages=[]), "messages field is empty"),
    (
        changed(NOVA_BODY, messages__0__content=[]),
        "content field in the Message object at messages.0 is empty",
    ),
    (changed(NOVA_BODY, messages__0__content=[DOCUMENT]), "document but no text"),
    (changed(NOVA_BODY, toolConfig=TOOL_CONFIG), "toolConfig is not supported in batch inference"),
    (
        changed(NOVA_BODY, messages=[*NOVA_BODY["messages"], *NOVA_BODY["messages"]]),
        "alternate between user and",
    ),
]


@pytest.mark.parametrize(("body", "wanted"), BAD_CONVERSE)
def test_bad_converse_body_is_refused_with_the_reason(body: Any, wanted: str) -> None:
    with pytest.raises(RecordError) as caught:
        answer(NOVA, body, "Converse")
    assert caught.value.code == 400
    assert wanted in caught.value.message


def test_converse_has_no_embedding_models() -> None:
    with pytest.raises(RecordError, match="doesn't support the model"):
        answer(TITAN, NOVA_BODY, "Converse")


def test_converse_takes_tools_on_demand() -> None:
    assert (
        answer(NOVA, changed(NOVA_BODY, toolConfig=TOOL_CONFIG), "Converse", batch=False)["stopReason"]
        == "end_turn"
    )


@pytest.mark.parametrize("limit", [5, 300])
def test_converse_answers_parse_with_botocores_own_parser(limit: int) -> None:
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = model.operation_model("Converse").output_shape
    assert shape is not None
    output = answer(NOVA, changed(NOVA_BODY, inferenceConfig__maxTokens=limit), "Converse")
    wire = {"body": json.dumps(output).encode(), "headers": {}, "status_code": 200}
    parsed = create_parser("rest-json").parse(wire, shape)
    parsed.pop("ResponseMetadata")
    assert parsed == output
    assert not ParamValidator().validate(parsed, shape).has_errors()


def test_documents_of_text_are_read_and_binary_ones_are_said_to_be_unread() -> None:
    body = {"messages": [{"role": "user", "content": [{"text": "Summarize the call."}, DOCUMENT]}]}
    read = answer(NOVA, body, "Converse")["output"]["message"]["content"][0]["text"]
    assert "blue lamp" in read
    unread = changed(body, messages__0__content__1__document__format="pdf")
    text = answer(NOVA, unread, "Converse")["output"]["message"]["content"][0]["text"]
    assert "1 not read: document" in text
    assert "blue lamp" not in text


@pytest.mark.parametrize(
    ("model_id", "body", "limit", "read"),
    [
        (HAIKU, ANTHROPIC_BODY, "max_tokens", lambda o: (o["stop_reason"], o["usage"]["output_tokens"])),
        (
            NOVA,
            NOVA_BODY,
            "inferenceConfig__maxTokens",
            lambda o: (o["stopReason"], o["usage"]["outputTokens"]),
        ),
        (LLAMA, LLAMA_BODY, "max_gen_len", lambda o: (o["stop_reason"], o["generation_token_count"])),
        (
            GPT,
            OPENAI_BODY,
            "max_completion_tokens",
            lambda o: (o["choices"][0]["finish_reason"], o["usage"]["completion_tokens"]),
        ),
    ],
)
def test_a_small_limit_cuts_the_answer_and_says_so(model_id: str, body: Any, limit: str, read: Any) -> None:
    stop, tokens = read(answer(model_id, changed(body, **{limit: 7})))
    assert (stop in ("max_tokens", "length"), tokens) == (True, 7)
    stop, tokens = read(answer(model_id, body))
    assert stop in ("end_turn", "stop")
    assert tokens > 7


def test_stop_sequences_end_the_answer() -> None:
    output = answer(HAIKU, changed(ANTHROPIC_BODY, stop_sequences=["zebra", "lamp"]))
    assert (output["stop_reason"], output["stop_sequence"]) == ("stop_sequence", "lamp")
    assert output["content"][0]["text"].endswith("blue ")


def test_prompts_longer_than_the_model_reads_are_refused() -> None:
    window = model_list()[HAIKU]["context_window"]
    with pytest.raises(RecordError, match="Input is too long for requested model"):
        answer(HAIKU, changed(ANTHROPIC_BODY, messages__0__content="word " * (window + 1)))


def test_every_model_of_the_list_has_a_family_and_answers() -> None:
    families = {model_id: family_name(model_id) for model_id in model_list()}
    assert None not in families.values()
    texts = [
        answer(name, NOVA_BODY, "Converse") for name, family in families.items() if "embed" not in str(family)
    ]
    assert len({json.dumps(text["output"]) for text in texts}) == 1


@pytest.mark.parametrize(
    "identifier",
    [
        "amazon.nova-lite-v1:0",
        "us.amazon.nova-lite-v1:0",
        "global.amazon.nova-lite-v1:0",
        "us-gov.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
        "arn:aws:bedrock:us-east-1:111122223333:inference-profile/eu.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:us-east-1:111122223333:custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl",
    ],
)
def test_a_model_is_known_under_all_its_names(identifier: str) -> None:
    assert bare_model_id(identifier) == "amazon.nova-lite-v1:0"
    assert family_name(identifier) == "nova"


def test_an_application_profile_does_not_tell_its_model() -> None:
    with pytest.raises(RecordError, match="identifier is invalid"):
        answer("arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abcdefghijkl", NOVA_BODY)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5000) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACES = [
    (
        HAIKU,
        "InvokeModel",
        ANTHROPIC_BODY,
        [
            "max_tokens",
            "messages",
            "messages__0__content",
            "system",
            "thinking",
            "messages__0__content__0",
            "stop_sequences",
            "tools",
            "tool_choice",
            "output_config",
            "temperature",
        ],
    ),
    (
        NOVA,
        "InvokeModel",
        NOVA_BODY,
        ["messages", "messages__0__content__0", "inferenceConfig", "toolConfig", "system"],
    ),
    (
        NOVA,
        "Converse",
        NOVA_BODY,
        [
            "messages",
            "messages__0__content__0",
            "inferenceConfig",
            "system",
            "outputConfig",
            "additionalModelRequestFields",
            "guardrailConfig",
        ],
    ),
    (
        GPT,
        "InvokeModel",
        OPENAI_BODY,
        ["messages", "messages__0__content", "stop", "tools", "tool_choice", "response_format", "model"],
    ),
    (LARGE, "InvokeModel", {"messages": OPENAI_BODY["messages"]}, ["messages", "tools", "tool_choice"]),
    (LLAMA, "InvokeModel", LLAMA_BODY, ["prompt", "images", "max_gen_len"]),
    (TITAN_IMAGE, "InvokeModel", {"inputText": "x"}, ["inputText", "inputImage", "embeddingConfig"]),
    (NOVA_EMBED, "InvokeModel", NOVA_EMBED_BODY, ["singleEmbeddingParams", "singleEmbeddingParams__text"]),
]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_body_does_worse_than_a_400(data: st.DataObject) -> None:
    model_id, kind, body, places = data.draw(st.sampled_from(PLACES))
    value = data.draw(JSON)
    body = (
        value
        if data.draw(st.booleans()) and not isinstance(value, dict)
        else changed(body, **{data.draw(st.sampled_from(places)): [] if value is None else value})
    )
    try:
        output = answer(model_id, body, kind)
    except RecordError as error:
        assert error.code == 400
        assert error.message
    else:
        json.dumps(output)


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1, max_size=400), limit=st.integers(1, 60))
def test_any_text_is_answered_within_its_limit(text: str, limit: int) -> None:
    usage = answer(HAIKU, changed(ANTHROPIC_BODY, max_tokens=limit, messages__0__content=text))["usage"]
    assert 0 <= usage["output_tokens"] <= limit
    assert usage["input_tokens"] > 0
