"""Sources: what comes out is what the file says, and a broken file says where."""

import gzip
import json
import re
import time
import warnings
import zipfile
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from any_key_s3 import serving
from attacks import KEYS, PLAIN_KEYS
from conftest import Standin
from hypothesis import HealthCheck, given, settings, strategies as st

from bbkit import (
    Run,
    accounting,
    aws,
    build_records,
    collect_outputs,
    profile_source,
    read_prompt,
    read_source,
    submit_jobs,
    wait_for_jobs,
    write_records,
)
from bbkit.checks import RecordCheck, check_lines
from bbkit.core.errors import InputError, SourceError
from bbkit.records import input_line, iter_record_ids
from bbkit.sources import delimited, files, formats


def write(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def test_ids_keep_their_zeros_and_numbers_become_numbers(tmp_path: Path) -> None:
    table = read_source(
        write(tmp_path / "calls.csv", "id,zip,seconds,score\n1,0071,30,2.5\n2,9999,-4,0.25\n")
    )
    assert table.dtypes.astype(str).to_dict() == {
        "id": "Int64", "zip": "string", "seconds": "Int64", "score": "Float64",
    }  # fmt: skip
    assert table["zip"].to_list() == ["0071", "9999"]
    assert table["seconds"].to_list() == [30, -4]


@pytest.mark.parametrize(
    "cell", ["007", "1.50", "+1", "1e5", " 1", "1 ", "-0", "1,000", "0x1", "٣", "1_000", "nan"]
)
def test_a_column_with_one_cell_that_would_change_stays_text(tmp_path: Path, cell: str) -> None:
    table = read_source(write(tmp_path / "calls.tsv", f"a\tb\n1\t2.5\n{cell}\t{cell}\n"))
    assert table["a"].to_list() == ["1", cell]
    assert table["b"].to_list() == ["2.5", cell]


def test_an_empty_cell_is_null_and_nothing_else_is(tmp_path: Path) -> None:
    of_mysql = read_source(write(tmp_path / "mysql.csv", 'a,b\n\\N,1\n"\\N",\\N\n'))
    assert (of_mysql["a"].isna().to_list(), of_mysql["b"].to_list()) == ([True, False], [1, pd.NA])
    table = read_source(write(tmp_path / "calls.csv", 'a,b\n,NA\n"",None\nx,null\n'))
    assert table["a"].isna().to_list() == [True, False, False]
    assert table["a"].to_list()[1:] == ["", "x"]
    assert table["b"].to_list() == ["NA", "None", "null"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    rows = [["id", "text"], ["1", '"one, two; three | four"'], ["2", '"line\nbreak"']]
    text = "\n".join(delimiter.join(row) for row in rows)
    table = read_source(write(tmp_path / "calls.csv", text))
    assert table["text"].to_list() == ["one, two; three | four", "line\nbreak"]


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\x0b", "\x1c"])
def test_only_line_breaks_end_a_row(tmp_path: Path, odd: str) -> None:
    table = read_source(write(tmp_path / "calls.csv", f"id;text\n1;a{odd}b\n2;d\n"))
    assert table["text"].to_list() == [f"a{odd}b", "d"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["calls.csv", "calls.jsonl", "calls.json", "note.txt"])
def test_marks_of_encodings_are_understood(tmp_path: Path, encoding: str, name: str) -> None:
    content = {
        "calls.csv": "text,b\nZürich – “ok”,1\n",
        "calls.jsonl": '{"text": "Zürich – “ok”", "b": 1}\n',
        "calls.json": '[{"text": "Zürich – “ok”", "b": 1}]',
        "note.txt": "Zürich – “ok”",
    }[name]
    table = read_source(write(tmp_path / name, content, encoding))
    assert table["text"].to_list() == ["Zürich – “ok”"]


def test_windows_1252_is_read_and_said(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.csv", "text,b\nok,1\nCafé – “ok”,2\n", "cp1252")
    with pytest.warns(UserWarning, match=r"calls\.csv is not UTF-8 .*line 3") as said:
        assert read_source(path)["text"].to_list() == ["ok", "Café – “ok”"]
        next(read_source(path, chunk_rows=1))
    assert {one.filename for one in said} == {__file__}


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"line 2.*not Windows-1252"):
        read_source(write(tmp_path / "calls.csv", b"text\n\x81\x8d\xff\n"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "a,b\n1,2\n3\n", "row 3 has 1 cells where the header, row 1, has 2"),
        ("a.csv", "a,b\n1,2\n3,4,5\n", "row 3 has 3 cells"),
        ("a.csv", "", "is empty"),
        ("a.csv", "a,b,a\n1,2,3\n", "more than one column 'a'"),
        ("a.csv", 'a,b\n1,"2\n3,4\n5,6\n', "row 2 opens a quote that is never closed"),
        ("a.csv", 'size,n\n5" pipe,"1\n6 inch,2\n', "row 2 opens a quote that is never closed"),
        ("a.jsonl", '{"a": 1}\n\n{"a": \n', "line 3: not JSON"),
        ("a.jsonl", '{"a": 1}\n[1]\n', "line 2 is a list.*bbkit check a.jsonl --model ID --write-good"),
        ("a.json", '[{"a": 1},\n{"a" 2}]', "line 2: not JSON"),
        ("a.json", '{"a": 1,\n"b": 2}', "holds a dict"),
        ("a.json", '{"id": {"0": 1}, "text": {"0": "a"}}', "holds a dict; .*orient='records'"),
        ("a.json", '{"columns": ["id"], "data": [[1]]}', "holds a dict;"),
        ("a.json", '{"took": 3, "hits": {"hits": [{"a": "x"}]}}', "with lists under 'hits.hits'"),
        ("a.json", '{"status": "ok", "response": {"data": [{"a": 1}]}}', "with lists under 'response.data'"),
        ("a.json", '{"count": 0, "data": []}', "holds a dict;"),
        ("a.jsonl", '{"text": "NaN bread", bad}', "not JSON .JSON is malformed"),
        ("a.jsonl", '[\n{"a": 1}\n]', r"a list is a file ending in \.json"),
        ("a.csv", 'a,b\n1,"say \\"no\\""\n2,\\N\n', "IFNULL"),
        ("a.xls", b"\xd0\xcf\x11\xe0", r"a workbook as \.xlsx"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.jsonl", '{"a": 1}\n{"a": ' + "[" * 9_999 + "]" * 9_999 + "}", "line 2 is nested too deeply"),
        ("a.json", '{"a": [{"x": 1}], "b": [{"y": 1}]}', "holds a dict, with lists under 'a', 'b'"),
        ("a.json", '[{"a": NaN}]', "holds NaN, which is no JSON"),
        ("a.jsonl", '{"a": 1}\n{"a": -Infinity}\n', "line 2: not JSON .-Infinity is none: write null"),
        ("a.json", '{"Transcript": ["x"]}', "conversation of another shape"),
        ("a.json", '{"transcripts": [{"phrases": [1]}]}', "conversation of another shape"),
        ("a.srt", "hello", "has no cue, which begins as 00:00:01.000"),
        (
            "a.json",
            '[{"a": "x"}, {"b": ["x\\ud800"]}]',
            r"row 2 holds half of a surrogate pair \('\\ud800'\)",
        ),
        ("a.jsonl", '{"a": "x\\ud800"}', "line 1: not JSON"),
        ("a.txt", b"Caf\x81", r"line 1: .*not Windows-1252"),
        ("a.csv", "a;b\n1;2\n".encode("utf-16-le"), "UTF-16 without a byte order mark"),
        ("a.csv", "a;b\n1;2\n".encode("utf-16-be"), "Save the file as UTF-8"),
        ("a.parquet", "PAR1 not really", "cannot be read as Parquet"),
        ("a.xlsx", "PK not really", "cannot be read as an Excel workbook"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 9999, mtime=0)[:50], "cannot be read"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 9999, mtime=0)[:30] + b"\xff" * 30, "cannot be read"),
        ("a.docx", "x", r"ends in '.docx'; a source is one of \.csv"),
    ],
)
def test_a_broken_file_says_where(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        read_source(write(tmp_path / name, content))
    assert name in str(caught.value)


def test_a_row_is_at_most_a_block(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b"a,b\n" + b"x" * (33 << 20) + b",2\n")
    with pytest.raises(SourceError, match=r"larger than 16 MB, or a quote is never closed\. Close the quote"):
        read_source(path)


def test_an_odd_quote_in_a_cell_is_no_open_quote(tmp_path: Path) -> None:
    table = read_source(write(tmp_path / "pipes.csv", 'size,n\n5" pipe,1\n6 inch,2\n'))
    assert table["size"].to_list() == ['5" pipe', "6 inch"]


@pytest.mark.parametrize(
    ("content", "cells"),
    [
        ('id,t\n1,"<a \\"b\\">c, d</a>"\n2,e\n', ['<a "b">c, d</a>', "e"]),
        ('id;t\n1;"\\"b;\nc\\" \\\\"\n2;"d ""e"""\n', ['"b;\nc" \\', 'd "e"']),
        ('id,t\n1,"C:\\new\\"\n2,"d ""e"""\n', ["C:\\new\\", 'd "e"']),
    ],
)
def test_quotes_are_read_as_they_were_escaped(tmp_path: Path, content: str, cells: list[str]) -> None:
    path = write(tmp_path / "calls.csv", content)
    assert read_source(path)["t"].to_list() == cells
    assert [part["t"].to_list()[0] for part in read_source(path, chunk_rows=1)] == cells


@pytest.mark.parametrize(
    "cell",
    ['"a" b', '"" b', '""x', '"a \\"b\\" C:\\new"', '"a \\"b\\" \\\\n"', '"a \\"b\\"\n\\N"', '"\\"a" b'],
)
@pytest.mark.parametrize("before", ["", "x,1\n" * 20_000])
def test_a_cell_is_never_silently_damaged(tmp_path: Path, cell: str, before: str) -> None:
    path = write(tmp_path / "calls.csv", f"t,n\n{before}{cell},2\n")
    row = 2 + before.count("\n")
    with pytest.raises(SourceError, match=f"row {row:,} has a cell with text after its closing quote"):
        read_source(path)


def test_a_backslash_before_a_quote_may_be_unclear(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.csv", 'n,t\n1,"\\"\n,\\\\"\n')
    with pytest.raises(SourceError, match="row 2 has a backslash before a quote, which may escape it or end"):
        read_source(path)


@given(st.lists(st.text('a,"\\n \n', max_size=9), min_size=1, max_size=9))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_spark_wrote_is_read_or_refused(tmp_path: Path, cells: list[str]) -> None:
    # Spark escapes quotes, and backslashes before them.
    quoted = (re.sub(r'(\\*)("|$)', lambda m: m[1] * 2 + m[2].replace('"', '\\"'), cell) for cell in cells)
    path = write(tmp_path / "spark.csv", "n,t\n" + "".join(f'1,"{cell}"\n' for cell in quoted))
    if any('"' in cell for cell in cells):
        try:
            assert read_source(path)["t"].to_list() == cells
        except SourceError as error:
            assert re.search("closing quote|before a quote|never closed|where the header", str(error))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_line_excel_names_its_delimiter_in_is_no_row(tmp_path: Path, mark: bytes) -> None:
    table = read_source(write(tmp_path / "calls.csv", mark + b"sep=;\r\nid;t\r\n007;a,b\r\n"))
    assert table.to_dict("list") == {"id": ["007"], "t": ["a,b"]}


@pytest.mark.parametrize(
    ("content", "said", "skip"),
    [
        (
            "Report\n\nid,t,n\n1,a,2\n2,b,3\n",
            r"has 3 cells where the header, row 1, has 1\. Pass skip",
            2,
        ),
        ("Report\n\nid;t;n\n1;a;2\n2;b;3\n", r"where the header, row 1, has 1\. Pass skip_rows=", 2),
        ("Report,,\nid,t,n\n1,a,2\n2,b,3\n", r"row 1 names one column of 3\. .* pass skip_rows=1", 1),
        ("Report,\nid,t\n1,a\n", r"row 1 names one column of 2\.", 0),
        ("id,t,n\n1,a,2\nTotal rows: 1\n", r"row 3 has 1 cells .* such as a total below", 0),
    ],
)
def test_titles_and_totals_are_said(tmp_path: Path, content: str, said: str, skip: int) -> None:
    path = write(tmp_path / "report.csv", content)
    with pytest.raises(SourceError, match=said):
        read_source(path)
    if skip:
        for table in (
            read_source(path, skip_rows=skip),
            next(read_source(path, skip_rows=skip, chunk_rows=9)),
        ):
            assert table.to_dict("list") == {"id": [1, 2], "t": ["a", "b"], "n": [2, 3]}


def test_options_that_a_source_does_not_take_are_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"a": 1}')
    with pytest.raises(InputError, match=r"skip_rows= is for \.csv, .*not for a\.jsonl"):
        read_source(path, skip_rows=1)
    with pytest.raises(InputError, match=r"sheet= is for \.xlsx"):
        read_source(tmp_path, sheet="x")
    with pytest.raises(InputError, match="skip_rows is -1"):
        read_source(path, skip_rows=-1)


def test_columns_cost_what_they_are(tmp_path: Path) -> None:
    def seconds(columns: int) -> float:
        names, cells = (",".join(map(text.format, range(columns))) for text in ("c{}", "1"))
        path = write(tmp_path / "wide.csv", f"{names}\n{cells}\n")
        begun = time.process_time()
        assert read_source(path).shape == (1, columns)
        return time.process_time() - begun

    once, eightfold = (min(seconds(columns) for _ in range(3)) for columns in (500, 4_000))
    assert eightfold < 25 * once, "linear is 8, quadratic 64"


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file or folder"):
        read_source(tmp_path / "absent.csv")
    for wrong in (None, 5, [], {}):
        with pytest.raises(InputError, match="no file or folder"):
            read_source(wrong)
    with pytest.raises(InputError, match="chunk_rows is 0"):
        read_source(tmp_path / "absent.csv", chunk_rows=0)
    with pytest.raises(SourceError, match="holds no file"):
        read_source(tmp_path)


def test_cells_of_json_keep_their_types(tmp_path: Path) -> None:
    rows = [
        {"id": "007", "n": 1, "x": 1, "ok": True, "tags": ["a"], "mixed": 1, "big": 2**60},
        {"id": "008", "n": None, "x": 2.5, "ok": False, "mixed": "01", "late": "y", "big": 1},
    ]
    path = write(tmp_path / "calls.jsonl", "\n".join(json.dumps(row) for row in rows))
    table = read_source(path)
    assert table.dtypes.astype(str).to_dict() == {
        "id": "string", "n": "Int64", "x": "Float64", "ok": "boolean", "tags": "object", "mixed": "object",
        "big": "Int64", "late": "string",
    }  # fmt: skip
    assert table["mixed"].to_list() == [1, "01"]
    assert table["big"].to_list() == [2**60, 1]
    assert table["tags"].to_list()[0] == ["a"]
    pd.testing.assert_frame_equal(read_source(write(tmp_path / "calls.json", json.dumps(rows))), table)
    pd.testing.assert_frame_equal(read_source(write(tmp_path / "lines.json", path.read_bytes())), table)


def test_line_separators_inside_json_do_not_part_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.jsonl", '{"a": "x\u2028y\u0085z"}\n{"a": "w"}\n')
    assert read_source(path)["a"].to_list() == ["x\u2028y\u0085z", "w"]


def test_parquet_keeps_types_and_zeros(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["007", None], "n": pd.array([1, None], dtype="Int64")}, index=[5, 6])
    frame.to_parquet(tmp_path / "calls.parquet")
    coded = pa.table({"queue": pa.array(["a", "a"]).dictionary_encode()})
    pq.write_table(coded, tmp_path / "coded.parquet")
    table = read_source(tmp_path / "calls.parquet")
    assert table.columns.to_list() == ["id", "n"]
    assert table["n"].dtype == "Int64" and table["id"].to_list()[0] == "007"
    assert read_source(tmp_path / "coded.parquet")["queue"].dtype == "string"


