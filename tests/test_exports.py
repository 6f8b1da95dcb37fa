"""Exports: every format holds every row, and no cell of a CSV is a formula."""

import csv
import json
import re
import time
import warnings
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings, strategies as st
from output_files import error_line, nova_line, read_parquet, write_outputs

import bbkit as bb
from bbkit.core.errors import InputError
from bbkit.core.formulas import MAY_RUN, guard_formulas, restore_formulas
from bbkit.outputs.exports import export_records

ATTACKS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", '=HYPERLINK("http://x","y")']
PLAIN = ["a,b", 'say "hi"', "line\nbreak", "lone\rreturn", "  lead", "", "שלום 🙂", "1 - 2", "$5 and $10"]


@pytest.fixture
def outputs(tmp_path: Path) -> pd.DataFrame:
    lines = [nova_line(f"{n}", text) for n, text in enumerate(ATTACKS + PLAIN)]
    return bb.collect_outputs(write_outputs(tmp_path / "x.jsonl.out", [*lines, error_line("-1")]))


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def list_formulas(path: Path) -> list[str]:
    """Cells of a file that a spreadsheet program would run, whichever delimiter it was told."""
    found = []
    blanks = "".join(map(chr, [*range(33), 0x85, 0xA0, 0x200B, 0x2060, 0x3000, 0xFEFF]))
    for delimiter in ",;\t":
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells = [cell.strip(blanks) for row in csv.reader(file, delimiter=delimiter) for cell in row]
        form = re.compile(r"[=@＝＠]|[+\-＋－](?:[^\s+*-]|.*(?:\w\(|[|!]))")
        found += [cell for cell in cells if form.match(cell)]
    return found


def test_csv_guards_formulas_and_keeps_everything_else(outputs: pd.DataFrame, tmp_path: Path):
    with pytest.warns(UserWarning, match=rf"^{len(ATTACKS) + 2} cells got .* guard=False leaves them"):
        path = export_records(outputs, tmp_path / "new" / "calls.csv")
    rows = read_rows(path)
    assert [row["text"] for row in rows] == [*map(guard_formulas, ATTACKS), *PLAIN, ""]
    assert {row["text"][0] for row in rows[: len(ATTACKS)]} == {"'"}
    assert rows[-1]["record_id"] == "'-1"
    assert rows[0]["input_tokens"] == "9"
    assert rows[-1]["input_tokens"] == ""
    assert list(rows[0]) == list(outputs.columns)
    assert list_formulas(path) == []
    again = bb.read_source(path)
    assert again["text"].fillna("").tolist() == [*ATTACKS, *PLAIN, ""]
    assert again["record_id"].tolist() == outputs["record_id"].tolist()


@pytest.mark.filterwarnings("error")
def test_without_a_guard_every_cell_is_as_it_is(outputs: pd.DataFrame, tmp_path: Path):
    path = export_records(outputs, tmp_path / "calls.csv", guard=False)
    assert [row["text"] for row in read_rows(path)] == [*ATTACKS, *PLAIN, ""]


HIDDEN = ["\u00a0", "\ufeff", "  ", "\u200b", "\t", "\r\n", "x;", "x\t", "x\n", 'a,b;"', "x; \n", "x;'", "\0"]


def test_formulas_are_found_behind_blanks_and_other_delimiters(tmp_path: Path):
    texts = [blank + text for blank in HIDDEN for text in ATTACKS]
    plain = [
        "Points:\n- one\n- two (see above)\n---\n* three",
        "a; b",
        "x;y",
        "it's; 'so'",
        "'quoted'",
    ]
    rows = pd.DataFrame({"id": [f"{n}" for n in range(len(texts + plain))], "text": texts + plain})
    with pytest.warns(UserWarning, match=f"{len(texts)} cells"):
        path = export_records(rows, tmp_path / "x.csv")
    assert list_formulas(path) == []
    assert [row["text"] for row in read_rows(path)][len(texts) :] == plain


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="=+-@'\"; \t\r\na(|1\ufeff\xa0＝"))
def test_what_was_guarded_comes_back(text: str):
    guarded = guard_formulas(text)
    assert restore_formulas(guarded) == text
    assert guarded == text or pc.match_substring_regex(pa.scalar(text), MAY_RUN).as_py()


