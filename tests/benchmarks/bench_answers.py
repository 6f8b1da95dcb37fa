"""Reading answers by a schema: `parse_answers` beside a loop of ``json.loads`` over the same texts.

    python tests/benchmarks/bench_answers.py           CPU: 100,000 answers of 300 bytes, texts and tools
    python tests/benchmarks/bench_answers.py --rows    memory: 1,000,000 rows of a data set (400 MB of lines)

The ratio is of the CPU seconds of one process, the least of three each; 5 is the most that is promised.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

import bbkit as bb
from bbkit import charts
from bbkit.core.frames import TEXT

ANSWERS, ROWS, MOST = 100_000, 1_000_000, 5.0
QUEUES = ["bank", "telecom", "other"]
SCHEMA = {"reason": str, "queue": QUEUES, "resolved": bool, "minutes": int | None, "tags": [str]}
SENTENCE = "the customer called about a bill that was higher than last month and asked for charge explained"
WORDS = SENTENCE.split()


def write_answer(rng: random.Random, is_valid: bool) -> str:
    answer: dict[str, Any] = {
        "reason": " ".join(rng.choices(WORDS, k=40))[:205],
        "queue": rng.choice(QUEUES),
        "resolved": rng.random() < 0.5,
        "minutes": rng.choice([None, 5, 7, 30]),
        "tags": rng.sample(["billing", "roaming", "card", "loan"], k=rng.randint(0, 3)),
    }
    if not is_valid:
        spoil: Callable[[], Any] = rng.choice(
            [
                lambda: answer.update(queue=rng.choice(WORDS)),
                lambda: answer.update(minutes=f"{rng.randint(0, 9999)} min"),
                lambda: answer.pop("tags"),
                lambda: answer.update({f"x{rng.randint(0, 10**7)}": 1}),
            ]
        )
        spoil()
    return json.dumps(answer)


def spend(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        work()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def measure_cpu() -> bool:
    """Whether every ratio is within the promise."""
    rng, within = random.Random(0), True
    for share in (1.0, 0.8, 0.0):
        texts = [write_answer(rng, rng.random() < share) for _ in range(ANSWERS)]
        known = {"outcome": "succeeded", "text": texts, "stop_reason": "stop"}
        frame = pd.DataFrame(known).astype(TEXT)
        called = frame.assign(text=pd.NA, arguments=[json.dumps([text]) for text in texts]).astype(TEXT)

        def loop(texts: list[str] = texts) -> None:
            for text in texts:
                json.loads(text)

        plain, size = spend(loop), sum(map(len, texts)) / len(texts)
        for name, rows in (("texts", frame), ("tools", called)):
            spent = spend(lambda rows=rows: bb.parse_answers(rows, SCHEMA))  # type: ignore[misc]
            within &= spent <= MOST * plain
            print(
                f"{share:4.0%} valid, {size:.0f} bytes, {name}: {spent:.2f} s, json.loads {plain:.2f} s, "
                f"{spent / plain:.1f}x"
            )
    return within


def measure_memory() -> None:
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl.out")
        with path.open("w", encoding="utf-8") as file:
            for number in range(ROWS):
                output = {"generation": write_answer(rng, rng.random() < 0.8), "stop_reason": "stop"}
                output |= {"prompt_token_count": 9, "generation_token_count": 90}
                line = {"recordId": f"{number:011d}", "modelInput": {"prompt": ""}, "modelOutput": output}
                file.write(json.dumps(line) + "\n")
        parts = bb.collect_outputs(path, into=Path(folder, "parts"))
        collected = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.process_time()
        answers = bb.parse_answers(parts, SCHEMA)
        print(bb.accounting(answers))
        print(charts.answer_values(answers, "queue").layout.meta["alt"])
        spent = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{ROWS:,} rows: {spent:.0f} s; peak {collected >> 10:,} MB after into=, {peak >> 10:,} MB at the end"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", action="store_true", help="measure memory instead")
    if parser.parse_args().rows:
        measure_memory()
    else:
        sys.exit(not measure_cpu())


if __name__ == "__main__":
    main()
