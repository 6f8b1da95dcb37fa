"""One canary of every kind is put into every channel of a report; none may be in what is written.

A name that no mask knows is put beside it, and must be there: so the test sees the channel it speaks of.
"""

import base64
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
import pytest
from report_notebooks import bundle, code, display, error, markdown, stream, write
from test_masks import make_secret

import bbkit as bb
from bbkit.core.errors import InputError, ReportError
from bbkit.core.masks import KINDS
from bbkit.report import export_notebook, render_report

CANARIES = {
    "e-mail": "jane.canary@leak.example",
    "phone": "+44 20 7946 0958",
    "card": "4929 1234 5678 9015",
    "IBAN": "GB82 WEST 1234 5698 7654 32",
    "account id": "274019836655",
    "AWS key": make_secret("AKIA{upper:16}")[0],
    "secret": make_secret("ghp_{mixed:36}")[0],
    "own": "E-774411",
}
FRAGMENTS = {
    "e-mail": "leak.exa",
    "phone": "7946",
    "card": "9015",
    "IBAN": "5698",
    "account id": "274019",
    "AWS key": CANARIES["AWS key"][6:16],
    "secret": CANARIES["secret"][6:16],
    "own": "774411",
}
NUMBERS = {"account": 274019836655, "card": 4929123456789015}


def name_of(channel: str) -> str:
    return f"Quint{channel.title().replace('-', '')}"


def plotly(figure: go.Figure) -> Any:
    return display(plotly=json.loads(figure.to_json()))


def svg(text: str, name: str) -> str:
    parts = "".join(f"<tspan>{html.escape(part)}</tspan>" for part in re.findall(".{1,3}", text))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><!-- {text.replace("--", "")} -->'
        f"<title>{html.escape(text)}</title><desc>{name}</desc><text x='1'>{parts}</text>"
        f'<g id="{html.escape(text)}"><style>/* {html.escape(text)} */</style></g>'
        f'<path d="M 1234.5678 111122223333"/></svg>'
    )


def split(text: str) -> str:
    return "".join(f"<b>{html.escape(part)}</b>" for part in re.findall(".{1,3}", text))


def as_outputs(text: str, kind: str) -> Iterator[tuple[str, Any]]:
    """Every channel an output has, each with a name of its own beside the canary."""
    encoded = html.escape(text).replace("@", "&#64;").replace("4", "&#52;")

    def beside(channel: str) -> str:
        return f"{name_of(channel)} {text}"

    yield "stdout", stream(beside("stdout"))
    yield "stderr", stream(beside("stderr"), "stderr")
    yield "colours", stream(f"{name_of('colours')} " + "\x1b[31m".join(re.findall(".{1,3}", text)))
    yield "plain", display(plain=beside("plain"))
    yield "markdown", display(plain="x", markdown=beside("markdown"))
    yield "error", error("ValueError", beside("error"), beside("error"))
    yield "html", display(html=f"<p>{name_of('html')} {encoded}</p>")
    yield "split", display(html=f"<p>{name_of('split')} {split(text)}</p>")
    yield "title", display(html=f'<p title="{name_of("title")} {encoded}">x</p>')
    yield "href", display(html=f'<a href="https://x.example/{quote(beside("href"))}">x</a>')
    yield "fragment", display(html=f'<a href="#{quote(beside("fragment"))}">x</a>')
    yield "alt", display(html=f'<img alt="{html.escape(beside("alt"))}" src="data:image/png;base64,AAAA">')
    yield (
        "img",
        display(html=f'<img src="data:image/svg+xml;utf8,{quote(svg(text, name_of("img")))}" alt="">'),
    )
    yield "svg", display(svg=svg(text, name_of("svg")))
    frame = pd.DataFrame({beside("column"): [beside("cell")]}, index=[beside("index")])
    yield "column", display(html=frame.to_html())
    yield "cell", display(html=frame.to_html())
    yield "index", display(html=frame.to_html())
    # An address becomes another word where no @ may stand.
    word = "" if kind == "e-mail" else re.sub(r"[^A-Za-z0-9_-]", "_", text)
    styler = frame.style.format(escape="html").set_uuid(f"{name_of('styler')}_{word}".replace("-", "_"))
    styler.set_table_styles([{"selector": f".{name_of('selector')}_{word}", "props": "color: red"}])
    yield "styler", display(html=styler.to_html())
    yield "selector", display(html=styler.to_html())
    yield "caption", display(html=frame.style.set_caption(html.escape(beside("caption"))).to_html())
    listed = {"text": "hover", "customdata": "custom", "hovertext": "hovertext", "ids": "ids"}
    bars = go.Bar(x=[beside("tick"), "b"], y=[1, 2], name=beside("name"), hovertemplate=beside("template"))
    bars.update({key: [beside(channel), "b"] for key, channel in listed.items()})
    figure = go.Figure(bars, {"title": beside("chart"), "xaxis": {"title": beside("axis")}})
    figure.update_layout(meta={"alt": beside("description"), beside("key"): 1})
    figure.update_xaxes(tickvals=[0], ticktext=[beside("ticktext")])
    figure.add_annotation(text=f"{name_of('annotation')} {split(text)}")
    for channel in ("tick", "name", "template", *listed.values(), "chart", "axis", "description", "key",
                    "ticktext", "annotation"):  # fmt: skip
        yield channel, plotly(figure)
    told = bundle(sent=1) | {"sentence": beside("sentence"), "rows": [{beside("row"): beside("value")}]}
    told["facts"] = {beside("fact"): [beside("facts")]}
    told["numbers"][beside("number")] = 1
    for channel in ("sentence", "row", "value", "fact", "facts", "number"):
        yield channel, display(plain="x", bundle=told)


