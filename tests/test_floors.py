"""The house: imports go down, a dependency or an idea has one room, loading the package loads nothing."""

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import FLOORS, HEAVY, PACKAGE, list_modules, name_of, read_imports, room_of

import bbkit


def floor_of(room: str) -> int:
    for number, rooms in enumerate(FLOORS):
        if room in rooms:
            return number
    raise AssertionError(f"bbkit/{room} has no floor; name its place in FLOORS")


MODULES = list_modules()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    room = room_of(path)
    for name in read_imports(path):
        if not name.startswith("bbkit."):
            continue
        target = name.split(".")[1]
        if room == "standin" or target == "standin":
            assert room == target, f"{path.name} imports {name}: the stand-in is a wing apart"
        elif room not in ("__init__", target) and target != "__version__":
            assert floor_of(target) < floor_of(room), f"{path.name} imports {name}, which is not below it"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_heavy_dependency_has_one_room(path: Path) -> None:
    room = room_of(path)
    if room == "standin":
        return
    for name in read_imports(path):
        owner = HEAVY.get(name.split(".")[0])
        assert owner in (None, room), f"{path.name} imports {name}, which lives in {owner}"


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    return set(json.loads(subprocess.check_output([sys.executable, "-c", code], text=True)))


@pytest.mark.parametrize("name", ["bbkit", "bbkit.cli"])
def test_importing_the_package_loads_itself_and_the_standard_library(name: str) -> None:
    loaded = loaded_after(f"import {name}") - loaded_after("pass")
    assert {module.split(".")[0] for module in loaded} - sys.stdlib_module_names == {"bbkit"}
    assert name != "bbkit" or {module for module in loaded if module.startswith("bbkit.")} == set()


def test_what_is_not_used_is_not_loaded() -> None:
    heavy = {"boto3", "openpyxl", "plotly"}
    assert not loaded_after("import bbkit as bb; bb.Run, bb.collect_outputs, bb.cost_of") & heavy
    assert not loaded_after("import bbkit.lines.reading") & {"boto3", "pandas"}, "a worker waits"
    assert not loaded_after("from bbkit import charts; charts.cost, charts.outcomes") & (heavy - {"plotly"})


SAMPLE = PACKAGE.parent / "data/samples/outputs/nova.jsonl.out"
COLLECT = f"import bbkit as bb; outputs = bb.collect_outputs({str(SAMPLE)!r})"
READ = {"aws", "core", "families", "lines", "outputs", "records"}
UNREAD = {"boto3", "difflib", "importlib.resources", "jsonschema", "multiprocessing", "openpyxl"}
UNREAD |= {f"bbkit.records.{name}" for name in ("building", "splitting", "staging", "templates", "tokens")}


@pytest.mark.parametrize(
    ("before", "code", "rooms"),
    [
        ("import pandas", COLLECT, READ),
        (
            "import pandas, plotly.graph_objects",
            f"{COLLECT}; bb.charts.stop_reasons(outputs)",
            READ | {"charts"},
        ),
    ],
)
def test_the_first_result_loads_what_it_needs(before: str, code: str, rooms: set[str]) -> None:
    loaded = loaded_after(code) - loaded_after(before)
    assert {name.split(".")[1] for name in loaded if name.startswith("bbkit.")} == rooms
    assert not loaded & UNREAD


def test_the_package_lists_the_names_it_gives() -> None:
    assert {"Run", "charts", "read_source", "submit_jobs"} < set(bbkit.__all__) <= set(dir(bbkit))
    for name in bbkit.__all__:
        assert getattr(bbkit, name).__doc__, name
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = bbkit.no_such_name


def test_no_name_is_hidden_by_a_room_of_the_same_name() -> None:
    inner = {name for name, room in bbkit._ROOMS.items() if room != "bbkit"}
    assert not inner & {room_of(path) for path in MODULES}


def test_the_stand_in_loads_no_other_room() -> None:
    loaded = loaded_after("import bbkit.standin.__main__")
    rooms = {name.split(".")[1] for name in loaded if name.startswith("bbkit.")}
    assert rooms == {"standin"}


def dotted_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_module_needs_itself() -> None:
    paths = {dotted_name(path): path for path in MODULES if path.parent != PACKAGE or path.stem != "__init__"}

    def find_module(name: str) -> str:
        while name and name not in paths:
            name = name.rpartition(".")[0]
        return name

    below = {name: {find_module(found) for found in read_imports(path)} for name, path in paths.items()}
    while lowest := [name for name, needed in below.items() if not needed & below.keys()]:
        for name in lowest:
            del below[name]
    assert not below, f"these import each other in a circle: {sorted(below)}"


TREES = {name_of(path): ast.parse(path.read_text()) for path in MODULES}
KIT = [name for name in TREES if not name.startswith("standin/")]


def functions_of(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    return node.body[1:] if ast.get_docstring(node) is not None else node.body


def texts_of(tree: ast.AST) -> Iterator[str]:
    """String literals, those within f-strings too, but no docstrings."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


@pytest.mark.parametrize("name", TREES)
def test_a_module_and_a_function_fit_on_few_pages(name: str) -> None:
    assert len((PACKAGE / name).read_text().splitlines()) <= 400
    for node in functions_of(TREES[name]):
        body = without_docstring(node)
        if body:
            heading = body[0].lineno - node.lineno
            docs = (node.body[0].end_lineno or 0) - node.body[0].lineno + 1 if body is not node.body else 0
            length = (node.end_lineno or 0) - node.lineno + 1 - docs
            assert length <= 60, (
                f"{name}: {node.name} has {length} lines, {heading} above its first statement"
            )


def test_files_are_replaced_and_hashed_in_one_place() -> None:
    for name in KIT:
        called = {ast.unparse(node.func) for node in ast.walk(TREES[name]) if isinstance(node, ast.Call)}
        owned = {"os.replace", "os.rename", "hashlib.file_digest"} & called
        assert not owned or name == "core/files.py", f"{name} calls {owned}; core/files.py does"
        renames = [
            ast.unparse(node)
            for node in ast.walk(TREES[name])
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("replace", "rename")
            and len(node.args) == 1
            and not node.keywords
            and not isinstance(node.args[0], ast.Constant)
        ]
        assert not renames or name == "core/files.py", f"{name}: {renames}; core/files.py moves files"


MARKUP = re.compile(
    r"</?(div|p|table|caption|thead|tbody|tr|td|th|ul|ol|li|section|article|details|summary|h[1-6]|style|script"
    r"|small|code|pre|a|svg|button)[ >/]"
)
"""Tags of pages; what plotly reads in texts of figures (br, b, i, span, extra) is left out."""


@pytest.mark.parametrize("name", [name for name in KIT if not name.startswith("core/panels")])
def test_html_is_written_by_templates(name: str) -> None:
    assert not [text for text in texts_of(TREES[name]) if MARKUP.search(text)]


def test_what_columns_there_are_is_said_in_one_place() -> None:
    for name in KIT:
        if name != "core/frames.py":
            assert not [text for text in texts_of(TREES[name]) if re.search(r"\bno column\b", text)], name


def test_no_two_functions_have_the_same_body() -> None:
    bodies: dict[str, list[str]] = defaultdict(list)
    for name in KIT:
        for node in functions_of(TREES[name]):
            body = "\n".join(ast.unparse(statement) for statement in without_docstring(node))
            if len(body) > 60:
                bodies[body].append(f"{name}: {node.name}")
    assert not [places for places in bodies.values() if len(places) > 1]
