"""HeadAblation: its data, and the figure in the page."""

from __future__ import annotations

import numpy as np
import pytest
import samples
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from settling import settle

from attnbook import explorers


@pytest.fixture
def ablation() -> explorers.HeadAblation:
    return samples.head_ablation()


def weights(page) -> np.ndarray:
    """The map of the chosen head, as it is drawn: (T, T)."""
    grid = page.get_by_role("grid", name="Weights of the chosen head")
    found = grid.get_by_role("gridcell").evaluate_all(
        "cells => cells.map(c => +c.style.getPropertyValue('--weight'))"
    )
    n = int(len(found) ** 0.5)
    return np.reshape(found, (n, n))


def losses(page) -> np.ndarray:
    """All heads and now, of each token: (T, 2)."""
    found = page.locator(".losses td.n").all_inner_texts()
    return np.reshape([*map(float, found)], (-1, 2))


def head(page, layer, which, heads=2):
    grid = page.get_by_role("grid", name="Heads, by layer")
    return grid.get_by_role("gridcell").nth(heads * layer + which)


def shown(page, ablation, gone) -> None:
    """The page shows the case in which these heads are gone."""
    settle(page)
    number = sum(2 ** (2 * layer + which) for layer, which in gone)
    rows = np.array([ablation.losses[0], ablation.losses[number]]).T
    np.testing.assert_allclose(losses(page), rows, atol=0.0051)
    mean = rows[np.array(ablation.counted), 1].mean()
    said = page.locator(".mean b").last.inner_text()
    assert float(said) == pytest.approx(mean, abs=0.0051)


def test_the_first_picture_has_all_heads(show, ablation):
    page = show([ablation])
    shown(page, ablation, [])
    np.testing.assert_allclose(weights(page), ablation.earlier[0])
    expect(page.get_by_role("button", name="Bring all")).to_be_disabled()


def test_a_head_of_the_first_layer_gone_changes_the_maps_of_the_second(
    show, ablation
):
    page = show([ablation])
    head(page, 1, 0).click()
    np.testing.assert_allclose(weights(page), ablation.later[0][0])
    head(page, 0, 1).click()
    page.get_by_role("checkbox", name="Take this head away").check()
    shown(page, ablation, [(0, 1)])
    np.testing.assert_allclose(weights(page), ablation.earlier[1])
    head(page, 1, 0).click()
    settle(page)
    np.testing.assert_allclose(weights(page), ablation.later[2][0])
    assert not np.allclose(ablation.later[2][0], ablation.later[0][0])


def test_the_keyboard_takes_heads_away_and_a_button_brings_them_back(
    show, ablation
):
    page = show([ablation])
    page.evaluate("addEventListener('keydown', (e) => (window.heard = e.key))")
    head(page, 0, 0).focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    shown(page, ablation, [(0, 0), (1, 0)])
    assert page.locator(".cell.gone").count() == 2
    page.keyboard.press("Space")
    shown(page, ablation, [(0, 0)])
    assert page.evaluate("window.heard") is None
    assert page.evaluate("scrollY") == 0
    page.get_by_role("button", name="Bring all heads back").click()
    shown(page, ablation, [])
    assert page.locator(".cell.gone").count() == 0


def test_all_heads_can_go(show, ablation):
    page = show([ablation])
    every = [(layer, which) for layer in (0, 1) for which in (0, 1)]
    for layer, which in every:
        head(page, layer, which).focus()
        page.keyboard.press("Space")
    shown(page, ablation, every)


def test_a_finger_picks_a_head(show, ablation):
    page = show([ablation], width=360, has_touch=True, is_mobile=True)
    head(page, 1, 1).tap()
    page.get_by_text("Take this head away").tap()
    shown(page, ablation, [(1, 1)])


def test_what_changes_is_said(show, ablation):
    page = show([ablation])
    head(page, 0, 1).focus()
    page.keyboard.press("Space")
    mean = np.array(ablation.losses[2])[ablation.counted].mean()
    expect(page.locator("[aria-live=polite]")).to_have_text(
        f"layer 1, head 2; taken away: 1.2; mean loss {mean:.2f}"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 760])
def test_it_is_readable_for_everyone(show, theme, width):
    rng = np.random.default_rng(0)
    tokens = [f"t{n}" for n in range(16)]
    maps = rng.random((17, 4, 16, 16))
    wide = explorers.HeadAblation(
        tokens, maps[0], maps[1:], rng.uniform(0, 6, (256, 16)), gone=[(0, 1)]
    )
    page = show([wide], theme=theme, width=width)
    settle(page)
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


# -- the data -----------------------------------------------------------------


def test_python_receives_what_the_reader_took_away(ablation):
    ablation.set_state({"gone": [[1, 0]], "layer": 1})
    assert ablation.gone == [[1, 0]]
    assert (ablation.layer, ablation.head) == (1, 0)


def test_its_text_counts_heads_and_tokens(ablation):
    assert repr(ablation) == (
        "HeadAblation: 2 x 2 heads to take away, their maps over 6 tokens "
        "and the loss of each"
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"earlier": np.ones((5, 3, 3))}, "1 to 4 heads, got 5"),
        (
            {"later": np.ones((2, 2, 3, 3))},
            r"later must have .*\(4, 2, 3, 3\)",
        ),
        ({"losses": np.ones((8, 3))}, r"losses must have .*\(16, 3\)"),
        ({"losses": np.full((16, 3), np.nan)}, "losses must be finite"),
        ({"counted": [False] * 3}, "one of them true"),
        ({"counted": [True] * 2}, "one entry for each of the 3 tokens"),
        ({"head": 2}, r"no layer and head \(0, 2\)"),
        ({"gone": [(2, 0)]}, r"no layer and head \(2, 0\)"),
        ({"tokens": "abc"}, "tokens must be a list of 3 strings"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(wrong, says):
    right = {
        "tokens": ["a", "b", "c"],
        "earlier": torch.ones(2, 3, 3),
        "later": torch.ones(4, 2, 3, 3),
        "losses": torch.ones(16, 3),
    }
    explorers.HeadAblation(**right)
    with pytest.raises(ValueError, match=says) as caught:
        explorers.HeadAblation(**right | wrong)
    assert str(caught.value).count(".") >= 1  # the error says what to do
