"""The part of a job that runs in the engine processes: a stretch of an input file becomes a part of the output.

A part is written to a temporary file and renamed to a name that says which bytes it answers and with what counts. The
rename is the commit: after a kill, parts that are there are done, and nothing else is.
"""

import hashlib
import json
import os
import random
import re
import signal
import string
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import msgspec

from bbkit.standin import faults as fault
from bbkit.standin.inputs import read_record

_NAME = re.compile(r"(\d+)-(\d+)\.(\d+)\.(\d+)\.(\d+)\.(\d+)\.part")
_SURROGATE_MARK = (
    "\ue0f0"  # a private-use character that stands for a lone surrogate until the line is encoded
)
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


@dataclass(frozen=True)
class Part:
    """A finished part: the bytes of the input it answers, and its counts."""

    start: int
    end: int
    success: int
    error: int
    input_tokens: int
    output_tokens: int

    @property
    def name(self) -> str:
        """File name that carries all of it."""
        return (
            f"{self.start:014d}-{self.end:014d}.{self.success}.{self.error}"
            f".{self.input_tokens}.{self.output_tokens}.part"
        )


@dataclass(frozen=True)
class Chunk:
    """A stretch of whole lines of one input file, and the folder its part goes to."""

    path: str
    start: int
    end: int
    parts: str


@dataclass(frozen=True)
class Report:
    """What became of one chunk: its part, how long it took, and tracebacks of failures of our own."""

    part: Part
    seconds: float
    records: int
    failures: list[str]


def read_part(name: str) -> Part | None:
    """Read a part from its file name; None for any other file."""
    match = _NAME.fullmatch(name)
    return Part(*map(int, match.groups())) if match else None


def watch_parent() -> None:
    """End this process when the process that started it is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: Any) -> None:
    parent.join()
    os._exit(1)


@cache
def engine_for(name: str, options: str) -> Any:
    """Make the engine of this process, once."""
    from bbkit.standin.engines import make_engine

    return make_engine(name, **json.loads(options))


@lru_cache(maxsize=8)
def _read_hits(path: str) -> frozenset[str]:
    return frozenset(Path(path).read_text().split("\n"))


def warm_up(name: str, options: str) -> None:
    """Load everything an engine process needs, so that the first job does not wait for it."""
    import bbkit.standin.answers  # noqa: F401

    engine_for(name, options)


def work_chunk(task_json: str, chunk: Chunk) -> Report:
    """Answer the records of one chunk and write them as one part."""
    began = time.perf_counter()
    task = Task(**json.loads(task_json))
    with Path(chunk.path).open("rb") as handle:
        handle.seek(chunk.start)
        lines = handle.read(chunk.end - chunk.start).removesuffix(b"\n").split(b"\n")
    offsets = list(accumulate((len(line) + 1 for line in lines), initial=chunk.start))[:-1]
    worker = _Answerer(task, Path(chunk.path).name)
    answered = worker.answer_all(offsets, lines)
    if not task.ordered:
        random.Random(f"{task.job_id} {Path(chunk.path).name} {chunk.start}").shuffle(answered)
    part = Part(
        chunk.start, chunk.end, worker.success, worker.error, worker.input_tokens, worker.output_tokens
    )
    final = Path(chunk.parts, part.name)
    temporary = final.with_suffix(f".{os.getpid()}")
    with temporary.open("wb") as out:
        out.writelines(answered)
    if worker.hits:
        Path(chunk.parts, f"{chunk.start:014d}.hits").write_text("\n".join(worker.hits))
    temporary.replace(final)
    return Report(part, time.perf_counter() - began, len(lines), worker.failures)


class _Answerer:
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
        workers = min(self.engine.concurrency, len(lines))
        if workers > 1:
            with ThreadPoolExecutor(workers) as threads:
                answered = list(threads.map(self.answer, offsets, lines))
        else:
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
        head = b'{"modelInput":' + raw + b',"' + place.encode() + b'":'
        return head + _encode(content) + b',"recordId":' + _encode(record_id) + b"}\n", outcome, tokens

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
        data = msgspec.json.encode(value)
    except UnicodeEncodeError:
        data = json.dumps(value).encode()
    return data.replace(_SURROGATE_MARK.encode(), b"\\ud83d")
