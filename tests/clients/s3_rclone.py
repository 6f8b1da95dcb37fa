# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
"""rclone, as the system has it: files and folders, with hashes and times of change."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from trial import Trial

if not shutil.which("rclone"):
    sys.exit("Failed to fetch: rclone is not installed (apt-get install rclone)")
release = re.search(r"rclone v(\S+)", subprocess.check_output(["rclone", "version"], text=True))
trial = Trial("rclone", needs="`--s3-provider Other --s3-env-auth --s3-endpoint`", release=release[1])
place = f":s3:{trial.bucket}/rclone/{trial.once}"


def rclone(*words: object) -> str:
    """Run a command and give what it printed."""
    options = ["--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", trial.endpoint, "--config", ""]
    command = ["rclone", *options, "--retries", "1", *map(str, words)]
    # Its SDK takes no bundle of certificates, and here is no TLS.
    env = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


with TemporaryDirectory() as name:
    folder = Path(name)
    large = folder / "up" / "deep er" / "20 MB+ä.bin"
    large.parent.mkdir(parents=True)
    large.write_bytes(os.urandom(20_000_000))
    (folder / "up" / "a.txt").write_text("a")
    with trial.works("sync"):
        rclone("sync", "--s3-upload-cutoff", "8M", folder / "up", f"{place}/tree")
        rclone("sync", f"{place}/tree", folder / "down")
        assert (folder / "down/deep er/20 MB+ä.bin").read_bytes() == large.read_bytes()
    with trial.works("check"):
        rclone("check", "--download", folder / "up", f"{place}/tree")
        rclone("check", folder / "up", f"{place}/tree")
    with trial.works("lsf, copy, moveto, cat, rcat, delete"):
        assert rclone("lsf", f"{place}/tree").split("\n") == ["a.txt", "deep er/", ""]
        rclone("copyto", f"{place}/tree/a.txt", f"{place}/b.txt")
        rclone("moveto", f"{place}/b.txt", f"{place}/c.txt")
        assert rclone("cat", f"{place}/c.txt") == "a"
        rclone("delete", f"{place}/tree")
        assert rclone("lsf", "-R", place) == "c.txt\n"
    with trial.works("times of change"):
        assert rclone("lsf", "--format", "t", f"{place}/c.txt")
    with trial.refused("NoSuchBucket"):
        rclone("copyto", "--s3-no-check-bucket", folder / "up" / "a.txt", ":s3:no-such-bucket-here/x")
trial.report()
