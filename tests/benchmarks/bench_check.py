"""Checking records: `check_records` beside the plain ways to read the same bytes, each in a fresh process.

Rates are of processor time, so that a busy machine does not blur the ratios.

    python tests/benchmarks/bench_check.py                all of it
    python tests/benchmarks/bench_check.py --only calls   or short unicode tools images wrong frame stream

The house's mark: a file of calls of 4 KB is checked at over 200 MB/s, and 1,000,000 rows stream with a peak
under 600 MB.
"""

import argparse
import base64
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
TOTAL = 200_000_000
ROWS = 1_000_000
CALL = "Caller: the modem has not worked since Monday, and I need it for work. Agent: I see, let me look. "
UNICODE = "Anruferin: mein Anschluß geht seit Montag nicht – „schrecklich“, naïve café señor. "
TOOL = {
    "name": "book_visit",
    "description": "Book a visit of a technician at the caller's home",
    "input_schema": {
        "type": "object",
        "properties": {"day": {"type": "string"}, "note": {"type": "string"}},
        "required": ["day"],
    },
}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + os.urandom(150_000)).decode()


def body_of(kind: str) -> dict[str, Any]:
    """One body of a kind."""
    text = {"type": "text", "text": "Summarize the call.\n\n" + CALL * 40}
    body: dict[str, Any] = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 300, "temperature": 0}
    if kind == "short":
        text = {"type": "text", "text": CALL * 4}
    elif kind == "unicode":
        text = {"type": "text", "text": UNICODE * 48}
    elif kind == "wrong":
        body["modelId"] = MODEL
    elif kind == "tools":
        body["tools"] = [TOOL, {**TOOL, "name": "cancel_visit"}]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    content = [image, text] if kind == "images" else [text]
    return {**body, "system": "You summarize calls.", "messages": [{"role": "user", "content": content}]}


def write_file(path: Path, kind: str) -> None:
    """Write a file of about 200 MB."""
    tail = json.dumps({"modelInput": body_of(kind)}, ensure_ascii=False)[1:]
    with path.open("w", encoding="utf-8") as file:
        number = 0
        while file.tell() < TOTAL if number % 1000 == 0 else True:
            file.write(f'{{"recordId": "CALL{number:08d}", {tail}\n')
            number += 1


def run_check(path: str) -> int:
    """Check a file."""
    from bbkit.checks import check_records

    return len(check_records(path, MODEL))


def run_read(path: str) -> int:
    """Read the bytes, no more."""
    size = 0
    with Path(path).open("rb", buffering=0) as file:
        while block := file.read(1 << 22):
            size += len(block)
    return size


def run_loads(path: str) -> int:
    """Read every line with json.loads and look at nothing."""
    with Path(path).open("rb") as file:
        return sum(len(json.loads(line)) for line in file)


def run_frame(path: str) -> int:
    """Check the same records as a frame."""
    import pandas as pd

    from bbkit.checks import check_records

    rows = [(f"CALL{number:08d}", body_of("calls")) for number in range(TOTAL // 4300)]
    frame = pd.DataFrame(rows, columns=["record_id", "model_input"])
    start = time.process_time()
    check_records(frame, MODEL)
    print(f"frame: {len(frame) / (time.process_time() - start):,.0f} records of 4 KB a second")
    return 0


def run_stream(path: str) -> int:
    """Check 1,000,000 rows that never are in memory together."""
    from bbkit.catalog.quotas import Quotas
    from bbkit.checks import check_records

    def stream() -> Iterator[tuple[str, dict[str, Any]]]:
        for number in range(ROWS):
            yield f"CALL{number:08d}", body_of("short")

    start = time.process_time()
    check_records(stream(), MODEL, quotas=Quotas(max_records_per_job=ROWS, max_records_per_file=ROWS))
    print(f"stream: {ROWS:,} rows in {time.process_time() - start:.1f} s")
    return 0


def peak_mb() -> int:
    """The peak of this process's memory."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) // 1024 if found else 0


RUNS: dict[str, Callable[[str], int]] = {
    "check": run_check,
    "read": run_read,
    "loads": run_loads,
    "frame": run_frame,
    "stream": run_stream,
}


def time_apart(name: str, path: Path, times: int = 3) -> tuple[float, int]:
    """The median seconds of a run in processes of its own, and its peak in MB."""
    seconds: list[float] = []
    peak = 0
    for _ in range(times):
        command = [sys.executable, __file__, "--run", name, str(path)]
        done = json.loads(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        )
        seconds.append(done["seconds"])
        peak = max(peak, done["peak"])
    return statistics.median(seconds), peak


def bench_file(folder: Path, kind: str) -> None:
    """Print how fast a file of a kind is checked, beside reading it."""
    path = folder / f"check-{kind}.jsonl"
    if not path.exists():
        write_file(path, kind)
    size = path.stat().st_size / 1e6
    checked, peak = time_apart("check", path)
    read, _ = time_apart("read", path)
    loads, _ = time_apart("loads", path)
    print(
        f"{kind}: check {size / checked:,.0f} MB/s, peak {peak} MB; json.loads {size / loads:,.0f} MB/s "
        f"(check takes {checked / loads:.2f} of it); read {size / read:,.0f} MB/s"
    )


def main() -> None:
    """Run one measurement in this process, or all of them in processes of their own."""
    kinds = ("calls", "short", "unicode", "tools", "images", "wrong")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[*kinds, "frame", "stream"])
    parser.add_argument("--run", choices=list(RUNS))
    parser.add_argument("path", nargs="?", default="")
    options = parser.parse_args()
    if options.run:
        if options.run == "check":
            import bbkit.checks  # noqa: F401  the time of the imports is not the check's
        start = time.process_time()
        RUNS[options.run](options.path)
        print(json.dumps({"seconds": time.process_time() - start, "peak": peak_mb()}))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for kind in kinds:
            if options.only in (None, kind):
                bench_file(folder, kind)
        for name in ("frame", "stream"):
            if options.only in (None, name):
                command = [sys.executable, __file__, "--run", name]
                lines = subprocess.run(
                    command, capture_output=True, text=True, check=True
                ).stdout.splitlines()
                print(f"{lines[0]}, peak {json.loads(lines[1])['peak']} MB")


if __name__ == "__main__":
    main()