def test_parts_of_spark_tell_their_partitions(tmp_path: Path) -> None:
    for day, queue, ids in (
        ("2026-11-01", "a%20b", [1, 2]),
        ("2026-11-02", "__HIVE_DEFAULT_PARTITION__", [3]),
    ):
        folder = tmp_path / f"day={day}" / f"queue={queue}"
        folder.mkdir(parents=True)
        pd.DataFrame({"id": ids}).to_parquet(folder / "part-0000.snappy.parquet")
    write(tmp_path / "_SUCCESS", "")
    write(tmp_path / "day=2026-11-01" / ".part-0000.crc", "")
    table = read_source(tmp_path)
    assert table.dtypes.astype(str).to_dict() == {"id": "Int64", "day": "string", "queue": "string"}
    assert table["day"].to_list() == ["2026-11-01"] * 2 + ["2026-11-02"]
    assert table["queue"].to_list() == ["a b", "a b", pd.NA]
    assert [len(part) for part in read_source(tmp_path, chunk_rows=1)] == [1, 1, 1]


def test_excel_text_stays_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["007", "008"], "n": [1, 2], "x": [1.5, 2], "text": ["a", None]})
    frame.to_excel(tmp_path / "calls.xlsx", index=False)
    table = read_source(tmp_path / "calls.xlsx")
    assert table["id"].to_list() == ["007", "008"]
    assert table.dtypes.astype(str).to_list() == ["string", "Int64", "Float64", "string"]
    assert table["text"].isna().to_list() == [False, True]


