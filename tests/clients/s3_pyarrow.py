# /// script
# requires-python = ">=3.11"
# dependencies = ["pyarrow==26.0.1"]
# ///
"""pyarrow: data sets on S3, and its own file system, which is AWS's C++ SDK."""

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import FileSelector, FileType, S3FileSystem
from trial import Trial

trial = Trial("pyarrow", needs="`endpoint_override`, also in a URI")
place = f"{trial.bucket}/pyarrow/{trial.once}"
files = S3FileSystem(endpoint_override=trial.endpoint)
table = pa.table({"call": [f"CALL{n:06}" for n in range(300_000)], "queue": ["billing", "router"] * 150_000})

with trial.works("write_dataset"):
    ds.write_dataset(table, f"{place}/calls", filesystem=files, format="parquet", partitioning=["queue"])
with trial.works("dataset"):
    calls = ds.dataset(f"{place}/calls", filesystem=files, partitioning=["queue"])
    assert calls.count_rows(filter=ds.field("queue") == "router") == 150_000
    assert calls.to_table().num_rows == 300_000
with trial.works("dataset by URI"):
    assert (
        ds.dataset(f"s3://{place}/calls?endpoint_override={trial.endpoint}", partitioning=["queue"])
        .head(3)
        .num_rows
        == 3
    )
with trial.works("streams of 30 MB"):
    with files.open_output_stream(f"{place}/large", metadata={"Content-Type": "text/x"}) as stream:
        for _ in range(30):
            stream.write(b"x" * 1_000_000)
    with files.open_input_file(f"{place}/large") as file:
        assert (file.size(), file.read_at(3, 29_999_998)) == (30_000_000, b"xx")
    with files.open_input_stream(f"{place}/large") as stream:
        assert stream.metadata()["Content-Type"] == b"text/x" and len(stream.read()) == 30_000_000
with trial.works("folders"):
    files.create_dir(f"{place}/empty/folder")
    found = {info.path.removeprefix(place): info.type for info in files.get_file_info(FileSelector(place))}
    assert found == {"/calls": FileType.Directory, "/empty": FileType.Directory, "/large": FileType.File}, (
        found
    )
    files.copy_file(f"{place}/large", f"{place}/large copy +")
    files.move(f"{place}/large copy +", f"{place}/empty/moved")
    files.delete_dir(f"{place}/calls")
    assert files.get_file_info(f"{place}/calls").type == FileType.NotFound
with trial.refused("no-such-bucket-here"):
    files.open_output_stream("no-such-bucket-here/x").close()
trial.report()
