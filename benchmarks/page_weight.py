"""How many kilobytes a reader's first visit to each page takes.

The first view is what arrives before the reader scrolls; figures further
down load when the reader comes near them.
"""

from __future__ import annotations

import contextlib
import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, Response

from benchmarks.measurement import Measurement

FIRST = "page weight at first view, gzipped"
WHOLE = "page weight scrolled through, gzipped"

KINDS = {
    "document": "html",
    "font": "fonts",
    "image": "images",
    "script": "scripts",
    "stylesheet": "styles",
}

# Slowly enough for what is near to be asked for.
SCROLL = """async () => {
  for (let y = 0; y < document.body.scrollHeight; y += 400) {
    window.scrollTo({ top: y, behavior: "instant" });
    await new Promise((done) => setTimeout(done, 40));
  }
}"""


def gzipped_bytes(body: bytes) -> int:
    """What a host sends: packed, unless packing makes it larger."""
    return min(len(body), len(gzip.compress(body, 6, mtime=0)))


def by_kind(responses: list[Response]) -> Counter[str]:
    """Bytes of the responses by kind of file."""
    weights: Counter[str] = Counter()
    for response in responses:
        if response.status == 200:
            kind = KINDS.get(response.request.resource_type, "other")
            weights[kind] += gzipped_bytes(response.body())
    return weights


@contextlib.contextmanager
def _visited(
    browser: Browser, address: str
) -> Iterator[tuple[Page, list[Response]]]:
    """The page in a window of 1280 by 720 pixels, and what it has loaded."""
    responses: list[Response] = []
    context = browser.new_context()
    try:
        page = context.new_page()
        page.on("response", lambda response: responses.append(response))
        page.goto(address, wait_until="networkidle")
        yield page, responses
    finally:
        context.close()


def first_view(browser: Browser, address: str) -> Counter[str]:
    """Bytes by kind that a page loads before anything is scrolled."""
    with _visited(browser, address) as (_, responses):
        return by_kind(responses)


def weigh(browser: Browser, address: str) -> tuple[Counter[str], Counter[str]]:
    """Bytes by kind that a page loads: at first view, and in all.

    The second is taken when the page was scrolled through.
    """
    with _visited(browser, address) as (page, responses):
        first = by_kind(responses)
        seen = len(responses)
        page.evaluate(SCROLL)
        page.wait_for_timeout(500)
        return first, first + by_kind(responses[seen:])


def pages_of(book: Path) -> list[Path]:
    """Every page of a built book, relative to its folder."""
    found = (path.relative_to(book) for path in book.rglob("*.html"))
    return sorted(path for path in found if path.parts[0][0] != "_")


def measure(
    browser: Browser, address: str, pages: list[Path]
) -> list[Measurement]:
    """For each page its sum at first view, by kind, heaviest first; then
    the sums of the pages scrolled through."""
    first_views, whole = [], []
    for page in pages:
        first, everything = weigh(browser, f"{address}/{page.as_posix()}")
        name = page.with_suffix("").as_posix()
        first_views.append(
            Measurement(FIRST, name, first.total() / 1000, "kB")
        )
        for kind, size in first.most_common():
            first_views.append(
                Measurement(FIRST, f"  {kind}", size / 1000, "kB")
            )
        whole.append(Measurement(WHOLE, name, everything.total() / 1000, "kB"))
    return first_views + whole
