"""Numbers out of a notebook's results, and the gate on them."""

import json
from pathlib import Path

import pytest
from report_notebooks import bundle, code, display, stream, write

from bbkit.core.errors import InputError
from bbkit.report import export_notebook


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    first = display(plain="a", bundle=bundle(sent=120, errored=2, cost_usd=None))
    second = display(plain="b", bundle=bundle(sent=120, missing=1))
    return write(
        tmp_path / "n.ipynb", code("a", outputs=(first,), count=1), code("b", outputs=(second,), count=2)
    )


@pytest.mark.parametrize(
    ("condition", "is_met"),
    [
        (("errored", "gt", "0"), True),
        (("errored", "gt", 2), False),
        (("errored", "ge", 2), True),
        (("missing", "lt", 1), False),
        (("missing", "le", 1), True),
        (("sent", "eq", 120), True),
        (("sent", "ne", 120), False),
        (("cost_usd", "gt", 1000), True),
    ],
)
def test_a_condition_reads_the_numbers(notebook: Path, condition: tuple, is_met: bool) -> None:
    report = export_notebook(notebook, notebook.with_name("out.html"), fail_on=[condition])
    assert report.numbers == {"sent": 120, "errored": 2, "cost_usd": None, "missing": 1}
    assert bool(report.failed_on) is is_met
    if is_met:
        assert condition[0] in report.path.read_text(encoding="utf-8").partition("</header>")[0]


def test_warnings_stand_above_everything(notebook: Path, tmp_path: Path) -> None:
    gate = [("warnings", "gt", 0)]
    assert not export_notebook(notebook, tmp_path / "quiet.html", fail_on=gate).failed_on
    said = "/tmp/ipykernel_1/2.py:3: UserWarning: All 3 records <ask> the same.\n  bb.build_records()\n"
    other = "/a b/pandas/core.py:9: FutureWarning: later\n  x\n"
    log = code("x", outputs=(stream(said + other, "stderr"),), count=1)
    report = export_notebook(write(tmp_path / "w.ipynb", log), tmp_path / "w.html", fail_on=gate)
    assert report.failed_on
    assert report.warnings == ("All 3 records <ask> the same.",)
    assert "All 3 records &lt;ask&gt; the same." in report.path.read_text("utf-8").partition("</header>")[0]
    assert json.loads(report.json_path.read_text("utf-8"))["results"][-1]["rows"] == [
        {"finding": "All 3 records <ask> the same."}
    ]


def test_every_value_of_a_name_is_compared(tmp_path: Path) -> None:
    cells = [
        code("x", outputs=(display(plain="", bundle=bundle(errored=number)),), count=1) for number in (3, 0)
    ]
    notebook = write(tmp_path / "n.ipynb", *cells)
    assert export_notebook(notebook, tmp_path / "o.html", fail_on=[("errored", "gt", 0)]).failed_on


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (("errored", ">", 0), "no operator '>'"),
        (("errored", "gt", "__import__('os')"), "not a number"),
        (("errored", "gt"), "NAME OPERATOR NUMBER"),
    ],
)
def test_a_condition_that_cannot_be_read_stops_before_anything_is_written(
    notebook: Path, condition: tuple, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        export_notebook(notebook, notebook.with_name("out.html"), fail_on=[condition])
    assert not notebook.with_name("out.html").exists()


def test_a_number_the_report_does_not_have_is_an_error_with_a_guess(notebook: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'errored'"):
        export_notebook(notebook, notebook.with_name("out.html"), fail_on=[("erored", "gt", 0)])
    assert notebook.with_name("out.html").exists()
