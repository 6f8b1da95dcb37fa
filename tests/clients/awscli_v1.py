# /// script
# requires-python = ">=3.11"
# dependencies = ["awscli==1.46.3"]
# ///
"""The AWS CLI of PyPI, version 1: a batch job, lists, models on demand."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from trial import CLAUDE, NO_MODEL, NOVA, QUESTION, Trial

trial = Trial("awscli")
folder = Path(tempfile.mkdtemp())


def aws(*words: str, output: str = "json") -> str:
    """Run one command; what it says of a fault is raised."""
    command = [sys.executable, "-m", "awscli", *words, "--output", output]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


turn = {"role": "user", "content": [{"text": QUESTION}]}
with trial.works("batch job"):
    lines = (
        json.dumps({"recordId": f"CALL{number:07}", "modelInput": {"messages": [turn]}})
        for number in range(100)
    )
    (folder / "calls.jsonl").write_text("\n".join(lines))
    place = f"s3://{trial.bucket}/{trial.once}"
    aws("s3", "cp", "calls.jsonl", f"{place}/calls.jsonl", "--quiet")
    arn = json.loads(
        aws(
            *("bedrock", "create-model-invocation-job", "--job-name", trial.once, "--model-id", NOVA),
            *(
                "--role-arn",
                trial.role,
                "--input-data-config",
                f"s3InputDataConfig={{s3Uri={place}/calls.jsonl}}",
            ),
            *("--output-data-config", f"s3OutputDataConfig={{s3Uri={place}/out/}}"),
        )
    )["jobArn"]
    get = ("bedrock", "get-model-invocation-job", "--job-identifier", arn)
    while (job := json.loads(aws(*get)))["status"] not in ("Completed", "Failed"):
        time.sleep(0.2)
    assert (job["status"], job["successRecordCount"]) == ("Completed", 100), job
    aws("s3", "cp", "--recursive", "--quiet", f"{place}/out/", ".")
    [answers] = folder.glob("*/calls.jsonl.out")
    assert len(answers.read_text().splitlines()) == 100
with trial.works("list"):
    listed = aws("bedrock", "list-model-invocation-jobs", "--name-contains", trial.once, output="text")
    assert arn in listed
    assert NOVA in aws("bedrock", "list-foundation-models", "--query", "modelSummaries[].modelId")
    assert CLAUDE in aws("bedrock", "list-inference-profiles", output="table")
converse = ("bedrock-runtime", "converse", "--messages", json.dumps([turn]), "--model-id")
with trial.works("Converse"):
    assert json.loads(aws(*converse, NOVA))["stopReason"] == "end_turn"
with trial.works("InvokeModel"):
    (folder / "body.json").write_text(json.dumps({"messages": [turn]}))
    aws("bedrock-runtime", "invoke-model", "--model-id", NOVA, "--body", "fileb://body.json", "answer.json")
    assert json.loads((folder / "answer.json").read_text())["output"]["message"]
with trial.refused("State was: Completed"):
    aws("bedrock", "stop-model-invocation-job", "--job-identifier", arn)
with trial.refused(NO_MODEL):
    aws(*converse, "amazon.nova-none-v1:0")
trial.report()
