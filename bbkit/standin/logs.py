"""The three traces a stand-in leaves: a log of what it was asked and did, the events, and its console."""

import json
import os
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bbkit.standin.errors import iso_time


class Traces:
    """Appends whole lines to ``log.jsonl`` and ``events.jsonl``, and speaks to the person watching."""

    def __init__(self, folder: Path, quiet: bool = False) -> None:
        self.log_path = folder / "log.jsonl"
        self.events_path = folder / "events.jsonl"
        self.quiet = quiet

    def log(self, **fields: Any) -> None:
        append_line(self.log_path, {"at": iso_time(time.time()), **fields})

    def print(self, text: str) -> None:
        if not self.quiet:
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
        append_line(self.events_path, event)


def append_line(path: Path, fields: dict[str, Any]) -> None:
    data = json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
