"""Scripts of Node: run in an environment of their own, their findings told in a trial."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from trial import CLAUDE, NOVA, QUESTION, Trial

NODE = Path(__file__).with_name("node")


def try_node(trial: Trial, script: str, packages: dict[str, str], refusal: str) -> None:
    """Run a script beside its packages, each with its version, and report what works."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(NODE, folder, dirs_exist_ok=True)
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefer-offline"]
        subprocess.run([*install, *map("@".join, packages.items())], cwd=folder, check=True)
        given = {"model": NOVA, "claude": CLAUDE, "question": QUESTION, "endpoint": trial.endpoint}
        given |= {"bucket": trial.bucket, "role": trial.role, "once": trial.once}
        told = subprocess.check_output(["node", script, json.dumps(given)], cwd=folder, text=True)
    found = json.loads(told.splitlines()[-1])
    for what, fault in found["works"].items():
        with trial.works(what):
            assert not fault, fault
    with trial.refused(refusal):
        raise RuntimeError(found["refusal"])
    trial.report()