def test_sheets_are_named_and_chosen(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    second = book.create_sheet("Second")
    for sheet, rows in (
        (book.active, (["a"], [1])),
        (second, (["Report"], [], ["id", "t", "n"], ["7", "x", 2])),
    ):
        for row in rows:
            sheet.append(row)
    book.save(tmp_path / "calls.xlsx")
    with pytest.warns(UserWarning, match=r"its first sheet is read; sheet= names another: 'Second'"):
        assert read_source(tmp_path / "calls.xlsx").to_dict("list") == {"a": [1]}
    table = read_source(tmp_path / "calls.xlsx", sheet="Second", skip_rows=2)
    assert table.to_dict("list") == {"id": ["7"], "t": ["x"], "n": [2]}
    with pytest.raises(SourceError, match=r"row 1 names one column of 3"):
        read_source(tmp_path / "calls.xlsx", sheet="Second")
    with pytest.raises(SourceError, match="has no sheet 'Third'; it has 'Sheet', 'Second'"):
        read_source(tmp_path / "calls.xlsx", sheet="Third")


def test_a_list_within_an_object_is_read_and_said(tmp_path: Path) -> None:
    for text in ('{"count": 2, "data": [{"a": 1}, {"a": 2}]}', '{"count": 2,\n"data": [{"a": 1}, {"a": 2}]}'):
        with pytest.warns(UserWarning, match="its 'data' is read, a list of 2 objects, and 'count' is not"):
            assert read_source(write(tmp_path / "page.json", text))["a"].to_list() == [1, 2]


def test_decimals_are_numbers_digit_by_digit(tmp_path: Path) -> None:
    columns = {"id": ("98765432109876543210", 20, 0), "price": ("19.90", 9, 2), "limit": ("64", 9, 0)}
    table = {
        name: pa.array([Decimal(digits)], pa.decimal128(precision, scale))
        for name, (digits, precision, scale) in columns.items()
    }
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    records = build_records(
        read_source(tmp_path / "a.parquet"),
        "amazon.nova-lite-v1:0",
        prompt="{price}",
        record_id="id",
        overrides={"max_tokens": "limit"},
    )
    assert records["record_id"].to_list() == ["98765432109876543210"]
    assert read_prompt(records["model_input"].iloc[0]) == "19.90"
    assert b'"maxTokens":64' in input_line("1", records["model_input"].iloc[0])


def test_formulas_need_a_stored_result(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["a", "b"], ["=1+1", "=A2"], ["=A2&B2", None]):
        book.active.append(row)
    book.save(tmp_path / "calls.xlsx")
    with pytest.raises(SourceError, match=r"3 formulas without a stored result \(cell A2, B2, A3\)"):
        read_source(tmp_path / "calls.xlsx")


SPOKEN = [("spk_0", "I've", 4.87), ("spk_0", "been", 5.02), ("spk_0", ".", None), ("spk_1", "Sorry", 8.49),
          ("spk_1", ",", None), ("spk_1", "Dave", 8.9), ("spk_1", ".", None)]  # fmt: skip


def transcript(labelled: str) -> dict:
    """As Amazon Transcribe writes it (its documentation's example, shortened)."""
    items, segments = [], []
    for speaker, word, start in SPOKEN:
        item: dict = {"alternatives": [{"confidence": "0.9", "content": word}], "type": "punctuation"}
        if start is not None:
            item |= {"type": "pronunciation", "start_time": str(start), "end_time": str(start + 0.1)}
            segments.append(
                {"start_time": str(start), "speaker_label": speaker, "end_time": str(start + 0.1)}
            )
        if labelled == "items":
            item["speaker_label"] = speaker
        items.append(item)
    results: dict = {"transcripts": [{"transcript": "I've been. Sorry, Dave."}], "items": items}
    if labelled == "segments":
        results["speaker_labels"] = {"segments": [{"items": segments[:2]}, {"items": segments[2:]}]}
    if labelled == "channels":
        results["channel_labels"] = {
            "channels": [
                {"channel_label": "ch_1", "items": items[3:]},
                {"channel_label": "ch_0", "items": items[:3]},
            ]
        }
    return {"jobName": "call-1", "accountId": "111122223333", "results": results, "status": "COMPLETED"}


@pytest.mark.parametrize(
    ("labelled", "text"),
    [
        ("items", "spk_0: I've been.\nspk_1: Sorry, Dave."),
        ("segments", "spk_0: I've been.\nspk_1: Sorry, Dave."),
        ("channels", "ch_0: I've been.\nch_1: Sorry, Dave."),
        ("", "I've been. Sorry, Dave."),
    ],
)
def test_transcripts_have_a_line_a_turn(tmp_path: Path, labelled: str, text: str) -> None:
    write(tmp_path / "b.json", json.dumps(transcript(labelled)))
    write(tmp_path / "a.json", json.dumps(transcript("")))
    table = read_source(tmp_path)
    assert table.columns.to_list() == ["file", "job_name", "text"]
    assert table["file"].to_list() == ["a.json", "b.json"]
    assert table["text"].to_list()[1] == text
    assert read_source(tmp_path / "b.json")["text"].to_list() == [text]


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ({"transcripts": ["x"]}, r"\$\.results\.transcripts\[0\]"),
        ({"transcripts": [], "items": [None]}, r"\$\.results\.items\[0\]"),
        ({"transcripts": [], "channel_labels": {"channels": [{"items": [{"start_time": "x"}]}]}}, "'x'"),
        ({"transcripts": [], "speaker_labels": []}, r"\$\.results\.speaker_labels"),
    ],
)
def test_a_transcript_of_another_shape_says_where(tmp_path: Path, results: dict, said: str) -> None:
    write(tmp_path / "a.json", json.dumps({"results": results}))
    for place in (tmp_path, tmp_path / "a.json"):
        with pytest.raises(SourceError, match=rf"a\.json is not as Amazon Transcribe writes it .*{said}"):
            read_source(place)


