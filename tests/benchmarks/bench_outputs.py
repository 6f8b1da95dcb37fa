"""Reading outputs: `collect_outputs` beside the plain ways, on the same bytes, each in a fresh process.

    python tests/benchmarks/bench_outputs.py               all of it
    python tests/benchmarks/bench_outputs.py --only one    one (a file of 228 MB), eight, short or small

Times are of the CPU, of all processes together, and of the clock. The files are made anew and removed.
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

LINES, LINE_BYTES, SHORT_LINES, SHORT_BYTES = 50_000, 4_500, 1_000_000, 400
SMALL_LINES = (10_000, 100_000, 1_000_000, 5_000_000)
SENTENCE = (
    "the customer called about a bill that was higher than last month and asked for the charge to be "
    "explained agent checked account found roaming fee offered credit naïve café señor “quoted” refund"
)
WORDS = SENTENCE.split()


def write_lines(path: Path, number: int, lines: int = LINES, size: int = LINE_BYTES) -> None:
    """Write one file of lines as Bedrock writes them: modelInput, modelOutput, recordId."""
    rng, words = random.Random(number), (640, 50) if size == LINE_BYTES else (2, 2)
    with path.open("w", encoding="utf-8") as file:
        for line in range(lines):
            prompt = 'Agent: "hello"\n' + " ".join(rng.choices(WORDS, k=words[0]))
            answer = " ".join(rng.choices(WORDS, k=words[1]))
            body = {
                "messages": [{"role": "user", "content": [{"text": prompt}]}],
                "inferenceConfig": {"maxTokens": 512},
            }
            output = {
                "output": {"message": {"role": "assistant", "content": [{"text": answer}]}},
                "stopReason": "end_turn",
                "usage": {"inputTokens": 900, "outputTokens": 70, "totalTokens": 970,
                          "cacheReadInputTokenCount": 0, "cacheWriteInputTokenCount": 0},
            }  # fmt: skip
            record = {"modelInput": body, "modelOutput": output, "recordId": f"{number}-{line:08d}"}
            text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
            file.write(text + " " * max(0, size - 1 - len(text.encode())) + "\n")


def write_small(folder: Path) -> None:
    """Write very short lines in shuffled order, as many as the folder says, and the ids that were sent."""
    folder.mkdir()
    order = list(range(int(folder.name)))
    random.Random(0).shuffle(order)
    with (folder / "small.jsonl.out").open("w") as file:
        for number in order[:-10]:
            file.write(
                f'{{"modelInput":{{"prompt":"{number}","max_gen_len":9}},"modelOutput":{{"generation":"yes",'
                f'"prompt_token_count":5,"generation_token_count":1,"stop_reason":"stop"}},"recordId":"{number:011d}"}}\n'
            )
    with (folder / "sent.jsonl").open("w") as file:
        for number in range(int(folder.name)):
            file.write(
                f'{{"recordId":"{number:011d}","modelInput":{{"prompt":"{number}","max_gen_len":9}}}}\n'
            )


def with_bytes(folder: Path) -> None:
    with (folder / "0.jsonl.out").open("rb") as file:
        file.read()


def with_read(folder: Path) -> None:
    with (folder / "0.jsonl.out").open() as file:
        file.read()


def with_loop(folder: Path) -> None:
    """Every line parsed, then a row each: how the notebooks of AWS do it."""
    import pandas as pd

    with (folder / "0.jsonl.out").open() as file:
        records = [json.loads(line) for line in file]
    assert len(pd.DataFrame([_row(record) for record in records])) == LINES


def _row(record: dict[str, Any]) -> dict[str, Any]:
    output = record["modelOutput"]
    return {
        "record_id": record["recordId"],
        "prompt": record["modelInput"]["messages"][0]["content"][0]["text"],
        "text": output["output"]["message"]["content"][0]["text"],
        "stop_reason": output["stopReason"],
        "input_tokens": output["usage"]["inputTokens"],
        "output_tokens": output["usage"]["outputTokens"],
    }


def with_thin_loop(folder: Path, lines: int = LINES) -> None:
    """A loop that lets go of every line and leaves the prompt out: the thriftiest json.loads can be."""
    import pandas as pd

    rows = []
    with (folder / "0.jsonl.out").open() as file:
        for line in file:
            row = _row(json.loads(line))
            del row["prompt"]
            rows.append(row)
    assert len(pd.DataFrame(rows)) == lines


def with_read_json(folder: Path) -> None:
    import pandas as pd

    assert len(pd.read_json(folder / "0.jsonl.out", lines=True)) == LINES


def with_duckdb(folder: Path) -> None:
    """SQL over columns whose types are given, so that nothing is guessed and the prompt is passed over."""
    import duckdb

    output = """STRUCT(output STRUCT(message STRUCT(content STRUCT("text" VARCHAR)[])), "stopReason" VARCHAR,
        usage STRUCT("inputTokens" BIGINT, "outputTokens" BIGINT))"""
    query = f"""SELECT "recordId", "modelOutput".output.message.content[1]."text", "modelOutput"."stopReason",
        "modelOutput".usage."inputTokens", "modelOutput".usage."outputTokens"
        FROM read_json('{folder / "0.jsonl.out"}', format='newline_delimited',
        columns={{'recordId': 'VARCHAR', 'modelOutput': '{output}'}})"""
    assert len(duckdb.sql(query).df()) == LINES


def with_bbkit(folder: Path) -> None:
    from bbkit.outputs import collect_outputs

    assert len(collect_outputs(folder / "0.jsonl.out")) == LINES


def with_sent(folder: Path) -> None:
    from bbkit.outputs import collect_outputs

    frame = collect_outputs(folder / "0.jsonl.out", sent=[f"0-{line:08d}" for line in range(LINES)])
    assert len(frame) == LINES


def eight_alone(folder: Path) -> None:
    from bbkit.outputs import collect_outputs

    assert len(collect_outputs(folder)) == 8 * LINES


def eight_one(folder: Path) -> None:
    _eight(folder, 1)


def eight_two(folder: Path) -> None:
    _eight(folder, 2)


def _eight(folder: Path, workers: int) -> None:
    from bbkit.outputs import collect_outputs

    with ProcessPoolExecutor(workers) as executor:
        assert len(collect_outputs(folder, executor=executor)) == 8 * LINES


def short_thin_loop(folder: Path) -> None:
    with_thin_loop(folder, SHORT_LINES)


def short_frame(folder: Path) -> None:
    from bbkit.outputs import collect_outputs

    assert len(collect_outputs(folder / "0.jsonl.out")) == SHORT_LINES


def small_into(folder: Path) -> None:
    from bbkit.outputs import collect_outputs

    into = folder / "parts"
    told = collect_outputs(folder / "small.jsonl.out", sent=folder / "sent.jsonl", into=into)
    lines = int(folder.name)
    assert told.sentence == f"{lines:,} sent = {lines - 10:,} succeeded + 10 missing", told
    assert told.dataset.count_rows() == lines


WAYS: dict[str, Callable[[Path], None]] = {
    name: value
    for name, value in globals().items()
    if name.startswith(("with_", "eight_", "short_", "small_"))
}


def measure(way: str, folder: Path) -> tuple[float, ...]:
    """Run one way in a fresh process: CPU and wall seconds of the call, imports done before; peak MB."""
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return tuple(map(float, done.stdout.split()))


def run_way(way: str, folder: Path) -> None:
    import pandas  # noqa: F401

    if way == "with_duckdb":
        import duckdb  # noqa: F401
    elif way not in ("with_bytes", "with_read", "with_loop", "with_thin_loop", "with_read_json"):
        import bbkit.outputs  # noqa: F401
    start, before = time.perf_counter(), sum(os.times()[:4])
    WAYS[way](folder)
    seconds, spent = time.perf_counter() - start, sum(os.times()[:4]) - before
    print(spent, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def table(ways: list[str], folder: Path, times: int) -> dict[str, tuple[float, ...]]:
    rounds: dict[str, list[tuple[float, ...]]] = {way: [] for way in ways}
    for _ in range(times):
        for way in ways:
            rounds[way].append(measure(way, folder))
    found = {}
    for way, measured in rounds.items():
        found[way] = tuple(statistics.median(values) for values in zip(*measured, strict=True))
        cpu, wall, megabytes = found[way]
        print(f"{way:16} {cpu:8.2f} s CPU {wall:8.2f} s {megabytes:8.0f} MB", flush=True)
    return found


def compare(folder: Path, only: str, times: int) -> None:
    if only in ("", "one"):
        if not (folder / "0.jsonl.out").exists():
            write_lines(folder / "0.jsonl.out", 0)
        one = [way for way in WAYS if way.startswith("with_")]
        found = table(one, folder, times)
        ours, loop, thin = found["with_bbkit"], found["with_loop"], found["with_thin_loop"]
        print(f"json.loads loop / bbkit: {loop[0] / ours[0]:.1f}x time, {loop[2] / ours[2]:.1f}x memory")
        print(f"thriftiest loop / bbkit: {thin[0] / ours[0]:.1f}x time, {thin[2] / ours[2]:.1f}x memory")
        print(f"read_json / bbkit: {found['with_read_json'][0] / ours[0]:.1f}x time, "
              f"DuckDB / bbkit: {found['with_duckdb'][0] / ours[0]:.1f}x time")  # fmt: skip
        print(f"bbkit / open().read(): {ours[0] / found['with_read'][0]:.1f}x time "
              f"({ours[0] / found['with_bytes'][0]:.1f}x in binary)")  # fmt: skip
    if only in ("", "eight"):
        eight = folder / "eight"
        eight.mkdir(exist_ok=True)
        for number in range(8):
            if not (eight / f"{number}.jsonl.out").exists():
                write_lines(eight / f"{number}.jsonl.out", number)
        found = table(["eight_alone", "eight_one", "eight_two"], eight, min(times, 3))
        print(f"one worker / two workers: {found['eight_one'][1] / found['eight_two'][1]:.2f}x")
        print(f"no executor / two workers: {found['eight_alone'][1] / found['eight_two'][1]:.2f}x")
    if only in ("", "short"):
        (folder / "short").mkdir()
        write_lines(folder / "short" / "0.jsonl.out", 0, SHORT_LINES, SHORT_BYTES)
        found = table(["short_thin_loop", "short_frame"], folder / "short", min(times, 3))
        print(f"{SHORT_LINES * SHORT_BYTES / 1e6 / found['short_frame'][0]:.0f} MB/s of CPU")
    if only in ("", "small"):
        for lines in SMALL_LINES:
            write_small(folder / str(lines))
            found = table(["small_into"], folder / str(lines), 1)
            print(f"{lines:,} lines: {found['small_into'][0] / lines * 1e6:.1f} µs a line")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["one", "eight", "short", "small"], default="")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--way", choices=list(WAYS), default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        run_way(options.way, options.folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            compare(Path(folder), options.only, options.times)


if __name__ == "__main__":
    main()
