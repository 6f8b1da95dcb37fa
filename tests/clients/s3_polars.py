# /// script
# requires-python = ">=3.11"
# dependencies = ["polars==2.1.0"]
# ///
"""polars: lazy scans and sinks on S3, which are Rust's object_store."""

import polars as pl
from trial import Trial

trial = Trial("polars", needs="`aws_allow_http`, for it wants TLS")
place = f"s3://{trial.bucket}/polars/{trial.once}"
options = {"aws_allow_http": "true", "aws_endpoint_url": trial.endpoint}
calls = pl.DataFrame(
    {"call": [f"CALL{n:06}" for n in range(200_000)], "queue": ["billing", "router"] * 100_000}
)

with trial.works("write_parquet"):
    calls.write_parquet(f"{place}/calls.parquet", storage_options=options)
    assert pl.read_parquet(f"{place}/calls.parquet", storage_options=options).equals(calls)
with trial.works("scan_parquet"):
    lazy = pl.scan_parquet(f"{place}/*.parquet", storage_options=options)
    found = lazy.filter(pl.col("queue") == "router").select(pl.len()).collect()
    assert found.item() == 100_000
with trial.works("sink_parquet in partitions"):
    calls.write_parquet(f"{place}/by queue/", partition_by="queue", storage_options=options)
    assert pl.scan_parquet(f"{place}/by queue/", storage_options=options).collect().height == 200_000
with trial.works("scan_ndjson, scan_csv"):
    calls.lazy().sink_ndjson(f"{place}/calls.jsonl", storage_options=options)
    assert pl.scan_ndjson(f"{place}/calls.jsonl", storage_options=options).collect().height == 200_000
    calls.lazy().sink_csv(f"{place}/a+b ä.csv", storage_options=options)
    assert pl.scan_csv(f"{place}/a+b ä.csv", storage_options=options).collect().height == 200_000
with trial.refused("no-such-bucket-here"):
    pl.read_parquet("s3://no-such-bucket-here/x.parquet", storage_options=options)
trial.report()
