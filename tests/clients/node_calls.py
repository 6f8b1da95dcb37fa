"""Scripts of Node: run in an environment of their own, their findings told in a trial."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from trial import Trial

NODE = Path(__file__).with_name("node")
PACKAGES = json.loads((NODE / "package.json").read_text())["dependencies"]


def try_node(trial: Trial, script: str, refusal: str, **given: str) -> None:
    """Run a script, which is given a bucket and more, and report what works."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(NODE, folder, dirs_exist_ok=True)
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefer-offline"]
        subprocess.run(install, cwd=folder, check=True)
        given |= {"bucket": trial.bucket, "role": trial.role, "once": trial.once}
        told = subprocess.check_output(["node", script, json.dumps(given)], cwd=folder, text=True)
    found = json.loads(told)
    for what, fault in found["works"].items():
        with trial.works(what):
            assert not fault, fault
    with trial.refused(refusal):
        raise RuntimeError(found["refusal"])
    trial.report()
