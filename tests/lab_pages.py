"""JupyterLab for tests: `bbkit lab` on a copy of the notebooks, and what a person does in its pages.

The fixtures `lab` and `tab` are made known once, in ``conftest.py``.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
BBKIT = Path(sys.executable).with_name("bbkit")


class Lab(NamedTuple):
    """A running JupyterLab: the folder it serves, its address and its token."""

    folder: Path
    url: str
    token: str


def wait_until(
    ready: Callable[[], Any], seconds: float, what: str, step: Callable[[], Any] = lambda: None
) -> Any:
    """Call `ready` until it gives something true, or fail at the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := ready():
            return found
        step()
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


def scroll_to(tab: Any, selector: str) -> Any:
    """Bring an element near the end of a notebook into view; JupyterLab may hide cells that are far away."""
    element = tab.locator(selector)

    def scroll_on() -> None:
        tab.evaluate(
            "for (const panel of document.querySelectorAll('.jp-WindowedPanel-outer'))"
            " panel.scrollTop = panel.scrollHeight"
        )
        tab.wait_for_timeout(100)

    wait_until(element.is_visible, 30, f"{selector} in view", scroll_on)
    element.scroll_into_view_if_needed()
    return element


def read_lines(stream: Any) -> Queue[str]:
    lines: Queue[str] = Queue()
    threading.Thread(target=lambda: [lines.put(line) for line in stream], daemon=True).start()
    return lines


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """`bbkit lab` on copies of the notebooks, as in a fresh clone."""
    here = tmp_path_factory.mktemp("lab")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path_factory.mktemp("home")),
        "LANG": "C.UTF-8",
    }
    process = subprocess.Popen(
        # JupyterLab lets go of the port it found while it loads; the system gives none of these to others.
        [str(BBKIT), "lab", "--no-browser", "--port", str(20_000 + os.getpid() % 10_000)],
        cwd=here,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    lines, said = read_lines(process.stderr), []

    def find_address() -> re.Match[str] | None:
        try:
            said.append(lines.get(timeout=1))
        except Empty:
            return None
        return re.search(r"(http://(?:localhost|127\.0\.0\.1):\d+)/lab\S*\?token=(\w+)", said[-1])

    try:
        address = wait_until(find_address, 90, f"JupyterLab's address: {said[-5:]}")
        yield Lab(here / "lab", address[1], address[2])
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A browser tab of the test's own; an unexpected dialog of the page is a failure."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.accept()))
    yield page
    context.close()
    assert [text for text in dialogs if text] == []


def write_notebook(lab: Lab, name: str, *cells: str) -> None:
    """Put a notebook of code cells beside the others."""
    blank = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    made = [{**blank, "id": f"cell{number}", "source": text} for number, text in enumerate(cells)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (lab.folder / f"{name}.ipynb").write_text(json.dumps(notebook))


def open_notebook(tab: Any, lab: Lab, name: str) -> None:
    """Open a notebook and wait for its kernel."""
    # A workspace of its own: resetting the default one starts a second kernel under the first clicks.
    tab.goto(f"{lab.url}/lab/workspaces/{name}/tree/{name}.ipynb?token={lab.token}")
    tab.wait_for_selector(".jp-Notebook .jp-Cell")
    seen: list[str] = []

    def settled() -> bool:
        # JupyterLab may replace the first kernel it starts; what was sent to that one is lost.
        seen.append(find_kernel(tab, lab, name))
        return len(seen) > 5 and bool(seen[-1]) and len(set(seen[-5:])) == 1

    wait_until(settled, 60, f"a kernel for {name}", lambda: tab.wait_for_timeout(300))
    tab.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']")


def find_kernel(tab: Any, lab: Lab, name: str) -> str:
    """Return the id of the idle kernel that a notebook's page is connected to, or nothing."""
    sessions = tab.request.get(f"{lab.url}/api/sessions?token={lab.token}").json()
    kernels = [session["kernel"] for session in sessions if session["path"].endswith(f"{name}.ipynb")]
    ready = [one["id"] for one in kernels if one["connections"] and one["execution_state"] == "idle"]
    return ready[0] if len(ready) == len(kernels) == 1 else ""


def choose(tab: Any, menu: str, item: str) -> None:
    """Choose from JupyterLab's menu bar."""
    tab.locator(".lm-MenuBar-itemLabel", has_text=menu).first.click()
    tab.locator(".lm-Menu-itemLabel", has_text=item).first.click()


def start_all(tab: Any) -> None:
    """Run all cells, without waiting for them."""
    tab.locator(".jp-Notebook .jp-Cell").first.click()
    choose(tab, "Run", "Run All Cells")


def run_all(
    tab: Any, lab: Lab, name: str, *, restart: bool = False, seconds: float = 120
) -> list[dict[str, Any]]:
    """Run all cells, save, and give back the code cells as they are on disk."""
    if restart:
        choose(tab, "Kernel", "Restart Kernel and Run All Cells")
        tab.locator(".jp-Dialog .jp-mod-accept").click()
    else:
        start_all(tab)

    def finished() -> list[dict[str, Any]] | None:
        code = save(tab, lab, name)
        return code if all(cell["execution_count"] for cell in code) else None

    return wait_until(finished, seconds, f"the end of {name}")


def save(tab: Any, lab: Lab, name: str) -> list[dict[str, Any]]:
    """Save the notebook and read its code cells; an error in one of them fails the test."""
    tab.keyboard.press("Control+s")
    tab.wait_for_timeout(500)

    def read() -> dict[str, Any] | None:
        with suppress(json.JSONDecodeError):  # while it is being written
            return dict(json.loads((lab.folder / f"{name}.ipynb").read_text()))
        return None

    notebook = wait_until(read, 10, f"{name} on the disk")
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in code:
        for output in cell["outputs"]:
            assert output["output_type"] != "error", output["evalue"]
    return code


def ask_kernel(tab: Any, lab: Lab, name: str) -> Any:
    """Run the last cell, which prints JSON, and give back what it printed."""
    before = save(tab, lab, name)[-1]["execution_count"]
    last = tab.locator(".jp-Notebook .jp-CodeCell").last
    last.locator(".jp-InputArea-editor").click()
    tab.keyboard.press("Control+Enter")

    def answered() -> dict[str, Any] | None:
        cell = save(tab, lab, name)[-1]
        return cell if cell["execution_count"] not in (None, before) and cell["outputs"] else None

    cell = wait_until(answered, 60, f"an answer of the kernel of {name}")
    return json.loads("".join(cell["outputs"][0]["text"]))
