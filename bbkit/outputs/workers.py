"""Worker processes: shares of files are read beside this process, and what one leaves behind is read here."""

import os
import pickle
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from multiprocessing.connection import wait
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from bbkit.core.logs import LOG

MOST_PROCESSES = 4
WORTH_SECONDS = 1.0
"""Workers are started where reading is to take longer still: each takes 0.4 seconds to come up."""

_USUAL_PACE, _SAMPLE_BYTES = 1.25e-9, 32 << 20
"""Seconds a byte takes, until so many were read: the first take longer."""
_PROCESS_BYTES = 512 << 20
_AHEAD = 2
_READY = ""
_WAITING = 4


class Share(NamedTuple):
    """A range of the file of a number: how it is read here, and what asks a worker for it."""

    number: int
    size: int
    read: Callable[[], Iterator[Any]]
    task: tuple[Any, ...] | None


class Workers:
    """Processes that read shares, begun by `start`, ended with the ``with`` block."""

    def __init__(self, most: int):
        self.most = most
        self._given: dict[Popen[bytes], deque[str]] = {}
        self._done: set[str] = set()
        self._numbers = count()
        self._folder: TemporaryDirectory[str] | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()
        if self._folder:
            self._folder.cleanup()

    def _stop(self) -> None:
        for process in list(self._given):
            self._end(process)

    def start(self) -> None:
        """Start the processes, out of reach of the terminal's signals: this process ends them."""
        # They import what this process would, and nothing that merely lies in the working folder.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        try:
            self._folder = self._folder or TemporaryDirectory(prefix="bbkit-")
            command = [sys.executable, "-P", "-m", "bbkit.worker", self._folder.name]
            for _ in range(self.most):
                process = Popen(
                    command, 0, None, PIPE, PIPE, DEVNULL, env=environment, start_new_session=True
                )
                self._given[process] = deque([_READY])
        except OSError as error:
            LOG.warning("Workers cannot be started (%s); this process reads alone.", error)
            self.most = 0

    def read(self, shares: Iterable[Share], size: int) -> Iterator[tuple[int, Any]]:
        """Read shares, of so many bytes together, in order, here and, where enough is left, by workers."""
        begun, done = time.process_time(), 0
        waiting: deque[tuple[Share, str | None, Iterable[Any]]] = deque()
        for share in shares:
            pace = (time.process_time() - begun) / done if done > _SAMPLE_BYTES else _USUAL_PACE
            if pace * (size - done) > WORTH_SECONDS and self.most and not self._given:
                self.start()
            place = self._offer(share.task) if share.task else None
            here = () if place else list(share.read()) if waiting else share.read()
            waiting.append((share, place, here))
            done += share.size
            while waiting and (len(waiting) > _WAITING or not self._is_given(waiting[0][1])):
                yield from self._take(*waiting.popleft())
        for each in waiting:
            yield from self._take(*each)
        self._stop()  # what follows needs the memory

    def _take(self, share: Share, place: str | None, here: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """What was read of a share: by a worker, once it has, or here, also where the worker ended before."""
        while self._is_given(place):
            self._listen(None)
        if place in self._done:
            path = Path(place)
            with path.open("rb") as file:
                here = [pickle.load(file)]
            path.unlink()
        elif place:
            here = share.read()
        for batch in here:
            yield share.number, batch

    def _is_given(self, place: str | None) -> bool:
        return any(place in given for given in self._given.values())

    def _offer(self, task: tuple[Any, ...]) -> str | None:
        """Give a share to a worker that is up and has little to do; where it will be, None if none is."""
        self._listen(0)
        for process, given in sorted(self._given.items(), key=lambda item: len(item[1])):
            if _READY in given or len(given) >= _AHEAD:
                continue
            place = f"{self._folder.name}/{next(self._numbers)}"  # type: ignore[union-attr]
            try:
                process.stdin.write(pickle.dumps((place, *task)))  # type: ignore[union-attr]
            except BrokenPipeError:
                self._end(process)
                continue
            given.append(place)
            return place
        return None

    def _listen(self, timeout: float | None) -> None:
        streams: dict[Any, Popen[bytes]] = {process.stdout: process for process in self._given}
        heard: Iterable[Any] = wait(list(streams), timeout) if streams else ()
        for stream in heard:
            process = streams[stream]
            said = stream.read(_AHEAD)
            self._done.update(self._given[process].popleft() for _ in said)
            if not said:
                self._end(process)
                self.most -= 1
                LOG.warning("A worker ended (exit code %s); its share is read here.", process.returncode)

    def _end(self, process: Popen[bytes]) -> None:
        process.kill()
        process.communicate()
        del self._given[process]


def count_spare_cores(root: Path = Path("/")) -> int:
    """How many processes may read beside this one, by its cores, control groups and memory: three at most."""
    affinity = getattr(os, "sched_getaffinity", None)
    limits: list[float] = [MOST_PROCESSES, getattr(os, "process_cpu_count", os.cpu_count)() or 1]
    limits += [len(affinity(0))] if affinity else []
    for folder in _control_groups(root):
        quota, period = _numbers(folder / "cpu.cfs_quota_us"), _numbers(folder / "cpu.cfs_period_us")
        cores = _numbers(folder / "cpu.max") or [*quota, *period]
        limits += [cores[0] / cores[1]] if len(cores) == 2 and cores[0] > 0 else []
        memory = _numbers(folder / "memory.max") or _numbers(folder / "memory.limit_in_bytes")
        limits += [size / _PROCESS_BYTES for size in memory]
    return max(int(min(limits)), 1) - 1 if sys.executable and os.name == "posix" else 0


def _control_groups(root: Path) -> Iterator[Path]:
    """The folders of the control groups (version 2, then 1) this process is in, and of those above them."""
    path = root / "proc/self/cgroup"
    for line in path.read_text().splitlines() if path.is_file() else ():
        _, kinds, group = line.split(":", 2)
        top = root / "sys/fs/cgroup" / kinds
        folder = top / group.lstrip("/")
        yield from (each for each in (folder, *folder.parents) if each.is_relative_to(top))


def _numbers(path: Path) -> list[float]:
    """The numbers in a file; none where it is not there or says ``max``."""
    try:
        return [float(word) for word in path.read_text().split()]
    except (OSError, ValueError):
        return []
