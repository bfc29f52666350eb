"""ScoreWindow: its data, and the figure in the page."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from settling import settle

from attnbook import explorers, train
from attnbook.mechanisms.additive import masked_softmax
from attnbook.mechanisms.multiplicative import (
    gaussian_window,
    monotonic_window,
)

SCORES = np.zeros((2, 3))
TOKENS = ["drei", "und", "vierzig"]


def mechanism(explorer, name, window, half_width=2) -> torch.Tensor:
    """The weights (T, S) of the mechanism."""
    scores = torch.tensor(explorer.scores[explorer.names.index(name)])
    T, S = scores.shape
    if window == "global":
        return scores.softmax(-1)
    if window == "local-m":
        return masked_softmax(scores, monotonic_window(T, S, half_width))
    centres = torch.tensor(explorer.centres)[None]  # (1, T)
    inside, factor = gaussian_window(centres, S, half_width)
    return masked_softmax(scores, inside[0]) * factor[0]


def weights(page, shape=(3, 6)) -> np.ndarray:
    said = [
        re.search(r": ([\d.]+)", cell.get_attribute("aria-label"))[1]
        for cell in page.get_by_role("gridcell").all()
    ]
    return np.reshape([float(text) for text in said], shape)


def tiles(page) -> list[float]:
    return [float(t) for t in page.locator(".tile b").all_inner_texts()]


def expect_drawn(page, explorer, name, window, half_width=2) -> None:
    """Weights and tiles are the mechanism's."""
    settle(page)
    expected = mechanism(explorer, name, window, half_width)
    np.testing.assert_allclose(weights(page), expected, atol=0.00051)
    sums = expected.sum(-1, keepdim=True)
    held = (expected / sums)[sums[:, 0] > 0]
    nats = torch.special.entr(held).sum(-1).mean()
    truth = torch.tensor(explorer.truth)
    score = train.alignment_score(expected, truth)
    np.testing.assert_allclose(
        tiles(page), [score, nats, sums.mean()], atol=0.0051
    )


def test_it_starts_global_with_the_first_score(show, windows):
    page = show([windows])
    expect_drawn(page, windows, "dot", "global")
    expect(page.locator(".out")).to_have_count(0)
    expect(page.locator(".centre")).to_have_count(0)
    expect(page.get_by_role("slider", name="Half width D")).to_be_disabled()


@pytest.mark.parametrize("name", ["dot", "general"])
@pytest.mark.parametrize("window", ["local-m", "local-p"])
def test_weights_and_measures_are_the_mechanisms(show, windows, name, window):
    page = show([windows])
    page.get_by_label(name, exact=True).check()
    page.get_by_label(window).check()
    expect_drawn(page, windows, name, window)
    slider = page.get_by_role("slider", name="Half width D")
    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "1")
    expect_drawn(page, windows, name, window, 1)
    slider.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "5")
    expect_drawn(page, windows, name, window, 5)


def test_what_lies_outside_the_window_is_hatched(show, windows):
    page = show([windows])
    page.get_by_label("local-m").check()
    cells = page.get_by_role("gridcell")
    expect(cells.nth(3)).to_have_class(re.compile(r"\bout\b"))
    got = [
        "out" in cell.get_attribute("class").split() for cell in cells.all()
    ]
    inside = monotonic_window(3, 6, 2).numpy()
    np.testing.assert_array_equal(np.reshape(got, (3, 6)), ~inside)
    expect(cells.nth(3)).to_have_attribute(
        "aria-label", re.compile("0.000, outside the window, centre 0.0$")
    )


def test_the_centre_of_a_row_is_marked_where_it_lies(show, windows):
    page = show([windows])
    page.get_by_label("local-p").check()
    expect(page.locator(".centre")).to_have_count(3)
    cells = page.get_by_role("gridcell")
    for row, column, shift in ((0, 2, -0.3), (1, 0, 0.2), (2, 5, 0.5)):
        cell = cells.nth(6 * row + column)
        expect(cell).to_have_class(re.compile(r"\bcentre\b"))
        at = cell.evaluate(
            "e => getComputedStyle(e).getPropertyValue('--shift')"
        )
        assert float(at) == pytest.approx(shift)


def test_a_finger_sets_the_half_width(show, windows):
    page = show([windows], width=360, has_touch=True, is_mobile=True)
    page.get_by_label("local-p").tap()
    slider = page.get_by_role("slider", name="Half width D")
    expect(slider).to_be_enabled()
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.touchscreen.tap(box["x"] + 0.75 * box["width"], middle)
    expect(slider).to_have_attribute("aria-valuetext", "4")
    expect_drawn(page, windows, "dot", "local-p", 4)
    page.mouse.click(box["x"] + 2, middle)
    expect(slider).to_have_attribute("aria-valuetext", "1")


