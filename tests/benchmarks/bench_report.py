"""What a report costs beside its cells: seconds to make it, its size, seconds until its figures stand.

Made against the plain way, papermill and nbconvert as two processes, on the same notebook of ten figures.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import nbformat
from nbformat import v4

ROUNDS = 3
FIGURE = """\
import plotly.graph_objects as go
figure = go.Figure(go.Bar(x=list(range(40)), y=[n * n for n in range(40)]))
figure.update_layout(title="Figure {0}")
"""
OURS = "import sys; from bbkit.report import render_report; render_report(sys.argv[1], sys.argv[2])"


def make_notebook(path: Path) -> None:
    cells = [v4.new_markdown_cell("# Ten figures"), *(v4.new_code_cell(FIGURE.format(n)) for n in range(10))]
    notebook = v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)


def sum_cells(path: Path) -> float:
    cells = nbformat.read(path, as_version=4).cells
    return float(sum(cell.metadata.get("papermill", {}).get("duration") or 0 for cell in cells))


def run(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def time_ours(folder: Path) -> float:
    whole = run(sys.executable, "-c", OURS, str(folder / "n.ipynb"), str(folder / "ours.html"))
    return whole - sum_cells(folder / "ours.ipynb")


def time_plain(folder: Path) -> float:
    source, executed = folder / "n.ipynb", folder / "plain.ipynb"
    whole = run(sys.executable, "-m", "papermill", "--no-progress-bar", str(source), str(executed))
    whole += run(sys.executable, "-m", "nbconvert", "--to", "html", str(executed))
    return whole - sum_cells(executed)


def time_opening(page: Path) -> list[float]:
    """Seconds from opening the file to the last figure, offline; empty without Chromium."""
    executable = which("chromium")
    if executable is None or find_spec("playwright") is None:
        return []
    from playwright.sync_api import sync_playwright

    def open_once(browser: Any) -> float:
        context = browser.new_context(offline=True)
        opened = context.new_page()
        start = time.perf_counter()
        opened.goto(page.as_uri(), wait_until="commit")
        opened.wait_for_selector("html[data-figures=ready]")
        seconds = time.perf_counter() - start
        assert opened.locator(".page-plot[data-drawn=yes]").count() == 10
        context.close()
        return seconds

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        return [open_once(browser) for _ in range(ROUNDS)]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_notebook(folder / "n.ipynb")
        ours = statistics.median(time_ours(folder) for _ in range(ROUNDS))
        plain = statistics.median(time_plain(folder) for _ in range(ROUNDS))
        size = (folder / "ours.html").stat().st_size / 1e6
        opening = time_opening(folder / "ours.html")
        figures = (folder / "plain.html").read_text(encoding="utf-8").count("plotly-graph-div")
        print(f"render_report beside its cells   {ours:6.2f} s (at most 6)")
        print(f"papermill and nbconvert          {plain:6.2f} s, {plain / ours:.1f} x as long")
        print(
            f"the page                         {size:6.2f} MB (at most 2.5), 10 figures; theirs has {figures}"
        )
        if opening:
            print(f"opens offline until drawn        {statistics.median(opening):6.2f} s (at most 2)")
        else:
            print("opens offline until drawn             not measured: Chromium is not installed")


if __name__ == "__main__":
    main()
