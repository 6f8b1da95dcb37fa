"""The page in Chromium without a network: drawn, reachable by keyboard, printable, and deaf to attacks."""

import io
import os
import re
import time
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
from attacks import HANDLERS, MARK, RUN, SCRIPTS, TEXTS
from browser_fixtures import list_violations
from report_notebooks import bar, bundle, code, display, error, markdown, stream, write

from bbkit.core.findings import Finding, findings
from bbkit.report import export_notebook, print_report

pytestmark = pytest.mark.browser

READY = "html[data-figures=ready]"
LONG_LINE = "value = " + " + ".join(f"number_{n}" for n in range(60)) + "  # last_word"


def make_figures() -> list[dict[str, Any]]:
    """Ten figures of the kinds the kit draws, as the notebook holds them."""
    x = list(range(50))
    traces = [
        go.Bar(x=["a", "b"], y=[3, 1]),
        go.Bar(y=["a", "b"], x=[30, 70], orientation="h"),
        go.Scatter(x=x, y=[n * n for n in x], mode="lines"),
        go.Scattergl(x=x, y=x, mode="markers"),
        go.Heatmap(z=[[1, 2], [3, 4]]),
        go.Box(q1=[1], median=[2], q3=[3], lowerfence=[0], upperfence=[5], x=["a"]),
        go.Histogram(x=[1, 2, 2, 3, 3, 3]),
        go.Scatter(x=["2026-10-01T00:00:00", "2026-10-02T00:00:00"], y=[1, 2]),
        go.Violin(y=[1, 2, 2, 3]),
        go.Pie(labels=["a", "b"], values=[1, 2]),
    ]
    return [
        go.Figure(trace)
        .update_layout(title=f"Figure about {number} of $5 and $10", xaxis_title=f"axis of {number}")
        .to_plotly_json()
        for number, trace in enumerate(traces)
    ]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    told = {**bundle(sent=1200, succeeded=1198, errored=2, cut_off=80), "sentence": "1,200 sent = 1,198 + 2"}
    listed = findings(
        Finding(severity, "r", f"{severity} of a kind", "Do this.")
        for severity in ("error", "warning", "unknown", "info")
    )
    frame = pd.DataFrame({"queue": ["billing"], "text": ["word " * 60], "count": [3]})
    cells = [
        markdown("# A page\n\nIts lead, with `code`, and $5 and $10.\n\n| a | b |\n|---|---|\n| 1 | x |"),
        code('by: str = "queue"  # column', "parameters", count=1),
        markdown("## Did it come back?"),
        code("a", count=2, outputs=(display(html="<div><p>1,200 sent</p></div>", bundle=told),)),
        code("b", count=3, outputs=(display(html=listed._repr_mimebundle_()["text/html"]),)),
        markdown("## Where did it go?\n\n### Figures"),
        *(
            code(f"# figure {number}\n{LONG_LINE}", count=4 + number, outputs=(display(plotly=figure),))
            for number, figure in enumerate(make_figures())
        ),
        markdown("## What do they say?"),
        code("c", count=20, outputs=(display(html=frame.to_html()), display(html=frame.style.to_html()))),
        code(
            "d", count=21, outputs=(stream("out " * 200), stream("log", "stderr"), error("E", "why", "trace"))
        ),
    ]
    return export_notebook(write(folder / "n.ipynb", *cells), folder / "out.html").path


def open_page(page: Any, path: Path) -> float:
    start = time.monotonic()
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_selector(READY, timeout=60_000)
    return time.monotonic() - start


def test_every_figure_is_drawn_with_a_mark_and_nothing_is_fetched(page: Any, report: Path) -> None:
    assert report.stat().st_size <= 2_500_000
    open_page(page, report)
    assert page.locator(".page-plot").count() == 10
    assert page.locator('.page-plot[data-drawn="yes"]').count() == 10
    for plot in page.locator(".page-plot").all():
        marks = plot.locator(".trace path, .points path, .heatmaplayer image, .slice path, .bars path")
        boxes = [box for box in (mark.bounding_box() for mark in marks.all()) if box]
        assert any(box["width"] > 0 and box["height"] > 0 for box in boxes)


@pytest.mark.long
def test_it_opens_within_two_seconds(browser: Any, report: Path) -> None:
    if os.getloadavg()[0] > (os.cpu_count() or 1):
        pytest.skip(f"the machine is busy (load {os.getloadavg()[0]:.1f}); this measures time")
    times = []
    for _ in range(3):
        context = browser.new_context(offline=True)
        times.append(open_page(context.new_page(), report))
        context.close()
    assert min(times) < 2


def test_titles_are_text_of_the_page_and_the_toolbar_uploads_nothing(page: Any, report: Path) -> None:
    open_page(page, report)
    assert page.locator("figcaption").first.inner_text() == "Figure about 0 of $5 and $10"
    page.locator(".page-plot").first.hover()
    titles = [b.get_attribute("data-title") for b in page.locator(".modebar-btn").all()]
    assert any("Download" in str(title) for title in titles)
    assert not [title for title in titles if re.search(r"(?i)share|cloud|edit|plotly", str(title))]


