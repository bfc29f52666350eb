"""One Chromium for all tests that need a page."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium() -> str | None:
    """The browser that ``CHROMIUM`` names, else one on the path, else
    the one that Playwright has installed for itself."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    installed = next(filter(None, map(shutil.which, NAMES)), None)
    return installed or playwrights_own()


def playwrights_own() -> str | None:
    """Where ``playwright install chromium`` puts its browser."""
    default = Path.home() / ".cache" / "ms-playwright"
    if sys.platform == "darwin":
        default = Path.home() / "Library" / "Caches" / "ms-playwright"
    top = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", default))
    names = ("chrome-linux*/chrome", "chrome-mac*/*.app/Contents/MacOS/*")
    found = [path for name in names for path in top.glob(f"chromium-*/{name}")]
    return str(sorted(found)[-1]) if found else None


NEEDED = """\
No Chromium was found, and some of these tests need one. Do one of:

  apt-get install chromium                            (Debian, Ubuntu)
  .venv/bin/python -m playwright install chromium     (anywhere)
  CHROMIUM=/path/to/a/chromium make test              (you have one)

The other tests alone: make test ARGS="--ignore tests/book
--ignore tests/explorers"
"""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Say at once what is missing, not after minutes of other tests."""
    asking = any(
        "chromium" in getattr(item, "fixturenames", ())
        for item in session.items
    )
    if asking and find_chromium() is None:
        pytest.exit(NEEDED, returncode=pytest.ExitCode.USAGE_ERROR)


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    """A headless browser of Playwright's; one a session, as it demands."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=list(QUIET)
        )
        yield browser
        browser.close()