@pytest.fixture
def own_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.toml").write_text("own = 'E-[0-9]{6}'\n")
    monkeypatch.setenv("BBKIT_MASKS", str(tmp_path / "own.toml"))


def read_all(folder: Path, name: str) -> str:
    """Everything a reader of the report could see, as it is written and decoded."""
    page = re.sub(r'id="plotly-js">.*?<', "", (folder / f"{name}.html").read_text())
    told = (folder / f"{name}.json").read_text()
    drawings = [base64.b64decode(d).decode() for d in re.findall(r"svg\+xml;base64,([A-Za-z0-9+/=]+)", page)]
    bare = re.sub(r"<[^>]*>", "", "".join(drawings) + page.partition("<main")[2])
    plain = html.unescape(bare)
    return "\n".join(
        [page, html.unescape(page), unquote(page), told, *drawings, plain, plain.replace(" ", "")]
    )


@pytest.mark.parametrize("kind", CANARIES)
def test_no_canary_leaves_by_any_channel_and_every_name_does(
    tmp_path: Path, own_patterns: None, kind: str
) -> None:
    text = CANARIES[kind]
    channels = list(as_outputs(text, kind))
    cells = [
        markdown(f"# {name_of('heading')} {text}\n\n## {name_of('section')} {text}\n\n{text[:4]}*{text[4:]}*")
    ]
    parameters = code(f'who = "x"  # {name_of("help")} {text}\n', "parameters")
    cells.append(parameters)
    cells += [code(f"x = '{name_of('code')} {text}'", outputs=(output,), count=1) for _, output in channels]
    given = {f"{name_of('parameter')} {text}": f"{name_of('parametervalue')} {text}"}
    path = write(tmp_path / f"{name_of('file')} {text}.ipynb", *cells, papermill={"parameters": given})
    export_notebook(path, tmp_path / "out.html")
    seen = read_all(tmp_path, "out")
    assert not re.findall(f".{{60}}{FRAGMENTS[kind]}.{{20}}", seen)
    names = [name for name, _ in channels]
    names += ["heading", "section", "help", "code", "parameter", "parametervalue", "file"]
    assert not [channel for channel in names if name_of(channel).lower() not in seen.lower()]
    assert json.loads((tmp_path / "out.json").read_text())["masked"][kind] > len(names)


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("dtype", [int, float])
def test_numbers_that_are_ids_are_labels_in_charts(tmp_path: Path, kind: str, dtype: type) -> None:
    numbers = np.array([NUMBERS[kind], {"account": 111122223333, "card": 4111111111111111}[kind]], dtype)
    tokens = [2147483647, 123456789012]
    frame = pd.DataFrame({kind: numbers, "tokens": tokens})
    figures = [
        px.bar(frame, x=kind, y="tokens"),
        go.Figure(go.Bar(x=numbers, y=tokens)),
        go.Figure(go.Bar(y=numbers.tolist(), x=tokens, orientation="h")),
        px.scatter(frame, x=kind, y="tokens", hover_data=[kind]),
        go.Figure(go.Pie(labels=numbers, values=tokens)),
        go.Figure(go.Scatter(x=[0.5, 1.5], y=tokens, customdata=numbers, text=numbers)),
        go.Figure(go.Table(header={"values": [kind, "tokens"]}, cells={"values": [numbers, tokens]})),
        go.Figure(go.Heatmap(x=numbers, y=[1, 2], z=[[1, 2], [3, 4]])),
    ]
    write(tmp_path / "n.ipynb", code("x", outputs=tuple(map(plotly, figures)), count=1))
    export_notebook(tmp_path / "n.ipynb", tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text()
    assert not re.search("274019836655|4929123456789015", page)
    specs = [json.loads(spec) for spec in re.findall(r'data-figure-of="\d+">(.*?)</script>', page, re.DOTALL)]
    assert len(specs) == len(figures)
    label = {"account": "[account id]", "card": "[card]"}[kind]
    for spec in specs:
        assert label in json.dumps(spec)
        assert f"{label} 2" in json.dumps(spec)
    assert specs[0]["layout"]["xaxis"]["type"] == "category"
    assert page.count("2,147,483,647") >= 5


def test_coordinates_counts_and_tokens_of_charts_are_as_they_were(tmp_path: Path) -> None:
    numbers = [2147483647, 4111111111111111, 123456789012, 1764403200000, 0.0123456789, 0.123456789012]
    traces = [
        {"type": "scatter", "x": numbers, "y": numbers},
        {"type": "bar", "x": ["a", "b", "c", "d", "e", "f"], "y": numbers, "base": numbers},
        {"type": "heatmap", "z": [numbers]},
        {"type": "pie", "labels": list("abcdef"), "values": numbers},
        {
            "type": "scatter",
            "x": ["2026-10-05 12:30:45.123", "2026-10-05"],
            "y": [1, 2],
            "customdata": numbers,
        },
    ]
    figure = {
        "data": traces,
        "layout": {"shapes": [{"x0": 123456789012}], "xaxis": {"range": [0, 123456789012]}},
    }
    path = write(tmp_path / "n.ipynb", code("x", outputs=(display(plotly=figure),), count=1))
    export_notebook(path, tmp_path / "out.html")
    spec = re.search(r'data-figure-of="1">(.*?)</script>', (tmp_path / "out.html").read_text(), re.DOTALL)
    assert spec
    assert json.loads(spec[1])["data"] == traces
    assert json.loads(spec[1])["layout"]["shapes"] == figure["layout"]["shapes"]
    assert json.loads((tmp_path / "out.json").read_text())["masked"] == {}


def test_what_masks_alike_stays_apart(tmp_path: Path) -> None:
    two = ["a@leak.example", "b@leak.example"]
    told = bundle(sent=1) | {"facts": {name: [name] for name in two}, "rows": [dict.fromkeys(two, 1)]}
    told["rows"].append({"input_tokens": 123456789012, "account": 111122223333, "ended_at": 4111111111111111})
    told["numbers"] = dict.fromkeys(two, 3)
    bars = {"data": [{"type": "bar", "x": [*two, two[0]], "y": [1, 2, 3]}], "layout": {}}
    path = write(
        tmp_path / "n.ipynb",
        code("x", outputs=(display(plain="x", bundle=told), display(plotly=bars)), count=1),
    )
    export_notebook(path, tmp_path / "out.html")
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["numbers"] == {"[e-mail]": 3, "[e-mail] 2": 3}
    (result,) = report["results"]
    assert (
        list(result["facts"]) == list(result["rows"][0]) == list(result["numbers"]) == list(report["numbers"])
    )
    kept = {"input_tokens": 123456789012, "account": "[account id]", "ended_at": 4111111111111111}
    assert result["rows"][1] == kept
    page = (tmp_path / "out.html").read_text()
    assert '"x":["[e-mail]","[e-mail] 2","[e-mail]"]' in page


def test_the_report_says_what_is_looked_for_and_what_is_out_of_reach(
    tmp_path: Path, own_patterns: None
) -> None:
    path = write(tmp_path / "n.ipynb", code("x", outputs=(stream("E-774411"),), count=1))
    page = export_notebook(path, tmp_path / "out.html").path.read_text()
    for word in (
        *KINDS.values(),
        "&#39;own&#39;",
        "figures",
        "errors",
        "names, addresses",
        "spelled out",
        "1 own",
    ):
        assert word in page


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x = 'E-('", "missing"),
        ("x = '(?=a)'", "look-around"),
        ("x = 'a*'", "nothing"),
        ("x = '.{900}.{900}z'", "20,000 characters"),
        ("x = 3", "no text"),
        ("'[x]' = 'a'", "bracket"),
        ("x", "cannot be read"),
    ],
)
def test_a_bad_pattern_is_one_sentence_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, said: str
) -> None:
    (tmp_path / "masks.toml").write_text(content)
    path = write(tmp_path / "n.ipynb", code("run_folder = '.'", "parameters"), code("1"))
    with pytest.raises(InputError, match=said) as raised:
        render_report(path, tmp_path / "out.html", cwd=tmp_path)
    assert "\n" not in str(raised.value)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["masks.toml", "n.ipynb"]
    with pytest.raises(InputError, match=said):
        export_notebook(path, tmp_path / "out.html")
    export_notebook(path, tmp_path / "out.html", with_text=True)


