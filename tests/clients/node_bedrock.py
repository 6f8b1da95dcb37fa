# /// script
# requires-python = ">=3.11"
# ///
"""AWS's SDK for JavaScript, version 3, whose client of models on demand speaks HTTP/2."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from trial import CLAUDE, NO_MODEL, NOVA, QUESTION, Trial

NODE = Path(__file__).with_name("node")
packages = json.loads((NODE / "package.json").read_text())["dependencies"]
trial = Trial(
    "AWS SDK for JavaScript",
    "nothing, where the stand-in has the extra `http2`",
    release=packages["@aws-sdk/client-bedrock-runtime"],
)

with tempfile.TemporaryDirectory() as folder:
    shutil.copytree(NODE, folder, dirs_exist_ok=True)
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefer-offline"]
    subprocess.run(install, cwd=folder, check=True)
    given = {"model": NOVA, "claude": CLAUDE.removeprefix("us."), "question": QUESTION}
    given |= {"bucket": trial.bucket, "role": trial.role, "once": trial.once}
    told = subprocess.check_output(["node", "bedrock.mjs", json.dumps(given)], cwd=folder, text=True)
found = json.loads(told)
for what, fault in found["works"].items():
    with trial.works(what):
        assert not fault, fault
with trial.refused(NO_MODEL):
    raise RuntimeError(found["refusal"])
trial.report()
