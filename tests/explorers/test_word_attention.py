"""WordAttention: its data, and the figure in the page."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from samples import SAMPLES
from settling import settle
from word_maps_cases import ink_ratio, patch_ink

from attnbook import explorers


@pytest.fixture
def sample():
    return SAMPLES["WordAttention"]()


def data(sample, picture=0):
    """Images (K, n, n) and weights (K, P, W) as the page has them."""
    one = sample.pictures[picture]
    return np.array(one["images"]), np.array(one["weights"])


def cell_weights(page) -> np.ndarray:
    """What the map's cells are filled with."""
    found = page.locator(".cell").evaluate_all(
        "cells => cells.map(c => Number(c.style.getPropertyValue('--weight')))"
    )
    return np.array(found)


def shown(page, sample, picture, step, word):
    """The page shows this word at this step, everywhere."""
    settle(page)
    images, weights = data(sample, picture)
    most = weights.max()
    np.testing.assert_allclose(
        cell_weights(page), weights[step, :, word] / most
    )
    grey = page.locator(".image i").evaluate_all(
        "all => all.map(i => Number(i.style.getPropertyValue('--weight')))"
    )
    np.testing.assert_allclose(grey, images[step].ravel())
    expect(page.locator(".thumb")).to_have_count(len(weights))
    expect(page.locator(".thumb").nth(step)).to_have_class("thumb now")
    ink = patch_ink(images[-1], 4)
    rows = page.locator(".words tbody tr")
    expect(rows).to_have_count(weights.shape[-1])
    for i in range(weights.shape[-1]):
        column = weights[step, :, i]
        cells = rows.nth(i).locator("td")
        expect(cells.first).to_have_text(f"{column.mean():.2f}")
        expect(cells.last).to_have_text(f"{ink_ratio(column, ink):.2f} ×")
    expect(page.locator(".words tr.now")).to_have_count(1)
    expect(rows.nth(word)).to_have_class("now")


def test_it_begins_with_the_finished_picture(show, sample):
    page = show([sample])
    shown(page, sample, 0, 2, 0)
    ink = patch_ink(data(sample)[0][-1], 4)
    framed = page.locator(".cell").evaluate_all(
        "cells => cells.map(cell => cell.classList.contains('at'))"
    )
    assert framed == (ink > ink.mean()).tolist()
    assert sum(framed) == 8


def test_step_word_and_caption_are_chosen_by_keys(show, sample):
    page = show([sample])
    page.get_by_role("slider", name="Step").press("ArrowLeft")
    shown(page, sample, 0, 1, 0)
    expect(page.get_by_role("slider", name="Step")).to_have_attribute(
        "aria-valuetext", "0.67"
    )
    page.get_by_role("radio", name="a", exact=True).press("ArrowDown")
    shown(page, sample, 0, 1, 1)
    page.get_by_role("slider", name="Step").press("Home")
    # A caption with fewer words keeps a word that it has.
    page.get_by_role("combobox", name="Caption").select_option("one")
    page.get_by_role("slider", name="Step").press("ArrowLeft")
    page.get_by_role("slider", name="Step").press("ArrowLeft")
    shown(page, sample, 1, 0, 0)