@pytest.mark.parametrize("part", ["\n", " ", ";-a", "-", "'", "\n- a", "\n-\xa0"])
def test_a_guard_takes_no_longer_than_the_text(part: str):
    start = time.perf_counter()
    restore_formulas(guard_formulas(f";-{part * 100_000}"))
    assert time.perf_counter() - start < 2


def test_negative_numbers_are_no_formulas_but_hostile_headers_are(tmp_path: Path):
    path = export_records(
        pd.DataFrame({"=x": [-1.5, None], "y": [{"a": np.array([1, 2])}, None]}), tmp_path / "x.csv"
    )
    assert path.read_text("utf-8-sig").splitlines() == ["'=x,y", '-1.5,"{""a"":[1,2]}"', ","]


def test_parquet_and_jsonl_hold_the_same_rows(outputs: pd.DataFrame, tmp_path: Path):
    some = outputs[outputs["text"] != "+1"]
    pd.testing.assert_frame_equal(
        read_parquet(export_records(some, tmp_path / "x.parquet")),
        some.reset_index(drop=True),
        check_flags=False,
    )
    lines = export_records(some, tmp_path / "x.jsonl").read_bytes().split(b"\n")
    assert lines.pop() == b""
    rows = [json.loads(line) for line in lines]
    expected = [
        {name: None if pd.isna(cell) else cell for name, cell in row.items()}
        for row in some.astype(object).to_dict("records")
    ]
    assert rows == expected


IDS = ["007", "1e5", "=1+1", "12345678901234567890", "a\rb", "a_x000D_b", "\x01", "TRUE", "2026-01-01", "-"]


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet", "jsonl"])
def test_ids_survive_a_round_trip_in_every_format(tmp_path: Path, ending: str):
    ids = pd.array(IDS, dtype="string")
    count = pd.array([*range(9), None], dtype="Int64")
    rows = pd.DataFrame({"record_id": ids, "count": count, "big": 2**60, "sure": [True, False] * 5})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "2 cells got")
        path = export_records(rows, tmp_path / f"x.{ending}")
    again = bb.read_source(path)
    assert again["record_id"].tolist() == IDS
    assert again["count"].isna().sum() == 1
    assert again["count"].sum() == 36
    assert {str(value) for value in again["big"]} == {str(2**60)}


def test_no_cell_of_a_workbook_is_a_formula_or_a_number_that_was_text(outputs: pd.DataFrame, tmp_path: Path):
    path = export_records(outputs.rename(columns={"model": "=model"}), tmp_path / "x.xlsx")
    sheet = openpyxl.load_workbook(path).worksheets[0]
    cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s", "n"}
    assert {cell.number_format for cell in cells if cell.data_type == "s"} == {"@"}
    assert bb.read_source(path)["text"].fillna("").tolist() == [*ATTACKS, *PLAIN, ""]


