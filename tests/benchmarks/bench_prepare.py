"""Preparing 100,000 records of 4 KB from Parquet to checked, split files; 1,000,000 with bounded memory.

The other side is what a user would write: read the same file, one dict and one `json.dumps` a row, no checks.
The stand-in, which only says which account this is, runs beside in a process of its own.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS, MANY, RUNS, CHUNK = 100_000, 1_000_000, 5, 2_000
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
PROMPT = "Summarize the call.\n\n{transcript}"
WORDS = "customer agent card invoice refund thank you please account number delay order café naïve".split()  # noqa: SIM905


def write_rows(path: Path, rows: int) -> None:
    """Write calls of about 4 KB each, in row groups of 10,000."""
    rng = np.random.default_rng(11)
    schema = pa.schema([("call_id", pa.string()), ("transcript", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 10_000):
            count = min(10_000, rows - start)
            drawn = rng.integers(0, len(WORDS), (count, 680))
            texts = [" ".join(map(WORDS.__getitem__, row)) for row in drawn.tolist()]
            ids = [f"CALL{number:08d}" for number in range(start, start + count)]
            writer.write_table(pa.table({"call_id": ids, "transcript": texts}, schema))


def prepare(source: str, folder: str) -> None:
    """Our side: streamed, checked, split."""
    import bbkit as bb

    run = bb.Run.create(Path(folder) / "run", model_id=MODEL, prompt=PROMPT)
    started = time.perf_counter()
    calls = bb.read_source(source, chunk_rows=CHUNK)
    records = bb.build_records(calls, MODEL, prompt=PROMPT, record_id="call_id", max_tokens=300)
    files = bb.write_records(records, run)
    told(started, int(files["records"].sum()))


def dump(source: str, folder: str) -> None:
    """The other side: one file, no checks."""
    import pandas as pd

    started = time.perf_counter()
    calls = pd.read_parquet(source)
    with (Path(folder) / "records.jsonl").open("w") as file:
        for call_id, transcript in zip(calls["call_id"], calls["transcript"], strict=True):
            content = [{"type": "text", "text": f"Summarize the call.\n\n{transcript}"}]
            body = {
                "anthropic_version": "bedrock-2023-05-31",
                "max_tokens": 300,
                "messages": [{"role": "user", "content": content}],
            }
            file.write(json.dumps({"recordId": call_id, "modelInput": body}) + "\n")
    told(started, len(calls))


def told(started: float, rows: int) -> None:
    """Print seconds, rows and the peak of memory in MB."""
    # getrusage would count what the parent held when it started this process.
    status = Path("/proc/self/status").read_text().split()
    print("told", time.perf_counter() - started, rows, int(status[status.index("VmHWM:") + 1]) / 1024)


def run_side(side: str, source: Path, env: dict[str, str]) -> tuple[float, int, float]:
    """Run one side in a fresh process and folder."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, side, str(source), folder]
        lines = subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout.split(
            "\n"
        )
    seconds, rows, peak = next(line for line in lines if line.startswith("told")).split()[1:]
    return float(seconds), int(rows), float(peak)


def main() -> None:
    """Compare the sides on the same file, then stream ten times as much."""
    if len(sys.argv) > 1:
        {"bbkit": prepare, "json.dumps": dump}[sys.argv[1]](sys.argv[2], sys.argv[3])
        return
    folder = Path(tempfile.mkdtemp())
    standin = subprocess.Popen(
        [sys.executable, "-m", "bbkit.standin", str(folder / "standin"), "--quiet"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert standin.stdout and standin.stdout.readline().startswith("ready")
        pairs = (line.split("=", 1) for line in (folder / "standin/standin.env").read_text().splitlines())
        env = {**os.environ, **{pair[0]: pair[1] for pair in pairs if len(pair) == 2}}
        measure(folder, env)
    finally:
        standin.terminate()
        standin.wait()
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path, env: dict[str, str]) -> None:
    """Print the medians, the ratio and the peak of memory."""
    write_rows(source := folder / "calls.parquet", ROWS)
    seconds = {side: [] for side in ("bbkit", "json.dumps")}
    for _ in range(RUNS):
        for side, spent in seconds.items():
            spent.append(run_side(side, source, env)[0])
    ours, theirs = (median(spent) for spent in seconds.values())
    print(
        f"{ROWS:,} records of 4 KB, Parquet to checked and split files: {ours:.2f} s; the json.dumps loop "
        f"without checks {theirs:.2f} s; ratio {ours / theirs:.2f} (at most 2)"
    )
    source.unlink()
    write_rows(source, MANY)
    spent, rows, peak = run_side("bbkit", source, env)
    print(f"{rows:,} records streamed in {spent:.1f} s with a peak RSS of {peak:.0f} MB (under 600 MB)")


if __name__ == "__main__":
    main()
