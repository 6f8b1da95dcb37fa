"""The AWS CLI, from its own virtual environment, told nothing but the environment file."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Standin
from standin_cases import input_lines, log, record_ids

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "stand-in.md"
AWSCLI = "awscli>=1.46,<2"


def transcript() -> str:
    """The lines that the page of the stand-in shows."""
    [lines] = [
        block for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) if "aws s3 cp" in block
    ]
    return lines


@pytest.fixture(scope="module")
def aws_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds the AWS CLI and nothing of ours."""
    folder = tmp_path_factory.mktemp("awscli")
    if uv := shutil.which("uv"):
        commands = [
            [uv, "venv", "-q", folder],
            [uv, "pip", "install", "-q", "--python", folder / "bin/python", AWSCLI],
        ]
    else:
        commands = [[sys.executable, "-m", "venv", folder], [folder / "bin/pip", "install", "-q", AWSCLI]]
    for command in commands:
        subprocess.run([str(word) for word in command], check=True)
    return folder / "bin"


@pytest.mark.long
def test_the_transcript_of_the_page(
    start_standin: Callable[..., Standin], aws_folder: Path, tmp_path: Path
) -> None:
    standin = start_standin("--speed", "100")
    ids = record_ids(120)
    (tmp_path / "records.jsonl").write_text(input_lines(ids))
    environment_file = f"set -a; . {standin.folder}/standin.env; set +a\n"
    done = subprocess.run(
        ["sh", "-e", "-c", environment_file + transcript()],
        cwd=tmp_path,
        env={"PATH": f"{aws_folder}:{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (
        "Completed" in done.stdout and "it had ended" in done.stdout and "State was: Completed" in done.stderr
    )
    [output] = (tmp_path / "out").glob("*/records.jsonl.out")
    found = [json.loads(line)["recordId"] for line in output.read_text().splitlines()]
    assert sorted(found) == ids
    assert json.loads((output.parent / "manifest.json.out").read_text())["successRecordCount"] == 120
    assert len(log(standin, did="create")) == 1
