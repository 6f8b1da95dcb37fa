# /// script
# requires-python = ">=3.11"
# dependencies = ["s3cmd==2.4.0", "setuptools<81"]
# ///
"""s3cmd: files, folders, headers and signed URLs."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from trial import Trial

trial = Trial("s3cmd", needs="`--host`, `--host-bucket` and `--no-ssl`")
place = f"s3://{trial.bucket}/s3cmd/{trial.once}"
host = trial.endpoint.removeprefix("http://")
keys = f"--access_key={os.environ['AWS_ACCESS_KEY_ID']} --secret_key={os.environ['AWS_SECRET_ACCESS_KEY']}"
program = Path(sys.executable).with_name("s3cmd")


def s3cmd(*words: object) -> str:
    """Run a command and give what it printed."""
    options = [f"--host={host}", f"--host-bucket={host}", "--no-ssl", *keys.split(), "--config=/dev/null"]
    command = [sys.executable, str(program), *options, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


with TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "up" / "deep er").mkdir(parents=True)
    large = folder / "up" / "deep er" / "20 MB+ä.bin"
    large.write_bytes(os.urandom(20_000_000))
    (folder / "up" / "a.txt").write_text("a")
    with trial.works("put, get"):
        s3cmd("put", large, f"{place}/large", "--add-header=x-amz-meta-k:v")
        s3cmd("get", f"{place}/large", folder / "back")
        assert (folder / "back").read_bytes() == large.read_bytes()
    with trial.works("sync"):
        s3cmd("sync", f"{folder}/up/", f"{place}/tree/")
        s3cmd("sync", f"{place}/tree/", f"{folder}/down/")
        assert (folder / "down/deep er/20 MB+ä.bin").read_bytes() == large.read_bytes()
    with trial.works("info"):
        assert "Versioning:none" in s3cmd("info", f"s3://{trial.bucket}").replace(" ", "")
        assert "x-amz-meta-k: v" in s3cmd("info", f"{place}/large")
    with trial.works("ls, cp, mv, del"):
        assert "tree/" in s3cmd("ls", f"{place}/")
        s3cmd("cp", f"{place}/large", f"{place}/copied")
        s3cmd("mv", f"{place}/copied", f"{place}/moved")
        s3cmd("del", "--recursive", f"{place}/tree/")
        assert s3cmd("ls", "--recursive", f"{place}/").count("\n") == 2
    with trial.works("signurl (version 2)"):
        signed = s3cmd("signurl", f"{place}/large", "+60").strip().replace("https://", "http://")
        with urlopen(signed) as answer:
            assert answer.read() == large.read_bytes()
    with trial.refused("NoSuchBucket"):
        s3cmd("put", folder / "up" / "a.txt", "s3://no-such-bucket-here/x")
trial.report()
