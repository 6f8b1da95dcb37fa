# /// script
# requires-python = ">=3.11"
# dependencies = ["llmbo-bedrock==0.2.4"]
# ///
"""llmbo: a batch job of Claude from its inputs to its results, structured ones too."""

import os
import tempfile
from pathlib import Path

folder = tempfile.TemporaryDirectory()
os.environ |= {"AWS_PROFILE": "standin", "AWS_CONFIG_FILE": f"{folder.name}/config"}  # it demands a profile
Path(folder.name, "config").write_text("[profile standin]\nregion = us-east-1\n")

from llmbo import BatchInferer, ModelInput
from trial import CLAUDE, QUESTION, Trial

trial = Trial("llmbo-bedrock", "`AWS_PROFILE` of a profile that exists, which it demands")


def inputs() -> dict[str, ModelInput]:
    ask = [{"role": "user", "content": QUESTION}]
    return {f"CALL{number:07}": ModelInput(messages=ask, max_tokens=90) for number in range(100)}


def inferer(name: str) -> BatchInferer:
    return BatchInferer(CLAUDE, trial.bucket, "us-east-1", name, trial.role, output_dir=folder.name)


with trial.works("batch job"):
    first = inferer("llmbo-first")  # always the same: it is the one job that its token will ever name
    assert len(first.auto(inputs(), poll_time_secs=1)) == 100
    assert first.manifest.successRecordCount == 100
with trial.fails(
    "a second job",
    "(404) when calling the HeadObject",
    "each of its jobs has the clientRequestToken `string`, for which Bedrock gives the first one again",
):
    inferer(f"llmbo-{trial.once}").auto(inputs(), poll_time_secs=1)
with trial.refused("The role with name none cannot be found"):
    BatchInferer(CLAUDE, trial.bucket, "us-east-1", "llmbo-none", f"{trial.role.partition('/')[0]}/none")
trial.report()
