"""A real Chromium for the tests of the page, wherever this machine has one or can get one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, ViewportSize, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Nothing beside the page: no updates, no profile, no sandbox (containers refuse it), no second protocol to choose from.
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What Brazilian desks have: 1366x768, less the browser's own bars.
DESK: ViewportSize = {"width": 1366, "height": 640}
# Seconds that one way of getting a browser may take: a test may take 300 with its fixtures.
PATIENCE = 120
# Milliseconds: a busy machine's first answer may take longer than Playwright's own 5 s.
expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The run's Chromium. Where none can be had the tests are skipped, but fail in CI, which has to see the page."""
    with sync_playwright() as playwright:
        found = _launched(playwright)
        if found is None:
            reason = "no Chromium on PATH and none could be installed: install Debian's `chromium` or run `playwright install chromium`"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty tab on a desk's screen, in which nothing may go wrong: no script error, no refused resource, no CSP violation."""
    context = browser.new_context(viewport=DESK, locale="pt-BR")
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    context.close()
    assert complaints == []


def _launched(playwright: Playwright) -> Browser | None:
    """The first Chromium that starts."""
    for executable in _executables(playwright):
        with suppress(PlaywrightError):
            return playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
    return None


def _executables(playwright: Playwright) -> Iterator[str]:
    """Where a Chromium may be, the cheapest first; later ones are installed only when asked for."""
    yield from _on_path()
    own = playwright.chromium.executable_path
    if not Path(own).exists():
        _quietly(sys.executable, "-m", "playwright", "install", "chromium")
    yield own
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _quietly("apt-get", "update")
        _quietly("apt-get", "install", "--yes", "--no-install-recommends", "chromium")
        yield from _on_path()


def _on_path() -> Iterator[str]:
    return (found for name in NAMES if (found := shutil.which(name)))


def _quietly(*command: str) -> None:
    with suppress(subprocess.TimeoutExpired, OSError):
        subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE)
