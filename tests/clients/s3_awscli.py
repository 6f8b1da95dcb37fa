# /// script
# requires-python = ">=3.11"
# dependencies = ["awscli==1.46.3"]
# ///
"""The AWS CLI: its s3 and s3api commands over files that go in parts."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from trial import Trial

trial = Trial("awscli")
place = f"s3://{trial.bucket}/awscli/{trial.once}"


def aws(*words: object) -> str:
    """Run a command and give what it printed."""
    command = [sys.executable, "-m", "awscli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


with TemporaryDirectory() as name:
    folder = Path(name)
    large = folder / "up" / "deep er" / "20 MB+ä.bin"
    large.parent.mkdir(parents=True)
    large.write_bytes(os.urandom(20_000_000))
    (folder / "up" / "a.txt").write_text("a")
    with trial.works("cp"):
        aws("s3", "cp", large, f"{place}/large", "--metadata", "k=v")
        aws("s3", "cp", f"{place}/large", folder / "back")
        assert (folder / "back").read_bytes() == large.read_bytes()
        aws("s3", "cp", f"{place}/large", f"{place}/copied in parts")
    with trial.works("mv"):
        aws("s3", "mv", f"{place}/copied in parts", f"{place}/moved//twice")
        assert aws("s3", "ls", "--recursive", f"{place}/").split("\n")[1].endswith("/moved//twice")
    with trial.works("sync"):
        aws("s3", "sync", folder / "up", f"{place}/tree")
        aws("s3", "sync", f"{place}/tree", folder / "down")
        assert (folder / "down/deep er/20 MB+ä.bin").read_bytes() == large.read_bytes()
        (folder / "up" / "a.txt").unlink()
        assert "delete:" in aws("s3", "sync", "--delete", folder / "up", f"{place}/tree")
        assert not aws("s3", "sync", folder / "up", f"{place}/tree")
    with trial.works("presign"), urlopen(aws("s3", "presign", f"{place}/large").strip()) as answer:
        assert answer.read() == large.read_bytes()
    with trial.works("ls, rb, rm"):
        assert "PRE tree/" in aws("s3", "ls", f"{place}/") and trial.bucket in aws("s3", "ls")
        aws("s3", "mb", f"s3://cli-{trial.once}")
        aws("s3", "rb", f"s3://cli-{trial.once}")
        aws("s3", "rm", "--recursive", f"{place}/tree")
    with trial.works("s3api"):
        key = f"awscli/{trial.once}/large"
        given = ("--bucket", trial.bucket, "--key", key)
        aws("s3api", "put-object-tagging", *given, "--tagging", "TagSet=[{Key=team,Value=a b}]")
        assert "a b" in aws("s3api", "get-object-tagging", *given)
        assert "20000000" in aws(
            "s3api", "get-object-attributes", *given, "--object-attributes", "ObjectSize"
        )
        assert "null" in aws("s3api", "get-bucket-location", "--bucket", trial.bucket)
    with trial.refused("The specified bucket does not exist"):
        aws("s3", "cp", large, "s3://no-such-bucket-here/x")
trial.report()
