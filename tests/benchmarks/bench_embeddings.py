"""Embeddings of 1,024 numbers: near-duplicates of 20,000, and the map of a data set of 1,000,000.

Each runs in a process of its own: seconds of CPU, the most memory (also beside that of the rows, where these
are a frame), and what was found.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

LENGTH, PLANTED, ROWS = 1_024, 500, 20_000
PART = 4_000
"""How many lines of a Titan job, of 24 kB each, `collect_outputs` puts into a part."""


def make_vectors(rows: int, part: int) -> Iterator[np.ndarray]:
    """Unit vectors about 40 topics, none near another; the last of the first part are copies, with noise."""
    random = np.random.default_rng(7)
    topics = random.standard_normal((40, LENGTH), np.float32)
    for low in range(0, rows, part):
        count = min(part, rows - low)
        vectors = topics[random.integers(0, 40, count)] + 1.2 * random.standard_normal(
            (count, LENGTH), np.float32
        )
        if not low:
            noise = random.standard_normal((PLANTED, LENGTH), np.float32)
            vectors[count - PLANTED :] = vectors[:PLANTED] + 0.15 * noise
        yield vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_frames(rows: int, part: int) -> Iterator[Any]:
    import pandas as pd

    from bbkit.core.frames import OUTPUT_COLUMNS

    low = 0
    for vectors in make_vectors(rows, part):
        ids = [f"{low + place:09}" for place in range(len(vectors))]
        frame = pd.DataFrame({"record_id": ids, "record_key": ids, "outcome": "succeeded"})
        frame["family"] = "titan_embed_text"
        frame = frame.reindex(columns=[*OUTPUT_COLUMNS]).astype(OUTPUT_COLUMNS)
        yield frame.assign(embedding=pd.Series([*vectors], dtype=object))
        low += len(vectors)


def write_parts(folder: Path, rows: int) -> None:
    import pyarrow as pa

    from bbkit.core.frames import OUTPUT_COLUMNS, Collected, as_frame
    from bbkit.outputs.accounts import NUMBERS
    from bbkit.outputs.parts import write_rows

    schema = pa.Schema.from_pandas(as_frame([], OUTPUT_COLUMNS), preserve_index=False)
    numbers: dict[str, int | None] = dict.fromkeys(NUMBERS, 0)
    told = Collected(numbers=numbers | {"sent": rows, "succeeded": rows}, rows={"succeeded": rows})
    schema = schema.append(pa.field("embedding", pa.large_list(pa.float32())))
    write_rows(folder, schema, ((frame, "") for frame in make_frames(rows, PART)), lambda: told)


def used() -> tuple[float, float]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return time.process_time(), usage.ru_maxrss / 1024


def compare(rows: int) -> None:
    import bbkit as bb

    (frame,) = make_frames(rows, rows)
    seconds, before = used()
    pairs = bb.near_duplicates(frame)
    after, most = used()
    found = set(zip(pairs["record_id"].astype(int), pairs["other_id"].astype(int), strict=True))
    planted = {(place, rows - PLANTED + place) for place in range(PLANTED)}
    print(
        f"near_duplicates of {rows:,}: {after - seconds:.1f} s of CPU, {most:.0f} MB in all ({before:.0f} MB "
        f"before), {len(found & planted)} of {PLANTED} planted pairs, {len(found - planted)} others"
    )


def draw(folder: Path) -> None:
    import bbkit as bb
    from bbkit import charts

    told = bb.accounting(folder)
    for chart in (charts.embedding_map, charts.embedding_norms):
        seconds, before = used()
        text = chart(told.dataset).to_json()
        after, most = used()
        title = json.loads(text)["layout"]["title"]["text"].partition("<br>")[0]
        print(
            f"{chart.__name__} of a data set: {after - seconds:.1f} s of CPU, {most:.0f} MB in all "
            f"({before:.0f} MB before), {len(text) / 1e3:.1f} kB: {title}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="of the data set; its parts take 4 kB each"
    )
    parser.add_argument("--step", choices=("compare", "write", "draw"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step == "compare":
        compare(ROWS)
    elif options.step == "write":
        write_parts(options.folder, options.rows)
    elif options.step == "draw":
        draw(options.folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            for step in ("compare", "write", "draw"):
                place = ["--folder", f"{folder}/parts", "--rows", str(options.rows)]
                subprocess.run([sys.executable, __file__, "--step", step, *place], check=True)


if __name__ == "__main__":
    main()
