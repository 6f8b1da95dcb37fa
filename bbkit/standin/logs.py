"""The three traces a stand-in leaves: a log of what it was asked and did, the events, and its console."""

import json
import os
import re
import sys
import threading
import time
import uuid
from collections import defaultdict, deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bbkit.standin.errors import iso_time

MOST_WAITING = 1000  # lines that wait in memory while the disk is full
MOST_READ = 16_000_000  # bytes of a log, from its end
_LONGEST = 500
# What AWS's SDKs tell of machine and call, beside their own name and version.
_SIDE = re.compile(r" (?:md|ua|os|lang|cfg|m|exec-env|api)/\S+| Botocore/\S+")


class Traces:
    """Appends whole lines to ``log.jsonl`` and ``events.jsonl``, and speaks to the person watching.

    None of this ever fails: lines that cannot be written wait, and go ahead of the next that can.
    """

    def __init__(self, folder: Path, quiet: bool = False) -> None:
        self.log_path = folder / "log.jsonl"
        self.events_path = folder / "events.jsonl"
        self.quiet = quiet
        self._waiting: dict[Path, deque[bytes]] = defaultdict(lambda: deque(maxlen=MOST_WAITING))
        self._lock = threading.Lock()

    def log(self, **fields: Any) -> None:
        self._append(self.log_path, {"at": iso_time(time.time()), **fields})

    def print(self, text: str) -> None:
        if not self.quiet:
            with suppress(OSError):
                print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)

    def event(self, job: dict[str, Any], account: str) -> None:
        """Append a state change in the shape EventBridge delivers."""
        created = datetime.fromtimestamp(job["submitted"], UTC)
        detail = {
            "version": "0.0",
            "accountId": account,
            "batchJobName": job["name"],
            "batchJobArn": job["job_arn"],
            "batchModelId": job["model_arn"],
            "status": job["status"],
            "failureMessage": job["message"] or "",
            "creationTime": f"{created:%b} {created.day}, {created:%Y, %I:%M:%S %p}".replace(", 0", ", "),
        }
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Batch Inference Job State Change",
            "source": "aws.bedrock",
            "account": account,
            "time": iso_time(time.time()),
            "region": job["region"],
            "resources": [job["job_arn"]],
            "detail": detail,
        }
        self._append(self.events_path, event)

    def _append(self, path: Path, fields: dict[str, Any]) -> None:
        line = json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        with self._lock:
            self._waiting[path].append(line)
            for target, lines in self._waiting.items():
                with suppress(OSError):
                    _write_lines(target, lines)


def _write_lines(path: Path, lines: deque[bytes]) -> None:
    """Append lines, each whole, and take those away that are there."""
    while lines:
        with path.open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            if file.write(lines[0]) < len(lines[0]):
                file.truncate(end)
                return
            lines.popleft()


def plain(text: str) -> str:
    """Text of others in one line that does nothing to the terminal it is shown on, and not too long of it."""
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)


def tell_refusals(folder: Path, each: int = 5) -> str:
    """Tell of the last calls that were refused, by client, of a stand-in that runs or ran."""
    path = folder / "log.jsonl"
    with path.open("rb") as file:
        skipped = max(0, file.seek(0, os.SEEK_END) - MOST_READ)
        file.seek(skipped)
        lines = file.read(MOST_READ).split(b"\n")[bool(skipped) :]
    clients: dict[str, deque[str]] = {}
    for line in lines:
        with suppress(ValueError, KeyError, AttributeError):
            told = {name: plain(str(value)) for name, value in json.loads(line).items()}
            name = _SIDE.sub("", told["user_agent"]) or "a client that does not name itself"
            status = "" if told["status"] == "None" else f"{told['status']} "
            asked = told["asked"].removesuffix(told["path"]).rstrip()  # it ends so where it was no operation
            call = f"  {told['at']}  {asked}  {told['path']}"
            why = f"    {status}{told['code']}: {told['reason']}"
            latest = clients[name] = clients.pop(name, deque(maxlen=each))
            latest.appendleft(f"{call}\n{why}")
    if not clients:
        where = f"the last {MOST_READ // 10**6} MB of {path}" if skipped else str(path)
        return f"No call was refused: {where} tells of none."
    return "\n".join(line for name in reversed(clients) for line in (name, *clients[name]))
