"""The house: imports go down, a heavy dependency lives in one room, loading the package loads nothing."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bbkit

PACKAGE = Path(bbkit.__file__).parent

FLOORS = [
    ["core"],
    ["aws", "families"],
    ["catalog", "sources"],
    ["records"],
    ["checks", "costs", "diagnostics"],
    ["run"],
    ["outputs"],
    ["charts", "jobs"],
    ["explorers", "report", "retry"],
    ["demo"],
    ["cli"],
]
"""Rooms from the ground up; a room that is a package counts as one."""

HEAVY = {
    "boto3": "aws",
    "botocore": "aws",
    "s3transfer": "aws",
    "plotly": "charts",
    "ipywidgets": "explorers",
    "papermill": "report",
    "nbconvert": "report",
    "nbformat": "report",
    "nbclient": "report",
}


"""Modules that are part of a room but not named after it: module to room."""


def list_modules() -> list[Path]:
    found = sorted(PACKAGE.rglob("*.py"))
    return [path for path in found if "_share" not in path.parts]


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def read_imports(path: Path) -> Iterator[str]:
    """Every absolute name a module imports, wherever in it, but for the type checker's own."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


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


def test_importing_the_package_loads_itself_and_the_standard_library() -> None:
    loaded = loaded_after("import bbkit") - loaded_after("pass")
    assert {name.split(".")[0] for name in loaded} - sys.stdlib_module_names == {"bbkit"}
    assert {name for name in loaded if name.startswith("bbkit.")} == set()


def test_what_is_not_used_is_not_loaded() -> None:
    heavy = {"boto3", "openpyxl", "plotly"}
    assert not loaded_after("import bbkit as bb; bb.Run, bb.collect_outputs, bb.cost_of") & heavy
    assert not loaded_after("from bbkit import charts; charts.cost, charts.outcomes") & (heavy - {"plotly"})


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


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_module_needs_itself() -> None:
    paths = {name_of(path): path for path in MODULES if path.parent != PACKAGE or path.stem != "__init__"}

    def find_module(name: str) -> str:
        while name and name not in paths:
            name = name.rpartition(".")[0]
        return name

    below = {name: {find_module(found) for found in read_imports(path)} for name, path in paths.items()}
    while lowest := [name for name, needed in below.items() if not needed & below.keys()]:
        for name in lowest:
            del below[name]
    assert not below, f"these import each other in a circle: {sorted(below)}"
