"""The built book: one build, one server and one browser for all tests."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test that asks for the book waits until it is built."""
    for item in items:
        if "book" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(3000))


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
def book() -> Path:
    """The folder of the built pages, by the command of ``make book``."""
    done = run_build()
    if done.returncode:
        pytest.fail("the book does not build:\n" + done.stdout[-6000:])
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

    def open(self, path: str) -> object:
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


@pytest.fixture
def small_book(tmp_path: Path) -> Path:
    """A book of two pages with all the settings of the real one."""
    for name in ("_config.yml", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(
        ROOT / "book",
        tmp_path / "book",
        ignore=shutil.ignore_patterns("__pycache__", "screenshots"),
    )
    for name in ("attnbook", "experiments", "exercises", "solutions"):
        (tmp_path / name).mkdir()
    (tmp_path / "attnbook" / "__init__.py").write_text("VALUE = 1\n")
    (tmp_path / "chapters").mkdir()
    (tmp_path / "intro.md").write_text(
        "# A small book\n\nThe [solutions](solutions/00-a.ipynb).\n\n"
        "```{bibliography}\n:all:\n```\n"
    )
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: intro\nchapters:\n"
        "  - file: chapters/00-a\n    sections:\n"
        "      - file: exercises/00-a\n      - file: solutions/00-a\n"
    )
    return tmp_path
