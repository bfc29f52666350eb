"""What a page weighs before its reader has scrolled."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from contents import pages
from PIL import Image

from benchmarks.page_weight import first_view, weigh
from benchmarks.served_book import served
from book.on_demand import load_on_demand

MOST = 600_000  # bytes, gzipped


@pytest.fixture(scope="module")
def gzipped_site(book) -> Iterator[str]:
    with served(book) as address:
        yield address


@pytest.mark.parametrize("path", pages())
def test_a_page_is_light_at_first_view(chromium, gzipped_site, path):
    first = first_view(chromium, f"{gzipped_site}/{path}")
    assert first["html"] > 0
    assert first.total() <= MOST, (
        f"{path} weighs {first.total() / 1000:.0f} kB at first view: "
        f"{dict(first)}. Let what is heavy load when it comes near "
        "(book/on_demand.py)."
    )


@pytest.fixture
def far_picture(tmp_path):
    """A page with a picture of 700 kB far below its first screen."""
    (tmp_path / "_images").mkdir()
    noise = Image.frombytes("RGB", (500, 467), os.urandom(500 * 467 * 3))
    noise.save(tmp_path / "_images/noise.png")
    (tmp_path / "index.html").write_text(
        '<!doctype html><div style="height: 9000px"></div>'
        '<img alt="Noise" src="_images/noise.png" />',
        "utf-8",
    )
    return tmp_path


def test_a_heavy_page_would_be_found(chromium, far_picture):
    with served(far_picture) as address:
        first = first_view(chromium, f"{address}/index.html")
    assert first.total() > MOST


def test_what_is_far_below_is_no_weight_until_it_comes_near(
    chromium, far_picture
):
    load_on_demand(far_picture)
    once = (far_picture / "index.html").read_text("utf-8")
    assert 'width="500" height="467" loading="lazy"' in once
    load_on_demand(far_picture)
    assert (far_picture / "index.html").read_text("utf-8") == once
    with served(far_picture) as address:
        first, whole = weigh(chromium, f"{address}/index.html")
    assert first.total() < 1_000 < MOST < whole.total()
