"""What a page shows of outputs from anyone: nothing that acts, nobody's data unasked, nothing unbounded."""

import base64
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attacks import RUN, TEXTS
from hypothesis import given, settings, strategies as st
from report_notebooks import bar, bundle, code, display, error, markdown, stream, write

from bbkit.report import export_notebook
from bbkit.report.displays import Display
from bbkit.report.masking import Masker
from bbkit.report.sanitizing import clean_html

ACTIVE = {
    "script",
    "iframe",
    "object",
    "embed",
    "form",
    "svg",
    "math",
    "base",
    "meta",
    "link",
    "video",
    "input",
}


class Reader(HTMLParser):
    """Lists the tags and attributes of a page outside its head."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


def export(tmp_path: Path, *cells: Any, **options: Any) -> str:
    report = export_notebook(write(tmp_path / "n.ipynb", *cells), tmp_path / "out.html", **options)
    return report.path.read_text(encoding="utf-8")


def show(tmp_path: Path, *outputs: Any, tags: tuple[str, ...] = (), **options: Any) -> str:
    """The main part of a page of one cell with these outputs."""
    page = export(tmp_path, code("x", *tags, outputs=outputs, count=1), **options)
    return page.partition("<main")[2].partition('<section class="page-provenance"')[0]


def assert_harmless(page: str) -> None:
    for tag, attributes in Reader(page).tags:
        assert tag not in ACTIVE
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src"):
            value = attributes.get(name, "#")
            assert re.match(r"#|https?:|mailto:|data:image/", value, re.IGNORECASE), value
        assert "url(" not in attributes.get("style", "")
        assert "position" not in attributes.get("style", "")


@pytest.mark.parametrize("attack", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("with_text", [True, False])
def test_an_attack_stays_text_in_every_kind_of_output(tmp_path: Path, attack: str, with_text: bool) -> None:
    table = pd.DataFrame({attack: [attack]}, index=[attack])
    cells = [
        markdown(f"# {attack}\n\n## {attack}\n\n{attack}"),
        code(attack, count=1, outputs=(stream(attack), stream(attack, "stderr"))),
        code(f"# {attack}", count=2, outputs=(display(html=attack, plain=attack), display(markdown=attack))),
        code(
            "x", count=3, outputs=(display(html=table.to_html()), display(html=table.to_html(escape=False)))
        ),
        code("x", count=4, outputs=(display(html=table.style.to_html()), display(svg=attack))),
        code("x", count=5, outputs=(display(plain=attack, bundle={**bundle(sent=1), "sentence": attack}),)),
        code("x", count=6, outputs=(display(plotly=bar(attack, meta={"alt": attack})),)),
    ]
    page = export(tmp_path, *cells, with_text=with_text, title=attack)
    body = page.partition("</head>")[2]
    assert body.count("<script") == 3
    own = re.sub(r"<script.*?</script>|<style>.*?</style>", "", body, flags=re.DOTALL)
    assert_harmless(own.replace("</body>", "").replace("</html>", ""))
    styles = re.findall(r"<style>(.*?)</style>", body, flags=re.DOTALL)
    assert all(re.fullmatch(r"(#T_\w+[^{}@<]*\{[^{}@<]*\})*", sheet) for sheet in styles)
    figure = re.search(r'data-figure-of="1">(.*?)</script>', page, flags=re.DOTALL)
    assert figure
    assert json.loads(figure[1])["data"][0]["x"] == ["billing", "sales"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from([*TEXTS, "<table><tr><td>", "</td>", "<p title='", "&lt;", "a", '">']), max_size=6
    )
)
def test_no_mixture_of_attacks_becomes_active(parts: list[str]) -> None:
    cleaned = clean_html("".join(parts), Masker(enabled=False))
    assert_harmless(re.sub(r"^<style>.*?</style>", "", cleaned.html))


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=60))
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    cleaned = clean_html(f"<p>{html.escape(text)}</p>", Masker(enabled=False))
    assert Reader(cleaned.html).text == text


def test_active_content_goes_with_a_note_and_tables_stay(tmp_path: Path) -> None:
    mine = f"<script>{RUN}</script><b onclick='{RUN}'>kept</b><iframe src='http://attack.invalid'></iframe>"
    shown = show(tmp_path, display(html=mine + pd.DataFrame({"a": [1]}).to_html()))
    assert "Active content was left out: 1 event handler, 1 frame, 1 script." in shown
    assert "<b>kept</b>" in shown
    assert "<table" in shown
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["active_content_left_out"] == {"event handler": 1, "frame": 1, "script": 1}


def test_html_that_was_all_script_gives_way_to_the_plainer_form(tmp_path: Path) -> None:
    shown = show(tmp_path, display(html="<div id='c'></div><script>draw()</script>", plain="Chart of 3 bars"))
    assert "Chart of 3 bars" in shown
    assert "1 script" in shown


def test_a_widget_gives_its_html_twin_or_a_note(tmp_path: Path) -> None:
    view = {"model_id": "0", "version_major": 2, "version_minor": 0}
    twin = show(tmp_path, display(widget=view, html="<p>the twin</p>", plain="W()"))
    assert "<p>the twin</p>" in twin
    bare = show(tmp_path, display(widget=view, plain="W()"))
    assert "needs a running kernel" in bare
    page = write(
        tmp_path / "w.ipynb",
        markdown("# T"),
        widgets={"application/vnd.jupyter.widget-state+json": {"state": {"k": "secretstate"}}},
    )
    report = export_notebook(page, tmp_path / "w.html")
    assert "secretstate" not in report.path.read_text(encoding="utf-8") + report.json_path.read_text()


def test_the_styles_of_a_styler_stay_without_the_rest(tmp_path: Path) -> None:
    styled = (
        pd.DataFrame({"a": [1, 2]})
        .style.bar(color="#d65f5f")
        .set_table_styles(
            [
                {
                    "selector": "td",
                    "props": "position: fixed; color: red; background: url(http://attack.invalid)",
                }
            ]
        )
    )
    shown = show(tmp_path, display(html=styled.to_html()))
    sheet = re.search(r"<style>(.*?)</style>", shown, flags=re.DOTALL)
    assert sheet
    assert "linear-gradient" in sheet[1]
    assert "color:red" in sheet[1]
    assert "position" not in sheet[1]
    assert "url" not in sheet[1]


def test_terminal_codes_and_rewritten_lines_leave_text(tmp_path: Path) -> None:
    shown = show(
        tmp_path, stream("\x1b[31;1mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07\n10 %\r100 %\r\nend\x00")
    )
    assert re.search(r"<pre[^>]*>red link\n100 %\nend</pre>", shown)


def test_masks_work_everywhere_and_are_counted(tmp_path: Path) -> None:
    secret = "jane.doe@example.com"
    cells = [
        markdown(f"# Calls of {secret}\n\nWrite to [me](mailto:{secret})."),
        code(f"who = '{secret}'", count=1, outputs=(stream(secret), stream(secret, "stderr"))),
        code(
            "x", count=2, outputs=(display(html=f'<p title="{secret}">{secret.replace("@", "&#64;")}</p>'),)
        ),
        code("x", count=3, outputs=(display(plotly=bar(f"Calls of {secret}", meta={"alt": secret})),)),
        code("x", count=4, outputs=(display(plain="x", bundle={**bundle(sent=1), "sentence": secret}),)),
        code(
            "x",
            count=5,
            outputs=(error("E", secret, secret),),
        ),
    ]
    page = export(tmp_path, *cells)
    told = (tmp_path / "out.json").read_text()
    assert secret not in page + told
    assert "jane.doe" not in page + told
    assert sum(json.loads(told)["masked"].values()) >= 10
    assert "Masking is not anonymisation" in page
    open_page = export(tmp_path, *cells, with_text=True)
    assert secret in open_page
    assert "Holds texts." in open_page.partition("</header>")[0]


@pytest.mark.parametrize("tags", [("text",), ()])
def test_cells_of_texts_show_a_few_shortened_rows_unless_asked(tmp_path: Path, tags: tuple[str, ...]) -> None:
    frame = pd.DataFrame({"text": [f"begin{n} " + "word " * 100 + "end" for n in range(40)]})
    with pd.option_context("display.max_colwidth", None):
        table = frame.to_html()
    shared = show(tmp_path, display(html=table), tags=tags)
    assert "begin4 " in shared
    assert "begin5 " not in shared
    assert "word end" not in shared
    assert "The first 5 of 40 rows." in shared
    assert ("masked and shortened" in shared) == bool(tags)
    assert "The first 5 rows." in show(tmp_path, display(html=frame.to_html(max_rows=10)), tags=("text",))
    whole = show(tmp_path, display(html=table), tags=tags, with_text=True)
    assert whole.count("word end") == 40


def test_what_is_too_large_is_bounded_and_told(tmp_path: Path) -> None:
    rows = pd.DataFrame({"a": range(700)}).to_html(max_rows=None)
    shown = show(
        tmp_path,
        display(html=rows),
        display(html=f"<p>{'x' * 1_000_000}</p>"),
        display(html=f"<p>{'y' * 6_000_000}</p>"),
        stream("z" * 1_000_000),
        stream("line\n" * 50_000, "stderr"),
        display(html="<div>" * 200_000 + "deep"),
        display(html="&#" * 2_000_000),
    )
    assert len(shown) < 700_000
    for told in (
        "The first 500 of 700 rows.",
        "980,060 more characters",
        "6 MB was left out",
        "more lines",
        "nested more than",
    ):
        assert told in shown


def test_a_half_character_does_not_stop_the_page(tmp_path: Path) -> None:
    path = write(tmp_path / "n.ipynb", code("x", outputs=(stream("MARK"),), count=1))
    path.write_text(path.read_text().replace("MARK", "a\\ud800b"))
    page = export_notebook(path, tmp_path / "out.html").path.read_text(encoding="utf-8")
    assert "a\ufffdb" in page


def test_a_figure_is_described_and_its_values_are_listed(tmp_path: Path) -> None:
    encoded = {"dtype": "i2", "bdata": base64.b64encode(np.array([1200, 80], dtype="<i2").tobytes()).decode()}
    figure = bar("Calls<br><sub>n = 2</sub>", annotations=[{"text": "p50 = 3"}])
    figure["data"] = [{"type": "bar", "x": ["a", "b"], "y": encoded, "name": "one"},
                      {"type": "bar", "x": ["a", "b"], "y": [None, 0.5], "name": "two"}]  # fmt: skip
    shown = show(tmp_path, display(plotly=figure))
    assert "Bar chart: Calls n = 2. Axes: x: queue, y: calls. Series: one, two. Marked: p50 = 3." in shown
    cells = re.findall(r"<td[^>]*>(.*?)</td>", shown)
    assert cells == ["a", "1,200", "–", "b", "80", "0.5"]
    assert '<span class="page-figure-title">Calls</span>' in shown


def test_a_figure_reaches_nowhere_and_offers_no_upload(tmp_path: Path) -> None:
    figure = bar(
        '<a href="http://attack.invalid">click</a>', images=[{"source": "http://attack.invalid/x.png"}]
    )
    page = export(tmp_path, code("x", outputs=(display(plotly=figure),), count=1))
    assert "attack.invalid" not in page
    assert "1 figure link, 1 outside image" in page
    assert "showSendToCloud: false" in page


def test_a_map_that_needs_the_network_is_its_table(tmp_path: Path) -> None:
    figure = {"data": [{"type": "choropleth", "locations": ["ES"], "z": [1]}], "layout": {}}
    page = export(tmp_path, code("x", outputs=(display(plotly=figure),), count=1))
    assert "needs pictures from the network" in page
    assert 'id="plotly-js"' not in page


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TRACE = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("type", "name", "x", "y", "z", "orientation", "labels", "colorbar", "bdata"), JSON),
        "y": JSON | st.fixed_dictionaries({"bdata": st.text(max_size=6), "dtype": st.text(max_size=3)}),
    },
)
LAYOUT = st.dictionaries(
    st.sampled_from(["title", "template", "images", "margin", "height", "meta", "annotations", "xaxis"]), JSON
)


@settings(max_examples=200, deadline=None)
@given(JSON | st.lists(TRACE, max_size=3), JSON | LAYOUT)
def test_a_malformed_figure_does_not_stop_the_page(data: Any, layout: Any) -> None:
    output = display(plotly={"data": data, "layout": layout})
    shown = Display(Masker(enabled=True)).show_outputs({"outputs": [output]})
    assert shown[0]["kind"] in ("figure", "note")
    if shown[0]["kind"] == "figure":
        assert "<" not in shown[0]["figure"].spec
        json.loads(shown[0]["figure"].spec, parse_constant=pytest.fail)


def test_numbers_that_are_none_are_not_known(tmp_path: Path) -> None:
    told = bundle(sent="many", errored=float("nan"), missing=True, succeeded=[1], cut_off=3)
    page = export(tmp_path, code("x", outputs=(display(plain="x", bundle=told),), count=1))
    numbers = json.loads((tmp_path / "out.json").read_text())["numbers"]
    assert numbers == {"sent": None, "errored": None, "missing": None, "succeeded": None, "cut_off": 3}
    assert page.partition("</header>")[0].count("not known") == 4


def test_pictures_are_shown_only_from_the_notebook_itself(tmp_path: Path) -> None:
    dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    cell = markdown("![mine](attachment:dot.png) ![theirs](pixel.png) ![far](http://attack.invalid/x.png)")
    cell["attachments"] = {"dot.png": {"image/png": dot}}
    page = export(tmp_path, cell)
    assert f'src="data:image/png;base64,{dot}" alt="mine"' in page
    assert "2 outside images" in page
    assert "attack.invalid" not in page