def test_patterns_of_the_run_and_of_the_organisation_add_up_and_backtracking_does_not_hang(
    tmp_path: Path, own_patterns: None
) -> None:
    (tmp_path / "masks.toml").write_text("[patterns]\n'staff' = '(?i)staff [0-9]+'\n'slow' = '(x+x+)+y'\n")
    said = f"E-774411 Staff 12 {'x' * 50_000} jane@leak.example"
    cells = (code("run_folder = '.'", "parameters"), code("x", outputs=(stream(said),), count=1))
    export_notebook(write(tmp_path / "n.ipynb", *cells), tmp_path / "out.html")
    masked = json.loads((tmp_path / "out.json").read_text())["masked"]
    assert masked == {"own": 1, "staff": 1, "e-mail": 1}


def test_a_failure_is_not_cut_within_what_is_masked(tmp_path: Path) -> None:
    path = write(
        tmp_path / "n.ipynb", code(f"raise ValueError('calls of Quint: {CANARIES['card']}, {'x' * 300}')")
    )
    with pytest.raises(ReportError):
        render_report(path, tmp_path / "out.html", cwd=tmp_path)
    told = (tmp_path / "out.json").read_text()
    assert "Quint" in json.loads(told)["failure"]
    assert not re.search("4929|9015", told + (tmp_path / "out.html").read_text())


