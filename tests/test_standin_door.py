"""Jobs over an engine that waits: an OpenAI-compatible server on this machine answers the records."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from conftest import Standin
from standin_cases import (
    create as create_job,
    input_lines,
    manifest,
    nova_body,
    output_records,
    put,
    record_ids,
    run_job,
    wait_for,
)


class ChatServer(ThreadingHTTPServer):
    """Answers chat completions slowly and counts how many are under way."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ChatHandler)
        self.lock = threading.Lock()
        self.now = self.most = self.asked = 0
        self.keys: set[str] = set()
        self.gate: threading.Event | None = None  # until it opens, the model thinks


class ChatHandler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: ChatServer

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked += 1
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
            self.server.keys.add(self.headers.get("Authorization", ""))
        if self.server.gate is None:
            time.sleep(0.01)  # the model thinks
        else:
            self.server.gate.wait(30)
        with self.server.lock:
            self.server.now -= 1
        message = {"role": "assistant", "content": f"From {given['model']}."}
        choice = {"index": 0, "message": message, "finish_reason": "length"}
        answer: dict[str, Any] = {
            "id": "c",
            "object": "chat.completion",
            "created": 0,
            "model": given["model"],
        }
        answer |= {
            "choices": [choice],
            "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    server = ChatServer()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def standin(
    start_standin: Callable[..., Standin], chat: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> Standin:
    """A stand-in whose records the chat server answers, six at once."""
    monkeypatch.setenv("CHAT_SERVER_KEY", "a-secret-word")
    return start_standin(
        *("--engine", "openai", "--model", "tiny", "--concurrency", "6", "--api-key-env", "CHAT_SERVER_KEY"),
        *("--base-url", f"http://127.0.0.1:{chat.server_port}/v1"),
    )


def test_its_words_counts_and_reasons_arrive_in_the_models_shape(standin: Standin, chat: ChatServer) -> None:
    job = run_job(standin, input_lines(record_ids(150)), "door/in.jsonl")
    answers = [record["modelOutput"] for record in output_records(standin, job)]
    assert len(answers) == chat.asked == 150
    assert {answer["output"]["message"]["content"][0]["text"] for answer in answers} == {"From tiny."}
    assert {answer["stopReason"] for answer in answers} == {"max_tokens"}
    assert {(answer["usage"]["inputTokens"], answer["usage"]["outputTokens"]) for answer in answers} == {
        (11, 3)
    }
    whole = manifest(standin, job)
    assert (whole["inputTokenCount"], whole["outputTokenCount"]) == (150 * 11, 150 * 3)
    assert 2 <= chat.most <= 6
    response = standin.client("bedrock-runtime").invoke_model(
        modelId="amazon.nova-lite-v1:0", body=json.dumps(nova_body())
    )
    assert json.loads(response["body"].read())["usage"]["outputTokens"] == 3


def test_few_slow_records_are_under_way_together_and_stop_at_once(standin: Standin, chat: ChatServer) -> None:
    chat.gate = threading.Event()
    arn = create_job(standin, put(standin, "door/slow.jsonl", input_lines(record_ids(100))))
    deadline = time.monotonic() + 30
    while chat.now < 6:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    standin.client("bedrock").stop_model_invocation_job(jobIdentifier=arn)
    wait_for(standin, arn, ("Stopping",))
    chat.gate.set()
    job = wait_for(standin, arn)
    records = output_records(standin, job)
    assert job["status"] == "Stopped" and chat.asked < 100
    assert 0 < len(records) == job["processedRecordCount"] == manifest(standin, job)["processedRecordCount"]
    assert len({record["recordId"] for record in records}) == len(records) == chat.asked


def test_a_server_that_is_away_does_not_hold_up_stop(
    start_standin: Callable[..., Standin], chat: ChatServer
) -> None:
    chat.shutdown()
    chat.server_close()
    away = ("--engine", "openai", "--model", "m", "--base-url", f"http://127.0.0.1:{chat.server_port}/v1")
    standin = start_standin(*away)
    arn = create_job(standin, put(standin, "away/stop.jsonl", input_lines(record_ids(100))))
    wait_for(standin, arn, ("InProgress",))
    standin.client("bedrock").stop_model_invocation_job(jobIdentifier=arn)
    assert wait_for(standin, arn, seconds=10)["status"] == "Stopped"
    standin.stop()
    assert "No engine answers at" in (standin.folder / "console.txt").read_text()


def test_its_key_is_sent_and_nowhere_kept(standin: Standin, chat: ChatServer) -> None:
    run_job(standin, input_lines(record_ids(100)), "door/in.jsonl")
    assert chat.keys == {"Bearer a-secret-word"}
    standin.stop()
    kept = [path for path in standin.folder.rglob("*") if path.is_file()]
    assert kept and not [path for path in kept if b"a-secret-word" in path.read_bytes()]


@pytest.mark.long
def test_a_server_that_is_away_makes_error_records_not_a_failed_job(
    start_standin: Callable[..., Standin], chat: ChatServer
) -> None:
    chat.shutdown()
    chat.server_close()
    address = f"http://127.0.0.1:{chat.server_port}/v1"
    switches = (
        "--engine",
        "openai",
        "--model",
        "m",
        "--base-url",
        address,
        "--concurrency",
        "4",
        "--min-records",
        "2",
    )
    standin = start_standin(*switches)
    arn = create_job(standin, put(standin, "away/in.jsonl", input_lines(record_ids(2))))
    job = wait_for(standin, arn, seconds=60)
    errors = [record["error"]["errorCode"] for record in output_records(standin, job)]
    assert job["status"] == "Completed" and len(errors) == 2 and set(errors) <= {424, 500, 503}
