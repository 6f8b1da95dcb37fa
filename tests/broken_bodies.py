"""For each rule about bodies a body that breaks it, and a near miss that does not."""

from typing import Any, NamedTuple

from documented_bodies import (
    DATE,
    HAIKU_3,
    HAIKU_45,
    JPEG,
    LARGE,
    LITE,
    LITE_2,
    LLAMA_3,
    LLAMA_4,
    LLAMA_VISION,
    MICRO,
    NOVA_MM,
    OPUS_46,
    OSS,
    PNG,
    QWEN,
    SMALL,
    SONNET_37,
    SONNET_45,
    TITAN_MM,
    TITAN_V2,
)

__all__ = ["CASES", "DATE", "Case"]

OPUS_5 = "us.anthropic.claude-opus-5"
SONNET_46 = "us.anthropic.claude-sonnet-4-6"
GEMMA = "google.gemma-3-12b-it"
_HI = {"role": "user", "content": "Hello"}
_TALK = [{"role": "user", "content": [{"text": "Hello"}]}]


class Case(NamedTuple):
    """A body that breaks a rule at a path, and its near miss."""

    rule: str
    model_id: str
    broken: dict[str, Any]
    near: dict[str, Any]
    invocation_type: str = "InvokeModel"


def claude(**members: Any) -> dict[str, Any]:
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 4096, "messages": [_HI], **members}
    return {name: value for name, value in body.items() if value is not ...}


def blocks(*content: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(content)}


def image(media_type: str, data: str, kind: str = "base64") -> dict[str, Any]:
    return {"type": "image", "source": {"type": kind, "media_type": media_type, "data": data}}


TEXT = {"type": "text", "text": "Hello"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "x"}
THINK = {"type": "enabled", "budget_tokens": 1024}
ANSWER = {"role": "assistant", "content": "Hi"}


def nova(content: Any = None, **members: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content or [{"text": "Hello"}]}], **members}


def chat(*messages: Any, **members: Any) -> dict[str, Any]:
    return {"messages": list(messages) or [_HI], **members}


def embed(**params: Any) -> dict[str, Any]:
    text = {"truncationMode": "END", "value": "Hello"}
    body = {"embeddingPurpose": "GENERIC_INDEX", "text": text, **params}
    return {
        "taskType": "SINGLE_EMBEDDING",
        "singleEmbeddingParams": {name: value for name, value in body.items() if value is not ...},
    }


def part(url: str) -> dict[str, Any]:
    return blocks({"type": "image_url", "image_url": {"url": url}})


def call(call_id: str) -> dict[str, Any]:
    function = {"name": "f", "arguments": "{}"}
    return {"role": "assistant", "content": "", "tool_calls": [{"id": call_id, "function": function}]}


def use(call_id: str, role: str = "assistant") -> dict[str, Any]:
    return {"role": role, "content": [{"toolUse": {"toolUseId": call_id, "name": "f", "input": {}}}]}


def result(call_id: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": [{"toolResult": {"toolUseId": call_id, "content": [{"text": "x"}]}}]}


def talk(*turns: Any, **members: Any) -> dict[str, Any]:
    return {"messages": [*_TALK, *turns], **members}


def thinking(budget: int, most: int) -> dict[str, Any]:
    fields = {"thinking": {"type": "enabled", "budget_tokens": budget}}
    return nova(inferenceConfig={"maxTokens": most}, additionalModelRequestFields=fields)


def documents(*names: str) -> dict[str, Any]:
    return nova(
        [*({"document": {**_DOCUMENT["document"], "name": name}} for name in names), {"text": "Read."}]
    )


_SPEC = {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}
_FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {}}}
_PICTURE = {"image": {"format": "png", "source": {"bytes": PNG}}}
_SAID = {"role": "assistant", "content": [{"text": "Hi"}]}
_SCHEMA = {"type": "json_schema", "json_schema": {"name": "call", "schema": {"type": "object"}}}
_TOOL_MESSAGE = {"role": "tool", "tool_call_id": "a", "content": "x"}
_REASON = {"type": "enabled", "maxReasoningEffort": "high"}
_LOW = {"type": "enabled", "maxReasoningEffort": "low"}
_LLAMA_3_PROMPT = "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
_LLAMA_4_PROMPT = "<|header_start|>user<|header_end|>\n\nHi<|eot|>"
_DOCUMENT = {"document": {"format": "txt", "name": "call", "source": {"text": "Hi."}}}

