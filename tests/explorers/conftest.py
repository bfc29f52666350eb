"""Explorers on small static pages, in a browser cut off from every host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import samples
from pages import write_page

from attnbook import explorers

ORIGIN = "http://book.test"
TYPES = {".html": "text/html", ".mjs": "text/javascript"}


@pytest.hookimpl(tryfirst=True)  # pytest-xdist looks at the groups after it
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under pytest-xdist one file is one group: a worker starts each browser
    once, and the tests of one explorer follow each other."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here:
            group = f"explorers {item.path.stem}"
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture
def written() -> explorers.WrittenState:
    return samples.written_state()


@pytest.fixture
def lookup() -> explorers.SoftLookup:
    return samples.soft_lookup()


@pytest.fixture
def dial() -> explorers.SoftmaxDial:
    return samples.softmax_dial()


@pytest.fixture
def scrubber() -> explorers.AlignmentScrubber:
    return samples.alignment_scrubber()


@pytest.fixture
def meter() -> explorers.CacheMeter:
    return samples.cache_meter()


@pytest.fixture
def frames() -> explorers.Frames:
    return samples.frames()


@pytest.fixture
def scaled() -> explorers.ScaledScores:
    return samples.scaled_scores()


@pytest.fixture
def heads() -> explorers.HeadPicker:
    return samples.head_picker()


@pytest.fixture
def walk() -> explorers.BlockWalk:
    return samples.block_walk()


@pytest.fixture
def rotary() -> explorers.RotaryDial:
    return samples.rotary_dial()


@pytest.fixture
def wavelengths() -> explorers.Wavelengths:
    return samples.wavelengths()


@pytest.fixture
def painter() -> explorers.MaskPainter:
    return samples.mask_painter()


@pytest.fixture
def windows() -> explorers.ScoreWindow:
    return samples.score_window()


@pytest.fixture
def patterns() -> explorers.PatternPainter:
    return samples.pattern_painter()


@pytest.fixture
def generation() -> explorers.Generation:
    return samples.generation()


@pytest.fixture
def tiles() -> explorers.TileWalk:
    return samples.tile_walk()


@pytest.fixture
def show(chromium, tmp_path) -> Iterator[Callable]:
    """``show(widgets, …)`` opens a page of widgets; any fault fails it.

    Every request beyond the page's own origin is stopped and counted as a
    fault, as are page errors and messages of the console that warn.
    """
    contexts = []
    faults: list[str] = []

    def serve(route) -> None:
        url = route.request.url
        path = tmp_path / url.removeprefix(ORIGIN + "/")
        if url.startswith(ORIGIN) and path.is_file():
            kind = TYPES[path.suffix]
            route.fulfill(body=path.read_bytes(), content_type=kind)
        else:
            faults.append(f"asked for {url}")
            route.abort()

    def open_page(widgets, theme="light", width=760, kind="defer", **options):
        write_page(tmp_path, widgets, theme=theme, kind=kind)
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, **options
        )
        contexts.append(context)
        context.set_default_timeout(15_000)
        context.route("**/*", serve)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console",
            lambda said: (
                said.type in ("error", "warning") and faults.append(said.text)
            ),
        )
        page.goto(f"{ORIGIN}/index.html")
        page.locator(".widget > *").nth(len(list(widgets)) - 1).wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def built() -> Path:
    return Path(explorers.__file__).parent
