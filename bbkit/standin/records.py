"""The records of a job: read, answered by the engine or with the error a fault asks for, written as parts.

`answer_chunk` runs in the engine processes. A stretch of the input becomes a part of the output: written to a
temporary file and renamed to a name that says which bytes it answers and with what counts. The rename is the
commit: after a kill, parts that are there are done, and nothing else is.
"""

import hashlib
import json
import random
import re
import string
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from threading import Event
from typing import Any

import msgspec

from bbkit.standin import faults as fault
from bbkit.standin.engine_pool import engine_for
from bbkit.standin.errors import RecordError
from bbkit.standin.inputs import read_record
from bbkit.standin.settings import write_whole

# Engines and shapes are imported where they are used: the server starts sooner without them.

# A private-use character stands for a lone surrogate until the line is encoded.
_SURROGATE_MARK = "\ue0f0"
_ODD_TEXT = f"\u2028{_SURROGATE_MARK}"
_USAGE = ("usage", "prompt_token_count", "generation_token_count", "inputTextTokenCount")
_PART_NAME = re.compile(r"(\d+)-(\d+)\.(\d+)\.(\d+)\.(\d+|x)\.(\d+|x)\.part")


@dataclass(frozen=True)
class Task:
    job_id: str
    model_id: str
    invocation_type: str
    faults: fault.Faults
    ordered: bool
    faulted_path: str  # of a file that names the records passing faults befell in other jobs
    output_uri: str  # the jobs that share it belong together
    engine: str
    engine_options: str  # JSON


@dataclass(frozen=True)
class Chunk:
    """A stretch of whole lines of one input file, and the folder its part goes to."""

    path: Path
    start: int
    end: int
    parts: Path
    upto: int


@dataclass(frozen=True)
class Part:
    """A finished part: the bytes of the input it answers, and its counts; tokens are None when not known."""

    start: int
    end: int
    success: int
    error: int
    input_tokens: int | None
    output_tokens: int | None

    @property
    def name(self) -> str:
        tokens = ".".join("x" if n is None else str(n) for n in (self.input_tokens, self.output_tokens))
        return f"{self.start:014d}-{self.end:014d}.{self.success}.{self.error}.{tokens}.part"

    @classmethod
    def read(cls, name: str) -> "Part | None":
        """Read a part from its file name; None for any other file."""
        match = _PART_NAME.fullmatch(name)
        return match and cls(*(None if text == "x" else int(text) for text in match.groups()))  # type: ignore[arg-type]


@dataclass
class Report:
    """What became of one chunk: its part, its cost, and tracebacks of failures of our own."""

    part: Part
    seconds: float
    records: int
    failures: list[str]


def add_known(numbers: Iterable[int | None]) -> int | None:
    """Add numbers up; None when one of them is not known."""
    listed = list(numbers)
    return None if None in listed else sum(number or 0 for number in listed)


def answer_chunk(task: Task, chunk: Chunk, halt: Event | None = None) -> Report:
    """Answer the records of one chunk and write them as one part; up to where it was halted, if it was."""
    # An engine that computes is measured by what it uses: a busy machine must not make chunks small and many.
    clock = time.process_time if task.engine == "extractive" else time.perf_counter
    began = clock()
    with chunk.path.open("rb") as handle:
        handle.seek(chunk.start)
        lines = handle.read(chunk.end - chunk.start).removesuffix(b"\n").split(b"\n")
    offsets = list(accumulate((len(line) + 1 for line in lines), initial=chunk.start))
    answers = _Answers(task, chunk.path.name, halt)
    written = answers.answer_lines(offsets, lines)
    outcomes, used = answers.outcomes, answers.used
    part = Part(
        chunk.start,
        chunk.end if len(outcomes) == len(lines) else offsets[len(outcomes)],
        outcomes.count("succeeded"),
        outcomes.count("errored"),
        add_known(read for read, _ in used),
        add_known(made for _, made in used),
    )
    if outcomes:
        if not task.ordered:
            random.Random(f"{task.job_id} {chunk.path.name} {chunk.start}").shuffle(written)
        if answers.faulted:
            (chunk.parts / f"{chunk.start:014d}.hits").write_text("\n".join(answers.faulted))
        write_whole(chunk.parts / part.name, b"".join(written))
    return Report(part, clock() - began, len(outcomes), answers.failures)


@lru_cache(maxsize=8)
def _read_faulted(path: str) -> frozenset[str]:
    return frozenset(Path(path).read_text().split("\n"))