def test_lines_end_where_a_reader_sees_them_end(tmp_path: Path) -> None:
    card, mail = CANARIES["card"].replace(" ", ""), CANARIES["e-mail"]
    lines = [f"card={card}<br>n = 3", f"{mail}<br>sales", "12<br>34567890<br>12", f"{card}<extra>4</extra>"]
    bars = {
        "data": [{"type": "bar", "x": lines, "y": [1, 2, 3, 4], "hovertemplate": f"a={card}<br>n=%{{y}}"}]
    }
    source = (
        "<section>Errored: 12</section><section>34 missing</section>"
        f"{card}<button>5</button><nav>{mail}</nav>x"
    )
    export_notebook(
        write(tmp_path / "n.ipynb", code("x", outputs=(display(html=source), display(plotly=bars)))),
        tmp_path / "out.html",
    )
    page = (tmp_path / "out.html").read_text()
    trace = json.loads(page.partition('data-figure-of="1">')[2].partition("</script>")[0])["data"][0]
    shown = ["card=[card]<br>n = 3", "[e-mail]<br>sales", "12<br>34567890<br>12", "[card]<extra>4</extra>"]
    assert trace["x"] == shown
    assert trace["hovertemplate"] == "a=[card]<br>n=%{y}"
    assert "<div>Errored: 12</div><div>34 missing</div>[card]<div>5</div><div>[e-mail]</div>x" in page


