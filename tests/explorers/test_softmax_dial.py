"""SoftmaxDial: its data, and the figure in the page."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from attnbook import explorers
from attnbook.mechanisms import soft_lookup


def tiles(page) -> list[float]:
    return [float(t) for t in page.locator(".tile b").all_inner_texts()]


def numpys_tiles(scores, temperature) -> list[float]:
    weights = soft_lookup.softmax(np.array(scores), temperature)
    nats = -(weights * np.log(weights)).sum()
    jacobian = (np.diag(weights) - np.outer(weights, weights)) / temperature
    return [nats, np.exp(nats), np.linalg.norm(jacobian)]


def test_the_dial_reads_what_numpy_gives(show, dial):
    page = show([dial])
    np.testing.assert_allclose(
        tiles(page), numpys_tiles([2, 1, 0], 1.0), atol=0.0051
    )


def test_a_score_slider_changes_one_score(show, dial):
    page = show([dial])
    mouse = page.get_by_role("slider", name="Score of mouse")
    mouse.focus()
    for key in ("PageUp", "PageUp", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    expect(mouse).to_have_attribute("aria-valuetext", "2.00")
    np.testing.assert_allclose(
        tiles(page), numpys_tiles([2, 2, 0], 1.0), atol=0.0051
    )
    other = page.get_by_role("slider", name="Score of cat")
    expect(other).to_have_attribute("aria-valuetext", "2.00")


def test_the_mouse_turns_the_temperature(show, dial):
    page = show([dial])
    slider = page.get_by_role("slider", name="Temperature")
    box = slider.bounding_box()
    page.mouse.click(
        box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2
    )
    expect(slider).not_to_have_attribute("aria-valuetext", "1.00")
    said = float(slider.get_attribute("aria-valuetext"))
    assert 3.5 < said < 5.5
    np.testing.assert_allclose(
        tiles(page), numpys_tiles([2, 1, 0], said), atol=0.02
    )


def test_a_finger_turns_the_temperature(show, dial):
    page = show([dial], width=360, has_touch=True, is_mobile=True)
    slider = page.get_by_role("slider", name="Temperature")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.touchscreen.tap(
        box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 2
    )
    expect(slider).not_to_have_attribute("aria-valuetext", "1.00")
    assert float(slider.get_attribute("aria-valuetext")) < 0.4


def test_labels_are_counted_where_none_are_given():
    assert explorers.SoftmaxDial([1.0, 2.0]).labels == ["1", "2"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: explorers.SoftmaxDial([1.0, np.nan]),
            r"scores must be finite, got nan at \(1,\)",
        ),
        (
            lambda: explorers.SoftmaxDial([]),
            r"scores must have the shape \(N,\), got \(0,\)",
        ),
        (
            lambda: explorers.SoftmaxDial([[1.0], [2.0, 3.0]]),
            r"scores must be an array of numbers of shape \(N,\), got list",
        ),
        (
            lambda: explorers.SoftmaxDial([1.0], temperature=0),
            "temperature must lie between 0.05 and 20, got 0",
        ),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(make, says):
    with pytest.raises(ValueError, match=says) as caught:
        make()
    assert str(caught.value).count(".") >= 2  # the error says what to do