@dataclass
class _Answers:
    """The answers to the lines of one chunk, and what became of each."""

    task: Task
    file: str
    halt: Event | None
    outcomes: list[str] = field(default_factory=list)  # succeeded, errored, or empty when swallowed
    used: list[tuple[int | None, int | None]] = field(default_factory=list)  # tokens read and made
    faulted: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def answer_lines(self, offsets: list[int], lines: list[bytes]) -> list[bytes]:
        """Give the output lines, in order, without those that a fault swallowed; fewer when halted."""
        from bbkit.standin.engines import Interrupted

        written = []
        for offset, line in zip(offsets, lines, strict=False):
            try:
                if self.halt is not None and self.halt.is_set():
                    break
                answered = self.answer(offset, line)
            except Interrupted:
                break
            if answered:
                written.append(answered)
        return written

    def answer(self, offset: int, line: bytes) -> bytes:
        """Answer one line: its output line, empty when a fault swallowed it."""
        record_id, raw, model_input = read_record(line)
        key = record_id if record_id is not None else hashlib.blake2b(raw).hexdigest()
        if record_id is None:
            record_id = _make_id(f"{self.task.job_id} {self.file} {offset}")
        faults = self.task.faults
        place, content = self._apply_fault(key, raw) if faults.touches_records else ("", {})
        if place == "missing":
            self.outcomes.append("")
            return b""
        if not place:
            place, content = self._ask(key, raw, model_input)
        self.outcomes.append("errored" if place == "error" or "errorCode" in content else "succeeded")
        body = _encode(content)
        if "odd-text" in faults.names:
            body = body.replace(_SURROGATE_MARK.encode(), b"\\ud83d")
        head = b'{"modelInput":' + raw + b',"' + place.encode() + b'":'
        return head + body + b',"recordId":' + _encode(record_id) + b"}\n"

    def _apply_fault(self, key: str, raw: bytes) -> tuple[str, dict[str, Any]]:
        """Give the place and the error a fault asks for; place is empty where none befalls this record."""
        faults = self.task.faults
        if fault.draw("missing", key) < faults.missing_lines and self._is_first("missing", key, raw):
            return "missing", {}
        if fault.draw("error", key) >= faults.record_errors:
            return "", {}
        place, code, message = fault.record_error(key)
        if fault.heals(code) and not self._is_first("error", key, raw):
            return "", {}
        content: dict[str, Any] = {"errorCode": code, "errorMessage": message}
        if place == "modelOutput":
            content |= {"expired": False, "retryable": fault.heals(code)}
        return place, content

    def _is_first(self, kind: str, key: str, raw: bytes) -> bool:
        """Whether a passing fault has not befallen this very record in an earlier job of the same output."""
        named = f"{kind}\0{self.task.output_uri}\0{key}\0".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(named + raw, digest_size=12).hexdigest()
        if digest in _read_faulted(self.task.faulted_path):
            return False
        self.faulted.append(digest)
        return True

    def _ask(self, key: str, raw: bytes, model_input: dict[str, Any] | None) -> tuple[str, dict[str, Any]]:
        from bbkit.standin.answers import answer_record
        from bbkit.standin.engines import Engine, Interrupted
        from bbkit.standin.spoiling import SpoilingEngine

        task = self.task
        engine: Engine = engine_for(task.engine, task.engine_options)
        share = task.faults.bad_json
        if share and fault.draw("bad-json", key) < share and self._is_first("bad-json", key, b""):
            engine = SpoilingEngine(engine, key)
        try:
            given = _decode(raw) if model_input is None else model_input
            answered = answer_record(task.model_id, task.invocation_type, given, engine, halt=self.halt)
        except RecordError as error:
            return "error", {"errorCode": error.code, "errorMessage": error.message}
        except RecursionError:
            message = "Malformed input request: it is nested too deeply, please reformat your input."
            return "error", {"errorCode": 400, "errorMessage": message}
        except Interrupted:
            raise
        except Exception:  # one record must not take the job with it; the traceback goes to the log
            self.failures.append(traceback.format_exc())
            message = "The stand-in failed on this record; see its log.jsonl."
            return "error", {"errorCode": 500, "errorMessage": message}
        self.used.append((answered.input_tokens, answered.output_tokens))
        content = answered.output
        if "missing-usage" in task.faults.names:
            _drop_usage(content)
        return "modelOutput", _add_odd_text(content) if "odd-text" in task.faults.names else content


def _drop_usage(content: dict[str, Any]) -> None:
    for name in _USAGE:
        content.pop(name, None)
    for result in content.get("results", ()):
        result.pop("tokenCount", None)


def _add_odd_text(node: Any, name: str = "") -> Any:
    if isinstance(node, dict):
        return {key: _add_odd_text(value, key) for key, value in node.items()}
    if isinstance(node, list):
        return [_add_odd_text(item, name) for item in node]
    if isinstance(node, str) and name in ("text", "content", "generation", "outputText"):
        return node + _ODD_TEXT
    return node


def _make_id(seed: str) -> str:
    letters = string.ascii_letters + string.digits
    return "".join(random.Random(seed).choices(letters, k=11))


def _encode(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def _decode(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(raw)
