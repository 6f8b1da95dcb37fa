"""A notebook run and rendered: what is on disk afterwards never lies."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from report_notebooks import PARAMETERS, bundle, code, display, markdown, stream, write

from bbkit.core.errors import InputError, ReportError
from bbkit.report import Report, export_notebook, print_report, render_report

FIGURES = """\
import json, os, sys
import plotly.graph_objects as go
import plotly.io as pio
figure = go.Figure(go.Bar(x=["billing", "sales"], y=[3, 1]), layout={"title": {"text": "Calls"}})
figure
"""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("rendered")
    seen = 'print(json.dumps([os.environ["BBKIT_HEADLESS"], pio.renderers.default, account_id, os.getcwd()]))'
    notebook = write(
        folder / "n.ipynb",
        markdown("# Calls\n\nOne, two and three."),
        code(PARAMETERS, "parameters"),
        markdown("## Is it drawn?"),
        code(FIGURES),
        code(seen),
    )
    (folder / "elsewhere").mkdir()
    return render_report(
        notebook,
        folder / "out" / "calls.html",
        parameters={"account_id": "000000000012", "limit": "3"},
        with_text=True,
        note="# In short\n\n**Nine** <script>alert(1)</script> of ten.",
        cwd=folder / "elsewhere",
    )


def read_cells(report: Report) -> list[Any]:
    return nbformat.read(report.notebook_path, as_version=4).cells


def test_the_kernel_knows_nobody_watches_and_keeps_the_zero(rendered: Report) -> None:
    told = json.loads(read_cells(rendered)[-1].outputs[0].text)
    assert told == ["1", "plotly_mimetype", "000000000012", str(rendered.path.parents[1] / "elsewhere")]


def test_every_figure_of_the_notebook_is_in_the_page(rendered: Report) -> None:
    mimes = [
        list(output.data)
        for cell in read_cells(rendered)
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert [m for m in mimes if "application/vnd.plotly.v1+json" in m] == [["application/vnd.plotly.v1+json"]]
    page = rendered.path.read_text(encoding="utf-8")
    assert page.count('data-figure="') == 1
    assert page.count('id="plotly-js"') == 1
    assert json.loads(rendered.json_path.read_text())["figures"] == 1


def test_nothing_is_printed_to_the_log_of_the_notebook(rendered: Report) -> None:
    streams = [
        o for cell in read_cells(rendered) for o in cell.get("outputs", []) if o.output_type == "stream"
    ]
    assert [output.name for output in streams] == ["stdout"]


def test_the_page_tells_title_parameters_and_the_command(rendered: Report) -> None:
    page = rendered.path.read_text(encoding="utf-8")
    assert "<title>Calls</title>" in page
    assert re.search(
        r"account_id</th><td><code>000000000012</code></td><td>given</td><td>twelve digits", page
    )
    assert re.search(r"limit</th><td><code>3</code></td><td>given", page)
    assert re.search(r"share</th><td><code>0.5</code></td><td>default", page)
    command = r"bbkit report \S*n\.ipynb -p account_id 000000000012 -p limit 3 -o \S*calls\.html --with-text"
    assert re.search(command, page)
    assert str(rendered.path.parent) not in page.replace(str(rendered.path.parents[1] / "elsewhere"), "")


def test_a_note_stands_above_the_rest_and_cannot_act(rendered: Report) -> None:
    page = rendered.path.read_text()
    assert page.index('id="s-in-short"') < page.index("<strong>Nine</strong>") < page.index("drawn?</h2>")
    assert page.index('href="#s-in-short"') < page.index('href="#s-is-it-drawn"')
    assert "alert(1)" not in page


def test_without_a_browser_a_pdf_is_one_sentence(rendered: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("BBKIT_CHROMIUM", raising=False)
    with pytest.raises(ReportError, match=r"needs Chromium or Chrome.*print calls\.html from any browser\.$"):
        print_report(rendered.path)


def test_a_failing_cell_leaves_page_and_notebook_and_is_named(tmp_path: Path) -> None:
    notebook = write(
        tmp_path / "n.ipynb",
        markdown("# T"),
        code("print('before')"),
        markdown("## Then?"),
        code("missing = {}\nmissing['key']"),
        code("print('after')"),
    )
    with pytest.raises(
        ReportError, match=r"Cell \[2\], `missing = {}`, failed with KeyError: 'key'"
    ) as caught:
        render_report(notebook, tmp_path / "out.html")
    assert "out.html" in str(caught.value)
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    head = page.partition("</header>")[0]
    assert "A cell failed." in head
    assert "1 cell did not run" in head
    assert "before" in page
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["status"] == "failed"
    assert "KeyError" in told["failure"]
    assert export_notebook(tmp_path / "out.ipynb", tmp_path / "again.html").path.exists()
    assert "A cell failed." in (tmp_path / "again.html").read_text(encoding="utf-8")


def test_a_kernel_that_dies_is_told(tmp_path: Path) -> None:
    notebook = write(tmp_path / "n.ipynb", code("print('before')"), code("import os\nos._exit(1)"), code("2"))
    with pytest.raises(ReportError, match=r"The kernel died in cell \[2\]"):
        render_report(notebook, tmp_path / "out.html")
    assert json.loads((tmp_path / "out.json").read_text())["status"] == "failed"
    assert "A cell failed." in (tmp_path / "out.html").read_text(encoding="utf-8")


def start_render(notebook: Path, output: Path) -> subprocess.Popen[str]:
    call = f"from bbkit.report import render_report; render_report({str(notebook)!r}, {str(output)!r})"
    return subprocess.Popen([sys.executable, "-c", call], stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.05)


def make_slow(folder: Path) -> Path:
    mark = folder / "started"
    wait = f"import time, pathlib\npathlib.Path({str(mark)!r}).touch()\ntime.sleep(600)"
    return write(
        folder / "n.ipynb", markdown("# T"), code("print('before')"), code(wait), code("print('after')")
    )


def test_an_interrupted_run_reads_as_interrupted(tmp_path: Path) -> None:
    process = start_render(make_slow(tmp_path), tmp_path / "out.html")
    wait_for(tmp_path / "started")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    assert json.loads((tmp_path / "out.json").read_text())["status"] == "interrupted"
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "Interrupted." in page.partition("</header>")[0]
    saved = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert saved.metadata.bbkit.status == "interrupted"
    assert saved.metadata.papermill.exception is True
    assert saved.cells[-1].metadata.papermill.status == "pending"


@pytest.mark.long
def test_a_killed_run_leaves_nothing_that_reads_as_complete(tmp_path: Path) -> None:
    (tmp_path / "out.html").write_text("of yesterday")
    (tmp_path / "out.ipynb").write_text('{"cells": [], "metadata": {"papermill": {}, "of": "yesterday"}}')
    process = start_render(make_slow(tmp_path), tmp_path / "out.html")
    wait_for(tmp_path / "started")
    process.kill()
    process.communicate(timeout=60)
    assert not (tmp_path / "out.html").exists()
    report = export_notebook(tmp_path / "out.ipynb", tmp_path / "later.html")
    assert json.loads(report.json_path.read_text())["status"] == "incomplete"


def test_cells_that_never_ran_are_told(tmp_path: Path) -> None:
    notebook = write(tmp_path / "n.ipynb", code("1 + 1", count=1), code("2 + 2"), code(""), code("3 + 3"))
    report = export_notebook(notebook, tmp_path / "out.html")
    assert "2 cells did not run" in report.path.read_text(encoding="utf-8")
    assert json.loads(report.json_path.read_text())["status"] == "incomplete"
    assert report.notebook_path == notebook


def test_a_notebook_is_never_written_over_by_its_own_run(tmp_path: Path) -> None:
    notebook = write(tmp_path / "same.ipynb", markdown("# T"), code("1 + 1"))
    before = notebook.read_bytes()
    report = render_report(notebook, tmp_path / "same.html")
    assert notebook.read_bytes() == before
    assert report.notebook_path == tmp_path / "same.executed.ipynb"


def test_a_json_file_of_someone_else_is_kept(tmp_path: Path) -> None:
    notebook = write(tmp_path / "n.ipynb", code("1", count=1))
    (tmp_path / "out.json").write_text('{"mine": 1}')
    with pytest.raises(InputError, match=r"out\.json' exists and is not a report's"):
        export_notebook(notebook, tmp_path / "out.html")
    assert (tmp_path / "out.json").read_text() == '{"mine": 1}'
    with pytest.raises(InputError, match=r"\.html file"):
        export_notebook(notebook, tmp_path / "out.pdf")


def test_the_page_opens_with_the_sentence_and_its_numbers(tmp_path: Path) -> None:
    told = bundle(sent=1200, succeeded=1198, errored=2, missing=0, cost_usd=None)
    told["sentence"] = "1,200 sent = 1,198 succeeded + 2 errored"
    notebook = write(
        tmp_path / "n.ipynb", markdown("# T"), code("x", outputs=(display(plain="x", bundle=told),), count=1)
    )
    report = export_notebook(notebook, tmp_path / "out.html", title="Nightly")
    head = re.sub(r"\s+", " ", report.path.read_text(encoding="utf-8").partition("</header>")[0])
    assert "<h1>Nightly</h1>" in head
    assert "1,200 sent = 1,198 succeeded + 2 errored" in head
    tiles = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", head)
    assert tiles == [
        ("sent", "1,200"),
        ("succeeded", "1,198"),
        ("errored", "2"),
        ("cost in US$", "not known"),
    ]
    summary = json.loads(report.json_path.read_text())
    assert summary["numbers"] == {
        "sent": 1200,
        "succeeded": 1198,
        "errored": 2,
        "missing": 0,
        "cost_usd": None,
    }
    assert summary["results"][0]["sentence"] == told["sentence"]


def test_an_estimate_reads_as_one(tmp_path: Path) -> None:
    told = bundle(
        records=120, input_tokens=45076, cost_usd=1.5, cost_low_usd=1.25, cost_high_usd=None, at_least=0
    )
    cell = code("x", outputs=(display(plain="x", bundle={**told, "kind": "cost"}),), count=1)
    page = export_notebook(write(tmp_path / "n.ipynb", cell), tmp_path / "o.html").path.read_text(
        encoding="utf-8"
    )
    head = re.sub(r"\s+", " ", page.partition("</header>")[0])
    tiles = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>(?:<dd class=\"page-share\">(.*?)</dd>)?", head)
    assert tiles == [
        ("records", "120", ""),
        ("input tokens", "45,076", "estimated"),
        ("cost in US$", "$1.50", "estimated, $1.25 to not known"),
    ]


def test_headings_become_the_table_of_contents(tmp_path: Path) -> None:
    notebook = write(
        tmp_path / "n.ipynb",
        markdown("# T\n\nLead."),
        markdown("## Same\n\n### Inner *one* & `two`"),
        markdown("## Same\n\n# Another first"),
    )
    page = export_notebook(notebook, tmp_path / "out.html").path.read_text(encoding="utf-8")
    links = re.findall(r'<li class="page-level-(\d).*?"><a href="#(.*?)">(.*?)</a>', page)
    assert links == [
        ("2", "s-same", "Same"),
        ("3", "s-inner-one-two", "Inner one &amp; two"),
        ("2", "s-same-2", "Same"),
        ("2", "s-another-first", "Another first"),
        ("2", "provenance", "How this was made"),
    ]
    for _, name, _ in links:
        assert page.count(f'id="{name}"') == 1
    assert page.count("<h1>") == 1


def test_dollars_are_not_maths_and_text_stays_what_it_is(tmp_path: Path) -> None:
    said = "$5 and $10, 𝒳, שלום, 👩‍👩‍👧 {{ 7*7 }} <b>&amp;"
    notebook = write(
        tmp_path / "n.ipynb",
        markdown("# T\n\nFrom $5 *and* $10."),
        code("x", outputs=(stream(said),), count=1),
    )
    page = export_notebook(notebook, tmp_path / "out.html", with_text=True).path.read_text(encoding="utf-8")
    assert "From $5 <em>and</em> $10." in page
    assert "$5 and $10, 𝒳, שלום, 👩‍👩‍👧 {{ 7*7 }} &lt;b&gt;&amp;amp;" in page


def test_a_page_in_another_place_still_has_no_address_to_fetch(rendered: Report) -> None:
    page = rendered.path.read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href|action)="(?!#|data:)', page)
    assert "http://" not in (
        rest := re.sub(r'<script type="text/plain".*?</script>', "", page, flags=re.DOTALL)
    )
    assert "https://" not in rest
    assert rendered.path.stat().st_size < 2_500_000


def test_a_notebook_of_somebody_else_is_not_written_over(tmp_path: Path) -> None:
    notebook = write(tmp_path / "n.ipynb", code("print('x')"))
    own = write(tmp_path / "analysis.ipynb", code("'mine'"))
    before = own.read_bytes()
    with pytest.raises(InputError, match=r"analysis\.ipynb' exists and is not a report's"):
        render_report(notebook, tmp_path / "analysis.html")
    assert own.read_bytes() == before
    assert not (tmp_path / "analysis.html").exists()
    render_report(notebook, tmp_path / "out.html")
    assert render_report(notebook, tmp_path / "out.html").path.exists()


def test_nbconvert_gives_the_report_page_of_an_executed_notebook(tmp_path: Path) -> None:
    node = nbformat.v4.new_notebook()
    node.cells = [
        nbformat.v4.new_markdown_cell("# Calls of May"),
        nbformat.v4.new_code_cell(
            "1", execution_count=1, outputs=[nbformat.v4.new_output("stream", text="mail a.b@example.org")]
        ),
    ]
    nbformat.write(node, tmp_path / "may.ipynb")
    nbconvert = [sys.executable, "-m", "nbconvert", "--to", "bbkit", str(tmp_path / "may.ipynb")]
    subprocess.run(nbconvert, check=True, capture_output=True)
    page = (tmp_path / "may.html").read_text()
    assert "<title>Calls of May" in page
    assert "Content-Security-Policy" in page
    assert "a.b@example.org" not in page
    subprocess.run([*nbconvert, "--ReportExporter.with_text=True"], check=True, capture_output=True)
    assert "a.b@example.org" in (tmp_path / "may.html").read_text()


def test_a_text_tagged_with_output_stands_only_beside_what_shows_something(tmp_path: Path) -> None:
    def tagged(source: str) -> Any:
        cell = markdown(source)
        cell.metadata["tags"] = ["with-output"]
        return cell

    notebook = write(
        tmp_path / "n.ipynb",
        markdown("# Calls"),
        tagged("## No answers"),
        code("x = 1", count=1),
        tagged("How to read nothing."),
        tagged("## Answers"),
        code("x", outputs=(display(plain="1"),), count=2),
        code("y = 1", count=3),
        tagged("How to read one."),
        markdown("A text of the user's own stays."),
    )
    page = export_notebook(notebook, tmp_path / "n.html").path.read_text()
    assert "No answers" not in page
    assert "How to read nothing" not in page
    for text in ("Answers", "How to read one", "of the user's own"):
        assert text in page
