"""The parameters cell as a signature: names, types, defaults and help, strictly."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from papermill import PapermillExecutionError, execute_notebook
from report_notebooks import PARAMETERS, code, markdown, write

from bbkit.core.errors import BbkitError, InputError
from bbkit.core.files import find_shared
from bbkit.core.parameters import check_parameters
from bbkit.core.text import split_names
from bbkit.report import Parameter, read_parameters, render_report


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return write(tmp_path / "n.ipynb", markdown("# A"), code(PARAMETERS, "parameters"))


def test_the_cell_is_read_without_running_it(notebook: Path) -> None:
    known = read_parameters(notebook)
    assert list(known) == ["run_folder", "account_id", "limit", "share", "strict", "by", "tags", "uri"]
    assert known["account_id"] == Parameter("account_id", "str", "012345678901", "twelve digits")
    assert known["uri"].default == "s3://bucket/key#fragment"
    assert known["uri"].help == "a hash inside the text"
    assert known["by"].type == "str | None"
    assert known["share"].help == ""


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("account_id", "012345678901", "012345678901"),
        ("run_folder", Path("runs/x"), "runs/x"),
        ("limit", "25", 25),
        ("limit", 25, 25),
        ("share", "1e-3", 0.001),
        ("share", 1, 1.0),
        ("strict", "true", True),
        ("strict", "no", False),
        ("by", "None", None),
        ("by", None, None),
        ("by", "queue", "queue"),
        ("tags", '["x"]', ["x"]),
    ],
)
def test_text_becomes_what_the_type_says(notebook: Path, name: str, value: Any, expected: Any) -> None:
    converted = read_parameters(notebook)[name].convert(value)
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("limit", "012345678901", "leading zero"),
        ("limit", "1.5", "a whole number"),
        ("limit", True, "a whole number"),
        ("share", "nan", "a number"),
        ("strict", "maybe", "true or false"),
        ("account_id", 12345678901, "write it as text"),
        ("tags", "x", "a JSON list"),
    ],
)
def test_a_value_of_another_type_is_refused(notebook: Path, name: str, value: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_parameters(notebook)[name].convert(value)
    assert repr(name) in str(caught.value)


def test_a_literal_type_takes_its_values_only() -> None:
    parameter = Parameter("size", 'Literal["small", "large", 3]', "small", "")
    assert parameter.convert("large") == "large"
    assert parameter.convert("3") == 3
    with pytest.raises(InputError, match="'small' or 'large' or 3"):
        parameter.convert("huge")


@pytest.mark.parametrize(
    ("name", "guess"), [("acount_id", "account_id"), ("runfolder", "run_folder"), ("LIMIT", "limit")]
)
def test_an_unknown_name_is_refused_with_a_guess_and_nothing_is_written(
    notebook: Path, name: str, guess: str
) -> None:
    before = sorted(notebook.parent.iterdir())
    with pytest.raises(InputError, match=f"Did you mean {guess!r}"):
        render_report(notebook, notebook.parent / "out.html", parameters={name: "x"})
    assert sorted(notebook.parent.iterdir()) == before


def test_a_computed_name_cannot_be_set(notebook: Path) -> None:
    with pytest.raises(BbkitError, match="has no parameter 'made_of'"):
        render_report(notebook, notebook.parent / "out.html", parameters={"made_of": "x"})


def test_a_notebook_without_the_cell_takes_nothing(tmp_path: Path) -> None:
    notebook = write(tmp_path / "n.ipynb", code("x = 1"))
    assert read_parameters(notebook) == {}
    with pytest.raises(InputError, match="takes no parameters"):
        render_report(notebook, tmp_path / "out.html", parameters={"x": 1})


@pytest.mark.parametrize("content", ["", "[]", '{"nbformat": 3}', "\x00"])
def test_a_file_that_is_no_notebook_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text(content)
    with pytest.raises(InputError, match=r"n\.ipynb' is not a notebook"):
        read_parameters(path)
    with pytest.raises(InputError, match=r"No run is at .*absent\.ipynb', nor a notebook\."):
        read_parameters(tmp_path / "absent.ipynb")


def test_a_bare_name_is_a_notebook_here_or_one_that_comes_with_bbkit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "run_folder" in read_parameters("03-explore")
    assert read_parameters("03-explore.ipynb") == read_parameters("03-explore")
    with pytest.raises(InputError, match=r"'03-explode'.*'01-prepare', '02-launch', '03-explore'"):
        read_parameters("03-explode")
    write(tmp_path / "03-explore.ipynb", code("x = 1"), papermill={})
    assert "run_folder" in read_parameters("03-explore"), "what an earlier report left here is no beginning"
    (tmp_path / "notebooks").mkdir()
    write(tmp_path / "notebooks" / "03-explore.ipynb", code("x = 1"))
    assert read_parameters("03-explore") == {}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("limit", 3.5, "'limit' takes a whole number, not 3.5"),
        ("texts", ["a", "b"], "'texts' takes text, not ['a', 'b']"),
        ("strict", "maybe", "'strict' takes true or false, not 'maybe'"),
        ("strict", "false", None),
        ("limit", "7", None),
    ],
)
def test_what_bare_papermill_was_given_is_held_to_the_cell(name: str, value: Any, said: str | None) -> None:
    cell = 'texts: str = ""\nlimit: int = 3\nstrict: bool = False\nframe: DataFrame = None'
    names = {"In": ["", "limit: float = 1.0", "%not python", cell, "1"], "limit": 3, "frame": object()}
    names[name] = value
    if said:
        with pytest.raises(InputError, match=re.escape(said)):
            check_parameters(names)
    else:
        check_parameters(names)
        assert names[name] in (False, 7)
        assert type(names[name]) in (bool, int)


def test_a_packaged_notebook_ends_in_its_first_cell_on_a_value_of_another_type(tmp_path: Path) -> None:
    with pytest.raises(PapermillExecutionError, match=r"'texts' takes text, not \['a', 'b'\]") as stopped:
        execute_notebook(
            str(find_shared("notebooks") / "03-explore.ipynb"),
            None,
            parameters={"texts": ["a", "b"]},
            kernel_name="python3",
            progress_bar=False,
        )
    assert "check_parameters" in stopped.value.source


names = st.lists(st.text("ab -", min_size=1).map(str.strip).filter(bool), min_size=1, unique=True)


@given(names, st.sampled_from([", ", ",", " , "]))
def test_names_with_blanks_are_told_apart(known: list[str], mark: str) -> None:
    assert split_names(mark.join(known), known) == known
    assert split_names(" ".join(known[:1]), known) == known[:1]


@settings(max_examples=60, deadline=None)
@given(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_what_a_command_line_can_say_survives(text: str, whole: int, real: float, truth: bool) -> None:
    assert Parameter("p", "str", "", "").convert(text) == text
    assert Parameter("p", "int", 0, "").convert(str(whole)) == whole
    assert Parameter("p", "float", 0.0, "").convert(str(real)) == real
    assert Parameter("p", "bool", False, "").convert(str(truth)) is truth
    assert ast.literal_eval(repr(Parameter("p", "int | None", None, "").convert("None"))) is None