def call_analytics(number: int) -> dict:
    """As Call Analytics of Amazon Transcribe writes it, shortened; the address is in `conversations`."""
    said = [
        ("AGENT", "Thank you for calling,\nhow can I help?", 250, 2100, "NEUTRAL"),
        ("CUSTOMER", f"Order {number} never came.", 2400, 5000, "NEGATIVE"),
    ]
    turns = [
        {
            "ParticipantRole": who,
            "Content": text,
            "BeginOffsetMillis": begin,
            "EndOffsetMillis": end,
            "Id": "x",
            "Sentiment": felt,
            "LoudnessScores": [79.2, None],
            "Items": [],
            "IssuesDetected": [],
        }
        for who, text, begin, end, felt in said
    ]
    overall = {"OverallSentiment": {"AGENT": 0, "CUSTOMER": -2.5}, "SentimentByPeriod": {}}
    return {
        "JobStatus": "COMPLETED",
        "LanguageCode": "en-US",
        "JobName": f"call-{number}",
        "Channel": "VOICE",
        "Participants": [{"ParticipantRole": "AGENT"}, {"ParticipantRole": "CUSTOMER"}],
        "Transcript": turns,
        "ConversationCharacteristics": {"TotalConversationDurationMillis": 6000, "Sentiment": overall},
    }


