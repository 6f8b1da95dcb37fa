"""Notebook hygiene, read from the notebooks themselves; that they run is shown by the demo's tests."""

import ast
import json
import statistics
from pathlib import Path

import pytest
from conftest import Standin

from bbkit import Run, write_records
from bbkit.report import render_report

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
ALLOWED_IMPORTS = {"bbkit", "pandas", "pathlib"}
FORBIDDEN = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.Try, ast.Lambda)
AWS_KEYS = {"recordId", "modelInput", "modelOutput", "jobArn", "stopReason", "maxTokens", "inferenceConfig"}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells_of(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def code_of(cell: dict) -> str:
    return "".join(cell["source"])


def tags_of(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def test_the_arc_is_complete() -> None:
    assert [path.stem for path in NOTEBOOKS][:4] == ["01-prepare", "02-launch", "03-explore", "04-retry"]


@each_notebook
def test_outputs_are_stripped_and_the_kernel_is_portable(path: Path) -> None:
    notebook = json.loads(path.read_text())
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in notebook["metadata"]
    for cell in cells_of(path, "code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(ids) == len(set(ids))


@each_notebook
def test_a_notebook_chooses_calls_and_looks(path: Path) -> None:
    for cell in cells_of(path, "code"):
        tree = ast.parse(code_of(cell))
        for node in ast.walk(tree):
            assert not isinstance(node, FORBIDDEN), code_of(cell)
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= ALLOWED_IMPORTS
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] in ALLOWED_IMPORTS
            if isinstance(node, ast.Constant):
                assert node.value not in AWS_KEYS
            if isinstance(node, ast.Name):
                assert node.id != "display"


@each_notebook
def test_the_parameters_are_plain_and_explained(path: Path) -> None:
    tagged = [cell for cell in cells_of(path, "code") if "parameters" in tags_of(cell)]
    assert len(tagged) == 1
    lines = [line for line in code_of(tagged[0]).splitlines() if not line.startswith("#")]
    names = []
    for line in lines:
        statement = ast.parse(line).body[0]
        assert isinstance(statement, ast.AnnAssign)
        assert isinstance(statement.target, ast.Name)
        assert ast.unparse(statement.annotation) in {"str", "int", "float", "bool"}
        assert isinstance(ast.literal_eval(statement.value or ast.Constant(None)), str | int | float | bool)
        assert line.rpartition("  # ")[2].strip(), f"{line} has no help"
        names.append(statement.target.id)
    assert names[0] == "run_folder"


@each_notebook
def test_the_rhythm(path: Path) -> None:
    code = [cell for cell in cells_of(path, "code") if "parameters" not in tags_of(cell)]
    sizes = sorted(len(code_of(cell).splitlines()) for cell in code)
    assert statistics.median(sizes) <= 3
    assert sizes[int(0.9 * (len(sizes) - 1))] <= 8
    assert sizes[-1] <= 15
    assert len(cells_of(path, "markdown")) > len(cells_of(path, "code"))
    headings = [
        line
        for cell in cells_of(path, "markdown")
        for line in code_of(cell).splitlines()
        if line.startswith("## ")
    ]
    questions = [line for line in headings if line.endswith("?")]
    assert len(questions) >= len(headings) - 2, "a heading is a question, or names the one step it does"


@each_notebook
def test_interactive_cells_come_last(path: Path) -> None:
    marks = ["interactive" in tags_of(cell) for cell in cells_of(path, "code")]
    assert marks == sorted(marks)


def test_prepare_takes_records_made_elsewhere_and_tries_a_few(standin: Standin, tmp_path: Path) -> None:
    lines = [
        {
            "custom_id": f"c-{number}",
            "body": {
                "model": "gpt-x",
                "messages": [{"role": "user", "content": f"Say {number}."}],
                "max_tokens": 64,
            },
        }
        for number in range(100)
    ]
    (tmp_path / "batch.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    place = {"run_folder": tmp_path / "run", "source_uri": tmp_path / "batch.jsonl", "replace": True}
    asked = {"model_id": "openai.gpt-oss-20b-1:0", "probe": 2, "tags": "team: care"}
    earlier = Run.create(tmp_path / "run", model_id="openai.gpt-oss-20b-1:0")
    write_records(((line["custom_id"], {"messages": line["body"]["messages"]}) for line in lines), earlier)
    made = render_report(NOTEBOOKS[0], tmp_path / "page.html", parameters=place | asked)
    run = Run.open(tmp_path / "run")
    assert (run.prompt, run.parameters, run.job_options["tags"]) == ("", {}, {"team": "care"})
    written = [json.loads(line) for line in run.record_files()[0].path.read_text().splitlines()]
    for line in lines:
        line["body"].pop("model")
    assert written == [{"recordId": line["custom_id"], "modelInput": line["body"]} for line in lines]
    page = made.path.read_text()
    assert "2 of 100 records sent on demand = 2 succeeded" in page
    assert "run-replaced-1" in page
    assert (tmp_path / "run-replaced-1" / "run.json").exists()
