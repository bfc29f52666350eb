"""ScaledScores: its data, and the figure in the page."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from attnbook import explorers
from attnbook.mechanisms import soft_lookup

QUERY = np.ones((2, 8))
KEY = np.ones((3, 8))


def tiles(page) -> list[float]:
    return [float(t) for t in page.locator(".tile b").all_inner_texts()]


def numpys(explorer, d, scaled, temperature=1.0) -> list[float]:
    """Variance, entropy, Jacobian norm and largest weight."""
    query, key = np.array(explorer.query), np.array(explorer.key)
    scores = query[:, :d] @ key[:, :d].T / temperature  # (T, S)
    if scaled:
        scores = scores / np.sqrt(d)
    weights = soft_lookup.softmax(scores)
    kept = np.where(weights > 0, weights, 1)
    norms = [np.linalg.norm(np.diag(w) - np.outer(w, w)) for w in weights]
    return [
        scores.var(),
        -(weights * np.log(kept)).sum(-1).mean(),
        np.mean(norms),
        weights.max(-1).mean(),
    ]


def test_the_first_numbers_are_numpys_at_the_largest_size(show, scaled):
    page = show([scaled])
    size = page.get_by_role("slider", name="Size d")
    expect(size).to_have_attribute("aria-valuetext", "64")
    np.testing.assert_allclose(
        tiles(page), numpys(scaled, 64, False), atol=0.0051
    )


def test_the_scale_keeps_the_variance_and_the_entropy(show, scaled):
    page = show([scaled])
    before = tiles(page)
    page.get_by_label("q · k / √d").check()
    expect(page.locator(".tile b").first).to_have_text(re.compile(r"^[01]\."))
    after = tiles(page)
    np.testing.assert_allclose(after, numpys(scaled, 64, True), atol=0.0051)
    assert after[1] > before[1] and after[3] < before[3]


def test_arrow_keys_halve_the_size(show, scaled):
    page = show([scaled])
    size = page.get_by_role("slider", name="Size d")
    size.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(size).to_have_attribute("aria-valuetext", "16")
    np.testing.assert_allclose(
        tiles(page), numpys(scaled, 16, False), atol=0.0051
    )
    page.keyboard.press("Home")
    expect(size).to_have_attribute("aria-valuetext", "4")


def test_a_temperature_of_root_d_does_what_the_scale_does(show):
    query, key = np.random.default_rng(1).normal(size=(2, 4, 16))
    hot = explorers.ScaledScores(query, key, temperature=4.0)
    scaled = explorers.ScaledScores(query, key, scaled=True)
    page = show([hot, scaled])
    shown = tiles(page)
    assert shown[:4] == shown[4:]


def test_the_mouse_and_a_finger_set_the_temperature(show, scaled):
    page = show([scaled], width=360, has_touch=True, is_mobile=True)
    slider = page.get_by_role("slider", name="Temperature")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.touchscreen.tap(box["x"] + 0.9 * box["width"], middle)
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^\d\d\."))
    page.mouse.click(box["x"] + 0.1 * box["width"], middle)
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^0\.0"))
    said = float(slider.get_attribute("aria-valuetext"))
    np.testing.assert_allclose(
        tiles(page)[1:], numpys(scaled, 64, False, said)[1:], atol=0.02
    )


def test_arrow_keys_walk_the_weights_and_read_them_out(show, scaled):
    page = show([scaled])
    cells = page.get_by_role("gridcell")
    expect(cells).to_have_count(16)
    cells.nth(0).click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    query, key = np.array(scaled.query), np.array(scaled.key)
    weights = soft_lookup.softmax(query @ key.T)[1]  # (S,)
    nats = -(weights * np.log(weights)).sum()
    says = f"query cat, key down: {weights[3]:.3f}; row {nats:.2f} nats"
    expect(page.locator(".read")).to_have_text(says)
    expect(page.locator("[tabindex='0']")).to_have_count(1)
    focused = page.get_by_role("grid").locator(":focus")
    expect(focused).to_have_attribute("aria-label", says)
    page.get_by_label("q · k / √d").check()  # the read-out follows
    expect(page.locator(".read")).not_to_have_text(says)


def test_keys_are_named_as_the_queries_where_there_are_as_many():
    named = explorers.ScaledScores(QUERY, QUERY, ["the", "cat"])
    assert named.key_labels == ["the", "cat"]
    other = explorers.ScaledScores(QUERY, KEY, ["the", "cat"])
    assert other.key_labels == ["1", "2", "3"]


def test_coordinates_beyond_the_largest_power_of_two_are_left_out():
    explorer = explorers.ScaledScores(np.ones((2, 12)), np.ones((3, 12)))
    assert explorer.d == len(explorer.query[0]) == 8


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: explorers.ScaledScores(QUERY, KEY.T),
            r"key must have the shape \(S, 8\), got \(8, 3\)",
        ),
        (
            lambda: explorers.ScaledScores(QUERY[:, :3], KEY[:, :3]),
            "query must have at least 4 coordinates, got 3",
        ),
        (
            lambda: explorers.ScaledScores(QUERY, KEY, d=6),
            "d must be a power of two from 4 to 8, got 6",
        ),
        (
            lambda: explorers.ScaledScores(QUERY, KEY, ["the"]),
            "labels must have one entry for each of the 2 queries, got 1",
        ),
        (
            lambda: explorers.ScaledScores(QUERY, KEY, temperature=0.01),
            "temperature must lie between 0.05 and 20, got 0.01",
        ),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(make, says):
    with pytest.raises(ValueError, match=says):
        make()