def test_what_excel_cannot_hold_is_refused_and_not_cut(tmp_path: Path):
    rows = pd.DataFrame({"id": ["a"], "text": ["x" * 32_768]})
    with pytest.raises(InputError, match=r"column 'text' holds 32,768 characters; Excel takes 32,767"):
        export_records(rows, tmp_path / "x.xlsx")
    with pytest.raises(InputError, match=r"1,048,576 rows of 1 columns are more than a sheet holds"):
        export_records(pd.DataFrame({"n": np.zeros(1_048_576)}), tmp_path / "x.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_the_source_leads_under_its_own_names_and_then_the_answers(outputs: pd.DataFrame, tmp_path: Path):
    some = outputs.head(2).assign(
        **{"source.text": ["a", "b"], "source.queue": "bank", "answer.queue": "bank", "validity": "valid"}
    )
    table = pd.read_parquet(export_records(some, tmp_path / "x.parquet", with_source=True))
    first = ["record_id", "source.text", "queue", "answer.queue", "validity"]
    assert list(table.columns) == [*first, *(name for name in outputs.columns if name != "record_id")]
    assert table["source.text"].tolist() == ["a", "b"]
    with pytest.raises(InputError, match=r"no column 'source.<name>'.*Pass source_columns= to collect"):
        export_records(outputs, tmp_path / "none.csv", with_source=True)


def test_embeddings_are_lists_in_jsonl_and_json_in_csv(tmp_path: Path):
    frame = pd.DataFrame({"embedding": [np.array([0.5, -1.0]), None]})
    assert (
        export_records(frame, tmp_path / "x.jsonl").read_text()
        == '{"embedding":[0.5,-1.0]}\n{"embedding":null}\n'
    )
    assert "[0.5,-1.0]" in export_records(frame, tmp_path / "x.csv").read_text()


def test_no_rows_are_a_header(outputs: pd.DataFrame, tmp_path: Path):
    assert export_records(outputs.iloc[:0], tmp_path / "x.csv").read_text("utf-8-sig").count("\n") == 1
    assert export_records(outputs.iloc[:0], tmp_path / "x.jsonl").read_bytes() == b""
    assert list(pd.read_parquet(export_records(outputs.iloc[:0], tmp_path / "x.parquet")).columns) == list(
        outputs.columns
    )


def test_what_is_no_row_and_where_files_lie_is_not_exported(tmp_path: Path):
    path = write_outputs(tmp_path / "x.jsonl.out", [nova_line("a"), b"{a line that was cut"])
    outputs = bb.collect_outputs(path, sent=["a"])
    exported = export_records(outputs, tmp_path / "x.parquet")
    for secret in (str(tmp_path), "a line that was cut"):
        assert secret.encode() not in exported.read_bytes()
    assert bb.accounting(pd.read_parquet(exported)).sentence == bb.accounting(outputs).sentence
    assert bb.accounting(outputs).lines["head"].tolist() == ["{a line that was cut"]


def test_a_failed_export_leaves_what_was_there(outputs: pd.DataFrame, tmp_path: Path):
    path = tmp_path / "x.parquet"
    path.write_text("before")
    with pytest.raises(Exception, match=r"mixed|convert|Expected"):
        export_records(pd.DataFrame({"mixed": [1, "a", {"b": object()}]}), path)
    assert path.read_text() == "before"
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".x")] == []
    with pytest.raises(InputError, match=r"\.csv, \.xlsx, \.parquet, \.jsonl"):
        export_records(outputs, tmp_path / "x.xls")


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.jsonl"])
def test_an_index_with_a_name_is_written(outputs: pd.DataFrame, tmp_path: Path, name: str):
    read = {
        ".csv": pd.read_csv,
        ".parquet": pd.read_parquet,
        ".jsonl": lambda path: pd.read_json(path, lines=True),
    }
    path = export_records(outputs.set_index("record_id")[["outcome"]], tmp_path / name)
    assert list(read[path.suffix](path).columns) == ["record_id", "outcome"]
    path = export_records(outputs.set_index("record_id", drop=False)[["record_id"]], tmp_path / name)
    assert list(read[path.suffix](path).columns) == ["record_id"]


def test_what_cannot_be_written_is_refused_before_a_file_is_made(outputs: pd.DataFrame, tmp_path: Path):
    twice = pd.concat([outputs, outputs[["text"]]], axis=1)
    for wrong, words in (
        (bb.accounting(outputs), "Accounting"),
        ([1], "list"),
        (outputs["text"], "Series"),
        (twice, "'text'"),
    ):
        with pytest.raises(InputError, match=words):
            export_records(wrong, tmp_path / "none" / "x.csv")
    assert not (tmp_path / "none").exists()
