"""Documentation is a test subject: what exists is named, and what is named exists."""

import os
import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import bbkit
from bbkit import charts, explorers
from bbkit.cli import COMMANDS
from bbkit.core.frames import OUTPUT_COLUMNS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
BLOCK = 4096
README = (ROOT / "README.md").read_text()


def commands() -> dict[str, object]:
    return {parser.prog.split()[-1]: parser for parser in COMMANDS.choices.values()}


def test_readme_names_every_command_and_notebook() -> None:
    assert not [name for name in commands() if f"bbkit {name}" not in README]
    assert not [path.stem for path in (ROOT / "notebooks").glob("*.ipynb") if path.stem not in README]


@pytest.mark.parametrize(
    "page", ["README.md", *sorted(f"docs/{path.relative_to(DOCS)}" for path in DOCS.rglob("*.md"))]
)
def test_a_page_names_nothing_that_is_not_there(page: str) -> None:
    text = (ROOT / page).read_text()
    assert set(re.findall(r"\bbb\.(\w+)", text)) <= set(bbkit.__all__)
    assert set(re.findall(r"\bcharts\.(\w+)\(", text)) <= set(charts.__all__)
    assert set(re.findall(r"\bexplorers\.(\w+)\(", text)) <= set(explorers.__all__)
    assert set(re.findall(r"(?:`|^\$ )bbkit ([a-z]+)", text, re.MULTILINE)) <= {
        *commands(),
        "standin",
        "doctor",
    }
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_columns_of_outputs_are_described() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", (DOCS / "columns.md").read_text(), re.MULTILINE)
    assert rows == [(name, str(kind)) for name, kind in OUTPUT_COLUMNS.items()]


def test_every_command_has_help_and_an_example() -> None:
    for name, parser in commands().items():
        text = parser.format_help()
        assert f"bbkit {name}" in text.split("example:")[1], name


def test_versions_have_one_source() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment = (ROOT / "environment.yml").read_text()
    assert re.findall(r"^\s+- (.+)$", environment, re.MULTILINE) == [
        "conda-forge",
        f"python{project['requires-python']}",
        "pip",
        "pip:",
        "-e .[all]",
    ]
    assert project["dynamic"] == ["version"]
    assert version("bbkit") == bbkit.__version__
    extras = project["optional-dependencies"]
    assert extras["all"] == ["bbkit[excel,notebooks,schemas,standin]"]
    assert extras["dev"][0] == "bbkit[all]"
    everything = [item for items in (project["dependencies"], *extras.values()) for item in items]
    named = {re.split(r"[<>=\[]", item)[0] for item in everything}
    assert {"jupyterlab", "boto3", "pandas", "ipywidgets", "plotly", "papermill"} <= named
    bounded = [item for item in everything if not item.startswith("bbkit[")]
    assert all("<" in item or "==" in item for item in bounded), "an upper bound is missing"


def installed_by(items: Iterable[str]) -> dict[str, int]:
    """The distributions that requirements bring here, each with its bytes on disk, as their metadata says."""
    sizes, seen = dict[str, int](), set[tuple[str, str]]()
    waiting = [Requirement(item) for item in items]
    while waiting:
        one = waiting.pop()
        for pair in {(one.name.lower(), extra) for extra in ("", *one.extras)} - seen:
            seen.add(pair)
            found = distribution(one.name)
            sizes[pair[0]] = sum(-(-(file.size or 0) // BLOCK) * BLOCK for file in found.files or ())
            inner = map(Requirement, found.requires or ())
            waiting += [each for each in inner if not each.marker or each.marker.evaluate({"extra": pair[1]})]
    return sizes


def test_the_core_is_light() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    core = installed_by(project["dependencies"])
    assert len(core) < 20, f"with bbkit itself at most 20: {sorted(core)}"
    if Version(version("plotly")) < Version("6"):  # of 112 MB
        return
    whole = core | installed_by(item for name in ("notebooks", "standin", "excel") for item in extras[name])
    assert sum(core.values()) <= 0.65 * sum(whole.values())


def test_the_lowest_versions_are_pinned_as_they_are() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    items = [
        *project["dependencies"],
        *(item for name in extras if name not in ("docs", "dev") for item in extras[name]),
    ]
    found = {re.match(r"([\w-]+)(?:\[.+\])?[>=]=([\d.]+)", item) for item in items}
    pins = "".join(sorted(f"{match[1]}=={match[2]}\n" for match in found if match))
    path = ROOT / "constraints" / "lowest.txt"
    if os.environ.get("BBKIT_WRITE_DOCS"):
        path.write_text(pins)
    assert path.read_text() == pins, "make docs writes it anew"
