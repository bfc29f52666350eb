"""A headless Chromium, found on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)

# Neither a sandbox, which root has not, nor calls to its maker.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium() -> str | None:
    """The browser that `CHROMIUM` names, else one on the path, else
    the one that Playwright has installed for itself."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    installed = next(filter(None, map(shutil.which, NAMES)), None)
    return installed or playwrights_own()


def playwrights_own() -> str | None:
    """Where `playwright install chromium` puts its browser."""
    default = Path.home() / ".cache" / "ms-playwright"
    if sys.platform == "darwin":
        default = Path.home() / "Library" / "Caches" / "ms-playwright"
    top = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", default))
    names = ("chrome-linux*/chrome", "chrome-mac*/*.app/Contents/MacOS/*")
    found = [path for name in names for path in top.glob(f"chromium-*/{name}")]
    return str(sorted(found)[-1]) if found else None


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser, closed at the end of the block.

    Raises FileNotFoundError if none is installed.
    """
    path = find_chromium()
    if path is None:
        raise FileNotFoundError(
            "no Chromium was found. Install one (on Debian: apt-get install "
            "chromium) or name it: CHROMIUM=/path/to/chromium"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=list(FLAGS)
        )
        try:
            yield browser
        finally:
            browser.close()
