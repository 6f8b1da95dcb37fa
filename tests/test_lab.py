"""JupyterLab in a real browser, as a newcomer uses it: open a notebook, run it, look around."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any, NamedTuple

import pytest
from browser_fixtures import browser  # noqa: F401

ROOT = Path(__file__).parent.parent
BBKIT = Path(sys.executable).with_name("bbkit")

pytestmark = pytest.mark.browser


class Lab(NamedTuple):
    folder: Path
    url: str
    token: str


def wait_until(
    ready: Callable[[], Any], seconds: float, what: str, step: Callable[[], Any] = lambda: None
) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := ready():
            return found
        step()
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


def read_lines(stream: Any) -> Queue[str]:
    lines: Queue[str] = Queue()
    threading.Thread(target=lambda: [lines.put(line) for line in stream], daemon=True).start()
    return lines


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    here = tmp_path_factory.mktemp("lab")
    for name in ("notebooks", "data/samples"):
        shutil.copytree(ROOT / name, here / name, ignore=shutil.ignore_patterns("runs", ".ipynb_checkpoints"))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path_factory.mktemp("home")),
        "LANG": "C.UTF-8",
    }
    process = subprocess.Popen(
        [str(BBKIT), "lab", "--no-browser", "--port", "0"],
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
        address = wait_until(find_address, 60, f"JupyterLab's address: {said[-5:]}")
        yield Lab(here, address[1], address[2])
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


@pytest.fixture(scope="module")
def tab(browser: Any, lab: Lab) -> Iterator[Any]:  # noqa: F811
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def open_notebook(tab: Any, lab: Lab, name: str) -> None:
    # A workspace of its own: resetting the default one starts a second kernel under the first clicks.
    tab.goto(f"{lab.url}/lab/workspaces/{name}/tree/notebooks/{name}.ipynb?token={lab.token}")
    tab.wait_for_selector(".jp-Notebook .jp-Cell")
    tab.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']")


def run_all(tab: Any, lab: Lab, name: str, seconds: float = 90) -> dict[str, Any]:
    """Run all cells, save, and give back the notebook as it is on disk."""
    tab.locator(".jp-Notebook .jp-Cell").first.click()
    tab.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
    tab.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()
    path = lab.folder / "notebooks" / f"{name}.ipynb"

    def finished() -> dict[str, Any] | None:
        tab.keyboard.press("Control+s")
        tab.wait_for_timeout(700)
        notebook = json.loads(path.read_text())
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        errors = [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"]
        assert not errors, errors[0]["evalue"]
        return notebook if all(cell["execution_count"] for cell in code) else None

    return wait_until(finished, seconds, f"the end of {name}")


def test_three_notebooks_run_without_an_edit_and_the_explorer_filters(lab: Lab, tab: Any) -> None:
    for name in ("01-prepare", "02-launch", "03-explore"):
        open_notebook(tab, lab, name)
        notebook = run_all(tab, lab, name)
    assert "120 sent = 120 succeeded" in json.dumps(notebook)
    listed = tab.locator(".bbkit-rows select option")
    tab.locator(".bbkit-rows select").scroll_into_view_if_needed()
    assert listed.count() == 50
    wanted = first_word_of_an_answer(lab)
    box = tab.locator(".widget-textarea textarea").first
    box.fill(wanted)
    box.press("Tab")
    count = tab.locator(".widget-html-content b", has_text=re.compile(r"^\d+$")).first
    expected = count_answers(lab, wanted)
    assert 0 < expected < 120
    wait_until(
        lambda: count.inner_text() == str(expected), 20, "the filter", lambda: tab.wait_for_timeout(100)
    )


def answers_of(lab: Lab) -> list[str]:
    lines = [
        json.loads(line)
        for path in (lab.folder / "runs" / "calls" / "outputs").rglob("*.jsonl.out")
        for line in path.read_bytes().split(b"\n")
        if line
    ]
    return [
        "".join(part["text"] for part in line["modelOutput"]["output"]["message"]["content"])
        for line in lines
    ]


def count_answers(lab: Lab, text: str) -> int:
    return sum(text.casefold() in answer.casefold() for answer in answers_of(lab))


def first_word_of_an_answer(lab: Lab) -> str:
    words = [
        word for word in re.findall(r"[a-z]{6,}", answers_of(lab)[0]) if 1 < count_answers(lab, word) < 60
    ]
    return words[0]


def test_the_monitor_is_live_again_in_a_reopened_tab(lab: Lab, tab: Any) -> None:
    open_notebook(tab, lab, "02-launch")
    run_all(tab, lab, "02-launch")
    tab.locator(".bbkit-jobs").first.scroll_into_view_if_needed()
    assert "Completed" in tab.locator(".bbkit-jobs").first.inner_text()
    tab.goto("about:blank")
    open_notebook(tab, lab, "02-launch")
    tab.locator(".bbkit-jobs").first.wait_for()
    assert "Completed" in tab.locator(".bbkit-jobs").first.inner_text()
