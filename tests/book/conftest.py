"""The built book: one build, one server and one browser for all tests."""

from __future__ import annotations

import functools
import http.server
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import filelock
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.hookimpl(tryfirst=True)  # pytest-xdist looks at the groups after it
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of one page together; the first may build the book."""
    for item in items:
        if "book" not in getattr(item, "fixturenames", ()):
            continue
        item.add_marker(pytest.mark.timeout(3000))
        given = getattr(item, "callspec", None)
        names = given.params if given else {}
        page = names.get("path") or names.get("name")
        if page:
            page = page.removesuffix(".html")
            item.add_marker(pytest.mark.xdist_group(f"page {page}"))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


def run_build(
    *options: str, source: Path = ROOT
) -> subprocess.CompletedProcess:
    """What ``make book`` runs, with its output kept."""
    return subprocess.run(
        [sys.executable, "-m", "book.build", "--source", source, *options],
        cwd=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def build_book() -> Callable:
    return run_build


@pytest.fixture(scope="session")
def book(tmp_path_factory, worker_id) -> Path:
    """The folder of the built pages, by the command of ``make book``.

    It is built once, whichever of pytest's processes asks for it first.
    """
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    said = shared / "book.log"
    with filelock.FileLock(shared / "book.lock"):
        if not said.exists():
            done = run_build()
            said.write_text(f"{done.returncode}\n{done.stdout}", "utf-8")
    status, _, output = said.read_text("utf-8").partition("\n")
    if status != "0":
        pytest.fail("the book does not build:\n" + output[-6000:])
    return ROOT / "_build" / "html"


@pytest.fixture(scope="session")
def pages(book: Path) -> list[str]:
    """The path of every page of the book, below the book's top."""
    return sorted(
        path.relative_to(book).as_posix()
        for path in book.rglob("*.html")
        if not path.relative_to(book).as_posix().startswith("_")
    )


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture(scope="session")
def site(book: Path) -> Iterator[str]:
    """The address of the book on loopback."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(book))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()


@dataclass
class Visit:
    """A page in the browser, and all that went wrong on it."""

    page: object
    site: str
    faults: list[str] = field(default_factory=list)
    shared: str = ""

    def stay(self, path: str) -> object:
        """The page, for a test that changes nothing that others look at.

        It is loaded unless it is the one that such a test saw last.
        """
        if self.shared != path:
            self.open(path)
            self.shared = path
        return self.page

    def open(self, path: str) -> object:
        """The page, loaded afresh, for a test that does as it pleases."""
        self.faults.clear()
        self.shared = ""
        self.page.goto(self.site + path, wait_until="load")
        self.page.evaluate("() => window.MathJax?.startup?.promise ?? null")
        self.page.evaluate("() => document.fonts.ready.then(() => null)")
        return self.page


@pytest.fixture(scope="session")
def visiting(chromium, site) -> Iterator[Callable]:
    """``visiting(width=…, theme=…)`` gives a visitor cut off from the world.

    Every request to another host is stopped and noted, as are page errors,
    error messages of the console and files that are missing.
    """
    contexts = []

    def visitor(width: int = 1280, theme: str = "light", **options) -> Visit:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            **options,
        )
        contexts.append(context)
        context.set_default_timeout(20_000)
        context.add_init_script(
            f"localStorage.setItem('mode', '{theme}');"
            f"localStorage.setItem('theme', '{theme}');"
        )
        visit = Visit(context.new_page(), site)
        own = urlsplit(site).netloc

        def admit(route) -> None:
            url = urlsplit(route.request.url)
            if url.netloc == own or url.scheme in ("data", "blob"):
                route.continue_()
            else:
                visit.faults.append(f"asked for {route.request.url}")
                route.abort()

        context.route("**/*", admit)
        page = visit.page
        page.on("pageerror", lambda why: visit.faults.append(str(why)))
        page.on(
            "console",
            lambda said: (
                said.type == "error" and visit.faults.append(said.text)
            ),
        )
        page.on(
            "response",
            lambda answer: (
                answer.status >= 400
                and visit.faults.append(f"{answer.status} {answer.url}")
            ),
        )
        return visit

    yield visitor
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def wide(visiting) -> Visit:
    return visiting(width=1280)


@pytest.fixture(scope="session")
def narrow(visiting) -> Visit:
    return visiting(width=360)


@pytest.fixture(scope="session")
def dark(visiting) -> Visit:
    return visiting(width=1280, theme="dark")
