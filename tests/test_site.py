"""The site: what its pages show is what happens, and it is read as a newcomer with no network reads it."""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from conftest import Standin, launch_standin

import bbkit
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


def copy_samples(folder: Path) -> None:
    shutil.copy(SAMPLES / "call_transcripts.csv", folder / "calls.csv")
    shutil.copy(SAMPLES / "answer_schema.json", folder)


def make_run(folder: Path) -> None:
    """What pages about a run begin with: `runs/calls`, of the sample calls, not submitted yet."""
    calls = bbkit.read_source(folder / "calls.csv")
    prompt = "Summarize this call. {transcript}"
    records = bbkit.build_records(calls, MODEL, prompt=prompt, record_id="call_id", max_tokens=60)
    bbkit.write_records(
        records, bbkit.Run.create("runs/calls", model_id=MODEL, source=calls.set_index("call_id"))
    )


def submit_run(folder: Path) -> None:
    make_run(folder)
    bbkit.submit_jobs(bbkit.Run.open("runs/calls"))
    bbkit.wait_for_jobs(bbkit.Run.open("runs/calls"), every=0.1)


def write_letters(folder: Path) -> None:
    (folder / "letters").mkdir()
    for number in range(1, 1001):
        (folder / "letters" / f"letter {number:04}.txt").write_text(f"Letter {number}: the parcel was late.")


def write_prices(folder: Path) -> None:
    prices = {"date": "2026-11-01", "source": "our contract", "prices": []}
    prices["prices"] += [
        {
            "model_id": MODEL,
            "batch": {"input": 0.02, "output": 0.1},
            "on_demand": {"input": 0.05, "output": 0.2},
        }
    ]
    (folder / "prices.json").write_text(json.dumps(prices, indent=1) + "\n")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """The stand-in of the site, whose faults are switched on."""
    running = launch_standin(tmp_path_factory.mktemp("faulty"), "--speed", "instant", *FAULTS)
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("pages", "prepare", "is_faulty"),
    [
        (["../README.md"], None, False),
        (["how-to/failures.md"], submit_run, True),
        (["how-to/schema.md", "how-to/goal.md"], None, True),
        (["how-to/embeddings.md"], None, False),
        (["how-to/prices.md"], write_prices, False),
        (["how-to/kms.md"], None, False),
        (["how-to/thousands.md"], write_letters, False),
        *(
            pytest.param([page], prepare, False, marks=pytest.mark.long)
            for page, prepare in {
                "start.md": None,
                "how-to/own-data.md": None,
                "how-to/schedule.md": make_run,
                "how-to/share.md": submit_run,
            }.items()
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_page_shows_what_happens(
    pages: list[str],
    prepare: Callable[[Path], None] | None,
    is_faulty: bool,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request.getfixturevalue("faulty" if is_faulty else "standin_process").use(monkeypatch)
    monkeypatch.chdir(tmp_path)
    copy_samples(tmp_path)
    if prepare:
        prepare(tmp_path)
    for page in pages:
        follow(page, tmp_path)


def test_the_gallery_draws_every_chart(
    faulty: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty.use(monkeypatch)
    monkeypatch.chdir(tmp_path)
    copy_samples(tmp_path)
    follow("gallery.md", tmp_path)
    drawn = set(re.findall(r"^charts\.(\w+)\(", (DOCS / "gallery.md").read_text(), re.M))
    assert drawn == set(charts.__all__)


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
