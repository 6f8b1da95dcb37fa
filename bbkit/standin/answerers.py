"""One record of a job: read, struck by a fault or answered by the engine, and written as an output line."""

import hashlib
import json
import random
import string
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import msgspec

from bbkit.standin import faults as fault
from bbkit.standin.errors import RecordError
from bbkit.standin.inputs import read_record

if TYPE_CHECKING:
    from bbkit.standin.answers import Answered

# Engines and shapes are imported where they are used: the server starts sooner without them.

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
    place: str  # where the output goes: the jobs that share it belong together
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

    def __init__(self, task: Task, file: str, halt: Event | None = None) -> None:
        self.task = task
        self.file = file
        self.halt = halt
        self.faults = fault.read_faults(task.faults)
        engine = engine_for(task.engine, task.engine_options)
        self.engine = engine if halt is None else engine.until(halt)
        self.earlier_hits = _read_hits(task.hits_path) if self.faults.touches_records else frozenset()
        self.outcomes: list[str] = []  # of each record: succeeded, errored, or empty when swallowed
        self.used: list[tuple[int | None, int | None]] = []  # tokens in and out of each answer
        self.hits: list[str] = []
        self.failures: list[str] = []

    def answer_all(self, offsets: list[int], lines: list[bytes]) -> list[bytes]:
        """Give the output lines, in order, without those that a fault swallowed; fewer when halted."""
        from bbkit.standin.engines.base import Interrupted

        written = []
        for offset, line in zip(offsets, lines, strict=True):
            try:
                if self.halt is not None and self.halt.is_set():
                    break
                answered = self.answer(offset, line)
            except Interrupted:
                break
            if answered:
                written.append(answered)
        return written

    def counts(self) -> tuple[int, int]:
        """Count what succeeded and what errored."""
        return self.outcomes.count("succeeded"), self.outcomes.count("errored")

    def tokens(self) -> tuple[int | None, int | None]:
        """Count the tokens of the answers, in and out; None where those of one are not known."""
        return add_known(given for given, _ in self.used), add_known(made for _, made in self.used)

    def answer(self, offset: int, line: bytes) -> bytes:
        """Answer one line: its output line, empty when a fault swallowed it."""
        record_id, raw, model_input = read_record(line)
        key = record_id if record_id is not None else hashlib.blake2b(raw).hexdigest()
        if record_id is None:
            record_id = _make_id(f"{self.task.job_id} {self.file} {offset}")
        place, content = self._strike(key, raw) if self.faults.touches_records else ("", {})
        if place == "missing":
            self.outcomes.append("")
            return b""
        if not place:
            place, content = self._ask(raw, model_input)
        self.outcomes.append("errored" if place == "error" or "errorCode" in content else "succeeded")
        body = _encode(content)
        if "odd-text" in self.faults.names:
            body = body.replace(_SURROGATE_MARK.encode(), b"\\ud83d")
        head = b'{"modelInput":' + raw + b',"' + place.encode() + b'":'
        return head + body + b',"recordId":' + _encode(record_id) + b"}\n"

    def _strike(self, key: str, raw: bytes) -> tuple[str, dict[str, Any]]:
        if fault.draw("missing", key) < self.faults.missing_lines and self._strikes_first(
            "missing", key, raw
        ):
            return "missing", {}
        if fault.draw("error", key) >= self.faults.record_errors:
            return "", {}
        place, code, message = fault.record_error(key)
        if fault.heals(code) and not self._strikes_first("error", key, raw):
            return "", {}
        content: dict[str, Any] = {"errorCode": code, "errorMessage": message}
        if place == "modelOutput":
            content |= {"expired": False, "retryable": fault.heals(code)}
        return place, content

    def _strikes_first(self, kind: str, key: str, raw: bytes) -> bool:
        """Whether a passing fault has not struck this very record in an earlier job of the same place."""
        named = f"{kind}\0{self.task.place}\0{key}\0".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(named + raw, digest_size=12).hexdigest()
        if digest in self.earlier_hits:
            return False
        self.hits.append(digest)
        return True

    def _ask(self, raw: bytes, model_input: dict[str, Any] | None) -> tuple[str, dict[str, Any]]:
        from bbkit.standin.answers import answer_record
        from bbkit.standin.engines.base import Interrupted

        try:
            given = _decode(raw) if model_input is None else model_input
            answered = answer_record(self.task.model_id, self.task.invocation_type, given, self.engine)
        except RecordError as error:
            return "error", {"errorCode": error.code, "errorMessage": error.message}
        except RecursionError:
            message = "Malformed input request: it is nested too deeply, please reformat your input."
            return "error", {"errorCode": 400, "errorMessage": message}
        except Interrupted:
            raise
        except Exception:  # one record must not take the job with it; the traceback goes to the log
            self.failures.append(traceback.format_exc())
            return "error", {
                "errorCode": 500,
                "errorMessage": "The stand-in failed on this record; see its log.jsonl.",
            }
        return "modelOutput", self._finish(answered)

    def _finish(self, answered: "Answered") -> dict[str, Any]:
        content = answered.output
        self.used.append((answered.input_tokens, answered.output_tokens))
        if "missing-usage" in self.faults.names:
            _drop_usage(content)
        return _add_odd_text(content) if "odd-text" in self.faults.names else content


def add_known(numbers: Iterable[int | None]) -> int | None:
    """Add numbers up; None when one of them is not known."""
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


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
