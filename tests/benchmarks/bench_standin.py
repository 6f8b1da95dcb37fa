"""A large job on the stand-in against its engine and JSON alone, on the same bytes.

``python tests/benchmarks/bench_standin.py [--megabytes 200]`` prints records per second of both, their ratio,
the memory of the stand-in's processes while it worked, and the time of a 100-record job from Create to
Completed. ``BBKIT_BENCH_DATA`` names a JSONL file (``text`` per line) or a folder of them; without it the
samples of this repository are used.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))
MODEL = "amazon.nova-lite-v1:0"
ALONE = """
import sys, time, msgspec
from bbkit.standin.answers import answer_record
from bbkit.standin.engine_pool import make_engine
engine, encode, decode = make_engine("extractive"), msgspec.json.encode, msgspec.json.decode
lines = open(sys.argv[1], "rb").read().splitlines()
answer_record("{model}", "InvokeModel", decode(lines[0])["modelInput"], engine)
began, used = time.perf_counter(), time.process_time()
with open(sys.argv[1] + ".out", "wb") as out:
    for line in lines:
        record = decode(line)
        record["modelOutput"] = answer_record("{model}", "InvokeModel", record["modelInput"], engine)
        out.write(encode(record) + b"\\n")
print(len(lines) / (time.perf_counter() - began), (time.process_time() - used) / len(lines))
"""


def read_texts() -> list[str]:
    """Read the conversations to work on."""
    named = os.environ.get("BBKIT_BENCH_DATA")
    if named:
        place = Path(named)
        files = sorted(place.glob("*.jsonl")) if place.is_dir() else [place]
        lines = (json.loads(line) for file in files for line in file.read_text().split("\n") if line)
        return [line["text"] for line in lines if line.get("text")]
    print("BBKIT_BENCH_DATA is not set: the samples of this repository are used")
    with (TESTS.parent / "data" / "samples" / "call_transcripts.csv").open(newline="") as handle:
        return [row["transcript"] for row in csv.DictReader(handle)]


def make_lines(texts: list[str], size: int) -> Iterator[bytes]:
    """Make input lines of about 5,600 bytes each, up to a size; every record is different."""
    made = 0
    source = iter(count())
    while made < size:
        text = ""
        while len(text) < 5_300:
            number = next(source)
            text += f"Call {number}\n{texts[number % len(texts)]}\n"
        prompt = {"role": "user", "content": [{"text": f"Summarize this call:\n{text[:5_400]}"}]}
        record = {
            "recordId": f"r{number:08d}",
            "modelInput": {"messages": [prompt], "inferenceConfig": {"maxTokens": 300}},
        }
        line = json.dumps(record).encode() + b"\n"
        made += len(line)
        yield line


class Memory(threading.Thread):
    """Samples the resident memory of a process and all below it."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.most_sum = self.most_pss = self.most_single = 0
        self.done = threading.Event()

    def run(self) -> None:
        """Sample four times a second."""
        while not self.done.wait(0.25):
            sizes = [memory_of(pid) for pid in family(self.root)]
            self.most_sum = max(self.most_sum, sum(rss for rss, _ in sizes))
            self.most_pss = max(self.most_pss, sum(pss for _, pss in sizes))
            self.most_single = max([self.most_single, *(rss for rss, _ in sizes)])


def family(root: int) -> list[int]:
    """Give a process and its descendants."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in table.splitlines())}
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def memory_of(pid: int) -> tuple[int, int]:
    """Give resident and proportional memory in bytes; 0 when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0, 0
    fields = dict(line.split(":", 1) for line in text.splitlines()[1:] if ":" in line)
    return tuple(1024 * int(fields[name].split()[0]) if name in fields else 0 for name in ("Rss", "Pss"))  # type: ignore[return-value]


