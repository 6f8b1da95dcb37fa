"""Chromium for tests: pages that are offline and count their requests and errors.

The fixtures `browser` and `page` are made known once, in ``conftest.py``: a session has one Playwright.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]


def find_chromium() -> str:
    """Return the path of Chromium; skip, or fail where BBKIT_REQUIRE_BROWSER is set, when there is none."""
    path = os.environ.get("BBKIT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path and find_spec("playwright"):
        return path
    reason = "Chromium or playwright is not installed; install chromium to run the browser tests"
    if os.environ.get("BBKIT_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass
class Watch:
    """What a page did since it was made.

    Attributes
    ----------
    requests : list of str
        Addresses asked for, other than files, `data:` and `blob:`.
    errors : list of str
        Console errors and uncaught exceptions.
    """

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def see_request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:", "about:")):
            self.requests.append(request.url)

    def see_message(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)


def watch_page(page: Any) -> Watch:
    """Start counting what a Playwright page asks for and what goes wrong in it."""
    watch = Watch()
    page.on("request", watch.see_request)
    page.on("console", watch.see_message)
    page.on("pageerror", lambda error: watch.errors.append(str(error)))
    return watch


def find_axe() -> str:
    """Return the source of axe-core, the accessibility checker; skip when it is not installed."""
    spec = find_spec("axe_playwright_python")
    if spec is None or not spec.submodule_search_locations:
        reason = "axe-playwright-python is not installed; install the dev extra to check accessibility"
        if os.environ.get("BBKIT_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    return (Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")


def list_violations(page: Any) -> list[str]:
    """Run axe-core on a page and describe what it finds; needs a context with ``bypass_csp=True``."""
    page.evaluate(find_axe())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {[node['target'] for node in violation['nodes']][:5]}"
        for violation in found["violations"]
    ]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One headless Chromium for the session."""
    executable = find_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page without a network; the test fails when it asked for anything or wrote a console error."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    watch = watch_page(page)
    yield page
    context.close()
    assert watch.requests == []
    assert watch.errors == []