def test_call_analytics_by_date_becomes_a_table_and_a_batch(tmp_path: Path, standin: Standin) -> None:
    for number in range(100):
        folder = tmp_path / "calls" / "2026" / "11" / f"{1 + number % 20:02}"
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / f"call-{number}.json", json.dumps(call_analytics(number)))
    write(tmp_path / "calls" / "_SUCCESS", "")
    table = read_source(tmp_path / "calls")
    row = table.set_index("job_name").loc["call-21"].to_dict()
    assert row == {
        "file": "2026/11/02/call-21.json",
        "language": "en-US",
        "text": "AGENT: Thank you for calling, how can I help?\nCUSTOMER: Order 21 never came.",
        "duration_seconds": 6.0,
        "start_seconds": 0.25,
        "end_seconds": 5.0,
        "turn_seconds": [0.25, 2.4],
        "turn_sentiments": ["NEUTRAL", "NEGATIVE"],
        "sentiment_agent": 0.0,
        "sentiment_customer": -2.5,
    }
    parts = list(read_source(tmp_path / "calls", chunk_rows=30))
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), table)
    model = "amazon.nova-lite-v1:0"
    records = build_records(table, model, prompt="Summarize:\n\n{text}", record_id="job_name")
    run = Run.create(tmp_path / "run", model_id=model, source=table.set_index("job_name"))
    write_records(records, run)
    submit_jobs(run)
    wait_for_jobs(run, every=0.01, timeout=60)
    outputs = collect_outputs(run, source_columns=["sentiment_customer", "turn_seconds"])
    assert accounting(outputs).complete
    assert outputs["source.sentiment_customer"].to_list() == [-2.5] * 100
    assert "Order 21" in outputs.set_index("record_id").loc["call-21", "text"]


