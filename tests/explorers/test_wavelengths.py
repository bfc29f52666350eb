"""Wavelengths: their data, and the figure in the page."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from attnbook import explorers
from attnbook.mechanisms.positions import sinusoidal


def slider(page, name):
    return page.get_by_role("slider", name=name)


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
