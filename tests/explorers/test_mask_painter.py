"""MaskPainter: its data, and the figure in the page."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from settling import settle

from attnbook import explorers
from attnbook.mechanisms.additive import masked_softmax

SCORES = np.zeros((2, 3))


def masked(page) -> np.ndarray:
    """Which cells are hatched: (T, S) of bool."""
    rows = page.get_by_role("row").all()[1:]
    rows = [row for row in rows if row.get_by_role("gridcell").count()]
    return np.array(
        [
            [
                "out" in cell.get_attribute("class").split()
                for cell in row.get_by_role("gridcell").all()
            ]
            for row in rows
        ]
    )


def weights(page, shape) -> np.ndarray:
    """What the cells say, 0 where they say that they are masked."""
    said = [
        cell.get_attribute("aria-label").rsplit(": ", 1)[1]
        for cell in page.get_by_role("gridcell").all()
    ]
    numbers = [0.0 if text == "masked" else float(text) for text in said]
    return np.reshape(numbers, shape)


def expected(painter, mask) -> np.ndarray:
    scores = torch.tensor(painter.scores)
    return masked_softmax(scores, torch.tensor(mask)).numpy()


def middle(page, t, s, columns=5) -> tuple[float, float]:
    box = page.get_by_role("gridcell").nth(columns * t + s).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_first_weights_are_those_under_the_mask(show, painter):
    page = show([painter])
    causal = np.tri(5) > 0
    np.testing.assert_array_equal(masked(page), ~causal)
    np.testing.assert_allclose(
        weights(page, (5, 5)), expected(painter, causal), atol=0.00051
    )
    expect(page.get_by_label("causal")).to_be_checked()
    expect(page.get_by_role("alert")).to_have_text("")
    expect(page.get_by_role("table")).to_be_hidden()


@pytest.mark.parametrize("preset", ["none", "padding", "both"])
def test_a_preset_replaces_the_mask(show, preset):
    scores = np.random.default_rng(4).normal(size=(3, 5))
    painter = explorers.MaskPainter(scores, padded=2)
    page = show([painter])
    page.get_by_label("causal", exact=True).check()
    mask = {
        "none": np.ones((3, 5), bool),
        "padding": np.tile(np.arange(5) < 3, (3, 1)),
        "both": (np.tri(3, 5) > 0) & (np.arange(5) < 3),
    }[preset]
    page.locator(f"input[value={preset}]").check()
    last = page.get_by_role("gridcell").last  # masked by causal
    says = r": 0\.\d+$" if preset == "none" else ": masked$"
    expect(last).to_have_attribute("aria-label", re.compile(says))
    settle(page)
    np.testing.assert_array_equal(masked(page), ~mask)
    np.testing.assert_allclose(
        weights(page, (3, 5)), expected(painter, mask), atol=0.00051
    )


def test_a_click_strikes_out_one_cell_and_another_brings_it_back(
    show, painter
):
    page = show([painter])
    cell = page.get_by_role("gridcell").nth(5 * 4 + 3)
    cell.click()
    expect(page.locator(".read")).to_have_text(
        "query 5, mouse; key 4, the: masked"
    )
    mask = np.tri(5) > 0
    mask[4, 3] = False
    np.testing.assert_allclose(
        weights(page, (5, 5)), expected(painter, mask), atol=0.00051
    )
    expect(page.get_by_label("causal")).not_to_be_checked()
    cell.click()
    expect(page.get_by_label("causal")).to_be_checked()


def test_the_mouse_paints_every_cell_on_its_way(show, painter):
    page = show([painter])
    page.mouse.move(*middle(page, 4, 0))
    page.mouse.down()
    page.mouse.move(*middle(page, 4, 4))  # in one leap
    page.mouse.move(*middle(page, 3, 4))  # already masked: stays so
    page.mouse.up()
    page.mouse.move(*middle(page, 0, 0))  # let go: nothing follows
    expect(page.get_by_role("alert")).to_have_text(
        "Nothing to attend to: query 5, mouse."
    )
    mask = np.tri(5) > 0
    mask[4] = False
    np.testing.assert_array_equal(masked(page), ~mask)


def test_space_and_enter_paint_the_cell_that_the_arrows_reach(show, painter):
    page = show([painter])
    page.evaluate("addEventListener('keydown', (e) => (window.heard = e.key))")
    page.locator("[role=gridcell][tabindex='0']").focus()
    page.keyboard.press("PageDown")
    page.keyboard.press("End")
    page.keyboard.press("Space")
    expect(page.locator(".read")).to_have_text(
        "query 5, mouse; key 5, mouse: masked"
    )
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator(".read")).to_contain_text("query 4, the; key 5, mou")
    expect(page.locator(".read")).not_to_contain_text("masked")
    mask = np.tri(5) > 0
    mask[4, 4], mask[3, 4] = False, True
    np.testing.assert_allclose(
        weights(page, (5, 5)), expected(painter, mask), atol=0.00051
    )
    expect(page.locator("[role=gridcell][tabindex='0']")).to_have_count(1)
    assert page.evaluate("scrollY") == 0
    assert page.evaluate("window.heard") is None


def test_a_finger_taps_and_drags(show, painter):
    page = show([painter], width=360, has_touch=True, is_mobile=True)
    page.get_by_role("grid").scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    page.touchscreen.tap(*middle(page, 0, 4))
    expect(page.get_by_role("gridcell").nth(4)).not_to_have_class("out")
    touch = page.context.new_cdp_session(page)
    mask = np.tri(5) > 0
    mask[0, 4] = True

    def send(kind, *places):
        points = [{"x": x, "y": y} for x, y in places]
        touch.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
        )

    (x, top), (_, bottom) = middle(page, 1, 0), middle(page, 4, 0)
    send("touchStart", (x, top))
    for y in np.linspace(top, bottom, 7):
        send("touchMove", (x, y))
    send("touchEnd")
    mask[1:, 0] = False
    expect(page.get_by_role("gridcell").nth(20)).to_have_attribute(
        "aria-label", "query 5, mouse; key 1, the: masked"
    )
    np.testing.assert_array_equal(masked(page), ~mask)
    assert page.evaluate("scrollY") == before  # the drag paints


def test_an_empty_row_is_announced_with_what_three_policies_give(
    show, painter
):
    page = show([painter])
    page.get_by_role("gridcell").nth(0).click()
    alert = page.get_by_role("alert")
    expect(alert).to_have_text("Nothing to attend to: query 1, the.")
    rows = page.locator("tbody tr")
    assert [row.inner_text().split("\t")[-2:] for row in rows.all()] == [
        ["0.000", "0.000"],
        ["NaN", "NaN"],
        ["0.200", "1.000"],
    ]
    expect(page.locator(".count").nth(1)).to_have_text("none")
    page.get_by_role("gridcell").nth(0).click()
    expect(alert).to_have_text("")
    expect(page.get_by_role("table")).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 760])
def test_an_empty_row_is_readable_for_everyone(show, theme, width):
    words = [f"word{n}" for n in range(14)]
    mask = np.tri(14) > 0
    mask[3] = False
    wide = explorers.MaskPainter(np.zeros((14, 14)), words, words, mask)
    page = show([wide], theme=theme, width=width)
    expect(page.get_by_role("alert")).to_have_text(
        "Nothing to attend to: query 4, word3."
    )
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    cell = page.get_by_role("gridcell").first.bounding_box()
    assert cell["width"] >= 24 and cell["height"] >= 24  # room for a finger


def test_python_receives_the_painted_mask():
    painter = explorers.MaskPainter(SCORES)
    painter.set_state({"mask": [[True, False, True], [False] * 3]})
    assert painter.mask[0] == [True, False, True]


def test_the_mask_starts_open_and_the_labels_count():
    painter = explorers.MaskPainter(SCORES)
    assert painter.mask == [[True] * 3] * 2
    assert painter.query_labels == ["1", "2"]
    assert painter.key_labels == ["1", "2", "3"]


def test_its_text_counts_the_open_pairs():
    painter = explorers.MaskPainter(SCORES, mask=np.tri(2, 3))
    assert repr(painter) == (
        "MaskPainter: weights of 2 queries over 3 keys, 3 of 6 pairs open, "
        "to be painted"
    )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: explorers.MaskPainter(SCORES[0]),
            r"scores must have the shape \(T, S\), got \(3,\)",
        ),
        (
            lambda: explorers.MaskPainter(SCORES - np.inf),
            r"scores must be finite, got -inf at \(0, 0\)",
        ),
        (
            lambda: explorers.MaskPainter(SCORES, ["the"]),
            "queries must have one entry for each of the 2 rows of scores",
        ),
        (
            lambda: explorers.MaskPainter(SCORES, keys=["the", "cat"]),
            "keys must have one entry for each of the 3 columns of scores",
        ),
        (
            lambda: explorers.MaskPainter(SCORES, mask=np.ones((3, 2))),
            r"mask must have the shape \(2, 3\), got \(3, 2\)",
        ),
        (
            lambda: explorers.MaskPainter(SCORES, mask=SCORES - 1e9),
            r"mask must hold true, .* or false, got -1e\+09",
        ),
        (
            lambda: explorers.MaskPainter(SCORES, padded=4),
            "padded must be a whole number from 1 to 3, got 4",
        ),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(make, says):
    with pytest.raises(ValueError, match=says) as caught:
        make()
    assert str(caught.value).count(".") >= 2  # the error says what to do