CHAT = {
    "Channel": "CHAT",
    "CustomerMetadata": {"ContactId": "c-9"},
    "Participants": [{"ParticipantId": "u1", "ParticipantRole": "CUSTOMER"}],
    "ConversationCharacteristics": {
        "Sentiment": {"OverallSentiment": {"DetailsByParticipantRole": {"CUSTOMER": 1}}}
    },
    "Transcript": [
        {"AbsoluteTime": "2026-10-27T03:31:50.000Z", "ParticipantId": "u1", "Type": "EVENT"},
        {
            "AbsoluteTime": "2026-10-27T03:31:53.000Z",
            "ParticipantId": "u1",
            "Content": "Hi",
            "Sentiment": "NEUTRAL",
        },
        {"AbsoluteTime": "2026-10-27T03:32:00.500Z", "ParticipantId": "u2", "Content": "Hello"},
    ],
}
UNDER_WAY = {
    "Segments": [
        {"Categories": {}},
        {
            "Transcript": {
                "ParticipantRole": "AGENT",
                "Content": "Hello.",
                "BeginOffsetMillis": 0,
                "EndOffsetMillis": 900,
                "Sentiment": "POSITIVE",
            }
        },
    ]
}
GENESYS = {
    "conversationId": "g-1",
    "transcripts": [
        {
            "language": "en-us",
            "analytics": {"sentiment": [{"phraseIndex": 1, "sentiment": -1.0}]},
            "phrases": [
                {
                    "text": "Good day",
                    "participantPurpose": "internal",
                    "startTimeMs": 1650000000000,
                    "duration": {"milliseconds": 1500},
                    "phraseIndex": 0,
                },
                {
                    "text": "It broke",
                    "participantPurpose": "external",
                    "startTimeMs": 1650000002000,
                    "duration": {"milliseconds": 500},
                    "phraseIndex": 1,
                },
            ],
        }
    ],
}
MEETING = """\ufeffWEBVTT - weekly

NOTE not said

1
00:00:01.000 --> 00:00:02.500 align:start
<v.loud Ann Bell>Hello <i>all</i>
I said: &amp; welcome

2
00:02.500 --> 00:03.000
<v Ann Bell>back.</v>
<v Bob>Thanks.</v>
"""
FILM = """1
00:00:01,000 --> 00:00:02,500
Ann: Hello

2
00:00:03,000 --> 01:00:04,000
all: at 10:30.
""".replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("name", "content", "known"),
    [
        (
            "chat.json",
            CHAT,
            {
                "text": "CUSTOMER: Hi\nu2: Hello",
                "contact_id": "c-9",
                "turn_seconds": [0.0, 7.5],
                "started_at": pd.Timestamp("2026-10-27T03:31:53"),
                "sentiment_customer": 1.0,
            },
        ),
        (
            "live.json",
            UNDER_WAY,
            {"text": "AGENT: Hello.", "turn_sentiments": ["POSITIVE"], "end_seconds": 0.9},
        ),
        (
            "g.json",
            GENESYS,
            {
                "text": "internal: Good day\nexternal: It broke",
                "conversation_id": "g-1",
                "duration_seconds": 2.5,
                "turn_sentiments": [None, -1.0],
                "turn_seconds": [0.0, 2.0],
                "started_at": pd.Timestamp("2022-04-15T05:20:00"),
                "language": "en-us",
            },
        ),
        (
            "m.vtt",
            MEETING,
            {
                "text": "Ann Bell: Hello all I said: & welcome back.\nBob: Thanks.",
                "turn_seconds": [1.0, 2.5],
                "start_seconds": 1.0,
                "end_seconds": 3.0,
                "duration_seconds": 2.0,
            },
        ),
        ("f.srt", FILM, {"text": "Ann: Hello\nall: at 10:30.", "end_seconds": 3604.0}),
        (
            "g.srt",
            FILM.replace("Ann: ", "").replace("all: ", ""),
            {"text": "Hello at 10:30.", "turn_seconds": [1.0]},
        ),
        (
            "teams.vtt",
            "WEBVTT\n\n0:0:13.540 --> 0:0:17.850\n<v Ann>Hi</v>\n\n"
            "00:00:20-->00:00:24,5\n[music]\n\nBob: yes",
            {
                "text": "Ann: Hi\nunknown: [music]\nBob: yes",
                "turn_seconds": [13.54, 20.0, 20.0],
                "duration_seconds": 10.96,
            },
        ),
        (
            "dense.srt",
            "1\n0:00:01 --> 0:00:02,46\n>> ANN: 1 < 2 and 3 > 2\n\n<i>still</i> [x]\n2\n0:00:03 --> 0:00:04\n"
            ">> BOB: no\n3\n0:00:05 --> 0:00:06\n>> 5",
            {
                "text": "ANN: 1 < 2 and 3 > 2 still [x]\nBOB: no\nunknown: >> 5",
                "turn_seconds": [1.0, 3.0, 5.0],
            },
        ),
        (
            "dense.vtt",
            "WEBVTT\n00:01.0 --> 00:02.0\n田中：はい\n00:03.0 --> 00:04.0\n佐藤: hi\n\nNOTE\nno\n\nintro\n"
            "00:05.0 --> 00:06.0\n- Ann: x",
            {"text": "田中: はい\n佐藤: hi\nAnn: x", "turn_seconds": [1.0, 3.0, 5.0]},
        ),
        (
            "rolling.vtt",
            "WEBVTT\n\n00:01.0 --> 00:02.0\n \na<00:01.5><c> b</c>\n\n00:02.0 --> 00:02.1\na b\n \n\n"
            "00:02.1 --> 00:03.0\na b\nc<00:02.5><c> d</c>",
            {"text": "a b c d"},
        ),
        (
            "transfer.json",
            {
                "Participants": [{"ParticipantId": key, "ParticipantRole": "AGENT"} for key in "ab"],
                "Transcript": [
                    {"Content": "x", "ParticipantId": "a", "AbsoluteTime": "2026-01-01T10:00:00"},
                    {"Content": "y", "ParticipantId": "b", "AbsoluteTime": "2026-01-01T11:00:05+01:00"},
                ],
            },
            {"text": "AGENT: x\nAGENT 2: y", "turn_seconds": [0.0, 5.0]},
        ),
        (
            "silent.json",
            {"conversationId": "g", "transcripts": [{"phrases": []}]},
            {"text": "", "conversation_id": "g"},
        ),
        ("none.json", {"conversationId": "g", "transcripts": []}, {"text": "", "conversation_id": "g"}),
        ("zipped.srt.gz", gzip.compress(FILM.encode(), mtime=0), {"text": "Ann: Hello\nall: at 10:30."}),
        ("quiet.json", {"Transcript": []}, {"text": "", "duration_seconds": None, "turn_seconds": []}),
        (
            "odd.json",
            {"Transcript": [{"Content": "x", "AbsoluteTime": "soon"}], "Participants": 5},
            {"text": "x", "turn_seconds": [None]},
        ),
    ],
)
def test_conversations_have_a_line_a_turn(tmp_path: Path, name: str, content: Any, known: dict) -> None:
    path = write(tmp_path / name, content if isinstance(content, str | bytes) else json.dumps(content))
    for place in (path, tmp_path):
        row = read_source(place).iloc[0].to_dict()
        told = {key: None if row[key] is pd.NA else row[key] for key in known}
        assert (told, row["file"]) == (known, name)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "a.srt",
            "1\n0:00:01 --> 0:00:02\nx\n\n2\n0:00:03,000s --> 0:00:04\ny",
            "line 6 is '0:00:03,000s -->",
        ),
        ("a.vtt", "WEBVTT\n\n --> 00:04.000\ny", "line 3 is '--> 00:04.000', not the times of a cue"),
        ("a.vtt", "<html>", "has no cue"),
        ("a.json", {"Transcript": [{"Content": ["x"], "ParticipantId": "a"}]}, "Content of a turn is a list"),
        ("a.json", {"JobStatus": "FAILED", "JobDetails": {}}, "its JobStatus is 'FAILED'"),
        ("a.json", {"Transcript": [{"text": "x"}]}, "no conversation that is read"),
        ("a.json", {"results": {"transcripts": [{"text": "x"}]}}, "no conversation that is read"),
    ],
)
def test_nothing_of_a_conversation_is_passed_over(tmp_path: Path, name: str, content: Any, said: str) -> None:
    write(tmp_path / name, content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(SourceError, match=re.escape(said)):
        read_source(tmp_path)


NAMES = """
Transcript Content Participants ParticipantId ConversationCharacteristics Sentiment OverallSentiment Segments
transcripts phrases analytics sentiment phraseIndex BeginOffsetMillis AbsoluteTime startTimeMs results
"""
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_is_read_or_refused(tmp_path: Path, document: Any) -> None:
    with warnings.catch_warnings(), suppress(SourceError):
        warnings.simplefilter("ignore")
        assert len(read_source(write(tmp_path / "a.json", json.dumps(document))))


def test_what_tells_about_a_folder_is_no_text_of_it(tmp_path: Path) -> None:
    for name in (
        "a.txt",
        "README.md",
        "readme.txt",
        "_SUCCESS",
        ".part.crc",
        "_temporary/b.txt",
        "in/b.txt",
        "license renewal call 17.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, name)
    with pytest.warns(UserWarning, match=r"is read without 'README\.md', 'readme\.txt'\."):
        assert read_source(tmp_path)["file"].to_list() == [
            "a.txt",
            "in/b.txt",
            "license renewal call 17.txt",
        ]


def test_conversations_stand_in_one_file_too(tmp_path: Path) -> None:
    told = [{"ContactId": who, "Transcript": [{"Content": "hi", "ParticipantId": who}]} for who in "ab"]
    for name, text in (
        ("calls.json", json.dumps(told)),
        ("calls.jsonl", "".join(json.dumps(one) + "\n" for one in told)),
    ):
        path = write(tmp_path / name, text)
        table = read_source(path)
        assert table[["contact_id", "text"]].to_numpy().tolist() == [["a", "a: hi"], ["b", "b: hi"]]
        assert table["file"].to_list() == [f"{name}:1", f"{name}:2"]
        assert next(read_source(path, chunk_rows=1)).equals(table.head(1))
    twins = write(tmp_path / "twins.json", json.dumps([told[0], told[1], told[0]]))
    with pytest.warns(UserWarning, match="More than one conversation is of contact 'a', such as"):
        assert len(read_source(twins)) == 3
    with pytest.raises(SourceError, match="row 2 is no conversation"):
        read_source(write(tmp_path / "odd.json", json.dumps([told[0], {"a": 1}])))


def test_one_object_may_be_a_row(tmp_path: Path) -> None:
    for row in ({"id": 1, "n": 2.5}, {"id": 1, "text": "x", "meta": {"a": 1}}, {"modelInput": {"a": [{}]}}):
        assert read_source(write(tmp_path / "a.json", json.dumps(row))).columns.to_list() == list(row)


def test_links_lead_somewhere_or_are_said(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "a.txt", "a")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match=r"no file or folder .*only a link that leads to none"):
        read_source(tmp_path / "loop")
    for name, target in (("up", ".."), ("self.txt", "self.txt")):
        (tmp_path / "in" / name).symlink_to(target)
        with pytest.raises(SourceError, match=f"{name} is a link to a folder or to nothing"):
            read_source(tmp_path / "in")
        (tmp_path / "in" / name).unlink()
    (tmp_path / "in" / "b.txt").symlink_to("a.txt")
    assert read_source(tmp_path / "in")["text"].to_list() == ["a", "a"]


def test_a_folder_of_texts_is_a_row_a_file(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt"):
        write(tmp_path / name, f"text of {name}\n")
    table = read_source(tmp_path)
    assert table.to_dict("list") == {
        "file": ["a.txt", "b.txt"],
        "text": ["text of a.txt\n", "text of b.txt\n"],
    }
    assert [len(part) for part in read_source(tmp_path, chunk_rows=1)] == [1, 1]
    write(tmp_path / "c.pdf", "x")
    with pytest.raises(SourceError, match=r"'\.pdf', '\.txt'"):
        read_source(tmp_path)


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=8) | st.integers().map(
    str
)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=30), st.integers(1, 7))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_chunks_are_the_whole_cut_up(tmp_path: Path, rows: list[tuple[str, str]], chunk: int) -> None:
    frame = pd.DataFrame(rows, columns=["a", "b"])
    frame.to_csv(tmp_path / "x.csv", index=False, quoting=1, lineterminator="\n")
    (tmp_path / "x.jsonl").write_text("".join(json.dumps({"a": a, "b": len(b)}) + "\n" for a, b in rows))
    for name in ("x.csv", "x.jsonl"):
        whole = read_source(tmp_path / name)
        parts = list(read_source(tmp_path / name, chunk_rows=chunk))
        assert [len(part) for part in parts[:-1]] == [chunk] * (len(parts) - 1)
        pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)
        assert [str(cell) for cell in whole["a"]] == frame["a"].to_list()