def test_arrow_keys_walk_the_weights_and_read_them_out(show, windows):
    page = show([windows])
    page.evaluate("addEventListener('keydown', (e) => (window.heard = e.key))")
    page.get_by_label("local-p").check()
    page.get_by_role("gridcell").nth(0).click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    settle(page)
    weight = mechanism(windows, "dot", "local-p")[0, 2]
    says = (
        f"step 0, 2, from token 2, zwanzig: {weight:.3f}, a true token, "
        "centre 1.7"
    )
    expect(page.locator(".read")).to_have_text(says)
    focused = page.get_by_role("grid").locator(":focus")
    expect(focused).to_have_attribute("aria-label", says)
    expect(page.locator("[role=gridcell][tabindex='0']")).to_have_count(1)
    assert page.evaluate("window.heard") is None


def test_the_true_alignment_is_outlined_on_request(show, windows):
    page = show([windows])
    cell = page.get_by_role("gridcell").nth(2)
    shadow = "e => getComputedStyle(e, '::after').boxShadow"
    assert cell.evaluate(shadow) == "none"
    page.get_by_label("Outline the true alignment").check()
    expect(page.locator(".explorer")).to_have_class(re.compile("true"))
    assert "rgb(213, 94, 0)" in cell.evaluate(shadow)


def test_without_centres_and_truth_their_controls_are_off(show):
    page = show([explorers.ScoreWindow({"dot": SCORES}, TOKENS, ["4", "3"])])
    expect(page.get_by_label("local-p")).to_be_disabled()
    expect(page.get_by_label("Outline the true")).to_be_disabled()
    expect(page.locator(".tile")).to_have_count(2)


def test_a_step_beyond_the_source_has_an_empty_window(show):
    scores = np.random.default_rng(5).normal(size=(6, 3))
    explorer = explorers.ScoreWindow(
        {"dot": scores},
        TOKENS,
        list("432101"),
        window="local-m",
        half_width=1,
    )
    page = show([explorer])
    expected = mechanism(explorer, "dot", "local-m", 1)
    assert expected[4:].sum() == 0
    np.testing.assert_allclose(weights(page, (6, 3)), expected, atol=0.00051)
    assert tiles(page)[1] == pytest.approx(4 / 6, abs=0.0051)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 760])
def test_a_local_window_is_readable_for_everyone(show, windows, theme, width):
    page = show([windows], theme=theme, width=width)
    page.get_by_label("local-p").check()
    page.get_by_label("Outline the true alignment").check()
    expect(page.locator(".marks")).to_be_visible()
    page.wait_for_timeout(200)
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_long_sentence_stays_inside_a_phone(show):
    rng = np.random.default_rng(6)
    scores = {
        name: rng.normal(size=(16, 28))
        for name in ("dot", "general", "concat", "location")
    }
    long = explorers.ScoreWindow(
        scores,
        TOKENS * 9 + ["null"],
        list("43210589" * 2),
        centres=np.linspace(0, 28, 16),
        half_width=10,
        window="local-p",
    )
    page = show([long], width=360)
    expect(page.locator(".centre")).to_have_count(16)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_its_text_names_scores_and_windows(windows):
    assert repr(windows) == (
        "ScoreWindow: dot, general over 6 source tokens in 3 steps, global, "
        "local-m, local-p"
    )
    plain = explorers.ScoreWindow({"dot": SCORES}, TOKENS, ["4", "3"])
    assert repr(plain).endswith("in 2 steps, global, local-m")


def make(**other):
    given = {"scores": {"dot": SCORES}, "source": TOKENS, "target": ["4", "3"]}
    return explorers.ScoreWindow(**{**given, **other})


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (
            {"scores": SCORES},
            r"scores must be a dictionary .* got ndarray",
        ),
        ({"scores": {}}, "scores must be a dictionary .* got an empty one"),
        (
            {"scores": {"dot": SCORES, "concat": SCORES.T}},
            r"scores\['concat'\] must have the shape \(2, 3\), got \(3, 2\)",
        ),
        (
            {"scores": {"dot": SCORES - np.inf}},
            r"scores\['dot'\] must be finite, got -inf",
        ),
        ({"source": []}, "source and target must hold a token each"),
        ({"truth": [[True]]}, r"truth must have the shape \(2, 3\)"),
        ({"centres": [0.0]}, r"centres must have the shape \(2,\)"),
        (
            {"centres": [0.5, 3.5]},
            "centres must lie between 0 and 3, got 3.5",
        ),
        (
            {"half_width": 0},
            "half_width must be a whole number from 1 to 2, got 0",
        ),
        (
            {"half_width": 1.5},
            "half_width must be a whole number from 1 to 2, got 1.5",
        ),
        (
            {"window": "local-p"},
            "window must be one of 'global', 'local-m', got 'local-p'",
        ),
        ({"score": "cosine"}, "score must be one of 'dot', got 'cosine'"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(other, says):
    with pytest.raises(ValueError, match=says) as caught:
        make(**other)
    assert str(caught.value).count(".") >= 2  # the error says what to do
