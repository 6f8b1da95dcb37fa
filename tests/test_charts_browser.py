"""Charts as a reader sees them: nothing cut or crossed, with and without plotly.js, in JupyterLab too."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser_fixtures import watch_page
from chart_pages import list_crossed
from lab_pages import BBKIT, Lab, open_notebook, run_all, write_notebook
from report_notebooks import code, display, write

from bbkit import charts
from bbkit.core.frames import JOB_COLUMNS, OUTPUT_COLUMNS, as_frame
from bbkit.report import export_notebook

pytestmark = pytest.mark.browser

LONG = "the customer called about the invoice of the month before and "
NAMES = [
    *(1, "1", "vip", "vip ", f"{LONG}paid it", f"{LONG}did not pay it", "$5 and $10", "W" * 40, "日本語" * 9),
    *("<b>bold</b> <a href='https://example.com'>link</a>", "\u202egnirts \u200bhidden", "a\nb\tc", None),
    *(f"rare {place}" for place in range(5)),
]
KINDS = [f"{LONG * 3} and more", "Too many requests", "<script>alert(1)</script> " + "x" * 200]
EACH = (
    *("outcomes", "stop_reasons", "cut_off_by_input", "errors", "token_usage", "input_output"),
    *("max_tokens_what_if", "output_lengths", "cost", "cost_per_record", "embedding_norms", "embedding_map"),
)
MODEL = {
    "model_id": "amazon.nova-lite-v1:0",
    "family": "nova",
    "tier": "batch",
    "max_tokens": 200,
    "job_arn": "arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/abcdefghijkl",
}
READY = "html[data-figures=ready]"


def make_outputs(count: int) -> pd.DataFrame:
    random = np.random.default_rng(3)
    drawn = zip(random.integers(20, 3000, count), random.integers(5, 260, count), strict=True)
    rows: list[dict[str, Any]] = [
        {
            "outcome": "succeeded",
            "text": "word " * int(tokens // 2),
            "stop_reason": "length" if tokens > 200 else ("stop", "tool_use", "content_filter")[place % 3],
            "input_tokens": int(inputs),
            "output_tokens": int(min(tokens, 200)),
        }
        if place % 9
        else {"outcome": "errored", "error_code": "400", "error_message": KINDS[place % len(KINDS)]}
        for place, (inputs, tokens) in enumerate(drawn)
    ]
    frame = as_frame(
        ({"record_id": f"r{place}", **MODEL, **row} for place, row in enumerate(rows)), OUTPUT_COLUMNS
    )
    picked = random.integers(0, len(NAMES), count)
    months = np.array(["January", "February", "March", "April"])[random.integers(0, 4, count)]
    vectors = pd.Series([*random.standard_normal((count, 6))], dtype=object)
    named = {"source.name": pd.Series([NAMES[at] for at in picked], dtype=object), "source.month": months}
    return frame.assign(**named, embedding=vectors)


def make_jobs() -> pd.DataFrame:
    start, hour = pd.Timestamp("2026-10-01T10:00", tz="UTC"), pd.Timedelta(hours=1)
    statuses = ["Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired"]
    rows = (
        {
            "job_name": f"{LONG}{place}",
            "status": status,
            "submitted_at": start,
            "ended_at": start + place * hour,
        }
        for place, status in enumerate(statuses, start=1)
    )
    return as_frame(rows, JOB_COLUMNS)


def make_notebook(path: Path) -> Path:
    outputs = make_outputs(600)
    drawn = [getattr(charts, name)(outputs, by=by) for by in (None, "name", "month") for name in EACH]
    figures = [json.loads(figure.to_json()) for figure in (*drawn, charts.job_timeline(make_jobs()))]
    return write(path, *(code("x", count=1, outputs=(display(plotly=figure),)) for figure in figures))


def expect_nothing_crossed(browser: Any, path: Path, width: int) -> None:
    context = browser.new_context(offline=True, viewport={"width": width, "height": 900})
    page = context.new_page()
    watch, said = watch_page(page), list[str]()
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    page.wait_for_selector(READY, state="attached", timeout=120_000)
    assert page.locator(".page-plot").count() == page.locator(".page-plot[data-drawn=yes]").count() > 5
    assert list_crossed(page) == []
    assert watch.errors == [] and not [text for text in said if "color" in text or "MathJax" in text]
    context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_no_text_is_cut_or_crosses_another_whatever_groups_are_called(
    browser: Any, tmp_path: Path, width: int
) -> None:
    notebook = make_notebook(tmp_path / "n.ipynb")
    expect_nothing_crossed(
        browser, export_notebook(notebook, tmp_path / "out.html", with_text=True).path, width
    )


@pytest.mark.long
@pytest.mark.parametrize(
    "options", [[], ["--embeddings"], ["--faults"], ["--schema"], ["--schema", "--faults"]], ids=" ".join
)
def test_no_text_of_a_demo_is_cut_or_crosses_another(
    browser: Any, tmp_path: Path, options: list[str]
) -> None:
    subprocess.run([BBKIT, "demo", *options], cwd=tmp_path, check=True, capture_output=True)
    pages = sorted(tmp_path.glob("runs/*/reports/03-explore*.html"))
    assert len(pages) == 1 + ("--faults" in options)
    for path in pages:
        for width in (1280, 390):
            expect_nothing_crossed(browser, path, width)


def test_what_crosses_or_is_outside_is_found(page: Any, tmp_path: Path) -> None:
    """Otherwise the tests above would prove nothing."""
    note = {"text": "a long remark", "xref": "paper", "yref": "paper", "y": 0.5, "showarrow": False}
    notes = [{**note, "x": 0.4, "textangle": 45}, {**note, "x": 0.41}, {**note, "x": 1, "xanchor": "left"}]
    figure = {"data": [{"type": "bar", "x": ["a"], "y": [1]}], "layout": {"annotations": notes}}
    path = write(tmp_path / "n.ipynb", code("x", count=1, outputs=(display(plotly=figure),)))
    page.goto(export_notebook(path, tmp_path / "out.html").path.as_uri())
    page.wait_for_selector(READY)
    found = list_crossed(page)
    assert any("crosses" in text for text in found) and any("outside" in text for text in found)


CELL = """
import sys
sys.path.insert(0, {tests!r})
from test_charts_browser import EACH, charts, make_jobs, make_outputs
from IPython.display import display
outputs = make_outputs(300)
for name in EACH:
    display(getattr(charts, name)(outputs, by="name"))
