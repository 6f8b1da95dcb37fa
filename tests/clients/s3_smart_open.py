# /// script
# requires-python = ">=3.11"
# dependencies = ["smart-open[s3]==9.0.2"]
# ///
"""smart_open: S3 objects as files that are read and written in parts."""

import os

from smart_open import open as smart_open
from trial import Trial

trial = Trial("smart-open")
place = f"s3://{trial.bucket}/smart_open/{trial.once}"

with trial.works("write in parts"):
    large = os.urandom(12_000_000)
    params = {"min_part_size": 5 << 20}
    with smart_open(f"{place}/large", "wb", transport_params=params) as file:
        for start in range(0, len(large), 1_000_000):
            file.write(large[start : start + 1_000_000])
    with smart_open(f"{place}/large", "rb") as file:
        assert file.read(10) == large[:10]
        file.seek(-10, os.SEEK_END)
        assert file.read() == large[-10:]
with trial.works("lines, compressed"):
    with smart_open(f"{place}/lines ä+.jsonl.gz", "w") as file:
        file.writelines(f'{{"n": {n}}}\n' for n in range(50_000))
    with smart_open(f"{place}/lines ä+.jsonl.gz") as file:
        assert sum(1 for _ in file) == 50_000
with trial.works("an empty object"):
    with smart_open(f"{place}/empty", "wb"):
        pass
    with smart_open(f"{place}/empty", "rb") as file:
        assert file.read() == b""
with trial.refused("NoSuchBucket"), smart_open("s3://no-such-bucket-here/x", "wb") as file:
    file.write(b"x")
trial.report()
