"""The table of records in a report: what it may hold, how much, and what a reader does with it."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from attacks import MARK, TEXTS
from browser_fixtures import list_violations
from report_notebooks import code, display, write

from bbkit import charts
from bbkit.core.errors import InputError
from bbkit.core.frames import OUTPUT_COLUMNS, RECORDS, TEXT, Collected, as_frame
from bbkit.explorers import RecordTable
from bbkit.report import export_notebook
from bbkit.report.masking import Masker

SCHEMA = {
    "$defs": {"Mood": {"enum": ["calm", "angry"], "type": "string"}},
    "type": "object",
    "properties": {
        "mood": {"anyOf": [{"$ref": "#/$defs/Mood"}, {"type": "null"}]},
        "kind": {"anyOf": [{"enum": ["a"]}, {"type": "string"}]},
        "solved": {"type": "boolean"},
        "score": {"type": "number"},
        "phone": {"type": "integer"},
        "summary": {"type": "string"},
        "parts": {"type": "array", "items": {"enum": ["Quintjson"]}},
    },
}


def make_answers(count: int, text: str = "word ", seed: int = 0) -> pd.DataFrame:
    """The tidy frame of parsed answers: some cut off, some errored, two queues and one that is not known."""
    random = np.random.default_rng(seed)
    errored = random.random(count) < 0.05
    cut = ~errored & (random.random(count) < 0.1)
    valid = ~errored & ~cut
    tokens = random.lognormal(5, 0.6, count).astype(int)
    columns: dict[str, Any] = {
        "record_id": [f"Quintid-{n}" for n in range(count)],
        "outcome": np.where(errored, "errored", "succeeded"),
        "text": [text * (1 + n % 5) for n in range(count)],
        "stop_reason": np.select([errored, cut], [None, "length"], "stop"),
        "input_tokens": tokens,
        "output_tokens": np.where(errored, None, np.minimum(tokens // 3, 60)),
        "error_message": np.where(errored, "ask jane@quint.example", None),
        "attempt": np.ones(count, int),
    }
    frame = as_frame([], OUTPUT_COLUMNS).reindex(range(count))
    for name, values in columns.items():
        frame[name] = pd.array(list(values), dtype=OUTPUT_COLUMNS[name])
    frame["source.queue"] = pd.array(random.choice(["bank", "tel@quint.example", None], count), TEXT)
    frame["source.customer"] = pd.array([f"Quintcustomer {n}" for n in range(count)], TEXT)
    frame["source.age"] = pd.array(random.integers(700_000, 700_999, count), "Int64")
    frame["validity"] = pd.array(np.select([errored, cut], [None, "cut_off"], "valid"), TEXT)
    fields: dict[str, tuple[Any, Any]] = {
        "mood": (random.choice(["calm", "angry", None], count), TEXT),
        "kind": (["Quintkind"] * count, TEXT),
        "solved": (random.random(count) < 0.4, "boolean"),
        "score": (random.random(count).round(3), "Float64"),
        "phone": ([4_420_794_609_58 + n % 3 for n in range(count)], "Int64"),
        "summary": (["Quintsummary"] * count, TEXT),
        "parts": (['["Quintjson"]'] * count, TEXT),
    }
    for name, (values, dtype) in fields.items():
        column = pd.Series(pd.array(list(values), dtype=dtype))
        frame[f"answer.{name}"] = column.where(valid)
    return Collected(schema=SCHEMA).attach(frame)


def export(tmp_path: Path, outputs: pd.DataFrame, *cells: Any, by: str = "queue", **options: Any) -> Path:
    table = display(plain="x", records=RecordTable(outputs, by=by).bundle(True, True))
    notebook = write(tmp_path / "n.ipynb", *cells, code("table", count=9, outputs=(table,)))
    return export_notebook(notebook, tmp_path / "out.html", **options).path


def unpack(path: Path) -> dict[str, Any]:
    packed = re.search(r'id="records-data">([^<]*)<', path.read_text(encoding="utf-8"))
    assert packed and len(packed[1]) <= 800_000
    told: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    return told


def values_of(told: dict[str, Any], name: str) -> list[Any]:
    column = next(column for column in told["columns"] if column["name"] == name)
    labels = column["labels"] if column["kind"] == "category" else []
    return [labels[value] if labels and value >= 0 else value for value in column["values"]]


def test_a_report_to_share_holds_numbers_and_closed_values_only(tmp_path: Path) -> None:
    outputs = make_answers(200)
    path = export(tmp_path, outputs)
    told = unpack(path)
    assert [column["name"] for column in told["columns"]] == [
        "row", "outcome", "stop_reason", "source.queue", "validity", "error", "answer.mood", "answer.solved",
        "input_tokens", "output_tokens", "attempt", "answer.score", "answer.phone",
    ]  # fmt: skip
    shown = json.dumps(told)
    for secret in ("Quint", "quint.example", "44207946", "70010", "word"):
        assert secret not in shown
    assert {*values_of(told, "source.queue")} == {"bank", "[e-mail]", "not known"}
    assert {*values_of(told, "answer.phone")} == {"[account id]", None}
    assert values_of(told, "input_tokens") == outputs["input_tokens"].tolist()
    assert values_of(told, "row") == [*range(1, 201)]
    assert {*values_of(told, "error")} == {"no code: ask [e-mail]", -1}
    edges = [bins["name"] for bins in told["cube"]["bins"]]
    assert edges == ["input_tokens", "output_tokens", "answer.score", "input_tokens, in parts"]
    assert "All 200 records." in path.read_text(encoding="utf-8")


def test_what_is_said_of_ids_and_texts_holds_of_the_whole_file(tmp_path: Path) -> None:
    outputs = make_answers(40)
    text = outputs["text"].dropna().iloc[0]
    seen = code("dearest", count=8, outputs=(display(html=f"<p>{outputs['record_id'][7]} {text}</p>"),))
    for kept, asked in (("", {}), ("Quintid-39", {"with_ids": True}), ("Quintid-39", {"with_text": True})):
        path = export(tmp_path, outputs, seen, **asked)
        page, table = path.read_text(encoding="utf-8"), json.dumps(unpack(path))
        assert ("Quintid-39" in table) == bool(kept) and "Quintid-7" in page
        assert ("This table holds no ids or texts: " in page) == (not asked)
        assert ("This table holds no texts: " in page) == ("with_ids" in asked)
        assert ("other cells show of ids and texts is in this file" in page) == ("with_text" not in asked)
        assert "Ids and texts are not in this file" not in page


def test_ids_and_texts_are_there_when_asked_for(tmp_path: Path) -> None:
    outputs = make_answers(60)
    outputs.loc[3, "record_id"] = "jane@quint.example"
    told = unpack(export(tmp_path, outputs, with_ids=True))
    assert values_of(told, "record_id")[2:5] == ["Quintid-2", "[e-mail]", "Quintid-4"]
    assert "word" not in json.dumps(told) and "Quintcustomer" not in json.dumps(told)
    told = unpack(export(tmp_path, outputs, with_text=True))
    assert values_of(told, "record_id") == outputs["record_id"].tolist()
    assert values_of(told, "text") == outputs["text"].tolist()
    assert values_of(told, "source.customer") == outputs["source.customer"].tolist()
    assert "tel@quint.example" in values_of(told, "source.queue")
    command = json.loads((tmp_path / "out.json").read_text())
    assert command["with_text"] and not command["with_ids"]


@pytest.mark.parametrize("kept", ["", "ids", "text"])
def test_a_notebook_that_runs_for_a_report_carries_what_it_keeps(
    kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = make_answers(40)
    outputs.loc[:3, ["outcome", "stop_reason"]] = ["missing", None]
    outputs["source.parts"] = [{"said": np.array(["Quintpart", n])} for n in range(len(outputs))]
    table = RecordTable(outputs)
    assert RECORDS not in table._repr_mimebundle_()
    monkeypatch.setenv("BBKIT_REPORT", kept)
    shown = table._repr_mimebundle_()
    assert "nan" not in shown["text/html"] and "NA" not in shown["text/html"]
    told = json.dumps(shown[RECORDS])
    assert ("Quintid" in told, "Quintcustomer" in told) == (kept != "", kept == "text")
    assert "70010" not in told or kept == "text"
    if kept == "text":
        assert values_of(shown[RECORDS], "source.parts")[0].startswith('{"said": ["Quintpart", ')


def test_groups_that_are_masked_alike_keep_one_name_each_whatever_is_counted() -> None:
    masker = Masker(enabled=True)
    shown = ("jane@quint.example  (n = 4)", "john@quint.example<br>(n = 4)", "john@quint.example  9 (4.0 %)")
    assert [masker.label(text, masker.text(text)) for text in (*shown, "john@quint.example")] == [
        "[e-mail]  (n = 4)",
        "[e-mail] 2<br>(n = 4)",
        "[e-mail] 2  9 (4.0 %)",
        "[e-mail] 2",
    ]


def test_of_many_records_a_sample_that_never_differs_is_there(tmp_path: Path) -> None:
    outputs = make_answers(30_000)
    path = export(tmp_path, outputs)
    told = unpack(path)
    rows = np.array(values_of(told, "row")) - 1
    assert told["total"] == 30_000 and len(rows) == 20_000 and (np.diff(rows) > 0).all()
    assert values_of(told, "input_tokens") == outputs["input_tokens"].iloc[rows].tolist()
    assert "A seeded sample of 20,000 of 30,000 records, as many as fit." in path.read_text(encoding="utf-8")
    assert unpack(export(tmp_path, outputs)) == told


def test_of_long_texts_what_fits_is_there(tmp_path: Path) -> None:
    outputs = make_answers(3_000)
    letters = np.random.default_rng(1).integers(97, 123, (3_000, 1_200), dtype=np.uint8)
    outputs["text"] = pd.array([bytes(line).decode() for line in letters], TEXT)
    path = export(tmp_path, outputs, with_text=True)
    told = unpack(path)
    rows = np.array(values_of(told, "row")) - 1
    assert 500 < len(rows) < 3_000
    assert values_of(told, "text") == outputs["text"].iloc[rows].tolist()
    assert f"{len(rows):,} of 3,000 records, as many as fit" in path.read_text(encoding="utf-8")


def test_without_records_there_is_a_table_without_rows(tmp_path: Path) -> None:
    told = unpack(export(tmp_path, make_answers(0)))
    assert told["total"] == 0 and [len(column["values"]) for column in told["columns"]] == [0] * 4


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"no column 'quee'; it has 'source\.queue'"):
        RecordTable(make_answers(3), by="quee")
    with pytest.raises(InputError, match="no column 'record_id'"):
        RecordTable(make_answers(3).drop(columns="record_id"))


@pytest.mark.parametrize(
    "bundle",
    [
        None,
        {"total": 1},
        {"total": 1, "columns": [{"name": "row", "kind": "number", "values": [None, "x"]}]},
        {"total": 1, "columns": [{"name": "row", "kind": "number", "values": [{"a": 1}]}]},
    ],
)
def test_a_table_that_nobody_here_wrote_is_left_out_with_a_note(tmp_path: Path, bundle: Any) -> None:
    cell = code("a", outputs=(display(plain="x", records=bundle),))
    path = export_notebook(write(tmp_path / "n.ipynb", cell), tmp_path / "o.html").path
    assert "A table of records was left out" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("dims", ["all", "few"])
def test_the_counts_are_those_of_the_rows(dims: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = make_answers(3_000)
    if dims == "few":
        monkeypatch.setattr("bbkit.explorers.tables._MOST_COUNTS", 400)
    told = RecordTable(outputs, by="queue").bundle()
    cube, labels = told["cube"], {each["name"]: each.get("labels") for each in told["columns"]}
    names = ["outcome", "stop_reason", "source.queue", "validity", "error", "answer.mood", "answer.solved"]
    assert cube["dims"] == [name for name in names if name in cube["dims"]]
    assert (cube["dims"] == names) == (dims == "all")
    assert sum(len(bins["counts"]) for bins in cube["bins"]) <= (400 if dims == "few" else 60_000)
    cells = pd.DataFrame(dict(zip(cube["dims"], cube["cells"], strict=True)))
    for name in cells:
        cells[name] = [labels[name][code] if code >= 0 else "none" for code in cells[name]]
    texts = outputs.assign(error=outputs["error_message"].map("no code: {}".format, na_action="ignore"))
    texts["answer.solved"] = texts["answer.solved"].map({True: "true", False: "false"})
    absent = {"stop_reason": "not reported", "validity": "no answer", "source.queue": "not known"}
    rows = texts[cube["dims"]].astype(object).fillna(absent).fillna("none")
    counted = cells.assign(n=cube["counts"]).set_index(cube["dims"])["n"]
    assert counted.to_dict() == rows.value_counts().to_dict()
    for bins in cube["bins"][:3]:
        of_rows = outputs[bins["column"]].dropna().astype(float)
        counts = np.zeros((len(cells), len(bins["edges"]) - 1), int)
        np.add.at(counts, (bins["cells"], bins["places"]), bins["counts"])
        assert counts.sum(axis=0).tolist() == np.histogram(of_rows, bins["edges"])[0].tolist()
        first = rows.eq(cells.iloc[0]).all(axis=1)
        assert counts[0].tolist() == np.histogram(of_rows[first[of_rows.index]], bins["edges"])[0].tolist()


# --- in a browser


READY = "html[data-figures=ready]"
ROWS = ".page-records tbody tr"


def open_table(page: Any, path: Path) -> None:
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_selector(READY, timeout=60_000)


def shown_rows(page: Any, column: int = 0) -> list[int]:
    """The numbers in one column of all pages, in their order."""
    told: list[int] = []
    while True:
        cells = page.locator(f"{ROWS} td:nth-child({column + 1})").all_inner_texts()
        told += [int(cell.replace(",", "")) for cell in cells]
        following = page.get_by_role("button", name="Next")
        if following.get_attribute("aria-disabled") == "true":
            return told
        following.click()


def choose(page: Any, column: str, *values: str) -> None:
    page.get_by_label("Search").focus()  # what was open, and lies over what is below it, closes
    page.locator(".page-filter > summary").filter(has_text=re.compile(rf"^{re.escape(column)}")).click()
    for value in values:
        page.locator(".page-filter[open] label").filter(has_text=re.compile(rf"^ *{value}")).click()


@pytest.mark.browser
def test_the_rows_are_those_of_a_query(page: Any, tmp_path: Path) -> None:
    outputs = make_answers(400)
    open_table(page, export(tmp_path, outputs, with_text=True))
    choose(page, "stop_reason", "length")
    cut = outputs.query("stop_reason == 'length'")
    assert page.get_by_role("status").inner_text() == f"{len(cut)} of 400 records"
    assert shown_rows(page) == (cut.index + 1).tolist()
    choose(page, "output_tokens")
    page.locator(".page-filter[open]").get_by_label("from").fill("40")
    page.keyboard.press("Tab")
    few = cut.query("output_tokens >= 40")
    assert shown_rows(page) == (few.index + 1).tolist()
    page.get_by_role("button", name="output_tokens", exact=True).click()
    ordered = few.sort_values("output_tokens", kind="stable")
    assert shown_rows(page) == (ordered.index + 1).tolist()
    page.get_by_label("Search").fill("QUINTID-1")
    assert shown_rows(page) == [n + 1 for n in ordered.index if f"{n}".startswith("1")]
    assert page.locator(".page-filter[open]").count() == 0
    page.get_by_role("search").get_by_role("button", name="Clear").click()
    assert page.get_by_role("status").inner_text() == "400 of 400 records"


@pytest.mark.browser
def test_a_keyboard_filters_sorts_and_pages(page: Any, tmp_path: Path) -> None:
    outputs = make_answers(120)
    open_table(page, export(tmp_path, outputs))
    page.get_by_label("Search").focus()
    page.keyboard.type("errored")
    errored = outputs.query("outcome == 'errored'")
    assert page.get_by_role("status").inner_text() == f"{len(errored)} of 120 records"
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    for key in ("Tab", "Tab", "Enter", "Tab", "Space", "Escape"):
        page.keyboard.press(key)
    kept = outputs.query("outcome == 'succeeded'")
    assert page.get_by_role("status").inner_text() == f"{len(kept)} of 120 records"
    assert page.evaluate("document.activeElement.innerText") == "outcome: succeeded"
    page.get_by_role("button", name="input_tokens", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort=descending]").inner_text() == "input_tokens"
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    ordered = kept.sort_values("input_tokens", ascending=False, kind="stable")
    first = int(page.locator(f"{ROWS} td").first.inner_text())
    assert first == ordered.index[50] + 1


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_table_is_accessible_and_fits(browser: Any, tmp_path: Path, scheme: Any, width: int) -> None:
    size = {"width": width, "height": 900}
    context = browser.new_context(offline=True, bypass_csp=True, color_scheme=scheme, viewport=size)
    opened = context.new_page()
    open_table(opened, export(tmp_path, make_answers(200, text="word " * 40), with_text=True))
    choose(opened, "outcome", "errored")
    assert list_violations(opened) == []
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


@pytest.mark.browser
def test_print_holds_the_first_rows_and_a_count(browser: Any, tmp_path: Path) -> None:
    import io

    import pypdf

    context = browser.new_context(offline=True)
    opened = context.new_page()
    open_table(opened, export(tmp_path, make_answers(130)))
    opened.get_by_role("button", name="Next").click()
    pdf = pypdf.PdfReader(io.BytesIO(opened.pdf(format="A4", prefer_css_page_size=True)))
    printed = " ".join(" ".join(part.extract_text() for part in pdf.pages).split())
    context.close()
    assert "130 of 130 records" in printed and "1 to 50 of 130" in printed
    told = [*make_answers(130)[["outcome", "input_tokens"]].itertuples()]
    assert len(pdf.pages) < 6, "a record of many columns is lines of its names and values"
    for row, outcome, tokens in told[:50]:
        assert re.search(rf"row {row + 1} · outcome {outcome} · .*? input_tokens {tokens:,} ", printed)
    assert "Search" not in printed and "Next" not in printed


@pytest.mark.browser
def test_hostile_words_are_text_in_the_table(page: Any, tmp_path: Path) -> None:
    outputs = make_answers(len(TEXTS))
    for name in ("record_id", "text", "source.queue", "source.customer", "answer.mood", "error_message"):
        outputs[name] = pd.array(TEXTS, TEXT)
    outputs = outputs.rename(columns={"source.age": f"source.{TEXTS[0]}"})
    open_table(page, export(tmp_path, outputs, with_text=True))
    choose(page, "source.queue")
    texts = page.locator(".page-filter[open] label").all_inner_texts()
    assert len(texts) == 12 and texts[0].startswith(f" {TEXTS[0]}")
    assert page.evaluate(f"window.{MARK}") is None
    assert page.locator(".page-records tbody :not(tr, td, details, summary, p)").count() == 0
    assert page.locator(f"{ROWS} td", has_text=TEXTS[0]).count() >= 5


CHARTS = {
    "outcomes": lambda outputs: charts.outcomes(outputs, by="source.queue"),
    "reasons": charts.stop_reasons,
    "cut": charts.cut_off_by_input,
    "tokens": charts.token_usage,
    "errors": charts.errors,
    "moods": lambda outputs: charts.answer_values(outputs, "mood"),
    "scores": lambda outputs: charts.answer_values(outputs, "score"),
    "moods_by": lambda outputs: charts.answer_values(outputs, "mood", by="source.queue"),
    "pairs": charts.input_output,
    "others": lambda outputs: charts.stop_reasons(outputs[: len(outputs) // 2]),
}


def export_charts(tmp_path: Path, outputs: pd.DataFrame) -> Path:
    shown = [display(plotly=json.loads(draw(outputs).to_json())) for draw in CHARTS.values()]
    return export(tmp_path, outputs, *(code("x", count=1, outputs=(one,)) for one in shown))


def read_chart(page: Any, name: str) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """The traces and the layout of a chart as they are drawn now, and what stands above it."""
    page.wait_for_selector(READY, timeout=60_000)
    number = list(CHARTS).index(name)
    take = f"(({{data, layout}}) => [data, layout])(document.querySelectorAll('.page-plot')[{number}])"
    data, layout = json.loads(page.evaluate(f"JSON.stringify({take})"))
    figure = page.locator(f"#figure-{number + 1}")
    scope = figure.locator(".page-scope:not([hidden])").all_inner_texts()
    return data, layout, " ".join([*figure.locator("figcaption").all_inner_texts(), *scope])


def names_of(layout: dict[str, Any]) -> list[str]:
    return [re.sub(r"(\s\s|<br>)\(n.*", "", text) for text in layout["yaxis"]["ticktext"]]


def check_charts(page: Any, outputs: pd.DataFrame, chosen: pd.DataFrame, share: bool, said: str) -> None:
    """Compare every chart that follows with what pandas counts, as counts or as shares in percent."""

    def scaled(counts: Any) -> Any:
        values = np.array([*counts], float)
        return pytest.approx(100 * values / (values.sum() or 1) if share else values, abs=0.001)

    answers = chosen.query("outcome == 'succeeded'")
    data, layout, told = read_chart(page, "outcomes")
    assert told.startswith("Outcomes of the records") and said in told
    queues = chosen["source.queue"].fillna("not known").replace("tel@quint.example", "[e-mail]")
    for trace in data:
        shown = f"(n\u00a0=\u00a0{(queues == 'bank').sum():,})"
        assert share or shown in " ".join(layout["yaxis"]["ticktext"])
        part = chosen["outcome"].eq(trace["name"]).groupby(queues).mean().mul(100)
        assert trace["x"] == pytest.approx([part.get(name, 0) for name in names_of(layout)], abs=0.001)
    data, layout, told = read_chart(page, "reasons")
    counts = answers["stop_reason"].value_counts()
    assert data[0]["x"] == scaled(counts.get(name, 0) for name in data[0]["y"]) and said in told
    if not share:
        known = counts.get("length", 0)
        assert any(text.startswith(f"length  {known:,} (") for text in layout["yaxis"]["ticktext"])
    bins = {"tokens": ["input_tokens", "output_tokens"], "scores": ["answer.score"]}
    for name, columns in bins.items():
        data, _, told = read_chart(page, name)
        assert said in told
        for trace, column in zip(data, columns, strict=True):
            edges = [*np.subtract(trace["x"], np.divide(trace["width"], 2)), np.inf]
            values = chosen[column].dropna().to_numpy(float)
            assert trace["y"] == scaled(np.histogram(values, np.array(edges) - 1e-6)[0])
    data, layout, told = read_chart(page, "errors")
    errored = chosen["outcome"].eq("errored").sum()
    assert data[0]["x"] == [100.0 * (errored > 0) if share else errored] and said in told
    data, layout, told = read_chart(page, "moods")
    moods = chosen["answer.mood"].value_counts()
    assert data[0]["x"] == scaled(moods.get(name, 0) for name in names_of(layout)) and said in told
    data, layout, told = read_chart(page, "moods_by")
    for trace in data:
        of_queue = chosen.loc[queues == trace["name"], "answer.mood"].value_counts()
        part = np.array([of_queue.get(name, 0) for name in names_of(layout)], float)
        assert trace["x"] == pytest.approx(100 * part / (moods.sum() or 1) if share else part, abs=0.001)
    data, layout, told = read_chart(page, "cut")
    known = outputs.query("outcome == 'succeeded' and stop_reason.notna()")["input_tokens"].astype(float)
    edges = np.quantile(known, np.linspace(0, 1, len(data[0]["x"]) + 1))
    parts = pd.cut(answers["input_tokens"].astype(float), edges, right=False, labels=False)
    parts = parts.where(answers["input_tokens"] < edges[-1], len(data[0]["x"]) - 1)
    cut = answers["stop_reason"].eq("length").astype(float).groupby(parts).mean().mul(100)
    expected = [cut.get(part, np.nan) for part in range(len(data[0]["x"]))]
    drawn = [np.nan if value is None else value for value in data[0]["y"]]
    assert drawn == pytest.approx(expected, abs=0.001, nan_ok=True) and said in told
    for name in ("pairs", "others"):
        assert "The whole run, not filtered." in read_chart(page, name)[2]


def test_a_name_that_is_masked_is_not_cut_before(tmp_path: Path) -> None:
    page = export_charts(tmp_path, make_answers(100)).read_text(encoding="utf-8")
    assert "tel@" not in page and "quint.ex" not in page and "[e-mail]" in page


@pytest.mark.browser
@pytest.mark.parametrize("count", [600, 21_000])
def test_charts_follow_what_is_chosen(page: Any, tmp_path: Path, count: int) -> None:
    outputs = make_answers(count)
    open_table(page, export_charts(tmp_path, outputs))
    before = read_chart(page, "tokens")
    choose(page, "stop_reason", "length")
    cut = outputs.query("stop_reason == 'length'")
    check_charts(page, outputs, cut, False, f"Filtered: {len(cut):,} of {count:,} records.")
    choose(page, "source.queue", "bank")
    banks = cut[cut["source.queue"].eq("bank").fillna(False)]
    check_charts(page, outputs, banks, False, f"Filtered: {len(banks):,} of {count:,} records.")
    page.locator(".page-chosen").get_by_role("button", name="Clear").click()
    choose(page, "answer.solved", "true")
    solved = outputs[outputs["answer.solved"].fillna(False)]
    check_charts(page, outputs, solved, False, f"Filtered: {len(solved):,} of {count:,} records.")
    page.locator(".page-chosen").get_by_role("button", name="Clear").click()
    choose(page, "input_tokens")
    page.locator(".page-filter[open]").get_by_label("from").fill("200")
    page.keyboard.press("Tab")
    rows = np.array(values_of(unpack(tmp_path / "out.html"), "row")) - 1
    here = outputs.iloc[rows].query("input_tokens >= 200")
    said = f"Sample, 20,000 of {count:,}: shares of the {len(here):,} chosen."
    if count <= 20_000:
        said = f"Filtered: {len(here):,} of {count:,} records."
    check_charts(page, outputs, here, count > 20_000, said)
    page.locator(".page-chosen").get_by_role("button", name="Clear").click()
    page.wait_for_selector(READY)
    after = read_chart(page, "tokens")
    assert [trace["y"] for trace in after[0]] == [trace["y"] for trace in before[0]]
    assert after[2] == before[2] and "Filtered" not in page.locator("main").inner_text()


@pytest.mark.browser
def test_groups_that_are_masked_alike_are_counted_apart(page: Any, tmp_path: Path) -> None:
    outputs = make_answers(8)
    outputs["source.queue"] = pd.array(["jane@quint.example", "john@quint.example"] * 4, TEXT)
    open_table(page, export_charts(tmp_path, outputs))
    layout = read_chart(page, "outcomes")[1]
    assert [re.sub(r"\s+|<br>", " ", text) for text in layout["yaxis"]["ticktext"]] == [
        "[e-mail] (n = 4)",
        "[e-mail] 2 (n = 4)",
    ]
    choose(page, "source.queue", r"\[e-mail\] 2")
    layout = read_chart(page, "outcomes")[1]
    assert [re.sub(r"\s+|<br>", " ", text) for text in layout["yaxis"]["ticktext"]] == [
        "[e-mail] (n = 0)",
        "[e-mail] 2 (n = 4)",
    ]
