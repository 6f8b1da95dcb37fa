"""The wheel as a stranger gets it: in new environments and an empty folder, the core alone and all of it.

`python tests/try_wheel.py dist/bbkit-*.whl` says how many distributions and megabytes each takes.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from pathlib import Path

CORE = """
import json
import bbkit as bb
from pathlib import Path

table = bb.read_source(Path(bb.__file__).parent / "_share/samples/call_transcripts.csv")
model = "amazon.nova-lite-v1:0"
records = bb.build_records(table, model, prompt="Summarize:\\n\\n{transcript}", record_id="call_id")
assert not len(bb.check_records(records, model).query("severity == 'error'"))
lines = (
    {"recordId": name, "modelInput": body} for name, body in zip(records["record_id"], records["model_input"])
)
Path("records.jsonl").write_text("".join(f"{json.dumps(line)}\\n" for line in lines))
answer = {
    "output": {"message": {"role": "assistant", "content": [{"text": "x"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 9, "outputTokens": 1},
}
answered = ({"recordId": name, "modelOutput": answer} for name in records["record_id"])
Path("calls.jsonl.out").write_text("".join(f"{json.dumps(line)}\\n" for line in answered))
outputs = bb.collect_outputs("calls.jsonl.out", sent="records.jsonl", model_id=model)
assert str(bb.accounting(outputs).sentence) == "120 sent = 120 succeeded"
for chart in (bb.charts.stop_reasons, bb.charts.token_usage, bb.charts.cost, bb.charts.output_lengths):
    assert chart(outputs).to_json()
try:
    bb.build_records(table, model, prompt="{transcript}", schema={"queue": str})
except ImportError as error:
    assert "pip install 'bbkit[schemas]'" in str(error)
else:
    raise AssertionError("the core has jsonschema")
"""


PLAIN = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


def make_environment(folder: Path, *requirements: str) -> Path:
    """Install into a new environment; its folder of programs."""
    if shutil.which("uv"):
        subprocess.run(["uv", "venv", "-q", "--python", sys.executable, folder], check=True)
        install = ["uv", "pip", "install", "-q", "--python", str(folder / "bin/python")]
    else:
        venv.create(folder, with_pip=True)
        install = [str(folder / "bin/python"), "-m", "pip", "install", "-q"]
    subprocess.run([*install, *requirements], check=True)
    return folder / "bin"


def measure(folder: Path) -> tuple[int, float]:
    """Distributions, and megabytes on disk without compiled modules."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    sizes = (path.stat().st_blocks * 512 for path in files if path.suffix != ".pyc")
    names = [path for path in folder.glob("lib/python*/site-packages/*.dist-info") if path.name[:4] != "pip-"]
    return len(names), sum(sizes) / 1e6


def run(*command: object, cwd: Path, status: int = 0) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, text=True, capture_output=True, check=False
    )
    assert done.returncode == status, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def try_lab(bbkit: Path, here: Path) -> None:
    """JupyterLab starts, answers, and stops."""
    command = [str(bbkit), "lab", "--no-browser", "--port", "8977"]
    with subprocess.Popen(command, cwd=here, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        until = time.monotonic() + 120
        try:
            while time.monotonic() < until and process.poll() is None:
                try:
                    with urllib.request.urlopen("http://127.0.0.1:8977/api", timeout=5) as answer:
                        assert json.load(answer)["version"]
                        break
                except OSError:
                    time.sleep(1)
            else:
                raise AssertionError("JupyterLab did not answer")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    assert (here / "lab/03-explore.ipynb").is_file()


def main() -> None:
    wheel = Path(sys.argv[1]).absolute()
    os.environ.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder, "empty")
        here.mkdir()
        core = make_environment(Path(folder, "core"), str(wheel))
        count, size = measure(core.parent)
        run(core / "python", "-c", CORE, cwd=here)
        run(core / "bbkit", "check", "records.jsonl", "--model", "amazon.nova-lite-v1:0", cwd=here)
        run(core / "bbkit", "collect", "calls.jsonl.out", "--sent", "records.jsonl", cwd=here)
        for command in (["demo"], ["lab"], ["standin", "x"], ["report", "x.ipynb"]):
            said = run(core / "bbkit", *command, cwd=here, status=2)
            assert "pip install 'bbkit[" in said, said
            assert len(said.splitlines()) == 1, said
        beside = make_environment(Path(folder, "beside"), str(wheel), "nbconvert")
        (here / "plain.ipynb").write_text(PLAIN)
        run(beside / "jupyter", "nbconvert", "--to", "html", "plain.ipynb", cwd=here)
        print(f"core: {count} distributions, {size:.0f} MB: checks, prepares, collects, charts")

        everything = make_environment(Path(folder, "all"), f"bbkit[all] @ {wheel.as_uri()}")
        whole, total = measure(everything.parent)
        print(run(everything / "bbkit", "demo", cwd=here).strip())
        explore = ("report", "03-explore", "-p", "run_folder", "runs/demo")
        print(run(everything / "bbkit", *explore, cwd=here).strip())
        try_lab(everything / "bbkit", here)
        run(
            everything / "jupyter",
            "nbconvert",
            "--to",
            "bbkit",
            "runs/demo/reports/03-explore.ipynb",
            cwd=here,
        )
        assert b"120 sent = 120 succeeded" in (here / "runs/demo/reports/03-explore.html").read_bytes()
        print(f"all: {whole} distributions, {total:.0f} MB; the core is {100 * size / total:.0f} % of it")
        assert count <= 20, count
        assert size <= 0.65 * total, (size, total)


if __name__ == "__main__":
    main()
