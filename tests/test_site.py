"""The site: built as `make site` builds it, read as a newcomer with no network reads it."""

import os
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

import bbkit
from bbkit import charts, explorers
from bbkit.cli.parsing import COMMANDS, PARSER

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
NO_NETWORK = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")


class Page(HTMLParser):
    """The anchors of a page, where its links lead, and what it loads."""

    def __init__(self, path: Path):
        super().__init__()
        self.anchors, self.links, self.loads = set[str](), set[str](), set[str]()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors.add(values.get("id") or "")
        if tag == "a":
            self.links.add(values.get("href") or "")
        else:
            self.loads |= {values.get("src") or "", (values.get("href") or "") if tag == "link" else ""}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built by the Makefile's own command with no way to the network."""
    folder = tmp_path_factory.mktemp("site")
    [line] = re.findall(r"^\t\$\(PYTHON\) (-m sphinx .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    command = line.replace("build/", f"{folder}/").split()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BBKIT_"))
    }
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment | NO_NETWORK,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.mark.long
def test_every_link_inside_leads_somewhere_and_nothing_is_loaded_from_outside(site: Path) -> None:
    pages = {path.resolve(): Page(path) for path in site.rglob("*.html")}
    assert len(pages) > 25
    for path, page in pages.items():
        assert not [each for each in page.loads if re.match(r"(https?:)?//", each)], path
        for link in page.links:
            if re.match(r"\w+:", link):
                continue
            where, _, anchor = unquote(link).partition("#")
            target = (path.parent / where).resolve() if where else path
            assert target.exists(), f"{path.name}: {link}"
            assert not anchor or target not in pages or anchor in pages[target].anchors, (
                f"{path.name}: {link}"
            )


@pytest.mark.long
def test_the_reference_has_every_public_name_and_command(site: Path) -> None:
    anchors = {
        anchor for path in (site / "reference" / "api").glob("*.html") for anchor in Page(path).anchors
    }
    rooms = (bbkit, charts, explorers)
    names = {f"{room.__name__}.{name}" for room in rooms for name in room.__all__}
    assert names - anchors == {"bbkit.charts", "bbkit.explorers"}
    assert {f"bbkit-{name}" for name in COMMANDS.choices} - Page(site / "reference" / "cli.html").anchors == {
        "bbkit-doctor"
    }


def test_the_example_of_each_command_is_one_it_takes() -> None:
    for name, parser in COMMANDS.choices.items():
        example = parser.format_help().split("example: bbkit ")[1].split(">")[0]
        assert PARSER.parse_args(shlex.split(example)).parser is parser, name