charts.job_timeline(make_jobs())
"""


def test_every_figure_is_shown_without_plotly(browser: Any, tmp_path: Path) -> None:
    """As papermill and the stock nbconvert give it, offline."""
    write(tmp_path / "n.ipynb", code(CELL.format(tests=str(Path(__file__).parent))))
    environment = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"}
    run = [sys.executable, "-m", "papermill", "-k", "python3", "n.ipynb", "done.ipynb"]
    convert = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", "done.ipynb"]
    for command in (run, convert):
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    bundles = [
        output["data"]
        for cell in json.loads((tmp_path / "done.ipynb").read_text())["cells"]
        for output in cell["outputs"]
        if "application/vnd.plotly.v1+json" in output.get("data", {})
    ]
    assert len(bundles) == len(EACH) + 1
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "done.html").as_uri(), wait_until="commit")
    page.wait_for_selector("figure >> nth=-1", state="attached")
    assert page.locator(".bbkit-figure").count() == len(bundles)
    for bundle, figure in zip(bundles, page.locator(".bbkit-figure").all(), strict=True):
        html = "".join(bundle["text/html"])
        assert len(html.encode()) <= 15_000 and "<script" not in html
        title = re.split("<br>", bundle["application/vnd.plotly.v1+json"]["layout"]["title"]["text"])[0]
        assert title.replace("&#36;", "$") in figure.inner_text()
        assert figure.locator("td").count() > 3
    assert "W" * 40 in page.locator(".bbkit-figure").first.inner_text()
    context.close()


def test_jupyterlab_draws_what_it_also_has_as_a_table(lab: Lab, tab: Any) -> None:
    write_notebook(lab, "drawn", CELL.format(tests=str(Path(__file__).parent)))
    open_notebook(tab, lab, "drawn")
    (cell,) = run_all(tab, lab, "drawn")
    bundles = [output["data"] for output in cell["outputs"] if "text/html" in output.get("data", {})]
    assert len(bundles) == len(EACH) + 1
    tab.wait_for_selector(".js-plotly-plot .main-svg")
    assert tab.locator(".bbkit-figure").count() == 0
    paper = tab.locator(".js-plotly-plot .main-svg").first
    assert paper.evaluate("(svg) => getComputedStyle(svg).backgroundColor") == "rgba(0, 0, 0, 0)"
