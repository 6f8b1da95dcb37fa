"""Where the engine runs: in processes when it computes, in threads when it waits for another server."""

import fcntl
import json
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from bbkit.standin.engines import SpeakingEngine
from bbkit.standin.settings import Settings

ENGINES = ("extractive", "openai")
LOCK = "worker.lock"  # of a stand-in's folder; held by its engine processes

Result = TypeVar("Result")


class EnginePool:
    """Processes or threads of one engine, so many at most, started when first used."""

    def __init__(self, settings: Settings, size: int) -> None:
        self.settings = settings
        self.size = size
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._closed = False

    def submit(self, function: Callable[..., Result], *arguments: Any) -> "Future[Result]":
        """Call a function where the engine is; a pool that has broken is replaced."""
        with self._lock:
            if self._closed:
                raise CancelledError
            if self._executor is None:
                self._executor = self._start()
            try:
                return self._executor.submit(function, *arguments)
            except BrokenProcessPool:
                self._executor = self._start()
                return self._executor.submit(function, *arguments)

    def _start(self) -> Executor:
        settings = self.settings
        if settings.waits:
            return ThreadPoolExecutor(self.size)
        given = (str(settings.folder / LOCK), settings.engine, settings.engine_options_json)
        return ProcessPoolExecutor(self.size, get_context("spawn"), _begin_process, given)

    def close(self) -> None:
        """Let engine processes end in good order; requests of an engine that waits are not waited for."""
        with self._lock:
            self._closed = True
            if self._executor is not None:
                self._executor.shutdown(wait=not self.settings.waits, cancel_futures=True)


def _begin_process(lock_path: str, engine: str, options: str) -> None:
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


def _exit_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


@cache
def engine_for(name: str, options: str) -> SpeakingEngine:
    """Make the engine of this process, once; its options are JSON."""
    return make_engine(name, **json.loads(options))


def make_engine(name: str = "extractive", **options: Any) -> SpeakingEngine:
    if name == "extractive":
        from bbkit.standin.engines.extractive import ExtractiveEngine

        return ExtractiveEngine(**options)
    if name == "openai":
        from bbkit.standin.engines.openai import OpenAIEngine

        return OpenAIEngine(**options)
    raise ValueError(f"No engine is named {name!r}; the engines are {' and '.join(ENGINES)}.")
