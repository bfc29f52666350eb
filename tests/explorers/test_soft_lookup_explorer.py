"""SoftLookup: its data, and the figure in the page."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from attnbook import explorers
from attnbook.mechanisms import soft_lookup

KEYS = np.array([[0.9, 0.8], [-0.7, 0.8], [0.2, -0.9]])  # (3, 2)
VALUES = np.array([3.0, 7.5, -1.0])  # (3,)
LABELS = ["economy", "history", "bread"]


def weights_shown(page) -> np.ndarray:
    """The column of weights of the look-up's table."""
    cells = page.locator("tbody tr td:nth-child(4)").all_inner_texts()
    return np.array([float(cell) for cell in cells])


def query_shown(page) -> np.ndarray:
    text = page.get_by_role("slider", name="Query").get_attribute(
        "aria-valuetext"
    )
    x, y = re.findall(r"[-−\d.]+", text)
    return np.array([float(part.replace("−", "-")) for part in (x, y)])


def expected_weights(explorer, query, temperature=1.0) -> np.ndarray:
    scores = np.array(explorer.key) @ query
    return soft_lookup.softmax(scores, temperature)


def point(page, x, y) -> tuple[float, float]:
    """Where (x, y) of the look-up's plane is on the screen."""
    box = page.locator("svg.plane rect.frame").bounding_box()
    half = box["width"] / 2
    middle = box["x"] + half, box["y"] + half
    return middle[0] + x * half / 1.2, middle[1] - y * half / 1.2


def test_the_first_weights_are_numpys(show, lookup):
    page = show([lookup])
    expected = expected_weights(lookup, lookup.query)
    np.testing.assert_allclose(weights_shown(page), expected, atol=0.0051)
    output = expected @ np.array(lookup.value)
    expect(page.locator(".answer b")).to_have_text(f"{output:.2f}")


def test_the_mouse_drags_the_query(show, lookup):
    page = show([lookup])
    page.mouse.move(*point(page, 0.8, 0.7))
    page.mouse.down()
    page.mouse.move(*point(page, 0.0, 0.0), steps=4)
    page.mouse.move(*point(page, -0.9, -0.9), steps=4)
    page.mouse.up()
    page.mouse.move(*point(page, 0.5, 0.5))  # let go: nothing follows
    expect(page.locator("svg.plane")).to_be_visible()
    page.wait_for_function(
        """() => document.querySelector('.widget > div').shadowRoot
            .querySelector('.handle').ariaValueText.startsWith('x −0.9')"""
    )
    query = query_shown(page)
    np.testing.assert_allclose(query, [-0.9, -0.9], atol=0.02)
    np.testing.assert_allclose(
        weights_shown(page), expected_weights(lookup, query), atol=0.01
    )


def test_the_query_stays_on_its_plane(show, lookup):
    page = show([lookup])
    page.mouse.move(*point(page, 0.8, 0.7))
    page.mouse.down()
    page.mouse.move(*point(page, 2.5, 0.0), steps=3)
    page.mouse.up()
    handle = page.get_by_role("slider", name="Query")
    expect(handle).to_have_attribute("aria-valuetext", re.compile("x 1.20"))


def test_arrow_keys_move_the_query_and_stay_inside(show, lookup):
    page = show([lookup])
    page.evaluate("addEventListener('keydown', (e) => (window.heard = e.key))")
    handle = page.get_by_role("slider", name="Query")
    handle.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowDown", "Shift+ArrowDown"):
        page.keyboard.press(key)
    expect(handle).to_have_attribute("aria-valuetext", "x 0.70, y 0.40")
    page.keyboard.press("Home")
    expect(handle).to_have_attribute("aria-valuetext", "x 0.00, y 0.00")
    expect(page.locator("tbody tr td:nth-child(4)").first).to_have_text("0.25")
    assert page.evaluate("window.heard") is None


def test_a_finger_drags_the_handle_and_taps_the_plane(show, lookup):
    page = show([lookup], width=360, has_touch=True, is_mobile=True)
    touch = page.context.new_cdp_session(page)

    def send(kind, *places):
        touch.send(
            "Input.dispatchTouchEvent",
            {
                "type": kind,
                "touchPoints": [{"x": x, "y": y} for x, y in places],
            },
        )

    page.locator("svg.plane").scroll_into_view_if_needed()
    send("touchStart", point(page, 0.8, 0.7))
    for step in np.linspace(0, 1, 6):
        send("touchMove", point(page, 0.8 - 1.3 * step, 0.7 - 1.2 * step))
    send("touchEnd")
    handle = page.get_by_role("slider", name="Query")
    expect(handle).to_have_attribute(
        "aria-valuetext", re.compile(r"x −0\.(49|50|51), y −0\.(49|50|51)")
    )
    page.touchscreen.tap(*point(page, 0.5, -0.5))
    expect(handle).to_have_attribute(
        "aria-valuetext", re.compile(r"x 0\.(49|50|51), y −0\.(49|50|51)")
    )


def test_the_score_and_the_temperature_change_the_weights(show, lookup):
    page = show([lookup])
    page.get_by_label("negative distance").check()
    keys = np.array(lookup.key)
    scores = -np.linalg.norm(keys - np.array(lookup.query), axis=-1)
    expect(page.locator("tbody td.n").first).to_have_text(
        f"{scores[0]:.2f}".replace("-", "−")
    )
    slider = page.get_by_role("slider", name="Temperature")
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "0.05")
    expected = soft_lookup.softmax(scores, 0.05)
    np.testing.assert_allclose(weights_shown(page), expected, atol=0.0051)
    page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "20.0")
    expected = soft_lookup.softmax(scores, 20.0)
    np.testing.assert_allclose(weights_shown(page), expected, atol=0.0051)


def test_python_receives_what_the_reader_does():
    explorer = explorers.SoftLookup(KEYS, VALUES, LABELS)
    explorer.set_state({"query": [0.25, -0.5], "temperature": 2.0})
    assert explorer.query == [0.25, -0.5]
    assert explorer.temperature == 2.0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: explorers.SoftLookup(KEYS.T, VALUES),
            r"keys must have the shape \(N, 2\), got \(2, 3\)",
        ),
        (
            lambda: explorers.SoftLookup(KEYS, VALUES[:2]),
            r"values must have the shape \(3,\), got \(2,\)",
        ),
        (
            lambda: explorers.SoftLookup(KEYS * 2, VALUES),
            "keys must lie between -1 and 1, got 1.8",
        ),
        (
            lambda: explorers.SoftLookup(KEYS, VALUES, query=(0, 1.3)),
            "query must lie between -1.2 and 1.2, got 1.3",
        ),
        (
            lambda: explorers.SoftLookup(KEYS, VALUES, LABELS[:2]),
            "labels must have one entry for each of the 3 keys, got 2",
        ),
        (
            lambda: explorers.SoftLookup(KEYS, VALUES, "economy"),
            "labels must be a list of 3 strings, got one string",
        ),
        (
            lambda: explorers.SoftLookup(KEYS, VALUES, score="cosine"),
            "score must be one of 'dot', 'negative-distance', got 'cosine'",
        ),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(make, says):
    with pytest.raises(ValueError, match=says) as caught:
        make()
    assert str(caught.value).count(".") >= 2  # the error says what to do
