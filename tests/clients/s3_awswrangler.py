# /// script
# requires-python = ">=3.11"
# dependencies = ["awswrangler==3.17.1"]
# ///
"""awswrangler, AWS's SDK for pandas: data sets on S3."""

import awswrangler as wr
import pandas as pd
from trial import Trial

trial = Trial("awswrangler")
place = f"s3://{trial.bucket}/awswrangler/{trial.once}/"
calls = pd.DataFrame(
    {"call": [f"CALL{n:06}" for n in range(200_000)], "queue": ["billing", "router"] * 100_000}
)

with trial.works("to_parquet"):
    written = wr.s3.to_parquet(calls, place, dataset=True, partition_cols=["queue"])
    assert len(written["paths"]) == 2
    found = wr.s3.read_parquet(place, dataset=True, partition_filter=lambda x: x["queue"] == "router")
    assert len(found) == 100_000
with trial.works("to_parquet over what is there"):
    wr.s3.to_parquet(calls[:10], place, dataset=True, partition_cols=["queue"], mode="overwrite_partitions")
    assert len(wr.s3.read_parquet(place, dataset=True)) == 10
with trial.works("CSV, JSON"):
    wr.s3.to_csv(calls, f"{place}more/calls.csv", index=False)
    assert len(wr.s3.read_csv(f"{place}more/calls.csv")) == 200_000
    wr.s3.to_json(calls, f"{place}more/calls.json", orient="records", lines=True)
with trial.works("list, describe, copy, delete"):
    objects = wr.s3.list_objects(f"{place}more/")
    assert (
        wr.s3.describe_objects(objects)[objects[0]]["ContentLength"]
        == wr.s3.size_objects(objects)[objects[0]]
    )
    wr.s3.copy_objects(objects, f"{place}more", f"{place}copied")
    assert wr.s3.list_directories(place) == [
        f"{place}{name}/" for name in ("copied", "more", "queue=billing", "queue=router")
    ]
    wr.s3.delete_objects(f"{place}copied/")
    assert not wr.s3.does_object_exist(f"{place}copied/calls.csv")
with trial.refused("The specified bucket does not exist"):
    wr.s3.to_parquet(calls, "s3://no-such-bucket-here/x.parquet")
trial.report()
