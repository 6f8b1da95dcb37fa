"""The pictures of the pages, taken by `make pictures`: what a newcomer sees, looked at and never compared."""

from pathlib import Path
from typing import Any

from lab_pages import ROOT, Lab, open_notebook, run_all, scroll_to

from bbkit.demo import run_demo

PICTURES = ROOT / "docs" / "pictures"
MOST_BYTES = 150_000


def keep(picture: bytes, name: str) -> None:
    assert len(picture) <= MOST_BYTES, f"{name}: {len(picture):,} bytes"
    (PICTURES / name).write_bytes(picture)


def test_the_report(page: Any, tmp_path: Path) -> None:
    run_demo(str(tmp_path / "demo"), faults=True)
    page.set_viewport_size({"width": 1180, "height": 820})
    page.goto((tmp_path / "demo" / "reports" / "03-explore-before.html").as_uri())
    page.wait_for_selector(".plotly .main-svg")
    page.wait_for_timeout(1000)
    keep(page.screenshot(), "report.png")
    page.get_by_role("heading", name="Was any answer cut off?").evaluate("one => one.scrollIntoView()")
    page.wait_for_timeout(1000)
    keep(page.screenshot(), "charts.png")


def test_the_lab(lab: Lab, tab: Any) -> None:
    for name in ("01-prepare", "02-launch", "03-explore"):
        open_notebook(tab, lab, name)
        run_all(tab, lab, name)
    tab.set_viewport_size({"width": 1120, "height": 640})
    scroll_to(tab, ".bbkit-rows select")
    tab.wait_for_timeout(1000)
    keep(tab.screenshot(), "lab.png")
