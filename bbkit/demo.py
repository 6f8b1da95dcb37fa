"""A batch job from end to end on this machine, and JupyterLab beside a stand-in of the service."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbkit.core.errors import InputError, RunError, RunExistsError, require_extras
from bbkit.core.files import find_shared, move
from bbkit.folders import make_folder

if TYPE_CHECKING:
    from bbkit.report import Report

_PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_BEARER_TOKEN_BEDROCK")
_NO_NEWS = '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}'
_FAULTS = ("--fault", "record-errors=0.06", "--fault", "missing-lines=0.02")


def run_demo(
    folder: str = "", *, faults: bool = False, schema: bool = False, embeddings: bool = False
) -> int:
    """Run the sample calls through prepare, launch and explore on a stand-in; say where the report is."""
    require_extras("bbkit demo", "notebooks", "standin")
    named = f"runs/demo{'-schema' * schema}{'-embeddings' * embeddings}{'-faults' * faults}"
    run_folder = Path(folder or named).absolute()
    _remove_earlier_demo(run_folder)
    state = run_folder.with_name(f"{run_folder.name}-standin")
    spoilt = ("--fault", "bad-json=0.15") * (faults and schema)
    switches = ("--speed", "instant", *(_FAULTS if faults else ()), *spoilt)
    with start_standin(state, *switches) as environment, _environment(environment):
        report = _run_notebooks(run_folder, faults=faults, schema=schema, embeddings=embeddings)
    account = _read_accounting(report)
    print(account["sentence"])
    print(report.path)
    return 1 if account["numbers"]["missing"] or account["numbers"]["pending"] else 0


def run_lab(
    folder: str = "",
    *,
    port: int = 8888,
    browser: bool = True,
    speed: str = "fast",
    faults: Sequence[str] = (),
) -> int:
    """Start a stand-in and JupyterLab on notebooks of one's own, in the environment that leads to it."""
    require_extras("bbkit lab", "notebooks", "standin")
    root = _lab_folder(folder)
    switches = ("--speed", speed, *(part for fault in faults for part in ("--fault", fault)))
    with (
        start_standin(root / "runs" / "standin", *switches) as environment,
        tempfile.TemporaryDirectory() as config,
    ):
        labconfig = Path(config, "labconfig")
        labconfig.mkdir()
        (labconfig / "page_config.json").write_text(_NO_NEWS)
        command = [
            *(sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}", f"--port={port}"),
            "--LabApp.default_url=/lab/tree/01-prepare.ipynb",
            *(() if browser else ("--no-browser",)),
            *(("--allow-root",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()),
        ]
        paths = os.pathsep.join(filter(None, [config, os.environ.get("JUPYTER_CONFIG_PATH", "")]))
        variables = {**os.environ, **environment, "JUPYTER_CONFIG_PATH": paths}
        return run_process(command, env=variables)


def _lab_folder(folder: str) -> Path:
    """The folder of notebooks that is named, else this one, else ``lab``; made where there is none."""
    here = Path(folder).absolute()
    own = find_shared("notebooks").resolve()
    if not folder and (here.resolve() == own or not (here / "01-prepare.ipynb").exists()):
        here = (here.parent if here.resolve() == own else here) / "lab"
    if here.resolve() == own:
        raise InputError(
            f"{folder} holds bbkit's own notebooks, which git keeps. Name another folder for copies of them."
        )
    if not (here / "01-prepare.ipynb").exists():
        print(make_folder(here), flush=True)
    return here


def run_process(command: Sequence[str], env: Mapping[str, str] | None = None) -> int:
    """Run a program in the foreground to its end; a SIGTERM is passed on to it."""
    with subprocess.Popen(command, env=env) as process:
        former = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            while True:
                # It asks before it stops on Ctrl-C, or puts things in order; leaving earlier would orphan it.
                with contextlib.suppress(KeyboardInterrupt):
                    return process.wait()
        finally:
            signal.signal(signal.SIGTERM, former)


@contextlib.contextmanager
def start_standin(folder: Path, *switches: str) -> Iterator[dict[str, str]]:
    """Run a stand-in as a process of its own for the length of a ``with``."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "console.txt"
    # The pipe ends with this process, however it ends, and the stand-in with the pipe; Ctrl-C is for us only.
    command = [sys.executable, "-m", "bbkit.standin", str(folder), "--port", "0", "--stop-on-eof", *switches]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stderr=errors, start_new_session=True, **pipes) as process,
    ):
        assert process.stdin and process.stdout
        try:
            if not any(line.startswith("ready ") for line in process.stdout):
                raise RunError(f"The stand-in did not start: {log.read_text()[-500:].strip()}")
            environment = read_environment(folder / "standin.env")
            print(f"A stand-in of Amazon Bedrock answers at {environment['AWS_ENDPOINT_URL']}.", flush=True)
            yield environment
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def read_environment(path: Path) -> dict[str, str]:
    """Read a ``NAME=value`` file such as ``standin.env``."""
    lines = (line.strip().removeprefix("export ") for line in path.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if re.match(r"\w+=", line))
    return {name: value.strip("'\"") for name, _, value in pairs}


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    for name in _PROFILES:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _remove_earlier_demo(run_folder: Path) -> None:
    description = run_folder / "run.json"
    if description.is_file() and json.loads(description.read_text()).get("demo"):
        shutil.rmtree(run_folder)
    elif run_folder.exists():
        raise RunExistsError(f"{run_folder} holds something that the demo did not make. Name another folder.")


def _run_notebooks(run_folder: Path, *, faults: bool, schema: bool, embeddings: bool) -> "Report":
    from bbkit.report import render_report

    notebooks, samples = find_shared("notebooks"), find_shared("data/samples")
    run: dict[str, Any] = {"run_folder": str(run_folder)}
    prepare = {
        **run,
        "source_uri": str(samples / "call_transcripts.csv"),
        "system": "You summarize call-center conversations for the team that follows up.",
        "demo": True,
        # Low enough that a few of the sample calls' answers are cut off, so that there is something to see.
        "max_tokens": 64 if faults else 72,
    }
    if schema:
        prepare |= {
            "schema": str(samples / "answer_schema.json"),
            "system": "You sort call-center conversations for the team that follows up.",
            "prompt": "Which queue does this call belong to, and how did it end?\n\n{transcript}",
            "max_tokens": 300,
        }
    explore = {**run, "by": "queue", "texts": "transcript reference_summary"}
    if embeddings:
        prepare |= {"model_id": "amazon.titan-embed-text-v2:0", "system": "", "prompt": "{transcript}"}
        explore["alike"] = 0.35  # no two of the sample calls are nearly the same
    pages = {"01-prepare": prepare, "02-launch": {**run, "wait_minutes": 10.0}}
    if faults:
        retry = {**run, "cut_off": True, "max_tokens": 256, "on_demand": True}
        retry |= {"max_tokens": 400, "invalid": "all", "note": True} if schema else {}
        pages |= {"03-explore-before": explore, "04-retry": retry}
    pages["03-explore"] = explore
    # 01-prepare makes the run's folder and refuses one that is there: its report moves in afterwards.
    reports, waiting = run_folder / "reports", run_folder.with_name(f"{run_folder.name}-reports")
    shutil.rmtree(waiting, ignore_errors=True)
    for page, parameters in pages.items():
        name = page.removesuffix("-before")
        print(f"{name} ...", flush=True)
        output = (reports if run_folder.exists() else waiting) / f"{page}.html"
        report = render_report(notebooks / f"{name}.ipynb", output, parameters=parameters, with_text=True)
        if output.parent == waiting:
            move(waiting, reports)
        if page != name:
            print(f"{_read_accounting(report)['sentence']}\n{report.path}", flush=True)
    return report


def _read_accounting(report: "Report") -> dict[str, Any]:
    """The last one, which counts the answers too where there are any."""
    results = json.loads(report.json_path.read_text())["results"]
    return dict([one for one in results if one["kind"] == "accounting"][-1])
