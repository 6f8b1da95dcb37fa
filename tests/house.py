"""The plan of the package, for the tests that hold it and the page that draws it."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import bbkit
from bbkit.core.files import read_data

PACKAGE = Path(bbkit.__file__).parent
DOCS = Path(__file__).parent.parent / "docs"

FLOORS = [
    ["core"],
    ["aws", "families"],
    ["answers", "catalog", "lines", "sources"],
    ["records"],
    ["checks", "costs", "diagnostics"],
    ["run"],
    ["outputs"],
    ["charts", "jobs"],
    ["explorers", "folders", "report", "retry"],
    ["demo", "exporter"],
    ["cli"],
    ["__main__"],
]
"""Rooms from the ground up; imports go strictly down. The stand-in is a wing apart."""

HEAVY = {
    "boto3": "aws",
    "botocore": "aws",
    "s3transfer": "aws",
    "jsonschema": "answers",
    "referencing": "answers",
    "plotly": "charts",
    "sklearn": "charts",
    "ipywidgets": "explorers",
    "papermill": "report",
    "nbformat": "report",
    "nbclient": "report",
}
"""A heavy dependency and the one room that may import it."""


def list_modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "_share" not in path.parts]


def name_of(path: Path) -> str:
    """Place of a module within the package, such as ``run/journal.py``."""
    return path.relative_to(PACKAGE).as_posix()


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


def describe_room(room: str) -> str:
    """First sentence of a room's docstring."""
    path = PACKAGE / room / "__init__.py"
    text = ast.get_docstring(ast.parse((path if path.exists() else PACKAGE / f"{room}.py").read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


def draw_floors() -> str:
    """The floors as a table, topmost first, as ``docs/architecture.md`` shows them."""
    rows = [
        f"| {number} | {'<br>'.join(f'`{room}`: {describe_room(room)}' for room in FLOORS[number])} |"
        for number in reversed(range(len(FLOORS)))
    ]
    heavy: dict[str, list[str]] = {}
    for name, room in HEAVY.items():
        heavy.setdefault(room, []).append(f"`{name}`")
    owned = "; ".join(f"{', '.join(names)} in `{room}`" for room, names in heavy.items())
    apart = f"| apart | `standin`: {describe_room('standin')} |"
    lines = [
        "| floor | rooms |",
        "|---|---|",
        *rows,
        apart,
        "",
        f"Heavy dependencies live in one room each: {owned}.",
    ]
    return "\n".join(lines)


def draw_flow(files: list[str]) -> str:
    """The files a flow enters, each with the first sentence of its docstring."""
    docs = {name: ast.get_docstring(ast.parse((PACKAGE / name).read_text())) or "" for name in files}
    return "\n".join(
        f"- `{name}`: {' '.join(text.split(chr(10) * 2)[0].split())}" for name, text in docs.items()
    )


def draw_findings() -> str:
    """The rules of every check as tables, one per function."""
    tables = []
    for function, rules in read_data("findings").items():
        rows = [
            f"| `{rule}` | {', '.join(row['severity'])} | {row['meaning']} | {row['remedy']} |"
            for rule, row in rules.items()
        ]
        head = [f"## `{function}`", "", "| rule | severity | meaning | remedy |", "|---|---|---|---|"]
        tables.append("\n".join([*head, *rows]))
    return "\n\n".join(tables)


def read_block(page: str, name: str, now: str = "") -> str:
    """What stands in a page between its marks; `now` is written there first with BBKIT_WRITE_DOCS set."""
    path = DOCS / page
    block = re.compile(rf"(<!-- {re.escape(name)} -->\n)(.*?)(\n?<!-- end -->)", re.DOTALL)
    text = path.read_text()
    if now and os.environ.get("BBKIT_WRITE_DOCS"):
        text = block.sub(lambda match: f"{match[1]}{now}\n<!-- end -->", text, count=1)
        path.write_text(text)
    found = block.search(text)
    assert found, f"{page} has no block {name!r}"
    return found[2]
