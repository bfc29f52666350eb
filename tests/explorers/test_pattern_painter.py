"""PatternPainter: its data, and the figure in the page."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from patterns_cases import NAMES, masks, sizes_of
from playwright.sync_api import expect
from settling import settle

from attnbook import explorers
from attnbook.mechanisms.long_context import (
    depth_needed,
    reach,
    reach_by_depth,
    window_mask,
)

BLOCKS = {"tokens": 10, "window": 1, "block": 3, "near": 1}


def cells(page, kind: str) -> np.ndarray:
    """Which cells are of a kind: (n, n) of bool."""
    found = page.locator(".cell").evaluate_all(
        f"cells => cells.map(cell => cell.classList.contains('{kind}'))"
    )
    n = int(len(found) ** 0.5)
    return np.reshape(found, (n, n))


def tile(page, name: str):
    return page.locator(".tile").filter(has_text=re.compile(f"^{name}"))


def table(page) -> list[int]:
    """How many tokens are reached after 1 to 8 layers."""
    return [*map(int, page.locator(".reach td.n").all_inner_texts())]


def slider(page, name: str):
    return page.get_by_role("slider", name=name)


def middle(page, t, s, n=12) -> tuple[float, float]:
    box = page.get_by_role("gridcell").nth(n * t + s).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def shown(page, mask) -> None:
    """The page shows this mask, and all that the mechanisms say of it."""
    settle(page)
    n = len(mask)
    np.testing.assert_array_equal(cells(page, "reads"), mask.numpy())
    pairs = int(mask.sum())
    expect(tile(page, "Work")).to_contain_text(
        f"{pairs} of {n * (n + 1) // 2} pairs are read"
    )
    expect(tile(page, "Work")).to_contain_text(
        f"no token more than {int(mask.sum(-1).max())}."
    )
    assert table(page) == reach_by_depth(mask, 8)
    needed = depth_needed(mask)
    expect(tile(page, "Reach")).to_contain_text(
        "Some tokens never reach all before them"
        if needed is None
        else f"after {needed} layer"
    )


# -- what the page shows ------------------------------------------------------


def test_a_window_of_three_reaches_two_more_in_each_layer(show, patterns):
    page = show([patterns])
    mask = window_mask(12, 3)
    shown(page, mask)
    assert table(page) == [3, 5, 7, 9, 11, 12, 12, 12]
    expect(tile(page, "Memory")).to_contain_text("3 of 12 keys in the cache")
    expect(tile(page, "Reach")).to_contain_text("7 of 12 tokens after 3 lay")
    reached = reach([mask] * 3) & ~mask
    np.testing.assert_array_equal(cells(page, "reached"), reached.numpy())


@pytest.mark.parametrize("name", NAMES)
def test_every_pattern_is_that_of_the_mechanisms(show, name):
    sizes = sizes_of(np.random.default_rng(len(name)), 14)
    page = show([explorers.PatternPainter(pattern="full", **sizes)])
    page.locator(f"input[value={name}]").check()
    mask = masks(name, sizes, 14)
    shown(page, mask)
    np.testing.assert_array_equal(
        cells(page, "ahead"), np.triu(np.ones((14, 14), bool), 1)
    )


def test_only_the_sizes_of_the_pattern_can_be_moved(show, patterns):
    page = show([patterns])
    names = {
        "full": [],
        "strided": ["Window W", "Stride s"],
        "blocks": ["Block size b", "Near blocks m"],
    }
    always = ["Tokens n", "Token", "Layers"]
    for value, own in names.items():
        page.locator(f"input[value={value}]").check()
        sliders = page.get_by_role("slider")
        expect(sliders).to_have_count(len(own) + 3)
        said = [
            one.evaluate("e => e.closest('label').firstChild.textContent")
            for one in sliders.all()
        ]
        assert sorted(said) == sorted(own + always)


def test_the_cache_of_a_stride_holds_what_it_does_not_read(show):
    page = show([explorers.PatternPainter(16, "strided")])
    expect(tile(page, "Work")).to_contain_text("Token 16 reads 7 keys")
    expect(tile(page, "Memory")).to_contain_text("16 of 16 keys")
    page.locator("input[value=dilated]").check()
    expect(tile(page, "Work")).to_contain_text("Token 16 reads 4 keys")
    expect(tile(page, "Memory")).to_contain_text("7 of 16 keys")


# -- keyboard, mouse and finger -----------------------------------------------


def test_space_and_enter_paint_the_cell_that_the_arrows_reach(show, patterns):
    page = show([patterns])
    page.evaluate("addEventListener('keydown', (e) => (window.heard = e.key))")
    page.locator("[role=gridcell][tabindex='0']").focus()
    read = page.locator(".read")
    expect(read).to_have_text(
        "token 12, key 1: not read, reached after 6 layers"
    )
    page.keyboard.press("Space")
    expect(read).to_have_text("token 12, key 1: read")
    mask = window_mask(12, 3)
    mask[11, 0] = True
    shown(page, mask)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    mask[11, 1] = True
    expect(read).to_have_text("token 12, key 2: read")
    shown(page, mask)
    assert cells(page, "own").sum() == 2
    page.keyboard.press("Enter")
    expect(read).to_contain_text("not read")
    mask[11, 1] = False
    shown(page, mask)
    assert page.evaluate("scrollY") == 0
    assert page.evaluate("window.heard") is None


def test_what_lies_ahead_cannot_be_painted(show, patterns):
    page = show([patterns])
    page.get_by_role("gridcell").nth(11).click()
    expect(page.locator(".read")).to_have_text("token 1, key 12: lies ahead")
    page.keyboard.press("Space")
    shown(page, window_mask(12, 3))


def test_the_mouse_paints_every_cell_on_its_way(show, patterns):
    page = show([patterns])
    page.mouse.move(*middle(page, 9, 0))
    page.mouse.down()
    page.mouse.move(*middle(page, 9, 5))  # in one leap
    page.mouse.up()
    page.mouse.move(*middle(page, 3, 1))  # let go: nothing follows
    mask = window_mask(12, 3)
    mask[9, :6] = True
    shown(page, mask)
    page.get_by_role("button", name="Undo what I painted").click()
    shown(page, window_mask(12, 3))


def test_an_own_key_can_be_struck_out_and_its_place_still_counts(
    show, patterns
):
    page = show([patterns])
    page.get_by_role("gridcell").last.click()
    mask = window_mask(12, 3)
    mask[11, 11] = False
    expect(page.locator(".read")).to_contain_text("its own place")
    shown(page, mask)
    assert table(page)[0] == 3


def test_painting_sets_whole_blocks_where_the_pattern_has_blocks(show):
    page = show([explorers.PatternPainter(10, "blocks", block=3)])
    page.get_by_role("gridcell").nth(10 * 7 + 4).click()
    mask = masks("blocks", BLOCKS, 10)
    mask[6:9, 3:6] = True
    shown(page, mask)
    page.get_by_role("gridcell").nth(10 * 9 + 9).click()
    mask[9, 9] = False
    shown(page, mask)


def test_a_finger_taps_and_drags(show, patterns):
    page = show([patterns], width=360, has_touch=True, is_mobile=True)
    page.get_by_role("grid").scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    page.touchscreen.tap(*middle(page, 8, 2))
    mask = window_mask(12, 3)
    mask[8, 2] = True
    expect(page.locator(".read")).to_have_text("token 9, key 3: read")
    touch = page.context.new_cdp_session(page)

    def send(kind, *places):
        points = [{"x": x, "y": y} for x, y in places]
        touch.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
        )

    (x, top), (_, bottom) = middle(page, 5, 0), middle(page, 11, 0)
    send("touchStart", (x, top))
    for y in np.linspace(top, bottom, 9):
        send("touchMove", (x, y))
    send("touchEnd")
    mask[5:, 0] = True
    expect(page.locator(".read")).to_have_text("token 12, key 1: read")
    shown(page, mask)
    assert page.evaluate("scrollY") == before  # the drag paints


def test_another_token_is_chosen_by_slider_or_by_its_number(show, patterns):
    page = show([patterns])
    slider(page, "Token").last.press("PageDown")
    head = page.locator("th.wide")
    expect(head).to_contain_text("can change token 7")
    assert table(page) == [3, 5, 7, 7, 7, 7, 7, 7]
    page.get_by_role("rowheader", name="2", exact=True).first.click()
    expect(head).to_contain_text("can change token 2")
    assert table(page) == [2] * 8
    expect(tile(page, "Memory")).to_contain_text("2 of 2 keys")
    shown_mask = cells(page, "reads")
    np.testing.assert_array_equal(shown_mask, window_mask(12, 3).numpy())


def test_layers_are_chosen_by_slider_or_by_their_row(show, patterns):
    page = show([patterns])
    slider(page, "Layers").press("Home")
    expect(slider(page, "Layers")).to_have_attribute("aria-valuetext", "1")
    expect(page.locator(".cell.reached")).to_have_count(0)
    page.locator(".reach tbody tr").nth(4).click()
    expect(slider(page, "Layers")).to_have_attribute("aria-valuetext", "5")
    reached = reach([window_mask(12, 3)] * 5) & ~window_mask(12, 3)
    np.testing.assert_array_equal(cells(page, "reached"), reached.numpy())


def test_fewer_tokens_keep_what_still_has_a_place(show, patterns):
    page = show([patterns])
    page.get_by_role("gridcell").nth(12 * 11 + 0).click()
    page.get_by_role("gridcell").nth(12 * 6 + 0).click()
    slider(page, "Window W").press("End")
    slider(page, "Tokens n").press("PageDown")
    expect(page.locator(".cell")).to_have_count(49)
    expect(slider(page, "Window W")).to_have_attribute("aria-valuetext", "7")
    expect(page.locator("th.wide")).to_contain_text("can change token 7")
    shown(page, window_mask(7, 7))
    slider(page, "Window W").press("PageDown")
    mask = window_mask(7, 2)
    mask[6, 0] = True
    shown(page, mask)


def test_what_changes_is_said(show, patterns):
    page = show([patterns])
    slider(page, "Window W").press("ArrowRight")
    expect(page.locator("[aria-live=polite]")).to_have_text(
        "window: 42 of 78 pairs are read, 4 keys in the cache; after 3 "
        "layers token 12 reaches 10 tokens."
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 760])
def test_every_pattern_is_readable_for_everyone(show, theme, width):
    wide = explorers.PatternPainter(20, "global", global_tokens=3)
    page = show([wide], theme=theme, width=width)
    page.get_by_role("gridcell").nth(20 * 15 + 3).click()
    for name in ("global", "blocks"):
        page.locator(f"input[value={name}]").check()
        settle(page)
        found = Axe().run(page).response["violations"]
        assert [(v["id"], v["nodes"]) for v in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
    grid = page.get_by_role("grid")
    assert grid.evaluate("e => e.scrollWidth <= e.clientWidth")


# -- the data -----------------------------------------------------------------


def test_python_receives_what_the_reader_painted():
    painter = explorers.PatternPainter()
    painter.set_state({"painted": [[5, 0, True]], "pattern": "sinks"})
    assert painter.painted == [[5, 0, True]]
    assert painter.pattern == "sinks"


def test_the_stride_starts_at_the_root_and_the_last_token_is_chosen():
    painter = explorers.PatternPainter(18)
    assert (painter.stride, painter.token, painter.layers) == (4, 18, 2)


def test_its_text_names_pattern_and_tokens():
    assert repr(explorers.PatternPainter(pattern="blocks")) == (
        "PatternPainter: the pattern “blocks” over 16 tokens, to be painted; "
        "work, memory and reach by depth"
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"pattern": "random"}, "pattern must be one of full, .*'random'"),
        ({"tokens": 21}, "tokens must be a whole number from 4 to 20, got 21"),
        ({"tokens": 3}, "tokens must be a whole number from 4 to 20, got 3"),
        ({"tokens": 4.5}, "tokens must be a whole number .*, got 4.5"),
        ({"tokens": 8, "window": 9}, "window must be .* from 1 to 8, got 9"),
        ({"window": 0}, "window must be a whole number from 1 to 16, got 0"),
        ({"dilation": 9}, "dilation must be .* from 1 to 8, got 9"),
        ({"stride": 0}, "stride must be .* from 1 to 16, got 0"),
        ({"global_tokens": 5}, "global_tokens must be .* 0 to 4, got 5"),
        ({"block": 0}, "block must be .* from 1 to 8, got 0"),
        ({"near": 5}, "near must be .* from 1 to 4, got 5"),
        ({"sinks": -1}, "sinks must be .* from 0 to 4, got -1"),
        ({"layers": 9}, "layers must be .* from 1 to 8, got 9"),
        ({"token": 17}, "token must be .* from 1 to 16, got 17"),
        ({"window": torch.ones(2)}, "window must be a whole number"),
        ({"window": "4"}, "window must be a whole number"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(wrong, says):
    with pytest.raises(ValueError, match=says) as caught:
        explorers.PatternPainter(**wrong)
    assert str(caught.value).count(".") >= 2  # the error says what to do
