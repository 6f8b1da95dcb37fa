# /// script
# requires-python = ">=3.11"
# dependencies = ["s3fs==2026.9.0"]
# ///
"""s3fs: a file system over aiobotocore."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import s3fs
from trial import Trial

trial = Trial("s3fs")
files = s3fs.S3FileSystem(default_block_size=5 << 20)
place = f"{trial.bucket}/s3fs/{trial.once}"
large = os.urandom(13_000_000)

with trial.works("files"), TemporaryDirectory() as folder:
    (Path(folder) / "deep").mkdir()
    (Path(folder) / "deep" / "x y+ä%.bin").write_bytes(large)
    (Path(folder) / "small").write_bytes(b"s")
    files.put(f"{folder}/", f"{place}/up/", recursive=True)
    assert files.find(f"{place}/up") == [f"{place}/up/deep/x y+ä%.bin", f"{place}/up/small"]
    files.get(f"{place}/up/", f"{folder}/down/", recursive=True)
    assert (Path(folder) / "down/deep/x y+ä%.bin").read_bytes() == large
with trial.works("open"):
    with files.open(f"{place}/parts", "wb", ContentType="text/x", Metadata={"k": "v"}) as file:
        file.write(large)
    with files.open(f"{place}/parts") as file:
        file.seek(12_999_990)
        assert file.read() == large[-10:]
    assert (
        files.metadata(f"{place}/parts") == {"k": "v"} and files.info(f"{place}/parts")["size"] == 13_000_000
    )
    with files.open(f"{place}/parts", "ab") as file:
        file.write(b"more")
    assert files.tail(f"{place}/parts", 6) == large[-2:] + b"more"
with trial.works("ls, glob, walk"):
    assert files.ls(place) == [f"{place}/parts", f"{place}/up"]
    assert files.glob(f"{place}/**/s*") == [f"{place}/up/small"]
    assert [base.removeprefix(place) for base, _, _ in files.walk(place)] == ["", "/up", "/up/deep"]
with trial.works("cp, mv, rm"):
    files.cp(f"{place}/parts", f"{place}/copied")
    files.mv(f"{place}/copied", f"{place}/moved//twice")
    assert files.cat_file(f"{place}/moved//twice", start=-4) == b"more"
    files.touch(f"{place}/marker/")
    files.rm(f"{place}/up", recursive=True)
    assert not files.exists(f"{place}/up") and files.exists(f"{place}/marker/")
with trial.works("tags, sign"):
    files.put_tags(f"{place}/parts", {"team": "a b"})
    assert files.get_tags(f"{place}/parts") == {"team": "a b"}
    assert files.sign(f"{place}/parts").startswith(trial.endpoint)
with trial.refused("The specified bucket does not exist"):
    files.pipe_file("no-such-bucket-here/x", b"")
trial.report()
