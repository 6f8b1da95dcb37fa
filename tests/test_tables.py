"""Small tables as text and as HTML: everything is there, nothing is cut, what matters comes first."""

import re

import pandas as pd
from hypothesis import given, strategies as st

from bbkit.core.findings import Finding, findings
from bbkit.core.frames import COUNT, JOB_COLUMNS, NUMBER, TEXT, as_frame

ARN = "arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/abcdefghijkl"
WORDS = st.lists(st.text("abcdefgh-.", min_size=1, max_size=30), max_size=40).map(" ".join)


@given(st.lists(st.tuples(WORDS, WORDS, st.integers(0, 10**9)), min_size=1, max_size=5))
def test_a_table_in_a_terminal_is_narrow_and_whole(rows: list[tuple[str, str, int]]) -> None:
    columns = {"name": TEXT, "message": TEXT, "count": COUNT}
    printed = str(as_frame((dict(zip(columns, row, strict=True)) for row in rows), columns))
    assert max(map(len, printed.splitlines())) <= 100
    flat = " ".join(printed.split())
    for name, message, count in rows:
        assert all(text in flat for text in (name, message, f"{count:,}"))


def test_jobs_begin_with_name_status_and_counts_and_keep_the_arn_whole() -> None:
    row = {"job_name": "calls-0123abcd-1-0001-1", "status": "Failed", "records": 1200, "job_arn": ARN}
    row |= {"message": "No access to the bucket. " * 9, "submitted_at": pd.Timestamp("2026-11-29", tz="UTC")}
    jobs = as_frame([row], JOB_COLUMNS)
    printed = str(jobs).splitlines()
    assert printed[0].split()[:3] == ["job_name", "status", "records"]
    assert printed[1].split()[:3] == ["calls-0123abcd-1-0001-1", "Failed", "1,200"]
    assert ARN in str(jobs)
    assert "ended_at" not in str(jobs), "what is not known for any job takes no room"
    shown = jobs._repr_html_()
    assert re.search(r'text-align: start">No access', shown) and "<td>1,200</td>" in shown


def test_a_table_without_rows_is_a_sentence_and_a_hash_is_short() -> None:
    columns = {"sha256": TEXT, "cost_usd": NUMBER}
    assert str(as_frame([], columns, "Nothing to submit.")) == "Nothing to submit."
    assert "<table" not in as_frame([], columns)._repr_html_()
    shown = str(as_frame([{"sha256": "0123456789ab" * 5 + "cdef", "cost_usd": 0.00062}], columns))
    assert "0123456789ab… " in shown and "$0.00062" in shown
    assert "and 40 more" in str(as_frame([{"sha256": "x"}] * 100, columns))


@given(WORDS, WORDS)
def test_findings_are_printed_whole(said: str, cure: str) -> None:
    printed = str(findings([Finding("error", "rule", said, cure), Finding("info", "rule", "Noted.")]))
    assert printed.startswith("1 error, 1 note\n")
    assert max(map(len, printed.splitlines())) <= 100
    assert " ".join(f"error: {said} {cure}".split()) in " ".join(printed.split())
