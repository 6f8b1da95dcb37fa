# /// script
# requires-python = ">=3.11"
# dependencies = ["deltalake==1.6.6", "pandas", "pyarrow"]
# ///
"""delta-rs: tables whose log is written by If-None-Match, from several writers at once."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
from deltalake import DeltaTable, write_deltalake
from trial import Trial

trial = Trial("deltalake", "`AWS_ALLOW_HTTP`, for it wants TLS")
place = f"s3://{trial.bucket}/delta/{trial.once}"
options = {"AWS_ALLOW_HTTP": "true"}


def append(number: int) -> None:
    rows = pd.DataFrame({"call": range(1000), "day": [number] * 1000})
    write_deltalake(place, rows, mode="append", partition_by=["day"], storage_options=options)


with trial.works("append"):
    append(0)
    assert DeltaTable(place, storage_options=options).version() == 0
with trial.works("writers at once"), ThreadPoolExecutor(4) as pool:
    list(pool.map(append, range(1, 9)))
    table = DeltaTable(place, storage_options=options)
    assert (table.version(), len(table.to_pandas())) == (8, 9000)
with trial.works("delete, vacuum"):
    table.delete("day = 3")
    table.vacuum(0, enforce_retention_duration=False, dry_run=False)
    assert len(DeltaTable(place, storage_options=options).to_pandas()) == 8000
with trial.refused("no-such-bucket-here"):
    write_deltalake("s3://no-such-bucket-here/x", pd.DataFrame({"a": [1]}), storage_options=options)
trial.report()