def test_a_patch_reads_out_the_word_that_it_attends_to_most(show, sample):
    page = show([sample])
    _, weights = data(sample)
    page.locator("[role=gridcell][tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    row = weights[2, 5]
    most = ["a", "thin", "one"][row.argmax()]
    expect(page.locator(".read")).to_have_text(
        f"row 2, column 2: a {row[0]:.2f}, most {most}"
    )


def test_a_finger_chooses_a_step_and_a_word(show, sample):
    page = show([sample], width=360, has_touch=True, is_mobile=True)
    page.locator(".thumb").first.tap()
    shown(page, sample, 0, 0, 0)
    page.locator(".words tbody tr").last.tap()
    shown(page, sample, 0, 0, 2)


def test_the_mouse_chooses_a_word(show, sample):
    page = show([sample])
    page.get_by_text("thin", exact=True).first.click()
    shown(page, sample, 0, 2, 1)


def test_what_changes_is_said(show, sample):
    page = show([sample])
    page.locator(".words tbody tr").last.click()
    images, weights = data(sample)
    column = weights[2, :, 2]
    ratio = ink_ratio(column, patch_ink(images[-1], 4))
    expect(page.locator("[aria-live=polite]")).to_have_text(
        f"Step 1.00, word one: mean weight {column.mean():.2f}, "
        f"{ratio:.2f} times as much on ink as an even spread."
    )


def test_a_picture_without_ink_has_nothing_to_compare(show):
    blank = {
        "words": ["none"],
        "images": np.zeros((2, 4, 4)),
        "weights": np.ones((2, 4, 1)),
    }
    page = show([explorers.WordAttention([blank])])
    expect(page.locator(".words td").last).to_have_text("–")
    expect(page.locator("[aria-live=polite]")).to_contain_text(
        "no ink to compare."
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 760])
def test_it_is_readable_for_everyone(show, theme, width):
    rng = np.random.default_rng(0)
    wide = {
        "words": ["the", "digit", "seven", "in", "bold"],
        "images": rng.random((12, 8, 8)),
        "weights": rng.dirichlet(np.ones(5), size=(12, 64)),
    }
    page = show([explorers.WordAttention([wide])], theme=theme, width=width)
    settle(page)
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    grid = page.get_by_role("grid")
    assert grid.evaluate("e => e.scrollWidth <= e.clientWidth")


# -- the data -----------------------------------------------------------------


def picture(**changed):
    made = {
        "words": ["a", "one"],
        "images": torch.rand(3, 8, 8),
        "weights": torch.full((3, 16, 2), 0.5),
    }
    return {k: v for k, v in (made | changed).items() if v is not None}


def test_what_lies_outside_is_cut_off_and_steps_are_numbered():
    outside = torch.eye(8)[None] * 3 - 1  # -1 and 2
    weights = torch.full((1, 16, 2), 0.5)
    one = explorers.WordAttention([picture(images=outside, weights=weights)])
    assert np.unique(one.pictures[0]["images"]).tolist() == [0, 1]
    assert (one.steps, one.step) == (["1"], 0)


def test_its_text_names_the_captions(sample):
    assert repr(sample) == (
        "WordAttention: where a word is attended to, in 3 steps, for "
        "“a thin one”, “one”"
    )


@pytest.mark.parametrize(
    ("pictures", "says"),
    [
        ([], "at least one picture, got none"),
        (
            [picture(words=None)],
            r"pictures\[0\] must have .* words is missing",
        ),
        ([picture(words=["a"])], "one entry for each of the 2 words, got 1"),
        ([picture(images=torch.rand(3, 8, 7))], "square, got 8 rows of 7"),
        ([picture(images=torch.rand(8, 8))], r"shape \(K, n, m\), got"),
        ([picture(images=torch.rand(2, 8, 8))], r"shape \(2, P, W\), got"),
        (
            [picture(weights=torch.full((3, 15, 2), 0.5))],
            "g that divides 8, got 15 patches",
        ),
        (
            [picture(weights=torch.full((3, 9, 2), 0.5))],
            "g that divides 8, got 9 patches",
        ),
        ([picture(weights=torch.ones(3, 16, 2))], "at most 1 .* and 2"),
        ([picture(weights=-torch.ones(3, 16, 2))], "0 or more, .* got -1"),
        (
            [picture(), picture(images=torch.rand(3, 4, 4))],
            r"pictures\[1\]\['images'\] must have .* \(3, 8, 8\), got",
        ),
        ([picture()] * 250, "at most 60000 numbers, got 72000"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(pictures, says):
    with pytest.raises(ValueError, match=says) as caught:
        explorers.WordAttention(pictures)
    assert str(caught.value).count(".") >= 2  # the error says what to do


def test_as_many_labels_as_steps_are_needed():
    with pytest.raises(ValueError, match="each of the 3 steps, got 2"):
        explorers.WordAttention([picture()], ["1", "2"])
