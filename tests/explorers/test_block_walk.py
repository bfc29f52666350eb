"""BlockWalk: its data, and the figure in the page."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from attnbook import explorers

STAGE = {
    "name": "embedding",
    "shape": "(B, T, D)",
    "formula": "x",
    "text": "looked up",
    "values": np.ones((2, 4)),
}
SIZES = {"B": 1, "T": 2, "D": 4}


def slider(page, name):
    return page.get_by_role("slider", name=name, exact=True)


def facts(page) -> str:
    return page.get_by_text(re.compile("^mean .*spread")).inner_text()


def test_mean_and_spread_are_those_of_the_token(show, walk):
    page = show([walk])
    values = np.array(walk.stages[0]["values"][0])
    expected = f"mean {values.mean():.2f} · spread {values.std():.2f}"
    assert facts(page) == expected.replace("-", "−")


def test_a_normalised_token_has_mean_0_and_spread_1(show, walk):
    page = show([walk])
    page.get_by_role("button", name="layer norm").click()
    before, after = (np.array(s["values"][0]) for s in walk.stages[:2])
    moved = np.linalg.norm(after - before) / np.linalg.norm(before)
    expect(page.get_by_text("mean 0.00 · spread 1.00")).to_contain_text(
        f"{moved:.2f} of its length"
    )


def test_arrow_keys_step_through_the_stages_and_stay_inside(show, walk):
    page = show([walk])
    page.evaluate("addEventListener('keydown', (e) => (window.heard = e.key))")
    slider(page, "Stage").focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_text("3. widen")).to_be_visible()
    zeros = int((np.array(walk.stages[2]["values"][0]) == 0).sum())
    expect(page.get_by_text(f"{zeros} are 0")).to_be_visible()
    expect(page.locator(".strip i")).to_have_count(32)
    expect(page.locator("button[aria-current=step]")).to_contain_text("widen")
    assert page.evaluate("window.heard") is None


def test_the_change_is_drawn_where_the_widths_agree(show, walk):
    page = show([walk])
    changes = page.locator(".strip").nth(1)
    expect(changes).to_be_hidden()  # before the first there is nothing
    page.get_by_role("button", name="layer norm").click()
    expect(changes).to_be_visible()
    expect(changes).to_have_attribute(
        "aria-label", "Their change from embedding"
    )
    first, second = (np.array(s["values"][0]) for s in walk.stages[:2])
    below = changes.locator("i").evaluate_all(
        "cells => cells.map(cell => cell.className === 'below')"
    )
    assert below == (second < first).tolist()
    page.get_by_role("button", name="widen").click()
    expect(changes).to_be_hidden()


def test_a_finger_chooses_another_token(show, walk):
    page = show([walk], width=360, has_touch=True, is_mobile=True)
    page.get_by_label("vierzig").tap()
    values = np.array(walk.stages[0]["values"][2])
    expect(page.get_by_text(f"mean {values.mean():.2f}")).to_be_visible()


def test_the_shapes_follow_the_sizes(show, walk):
    page = show([walk])
    slider(page, "Stage").focus()
    page.keyboard.press("End")
    expect(page.get_by_text("(2, 2, 3, 4): 48 numbers")).to_be_visible()
    slider(page, "B").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("(3, 2, 3, 4): 72 numbers")).to_be_visible()
    expect(page.get_by_role("button", name="widen")).to_contain_text(
        "(3, 3, 32)"
    )
    slider(page, "H").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("do not fit")).to_be_visible()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tokens": []}, "at least one"),
        ({"stages": [{"name": "x"}]}, "must have the keys"),
        ({"stages": [{**STAGE, "shape": "B, T"}]}, "must look like"),
        ({"stages": [{**STAGE, "shape": "(B, H)"}]}, "without a size: H"),
        ({"stages": [{**STAGE, "values": np.ones((3, 4))}]}, r"\(2, n\)"),
        ({"sizes": {**SIZES, "D": 0}}, "whole number from 1"),
    ],
)
def test_data_that_do_not_fit_are_refused(change, said):
    arguments = {"tokens": ["a", "b"], "stages": [STAGE], "sizes": SIZES}
    with pytest.raises(ValueError, match=said):
        explorers.BlockWalk(**{**arguments, **change})