def processor_seconds(root: int) -> float:
    """Processor seconds a process and all below it have used."""
    ticks = 0
    for pid in family(root):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measure_alone(path: Path, every: int) -> tuple[float, float]:
    """Measure engine and JSON in one fresh process, on every n-th record of the job.

    Returns
    -------
    tuple of float
        Records per second, and processor seconds per record.
    """
    part = path.with_suffix(".part")
    with path.open("rb") as source, part.open("wb") as target:
        target.writelines(line for number, line in enumerate(source) if number % every == 0)
    code = ALONE.format(model=MODEL)
    done = subprocess.run([sys.executable, "-c", code, str(part)], capture_output=True, text=True, check=True)
    rate, used = done.stdout.split()
    return float(rate), float(used)


def run_job(env: dict[str, str], path: Path, name: str, every: float) -> tuple[float, dict]:
    """Upload, create, wait (polling so often): seconds from Create to the end, and the job."""
    import boto3

    s3, bedrock = boto3.client("s3"), boto3.client("bedrock")
    s3.upload_file(str(path), "bbkit-standin", f"bench/{name}.jsonl")
    began = time.perf_counter()
    arn = bedrock.create_model_invocation_job(
        jobName=name,
        roleArn=env["BBKIT_ROLE_ARN"],
        modelId=MODEL,
        inputDataConfig={"s3InputDataConfig": {"s3Uri": f"s3://bbkit-standin/bench/{name}.jsonl"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://bbkit-standin/bench-out/"}},
    )["jobArn"]
    while True:
        job = bedrock.get_model_invocation_job(jobIdentifier=arn)
        if job["status"] in ("Completed", "Failed"):
            return time.perf_counter() - began, job
        time.sleep(every)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument(
        "--every", type=int, default=12, help="which share of the records the engine alone works on"
    )
    arguments = parser.parse_args()
    from conftest import launch_standin

    with tempfile.TemporaryDirectory(prefix="bench-standin-") as folder:
        large, small = Path(folder, "large.jsonl"), Path(folder, "small.jsonl")
        with large.open("wb") as target:
            target.writelines(make_lines(read_texts(), arguments.megabytes * 1_000_000))
        with small.open("wb") as target, large.open("rb") as source:
            target.writelines(islice(source, 100))
        before = measure_alone(large, arguments.every)
        standin = launch_standin(Path(folder, "standin"), "--speed", "instant")
        os.environ.update(standin.env)
        try:
            quick = [run_job(standin.env, small, f"small{n}", 0.02)[0] for n in range(6)][1:]
            memory = Memory(standin.process.pid)
            memory.start()
            used = processor_seconds(standin.process.pid)
            seconds, job = run_job(standin.env, large, "large", 0.5)
            used = processor_seconds(standin.process.pid) - used
            memory.done.set()
            memory.join()
        finally:
            standin.stop()
        after = measure_alone(large, arguments.every)
    alone, alone_used = (statistics.mean(pair) for pair in zip(before, after, strict=True))
    records = job["successRecordCount"]
    assert job["status"] == "Completed" and records == job["totalRecordCount"], job
    rate = records / seconds
    print(f"job of {arguments.megabytes} MB: {records:,} records in {seconds:.1f} s, {rate:.0f} records/s")
    print(f"engine and JSON alone: {alone:.0f} records/s (before {before[0]:.0f}, after {after[0]:.0f})")
    print(f"ratio job / alone: {rate / alone:.2f} on {os.cpu_count()} cores (to reach: 0.80)")
    print(
        f"processor time per record: {1000 * used / records:.2f} ms, upload included; engine and JSON alone "
        f"{1000 * alone_used:.2f} ms, so {alone_used * records / used:.2f} of it is theirs"
    )
    print(
        f"memory: {memory.most_single / 1e6:.0f} MB in the largest process, {memory.most_sum / 1e6:.0f} MB "
        f"RSS and {memory.most_pss / 1e6:.0f} MB PSS in all (to stay under: 300)"
    )
    print(
        f"100 records, Create to Completed: median {statistics.median(quick):.2f} s of {len(quick)} (under 2)"
    )


if __name__ == "__main__":
    main()
