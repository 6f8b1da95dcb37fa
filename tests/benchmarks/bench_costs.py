"""Costing one million answers: `cost_of` on a frame, against a loop over its rows; and its table by group."""

import subprocess
import sys
import time
from statistics import median

import numpy as np
import pandas as pd

from bbkit.core.frames import OUTPUT_COLUMNS
from bbkit.costs import cost_of

ROWS, RUNS = 1_000_000, 3
JOB = "arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/abcdefghijkl"
SIDES = ("bbkit", "loop")


def make_outputs() -> pd.DataFrame:
    """The tidy frame of a large run: three attempts, two tiers, ten queues."""
    rng = np.random.default_rng(7)
    same = {"outcome": "succeeded", "model_id": "amazon.nova-lite-v1:0", "family": "nova", "job_arn": JOB}
    frame = pd.DataFrame(
        {name: pd.array([value], dtype="string").repeat(ROWS) for name, value in same.items()}
    )
    frame["record_id"] = pd.array([f"{number:011d}" for number in range(ROWS)], dtype="string")
    frame["tier"] = pd.array(["batch", "on_demand"], dtype="string").take(rng.integers(0, 2, ROWS))
    frame["attempt"] = pd.array(rng.integers(1, 4, ROWS), dtype="Int64")
    frame["input_tokens"] = pd.array(rng.integers(100, 5_000, ROWS), dtype="Int64")
    frame["output_tokens"] = pd.array(rng.integers(1, 500, ROWS), dtype="Int64")
    frame["source.queue"] = pd.array([f"queue {n}" for n in range(10)], dtype="string").take(
        rng.integers(0, 10, ROWS)
    )
    return frame.reindex(columns=[*OUTPUT_COLUMNS, "source.queue"]).astype(
        {"cache_read_tokens": "Int64", "cache_write_tokens": "Int64"}
    )


def time_side(side: str) -> None:
    """Print the seconds of one side, in this process."""
    outputs = make_outputs()
    started = time.perf_counter()
    if side == "bbkit":
        cost = cost_of(outputs, by="source.queue")
        total = cost.cost_usd
        assert len(cost.table) == 10
    else:
        total = 0.0
        for row in outputs.itertuples(index=False):
            half = 0.5 if row.tier == "batch" else 1.0
            total += (row.input_tokens * 0.06 + row.output_tokens * 0.24) * half / 1e6
    print(time.perf_counter() - started, total)


def main() -> None:
    """Run each side in fresh processes and print the medians and their ratio."""
    if len(sys.argv) > 1:
        time_side(sys.argv[1])
        return
    seconds, totals = {}, set()
    for side in SIDES:
        told = [
            subprocess.run(
                [sys.executable, __file__, side], capture_output=True, text=True, check=True
            ).stdout.split()
            for _ in range(RUNS)
        ]
        seconds[side] = median(float(spent) for spent, _ in told)
        totals |= {f"{float(total):.4f}" for _, total in told}
    assert len(totals) == 1, f"the sides disagree: {totals}"
    ratio = seconds["loop"] / seconds["bbkit"]
    print(
        f"{ROWS:,} answers: cost_of with a table by queue {seconds['bbkit']:.2f} s (at most 2 s), "
        f"a loop over the rows {seconds['loop']:.2f} s, {ratio:.1f} times as long"
    )


if __name__ == "__main__":
    main()
