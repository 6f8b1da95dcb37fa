# /// script
# requires-python = ">=3.11"
# dependencies = ["pandas==3.1.1", "pyarrow==26.0.1", "s3fs==2026.9.0"]
# ///
"""pandas: tables to S3 and back, in one file or a folder of partitions, through s3fs and through pyarrow."""

import pandas as pd
from pyarrow.fs import S3FileSystem
from trial import Trial

trial = Trial("pandas", needs="through pyarrow: `endpoint_override` of its `S3FileSystem`")
arrow = S3FileSystem(endpoint_override=trial.endpoint)
place = f"s3://{trial.bucket}/pandas/{trial.once}"
calls = pd.DataFrame(
    {"call": [f"CALL{n:05}" for n in range(50_000)], "queue": ["billing", "router"] * 25_000}
)

with trial.works("to_parquet"):
    calls.to_parquet(f"{place}/calls.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(f"{place}/calls.parquet"), calls)
with trial.works("to_parquet in partitions"):
    calls.to_parquet(f"{place}/by queue", partition_cols=["queue"])
    found = pd.read_parquet(f"{place}/by queue", filters=[("queue", "==", "router")])
    assert list(found.call) == list(calls.call[1::2])
with trial.works("to_parquet by pyarrow's file system"):
    calls.to_parquet(f"{place}/arrow.parquet".removeprefix("s3://"), filesystem=arrow)
    assert len(pd.read_parquet(f"{place}/arrow.parquet", columns=["queue"])) == 50_000
with trial.works("to_csv"):
    calls.to_csv(f"{place}/a//b c+ä.csv.gz", index=False)
    pd.testing.assert_frame_equal(pd.read_csv(f"{place}/a//b c+ä.csv.gz"), calls)
with trial.works("to_json"):
    calls.to_json(f"{place}/calls.jsonl", orient="records", lines=True)
    assert (
        sum(len(part) for part in pd.read_json(f"{place}/calls.jsonl", lines=True, chunksize=9_000)) == 50_000
    )
with trial.refused("no-such-bucket-here"):
    calls.to_parquet("s3://no-such-bucket-here/calls.parquet")
trial.report()