def test_a_hover_shows_its_text_and_no_markup(page: Any, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    figure = bar("Hovered")
    figure["data"] *= 2
    for number, extra in enumerate(("<extra></extra>", "<extra>%{fullData.name}</extra>")):
        template = f"<b>%{{x}}</b><br>n = %{{y}}{extra}"
        figure["data"][number] = {**figure["data"][number], "hovertemplate": template}
    cell = code("x", outputs=(display(plotly=figure),))
    open_page(page, export_notebook(write(tmp_path / "n.ipynb", cell), tmp_path / "out.html").path)
    for number, shown in enumerate(("billingn = 120", "callsbillingn = 120")):
        point = f"[{{curveNumber: {number}, pointNumber: 0}}]"
        page.evaluate(f"Plotly.Fx.hover(document.querySelector('.page-plot'), {point})")
        expect(page.locator(".hoverlayer")).to_have_text(shown)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_accessible_and_fits(browser: Any, report: Path, scheme: Any, width: int) -> None:
    size = {"width": width, "height": 900}
    context = browser.new_context(offline=True, bypass_csp=True, color_scheme=scheme, viewport=size)
    opened = context.new_page()
    open_page(opened, report)
    opened.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert list_violations(opened) == []
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_figures_follow_the_scheme(browser: Any, report: Path) -> None:
    context = browser.new_context(offline=True, color_scheme="light")
    opened = context.new_page()
    open_page(opened, report)
    from playwright.sync_api import expect

    tick = opened.locator(".page-plot .xtick text").first
    light = tick.evaluate("(text) => getComputedStyle(text).fill")
    opened.emulate_media(color_scheme="dark")
    expect(tick).not_to_have_css("fill", light)
    assert opened.evaluate("document.querySelector('.page-plot .main-svg').style.background") in (
        "rgba(0, 0, 0, 0)",
        "rgba(0, 0, 0, 0) none repeat scroll 0% 0%",
        "none",
    )
    context.close()


def test_the_keyboard_reaches_contents_code_and_tables(page: Any, report: Path) -> None:
    from playwright.sync_api import expect

    open_page(page, report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    code_block = page.locator(".page-code").first
    code_block.locator("summary").focus()
    page.keyboard.press("Enter")
    assert code_block.evaluate("(d) => d.open") is True
    button = page.get_by_role("button", name="Show all code")
    button.press("Enter")
    assert page.locator(".page-code:not([open])").count() == 0
    assert page.locator(".page-table").first.get_attribute("tabindex") == "0"
    page.get_by_role("link", name="What do they say?").press("Enter")
    expect(page).to_have_url(f"{report.as_uri()}#s-what-do-they-say")


def test_print_holds_every_heading_and_figure_and_clips_no_code(browser: Any, report: Path) -> None:
    import pypdf

    context = browser.new_context(offline=True, color_scheme="dark")
    opened = context.new_page()
    open_page(opened, report)
    opened.get_by_role("button", name="Show all code").click()
    pdf = pypdf.PdfReader(io.BytesIO(opened.pdf(format="A4", prefer_css_page_size=True)))
    text = " ".join(" ".join(part.extract_text() for part in pdf.pages).split())
    for heading in opened.locator("h1, h2, h3, figcaption").all_inner_texts():
        assert " ".join(heading.split()) in text
    assert text.count("number_59") == 10
    assert text.count("last_word") == 10
    assert "Skip to the report" not in text
    for number in range(9):  # the tenth is a pie, which has no axis
        assert f"axis of {number}" in text
    context.close()


def test_print_holds_long_texts_whole(browser: Any, tmp_path: Path) -> None:
    import pypdf

    text = " ".join(f"word{number}" for number in range(900))
    html = f"<table><tr><th>text</th></tr><tr><td>{text}</td></tr></table>"
    notebook = write(tmp_path / "n.ipynb", code("a", outputs=(display(html=html),)))
    path = export_notebook(notebook, tmp_path / "out.html", with_text=True).path
    context = browser.new_context(offline=True)
    opened = context.new_page()
    open_page(opened, path)
    pdf = pypdf.PdfReader(io.BytesIO(opened.pdf(format="A4", prefer_css_page_size=True)))
    printed = " ".join(" ".join(part.extract_text() for part in pdf.pages).split())
    context.close()
    assert "word0 word1 " in printed
    assert "word899" in printed


def hostile_cells() -> list[Any]:
    everything = "".join(TEXTS)
    table = pd.DataFrame({text: [text] for text in TEXTS})
    figure = bar(everything, annotations=[{"text": text, "x": 0, "y": 1} for text in TEXTS])
    trace = {"type": "bar", "x": TEXTS, "y": list(range(len(TEXTS))), "name": everything, "text": TEXTS}
    joined = "%{customdata[0]}span style='fill:url(http://attack.invalid/f)'>x"
    split = {**trace, "customdata": [["<"]] * len(TEXTS), "texttemplate": joined, "hovertemplate": joined}
    figure["data"] = [{**trace, "hovertemplate": everything}, split]
    far = {"source": "http://attack.invalid/g.png", "name": "far", "visible": True}
    far |= {"sizex": 1, "sizey": 1, "xref": "paper", "yref": "paper"}
    figure["layout"]["images"] = [far, {**far, "source": "near.png"}]
    figure["layout"]["template"] = {"layout": {"images": [far], "imagedefaults": far}}
    asks: list[list[Any]] = [[{"images": [far]}], ["images[0].source", "http://attack.invalid/h.png"]]
    buttons = [{"method": "relayout", "args": args} for args in asks]
    figure["layout"]["updatemenus"] = [{"type": "buttons", "buttons": buttons}]
    return [
        markdown("# Attacked\n\n" + "\n\n".join(f"## {text}\n\n{text}" for text in TEXTS)),
        code(everything, count=1, outputs=(stream(everything), stream(everything, "stderr"))),
        code("x", count=2, outputs=tuple(display(html=text, markdown=text) for text in TEXTS)),
        code(
            "x",
            count=3,
            outputs=(display(html=table.to_html(escape=False)), display(html=table.style.to_html())),
        ),
        code("x", count=4, outputs=tuple(display(svg=text) for text in TEXTS)),
        code("x", count=5, outputs=(display(javascript=RUN), display(plotly=figure))),
        code("x", count=6, outputs=(display(plain="x", bundle={**bundle(sent=1), "sentence": everything}),)),
        code("x", count=7, outputs=(error(everything, everything, everything), stream("x" * 1_000_000))),
    ]


@pytest.mark.parametrize("policy", [True, False])
@pytest.mark.parametrize("with_text", [True, False])
def test_nothing_of_an_attack_runs(page: Any, tmp_path: Path, with_text: bool, policy: bool) -> None:
    notebook = write(tmp_path / "n.ipynb", *hostile_cells())
    path = export_notebook(notebook, tmp_path / "out.html", with_text=with_text).path
    if not policy:
        path.write_text(cut_policy(path.read_text(encoding="utf-8")), encoding="utf-8")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    open_page(page, path)
    assert page.locator(".page-plot[data-drawn=yes]").count() == 1
    for link in page.locator("main a").all():
        assert not str(link.get_attribute("href")).lower().startswith("javascript")
    page.mouse.wheel(0, 100_000)
    page.locator(".page-plot").hover()
    page.evaluate("Plotly.Fx.hover(document.querySelector('.page-plot'), [{curveNumber: 1, pointNumber: 0}])")
    for button in page.locator(".page-plot .updatemenu-button").all():
        button.dispatch_event("click")
    page.wait_for_timeout(200)
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]
    assert page.evaluate(f"window.{MARK}") is None
    assert page.evaluate("getComputedStyle(document.body).display") == "block"
    assert page.url == path.as_uri()
    assert "window.attacked=true" in page.locator("main").inner_text()


def cut_policy(source: str) -> str:
    bare, cut = re.subn(r'<meta http-equiv="Content-Security-Policy".*?>', "", source)
    assert cut == 1
    return bare


def test_the_same_attacks_run_where_nothing_guards(browser: Any, tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing."""
    context = browser.new_context(offline=True)
    ran = []
    for number, text in enumerate([*SCRIPTS, *HANDLERS]):
        path = tmp_path / f"{number}.html"
        path.write_text(f"<!doctype html><meta charset=utf-8><body>{text}</body>", encoding="utf-8")
        opened = context.new_page()
        opened.goto(path.as_uri())
        opened.wait_for_timeout(50)
        ran.append(opened.evaluate(f"window.{MARK}") is True)
        opened.close()
    context.close()
    assert sum(ran) >= 8


def test_the_policy_stops_what_the_sanitizer_would_miss(browser: Any, report: Path, tmp_path: Path) -> None:
    """The second guard by itself: the attack is written into the finished page, past the first."""
    attack = f"<script>{RUN}</script><img src=x onerror='{RUN}'><img src='http://attack.invalid/x.png'>"
    source = report.read_text(encoding="utf-8")
    guarded, bare = tmp_path / "guarded.html", tmp_path / "bare.html"
    guarded.write_text(source.replace("<main", f"{attack}<main", 1), encoding="utf-8")
    bare.write_text(cut_policy(source).replace("<main", f"{attack}<main", 1), encoding="utf-8")
    context = browser.new_context(offline=True)
    opened = context.new_page()
    failures: list[str] = []
    opened.on("requestfailed", lambda request: failures.append(f"{request.url} {request.failure}"))
    open_page(opened, guarded)
    assert opened.evaluate(f"window.{MARK}") is None
    assert opened.locator(".page-plot[data-drawn=yes]").count() == 10
    assert failures == [f"{tmp_path.as_uri()}/x csp", "http://attack.invalid/x.png csp"]
    open_page(opened, bare)
    assert opened.evaluate(f"window.{MARK}") is True
    context.close()


def test_a_report_is_printed_to_a_pdf_beside_it(report: Path) -> None:
    assert print_report(report) == report.with_suffix(".pdf")
    assert report.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