CASES = [
    # required
    Case("required", HAIKU_3, claude(anthropic_version=...), claude()),
    Case("required", HAIKU_3, claude(max_tokens=...), claude(max_tokens=1)),
    Case("required", HAIKU_3, claude(messages=[blocks({"type": "text"})]), claude(messages=[blocks(TEXT)])),
    Case(
        "required",
        HAIKU_3,
        claude(tool_choice={"type": "auto"}),
        claude(tool_choice={"type": "auto"}, tools=[TOOL]),
    ),
    Case("required", SONNET_37, claude(thinking={"type": "enabled"}), claude(thinking=THINK)),
    Case("required", LITE, {"inferenceConfig": {}}, nova(inferenceConfig={})),
    Case("required", LLAMA_3, {"max_gen_len": 5}, {"prompt": "x", "max_gen_len": 5}),
    Case("required", LARGE, {"max_tokens": 5}, chat(max_tokens=5)),
    Case("required", QWEN, chat(response_format={}), chat(response_format={"type": "text"})),
    Case("required", TITAN_V2, {"dimensions": 256}, {"inputText": "x", "dimensions": 256}),
    Case("required", TITAN_MM, {"embeddingConfig": {}}, {"inputText": "x", "embeddingConfig": {}}),
    Case("required", NOVA_MM, embed(embeddingPurpose=...), embed()),
    Case("required", LITE, {"system": []}, {"system": [], **nova()}, "Converse"),
    Case("required", HAIKU_3, claude(messages=[blocks({"text": "x"})]), claude(messages=[blocks(TEXT)])),
    Case("required", QWEN, chat({"role": "user"}), chat(_HI)),
    Case("required", QWEN, chat({"role": "user", "content": None}), chat(_HI)),
    Case("required", OSS, chat({"role": "developer"}, _HI), chat({"role": "developer", "content": "x"}, _HI)),
    Case(
        "required",
        QWEN,
        chat(_HI, {"role": "assistant"}, _HI),
        chat(_HI, {"role": "assistant", "refusal": "No."}, _HI),
    ),
    Case(
        "required",
        LARGE,
        chat(_HI, {"role": "assistant", "content": None}, _HI),
        chat(_HI, {**call("a"), "content": None}, _TOOL_MESSAGE),
    ),
    Case(
        "required",
        QWEN,
        chat(_HI, call("a"), {"role": "tool", "tool_call_id": "a"}),
        chat(_HI, call("a"), {**_TOOL_MESSAGE, "content": ""}),
    ),
    Case(
        "required",
        QWEN,
        chat(response_format={"type": "json_schema"}),
        chat(response_format=_SCHEMA),
    ),
    Case("required", QWEN, chat(tool_choice="auto"), chat(tool_choice="none")),
    Case(
        "required",
        HAIKU_3,
        claude(tools=[TOOL], tool_choice={"type": "tool"}),
        claude(tools=[TOOL], tool_choice={"type": "any"}),
    ),
    Case(
        "required",
        HAIKU_3,
        claude(messages=[_HI, blocks(USE, role="assistant"), blocks(RESULT)]),
        claude(messages=[_HI, blocks(USE, role="assistant"), blocks(RESULT)], tools=[TOOL]),
    ),
    Case(
        "required",
        LITE,
        talk(use("a"), result("a")),
        talk(use("a"), result("a"), toolConfig={"tools": [_SPEC]}),
    ),
    Case(
        "required",
        LITE,
        nova(toolConfig={"tools": [_SPEC], "toolChoice": {"tool": {}}}),
        nova(toolConfig={"tools": [_SPEC], "toolChoice": {"any": {}}}),
    ),
    # type
    Case("type", HAIKU_3, claude(max_tokens="64"), claude(max_tokens=64)),
    Case("type", HAIKU_3, claude(max_tokens=64.0), claude(temperature=1)),
    Case("type", HAIKU_3, claude(max_tokens=True), claude(max_tokens=1)),
    Case("type", HAIKU_3, claude(temperature=None), claude(temperature=0)),
    Case("type", HAIKU_3, claude(stop_sequences="END"), claude(stop_sequences=["END"])),
    Case("type", LITE, nova(system="Be short."), nova(system=[{"text": "Be short."}])),
    Case("type", LLAMA_3, {"prompt": ["x"]}, {"prompt": "x"}),
    Case("type", SMALL, {"prompt": "x", "stop": "END"}, {"prompt": "x", "stop": ["END"]}),
    Case("type", QWEN, chat(max_tokens="5"), chat(max_tokens=None)),
    Case("type", TITAN_V2, {"inputText": ["x"]}, {"inputText": "x"}),
    Case("type", LITE, nova(system="Be short."), nova(system=[{"text": "x"}]), "Converse"),
    # value
    Case("value", HAIKU_3, claude(anthropic_version="2023-06-01"), claude()),
    Case("value", HAIKU_3, claude(tools=[TOOL], tool_choice={"type": "required"}), claude(tools=[TOOL])),
    Case(
        "value",
        HAIKU_3,
        claude(messages=[blocks({"type": "txt", "text": "x"})]),
        claude(messages=[blocks(TEXT)]),
    ),
    Case("value", LITE, nova(schemaVersion="v1"), nova(schemaVersion="messages-v1")),
    Case(
        "value",
        QWEN,
        chat({"role": "bot", "content": "x"}, _HI),
        chat({"role": "developer", "content": "x"}, _HI),
    ),
    Case("value", QWEN, chat(stream=True), chat(stream=False)),
    Case("value", TITAN_V2, {"inputText": "x", "dimensions": 384}, {"inputText": "x", "dimensions": 512}),
    Case("value", NOVA_MM, embed(embeddingPurpose="INDEX"), embed(embeddingPurpose="CLUSTERING")),
    Case(
        "value",
        LITE,
        nova([{"image": {"format": "bmp", "source": {"bytes": PNG}}}]),
        nova([{"image": {"format": "png", "source": {"bytes": PNG}}}]),
        "Converse",
    ),
    Case(
        "value",
        LITE,
        nova([{"document": {**_DOCUMENT["document"], "name": "call.txt"}}, {"text": "Read."}]),
        nova([{"document": {**_DOCUMENT["document"], "name": "call (1) [a]-b"}}, {"text": "Read."}]),
        "Converse",
    ),
    Case("value", LITE, documents("a", "a"), documents("a", "b"), "Converse"),
    Case(
        "value",
        HAIKU_3,
        claude(tools=[TOOL], tool_choice={"type": "tool", "name": "g"}),
        claude(tools=[TOOL], tool_choice={"type": "tool", "name": "f"}),
    ),
    Case(
        "value",
        LITE,
        nova(toolConfig={"tools": [_SPEC], "toolChoice": {"tool": {"name": "g"}}}),
        nova(toolConfig={"tools": [_SPEC], "toolChoice": {"tool": {"name": "f"}}}),
    ),
    Case(
        "value",
        QWEN,
        chat(tools=[_FUNCTION], tool_choice={"type": "function", "function": {"name": "g"}}),
        chat(tools=[_FUNCTION], tool_choice={"type": "function", "function": {"name": "f"}}),
    ),
    # range and length
    Case("range", HAIKU_3, claude(max_tokens=0), claude(max_tokens=1)),
    Case("range", HAIKU_3, claude(temperature=1.01), claude(temperature=1)),
    Case(
        "range",
        SONNET_37,
        claude(thinking={"type": "enabled", "budget_tokens": 1023}),
        claude(thinking=THINK),
    ),
    Case("range", LITE, nova(inferenceConfig={"topP": 1.1}), nova(inferenceConfig={"topP": 1})),
    Case("range", LLAMA_3, {"prompt": "x", "temperature": -0.1}, {"prompt": "x", "temperature": 0}),
    Case("range", SMALL, {"prompt": "x", "max_tokens": 8193}, {"prompt": "x", "max_tokens": 8192}),
    Case("range", QWEN, chat(temperature=2.1), chat(temperature=2)),
    Case(
        "range",
        LITE,
        nova(inferenceConfig={"maxTokens": 0}),
        nova(inferenceConfig={"maxTokens": 1}),
        "Converse",
    ),
    Case("length", TITAN_V2, {"inputText": "x" * 50_001}, {"inputText": "x" * 50_000}),
    Case("length", SMALL, {"prompt": "x", "stop": ["a"] * 11}, {"prompt": "x", "stop": ["a"] * 10}),
    Case(
        "length",
        LITE,
        nova(requestMetadata={str(n): "x" for n in range(17)}),
        nova(requestMetadata={str(n): "x" for n in range(16)}),
        "Converse",
    ),
    # empty content
    Case("empty_content", HAIKU_3, claude(messages=[]), claude()),
    Case(
        "empty_content",
        HAIKU_3,
        claude(messages=[blocks()]),
        claude(messages=[_HI, blocks(role="assistant")]),
    ),
    Case("empty_content", HAIKU_3, claude(messages=[{"role": "user", "content": ""}]), claude(system="")),
    Case(
        "empty_content",
        HAIKU_3,
        claude(messages=[blocks({"type": "text", "text": " \n"})]),
        claude(messages=[blocks({"type": "text", "text": " ."})]),
    ),
    Case("empty_content", LITE, {"messages": [blocks()]}, nova()),
    Case("empty_content", LITE, nova([{"text": ""}]), nova([{"text": " ."}])),
    Case("empty_content", LLAMA_3, {"prompt": ""}, {"prompt": " ."}),
    Case(
        "empty_content",
        QWEN,
        chat({"role": "user", "content": ""}),
        chat(_HI, {"role": "assistant", "content": ""}, _HI),
    ),
    Case("empty_content", TITAN_V2, {"inputText": ""}, {"inputText": " ."}),
    Case("empty_content", NOVA_MM, embed(text={"truncationMode": "END", "value": ""}), embed()),
    Case("empty_content", LITE, nova([{"text": ""}]), nova(), "Converse"),
    Case("empty_content", LITE, nova([{"text": " "}]), nova([{"text": " ."}])),
    Case("empty_content", LITE, nova([{"text": "\n"}]), nova([{"text": "\n."}]), "Converse"),
    Case("empty_content", LLAMA_3, {"prompt": " \n"}, {"prompt": " ."}),
    Case("empty_content", SMALL, {"prompt": " "}, {"prompt": " ."}),
    Case(
        "empty_content", QWEN, chat({"role": "user", "content": " "}), chat({"role": "user", "content": "."})
    ),
    Case("empty_content", TITAN_V2, {"inputText": " "}, {"inputText": " ."}),
    Case("empty_content", TITAN_MM, {"inputText": " "}, {"inputText": " ."}),
    Case("empty_content", NOVA_MM, embed(text={"truncationMode": "END", "value": " "}), embed()),
    Case("empty_content", HAIKU_3, claude(stop_sequences=["\n"]), claude(stop_sequences=["\n\nHuman:"])),
    Case(
        "empty_content",
        HAIKU_3,
        nova(inferenceConfig={"stopSequences": ["\n"]}),
        nova(inferenceConfig={"stopSequences": ["END"]}),
        "Converse",
    ),
    # exclusive
    Case(
        "exclusive",
        LITE,
        nova([{"text": "x", "image": {"format": "png", "source": {"bytes": PNG}}}]),
        nova([{"text": "x"}, {"image": {"format": "png", "source": {"bytes": PNG}}}]),
    ),
    Case(
        "exclusive",
        LITE,
        nova(inferenceConfig={"maxTokens": 5, "max_new_tokens": 5}),
        nova(inferenceConfig={"max_new_tokens": 5, "topP": 1}),
    ),
    Case(
        "exclusive",
        OSS,
        chat(max_tokens=5, max_completion_tokens=5),
        chat(max_tokens=None, max_completion_tokens=5),
    ),
    Case(
        "exclusive",
        NOVA_MM,
        embed(image={"format": "png", "source": {"bytes": PNG}}),
        embed(text=..., image={"format": "png", "source": {"bytes": PNG}}),
    ),
    Case("exclusive", NOVA_MM, embed(text=...), embed()),
    Case("exclusive", LITE, nova([{}]), nova(), "Converse"),
    # names
    Case("unknown_name", HAIKU_3, claude(sytem="x"), claude(system="x")),
    Case("unknown_name", LITE, nova(inferenceConfig={"maxToken": 5}), nova(inferenceConfig={"maxTokens": 5})),
    Case("unknown_name", LLAMA_3, {"prompt": "x", "seed": 1}, {"prompt": "x"}),
    Case("unknown_name", SMALL, {"prompt": "x", "seed": 1}, {"prompt": "x"}),
    Case("unknown_name", QWEN, chat(temprature=1), chat(temperature=1)),
    Case(
        "unknown_name", TITAN_V2, {"inputText": "x", "normalise": True}, {"inputText": "x", "normalize": True}
    ),
    Case("unknown_name", LITE, nova(inferenceconfig={}), nova(inferenceConfig={}), "Converse"),
    *(
        Case("known_mistake", model_id, {**body, name: "x"}, body, kind)
        for name in ("modelId", "stream")
        for model_id, body, kind in (
            (HAIKU_3, claude(), "InvokeModel"),
            (LITE, nova(), "InvokeModel"),
            (LITE, nova(), "Converse"),
            (LLAMA_3, {"prompt": "x"}, "InvokeModel"),
            (SMALL, {"prompt": "x"}, "InvokeModel"),
            (LARGE, chat(), "InvokeModel"),
            (TITAN_V2, {"inputText": "x"}, "InvokeModel"),
            (TITAN_MM, {"inputText": "x"}, "InvokeModel"),
            (NOVA_MM, embed(), "InvokeModel"),
        )
    ),
    Case("known_mistake", QWEN, chat(modelId=QWEN), chat(model=QWEN)),
    Case("known_mistake", HAIKU_3, claude(model="claude-3-haiku"), claude()),
    Case("known_mistake", HAIKU_3, claude(inferenceConfig={"maxTokens": 5}), claude(max_tokens=5)),
    Case("known_mistake", LITE, nova(additionalModelRequestFields={}), nova(inferenceConfig={"topK": 5})),
    Case(
        "known_mistake",
        LITE,
        nova(inferenceConfig={"topK": 5}),
        nova(additionalModelRequestFields={"topK": 5}),
        "Converse",
    ),
    Case("known_mistake", LLAMA_3, {"prompt": "x", "max_tokens": 5}, {"prompt": "x", "max_gen_len": 5}),
    Case("known_mistake", LLAMA_3, {"inputs": "x", "parameters": {}}, {"prompt": "x"}),
    Case("known_mistake", TITAN_V2, {"inputText": "x", "texts": ["x"]}, {"inputText": "x"}),
    Case("known_mistake", NOVA_MM, {**embed(), "taskType": "SEGMENTED_EMBEDDING"}, embed()),
    # the wrong family
    Case("family_mismatch", LITE, claude(), nova()),
    Case("family_mismatch", HAIKU_3, nova(inferenceConfig={"maxTokens": 5}), claude()),
    Case("family_mismatch", HAIKU_3, {"prompt": "x", "max_gen_len": 5}, claude(prompt=...)),
    Case("family_mismatch", LLAMA_3, chat(max_tokens=5), {"prompt": "x"}),
    Case("family_mismatch", QWEN, claude(), chat()),
    Case("family_mismatch", QWEN, {"prompt": "x", "max_tokens": 5}, chat(max_tokens=5)),
    Case("family_mismatch", SMALL, claude(), {"prompt": "[INST] x [/INST]"}),
    Case("family_mismatch", TITAN_V2, embed(), {"inputText": "x"}),
    Case(
        "family_mismatch",
        TITAN_V2,
        {"inputText": "x", "embeddingConfig": {}},
        {"inputText": "x", "dimensions": 256},
    ),
    Case("family_mismatch", NOVA_MM, {"inputText": "x"}, embed()),
    Case("family_mismatch", LITE, claude(), nova(), "Converse"),
    Case(
        "family_mismatch",
        HAIKU_3,
        chat({"role": "system", "content": "x"}, _HI, max_tokens=5),
        claude(system="x", max_tokens=5),
    ),
    Case("family_mismatch", HAIKU_3, chat(max_completion_tokens=5), claude(max_tokens=5)),
    Case("model_mismatch", QWEN, chat(model="qwen.qwen3-235b"), chat(model=f"us.{QWEN}")),
    # turns
    Case("role_order", HAIKU_3, claude(messages=[ANSWER, _HI]), claude(messages=[_HI, ANSWER, _HI])),
    Case(
        "role_order", HAIKU_3, claude(messages=[{"role": "system", "content": "x"}, _HI]), claude(system="x")
    ),
    Case(
        "role_order",
        LITE,
        {"messages": _TALK + _TALK},
        {"messages": [*_TALK, {**_TALK[0], "role": "assistant"}]},
    ),
    Case("role_order", LITE, {"messages": [{**_TALK[0], "role": "assistant"}]}, nova(), "Converse"),
    Case(
        "role_order",
        QWEN,
        chat({"role": "system", "content": "x"}),
        chat({"role": "system", "content": "x"}, _HI),
    ),
    Case("role_order", LARGE, chat(ANSWER), chat(_HI, ANSWER)),
    Case(
        "tool_pairing",
        HAIKU_3,
        claude(tools=[TOOL], messages=[_HI, blocks(USE, role="assistant"), _HI]),
        claude(tools=[TOOL], messages=[_HI, blocks(USE, role="assistant"), blocks(RESULT, TEXT)]),
    ),
    Case(
        "tool_pairing",
        HAIKU_3,
        claude(tools=[TOOL], messages=[_HI, ANSWER, blocks(RESULT)]),
        claude(tools=[TOOL], messages=[_HI, blocks(TEXT, USE, role="assistant"), blocks(RESULT)]),
    ),
    Case(
        "tool_pairing",
        QWEN,
        chat(_HI, call("a"), {"role": "tool", "tool_call_id": "b", "content": "x"}),
        chat(_HI, call("a"), {"role": "tool", "tool_call_id": "a", "content": "x"}),
    ),
    Case(
        "tool_pairing",
        LITE,
        talk(use("a"), *_TALK, toolConfig={"tools": [_SPEC]}),
        talk(use("a"), result("a"), toolConfig={"tools": [_SPEC]}),
    ),
    Case(
        "tool_pairing",
        LITE,
        talk(_SAID, result("a"), toolConfig={"tools": [_SPEC]}),
        talk(use("a"), result("a"), _SAID, toolConfig={"tools": [_SPEC]}),
    ),
    Case("tool_pairing", QWEN, chat(_HI, call("a"), _HI), chat(_HI, call("a"), _TOOL_MESSAGE, _HI)),
    Case("tool_pairing", LARGE, chat(_HI, call("a")), chat(_HI, call("a"), _TOOL_MESSAGE)),
    Case(
        "tool_pairing",
        HAIKU_3,
        claude(
            tools=[TOOL], messages=[_HI, blocks(USE, {**USE, "id": "t2"}, role="assistant"), blocks(RESULT)]
        ),
        claude(
            tools=[TOOL],
            messages=[
                _HI,
                blocks(USE, {**USE, "id": "t2"}, role="assistant"),
                blocks(RESULT),
                blocks({**RESULT, "tool_use_id": "t2"}),
            ],
        ),
    ),
    Case(
        "role_order",
        HAIKU_3,
        claude(tools=[TOOL], messages=[blocks(USE)]),
        claude(tools=[TOOL], messages=[_HI, blocks(USE, role="assistant"), blocks(RESULT)]),
    ),
    Case(
        "role_order",
        LITE,
        talk(use("a"), result("a", "assistant"), toolConfig={"tools": [_SPEC]}),
        talk(use("a"), result("a"), toolConfig={"tools": [_SPEC]}),
    ),
    Case(
        "role_order",
        HAIKU_3,
        claude(messages=[_HI, blocks(image("image/png", PNG), role="assistant"), _HI]),
        claude(messages=[_HI, ANSWER, blocks(image("image/png", PNG))]),
    ),
    *(
        Case(
            "role_order",
            LITE,
            talk({"role": "assistant", "content": [_PICTURE]}, *_TALK),
            talk(_SAID, {"role": "user", "content": [_PICTURE, {"text": "Look."}]}),
            kind,
        )
        for kind in ("InvokeModel", "Converse")
    ),
    Case("prefill", SONNET_46, talk(_SAID), talk(_SAID, *_TALK), "Converse"),
    Case("prefill", OPUS_46, claude(messages=[_HI, ANSWER]), claude(messages=[_HI, ANSWER, _HI])),
    Case(
        "prefill",
        HAIKU_3,
        claude(messages=[_HI, {"role": "assistant", "content": "{ "}]),
        claude(messages=[_HI, {"role": "assistant", "content": "{"}]),
    ),
    Case("prefill", OPUS_46, claude(messages=[_HI, ANSWER]), claude(messages=[_HI])),
    # thinking and sampling
    Case(
        "thinking_budget",
        SONNET_37,
        claude(max_tokens=1024, thinking=THINK),
        claude(max_tokens=1025, thinking=THINK),
    ),
    Case(
        "thinking_conflict",
        SONNET_37,
        claude(thinking=THINK, temperature=0.5),
        claude(thinking=THINK, temperature=1),
    ),
    Case(
        "thinking_conflict", SONNET_37, claude(thinking=THINK, top_p=0.9), claude(thinking=THINK, top_p=0.95)
    ),
    Case(
        "thinking_conflict",
        SONNET_37,
        claude(thinking=THINK, top_k=5),
        claude(thinking={"type": "disabled"}, top_k=5),
    ),
    Case(
        "thinking_conflict",
        SONNET_37,
        claude(thinking=THINK, tools=[TOOL], tool_choice={"type": "any"}),
        claude(thinking=THINK, tools=[TOOL], tool_choice={"type": "none"}),
    ),
    Case(
        "thinking_conflict",
        SONNET_37,
        claude(thinking=THINK, messages=[_HI, ANSWER]),
        claude(thinking=THINK, messages=[_HI, ANSWER, _HI]),
    ),
    Case("thinking_conflict", SONNET_45, claude(thinking={"type": "adaptive"}), claude(thinking=THINK)),
    Case("thinking_conflict", OPUS_5, claude(thinking=THINK), claude(thinking={"type": "adaptive"})),
    Case(
        "thinking_conflict",
        OPUS_5,
        claude(thinking={"type": "enabled"}),
        claude(thinking={"type": "adaptive"}),
    ),
    Case("thinking_conflict", HAIKU_3, claude(thinking=THINK), claude(thinking={"type": "disabled"})),
    Case("thinking_budget", SONNET_45, thinking(2048, 1024), thinking(2048, 2049), "Converse"),
    Case(
        "sampling_conflict",
        SONNET_45,
        nova(inferenceConfig={"temperature": 0.5, "topP": 0.9}),
        nova(inferenceConfig={"temperature": 0.5}),
        "Converse",
    ),
    Case(
        "sampling_conflict",
        SONNET_45,
        nova(inferenceConfig={"temperature": 0.5}, additionalModelRequestFields={"top_p": 0.9}),
        nova(inferenceConfig={"topP": 0.9}),
        "Converse",
    ),
    Case("sampling_refused", OPUS_5, nova(inferenceConfig={"temperature": 0}), nova(), "Converse"),
    Case("sampling_conflict", SONNET_45, claude(temperature=0.5, top_p=0.9), claude(temperature=0.5)),
    Case("sampling_conflict", HAIKU_45, claude(temperature=0.5, top_p=0.9), claude(top_p=0.9, top_k=5)),
    Case("sampling_conflict", SONNET_45, claude(temperature=0.5, top_p=0.9), claude(top_p=0.9)),
    Case("sampling_refused", OPUS_5, claude(temperature=0.5), claude()),
    Case(
        "reasoning_conflict",
        LITE_2,
        nova(inferenceConfig={"reasoningConfig": _REASON, "temperature": 0}),
        nova(inferenceConfig={"reasoningConfig": _LOW, "temperature": 0}),
    ),
    # Converse, caching, prompts
    Case("converse_tools", LITE, nova(toolConfig={"tools": []}), nova(guardrailConfig={}), "Converse"),
    Case("converse_tools", LITE, talk(use("a")), talk(_SAID), "Converse"),
    Case("document_alone", LITE, nova([_DOCUMENT]), nova([_DOCUMENT, {"text": "Read."}]), "Converse"),
    Case(
        "prompt_caching",
        HAIKU_3,
        claude(messages=[blocks({**TEXT, "cache_control": {"type": "ephemeral"}})]),
        claude(messages=[blocks({**TEXT, "text": "cache_control"})]),
    ),
    Case(
        "prompt_caching",
        LITE,
        nova([{"text": "x"}, {"cachePoint": {"type": "default"}}]),
        nova([{"text": "x"}]),
    ),
    Case(
        "prompt_caching",
        LITE,
        nova(system=[{"text": "x"}, {"cachePoint": {"type": "default"}}]),
        nova(),
        "Converse",
    ),
    Case(
        "prompt_caching",
        HAIKU_3,
        claude(cache_control={"type": "ephemeral"}),
        claude(metadata={"user_id": "cache_control"}),
    ),
    Case("chat_tokens", LLAMA_4, {"prompt": _LLAMA_3_PROMPT}, {"prompt": _LLAMA_4_PROMPT}),
    Case("chat_tokens", LLAMA_3, {"prompt": _LLAMA_4_PROMPT}, {"prompt": _LLAMA_3_PROMPT}),
    Case(
        "chat_tokens",
        LLAMA_VISION,
        {"prompt": "Look.", "images": [PNG]},
        {"prompt": "<|image|>Look.", "images": [PNG]},
    ),
    # media
    Case(
        "url_media",
        HAIKU_3,
        claude(
            messages=[
                blocks({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}})
            ]
        ),
        claude(messages=[blocks(image("image/png", PNG))]),
    ),
    Case(
        "url_media",
        GEMMA,
        chat(part("https://example.com/a.png")),
        chat(part(f"data:image/png;base64,{PNG}")),
    ),
    Case(
        "url_media",
        LITE,
        nova([{"image": {"format": "png", "source": {"url": "https://example.com/a.png"}}}]),
        nova([{"text": "https://example.com/a.png"}]),
    ),
    Case(
        "base64",
        HAIKU_3,
        claude(messages=[blocks(image("image/png", f"data:image/png;base64,{PNG}"))]),
        claude(messages=[blocks(image("image/png", PNG))]),
    ),
    Case(
        "base64",
        LITE,
        nova([{"image": {"format": "png", "source": {"bytes": "not base64"}}}]),
        nova([{"image": {"format": "png", "source": {"bytes": PNG}}}]),
    ),
    Case(
        "base64", GEMMA, chat(part("data:image/png;base64,@@@")), chat(part(f"data:image/png;base64,{PNG}"))
    ),
    Case("base64", GEMMA, chat(part(f"data:image/png,{PNG}")), chat(part(f"data:image/png;base64,{PNG}"))),
    Case("base64", TITAN_MM, {"inputImage": PNG[:-1]}, {"inputImage": PNG}),
    Case(
        "media_format",
        HAIKU_3,
        claude(messages=[blocks(image("image/jpeg", PNG))]),
        claude(messages=[blocks(image("image/jpeg", JPEG))]),
    ),
    Case(
        "media_format",
        LITE,
        nova([{"image": {"format": "png", "source": {"bytes": JPEG}}}]),
        nova([{"image": {"format": "jpeg", "source": {"bytes": JPEG}}}]),
    ),
    Case(
        "media_format",
        GEMMA,
        chat(part(f"data:image/png;base64,{JPEG}")),
        chat(part(f"data:image/jpeg;base64,{JPEG}")),
    ),
    Case("media_refused", OSS, chat(part(f"data:image/png;base64,{PNG}")), chat(blocks(TEXT))),
    Case("media_refused", MICRO, nova([{"image": {"format": "png", "source": {"bytes": PNG}}}]), nova()),
    *(
        Case("media_refused", model_id, nova([_PICTURE, {"text": "Look."}]), nova(), "Converse")
        for model_id in (MICRO, OSS, QWEN, LLAMA_3)
    ),
    Case("media_refused", QWEN, chat(part(f"data:image/png;base64,{PNG}")), chat(blocks(TEXT))),
    Case("media_refused", LARGE, chat(part(f"data:image/png;base64,{PNG}")), chat(blocks(TEXT))),
    Case(
        "media_refused", LLAMA_3, {"prompt": "<|image|>Look.", "images": [PNG]}, {"prompt": "<|image|>Look."}
    ),
    Case("media_refused", LITE, nova([_DOCUMENT]), nova([{"text": "document"}])),
    # numbers that JSON does not have
    Case("nan", HAIKU_3, claude(temperature=float("nan")), claude(temperature=0.0)),
    Case("nan", QWEN, chat(metadata={"x": [float("inf")]}), chat(metadata={"x": [None]})),
]
