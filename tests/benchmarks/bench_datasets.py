"""What takes the data set of `collect_outputs(into=...)`: 5,000,000 rows, seconds and the most memory.

Everything runs one after the other in one process, as a notebook does it; the data set is written by another.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROWS, PART = 5_000_000, 250_000


def write_parts(folder: Path, rows: int) -> None:
    """Write rows as `collect_outputs` does: 300 bytes of text each, no two alike, 1 of 100 errored."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from bbkit.core.frames import OUTPUT_COLUMNS, Collected, as_frame
    from bbkit.outputs.parts import write_rows

    random = np.random.default_rng(7)
    arns = [f"arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/{n:012d}" for n in range(20)]
    words = random.integers(97, 123, (1000, 6), np.uint8).view("S6").ravel().astype(str)
    phrases = [" ".join(some) for some in random.choice(words, (4096, 14))]
    empty, errored = as_frame([], OUTPUT_COLUMNS), 0

    def make_parts():  # type: ignore[no-untyped-def]
        nonlocal errored
        for low in range(0, rows, PART):
            count = min(PART, rows - low)
            failed, output = random.random(count) < 0.01, random.integers(5, 513, count)
            picked = random.integers(0, len(phrases), (count, 3)).tolist()
            texts = [f"{phrases[a]}. {phrases[b]}. {phrases[c]}." for a, b, c in picked]
            ids = [f"{low + n:011d}" for n in range(count)]
            whole = {
                "record_id": ids,
                "record_key": ids,
                "outcome": np.where(failed, "errored", "succeeded"),
                "text": np.where(failed, None, texts),
                "stop_reason": np.where(failed, None, np.where(output == 512, "length", "stop")),
                "stop_reason_raw": np.where(failed, None, np.where(output == 512, "max_tokens", "end_turn")),
                "input_tokens": pd.array(random.integers(50, 3000, count), "Int64"),
                "output_tokens": pd.array(output, "Int64"),
                "max_tokens": 512,
                "model": "amazon.nova-lite-v1:0",
                "model_id": "amazon.nova-lite-v1:0",
                "family": "nova",
                "tier": "batch",
                "error_code": np.where(failed, "400", None),
                "error_message": np.where(failed, [f"request {n} is malformed" for n in ids], None),
                "attempt": 1,
                "submission": 1,
                "job_arn": arns[low // PART % 20],
                "source_file": "in.jsonl.out",
            }
            errored += int(failed.sum())
            yield pd.DataFrame(whole).reindex(columns=[*OUTPUT_COLUMNS]).astype(OUTPUT_COLUMNS), ""

    def collected() -> Collected:
        fates = {"succeeded": rows - errored, "errored": errored}
        zeros = dict.fromkeys(("missing", "pending", "cut_off", "unreadable", "duplicate"), 0)
        numbers = {"sent": rows, **fates, **zeros, "unexpected": 0, "ambiguous": 0}
        return Collected(numbers=numbers, rows=fates)

    write_rows(folder, pa.Schema.from_pandas(empty, preserve_index=False), make_parts(), collected)


def use_parts(folder: Path) -> None:
    """Ten charts, findings, cost and exports of the data set."""
    import bbkit as bb
    from bbkit import charts

    told = bb.accounting(folder)
    dataset, print_as = told.dataset, "{:22} {:7.1f} s {:6.0f} MB so far"
    ways = {
        name: getattr(charts, name)
        for name in ("outcomes", "stop_reasons", "cut_off_by_input", "errors", "token_usage", "input_output")
    }
    ways |= {name: getattr(charts, name) for name in ("max_tokens_what_if", "output_lengths", "cost")}
    ways |= {"cost_per_record": charts.cost_per_record, "diagnose_outputs": bb.diagnose_outputs}
    ways |= {"cost_of": lambda rows: str(bb.cost_of(rows)) and bb.cost_of(rows, by="job_arn").table}
    for ending in ("parquet", "csv", "jsonl"):
        ways[f"export .{ending}"] = lambda rows, ending=ending: bb.export_records(
            rows, folder.parent / f"x.{ending}"
        )
    for name, way in ways.items():
        start = time.perf_counter()
        way(dataset)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(print_as.format(name, time.perf_counter() - start, peak), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--use", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_parts(options.write, options.rows)
    elif options.use:
        warnings.simplefilter("ignore")
        use_parts(options.use)
    else:
        with tempfile.TemporaryDirectory() as folder:
            for step in ("--write", "--use"):
                command = [sys.executable, __file__, step, f"{folder}/parts", "--rows", str(options.rows)]
                subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
