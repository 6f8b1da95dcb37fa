"""Launches runs in processes that are killed at a chosen point: before, within and after journal writes and
AWS calls.

A process of its own reads orders from standard input, one JSON object a line, and forks for each, so that a
kill costs no import. The points are put around the journal's and botocore's own functions from outside; the
package knows nothing of them.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.httpsession import URLLib3Session

import bbkit as bb
from bbkit.run.journal import Journal


class Points:
    """Counts the points a launch passes, writes each down, and kills the process at one of them."""

    def __init__(self, trace: Path, kill_at: int | None):
        self.kill_at, self.count, self.lock = kill_at, 0, threading.Lock()
        self.trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __call__(self, label: str, last_act: Callable[[], object] | None = None) -> None:
        with self.lock:
            self.count += 1
            os.write(self.trace, f"{label}\t{time.monotonic()}\n".encode())
            if self.count == self.kill_at:
                if last_act:
                    last_act()
                os.kill(os.getpid(), signal.SIGKILL)


def put_points(points: Points, *, files: bool) -> None:
    """Surround every journal write and every request to AWS, and what is written beside the journal."""
    append, send, replace = Journal.append, URLLib3Session.send, os.replace

    def append_with_points(self: Journal, *events: Any) -> list[dict[str, Any]]:
        name = events[0]["event"]

        def tear() -> None:
            with self.path.open("ab") as stream:
                stream.write(json.dumps(events[0], default=str).encode()[:40])

        points(f"before journal {name}")
        points(f"within journal {name}", tear)
        written = append(self, *events)
        points(f"after journal {name}")
        return written

    def send_with_points(self: URLLib3Session, request: Any) -> Any:
        path = unquote(urlsplit(request.url).path).strip("/")
        name = f"{request.method} {'s3' if '.jsonl' in path else path.partition('/')[0] or 'sts'}"
        points(f"before {name}")
        answer = send(self, request)
        points(f"after {name}")
        return answer

    def replace_with_points(source: Any, target: Any) -> None:
        points(f"before {Path(target).name}")
        replace(source, target)
        points(f"after {Path(target).name}")

    if files:
        os.replace = replace_with_points  # type: ignore[assignment]
    Journal.append = append_with_points  # type: ignore[method-assign]
    URLLib3Session.send = send_with_points  # type: ignore[method-assign]


def launch(order: dict[str, Any]) -> None:
    """Submit and wait, as 02-launch does, or complete the run."""
    if order.get("trace"):
        put_points(Points(Path(order["trace"]), order.get("kill_at")), files="complete" in order)
    run = bb.Run.open(order["run"])
    if "complete" in order:
        bb.complete_run(run, **order["complete"])
        return
    bb.submit_jobs(run)
    bb.wait_for_jobs(run, timeout=60)


def obey(order: dict[str, Any]) -> int:
    """Fork a launch, kill it ``kill_after`` seconds after its first point if asked, give its wait status."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.dup2(os.open(order["errors"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
            launch(order)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    deadline = time.monotonic() + 120
    if "kill_after" in order:
        while not (Path(order["trace"]).exists() and Path(order["trace"]).stat().st_size):
            signal.sigtimedwait([signal.SIGCHLD], 0.001)
        deadline = time.monotonic() + order["kill_after"]
    while (left := deadline - time.monotonic()) > 0:
        signal.sigtimedwait([signal.SIGCHLD], left)
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            break
    else:
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def main() -> None:
    """Obey orders until there are no more."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    for name in ("submit_jobs", "wait_for_jobs", "complete_run", "Run"):
        getattr(bb, name)
    for line in sys.stdin:
        print(json.dumps({"status": obey(json.loads(line))}), flush=True)


if __name__ == "__main__":
    main()
