"""Walks a flow of ``docs/architecture.md``: ``python tests/flows.py FLOW FOLDER`` prints the files it enters.

Left out of a walk: ``core`` (every room uses it), module bodies (imports), and what other processes do.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import bbkit as bb
from bbkit import charts

PACKAGE = Path(bb.__file__).parent
LEFT_OUT = ("__init__.py", "core/")
MODEL = "amazon.nova-lite-v1:0"


@contextmanager
def walking(entered: dict[str, None]) -> Iterator[None]:
    """Note, in order of first entry, the files whose functions are called in any thread."""

    def note(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_name != "<module>" and code.co_filename.startswith(str(PACKAGE)):
            name = Path(code.co_filename).relative_to(PACKAGE).as_posix()
            if not name.startswith(LEFT_OUT) and name.endswith(".py"):
                entered[name] = None

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


def write_rows(folder: Path) -> Path:
    path = folder / "calls.csv"
    path.write_text(
        "call_id,queue,transcript\n" + "".join(f"c{n:03},billing,Hello {n}.\n" for n in range(100))
    )
    return path


def make_run(folder: Path) -> bb.Run:
    data = bb.read_source(write_rows(folder))
    records = bb.build_records(data, MODEL, prompt="Summarize:\n\n{transcript}", record_id="call_id")
    run = bb.Run.create(folder / "run", model_id=MODEL, source=data.set_index("call_id"))
    bb.write_records(records, run)
    return run


def row_to_line(folder: Path, entered: dict[str, None]) -> None:
    with walking(entered):
        make_run(folder)


def submit(folder: Path, entered: dict[str, None]) -> None:
    run = make_run(folder)
    with walking(entered):
        bb.submit_jobs(run)


def line_to_chart(folder: Path, entered: dict[str, None]) -> None:
    run = make_run(folder)
    bb.submit_jobs(run)
    bb.wait_for_jobs(run)
    with walking(entered):
        outputs = bb.collect_outputs(run, source_columns=["queue"])
        bb.accounting(outputs)
        charts.stop_reasons(outputs, by="queue")


def fault_to_finding(folder: Path, entered: dict[str, None]) -> None:
    path = folder / "records.jsonl"
    body = {"messages": [{"role": "user", "content": [{"text": "x"}]}], "max_tokens": 5}
    path.write_text("".join(f'{{"recordId":"r{n}","modelInput":{json.dumps(body)}}}\n' for n in range(100)))
    with walking(entered):
        bb.check_records(path, MODEL).to_text()


def parameter_to_html(folder: Path, entered: dict[str, None]) -> None:
    from bbkit.report import render_report

    run = make_run(folder)
    bb.submit_jobs(run)
    bb.wait_for_jobs(run)
    notebook = PACKAGE.parent / "notebooks" / "03-explore.ipynb"
    with walking(entered):
        render_report(notebook, output=folder / "page.html", parameters={"run_folder": str(run.folder)})


FLOWS: dict[str, Callable[[Path, dict[str, None]], None]] = {
    "row to line": row_to_line,
    "submit": submit,
    "line to chart": line_to_chart,
    "fault to finding": fault_to_finding,
    "parameter to HTML": parameter_to_html,
}

if __name__ == "__main__":
    entered: dict[str, None] = {}
    FLOWS[sys.argv[1]](Path(sys.argv[2]), entered)
    print(json.dumps(list(entered)))
