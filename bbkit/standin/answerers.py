"""One record of a job: read, struck by a fault or answered by the engine, and written as an output line."""

import hashlib
import json
import random
import string
import traceback
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from bbkit.standin import faults as fault
from bbkit.standin.inputs import read_record

# A private-use character stands for a lone surrogate until the line is encoded.
_SURROGATE_MARK = "\ue0f0"
ODD_TEXT = f"\u2028{_SURROGATE_MARK}"


@dataclass(frozen=True)
class Task:
    """What the engine processes must know of a job; travels as JSON once per chunk."""

    job_id: str
    model_id: str
    invocation_type: str
    faults: tuple[str, ...]
    ordered: bool
    hits_path: str
    engine: str
    engine_options: str  # JSON


@cache
def engine_for(name: str, options: str) -> Any:
    """Make the engine of this process, once."""
    from bbkit.standin.engines import make_engine

    return make_engine(name, **json.loads(options))


@lru_cache(maxsize=8)
def _read_hits(path: str) -> frozenset[str]:
    return frozenset(Path(path).read_text().split("\n"))


class Answerer:
    """Answers the lines of one chunk and counts what became of them."""

    def __init__(self, task: Task, file: str) -> None:
        self.task = task
        self.file = file
        self.faults = fault.read_faults(task.faults)
        self.engine = engine_for(task.engine, task.engine_options)
        self.earlier_hits = _read_hits(task.hits_path) if self.faults.touches_records else frozenset()
        self.success = self.error = self.input_tokens = self.output_tokens = 0
        self.hits: list[str] = []
        self.failures: list[str] = []

    def answer_all(self, offsets: list[int], lines: list[bytes]) -> list[bytes]:
        """Give the output lines, in order, without those that a fault swallowed."""
        answered = [self.answer(offset, line) for offset, line in zip(offsets, lines, strict=True)]
        for _, outcome, tokens in answered:
            self.success += outcome == "succeeded"
            self.error += outcome == "errored"
            self.input_tokens += tokens[0]
            self.output_tokens += tokens[1]
        return [line for line, outcome, _ in answered if outcome]

    def answer(self, offset: int, line: bytes) -> tuple[bytes, str, tuple[int, int]]:
        """Answer one line: output line, outcome (empty when swallowed) and its tokens in and out."""
        record_id, raw, model_input = read_record(line)
        key = record_id if record_id is not None else hashlib.blake2b(raw).hexdigest()
        if record_id is None:
            record_id = _make_id(f"{self.task.job_id} {self.file} {offset}")
        place, content = self._strike(key) if self.faults.touches_records else ("", {})
        tokens = (0, 0)
        if place == "missing":
            return b"", "", tokens
        if not place:
            place, content = self._ask(raw, model_input)
        if place == "modelOutput" and "errorCode" not in content:
            tokens = count_tokens(content)
            if "missing-usage" in self.faults.names:
                _drop_usage(content)
            if "odd-text" in self.faults.names:
                content = _add_odd_text(content)
        outcome = "errored" if place == "error" or "errorCode" in content else "succeeded"
        body = _encode(content)
        if "odd-text" in self.faults.names:
            body = body.replace(_SURROGATE_MARK.encode(), b"\\ud83d")
        head = b'{"modelInput":' + raw + b',"' + place.encode() + b'":'
        return head + body + b',"recordId":' + _encode(record_id) + b"}\n", outcome, tokens

    def _strike(self, key: str) -> tuple[str, dict[str, Any]]:
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        struck_before = digest in self.earlier_hits
        if fault.draw("missing", key) < self.faults.missing_lines and not struck_before:
            self.hits.append(digest)
            return "missing", {}
        if fault.draw("error", key) >= self.faults.record_errors:
            return "", {}
        place, code, message = fault.record_error(key)
        if fault.heals(code):
            if struck_before:
                return "", {}
            self.hits.append(digest)
        content: dict[str, Any] = {"errorCode": code, "errorMessage": message}
        if place == "modelOutput":
            content |= {"expired": False, "retryable": fault.heals(code)}
        return place, content

    def _ask(self, raw: bytes, model_input: dict[str, Any] | None) -> tuple[str, dict[str, Any]]:
        from bbkit.standin.answers import RecordError, answer_record

        try:
            given = _decode(raw) if model_input is None else model_input
            return "modelOutput", answer_record(
                self.task.model_id, self.task.invocation_type, given, self.engine
            )
        except RecordError as error:
            return "error", {"errorCode": error.code, "errorMessage": error.message}
        except Exception:  # one record must not take the job with it; the traceback goes to the log
            self.failures.append(traceback.format_exc())
            return "error", {
                "errorCode": 500,
                "errorMessage": "The stand-in failed on this record; see its log.jsonl.",
            }


def count_tokens(model_output: dict[str, Any]) -> tuple[int, int]:
    """Give the tokens an answer reports, in and out, whatever its shape; 0 where it reports none."""
    usage = model_output.get("usage") or {}
    results = model_output.get("results") or []
    given = (
        [usage.get(k) for k in ("input_tokens", "inputTokens", "prompt_tokens")]
        + [model_output.get(k) for k in ("prompt_token_count", "inputTextTokenCount")]
    )  # fmt: skip
    made = (
        [usage.get(k) for k in ("output_tokens", "outputTokens", "completion_tokens")]
        + [model_output.get("generation_token_count"), *(result.get("tokenCount") for result in results)]
    )  # fmt: skip
    return sum(n for n in given if n), sum(n for n in made if n)


def _drop_usage(content: dict[str, Any]) -> None:
    for name in ("usage", "prompt_token_count", "generation_token_count", "inputTextTokenCount"):
        content.pop(name, None)
    for result in content.get("results", ()):
        result.pop("tokenCount", None)


def _add_odd_text(node: Any, name: str = "") -> Any:
    if isinstance(node, dict):
        return {key: _add_odd_text(value, key) for key, value in node.items()}
    if isinstance(node, list):
        return [_add_odd_text(item, name) for item in node]
    if isinstance(node, str) and name in ("text", "content", "generation", "outputText"):
        return node + ODD_TEXT
    return node


def _make_id(seed: str) -> str:
    letters = string.ascii_letters + string.digits
    return "".join(random.Random(seed).choices(letters, k=11))


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        value: dict[str, Any] = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = json.loads(raw)
    return value


def _encode(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value).encode()
