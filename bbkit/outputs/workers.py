"""Shares of files are read beside this process, and what is left of them when a worker ends is read here."""

import os
import pickle
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import TYPE_CHECKING, Any, NamedTuple

from bbkit.core.logs import LOG
from bbkit.lines.reading import LineBatch, read_batches, read_share

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

AS_SPARE = -1
"""Of processes: as many as there are cores to spare."""

MOST_PROCESSES = 4
WORTH_SECONDS = 1.0
"""Workers are started where reading is to take longer still: each takes 0.2 seconds to come up."""

_SAMPLE_BYTES = 32 << 20
"""So many tell the pace: the first take longer."""
_PROCESS_BYTES = 512 << 20
_AHEAD = 2
_WAITING, _WAITING_TASKS = 4, 32

_Given = Future[LineBatch] | Iterable[LineBatch]


class Share(NamedTuple):
    """A range of the file of a number, so many bytes long, by the arguments of `read_share`."""

    number: int
    size: int
    task: tuple[str, int, int | None, tuple[str, ...], str | None]


class Workers(ExitStack):
    """Processes that read shares, ended with the ``with`` block at the latest; or an executor does."""

    def __init__(self, most: int, executor: Executor | None = None):
        super().__init__()
        self.most, self.executor = most, executor
        self._processes: dict[Connection, Popen[bytes]] = {}
        self._asked: dict[Connection, deque[Future[LineBatch]]] = {}
        self._numbers = count()

    def _start(self) -> None:
        """Start the processes, out of reach of the terminal's signals: this process ends them."""
        from multiprocessing import Pipe
        from tempfile import TemporaryDirectory

        # They import what this process would, and nothing that merely lies in the working folder.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        options: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), DEVNULL)
        try:
            self._folder = self.enter_context(TemporaryDirectory(prefix="bbkit-"))
            for _ in range(self.most):
                ours, theirs = Pipe()
                with theirs:
                    command = [sys.executable, "-P", "-m", "bbkit.lines", str(theirs.fileno()), self._folder]
                    options |= {"env": environment, "pass_fds": [theirs.fileno()], "start_new_session": True}
                    self._processes[ours] = Popen(command, **options)
                self.callback(self._end, ours)
        except OSError as error:
            LOG.warning("Workers cannot be started (%s); this process reads alone.", error)
            self.most = 0

    def read(self, shares: Iterable[Share], size: int) -> Iterator[tuple[int, LineBatch]]:
        """Read shares, of so many bytes together, in order, here and, where enough is left, by workers."""
        begun, done = time.process_time(), 0
        waiting: deque[tuple[Share, _Given]] = deque()
        for share in shares:
            left = (time.process_time() - begun) * (size - done) / max(done, 1)
            if self.most == AS_SPARE and done >= _SAMPLE_BYTES:
                self.most = count_spare_cores()
            if self.most > 0 and not self._processes and done >= _SAMPLE_BYTES and left > WORTH_SECONDS:
                self._start()
            given, here = self._offer(share), read_batches(*share.task)
            waiting.append((share, given or (list(here) if waiting else here)))
            done += share.size
            most = _WAITING_TASKS if self.executor else _WAITING
            while waiting and (len(waiting) > most or _is_read(waiting[0][1])):
                yield from self._take(*waiting.popleft())
        for each in waiting:
            yield from self._take(*each)
        self.close()  # what follows needs the memory

    def _take(self, share: Share, given: _Given) -> Iterator[tuple[int, LineBatch]]:
        """What was read of a share: by a worker, once it has, or here, also where the worker ended before."""
        if isinstance(given, Future):
            while self._processes and not given.done():
                self._listen(None)
            given = read_batches(*share.task) if given.cancelled() else [given.result()]
        for batch in given:
            yield share.number, batch

    def _offer(self, share: Share) -> Future[LineBatch] | None:
        """Give a share to a worker that is up and has little to do; None if none is."""
        if self.executor:
            return self.executor.submit(read_share, *share.task)
        self._listen(0)
        least = min(self._asked, key=lambda each: len(self._asked[each]), default=None)
        if least is None or len(self._asked[least]) >= _AHEAD:
            return None
        with suppress(OSError):  # one that has ended is heard of when it is listened to
            least.send((f"{self._folder}/{next(self._numbers)}", share.task))
        self._asked[least].append(Future())
        return self._asked[least][-1]

    def _listen(self, timeout: float | None) -> None:
        """Take what workers have read; the first that one says is that it is up."""
        if not self._processes:
            return
        from multiprocessing.connection import Connection, wait

        for connection in wait(list(self._processes), timeout):
            assert isinstance(connection, Connection)
            try:
                while connection.poll():
                    place, asked = connection.recv(), self._asked.setdefault(connection, deque())
                    if place:
                        batch = pickle.loads(Path(place).read_bytes())
                        asked.popleft().set_result(batch)
                        Path(place).unlink()
            except (EOFError, OSError):
                code = self._end(connection)
                self.most -= 1
                LOG.warning("A worker ended (exit code %s); its share is read here.", code)

    def _end(self, connection: "Connection") -> int | None:
        """End a process, if that was not done; what it was asked for is left."""
        if (process := self._processes.pop(connection, None)) is None:
            return None
        process.kill()
        connection.close()
        for future in self._asked.pop(connection, ()):
            future.cancel()
        return process.wait()


def _is_read(given: Any) -> bool:
    return not isinstance(given, Future) or given.done()


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
