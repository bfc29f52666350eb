"""RotaryDial: its data, and the figure in the page."""

from __future__ import annotations

import re

import pytest
import torch
from playwright.sync_api import expect

from attnbook import explorers
from attnbook.mechanisms.positions import rope_angles, rotate


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
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(make, says):
    with pytest.raises(ValueError, match=says):
        make()
