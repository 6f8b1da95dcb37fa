"""Fixtures that start a stand-in, as a process, and point boto3 and bbkit at it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from browser_fixtures import browser, page  # noqa: F401
from lab_pages import lab, tab  # noqa: F401

UNSET = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_CONFIG_FILE")

ATTEMPTS = {"legacy": 5, "standard": 3}[botocore.session.Session().get_config_variable("retry_mode")]
"""How often boto3 tries what may be tried again; its default is another since 1.44."""


@dataclass
class Standin:
    """A running stand-in: its folder, its process and the environment that leads to it."""

    folder: Path
    process: subprocess.Popen[str]
    env: dict[str, str]
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client of this stand-in, made once."""
        if service not in self._clients:
            session = boto3.Session(
                self.env["AWS_ACCESS_KEY_ID"],
                self.env["AWS_SECRET_ACCESS_KEY"],
                region_name=self.env["AWS_REGION"],
            )
            self._clients[service] = session.client(service, endpoint_url=self.endpoint)
        return self._clients[service]

    @property
    def endpoint(self) -> str:
        """URL it answers at."""
        return self.env["AWS_ENDPOINT_URL"]

    @property
    def account(self) -> str:
        """Its twelve digits."""
        return self.env["BBKIT_ROLE_ARN"].split(":")[4]

    def use(self, monkeypatch: pytest.MonkeyPatch) -> "Standin":
        """Point this process at it, until the test ends."""
        for name, value in self.env.items():
            monkeypatch.setenv(name, value)
        for name in UNSET:
            monkeypatch.delenv(name, raising=False)
        # boto3's default session keeps the credentials it found first.
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        return self

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End it and give its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout
            self.process.stdout.close()


def launch_standin(
    folder: Path, *switches: str, stdin: int | None = None, python: Sequence[str] = (sys.executable,)
) -> Standin:
    """Start a stand-in on a folder and wait until it answers."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "console.txt").open("a") as console:
        process = subprocess.Popen(
            [*python, "-m", "bbkit.standin", str(folder), *switches],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=console,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
        )
    assert process.stdout
    line = process.stdout.readline()
    assert line.startswith("ready http://"), (folder / "console.txt").read_text()
    return Standin(folder, process, read_environment(folder / "standin.env"))


def read_environment(path: Path) -> dict[str, str]:
    """Read the assignments of ``standin.env``."""
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {name: value for name, _, value in pairs}


@pytest.fixture(scope="session")
def standin_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """One stand-in for the whole session, at ``--speed instant``."""
    running = launch_standin(tmp_path_factory.mktemp("standin"), "--speed", "instant")
    yield running
    running.stop()


@pytest.fixture
def standin(standin_process: Standin, monkeypatch: pytest.MonkeyPatch) -> Standin:
    """The session's stand-in, with the environment set so that boto3 and bbkit use it."""
    return standin_process.use(monkeypatch)


@pytest.fixture(scope="session")
def small_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    running = launch_standin(tmp_path_factory.mktemp("small"), "--speed", "instant", "--min-records", "10")
    yield running
    running.stop()


@pytest.fixture
def small(small_process: Standin, monkeypatch: pytest.MonkeyPatch) -> Standin:
    """A stand-in that takes jobs of ten records."""
    return small_process.use(monkeypatch)


@pytest.fixture
def start_standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Standin]]:
    """Start a stand-in of the test's own: ``start_standin("--min-records", "5", folder=None)``."""
    started: list[Standin] = []

    def start(*switches: str, folder: Path | None = None) -> Standin:
        where = folder or tmp_path / f"standin-{len(started)}"
        speed = [] if "--speed" in switches else ["--speed", "instant"]
        running = launch_standin(where, *speed, *switches)
        started.append(running)
        return running.use(monkeypatch)

    yield start
    for running in started:
        running.stop()