def test_columns_are_told_by_most_of_their_values_and_by_their_names(tmp_path: Path) -> None:
    cards, counts, phones = (
        [4111111111111111, 4929123456789015, 0],
        [123456789012] * 3,
        [3026218946, 3026218947, 0],
    )
    frame = pd.DataFrame({"a": [1, 2, 3], "card": cards, "tokens": counts, "phone": phones})
    table = go.Table(header={"values": ["tokens", "card"]}, cells={"values": [counts, cards]})
    figures = [
        px.scatter(frame, x="a", y="a", hover_data=["card", "tokens", "phone"]),
        go.Figure(go.Pie(labels=cards, values=[1, 2, 3])),
        go.Figure(go.Funnel(y=cards, x=[1, 2, 3])),
        px.parallel_coordinates(frame[["a", "tokens"]]),
        go.Figure(table),
        go.Figure(go.Bar(x=[1], y=[2])).update_xaxes(ticktext=cards).add_shape(path=f"M {cards[0]},1 L 1,2"),
    ]
    outputs = [*map(plotly, figures), display(html=frame.groupby("phone").sum().to_html())]
    path = write(tmp_path / "n.ipynb", *(code("x", outputs=(output,)) for output in outputs))
    page = export_notebook(path, tmp_path / "out.html").path.read_text()
    specs = [
        json.loads(part.partition("</script>")[0]) for part in re.split(r'data-figure-of="\d">', page)[1:]
    ]
    scatter, pie, funnel, parallel, listed, _ = (spec["data"][0] for spec in specs)
    labels = ["[card]", "[card] 2", 0]
    assert [row[:2] for row in scatter["customdata"]] == [[label, 123456789012] for label in labels]
    assert [str(row[2])[:7] for row in scatter["customdata"]] == ["[phone]", "[phone]", "0"]
    assert pie["labels"] == funnel["y"] == listed["cells"]["values"][1] == labels
    assert parallel["dimensions"][1]["values"] == listed["cells"]["values"][0] == counts
    assert specs[-1]["layout"]["xaxis"]["ticktext"] == labels
    assert specs[-1]["layout"]["shapes"][0]["path"] == f"M {cards[0]},1 L 1,2"
    assert "302621894" not in page


def test_names_of_series_and_categories_under_a_telling_name_are_labels(tmp_path: Path) -> None:
    frame = pd.DataFrame({"phone": ["3026218946", "3026218947  (n = 1)", "none"], "n": [1, 2, 3]})
    outputs = [plotly(px.bar(frame, x="n", y="n", color="phone")), plotly(px.bar(frame, x="n", y="phone"))]
    path = write(tmp_path / "n.ipynb", *(code("x", outputs=(output,)) for output in outputs))
    page = export_notebook(path, tmp_path / "out.html").path.read_text()
    assert "302621894" not in page
    assert "Series: [phone], [phone] 2 (n = 1), none." in page


def test_groups_that_are_phone_numbers_are_known_by_their_column(tmp_path: Path) -> None:
    numbers = [3026218946, 2025550143, 6172530011]
    outputs = pd.DataFrame({"outcome": ["succeeded", "errored", "succeeded"], "phone": numbers})
    report = export_notebook(
        write(tmp_path / "n.ipynb", code("x", outputs=[plotly(bb.charts.outcomes(outputs, by="phone"))])),
        tmp_path / "out.html",
    )
    page = report.path.read_text()
    assert not [number for number in numbers if str(number) in page]
    assert "phone [phone]" in page


def test_counts_of_a_table_are_no_account_ids(tmp_path: Path) -> None:
    table = pd.DataFrame({"tokens": [123456789012], "owner": [274019836655]}).to_html()
    notebook = write(tmp_path / "n.ipynb", code("x", outputs=(display(html=table),)))
    page = export_notebook(notebook, tmp_path / "out.html").path.read_text()
    assert "123456789012" in page
    assert "274019836655" not in page