def test_s3_reads_as_local(tmp_path: Path, standin: Standin) -> None:
    place = f"{standin.env['BBKIT_S3_URI']}/sources"
    path = write(tmp_path / "calls.csv", "id,text\n007,hello\n")
    aws.upload_file(path, f"{place}/in/calls.csv")
    for name in ("b.txt", "a.txt"):
        aws.upload_file(write(tmp_path / name, name), f"{place}/notes/{name}")
    aws.upload_file(path, f"{place}/notes/_SUCCESS")
    aws.upload_file(write(tmp_path / "c.txt", "c"), f"{place}/nested/2026/11/c.txt")
    assert read_source(f"{place}/nested")["file"].to_list() == ["2026/11/c.txt"]
    pd.testing.assert_frame_equal(read_source(f"{place}/in/calls.csv"), read_source(path))
    assert read_source(f"{place}/notes")["text"].to_list() == ["a.txt", "b.txt"]
    assert next(read_source(f"{place}/notes/", chunk_rows=5))["file"].to_list() == ["a.txt", "b.txt"]
    with pytest.raises(InputError, match="no object"):
        read_source(f"{place}/absent")


def test_records_are_read_from_s3_line_by_line(tmp_path: Path, standin: Standin) -> None:
    place = f"{standin.env['BBKIT_S3_URI']}/records"
    content = b"".join(b'{"recordId":"%d","modelInput":{"x":"%s"}}\n' % (n, b"y" * 997) for n in range(3000))
    aws.upload_file(write(tmp_path / "r.jsonl", content), f"{place}/r.jsonl")
    assert b"".join(check_lines(RecordCheck("amazon.nova-lite-v1:0"), place)) == content
    assert list(iter_record_ids(f"{place}/r.jsonl")) == [str(n) for n in range(3000)]


