"""One Chromium for all tests that need a page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.chromium import FLAGS, find_chromium

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
            executable_path=find_chromium(), args=list(FLAGS)
        )
        yield browser
        browser.close()
