"""Reading outputs: `collect_outputs` beside the plain ways, on the same bytes, each in a fresh process.

    python tests/benchmarks/bench_outputs.py               all of it
    python tests/benchmarks/bench_outputs.py --only one    one (a file of 228 MB), eight of them, or small

The files are made anew and removed.
"""

import argparse
import json
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

LINES, LINE_BYTES, SMALL_LINES = 50_000, 4_500, 5_000_000
SENTENCE = (
    "the customer called about a bill that was higher than last month and asked for the charge to be "
    "explained agent checked account found roaming fee offered credit naïve café señor “quoted” refund"
)
WORDS = SENTENCE.split()


def write_lines(path: Path, number: int) -> None:
    """Write one file of lines as Bedrock writes them: modelInput, modelOutput, recordId."""
    rng = random.Random(number)
    with path.open("w", encoding="utf-8") as file:
        for line in range(LINES):
            prompt = 'Agent: "hello"\n' + " ".join(rng.choices(WORDS, k=640))
            answer = " ".join(rng.choices(WORDS, k=50))
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
            text = json.dumps(record, ensure_ascii=False)
            file.write(text + " " * max(0, LINE_BYTES - 1 - len(text.encode())) + "\n")


def write_small(folder: Path) -> None:
    """Write 5,000,000 short lines in shuffled order, and the ids that were sent beside them."""
    order = list(range(SMALL_LINES))
    random.Random(0).shuffle(order)
    with (folder / "small.jsonl.out").open("w") as file:
        for number in order[:-10]:
            file.write(
                f'{{"modelInput":{{"prompt":"{number}","max_gen_len":9}},"modelOutput":{{"generation":"yes",'
                f'"prompt_token_count":5,"generation_token_count":1,"stop_reason":"stop"}},"recordId":"{number:011d}"}}\n'
            )
    with (folder / "sent.jsonl").open("w") as file:
        for number in range(SMALL_LINES):
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


def with_thin_loop(folder: Path) -> None:
    """A loop that lets go of every line and leaves the prompt out: the thriftiest json.loads can be."""
    import pandas as pd

    rows = []
    with (folder / "0.jsonl.out").open() as file:
        for line in file:
            row = _row(json.loads(line))
            del row["prompt"]
            rows.append(row)
    assert len(pd.DataFrame(rows)) == LINES


def with_read_json(folder: Path) -> None:
    import pandas as pd

    assert len(pd.read_json(folder / "0.jsonl.out", lines=True)) == LINES


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


def small_into(folder: Path) -> None:
    from bbkit.outputs import collect_outputs

    into = folder / "parts"
    told = collect_outputs(folder / "small.jsonl.out", sent=folder / "sent.jsonl", into=into)
    assert told.sentence == "5,000,000 sent = 4,999,990 succeeded + 10 missing", told
    assert told.dataset.count_rows() == SMALL_LINES


WAYS: dict[str, Callable[[Path], None]] = {
    name: value for name, value in globals().items() if name.startswith(("with_", "eight_", "small_"))
}


def measure(way: str, folder: Path) -> tuple[float, float]:
    """Run one way in a fresh process: seconds of the call with imports done before, peak MB."""
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


def run_way(way: str, folder: Path) -> None:
    import pandas  # noqa: F401

    if way not in ("with_bytes", "with_read", "with_loop", "with_thin_loop", "with_read_json"):
        import bbkit.outputs  # noqa: F401
    start = time.perf_counter()
    WAYS[way](folder)
    seconds = time.perf_counter() - start
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def table(ways: list[str], folder: Path, times: int) -> dict[str, tuple[float, float]]:
    rounds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(times):
        for way in ways:
            rounds[way].append(measure(way, folder))
    found = {}
    for way, measured in rounds.items():
        found[way] = tuple(statistics.median(values) for values in zip(*measured, strict=True))
        print(f"{way:16} {found[way][0]:8.2f} s {found[way][1]:8.0f} MB", flush=True)
    return found


def compare(folder: Path, only: str, times: int) -> None:
    if only in ("", "one"):
        if not (folder / "0.jsonl.out").exists():
            write_lines(folder / "0.jsonl.out", 0)
        one = [way for way in WAYS if way.startswith("with_")]
        found = table(one, folder, times)
        ours, loop, thin = found["with_bbkit"], found["with_loop"], found["with_thin_loop"]
        print(f"json.loads loop / bbkit: {loop[0] / ours[0]:.1f}x time, {loop[1] / ours[1]:.1f}x memory")
        print(f"thriftiest loop / bbkit: {thin[0] / ours[0]:.1f}x time, {thin[1] / ours[1]:.1f}x memory")
        print(f"read_json / bbkit: {found['with_read_json'][0] / ours[0]:.1f}x time")
        print(f"bbkit / open().read(): {ours[0] / found['with_read'][0]:.1f}x time "
              f"({ours[0] / found['with_bytes'][0]:.1f}x in binary)")  # fmt: skip
    if only in ("", "eight"):
        eight = folder / "eight"
        eight.mkdir(exist_ok=True)
        for number in range(8):
            if not (eight / f"{number}.jsonl.out").exists():
                write_lines(eight / f"{number}.jsonl.out", number)
        found = table(["eight_alone", "eight_one", "eight_two"], eight, min(times, 3))
        print(f"one worker / two workers: {found['eight_one'][0] / found['eight_two'][0]:.2f}x")
        print(f"no executor / two workers: {found['eight_alone'][0] / found['eight_two'][0]:.2f}x")
    if only in ("", "small"):
        if not (folder / "small.jsonl.out").exists():
            write_small(folder)
        table(["small_into"], folder, 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["one", "eight", "small"], default="")
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
