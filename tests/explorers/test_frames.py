"""Frames: their data, and the figure in the page."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from pages import write_page
from playwright.sync_api import expect

from attnbook import explorers
from book.on_demand import load_on_demand


def draw(width):
    fig, ax = plt.subplots(figsize=(3, 2))
    ax.plot([0, width])
    return fig


def test_frames_change_picture_and_words(show, frames):
    page = show([frames])
    image = page.get_by_role("img")
    expect(image).to_have_attribute("alt", "A bump of width 0.5")
    assert image.evaluate("e => e.decode().then(() => e.naturalWidth)") == 1000
    first = image.get_attribute("src")
    page.get_by_role("slider", name="width").focus()
    page.keyboard.press("ArrowRight")
    expect(image).to_have_attribute("alt", "A bump of width 1.0")
    assert image.get_attribute("src") != first
    page.keyboard.press("End")
    expect(image).to_have_attribute("alt", "A bump of width 2.0")


def test_the_mouse_scrubs_through_the_frames(show, frames):
    page = show([frames])
    slider = page.get_by_role("slider", name="width")
    box = slider.bounding_box()
    page.mouse.click(
        box["x"] + 0.97 * box["width"], box["y"] + box["height"] / 2
    )
    expect(slider).to_have_attribute("aria-valuetext", "2")


# -- as files beside the page, which is what the book makes of them -----------


@pytest.fixture
def built_page(tmp_path, frames) -> Path:
    """A page with one figure far down, after the book's last step."""
    page = write_page(tmp_path, [frames])
    text = page.read_text("utf-8")
    far = '<div style="height: 9000px"></div>'
    page.write_text(text.replace("<h2>", f"{far}<h2>"), "utf-8")
    load_on_demand(tmp_path)
    return page


@pytest.fixture
def opened(chromium, built_page):
    """The page, opened from disk, and the pictures that it asks for."""
    page = chromium.new_page()
    asked = []
    page.on(
        "request",
        lambda request: (
            request.url.endswith(".webp") and asked.append(request)
        ),
    )
    page.goto(built_page.as_uri())
    page.get_by_role("slider", name="width").wait_for(state="attached")
    yield page, asked
    page.close()


WIDTH = "async (e) => { await e.decode(); return e.naturalWidth }"


def test_frames_are_fetched_when_the_figure_comes_near(opened, built_page):
    page, asked = opened
    assert "image/webp" not in built_page.read_text("utf-8")
    page.wait_for_timeout(300)
    assert asked == []
    image = page.get_by_role("img")
    room = image.bounding_box()
    assert room["height"] == pytest.approx(room["width"] / 2, abs=1)
    image.scroll_into_view_if_needed()
    assert image.evaluate(WIDTH) == 1000
    page.wait_for_timeout(300)
    assert len({request.url for request in asked}) == 3
    assert image.bounding_box()["height"] == room["height"]


def test_frames_from_disk_are_scrubbed(opened):
    page, _ = opened
    image = page.get_by_role("img")
    first = image.get_attribute("src")
    page.get_by_role("slider", name="width").press("End")
    expect(image).not_to_have_attribute("src", first)
    assert image.evaluate(WIDTH) == 1000
    expect(page.get_by_role("note")).to_have_count(0)


def test_a_frame_that_cannot_be_loaded_says_so(opened, built_page):
    page, _ = opened
    for path in built_page.parent.glob("_images/*/*.webp"):
        path.unlink()
    page.get_by_role("img").scroll_into_view_if_needed()
    expect(page.get_by_role("note")).to_contain_text("could not be loaded")
    expect(page.get_by_role("img")).to_have_attribute(
        "alt", "A bump of width 0.5"
    )


def test_frames_leave_no_open_figure_and_the_same_bytes_every_time():
    before = plt.get_fignums()
    first, second = (
        explorers.Frames(draw, [0.5, 1.0], alt=lambda v: f"A line to {v}")
        for _ in range(2)
    )
    assert plt.get_fignums() == before
    assert first.images == second.images
    assert first.images[0] != first.images[1]
    assert first.alts == ["A line to 0.5", "A line to 1.0"]
    assert (first.width, first.height) == (300, 200)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: explorers.Frames(draw, [], alt="A line"),
            "values must hold 1 to 100 values, got 0",
        ),
        (
            lambda: explorers.Frames(draw, [1.0]),
            "alt must say what the frame shows, got None",
        ),
        (
            lambda: explorers.Frames(lambda value: value, [1.0], alt="A line"),
            "draw must return a Matplotlib figure, got float for 1.0",
        ),
        (
            lambda: explorers.Frames(
                lambda w: plt.figure(figsize=(w, 2)), [1.0, 2.0], alt="A line"
            ),
            "draw must return figures of one size",
        ),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(make, says):
    with pytest.raises(ValueError, match=says) as caught:
        make()
    assert str(caught.value).count(".") >= 2  # the error says what to do
