"""One Chromium for all tests that need a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

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
    """The browser named by ``CHROMIUM``, else the first one on the path."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    """A headless browser of Playwright's; one a session, as it demands."""
    path = find_chromium()
    if path is None:
        message = (
            "no Chromium found: install one (Debian: apt-get install "
            "chromium) or name it in the variable CHROMIUM"
        )
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=list(QUIET)
        )
        yield browser
        browser.close()
