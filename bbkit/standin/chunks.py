"""The part of a job that runs in the engine processes: a stretch of input becomes a part of the output.

A part is written to a temporary file and renamed to a name that says which bytes it answers and with what
counts. The rename is the commit: after a kill, parts that are there are done, and nothing else is.
"""

import fcntl
import json
import os
import random
import re
import signal
import threading
import time
from dataclasses import dataclass
from itertools import accumulate
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from bbkit.standin.answerers import Answerer, Task, engine_for

_NAME = re.compile(r"(\d+)-(\d+)\.(\d+)\.(\d+)\.(\d+|x)\.(\d+|x)\.part")


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
        """File name that carries all of it."""
        tokens = ".".join("x" if n is None else str(n) for n in (self.input_tokens, self.output_tokens))
        return f"{self.start:014d}-{self.end:014d}.{self.success}.{self.error}.{tokens}.part"


@dataclass(frozen=True)
class Chunk:
    """A stretch of whole lines of one input file, and the folder its part goes to."""

    path: str
    start: int
    end: int
    parts: str
    upto: int


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
    if match is None:
        return None
    *known, given, made = match.groups()
    return Part(*map(int, known), *(None if n == "x" else int(n) for n in (given, made)))


def begin_process(lock_path: str, engine: str, options: str) -> None:
    """Prepare an engine process that ends with its parent and holds its folder until then."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None
    threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()
    fcntl.flock(os.open(lock_path, os.O_RDWR | os.O_CREAT), fcntl.LOCK_SH)
    if not parent.is_alive():
        os._exit(1)
    import bbkit.standin.answers  # noqa: F401

    engine_for(engine, options)


def _exit_after(parent: Any) -> None:
    parent.join()
    os._exit(1)


def work_chunk(task_json: str, chunk: Chunk, halt: threading.Event | None = None) -> Report:
    """Answer the records of one chunk and write them as one part; up to where it was halted, if it was."""
    task = Task(**json.loads(task_json))
    # An engine that computes is measured by what it uses: a busy machine must not make chunks small and many.
    clock = time.process_time if task.engine == "extractive" else time.perf_counter
    began = clock()
    with Path(chunk.path).open("rb") as handle:
        handle.seek(chunk.start)
        lines = handle.read(chunk.end - chunk.start).removesuffix(b"\n").split(b"\n")
    offsets = list(accumulate((len(line) + 1 for line in lines), initial=chunk.start))[:-1]
    worker = Answerer(task, Path(chunk.path).name, halt)
    written = worker.answer_all(offsets, lines)
    count = len(worker.outcomes)
    end = chunk.end if count == len(lines) else offsets[count]
    part = Part(chunk.start, end, *worker.counts(), *worker.tokens())
    if count:
        _write_part(task, chunk, part, written, worker.hits)
    return Report(part, clock() - began, count, worker.failures)


def _write_part(task: Task, chunk: Chunk, part: Part, lines: list[bytes], hits: list[str]) -> None:
    if not task.ordered:
        random.Random(f"{task.job_id} {Path(chunk.path).name} {chunk.start}").shuffle(lines)
    final = Path(chunk.parts, part.name)
    temporary = final.with_suffix(f".{os.getpid()}")
    with temporary.open("wb") as out:
        out.writelines(lines)
    if hits:
        Path(chunk.parts, f"{chunk.start:014d}.hits").write_text("\n".join(hits))
    temporary.replace(final)
