"""The site: what its pages show is what happens, and it is read as a newcomer with no network reads it."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from conftest import Standin, launch_standin

import bbkit as bb
from bbkit import charts, explorers
from bbkit.cli import main
from bbkit.cli.parsing import COMMANDS, PARSER

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SAMPLES = ROOT / "data" / "samples"
MODEL = "amazon.nova-lite-v1:0"
FAULTS = ("--fault", "record-errors=0.06 missing-lines=0.02 bad-json=0.1")
NO_NETWORK = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")


FENCE = re.compile(
    r"^```(\{code-cell\} python|python|console)\n(?::tags:[^\n]*\n)?(.*?)^```\n(?:\n```text\n(.*?)^```\n)?",
    re.M | re.S,
)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
PASSING = {
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  .*\n": "",  # how far a wait is
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d": "TIME",
    r"127\.0\.0\.1:\d+": "PORT",
    r"\b(?:\d{12}|[0-9a-f]{12}|(?<=-)[0-9a-f]{8})\b": "ID",
    r"\b(?:Submitted|Validating|Scheduled|InProgress)\b": "InProgress",
    r"^[\d,]+$": "BYTES",
    r"[ \n]+": " ",
}
"""What is another each time a page is followed, and stands for it."""


class Reader:
    """Does what a page shows, block by block, and says what came of it."""

    def __init__(self, folder: Path):
        self.folder, self.names, self.status = folder, dict[str, Any](), 0

    def run_python(self, source: str, shown: bool) -> str:
        """Run a block; what it prints and, where it is shown, its last value."""
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        with redirect_stdout(StringIO()) as said:
            exec(compile(tree, "page", "exec"), self.names)
            value = eval(ast.unparse(last), self.names) if last else None
            if value is not None and shown:
                print(repr(value))
        return said.getvalue()

    def run_command(self, command: str) -> str:
        words = shlex.split(command.replace("\\\n", ""))
        with StringIO() as said, redirect_stdout(said), redirect_stderr(said):
            if words[0] == "cd":
                os.chdir(words[1])
            elif command == "echo $?":
                print(self.status)
            elif words[0] == "bbkit" and not {"|", ">", "&&"} & {*words}:
                self.status = main(words[1:])
            else:
                done = subprocess.run(
                    ["bash", "-c", command],
                    env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
                    check=False,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
                self.status = done.returncode
                print(done.stdout, end="")
            return said.getvalue().replace(f"{self.folder}/", "")


def follow(page: str, folder: Path) -> None:
    """Do what a page shows and compare; with BBKIT_WRITE_DOCS set, what came is written there first."""
    path, reader = DOCS / page, Reader(folder)
    writes = bool(os.environ.get("BBKIT_WRITE_DOCS"))

    def compare(want: str, got: str, what: str) -> str:
        lasting = [want, got]
        for pattern, word in PASSING.items():
            lasting = [re.sub(pattern, word, text, flags=re.MULTILINE) for text in lasting]
        if lasting[0] == lasting[1]:
            return want
        assert writes, f"{page}: {what}\n{got}"
        return got

    def run_block(match: re.Match[str]) -> str:
        if match[1] != "console":
            got = reader.run_python(match[2], match[3] is not None)
            if match[3] is None:
                return match[0]
            return f"{match[0][: match.start(3) - match.start()]}{compare(match[3], got, match[2])}```\n"
        whole = COMMAND.sub(
            lambda line: f"$ {line[1]}\n{compare(line[2], reader.run_command(line[1]), line[1])}", match[2]
        )
        return f"```console\n{whole}```\n"

    text = path.read_text()
    now = FENCE.sub(run_block, text)
    assert now == text or writes
    path.write_text(now) if writes else None


def make_run() -> None:
    """What pages about a run begin with: `runs/calls`, of the sample calls, not submitted yet."""
    calls = bb.read_source("calls.csv")
    prompt = "Summarize this call. {transcript}"
    records = bb.build_records(calls, MODEL, prompt=prompt, record_id="call_id", max_tokens=60)
    run = bb.Run.create("runs/calls", model_id=MODEL, source=calls.set_index("call_id"))
    bb.write_records(records, run)


def submit_run() -> None:
    make_run()
    bb.submit_jobs(bb.Run.open("runs/calls"))
    bb.wait_for_jobs(bb.Run.open("runs/calls"), every=0.1)


PAGES: list[tuple[str, Callable[[], None] | None, bool]] = [
    ("../README.md", None, False),
    ("gallery.md", None, True),
    ("how-to/failures.md", submit_run, True),
    ("how-to/schema.md how-to/goal.md", None, True),
    ("how-to/embeddings.md", None, False),
    ("how-to/prices.md", None, False),
    ("how-to/kms.md", None, False),
    ("how-to/thousands.md", None, False),
]
"""Pages that are followed in one folder, what they begin with, and whether the faults are switched on."""

LONG_PAGES = [
    ("start.md", None, False),
    ("how-to/own-data.md", None, False),
    ("how-to/schedule.md", make_run, False),
    ("how-to/share.md", submit_run, False),
]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """The stand-in of the site, whose faults are switched on."""
    running = launch_standin(tmp_path_factory.mktemp("faulty"), "--speed", "instant", *FAULTS)
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("pages", "begin", "is_faulty"),
    [*PAGES, *(pytest.param(*each, marks=pytest.mark.long) for each in LONG_PAGES)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_page_shows_what_happens(
    pages: str,
    begin: Callable[[], None] | None,
    is_faulty: bool,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request.getfixturevalue("faulty" if is_faulty else "standin_process").use(monkeypatch)
    monkeypatch.chdir(tmp_path)
    shutil.copy(SAMPLES / "call_transcripts.csv", "calls.csv")
    shutil.copy(SAMPLES / "answer_schema.json", ".")
    if begin:
        begin()
    for page in pages.split():
        follow(page, tmp_path)


def test_every_page_that_shows_code_is_followed() -> None:
    guides = [*DOCS.glob("*.md"), *DOCS.glob("how-to/*.md")]
    shows = {str(path.relative_to(DOCS)) for path in guides if FENCE.search(path.read_text())}
    assert shows <= {page for pages, *_ in (*PAGES, *LONG_PAGES) for page in pages.split()}


def test_the_gallery_has_every_chart() -> None:
    drawn = re.findall(r"^charts\.(\w+)\(", (DOCS / "gallery.md").read_text(), re.MULTILINE)
    assert sorted(drawn) == sorted(charts.__all__)


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
@pytest.mark.browser
def test_every_page_opens_without_a_network_and_every_link_inside_leads_somewhere(
    site: Path, page: Any
) -> None:
    anchors, links = dict[str, set[str]](), dict[str, str]()
    for path in site.rglob("*.html"):
        page.goto(path.as_uri())
        anchors[path.as_uri()] = set(page.eval_on_selector_all("[id]", "all => all.map(one => one.id)"))
        links |= dict.fromkeys(
            page.eval_on_selector_all("a[href]", "all => all.map(one => one.href)"), path.name
        )
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path.name, width)
    for link, name in links.items():
        where, _, anchor = unquote(link).partition("#")
        if where.startswith("file:"):
            assert Path(where.removeprefix("file://")).exists(), f"{name}: {link}"
            assert not anchor or anchor in anchors.get(where, {anchor}), f"{name}: {link}"


@pytest.mark.long
@pytest.mark.browser
def test_a_newcomer_finds_the_way_in_two_clicks_and_charts_are_drawn(site: Path, page: Any) -> None:
    for link, answer in (
        ("From your own CSV to a report", "bbkit report"),
        ("Why did these fail?", "diagnose_outputs"),
    ):
        page.goto((site / "index.html").as_uri())
        page.locator("article").get_by_role("link", name=link).click()
        assert page.locator("h1").inner_text().startswith(link)
        assert answer in page.locator("article").inner_text()
    page.goto((site / "gallery.html").as_uri())
    assert page.locator(".plotly-graph-div .main-svg").first.is_visible()
    assert page.locator(".plotly-graph-div:has(.main-svg)").count() == len(charts.__all__)


@pytest.mark.long
def test_the_reference_has_every_public_name_and_command(site: Path) -> None:
    text = "".join(path.read_text() for path in (site / "reference").rglob("*.html"))
    names = [f"{room.__name__}.{name}" for room in (bb, charts, explorers) for name in room.__all__]
    commands = [f"bbkit-{name}" for name in COMMANDS.choices if name != "doctor"]
    absent = [name for name in (*names, *commands) if f'id="{name}"' not in text]
    assert absent == ["bbkit.charts", "bbkit.explorers"]


def test_the_example_of_each_command_is_one_it_takes() -> None:
    for name, parser in COMMANDS.choices.items():
        example = parser.format_help().split("example: bbkit ")[1].split(">")[0]
        assert PARSER.parse_args(shlex.split(example)).parser is parser, name
