"""The servers that tests are run against, each started once."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page
from postgresql_server import Server, find_programs, running

# Formgrader's pages ask for MathJax elsewhere, and wait for it.
MATHJAX = """\
window.MathJax = {Hub: {
  Config() {}, Queue() {},
  Startup: {signal: {Interest(heard) { heard("End"); }}},
}};
"""


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server of the tests' own."""
    pytest.importorskip(
        "psycopg",
        reason="NOT TESTED against PostgreSQL: there is no psycopg. Run "
        "`pip install -r requirements-test.txt`.",
    )
    programs = find_programs()
    if programs is None:
        pytest.skip(
            "NOT TESTED against PostgreSQL: there is none. Install it, on "
            "Debian with `apt-get install postgresql`."
        )
    with running(programs) as server:
        yield server


@pytest.fixture(scope="module")
def browse(chromium) -> Iterator[Callable[[str], Page]]:
    """``browse(address)`` gives a page that reaches that server alone.

    An error in a page, or a request to any other host, is a fault.
    """
    address, faults = "", []

    def serve(route) -> None:
        url = route.request.url
        if url.startswith((f"{address}/", "data:", "blob:")):
            route.continue_()
        elif "/mathjax/" in url:
            route.fulfill(body=MATHJAX, content_type="text/javascript")
        else:
            faults.append(f"asked for {url}")
            route.abort()

    # One for all pages, which keeps what it has loaded of the server.
    context = chromium.new_context(viewport={"width": 1300, "height": 950})
    context.route("**/*", serve)
    context.on("weberror", lambda error: faults.append(str(error.error)))

    def open_page(place: str) -> Page:
        nonlocal address
        address = place
        for page in context.pages:
            page.close()
        return context.new_page()

    yield open_page
    context.close()
    assert faults == []
