# /// script
# requires-python = ">=3.11"
# dependencies = ["duckdb==1.5.5", "duckdb-extension-httpfs==1.5.5", "duckdb-extensions"]
# ///
"""DuckDB: tables on S3 by its extension httpfs, from the package index."""

import os

import duckdb
from duckdb_extensions import import_extension
from trial import Trial

trial = Trial("duckdb", needs="a secret with endpoint and keys, path style")
place = f"s3://{trial.bucket}/duckdb/{trial.once}"
import_extension("httpfs")
db = duckdb.connect()
db.load_extension("httpfs")
db.execute(
    f"create secret (type s3, key_id '{os.environ['AWS_ACCESS_KEY_ID']}', "
    f"secret '{os.environ['AWS_SECRET_ACCESS_KEY']}', region '{os.environ['AWS_REGION']}', "
    f"endpoint '{trial.endpoint.removeprefix('http://')}', url_style 'path', use_ssl false)"
)
calls = "(select 'CALL' || i as call, i % 2 as queue from range(2_000_000) rows(i))"

with trial.works("copy to Parquet"):
    db.execute(f"copy {calls} to '{place}/calls.parquet'")
    assert db.sql(f"select count(*), sum(queue) from '{place}/calls.parquet'").fetchall() == [
        (2_000_000, 1_000_000)
    ]
with trial.works("partitions"):
    db.execute(f"copy {calls} to '{place}/by queue' (format parquet, partition_by (queue))")
    found = db.sql(f"select queue, count(*) from '{place}/by queue/*/*.parquet' group by all order by 1")
    assert found.fetchall() == [(0, 1_000_000), (1, 1_000_000)]
with trial.works("CSV"):
    db.execute(f"copy (from {calls} limit 9) to '{place}/a+b ä.csv'")
    assert len(db.sql(f"from '{place}/a+b ä.csv'").fetchall()) == 9
with trial.refused("no-such-bucket-here"):
    db.sql("from 's3://no-such-bucket-here/x.parquet'")
trial.report()
