"""RotaryDial and Wavelengths: their data, and the figures in the page."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from attnbook import explorers
from attnbook.mechanisms.positions import rope_angles, rotate, sinusoidal


def score(dial, m, n, base=10_000.0) -> float:
    """PyTorch's score of the dial's query and key at two positions."""
    turned = [
        rotate(
            torch.tensor([vector], dtype=torch.float64),
            rope_angles(torch.tensor([at]), len(vector), base),
        )
        for vector, at in ((dial.query, m), (dial.key, n))
    ]
    return (turned[0] * turned[1]).sum().item()


def says(value: float, distance: int) -> str:
    return f"{value:.3f} at distance {distance}".replace("-", "−")


def slider(page, name):
    return page.get_by_role("slider", name=name)


# -- the rotary dial ----------------------------------------------------------


def test_the_first_score_is_pytorchs(show, rotary):
    page = show([rotary])
    expect(page.locator(".tile b")).to_have_text(says(score(rotary, 12, 9), 3))
    parts = [
        float(text.removeprefix("adds ").replace("−", "-"))
        for text in page.get_by_text("adds").all_inner_texts()
    ]
    assert len(parts) == 3
    assert sum(parts) == pytest.approx(score(rotary, 12, 9), abs=0.016)


def test_arrow_keys_move_the_query_and_change_the_score(show, rotary):
    page = show([rotary])
    slider(page, "Query position").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".tile b")).to_have_text(says(score(rotary, 15, 9), 6))
    page.keyboard.press("Home")
    expect(page.locator(".tile b")).to_have_text(says(score(rotary, 0, 9), -9))


def test_the_score_stays_where_both_move_and_the_arrows_turn(show, rotary):
    page = show([rotary])
    total = page.locator(".tile b")
    arrow = page.locator("line.query").first
    before, at = total.inner_text(), arrow.get_attribute("x2")
    page.get_by_label("Keep the distance").check()
    slider(page, "Key position").focus()
    page.keyboard.press("PageUp")
    expect(slider(page, "Query position")).to_have_attribute(
        "aria-valuetext", "17"
    )
    expect(slider(page, "Key position")).to_have_attribute(
        "aria-valuetext", "14"
    )
    expect(arrow).not_to_have_attribute("x2", at)
    expect(total).to_have_text(before)


def test_the_kept_distance_stops_where_one_of_them_must_stop(show, rotary):
    page = show([rotary])
    page.get_by_label("Keep the distance").check()
    slider(page, "Query position").focus()
    page.keyboard.press("Home")
    expect(slider(page, "Query position")).to_have_attribute(
        "aria-valuetext", "3"
    )
    expect(slider(page, "Key position")).to_have_attribute(
        "aria-valuetext", "0"
    )
    page.keyboard.press("End")
    expect(slider(page, "Query position")).to_have_attribute(
        "aria-valuetext", "64"
    )
    expect(slider(page, "Key position")).to_have_attribute(
        "aria-valuetext", "61"
    )


def test_a_finger_sets_the_base(show, rotary):
    page = show([rotary], width=360, has_touch=True, is_mobile=True)
    base = slider(page, "Base")
    base.scroll_into_view_if_needed()
    box = base.bounding_box()
    page.touchscreen.tap(
        box["x"] + 0.2 * box["width"], box["y"] + box["height"] / 2
    )
    expect(base).to_have_attribute("aria-valuetext", re.compile(r"^\d{2,3}$"))
    now = float(base.get_attribute("aria-valuetext"))
    expect(page.locator(".tile b")).to_have_text(
        says(score(rotary, 12, 9, now), 3)
    )


# -- wavelengths --------------------------------------------------------------


def pixels(page) -> np.ndarray:
    """The painted table: (T, D, 4)."""
    width, height, data = page.locator("canvas").evaluate(
        "c => [c.width, c.height, Array.from("
        "c.getContext('2d').getImageData(0, 0, c.width, c.height).data)]"
    )
    return np.array(data).reshape(height, width, 4)


def test_the_heat_map_paints_the_sinusoids(show, wavelengths):
    got = pixels(show([wavelengths]))
    expected = sinusoidal(64, 32).numpy()
    np.testing.assert_allclose(got[..., 3] / 255, abs(expected), atol=0.004)
    clear = abs(expected) > 0.1
    blue = got[..., 2] > got[..., 0]
    assert (blue[clear] == (expected[clear] > 0)).all()


def test_wavelength_sine_and_cosine_are_numpys(show, wavelengths):
    page = show([wavelengths])
    rate = 10_000 ** (-2 / 32)
    rates = 10_000 ** (-np.arange(0, 32, 2) / 32)
    assert page.locator(".tile b").all_inner_texts() == [
        f"{2 * np.pi / rate:.1f} tokens",
        f"{np.sin(5 * rate):.2f}".replace("-", "−"),
        f"{np.cos(5 * rates).mean():.2f}",
    ]
    whole = (2 * np.pi / rates <= 64).sum()
    expect(page.locator(".summary")).to_contain_text(f"{whole} of 16 pairs")


def test_keys_change_the_width_and_keep_the_pair_within_it(show, wavelengths):
    page = show([wavelengths])
    slider(page, "Pair").focus()
    page.keyboard.press("End")
    expect(slider(page, "Pair")).to_have_attribute("aria-valuetext", "15")
    slider(page, "Width D").focus()
    page.keyboard.press("Home")
    expect(slider(page, "Width D")).to_have_attribute("aria-valuetext", "4")
    expect(slider(page, "Pair")).to_have_attribute("aria-valuetext", "1")
    assert pixels(page).shape == (64, 4, 4)
    expect(page.locator(".summary")).to_contain_text("1 of 2 pairs")


def test_a_larger_base_makes_longer_waves(show, wavelengths):
    page = show([wavelengths])
    before = page.locator(".tile b").first.inner_text()
    slider(page, "Base").focus()
    page.keyboard.press("ArrowRight")
    expect(slider(page, "Base")).to_have_attribute("aria-valuetext", "20,000")
    after = page.locator(".tile b").first.inner_text()
    assert float(after.split()[0]) > float(before.split()[0])


def test_a_click_in_the_map_picks_pair_and_position(show, wavelengths):
    page = show([wavelengths])
    canvas = page.locator("canvas")
    box = canvas.bounding_box()
    canvas.click(
        position={
            "x": box["width"] * 20.5 / 32,
            "y": box["height"] * 40.5 / 64,
        }
    )
    expect(slider(page, "Pair")).to_have_attribute("aria-valuetext", "10")
    expect(slider(page, "Position")).to_have_attribute("aria-valuetext", "40")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: explorers.RotaryDial([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
            "query must have an even number of features, at most 16, got 3",
        ),
        (
            lambda: explorers.RotaryDial([1.0] * 18, [1.0] * 18),
            "at most 16, got 18",
        ),
        (
            lambda: explorers.RotaryDial([1.0, 2.0], [1.0, 2.0, 3.0, 4.0]),
            r"key must have the shape \(2,\), got \(4,\)",
        ),
        (
            lambda: explorers.RotaryDial([1.0, 2.0], [1.0, 2.0], 65),
            "query_position must be a whole number from 0 to 64, got 65",
        ),
        (
            lambda: explorers.RotaryDial([1.0, 2.0], [1.0, 2.0], 3, 1.5),
            "key_position must be a whole number from 0 to 64, got 1.5",
        ),
        (
            lambda: explorers.RotaryDial([1.0, 2.0], [1.0, 2.0], base=1),
            r"base must lie between 10 and 1e\+06, got 1",
        ),
        (
            lambda: explorers.Wavelengths(d_model=30),
            "d_model must be one of 4, 8, 16, 32, 64, 128, got 30",
        ),
        (
            lambda: explorers.Wavelengths(length=4),
            "length must be a whole number from 8 to 256, got 4",
        ),
        (
            lambda: explorers.Wavelengths(d_model=8, pair=4),
            "pair must be a whole number from 0 to 3, got 4",
        ),
        (
            lambda: explorers.Wavelengths(length=8, position=8),
            "position must be a whole number from 0 to 7, got 8",
        ),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(make, says):
    with pytest.raises(ValueError, match=says):
        make()
