"""AlignmentScrubber: its data, and the figure in the page."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from attnbook import explorers

SENTENCE = {
    "label": "forty-three",
    "source": ["drei", "und", "vierzig"],
    "target": ["4", "3"],
    "weights": np.array([[0.1, 0.1, 0.8], [0.7, 0.2, 0.1]]),  # (2, 3)
    "truth": np.array([[False, False, True], [True, False, False]]),
}


def test_a_step_lights_its_source_tokens(show, scrubber):
    page = show([scrubber])
    expect(page.locator(".token small")).to_have_text(["0.00", "0.00", "1.00"])
    expect(page.locator(".digits")).to_have_text("4··")
    page.get_by_role("slider", name="Step").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".token small")).to_have_text(["0.70", "0.20", "0.10"])
    expect(page.locator(".digits")).to_have_text("43·")
    expect(page.locator(".digits .now")).to_have_text("3")
    expect(page.locator(".beside p").first).to_have_text(
        "Weight on the true tokens: 0.70. Mean over the steps: 0.85."
    )
    page.keyboard.press("End")
    expect(page.locator(".beside p").first).to_contain_text("no true token")


def test_the_true_alignment_is_laid_over_on_request(show, scrubber):
    page = show([scrubber])
    first = page.locator(".token").nth(2)
    shadow = "e => getComputedStyle(e).boxShadow"
    assert first.evaluate(shadow) == "none"
    page.get_by_label("Lay the true alignment over").check()
    expect(page.locator(".explorer")).to_have_class(re.compile("true"))
    assert "rgb(213, 94, 0)" in first.evaluate(shadow)
    assert page.locator(".token").first.evaluate(shadow) == "none"
    page.get_by_role("slider", name="Step").press("ArrowRight")
    expect(page.locator(".token.at")).to_contain_text(["drei"])
    page.get_by_label("Lay the true alignment over").uncheck()
    expect(page.locator(".explorer")).not_to_have_class(re.compile("true"))


def test_arrow_keys_walk_the_grid_and_read_it_out(show, scrubber):
    page = show([scrubber])
    grid = page.get_by_role("grid")
    expect(grid.get_by_role("gridcell")).to_have_count(9)
    expect(grid.locator("[tabindex='0']")).to_have_count(1)
    grid.locator("[tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".read")).to_have_text("3 from und: 0.200")
    expect(page.locator(".digits")).to_have_text("43·")
    page.keyboard.press("Home")
    expect(page.locator(".read")).to_have_text(
        "3 from drei: 0.700, a true token"
    )
    focused = grid.locator(":focus")
    expect(focused).to_have_attribute(
        "aria-label", "3 from drei: 0.700, a true token"
    )
    expect(grid.locator("[tabindex='0']")).to_have_count(1)


def test_a_click_in_the_grid_goes_to_its_step(show, scrubber):
    page = show([scrubber])
    page.get_by_role("gridcell").nth(7).click()
    expect(page.locator(".read")).to_have_text("<eos> from und: 0.300")
    step = page.get_by_role("slider", name="Step")
    expect(step).to_have_attribute("aria-valuetext", "3 of 3")


def test_another_sentence_starts_at_its_first_step(show, scrubber):
    page = show([scrubber])
    page.get_by_role("slider", name="Step").press("End")
    page.get_by_label("Sentence").select_option("a telephone number")
    step = page.get_by_role("slider", name="Step")
    expect(step).to_have_attribute("aria-valuetext", "1 of 20")
    expect(page.locator(".token")).to_have_count(28)
    box = page.get_by_label("Lay the true alignment over")
    expect(box).to_be_disabled()
    expect(page.locator(".beside p").first).to_contain_text("not known")


def test_torch_tensors_are_taken_as_they_are():
    weights = torch.tensor(SENTENCE["weights"], requires_grad=True)
    truth = torch.tensor(SENTENCE["truth"])
    scrubber = explorers.AlignmentScrubber(
        [{**SENTENCE, "weights": weights, "truth": truth}]
    )
    assert scrubber.sentences[0]["weights"][0] == [0.1, 0.1, 0.8]
    assert scrubber.sentences[0]["truth"][1] == [True, False, False]


def test_a_sentence_may_have_no_label_and_no_truth():
    sentence = {k: SENTENCE[k] for k in ("source", "target", "weights")}
    scrubber = explorers.AlignmentScrubber([sentence])
    assert scrubber.sentences[0]["label"] == "drei und vierzig"
    assert scrubber.sentences[0]["truth"] is None


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: explorers.AlignmentScrubber(SENTENCE),
            "sentences must be a list of dictionaries, got one dictionary",
        ),
        (
            lambda: explorers.AlignmentScrubber([]),
            "sentences must hold at least one sentence",
        ),
        (
            lambda: explorers.AlignmentScrubber([{"source": ["drei"]}]),
            r"sentences\[0\] must have the keys label, source, target",
        ),
        (
            lambda: explorers.AlignmentScrubber(
                [{**SENTENCE, "weights": SENTENCE["weights"].T}]
            ),
            r"weights'\] must have the shape \(2, 3\), got \(3, 2\)",
        ),
        (
            lambda: explorers.AlignmentScrubber(
                [{**SENTENCE, "weights": SENTENCE["weights"] * 3}]
            ),
            "Pass the weights, not the scores",
        ),
        (
            lambda: explorers.AlignmentScrubber(
                [{**SENTENCE, "truth": [[True]]}]
            ),
            r"truth'\] must have the shape \(2, 3\), got \(1, 1\)",
        ),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(make, says):
    with pytest.raises(ValueError, match=says) as caught:
        make()
    assert str(caught.value).count(".") >= 2  # the error says what to do