def test_a_profile_says_what_a_prompt_would_be_filled_with() -> None:
    texts = {
        "English": "Hello, this is the bank, and I have a question for you about what it is.",
        "German": "Guten Tag, ich habe ein Problem mit der Rechnung, und das ist nicht gut.",
        "French": "Bonjour, je suis pas content et vous ne dites rien dans la lettre pour les clients.",
        "Spanish": "Hola, no se lo que es esta factura, y para una persona es por el contrato.",
        "Cyrillic": "Добрый день, у меня проблема со счётом",
        "Cjk": "我的账单有问题",
    }
    rows = pd.DataFrame(
        {
            "id": pd.array([f"{n:03}" for n in range(14)], dtype="string"),
            "text": pd.array([*texts.values()] * 2 + [None, ""], dtype="string"),
            "n": range(14),
            "list": [[1], [1, 2]] * 7,
        }
    )
    table = profile_source(rows).set_index("column")
    assert table.loc["(whole rows)", ["filled", "nulls", "repeated"]].to_list() == [14, 1, 0]
    known = ["type", "filled", "nulls", "repeated", "shortest", "longest"]
    assert table.loc["text", known].to_list() == ["string", 13, 1, 6, 0, 83]
    assert table.loc["list", ["repeated", "median"]].to_list() == [12, 6]
    shares = dict(part.rsplit(" ", 2)[:2] for part in table.loc["text", "languages"].split(", "))
    assert set(shares.values()) == {"15"}
    for language, text in texts.items():
        one = profile_source(pd.DataFrame({"t": [text]}))["languages"].iloc[-1]
        assert one == f"{language} 100 %"
    empty = profile_source(rows.head(0))
    pd.testing.assert_series_equal(empty.dtypes, table.reset_index().dtypes)
    assert empty["longest"].isna().all()
    with pytest.raises(InputError, match="Pass what read_source returned"):
        profile_source([1])


def test_keys_that_can_be_no_path_are_read_under_their_own_names(
    standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [key.replace(".jsonl.out", ".txt") for key in KEYS + PLAIN_KEYS if not re.search(r"(^|/)\.", key)]
    with serving({f"calls/{key}": key.encode() for key in keys}) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        read = read_source("s3://bucket/calls/")
    assert sorted(read["file"]) == sorted(keys)
    assert read["text"].tolist() == read["file"].tolist()


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz", "a.json.gz", "a.txt.gz"])
def test_what_unpacks_to_more_than_memory_holds_is_refused_or_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(files, "_MOST_UNPACKED", 3 << 20)
    row = '{"a":1}'
    text = {
        "a.csv.gz": "a\n" + "1\n" * 20_000,
        "a.jsonl.gz": f"{row}\n" * 20_000,
        "a.json.gz": f"[{','.join([row] * 20_000)}]",
        "a.txt.gz": "a" * 4_000_000,
    }[name]
    with gzip.open(tmp_path / name, "wt") as file:
        file.write(text)
    with pytest.raises(SourceError, match=rf"{name} unpacks to more than .* that are read whole"):
        read_source(tmp_path / name)
    if name in ("a.csv.gz", "a.jsonl.gz"):
        assert sum(map(len, read_source(tmp_path / name, chunk_rows=7_000))) == 20_000


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize("chunk_rows", [None, 5])
def test_a_line_over_the_bound_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, chunk_rows: int | None
) -> None:
    monkeypatch.setattr(formats, "_MOST_LINE", 70_000)
    monkeypatch.setattr(delimited, "_BLOCK", 70_000)
    long = "x" * 80_000
    text = f"a,b\n1,2\n1,{long}\n" if ".csv" in name else f'{{"a":1}}\n{{"a":"{long}"}}\n'
    with gzip.open(tmp_path / name, "wt") if name.endswith(".gz") else (tmp_path / name).open("w") as file:
        file.write(text)
    with pytest.raises(SourceError, match=r"row is larger than|line 2 has over"):
        list(read_source(tmp_path / name, chunk_rows=chunk_rows))  # type: ignore[call-overload]


def test_a_workbook_is_as_large_as_its_cells_and_refused_beyond_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = openpyxl.Workbook()
    for values in (["a", "b"], [1, 2], [3], ["x", *[None] * 8, "beyond the header"]):
        book.active.append(values)
    book.save(tmp_path / "plain.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "plain.xlsx") as plain,
        zipfile.ZipFile(tmp_path / "wide.xlsx", "w", zipfile.ZIP_DEFLATED) as wide,
    ):
        for member in plain.namelist():
            content = plain.read(member).replace(b'"A1:J4"', b'"A1:XFD1048576"')
            wide.writestr(member, content)
    table = read_source(tmp_path / "wide.xlsx")
    pd.testing.assert_frame_equal(table, read_source(tmp_path / "plain.xlsx"))
    assert table.columns.tolist() == ["a", "b", *(f"unnamed_{n}" for n in range(3, 11))]
    assert table["b"].tolist() == [2, pd.NA, pd.NA]
    monkeypatch.setattr(formats, "_MOST_CELLS", 30)
    with pytest.raises(SourceError, match=r"4 rows, one of 10 cells\. Save the sheet as CSV"):
        read_source(tmp_path / "wide.xlsx")
    monkeypatch.setattr(formats, "_MOST_ROWS", 3)
    with pytest.raises(SourceError, match="a sheet of over 3 rows"):
        read_source(tmp_path / "wide.xlsx")
    monkeypatch.setattr(formats, "_MOST_CELLS", 5)
    with pytest.raises(SourceError, match="a sheet of over 5 cells"):
        read_source(tmp_path / "wide.xlsx")
    monkeypatch.setattr(formats, "_MOST_UNPACKED", 2_000)
    with pytest.raises(SourceError, match="and a workbook is read whole"):
        read_source(tmp_path / "wide.xlsx")
